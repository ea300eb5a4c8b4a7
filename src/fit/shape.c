/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing criterion and constraints in turns. At given rho the solution beta(rho) is that of a quadratic
 * program, which lies on some face of the orthant (solve/cone_face.c). On a face beta = Z gamma is unconstrained,
 * and the criterion is that of the linear model with the design XZ and the penalties Z'S_jZ, with their ranks. A
 * fit is a pair of
 *     rho = the optimum of the criterion on face F   and   F = the face of beta(rho),
 * found by taking the two in turns, from the face of the solution before. The criterion jumps where the face
 * changes, so that such a pair need not exist: when a face comes back, steps in rho are halved from then on, and
 * where they end beta is still the exact solution at rho. When CHANGES of the searches of one fit have ended on
 * another face than the one before or have turned back, lambda is held half way between the last two, and the
 * passes that follow solve a convex problem.
 *
 * Coefficients below 0 by rounding on the face found join those that are held. */
#include "fit/shape.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "solve/cone.h"

#define TAG "shape constraints"
#define TURNS 60
#define CHANGES 20
#define MOST_TERMS 8
#define STILL 1e-4 /* change of log lambda that ends halved steps */
#define TURN 0.02  /* change of log lambda that counts as going back */

weir_status w_shape_create(weir_ctx *ctx, const w_design *design, w_shape **out)
{
    const int64_t count = w_face_signed(design, NULL);
    *out = NULL;
    if (count == 0) {
        return WEIR_OK;
    }
    w_shape *shape = w_calloc(ctx, TAG, 1, sizeof *shape);
    if (shape == NULL) {
        return w_alloc_status(ctx);
    }
    *shape = (w_shape){ .ctx = ctx, .design = design, .count = count };
    shape->column = w_alloc_array(ctx, TAG, (size_t)count, sizeof *shape->column);
    shape->value = w_calloc(ctx, TAG, (size_t)count, sizeof *shape->value);
    shape->fixed = w_calloc(ctx, TAG, (size_t)design->p, 1);
    shape->last = w_calloc(ctx, TAG, 2 * (size_t)design->sp_count + 1, sizeof *shape->last);
    if (!shape->column || !shape->value || !shape->fixed || !shape->last) {
        w_shape_free(shape);
        return w_alloc_status(ctx);
    }
    shape->older = shape->last + design->sp_count;
    w_face_signed(design, shape->column);
    *out = shape;
    return WEIR_OK;
}

void w_shape_free(w_shape *shape)
{
    if (shape != NULL) {
        weir_ctx *ctx = shape->ctx;
        w_face_free(shape->face);
        w_free(ctx, shape->column);
        w_free(ctx, shape->value);
        w_free(ctx, shape->fixed);
        w_free(ctx, shape->last);
        w_free(ctx, shape);
    }
}

/* A system on the face of `fixed`, in place of *system. */
static weir_status move(w_shape *shape, const w_gram *gram, w_system **system)
{
    w_face *face = NULL;
    w_system_free(*system);
    *system = NULL;
    weir_status status = w_face_create(shape->ctx, shape->design, shape->fixed, &face);
    if (status < 0) {
        return status;
    }
    w_face_free(shape->face);
    shape->face = face;
    return w_system_create_on(shape->ctx, gram, shape->design, face, system);
}

/* The face of beta(rho) into `fixed`. */
static weir_status find_face(w_shape *shape, const w_gram *gram, const double *rho)
{
    w_cone_report report;
    return w_cone_face(shape->ctx, gram, shape->design, rho, shape->count, shape->column, shape->value, shape->fixed, &report);
}

static bool same_face(const w_shape *shape)
{
    return shape->face != NULL && memcmp(shape->face->fixed, shape->fixed, (size_t)shape->design->p) == 0;
}

/* Factors on the face of `fixed`; what comes out negative is held as well. */
static weir_status settle(w_shape *shape, const w_gram *gram, const double *rho, w_system **system)
{
    weir_status status = WEIR_OK;
    for (bool negative = true; negative && status >= 0;) {
        if (*system == NULL || !same_face(shape)) {
            status = move(shape, gram, system);
        }
        status = status < 0 ? status : w_system_factor(*system, rho);
        negative = false;
        for (int64_t i = 0; i < shape->count && status >= 0; i++) {
            const double value = w_system_beta(*system)[shape->column[i]];
            if (!(value > 0.0) && !shape->fixed[shape->column[i]]) {
                shape->fixed[shape->column[i]] = 1;
                negative = true;
            }
            shape->value[i] = fmax(value, 0.0);
        }
    }
    return status;
}

/* Faces visited, one after the other. */
typedef struct history {
    uint8_t *face; /* TURNS x p */
    int count;
} history;

