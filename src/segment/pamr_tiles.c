/*
 * pamr_tiles.c - see pamr_tiles.h.
 *
 * A step of one tile: of every mask that has something to compute there, the samples around those blocks are gathered
 * into a region of contiguous memory; then the kernel takes the weighted means block by block, all masks of a block
 * while its weights are at hand. The weights of a tile are made when it is first computed.
 */
#include "segment/pamr_tiles.h"

#include "core/memory.h"
#include "core/parallel.h"

#include <string.h>

#define NEAR_LIMIT 64                  /* pixels: larger dilations are gathered one neighbour at a time */
#define MASK_BYTES ((size_t)128 << 20) /* the masks' memory; only what is stored of it is ever touched */
#define WEIGHT_BYTES ((size_t)1 << 30) /* the weights' memory; larger images make them anew at every iteration */
#define REGION_BYTES ((size_t)1 << 19) /* gathered at a time, by each thread: fits a level 2 cache ... */
#define LEAST_GROUP 4                  /* ... but no fewer masks than this */
#define TILE_BLOCKS_X (TILE_WIDTH / BLOCK_WIDTH)

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
    size_t stride = (TILE_WIDTH + 2 * margin + BLOCK_WIDTH - 1) / BLOCK_WIDTH * BLOCK_WIDTH;
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

static diffcut_status take_memory(const work *w, size_t batch, pamr_tiles *t) {
    size_t mask_bytes = 2 * t->count * TILE_AREA * sizeof(float); /* both sides */
    size_t room = MASK_BYTES / mask_bytes;
    batch = batch < PAMR_BATCH ? batch : PAMR_BATCH;
    t->batch = batch < room ? batch : room > 0 ? room : 1;
    t->weight_floats = t->shape.neighbours * TILE_AREA;
    t->keep_weights = t->count <= WEIGHT_BYTES / (t->weight_floats * sizeof(float));
    t->weights = mem_array(t->keep_weights ? t->count : w->threads, t->weight_floats * sizeof(float));
    t->weighed = mem_array_zero(t->count, 1);
    size_t group = REGION_BYTES / (t->region_floats * sizeof(float));
    group = group < t->batch ? group : t->batch;
    t->group = group > LEAST_GROUP ? group : LEAST_GROUP;
    t->regions = mem_array((size_t)w->threads * t->group, t->region_floats * sizeof(float));
    bool complete = t->weights != NULL && t->weighed != NULL && t->regions != NULL;
    for (size_t side = 0; side < 2; side++) {
        t->masks[side] = mem_array(t->count * t->batch, TILE_AREA * sizeof(float));
        t->present[side] = mem_array_zero(t->count, TILE_BLOCKS * sizeof(uint64_t));
        t->full[side] = mem_array_zero(t->count, TILE_BLOCKS * sizeof(uint64_t));
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
                        .blocks_x = ((size_t)width + TILE_WIDTH - 1) / TILE_WIDTH * TILE_BLOCKS_X,
                        .image = image,
                        .threshold = threshold};
    if (!mem_mul(out->tiles_x, out->tiles_y, &out->count) || out->count > UINT32_MAX / 2) {
        return diag_fail(w->diag, DIFFCUT_ERROR_LIMIT, "refine: an image of %ux%u pixels is too large", width,
                         height);
    }
    diffcut_status status = place_neighbours(out, dilations, dilation_count, w->diag);
    return status == DIFFCUT_OK ? take_memory(w, batch, out) : status;
}

