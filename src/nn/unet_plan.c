/* unet_plan.c - see unet_plan.h. The structure is that of diffusers' UNet2DConditionModel, down to its names. */
#include "nn/unet_plan.h"

#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- steps */

/* Steps of an attention module: in, three for each transformer block, out. */
static size_t attention_steps(uint32_t depth) {
    return 2 + 3 * (size_t)depth;
}

/* Of the middle block and the decoder. */
static size_t count_decoder_steps(const unet_config *config) {
    const unet_decoder_config *decoder = &config->decoder;
    if (decoder->block_count == 0) {
        return 0;
    }
    size_t count = 1 + (decoder->middle ? 1 : 0); /* conv_out, a resnet */
    if (decoder->middle_attention) {
        count += attention_steps(config->blocks[config->block_count - 1].depth[0]) + 1;
    }
    for (uint32_t i = 0; i < decoder->block_count; i++) {
        count += decoder->layers[i] + (i + 1 < decoder->block_count ? 1 : 0);
        for (uint32_t j = 0; decoder->attention[i] && j < decoder->layers[i]; j++) {
            count += attention_steps(decoder->depth[i][j]);
        }
    }
    return count;
}

static size_t count_steps(const unet_config *config) {
    size_t count = 2 + count_decoder_steps(config); /* time and conv_in */
    for (uint32_t i = 0; i < config->block_count; i++) {
        const unet_block_config *block = &config->blocks[i];
        count += block->layers + (block->downsample ? 1 : 0);
        for (uint32_t j = 0; block->attention && j < block->layers; j++) {
            count += attention_steps(block->depth[j]);
        }
    }
    return count;
}

/* Appends a step; count_steps has made room. */
__attribute__((format(printf, 5, 6))) static unet_step *append(unet_plan *plan, unet_step_kind kind, uint32_t in,
                                                               uint32_t out, const char *name, ...) {
    unet_step *step = &plan->steps[plan->count++];
    *step = (unet_step){.kind = kind, .in = in, .out = out};
    va_list args;
    va_start(args, name);
    (void)vsnprintf(step->name, sizeof step->name, name, args);
    va_end(args);
    return step;
}

/* block.attentions.j: one transformer over the grid's positions, with the heads and width of a down block. */
static void append_attention(unet_plan *plan, const char *name, uint32_t j, const unet_block_config *block,
                             uint32_t depth) {
    uint32_t c = block->channels;
    size_t first = plan->count;
    append(plan, UNET_TRANSFORMER_IN, c, c, "%s.attentions.%u", name, j);
    for (uint32_t k = 0; k < depth; k++) {
        for (unet_step_kind kind = UNET_SELF_ATTENTION; kind <= UNET_FEED_FORWARD; kind++) {
            append(plan, kind, c, c, "%s.attentions.%u.transformer_blocks.%u", name, j, k);
        }
    }
    append(plan, UNET_TRANSFORMER_OUT, c, c, "%s.attentions.%u", name, j);
    for (size_t s = first; s < plan->count; s++) {
        plan->steps[s].heads = block->heads;
        plan->steps[s].context = block->context_channels;
        plan->steps[s].linear = plan->config.linear_projection;
    }
}

static void append_block(unet_plan *plan, uint32_t i, uint32_t in) {
    const unet_block_config *block = &plan->config.blocks[i];
    uint32_t c = block->channels;
    char name[32];
    (void)snprintf(name, sizeof name, "down_blocks.%u", i);
    for (uint32_t j = 0; j < block->layers; j++) {
        append(plan, UNET_RESNET, j == 0 ? in : c, c, "%s.resnets.%u", name, j);
        if (block->attention) {
            append_attention(plan, name, j, block, block->depth[j]);
        }
        plan->steps[plan->count - 1].skip = true;
    }
    if (block->downsample) {
        append(plan, UNET_DOWNSAMPLE, c, c, "%s.downsamplers.0", name)->skip = true;
    }
}

