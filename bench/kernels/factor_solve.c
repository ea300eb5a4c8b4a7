/* SPDX-License-Identifier: Apache-2.0 */
/* Ours on one and on several threads and LAPACK on one and on several in turns, again and again: what disturbs the machine disturbs all
 * four. Ours through the public functions, without a workspace. GFLOP/s by the customary number of operations. */
#include "kernels/factor_solve.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"
#include "harness.h"
#include "weir/linalg.h"

void openblas_set_num_threads(int threads) __attribute__((weak));
void dgelsy_(const w_blas_int *m, const w_blas_int *n, const w_blas_int *nrhs, double *a, const w_blas_int *lda, double *b,
             const w_blas_int *ldb, w_blas_int *jpvt, const double *rcond, w_blas_int *rank, double *work, const w_blas_int *lwork,
             w_blas_int *info);
void dgels_(const char *trans, const w_blas_int *m, const w_blas_int *n, const w_blas_int *nrhs, double *a, const w_blas_int *lda,
            double *b, const w_blas_int *ldb, double *work, const w_blas_int *lwork, w_blas_int *info);

enum { OURS_1, OURS_N, LAPACK_1, LAPACK_N, SIDES, REPETITIONS_MAX = 101 };
typedef enum work { LU, LU_F32, CHOLESKY, CHOLESKY_F32, SOLVE, TRIANGULAR, PIVOTED, LEAST, DEFICIENT, EIGEN } work;

typedef struct solve_case {
    const char *name;
    work what;
    int64_t m, n; /* right-hand sides m for SOLVE and TRIANGULAR */
} solve_case;

static const solve_case cases[] = {
    {"lu-50", LU, 50, 50}, {"lu-100", LU, 100, 100}, {"lu-200", LU, 200, 200}, {"lu-500", LU, 500, 500}, {"lu-1000", LU, 1000, 1000},
    {"lu-2000", LU, 2000, 2000}, {"lu-f32-100", LU_F32, 100, 100}, {"lu-f32-500", LU_F32, 500, 500}, {"lu-f32-2000", LU_F32, 2000, 2000},
    {"potrf-100", CHOLESKY, 100, 100}, {"potrf-500", CHOLESKY, 500, 500}, {"potrf-2000", CHOLESKY, 2000, 2000},
    {"potrf-f32-500", CHOLESKY_F32, 500, 500}, {"gesv-200x1", SOLVE, 1, 200}, {"gesv-500x1", SOLVE, 1, 500},
    {"gesv-500x500", SOLVE, 500, 500}, {"trsm-500x500", TRIANGULAR, 500, 500}, {"trsm-500x1", TRIANGULAR, 1, 500},
    {"geqp3-200", PIVOTED, 200, 200}, {"geqp3-500", PIVOTED, 500, 500}, {"lstsq-1e5x50", LEAST, 100000, 50},
    {"lstsq-2000x200", LEAST, 2000, 200}, {"lstsq-rank-2000x200", DEFICIENT, 2000, 200}, {"eigh-200", EIGEN, 200, 200},
    {"eigh-500", EIGEN, 500, 500},
};

typedef struct bed {
    const solve_case *what;
    weir_ctx *ctx[2];
    int threads;
    double *a, *b, *c, *d, *tau, *work;
    float *single, *single_c;
    int64_t *pivot;
    w_blas_int *ipiv;
    int64_t elements, rights;
} bed;

static double operations(const solve_case *q)
{
    const double m = (double)q->m, n = (double)q->n;
    switch (q->what) {
    case LU: case LU_F32: return 2.0 * n * n * n / 3.0;
    case CHOLESKY: case CHOLESKY_F32: return n * n * n / 3.0;
    case SOLVE: return 2.0 * n * n * n / 3.0 + 2.0 * m * n * n;
    case TRIANGULAR: return m * n * n;
    case EIGEN: return 9.0 * n * n * n;
    default: return 2.0 * n * n * (m - n / 3.0);
    }
}

static double *random_numbers(int64_t count, uint64_t state)
{
    double *x = malloc((size_t)(count + 1) * sizeof *x);
    for (int64_t i = 0; x && i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(state >> 11) * 0x1p-53 - 0.5;
    }
    return x;
}

