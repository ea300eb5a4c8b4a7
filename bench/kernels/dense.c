/* SPDX-License-Identifier: Apache-2.0 */
/* Each case runs in turn on one and on several threads, ours and the BLAS's, again and again: what disturbs the machine
 * disturbs all four. Medians of seconds count; GFLOP/s by the customary number of operations. */
#include "kernels/dense.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"
#include "dense/chol.h"
#include "dense/dense.h"
#include "dense/level3.h"
#include "dense/refine.h"
#include "harness.h"

void openblas_set_num_threads(int threads) __attribute__((weak));

enum { OURS_1, OURS_N, BLAS_1, BLAS_N, SIDES, REPETITIONS_MAX = 101 };

typedef enum work { GEMM, CHOLESKY, CHOLESKY_F32, SOLVE, INVERSE, SYRK, MIXED } work;

typedef struct dense_case {
    const char *name;
    work what;
    int64_t n, p; /* matrix p x p; n: rows of the cross-products, right-hand sides of a solve */
} dense_case;

static const dense_case cases[] = {
    {"gemm-200", GEMM, 200, 200}, {"gemm-500", GEMM, 500, 500}, {"gemm-1000", GEMM, 1000, 1000}, {"gemm-2000", GEMM, 2000, 2000},
    {"chol-50", CHOLESKY, 0, 50}, {"chol-100", CHOLESKY, 0, 100}, {"chol-200", CHOLESKY, 0, 200},
    {"chol-500", CHOLESKY, 0, 500}, {"chol-1000", CHOLESKY, 0, 1000}, {"chol-2000", CHOLESKY, 0, 2000},
    {"chol-f32-500", CHOLESKY_F32, 0, 500}, {"chol-f32-2000", CHOLESKY_F32, 0, 2000},
    {"solve-200x200", SOLVE, 200, 200}, {"solve-500x500", SOLVE, 500, 500}, {"solve-2000x200", SOLVE, 200, 2000},
    {"inverse-200", INVERSE, 0, 200}, {"inverse-500", INVERSE, 0, 500}, {"inverse-2000", INVERSE, 0, 2000},
    {"syrk-2e5x20", SYRK, 200000, 20}, {"syrk-2e5x50", SYRK, 200000, 50}, {"syrk-2e5x100", SYRK, 200000, 100},
    {"syrk-2e5x200", SYRK, 200000, 200}, {"syrk-4e4x500", SYRK, 40000, 500},
    {"mixed-500", MIXED, 1, 500}, {"mixed-1000", MIXED, 1, 1000}, {"mixed-2000", MIXED, 1, 2000},
};

typedef struct bed {
    const dense_case *what;
    weir_ctx *ctx[2]; /* one thread, several */
    int threads;
    double *a, *b, *c, *factor, *weight, *scaled;
    float *single, *single_factor;
} bed;

static double operations(const dense_case *what)
{
    const double n = (double)what->n, p = (double)what->p;
    switch (what->what) {
    case GEMM: return 2.0 * p * p * p;
    case CHOLESKY: case CHOLESKY_F32: return p * p * p / 3.0;
    case SOLVE: return 2.0 * n * p * p;
    case INVERSE: return 2.0 * p * p * p / 3.0;
    case SYRK: return n * p * p;
    default: return p * p * p / 3.0 + 2.0 * n * p * p;
    }
}

static double *random_numbers(int64_t count, uint64_t state)
{
    double *x = malloc((size_t)count * sizeof *x);
    for (int64_t i = 0; x && i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(state >> 11) * 0x1p-53 - 0.5;
    }
    return x;
}

