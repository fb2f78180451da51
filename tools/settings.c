/* settings.c - see settings.h. */
#include "settings.h"

#include <stddef.h>
#include <string.h>

#include "values.h"

_Static_assert(sizeof(diffcut_resample) == sizeof(int) && sizeof(diffcut_eigen_solver) == sizeof(int) &&
                   sizeof(diffcut_noise) == sizeof(int) && sizeof(diffcut_precision) == sizeof(int),
               "OPTION_CHOICE stores an int");

static bool parse_size(const char *argument, void *target, text *error) {
    settings_size size = {.given = true, .mode = DIFFCUT_SIZE_LONG_SIDE};
    uint64_t side = 0;
    if (strcmp(argument, "native") == 0) {
        size.mode = DIFFCUT_SIZE_NATIVE;
    } else if (value_unsigned(argument, &side)) {
        if (side < 1 || side > 16384) {
            text_print(error, "%s is outside 1 .. 16384", argument);
            return false;
        }
        size.width = (uint32_t)side;
        size.height = (uint32_t)side;
    } else if (value_width_height(argument, &size.width, &size.height)) {
        if (size.width > 16384 || size.height > 16384) {
            text_print(error, "%s has a side outside 1 .. 16384", argument);
            return false;
        }
        size.mode = DIFFCUT_SIZE_EXACT;
    } else {
        text_print(error, "'%s' is neither a number of pixels, WIDTHxHEIGHT nor native", argument);
        return false;
    }
    memcpy(target, &size, sizeof size);
    return true;
}

static bool parse_taus(const char *argument, void *target, text *error) {
    settings_taus taus = {.count = 0};
    char item[64];
    for (size_t i = 0; value_list_item(argument, i, item, sizeof item); i++) {
        double tau = 0;
        if (!value_real(item, &tau)) {
            text_print(error, "'%s' is not a number", item);
            return false;
        }
        if (tau < 0 || tau > 1) {
            text_print(error, "%s is outside 0 .. 1", item);
            return false;
        }
        if (i >= SETTINGS_MAX_TAUS) {
            text_print(error, "more than %d values", SETTINGS_MAX_TAUS);
            return false;
        }
        for (size_t j = 0; j < taus.count; j++) {
            if (taus.values[j] == tau) {
                text_print(error, "%s is given twice", item);
                return false;
            }
        }
        taus.values[taus.count++] = tau;
    }
    memcpy(target, &taus, sizeof taus);
    return true;
}

/* Writes to the timesteps and their count, which are two fields of the settings. */
static bool parse_timesteps(const char *argument, void *target, text *error) {
    diffcut_settings *settings = target;
    int32_t timesteps[DIFFCUT_MAX_TIMESTEPS];
    uint32_t count = 0;
    char item[32];
    for (size_t i = 0; value_list_item(argument, i, item, sizeof item); i++) {
        int64_t timestep = 0;
        if (!value_signed(item, &timestep)) {
            text_print(error, "'%s' is not a whole number", item);
            return false;
        }
        if (timestep < 0 || timestep > 999) {
            text_print(error, "%s is outside 0 .. 999", item);
            return false;
        }
        if (count == DIFFCUT_MAX_TIMESTEPS) {
            text_print(error, "more than %d values", DIFFCUT_MAX_TIMESTEPS);
            return false;
        }
        for (uint32_t j = 0; j < count; j++) {
            if (timesteps[j] == (int32_t)timestep) {
                text_print(error, "%s is given twice", item);
                return false;
            }
        }
        timesteps[count++] = (int32_t)timestep;
    }
    memcpy(settings->timesteps, timesteps, count * sizeof *timesteps);
    settings->timestep_count = count;
    return true;
}

/* Writes to the dilations and their count, which are two fields of the settings. */
static bool parse_dilations(const char *argument, void *target, text *error) {
    diffcut_settings *settings = target;
    uint32_t dilations[DIFFCUT_MAX_DILATIONS];
    uint32_t count = 0;
    char item[32];
    for (size_t i = 0; value_list_item(argument, i, item, sizeof item); i++) {
        uint64_t pixels = 0;
        if (!value_unsigned(item, &pixels)) {
            text_print(error, "'%s' is not a whole number", item);
            return false;
        }
        if (pixels < 1 || pixels > 1024) {
            text_print(error, "%s is outside 1 .. 1024", item);
            return false;
        }
        if (count == DIFFCUT_MAX_DILATIONS) {
            text_print(error, "more than %d values", DIFFCUT_MAX_DILATIONS);
            return false;
        }
        dilations[count++] = (uint32_t)pixels;
    }
    memcpy(settings->dilations, dilations, count * sizeof *dilations);
    settings->dilation_count = count;
    return true;
}

