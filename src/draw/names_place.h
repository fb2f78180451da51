/*
 * names_place.h - where on a label map names can be written: on the region each belongs to, none over another.
 *
 * Called by draw/names_picture.
 */
#ifndef DIFFCUT_DRAW_NAMES_PLACE_H
#define DIFFCUT_DRAW_NAMES_PLACE_H

#include "core/status.h"

/* A connected region of one label on the map's grid, which is the map shrunk to at most 512 cells a side. */
typedef struct names_region {
    uint32_t label;
    uint32_t area;                     /* cells */
    uint32_t left, top, right, bottom; /* cells; right and bottom are outside */
    uint32_t id;                       /* of its cells on the grid */
    uint32_t first;                    /* one of its cells */
} names_region;

/* A box in pixels. */
typedef struct names_box {
    double x, y, width, height;
} names_box;

typedef struct names_places {
    uint32_t width, height;         /* cells */
    double cell_width, cell_height; /* pixels */
    uint32_t *ids;                  /* (height, width) region of each cell */
    names_region *regions;          /* largest first */
    size_t region_count;
    uint32_t *sums; /* (height + 1, width + 1): scratch of a region's summed area */
    names_box *taken;
    size_t taken_count, taken_room;
} names_places;

diffcut_status names_places_open(const diffcut_labels *labels, names_places *out, diffcut_diagnostics *diag);
void names_places_free(names_places *p);

/* Finds room for a box of width x height pixels on a region: at least `share` (0 .. 1) of it over the region, clear
 * of all boxes taken so far by `margin` pixels, inside the map, as near to the region's middle as can be among those
 * that lie most over it. The box is then taken. *found false: there is none. */
diffcut_status names_places_find(names_places *p, const names_region *region, double width, double height,
                                 double margin, double share, names_box *out, bool *found, diffcut_diagnostics *diag);

#endif