void pamr_tiles_free(pamr_tiles *t) {
    mem_free(t->offsets);
    mem_free(t->far);
    mem_free(t->regions);
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

/* (BLOCK_HEIGHT, BLOCK_WIDTH): the block that holds pixel (y, x), of one mask. */
static float *mask_block(const pamr_tiles *t, size_t side, size_t mask, size_t y, size_t x) {
    size_t tile = y / TILE_HEIGHT * t->tiles_x + x / TILE_WIDTH;
    size_t block = y % TILE_HEIGHT / BLOCK_HEIGHT * TILE_BLOCKS_X + x % TILE_WIDTH / BLOCK_WIDTH;
    return t->masks[side] + (tile * t->batch + mask) * TILE_AREA + block * BLOCK_AREA;
}

/* Where the state of the block that holds pixel (y, x) is. */
static size_t block_at(const pamr_tiles *t, size_t y, size_t x) {
    return y / BLOCK_HEIGHT * t->blocks_x + x / BLOCK_WIDTH;
}

void pamr_tiles_look(const pamr_tiles *t, int64_t y, int64_t x, size_t rows, size_t columns, uint64_t *any,
                     uint64_t *all) {
    size_t last_y = clamp(y + (int64_t)rows - 1, t->height) / BLOCK_HEIGHT;
    size_t first = clamp(x, t->width), last = clamp(x + (int64_t)columns - 1, t->width);
    size_t count = last / BLOCK_WIDTH - first / BLOCK_WIDTH + 1;
    for (size_t by = clamp(y, t->height) / BLOCK_HEIGHT; by <= last_y; by++) {
        size_t start = block_at(t, by * BLOCK_HEIGHT, first);
        const uint64_t *present = t->present[t->current] + start, *full = t->full[t->current] + start;
        for (size_t i = 0; i < count; i++) {
            *any |= present[i];
            *all &= full[i];
        }
    }
}

/* What `length` samples from `start` on, of an axis of `count`, take from inside: source .. source + taken - 1, to be
 * put at `at`; what lies before and after repeats the ends. Samples that all lie outside take the edge. */
typedef struct axis_part {
    size_t source, taken, at;
} axis_part;

static axis_part clip(int64_t start, size_t length, size_t count) {
    size_t first = clamp(start, count), last = clamp(start + (int64_t)length - 1, count);
    return (axis_part){first, last - first + 1, clamp((int64_t)first - start, length)};
}

static void fill(float *out, size_t count, float value) {
    for (size_t i = 0; i < count; i++) {
        out[i] = value;
    }
}

static inline void copy_rows(const float *restrict values, size_t rows, size_t columns, float *restrict out,
                             size_t stride) {
    for (size_t r = 0; r < rows; r++) {
        memcpy(out + r * stride, values + r * BLOCK_WIDTH, columns * sizeof *out);
    }
}

/* The part of mask m that lies on one block: rows x columns values from pixel (y, x) on. */
static void read_block(const pamr_tiles *t, size_t mask, size_t y, size_t x, size_t rows, size_t columns,
                       float *restrict out, size_t stride) {
    size_t block = block_at(t, y, x);
    bool full = has(t->full[t->current][block], mask);
    if (full || !has(t->present[t->current][block], mask)) {
        for (size_t r = 0; r < rows; r++) {
            fill(out + r * stride, columns, full ? 1.0F : 0.0F);
        }
        return;
    }
    const float *values = mask_block(t, t->current, mask, y, x) + y % BLOCK_HEIGHT * BLOCK_WIDTH + x % BLOCK_WIDTH;
    if (columns ==
        BLOCK_WIDTH) { /* widths that the compiler knows: what lies within, and dilations up to 8 beside it */
        copy_rows(values, rows, BLOCK_WIDTH, out, stride);
    } else if (columns == BLOCK_WIDTH / 2) {
        copy_rows(values, rows, BLOCK_WIDTH / 2, out, stride);
    } else {
        copy_rows(values, rows, columns, out, stride);
    }
}

void pamr_tiles_read(const pamr_tiles *t, size_t mask, int64_t y, int64_t x, size_t rows, size_t columns, float *out,
                     size_t stride) {
    axis_part down = clip(y, rows, t->height), across = clip(x, columns, t->width);
    for (size_t r = 0, next; r < down.taken; r += next) {
        size_t row = down.source + r;
        next = BLOCK_HEIGHT - row % BLOCK_HEIGHT;
        next = next < down.taken - r ? next : down.taken - r;
        for (size_t c = 0, step; c < across.taken; c += step) {
            size_t column = across.source + c;
            step = BLOCK_WIDTH - column % BLOCK_WIDTH;
            step = step < across.taken - c ? step : across.taken - c;
            read_block(t, mask, row, column, next, step, out + (down.at + r) * stride + across.at + c, stride);
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

/* One tile in a step. Bit m of a block's word is mask m's. */
typedef struct tile_step {
    pamr_tiles *tiles;
    int64_t y, x; /* the tile's first pixel */
    uint32_t worker;
    uint64_t partial[TILE_BLOCKS]; /* neither absent nor full everywhere within reach: to be computed */
    uint64_t present[TILE_BLOCKS], full[TILE_BLOCKS];
} tile_step;

static float *worker_region(const pamr_tiles *t, uint32_t worker, size_t i) {
    return t->regions + (worker * t->group + i) * t->region_floats;
}

/* Which masks are present anywhere within reach of a rectangle of pixels, and which are full everywhere. */
static void look_around(const pamr_tiles *t, int64_t y, int64_t x, size_t rows, size_t columns, uint64_t *any,
                        uint64_t *all) {
    int64_t margin = t->near;
    *any = 0;
    *all = ~UINT64_C(0);
    pamr_tiles_look(t, y - margin, x - margin, rows + 2 * (size_t)margin, columns + 2 * (size_t)margin, any, all);
    for (size_t i = 0; i < t->far_count * 8; i++) {
        int64_t dilation = t->far[i / 8];
        pamr_tiles_look(t, y + dilation * directions[i % 8][0], x + dilation * directions[i % 8][1], rows, columns,
                        any, all);
    }
}

/* The samples around those blocks of the tile in which a mask is to be computed, or rather around the rectangle that
 * holds them. */
static void gather_mask(const tile_step *s, size_t mask, float *region) {
    const pamr_tiles *t = s->tiles;
    size_t top = TILE_HEIGHT, left = TILE_WIDTH, bottom = 0, right = 0, stride = t->shape.stride;
    for (size_t b = 0; b < TILE_BLOCKS; b++) {
        size_t row = b / TILE_BLOCKS_X * BLOCK_HEIGHT, column = b % TILE_BLOCKS_X * BLOCK_WIDTH;
        if (has(s->partial[b], mask)) {
            top = row < top ? row : top;
            left = column < left ? column : left;
            bottom = row + BLOCK_HEIGHT;
            right = column + BLOCK_WIDTH > right ? column + BLOCK_WIDTH : right;
        }
    }
    size_t rows = bottom - top, columns = right - left, at = top * stride + left;
    int64_t y = s->y + (int64_t)top, x = s->x + (int64_t)left, margin = t->near;
    pamr_tiles_read(t, mask, y - margin, x - margin, rows + 2 * (size_t)margin, columns + 2 * (size_t)margin,
                    region + at, stride);
    float *part = region + (TILE_HEIGHT + 2 * (size_t)margin) * stride;
    for (size_t i = 0; i < t->far_count * 8; i++, part += TILE_HEIGHT * stride) {
        int64_t dilation = t->far[i / 8];
        pamr_tiles_read(t, mask, y + dilation * directions[i % 8][0], x + dilation * directions[i % 8][1], rows,
                        columns, part + at, stride);
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

/* Those of a group of masks (bits, gathered in this order) that are to be computed in a block. */
static void step_block(tile_step *s, size_t b, const float *weights, uint64_t group) {
    const pamr_tiles *t = s->tiles;
    size_t row = b / TILE_BLOCKS_X * BLOCK_HEIGHT, column = b % TILE_BLOCKS_X * BLOCK_WIDTH, count = 0;
    const float *region[PAMR_BATCH];
    float *out[PAMR_BATCH];
    uint64_t bit[PAMR_BATCH], present, full;
    for (size_t i = 0; group != 0; i++, group &= group - 1) {
        size_t mask = (size_t)__builtin_ctzll(group);
        if (has(s->partial[b], mask)) {
            region[count] = worker_region(t, s->worker, i) + row * t->shape.stride + column;
            out[count] = mask_block(t, 1 - t->current, mask, (size_t)s->y + row, (size_t)s->x + column);
            bit[count++] = UINT64_C(1) << mask;
        }
    }
    t->kernel->diffuse(&t->shape, weights, t->threshold, count, region, out, &present, &full);
    for (size_t i = 0; i < count; i++) {
        s->present[b] |= has(present, i) ? bit[i] : 0;
        s->full[b] |= has(full, i) ? bit[i] : 0;
    }
}

/* What is to be computed in each block of a tile; returns what is so in any. */
static uint64_t plan_tile(tile_step *s) {
    const pamr_tiles *t = s->tiles;
    uint64_t any, all, anywhere = 0;
    look_around(t, s->y, s->x, TILE_HEIGHT, TILE_WIDTH, &any, &all);
    bool settled = (any & ~all) == 0;
    for (size_t b = 0; b < TILE_BLOCKS; b++) {
        int64_t y = s->y + (int64_t)(b / TILE_BLOCKS_X * BLOCK_HEIGHT);
        int64_t x = s->x + (int64_t)(b % TILE_BLOCKS_X * BLOCK_WIDTH);
        bool outside = y >= (int64_t)t->height || x >= (int64_t)t->width; /* nobody looks there */
        if (!settled && !outside) {
            look_around(t, y, x, BLOCK_HEIGHT, BLOCK_WIDTH, &any, &all);
        }
        s->partial[b] = outside ? 0 : any & ~all;
        s->present[b] = s->full[b] = all;
        anywhere |= s->partial[b];
    }
    return anywhere;
}

static void step_tile(void *context, size_t tile, uint32_t worker) {
    pamr_tiles *t = ((const step_context *)context)->tiles;
    int64_t y = (int64_t)(tile / t->tiles_x * TILE_HEIGHT), x = (int64_t)(tile % t->tiles_x * TILE_WIDTH);
    tile_step s = {.tiles = t, .y = y, .x = x, .worker = worker};
    uint64_t left = plan_tile(&s);
    const float *weights = left != 0 ? tile_weights(t, tile, y, x, worker) : NULL;
    while (left != 0) {
        uint64_t group = 0;
        for (size_t i = 0; left != 0 && i < t->group; i++, left &= left - 1) {
            gather_mask(&s, (size_t)__builtin_ctzll(left), worker_region(t, worker, i));
            group |= left & -left;
        }
        for (size_t b = 0; b < TILE_BLOCKS; b++) {
            if ((s.partial[b] & group) != 0) {
                step_block(&s, b, weights + b * (t->weight_floats / TILE_BLOCKS), group);
            }
        }
    }
    size_t side = 1 - t->current;
    for (size_t b = 0; b < TILE_BLOCKS; b += TILE_BLOCKS_X) {
        size_t at = block_at(t, (size_t)y + b / TILE_BLOCKS_X * BLOCK_HEIGHT, (size_t)x);
        memcpy(t->present[side] + at, s.present + b, TILE_BLOCKS_X * sizeof(uint64_t));
        memcpy(t->full[side] + at, s.full + b, TILE_BLOCKS_X * sizeof(uint64_t));
    }
}

void pamr_tiles_step(pamr_tiles *tiles, uint32_t threads) {
    step_context context = {.tiles = tiles};
    parallel_for_workers(threads, tiles->count, step_tile, &context);
    tiles->current = 1 - tiles->current;
}

/* ------------------------------------------------------------------------------------------------- starting */

/* Adds the share that one source label has in pixel (y, x) to its mask, if it is of this batch. */
static uint64_t add_share(const step_context *s, size_t y, size_t x, uint32_t label, float share, uint64_t present) {
    size_t mask = label - s->first;
    if (label < s->first || mask >= s->count || share <= 0.0F) {
        return present;
    }
    float *values = mask_block(s->tiles, s->tiles->current, mask, y, x);
    if (!has(present, mask)) {
        memset(values, 0, BLOCK_AREA * sizeof *values);
    }
    values[y % BLOCK_HEIGHT * BLOCK_WIDTH + x % BLOCK_WIDTH] += share;
    return present | UINT64_C(1) << mask;
}

static bool covers(const float *values, size_t rows, size_t columns, float threshold) {
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < columns; x++) {
            if (values[y * BLOCK_WIDTH + x] < 1.0F - threshold) {
                return false;
            }
        }
    }
    return true;
}

/* The block that starts at pixel (y0, x0). */
static void set_block(const step_context *s, size_t y0, size_t x0) {
    pamr_tiles *t = s->tiles;
    size_t rows = t->height - y0 < BLOCK_HEIGHT ? t->height - y0 : BLOCK_HEIGHT;
    size_t columns = t->width - x0 < BLOCK_WIDTH ? t->width - x0 : BLOCK_WIDTH;
    uint64_t present = 0, full = 0;
    for (size_t y = y0; y < y0 + rows; y++) {
        upsample_tap row = s->source->y[y];
        const uint32_t *low = s->source->labels + (size_t)row.low * s->source->width;
        const uint32_t *high = s->source->labels + (size_t)row.high * s->source->width;
        for (size_t x = x0; x < x0 + columns; x++) {
            upsample_tap column = s->source->x[x];
            float top = 1.0F - row.fraction, left = 1.0F - column.fraction;
            present = add_share(s, y, x, low[column.low], top * left, present);
            present = add_share(s, y, x, low[column.high], top * column.fraction, present);
            present = add_share(s, y, x, high[column.low], row.fraction * left, present);
            present = add_share(s, y, x, high[column.high], row.fraction * column.fraction, present);
        }
    }
    for (uint64_t left = present; left != 0; left &= left - 1) {
        size_t mask = (size_t)__builtin_ctzll(left);
        if (covers(mask_block(t, t->current, mask, y0, x0), rows, columns, t->threshold)) {
            full |= UINT64_C(1) << mask;
        }
    }
    t->present[t->current][block_at(t, y0, x0)] = present;
    t->full[t->current][block_at(t, y0, x0)] = full;
}

static void set_tile(void *context, size_t tile) {
    const step_context *s = context;
    const pamr_tiles *t = s->tiles;
    size_t y0 = tile / t->tiles_x * TILE_HEIGHT, x0 = tile % t->tiles_x * TILE_WIDTH;
    for (size_t y = y0; y < y0 + TILE_HEIGHT && y < t->height; y += BLOCK_HEIGHT) {
        for (size_t x = x0; x < x0 + TILE_WIDTH && x < t->width; x += BLOCK_WIDTH) {
            set_block(s, y, x);
        }
    }
}

void pamr_tiles_set(pamr_tiles *tiles, uint32_t threads, const pamr_source *source, size_t first, size_t count) {
    step_context context = {tiles, source, first, count};
    parallel_for(threads, tiles->count, set_tile, &context);
}