static bool parse_median(const char *argument, void *target, text *error) {
    uint64_t side = 0;
    if (!value_unsigned(argument, &side) || side > 15 || (side > 0 && side % 2 == 0)) {
        text_print(error, "'%s' is not 0 or an odd number up to 15", argument);
        return false;
    }
    const uint32_t value = (uint32_t)side;
    memcpy(target, &value, sizeof value);
    return true;
}

#define AT(field) offsetof(settings_options, field)

const option settings_model_rows[] = {
    {'m', "model", "PATH", "checkpoint folder; default: the embedded model", OPTION_STRING, AT(model), 0, 0, NULL,
     NULL},
    {0},
};

const option settings_opening_rows[] = {
    {0, "variant", "NAME", "which of the weights: fp16, bf16, ...; default: the plain ones, else fp16, else bf16",
     OPTION_STRING, AT(opening.variant), 0, 0, NULL, NULL},
    {0, "config", "DIR", "configurations and tokenizers of a single-file checkpoint; default: told from its tensors",
     OPTION_STRING, AT(opening.config), 0, 0, NULL, NULL},
    {0, "first-stage", "PATH",
     "an AutoencoderTiny or AutoencoderKL, folder or file, in place of the model's own first stage", OPTION_STRING,
     AT(opening.first_stage), 0, 0, NULL, NULL},
    {0, "context", "FILE", "the prompt's text context, made by 'model context', in place of text encoders",
     OPTION_STRING, AT(opening.context), 0, 0, NULL, NULL},
    {0, "tokenizer", "DIR", "of a CLIP whose folder has none: vocab.json and merges.txt", OPTION_STRING,
     AT(opening.tokenizer), 0, 0, NULL, NULL},
    {0, "backend", "NAME", "cpu (default) or ref, the plain C one", OPTION_STRING, AT(opening.backend), 0, 0, NULL,
     NULL},
    {0, "precision", "P",
     "auto (default), f32 or bf16: the UNet's products; auto: bf16 for large models where the processor has it",
     OPTION_CHOICE, AT(opening.precision), 0, 0, "auto|f32|bf16", NULL},
    {0},
};

const option settings_threads_rows[] = {
    {'T', "threads", "N", "0 .. 1024; 0 (default) uses all that the process may", OPTION_UNSIGNED, AT(threads), 0,
     1024, NULL, NULL},
    {0},
};

const option settings_photo_rows[] = {
    {0, "max-pixels", "N", "refuse photos of more pixels; default 268435456 (16384x16384)", OPTION_LARGE,
     AT(max_pixels), 1, 0, NULL, NULL},
    {0},
};

const option settings_size_rows[] = {
    {0, "size", "SIZE",
     "network input: N for the longer side, WxH exactly, or native for the photo's own; default: the model's N",
     OPTION_CUSTOM, AT(size), 0, 0, NULL, parse_size},
    {0, "square", NULL, "N x N whatever the photo's shape, as the paper does", OPTION_SET, AT(square), 0, 0, NULL,
     NULL},
    {0, "resample", "FILTER", "antialias (default) or bilinear, the paper's", OPTION_CHOICE, AT(values.resample), 0,
     0, "antialias|bilinear", NULL},
    {0, "tile", "N",
     "64 .. 16384: the first stage encodes sides longer than N pixels in overlapping tiles, for less memory; "
     "default: "
     "whole",
     OPTION_UNSIGNED, AT(values.tile), 0, 16384, NULL, NULL},
    {0},
};

const option settings_features_rows[] = {
    {0, "timestep", "T[,T...]",
     "0 .. 999: how noisy the photo is made; the features of several are put side by side; default: the model's, "
     "else "
     "50",
     OPTION_CUSTOM, AT(values), 0, 0, NULL, parse_timesteps},
    {0, "noise", "STREAM", "of torch.randn on the cpu (default) or on cuda", OPTION_CHOICE, AT(values.noise), 0, 0,
     "cpu|cuda", NULL},
    {0, "seed", "N", "of the noise; default 42", OPTION_LARGE, AT(values.seed), 0, 0, NULL, NULL},
    {0, "average", "N", "1 .. 1024: the mean over this many draws of noise; default 1", OPTION_UNSIGNED,
     AT(values.average), 1, 1024, NULL, NULL},
    {0, "hook", "NAME[,NAME...]",
     "the network modules whose output is taken, side by side (model info --hooks lists them); default: the model's",
     OPTION_STRING, AT(values.hook), 0, 0, NULL, NULL},
    {0},
};

