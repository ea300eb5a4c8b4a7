/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/iterative_probe.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "krylov/cg.h"
#include "krylov/tridiagonal.h"

#define SEED UINT64_C(20011)
#define TOLERANCE 1e-5 /* of a solve: far below the sampling error */
#define STEPS 2000
#define LANCZOS_STEPS 400

struct w_trace_probes {
    weir_ctx *ctx;
    const w_design *design;
    int64_t probes;
    int vectors;
    bool started, of_rows; /* `solution` holds a run's; which kind */
    double *solution;    /* probes x p: of the last run */
    double *b, *y, *rest; /* vectors x p; p; p */
    double *coefficient; /* vectors x 2 LANCZOS_STEPS */
    double *quadrature;  /* 3 LANCZOS_STEPS */
};

int64_t w_trace_probes_bytes(const w_design *design, int64_t probes, int vectors)
{
    const int64_t p = design->p;
    int64_t doubles = w_mul64(p, probes + vectors + 2);
    doubles = w_add64(doubles, LANCZOS_STEPS * (2 * (int64_t)vectors + 3));
    return w_add64(w_add64(w_mul64(doubles, 8), 4096), w_cg_bytes(1, &p, vectors));
}

weir_status w_trace_probes_create(weir_ctx *ctx, const w_design *design, int64_t probes, int vectors, w_trace_probes **out)
{
    w_trace_probes *t = w_calloc(ctx, "probes", 1, sizeof *t);
    if (!t) {
        return w_alloc_status(ctx);
    }
    const size_t p = (size_t)design->p, v = (size_t)vectors;
    *t = (w_trace_probes){ .ctx = ctx, .design = design, .probes = probes, .vectors = vectors };
    t->solution = w_alloc_array(ctx, "probes", w_mul_size((size_t)probes, p), sizeof(double));
    t->b = w_alloc_array(ctx, "probes", w_mul_size(v + 2, p), sizeof(double));
    t->coefficient = w_alloc_array(ctx, "probes", (2 * v + 3) * LANCZOS_STEPS, sizeof(double));
    if (!t->solution || !t->b || !t->coefficient) {
        w_trace_probes_free(t);
        return w_alloc_status(ctx);
    }
    t->y = t->b + v * p;
    t->rest = t->y + p;
    t->quadrature = t->coefficient + 2 * v * LANCZOS_STEPS;
    *out = t;
    return WEIR_OK;
}

void w_trace_probes_free(w_trace_probes *t)
{
    if (t) {
        w_free(t->ctx, t->solution);
        w_free(t->ctx, t->b);
        w_free(t->ctx, t->coefficient);
        w_free(t->ctx, t);
    }
}

static weir_status one_vector(w_operator_fn apply, void *user, int64_t p, const double *x, double *y)
{
    const w_slice slice = { .n = p, .count = 1 };
    const int64_t system = 0;
    const w_vectors block = { .slices = 1, .columns = 1, .values = p, .slice = &slice, .system = &system };
    return apply(user, &block, x, y);
}

/* b = F xi of probe number `number`. */
static weir_status make_probe(w_trace_probes *t, const w_preconditioner *m, int64_t number, double *b)
{
    w_rng rng;
    w_rng_seed(&rng, SEED + (uint64_t)number);
    for (int64_t i = 0; i < t->design->p; i++) {
        t->y[i] = w_rng_below(&rng, 2) ? 1.0 : -1.0;
    }
    return one_vector(m->root, m->user, t->design->p, t->y, b);
}

/* Running mean and sum of squares about it. */
static void add_sample(w_estimate *e, int64_t count, double value)
{
    const double away = value - e->value;
    e->value += away / (double)count;
    e->error += away * (value - e->value);
}

static void add_traces(w_trace_probes *t, const w_matrix_free *op, int64_t number, const double *x, w_estimate *trace)
{
    const int count = t->design->penalty_count;
    double total = 0.0;
    for (int j = 0; j < count; j++) {
        const double value = w_matrix_free_penalty(op, j, x, t->y);
        add_sample(&trace[j], number + 1, value);
        total += value;
    }
    add_sample(&trace[count], number + 1, total);
}

static void add_log_det(w_trace_probes *t, int64_t number, const w_cg_result *result, const double *pair, w_estimate *log_det)
{
    const int64_t k = w_min64(result->coefficients, LANCZOS_STEPS);
    double *diagonal = t->quadrature, *above = diagonal + LANCZOS_STEPS, *weight = above + LANCZOS_STEPS, sum = 0.0;
    w_cg_tridiagonal(k, pair, diagonal, above);
    if (k > 0 && w_tridiagonal_gauss(k, diagonal, above, weight)) {
        for (int64_t i = 0; i < k; i++) {
            sum += diagonal[i] > 0.0 ? weight[i] * log(diagonal[i]) : 0.0;
        }
    }
    add_sample(log_det, number + 1, sum * (double)t->design->p);
}

