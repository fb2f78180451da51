/* names_place.c - see names_place.h. */
#include "draw/names_place.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define MAX_CELLS 512 /* a side: a name is placed to a few hundredths of its own size */
#define NO_REGION UINT32_MAX

void names_places_free(names_places *p) {
    mem_free(p->ids);
    mem_free(p->regions);
    mem_free(p->sums);
    mem_free(p->taken);
    *p = (names_places){0};
}

/* ------------------------------------------------------------------------------------------------- regions */

static uint32_t label_at(const names_places *p, const diffcut_labels *labels, uint32_t x, uint32_t y) {
    const uint32_t column = (uint32_t)(((uint64_t)2 * x + 1) * labels->width / (2 * (uint64_t)p->width));
    const uint32_t row = (uint32_t)(((uint64_t)2 * y + 1) * labels->height / (2 * (uint64_t)p->height));
    return labels->data[(size_t)row * labels->width + column];
}

/* Adds a cell of the region's label that belongs to none yet. */
static void take_cell(names_places *p, names_region *region, const uint32_t *cells, uint32_t cell, uint32_t *stack,
                      size_t *depth) {
    if (p->ids[cell] != NO_REGION || cells[cell] != region->label) {
        return;
    }
    const uint32_t x = cell % p->width;
    const uint32_t y = cell / p->width;
    p->ids[cell] = region->id;
    region->area++;
    region->left = x < region->left ? x : region->left;
    region->top = y < region->top ? y : region->top;
    region->right = x + 1 > region->right ? x + 1 : region->right;
    region->bottom = y + 1 > region->bottom ? y + 1 : region->bottom;
    stack[(*depth)++] = cell;
}

/* All cells that hang together with the first by their sides. stack: room for every cell. */
static void flood(names_places *p, names_region *region, const uint32_t *cells, uint32_t *stack) {
    size_t depth = 0;
    take_cell(p, region, cells, region->first, stack, &depth);
    while (depth > 0) {
        const uint32_t cell = stack[--depth];
        const uint32_t x = cell % p->width;
        const uint32_t y = cell / p->width;
        if (x > 0) {
            take_cell(p, region, cells, cell - 1, stack, &depth);
        }
        if (x + 1 < p->width) {
            take_cell(p, region, cells, cell + 1, stack, &depth);
        }
        if (y > 0) {
            take_cell(p, region, cells, cell - p->width, stack, &depth);
        }
        if (y + 1 < p->height) {
            take_cell(p, region, cells, cell + p->width, stack, &depth);
        }
    }
}

static int largest_first(const void *left, const void *right) {
    const names_region *a = left;
    const names_region *b = right;
    if (a->area != b->area) {
        return a->area < b->area ? 1 : -1;
    }
    return (a->first > b->first) - (a->first < b->first);
}

static diffcut_status find_regions(names_places *p, const uint32_t *cells, uint32_t *stack,
                                   diffcut_diagnostics *diag) {
    const uint32_t count = p->width * p->height;
    size_t room = 0;
    for (uint32_t cell = 0; cell < count; cell++) {
        if (p->ids[cell] != NO_REGION) {
            continue;
        }
        if (p->region_count == room) {
            const size_t larger = 2 * room + 64;
            names_region *grown = mem_array_grow(p->regions, p->region_count, larger, sizeof *grown);
            if (grown == NULL) {
                return diag_no_memory(diag, larger * sizeof *grown, "a map's regions");
            }
            p->regions = grown;
            room = larger;
        }
        names_region *region = &p->regions[p->region_count];
        *region = (names_region){.label = cells[cell],
                                 .left = UINT32_MAX,
                                 .top = UINT32_MAX,
                                 .id = (uint32_t)p->region_count,
                                 .first = cell};
        flood(p, region, cells, stack);
        p->region_count++;
    }
    qsort(p->regions, p->region_count, sizeof *p->regions, largest_first);
    return DIFFCUT_OK;
}

