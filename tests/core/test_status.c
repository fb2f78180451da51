/* Statuses have texts, messages are always whole strings. */
#include "test.h"

#include "core/status.h"

#include <string.h>

static void every_status_has_a_text_of_its_own(void **state) {
    (void)state;
    for (int i = 0; i < DIFFCUT_STATUS_COUNT; i++) {
        assert_string_not_equal(diffcut_status_string((diffcut_status)i), "unknown status");
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(diffcut_status_string((diffcut_status)i),
                                    diffcut_status_string((diffcut_status)j));
        }
    }
    assert_string_equal(diffcut_status_string((diffcut_status)-1), "unknown status");
    assert_string_equal(diffcut_status_string(DIFFCUT_STATUS_COUNT), "unknown status");
}

static void a_failure_leaves_its_message_and_status(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    assert_int_equal(diag_fail(&diag, DIFFCUT_ERROR_MODEL, "%s: tensor %d", "unet", 7), DIFFCUT_ERROR_MODEL);
    assert_string_equal(diag.message, "unet: tensor 7");
    assert_int_equal(diag_no_memory(&diag, 64, "the latent"), DIFFCUT_ERROR_MEMORY);
    assert_string_equal(diag.message, "no memory for the latent (64 bytes)");
    assert_int_equal(diag_prefix(&diag, DIFFCUT_ERROR_MEMORY, "a.png"), DIFFCUT_ERROR_MEMORY);
    assert_string_equal(diag.message, "a.png: no memory for the latent (64 bytes)");
    diag_clear(&diag);
    assert_string_equal(diag.message, "");
}

static void long_messages_are_cut(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)diag_fail(&diag, DIFFCUT_ERROR_IO, "%s", text);
    assert_int_equal(strlen(diag.message), sizeof diag.message - 1);
    (void)diag_prefix(&diag, DIFFCUT_ERROR_IO, text);
    assert_true(strlen(diag.message) < sizeof diag.message);
    assert_true(strchr(diag.message, ':') != NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(a_failure_leaves_its_message_and_status),
        cmocka_unit_test(long_messages_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
