/*
 * similarity_colormap.c - the colour map of the heat maps, by rule: diffcut_heat_color.
 *
 * Lightness rises evenly from dark to light in OKLCH (B. Ottosson, "A perceptual color space for image processing"),
 * so that equal steps of the value look equal and a grey print keeps the order; the hue turns from violet over green
 * to yellow, which people of any colour vision can follow by lightness alone. Called by similarity_heatmap.c.
 */
#include <math.h>

#include "diffcut/diffcut.h"
#include "eval/similarity_heatmap.h"
#include "io/palette.h"

#define LIGHTNESS_LOW 0.26
#define LIGHTNESS_HIGH 0.93
#define CHROMA_MIDDLE 0.1 /* about what the screen can show of a turquoise */
#define CHROMA_MORE 0.07  /* at the ends */
#define HUE_LOW 0.86      /* of the full turn: violet */
#define HUE_HIGH 0.295    /* yellow */
#define GREY_OF_NAN 128

void diffcut_heat_color(float value, uint8_t rgb[3]) {
    if (isnan(value)) {
        rgb[0] = rgb[1] = rgb[2] = GREY_OF_NAN;
        return;
    }
    const double at = value < 0 ? 0 : value > 1 ? 1 : (double)value;
    const double from_middle = 2 * at - 1;
    const double chroma = CHROMA_MIDDLE + CHROMA_MORE * from_middle * from_middle;
    palette_oklch(LIGHTNESS_LOW + (LIGHTNESS_HIGH - LIGHTNESS_LOW) * at, chroma, HUE_LOW + (HUE_HIGH - HUE_LOW) * at,
                  rgb);
}

void similarity_color_table(uint8_t rgb[SIMILARITY_COLORS * 3]) {
    for (int i = 0; i < SIMILARITY_COLORS; i++) {
        diffcut_heat_color((float)i / (SIMILARITY_COLORS - 1), rgb + (size_t)i * 3);
    }
}
