/* scheduler.c - see scheduler.h. */
#include "nn/scheduler.h"

#include <math.h>
#include <string.h>

/* Stable Diffusion's training schedule. */
#define BETA_START 0.00085
#define BETA_END 0.012
#define STEPS 1000

/* Running product of 1 - beta in double; scaled: betas evenly spaced in their square roots. */
static void fill(scheduler *out, uint32_t steps, double first, double last, bool scaled) {
    double start = scaled ? sqrt(first) : first;
    double end = scaled ? sqrt(last) : last;
    double product = 1.0;
    out->steps = steps;
    for (uint32_t i = 0; i < steps; i++) {
        double at = steps == 1 ? start : start + (end - start) * (double)i / (double)(steps - 1);
        product *= 1.0 - (scaled ? at * at : at);
        out->alphas_cumprod[i] = (float)product;
    }
}

void scheduler_init(scheduler *out) {
    fill(out, STEPS, BETA_START, BETA_END, true);
}

static diffcut_status check_built(json_view view, diffcut_diagnostics *diag) {
    static const char *const unbuilt[] = {"trained_betas", "rescale_betas_zero_snr"};
    for (size_t i = 0; i < sizeof unbuilt / sizeof *unbuilt; i++) {
        if (!json_is_off(view, unbuilt[i])) {
            return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED, "%s: %s is not supported; it must be null or false",
                             view.file, unbuilt[i]);
        }
    }
    return DIFFCUT_OK;
}

diffcut_status scheduler_read(json_view view, scheduler *out, diffcut_diagnostics *diag) {
    const double default_first = BETA_START;
    const double default_last = BETA_END;
    const uint32_t default_steps = STEPS;
    double first;
    double last;
    uint32_t steps;
    const char *kind;
    diffcut_status status = check_built(view, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "beta_start", &default_first, 1e-9, 0.999, &first, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_real(view, "beta_end", &default_last, 1e-9, 0.999, &last, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_uint(view, "num_train_timesteps", &default_steps, 1, SCHEDULER_MAX_STEPS, &steps, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_text(view, "beta_schedule", false, "scaled_linear", 64, &kind, diag);
    }
    if (status != DIFFCUT_OK) {
        return status;
    }
    bool scaled = strcmp(kind, "scaled_linear") == 0;
    if (!scaled && strcmp(kind, "linear") != 0) {
        return diag_fail(diag, DIFFCUT_ERROR_UNSUPPORTED,
                         "%s: beta_schedule \"%s\" is not supported; \"scaled_linear\" and \"linear\" are", view.file,
                         kind);
    }
    fill(out, steps, first, last, scaled);
    return DIFFCUT_OK;
}

diffcut_status scheduler_add_noise(const scheduler *self, int32_t timestep, const float *latent, const float *noise,
                                   size_t positions, size_t channels, float *noisy, diffcut_diagnostics *diag) {
    if (timestep < 0 || (uint32_t)timestep >= self->steps) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timestep is %d, expected 0 .. %u", timestep, self->steps - 1);
    }
    float signal = sqrtf(self->alphas_cumprod[timestep]);
    float spread = sqrtf(1.0F - self->alphas_cumprod[timestep]);
    for (size_t p = 0; p < positions; p++) {
        for (size_t c = 0; c < channels; c++) {
            noisy[p * channels + c] = signal * latent[p * channels + c] + spread * noise[c * positions + p];
        }
    }
    return DIFFCUT_OK;
}
