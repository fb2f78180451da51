/*
 * dataset.c - diffcut_dataset_open and its relatives: a data set's photos paired with their label maps.
 *
 * Which folders are looked for is eval/dataset_layouts' table, which photos there are eval/dataset_names' work. A
 * pair's files are not looked at here: a list may name what was not downloaded, and whoever reads it is told then.
 */
#include "core/memory.h"
#include "eval/dataset_layouts.h"
#include "eval/dataset_names.h"
#include "io/entry.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPLIT_SIZE 32

struct diffcut_dataset {
    const dataset_layout *layout;
    char split[SPLIT_SIZE];
    char photos[DIFFCUT_PATH_SIZE], labels[DIFFCUT_PATH_SIZE], list[DIFFCUT_PATH_SIZE];
    bool endings; /* names keep the photo's own ending */
    dataset_names names;
};

/* What is looked for, and where it is noted. */
typedef struct search {
    const dataset_layout *layout;
    const char *folder;
    const char *split; /* as the folders spell it */
    diffcut_dataset *found;
    diffcut_diagnostics *diag;
} search;

void diffcut_dataset_settings_init(diffcut_dataset_settings *settings) {
    if (settings != NULL) {
        *settings = (diffcut_dataset_settings){0};
    }
}

/* "root/part" or, with part absolute, part; false when it is too long. */
static bool join(const char *root, const char *part, char out[DIFFCUT_PATH_SIZE]) {
    const int length = part[0] == '/'    ? snprintf(out, DIFFCUT_PATH_SIZE, "%s", part)
                       : part[0] == '\0' ? snprintf(out, DIFFCUT_PATH_SIZE, "%s", root)
                                         : snprintf(out, DIFFCUT_PATH_SIZE, "%s/%s", root, part);
    return length >= 0 && length < DIFFCUT_PATH_SIZE;
}

static bool copy(const char *path, char out[DIFFCUT_PATH_SIZE]) {
    const int length = snprintf(out, DIFFCUT_PATH_SIZE, "%s", path);
    return length >= 0 && length < DIFFCUT_PATH_SIZE;
}

