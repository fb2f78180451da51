/*
 * pamr_tiles.c - see pamr_tiles.h.
 *
 * A step of one tile: the samples around it are gathered into a region of contiguous memory, for up to four masks;
 * then the kernel takes the weighted mean. The weights of a tile are made when it is first computed.
 */
#include "segment/pamr_tiles.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <string.h>

#define NEAR_LIMIT 64                  /* pixels: larger dilations are gathered one neighbour at a time */
#define MASK_BYTES ((size_t)128 << 20) /* the masks' memory; only what is stored of it is ever touched */
#define WEIGHT_BYTES ((size_t)1 << 30) /* the weights' memory; larger images make them anew at every iteration */

static const int8_t directions[8][2] = {{-1, -1}, {-1, 0}, {-1, 1}, {0, -1}, {0, 1}, {1, -1}, {1, 0}, {1, 1}};

/* ------------------------------------------------------------------------------------------------- geometry */

static size_t far_index(const pamr_tiles *t, uint32_t dilation) {
    size_t i = 0;
    while (t->far[i] != dilation) {
        i++;
    }
    return i;
}

static diffcut_status place_neighbours(pamr_tiles *t, const uint32_t *dilations, uint32_t count,
                                       diffcut_diagnostics *diag) {
    t->offsets = mem_array((size_t)count * 8, sizeof *t->offsets);
    t->far = mem_array(count, sizeof *t->far);
    if (t->offsets == NULL || t->far == NULL) {
        return diag_no_memory(diag, (size_t)count * 8 * sizeof *t->offsets, "the dilations");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (dilations[i] > NEAR_LIMIT) {
            t->far[t->far_count++] = dilations[i];
        } else if (dilations[i] > t->near) {
            t->near = dilations[i];
        }
    }
    size_t margin = t->near;
    size_t stride = (TILE_WIDTH + 2 * margin + TILE_LANES - 1) / TILE_LANES * TILE_LANES;
    size_t far_start = (TILE_HEIGHT + 2 * margin) * stride;
    t->shape = (pamr_tile){(size_t)count * 8, t->offsets, margin * stride + margin, stride};
    for (size_t n = 0; n < t->shape.neighbours; n++) {
        uint32_t dilation = dilations[n / 8];
        const int8_t *direction = directions[n % 8];
        if (dilation > NEAR_LIMIT) {
            t->offsets[n] = far_start + (far_index(t, dilation) * 8 + n % 8) * TILE_HEIGHT * stride;
        } else {
            int64_t step = (int64_t)dilation * (direction[0] * (int64_t)stride + direction[1]);
            t->offsets[n] = (size_t)((int64_t)t->shape.centre + step);
        }
    }
    t->region_floats = far_start + t->far_count * 8 * TILE_HEIGHT * stride;
    return DIFFCUT_OK;
}

static size_t clamp(int64_t value, size_t count) {
    return value < 0 ? 0 : (uint64_t)value < count ? (size_t)value : count - 1;
}

/* Adds the tiles under a block of pixels to a list, each once: mark[tile] holds the last list it was put on. */
static size_t add_block(const pamr_tiles *t, int64_t y, int64_t x, int64_t rows, int64_t columns, size_t list,
                        size_t *mark, uint32_t *tiles, size_t used) {
    size_t last_y = clamp(y + rows - 1, t->height) / TILE_HEIGHT,
           last_x = clamp(x + columns - 1, t->width) / TILE_WIDTH;
    for (size_t ty = clamp(y, t->height) / TILE_HEIGHT; ty <= last_y; ty++) {
        for (size_t tx = clamp(x, t->width) / TILE_WIDTH; tx <= last_x; tx++) {
            size_t tile = ty * t->tiles_x + tx;
            if (mark[tile] != list) {
                mark[tile] = list;
                tiles[used++] = (uint32_t)tile;
            }
        }
    }
    return used;
}

