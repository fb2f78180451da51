/* test_image.c - the kind of a file, images in memory, orientation, and the EXIF reader on hostile blocks. */
#include "io_test.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "io/exif.h"
#include "io/image.h"

static void a_text_file_named_jpg_is_no_image(void **state) {
    (void)state;
    static const char text[] = "Dear diary, today I renamed a file.\n";
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_fails(diffcut_decode_image(text, sizeof text, "photo.jpg", NULL, &image, &diag), diag,
                 DIFFCUT_ERROR_FORMAT, "photo.jpg: not a JPEG, PNG or WebP image");
    assert_fails(diffcut_decode_image(text, 1, NULL, NULL, &image, &diag), diag, DIFFCUT_ERROR_FORMAT,
                 "not a JPEG, PNG or WebP image");
}

static void an_empty_file_is_called_empty(void **state) {
    (void)state;
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_fails(diffcut_decode_image("", 0, "photo.jpg", NULL, &image, &diag), diag, DIFFCUT_ERROR_FORMAT,
                 "photo.jpg: the file is empty");
    assert_fails(diffcut_decode_image(NULL, 0, "photo.jpg", NULL, &image, &diag), diag, DIFFCUT_ERROR_FORMAT,
                 "empty");
}

static void other_kinds_of_images_are_named(void **state) {
    (void)state;
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_fails(diffcut_decode_image("GIF89a..........", 16, "a.jpg", NULL, &image, &diag), diag,
                 DIFFCUT_ERROR_UNSUPPORTED, "a.jpg: a GIF image; JPEG, PNG and WebP are read");
    assert_fails(diffcut_decode_image("\0\0\0\x18"
                                      "ftypheic....",
                                      16, "a.heic", NULL, &image, &diag),
                 diag, DIFFCUT_ERROR_UNSUPPORTED, "a.heic: a HEIF image");
    assert_fails(diffcut_decode_image("RIFF....WAVEfmt ", 16, "a.wav", NULL, &image, &diag), diag,
                 DIFFCUT_ERROR_FORMAT, "a.wav: not a JPEG, PNG or WebP image");
}

