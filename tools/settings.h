/*
 * settings.h - the options behind diffcut_settings, shared by segment, features, cut, refine and bench.
 *
 * A command places the row tables it wants in its groups, all with the base of its settings_options. Defaults come
 * from the model, which itself is an option; so a command parses its line once over the paper's defaults, opens the
 * model, then parses the line again over the model's.
 */
#ifndef DIFFCUT_TOOLS_SETTINGS_H
#define DIFFCUT_TOOLS_SETTINGS_H

#include "diffcut/diffcut.h"
#include "options.h"

enum { SETTINGS_MAX_TAUS = 64 };

/* --size as given. */
typedef struct settings_size {
    bool given;
    diffcut_size_mode mode;
    uint32_t width, height; /* LONG_SIDE: both the one number */
} settings_size;

/* --tau as given; ascending or not, no value twice. */
typedef struct settings_taus {
    double values[SETTINGS_MAX_TAUS];
    size_t count;
} settings_taus;

typedef struct settings_options {
    diffcut_settings values;
    settings_size size;
    bool square;
    settings_taus taus;
    uint64_t max_pixels;
    const char *model; /* NULL: the embedded one */
    diffcut_model_settings opening;
    uint32_t threads; /* 0: as many as the process may use */
} settings_options;

extern const option settings_model_rows[]; /* --model */
extern const option
    settings_opening_rows[]; /* --variant, --config, --first-stage, --context, --tokenizer, --backend, --precision */
extern const option settings_threads_rows[];    /* --threads */
extern const option settings_photo_rows[];      /* --max-pixels */
extern const option settings_size_rows[];       /* --size, --square, --resample, --tile */
extern const option settings_features_rows[];   /* --timestep, --noise, --seed, --average, --hook */
extern const option settings_text_rows[];       /* --prompt */
extern const option settings_cut_rows[];        /* --tau, --alpha, --min-tokens, --reference, --eigen */
extern const option settings_switch_rows[];     /* --refine, --no-refine */
extern const option settings_refinement_rows[]; /* --iterations, --dilations, --median, --refine-size */

/* Every default; model may be NULL. Keeps nothing of an earlier parse but, with a model, how it was opened. */
void settings_begin(settings_options *options, const diffcut_model *model);

/* After the parse: puts size, square and tau into the values (tau: the largest) and checks them. Reports through
 * options_mistake and returns EXIT_USAGE, else EXIT_DONE. */
int settings_end(settings_options *options, const command *self);

diffcut_decode_limits settings_limits(const settings_options *options);

#endif
