/*
 * params.h - the query of a request, read with the same tables as the command's options.
 *
 * A name in a query is an option's name with '_' for '-'; its value, range and message are the option's. What an
 * endpoint does not take, a name given twice and an empty value are refused by name. Called by request.c.
 */
#ifndef DIFFCUT_TOOLS_SERVE_PARAMS_H
#define DIFFCUT_TOOLS_SERVE_PARAMS_H

#include "problem.h"
#include "settings.h"

enum { PARAMS_PROMPT_BYTES = 1024, PARAMS_MOST_WIDTH = 16384 };

/* In the order of the names in PARAMS_FORMATS. */
typedef enum params_format {
    FORMAT_JSON,
    FORMAT_PNG,
    FORMAT_OVERLAY,
    FORMAT_COCO,
    FORMAT_NPY,
    FORMAT_RAW16,
    FORMAT_RAW8,
    FORMAT_COUNT
} params_format;

#define PARAMS_FORMATS "json|png|overlay|coco|npy|raw16|raw8"

typedef struct params {
    settings_options settings;
    char prompt[PARAMS_PROMPT_BYTES]; /* settings.values.prompt points to the query, which may be gone by then */
    const char *classes, *vocabulary, *background; /* point into the request, which outlives no route */
    double max_tau;                                /* how far the tree is built */
    params_format format;
    uint32_t width; /* long side of the result; 0: the photo's */
    uint32_t x, y;  /* a pixel of the photo */
    diffcut_overlay_settings overlay;
    uint64_t given; /* bit i: the i-th name of the endpoint's list was given */
} params;

/* Defaults of a model. */
void params_init(params *p, const diffcut_model *model);

/* Reads name=value, where `names` lists what the endpoint takes ("tau alpha size"). */
bool params_take(params *p, const char *names, const char *name, const char *value, problem *out);

/* After the last one: puts them together and checks them. */
bool params_end(params *p, problem *out);

/* Whether the i-th name of the list was given. */
bool params_has(const params *p, const char *names, const char *name);

/* The settings to compute with; they point into p. */
diffcut_settings params_settings(const params *p);

#endif