static void missing_pointers_are_refused_and_messages_are_optional(void **state) {
    (void)state;
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_fails(diffcut_decode_image(NULL, 4, "a", NULL, &image, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_fails(diffcut_decode_image("abcd", 4, "a", NULL, NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_int_equal(diffcut_decode_image("abcd", 4, "a", NULL, &image, NULL), DIFFCUT_ERROR_FORMAT);
    assert_int_equal(diffcut_decode_image("", 0, NULL, NULL, &image, NULL), DIFFCUT_ERROR_FORMAT);
}

static void a_name_of_any_length_leaves_a_message(void **state) {
    (void)state;
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_fails(diffcut_decode_image("x", 1, name, NULL, &image, &diag), diag, DIFFCUT_ERROR_FORMAT,
                 "not a JPEG, PNG or WebP image");
}

static void images_are_copies_and_freed_twice_without_harm(void **state) {
    (void)state;
    uint8_t rgb[6] = {1, 2, 3, 4, 5, 6};
    diffcut_image image;
    diffcut_diagnostics diag;
    assert_ok(diffcut_image_create(2, 1, rgb, &image, &diag), diag);
    rgb[0] = 99;
    assert_int_equal(image.rgb[0], 1);
    assert_int_equal(image.rgb[5], 6);
    diffcut_image_free(&image);
    diffcut_image_free(&image);
    diffcut_image_free(NULL);
    assert_fails(diffcut_image_create(0, 1, rgb, &image, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "0x1");
    assert_fails(diffcut_image_create(2, 1, NULL, &image, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_fails(diffcut_image_create(UINT32_MAX, UINT32_MAX, rgb, &image, &diag), diag, DIFFCUT_ERROR_MEMORY,
                 "4294967295x4294967295");
}

static void each_orientation_places_each_pixel(void **state) {
    (void)state;
    /* The stored picture 3 wide, 2 high: 1 2 3 / 4 5 6. */
    static const struct {
        uint32_t width;
        const char *pixels;
    } upright[9] = {{3, "123456"}, {3, "123456"}, {3, "321654"}, {3, "654321"}, {3, "456123"},
                    {2, "142536"}, {2, "415263"}, {2, "635241"}, {2, "362514"}};
    for (int orientation = 0; orientation <= 8; orientation++) {
        uint8_t rgb[18];
        for (size_t i = 0; i < sizeof rgb; i++) {
            rgb[i] = (uint8_t)('1' + i / 3);
        }
        diffcut_image image;
        diffcut_diagnostics diag;
        assert_ok(diffcut_image_create(3, 2, rgb, &image, &diag), diag);
        assert_int_equal(image_orient(&image, orientation, &diag), DIFFCUT_OK);
        assert_int_equal(image.width, upright[orientation].width);
        assert_int_equal(image.height, 6 / upright[orientation].width);
        for (size_t i = 0; i < 18; i++) {
            assert_int_equal(image.rgb[i], upright[orientation].pixels[i / 3]);
        }
        diffcut_image_free(&image);
    }
}

/* Larger than the tiles that turning works in: turning by 90 degrees four times gives the picture back. */
static void four_quarter_turns_give_the_photo_back(void **state) {
    (void)state;
    uint8_t *rgb = make_ramps(101, 67, 3);
    for (int orientation = 6; orientation <= 8; orientation += 2) {
        diffcut_image image;
        diffcut_diagnostics diag;
        assert_ok(diffcut_image_create(101, 67, rgb, &image, &diag), diag);
        for (int turn = 0; turn < 4; turn++) {
            assert_int_equal(image_orient(&image, orientation, &diag), DIFFCUT_OK);
            assert_int_equal(image.width, turn % 2 == 0 ? 67 : 101);
        }
        assert_memory_equal(image.rgb, rgb, 101 * 67 * 3);
        diffcut_image_free(&image);
    }
    mem_free(rgb);
}

static void exif_is_read_in_both_byte_orders(void **state) {
    (void)state;
    uint8_t block[EXIF_BLOCK_SIZE];
    for (int orientation = 0; orientation < 10; orientation++) {
        int wanted = orientation >= 1 && orientation <= 8 ? orientation : 1;
        for (int big = 0; big < 2; big++) {
            make_exif(block, orientation, big != 0);
            assert_int_equal(exif_orientation(block, sizeof block), wanted);
            assert_int_equal(exif_orientation(block + 6, sizeof block - 6), wanted);
        }
    }
}

static void hostile_exif_means_upright(void **state) {
    (void)state;
    uint8_t block[EXIF_BLOCK_SIZE];
    make_exif(block, 6, false);
    for (size_t size = 0; size < 28; size++) { /* the entry is cut */
        uint8_t *part = mem_array(size, 1);
        assert_non_null(part);
        memcpy(part, block, size);
        assert_int_equal(exif_orientation(part, size), 1);
        mem_free(part);
    }
    static const struct {
        size_t at;
        uint8_t value;
    } faults[] = {{6, 'X'}, {8, 43}, {10, 200}, {13, 255}, {14, 0}, {16, 0x13}, {18, 2}, {20, 2}, {25, 1}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        make_exif(block, 6, false);
        block[faults[i].at] = faults[i].value;
        assert_int_equal(exif_orientation(block, sizeof block), 1);
    }
    make_exif(block, 6, false);
    memset(block + 10, 0xFF, 4); /* the directory at the end of the address space */
    assert_int_equal(exif_orientation(block, sizeof block), 1);
    make_exif(block, 6, false);
    memset(block + 14, 0xFF, 2); /* 65535 entries: the one that is there is found, the rest are not looked for */
    assert_int_equal(exif_orientation(block, sizeof block), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_file_named_jpg_is_no_image),
        cmocka_unit_test(an_empty_file_is_called_empty),
        cmocka_unit_test(other_kinds_of_images_are_named),
        cmocka_unit_test(missing_pointers_are_refused_and_messages_are_optional),
        cmocka_unit_test(a_name_of_any_length_leaves_a_message),
        cmocka_unit_test(images_are_copies_and_freed_twice_without_harm),
        cmocka_unit_test(each_orientation_places_each_pixel),
        cmocka_unit_test(four_quarter_turns_give_the_photo_back),
        cmocka_unit_test(exif_is_read_in_both_byte_orders),
        cmocka_unit_test(hostile_exif_means_upright),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
