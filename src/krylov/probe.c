/* SPDX-License-Identifier: Apache-2.0 */
#include "krylov/probe.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "krylov/cg.h"
#include "krylov/columns.h"
#include "krylov/tridiagonal.h"

#define W_PROBE_STEPS 400 /* most rows of a Lanczos matrix */

typedef struct probe_run {
    weir_ctx *ctx;
    const w_operator *a, *s;
    const w_preconditioner *m;
    w_probe_options options;
    int64_t groups, traces, width, systems, values; /* width: probes of one block */
    int64_t done;                                   /* probes before this block */
    w_estimate *log_det, *trace;                    /* value: running mean; error: sum of squares about it */
    double *b, *x, *coefficient, *quadrature;       /* quadrature: 3 W_PROBE_STEPS */
    w_cg_result *solve;
    w_probe_result found;
} probe_run;

/* The blocks that are not needed during the solve. */
typedef struct stage {
    w_columns columns;
    double *block[3], *dot;
} stage;

static w_probe_options complete(const w_probe_options *options)
{
    w_probe_options o = *options;
    o.probes = o.probes > 0 ? o.probes : W_PROBES;
    o.at_once = o.at_once > 0 ? w_min64(o.at_once, o.probes) : o.probes;
    o.tolerance = o.tolerance > 0.0 ? o.tolerance : W_PROBE_TOLERANCE;
    o.max_iterations = o.max_iterations > 0 ? o.max_iterations : W_CG_ITERATIONS;
    return o;
}

static int64_t steps_of(const w_probe_options *o) { return w_min64(o->max_iterations, W_PROBE_STEPS); }

int64_t w_probe_bytes(int64_t groups, const int64_t *n, int64_t traces, const w_probe_options *options)
{
    const w_probe_options o = complete(options);
    const int64_t systems = w_mul64(groups, o.at_once);
    const int64_t block = w_alloc_bytes(w_mul64(w_mul64(w_operator_rows(groups, n), o.at_once), sizeof(double)));
    const int64_t staged = w_add64(w_columns_bytes(groups, n, o.at_once),
                                   w_add64(w_mul64(3, block), w_alloc_bytes(w_mul64(systems, sizeof(double)))));
    int64_t bytes = w_add64(w_mul64(2, block), w_max64(staged, w_cg_bytes(groups, n, o.at_once)));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(systems, w_mul64(2 * steps_of(&o), sizeof(double)))));
    bytes = w_add64(bytes, w_alloc_bytes(3 * W_PROBE_STEPS * (int64_t)sizeof(double)));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(systems, sizeof(w_cg_result))));
    return w_add64(bytes, w_mul64(2, w_alloc_bytes(w_mul64(w_mul64(groups, w_max64(traces, 1)), sizeof(w_estimate)))));
}

static void stage_close(weir_ctx *ctx, stage *stage)
{
    w_free(ctx, stage->dot);
    for (int i = 2; i >= 0; i--) {
        w_free(ctx, stage->block[i]);
    }
    w_columns_free(&stage->columns);
}

static weir_status stage_open(const probe_run *run, stage *stage)
{
    weir_ctx *ctx = run->ctx;
    stage->columns.ctx = ctx;
    weir_status status = w_columns_create(ctx, run->groups, run->a->n, run->width, &stage->columns);
    if (status < 0) {
        return status;
    }
    bool made = true;
    for (int i = 0; i < 3; i++) {
        stage->block[i] = w_alloc_array(ctx, "probes", (size_t)run->values, sizeof(double));
        made = made && stage->block[i] != NULL;
    }
    stage->dot = w_alloc_array(ctx, "probes", (size_t)run->systems, sizeof(double));
    if (!made || stage->dot == NULL) {
        return w_alloc_status(ctx);
    }
    w_columns_choose(&stage->columns, NULL);
    return WEIR_OK;
}

