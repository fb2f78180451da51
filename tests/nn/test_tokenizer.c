/*
 * test_tokenizer.c - token ids equal transformers' and open_clip's for the golden strings in all three conventions;
 * broken vocabularies, prompts that are no UTF-8 and ones that are too long are told so; Unicode's forms are right.
 */
#include "test.h"

#include "core/memory.h"
#include <jansson.h>
#include "io/json.h"
#include "nn/tokenizer.h"
#include "nn/unicode.h"

#include <stdio.h>
#include <string.h>

#define FOLDER DIFFCUT_SHARED_DIR "/golden/models/clip-tokenizer"
#define LENGTH 77

/* The full vocabulary's files. */
typedef struct files {
    json_document ids;
    diffcut_buffer merges;
} files;

static bool read_files(files *out) {
    diffcut_diagnostics diag;
    return diffcut_read_file(FOLDER "/merges.txt", 0, &out->merges, &diag) == DIFFCUT_OK &&
           json_read(FOLDER, "vocab.json", &out->ids, &diag) == DIFFCUT_OK;
}

static tokenizer *open_with(const files *from, const char *pad) {
    json_document document = {0};
    char json[512];
    diffcut_diagnostics diag;
    tokenizer_config config;
    tokenizer *self = NULL;
    tokenizer_config_init(false, LENGTH, &config);
    (void)snprintf(json, sizeof json,
                   "{\"bos_token\": {\"content\": \"<|startoftext|>\", \"normalized\": true}, \"eos_token\": "
                   "{\"content\": \"<|endoftext|>\", \"normalized\": true}, \"pad_token\": \"%s\", "
                   "\"model_max_length\": 77, \"unk_token\": {\"content\": \"<|endoftext|>\", \"normalized\": true}}",
                   pad);
    assert_int_equal(json_parse(json, strlen(json), "tokenizer_config.json", &document, &diag), DIFFCUT_OK);
    const json_view none = {0};
    assert_int_equal(tokenizer_config_read(document.root, none, &config, &config, &diag), DIFFCUT_OK);
    json_document_free(&document);
    if (tokenizer_open(&config, from->ids.root, (const char *)from->merges.data, from->merges.size, "merges.txt",
                       &self, &diag) != DIFFCUT_OK) {
        fail_msg("%s", diag.message);
    }
    return self;
}

/* How many of the golden strings a column's ids are not equal for. */
static size_t count_wrong(const tokenizer *self, tokenizer_rules rules, const json_t *strings, const char *column) {
    size_t wrong = 0;
    for (size_t i = 0; i < json_array_size(strings); i++) {
        const json_t *row = json_array_get(strings, i);
        const json_t *expected = json_object_get(row, column);
        const char *text = json_string_value(json_object_get(row, "text"));
        uint32_t ids[LENGTH];
        bool cut;
        diffcut_diagnostics diag;
        if (strlen(text) != json_string_length(json_object_get(row, "text"))) {
            continue; /* a NUL inside, which no prompt of ours can have */
        }
        assert_int_equal(tokenizer_encode(self, rules, text, ids, &cut, &diag), DIFFCUT_OK);
        for (size_t k = 0; k < LENGTH; k++) {
            long want = (long)json_integer_value(json_array_get(expected, k));
            if ((long)ids[k] != want) {
                printf("  %s: \"%.60s\": id %zu is %u, golden %ld\n", column, text, k, ids[k], want);
                wrong++;
                break;
            }
        }
    }
    return wrong;
}

static void test_ids_of_the_golden_strings_are_equal_in_three_conventions(void **state) {
    (void)state;
    files from = {0};
    json_t *table = json_load_file(FOLDER "/golden_tokens.json", JSON_ALLOW_NUL, NULL); /* one string holds one */
    if (table == NULL) {
        skip();
    }
    assert_true(read_files(&from));
    const json_t *strings = json_object_get(table, "strings");
    assert_int_equal(json_array_size(strings), 120);
    tokenizer *first = open_with(&from, "<|endoftext|>");
    tokenizer *second = open_with(&from, "!");
    size_t wrong = count_wrong(first, TOKENIZER_TRANSFORMERS, strings, "clip_l");
    wrong += count_wrong(second, TOKENIZER_TRANSFORMERS, strings, "bigg");
    wrong += count_wrong(first, TOKENIZER_OPEN_CLIP, strings, "open_clip");
    tokenizer_close(first);
    tokenizer_close(second);
    json_document_free(&from.ids);
    diffcut_buffer_free(&from.merges);
    json_decref(table);
    assert_int_equal(wrong, 0);
}

