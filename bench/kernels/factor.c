/* SPDX-License-Identifier: Apache-2.0 */
/* QR: ours on one and on several threads and LAPACK on one and on several in turns, again and again: what disturbs the machine
 * disturbs all four. Ours through the public functions with a workspace given. R alone is set against geqrf, Q and R against
 * geqrf and orgqr. Medians of seconds; GFLOP/s by 2 n^2 (m - n / 3), twice that with Q, whatever the path spends. */
#include "kernels/factor.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"
#include "harness.h"
#include "kernels/factor_solve.h"
#include "weir/linalg.h"

void openblas_set_num_threads(int threads) __attribute__((weak));

enum { OURS_1, OURS_N, LAPACK_1, LAPACK_N, SIDES, REPETITIONS_MAX = 101 };

typedef enum work { GEQRF, ONLY_R, WITH_Q } work;

typedef struct qr_case {
    const char *name;
    work what;
    bool single;
    int64_t m, n;
    int32_t path;
} qr_case;

static const qr_case cases[] = {
    {"qr-r-1e5x8", ONLY_R, false, 100000, 8, WEIR_QR_AUTO},
    {"qr-r-1e5x32", ONLY_R, false, 100000, 32, WEIR_QR_AUTO},
    {"qr-r-1e5x100", ONLY_R, false, 100000, 100, WEIR_QR_AUTO},
    {"qr-r-1e5x200", ONLY_R, false, 100000, 200, WEIR_QR_AUTO},
    {"qr-r-1e5x400", ONLY_R, false, 100000, 400, WEIR_QR_AUTO},
    {"qr-r-1e6x8", ONLY_R, false, 1000000, 8, WEIR_QR_AUTO},
    {"qr-r-1e6x32", ONLY_R, false, 1000000, 32, WEIR_QR_AUTO},
    {"qr-r-f32-1e5x100", ONLY_R, true, 100000, 100, WEIR_QR_AUTO},
    {"qr-q-1e5x8", WITH_Q, false, 100000, 8, WEIR_QR_AUTO},
    {"qr-q-1e5x32", WITH_Q, false, 100000, 32, WEIR_QR_AUTO},
    {"qr-q-1e5x100", WITH_Q, false, 100000, 100, WEIR_QR_AUTO},
    {"qr-q-1e5x400", WITH_Q, false, 100000, 400, WEIR_QR_AUTO},
    {"qr-q-1e6x8", WITH_Q, false, 1000000, 8, WEIR_QR_AUTO},
    {"qr-q-f32-1e5x100", WITH_Q, true, 100000, 100, WEIR_QR_AUTO},
    {"qr-path-householder", WITH_Q, false, 100000, 100, WEIR_QR_HOUSEHOLDER},
    {"qr-path-cholesky2", WITH_Q, false, 100000, 100, WEIR_QR_CHOLESKY2},
    {"qr-path-tsqr", WITH_Q, false, 100000, 100, WEIR_QR_TSQR},
    {"geqrf-1e5x32", GEQRF, false, 100000, 32, 0},
    {"geqrf-1e5x100", GEQRF, false, 100000, 100, 0},
    {"geqrf-1000x37", GEQRF, false, 1000, 37, 0},
    {"geqrf-5000x200", GEQRF, false, 5000, 200, 0},
    {"geqrf-256", GEQRF, false, 256, 256, 0},
    {"geqrf-512", GEQRF, false, 512, 512, 0},
    {"geqrf-1000", GEQRF, false, 1000, 1000, 0},
    {"geqrf-2000", GEQRF, false, 2000, 2000, 0},
    {"geqrf-4096", GEQRF, false, 4096, 4096, 0},
    {"geqrf-f32-512", GEQRF, true, 512, 512, 0},
    {"geqrf-f32-1000", GEQRF, true, 1000, 1000, 0},
    {"geqrf-f32-2000", GEQRF, true, 2000, 2000, 0},
    {"qr-q-512", WITH_Q, false, 512, 512, WEIR_QR_AUTO},
    {"qr-q-1000", WITH_Q, false, 1000, 1000, WEIR_QR_AUTO},
    {"qr-q-2000", WITH_Q, false, 2000, 2000, WEIR_QR_AUTO},
};

