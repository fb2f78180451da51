/*
 * label.c - diffcut label PHOTO...: segment, with the segments named from a list of classes by a CLIP.
 *
 * Everything but the names is segment's: photos, folders and lists in, one folder of results out. Label maps hold
 * classes in place of segments, the overlay has the names and a legend, the summary what each segment is most like.
 */
#include <stddef.h>

#include "commands.h"
#include "segment.h"

#define AT(field) offsetof(segment_options, field)

static const option_group groups[] = {
    {"Classes", naming_class_rows, AT(naming)},
    {"Naming", naming_clip_rows, AT(naming)},
    {"Input", segment_input_rows, 0},
    {"", settings_photo_rows, AT(settings)},
    {"Output", segment_output_rows, 0},
    {"Cut", settings_cut_rows, AT(settings)},
    {"Network input", settings_size_rows, AT(settings)},
    {"Features", settings_features_rows, AT(settings)},
    {"", settings_text_rows, AT(settings)},
    {"Refinement", settings_switch_rows, AT(settings)},
    {"", settings_refinement_rows, AT(settings)},
    {"Model", settings_model_rows, AT(settings)},
    {"", settings_opening_rows, AT(settings)},
    {"", settings_threads_rows, AT(settings)},
    {"", segment_batch_rows, 0},
    {"Messages", console_options, AT(says)},
    {NULL, NULL, 0},
};

static int run_label(const command *self, int argc, char **argv) {
    return segment_main(self, argc, argv, NULL, true);
}

const command command_label = {
    "label",
    "--clip PATH --classes LIST [OPTION]... PHOTO...",
    "photos to maps of named classes",
    "Splits photos into their regions as segment does and gives each the name from a list that a CLIP finds nearest. "
    "For rose.jpg the results are DIR/rose.png (each pixel's class, counted from 0 in the list's order), "
    "DIR/rose.overlay.png (named, with a legend) and DIR/rose.json (the segments' scores and five nearest classes). "
    "A "
    "last class called void is scored, but nothing is named by it.",
    groups,
    run_label,
};
