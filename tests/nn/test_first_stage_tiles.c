/*
 * test_first_stage_tiles.c - an autoencoder's run in parts: bands and threads that change no bit, tiles that blend,
 * the memory both are for, and progress. On small random networks.
 */
#include "test.h"

#include "backend/check.h"
#include "core/memory.h"
#include "nn/autoencoder.h"
#include "nn/tiles.h"
#include "vae_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

/* ------------------------------------------------------------------------------------------------- bands, threads */

static void test_the_thread_count_changes_no_bit(void **state) {
    (void)state;
    static const char *const configs[] = {vae_kl_config, vae_tiny_config};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_SIZE];
        float *latents[3];
        size_t elements = 0;
        static const uint32_t threads[] = {1, 2, 5};
        float *image = vae_picture(104, 72);
        vae_make(configs[i], path, sizeof path);
        for (size_t t = 0; t < 3; t++) {
            vae v;
            assert_int_equal(vae_open(path, "cpu", threads[t], &v), DIFFCUT_OK);
            latents[t] = vae_encode(&v, image, 104, 72, 64, &elements);
            vae_close(&v);
        }
        assert_memory_equal(latents[0], latents[1], elements * sizeof(float));
        assert_memory_equal(latents[0], latents[2], elements * sizeof(float));
        for (size_t t = 0; t < 3; t++) {
            mem_free(latents[t]);
        }
        mem_free(image);
        vae_remove(path);
    }
}

/* Convolutions in bands, and in place, give what whole ones give; `ref` sums each output on its own. */
static void test_bands_change_no_bit(void **state) {
    (void)state;
    static const char *const configs[] = {vae_kl_config, vae_tiny_config};
    static const double pieces[] = {1e30, 4e6, 1.0};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_SIZE];
        vae v;
        vae_make(configs[i], path, sizeof path);
        assert_int_equal(vae_open(path, "ref", 1, &v), DIFFCUT_OK);
        const work w = {.threads = 1, .diag = &v.diag};
        json_document document;
        autoencoder_plan plan;
        autoencoder *network;
        assert_int_equal(checkpoint_json(v.source, AUTOENCODER_CONFIG, &document, &v.diag), DIFFCUT_OK);
        assert_int_equal(i == 0 ? autoencoder_kl_plan(document.root, &plan, &v.diag)
                                : autoencoder_tiny_plan(document.root, &plan, &v.diag),
                         DIFFCUT_OK);
        json_document_free(&document);
        assert_int_equal(autoencoder_open(v.backend, v.source, &plan, &network, &v.diag), DIFFCUT_OK);
        assert_int_equal(autoencoder_prepare(network, &v.diag), DIFFCUT_OK);
        float *image = vae_picture(64, 40);
        float whole[8 * 5 * 4];
        float banded[8 * 5 * 4];
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
            network->piece = pieces[p];
            assert_int_equal(
                autoencoder_encode(network, v.stream, &w, image, 40, 64, 40, NULL, NULL, p == 0 ? whole : banded),
                DIFFCUT_OK);
            if (p > 0) {
                assert_memory_equal(banded, whole, sizeof whole);
            }
        }
        mem_free(image);
        autoencoder_close(network);
        vae_close(&v);
        vae_remove(path);
    }
}

/* ------------------------------------------------------------------------------------------------- tiles */

static double rms_difference(const float *a, const float *b, size_t width, size_t top, size_t bottom, size_t left,
                             size_t right, size_t c) {
    double sum = 0.0;
    for (size_t y = top; y < bottom; y++) {
        for (size_t i = (y * width + left) * c; i < (y * width + right) * c; i++) {
            sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        }
    }
    return sqrt(sum / (double)((bottom - top) * (right - left) * c));
}

static double rms_of(const float *values, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i] * (double)values[i];
    }
    return sqrt(sum / (double)count);
}

static void test_a_tile_as_large_as_the_picture_changes_no_bit(void **state) {
    (void)state;
    static const char *const configs[] = {vae_kl_config, vae_tiny_config};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_SIZE];
        vae v;
        size_t elements;
        float *image = vae_picture(96, 128);
        vae_make(configs[i], path, sizeof path);
        assert_int_equal(vae_open(path, "cpu", 2, &v), DIFFCUT_OK);
        float *whole = vae_encode(&v, image, 96, 128, 0, &elements);
        float *same = vae_encode(&v, image, 96, 128, 128, &elements);
        float *rounded = vae_encode(&v, image, 96, 128, 135, &elements);
        assert_memory_equal(whole, same, elements * sizeof *whole);
        assert_memory_equal(whole, rounded, elements * sizeof *whole);
        mem_free(whole);
        mem_free(same);
        mem_free(rounded);
        mem_free(image);
        vae_close(&v);
        vae_remove(path);
    }
}

