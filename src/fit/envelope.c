/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/envelope.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/sort.h"
#include "fit/response.h"

#define BAND 3 /* of 50 draws the third from either end: 90 % between them, nearly */

typedef struct simulation {
    const weir_model *model;
    const w_diagnostics *result;
    const double *prior;
    int64_t sample, points;
    double *y, *residual; /* sample each */
    double *value;        /* points x draws */
} simulation;

static int64_t rank_of(const simulation *s, int64_t point)
{
    return s->points == s->sample ? point : point * (s->sample - 1) / (s->points - 1);
}

static void draw(const simulation *s, w_rng *rng, int number)
{
    const w_glm *glm = &s->model->glm;
    for (int64_t i = 0; i < s->sample; i++) {
        double omega = s->prior[i];
        if (glm->family->kind == W_FAMILY_BINOMIAL) {
            omega = fmax(1.0, nearbyint(omega)); /* a number of trials */
        }
        s->y[i] = w_family_random(glm, rng, s->result->fitted[i], omega, s->model->scale);
    }
    w_response_residuals(glm, s->sample, s->y, s->result->fitted, s->prior, s->residual);
    for (int64_t i = 0; i < s->sample; i++) {
        s->residual[i] = isfinite(s->residual[i]) ? s->residual[i] : 0.0; /* a draw at the end of the range */
    }
    w_sort_doubles(s->sample, s->residual);
    for (int64_t point = 0; point < s->points; point++) {
        s->value[point * W_ENVELOPE_DRAWS + number] = s->residual[rank_of(s, point)];
    }
}

static void summarise(const simulation *s, w_diagnostics *result)
{
    memcpy(s->residual, result->residual, (size_t)s->sample * sizeof *s->residual);
    w_sort_doubles(s->sample, s->residual);
    for (int64_t point = 0; point < s->points; point++) {
        double *value = s->value + point * W_ENVELOPE_DRAWS;
        w_sort_doubles(W_ENVELOPE_DRAWS, value);
        result->quantile_residual[point] = s->residual[rank_of(s, point)];
        result->quantile_reference[point] = 0.5 * (value[W_ENVELOPE_DRAWS / 2 - 1] + value[W_ENVELOPE_DRAWS / 2]);
        result->quantile_lower[point] = value[BAND - 1];
        result->quantile_upper[point] = value[W_ENVELOPE_DRAWS - BAND];
    }
}

weir_status w_envelope_fill(weir_ctx *ctx, weir_model *model, const double *prior, w_diagnostics *result)
{
    simulation s = { .model = model, .result = result, .prior = prior, .sample = result->sample };
    s.points = w_min64(s.sample, W_ENVELOPE_POINTS);
    if (s.sample < 3) {
        return WEIR_OK;
    }
    double *array = w_arena_alloc(&model->arena, 4 * (size_t)s.points, sizeof *array);
    s.y = w_alloc_array(ctx, "simulated residuals", (size_t)w_envelope_doubles(s.sample), sizeof *s.y);
    if (!array || !s.y) {
        w_free(ctx, s.y);
        return w_alloc_status(ctx);
    }
    s.residual = s.y + s.sample;
    s.value = s.residual + s.sample;
    w_rng rng;
    w_rng_seed(&rng, ctx->seed + 1);
    for (int number = 0; number < W_ENVELOPE_DRAWS; number++) {
        draw(&s, &rng, number);
    }
    result->quantile_residual = array;
    result->quantile_reference = array + s.points;
    result->quantile_lower = array + 2 * s.points;
    result->quantile_upper = array + 3 * s.points;
    result->quantiles = s.points;
    summarise(&s, result);
    w_free(ctx, s.y);
    return WEIR_OK;
}