/* Probes first … first + width - 1. */
static weir_status run_block(w_trace_probes *t, w_matrix_free *op, const w_preconditioner *m, int64_t first, int64_t width,
                             w_estimate *trace, w_estimate *log_det, int64_t *products)
{
    const int64_t p = t->design->p;
    const bool warm = t->started && !t->of_rows && !log_det;
    w_cg_result result[W_MATRIX_FREE_VECTORS];
    double *x = t->solution + first * p;
    weir_status status = WEIR_OK;
    for (int64_t k = 0; status >= 0 && k < width; k++) {
        status = make_probe(t, m, first + k, t->b + k * p);
    }
    const w_cg_options options = { .right_hand_sides = width, .warm = warm, .tolerance = TOLERANCE, .max_iterations = STEPS,
                                   .coefficient = log_det ? t->coefficient : NULL, .coefficient_rows = LANCZOS_STEPS };
    weir_status solved = status;
    if (status >= 0) {
        solved = status = w_cg_solve(t->ctx, w_matrix_free_operator(op), m, &options, t->b, x, result);
    }
    for (int64_t k = 0; status >= 0 && k < width; k++) {
        double *b = t->b + k * p;
        *products += result[k].iterations;
        if (log_det) {
            add_log_det(t, first + k, &result[k], t->coefficient + k * 2 * LANCZOS_STEPS, log_det);
        }
        status = one_vector(m->apply, m->user, p, b, t->y);
        if (status >= 0) { /* the solution itself is kept for the next run */
            memcpy(t->rest, x + k * p, (size_t)p * sizeof *t->rest);
            w_matrix_free_deflate(m, b, t->rest);
            add_traces(t, op, first + k, t->rest, trace);
        }
    }
    return status < 0 ? status : solved;
}

static void finish(w_estimate *e, int64_t probes, double exact)
{
    e->value += exact;
    e->error = sqrt(e->error / ((double)probes * (double)(probes - 1)));
}

weir_status w_trace_probes_run(w_trace_probes *t, w_matrix_free *op, const w_preconditioner *m, w_estimate *trace,
                               w_estimate *log_det, int64_t *products)
{
    const int count = t->design->penalty_count;
    weir_status status = WEIR_OK, worst = WEIR_OK;
    memset(trace, 0, (size_t)(count + 1) * sizeof *trace);
    if (log_det) {
        *log_det = (w_estimate){ 0 };
    }
    *products = 0;
    for (int64_t first = 0; status >= 0 && first < t->probes; first += t->vectors) {
        status = run_block(t, op, m, first, w_min64(t->vectors, t->probes - first), trace, log_det, products);
        worst = status > 0 ? status : worst;
    }
    if (status < 0) {
        return status;
    }
    double total = 0.0;
    for (int j = 0; j < count; j++) {
        const double exact = w_matrix_free_coarse_trace(m, j);
        finish(&trace[j], t->probes, exact);
        total += exact;
    }
    finish(&trace[count], t->probes, total);
    if (log_det) {
        finish(log_det, t->probes, m->log_det(m->user, 0));
    }
    t->started = true;
    t->of_rows = false;
    return worst;
}

static weir_status run_row_block(w_trace_probes *t, w_matrix_free *op, const w_preconditioner *m, int64_t first, int64_t width,
                                 w_estimate *trace, int64_t *products)
{
    const int64_t p = t->design->p;
    const int count = t->design->penalty_count;
    w_cg_result result[W_MATRIX_FREE_VECTORS];
    double *x = t->solution + first * p;
    weir_status status = WEIR_OK;
    for (int64_t k = 0; status >= 0 && k < width; k++) {
        status = w_matrix_free_row_probe(op, SEED + (uint64_t)(first + k), t->b + k * p);
    }
    const w_cg_options options = { .right_hand_sides = width, .warm = t->started && t->of_rows, .tolerance = TOLERANCE,
                                   .max_iterations = STEPS };
    if (status >= 0) {
        status = w_cg_solve(t->ctx, w_matrix_free_operator(op), m, &options, t->b, x, result);
    }
    for (int64_t k = 0; status >= 0 && k < width; k++, x += p) {
        double total = 0.0;
        *products += result[k].iterations;
        for (int64_t i = 0; i < p; i++) {
            total += t->b[k * p + i] * x[i];
        }
        for (int j = 0; j < count; j++) {
            add_sample(&trace[j], first + k + 1, w_matrix_free_penalty(op, j, x, x));
        }
        add_sample(&trace[count], first + k + 1, total);
    }
    return status;
}

weir_status w_trace_probes_rows(w_trace_probes *t, w_matrix_free *op, const w_preconditioner *m, w_estimate *trace,
                                int64_t *products)
{
    const int count = t->design->penalty_count;
    weir_status status = WEIR_OK, worst = WEIR_OK;
    memset(trace, 0, (size_t)(count + 1) * sizeof *trace);
    *products = 0;
    for (int64_t first = 0; status >= 0 && first < t->probes; first += t->vectors) {
        status = run_row_block(t, op, m, first, w_min64(t->vectors, t->probes - first), trace, products);
        worst = status > 0 ? status : worst;
    }
    for (int j = 0; status >= 0 && j <= count; j++) {
        finish(&trace[j], t->probes, 0.0);
    }
    t->started = t->of_rows = true;
    return status < 0 ? status : worst;
}