static void test_the_empty_text_needs_no_vocabulary(void **state) {
    (void)state;
    tokenizer_config config;
    uint32_t ids[LENGTH];
    tokenizer_config_init(false, LENGTH, &config);
    assert_true(tokenizer_encode_nothing(&config, ids));
    assert_int_equal(ids[0], 49406);
    assert_int_equal(ids[1], 49407);
    assert_int_equal(ids[76], 49407);
    tokenizer_config_init(true, LENGTH, &config);
    assert_true(tokenizer_encode_nothing(&config, ids));
    assert_int_equal(ids[1], 49407);
    assert_int_equal(ids[2], 0);
    assert_int_equal(ids[76], 0);
    (void)snprintf(config.specials[ROLE_PAD].text, TOKENIZER_SPECIAL_SIZE, "<pad>");
    assert_false(tokenizer_encode_nothing(&config, ids));
}

/* ------------------------------------------------------------------------------------------------- small vocabulary
 */

/* All 512 symbols of bytes, CLIP's special tokens, "!" being 0, and then `more`. */
static char *small_vocabulary(const char *more) {
    char *json = malloc(64 * 1024);
    assert_non_null(json);
    size_t at = (size_t)sprintf(json, "{\"<|startoftext|>\": 49406, \"<|endoftext|>\": 49407%s", more);
    uint32_t id = 0;
    for (int end = 0; end < 2; end++) {
        uint32_t others = 0;
        for (int pass = 0; pass < 2; pass++) { /* CLIP's order: the printable bytes first */
            for (unsigned b = 0; b < 256; b++) {
                bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
                if (printable != (pass == 0)) {
                    continue;
                }
                at += (size_t)sprintf(json + at, ", \"\\u%04x%s\": %u", printable ? b : 0x100 + others++,
                                      end ? "</w>" : "", id++);
            }
        }
    }
    (void)sprintf(json + at, "}");
    return json;
}

static diffcut_status open_small(const char *more, const char *merges, tokenizer **out, diffcut_diagnostics *diag) {
    char *json = small_vocabulary(more);
    json_document document = {0};
    tokenizer_config config;
    tokenizer_config_init(true, LENGTH, &config);
    diffcut_status status = json_parse(json, strlen(json), "vocab.json", &document, diag);
    if (status == DIFFCUT_OK) {
        status = tokenizer_open(&config, document.root, merges, strlen(merges), "merges.txt", out, diag);
    }
    json_document_free(&document);
    free(json);
    return status;
}

#define CAT ", \"ca\": 600, \"cat</w>\": 601"

static void test_pairs_merge_in_the_order_of_the_file(void **state) {
    (void)state;
    tokenizer *self = NULL;
    diffcut_diagnostics diag;
    uint32_t ids[LENGTH];
    bool cut = true;
    assert_int_equal(open_small(CAT, "#version: 0.2\r\nc a\r\nca t</w>\r\n", &self, &diag), DIFFCUT_OK);
    assert_int_equal(tokenizer_encode(self, TOKENIZER_TRANSFORMERS, "Cat! CA", ids, &cut, &diag), DIFFCUT_OK);
    assert_false(cut);
    const uint32_t expected[] = {49406, 601, 0, 'c' - 33, 256 + 'a' - 33, 49407, 0}; /* "!" is the pad */
    assert_memory_equal(ids, expected, sizeof expected);
    tokenizer_close(self);
}

static void test_a_long_text_is_cut_and_keeps_its_end(void **state) {
    (void)state;
    tokenizer *self = NULL;
    diffcut_diagnostics diag;
    uint32_t ids[LENGTH];
    bool cut = false;
    char text[TOKENIZER_MAX_TEXT + 2];
    assert_int_equal(open_small("", "", &self, &diag), DIFFCUT_OK);
    memset(text, '7', sizeof text);
    text[75] = '\0';
    assert_int_equal(tokenizer_encode(self, TOKENIZER_TRANSFORMERS, text, ids, &cut, &diag), DIFFCUT_OK);
    assert_false(cut);
    assert_int_equal(ids[76], 49407);
    text[75] = '7';
    text[TOKENIZER_MAX_TEXT] = '\0';
    assert_int_equal(tokenizer_encode(self, TOKENIZER_TRANSFORMERS, text, ids, &cut, &diag), DIFFCUT_OK);
    assert_true(cut);
    assert_int_equal(ids[75], 256 + '7' - 33);
    assert_int_equal(ids[76], 49407);
    text[TOKENIZER_MAX_TEXT] = '7';
    text[TOKENIZER_MAX_TEXT + 1] = '\0';
    assert_int_equal(tokenizer_encode(self, TOKENIZER_TRANSFORMERS, text, ids, &cut, &diag), DIFFCUT_ERROR_LIMIT);
    tokenizer_close(self);
}

