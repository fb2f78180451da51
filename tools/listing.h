/*
 * listing.h - the photos that a command line names, one at a time.
 *
 * Arguments are files, folders (walked to the bottom) and "-" (standard input); lists come from --files-from. The
 * listing is streamed: what it holds does not grow with the number of photos. A folder is read in pieces of a few
 * thousand names, each piece sorted, so that folders of common size come in order. Hidden names are left out, links
 * to folders are not followed, and below a folder only names that end like a photo's count; a file named directly is
 * taken whatever its name, as an archive of photos if it ends in .tar. Called by feed.
 */
#ifndef DIFFCUT_TOOLS_LISTING_H
#define DIFFCUT_TOOLS_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

typedef struct listing_settings {
    const char *const *arguments;
    size_t argument_count;
    const char *files_from;  /* NULL: none; "-": standard input */
    bool nul_separated;      /* the list's names end with NUL, not newline */
    bool full_names;         /* keep the extension in the outputs' names */
    const char *skip_folder; /* a folder not to walk into (the outputs'), or NULL */
    bool archives;           /* every file that is named is a tar archive, whatever its name */
} listing_settings;

typedef enum listing_result {
    LISTING_PHOTO,
    LISTING_ARCHIVE, /* a tar archive of photos */
    LISTING_ERROR,   /* something that was named is no photo or folder that can be read: `error` says which, why */
    LISTING_END
} listing_result;

/* Valid until the next call. */
typedef struct listing_item {
    const char *path;  /* "-" for standard input */
    const char *name;  /* of its outputs, relative to their folder, without extension: "garden/rose"; an archive's is
                          the folder of its photos' outputs, "" where they have none */
    const char *error; /* LISTING_ERROR: the reason, path being the subject */
    bool alone;        /* to be worked on with nothing else in hand; feed.c says so */
} listing_item;

typedef struct listing listing;

/* NULL without memory. The settings must outlive the listing. */
listing *listing_open(const listing_settings *settings);
listing_result listing_next(listing *l, listing_item *item);
void listing_close(listing *l);

/* The name of the outputs of a photo in an archive: the archive's name, the member's, less what would lead out of the
 * folder and, unless full_names, the extension. */
void listing_member_name(const char *archive_name, const char *member, bool full_names, text *out);

/* Whether a file's name ends as photos' do. */
bool listing_is_photo_name(const char *path);

/* How many photos (and errors) there are, by walking a listing to its end; `stop` is asked now and then. 0 where
 * there is an archive, whose members are known only once it was read. */
size_t listing_count(const listing_settings *settings, bool (*stop)(void));

#endif
