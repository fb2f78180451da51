/*
 * Data sets are found in their own layouts, listed in a fixed order, and every mistake in a list or a folder is
 * named.
 */
#include "core/memory.h"
#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diffcut/diffcut.h"

/* ------------------------------------------------------------------------------------------------- folders */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int make_place(void **state) {
    static char place[64];
    (void)snprintf(place, sizeof place, "/tmp/diffcut-dataset.XXXXXX");
    *state = mkdtemp(place);
    return *state != NULL ? 0 : -1;
}

static int remove_place(void **state) {
    return nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file with this text, its folders made first. */
static void put(const char *place, const char *name, const char *content) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    for (char *slash = strchr(path + strlen(place) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_count(const char *set, const char *place, const diffcut_dataset_settings *settings, size_t count) {
    diffcut_diagnostics diagnostics;
    diffcut_dataset *dataset = NULL;
    if (diffcut_dataset_open(set, place, settings, &dataset, &diagnostics) != DIFFCUT_OK) {
        fail_msg("%s: %s", set, diagnostics.message);
    }
    diffcut_dataset_info info;
    diffcut_dataset_get_info(dataset, &info);
    assert_int_equal(info.count, count);
    diffcut_dataset_close(dataset);
}

static void expect_failure(const char *set, const char *place, const diffcut_dataset_settings *settings,
                           diffcut_status status, const char *words) {
    diffcut_diagnostics diagnostics;
    diffcut_dataset *dataset = (diffcut_dataset *)&diagnostics; /* must stay as it is */
    assert_int_equal(diffcut_dataset_open(set, place, settings, &dataset, &diagnostics), status);
    assert_ptr_equal(dataset, &diagnostics);
    if (strstr(diagnostics.message, words) == NULL) {
        fail_msg("\"%s\" does not hold \"%s\"", diagnostics.message, words);
    }
}

static void expect_item(const char *set, const char *place, const diffcut_dataset_settings *settings, size_t index,
                        const char *name, const char *photo, const char *labels) {
    diffcut_diagnostics diagnostics;
    diffcut_dataset *dataset = NULL;
    diffcut_dataset_item item;
    assert_int_equal(diffcut_dataset_open(set, place, settings, &dataset, &diagnostics), DIFFCUT_OK);
    assert_int_equal(diffcut_dataset_get(dataset, index, &item, &diagnostics), DIFFCUT_OK);
    assert_string_equal(item.name, name);
    assert_string_equal(item.photo + strlen(place) + 1, photo);
    assert_string_equal(item.labels + strlen(place) + 1, labels);
    diffcut_dataset_close(dataset);
}

/* ------------------------------------------------------------------------------------------------- layouts */

static void voc_is_found_by_its_list(void **state) {
    const char *place = *state;
    put(place, "VOCdevkit/VOC2012/JPEGImages/a.jpg", "");
    put(place, "VOCdevkit/VOC2012/JPEGImages/unlisted.jpg", "");
    put(place, "VOCdevkit/VOC2012/SegmentationClass/a.png", "");
    put(place, "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "b\r\n\na  \n");
    expect_count("voc", place, NULL, 2);
    expect_item("voc", place, NULL, 0, "b", "VOCdevkit/VOC2012/JPEGImages/b.jpg",
                "VOCdevkit/VOC2012/SegmentationClass/b.png");
    char inner[128];
    (void)snprintf(inner, sizeof inner, "%s/VOCdevkit/VOC2012", place);
    expect_count("voc", inner, NULL, 2);
    const diffcut_dataset_settings train = {.split = "train"};
    expect_failure("voc", place, &train, DIFFCUT_ERROR_IO, "no list");
    expect_failure("context", place, NULL, DIFFCUT_ERROR_IO, "SegmentationClassContext");
}

static void context_is_found_beside_voc(void **state) {
    const char *place = *state;
    put(place, "VOCdevkit/VOC2010/JPEGImages/a.jpg", "");
    put(place, "VOCdevkit/VOC2010/SegmentationClassContext/a.png", "");
    put(place, "VOCdevkit/VOC2010/ImageSets/SegmentationContext/val.txt", "a\n");
    expect_item("context", place, NULL, 0, "a", "VOCdevkit/VOC2010/JPEGImages/a.jpg",
                "VOCdevkit/VOC2010/SegmentationClassContext/a.png");
}

static void coco_is_found_in_both_layouts(void **state) {
    const char *place = *state;
    put(place, "val2017/000000000009.jpg", "");
    put(place, "val2017/000000000010.jpg", "");
    put(place, "stuffthingmaps/val2017/000000000009.png", "");
    expect_count("coco-object", place, NULL, 2); /* all photos: there is no list */
    expect_failure("coco-stuff-27", place, NULL, DIFFCUT_ERROR_IO, "Coco164kFull_Stuff_Coarse_7.txt");
    put(place, "curated/val2017/Coco164kFull_Stuff_Coarse_7.txt", "000000000010.jpg\n");
    expect_item("coco-stuff-27", place, NULL, 0, "000000000010", "val2017/000000000010.jpg",
                "stuffthingmaps/val2017/000000000010.png");
    put(place, "coco/images/train2017/1.jpg", "");
    put(place, "coco/annotations/train2017/1.png", "");
    const diffcut_dataset_settings train = {.split = "train"};
    expect_item("coco-object", place, &train, 0, "1", "coco/images/train2017/1.jpg",
                "coco/annotations/train2017/1.png");
}

static void cityscapes_is_walked_city_by_city(void **state) {
    const char *place = *state;
    put(place, "leftImg8bit/val/ulm/ulm_2_leftImg8bit.png", "");
    put(place, "leftImg8bit/val/aachen/aachen_1_leftImg8bit.png", "");
    put(place, "leftImg8bit/val/aachen/.hidden_leftImg8bit.png", "");
    put(place, "gtFine/val/aachen/aachen_1_gtFine_labelIds.png", "");
    expect_count("cityscapes", place, NULL, 2);
    expect_item("cityscapes", place, NULL, 0, "aachen/aachen_1", "leftImg8bit/val/aachen/aachen_1_leftImg8bit.png",
                "gtFine/val/aachen/aachen_1_gtFine_labelIds.png");
}

static void ade20k_spells_its_splits_out(void **state) {
    const char *place = *state;
    put(place, "ADEChallengeData2016/images/validation/ADE_val_00000001.jpg", "");
    put(place, "ADEChallengeData2016/annotations/validation/ADE_val_00000001.png", "");
    expect_item("ade20k", place, NULL, 0, "ADE_val_00000001",
                "ADEChallengeData2016/images/validation/ADE_val_00000001.jpg",
                "ADEChallengeData2016/annotations/validation/ADE_val_00000001.png");
}

static void generic_takes_folders_of_any_names(void **state) {
    const char *place = *state;
    put(place, "images/b.PNG", "");
    put(place, "images/deep/a.webp", "");
    put(place, "images/notes.txt", "");
    put(place, "masks/b.png", "");
    expect_count("generic", place, NULL, 2);
    expect_item("generic", place, NULL, 1, "deep/a", "images/deep/a.webp", "masks/deep/a.png");
    put(place, "list.txt", "deep/a\n");
    char list[128];
    (void)snprintf(list, sizeof list, "%s/list.txt", place);
    const diffcut_dataset_settings listed = {.list = list};
    expect_item("generic", place, &listed, 0, "deep/a", "images/deep/a.webp", "masks/deep/a.png");
    const diffcut_dataset_settings other = {.labels = "truth"};
    expect_failure("generic", place, &other, DIFFCUT_ERROR_IO, "truth");
    put(place, "list.txt", "b.jpg\nb.c.jpg\nb.png\n");
    expect_failure("generic", place, &listed, DIFFCUT_ERROR_FORMAT, "\"b.jpg\" and \"b.png\" would share");
    put(place, "images/b.jpg", "");
    expect_failure("generic", place, NULL, DIFFCUT_ERROR_FORMAT, "would share one label map");
    const diffcut_dataset_settings split = {.split = "val"};
    expect_failure("generic", place, &split, DIFFCUT_ERROR_ARGUMENT, "no splits");
}

/* ------------------------------------------------------------------------------------------------- mistakes */

static void every_mistake_of_a_list_is_named(void **state) {
    static const struct {
        const char *content, *words;
    } cases[] = {{"", "the list is empty"},
                 {"\n  \r\n", "the list is empty"},
                 {"a\nb\na\n", "\"a\" is named twice"},
                 {"a\n../b\n", "line 2: \"../b\" leads out"},
                 {"/etc/passwd\n", "leads out"},
                 {"x/../../y\n", "leads out"}};
    const char *place = *state;
    char list[128];
    (void)snprintf(list, sizeof list, "%s/list.txt", place);
    put(place, "val2017/1.jpg", "");
    put(place, "stuffthingmaps/val2017/1.png", "");
    const diffcut_dataset_settings settings = {.list = list};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(place, "list.txt", cases[i].content);
        expect_failure("coco-object", place, &settings, DIFFCUT_ERROR_FORMAT, cases[i].words);
    }
    put(place, "list.txt", "..a\nb..\n");
    expect_count("coco-object", place, &settings, 2);
    const diffcut_dataset_settings missing = {.list = "/nonexistent"};
    expect_failure("coco-object", place, &missing, DIFFCUT_ERROR_IO, "/nonexistent");
}

static void wrong_names_are_told(void **state) {
    const char *place = *state;
    expect_failure("imagenet", place, NULL, DIFFCUT_ERROR_ARGUMENT, "there are voc, context, coco-object");
    expect_failure("ade20k", place, NULL, DIFFCUT_ERROR_IO, "ADEChallengeData2016");
    const diffcut_dataset_settings bad = {.split = "../val"};
    expect_failure("voc", place, &bad, DIFFCUT_ERROR_ARGUMENT, "no name of a split");
    const diffcut_dataset_settings folders = {.images = "images"};
    expect_failure("voc", place, &folders, DIFFCUT_ERROR_ARGUMENT, "generic");
    put(place, "images/validation/readme.txt", "");
    put(place, "annotations/validation/1.png", "");
    expect_failure("ade20k", place, NULL, DIFFCUT_ERROR_FORMAT, "no photos");
}

static void memory_may_run_out_anywhere(void **state) {
    const char *place = *state;
    put(place, "val2017/1.jpg", "");
    put(place, "val2017/2.jpg", "");
    put(place, "stuffthingmaps/val2017/1.png", "");
    put(place, "val2017.txt", "1\n2\n");
    for (long count = 0;; count++) {
        diffcut_diagnostics diagnostics;
        diffcut_dataset *dataset = NULL;
        mem_fail_after(count);
        const diffcut_status status = diffcut_dataset_open("coco-object", place, NULL, &dataset, &diagnostics);
        mem_fail_after(-1);
        if (status == DIFFCUT_OK) {
            diffcut_dataset_close(dataset);
            assert_true(count > 2);
            return;
        }
        assert_int_equal(status, DIFFCUT_ERROR_MEMORY);
        assert_null(dataset);
    }
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(voc_is_found_by_its_list),         IN_A_FOLDER(context_is_found_beside_voc),
        IN_A_FOLDER(coco_is_found_in_both_layouts),    IN_A_FOLDER(cityscapes_is_walked_city_by_city),
        IN_A_FOLDER(ade20k_spells_its_splits_out),     IN_A_FOLDER(generic_takes_folders_of_any_names),
        IN_A_FOLDER(every_mistake_of_a_list_is_named), IN_A_FOLDER(wrong_names_are_told),
        IN_A_FOLDER(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
