/* listing.c - see listing.h. */
#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"

enum { PIECE_NAMES = 4096, MAX_DEPTH = 256 }; /* names sorted at a time; folders within folders */
enum { MAX_NAME_BYTES = 1 << 16 };            /* of a list's name: what is longer is no path of any system */

/* An open folder and the sorted piece of its names that is being handed out. */
typedef struct level {
    DIR *folder;
    char **names;
    size_t count, next;
    size_t path_length; /* of the folder in listing.path */
    size_t name_length; /* of the folder in listing.relative */
} level;

/* A list of names as it is read. */
typedef struct name_list {
    int file; /* -1: not opened, or at its end */
    text data;
    size_t start; /* of the next name in the data */
    bool complete;
} name_list;

struct listing {
    const listing_settings *settings;
    size_t next_argument;
    name_list list; /* of --files-from */
    bool list_opened;
    level *levels;
    size_t depth;
    text path;     /* of the item */
    text relative; /* of the item, below the output folder */
    text reason;
    struct stat skip;
    bool has_skip;
};

listing *listing_open(const listing_settings *settings) {
    listing *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    l->settings = settings;
    l->list.file = -1;
    l->levels = calloc(MAX_DEPTH, sizeof *l->levels);
    if (l->levels == NULL) {
        free(l);
        return NULL;
    }
    l->has_skip = settings->skip_folder != NULL && stat(settings->skip_folder, &l->skip) == 0;
    return l;
}

static void free_names(level *at) {
    for (size_t i = at->next; i < at->count; i++) {
        free(at->names[i]);
    }
    at->next = 0;
    at->count = 0;
}

static void leave_folder(listing *l) {
    level *at = &l->levels[--l->depth];
    free_names(at);
    free(at->names);
    (void)closedir(at->folder);
    *at = (level){0};
}

static void close_list(name_list *list) {
    if (list->file > STDIN_FILENO) {
        (void)close(list->file);
    }
    list->file = -1;
}

