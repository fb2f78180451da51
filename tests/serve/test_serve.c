/* The server's parts that need no socket: hosts and tokens, forms, queries, cutting a kept tree, previews. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "guard.h"
#include "multipart.h"
#include "params.h"
#include "shrink.h"
#include "tree_data.h"

/* ------------------------------------------------------------------------------------------------- fields */

static bool note_field(void *user, const char *name, const char *value, problem *out) {
    char *seen = user;
    (void)out;
    const size_t used = strlen(seen);
    (void)snprintf(seen + used, 400 - used, "[%s=%s]", name, value);
    return true;
}

/* What is seen of a body; the memory behind it is the test's own, so that a sanitizer sees a byte too far. */
static bool read_fields(fields_kind kind, const char *body, size_t size, char seen[400]) {
    problem p = {0};
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, body, size);
    copy[size] = '\0';
    seen[0] = '\0';
    const bool good = fields_read(kind, copy, size, note_field, seen, &p);
    assert_int_equal(p.status, good ? 0 : 400);
    free(copy);
    return good;
}

static void fields_of_json_and_of_forms_are_what_was_sent(void **state) {
    (void)state;
    char seen[400];
    const char *const good[][2] = {
        {"{}", ""},
        {" { \"a\" : \"b\" , \"tau\":0.5,\"refine\" : true}\n", "[a=b][tau=0.5][refine=true]"},
        {"{\"a\":\"\\u0041\\n\\\"\\\\\\/\",\"b\":\"\"}", "[a=A\n\"\\/][b=]"},
        {"{\"a\":\"\\u00e9\\u20AC\\ud83d\\udc15\"}", "[a=\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x95]"},
        {"{\"a\":-1e-3}", "[a=-1e-3]"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(read_fields(FIELDS_JSON, good[i][0], strlen(good[i][0]), seen));
        assert_string_equal(seen, good[i][1]);
    }
    const char *form = "a=b+c%2C%7c&&d&e==%e9%4&f=%zz";
    assert_true(read_fields(FIELDS_FORM, form, strlen(form), seen));
    assert_string_equal(seen, "[a=b c,|][d=][e==\xE9%4][f=%zz]");
    assert_false(read_fields(FIELDS_FORM, "a=%00", 5, seen));
    assert_false(read_fields(FIELDS_FORM, "a=\0b", 4, seen));
    assert_int_equal(fields_kind_of("Application/JSON; charset=utf-8"), FIELDS_JSON);
    assert_int_equal(fields_kind_of("application/x-www-form-urlencoded"), FIELDS_FORM);
    assert_int_equal(fields_kind_of("application/jsonp"), FIELDS_NONE);
    assert_int_equal(fields_kind_of(""), FIELDS_NONE);
}

static void json_that_is_cut_short_or_odd_is_refused(void **state) {
    (void)state;
    char seen[400];
    const char *whole = "{\"classes\": \"a\\u00e9\\ud83d\\udc15\\n\", \"tau\" : 0.5 , \"refine\": true}";
    for (size_t size = 0; size < strlen(whole); size++) {
        assert_false(read_fields(FIELDS_JSON, whole, size, seen));
    }
    assert_true(read_fields(FIELDS_JSON, whole, strlen(whole), seen));
    const char *const bad[] = {"[]",
                               "{\"a\":[]}",
                               "{\"a\":{}}",
                               "{\"a\":null}",
                               "{\"a\":}",
                               "{\"a\" 1}",
                               "{\"a\":1,}",
                               "{,}",
                               "{a:1}",
                               "{\"a\":1}}",
                               "{\"a\":1 2}",
                               "{\"a\":'b'}",
                               "{\"a\":\"\\x\"}",
                               "{\"a\":\"\\u12\"}",
                               "{\"a\":\"\\u0000\"}",
                               "{\"a\":\"\\ud83d\"}",
                               "{\"a\":\"\\ud83dx\"}",
                               "{\"a\":\"\\ud83d\\u0041\"}",
                               "{\"a\":\"\\udc15\"}",
                               "{\"a\":\"\t\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(read_fields(FIELDS_JSON, bad[i], strlen(bad[i]), seen));
    }
}

/* ------------------------------------------------------------------------------------------------- guard */

static unsigned ask(const guard *g, guard_request r) {
    problem p = {0};
    return guard_check(g, &r, &p) ? 0 : p.status;
}

static void a_host_is_a_loopback_name_the_local_address_or_allowed(void **state) {
    (void)state;
    const guard g = {.port = 81, .hosts = {"a.example", "b.example:443"}, .host_count = 2};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0A80107)};
    const struct sockaddr *local = (const struct sockaddr *)&in;
    assert_int_equal(ask(&g, (guard_request){.host = "192.168.1.7:81", .local = local}), 0);
    assert_int_equal(ask(&g, (guard_request){.host = "192.168.1.8:81", .local = local}), 421);
    assert_int_equal(ask(&g, (guard_request){.host = "192.168.1.7:82", .local = local}), 421);
    assert_int_equal(ask(&g, (guard_request){.host = "127.0.0.1:81", .local = local}), 0);
    assert_int_equal(ask(&g, (guard_request){.host = "[::1]:81"}), 0);
    assert_int_equal(ask(&g, (guard_request){.host = "A.example:81"}), 0);
    assert_int_equal(ask(&g, (guard_request){.host = "a.example:80"}), 421);
    assert_int_equal(ask(&g, (guard_request){.host = "b.example"}), 0);
    assert_int_equal(ask(&g, (guard_request){.host = "b.example:81"}), 421);
    assert_int_equal(ask(&g, (guard_request){.host = "localhost.b.example:443"}), 421);
    const char *const broken[] = {"", ":", "a:", "a:b", "[::1", "[]:81", "a:1:2", "a:-1", "a:0", "a:65536"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_int_equal(ask(&g, (guard_request){.host = broken[i]}), 400);
    }
    assert_int_equal(ask(&g, (guard_request){.host = NULL}), 400);
    char longest[600];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ask(&g, (guard_request){.host = longest}), 400);
}