/*
 * AutoencoderTiny is convolutions alone, which reach 8 positions here: where one tile alone counts, further than that
 * from its end, its latent is the whole one's but for rounding. Only the blended borders differ.
 */
static void test_tiles_of_convolutions_differ_at_their_borders_only(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    size_t elements;
    float *image = vae_picture(64, 512);
    vae_make(vae_tiny_config, path, sizeof path);
    assert_int_equal(vae_open(path, "cpu", 2, &v), DIFFCUT_OK);
    float *whole = vae_encode(&v, image, 64, 512, 0, &elements);
    float *tiled = vae_encode(&v, image, 64, 512, 320, &elements);
    /* Two tiles of 37 of 64 positions: they overlap in 27 .. 36. */
    double rms = rms_of(whole, elements);
    double left = rms_difference(whole, tiled, 64, 0, 8, 0, 27, 4) / rms;
    double middle = rms_difference(whole, tiled, 64, 0, 8, 27, 37, 4) / rms;
    double right = rms_difference(whole, tiled, 64, 0, 8, 37, 64, 4) / rms;
    printf("  AutoencoderTiny: %.2g, in the overlap %.2g of the latent's rms\n", left > right ? left : right, middle);
    assert_true(left < 1e-5 && right < 1e-5);
    assert_true(middle > 0.0 && middle < 0.2);
    mem_free(whole);
    mem_free(tiled);
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
}

/*
 * AutoencoderKL's norms and attention see a tile and not the picture, which moves everything a little: on random
 * weights by 0.14 of the latent's rms, away from the picture's edges too.
 */
static void test_a_tiled_latent_is_close_to_the_whole_one(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    size_t elements;
    float *image = vae_picture(320, 256);
    vae_make(vae_kl_config, path, sizeof path);
    assert_int_equal(vae_open(path, "cpu", 2, &v), DIFFCUT_OK);
    float *whole = vae_encode(&v, image, 320, 256, 0, &elements);
    float *tiled = vae_encode(&v, image, 320, 256, 128, &elements);
    double inside = rms_difference(whole, tiled, 32, 4, 36, 4, 28, 4) / rms_of(whole, elements);
    printf("  AutoencoderKL: %.2g of the latent's rms\n", inside);
    assert_true(inside > 0.0 && inside < 0.2);
    mem_free(whole);
    mem_free(tiled);
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
}