static bool make(bed *d)
{
    const solve_case *q = d->what;
    const bool tall = q->what == LEAST || q->what == DEFICIENT, square = !tall;
    const int64_t n = q->n, rows = tall ? q->m : n;
    d->elements = rows * n;
    d->rights = tall ? rows : n * (q->what == SOLVE || q->what == TRIANGULAR ? q->m : 1);
    d->a = random_numbers(d->elements, 1);
    d->b = random_numbers(d->rights, 2);
    d->c = malloc((size_t)d->elements * sizeof *d->c);
    d->d = malloc((size_t)(d->rights + n) * sizeof *d->d);
    d->tau = malloc((size_t)n * sizeof *d->tau);
    d->work = malloc((size_t)(2 * n * n + 100 * (n + 200)) * sizeof *d->work);
    d->single = malloc((size_t)d->elements * sizeof *d->single);
    d->single_c = malloc((size_t)d->elements * sizeof *d->single_c);
    d->pivot = malloc((size_t)n * sizeof *d->pivot);
    d->ipiv = malloc((size_t)(5 * n + 10) * sizeof *d->ipiv);
    if (!d->a || !d->b || !d->c || !d->d || !d->tau || !d->work || !d->single || !d->single_c || !d->pivot || !d->ipiv)
        return false;
    for (int64_t i = 0; square && i < n && q->what != LU && q->what != LU_F32 && q->what != SOLVE; i++)
        d->a[i * (n + 1)] = (double)n;
    for (int64_t j = n / 2; q->what == DEFICIENT && j < n; j++)
        memcpy(d->a + j * rows, d->a + (j - n / 2) * rows, (size_t)rows * sizeof *d->a);
    for (int64_t i = 0; i < d->elements; i++)
        d->single[i] = (float)d->a[i];
    return true;
}

static void drop(bed *d)
{
    free(d->a);
    free(d->b);
    free(d->c);
    free(d->d);
    free(d->tau);
    free(d->work);
    free(d->single);
    free(d->single_c);
    free(d->pivot);
    free(d->ipiv);
}

static void refresh(bed *d)
{
    memcpy(d->c, d->a, (size_t)d->elements * sizeof *d->c);
    memcpy(d->d, d->b, (size_t)d->rights * sizeof *d->d);
    memcpy(d->single_c, d->single, (size_t)d->elements * sizeof *d->single_c);
}

static weir_status ours(bed *d, weir_ctx *ctx)
{
    const solve_case *q = d->what;
    const int64_t n = q->n, rows = d->elements / n, count = d->rights / (q->what == SOLVE || q->what == TRIANGULAR ? n : rows);
    const weir_matrix a = {d->a, WEIR_F64, rows, n, 1, rows}, c = {d->c, WEIR_F64, rows, n, 1, rows};
    const weir_matrix single = {d->single_c, WEIR_F32, rows, n, 1, rows}, right = {d->d, WEIR_F64, rows, count, 1, rows};
    const weir_matrix b = {d->b, WEIR_F64, rows, count, 1, rows}, x = {d->d, WEIR_F64, n, count, 1, n};
    switch (q->what) {
    case LU: return weir_getrf(ctx, &c, d->pivot, NULL, NULL, 0);
    case LU_F32: return weir_getrf(ctx, &single, d->pivot, NULL, NULL, 0);
    case CHOLESKY: return weir_potrf(ctx, WEIR_LOWER, &c, NULL, NULL, 0);
    case CHOLESKY_F32: return weir_potrf(ctx, WEIR_LOWER, &single, NULL, NULL, 0);
    case SOLVE: return weir_solve(ctx, &a, &right, NULL, NULL, NULL, 0);
    case TRIANGULAR: return weir_trsm(ctx, WEIR_LEFT, WEIR_LOWER, WEIR_NO_TRANS, WEIR_NON_UNIT, &a, &right, NULL, NULL, 0);
    case PIVOTED: return weir_geqp3(ctx, &c, d->pivot, d->tau, NULL, 0);
    case EIGEN: return weir_syevd(ctx, 1, WEIR_LOWER, &c, d->tau, NULL, NULL, 0);
    default: return weir_lstsq(ctx, &a, &b, &x, 0.0, NULL, NULL, 0);
    }
}

static int lapack(bed *d)
{
    const solve_case *q = d->what;
    const w_blas_int n = (w_blas_int)q->n, rows = (w_blas_int)(d->elements / n), one_right = 1, count = (w_blas_int)q->m;
    const w_blas_int lwork = (w_blas_int)(2 * n * n + 100 * (n + 200)), liwork = 5 * n + 10;
    const double one = 1.0, rcond = 1e-12;
    w_blas_int info = 0, rank;
    switch (q->what) {
    case LU: dgetrf_(&n, &n, d->c, &n, d->ipiv, &info); break;
    case LU_F32: sgetrf_(&n, &n, d->single_c, &n, d->ipiv, &info); break;
    case CHOLESKY: dpotrf_("L", &n, d->c, &n, &info); break;
    case CHOLESKY_F32: spotrf_("L", &n, d->single_c, &n, &info); break;
    case SOLVE:
        dgetrf_(&n, &n, d->c, &n, d->ipiv, &info);
        dgetrs_("N", &n, &count, d->c, &n, d->ipiv, d->d, &n, &info);
        break;
    case TRIANGULAR: dtrsm_("L", "L", "N", "N", &n, &count, &one, d->c, &n, d->d, &n); break;
    case PIVOTED:
        memset(d->ipiv, 0, (size_t)n * sizeof *d->ipiv);
        dgeqp3_(&n, &n, d->c, &n, d->ipiv, d->tau, d->work, &lwork, &info);
        break;
    case EIGEN: dsyevd_("V", "L", &n, d->c, &n, d->tau, d->work, &lwork, d->ipiv, &liwork, &info); break;
    case LEAST: dgels_("N", &rows, &n, &one_right, d->c, &rows, d->d, &rows, d->work, &lwork, &info); break;
    default:
        memset(d->ipiv, 0, (size_t)n * sizeof *d->ipiv);
        dgelsy_(&rows, &n, &one_right, d->c, &rows, d->d, &rows, d->ipiv, &rcond, &rank, d->work, &lwork, &info);
        break;
    }
    return info;
}