static void append_middle(unet_plan *plan) {
    const unet_block_config *last = &plan->config.blocks[plan->config.block_count - 1];
    uint32_t c = last->channels;
    append(plan, UNET_RESNET, c, c, "mid_block.resnets.0");
    if (plan->config.decoder.middle_attention) {
        append_attention(plan, "mid_block", 0, last, last->depth[0]);
        append(plan, UNET_RESNET, c, c, "mid_block.resnets.1");
    }
}

/* Each layer's resnet takes the activation so far and beside it the encoder's outputs, from the last to the first:
 * those of the mirrored down block, and at last that of the block above it, which its downsampler or conv_in left. */
static void append_up_block(unet_plan *plan, uint32_t i, uint32_t in) {
    const unet_decoder_config *decoder = &plan->config.decoder;
    uint32_t mirror = decoder->block_count - 1 - i;
    const unet_block_config *block = &plan->config.blocks[mirror];
    uint32_t c = block->channels;
    uint32_t above = plan->config.blocks[mirror > 0 ? mirror - 1 : 0].channels;
    char name[32];
    (void)snprintf(name, sizeof name, "up_blocks.%u", i);
    for (uint32_t j = 0; j < decoder->layers[i]; j++) {
        uint32_t skipped = j + 1 == decoder->layers[i] ? above : c;
        uint32_t hidden = j == 0 ? in : c;
        append(plan, UNET_RESNET, hidden + skipped, c, "%s.resnets.%u", name, j)->skipped = skipped;
        if (decoder->attention[i]) {
            append_attention(plan, name, j, block, decoder->depth[i][j]);
        }
    }
    if (mirror > 0) {
        append(plan, UNET_UPSAMPLE, c, c, "%s.upsamplers.0", name);
    }
}

static void set_level(unet_plan *plan, size_t first, uint32_t level) {
    for (size_t s = first; s < plan->count; s++) {
        plan->steps[s].level = level;
    }
}

static void append_decoder(unet_plan *plan) {
    const unet_config *config = &plan->config;
    uint32_t channels = config->blocks[config->block_count - 1].channels;
    size_t first = plan->count;
    if (config->decoder.middle) {
        append_middle(plan);
    }
    set_level(plan, first, config->block_count - 1);
    for (uint32_t i = 0; i < config->decoder.block_count; i++) {
        uint32_t mirror = config->decoder.block_count - 1 - i;
        first = plan->count;
        append_up_block(plan, i, channels);
        channels = config->blocks[mirror].channels;
        set_level(plan, first, mirror);
    }
    append(plan, UNET_CONV_OUT, channels, config->decoder.out_channels, "%s", "");
}

diffcut_status unet_plan_create(const unet_config *config, unet_plan *out, diffcut_diagnostics *diag) {
    unet_plan plan = {.config = *config};
    size_t count = count_steps(config);
    plan.steps = mem_array_zero(count, sizeof *plan.steps);
    if (plan.steps == NULL) {
        return diag_no_memory(diag, count * sizeof *plan.steps, "the UNet's steps");
    }
    uint32_t channels = config->blocks[0].channels;
    append(&plan, UNET_TIME, channels, unet_config_time_width(config), "%s", "");
    append(&plan, UNET_CONV_IN, config->in_channels, channels, "conv_in")->skip = true;
    for (uint32_t i = 0; i < config->block_count; i++) {
        size_t first = plan.count;
        append_block(&plan, i, channels);
        channels = config->blocks[i].channels;
        set_level(&plan, first, i);
    }
    size_t encoder = plan.count;
    if (config->decoder.block_count > 0) {
        append_decoder(&plan);
    }
    plan.total = plan.count;
    plan.count = encoder;
    *out = plan;
    return DIFFCUT_OK;
}

void unet_plan_free(unet_plan *plan) {
    mem_free(plan->steps);
    *plan = (unet_plan){0};
}

uint32_t unet_halved(uint32_t side, uint32_t padding) {
    return (side + 1 + padding - 3) / 2 + 1;
}

uint32_t unet_plan_side(const unet_plan *plan, uint32_t level, uint32_t side) {
    uint32_t padding = plan->config.downsample_padding;
    for (uint32_t i = 0; i < level; i++) {
        if (side + padding < 2) {
            return 0;
        }
        side = unet_halved(side, padding);
    }
    return side;
}