/* The tiles that the neighbours of a tile lie in, itself among them. tiles: room for all. Returns how many. */
static size_t list_reach(const pamr_tiles *t, size_t tile, size_t list, size_t *mark, uint32_t *tiles) {
    int64_t y = (int64_t)(tile / t->tiles_x * TILE_HEIGHT), x = (int64_t)(tile % t->tiles_x * TILE_WIDTH);
    int64_t margin = t->near;
    size_t used =
        add_block(t, y - margin, x - margin, TILE_HEIGHT + 2 * margin, TILE_WIDTH + 2 * margin, list, mark, tiles, 0);
    for (size_t i = 0; i < t->far_count * 8; i++) {
        int64_t dilation = t->far[i / 8];
        used = add_block(t, y + dilation * directions[i % 8][0], x + dilation * directions[i % 8][1], TILE_HEIGHT,
                         TILE_WIDTH, list, mark, tiles, used);
    }
    return used;
}

static diffcut_status find_reach(pamr_tiles *t, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    size_t *mark = mem_array_zero(t->count, sizeof *mark);
    uint32_t *tiles = mem_array(t->count, sizeof *tiles);
    t->reach_start = mem_array_zero(t->count + 1, sizeof *t->reach_start);
    if (mark == NULL || tiles == NULL || t->reach_start == NULL) {
        status = diag_no_memory(diag, t->count * sizeof *mark, "the tiles' neighbours");
        goto cleanup;
    }
    for (size_t tile = 0; tile < t->count; tile++) {
        t->reach_start[tile + 1] = t->reach_start[tile] + list_reach(t, tile, tile + 1, mark, tiles);
    }
    t->reach = mem_array(t->reach_start[t->count], sizeof *t->reach);
    if (t->reach == NULL) {
        status = diag_no_memory(diag, t->reach_start[t->count] * sizeof *t->reach, "the tiles' neighbours");
        goto cleanup;
    }
    for (size_t tile = 0; tile < t->count; tile++) {
        (void)list_reach(t, tile, t->count + tile + 1, mark, t->reach + t->reach_start[tile]);
    }

cleanup:
    mem_free(mark);
    mem_free(tiles);
    return status;
}

static diffcut_status take_memory(const work *w, size_t batch, pamr_tiles *t) {
    size_t mask_bytes = 2 * t->count * TILE_AREA * sizeof(float); /* both sides */
    size_t room = MASK_BYTES / mask_bytes;
    batch = batch < PAMR_BATCH ? batch : PAMR_BATCH;
    t->batch = batch < room ? batch : room > 0 ? room : 1;
    t->weight_floats = t->shape.neighbours * TILE_AREA;
    t->keep_weights = t->count <= WEIGHT_BYTES / (t->weight_floats * sizeof(float));
    t->weights = mem_array(t->keep_weights ? t->count : w->threads, t->weight_floats * sizeof(float));
    t->weighed = mem_array_zero(t->count, 1);
    t->regions = mem_array((size_t)w->threads * GROUP_MASKS, t->region_floats * sizeof(float));
    bool complete = t->weights != NULL && t->weighed != NULL && t->regions != NULL;
    for (size_t side = 0; side < 2; side++) {
        t->masks[side] = mem_array(t->count * t->batch, TILE_AREA * sizeof(float));
        t->present[side] = mem_array_zero(t->count, sizeof(uint64_t));
        t->full[side] = mem_array_zero(t->count, sizeof(uint64_t));
        complete = complete && t->masks[side] != NULL && t->present[side] != NULL && t->full[side] != NULL;
    }
    if (!complete) {
        return diag_no_memory(w->diag, t->batch * mask_bytes + t->count * t->weight_floats * sizeof(float),
                              "refining (a smaller refine_size needs less)");
    }
    return DIFFCUT_OK;
}

diffcut_status pamr_tiles_create(const work *w, const float *image, uint32_t width, uint32_t height,
                                 const uint32_t *dilations, uint32_t dilation_count, size_t batch, float threshold,
                                 pamr_tiles *out) {
    *out = (pamr_tiles){.kernel = SIMD_PICK(pamr_kernel, cpu_best_level()),
                        .width = width,
                        .height = height,
                        .tiles_x = ((size_t)width + TILE_WIDTH - 1) / TILE_WIDTH,
                        .tiles_y = ((size_t)height + TILE_HEIGHT - 1) / TILE_HEIGHT,
                        .image = image,
                        .threshold = threshold};
    if (!mem_mul(out->tiles_x, out->tiles_y, &out->count) || out->count > UINT32_MAX / 2) {
        return diag_fail(w->diag, DIFFCUT_ERROR_LIMIT, "refine: an image of %ux%u pixels is too large", width,
                         height);
    }
    diffcut_status status = place_neighbours(out, dilations, dilation_count, w->diag);
    if (status == DIFFCUT_OK) {
        status = find_reach(out, w->diag);
    }
    return status == DIFFCUT_OK ? take_memory(w, batch, out) : status;
}

