/*
 * test_philox.c - the stream of a CUDA generator: Random123's test vectors of Philox 4x32-10; torch.randn(12,
 * device="cuda") after manual_seed(0) as it has been published; and values of other seeds, calls and places from a
 * computation in Python's whole numbers and doubles.
 */
#include "test.h"

#include "core/random.h"
#include "core/random_philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* float32 rounding of the angle, 2^-24 * 2 pi, times the largest radius, 6.7. */
#define TOLERANCE 3e-6

typedef struct known_answer {
    uint32_t counter[4], key[2], words[4];
} known_answer;

/* kat_vectors of Random123 (Salmon et al.). */
static const known_answer known_answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void words_are_those_of_the_published_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof known_answers / sizeof *known_answers; i++) {
        uint32_t words[4];
        random_philox(known_answers[i].counter, known_answers[i].key, words);
        assert_memory_equal(words, known_answers[i].words, sizeof words);
    }
}

static void check_near(double got, double want) {
    if (!(fabs(got - want) <= TOLERANCE)) {
        fail_msg("%.9g, expected %.9g", got, want);
    }
}

static void seed_0_gives_the_numbers_that_cuda_users_know(void **state) {
    (void)state;
    static const double published[] = {-0.92466259, -0.42534415, -2.6438457,  0.14518388,  -0.12086647, -0.57972564,
                                       -0.62285122, -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497};
    float got[12];
    random_stream stream;
    random_stream_init(&stream, DIFFCUT_NOISE_CUDA, 0);
    random_stream_normal(&stream, 12, got);
    for (size_t i = 0; i < 12; i++) {
        check_near((double)got[i], published[i]);
    }
}

/* Printed to four digits after manual_seed(0) on a CUDA GPU: torch.randn of 80, then 10, then 80 values. */
static void three_calls_give_what_a_gpu_printed(void **state) {
    (void)state;
    enum { SHOWN = 10 };
    static const size_t counts[3] = {80, 10, 80};
    static const double printed[3][SHOWN] = {
        {-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284, -1.0745, -0.3631},
        {0.1808, -0.5523, 0.9238, -0.7350, 1.3800, 0.8676, 0.1297, -0.9406, 0.8109, 0.8821},
        {2.5441, -0.7163, -0.4934, 0.1267, 0.1014, -0.4035, 0.9023, 0.8099, -0.6884, 0.1372},
    };
    random_stream stream;
    random_stream_init(&stream, DIFFCUT_NOISE_CUDA, 0);
    for (size_t call = 0; call < 3; call++) {
        float got[80];
        random_stream_normal(&stream, counts[call], got);
        for (size_t i = 0; i < SHOWN; i++) {
            if (!(fabs((double)got[i] - printed[call][i]) <= 0.5e-4 + TOLERANCE)) {
                fail_msg("call %zu, element %zu: %.9g, printed %.4f", call, i, (double)got[i], printed[call][i]);
            }
        }
    }
}

typedef struct place {
    uint64_t seed;
    size_t call, element;
    double value;
} place;

static void other_seeds_calls_and_places_equal_an_independent_computation(void **state) {
    (void)state;
    enum { COUNT = 65536 };
    static const place places[] = {
        {42U, 0, 0, 0.194018955},
        {42U, 0, 65535, 0.380742317},
        {42U, 1, 0, 0.139137496},
        {42U, 2, 16383, 0.0847545518},
        {123456789012345U, 0, 7, -0.816671734},
        {18446744073709551615U, 3, 255, 0.639265567},
    };
    float *got = malloc(COUNT * sizeof *got);
    assert_non_null(got);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        random_stream stream;
        random_stream_init(&stream, DIFFCUT_NOISE_CUDA, places[i].seed);
        for (size_t call = 0; call <= places[i].call; call++) {
            random_stream_normal(&stream, COUNT, got);
        }
        check_near((double)got[places[i].element], places[i].value);
    }
    free(got);
}

/* Also that no word gives an infinite or wrong radius. */
static void a_latent_is_standard_normal(void **state) {
    (void)state;
    enum { COUNT = 65536 };
    float *got = malloc(COUNT * sizeof *got);
    assert_non_null(got);
    random_philox_normal(7, 0, COUNT, got);
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(isfinite(got[i]));
        sum += (double)got[i];
        squares += (double)got[i] * (double)got[i];
    }
    assert_true(fabs(sum / COUNT) < 4.0 / 256.0); /* four standard errors */
    assert_true(fabs(squares / COUNT - 1.0) < 4.0 * sqrt(2.0) / 256.0);
    free(got);
}

static void a_call_for_nothing_draws_nothing(void **state) {
    (void)state;
    float with;
    float without;
    random_stream stream;
    random_stream_init(&stream, DIFFCUT_NOISE_CUDA, 5);
    random_stream_normal(&stream, 0, &with);
    random_stream_normal(&stream, 1, &with);
    random_philox_normal(5, 0, 1, &without);
    assert_true(with == without);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_published_vectors),
        cmocka_unit_test(seed_0_gives_the_numbers_that_cuda_users_know),
        cmocka_unit_test(three_calls_give_what_a_gpu_printed),
        cmocka_unit_test(other_seeds_calls_and_places_equal_an_independent_computation),
        cmocka_unit_test(a_latent_is_standard_normal),
        cmocka_unit_test(a_call_for_nothing_draws_nothing),
    };
    return cmocka_run_group_tests_name("philox", tests, NULL, NULL);
}