static bool make(bed *d)
{
    const int64_t p = d->what->p, n = d->what->n, square = p * p;
    const bool cross = d->what->what == SYRK;
    int64_t failed = 0;
    d->a = random_numbers(cross ? n * p : square, 1);
    d->b = random_numbers(cross ? 1 : p * (n > p ? n : p), 2);
    d->c = calloc((size_t)(p * (cross || n <= p ? p : n)), sizeof *d->c);
    d->factor = malloc((size_t)square * sizeof *d->factor);
    d->weight = random_numbers(cross ? n : 1, 3);
    d->scaled = malloc((size_t)(cross ? n * p : 1) * sizeof *d->scaled);
    d->single = malloc((size_t)square * sizeof *d->single);
    d->single_factor = malloc((size_t)square * sizeof *d->single_factor);
    if (!d->a || !d->b || !d->c || !d->factor || !d->weight || !d->scaled || !d->single || !d->single_factor)
        return false;
    if (!cross) {
        for (int64_t i = 0; i < p; i++)
            d->a[i * (p + 1)] = (double)p;
        for (int64_t i = 0; i < square; i++)
            d->single[i] = (float)d->a[i];
        memcpy(d->factor, d->a, (size_t)square * sizeof *d->a);
        return w_chol_factor(d->ctx[0], p, d->factor, &failed) >= 0 && !failed;
    }
    return true;
}

static void drop(bed *d)
{
    free(d->a);
    free(d->b);
    free(d->c);
    free(d->factor);
    free(d->weight);
    free(d->scaled);
    free(d->single);
    free(d->single_factor);
}

/* What a run overwrites. */
static void refresh(bed *d)
{
    const int64_t p = d->what->p;
    switch (d->what->what) {
    case CHOLESKY: memcpy(d->c, d->a, (size_t)(p * p) * sizeof *d->a); break;
    case CHOLESKY_F32: memcpy(d->single_factor, d->single, (size_t)(p * p) * sizeof *d->single); break;
    case SOLVE: memcpy(d->c, d->b, (size_t)(p * d->what->n) * sizeof *d->b); break;
    case INVERSE: memcpy(d->c, d->factor, (size_t)(p * p) * sizeof *d->c); break;
    case MIXED: memcpy(d->factor, d->a, (size_t)(p * p) * sizeof *d->a); break;
    default: break;
    }
}

static void ours(bed *d, weir_ctx *ctx)
{
    const int64_t p = d->what->p, n = d->what->n;
    const w_panel *k = w_panel_best(8);
    int64_t failed;
    w_refinement report;
    switch (d->what->what) {
    case GEMM: w_gemm(ctx, k, p, p, p, 1.0, (w_operand){d->a, 1, p}, (w_operand){d->b, p, 1}, d->c, p); break;
    case CHOLESKY: w_chol_factor(ctx, p, d->c, &failed); break;
    case CHOLESKY_F32: w_chol_factor_panels(ctx, w_panel_best(4), true, p, d->single_factor, p, &failed); break;
    case SOLVE: w_chol_solve_many(ctx, p, d->factor, d->c, n); break;
    case INVERSE: w_chol_inverse(ctx, p, d->factor, d->c, NULL); break;
    case SYRK: w_syrk_weighted(ctx, k, n, p, d->a, p, d->weight, NULL, d->c, p, NULL); break;
    case MIXED: w_refine_solve(ctx, p, d->a, n, d->b, d->c, true, &report); break;
    }
}

static void blas(bed *d)
{
    const w_blas_int p = (w_blas_int)d->what->p, n = (w_blas_int)d->what->n;
    const double one = 1.0, zero = 0.0;
    w_blas_int info;
    switch (d->what->what) {
    case GEMM: dgemm_("N", "N", &p, &p, &p, &one, d->a, &p, d->b, &p, &one, d->c, &p); break;
    case CHOLESKY: dpotrf_("U", &p, d->c, &p, &info); break;
    case CHOLESKY_F32: spotrf_("U", &p, d->single_factor, &p, &info); break;
    case SOLVE: dpotrs_("U", &p, &n, d->factor, &p, d->c, &p, &info); break;
    case INVERSE: dpotri_("U", &p, d->c, &p, &info); break;
    case SYRK:
        for (int64_t i = 0; i < d->what->n; i++) {
            const double root = sqrt(fabs(d->weight[i]));
            for (int64_t j = 0; j < p; j++)
                d->scaled[i * p + j] = root * d->a[i * p + j];
        }
        dsyrk_("U", "N", &p, &n, &one, d->scaled, &p, &zero, d->c, &p);
        break;
    case MIXED:
        memcpy(d->c, d->b, (size_t)(p * n) * sizeof *d->c);
        dpotrf_("U", &p, d->factor, &p, &info);
        dpotrs_("U", &p, &n, d->factor, &p, d->c, &p, &info);
        break;
    }
}

