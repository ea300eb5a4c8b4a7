/* SPDX-License-Identifier: Apache-2.0 */
/* Each operation is timed warm at a small and a large size, the lower quartile of at least five runs each, by processor time. With
 *   t(f) = launch + (f + half) / peak
 * two points give  peak = (f2 - f1) / (t2 - t1)  and  half = (t1 - launch) peak - f1;  an operation whose larger size is
 * not slower says nothing and keeps its constants. The timed routines are the ones the library calls, one thread. */
#include "device/cost.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/rng.h"
#include "device/device.h"
#include "device/host.h"

#define LARGEST 384
#define REPEATS 5
#define REPEATS_LIMIT 25

typedef struct bench {
    void *state;       /* of the host's table */
    double *source, *a, *b, *c; /* LARGEST x LARGEST each; source: symmetric, diagonally dominant */
    char *stream;
    int64_t stream_bytes;
    uint64_t sink;
} bench;

typedef weir_status (*timed_fn)(bench *work, int64_t n);

static weir_status run_gemm(bench *w, int64_t n)
{
    return w_host_gemm(w->state, WEIR_DEVICE_F64, 'N', 'N', n, n, n, 1.0, w->source, n, w->b, n, 0.0, w->c, n);
}

static weir_status run_gemm_f32(bench *w, int64_t n)
{
    return w_host_gemm(w->state, WEIR_DEVICE_F32, 'N', 'N', n, n, n, 1.0, w->a, n, w->b, n, 0.0, w->c, n);
}

static weir_status run_syrk(bench *w, int64_t n)
{
    return w_host_syrk(w->state, WEIR_DEVICE_F64, 'U', 'N', n, n, 1.0, w->source, n, 0.0, w->c, n);
}

static weir_status run_trsm(bench *w, int64_t n)
{
    return w_host_trsm(w->state, WEIR_DEVICE_F64, 'L', 'L', 'N', 'U', n, n, 1.0, w->source, n, w->c, n);
}

static void source_take(bench *w, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        memcpy(w->a + j * n, w->source + j * LARGEST, (size_t)n * sizeof *w->a);
    }
}

static weir_status run_potrf(bench *w, int64_t n)
{
    int64_t info;
    source_take(w, n);
    return w_host_potrf(w->state, WEIR_DEVICE_F64, 'L', n, w->a, n, &info);
}

static weir_status run_geqrf(bench *w, int64_t n)
{
    source_take(w, n);
    return w_host_geqrf(w->state, WEIR_DEVICE_F64, n, n, w->a, n, w->b);
}

static weir_status run_syevd(bench *w, int64_t n)
{
    source_take(w, n);
    return w_host_syevd(w->state, WEIR_DEVICE_F64, 1, 'L', n, w->a, n, w->b);
}

static weir_status run_read(bench *w, int64_t bytes)
{
    const uint64_t *word = (const uint64_t *)(const void *)w->stream;
    uint64_t sum = 0;
    for (int64_t i = 0; i < bytes / 8; i++) {
        sum += word[i];
    }
    w->sink += sum;
    return WEIR_OK;
}

