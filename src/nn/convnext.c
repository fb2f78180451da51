/* convnext.c - see convnext.h: shape, life and weights; the run is in convnext_run.c. */
#include "nn/convnext_internal.h"

#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COMPONENT "encoder"

/* ------------------------------------------------------------------------------------------------- shape */

/* The tensor of this name below the trunk; NULL when there is none. */
__attribute__((format(printf, 2, 3))) static const safetensors_tensor *look(const checkpoint *source,
                                                                            const char *format, ...) {
    char name[CONVNEXT_NAME_SIZE + 16] = CONVNEXT_TRUNK;
    size_t used = strlen(name);
    const safetensors_tensor *found;
    const char *file;
    diffcut_diagnostics ignored;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name + used, sizeof name - used, format, args);
    va_end(args);
    return checkpoint_find(source, COMPONENT, name, &found, &file, &ignored) == DIFFCUT_OK ? found : NULL;
}

/* A side of a tensor that has `rank` of them, all between 1 and max; else 0. */
static uint32_t side_of(const safetensors_tensor *stored, size_t rank, size_t index, uint32_t max) {
    bool fits = stored != NULL && stored->rank == rank && stored->shape[index] <= max;
    return fits ? (uint32_t)stored->shape[index] : 0;
}

/* Blocks of a stage, counted; its widths from the first. */
static void read_stage(const checkpoint *source, uint32_t stage, convnext_shape *shape) {
    const safetensors_tensor *depthwise = look(source, "stages.%u.blocks.0.conv_dw.weight", stage);
    const safetensors_tensor *up = look(source, "stages.%u.blocks.0.mlp.fc1.weight", stage);
    uint32_t depth = 0;
    while (depth <= CONVNEXT_MAX_BLOCKS && look(source, "stages.%u.blocks.%u.conv_dw.weight", stage, depth) != NULL) {
        depth++;
    }
    shape->depths[stage] = depth;
    shape->widths[stage] = side_of(depthwise, 4, 0, CONVNEXT_MAX_WIDTH);
    shape->wide[stage] = up != NULL ? side_of(up, up->rank, 0, 8 * CONVNEXT_MAX_WIDTH) : 0;
}

static diffcut_status read_shape(const checkpoint *source, convnext_shape *out, diffcut_diagnostics *diag) {
    convnext_shape shape = {.stages = 0};
    const safetensors_tensor *stem = look(source, "stem.0.weight");
    const safetensors_tensor *first = look(source, "stages.0.blocks.0.conv_dw.weight");
    if (stem == NULL || first == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "the trunk is no ConvNeXt: tensor " CONVNEXT_TRUNK "%s is missing",
                         stem == NULL ? "stem.0.weight" : "stages.0.blocks.0.conv_dw.weight");
    }
    if (side_of(look(source, "stem.1.weight"), 1, 0, CONVNEXT_MAX_WIDTH) == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "the trunk's stem is not one convolution and a norm, which alone is built");
    }
    if (look(source, "stages.0.blocks.0.mlp.grn.weight") != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "the trunk has global response norms (ConvNeXt V2), which are not built");
    }
    shape.stem = side_of(stem, 4, 2, 16);
    shape.kernel = side_of(first, 4, 2, 31);
    shape.scaled = look(source, "stages.0.blocks.0.gamma") != NULL;
    while (shape.stages < CONVNEXT_MAX_STAGES &&
           look(source, "stages.%u.blocks.0.conv_dw.weight", shape.stages) != NULL) {
        read_stage(source, shape.stages, &shape);
        shape.stages++;
    }
    if (shape.stem == 0 || shape.kernel % 2 == 0) {
        return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                         "the trunk is no ConvNeXt: its stem's kernel is %u, its depthwise ones' %u", shape.stem,
                         shape.kernel);
    }
    for (uint32_t i = 0; i < shape.stages; i++) {
        if (shape.widths[i] == 0 || shape.wide[i] == 0 || shape.depths[i] > CONVNEXT_MAX_BLOCKS) {
            return diag_fail(diag, DIFFCUT_ERROR_MODEL,
                             "the trunk is no ConvNeXt: stage %u has %u blocks of %u channels, %u within", i,
                             shape.depths[i], shape.widths[i], shape.wide[i]);
        }
    }
    *out = shape;
    return DIFFCUT_OK;
}

const convnext_shape *convnext_get_shape(const convnext *self) {
    return &self->shape;
}

uint32_t convnext_stride(const convnext *self) {
    return self->shape.stem << (self->shape.stages - 1);
}

uint32_t convnext_channels(const convnext *self) {
    return self->shape.widths[self->shape.stages - 1];
}

/* ------------------------------------------------------------------------------------------------- needs */

static void block_prefix(uint32_t stage, uint32_t block, char out[CONVNEXT_NAME_SIZE]) {
    (void)snprintf(out, CONVNEXT_NAME_SIZE, CONVNEXT_TRUNK "stages.%u.blocks.%u.", stage, block);
}

