/* eval_photo.c - see eval_photo.h. */
#include "eval_photo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "photo.h"
#include "progress.h"

/* A photo at work. */
typedef struct job {
    eval_bench *bench;
    const diffcut_dataset_item *item;
    photo_bytes bytes;
    diffcut_eval_photo photo;
    diffcut_features *features; /* of the model; made when a setting first needs them */
    diffcut_features *colour;
    diffcut_tree *tree;      /* of the choices at hand; NULL for methods without one */
    diffcut_labels segments; /* of the choice at hand, at the size of comparison: what is refined and scored */
    diffcut_labels tokens;   /* which it was made of; empty where the method has none */
    double feature_seconds;
    diffcut_diagnostics *diagnostics;
} job;

static void free_job(job *j) {
    photo_bytes_free(&j->bytes);
    diffcut_eval_photo_free(&j->photo);
    diffcut_features_free(j->features);
    diffcut_features_free(j->colour);
    diffcut_tree_free(j->tree);
    diffcut_labels_free(&j->segments);
    diffcut_labels_free(&j->tokens);
}

/* Takes the session's message over. */
static diffcut_status after(job *j, diffcut_status status) {
    if (status != DIFFCUT_OK) {
        const char *message = diffcut_session_message(j->bench->session);
        (void)snprintf(j->diagnostics->message, sizeof j->diagnostics->message, "%s",
                       message[0] != '\0' ? message : diffcut_status_string(status));
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- reading */

static diffcut_status read_labels(job *j, diffcut_labels *out) {
    photo_bytes bytes = {0};
    diffcut_status status = photo_read_bytes(j->item->labels, &bytes, j->diagnostics);
    if (status == DIFFCUT_OK) {
        status =
            diffcut_decode_labels(bytes.data, bytes.size, j->item->labels, &j->bench->limits, out, j->diagnostics);
    }
    photo_bytes_free(&bytes);
    return status;
}

/* Every pixel of a label map has a meaning, also those that no comparison at 128 x 128 would look at. */
static diffcut_status check_labels(job *j, const diffcut_labels *labels) {
    diffcut_labels mapped = {0};
    const diffcut_status status = diffcut_protocol_map(j->bench->protocol, labels, &mapped, j->diagnostics);
    diffcut_labels_free(&mapped);
    return status;
}

/* Photo and labels, prepared. file is told which of the two is at fault. */
static diffcut_status load(job *j, char file[DIFFCUT_PATH_SIZE]) {
    diffcut_image image = {0};
    diffcut_labels labels = {0};
    (void)snprintf(file, DIFFCUT_PATH_SIZE, "%s", j->item->photo);
    diffcut_status status = photo_read_bytes(j->item->photo, &j->bytes, j->diagnostics);
    if (status == DIFFCUT_OK) {
        status = diffcut_decode_image(j->bytes.data, j->bytes.size, j->item->photo, &j->bench->limits, &image,
                                      j->diagnostics);
    }
    if (status == DIFFCUT_OK) {
        (void)snprintf(file, DIFFCUT_PATH_SIZE, "%s", j->item->labels);
        status = read_labels(j, &labels);
    }
    if (status == DIFFCUT_OK) {
        status = check_labels(j, &labels);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_eval_prepare(&image, &labels, &j->bench->preparation, &j->photo, j->diagnostics);
    }
    diffcut_image_free(&image);
    diffcut_labels_free(&labels);
    if (status == DIFFCUT_OK) {
        (void)snprintf(file, DIFFCUT_PATH_SIZE, "%s", j->item->photo);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- features */

/* A cache that cannot be written to is remarked on once and does not stop the run. */
static void keep_features(job *j, const diffcut_cache_key *key) {
    diffcut_diagnostics diagnostics;
    if (diffcut_cache_put(j->bench->cache, key, j->features, &diagnostics) != DIFFCUT_OK &&
        j->bench->cache_remark[0] == '\0') {
        (void)snprintf(j->bench->cache_remark, sizeof j->bench->cache_remark, "%s", diagnostics.message);
    }
}

static diffcut_status make_features(job *j) {
    eval_bench *b = j->bench;
    if (j->features != NULL) {
        return DIFFCUT_OK;
    }
    const double started = progress_clock();
    diffcut_cache_key key;
    diffcut_status status = diffcut_cache_key_make(b->fingerprint, &b->settings, j->bytes.data, j->bytes.size,
                                                   b->preparation_words, &key, j->diagnostics);
    if (status == DIFFCUT_OK && b->cache != NULL) {
        status = diffcut_cache_get(b->cache, &key, &j->features, j->diagnostics);
    }
    if (status == DIFFCUT_OK && j->features == NULL) {
        status = after(j, diffcut_features_compute(b->session, &j->photo.image, &b->settings, &j->features));
        if (status == DIFFCUT_OK && b->cache != NULL) {
            keep_features(j, &key);
        }
    }
    j->feature_seconds += progress_clock() - started;
    return status;
}

static diffcut_status features_of(job *j, diffcut_method method, const diffcut_features **out) {
    diffcut_status status = DIFFCUT_OK;
    if (method != DIFFCUT_METHOD_COLOUR) {
        status = make_features(j);
        *out = j->features;
        return status;
    }
    if (j->colour == NULL) {
        const eval_bench *b = j->bench;
        status = after(j, diffcut_features_from_colour(b->session, &j->photo.image, b->grid_width, b->grid_height,
                                                       1.0, &j->colour));
    }
    *out = j->colour;
    return status;
}

/* ------------------------------------------------------------------------------------------------- segments */

/* The largest tau that the choices from this one on ask of one tree: it is then built once. */
static double largest_tau(const eval_plan *plan, size_t index) {
    double tau = plan->choices[index].tau;
    for (size_t i = index + 1; eval_plan_continues(plan, i); i++) {
        tau = fmax(tau, plan->choices[i].tau);
    }
    return tau;
}

static diffcut_status build_tree(job *j, size_t index, const diffcut_features *features) {
    const eval_choice *c = &j->bench->plan->choices[index];
    if (j->tree != NULL && eval_plan_continues(j->bench->plan, index)) {
        return DIFFCUT_OK;
    }
    diffcut_tree_free(j->tree);
    j->tree = NULL;
    diffcut_settings settings = j->bench->settings;
    settings.alpha = c->alpha;
    settings.tau = largest_tau(j->bench->plan, index);
    return after(j, diffcut_tree_build(j->bench->session, features, &settings, &j->tree));
}

static diffcut_status cluster(job *j, const eval_choice *c, const diffcut_features *features, diffcut_labels *out) {
    diffcut_cluster_settings settings;
    diffcut_cluster_settings_init(&settings, c->method);
    settings.reference = j->bench->reference;
    if (c->k > 0 && c->method == DIFFCUT_METHOD_MASKCUT) {
        settings.masks = c->k;
    } else if (c->k > 0) {
        settings.clusters = c->k;
    }
    return after(j, diffcut_features_cluster(j->bench->session, features, &j->bench->settings, &settings, out));
}

/* The whole UNet's attention says more than its features: DiffSeg starts from the photo. */
static diffcut_status diffseg(job *j, diffcut_labels *out) {
    eval_bench *b = j->bench;
    diffcut_diffseg_settings settings;
    diffcut_diffseg_settings_init(&settings);
    settings.reference = b->reference;
    diffcut_labels labels = {0};
    const double started = progress_clock();
    diffcut_status status = after(j, diffcut_diffseg(b->session, &j->photo.image, &b->settings, &settings, &labels));
    j->feature_seconds += progress_clock() - started;
    if (status == DIFFCUT_OK) {
        status = diffcut_labels_resize(&labels, b->preparation.size, b->preparation.size, b->reference, out,
                                       j->diagnostics);
    }
    diffcut_labels_free(&labels);
    return status;
}

/* Objects of a token grid keep its steps, as published for these methods; segments of the others take their pixels by
 * concept. */
static diffcut_status enlarge(job *j, diffcut_method method, const diffcut_features *features,
                              const diffcut_labels *tokens, diffcut_labels *out) {
    const uint32_t size = j->bench->preparation.size;
    if (method == DIFFCUT_METHOD_TOKENCUT || method == DIFFCUT_METHOD_MASKCUT) {
        return diffcut_labels_resize(tokens, size, size, j->bench->reference, out, j->diagnostics);
    }
    return after(j, diffcut_labels_assign(j->bench->session, features, tokens, size, size, out));
}

static bool same_labels(const diffcut_labels *a, const diffcut_labels *b) {
    return a->data != NULL && b->data != NULL && a->width == b->width && a->height == b->height &&
           memcmp(a->data, b->data, (size_t)a->width * a->height * sizeof *a->data) == 0;
}

/* The choice's segments into j->segments; *unchanged when they are those of the choice before. */
static diffcut_status segment(job *j, size_t index, bool *unchanged) {
    const eval_choice *c = &j->bench->plan->choices[index];
    const bool continues = j->segments.data != NULL && eval_plan_continues(j->bench->plan, index);
    const bool tree = c->method == DIFFCUT_METHOD_DIFFCUT || c->method == DIFFCUT_METHOD_COLOUR;
    const diffcut_features *features = NULL;
    diffcut_labels tokens = {0};
    diffcut_labels made = {0};
    diffcut_status status = DIFFCUT_OK;
    *unchanged = continues && !tree; /* only the refinement differs */
    if (*unchanged) {
        return DIFFCUT_OK;
    }
    if (c->method == DIFFCUT_METHOD_DIFFSEG) {
        status = diffseg(j, &made);
    } else if (c->method == DIFFCUT_METHOD_MASKCLIP) {
        const uint32_t size = j->bench->preparation.size;
        status = naming_map(j->bench->naming, &j->photo.image, size, size, 0, &made, j->diagnostics);
    } else {
        status = features_of(j, c->method, &features);
        if (status == DIFFCUT_OK && tree) {
            status = build_tree(j, index, features);
        }
        if (status == DIFFCUT_OK) {
            status = tree ? after(j, diffcut_tree_cut(j->bench->session, j->tree, c->tau, &tokens))
                          : cluster(j, c, features, &tokens);
        }
        *unchanged = status == DIFFCUT_OK && continues && same_labels(&tokens, &j->tokens);
        if (status == DIFFCUT_OK && !*unchanged) {
            status = enlarge(j, c->method, features, &tokens, &made);
        }
    }
    if (status == DIFFCUT_OK && !*unchanged) {
        diffcut_labels_free(&j->segments);
        diffcut_labels_free(&j->tokens);
        j->segments = made;
        j->tokens = tokens;
        return DIFFCUT_OK;
    }
    diffcut_labels_free(&tokens);
    diffcut_labels_free(&made);
    return status;
}

/* ------------------------------------------------------------------------------------------------- scores */

/* The list's classes to the protocol's: a background is the list's first and the protocol's last. */
static void to_protocol(const eval_bench *b, diffcut_labels *labels) {
    const uint32_t classes = diffcut_protocol_class_count(b->protocol);
    if (diffcut_vocabulary_background(b->naming->vocabulary) == 0) {
        for (size_t i = 0; i < (size_t)labels->width * labels->height; i++) {
            labels->data[i] = labels->data[i] == 0 ? classes - 1 : labels->data[i] - 1;
        }
    }
    labels->count = classes;
}

/* Open vocabulary: segments, refined or not, then their names. MaskCLIP's are classes before they are refined. */
static diffcut_status finish_named(job *j, const eval_choice *c, diffcut_labels *out) {
    const eval_bench *b = j->bench;
    diffcut_labels refined = {0};
    named_segments named = {0};
    diffcut_status status =
        c->refine ? after(j, diffcut_eval_refine(b->session, &j->photo, &j->segments, &b->settings, &refined))
                  : diffcut_labels_create(j->segments.width, j->segments.height, j->segments.data, &refined,
                                          j->diagnostics);
    if (status == DIFFCUT_OK && c->method != DIFFCUT_METHOD_MASKCLIP) {
        status = naming_apply(b->naming, &j->photo.image, &refined, &named, j->diagnostics);
        if (status == DIFFCUT_OK) {
            diffcut_labels_free(&refined);
            refined = named.classes;
            named.classes = (diffcut_labels){0};
        }
    }
    named_segments_free(&named);
    if (status == DIFFCUT_OK) {
        to_protocol(b, &refined);
        *out = refined;
    } else {
        diffcut_labels_free(&refined);
    }
    return status;
}

/* What is compared: with refinement, background first and refined then, as the paper does. */
static diffcut_status finish(job *j, const eval_choice *c, diffcut_labels *out) {
    const bool refine = c->refine;
    diffcut_labels merged = {0};
    if (j->bench->naming != NULL) {
        return finish_named(j, c, out);
    }
    if (!refine) {
        return diffcut_labels_create(j->segments.width, j->segments.height, j->segments.data, out, j->diagnostics);
    }
    diffcut_status status =
        diffcut_protocol_merge_background(j->bench->protocol, &j->segments, &j->photo.truth, &merged, j->diagnostics);
    if (status == DIFFCUT_OK) {
        status = after(j, diffcut_eval_refine(j->bench->session, &j->photo, &merged, &j->bench->settings, out));
    }
    diffcut_labels_free(&merged);
    return status;
}

static diffcut_status measure(const job *j, bool refine, const diffcut_labels *prediction, diffcut_score_photo *out) {
    const eval_bench *b = j->bench;
    const diffcut_score_input input = {
        .name = j->item->name,
        .prediction = prediction,
        .truth = b->score.full_resolution ? &j->photo.truth_full : &j->photo.truth,
        .background_merged = refine,
        .named = b->naming != NULL,
    };
    return diffcut_score_measure(b->protocol, &b->score, &input, out, j->diagnostics);
}

/* FOLDER/<name of the setting>/<name of the photo>.png. */
static diffcut_status write_prediction(const job *j, const eval_choice *c, const diffcut_labels *prediction) {
    diffcut_buffer file = {0};
    text path = {0};
    text_print(&path, "%s/%s/%s.png", j->bench->predictions, c->name, j->item->name);
    diffcut_status status = diffcut_encode_labels_png(prediction, &file, j->diagnostics);
    if (status == DIFFCUT_OK) {
        const output_settings settings = {.folder = j->bench->predictions, .force = true};
        status = output_write(&settings, text_string(&path), file.data, file.size, j->diagnostics);
    }
    diffcut_buffer_free(&file);
    text_free(&path);
    return status;
}

static diffcut_status score_choice(job *j, size_t index, diffcut_buffer *out) {
    const eval_choice *c = &j->bench->plan->choices[index];
    diffcut_labels prediction = {0};
    diffcut_score_photo photo = {0};
    diffcut_status status = finish(j, c, &prediction);
    if (status == DIFFCUT_OK && j->bench->predictions != NULL) {
        status = write_prediction(j, c, &prediction);
    }
    if (status == DIFFCUT_OK) {
        status = measure(j, c->refine, &prediction, &photo);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_score_photo_encode(&photo, out, j->diagnostics);
    }
    diffcut_score_photo_free(&photo);
    diffcut_labels_free(&prediction);
    return status;
}

static diffcut_status copy_buffer(const diffcut_buffer *from, diffcut_buffer *out) {
    /* The library frees its buffers by free(): a copy of ours may be one too. */
    out->data = malloc(from->size > 0 ? from->size : 1);
    if (out->data == NULL) {
        return DIFFCUT_ERROR_MEMORY;
    }
    memcpy(out->data, from->data, from->size);
    out->size = from->size;
    return DIFFCUT_OK;
}

/* All settings. Those whose segments are the same as before's share its counts. */
static diffcut_status score_all(job *j, diffcut_buffer *scores) {
    const eval_plan *plan = j->bench->plan;
    size_t latest[2] = {SIZE_MAX, SIZE_MAX}; /* choice whose counts, unrefined and refined, are of j->segments */
    diffcut_status status = DIFFCUT_OK;
    for (size_t i = 0; i < plan->count && status == DIFFCUT_OK; i++) {
        bool unchanged = false;
        const int refine = plan->choices[i].refine ? 1 : 0;
        status = segment(j, i, &unchanged);
        if (status != DIFFCUT_OK) {
            break;
        }
        if (!unchanged) {
            latest[0] = latest[1] = SIZE_MAX;
        }
        if (latest[refine] != SIZE_MAX && j->bench->predictions == NULL) {
            status = copy_buffer(&scores[latest[refine]], &scores[i]);
        } else {
            status = score_choice(j, i, &scores[i]);
            latest[refine] = i;
        }
    }
    return status;
}

void eval_outcome_free(eval_outcome *outcome) {
    for (size_t i = 0; outcome->scores != NULL && i < outcome->count; i++) {
        diffcut_buffer_free(&outcome->scores[i]);
    }
    free(outcome->scores);
    *outcome = (eval_outcome){0};
}

/* "path: reason" to "reason": the file is told apart. */
static void drop_file(const char *file, diffcut_diagnostics *diagnostics) {
    const size_t length = strlen(file);
    char *message = diagnostics->message;
    if (length > 0 && strncmp(message, file, length) == 0 && message[length] == ':' && message[length + 1] == ' ') {
        memmove(message, message + length + 2, strlen(message + length + 2) + 1);
    }
}

diffcut_status eval_photo_score(eval_bench *bench, const diffcut_dataset_item *item, eval_outcome *out,
                                diffcut_diagnostics *diagnostics) {
    job j = {.bench = bench, .item = item, .diagnostics = diagnostics};
    *out = (eval_outcome){.count = bench->plan->count};
    out->scores = calloc(out->count, sizeof *out->scores);
    diffcut_status status = out->scores != NULL ? load(&j, out->file) : DIFFCUT_ERROR_MEMORY;
    if (status == DIFFCUT_OK) {
        const double started = progress_clock();
        diffcut_session_reset_times(bench->session);
        status = score_all(&j, out->scores);
        double stages[DIFFCUT_STAGE_COUNT];
        diffcut_session_times(bench->session, stages);
        out->cut_seconds = stages[DIFFCUT_STAGE_AFFINITY] + stages[DIFFCUT_STAGE_CUT];
        out->seconds = progress_clock() - started - j.feature_seconds - out->cut_seconds;
    }
    if (status == DIFFCUT_ERROR_MEMORY && diagnostics->message[0] == '\0') {
        (void)snprintf(diagnostics->message, sizeof diagnostics->message, "out of memory");
    }
    drop_file(out->file, diagnostics);
    free_job(&j);
    return status;
}

/* ------------------------------------------------------------------------------------------------- coherence */

diffcut_status eval_photo_features(eval_bench *bench, const diffcut_dataset_item *item, diffcut_method kind,
                                   diffcut_features **features, diffcut_labels *truth,
                                   diffcut_diagnostics *diagnostics) {
    job j = {.bench = bench, .item = item, .diagnostics = diagnostics};
    char file[DIFFCUT_PATH_SIZE];
    const diffcut_features *made = NULL;
    diffcut_status status = load(&j, file);
    if (status == DIFFCUT_OK) {
        status = features_of(&j, kind, &made);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_protocol_map(bench->protocol, &j.photo.truth_full, truth, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        diffcut_features **const owner = made == j.colour ? &j.colour : &j.features;
        *features = *owner;
        *owner = NULL;
    }
    free_job(&j);
    return status;
}

/* ------------------------------------------------------------------------------------------------- pictures */

/* The prediction by the classes its segments were matched to. */
static diffcut_status class_map(const diffcut_labels *prediction, const diffcut_score_photo *photo, uint32_t classes,
                                diffcut_labels *out, diffcut_diagnostics *diagnostics) {
    const diffcut_status status =
        diffcut_labels_create(prediction->width, prediction->height, prediction->data, out, diagnostics);
    for (size_t i = 0; status == DIFFCUT_OK && i < (size_t)out->width * out->height; i++) {
        const uint32_t label = out->data[i];
        const int32_t class = label < photo->labels ? photo->class_of[label] : -1;
        out->data[i] = class >= 0 ? (uint32_t) class : classes;
    }
    if (status == DIFFCUT_OK) {
        out->count = classes + 1;
    }
    return status;
}

static diffcut_status small_image(const diffcut_eval_photo *photo, diffcut_image *out,
                                  diffcut_diagnostics *diagnostics) {
    const size_t count = (size_t)photo->size * photo->size * 3;
    uint8_t *rgb = malloc(count > 0 ? count : 1);
    if (rgb == NULL) {
        return DIFFCUT_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        rgb[i] = (uint8_t)lrintf(photo->small[i] * 255.0F);
    }
    const diffcut_status status = diffcut_image_create(photo->size, photo->size, rgb, out, diagnostics);
    free(rgb);
    return status;
}

diffcut_status eval_photo_picture(eval_bench *bench, const diffcut_dataset_item *item, size_t setting,
                                  eval_picture *out, diffcut_diagnostics *diagnostics) {
    job j = {.bench = bench, .item = item, .diagnostics = diagnostics};
    const bool refine = bench->plan->choices[setting].refine;
    const uint32_t classes = diffcut_protocol_class_count(bench->protocol);
    char file[DIFFCUT_PATH_SIZE];
    bool unchanged = false;
    diffcut_labels prediction = {0};
    diffcut_score_photo photo = {0};
    eval_picture picture = {0};
    diffcut_status status = load(&j, file);
    if (status == DIFFCUT_OK) {
        status = segment(&j, setting, &unchanged);
    }
    if (status == DIFFCUT_OK) {
        status = finish(&j, &bench->plan->choices[setting], &prediction);
    }
    if (status == DIFFCUT_OK) {
        status = measure(&j, refine, &prediction, &photo);
    }
    if (status == DIFFCUT_OK) {
        status = class_map(&prediction, &photo, classes, &picture.prediction, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = diffcut_protocol_map(bench->protocol, &j.photo.truth, &picture.truth, diagnostics);
    }
    if (status == DIFFCUT_OK) {
        status = small_image(&j.photo, &picture.image, diagnostics);
    }
    diffcut_labels_free(&prediction);
    diffcut_score_photo_free(&photo);
    free_job(&j);
    if (status != DIFFCUT_OK) {
        diffcut_image_free(&picture.image);
        diffcut_labels_free(&picture.prediction);
        diffcut_labels_free(&picture.truth);
        return status;
    }
    *out = picture;
    return DIFFCUT_OK;
}
