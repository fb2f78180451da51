/*
 * test_draw.c - what is drawn covers what it should, letters are the font's, names do not overlap, and pictures hold
 * what was asked for.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "draw/canvas.h"
#include "draw/names_place.h"
#include "draw/raster.h"
#include "test.h"

static double sum_of(raster *r) {
    double sum = 0;
    raster_end(r);
    for (size_t y = 0; y < r->height; y++) {
        const float *row = raster_row(r, y);
        for (size_t x = 0; x < r->width; x++) {
            assert_true(row[x] >= 0 && row[x] <= 1);
            sum += (double)row[x];
        }
    }
    return sum;
}

static void cover_is_the_area_of_a_polygon(void **state) {
    (void)state;
    raster r = {0};
    diffcut_diagnostics diag;
    const double shapes[][6] = {
        {1.25, 1.5, 9.75, 1.5, 9.75, 7.25}, {0, 0, 31.9, 0.3, 3.1, 30.7}, {2, 9, 30, 9.5, 12, 9.1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int turned = 0; turned < 2; turned++) { /* either way round */
            const double *p = shapes[i];
            assert_int_equal(raster_begin(&r, 0, 0, 32, 32, &diag), DIFFCUT_OK);
            raster_move(&r, p[0], p[1]);
            raster_line(&r, turned ? p[4] : p[2], turned ? p[5] : p[3]);
            raster_line(&r, turned ? p[2] : p[4], turned ? p[3] : p[5]);
            const double area = fabs((p[2] - p[0]) * (p[5] - p[1]) - (p[4] - p[0]) * (p[3] - p[1])) / 2;
            assert_true(fabs(sum_of(&r) - area) < 1e-3);
        }
    }
    /* a rectangle's pixels one by one, and its right side on the window's border */
    assert_int_equal(raster_begin(&r, 0, 0, 4, 3, &diag), DIFFCUT_OK);
    raster_move(&r, 0.5, 0.25);
    raster_line(&r, 4, 0.25);
    raster_line(&r, 4, 2);
    raster_line(&r, 0.5, 2);
    raster_end(&r);
    const float expected[2][4] = {{0.375F, 0.75F, 0.75F, 0.75F}, {0.5F, 1, 1, 1}};
    for (size_t y = 0; y < 2; y++) {
        const float *row = raster_row(&r, y);
        for (size_t x = 0; x < 4; x++) {
            assert_true(fabs((double)(row[x] - expected[y][x])) < 1e-5);
        }
    }
    raster_free(&r);
    assert_int_equal(raster_begin(&r, 0, 0, 1e9, 1, &diag), DIFFCUT_ERROR_LIMIT);
    assert_int_equal(raster_begin(&r, 0, 0, (double)NAN, 1, &diag), DIFFCUT_OK); /* nothing to draw is one pixel */
    raster_free(&r);
}

static double width_of(const canvas *c, const char *text) {
    double width = -1;
    assert_int_equal(canvas_text_width(c, text, 20, &width, NULL), DIFFCUT_OK);
    return width;
}