/* ------------------------------------------------------------------------------------------------- weights */

static weight_need linear(const char *part, uint32_t out, uint32_t in, bool bias) {
    return (weight_need){.parts = {part}, .form = WEIGHT_FORM_LINEAR, .out = out, .in = in, .bias = bias};
}

static weight_need conv(const char *part, uint32_t out, uint32_t in, uint32_t stride) {
    return (weight_need){
        .parts = {part}, .form = WEIGHT_FORM_CONV3X3, .out = out, .in = in, .stride = stride, .bias = true};
}

static weight_need norm(const char *part, uint32_t channels) {
    return (weight_need){.parts = {part}, .form = WEIGHT_FORM_NORM, .out = channels, .in = 1, .bias = true};
}

/* A transformer's projection, in the form that this checkpoint has. */
static weight_need projection(const unet_step *step, const char *part) {
    weight_need need = linear(part, step->out, step->in, true);
    need.form = step->linear ? WEIGHT_FORM_LINEAR : WEIGHT_FORM_POINT;
    return need;
}

static void time_needs(const unet_plan *plan, const unet_step *step, weight_need *needs) {
    needs[TIME_LINEAR_1] = linear("time_embedding.linear_1", step->out, step->in, true);
    needs[TIME_LINEAR_2] = linear("time_embedding.linear_2", step->out, step->out, true);
    if (plan->config.added_condition) {
        needs[TIME_ADD_1] = linear("add_embedding.linear_1", step->out, plan->config.added_input, true);
        needs[TIME_ADD_2] = linear("add_embedding.linear_2", step->out, step->out, true);
    }
}

static void resnet_needs(const unet_plan *plan, const unet_step *step, weight_need *needs) {
    needs[RESNET_NORM_1] = norm(".norm1", step->in);
    needs[RESNET_CONV_1] = conv(".conv1", step->out, step->in, 1);
    needs[RESNET_TIME] = linear(".time_emb_proj", step->out, unet_config_time_width(&plan->config), true);
    needs[RESNET_NORM_2] = norm(".norm2", step->out);
    needs[RESNET_CONV_2] = conv(".conv2", step->out, step->out, 1);
    if (step->in != step->out) {
        needs[RESNET_SHORTCUT] = linear(".conv_shortcut", step->out, step->in, true);
        needs[RESNET_SHORTCUT].form = WEIGHT_FORM_POINT;
    }
}

void unet_step_needs(const unet_plan *plan, const unet_step *step, weight_need needs[UNET_SLOTS]) {
    memset(needs, 0, UNET_SLOTS * sizeof *needs);
    uint32_t c = step->out;
    switch (step->kind) {
    case UNET_TIME:
        time_needs(plan, step, needs);
        break;
    case UNET_CONV_IN:
        needs[CONV_WEIGHT] = conv("", step->out, step->in, 1);
        break;
    case UNET_RESNET:
        resnet_needs(plan, step, needs);
        break;
    case UNET_TRANSFORMER_IN:
        needs[TRANSFORMER_NORM] = norm(".norm", c);
        needs[TRANSFORMER_PROJ] = projection(step, ".proj_in");
        break;
    case UNET_SELF_ATTENTION:
        needs[ATTENTION_NORM] = norm(".norm1", c);
        needs[ATTENTION_IN] = linear(".attn1.to_q", c, c, false);
        needs[ATTENTION_IN].parts[1] = ".attn1.to_k";
        needs[ATTENTION_IN].parts[2] = ".attn1.to_v";
        needs[ATTENTION_OUT] = linear(".attn1.to_out.0", c, c, true);
        break;
    case UNET_CROSS_ATTENTION:
        needs[ATTENTION_NORM] = norm(".norm2", c);
        needs[ATTENTION_IN] = linear(".attn2.to_q", c, c, false);
        needs[ATTENTION_CONTEXT] = linear(".attn2.to_k", c, step->context, false);
        needs[ATTENTION_CONTEXT].parts[1] = ".attn2.to_v";
        needs[ATTENTION_OUT] = linear(".attn2.to_out.0", c, c, true);
        break;
    case UNET_FEED_FORWARD: /* GEGLU: the first product has a value and a gate of 4 c each */
        needs[FEED_NORM] = norm(".norm3", c);
        needs[FEED_UP] = linear(".ff.net.0.proj", 8 * c, c, true);
        needs[FEED_DOWN] = linear(".ff.net.2", c, 4 * c, true);
        break;
    case UNET_TRANSFORMER_OUT:
        needs[TRANSFORMER_PROJ] = projection(step, ".proj_out");
        break;
    case UNET_DOWNSAMPLE:
        needs[CONV_WEIGHT] = conv(".conv", step->out, step->in, 2);
        break;
    case UNET_UPSAMPLE:
        needs[CONV_WEIGHT] = conv(".conv", step->out, step->in, 1);
        break;
    case UNET_CONV_OUT:
        needs[CONV_OUT_NORM] = norm("conv_norm_out", step->in);
        needs[CONV_OUT_CONV] = conv("conv_out", step->out, step->in, 1);
        break;
    case UNET_KIND_COUNT:
        break;
    }
}

