/*
 * test_protocol.c - which raw label value is which class, in every form and protocol, and what is refused.
 */
#include <string.h>

#include "core/memory.h"
#include "diffcut/diffcut.h"
#include "test.h"

static diffcut_protocol_settings plain(void) {
    diffcut_protocol_settings settings;
    diffcut_protocol_settings_init(&settings);
    return settings;
}

static diffcut_protocol *open_protocol(const char *name, const diffcut_protocol_settings *settings) {
    diffcut_protocol *protocol = NULL;
    diffcut_diagnostics diag;
    if (diffcut_protocol_open(name, settings, &protocol, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return protocol;
}

/* The class of one raw value: -1 left out, -2 refused. */
static int class_of(const char *name, bool reference, diffcut_label_values values, uint32_t raw) {
    diffcut_protocol_settings settings = plain();
    settings.reference = reference;
    settings.label_values = values;
    diffcut_protocol *protocol = open_protocol(name, &settings);
    diffcut_labels map = {0}, out = {0};
    assert_int_equal(diffcut_labels_create(1, 1, &raw, &map, NULL), DIFFCUT_OK);
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_protocol_map(protocol, &map, &out, &diag);
    int class = -2;
    if (status == DIFFCUT_OK) {
        uint32_t count = diffcut_protocol_class_count(protocol);
        assert_int_equal(out.count, count + 1);
        class = out.data[0] == count ? -1 : (int)out.data[0];
    } else {
        assert_int_equal(status, DIFFCUT_ERROR_FORMAT);
        assert_non_null(strstr(diag.message, name));
        assert_null(out.data);
    }
    diffcut_labels_free(&out);
    diffcut_labels_free(&map);
    diffcut_protocol_free(protocol);
    return class;
}

static void every_protocol_has_the_papers_classes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t classes;
        int32_t background;
        const char *first, *last;
    } want[] = {
        {"voc", 21, 20, "aeroplane", "background"},
        {"context", 60, 59, "aeroplane", "background"},
        {"coco-object", 81, 80, "person", "background"},
        {"coco-stuff-27", 27, -1, "electronic-things", "water-stuff"},
        {"cityscapes", 27, -1, "road", "bicycle"},
        {"ade20k", 150, -1, "wall", "flag"},
    };
    size_t count = sizeof want / sizeof *want;
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(diffcut_protocol_list(i), want[i].name);
        diffcut_protocol *protocol = open_protocol(want[i].name, NULL);
        assert_string_equal(diffcut_protocol_name(protocol), want[i].name);
        assert_false(diffcut_protocol_is_reference(protocol));
        assert_int_equal(diffcut_protocol_class_count(protocol), want[i].classes);
        assert_int_equal(diffcut_protocol_background(protocol), want[i].background);
        assert_string_equal(diffcut_protocol_class_name(protocol, 0), want[i].first);
        assert_string_equal(diffcut_protocol_class_name(protocol, want[i].classes - 1), want[i].last);
        assert_null(diffcut_protocol_class_name(protocol, want[i].classes));
        diffcut_protocol_free(protocol);
    }
    assert_string_equal(diffcut_protocol_list(count), "generic");
    assert_null(diffcut_protocol_list(count + 1));
}

static void the_void_line_of_voc_is_left_out_but_by_the_published_code(void **state) {
    (void)state;
    assert_int_equal(class_of("voc", false, DIFFCUT_VALUES_DATASET, 0), 20);
    assert_int_equal(class_of("voc", false, DIFFCUT_VALUES_DATASET, 1), 0);
    assert_int_equal(class_of("voc", false, DIFFCUT_VALUES_DATASET, 20), 19);
    assert_int_equal(class_of("voc", false, DIFFCUT_VALUES_DATASET, 21), -2);
    assert_int_equal(class_of("voc", false, DIFFCUT_VALUES_DATASET, 255), -1);
    assert_int_equal(class_of("voc", true, DIFFCUT_VALUES_DATASET, 255), 20);
    assert_int_equal(class_of("voc", true, DIFFCUT_VALUES_DATASET, 20), 19);
}

static void other_of_ade20k_is_left_out_but_by_the_published_code(void **state) {
    (void)state;
    assert_int_equal(class_of("ade20k", false, DIFFCUT_VALUES_DATASET, 0), -1);
    assert_int_equal(class_of("ade20k", false, DIFFCUT_VALUES_DATASET, 1), 0);
    assert_int_equal(class_of("ade20k", false, DIFFCUT_VALUES_DATASET, 150), 149);
    assert_int_equal(class_of("ade20k", false, DIFFCUT_VALUES_DATASET, 151), -2);
    assert_int_equal(class_of("ade20k", true, DIFFCUT_VALUES_DATASET, 0), 0);
    assert_int_equal(class_of("ade20k", true, DIFFCUT_VALUES_DATASET, 149), 149);
    assert_int_equal(class_of("ade20k", true, DIFFCUT_VALUES_DATASET, 150), -1);
    assert_int_equal(class_of("ade20k", true, DIFFCUT_VALUES_DATASET, 255), -1);
    assert_int_equal(class_of("ade20k", false, DIFFCUT_VALUES_FROM_ZERO, 149), 149);
}