static void letters_are_the_fonts_and_what_it_lacks_is_a_box(void **state) {
    (void)state;
    canvas c;
    diffcut_diagnostics diag;
    assert_int_equal(canvas_create(200, 60, &c, &diag), DIFFCUT_OK);
    const double box = width_of(&c, "\xE6\x97\xA5"); /* a Chinese character */
    assert_true(width_of(&c, "") == 0);
    assert_true(width_of(&c, "i") < width_of(&c, "m"));
    assert_true(fabs(width_of(&c, "sky") - width_of(&c, "s") - width_of(&c, "ky")) < 1e-9);
    assert_true(width_of(&c, "\xC3\xA9") == width_of(&c, "e\xCC\x81")); /* composed and decomposed */
    assert_true(width_of(&c, "\xC3\xA9") != box && width_of(&c, "\xD0\xB6") != box);
    assert_true(width_of(&c, "\xFF") == box); /* no UTF-8 */
    glyph h;
    glyph none;
    glyph zero;
    font_glyph(&c.font, 'H', &h);
    font_glyph(&c.font, 0x10FFFF, &none);
    font_glyph(&c.font, 0, &zero);
    assert_true(h.bytes > 0);
    assert_ptr_equal(none.steps, zero.steps);
    double top = 0;
    glyph_step s;
    for (size_t at = 0; glyph_next(&h, &at, &s);) {
        top = fmax(top, s.y);
    }
    assert_true(top == c.font.cap_height);
    const uint8_t ink[3] = {0, 0, 0};
    assert_int_equal(canvas_text(&c, "Ég|", 10, 40, 30, ink, &diag), DIFFCUT_OK);
    size_t dark = 0;
    for (size_t i = 0; i < c.width * c.height * 3; i += 3) {
        dark += c.rgb[i] < 64 ? 1 : 0;
    }
    assert_true(dark > 80 && dark < 1200);
    /* beyond the borders: nothing happens but what lies inside */
    assert_int_equal(canvas_text(&c, "outside", -50, 5, 30, ink, &diag), DIFFCUT_OK);
    assert_int_equal(canvas_text_upwards(&c, "outside", 198, 20, 30, ink, &diag), DIFFCUT_OK);
    char *fitted = NULL;
    assert_int_equal(canvas_fit_text(&c, "a very long name", 20, 80, &fitted, &diag), DIFFCUT_OK);
    assert_true(width_of(&c, fitted) <= 80);
    assert_non_null(strstr(fitted, "\xE2\x80\xA6"));
    mem_free(fitted);
    assert_int_equal(canvas_fit_text(&c, "sky", 20, 80, &fitted, &diag), DIFFCUT_OK);
    assert_string_equal(fitted, "sky");
    mem_free(fitted);
    canvas_free(&c);
}

static diffcut_labels checkers(uint32_t width, uint32_t height, uint32_t cell) {
    diffcut_labels labels = {0};
    assert_int_equal(diffcut_labels_create(width, height, NULL, &labels, NULL), DIFFCUT_OK);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            labels.data[(size_t)y * width + x] = (x / cell + y / cell) % 7;
        }
    }
    labels.count = 7;
    return labels;
}

