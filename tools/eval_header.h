/*
 * eval_header.h - what is evaluated: the first line of a journal, written from it and read back.
 *
 * Its "identity" is everything that the counts of a photo depend on. A run goes on with a journal, and journals are
 * merged, only where the identities are equal to the byte. Called by eval_run, eval_totals and eval_merge.
 */
#ifndef DIFFCUT_TOOLS_EVAL_HEADER_H
#define DIFFCUT_TOOLS_EVAL_HEADER_H

#include "diffcut/diffcut.h"
#include "eval_plan.h"
#include "text.h"

/* The class list of a generic set. */
typedef struct eval_classes {
    char **names;     /* (count), each the structure's own; NULL entries do not occur */
    uint32_t *values; /* (count) raw values */
    size_t count;     /* 0: not a generic set */
} eval_classes;

/* "21", or a file of a line a class: NAME, or VALUE NAME. False leaves the reason in error. */
bool eval_classes_read(const char *argument, eval_classes *out, text *error);
void eval_classes_free(eval_classes *classes);

typedef struct eval_header {
    text set, title, split, protocol;
    text model, machine, version, command;
    text features;                   /* digits of the cache key of no photo: model, settings, preparation */
    text names;                      /* by which segments are classes; "": they are matched */
    text list;                       /* digits that change with the names of the set */
    diffcut_protocol_settings rules; /* names and values point into classes */
    eval_classes classes;
    diffcut_score_settings score;
    uint32_t size, min_tokens, eigen_solver;
    eval_plan plan;
    uint64_t listed;        /* photos of this run: of the shard */
    uint64_t whole;         /* of the set, after --limit */
    uint32_t shard, shards; /* 1-based */
} eval_header;

void eval_header_free(eval_header *header);

/* The fields of the journal's first line; `identity` alone too, for comparison. */
void eval_header_write(const eval_header *header, text *fields);
void eval_header_identity(const eval_header *header, text *out);
/* From a journal's first line. False when it is not one of this version's. */
bool eval_header_read(const char *line, eval_header *out);

/* The protocol that it names. */
diffcut_status eval_header_protocol(const eval_header *header, diffcut_protocol **out,
                                    diffcut_diagnostics *diagnostics);

#endif
