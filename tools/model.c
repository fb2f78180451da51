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
} model_options;

#define AT(field) offsetof(model_options, field)

static const option backend_rows[] = {
    {0, "json", NULL, "as one JSON object", OPTION_SET, AT(json), 0, 0, NULL, NULL},
    {0, "backend", "NAME", "cpu (default) or ref, the plain C one", OPTION_STRING, AT(settings.backend), 0, 0, NULL,
     NULL},
    {0, "precision", "P",
     "auto (default), f32 or bf16: the UNet's products; auto: bf16 for large models where the processor has it",
     OPTION_CHOICE, AT(settings.precision), 0, 0, "auto|f32|bf16", NULL},
    {0},
};

static const option_group groups[] = {
    {"Options", backend_rows, 0},
    {"", console_options, AT(says)},
    {NULL, NULL, 0},
};

static void print_people(const diffcut_model_info *info, text *out) {
    text_print(out, "name          %s\n", info->name);
    text_print(out, "path          %s\n", info->path);
    text_print(out, "family        %s\n", info->family);
    text_print(out, "first stage   %s\n", info->first_stage);
    text_print(out, "backend       %s\n", info->backend);
    text_print(out, "precision     %s\n", info->precision);
    text_print(out, "weights       %s, %.1f MB needed\n", info->dtype, (double)info->bytes_needed / 1e6);
    text_print(out, "parameters    %.2f M needed of %.2f M\n", (double)info->parameters_needed / 1e6,
               (double)info->parameters_total / 1e6);
    text_print(out, "size          %u (sides are multiples of %u pixels)\n", info->size, info->multiple);
    text_print(out, "timestep      %d\n", info->timestep);
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
               ", \"feature_channels\": %u, \"feature_stride\": %u}\n",
               info->parameters_needed, info->parameters_total, info->bytes_needed, info->feature_channels,
               info->feature_stride);
}

static int show(const model_options *o, const char *path) {
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_model_settings settings;
    diffcut_model_settings_init(&settings);
    if (o->settings.backend != NULL) {
        settings.backend = o->settings.backend;
    }
    settings.precision = o->settings.precision;
    diffcut_model *model = NULL;
    if (diffcut_model_open(path, &settings, &model, &diagnostics) != DIFFCUT_OK) {
        return engine_failed(&o->says, NULL, diagnostics.message);
    }
    diffcut_model_info info;
    diffcut_model_get_info(model, &info);
    text out = {0};
    if (o->json) {
        print_json(&info, &out);
    } else {
        print_people(&info, &out);
    }
    (void)fputs(text_string(&out), stdout);
    text_free(&out);
    diffcut_model_release(model);
    return EXIT_DONE;
}

static int run_model_info(const command *self, int argc, char **argv) {
    model_options options = {.json = false};
    arguments paths = {0};
    const engine_target target = {&options, &options.settings};
    int status = engine_parse(self, argc, argv, target, &paths);
    if (status < 0 && paths.count > 1) {
        status = options_mistake(self, "more than one model given");
    }
    if (status < 0) {
        status = show(&options, paths.count == 1 ? paths.items[0] : NULL);
    }
    arguments_free(&paths);
    return status;
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