/* The blend of any tiles of one value is that value: their weights sum to 1, and no place is left out. */
static void test_tiles_cover_every_place_once(void **state) {
    (void)state;
    for (uint32_t side = 8; side <= 40; side++) {
        for (uint32_t length = 1; length <= 300; length++) {
            tile_axis axis = tile_axis_plan(length, side);
            assert_true(axis.side <= side && axis.side <= length);
            assert_int_equal(tile_axis_start(&axis, axis.count - 1) + axis.side, length);
            assert_true(axis.count == 1 ? side >= length : side < length);
            for (uint32_t place = 0; place < length; place++) {
                float sum = 0.0F;
                for (uint32_t i = 0; i < axis.count; i++) {
                    uint32_t start = tile_axis_start(&axis, i);
                    if (place >= start && place - start < axis.side) {
                        sum += tile_axis_weight(&axis, i, place);
                    }
                }
                assert_true(fabsf(sum - 1.0F) < 1e-6F);
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------- memory */

/* The cpu backend with its buffers counted. One thread uses it. */
static backend_ops counting_ops;
static size_t live_elements;
static size_t peak_elements;

static diffcut_status create_counted(backend *self, size_t elements, backend_buffer **out,
                                     diffcut_diagnostics *diag) {
    diffcut_status status = backend_cpu_ops.buffer_create(self, elements, out, diag);
    if (status == DIFFCUT_OK) {
        live_elements += (*out)->elements;
        peak_elements = live_elements > peak_elements ? live_elements : peak_elements;
    }
    return status;
}

static void destroy_counted(backend_buffer *buffer) {
    live_elements -= buffer->elements;
    backend_cpu_ops.buffer_destroy(buffer);
}

static size_t measure_peak(vae *v, const float *image, uint32_t height, uint32_t width, uint32_t tile) {
    size_t elements;
    counting_ops = backend_cpu_ops;
    counting_ops.buffer_create = create_counted;
    counting_ops.buffer_destroy = destroy_counted;
    v->backend->ops = &counting_ops;
    live_elements = 0;
    peak_elements = 0;
    mem_free(vae_encode(v, image, height, width, tile, &elements));
    assert_int_equal(live_elements, 0);
    return peak_elements;
}

/* Two grids of the first level, of which one has the band that its convolution in place needs: here a whole grid and
 * a row, as pictures of tests are one band. */
static void test_memory_is_two_grids_and_shrinks_with_tiles(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    float *image = vae_picture(256, 256);
    vae_make(vae_kl_config, path, sizeof path);
    assert_int_equal(vae_open(path, "cpu", 1, &v), DIFFCUT_OK);
    size_t grid = (size_t)256 * 256 * 16;
    size_t whole = measure_peak(&v, image, 256, 256, 0);
    size_t tiled = measure_peak(&v, image, 256, 256, 128);
    assert_int_equal(whole, 3 * grid + (size_t)256 * 16);
    assert_true(tiled * 3 < whole);
    assert_true(first_stage_planned(v.stage, 256, 256, 0) == (double)whole);
    assert_true(first_stage_planned(v.stage, 256, 256, 128) == (double)tiled);
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
}

/* ------------------------------------------------------------------------------------------------- progress */

typedef struct told {
    double last;
    unsigned calls, stop_at; /* stop_at 0: never */
} told;

static int tell(void *user, diffcut_stage stage, double fraction) {
    told *self = user;
    assert_int_equal(stage, DIFFCUT_STAGE_FEATURES);
    assert_true(fraction >= self->last && fraction <= 1.0 + 1e-12);
    self->last = fraction;
    self->calls++;
    return self->calls == self->stop_at ? 1 : 0;
}

static void test_progress_goes_up_and_can_cancel(void **state) {
    (void)state;
    char path[PATH_SIZE];
    vae v;
    float *image = vae_picture(96, 64);
    vae_make(vae_kl_config, path, sizeof path);
    assert_int_equal(vae_open(path, "cpu", 2, &v), DIFFCUT_OK);
    static const uint32_t tiles[] = {0, 64};
    for (size_t i = 0; i < 2; i++) {
        told all = {.last = 0.0};
        const work w = {
            .threads = 2, .diag = &v.diag, .stage = DIFFCUT_STAGE_FEATURES, .progress = tell, .progress_user = &all};
        float *latent = NULL;
        uint32_t h;
        uint32_t lw;
        uint32_t c;
        assert_int_equal(
            first_stage_encode(v.stage, v.stream, &w, image, 96, 64, tiles[i], NULL, NULL, &latent, &h, &lw, &c),
            DIFFCUT_OK);
        mem_free(latent);
        assert_true(all.calls > 10);
        assert_true(fabs(all.last - 1.0) < 1e-9);
        for (unsigned n = 1; n < all.calls; n += 3) {
            told some = {.stop_at = n};
            work stopped = w;
            stopped.progress_user = &some;
            latent = NULL;
            assert_int_equal(first_stage_encode(v.stage, v.stream, &stopped, image, 96, 64, tiles[i], NULL, NULL,
                                                &latent, &h, &lw, &c),
                             DIFFCUT_ERROR_CANCELLED);
            assert_null(latent);
            assert_int_equal(some.calls, n);
        }
    }
    mem_free(image);
    vae_close(&v);
    vae_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_thread_count_changes_no_bit),
        cmocka_unit_test(test_bands_change_no_bit),
        cmocka_unit_test(test_a_tile_as_large_as_the_picture_changes_no_bit),
        cmocka_unit_test(test_tiles_of_convolutions_differ_at_their_borders_only),
        cmocka_unit_test(test_a_tiled_latent_is_close_to_the_whole_one),
        cmocka_unit_test(test_tiles_cover_every_place_once),
        cmocka_unit_test(test_memory_is_two_grids_and_shrinks_with_tiles),
        cmocka_unit_test(test_progress_goes_up_and_can_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