static void test_a_text_that_is_no_utf8_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"caf\xE9",          "\xC0\x80", "\xED\xA0\x80",
                                        "\xF4\x90\x80\x80", "\xE2\x82", "\x80"};
    tokenizer *self = NULL;
    diffcut_diagnostics diag;
    uint32_t ids[LENGTH];
    bool cut;
    assert_int_equal(open_small("", "", &self, &diag), DIFFCUT_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(tokenizer_encode(self, TOKENIZER_TRANSFORMERS, wrong[i], ids, &cut, &diag),
                         DIFFCUT_ERROR_ARGUMENT);
        assert_non_null(strstr(diag.message, "not UTF-8"));
    }
    assert_non_null(strstr(diag.message, "byte 0 is 0x80"));
    tokenizer_close(self);
}

static void test_a_broken_vocabulary_names_the_line_or_the_token(void **state) {
    (void)state;
    static const struct {
        const char *more, *merges, *message;
    } cases[] = {
        {CAT, "c a\nca\n", "merges.txt: line 2: not two tokens"},
        {CAT, "c  a\n", "merges.txt: line 1: not two tokens"},
        {CAT, "c a t\n", "merges.txt: line 1: not two tokens"},
        {CAT, " a\n", "merges.txt: line 1: not two tokens"},
        {CAT, "c a\nca r</w>\n", "merges.txt: line 2: vocab.json: car</w> is missing"},
        {CAT, "c a\n\nc a\n", "merges.txt: line 3: this merge is there already"},
        {", \"ca\": -4", "c a\n", "ca is -4, expected a whole number"},
        {", \"ca\": \"4\"", "c a\n", "ca is \"4\", expected a whole number"},
        {", \"ca\": 4294967296", "c a\n", "ca is 4294967296, expected a whole number"},
        {", \"x\": 1, \"x\": 2", "", "vocab.json: not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tokenizer *self = NULL;
        diffcut_diagnostics diag;
        assert_int_not_equal(open_small(cases[i].more, cases[i].merges, &self, &diag), DIFFCUT_OK);
        assert_null(self);
        if (strstr(diag.message, cases[i].message) == NULL) {
            fail_msg("case %zu says \"%s\"", i, diag.message);
        }
    }
    /* A line longer than any token. */
    static char line[4096];
    memset(line, 'a', sizeof line - 1);
    line[100] = ' ';
    tokenizer *self = NULL;
    diffcut_diagnostics diag;
    assert_int_equal(open_small("", line, &self, &diag), DIFFCUT_ERROR_FORMAT);
    /* Nothing but two tokens. */
    json_document document = {0};
    static const char nearly_empty[] = "{\"<|startoftext|>\": 49406, \"<|endoftext|>\": 49407, \"!\": 0}";
    tokenizer_config config;
    tokenizer_config_init(true, LENGTH, &config);
    assert_int_equal(json_parse(nearly_empty, strlen(nearly_empty), "vocab.json", &document, &diag), DIFFCUT_OK);
    assert_int_equal(tokenizer_open(&config, document.root, "", 0, "merges.txt", &self, &diag), DIFFCUT_ERROR_MODEL);
    assert_non_null(strstr(diag.message, "is missing"));
    json_document_free(&document);
}

static diffcut_status read_config(const char *json, const char *map_json, tokenizer_config *config,
                                  diffcut_diagnostics *diag) {
    json_document document = {0};
    json_document map = {0};
    tokenizer_config_init(true, LENGTH, config);
    assert_int_equal(json_parse(json, strlen(json), "tokenizer_config.json", &document, diag), DIFFCUT_OK);
    assert_int_equal(json_parse(map_json, strlen(map_json), "special_tokens_map.json", &map, diag), DIFFCUT_OK);
    diffcut_status status = tokenizer_config_read(document.root, map.root, config, config, diag);
    json_document_free(&document);
    json_document_free(&map);
    return status;
}

static void test_special_tokens_come_from_either_file(void **state) {
    (void)state;
    tokenizer_config config;
    diffcut_diagnostics diag;
    assert_int_equal(read_config("{}", "{\"pad_token\": \"<|endoftext|>\"}", &config, &diag), DIFFCUT_OK);
    assert_string_equal(config.specials[ROLE_PAD].text, "<|endoftext|>");
    assert_false(config.specials[ROLE_EOS].normalized); /* the pad, which says so last, has the same text */
    assert_int_equal(
        read_config("{\"pad_token\": \"!\", \"model_max_length\": 12}", "{\"pad_token\": \"x\"}", &config, &diag),
        DIFFCUT_OK);
    assert_string_equal(config.specials[ROLE_PAD].text, "!");
    assert_int_equal(config.length, 12);
    assert_int_equal(read_config("{\"pad_token\": \"!\", \"added_tokens_decoder\": {\"0\": {\"content\": \"!\", "
                                 "\"normalized\": true}, \"1\": 3}}",
                                 "{}", &config, &diag),
                     DIFFCUT_OK);
    assert_true(config.specials[ROLE_PAD].normalized);
    static const char *const wrong[] = {"{\"pad_token\": 3}",
                                        "{\"pad_token\": \"\"}",
                                        "{\"pad_token\": {}}",
                                        "{\"model_max_length\": 1}",
                                        "{\"model_max_length\": \"77\"}",
                                        "{\"model_max_length\": 1e30}",
                                        "{\"eos_token\": {\"content\": \"x\", \"normalized\": 1}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_config(wrong[i], "{}", &config, &diag), DIFFCUT_ERROR_MODEL);
    }
}

static void test_every_failed_allocation_is_reported(void **state) {
    (void)state;
    diffcut_status status = DIFFCUT_ERROR_MEMORY;
    for (long i = 0; status == DIFFCUT_ERROR_MEMORY; i++) {
        tokenizer *self = NULL;
        diffcut_diagnostics diag;
        uint32_t ids[LENGTH];
        bool cut;
        mem_fail_after(i);
        status = open_small(CAT, "c a\n", &self, &diag);
        if (status == DIFFCUT_OK) {
            status = tokenizer_encode(self, TOKENIZER_OPEN_CLIP, "cat", ids, &cut, &diag);
        }
        mem_fail_after(-1);
        tokenizer_close(self);
    }
    assert_int_equal(status, DIFFCUT_OK);
}

/* ------------------------------------------------------------------------------------------------- Unicode */

static void expect_nfc(const uint32_t *in, size_t count, const uint32_t *expected, size_t expected_count) {
    uint32_t out[64];
    assert_int_equal(unicode_nfc(in, count, out), expected_count);
    assert_memory_equal(out, expected, expected_count * sizeof *out);
}

static void test_unicode_forms(void **state) {
    (void)state;
    /* Composed, reordered by class, blocked by an equal class, excluded from composition; Hangul both ways. */
    expect_nfc((const uint32_t[]){'e', 0x301}, 2, (const uint32_t[]){0xE9}, 1);
    expect_nfc((const uint32_t[]){'a', 0x301, 0x323}, 3, (const uint32_t[]){0x1EA1, 0x301}, 2);
    expect_nfc((const uint32_t[]){'e', 0x300, 0x301}, 3, (const uint32_t[]){0xE8, 0x301}, 2);
    expect_nfc((const uint32_t[]){0x958}, 1, (const uint32_t[]){0x915, 0x93C}, 2);
    expect_nfc((const uint32_t[]){0x212B}, 1, (const uint32_t[]){0xC5}, 1);
    expect_nfc((const uint32_t[]){0x1F82}, 1, (const uint32_t[]){0x1F82}, 1);
    expect_nfc((const uint32_t[]){0x1112, 0x1161, 0x11AB}, 3, (const uint32_t[]){0xD55C}, 1);
    expect_nfc((const uint32_t[]){0xD55C, 0x11AB}, 2, (const uint32_t[]){0xD55C, 0x11AB}, 2);
    uint32_t out[4];
    assert_int_equal(unicode_lower((const uint32_t[]){0x130, 0x1E9E}, 2, out), 3);
    assert_memory_equal(out, ((const uint32_t[]){'i', 0x307, 0xDF}), 3 * sizeof *out);
    assert_true(unicode_is_letter(0x65E5) && unicode_is_letter(0x20000) && !unicode_is_letter(0x301));
    assert_true(unicode_is_number(0x663) && unicode_is_number(0xBD) && !unicode_is_number('a'));
    assert_true(unicode_is_space(0x3000) && !unicode_is_space(0x200B));
    for (uint32_t code = 1; code <= 0x10FFFF; code += 7) {
        char text[5] = {0};
        size_t at = 0;
        uint32_t back;
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        size_t length = unicode_encode(code, text);
        assert_int_equal(unicode_decode(text, &at, &back), !surrogate);
        assert_true(surrogate || (at == length && back == code));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_of_the_golden_strings_are_equal_in_three_conventions),
        cmocka_unit_test(test_the_empty_text_needs_no_vocabulary),
        cmocka_unit_test(test_pairs_merge_in_the_order_of_the_file),
        cmocka_unit_test(test_a_long_text_is_cut_and_keeps_its_end),
        cmocka_unit_test(test_a_text_that_is_no_utf8_is_refused),
        cmocka_unit_test(test_a_broken_vocabulary_names_the_line_or_the_token),
        cmocka_unit_test(test_special_tokens_come_from_either_file),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
        cmocka_unit_test(test_unicode_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