/* Some versions of timm keep the feed-forward's layers as 1x1 convolutions. */
static void block_needs(const convnext *self, uint32_t stage, weight_need needs[CONVNEXT_BLOCK_SLOTS]) {
    const convnext_shape *shape = &self->shape;
    uint32_t c = shape->widths[stage];
    uint32_t wide = shape->wide[stage];
    needs[CONVNEXT_DEPTHWISE] = (weight_need){
        .parts = {"conv_dw"}, .form = WEIGHT_FORM_DEPTHWISE, .out = c, .kernel = shape->kernel, .bias = true};
    needs[CONVNEXT_NORM] = (weight_need){.parts = {"norm"}, .form = WEIGHT_FORM_NORM, .out = c, .bias = true};
    needs[CONVNEXT_UP] = (weight_need){.parts = {"mlp.fc1"},
                                       .form = WEIGHT_FORM_PROJECTION,
                                       .out = wide,
                                       .in = c,
                                       .bias = true,
                                       .precision = self->precision};
    needs[CONVNEXT_DOWN] = (weight_need){.parts = {"mlp.fc2"},
                                         .form = WEIGHT_FORM_PROJECTION,
                                         .out = c,
                                         .in = wide,
                                         .bias = true,
                                         .precision = self->precision,
                                         .scale = shape->scaled ? "gamma" : NULL};
}

/* The stem, or what stands before a later stage, and its prefix. */
static void entry_needs(const convnext *self, uint32_t stage, weight_need needs[CONVNEXT_ENTRY_SLOTS],
                        char prefix[CONVNEXT_NAME_SIZE]) {
    const convnext_shape *shape = &self->shape;
    bool stem = stage == 0;
    uint32_t c = shape->widths[stage];
    uint32_t in = stem ? 3 : shape->widths[stage - 1];
    uint32_t side = stem ? shape->stem : 2;
    if (stem) {
        (void)snprintf(prefix, CONVNEXT_NAME_SIZE, CONVNEXT_TRUNK "stem.");
    } else {
        (void)snprintf(prefix, CONVNEXT_NAME_SIZE, CONVNEXT_TRUNK "stages.%u.downsample.", stage);
    }
    needs[CONVNEXT_ENTRY_NORM] =
        (weight_need){.parts = {stem ? "1" : "0"}, .form = WEIGHT_FORM_NORM, .out = stem ? c : in, .bias = true};
    needs[CONVNEXT_ENTRY_CONV] = (weight_need){.parts = {stem ? "0" : "1"},
                                               .form = WEIGHT_FORM_CONV,
                                               .out = c,
                                               .in = in,
                                               .kernel = side,
                                               .bias = true,
                                               .stride = side};
}

diffcut_status convnext_visit(const convnext *self, weight_visit_fn visit, void *user) {
    diffcut_status status = DIFFCUT_OK;
    char prefix[CONVNEXT_NAME_SIZE];
    for (uint32_t s = 0; s < self->shape.stages && status == DIFFCUT_OK; s++) {
        weight_need entry[CONVNEXT_ENTRY_SLOTS];
        weight_need needs[CONVNEXT_BLOCK_SLOTS];
        entry_needs(self, s, entry, prefix);
        block_needs(self, s, needs);
        status = weights_visit(COMPONENT, prefix, entry, CONVNEXT_ENTRY_SLOTS, visit, user);
        for (uint32_t b = 0; b < self->shape.depths[s] && status == DIFFCUT_OK; b++) {
            block_prefix(s, b, prefix);
            status = weights_visit(COMPONENT, prefix, needs, CONVNEXT_BLOCK_SLOTS, visit, user);
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------- life */

diffcut_status convnext_open(backend *target, const checkpoint *source, float eps, convnext **out,
                             diffcut_diagnostics *diag) {
    convnext_shape shape;
    diffcut_status status = read_shape(source, &shape, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    convnext *self = mem_array_zero(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "an image encoder");
    }
    *self = (convnext){.backend = target, .source = source, .shape = shape, .eps = eps};
    for (uint32_t s = 0; s < shape.stages; s++) {
        self->stages[s].blocks = mem_array_zero(shape.depths[s], sizeof *self->stages[s].blocks);
        if (self->stages[s].blocks == NULL) {
            convnext_close(self);
            return diag_no_memory(diag, shape.depths[s] * sizeof(convnext_block), "an image encoder");
        }
    }
    *out = self;
    return DIFFCUT_OK;
}

void convnext_close(convnext *self) {
    if (self == NULL) {
        return;
    }
    for (uint32_t s = 0; s < self->shape.stages; s++) {
        convnext_stage *stage = &self->stages[s];
        weights_destroy(self->backend, stage->entry, CONVNEXT_ENTRY_SLOTS);
        for (uint32_t b = 0; stage->blocks != NULL && b < self->shape.depths[s]; b++) {
            weights_destroy(self->backend, stage->blocks[b].weights, CONVNEXT_BLOCK_SLOTS);
        }
        mem_free(stage->blocks);
    }
    mem_free(self);
}

void convnext_set_precision(convnext *self, dtype precision) {
    self->precision = precision;
}

diffcut_status convnext_prepare(convnext *self, diffcut_diagnostics *diag) {
    diffcut_status status = DIFFCUT_OK;
    char prefix[CONVNEXT_NAME_SIZE];
    for (uint32_t s = 0; s < self->shape.stages && !self->prepared && status == DIFFCUT_OK; s++) {
        weight_need entry[CONVNEXT_ENTRY_SLOTS];
        weight_need needs[CONVNEXT_BLOCK_SLOTS];
        entry_needs(self, s, entry, prefix);
        block_needs(self, s, needs);
        status = weights_load(self->source, COMPONENT, prefix, entry, CONVNEXT_ENTRY_SLOTS, self->backend,
                              self->stages[s].entry, diag);
        for (uint32_t b = 0; b < self->shape.depths[s] && status == DIFFCUT_OK; b++) {
            block_prefix(s, b, prefix);
            status = weights_load(self->source, COMPONENT, prefix, needs, CONVNEXT_BLOCK_SLOTS, self->backend,
                                  self->stages[s].blocks[b].weights, diag);
        }
    }
    self->prepared = status == DIFFCUT_OK;
    return status;
}