/* Entries +-1 of probe `number` of a group into column k of its slice. */
static void draw(uint64_t seed, const w_slice *slice, int64_t number, int64_t k, double *block)
{
    w_rng rng;
    w_rng_seed(&rng, seed + 0x9e3779b97f4a7c15u * (uint64_t)(number + 1) + 0xd1b54a32d192ed03u * (uint64_t)slice->group);
    uint64_t bits = 0;
    for (int64_t i = 0; i < slice->n; i++) {
        bits = i % 64 == 0 ? w_rng_next(&rng) : bits >> 1;
        block[slice->first + i * slice->count + k] = bits & 1 ? 1.0 : -1.0;
    }
}

/* b = F xi */
static weir_status start_vectors(probe_run *run)
{
    stage st = { 0 };
    weir_status status = stage_open(run, &st);
    for (int64_t s = 0; status >= 0 && s < st.columns.block.slices; s++) {
        const w_slice *slice = &st.columns.slice[s];
        for (int64_t k = 0; k < slice->count; k++) {
            draw(run->options.seed, slice, run->done + k, k, st.block[0]);
        }
    }
    if (status >= 0 && run->m != NULL) {
        status = run->m->root(run->m->user, &st.columns.block, st.block[0], st.block[1]);
    }
    if (status >= 0) {
        w_columns_unpack(&st.columns, st.block[run->m ? 1 : 0], run->b);
    }
    stage_close(run->ctx, &st);
    return status;
}

static weir_status solve(probe_run *run)
{
    const w_cg_options cg = { .right_hand_sides = run->width, .tolerance = run->options.tolerance,
                              .max_iterations = run->options.max_iterations, .coefficient = run->coefficient,
                              .coefficient_rows = steps_of(&run->options) };
    const weir_status status = w_cg_solve(run->ctx, run->a, run->m, &cg, run->b, run->x, run->solve);
    for (int64_t s = 0; s < run->systems; s++) {
        run->found.iterations = w_max64(run->found.iterations, run->solve[s].iterations);
        run->found.unfinished += run->solve[s].state != W_CG_CONVERGED;
    }
    return status < 0 ? status : WEIR_OK;
}

/* Welford's update with the value of probe number `before` (from 0). */
static void account(w_estimate *e, int64_t before, double value)
{
    const double off = value - e->value;
    e->value += off / (double)(before + 1);
    e->error += off * (value - e->value);
}

static weir_status add_log_det(probe_run *run)
{
    const int64_t rows = steps_of(&run->options);
    double *d = run->quadrature, *e = d + rows, *weight = e + rows;
    for (int64_t s = 0; s < run->systems; s++) {
        const int64_t k = run->solve[s].coefficients, group = s / run->width;
        w_cg_tridiagonal(k, run->coefficient + 2 * s * rows, d, e);
        bool good = w_tridiagonal_gauss(k, d, e, weight);
        double sum = 0.0;
        for (int64_t i = 0; i < k && good; i++) {
            good = d[i] > 0.0 || weight[i] == 0.0;
            sum += weight[i] > 0.0 ? weight[i] * log(d[i]) : 0.0;
        }
        if (!good) {
            return w_fail(run->ctx, WEIR_E_NUMERIC, "log-determinant: the Lanczos matrix of probe %lld has no logarithm",
                          (long long)(run->done + s % run->width));
        }
        account(&run->log_det[group], run->done + s % run->width, (double)run->a->n[group] * sum);
    }
    return WEIR_OK;
}

static weir_status add_traces(probe_run *run)
{
    stage st = { 0 };
    weir_status status = stage_open(run, &st);
    const double *z = st.block[0];
    if (status >= 0) {
        w_columns_pack(&st.columns, run->b, st.block[0]);
        if (run->m != NULL) {
            status = run->m->apply(run->m->user, &st.columns.block, st.block[0], st.block[1]);
            z = st.block[1];
        }
    }
    double *x = st.block[run->m ? 0 : 1];
    if (status >= 0) {
        w_columns_pack(&st.columns, run->x, x);
    }
    for (int64_t j = 0; j < run->traces && status >= 0; j++) {
        status = run->s[j].apply(run->s[j].user, &st.columns.block, x, st.block[2]);
        if (status < 0) {
            w_fail(run->ctx, status, "trace %lld: the product failed (%s)", (long long)j, weir_status_name(status));
            break;
        }
        w_columns_dot(&st.columns, st.block[2], z, st.dot);
        for (int64_t s = 0; s < run->systems; s++) {
            account(&run->trace[j * run->groups + s / run->width], run->done + s % run->width, st.dot[s]);
        }
    }
    stage_close(run->ctx, &st);
    return status;
}

