/*
 * model.c - diffcut model info [PATH]: what is known of a checkpoint.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "engine.h"

typedef struct model_options {
    settings_options settings;
    console says;
    bool json;
    bool hooks;
} model_options;

#define AT(field) offsetof(model_options, field)

static const option json_rows[] = {
    {0, "json", NULL, "as one JSON object", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0, "hooks", NULL, "list the modules that --hook takes, with their channels and grid", OPTION_SET, AT(hooks), 0,
     0, NULL, NULL},
    {0},
};

static const option_group groups[] = {
    {"Options", json_rows, 0},
    {"", settings_opening_rows, AT(settings)},
    {"", console_options, AT(says)},
    {NULL, NULL, 0},
};

/* What only an image encoder has. */
static void print_encoder(const diffcut_encoder_info *info, text *out) {
    text_print(out, "images        (x - [%g %g %g]) / [%g %g %g]\n", (double)info->mean[0], (double)info->mean[1],
               (double)info->mean[2], (double)info->deviation[0], (double)info->deviation[1],
               (double)info->deviation[2]);
    if (info->embedding > 0) {
        text_print(out, "embeddings    %u channels", info->embedding);
        if (info->logit_scale > 0.0F) {
            text_print(out, ", logit scale %g", (double)info->logit_scale);
        }
        text_add(out, "\n");
    }
    if (info->has_text) {
        text_print(out, "texts         %u tokens%s\n", info->text_length,
                   info->has_tokenizer ? "" : ", no vocab.json and merges.txt (--tokenizer)");
    } else if (info->embedding > 0) {
        text_add(out, "texts         no text tower\n");
    }
}

static void print_people(const diffcut_model *model, const diffcut_model_info *info, text *out) {
    diffcut_encoder_info encoder;
    const bool is_encoder = diffcut_model_get_encoder_info(model, &encoder);
    text_print(out, "name          %s\n", info->name);
    text_print(out, "path          %s\n", info->path);
    text_print(out, "layout        %s%s%s%s\n", info->layout, info->variant[0] != '\0' ? ", variant " : "",
               info->variant, info->cached ? ", in the Hugging Face cache" : "");
    text_print(out, "licence       %s%s%s\n", info->license[0] != '\0' ? info->license : "not stated",
               info->license_file[0] != '\0' ? ", see " : "", info->license_file);
    text_print(out, "family        %s\n", info->family);
    if (is_encoder) {
        print_encoder(&encoder, out);
    } else {
        text_print(out, "first stage   %s\n", info->first_stage);
    }
    if (info->text_encoders_needed > 0) {
        text_print(out, "text          %u of %u text encoders\n", info->text_encoders, info->text_encoders_needed);
    }
    text_print(out, "backend       %s\n", info->backend);
    text_print(out, "precision     %s\n", info->precision);
    text_print(out, "weights       %s, %.1f MB needed of %.1f MB\n", info->dtype, (double)info->bytes_needed / 1e6,
               (double)info->bytes_total / 1e6);
    text_print(out, "parameters    %.2f M needed of %.2f M\n", (double)info->parameters_needed / 1e6,
               (double)info->parameters_total / 1e6);
    text_print(out, "size          %u (sides are rounded to multiples of %u pixels)\n", info->size, info->multiple);
    if (!is_encoder) {
        text_print(out, "timestep      %d\n", info->timestep);
    }
    text_print(out, "hook          %s\n", info->hook);
    text_print(out, "features      %u channels, one token per %ux%u pixels of input\n", info->feature_channels,
               info->feature_stride, info->feature_stride);
    text_add(out, "alpha         ");
    text_add_real(out, info->alpha);
    text_add(out, "\ntau           ");
    text_add_real(out, info->tau);
    text_add(out, "\n");
}

static void add_string(text *out, const char *key, const char *value) {
    text_print(out, "\"%s\": ", key);
    json_string(out, value);
    text_add(out, ", ");
}

static void print_json(const diffcut_model_info *info, text *out) {
    text_add(out, "{");
    add_string(out, "name", info->name);
    add_string(out, "path", info->path);
    add_string(out, "family", info->family);
    add_string(out, "first_stage", info->first_stage);
    add_string(out, "backend", info->backend);
    add_string(out, "precision", info->precision);
    add_string(out, "dtype", info->dtype);
    add_string(out, "hook", info->hook);
    text_print(out, "\"size\": %u, \"multiple\": %u, \"timestep\": %d, \"alpha\": ", info->size, info->multiple,
               info->timestep);
    text_add_real(out, info->alpha);
    text_add(out, ", \"tau\": ");
    text_add_real(out, info->tau);
    text_print(out,
               ", \"parameters_needed\": %" PRIu64 ", \"parameters_total\": %" PRIu64 ", \"bytes_needed\": %" PRIu64
               ", \"feature_channels\": %u, \"feature_stride\": %u, \"bytes_total\": %" PRIu64 ", ",
               info->parameters_needed, info->parameters_total, info->bytes_needed, info->feature_channels,
               info->feature_stride, info->bytes_total);
    add_string(out, "layout", info->layout);
    add_string(out, "variant", info->variant);
    add_string(out, "license", info->license);
    add_string(out, "license_file", info->license_file);
    text_print(out, "\"cached\": %s, \"text_encoders\": %u, \"text_encoders_needed\": %u}\n",
               info->cached ? "true" : "false", info->text_encoders, info->text_encoders_needed);
}

/* One a line: name, channels, the grid at the default size if that is square, pixels of input per token. */
static void print_hooks(const diffcut_model *model, const diffcut_model_info *info, text *out) {
    diffcut_hook_info hook;
    for (size_t i = 0; diffcut_model_hook(model, i, &hook); i++) {
        const uint32_t side = info->size / hook.stride;
        text_print(out, "%-64s %5u channels, %ux%u tokens at %u, one per %ux%u pixels\n", hook.name, hook.channels,
                   side, side, info->size, hook.stride, hook.stride);
    }
}

static void print_hooks_json(const diffcut_model *model, text *out) {
    diffcut_hook_info hook;
    text_add(out, "{\"hooks\": [");
    for (size_t i = 0; diffcut_model_hook(model, i, &hook); i++) {
        text_add(out, i > 0 ? ", {" : "{");
        add_string(out, "name", hook.name);
        text_print(out, "\"channels\": %u, \"stride\": %u}", hook.channels, hook.stride);
    }
    text_add(out, "]}\n");
}

static int show(const model_options *o, const char *path) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_model *model = NULL;
    if (diffcut_model_open(path, &o->settings.opening, &model, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    text out = {0};
    if (o->hooks && o->json) {
        print_hooks_json(model, &out);
    } else if (o->hooks) {
        print_hooks(model, &info, &out);
    } else if (o->json) {
        print_json(&info, &out);
    } else {
        print_people(model, &info, &out);
    }
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
    diffcut_model_release(model);
    return EXIT_DONE;
}

static int run_model_info(const command *self, int argc, char **argv) {
    model_options options = {.json = false};
    const engine_target target = {&options, &options.settings};
    const int status = engine_parse_model(self, argc, argv, target);
    return status < 0 ? show(&options, options.settings.model) : status;
}

const command command_model_info = {
    "model info",
    "[OPTION]... [PATH]",
    "what is known of a checkpoint",
    "Opens a checkpoint folder, checks its files and shows what it is and its defaults. Without PATH, the embedded "
    "model.",
    groups,
    run_model_info,
};