typedef struct bed {
    const qr_case *what;
    weir_ctx *ctx[2]; /* one thread, several */
    int threads;
    size_t bytes, work_bytes[2];
    char *a, *b, *r, *tau, *work[2], *lapack;
    w_blas_int lapack_size;
} bed;

static double operations(const qr_case *q)
{
    const double m = (double)q->m, n = (double)q->n;
    return 2.0 * n * n * (m - n / 3.0) * (q->what == WITH_Q ? 2.0 : 1.0);
}

static weir_matrix view(const bed *d, void *data, int64_t rows)
{
    return (weir_matrix){data, d->what->single ? WEIR_F32 : WEIR_F64, rows, d->what->n, 1, rows};
}

static int64_t work_bytes(const bed *d, const weir_ctx *ctx)
{
    const weir_matrix a = view(d, d->a, d->what->m), b = view(d, d->b, d->what->m);
    return d->what->what == GEQRF
               ? weir_geqrf_bytes(ctx, &a)
               : weir_qr_bytes(ctx, d->what->what == WITH_Q ? WEIR_QR_REDUCED : WEIR_QR_R, d->what->path, &a, &b);
}

static bool make(bed *d)
{
    const int64_t count = d->what->m * d->what->n;
    const size_t size = d->what->single ? 4 : 8;
    uint64_t state = 1;
    d->bytes = (size_t)count * size;
    d->lapack_size = (w_blas_int)(d->what->n * 64);
    d->a = malloc(d->bytes);
    d->b = malloc(d->bytes);
    d->r = malloc((size_t)(d->what->n * d->what->n) * size);
    d->tau = malloc((size_t)d->what->n * size);
    d->lapack = malloc((size_t)d->lapack_size * size);
    bool made = d->a && d->b && d->r && d->tau && d->lapack;
    for (int i = 0; i < 2 && made; i++) {
        d->work_bytes[i] = (size_t)work_bytes(d, d->ctx[i]);
        d->work[i] = malloc(d->work_bytes[i]);
        made = d->work[i] != NULL;
    }
    for (int64_t i = 0; i < count && made; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double x = (double)(state >> 11) * 0x1p-53 - 0.5;
        if (d->what->single)
            ((float *)(void *)d->a)[i] = (float)x;
        else
            ((double *)(void *)d->a)[i] = x;
    }
    return made;
}