/* Seconds of one run; NaN when it failed. */
static double timed(bed *d, int side, int inner)
{
    double seconds = 0.0;
    if (openblas_set_num_threads)
        openblas_set_num_threads(side == LAPACK_N ? d->threads : 1);
    for (int i = 0; i < inner; i++) {
        refresh(d);
        const double start = bench_seconds();
        const int failed = side <= OURS_N ? ours(d, d->ctx[side]) < 0 : lapack(d) != 0;
        seconds += failed ? NAN : bench_seconds() - start;
    }
    return seconds / inner;
}

static json_t *run_case(bed *d, int repetitions)
{
    static const char *const side_name[SIDES] = {"weir_1", "weir_n", "lapack_1", "lapack_n"};
    double seconds[SIDES][REPETITIONS_MAX], median[SIDES];
    const double work = operations(d->what);
    const int wanted = (int)(1e10 / work), inner = work < 1e7 ? (int)(1e7 / work) : 1;
    int count = repetitions > 0 ? repetitions : wanted < 5 ? 5 : wanted > 21 ? 21 : wanted;
    count = count > REPETITIONS_MAX ? REPETITIONS_MAX : count;
    for (int r = -1; r < count; r++)
        for (int side = 0; side < SIDES; side++)
            seconds[side][r < 0 ? 0 : r] = timed(d, side, inner); /* the first round warms up */
    json_t *result = json_pack("{s:s, s:i}", "case", d->what->name, "repetitions", count);
    for (int side = 0; side < SIDES; side++) {
        median[side] = bench_median(seconds[side], count);
        if (!isfinite(median[side])) {
            json_decref(result);
            return NULL;
        }
        json_object_set_new(result, side_name[side], json_real(work / median[side] * 1e-9));
    }
    json_object_set_new(result, "ratio_1", json_real(median[LAPACK_1] / median[OURS_1]));
    json_object_set_new(result, "ratio", json_real(fmin(median[LAPACK_1], median[LAPACK_N]) / fmin(median[OURS_1], median[OURS_N])));
    return result;
}

static bool asked(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strncmp(names[i], name, strlen(names[i])))
            return true;
    return count == 0;
}

void factor_solve_list(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        puts(cases[i].name);
}

int factor_solve_run(json_t *results, int threads, int repetitions, int count, char **names)
{
    bed d = {.threads = threads > 0 ? threads : bench_processors()};
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        context.threads = i ? d.threads : 1;
        if (weir_ctx_create(&context, &d.ctx[i]) < 0) {
            fputs("weir-bench: no context\n", stderr);
            return 1;
        }
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases && !failed; i++) {
        if (!asked(cases[i].name, count, names))
            continue;
        d.what = &cases[i];
        json_t *row = make(&d) ? run_case(&d, repetitions) : NULL;
        failed = !row;
        if (failed)
            fprintf(stderr, "weir-bench: %s failed\n", cases[i].name);
        else
            json_array_append_new(results, row);
        drop(&d);
    }
    for (int i = 0; i < 2; i++)
        weir_ctx_destroy(d.ctx[i]);
    return failed;
}

static double number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

void factor_solve_print(const json_t *results, int threads)
{
    size_t i;
    const json_t *r;
    fprintf(stderr, "\nGFLOP/s, medians\n| case | weir 1 thread | weir %d | LAPACK 1 | LAPACK %d | 1 thread | best against best |\n"
                    "|---|---|---|---|---|---|---|\n", threads, threads);
    json_array_foreach((json_t *)results, i, r)
        fprintf(stderr, "| %s | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f |\n", json_string_value(json_object_get(r, "case")),
                number(r, "weir_1"), number(r, "weir_n"), number(r, "lapack_1"), number(r, "lapack_n"), number(r, "ratio_1"),
                number(r, "ratio"));
}