/* ------------------------------------------------------------------------------------------------- outputs */

static const unet_output time_outputs[] = {{"time_proj", false},
                                           {"time_embedding", false},
                                           {"temb", false},
                                           {"add_time_proj", false},
                                           {"add_embedding", false}};
static const unet_output whole[] = {{"", true}};
/* conv_shortcut is last, for the resnets that have none. */
static const unet_output resnet_outputs[] = {
    {"", true},       {".norm1", true}, {".conv1", true},        {".time_emb_proj", false},
    {".norm2", true}, {".conv2", true}, {".conv_shortcut", true}};
static const unet_output transformer_in_outputs[] = {{".norm", true}, {".proj_in", true}};
/* The attention itself is first: it is what unet_plan_default_hook takes. */
static const unet_output self_attention_outputs[] = {
    {".attn1", true}, {".attn1.to_q", true}, {".attn1.to_k", true}, {".attn1.to_v", true}};
/* to_k and to_v hold the text's tokens and are computed once a prompt. */
static const unet_output cross_attention_outputs[] = {{".attn2", true}, {".attn2.to_q", true}};
static const unet_output conv_out_outputs[] = {{"conv_out", true}};
static const unet_output feed_forward_outputs[] = {{".ff", true}, {"", true}};

#define OUTPUTS(table)                                                                                               \
    { (table), sizeof(table) / sizeof *(table) }
static const struct output_table {
    const unet_output *outputs;
    size_t count;
} output_tables[UNET_KIND_COUNT] = {
    [UNET_TIME] = OUTPUTS(time_outputs),
    [UNET_CONV_IN] = OUTPUTS(whole),
    [UNET_RESNET] = OUTPUTS(resnet_outputs),
    [UNET_TRANSFORMER_IN] = OUTPUTS(transformer_in_outputs),
    [UNET_SELF_ATTENTION] = OUTPUTS(self_attention_outputs),
    [UNET_CROSS_ATTENTION] = OUTPUTS(cross_attention_outputs),
    [UNET_FEED_FORWARD] = OUTPUTS(feed_forward_outputs),
    [UNET_TRANSFORMER_OUT] = OUTPUTS(whole),
    [UNET_DOWNSAMPLE] = OUTPUTS(whole),
    [UNET_UPSAMPLE] = OUTPUTS(whole),
    [UNET_CONV_OUT] = OUTPUTS(conv_out_outputs),
};

const unet_output *unet_step_outputs(const unet_plan *plan, const unet_step *step, size_t *count) {
    const struct output_table *table = &output_tables[step->kind];
    *count = table->count;
    if (step->kind == UNET_RESNET && step->in == step->out) {
        *count -= 1;
    }
    if (step->kind == UNET_TIME && !plan->config.added_condition) {
        *count -= 2;
    }
    return table->outputs;
}