static void label_values_of_the_other_sets_are_their_files(void **state) {
    (void)state;
    assert_int_equal(class_of("cityscapes", false, DIFFCUT_VALUES_DATASET, 6), -1);
    assert_int_equal(class_of("cityscapes", false, DIFFCUT_VALUES_DATASET, 7), 0);
    assert_int_equal(class_of("cityscapes", false, DIFFCUT_VALUES_DATASET, 33), 26);
    assert_int_equal(class_of("cityscapes", false, DIFFCUT_VALUES_DATASET, 34), -2);
    assert_int_equal(class_of("coco-stuff-27", false, DIFFCUT_VALUES_DATASET, 0), 9);
    assert_int_equal(class_of("coco-stuff-27", false, DIFFCUT_VALUES_DATASET, 181), 24);
    assert_int_equal(class_of("coco-stuff-27", false, DIFFCUT_VALUES_DATASET, 182), -2);
    assert_int_equal(class_of("coco-stuff-27", false, DIFFCUT_VALUES_DATASET, 255), -1);
    assert_int_equal(class_of("coco-object", false, DIFFCUT_VALUES_DATASET, 12), 11);
    assert_int_equal(class_of("coco-object", false, DIFFCUT_VALUES_DATASET, 11), -2); /* no such category */
    assert_int_equal(class_of("coco-object", false, DIFFCUT_VALUES_DATASET, 91), 80);
    assert_int_equal(class_of("coco-object", false, DIFFCUT_VALUES_DATASET, 255), 80);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_DATASET, 58), 58);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_DATASET, 59), -2);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_DATASET, 255), 59);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_FROM_ONE, 59), 58);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_FROM_ONE, 0), 59);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_DETAIL, 2), 0);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_DETAIL, 458), 58);
    assert_int_equal(class_of("context", false, DIFFCUT_VALUES_DETAIL, 1), 59);
    assert_int_equal(class_of("voc", false, DIFFCUT_VALUES_DATASET, 70000), -2);
}

static void a_generic_protocol_is_what_its_settings_say(void **state) {
    (void)state;
    static const char *const names[] = {"ground", "salient"};
    static const uint32_t values[] = {0, 255};
    diffcut_protocol_settings settings = plain();
    settings.classes = 2;
    settings.names = names;
    settings.values = values;
    settings.background = 0;
    settings.ignore = 7;
    diffcut_protocol *protocol = open_protocol("generic", &settings);
    assert_string_equal(diffcut_protocol_class_name(protocol, 1), "salient");
    assert_int_equal(diffcut_protocol_background(protocol), 0);
    const uint32_t raw[] = {0, 255, 7};
    const uint32_t want[] = {0, 1, 2};
    diffcut_labels map = {0}, out = {0};
    assert_int_equal(diffcut_labels_create(3, 1, raw, &map, NULL), DIFFCUT_OK);
    assert_int_equal(diffcut_protocol_map(protocol, &map, &out, NULL), DIFFCUT_OK);
    assert_memory_equal(out.data, want, sizeof want);
    diffcut_labels_free(&out);
    diffcut_labels_free(&map);
    diffcut_protocol_free(protocol);
}

static void refused(const char *name, const diffcut_protocol_settings *settings, const char *part) {
    diffcut_protocol *protocol = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(diffcut_protocol_open(name, settings, &protocol, &diag), DIFFCUT_ERROR_ARGUMENT);
    assert_null(protocol);
    if (strstr(diag.message, part) == NULL) {
        fail_msg("'%s' does not hold '%s'", diag.message, part);
    }
}

static void settings_that_contradict_themselves_are_refused(void **state) {
    (void)state;
    static const uint32_t twice[] = {3, 3}, large[] = {0, 65536};
    static const char *const nameless[] = {"a", NULL};
    diffcut_protocol_settings s = plain();
    refused("VOC", NULL, "no protocol 'VOC'");
    refused("generic", NULL, "classes is 0");
    s.classes = 4097;
    refused("generic", &s, "classes is 4097");
    s.classes = 2;
    refused("voc", &s, "classes of its own");
    s.values = twice;
    refused("generic", &s, "values[1] is 3, another class's already");
    s.values = large;
    refused("generic", &s, "values[1] is 65536, above 65535");
    s = plain();
    s.classes = 2;
    s.names = nameless;
    refused("generic", &s, "class 1 has no name");
    s = plain();
    s.classes = 2;
    s.background = 5;
    refused("generic", &s, "background is 5");
    s.background = -1;
    s.ignore = 65536;
    refused("generic", &s, "ignore is 65536");
    s.ignore = 0;
    refused("generic", &s, "the value of class 0");
    s = plain();
    s.label_values = DIFFCUT_VALUES_DETAIL;
    refused("voc", &s, "only context");
    s.label_values = (diffcut_label_values)9;
    refused("voc", &s, "label_values is 9");
}

static void opening_survives_every_failing_allocation(void **state) {
    (void)state;
    bool done = false;
    for (long after = 0; !done; after++) {
        diffcut_protocol *protocol = NULL;
        mem_fail_after(after);
        diffcut_status status = diffcut_protocol_open("voc", NULL, &protocol, NULL);
        mem_fail_after(-1);
        done = status == DIFFCUT_OK;
        assert_true(done || protocol == NULL);
        diffcut_protocol_free(protocol);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol_has_the_papers_classes),
        cmocka_unit_test(the_void_line_of_voc_is_left_out_but_by_the_published_code),
        cmocka_unit_test(other_of_ade20k_is_left_out_but_by_the_published_code),
        cmocka_unit_test(label_values_of_the_other_sets_are_their_files),
        cmocka_unit_test(a_generic_protocol_is_what_its_settings_say),
        cmocka_unit_test(settings_that_contradict_themselves_are_refused),
        cmocka_unit_test(opening_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