static void a_token_is_compared_whole(void **state) {
    (void)state;
    const guard g = {.port = 81, .token = "secret", .cookie = "0123"};
    guard_request r = {.host = "localhost:81"};
    assert_int_equal(ask(&g, r), 401);
    const char *const wrong[] = {"Bearer",       "Bearer ", "Bearer secre", "Bearer secret ", "Bearer secretsecret",
                                 "Basic secret", "secret",  "Bearer Secret"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r.authorization = wrong[i];
        assert_int_equal(ask(&g, r), 401);
    }
    r.authorization = "Bearer secret";
    assert_int_equal(ask(&g, r), 0);
    r = (guard_request){.host = "localhost:81", .cookies = "x=1; diffcut=0123;y"};
    assert_int_equal(ask(&g, r), 0);
    r.cookies = "xdiffcut=0123; diffcut=012; diffcut=01234";
    assert_int_equal(ask(&g, r), 401);
    r.open = true;
    assert_int_equal(ask(&g, r), 0);
}

/* ------------------------------------------------------------------------------------------------- forms */

static void a_form_cut_short_anywhere_is_refused(void **state) {
    (void)state;
    static const char form[] = "--b\r\nContent-Disposition: form-data; filename=\"name=\"; name=\"photo\"\r\n"
                               "Content-Type: image/png\r\n\r\n\r\nab\r\n--c\r\n--b--";
    static const char type[] = "multipart/form-data; boundary=b";
    const char *photo = NULL;
    size_t size = 0;
    problem p = {0};
    assert_true(multipart_photo(type, form, sizeof form - 1, &photo, &size, &p));
    assert_int_equal(size, 9);
    assert_memory_equal(photo, "\r\nab\r\n--c", 9);
    for (size_t length = 0; length < sizeof form - 1; length++) {
        char *part = malloc(length + 1); /* of its own size, so that a sanitizer sees every step beyond */
        assert_non_null(part);
        memcpy(part, form, length);
        assert_false(multipart_photo(type, part, length, &photo, &size, &p));
        assert_int_equal(p.status, 400);
        free(part);
    }
    assert_true(multipart_photo("multipart/form-data; Boundary=\"b\"", form, sizeof form - 1, &photo, &size, &p));
    assert_false(multipart_photo("multipart/form-data; boundary=\"b", form, sizeof form - 1, &photo, &size, &p));
}

/* ------------------------------------------------------------------------------------------------- queries */

static void a_query_has_the_options_names_ranges_and_defaults(void **state) {
    (void)state;
    static const char names[] = "tau min_tokens refine prompt size square";
    params q;
    problem p = {0};
    params_init(&q, NULL);
    assert_true(params_take(&q, names, "tau", "0.25", &p));
    assert_true(params_take(&q, names, "min_tokens", "3", &p));
    assert_true(params_take(&q, names, "refine", "false", &p));
    assert_true(params_take(&q, names, "prompt", "a cat", &p));
    assert_true(params_end(&q, &p));
    const diffcut_settings settings = params_settings(&q);
    assert_true(settings.tau == 0.25 && settings.alpha == 10 && settings.min_tokens == 3 && !settings.refine);
    assert_string_equal(settings.prompt, "a cat");
    assert_true(params_has(&q, names, "tau") && !params_has(&q, names, "size") && !params_has(&q, names, "width"));
    assert_false(params_take(&q, names, "tau", "0.3", &p)); /* twice */
    assert_string_equal(p.field, "tau");
    assert_false(params_take(&q, names, "min-tokens", "3", &p)); /* the option's own name */
    assert_string_equal(p.code, "unknown_field");
    assert_false(params_take(&q, names, "alpha", "3", &p)); /* not for this address */
    assert_false(params_take(&q, names, "", "3", &p));

    params_init(&q, NULL);
    assert_true(params_take(&q, names, "size", "64x32", &p));
    assert_true(params_take(&q, names, "square", "1", &p));
    assert_false(params_end(&q, &p));
    assert_int_equal(p.status, 400);
}