static bool visited(const history *past, const uint8_t *fixed, int64_t p)
{
    for (int i = 0; i < past->count; i++) {
        if (memcmp(past->face + i * p, fixed, (size_t)p) == 0) {
            return true;
        }
    }
    return false;
}

/* One turn: the optimum on the face of `fixed`, `length` of the way there, and the face of beta at that. *moved:
 * largest change of rho. */
static weir_status turn(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double length, double *rho,
                        w_smoothing_result *result, w_system **system, double *moved)
{
    const int m = shape->design->sp_count;
    weir_status status = move(shape, gram, system);
    if (status >= 0) {
        status = w_smoothing_select(shape->ctx, *system, shape->design, gram, options, result);
    }
    *moved = 0.0;
    for (int j = 0; j < m && status >= 0; j++) {
        const double part = options->start != NULL && isfinite(rho[j]) ? length : 1.0;
        const double step = part * (result->rho[j] - rho[j]);
        *moved = fmax(*moved, isfinite(step) ? fabs(step) : 0.0);
        rho[j] = isfinite(step) ? rho[j] + step : result->rho[j];
    }
    return status < 0 ? status : find_face(shape, gram, rho);
}

static weir_status search(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double *rho,
                          w_smoothing_result *result, history *past, w_system **system)
{
    const int64_t p = shape->design->p;
    w_smoothing_options how = *options;
    double length = 1.0, moved = INFINITY;
    weir_status status = WEIR_OK;
    int iterations = 0;
    shape->between = false;
    for (int turns = 0; turns < TURNS; turns++) {
        memcpy(past->face + past->count++ * p, shape->fixed, (size_t)p);
        status = turn(shape, gram, &how, length, rho, result, system, &moved);
        iterations += result->iterations;
        if (status < 0) {
            break;
        }
        how.start = rho;
        if (same_face(shape) && length == 1.0) {
            break;
        }
        if (length < 1.0 && moved < STILL) {
            shape->between = true;
            break;
        }
        if (visited(past, shape->fixed, p) || turns > TURNS / 2) {
            length *= 0.5;
        }
    }
    result->iterations = iterations;
    return status;
}

static weir_status choose(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double *rho,
                          w_smoothing_result *result, w_system **system)
{
    const size_t p = (size_t)shape->design->p, m = (size_t)shape->design->sp_count;
    double *optimum = w_calloc(shape->ctx, TAG, m + 1, sizeof *optimum);
    history past = { .face = w_alloc_array(shape->ctx, TAG, w_mul_size(TURNS, p), 1) };
    weir_status status = optimum && past.face ? WEIR_OK : w_alloc_status(shape->ctx);
    if (status >= 0) {
        w_smoothing_result found = *result;
        found.rho = optimum;
        if (options->start != NULL) {
            memcpy(rho, options->start, m * sizeof *rho);
        }
        status = search(shape, gram, options, rho, &found, &past, system);
        *result = found;
        result->rho = rho;
    }
    w_free(shape->ctx, optimum);
    w_free(shape->ctx, past.face);
    return status;
}

/* The criterion at rho on the face of `fixed`, lambda being given. */
static weir_status evaluate(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, const double *rho,
                            w_smoothing_result *result, w_system **system)
{
    const size_t m = (size_t)shape->design->sp_count;
    w_design given = *shape->design;
    double *lambda = w_alloc_array(shape->ctx, TAG, 2 * m + 1, sizeof *lambda);
    if (lambda == NULL) {
        return w_alloc_status(shape->ctx);
    }
    for (size_t j = 0; j < m; j++) {
        lambda[j] = exp(rho[j]);
    }
    given.sp_fixed = lambda;
    w_smoothing_result found = *result;
    found.rho = lambda + m;
    weir_status status = move(shape, gram, system);
    if (status >= 0) {
        status = w_smoothing_select(shape->ctx, *system, &given, gram, options, &found);
    }
    if (status >= 0) {
        found.rho = result->rho;
        found.iterations = result->iterations;
        *result = found;
    }
    w_free(shape->ctx, lambda);
    return status;
}

/* Whether some log lambda went back by more than half of the step before. */
static bool turned_back(const w_shape *shape, const double *rho)
{
    for (int j = 0; j < shape->design->sp_count; j++) {
        const double step = rho[j] - shape->last[j], before = shape->last[j] - shape->older[j];
        if (step * before < 0.0 && fabs(step) > 0.5 * fabs(before) && fabs(step) > TURN) {
            return true;
        }
    }
    return false;
}