void pamr_tiles_free(pamr_tiles *t) {
    mem_free(t->offsets);
    mem_free(t->far);
    mem_free(t->regions);
    mem_free(t->reach);
    mem_free(t->reach_start);
    mem_free(t->weights);
    mem_free(t->weighed);
    for (size_t side = 0; side < 2; side++) {
        mem_free(t->masks[side]);
        mem_free(t->present[side]);
        mem_free(t->full[side]);
    }
    *t = (pamr_tiles){0};
}

/* ------------------------------------------------------------------------------------------------- reading */

static bool has(uint64_t bits, size_t mask) {
    return (bits >> mask & 1) != 0;
}

static float *mask_tile(const pamr_tiles *t, size_t side, size_t tile, size_t mask) {
    return t->masks[side] + (tile * t->batch + mask) * TILE_AREA;
}

/* What a block of `length` samples from `start` on, of an axis of `count`, takes from inside: source .. source +
 * taken
 * - 1, to be put at `at`; what lies before and after repeats the ends. A block that lies outside takes the edge. */
typedef struct axis_block {
    size_t source, taken, at;
} axis_block;

static axis_block clip(int64_t start, size_t length, size_t count) {
    size_t first = clamp(start, count), last = clamp(start + (int64_t)length - 1, count);
    return (axis_block){first, last - first + 1, clamp((int64_t)first - start, length)};
}

static void fill(float *out, size_t count, float value) {
    for (size_t i = 0; i < count; i++) {
        out[i] = value;
    }
}

/* The part of mask m that lies on one tile: rows x columns values from (row, column) of the tile on. */
static void read_tile(const pamr_tiles *t, size_t mask, size_t tile, size_t row, size_t column, size_t rows,
                      size_t columns, float *restrict out, size_t stride) {
    bool full = has(t->full[t->current][tile], mask);
    if (full || !has(t->present[t->current][tile], mask)) {
        for (size_t r = 0; r < rows; r++) {
            fill(out + r * stride, columns, full ? 1.0F : 0.0F);
        }
        return;
    }
    const float *restrict values = mask_tile(t, t->current, tile, mask) + row * TILE_WIDTH + column;
    for (size_t r = 0; r < rows; r++) {
        if (columns == TILE_WIDTH) { /* a constant, for the compiler */
            memcpy(out + r * stride, values + r * TILE_WIDTH, TILE_WIDTH * sizeof *out);
        } else {
            for (size_t i = 0; i < columns; i++) {
                out[r * stride + i] = values[r * TILE_WIDTH + i];
            }
        }
    }
}

void pamr_tiles_read(const pamr_tiles *t, size_t mask, int64_t y, int64_t x, size_t rows, size_t columns, float *out,
                     size_t stride) {
    axis_block down = clip(y, rows, t->height), across = clip(x, columns, t->width);
    for (size_t r = 0, next; r < down.taken; r += next) {
        size_t row = down.source + r;
        next = TILE_HEIGHT - row % TILE_HEIGHT;
        next = next < down.taken - r ? next : down.taken - r;
        for (size_t c = 0, step; c < across.taken; c += step) {
            size_t column = across.source + c;
            step = TILE_WIDTH - column % TILE_WIDTH;
            step = step < across.taken - c ? step : across.taken - c;
            read_tile(t, mask, row / TILE_HEIGHT * t->tiles_x + column / TILE_WIDTH, row % TILE_HEIGHT,
                      column % TILE_WIDTH, next, step, out + (down.at + r) * stride + across.at + c, stride);
        }
    }
    size_t right = across.at + across.taken, below = down.at + down.taken;
    for (size_t r = down.at; r < below && across.taken < columns; r++) {
        fill(out + r * stride, across.at, out[r * stride + across.at]);
        fill(out + r * stride + right, columns - right, out[r * stride + right - 1]);
    }
    for (size_t r = 0; r < down.at; r++) {
        memcpy(out + r * stride, out + down.at * stride, columns * sizeof *out);
    }
    for (size_t r = below; r < rows; r++) {
        memcpy(out + r * stride, out + (below - 1) * stride, columns * sizeof *out);
    }
}

