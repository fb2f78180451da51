/*
 * scheduler.h - how much noise a timestep has, and the mix of latent and noise.
 *
 * latent_t = sqrt(acp[t]) * latent + sqrt(1 - acp[t]) * noise, acp being the running product of 1 - beta (DDPM, Ho et
 * al. 2020); "scaled_linear" betas are evenly spaced in their square roots. Every scheduler of diffusers' Stable
 * Diffusion pipelines shares it. Called by model/model and nn/encode.
 */
#ifndef DIFFCUT_NN_SCHEDULER_H
#define DIFFCUT_NN_SCHEDULER_H

#include "io/json.h"

#define SCHEDULER_MAX_STEPS 10000

typedef struct scheduler {
    uint32_t steps; /* timesteps 0 .. steps-1 */
    float alphas_cumprod[SCHEDULER_MAX_STEPS];
} scheduler;

/* Stable Diffusion's own: scaled_linear, 0.00085 .. 0.012, 1000 steps. */
void scheduler_init(scheduler *out);

/* scheduler_config.json; what is absent is as in scheduler_init. Schedules that are not built are refused by name. */
diffcut_status scheduler_read(json_view view, scheduler *out, diffcut_diagnostics *diag);

/* noisy (positions, channels) from latent (positions, channels) and noise in the order it is drawn in: (channels,
 * positions). DIFFCUT_ERROR_ARGUMENT for a timestep out of range. */
diffcut_status scheduler_add_noise(const scheduler *self, int32_t timestep, const float *latent, const float *noise,
                                   size_t positions, size_t channels, float *noisy, diffcut_diagnostics *diag);

#endif