/* ------------------------------------------------------------------------------------------------- trees */

static void a_kept_tree_cuts_as_the_tree_itself(void **state) {
    (void)state;
    enum { SIDE = 12, CHANNELS = 5 };
    diffcut_diagnostics diagnostics;
    float values[SIDE * SIDE * CHANNELS];
    unsigned random = 1;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        random = random * 1103515245U + 12345U;
        values[i] = (float)(random >> 16 & 0xFF) / 64.0F + (float)(i / (SIDE * CHANNELS * 4));
    }
    diffcut_features *features = NULL;
    diffcut_session *session = NULL;
    diffcut_tree *tree = NULL;
    diffcut_settings settings;
    diffcut_settings_init(&settings, NULL);
    settings.tau = 1;
    assert_int_equal(diffcut_features_create(SIDE, SIDE, CHANNELS, values, &features, &diagnostics), DIFFCUT_OK);
    assert_int_equal(diffcut_session_open(NULL, NULL, &session, &diagnostics), DIFFCUT_OK);
    assert_int_equal(diffcut_tree_build(session, features, &settings, &tree), DIFFCUT_OK);
    tree_data data = {0};
    assert_int_equal(tree_data_create(session, tree, settings.tau, &data, &diagnostics), DIFFCUT_OK);
    assert_true(data.leaf_count > 10);
    uint32_t *nodes = malloc(data.leaf_count * sizeof *nodes);
    assert_non_null(nodes);
    uint32_t most = 0;
    for (int step = 0; step <= 200; step++) {
        diffcut_labels expected = {0};
        diffcut_labels found = {0};
        assert_int_equal(diffcut_tree_cut(session, tree, step / 200.0, &expected), DIFFCUT_OK);
        assert_int_equal(tree_data_cut(&data, step / 200.0, &found, nodes, &diagnostics), DIFFCUT_OK);
        assert_int_equal(found.count, expected.count);
        assert_memory_equal(found.data, expected.data, SIDE * SIDE * sizeof *found.data);
        size_t tokens = 0;
        for (uint32_t label = 0; label < found.count; label++) {
            tokens += data.nodes[nodes[label]].tokens;
        }
        assert_int_equal(tokens, SIDE * SIDE);
        most = found.count > most ? found.count : most;
        diffcut_labels_free(&expected);
        diffcut_labels_free(&found);
    }
    assert_int_equal(most, data.leaf_count);
    free(nodes);
    tree_data_free(&data);
    diffcut_tree_free(tree);
    diffcut_features_free(features);
    diffcut_session_close(session);
}

static void a_preview_is_the_mean_of_what_it_covers(void **state) {
    (void)state;
    uint8_t rgb[4 * 2 * 3];
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = (uint8_t)(10 * i);
    }
    const diffcut_image image = {4, 2, rgb};
    diffcut_image small = {0};
    assert_true(shrink_image(&image, 2, 1, &small));
    for (int channel = 0; channel < 3; channel++) {
        /* pixels 0, 1, 4, 5 and 2, 3, 6, 7 */
        assert_int_equal(small.rgb[channel],
                         (rgb[channel] + rgb[3 + channel] + rgb[12 + channel] + rgb[15 + channel] + 2) / 4);
        assert_int_equal(small.rgb[3 + channel],
                         (rgb[6 + channel] + rgb[9 + channel] + rgb[18 + channel] + rgb[21 + channel] + 2) / 4);
    }
    free(small.rgb);
    assert_true(shrink_image(&image, 8, 4, &small));
    assert_memory_equal(small.rgb, rgb, 3);
    assert_memory_equal(small.rgb + 3, rgb, 3);
    assert_memory_equal(small.rgb + (3 * 8 + 7) * 3, rgb + 21, 3);
    free(small.rgb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_a_loopback_name_the_local_address_or_allowed),
        cmocka_unit_test(a_token_is_compared_whole),
        cmocka_unit_test(a_form_cut_short_anywhere_is_refused),
        cmocka_unit_test(fields_of_json_and_of_forms_are_what_was_sent),
        cmocka_unit_test(json_that_is_cut_short_or_odd_is_refused),
        cmocka_unit_test(a_query_has_the_options_names_ranges_and_defaults),
        cmocka_unit_test(a_kept_tree_cuts_as_the_tree_itself),
        cmocka_unit_test(a_preview_is_the_mean_of_what_it_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