/* The same for the image's channels. */
static void read_image(const pamr_tiles *t, int64_t y, int64_t x, size_t rows, size_t columns, size_t offset,
                       float *const out[IMAGE_CHANNELS]) {
    for (size_t r = 0; r < rows; r++, offset += t->shape.stride) {
        const float *row = t->image + clamp(y + (int64_t)r, t->height) * t->width * IMAGE_CHANNELS;
        for (size_t i = 0; i < columns; i++) {
            const float *pixel = row + clamp(x + (int64_t)i, t->width) * IMAGE_CHANNELS;
            out[0][offset + i] = pixel[0];
            out[1][offset + i] = pixel[1];
            out[2][offset + i] = pixel[2];
        }
    }
}

/* ------------------------------------------------------------------------------------------------- stepping */

typedef struct step_context {
    pamr_tiles *tiles;
    const pamr_source *source;
    size_t first, count;
} step_context;

static float *worker_region(const pamr_tiles *t, uint32_t worker, size_t i) {
    return t->regions + (worker * (size_t)GROUP_MASKS + i) * t->region_floats;
}

static void gather_mask(const pamr_tiles *t, size_t mask, int64_t y, int64_t x, float *region) {
    int64_t margin = t->near;
    size_t stride = t->shape.stride;
    pamr_tiles_read(t, mask, y - margin, x - margin, TILE_HEIGHT + 2 * (size_t)margin,
                    TILE_WIDTH + 2 * (size_t)margin, region, stride);
    float *block = region + (TILE_HEIGHT + 2 * (size_t)margin) * stride;
    for (size_t i = 0; i < t->far_count * 8; i++, block += TILE_HEIGHT * stride) {
        int64_t dilation = t->far[i / 8];
        pamr_tiles_read(t, mask, y + dilation * directions[i % 8][0], x + dilation * directions[i % 8][1],
                        TILE_HEIGHT, TILE_WIDTH, block, stride);
    }
}

static const float *tile_weights(pamr_tiles *t, size_t tile, int64_t y, int64_t x, uint32_t worker) {
    float *weights = t->weights + (t->keep_weights ? tile : worker) * t->weight_floats;
    if (t->keep_weights && t->weighed[tile] != 0) {
        return weights;
    }
    int64_t margin = t->near;
    size_t stride = t->shape.stride;
    float *regions[IMAGE_CHANNELS] = {worker_region(t, worker, 0), worker_region(t, worker, 1),
                                      worker_region(t, worker, 2)};
    read_image(t, y - margin, x - margin, TILE_HEIGHT + 2 * (size_t)margin, TILE_WIDTH + 2 * (size_t)margin, 0,
               regions);
    size_t block = (TILE_HEIGHT + 2 * (size_t)margin) * stride;
    for (size_t i = 0; i < t->far_count * 8; i++, block += TILE_HEIGHT * stride) {
        int64_t dilation = t->far[i / 8];
        read_image(t, y + dilation * directions[i % 8][0], x + dilation * directions[i % 8][1], TILE_HEIGHT,
                   TILE_WIDTH, block, regions);
    }
    t->kernel->weigh(&t->shape, (const float *const[]){regions[0], regions[1], regions[2]}, weights);
    t->weighed[tile] = 1;
    return weights;
}