void listing_close(listing *l) {
    if (l == NULL) {
        return;
    }
    while (l->depth > 0) {
        leave_folder(l);
    }
    close_list(&l->list);
    text_free(&l->list.data);
    free(l->levels);
    text_free(&l->path);
    text_free(&l->relative);
    text_free(&l->reason);
    free(l);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The dot of a photo's extension in a base name, or NULL. */
static const char *photo_extension(const char *name) {
    static const char *const extensions[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && dot != name && i < sizeof extensions / sizeof *extensions; i++) {
        if (strcasecmp(dot, extensions[i]) == 0) {
            return dot;
        }
    }
    return NULL;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static listing_result fail(listing *l, listing_item *item, const char *reason) {
    text_clear(&l->reason);
    text_add(&l->reason, reason);
    *item = (listing_item){.path = text_string(&l->path), .error = text_string(&l->reason)};
    return LISTING_ERROR;
}

/* Takes the extension off the name of a photo's outputs. */
static void drop_extension(text *name) {
    const char *extension = photo_extension(base_name(text_string(name)));
    if (extension != NULL) {
        name->length = (size_t)(extension - name->data);
        name->data[name->length] = '\0';
    }
}

bool listing_is_photo_name(const char *path) {
    return photo_extension(base_name(path)) != NULL;
}

/* The item of listing.path, its outputs named after listing.relative. */
static listing_result photo(listing *l, listing_item *item) {
    if (!l->settings->full_names) {
        drop_extension(&l->relative);
    }
    if (l->path.failed || l->relative.failed) {
        return fail(l, item, "out of memory");
    }
    *item = (listing_item){.path = text_string(&l->path), .name = text_string(&l->relative)};
    return LISTING_PHOTO;
}

/* Opens the folder listing.path. False with errno set if that cannot be. */
static bool enter_folder(listing *l) {
    if (l->depth == MAX_DEPTH) {
        errno = ELOOP;
        return false;
    }
    level *at = &l->levels[l->depth];
    *at = (level){.path_length = l->path.length, .name_length = l->relative.length};
    at->names = calloc(PIECE_NAMES, sizeof *at->names);
    at->folder = at->names != NULL ? opendir(text_string(&l->path)) : NULL;
    if (at->folder == NULL) {
        free(at->names);
        return false;
    }
    l->depth++;
    return true;
}

/* The next piece of the folder's names, sorted; 0 names at its end. False with errno set on a read error. */
static bool read_piece(level *at) {
    at->next = 0;
    at->count = 0;
    while (at->count < PIECE_NAMES) {
        errno = 0;
        const struct dirent *entry = readdir(at->folder);
        if (entry == NULL) {
            if (errno != 0) {
                return false;
            }
            break;
        }
        if (entry->d_name[0] == '.') { /* ".", ".." and what is hidden */
            continue;
        }
        at->names[at->count] = strdup(entry->d_name);
        if (at->names[at->count] == NULL) {
            return false;
        }
        at->count++;
    }
    qsort(at->names, at->count, sizeof *at->names, compare_names);
    return true;
}

/* Makes path and relative those of a name in the folder `at`. */
static void set_entry(listing *l, const level *at, const char *name) {
    l->path.length = at->path_length;
    if (l->path.length > 0 && l->path.data[l->path.length - 1] != '/') {
        text_add(&l->path, "/");
    }
    text_add(&l->path, name);
    l->relative.length = at->name_length;
    text_add(&l->relative, at->name_length > 0 ? "/" : "");
    text_add(&l->relative, name);
}

static bool is_skipped(const listing *l, const struct stat *info) {
    return l->has_skip && info->st_dev == l->skip.st_dev && info->st_ino == l->skip.st_ino;
}

/* One step in the innermost folder: LISTING_END means that nothing came of it, and there may be more. */
static listing_result step_folder(listing *l, listing_item *item) {
    level *at = &l->levels[l->depth - 1];
    if (at->next == at->count) {
        const bool read = read_piece(at);
        const int reason = errno;
        if (!read || at->count == 0) {
            l->path.length = at->path_length; /* the folder, for the message */
            l->path.data[l->path.length] = '\0';
            leave_folder(l);
            return read ? LISTING_END : fail(l, item, strerror(reason));
        }
    }
    char *name = at->names[at->next++];
    set_entry(l, at, name);
    struct stat info = {0};
    const bool link = lstat(text_string(&l->path), &info) == 0 && S_ISLNK(info.st_mode);
    const bool known = !link || stat(text_string(&l->path), &info) == 0;
    const bool looks = photo_extension(name) != NULL;
    free(name);
    if (known && S_ISDIR(info.st_mode)) {
        if (!link && !is_skipped(l, &info) && !enter_folder(l)) {
            return fail(l, item, strerror(errno));
        }
        return LISTING_END;
    }
    return looks ? photo(l, item) : LISTING_END; /* a dangling link or a pipe is reported by whoever reads it */
}

static bool is_archive_name(const char *path) {
    const size_t length = strlen(path);
    return length > 4 && strcasecmp(path + length - 4, ".tar") == 0;
}

/* With several arguments, an archive's photos go below a folder of its name, as a folder's do. */
static listing_result archive(listing *l, listing_item *item) {
    const bool alone = l->settings->argument_count == 1 && l->settings->files_from == NULL;
    if (is_archive_name(text_string(&l->relative))) {
        l->relative.length -= 4;
        l->relative.data[l->relative.length] = '\0';
    }
    if (alone) {
        text_clear(&l->relative);
    }
    if (l->path.failed || l->relative.failed) {
        return fail(l, item, "out of memory");
    }
    *item = (listing_item){.path = text_string(&l->path), .name = text_string(&l->relative)};
    return LISTING_ARCHIVE;
}

/* What was named: a folder is entered, anything else is an archive by its name, or a photo. */
static listing_result take_named(listing *l, listing_item *item) {
    struct stat info;
    if (stat(text_string(&l->path), &info) == 0 && S_ISDIR(info.st_mode)) {
        return enter_folder(l) ? LISTING_END : fail(l, item, strerror(errno));
    }
    return l->settings->archives || is_archive_name(text_string(&l->path)) ? archive(l, item) : photo(l, item);
}

/* The last part of a folder's path, "" where that is no name: ".", "..", "/". */
static void add_folder_name(text *out, const char *path) {
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    const size_t length = end - start;
    const bool dots = (length == 1 && path[start] == '.') || (length == 2 && memcmp(path + start, "..", 2) == 0);
    text_add_bytes(out, path + start, dots ? 0 : length);
}

/* With one argument, a folder's photos go straight below the output folder; with several, below a folder of its
 * name, as cp -r does. */
static listing_result take_argument(listing *l, listing_item *item) {
    const char *argument = l->settings->arguments[l->next_argument++];
    text_clear(&l->path);
    text_clear(&l->relative);
    text_add(&l->path, argument);
    if (strcmp(argument, "-") == 0) {
        text_add(&l->relative, "stdin");
        if (l->settings->archives) {
            return archive(l, item);
        }
        *item = (listing_item){.path = text_string(&l->path), .name = text_string(&l->relative)};
        return LISTING_PHOTO;
    }
    struct stat info;
    if (stat(argument, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (l->settings->argument_count > 1 || l->settings->files_from != NULL) {
            add_folder_name(&l->relative, argument);
        }
    } else {
        text_add(&l->relative, base_name(argument));
    }
    return take_named(l, item);
}

/* A list's names keep their folders as written, less what would lead out of the output folder. */
static void add_listed_name(text *out, const char *path) {
    for (const char *part = path; *part != '\0';) {
        const size_t length = strcspn(part, "/");
        const bool dots = (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.');
        if (length > 0 && !dots) {
            text_add(out, out->length > 0 ? "/" : "");
            text_add_bytes(out, part, length);
        }
        part += length;
        part += strspn(part, "/");
    }
}

void listing_member_name(const char *archive_name, const char *member, bool full_names, text *out) {
    text_clear(out);
    text_add(out, archive_name);
    add_listed_name(out, member);
    if (!full_names) {
        drop_extension(out);
    }
}

/* Reads on until the data holds a whole name, ended by the separator or the list's end: its bytes from `start` on,
 * ended by NUL instead. *length is 0 at the end of the list too. False with errno set. */
static bool next_name(name_list *list, char separator, size_t *length) {
    size_t searched = list->start;
    char piece[16384];
    for (;;) {
        const char *from = text_string(&list->data) + searched;
        const char *end = memchr(from, separator, list->data.length - searched);
        if (end != NULL || list->complete) {
            *length = (end != NULL ? (size_t)(end - text_string(&list->data)) : list->data.length) - list->start;
            if (end != NULL) {
                list->data.data[list->start + *length] = '\0';
            }
            return true;
        }
        if (list->start > 0) { /* what has been handed out makes room */
            list->data.length -= list->start;
            memmove(list->data.data, list->data.data + list->start, list->data.length + 1);
            list->start = 0;
        }
        searched = list->data.length;
        const ssize_t got = interrupt_read(list->file, piece, sizeof piece);
        if (got < 0) {
            return false;
        }
        list->complete = got == 0;
        text_add_bytes(&list->data, piece, (size_t)got);
        if (list->data.length > MAX_NAME_BYTES + sizeof piece) {
            errno = ENAMETOOLONG;
            return false;
        }
        if (list->data.failed) {
            errno = ENOMEM;
            return false;
        }
    }
}

static listing_result end_list(listing *l, listing_item *item, int reason) {
    close_list(&l->list);
    text_clear(&l->path);
    text_add(&l->path, l->settings->files_from);
    return reason == 0 || reason == EINTR ? LISTING_END : fail(l, item, strerror(reason));
}

static listing_result take_listed(listing *l, listing_item *item) {
    const char *file = l->settings->files_from;
    name_list *list = &l->list;
    if (!l->list_opened) {
        l->list_opened = true;
        list->file = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
        if (list->file < 0) {
            return end_list(l, item, errno);
        }
    }
    size_t length = 0;
    if (!next_name(list, l->settings->nul_separated ? '\0' : '\n', &length)) {
        return end_list(l, item, errno);
    }
    const size_t start = list->start;
    const bool last = start + length >= list->data.length;
    list->start += last ? length : length + 1;
    if (length > 0 && !l->settings->nul_separated && list->data.data[start + length - 1] == '\r') {
        list->data.data[start + --length] = '\0'; /* lines that end with CR LF */
    }
    if (length == 0) {
        return last ? end_list(l, item, 0) : LISTING_END;
    }
    const char *name = text_string(&list->data) + start;
    text_clear(&l->path);
    text_clear(&l->relative);
    text_add(&l->path, strcmp(name, "-") == 0 ? "./-" : name); /* in a list "-" is a file's name */
    add_listed_name(&l->relative, name);
    if (length != strlen(name)) {
        return fail(l, item, "the list holds a NUL byte; use -0 for a list with NUL after each name");
    }
    return take_named(l, item);
}

listing_result listing_next(listing *l, listing_item *item) {
    for (;;) {
        const bool arguments_left = l->next_argument < l->settings->argument_count;
        listing_result result = LISTING_END;
        if (l->depth > 0) {
            result = step_folder(l, item);
        } else if (arguments_left) {
            result = take_argument(l, item);
        } else if (l->settings->files_from != NULL && (!l->list_opened || l->list.file >= 0)) {
            result = take_listed(l, item);
        } else {
            return LISTING_END;
        }
        if (result != LISTING_END) {
            return result;
        }
    }
}

size_t listing_count(const listing_settings *settings, bool (*stop)(void)) {
    listing *l = listing_open(settings);
    size_t count = 0;
    listing_item item;
    listing_result kind = LISTING_END;
    while (l != NULL && !stop() && (kind = listing_next(l, &item)) != LISTING_END && kind != LISTING_ARCHIVE) {
        count++;
    }
    listing_close(l);
    return kind == LISTING_ARCHIVE ? 0 : count;
}