static void drop(bed *d)
{
    char **const all[] = {&d->a, &d->b, &d->r, &d->tau, &d->lapack, &d->work[0], &d->work[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
}

static weir_status ours(bed *d, int side)
{
    const weir_matrix a = view(d, d->a, d->what->m), b = view(d, d->b, d->what->m), r = view(d, d->r, d->what->n);
    int32_t path = d->what->path;
    if (d->what->what == GEQRF)
        return weir_geqrf(d->ctx[side], &b, d->tau, d->work[side], (int64_t)d->work_bytes[side]);
    return weir_qr(d->ctx[side], d->what->what == WITH_Q ? WEIR_QR_REDUCED : WEIR_QR_R, &a, &b, &r, &path,
                   d->work[side], (int64_t)d->work_bytes[side]);
}

static void lapack(bed *d)
{
    const w_blas_int m = (w_blas_int)d->what->m, n = (w_blas_int)d->what->n;
    void *b = d->b, *tau = d->tau, *work = d->lapack;
    w_blas_int info;
    if (d->what->single)
        sgeqrf_(&m, &n, b, &m, tau, work, &d->lapack_size, &info);
    else
        dgeqrf_(&m, &n, b, &m, tau, work, &d->lapack_size, &info);
    if (d->what->what != WITH_Q)
        return;
    if (d->what->single)
        sorgqr_(&m, &n, &n, b, &m, tau, work, &d->lapack_size, &info);
    else
        dorgqr_(&m, &n, &n, b, &m, tau, work, &d->lapack_size, &info);
}

static double timed(bed *d, int side, int inner)
{
    double seconds = 0.0;
    if (openblas_set_num_threads)
        openblas_set_num_threads(side == LAPACK_N ? d->threads : 1);
    for (int i = 0; i < inner; i++) {
        memcpy(d->b, d->a, d->bytes);
        const double start = bench_seconds();
        if (side <= OURS_N && ours(d, side) < 0)
            return NAN;
        if (side > OURS_N)
            lapack(d);
        seconds += bench_seconds() - start;
    }
    return seconds / inner;
}

static json_t *run_case(bed *d, int repetitions)
{
    static const char *const side_name[SIDES] = {"weir_1", "weir_n", "lapack_1", "lapack_n"};
    double seconds[SIDES][REPETITIONS_MAX], median[SIDES];
    const double work = operations(d->what);
    const int wanted = (int)(2e10 / work), inner = work < 1e7 ? (int)(1e7 / work) : 1;
    int count = repetitions > 0 ? repetitions : wanted < 3 ? 3 : wanted > 31 ? 31 : wanted;
    count = count > REPETITIONS_MAX ? REPETITIONS_MAX : count;
    for (int r = -1; r < count; r++)
        for (int side = 0; side < SIDES; side++)
            seconds[side][r < 0 ? 0 : r] = timed(d, side, inner); /* the first round warms up */
    json_t *result = json_object();
    json_object_set_new(result, "case", json_string(d->what->name));
    json_object_set_new(result, "repetitions", json_integer(count));
    for (int side = 0; side < SIDES; side++) {
        char key[24];
        median[side] = bench_median(seconds[side], count);
        snprintf(key, sizeof key, "%s_ms", side_name[side]);
        json_object_set_new(result, side_name[side], json_real(work / median[side] * 1e-9));
        json_object_set_new(result, key, json_real(median[side] * 1e3));
    }
    json_object_set_new(result, "ratio_1", json_real(median[LAPACK_1] / median[OURS_1]));
    json_object_set_new(
        result, "ratio",
        json_real(fmin(median[LAPACK_1], median[LAPACK_N]) / fmin(median[OURS_1], median[OURS_N])));
    return result;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print(FILE *out, const json_t *results, int threads)
{
    size_t i;
    const json_t *r;
    fprintf(out,
            "\nmilliseconds, medians\n| case | weir 1 thread | weir %d | LAPACK 1 | LAPACK %d | weir GFLOP/s | 1 "
            "thread "
            "| best against best |\n|---|---|---|---|---|---|---|---|\n",
            threads, threads);
    json_array_foreach((json_t *)results, i, r)
        fprintf(out, "| %s | %.3g | %.3g | %.3g | %.3g | %.1f | %.2f | %.2f |\n",
                json_string_value(json_object_get(r, "case")), number(r, "weir_1_ms"), number(r, "weir_n_ms"),
                number(r, "lapack_1_ms"), number(r, "lapack_n_ms"), fmax(number(r, "weir_1"), number(r, "weir_n")),
                number(r, "ratio_1"), number(r, "ratio"));
}

static bool asked(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strncmp(names[i], name, strlen(names[i])))
            return true;
    return count == 0;
}

void factor_list(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        puts(cases[i].name);
    factor_solve_list();
}

static int qr(json_t *results, bed *d, const factor_options *options, int count, char **names)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && !failed; i++) {
        if (!asked(cases[i].name, count, names))
            continue;
        d->what = &cases[i];
        failed = !make(d);
        if (!failed)
            json_array_append_new(results, run_case(d, options->repetitions));
        drop(d);
    }
    return failed;
}

int factor_run(const factor_options *options, int count, char **names)
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
    json_t *orthogonal = json_array(), *others = json_array();
    int failed = qr(orthogonal, &d, options, count, names);
    failed |= factor_solve_run(others, d.threads, options->repetitions, count, names);
    json_t *root = json_pack("{s:s, s:i, s:s, s:O, s:O}", "benchmark", "factor", "threads", d.threads, "lapack",
                             w_blas_config(), "qr", orthogonal, "solve", others);
    failed |= (options->json ? json_dump_file(root, options->json, JSON_INDENT(1))
                             : json_dumpf(root, stdout, JSON_INDENT(1))) != 0;
    print(options->json ? stdout : stderr, orthogonal, d.threads);
    if (json_array_size(others) > 0)
        factor_solve_print(others, d.threads);
    json_decref(root);
    json_decref(orthogonal);
    json_decref(others);
    for (int i = 0; i < 2; i++)
        weir_ctx_destroy(d.ctx[i]);
    return failed;
}