const option settings_text_rows[] = {
    {0, "prompt", "TEXT", "what the network is told to see; default: nothing, the paper's empty prompt",
     OPTION_STRING, AT(values.prompt), 0, 0, NULL, NULL},
    {0},
};

const option settings_cut_rows[] = {
    {'t', "tau", "T[,T...]",
     "0 .. 1: a region splits while its cost is below; larger gives more segments. Several make one result each, "
     "from "
     "one pass. Default: the model's, else 0.5",
     OPTION_CUSTOM, AT(taus), 0, 0, NULL, parse_taus},
    {0, "alpha", "A", "above 0: exponent of the affinity; default: the model's, else 10", OPTION_POSITIVE,
     AT(values.alpha), 0, 0, NULL, NULL},
    {0, "min-tokens", "N", "no side of a split smaller than this; default 0: no minimum", OPTION_UNSIGNED,
     AT(values.min_tokens), 0, 16384, NULL, NULL},
    {0, "reference", NULL, "drop rows from a split as the published code does", OPTION_SET, AT(values.reference), 0,
     0, NULL, NULL},
    {0, "eigen", "SOLVER", "auto (default) or dense, the slow truth", OPTION_CHOICE, AT(values.eigen_solver), 0, 0,
     "auto|dense", NULL},
    {0},
};

const option settings_switch_rows[] = {
    {0, "refine", NULL, "refine the borders on the photo's colours (default)", OPTION_SET, AT(values.refine), 0, 0,
     NULL, NULL},
    {0, "no-refine", NULL, "leave the borders as the features have them", OPTION_CLEAR, AT(values.refine), 0, 0, NULL,
     NULL},
    {0},
};

const option settings_refinement_rows[] = {
    {0, "iterations", "N", "0 .. 1000; default 30", OPTION_UNSIGNED, AT(values.iterations), 0, 1000, NULL, NULL},
    {0, "dilations", "D[,D...]", "distances of the neighbours, 1 .. 1024 pixels; default 1,2,4,8", OPTION_CUSTOM,
     AT(values), 0, 0, NULL, parse_dilations},
    {0, "median", "N", "side of the median filter, odd up to 15; 0 for none; default 3", OPTION_CUSTOM,
     AT(values.median), 0, 0, NULL, parse_median},
    {0, "refine-size", "N", "longer side to refine at; 0 for the photo's own; default 512", OPTION_UNSIGNED,
     AT(values.refine_size), 0, 65536, NULL, NULL},
    {0},
};

void settings_begin(settings_options *options, const diffcut_model *model) {
    diffcut_decode_limits limits;
    diffcut_decode_limits_init(&limits);
    diffcut_model_settings opening = options->opening;
    if (model == NULL) {
        diffcut_model_settings_init(&opening);
    }
    *options = (settings_options){.model = options->model, .opening = opening, .max_pixels = limits.max_pixels};
    diffcut_settings_init(&options->values, model);
}

/* --square takes its side from --size N, in either order. */
static int resolve_size(settings_options *options, const command *self) {
    diffcut_settings *values = &options->values;
    const settings_size *size = &options->size;
    if (options->square && size->given && size->mode != DIFFCUT_SIZE_LONG_SIDE) {
        return options_mistake(self, "--square needs one number as --size");
    }
    if (size->given) {
        values->size_mode = size->mode;
        if (size->mode == DIFFCUT_SIZE_LONG_SIDE) {
            values->size = size->width;
        } else if (size->mode == DIFFCUT_SIZE_EXACT) {
            values->size_width = size->width;
            values->size_height = size->height;
        }
    }
    if (options->square) {
        values->size_mode = DIFFCUT_SIZE_SQUARE;
    }
    return EXIT_DONE;
}

int settings_end(settings_options *options, const command *self) {
    const int result = resolve_size(options, self);
    if (result != EXIT_DONE) {
        return result;
    }
    if (options->taus.count == 0) {
        options->taus.values[0] = options->values.tau;
        options->taus.count = 1;
    }
    options->values.tau = 0;
    for (size_t i = 0; i < options->taus.count; i++) {
        if (options->taus.values[i] > options->values.tau) {
            options->values.tau = options->taus.values[i];
        }
    }
    diffcut_diagnostics diagnostics;
    if (diffcut_settings_check(&options->values, &diagnostics) != DIFFCUT_OK) {
        return options_mistake(self, "%s", diagnostics.message);
    }
    return EXIT_DONE;
}

diffcut_decode_limits settings_limits(const settings_options *options) {
    return (diffcut_decode_limits){.max_pixels = options->max_pixels};
}
