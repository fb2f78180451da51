/* vae_fixture.c - see vae_fixture.h. */
#include "vae_fixture.h"

#include "test.h"

#include "core/memory.h"
#include "nn/autoencoder.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WEIGHTS "vae/diffusion_pytorch_model.safetensors"

const char vae_kl_config[] =
    "{\"_class_name\": \"AutoencoderKL\", \"act_fn\": \"silu\", \"block_out_channels\": [16, 16, 24, 24],\n"
    " \"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\",\n"
    "  \"DownEncoderBlock2D\"], \"in_channels\": 3, \"latent_channels\": 4, \"latents_mean\": null,\n"
    " \"layers_per_block\": 1, \"norm_num_groups\": 8, \"scaling_factor\": 0.5, \"shift_factor\": null,\n"
    " \"mid_block_add_attention\": true, \"use_quant_conv\": true}\n";

const char vae_tiny_config[] =
    "{\"_class_name\": \"AutoencoderTiny\", \"act_fn\": \"relu\", \"encoder_block_out_channels\": [8, 8, 8, 8],\n"
    " \"in_channels\": 3, \"latent_channels\": 4, \"num_encoder_blocks\": [1, 2, 0, 1], \"scaling_factor\": 1.0}\n";

/* ------------------------------------------------------------------------------------------------- folders */

static void make_folder(char *path, size_t size) {
    const char *base = getenv("TMPDIR");
    int length = snprintf(path, size, "%s/diffcut-vae-XXXXXX", base != NULL && base[0] == '/' ? base : P_tmpdir);
    assert_true(length > 0 && (size_t)length < size);
    assert_non_null(mkdtemp(path));
}

static void join(char *out, size_t size, const char *folder, const char *name) {
    int length = snprintf(out, size, "%s/%s", folder, name);
    assert_true(length > 0 && (size_t)length < size);
}