/* Replaces "%s" in a candidate; patterns are the table's own. */
static bool expand(const char *pattern, const char *split, char out[DIFFCUT_PATH_SIZE]) {
    const char *mark = strstr(pattern, "%s");
    const int length =
        mark == NULL ? snprintf(out, DIFFCUT_PATH_SIZE, "%s", pattern)
                     : snprintf(out, DIFFCUT_PATH_SIZE, "%.*s%s%s", (int)(mark - pattern), pattern, split, mark + 2);
    return length >= 0 && length < DIFFCUT_PATH_SIZE;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The first candidate below root that is there; false when none is. */
static bool find(const search *s, const char *root, const char *const *candidates, bool folder,
                 char out[DIFFCUT_PATH_SIZE]) {
    for (size_t i = 0; i < LAYOUT_CANDIDATES && candidates[i] != NULL; i++) {
        char part[DIFFCUT_PATH_SIZE];
        if (expand(candidates[i], s->split, part) && join(root, part, out) &&
            (folder ? is_folder(out) : access(out, F_OK) == 0)) {
            return true;
        }
    }
    out[0] = '\0';
    return false;
}

/* Photos and labels below one of the roots. */
static bool find_folders(const search *s, char root[DIFFCUT_PATH_SIZE]) {
    for (size_t i = 0; i < LAYOUT_CANDIDATES && s->layout->roots[i] != NULL; i++) {
        if (join(s->folder, s->layout->roots[i], root) && find(s, root, s->layout->photos, true, s->found->photos) &&
            find(s, root, s->layout->labels, true, s->found->labels)) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------- opening */

static diffcut_status open_known(const search *s, const diffcut_dataset_settings *settings) {
    char root[DIFFCUT_PATH_SIZE];
    if (settings->images != NULL || settings->labels != NULL) {
        return diag_fail(s->diag, DIFFCUT_ERROR_ARGUMENT, "%s has its own folders; images and labels are for generic",
                         s->layout->kind.name);
    }
    if (!find_folders(s, root)) {
        return diag_fail(s->diag, DIFFCUT_ERROR_IO, "%.200s: no %s of split %s below it; looked for: %s", s->folder,
                         s->layout->kind.title, s->split, s->layout->kind.layout);
    }
    if (settings->list != NULL) {
        return copy(settings->list, s->found->list)
                   ? DIFFCUT_OK
                   : diag_fail(s->diag, DIFFCUT_ERROR_LIMIT, "%.200s: the path is too long", settings->list);
    }
    if (!find(s, root, s->layout->lists, false, s->found->list) && s->layout->list_needed) {
        return diag_fail(s->diag, DIFFCUT_ERROR_IO, "%.200s: no list of %s's split %s; looked for: %s", root,
                         s->layout->kind.title, s->split, s->layout->kind.layout);
    }
    return DIFFCUT_OK;
}

static diffcut_status open_generic(const search *s, const diffcut_dataset_settings *settings) {
    const char *const images[LAYOUT_CANDIDATES] = {settings->images};
    const char *const labels[LAYOUT_CANDIDATES] = {settings->labels};
    if (settings->split != NULL) {
        return diag_fail(s->diag, DIFFCUT_ERROR_ARGUMENT,
                         "a generic set has no splits; name its folders by images and labels");
    }
    if (!find(s, s->folder, settings->images != NULL ? images : s->layout->photos, true, s->found->photos)) {
        return diag_fail(s->diag, DIFFCUT_ERROR_IO, "%.200s: no folder of photos \"%.200s\" below it", s->folder,
                         settings->images != NULL ? settings->images : "images");
    }
    if (!find(s, s->folder, settings->labels != NULL ? labels : s->layout->labels, true, s->found->labels)) {
        return diag_fail(s->diag, DIFFCUT_ERROR_IO, "%.200s: no folder of label maps \"%.200s\" below it", s->folder,
                         settings->labels != NULL ? settings->labels : "labels, annotations or masks");
    }
    if (settings->list != NULL && !copy(settings->list, s->found->list)) {
        return diag_fail(s->diag, DIFFCUT_ERROR_LIMIT, "%.200s: the path is too long", settings->list);
    }
    return DIFFCUT_OK;
}

static diffcut_status read_names(diffcut_dataset *found, diffcut_diagnostics *diag) {
    const dataset_layout *layout = found->layout;
    found->endings = layout->photo_ending == NULL;
    return found->list[0] != '\0'
               ? dataset_names_read(found->list, layout->photo_ending, layout->label_ending, &found->names, diag)
               : dataset_names_walk(found->photos, layout->photo_ending, &found->names, diag);
}

static diffcut_status find_layout(const char *name, const dataset_layout **out, diffcut_diagnostics *diag) {
    char known[256] = "";
    size_t length = 0;
    for (size_t i = 0; dataset_layout_at(i) != NULL; i++) {
        *out = dataset_layout_at(i);
        if (strcmp((*out)->kind.name, name) == 0) {
            return DIFFCUT_OK;
        }
        const int more =
            snprintf(known + length, sizeof known - length, "%s%s", i > 0 ? ", " : "", (*out)->kind.name);
        length += more > 0 && (size_t)more < sizeof known - length ? (size_t)more : 0;
    }
    return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "no data set is called \"%.100s\"; there are %s", name, known);
}

static diffcut_status check_split(const char *split, diffcut_diagnostics *diag) {
    if (split[0] == '\0' || strlen(split) >= SPLIT_SIZE || strchr(split, '/') != NULL || split[0] == '.') {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "split \"%.100s\" is no name of a split", split);
    }
    return DIFFCUT_OK;
}

/* ADE20K spells its splits out. */
static const char *folder_split(const dataset_layout *layout, const char *split) {
    if (layout->long_splits && strcmp(split, "val") == 0) {
        return "validation";
    }
    return layout->long_splits && strcmp(split, "train") == 0 ? "training" : split;
}

diffcut_status diffcut_dataset_open(const char *name, const char *folder, const diffcut_dataset_settings *settings,
                                    diffcut_dataset **out, diffcut_diagnostics *diagnostics) {
    static const diffcut_dataset_settings defaults = {0};
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (name == NULL || folder == NULL || out == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_dataset_open: name, folder or out is NULL");
    }
    settings = settings != NULL ? settings : &defaults;
    const dataset_layout *layout = NULL;
    const char *split = settings->split != NULL ? settings->split : "val";
    diffcut_status status = find_layout(name, &layout, diag);
    if (status == DIFFCUT_OK) {
        status = check_split(split, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    diffcut_dataset *found = mem_array_zero(1, sizeof *found);
    if (found == NULL) {
        return diag_no_memory(diag, sizeof *found, "a data set");
    }
    found->layout = layout;
    (void)snprintf(found->split, sizeof found->split, "%s", layout->splits ? split : "");
    const search s = {layout, folder, folder_split(layout, split), found, diag};
    status = layout->splits ? open_known(&s, settings) : open_generic(&s, settings);
    if (status == DIFFCUT_OK) {
        status = read_names(found, diag);
    }
    if (status != DIFFCUT_OK) {
        diffcut_dataset_close(found);
        return status;
    }
    *out = found;
    return DIFFCUT_OK;
}

void diffcut_dataset_close(diffcut_dataset *dataset) {
    if (dataset != NULL) {
        dataset_names_free(&dataset->names);
        mem_free(dataset);
    }
}

void diffcut_dataset_get_info(const diffcut_dataset *dataset, diffcut_dataset_info *info) {
    const diffcut_dataset_kind *kind = &dataset->layout->kind;
    *info = (diffcut_dataset_info){.name = kind->name,
                                   .title = kind->title,
                                   .protocol = kind->protocol,
                                   .split = dataset->split,
                                   .photos = dataset->photos,
                                   .labels = dataset->labels,
                                   .list = dataset->list,
                                   .count = dataset->names.count};
}

/* ------------------------------------------------------------------------------------------------- pairs */

/* A generic list may leave the ending out: the file that is there decides, and if there is none, ".jpg" is reported
 * as missing. */
static void find_ending(char path[DIFFCUT_PATH_SIZE]) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG", ".WEBP"};
    const size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings && length + 6 < DIFFCUT_PATH_SIZE; i++) {
        (void)snprintf(path + length, 6, "%s", endings[i]);
        if (access(path, F_OK) == 0) {
            return;
        }
    }
    (void)snprintf(path + length, 6, "%s", endings[0]);
}

diffcut_status diffcut_dataset_get(const diffcut_dataset *dataset, size_t index, diffcut_dataset_item *item,
                                   diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = entry_diag(diagnostics, &local);
    if (dataset == NULL || item == NULL || index >= dataset->names.count) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "diffcut_dataset_get: no such pair");
    }
    const char *name = dataset_names_at(&dataset->names, index);
    const size_t stem = dataset->endings ? dataset_stem_length(name) : strlen(name);
    const bool has_ending = dataset->endings && name[stem] != '\0';
    const char *ending = dataset->endings ? "" : dataset->layout->photo_ending;
    const size_t longest = strlen(name) + 64; /* endings */
    if (strlen(dataset->photos) + longest >= sizeof item->photo ||
        strlen(dataset->labels) + longest >= sizeof item->labels) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%.300s: the path is too long", name);
    }
    (void)snprintf(item->name, sizeof item->name, "%.*s", (int)stem, name);
    (void)snprintf(item->photo, sizeof item->photo, "%s/%s%s", dataset->photos, name, ending);
    if (dataset->endings && !has_ending) {
        find_ending(item->photo);
    }
    (void)snprintf(item->labels, sizeof item->labels, "%s/%.*s%s", dataset->labels, (int)stem, name,
                   dataset->layout->label_ending);
    return DIFFCUT_OK;
}
