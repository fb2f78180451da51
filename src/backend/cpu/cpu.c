/* cpu.c - the cpu backend's table, its life and its streams. See cpu.h. */
#include "backend/cpu/cpu.h"

#include "core/memory.h"

static diffcut_status cpu_open(backend **out, diffcut_diagnostics *diag) {
    cpu_backend *self = mem_array(1, sizeof *self);
    if (self == NULL) {
        return diag_no_memory(diag, sizeof *self, "the cpu backend");
    }
    diffcut_status status = cpu_pool_create(&self->pool, diag);
    if (status != DIFFCUT_OK) {
        mem_free(self);
        return status;
    }
    self->head.ops = &backend_cpu_ops;
    self->level = cpu_best_level();
    self->kernels = SIMD_PICK(cpu_kernels_table, self->level);
    self->panels = SIMD_PICK_BF16(panel_kernels_table, self->level);
    self->winograd = SIMD_PICK(winograd_kernels_table, self->level);
    self->depthwise = SIMD_PICK(depthwise_kernels_table, self->level);
    *out = &self->head;
    return DIFFCUT_OK;
}

static void cpu_close(backend *self) {
    cpu_pool_destroy(((cpu_backend *)(void *)self)->pool);
    mem_free(self);
}

static diffcut_status cpu_buffer_create(backend *self, size_t elements, backend_buffer **out,
                                        diffcut_diagnostics *diag) {
    return cpu_pool_take(((cpu_backend *)(void *)self)->pool, elements, out, diag);
}

static diffcut_status cpu_stream_create(backend *self, uint32_t threads, backend_stream **out,
                                        diffcut_diagnostics *diag) {
    backend_stream *stream = mem_array_zero(1, sizeof *stream);
    if (stream == NULL) {
        return diag_no_memory(diag, sizeof *stream, "a stream");
    }
    stream->owner = (const cpu_backend *)(const void *)self;
    stream->threads = threads > 0 ? threads : 1;
    *out = stream;
    return DIFFCUT_OK;
}

static void cpu_stream_destroy(backend_stream *stream) {
    if (stream != NULL) {
        cpu_pool_trim(stream->owner->pool);
        mem_free(stream->scratch);
        mem_free(stream);
    }
}

static backend_bf16 cpu_bf16(const backend *self) {
    const cpu_backend *cpu = (const cpu_backend *)(const void *)self;
    return cpu->level == CPU_AVX512_BF16 ? BACKEND_BF16_FAST : BACKEND_BF16_SLOW;
}

static void cpu_stream_precision(backend_stream *stream, dtype precision) {
    stream->precision = precision == DTYPE_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

/* Operations are done when they return. */
static diffcut_status cpu_stream_wait(backend_stream *stream, diffcut_diagnostics *diag) {
    (void)stream;
    (void)diag;
    return DIFFCUT_OK;
}

diffcut_status cpu_scratch_get(backend_stream *stream, size_t shared, size_t each, uint32_t workers,
                               cpu_scratch *scratch, diffcut_diagnostics *diag) {
    const size_t line = MEM_ALIGNMENT / sizeof(float);
    size_t total;
    if (shared > SIZE_MAX / 4 || each > SIZE_MAX / 4) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "an operation needs more scratch memory than can be addressed");
    }
    size_t shared_lines = (shared + line - 1) / line * line;
    size_t each_lines = (each + line - 1) / line * line;
    if (!mem_mul(each_lines, workers, &total) || __builtin_add_overflow(total, shared_lines, &total)) {
        return diag_fail(diag, DIFFCUT_ERROR_LIMIT, "an operation needs more scratch memory than can be addressed");
    }
    if (total > stream->scratch_floats) {
        float *larger = mem_array(total, sizeof *larger);
        if (larger == NULL) {
            return diag_no_memory(diag, total * sizeof *larger, "an operation's scratch");
        }
        mem_free(stream->scratch);
        stream->scratch = larger;
        stream->scratch_floats = total;
    }
    *scratch = (cpu_scratch){stream->scratch, stream->scratch + shared_lines, each_lines};
    return DIFFCUT_OK;
}

uint32_t cpu_workers(const backend_stream *stream, size_t pieces, double work) {
    /* Waking a team costs a few microseconds: what a core does in some 30,000 steps. */
    if (work < 32768.0) {
        return 1;
    }
    return pieces < stream->threads ? (uint32_t)pieces : stream->threads;
}

const backend_ops backend_cpu_ops = {
    .name = "cpu",
    .description = "vectorised C, any number of threads, float32 or bf16 products",
    .open = cpu_open,
    .close = cpu_close,
    .bf16 = cpu_bf16,
    .stream_create = cpu_stream_create,
    .stream_destroy = cpu_stream_destroy,
    .stream_wait = cpu_stream_wait,
    .stream_precision = cpu_stream_precision,
    .buffer_create = cpu_buffer_create,
    .buffer_destroy = cpu_pool_give_back,
    .upload = host_upload,
    .download = host_download,
    .weight_create = cpu_weight_create,
    .weight_destroy = cpu_weight_destroy,
    .weight_bytes = cpu_weight_bytes,
    .conv2d = cpu_conv2d,
    .depthwise = cpu_depthwise,
    .linear = cpu_linear,
    .group_norm = cpu_group_norm,
    .layer_norm = cpu_layer_norm,
    .attention = cpu_attention,
    .attention_map = cpu_attention_map,
    .add = cpu_add,
};
