/* Many streams of one backend, in many threads, on shared weights: each gets what one alone gets. Also run under the
 * thread sanitizer. */
#include "test.h"

#include "fixture.h"

#include <pthread.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 6

static const op_case conv = {.op = OP_CONV2D,
                             .n = 1,
                             .h = 20,
                             .w = 20,
                             .c = 32,
                             .out = 48,
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .geometry = {1, 1, 1, 1, 1},
                             .bias = true,
                             .act = ACTIVATION_SILU};
static const op_case attention = {
    .op = OP_ATTENTION, .n = 1, .h = 200, .w = 1, .c = 64, .parts = 2, .keys = 200, .key_images = 1};

/* What the threads share, and what they are to find. */
typedef struct shared {
    backend *backend;
    backend_weight *weight;
    const op_inputs *conv_inputs, *attention_inputs;
    const float *conv_result, *attention_result;
} shared;

/* One user's thread: its own stream and buffers, the backend and the weight of all. Returns NULL when all is well. */
static void *use_backend(void *argument) {
    const shared *all = argument;
    const backend_ops *ops = all->backend->ops;
    side s = {.backend = all->backend};
    size_t conv_bytes = case_result_elements(&conv) * sizeof(float);
    size_t attention_bytes = case_result_elements(&attention) * sizeof(float);
    float *result = malloc(conv_bytes + attention_bytes);
    const char *wrong = NULL;
    if (result == NULL || ops->stream_create(all->backend, 2, &s.stream, &s.diag) != DIFFCUT_OK) {
        free(result);
        return (void *)(uintptr_t) "no stream";
    }
    for (int round = 0; round < ROUNDS && wrong == NULL; round++) {
        op_setup setup;
        bool intact = false;
        if (setup_create(&s, &conv, all->conv_inputs, &setup) != DIFFCUT_OK) {
            wrong = "set-up";
            break;
        }
        backend_weight *own = setup.weight;
        setup.weight = all->weight;
        if (setup_run(&s, &conv, &setup) != DIFFCUT_OK ||
            ops->download(s.stream, &setup.y, result, &s.diag) != DIFFCUT_OK ||
            memcmp(result, all->conv_result, conv_bytes) != 0) {
            wrong = "conv2d";
        }
        setup.weight = own;
        setup_destroy(&s, &setup);
        if (case_run(&s, &attention, all->attention_inputs, result, &intact) != DIFFCUT_OK || !intact ||
            memcmp(result, all->attention_result, attention_bytes) != 0) {
            wrong = "attention";
        }
    }
    ops->stream_destroy(s.stream);
    free(result);
    return (void *)(uintptr_t)wrong;
}

static void streams_in_many_threads_do_not_disturb_each_other(void **state) {
    (void)state;
    side s;
    op_inputs conv_inputs;
    op_inputs attention_inputs;
    op_setup setup;
    bool intact;
    assert_true(side_open(&s, "cpu", 1));
    assert_true(inputs_create(&conv, 1, &conv_inputs));
    assert_true(inputs_create(&attention, 2, &attention_inputs));
    float *conv_result = malloc(case_result_elements(&conv) * sizeof(float));
    float *attention_result = malloc(case_result_elements(&attention) * sizeof(float));
    assert_true(conv_result != NULL && attention_result != NULL);
    assert_int_equal(case_run(&s, &conv, &conv_inputs, conv_result, &intact), DIFFCUT_OK);
    assert_int_equal(case_run(&s, &attention, &attention_inputs, attention_result, &intact), DIFFCUT_OK);
    assert_int_equal(setup_create(&s, &conv, &conv_inputs, &setup), DIFFCUT_OK);
    shared all = {s.backend, setup.weight, &conv_inputs, &attention_inputs, conv_result, attention_result};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_backend, &all), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        if (wrong != NULL) {
            fail_msg("thread %d: %s", i, (const char *)wrong);
        }
    }
    setup_destroy(&s, &setup);
    inputs_destroy(&conv_inputs);
    inputs_destroy(&attention_inputs);
    free(conv_result);
    free(attention_result);
    side_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_many_threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