static void write_file(const char *folder, const char *name, const void *data, size_t bytes) {
    char path[4096];
    join(path, sizeof path, folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void vae_remove(const char *path) {
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char *vae_replace(const char *config, const char *from, const char *to) {
    const char *place = strstr(config, from);
    assert_non_null(place);
    assert_null(strstr(place + 1, from));
    size_t size = strlen(config) + strlen(to) + 1;
    char *changed = calloc(size, 1);
    assert_non_null(changed);
    (void)snprintf(changed, size, "%.*s%s%s", (int)(place - config), config, to, place + strlen(from));
    return changed;
}

/* ------------------------------------------------------------------------------------------------- weights */

#define MAX_HEADER 65536

/* A safetensors file as it grows. */
typedef struct weights_file {
    char header[MAX_HEADER];
    size_t length;
    float *data;
    size_t elements;
    uint32_t random;
} weights_file;

/* Uniform in [-1, 1). */
static float draw(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U; /* Numerical Recipes' generator */
    return (float)(*state >> 8) / 8388608.0F - 1.0F;
}

static void add_tensor(weights_file *file, const char *prefix, const char *part, const char *kind,
                       const size_t *shape, size_t rank, float middle, float reach) {
    size_t count = 1;
    char sizes[64] = "";
    for (size_t i = 0; i < rank; i++) {
        count *= shape[i];
        size_t used = strlen(sizes);
        (void)snprintf(sizes + used, sizeof sizes - used, "%s%zu", i > 0 ? "," : "", shape[i]);
    }
    int added = snprintf(file->header + file->length, MAX_HEADER - file->length,
                         "%s\"%s%s.%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                         file->length > 1 ? "," : "", prefix, part, kind, sizes, file->elements * sizeof(float),
                         (file->elements + count) * sizeof(float));
    assert_true(added > 0 && file->length + (size_t)added < MAX_HEADER);
    file->length += (size_t)added;
    file->data = realloc(file->data, (file->elements + count) * sizeof(float));
    assert_non_null(file->data);
    for (size_t i = 0; i < count; i++) {
        file->data[file->elements + i] = middle + reach * draw(&file->random);
    }
    file->elements += count;
}

static diffcut_status add_need(void *user, const char *component, const char *prefix, const weight_need *need) {
    (void)component;
    weights_file *file = user;
    bool conv = need->form == WEIGHT_FORM_CONV3X3;
    size_t side = conv ? 3 : 1;
    const size_t shape[4] = {need->out, need->in, side, side};
    size_t rank = need->form == WEIGHT_FORM_NORM ? 1 : need->form == WEIGHT_FORM_PROJECTION ? 2 : 4;
    bool norm = need->form == WEIGHT_FORM_NORM;
    float reach = norm ? 0.3F : sqrtf(3.0F / ((float)need->in * (conv ? 9.0F : 1.0F)));
    add_tensor(file, prefix, need->parts[0], "weight", shape, rank, norm ? 1.0F : 0.0F, reach);
    if (need->bias) {
        add_tensor(file, prefix, need->parts[0], "bias", shape, 1, 0.0F, 0.2F);
    }
    return DIFFCUT_OK;
}

/* False when the configuration is none. */
static bool plan_of(const char *config, autoencoder_plan *plan) {
    diffcut_diagnostics diag;
    json_document document;
    if (json_parse(config, strlen(config), "config.json", &document, &diag) != DIFFCUT_OK) {
        return false;
    }
    diffcut_status status = strstr(config, "AutoencoderKL") != NULL
                                ? autoencoder_kl_plan(document.root, plan, &diag)
                                : autoencoder_tiny_plan(document.root, plan, &diag);
    json_document_free(&document);
    return status == DIFFCUT_OK;
}

void vae_make(const char *config, char *path, size_t size) {
    char folder[4096];
    autoencoder_plan plan;
    autoencoder *network;
    diffcut_diagnostics diag;
    make_folder(path, size);
    join(folder, sizeof folder, path, "vae");
    assert_int_equal(mkdir(folder, 0700), 0);
    write_file(path, AUTOENCODER_CONFIG, config, strlen(config));
    if (!plan_of(config, &plan)) {
        return;
    }
    assert_int_equal(autoencoder_open(NULL, NULL, &plan, &network, &diag), DIFFCUT_OK);
    weights_file *file = calloc(1, sizeof *file);
    assert_non_null(file);
    file->header[file->length++] = '{';
    file->random = 1;
    assert_int_equal(autoencoder_visit(network, add_need, file), DIFFCUT_OK);
    autoencoder_close(network);
    file->header[file->length++] = '}';
    size_t bytes = sizeof(uint64_t) + file->length + file->elements * sizeof(float);
    unsigned char *whole = calloc(bytes, 1);
    assert_non_null(whole);
    uint64_t length = file->length;
    memcpy(whole, &length, sizeof length);
    memcpy(whole + sizeof length, file->header, file->length);
    memcpy(whole + sizeof length + file->length, file->data, file->elements * sizeof(float));
    write_file(path, WEIGHTS, whole, bytes);
    free(whole);
    free(file->data);
    free(file);
}

void vae_poke(const char *path, const char *name, size_t index, float value) {
    diffcut_diagnostics diag;
    safetensors *file;
    assert_int_equal(safetensors_open(path, WEIGHTS, &file, &diag), DIFFCUT_OK);
    const safetensors_tensor *found = safetensors_find(file, name);
    const safetensors_tensor *first = safetensors_at(file, 0);
    assert_non_null(found);
    const unsigned char *start = first->data; /* of all tensors */
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const unsigned char *data = safetensors_at(file, i)->data;
        start = data < start ? data : start;
    }
    size_t place = (size_t)((const unsigned char *)found->data - start) + index * sizeof value;
    safetensors_close(file);
    char whole[4096];
    join(whole, sizeof whole, path, WEIGHTS);
    FILE *stream = fopen(whole, "r+b");
    uint64_t header;
    assert_non_null(stream);
    assert_int_equal(fread(&header, sizeof header, 1, stream), 1);
    assert_int_equal(fseek(stream, (long)(sizeof header + header + place), SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, stream), 1);
    assert_int_equal(fclose(stream), 0);
}

/* ------------------------------------------------------------------------------------------------- use */

diffcut_status vae_open(const char *path, const char *backend_name, uint32_t threads, vae *out) {
    *out = (vae){.diag = {.message = ""}};
    diffcut_diagnostics *diag = &out->diag;
    diffcut_status status = backend_open(backend_name, &out->backend, diag);
    if (status == DIFFCUT_OK) {
        status = out->backend->ops->stream_create(out->backend, threads, &out->stream, diag);
    }
    if (status == DIFFCUT_OK) {
        status = checkpoint_open_component(path, AUTOENCODER_COMPONENT, NULL, &out->source, diag);
    }
    if (status == DIFFCUT_OK) {
        const first_stage_wanted wanted = {.kind = FIRST_STAGE_OWN, .factor = 8, .channels = 4};
        status = first_stage_open(out->backend, &wanted, out->source, &out->stage, diag);
    }
    return status == DIFFCUT_OK ? first_stage_prepare(out->stage, diag) : status;
}

void vae_close(vae *self) {
    first_stage_close(self->stage);
    checkpoint_close(self->source);
    if (self->stream != NULL) {
        self->backend->ops->stream_destroy(self->stream);
    }
    if (self->backend != NULL) {
        self->backend->ops->close(self->backend);
    }
    *self = (vae){0};
}

float *vae_picture(uint32_t height, uint32_t width) {
    float *image = mem_array((size_t)height * width, 3 * sizeof *image);
    uint32_t random = 7;
    assert_non_null(image);
    for (size_t i = 0; i < (size_t)height * width * 3; i++) {
        float y = (float)(i / 3 / width);
        float x = (float)(i / 3 % width);
        float c = (float)(i % 3);
        image[i] = 0.5F + 0.3F * sinf(0.05F * x + c) * cosf(0.07F * y - c) + 0.1F * draw(&random);
    }
    return image;
}

float *vae_encode(vae *self, const float *image, uint32_t height, uint32_t width, uint32_t tile, size_t *elements) {
    const work w = {.threads = 2, .diag = &self->diag};
    float *latent = NULL;
    uint32_t h;
    uint32_t lw;
    uint32_t c;
    if (first_stage_encode(self->stage, self->stream, &w, image, height, width, tile, NULL, NULL, &latent, &h, &lw,
                           &c) != DIFFCUT_OK) {
        fail_msg("%s", self->diag.message);
    }
    assert_int_equal(h, height / 8);
    assert_int_equal(lw, width / 8);
    assert_int_equal(c, 4);
    *elements = (size_t)h * lw * c;
    return latent;
}
