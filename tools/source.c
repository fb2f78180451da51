/* source.c - see source.h. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "tar_read.h"

#define MOST_BYTES ((uint64_t)1 << 30) /* of a photo's file: the limit of diffcut_read_file */

struct source {
    source_feed_fn next;
    void *user;
    manifest *record;
    bool full_names;
    int file; /* the archive at hand; -1: none */
    tar_reader reader;
    text archive, folder; /* its path; of its photos' outputs */
    text path, name;      /* of the photo in it */
};

source *source_open(source_feed_fn next, void *user, manifest *record, bool full_names) {
    source *s = calloc(1, sizeof *s);
    if (s != NULL) {
        *s = (source){.next = next, .user = user, .record = record, .full_names = full_names, .file = -1};
    }
    return s;
}

static void close_archive(source *s) {
    if (s->file > STDIN_FILENO) {
        (void)close(s->file);
    }
    if (s->file >= 0) {
        tar_close(&s->reader);
    }
    s->file = -1;
}

void source_close(source *s) {
    if (s == NULL) {
        return;
    }
    close_archive(s);
    text_free(&s->archive);
    text_free(&s->folder);
    text_free(&s->path);
    text_free(&s->name);
    free(s);
}

/* A tar_read_fn. */
static ssize_t read_archive(void *user, void *data, size_t size) {
    const source *s = user;
    return interrupt_read(s->file, data, size);
}

static listing_result open_archive(source *s, source_item *out) {
    text_clear(&s->archive);
    text_clear(&s->folder);
    text_add(&s->archive, out->item.path);
    text_add(&s->folder, out->item.name);
    const bool is_stdin = strcmp(out->item.path, "-") == 0;
    const int file = is_stdin ? STDIN_FILENO : open(out->item.path, O_RDONLY | O_CLOEXEC);
    if (s->archive.failed || s->folder.failed || file < 0) {
        out->item = (listing_item){.path = out->item.path, .error = file < 0 ? strerror(errno) : "out of memory"};
        return LISTING_ERROR;
    }
    s->file = file;
    tar_open(&s->reader, read_archive, s);
    return LISTING_ARCHIVE;
}

static listing_result fail(const char *path, const char *reason, source_item *out) {
    *out = (source_item){.item = {.path = path, .error = reason}, .in_archive = true};
    return LISTING_ERROR;
}

/* The photo that the archive's reader is at. */
static listing_result take_member(source *s, source_item *out) {
    const char *member = text_string(&s->reader.name);
    text_clear(&s->path);
    text_print(&s->path, "%s/", text_string(&s->archive));
    text_add(&s->path, member);
    listing_member_name(text_string(&s->folder), member, s->full_names, &s->name);
    const char *path = text_string(&s->path);
    if (s->path.failed || s->name.failed) {
        return fail(text_string(&s->archive), "out of memory", out);
    }
    if (s->name.length == 0) {
        return fail(path, "the member's name is none for a result", out);
    }
    if (s->reader.type != '0' && s->reader.type != '7') {
        return fail(path, "is no plain file in the archive", out);
    }
    if (s->reader.size > MOST_BYTES) {
        return fail(path, "more than 1073741824 bytes", out);
    }
    const uint64_t size = s->reader.size;
    uint8_t *bytes = tar_data(&s->reader);
    if (bytes == NULL) {
        return LISTING_END; /* the reader's message tells it, at its next step */
    }
    const bool alone = s->record != NULL && manifest_is_suspect(s->record, text_string(&s->name));
    *out = (source_item){.item = {.path = path, .name = text_string(&s->name), .alone = alone},
                         .in_archive = true,
                         .bytes = bytes,
                         .size = (size_t)size,
                         .modified = s->reader.modified};
    return LISTING_PHOTO;
}

/* The archive's next photo, or what is wrong with it; LISTING_END at its end. */
static listing_result step_archive(source *s, source_item *out) {
    for (;;) {
        const tar_result result = tar_next(&s->reader);
        if (result == TAR_END || (result == TAR_BAD && interrupt_requested())) {
            close_archive(s);
            return LISTING_END;
        }
        if (result == TAR_BAD) {
            text_clear(&s->path);
            text_add(&s->path, text_string(&s->reader.message));
            close_archive(s);
            return fail(text_string(&s->archive), text_string(&s->path), out);
        }
        if (listing_is_photo_name(text_string(&s->reader.name))) {
            const listing_result kind = take_member(s, out);
            if (kind != LISTING_END) {
                return kind;
            }
        }
    }
}

listing_result source_next(source *s, source_item *out) {
    for (;;) {
        if (s->file >= 0) {
            const listing_result kind = step_archive(s, out);
            if (kind != LISTING_END) {
                return kind;
            }
        }
        *out = (source_item){0};
        listing_result kind = s->next(s->user, &out->item);
        if (kind == LISTING_ARCHIVE) {
            kind = open_archive(s, out);
        }
        if (kind != LISTING_ARCHIVE) {
            return kind;
        }
    }
}
