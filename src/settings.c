/*
 * settings.c - the settings of a segmentation: defaults from the model or the paper, and their ranges.
 *
 * Defaults of the method: Couairon et al., DiffCut (NeurIPS 2024): size 1024 (SDXL family) or 512 (SD), t = 50,
 * alpha = 10, tau = 0.5. A model's own come from its diffcut.json through diffcut_model_get_info.
 */
#include "core/status.h"

#include <math.h>
#include <string.h>

#define PAPER_SIZE 1024
#define PAPER_TIMESTEP 50
#define PAPER_ALPHA 10.0
#define PAPER_TAU 0.5
#define PAPER_SEED 42

void diffcut_settings_init(diffcut_settings *settings, const diffcut_model *model) {
    static const uint32_t dilations[] = {1, 2, 4, 8};
    if (settings == NULL) {
        return;
    }
    memset(settings, 0, sizeof *settings);
    settings->size_mode = DIFFCUT_SIZE_LONG_SIDE;
    settings->size = PAPER_SIZE;
    settings->resample = DIFFCUT_RESAMPLE_ANTIALIAS;
    settings->timesteps[0] = PAPER_TIMESTEP;
    settings->timestep_count = 1;
    settings->noise = DIFFCUT_NOISE_CPU;
    settings->average = 1;
    settings->seed = PAPER_SEED;
    settings->alpha = PAPER_ALPHA;
    settings->tau = PAPER_TAU;
    settings->eigen_solver = DIFFCUT_EIGEN_AUTO;
    settings->refine = true;
    settings->iterations = 30;
    memcpy(settings->dilations, dilations, sizeof dilations);
    settings->dilation_count = sizeof dilations / sizeof dilations[0];
    settings->median = 3;
    settings->refine_size = 512;
    if (model != NULL) {
        diffcut_model_info info;
        diffcut_model_get_info(model, &info);
        settings->size = info.size;
        settings->timesteps[0] = info.timestep;
        settings->alpha = info.alpha;
        settings->tau = info.tau;
    }
}

static diffcut_status check_input(const diffcut_settings *s, diffcut_diagnostics *diag) {
    if ((int)s->size_mode < DIFFCUT_SIZE_LONG_SIDE || s->size_mode > DIFFCUT_SIZE_NATIVE) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "size_mode %d is none of the modes", (int)s->size_mode);
    }
    bool one_side = s->size_mode == DIFFCUT_SIZE_LONG_SIDE || s->size_mode == DIFFCUT_SIZE_SQUARE;
    if (one_side && (s->size < 1 || s->size > 16384)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "size %u is outside 1 .. 16384", s->size);
    }
    if (s->size_mode == DIFFCUT_SIZE_EXACT &&
        (s->size_width < 1 || s->size_width > 16384 || s->size_height < 1 || s->size_height > 16384)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "size %ux%u has a side outside 1 .. 16384", s->size_width,
                         s->size_height);
    }
    if (s->resample != DIFFCUT_RESAMPLE_ANTIALIAS && s->resample != DIFFCUT_RESAMPLE_BILINEAR) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "resample %d is none of the filters", (int)s->resample);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_features(const diffcut_settings *s, diffcut_diagnostics *diag) {
    if (s->timestep_count < 1 || s->timestep_count > DIFFCUT_MAX_TIMESTEPS) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timestep_count %u is outside 1 .. %d", s->timestep_count,
                         DIFFCUT_MAX_TIMESTEPS);
    }
    for (uint32_t i = 0; i < s->timestep_count; i++) {
        if (s->timesteps[i] < 0 || s->timesteps[i] > 999) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timestep %d is outside 0 .. 999", s->timesteps[i]);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (s->timesteps[j] == s->timesteps[i]) {
                return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "timestep %d is given twice", s->timesteps[i]);
            }
        }
    }
    if (s->noise != DIFFCUT_NOISE_CPU && s->noise != DIFFCUT_NOISE_CUDA) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "noise %d is none of the streams", (int)s->noise);
    }
    if (s->average < 1 || s->average > 1024) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "average %u is outside 1 .. 1024", s->average);
    }
    if (s->tile != 0 && (s->tile < 64 || s->tile > 16384)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "tile %u is neither 0 nor in 64 .. 16384", s->tile);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_cut(const diffcut_settings *s, diffcut_diagnostics *diag) {
    if (!(s->alpha > 0.0) || !isfinite(s->alpha)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "alpha %g is not above 0", s->alpha);
    }
    if (!(s->tau >= 0.0 && s->tau <= 1.0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "tau %g is outside 0 .. 1", s->tau);
    }
    if (s->eigen_solver != DIFFCUT_EIGEN_AUTO && s->eigen_solver != DIFFCUT_EIGEN_DENSE) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "eigen_solver %d is none of the solvers",
                         (int)s->eigen_solver);
    }
    return DIFFCUT_OK;
}

static diffcut_status check_refinement(const diffcut_settings *s, diffcut_diagnostics *diag) {
    if (s->iterations > 1000) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "iterations %u is outside 0 .. 1000", s->iterations);
    }
    if (s->dilation_count < 1 || s->dilation_count > DIFFCUT_MAX_DILATIONS) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "dilation_count %u is outside 1 .. %d", s->dilation_count,
                         DIFFCUT_MAX_DILATIONS);
    }
    for (uint32_t i = 0; i < s->dilation_count; i++) {
        if (s->dilations[i] < 1 || s->dilations[i] > 1024) {
            return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "dilations[%u] is %u, outside 1 .. 1024", i,
                             s->dilations[i]);
        }
    }
    if (s->median > 15 || (s->median > 1 && s->median % 2 == 0)) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "median %u is not 0, 1 or an odd number up to 15", s->median);
    }
    if (s->refine_size > 65536) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "refine_size %u is outside 0 .. 65536", s->refine_size);
    }
    return DIFFCUT_OK;
}

diffcut_status diffcut_settings_check(const diffcut_settings *settings, diffcut_diagnostics *diagnostics) {
    diffcut_diagnostics local;
    diffcut_diagnostics *diag = diagnostics != NULL ? diagnostics : &local;
    diag_clear(diag);
    if (settings == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_ARGUMENT, "settings is NULL");
    }
    diffcut_status status = check_input(settings, diag);
    if (status == DIFFCUT_OK) {
        status = check_features(settings, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_cut(settings, diag);
    }
    if (status == DIFFCUT_OK) {
        status = check_refinement(settings, diag);
    }
    return status;
}
