/* test_hash.c - SHA-256 and SHA-1 against the examples of FIPS 180-4 (NIST's published vectors) and git's blobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hub/hash.h"

#define LONG_MESSAGE "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

typedef struct example {
    hash_kind kind;
    const char *message;
    size_t repeats;
    const char *digest;
} example;

static const example examples[] = {
    {HASH_SHA256, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {HASH_SHA256, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {HASH_SHA256, LONG_MESSAGE, 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {HASH_SHA256, "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {HASH_SHA1, "", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {HASH_SHA1, "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {HASH_SHA1, LONG_MESSAGE, 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    {HASH_SHA1, "a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
};

static void hashes_are_those_of_the_standard(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        hash h;
        char text[HASH_TEXT_SIZE];
        hash_start(&h, examples[i].kind);
        for (size_t r = 0; r < examples[i].repeats; r++) {
            hash_add(&h, examples[i].message, strlen(examples[i].message));
        }
        hash_finish(&h, text);
        assert_string_equal(text, examples[i].digest);
    }
}

/* Every length around the padding's edges, given at once and in pieces of any size. */
static void pieces_hash_as_the_whole_does(void **state) {
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + 3);
    }
    static const hash_kind kinds[] = {HASH_SHA1, HASH_SHA256};
    for (size_t k = 0; k < 2; k++) {
        for (size_t size = 0; size <= sizeof data; size++) {
            hash whole, parts;
            char expected[HASH_TEXT_SIZE], found[HASH_TEXT_SIZE];
            hash_start(&whole, kinds[k]);
            hash_add(&whole, data, size);
            hash_finish(&whole, expected);
            hash_start(&parts, kinds[k]);
            for (size_t at = 0, step = 1; at < size; at += step, step = step * 3 % 131 + 1) {
                step = step < size - at ? step : size - at;
                hash_add(&parts, data + at, step);
            }
            hash_finish(&parts, found);
            assert_string_equal(found, expected);
        }
    }
}

/* `git hash-object` of an empty file and of "hello\n". */
static void git_blobs_are_named_as_git_names_them(void **state) {
    (void)state;
    hash h;
    char text[HASH_TEXT_SIZE];
    hash_start_git_blob(&h, 0);
    hash_finish(&h, text);
    assert_string_equal(text, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    hash_start_git_blob(&h, 6);
    hash_add(&h, "hello\n", 6);
    hash_finish(&h, text);
    assert_string_equal(text, "ce013625030ba8dba906f756967f9e9ca394464a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_standard),
        cmocka_unit_test(pieces_hash_as_the_whole_does),
        cmocka_unit_test(git_blobs_are_named_as_git_names_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
