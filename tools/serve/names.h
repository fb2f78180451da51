/*
 * names.h - the server's CLIP and the lists of classes that it names by: the last ones used are kept with their
 * embeddings, so that the next slider's place does not embed them again.
 *
 * A list is parsed by the loop, which refuses it before anything waits, and embedded by the job that first needs it.
 * Thread-safe but for opening and closing. Called by serve.c, routes.c, jobs.c and render_names.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_NAMES_H
#define DIFFCUT_TOOLS_SERVE_NAMES_H

#include <pthread.h>

#include "naming.h"
#include "params.h"

/* Names of a list, with synonyms: what a large CLIP embeds within the default limit of a job's time. */
enum { NAMES_MOST = 1000, NAMES_KEPT_LISTS = 16 };

typedef struct class_list {
    struct class_list *next; /* among those kept, the last used first */
    unsigned owners;         /* under the lock, as is `classifier` */
    text key;
    diffcut_vocabulary *vocabulary;
    diffcut_classifier *classifier; /* NULL until a job has made it; then it stays */
} class_list;

typedef struct namer {
    const naming_options *options;
    naming clip; /* the model, how photos go into it, the templates */
    pthread_mutex_t lock;
    class_list *first;
    size_t count;
} namer;

/* Opens the CLIP and sees whether it can name. Returns as naming_open. Release with names_close in any case. */
int names_open(namer *n, const naming_options *options, const settings_options *settings, const console *says);
void names_close(namer *n);

/* The list that a request asks for, whose owner the caller becomes; NULL and a problem. */
class_list *names_list(namer *n, const params *query, problem *out);
/* n may be NULL where list is. */
void names_release(namer *n, class_list *list);

/* A naming by the list with the caller's session on the CLIP: the list is embedded where that was not done before.
 * What it points to lives as long as the list. */
diffcut_status names_prepare(namer *n, class_list *list, diffcut_session *session, naming *out,
                             diffcut_diagnostics *diagnostics);

#endif
