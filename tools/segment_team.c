/*
 * segment_team.c - `diffcut segment` as one of several processes (team.h): the manifest's parts before and after, the
 * list dealt out.
 *
 * Every step that can fail in one process is agreed upon by all, so that none waits for one that has left. A process
 * that is killed in between leaves a part of the manifest, which the next run takes in. Called by segment.c.
 */
#include <fcntl.h>
#include <string.h>

#include "interrupt.h"
#include "segment_record.h"

/* The manifest's path: --manifest, or in the output folder. */
static void manifest_path(const segment_run *run, text *out) {
    if (run->options.manifest != NULL) {
        text_add(out, run->options.manifest);
    } else {
        text_print(out, "%s/" MANIFEST_NAME, run->options.folder);
    }
}

/* A team_claim_fn: photos by their results' paths, archives by the folder of theirs. */
static bool claim(void *user, listing_result kind, const listing_item *item, diffcut_diagnostics *diagnostics) {
    segment_run *run = user;
    if (item->alone) { /* a killed process had it in hand, and nobody is at work yet */
        record_sweep(run, item->name);
    }
    if (kind == LISTING_PHOTO) {
        return output_claim(&run->outputs, &run->claims, item->name, diagnostics);
    }
    text folder = {0};
    text_print(&folder, "%s/", item->name);
    const bool ours = kind != LISTING_ARCHIVE ||
                      table_put(&run->claims, journal_hash(folder.data, folder.length), 0, false) == TABLE_ADDED;
    text_free(&folder);
    if (!ours) {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message,
                       "another archive of this run has this name, and so the same folder of results");
    }
    return ours;
}

/* The leader writes the list, with every clash of names in it; the others' claims then see only their own photos. */
static bool deal(segment_run *run, const listing_settings *list) {
    diffcut_diagnostics diagnostics = {{0}};
    feed *items = NULL;
    const bool leads = run->team->rank == 0;
    if (leads) {
        items = feed_open(list, (feed_share){1, 1}, &run->record);
        (void)snprintf(diagnostics.message, sizeof diagnostics.message, "out of memory");
    }
    bool fine = !leads || items != NULL;
    fine = run->team->agree(run->team->user, fine) &&
           run->team->deal(run->team->user, items, run->options.folder, claim, run, &diagnostics);
    feed_close(items);
    table_close(&run->claims);
    if (!fine && leads && !interrupt_requested()) {
        console_error(&run->options.says, NULL, diagnostics.message);
    }
    return fine;
}

/* Locks the manifest for the whole team and takes in what earlier runs left. */
static bool hold(segment_run *run, journal_writer *lock, const char *path) {
    diffcut_diagnostics diagnostics;
    diffcut_status status = journal_open_writer(lock, path, O_CREAT, &diagnostics);
    if (status == DIFFCUT_OK) {
        status = manifest_take_parts(lock, path, run->options.folder, &diagnostics);
        output_sweep(run->options.folder);
    }
    if (status != DIFFCUT_OK) {
        console_error(&run->options.says, NULL, diagnostics.message);
    }
    return status == DIFFCUT_OK;
}

/* All parts are closed: the leader makes one manifest of them. */
static int gather(segment_run *run, journal_writer *lock, const char *path, int status) {
    diffcut_diagnostics diagnostics;
    const bool all_here = run->team->agree(run->team->user, true); /* false: interrupted; the next run gathers */
    if (run->team->rank > 0 || !all_here) {
        return status;
    }
    if (manifest_take_parts(lock, path, run->options.folder, &diagnostics) != DIFFCUT_OK) {
        console_error(&run->options.says, NULL, diagnostics.message);
        return EXIT_FAILED;
    }
    return status;
}

int segment_in_team(segment_run *run, const listing_settings *list, int status) {
    const team *crew = run->team;
    journal_writer lock = {.descriptor = -1};
    text path = {0};
    manifest_path(run, &path);
    /* Nobody tries any more whether the folder can be written to: the leader may sweep it. */
    bool fine = crew->agree(crew->user, status < 0 && !path.failed);
    if (fine && crew->rank == 0) {
        fine = hold(run, &lock, text_string(&path));
    }
    fine = crew->agree(crew->user, fine);
    if (fine) {
        status = record_open(run);
        fine = crew->agree(crew->user, status < 0) && deal(run, list);
    }
    if (fine) {
        status = gather(run, &lock, text_string(&path), segment_list(run, list));
    }
    diffcut_diagnostics ignored;
    (void)record_close(run);
    (void)journal_finish(&lock, &ignored);
    text_free(&path);
    return status >= 0 ? status : interrupt_requested() ? interrupt_exit_code() : EXIT_FAILED;
}
