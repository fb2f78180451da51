/*
 * similarity_digits.c - the legend's numbers: digits, point and minus as 5 x 7 dots, enlarged by whole factors.
 * Drawn for this file. Called by similarity_heatmap.c.
 */
#include <string.h>

#include "eval/similarity_heatmap.h"

/* Seven rows a glyph from the top; the lowest five bits are dots, the highest of them the leftmost. */
static const char glyph_names[] = "0123456789.-";
static const uint8_t glyphs[][SIMILARITY_DIGIT_HEIGHT] = {
    {0x0E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E}, /* 0 */
    {0x04, 0x0C, 0x14, 0x04, 0x04, 0x04, 0x1F}, /* 1 */
    {0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F}, /* 2 */
    {0x1E, 0x01, 0x01, 0x0E, 0x01, 0x01, 0x1E}, /* 3 */
    {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}, /* 4 */
    {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E}, /* 5 */
    {0x07, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}, /* 6 */
    {0x1F, 0x01, 0x02, 0x02, 0x04, 0x04, 0x04}, /* 7 */
    {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E}, /* 8 */
    {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x1C}, /* 9 */
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x0C, 0x0C}, /* . */
    {0x00, 0x00, 0x00, 0x0E, 0x00, 0x00, 0x00}, /* - */
};

size_t similarity_text_width(const char *number, size_t scale) {
    const size_t length = strlen(number);
    return length > 0 ? (length * (SIMILARITY_DIGIT_WIDTH + 1) - 1) * scale : 0;
}

static void fill(similarity_canvas *canvas, size_t x, size_t y, size_t side, const uint8_t rgb[3]) {
    for (size_t row = y; row < y + side && row < canvas->height; row++) {
        for (size_t column = x; column < x + side && column < canvas->width; column++) {
            memcpy(canvas->rgb + (row * canvas->width + column) * 3, rgb, 3);
        }
    }
}

void similarity_draw_text(similarity_canvas *canvas, const char *number, size_t x, size_t y, size_t scale,
                          const uint8_t rgb[3]) {
    for (; *number != '\0'; number++, x += (SIMILARITY_DIGIT_WIDTH + 1) * scale) {
        const char *name = strchr(glyph_names, *number);
        if (name == NULL) {
            continue;
        }
        const uint8_t *rows = glyphs[name - glyph_names];
        for (size_t dot = 0; dot < SIMILARITY_DIGIT_WIDTH * SIMILARITY_DIGIT_HEIGHT; dot++) {
            const size_t column = dot % SIMILARITY_DIGIT_WIDTH;
            const size_t row = dot / SIMILARITY_DIGIT_WIDTH;
            if ((rows[row] >> (SIMILARITY_DIGIT_WIDTH - 1 - column) & 1) != 0) {
                fill(canvas, x + column * scale, y + row * scale, scale, rgb);
            }
        }
    }
}