static void step_tile(void *context, size_t tile, uint32_t worker) {
    pamr_tiles *t = ((const step_context *)context)->tiles;
    size_t from = t->current, to = 1 - from;
    uint64_t any = 0, all = ~UINT64_C(0);
    for (size_t i = t->reach_start[tile]; i < t->reach_start[tile + 1]; i++) {
        any |= t->present[from][t->reach[i]];
        all &= t->full[from][t->reach[i]];
    }
    uint64_t present = all, full = all, partial = any & ~all;
    int64_t y = (int64_t)(tile / t->tiles_x * TILE_HEIGHT), x = (int64_t)(tile % t->tiles_x * TILE_WIDTH);
    const float *weights = partial != 0 ? tile_weights(t, tile, y, x, worker) : NULL;
    while (partial != 0) {
        size_t mask[GROUP_MASKS], count = 0;
        const float *region[GROUP_MASKS];
        float *out[GROUP_MASKS], least[GROUP_MASKS], most[GROUP_MASKS];
        for (; partial != 0 && count < GROUP_MASKS; count++, partial &= partial - 1) {
            mask[count] = (size_t)__builtin_ctzll(partial);
            float *gathered = worker_region(t, worker, count);
            gather_mask(t, mask[count], y, x, gathered);
            region[count] = gathered;
            out[count] = mask_tile(t, to, tile, mask[count]);
        }
        t->kernel->diffuse(&t->shape, weights, count, region, out, least, most);
        for (size_t i = 0; i < count; i++) {
            uint64_t bit = UINT64_C(1) << mask[i];
            present |= most[i] >= t->threshold ? bit : 0;
            full |= least[i] >= 1.0F - t->threshold ? bit : 0;
        }
    }
    t->present[to][tile] = present;
    t->full[to][tile] = full;
}

void pamr_tiles_step(pamr_tiles *tiles, uint32_t threads) {
    step_context context = {.tiles = tiles};
    parallel_for_workers(threads, tiles->count, step_tile, &context);
    tiles->current = 1 - tiles->current;
}

/* ------------------------------------------------------------------------------------------------- starting */

/* Adds the share that one source label has in a pixel to its mask, if it is of this batch. */
static uint64_t add_share(const step_context *s, size_t tile, size_t pixel, uint32_t label, float share,
                          uint64_t present) {
    size_t mask = label - s->first;
    if (label < s->first || mask >= s->count || share <= 0.0F) {
        return present;
    }
    float *values = mask_tile(s->tiles, s->tiles->current, tile, mask);
    if (!has(present, mask)) {
        memset(values, 0, TILE_AREA * sizeof *values);
    }
    values[pixel] += share;
    return present | UINT64_C(1) << mask;
}

static bool covers(const float *values, size_t rows, size_t columns, float threshold) {
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < columns; x++) {
            if (values[y * TILE_WIDTH + x] < 1.0F - threshold) {
                return false;
            }
        }
    }
    return true;
}

static void set_tile(void *context, size_t tile) {
    const step_context *s = context;
    pamr_tiles *t = s->tiles;
    size_t y0 = tile / t->tiles_x * TILE_HEIGHT, x0 = tile % t->tiles_x * TILE_WIDTH;
    size_t rows = t->height - y0 < TILE_HEIGHT ? t->height - y0 : TILE_HEIGHT;
    size_t columns = t->width - x0 < TILE_WIDTH ? t->width - x0 : TILE_WIDTH;
    uint64_t present = 0, full = 0;
    for (size_t y = 0; y < rows; y++) {
        upsample_tap row = s->source->y[y0 + y];
        const uint32_t *low = s->source->labels + (size_t)row.low * s->source->width;
        const uint32_t *high = s->source->labels + (size_t)row.high * s->source->width;
        for (size_t x = 0; x < columns; x++) {
            upsample_tap column = s->source->x[x0 + x];
            size_t pixel = y * TILE_WIDTH + x;
            float top = 1.0F - row.fraction, left = 1.0F - column.fraction;
            present = add_share(s, tile, pixel, low[column.low], top * left, present);
            present = add_share(s, tile, pixel, low[column.high], top * column.fraction, present);
            present = add_share(s, tile, pixel, high[column.low], row.fraction * left, present);
            present = add_share(s, tile, pixel, high[column.high], row.fraction * column.fraction, present);
        }
    }
    for (uint64_t left = present; left != 0; left &= left - 1) {
        size_t mask = (size_t)__builtin_ctzll(left);
        if (covers(mask_tile(t, t->current, tile, mask), rows, columns, t->threshold)) {
            full |= UINT64_C(1) << mask;
        }
    }
    t->present[t->current][tile] = present;
    t->full[t->current][tile] = full;
}

void pamr_tiles_set(pamr_tiles *tiles, uint32_t threads, const pamr_source *source, size_t first, size_t count) {
    step_context context = {tiles, source, first, count};
    parallel_for(threads, tiles->count, set_tile, &context);
}