static weir_status run_copy(bench *w, int64_t bytes)
{
    enum { TILE = 32768 };
    for (int64_t at = 0; at + TILE <= bytes; at += TILE) {
        memcpy(w->a, w->stream + at, TILE);
        w->sink += (uint64_t)((unsigned char *)w->a)[at % TILE];
    }
    return WEIR_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Processor seconds of fn(n), lower quartile: warm, at least REPEATS runs, more while `seconds` last. NaN when it fails. */
static double usual_seconds(bench *work, timed_fn fn, int64_t n, double seconds)
{
    double time[REPEATS_LIMIT];
    int runs = 0;
    double end = w_clock_thread_seconds() + seconds;
    if (fn(work, n) != WEIR_OK) {
        return NAN;
    }
    while (runs < REPEATS_LIMIT && (runs < REPEATS || w_clock_thread_seconds() < end)) {
        double start = w_clock_thread_seconds();
        weir_status status = fn(work, n);
        time[runs++] = w_clock_thread_seconds() - start;
        if (status != WEIR_OK) {
            return NAN;
        }
    }
    for (int i = 1; i < runs; i++) { /* insertion: at most 25 numbers */
        for (int j = i; j > 0 && ascending(&time[j - 1], &time[j]) > 0; j--) {
            double swap = time[j];
            time[j] = time[j - 1];
            time[j - 1] = swap;
        }
    }
    return time[runs / 4];
}

typedef struct dense_case {
    const char *peak, *half;
    weir_device_op op;
    timed_fn fn;
    int64_t small, large;
} dense_case;

static void measure_dense(bench *work, const dense_case *one, double seconds, w_cost *cost)
{
    double t1 = usual_seconds(work, one->fn, one->small, seconds / 4);
    double t2 = usual_seconds(work, one->fn, one->large, seconds * 3 / 4);
    weir_device_shape small = { one->small, one->small, one->small, 1 }, large = { one->large, one->large, one->large, 1 };
    double f1 = w_cost_flops(one->op, &small), f2 = w_cost_flops(one->op, &large);
    double peak = (f2 - f1) / (t2 - t1);
    if (!(peak > 0)) {
        return;
    }
    w_cost_set_measured(cost, one->peak, peak);
    if (one->half) {
        w_cost_set_measured(cost, one->half, fmax(0.0, (t1 - cost->host.launch) * peak - f1));
    }
}

/* ---- gain of a second thread ------------------------------------------------------------------------------------- */

typedef struct spin { double step, *sum; } spin;

static weir_status spin_task(void *arg, int64_t task, int worker)
{
    spin *s = arg;
    (void)worker;
    double x = 1.0 + (double)task;
    for (int i = 0; i < 400000; i++) {
        x += s->step / x;
    }
    s->sum[task] = x;
    return WEIR_OK;
}

static double pool_seconds(weir_ctx *ctx, int64_t tasks, spin *s)
{
    double best = INFINITY;
    for (int run = 0; run < REPEATS; run++) {
        double start = w_clock_seconds();
        w_pool_run(ctx, tasks, spin_task, s);
        best = fmin(best, w_clock_seconds() - start);
    }
    return best;
}

static void measure_threads(weir_ctx *ctx, w_cost *cost)
{
    int threads = w_pool_workers(ctx) > 16 ? 16 : w_pool_workers(ctx);
    if (threads < 2) {
        return;
    }
    double sum[16];
    spin s = { 1e-3, sum };
    double one = pool_seconds(ctx, 1, &s), all = pool_seconds(ctx, threads, &s);
    /* all tasks at once in `all` seconds: speed-up = T one / all = 1 + gain (T - 1) */
    w_cost_set_measured(cost, "rows.thread_gain", fmin(1.0, fmax(0.0, (threads * one / all - 1) / (threads - 1))));
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void fill(bench *work)
{
    w_rng rng;
    w_rng_seed(&rng, 1);
    for (int64_t j = 0; j < LARGEST; j++) {
        for (int64_t i = 0; i <= j; i++) {
            double value = w_rng_uniform(&rng) - 0.5;
            work->source[i + j * LARGEST] = work->source[j + i * LARGEST] = value;
        }
        work->source[j + j * LARGEST] += LARGEST;
    }
    memcpy(work->a, work->source, sizeof(double) * LARGEST * LARGEST);
    memcpy(work->b, work->source, sizeof(double) * LARGEST * LARGEST);
    memset(work->c, 0, sizeof(double) * LARGEST * LARGEST);
    memset(work->stream, 1, (size_t)work->stream_bytes);
}

static void measure(weir_ctx *ctx, bench *work, double seconds, w_cost *cost)
{
    static const dense_case dense[] = {
        { "cpu.gemm", "cpu.gemm_half", WEIR_DEVICE_GEMM, run_gemm, 48, 384 },
        { "cpu.gemm_f32", NULL, WEIR_DEVICE_GEMM, run_gemm_f32, 48, 384 },
        { "cpu.syrk", "cpu.syrk_half", WEIR_DEVICE_SYRK, run_syrk, 48, 384 },
        { "cpu.trsm", "cpu.trsm_half", WEIR_DEVICE_TRSM, run_trsm, 48, 384 },
        { "cpu.potrf", "cpu.potrf_half", WEIR_DEVICE_POTRF, run_potrf, 48, 384 },
        { "cpu.geqrf", "cpu.geqrf_half", WEIR_DEVICE_GEQRF, run_geqrf, 32, 256 },
        { "cpu.syevd", "cpu.syevd_half", WEIR_DEVICE_SYEVD, run_syevd, 32, 160 },
    };
    enum { CASES = sizeof dense / sizeof dense[0] };
    double share = seconds / (CASES + 3);
    double call = usual_seconds(work, run_gemm, 1, 1e-3);
    w_cost_set_measured(cost, "cpu.launch", call);
    for (int i = 0; i < CASES; i++) {
        measure_dense(work, &dense[i], share, cost);
    }
    w_cost_set_measured(cost, "rows.memory", (double)work->stream_bytes / usual_seconds(work, run_read, work->stream_bytes, share));
    w_cost_set_measured(cost, "rows.copy_in", (double)work->stream_bytes / usual_seconds(work, run_copy, work->stream_bytes, share));
    measure_threads(ctx, cost);
}

weir_status w_cost_calibrate(weir_ctx *ctx, double seconds, w_cost *cost)
{
    w_device_set *set = NULL;
    weir_status status = w_devices_peek(ctx, &set);
    if (status != WEIR_OK) {
        return status;
    }
    size_t matrix = sizeof(double) * LARGEST * LARGEST;
    bench work = { .state = set->device[0].state, .stream_bytes = w_min64(64 << 20, w_ledger_free_bytes(ctx) / 4) };
    work.stream_bytes = w_max64(work.stream_bytes / 32768, 1) * 32768;
    double *matrices = w_alloc_array(ctx, "calibration", 4, matrix);
    work.stream = matrices ? w_alloc(ctx, "calibration", (size_t)work.stream_bytes) : NULL;
    if (work.stream) {
        double **slot[] = { &work.source, &work.a, &work.b, &work.c };
        for (int i = 0; i < 4; i++) {
            *slot[i] = matrices + i * LARGEST * LARGEST;
        }
        fill(&work);
        w_cost measured = *cost;
        measure(ctx, &work, seconds, &measured);
        *cost = measured;
    } else {
        status = w_alloc_status(ctx);
    }
    w_free(ctx, work.stream);
    w_free(ctx, matrices);
    return status;
}