/* A search, and its account of going to and fro. */
static weir_status choose_and_count(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double *rho,
                                    w_smoothing_result *result, w_system **system)
{
    const size_t p = (size_t)shape->design->p, m = (size_t)shape->design->sp_count;
    uint8_t *before = w_alloc_array(shape->ctx, TAG, p, 1);
    if (before == NULL) {
        return w_alloc_status(shape->ctx);
    }
    memcpy(before, shape->fixed, p);
    weir_status status = choose(shape, gram, options, rho, result, system);
    if (status >= 0) {
        shape->changes += memcmp(before, shape->fixed, p) != 0 || turned_back(shape, rho);
        memcpy(shape->older, shape->last, m * sizeof *rho);
        memcpy(shape->last, rho, m * sizeof *rho);
    }
    w_free(shape->ctx, before);
    return status;
}

static weir_status solve_search(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double *rho,
                                w_smoothing_result *result, w_system **system)
{
    const int m = shape->design->sp_count;
    weir_status status;
    if (options->start != NULL && shape->changes >= CHANGES) {
        for (int j = 0; j < m; j++) { /* half way between the two, and there to stay */
            const double middle = 0.5 * (shape->last[j] + shape->older[j]);
            shape->last[j] = shape->held || !isfinite(middle) ? shape->last[j] : middle;
            rho[j] = shape->last[j];
        }
        shape->held = shape->between = true;
        result->iterations = 0;
        status = find_face(shape, gram, rho);
    } else {
        status = choose_and_count(shape, gram, options, rho, result, system);
    }
    if (status >= 0 && shape->between) {
        status = evaluate(shape, gram, options, rho, result, system);
    }
    weir_status settled = status < 0 ? status : settle(shape, gram, rho, system);
    return settled < 0 ? settled : result->status;
}

weir_status w_shape_solve(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double *rho,
                          w_smoothing_result *result, w_system **out)
{
    w_system *system = NULL;
    weir_status status;
    if (options != NULL) {
        status = solve_search(shape, gram, options, rho, result, &system);
    } else {
        status = find_face(shape, gram, rho);
        status = status < 0 ? status : settle(shape, gram, rho, &system);
    }
    if (status >= 0) {
        weir_status measured = w_cone_violation(shape->ctx, gram, shape->design, rho, shape->count, shape->column,
                                                w_system_beta(system), &shape->violation);
        status = measured < 0 ? measured : status;
    }
    if (status < 0) {
        w_system_free(system);
        return status;
    }
    *out = system;
    return status;
}

weir_status w_shape_take(w_shape *shape, const w_gram *gram, const double *rho, const double *beta)
{
    w_face *face = NULL;
    memset(shape->fixed, 0, (size_t)shape->design->p);
    for (int64_t i = 0; i < shape->count; i++) {
        shape->value[i] = beta[shape->column[i]];
        shape->fixed[shape->column[i]] = !(beta[shape->column[i]] > 0.0);
    }
    weir_status status = w_face_create(shape->ctx, shape->design, shape->fixed, &face);
    if (status >= 0) {
        w_face_free(shape->face);
        shape->face = face;
        status = w_cone_violation(shape->ctx, gram, shape->design, rho, shape->count, shape->column, beta, &shape->violation);
    }
    return status;
}

/* "s(x): 3 of 9", up to MOST_TERMS of them. */
static const char *list_terms(const w_shape *shape, w_arena *arena)
{
    const w_design *design = shape->design;
    const char *text = "";
    int64_t next = 0;
    for (int t = 0, listed = 0; t < design->term_count && text; t++) {
        const w_term *term = &design->term[t];
        int64_t count = 0, active = 0;
        const int64_t last = term->first + term->columns;
        for (; next < shape->count && shape->column[next] < last && shape->column[next] >= term->first; next++) {
            count++;
            active += shape->fixed[shape->column[next]];
        }
        if (count > 0 && listed <= MOST_TERMS) {
            text = listed == MOST_TERMS ? w_arena_printf(arena, "%s, and so on", text)
                                        : w_arena_printf(arena, "%s%s%s %lld of %lld", text, listed ? ", " : "", term->label,
                                                         (long long)active, (long long)count);
            listed++;
        }
    }
    return text;
}

const char *w_shape_line(const w_shape *shape, w_arena *arena)
{
    const char *terms = list_terms(shape, arena);
    if (terms == NULL) {
        return NULL;
    }
    return w_arena_printf(arena, "shape constraints active: %s; edf, standard errors and p-values are conditional on "
                          "them, optimal to %.0e%s", terms, shape->violation,
                          shape->between ? "; log lambda stands where its search went to and fro" : "");
}

int64_t w_shape_bytes(const w_design *design, int arrow_block)
{
    const int64_t count = w_face_signed(design, NULL);
    if (count == 0) {
        return 0;
    }
    const int64_t doubles = 2 * count + 5 * (int64_t)design->sp_count + 64;
    const int64_t kept = w_add64(w_mul64(TURNS + 3, design->p), w_mul64(doubles, sizeof(double)));
    return w_add64(w_add64(kept, w_mul64(2, w_face_bytes(design))), w_cone_face_bytes(design, arrow_block));
}
