/*
 * eval_plan.h - which settings an evaluation scores: methods, k, alpha, tau and refinement, and every combination.
 *
 * Settings lie so that what they share is next to each other: all tau of one method and alpha, which one tree serves.
 * Called by eval.c and its relatives.
 */
#ifndef DIFFCUT_TOOLS_EVAL_PLAN_H
#define DIFFCUT_TOOLS_EVAL_PLAN_H

#include "diffcut/diffcut.h"
#include "settings.h"
#include "text.h"

enum { SWEEP_MAX_VALUES = 256, PLAN_MAX_SETTINGS = 4096, PLAN_NAME_SIZE = 96 };

typedef struct sweep_values {
    double values[SWEEP_MAX_VALUES];
    size_t count; /* 0: not given */
} sweep_values;

/* --sweep and --method as given. */
typedef struct eval_sweep {
    sweep_values tau, alpha, k;
    bool refine_on, refine_off; /* neither: not given */
} eval_sweep;

typedef struct eval_methods {
    diffcut_method values[DIFFCUT_METHOD_COUNT];
    size_t count; /* 0: not given */
} eval_methods;

/* "tau=0.3:0.8:0.05,alpha=1,5,10,15,refine=on,off,k=4"; an option_parse_fn for an eval_sweep. */
bool eval_parse_sweep(const char *argument, void *target, text *error);
/* "diffcut,kmeans"; an option_parse_fn for an eval_methods. */
bool eval_parse_methods(const char *argument, void *target, text *error);

/* One way of segmenting. */
typedef struct eval_choice {
    diffcut_method method;
    double tau, alpha; /* NaN where the method has none */
    uint32_t k;        /* 0: the method's own, or none */
    bool refine;
    char name[PLAN_NAME_SIZE]; /* no two alike: "diffcut alpha=10 tau=0.5 refine=on" */
} eval_choice;

typedef struct eval_plan {
    eval_choice *choices;
    size_t count;
} eval_plan;

/* Every combination; of what was not given, the settings' own value. False, with a message, when there are none or
 * more than PLAN_MAX_SETTINGS. Release with eval_plan_free. */
bool eval_plan_make(const eval_methods *methods, const eval_sweep *sweep, const settings_options *settings,
                    eval_plan *out, text *error);
void eval_plan_free(eval_plan *plan);

/* Whether a choice differs from the one before in its tau or refinement only: it is cut from the same tree. */
bool eval_plan_continues(const eval_plan *plan, size_t index);

#endif