static void places_lie_on_their_region_and_do_not_overlap(void **state) {
    (void)state;
    const struct {
        uint32_t width, height, cell;
        double box_width, box_height;
    } cases[] = {{300, 200, 40, 38, 14}, {4000, 3000, 400, 500, 120}, {37, 900, 12, 11, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        diffcut_labels labels = checkers(cases[i].width, cases[i].height, cases[i].cell);
        names_places p;
        names_box boxes[256];
        size_t count = 0;
        assert_int_equal(names_places_open(&labels, &p, NULL), DIFFCUT_OK);
        assert_true(p.region_count > 10);
        for (size_t r = 0; r < p.region_count && count < 256; r++) {
            bool found = false;
            assert_true(r == 0 || p.regions[r - 1].area >= p.regions[r].area);
            assert_int_equal(names_places_find(&p, &p.regions[r], cases[i].box_width, cases[i].box_height, 2, 0.5,
                                               &boxes[count], &found, NULL),
                             DIFFCUT_OK);
            count += found ? 1 : 0;
            if (found) {
                const names_box *b = &boxes[count - 1];
                const size_t x = (size_t)(b->x + b->width / 2);
                const size_t y = (size_t)(b->y + b->height / 2);
                size_t inside = 0;
                assert_true(b->x >= 0 && b->y >= 0 && b->x + b->width <= labels.width + p.cell_width &&
                            b->y + b->height <= labels.height + p.cell_height);
                for (int dy = -1; dy <= 1; dy++) { /* at nine points: more than half are on its label */
                    for (int dx = -1; dx <= 1; dx++) {
                        const size_t px = (size_t)((double)x + dx * b->width / 3);
                        const size_t py = (size_t)((double)y + dy * b->height / 3);
                        inside += labels.data[py * labels.width + px] == p.regions[r].label ? 1 : 0;
                    }
                }
                assert_true(inside >= 3);
            }
        }
        assert_true(count > 5);
        for (size_t a = 0; a < count; a++) {
            for (size_t b = a + 1; b < count; b++) {
                assert_true(boxes[a].x + boxes[a].width <= boxes[b].x || boxes[b].x + boxes[b].width <= boxes[a].x ||
                            boxes[a].y + boxes[a].height <= boxes[b].y || boxes[b].y + boxes[b].height <= boxes[a].y);
            }
        }
        names_places_free(&p);
        diffcut_labels_free(&labels);
    }
}

static const char *const seven[] = {"sky", "a dog with a long name", "naïve café", "tree", "дерево", "日本", "x"};

static diffcut_image grey(uint32_t width, uint32_t height) {
    uint8_t *rgb = malloc((size_t)width * height * 3);
    diffcut_image image = {0};
    assert_non_null(rgb);
    memset(rgb, 120, (size_t)width * height * 3);
    assert_int_equal(diffcut_image_create(width, height, rgb, &image, NULL), DIFFCUT_OK);
    free(rgb);
    return image;
}

static void a_named_picture_is_the_photo_with_a_legend_at_any_size(void **state) {
    (void)state;
    const uint32_t sizes[][2] = {{300, 200}, {40, 30}, {1, 1}, {1200, 900}, {9, 400}};
    diffcut_names_settings settings;
    diffcut_names_settings_init(&settings);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const uint32_t width = sizes[i][0];
        const uint32_t height = sizes[i][1];
        diffcut_image image = grey(width, height);
        diffcut_labels labels = checkers(width, height, width / 5 + 1);
        diffcut_buffer png[3] = {{0}};
        diffcut_image back = {0};
        assert_int_equal(diffcut_encode_names_png(&image, &labels, seven, 7, NULL, &png[0], NULL), DIFFCUT_OK);
        assert_int_equal(diffcut_encode_names_png(&image, &labels, seven, 7, NULL, &png[1], NULL), DIFFCUT_OK);
        assert_int_equal(png[0].size, png[1].size);
        assert_memory_equal(png[0].data, png[1].data, png[0].size);
        assert_int_equal(diffcut_decode_image(png[0].data, png[0].size, NULL, NULL, &back, NULL), DIFFCUT_OK);
        assert_int_equal(back.width, width);
        assert_true(back.height > height);
        diffcut_image_free(&back);
        /* without names and legend it is the overlay in the classes' colours */
        settings.names = settings.legend = false;
        diffcut_buffer plain = {0};
        assert_int_equal(diffcut_encode_names_png(&image, &labels, seven, 7, &settings, &png[2], NULL), DIFFCUT_OK);
        assert_int_equal(diffcut_encode_overlay_png(&image, &labels, &settings.overlay, &plain, NULL), DIFFCUT_OK);
        diffcut_image one = {0};
        diffcut_image two = {0};
        assert_int_equal(diffcut_decode_image(png[2].data, png[2].size, NULL, NULL, &one, NULL), DIFFCUT_OK);
        assert_int_equal(diffcut_decode_image(plain.data, plain.size, NULL, NULL, &two, NULL), DIFFCUT_OK);
        assert_memory_equal(one.rgb, two.rgb, (size_t)width * height * 3);
        diffcut_image_free(&one);
        diffcut_image_free(&two);
        diffcut_buffer_free(&plain);
        for (size_t k = 0; k < 3; k++) {
            diffcut_buffer_free(&png[k]);
        }
        diffcut_labels_free(&labels);
        diffcut_image_free(&image);
    }
}