static double timed(bed *d, int side, int inner)
{
    double seconds = 0.0;
    if (openblas_set_num_threads)
        openblas_set_num_threads(side == BLAS_N ? d->threads : 1);
    for (int i = 0; i < inner; i++) {
        refresh(d);
        const double start = bench_seconds();
        if (side == OURS_1 || side == OURS_N)
            ours(d, d->ctx[side]);
        else
            blas(d);
        seconds += bench_seconds() - start;
    }
    return seconds / inner;
}

static json_t *run_case(bed *d, int repetitions)
{
    static const char *const side_name[SIDES] = {"weir_1", "weir_n", "blas_1", "blas_n"};
    double seconds[SIDES][REPETITIONS_MAX], median[SIDES];
    const double work = operations(d->what);
    const int wanted = (int)(3e10 / work), inner = work < 1e7 ? (int)(1e7 / work) : 1;
    int count = repetitions > 0 ? repetitions : wanted < 5 ? 5 : wanted > 31 ? 31 : wanted;
    count = count > REPETITIONS_MAX ? REPETITIONS_MAX : count;
    for (int r = -1; r < count; r++)
        for (int side = 0; side < SIDES; side++)
            seconds[side][r < 0 ? 0 : r] = timed(d, side, inner); /* the first round warms up */
    json_t *result = json_object();
    json_object_set_new(result, "case", json_string(d->what->name));
    json_object_set_new(result, "repetitions", json_integer(count));
    for (int side = 0; side < SIDES; side++) {
        median[side] = bench_median(seconds[side], count);
        json_object_set_new(result, side_name[side], json_real(work / median[side] * 1e-9));
    }
    const double best = fmin(median[BLAS_1], median[BLAS_N]);
    json_object_set_new(result, "ratio_1", json_real(median[BLAS_1] / median[OURS_1]));
    json_object_set_new(result, "ratio", json_real(best / fmin(median[OURS_1], median[OURS_N])));
    return result;
}

static double number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

static int write_dense(json_t *root, const char *path, const json_t *results, int threads)
{
    FILE *out = path ? stdout : stderr;
    size_t i;
    const json_t *r;
    int failed = path ? json_dump_file(root, path, JSON_INDENT(1)) : json_dumpf(root, stdout, JSON_INDENT(1));
    fprintf(out, "\nGFLOP/s, medians\n| case | weir 1 thread | weir %d | BLAS 1 | BLAS %d | 1 thread | best against best |\n"
                 "|---|---|---|---|---|---|---|\n", threads, threads);
    json_array_foreach((json_t *)results, i, r)
        fprintf(out, "| %s | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f |\n", json_string_value(json_object_get(r, "case")),
                number(r, "weir_1"), number(r, "weir_n"), number(r, "blas_1"), number(r, "blas_n"), number(r, "ratio_1"),
                number(r, "ratio"));
    return failed ? 1 : 0;
}

static bool asked(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strncmp(names[i], name, strlen(names[i])))
            return true;
    return count == 0;
}

void dense_list(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        puts(cases[i].name);
}

int dense_run(const dense_options *options, int count, char **names)
{
    bed d = {.threads = options->threads > 0 ? options->threads : bench_processors()};
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    for (int i = 0; i < 2; i++) {
        context.threads = i ? d.threads : 1;
        if (weir_ctx_create(&context, &d.ctx[i])) {
            fputs("weir-bench: no context\n", stderr);
            return 1;
        }
    }
    json_t *results = json_array();
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && !failed; i++) {
        if (!asked(cases[i].name, count, names))
            continue;
        d.what = &cases[i];
        failed = !make(&d);
        if (!failed)
            json_array_append_new(results, run_case(&d, options->repetitions));
        drop(&d);
    }
    json_t *root = json_pack("{s:s, s:i, s:s, s:O}", "benchmark", "dense", "threads", d.threads, "blas", w_blas_config(),
                             "results", results);
    failed |= write_dense(root, options->json, results, d.threads);
    json_decref(root);
    json_decref(results);
    for (int i = 0; i < 2; i++)
        weir_ctx_destroy(d.ctx[i]);
    return failed;
}
