/* colour.c - see colour.h. */
#include "segment/colour.h"

#include "core/memory.h"
#include "io/resize.h"

#include <math.h>

/* sRGB to XYZ (IEC 61966-2-1), each row divided by the white point's coordinate (D65: 0.95047, 1, 1.08883). */
static const double xyz_of_rgb[3][3] = {{0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047},
                                        {0.2126729, 0.7151522, 0.0721750},
                                        {0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883}};

/* The inverse of sRGB's transfer function. */
static double linear_light(double value) {
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

/* CIE 15's cube root with its linear start. */
static double lightness_curve(double t) {
    const double delta = 6.0 / 29.0;
    return t > delta * delta * delta ? cbrt(t) : t / (3.0 * delta * delta) + 4.0 / 29.0;
}

void colour_lab(const float rgb[3], double lab[3]) {
    double curve[3];
    for (size_t k = 0; k < 3; k++) {
        double sum = 0.0;
        for (size_t c = 0; c < 3; c++) {
            sum += xyz_of_rgb[k][c] * linear_light((double)rgb[c]);
        }
        curve[k] = lightness_curve(sum);
    }
    lab[0] = 116.0 * curve[1] - 16.0;
    lab[1] = 500.0 * (curve[0] - curve[1]);
    lab[2] = 200.0 * (curve[1] - curve[2]);
}

/* p (5) -> (2 p, |p|^2 - 1) / (|p|^2 + 1). */
static void lift(const double p[5], float out[COLOUR_CHANNELS]) {
    double square = 0.0;
    for (size_t c = 0; c < 5; c++) {
        square += p[c] * p[c];
    }
    for (size_t c = 0; c < 5; c++) {
        out[c] = (float)(2.0 * p[c] / (square + 1.0));
    }
    out[5] = (float)((square - 1.0) / (square + 1.0));
}

diffcut_status colour_features(const work *w, const diffcut_image *image, uint32_t width, uint32_t height,
                               double position_weight, float *out) {
    size_t tokens = (size_t)width * height;
    float *cells = mem_array(tokens, 3 * sizeof *cells);
    if (cells == NULL) {
        return diag_no_memory(w->diag, tokens * 3 * sizeof *cells, "the photo's colours");
    }
    diffcut_status status = resize_image(w, image, width, height, DIFFCUT_RESAMPLE_ANTIALIAS, cells);
    double longer = image->width > image->height ? image->width : image->height;
    for (size_t i = 0; status == DIFFCUT_OK && i < tokens; i++) {
        double p[5];
        colour_lab(cells + i * 3, p);
        for (size_t c = 0; c < 3; c++) {
            p[c] /= 100.0;
        }
        /* The cell's centre from the photo's, in parts of the longer side. */
        p[3] = position_weight * (((double)(i % width) + 0.5) / width - 0.5) * image->width / longer;
        p[4] = position_weight * (((double)(i / width) + 0.5) / height - 0.5) * image->height / longer;
        lift(p, out + i * COLOUR_CHANNELS);
    }
    mem_free(cells);
    return status;
}