static void pictures_that_cannot_be_named_are_refused(void **state) {
    (void)state;
    diffcut_image image = grey(20, 10);
    diffcut_labels labels = checkers(20, 10, 3);
    diffcut_labels other = checkers(10, 10, 3);
    diffcut_buffer png = {0};
    diffcut_diagnostics diag;
    const char *const hole[] = {"a", "b", NULL, "d", "e", "f", "g"};
    diffcut_names_settings settings;
    diffcut_names_settings_init(&settings);
    assert_int_equal(diffcut_encode_names_png(&image, &labels, seven, 6, NULL, &png, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "6 names for labels 0 .. 6"));
    assert_int_equal(diffcut_encode_names_png(&image, &labels, hole, 7, NULL, &png, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_names_png(&image, &other, seven, 7, NULL, &png, &diag), DIFFCUT_ERROR_ARGUMENT);
    settings.overlay.opacity = 2;
    assert_int_equal(diffcut_encode_names_png(&image, &labels, seven, 7, &settings, &png, &diag),
                     DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_names_png(&image, &labels, seven, 7, NULL, NULL, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(png.data);
    diffcut_labels_free(&labels);
    diffcut_labels_free(&other);
    diffcut_image_free(&image);
}

/* Pixels of about a colour. */
static size_t count_color(const diffcut_image *image, int r, int g, int b) {
    size_t count = 0;
    for (size_t i = 0; i < (size_t)image->width * image->height; i++) {
        const uint8_t *p = image->rgb + i * 3;
        count += abs(p[0] - r) < 8 && abs(p[1] - g) < 8 && abs(p[2] - b) < 8 ? 1 : 0;
    }
    return count;
}

static void a_roc_figure_shows_every_curve(void **state) {
    (void)state;
    const diffcut_roc_point good[] = {{1, 0, 0}, {0.5, 0.1, 0.8}, {-1, 1, 1}};
    const diffcut_roc_point poor[] = {{1, 0, 0}, {0.5, 0.5, 0.6}, {-1, 1, 1}};
    const diffcut_roc_point outside[] = {{1, 0, 1.5}};
    const diffcut_roc_curve curves[] = {{"good", 0.85, good, 3}, {"poor", (double)NAN, poor, 3}};
    const diffcut_roc_curve broken = {"broken", 0.5, outside, 1};
    diffcut_buffer png = {0};
    diffcut_image picture = {0};
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_encode_roc_png(curves, 2, &png, &diag), DIFFCUT_OK);
    assert_int_equal(diffcut_decode_image(png.data, png.size, NULL, NULL, &picture, NULL), DIFFCUT_OK);
    assert_true(count_color(&picture, 0x1f, 0x6f, 0xb4) > 2000); /* a line of 3.5 over a square of 876 */
    assert_true(count_color(&picture, 0xc4, 0x54, 0x1c) > 2000);
    assert_int_equal(count_color(&picture, 0x2c, 0x8a, 0x4b), 0);
    diffcut_image_free(&picture);
    diffcut_buffer_free(&png);
    png = (diffcut_buffer){0};
    assert_int_equal(diffcut_encode_roc_png(curves, 0, &png, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_int_equal(diffcut_encode_roc_png(&broken, 1, &png, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_non_null(strstr(diag.message, "outside 0 .. 1"));
    assert_null(png.data);
}

static void drawing_survives_every_failing_allocation(void **state) {
    (void)state;
    diffcut_image image = grey(60, 40);
    diffcut_labels labels = checkers(60, 40, 15);
    const diffcut_roc_point points[] = {{1, 0, 0}, {-1, 1, 1}};
    const diffcut_roc_curve curve = {"a", 0.5, points, 2};
    long step = 1;
    for (long fail = 0;; fail += step) {
        diffcut_buffer png = {0};
        diffcut_buffer roc = {0};
        mem_fail_after(fail);
        diffcut_status status = diffcut_encode_names_png(&image, &labels, seven, 7, NULL, &png, NULL);
        if (status == DIFFCUT_OK) {
            status = diffcut_encode_roc_png(&curve, 1, &roc, NULL);
        }
        mem_fail_after(-1);
        diffcut_buffer_free(&png);
        diffcut_buffer_free(&roc);
        if (status == DIFFCUT_OK) {
            assert_true(fail > 20);
            break;
        }
        assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
    }
    diffcut_labels_free(&labels);
    diffcut_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cover_is_the_area_of_a_polygon),
        cmocka_unit_test(letters_are_the_fonts_and_what_it_lacks_is_a_box),
        cmocka_unit_test(places_lie_on_their_region_and_do_not_overlap),
        cmocka_unit_test(a_named_picture_is_the_photo_with_a_legend_at_any_size),
        cmocka_unit_test(pictures_that_cannot_be_named_are_refused),
        cmocka_unit_test(a_roc_figure_shows_every_curve),
        cmocka_unit_test(drawing_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
