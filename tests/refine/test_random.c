/* test_random.c - the noise is torch.randn's CPU stream, to 3e-6 (its own single-precision transforms). */
#include "core/random.h"

#include "refine_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 3e-6
#define LATENT ((size_t)4 * 128 * 128)

static const uint64_t seeds[] = {0, 42, 123456789};

static void check_against(const golden_tensor *want, const float *got) {
    float *values = golden_floats(want);
    assert_true(golden_close_to(want->name, got, values, want->shape, want->rank, want->count, TOLERANCE, 0.0));
    free(values);
}

static void streams_of_every_length_equal_torch(void **state) {
    (void)state;
    static const size_t counts[] = {1, 15, 16, 17, 64, 1000};
    golden *file = golden_open("%s/core/randn.safetensors", DIFFCUT_TEST_DATA);
    assert_non_null(file);
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            float got[1000];
            random_normal(seeds[s], counts[i], got);
            check_against(golden_get(file, "seed%llu.n%zu", (unsigned long long)seeds[s], counts[i]), got);
        }
    }
    golden_close(file);
}

static void a_whole_latent_equals_torch(void **state) {
    (void)state;
    golden *file = golden_open("%s/core/randn.safetensors", DIFFCUT_TEST_DATA);
    assert_non_null(file);
    float *got = malloc(LATENT * sizeof *got);
    assert_non_null(got);
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        unsigned long long seed = seeds[s];
        random_normal(seed, LATENT, got);
        check_against(golden_get(file, "seed%llu.latent1x4x128x128.first64", seed), got);
        check_against(golden_get(file, "seed%llu.latent1x4x128x128.last64", seed), got + LATENT - 64);
        double sum = 0.0, squares = 0.0;
        for (size_t i = 0; i < LATENT; i++) {
            sum += (double)got[i];
            squares += (double)got[i] * (double)got[i];
        }
        float *want_sum = golden_floats(golden_get(file, "seed%llu.latent1x4x128x128.sum", seed));
        float *want_squares = golden_floats(golden_get(file, "seed%llu.latent1x4x128x128.sumsq", seed));
        assert_true(fabs(sum - (double)*want_sum) < 1e-2);
        assert_true(fabs(squares - (double)*want_squares) < 1e-6 * squares);
        free(want_sum);
        free(want_squares);
    }
    free(got);
    golden_close(file);
}

/* Three calls on one generator, of lengths on both paths; a short call leaves half a pair to the next. */
static void calls_on_one_stream_equal_calls_on_one_generator(void **state) {
    (void)state;
    static const size_t counts[] = {3, 12, 15, 16, 17, 40, 140};
    golden *file = golden_open("%s/core/draws.safetensors", DIFFCUT_TEST_DATA);
    assert_non_null(file);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        random_stream stream;
        random_stream_init(&stream, DIFFCUT_NOISE_CPU, 42);
        for (int draw = 0; draw < 3; draw++) {
            float got[140];
            random_stream_normal(&stream, counts[i], got);
            check_against(golden_get(file, "seed42.n%zu.draw%d", counts[i], draw), got);
        }
    }
    enum { ODD = 4 * 33 * 31 };
    float *got = malloc(ODD * sizeof *got);
    assert_non_null(got);
    random_stream stream;
    random_stream_init(&stream, DIFFCUT_NOISE_CPU, 42);
    for (int draw = 0; draw < 3; draw++) {
        random_stream_normal(&stream, ODD, got);
    }
    check_against(golden_get(file, "seed42.latent1x4x33x31.draw2.first16"), got);
    check_against(golden_get(file, "seed42.latent1x4x33x31.draw2.last16"), got + ODD - 16);
    free(got);
    golden_close(file);
}

static void only_the_low_half_of_a_seed_counts_as_in_torch(void **state) {
    (void)state;
    float low[32], high[32];
    random_normal(42, 32, low);
    random_normal(42 + (UINT64_C(7) << 32), 32, high);
    assert_memory_equal(low, high, sizeof low);
}

static void no_values_are_no_values(void **state) {
    (void)state;
    float untouched = 5.0F;
    random_normal(1, 0, &untouched);
    assert_true(untouched == 5.0F);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_of_every_length_equal_torch),
        cmocka_unit_test(a_whole_latent_equals_torch),
        cmocka_unit_test(calls_on_one_stream_equal_calls_on_one_generator),
        cmocka_unit_test(only_the_low_half_of_a_seed_counts_as_in_torch),
        cmocka_unit_test(no_values_are_no_values),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