diffcut_status names_places_open(const diffcut_labels *labels, names_places *out, diffcut_diagnostics *diag) {
    names_places p = {.width = labels->width < MAX_CELLS ? labels->width : MAX_CELLS,
                      .height = labels->height < MAX_CELLS ? labels->height : MAX_CELLS};
    p.cell_width = (double)labels->width / p.width;
    p.cell_height = (double)labels->height / p.height;
    const size_t count = (size_t)p.width * p.height;
    uint32_t *cells = mem_array(count, 2 * sizeof *cells); /* and as many of stack */
    p.ids = mem_array(count, sizeof *p.ids);
    p.sums = mem_array((size_t)(p.width + 1) * (p.height + 1), sizeof *p.sums);
    diffcut_status status = DIFFCUT_OK;
    if (cells == NULL || p.ids == NULL || p.sums == NULL) {
        status = diag_no_memory(diag, count * 4 * sizeof *cells, "placing names");
        goto cleanup;
    }
    for (uint32_t y = 0; y < p.height; y++) {
        for (uint32_t x = 0; x < p.width; x++) {
            cells[(size_t)y * p.width + x] = label_at(&p, labels, x, y);
            p.ids[(size_t)y * p.width + x] = NO_REGION;
        }
    }
    status = find_regions(&p, cells, cells + count, diag);
cleanup:
    mem_free(cells);
    if (status == DIFFCUT_OK) {
        *out = p;
    } else {
        names_places_free(&p);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- places */

/* sums[y][x]: cells of the region above and left of (x, y). */
static void sum_region(names_places *p, uint32_t id) {
    const size_t stride = (size_t)p->width + 1;
    memset(p->sums, 0, stride * sizeof *p->sums);
    for (size_t y = 0; y < p->height; y++) {
        uint32_t *row = p->sums + (y + 1) * stride;
        uint32_t sum = 0;
        row[0] = 0;
        for (size_t x = 0; x < p->width; x++) {
            sum += p->ids[y * p->width + x] == id ? 1 : 0;
            row[x + 1] = row[x + 1 - stride] + sum;
        }
    }
}

static uint32_t cells_inside(const names_places *p, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
    const size_t stride = (size_t)p->width + 1;
    const uint32_t *top = p->sums + y * stride + x;
    const uint32_t *bottom = top + height * stride;
    return bottom[width] - bottom[0] - top[width] + top[0];
}

static bool is_clear(const names_places *p, const names_box *box, double margin) {
    for (size_t i = 0; i < p->taken_count; i++) {
        const names_box *t = &p->taken[i];
        if (box->x < t->x + t->width + margin && t->x < box->x + box->width + margin &&
            box->y < t->y + t->height + margin && t->y < box->y + box->height + margin) {
            return false;
        }
    }
    return true;
}

static diffcut_status take(names_places *p, const names_box *box, diffcut_diagnostics *diag) {
    if (p->taken_count == p->taken_room) {
        const size_t room = 2 * p->taken_room + 32;
        names_box *grown = mem_array_grow(p->taken, p->taken_count, room, sizeof *grown);
        if (grown == NULL) {
            return diag_no_memory(diag, room * sizeof *grown, "the places of names");
        }
        p->taken = grown;
        p->taken_room = room;
    }
    p->taken[p->taken_count++] = *box;
    return DIFFCUT_OK;
}

diffcut_status names_places_find(names_places *p, const names_region *region, double width, double height,
                                 double margin, double share, names_box *out, bool *found,
                                 diffcut_diagnostics *diag) {
    const double columns = ceil(width / p->cell_width);
    const double rows = ceil(height / p->cell_height);
    *found = false;
    if (columns > p->width || rows > p->height) {
        return DIFFCUT_OK;
    }
    const uint32_t wide = columns < 1 ? 1 : (uint32_t)columns;
    const uint32_t tall = rows < 1 ? 1 : (uint32_t)rows;
    const double middle_x = (region->left + region->right) / 2.0 * p->cell_width;
    const double middle_y = (region->top + region->bottom) / 2.0 * p->cell_height;
    uint32_t most = (uint32_t)ceil(share * wide * tall);
    most = most > 0 ? most : 1;
    double nearest = INFINITY;
    names_box best = {0};
    sum_region(p, region->id);
    /* a box that starts left of or above the region can still lie on most of it */
    const uint32_t from_x = region->left > wide ? region->left - wide : 0;
    const uint32_t from_y = region->top > tall ? region->top - tall : 0;
    for (uint32_t y = from_y; y < region->bottom && y + tall <= p->height; y++) {
        for (uint32_t x = from_x; x < region->right && x + wide <= p->width; x++) {
            const uint32_t inside = cells_inside(p, x, y, wide, tall);
            if (inside < most) {
                continue;
            }
            const names_box box = {x * p->cell_width, y * p->cell_height, width, height};
            const double distance = hypot(box.x + box.width / 2 - middle_x, box.y + box.height / 2 - middle_y);
            if ((inside > most || distance < nearest) && is_clear(p, &box, margin)) {
                most = inside;
                nearest = distance;
                best = box;
                *found = true;
            }
        }
    }
    if (!*found) {
        return DIFFCUT_OK;
    }
    *out = best;
    return take(p, out, diag);
}