/* One block of `width` probes per group. */
static weir_status add_block(probe_run *run, int64_t width)
{
    run->width = width;
    run->systems = run->groups * width;
    run->values = w_operator_rows(run->groups, run->a->n) * width;
    weir_status status = start_vectors(run);
    status = status < 0 ? status : solve(run);
    status = status < 0 ? status : add_log_det(run);
    status = status < 0 || run->traces == 0 ? status : add_traces(run);
    run->done += width;
    return status;
}

static weir_status allocate(probe_run *run)
{
    weir_ctx *ctx = run->ctx;
    const w_probe_options *o = &run->options;
    const int64_t systems = w_mul64(run->groups, o->at_once);
    const size_t values = (size_t)w_mul64(w_operator_rows(run->groups, run->a->n), o->at_once);
    run->b = w_alloc_array(ctx, "probes", values, sizeof(double));
    run->x = w_alloc_array(ctx, "probes", values, sizeof(double));
    run->coefficient = w_alloc_array(ctx, "probes", (size_t)w_mul64(systems, 2 * steps_of(o)), sizeof(double));
    run->quadrature = w_alloc_array(ctx, "probes", 3 * W_PROBE_STEPS, sizeof(double));
    run->solve = w_alloc_array(ctx, "probes", (size_t)systems, sizeof *run->solve);
    run->log_det = w_calloc(ctx, "probes", (size_t)run->groups, sizeof *run->log_det);
    run->trace = w_calloc(ctx, "probes", (size_t)w_mul64(run->groups, run->traces), sizeof *run->trace);
    return run->b && run->x && run->coefficient && run->quadrature && run->solve && run->log_det && run->trace
               ? WEIR_OK : w_alloc_status(ctx);
}

static void release(probe_run *run)
{
    weir_ctx *ctx = run->ctx;
    w_free(ctx, run->trace);
    w_free(ctx, run->log_det);
    w_free(ctx, run->solve);
    w_free(ctx, run->quadrature);
    w_free(ctx, run->coefficient);
    w_free(ctx, run->x);
    w_free(ctx, run->b);
}

static void publish(const probe_run *run, w_estimate *log_det, w_estimate *trace)
{
    const double count = (double)run->options.probes;
    for (int64_t g = 0; log_det && g < run->groups; g++) {
        log_det[g].value = run->log_det[g].value + (run->m ? run->m->log_det(run->m->user, g) : 0.0);
        log_det[g].error = sqrt(run->log_det[g].error / (count * (count - 1.0)));
    }
    for (int64_t i = 0; i < run->traces * run->groups; i++) {
        trace[i] = (w_estimate){ run->trace[i].value, sqrt(run->trace[i].error / (count * (count - 1.0))) };
    }
}

weir_status w_probe_estimate(weir_ctx *ctx, const w_operator *a, const w_preconditioner *m, const w_probe_options *options,
                             w_estimate *log_det, int64_t traces, const w_operator *s, w_estimate *trace,
                             w_probe_result *result)
{
    probe_run run = { .ctx = ctx, .a = a, .s = s, .m = m, .options = complete(options), .groups = a->groups,
                      .traces = traces };
    if (run.options.probes < 2 || (m != NULL && (m->root == NULL || m->log_det == NULL))) {
        return w_fail(ctx, WEIR_E_ARG, "probe estimates need two probes and a preconditioner with a known root");
    }
    weir_status status = allocate(&run);
    while (status >= 0 && run.done < run.options.probes) {
        status = add_block(&run, w_min64(run.options.at_once, run.options.probes - run.done));
    }
    if (status >= 0) {
        publish(&run, log_det, trace);
        if (result) {
            *result = run.found;
        }
        if (run.found.unfinished > 0) {
            status = w_remark(ctx, WEIR_NOT_CONVERGED, "%lld of the probes' solves stopped short of tolerance %.1e",
                              (long long)run.found.unfinished, run.options.tolerance);
        }
    }
    release(&run);
    return status;
}
