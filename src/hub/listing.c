/* listing.c - see listing.h. */
#include "hub/listing.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "hub/names.h"

static int by_path(const void *a, const void *b) {
    return strcmp(((const listing_file *)a)->path, ((const listing_file *)b)->path);
}

size_t listing_find(const listing *self, const char *path) {
    const listing_file wanted = {.path = path};
    const listing_file *found = bsearch(&wanted, self->files, self->count, sizeof wanted, by_path);
    return found != NULL ? (size_t)(found - self->files) : SIZE_MAX;
}

void listing_free(listing *self) {
    json_document_free(&self->document);
    mem_free(self->files);
    *self = (listing){0};
}

/* A size under "size"; absent is allowed. */
static diffcut_status read_size(json_view view, uint64_t *size, diffcut_diagnostics *diag) {
    double bytes = 0;
    if (!json_has(view, "size")) {
        return DIFFCUT_OK;
    }
    diffcut_status status = json_get_real(view, "size", NULL, 0, (double)LISTING_MAX_FILE, &bytes, diag);
    if (status == DIFFCUT_OK) {
        *size = (uint64_t)bytes;
    }
    return status;
}

/* A hash of `digits` digits under key; absent is allowed. */
static diffcut_status read_hash(json_view view, const char *path, const char *key, size_t digits,
                                char hash[LISTING_HASH_SIZE], diffcut_diagnostics *diag) {
    const char *text = NULL;
    diffcut_status status = json_get_text(view, key, false, NULL, 1024, &text, diag);
    if (status != DIFFCUT_OK || text == NULL) {
        return status;
    }
    if (!names_is_hex(text, digits)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %.100s: %s is no hash of %zu hexadecimal digits", view.file,
                         path, key, digits);
    }
    memcpy(hash, text, digits + 1);
    return DIFFCUT_OK;
}

static diffcut_status read_file(json_view view, listing_file *out, diffcut_diagnostics *diag) {
    listing_file file = {.size = LISTING_NOT_SAID};
    if (view.node == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: a file that is no object", view.file);
    }
    diffcut_status status = json_get_text(view, "rfilename", true, NULL, 65536, &file.path, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (!names_is_relative(file.path)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%s: '%.200s' is not the path of a file in a repository; refused", view.file, file.path);
    }
    status = read_size(view, &file.size, diag);
    if (status == DIFFCUT_OK) {
        status = read_hash(view, file.path, "blobId", 40, file.hash, diag);
    }
    json_view large = {view.file, NULL};
    bool is_large = false;
    if (status == DIFFCUT_OK) {
        status = json_get_object(view, "lfs", &is_large, &large, diag);
    }
    if (status == DIFFCUT_OK && is_large) { /* blobId is then that of the pointer that git keeps in its place */
        file.hash[0] = '\0';
        status = read_hash(large, file.path, "sha256", 64, file.hash, diag);
        if (status == DIFFCUT_OK) {
            status = read_size(large, &file.size, diag);
        }
    }
    if (status == DIFFCUT_OK) {
        *out = file;
    }
    return status;
}

static diffcut_status read_files(listing *self, diffcut_diagnostics *diag) {
    const json_view root = self->document.root;
    size_t count = 0;
    diffcut_status status = json_get_list(root, "siblings", LISTING_MAX_FILES, &count, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    self->files = mem_array(count, sizeof *self->files);
    if (self->files == NULL) {
        return diag_no_memory(diag, count * sizeof *self->files, root.file);
    }
    for (; self->count < count; self->count++) {
        status = read_file(json_item(root, "siblings", self->count), &self->files[self->count], diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
    }
    qsort(self->files, count, sizeof *self->files, by_path);
    for (size_t i = 1; i < count; i++) {
        if (by_path(&self->files[i - 1], &self->files[i]) == 0) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: '%.200s' is listed twice", root.file,
                             self->files[i].path);
        }
    }
    return DIFFCUT_OK;
}

/* cardData.license, or license_name where that says "other". What is no text is as good as not there. */
static const char *read_license(json_view root) {
    diffcut_diagnostics ignored;
    json_view card = {root.file, NULL};
    bool present = false;
    const char *license = NULL;
    if (json_get_object(root, "cardData", &present, &card, &ignored) != DIFFCUT_OK || !present) {
        return NULL;
    }
    if (json_get_text(card, "license", false, NULL, 128, &license, &ignored) != DIFFCUT_OK || license == NULL) {
        return NULL;
    }
    const char *other = NULL;
    const bool named = strcmp(license, "other") == 0 &&
                       json_get_text(card, "license_name", false, NULL, 128, &other, &ignored) == DIFFCUT_OK;
    return named && other != NULL ? other : license;
}

diffcut_status listing_parse(const void *data, size_t size, const char *name, listing *out,
                             diffcut_diagnostics *diag) {
    listing made = {0};
    const char *commit = NULL;
    diffcut_status status = json_parse(data, size, name, &made.document, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    status = json_get_text(made.document.root, "sha", true, NULL, 1024, &commit, diag);
    if (status != DIFFCUT_OK) {
        goto cleanup;
    }
    if (!names_is_hex(commit, sizeof made.commit - 1)) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: sha is no commit: '%.100s'", name, commit);
        goto cleanup;
    }
    memcpy(made.commit, commit, sizeof made.commit);
    made.license = read_license(made.document.root);
    status = read_files(&made, diag);
    if (status == DIFFCUT_OK) {
        *out = made;
        made = (listing){0};
    }
cleanup:
    listing_free(&made);
    return status;
}
