/* SPDX-License-Identifier: Apache-2.0 */
/* Each case runs in turn with all sides, again and again: what disturbs the machine disturbs all. Medians of seconds count, the
 * least are in the JSON. weir takes row-major matrices and gives row-major results, LAPACK has its own column-major ones. */
#include "kernels/batched.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "harness.h"
#include "weir/batch.h"

#define LAPACK(name, ...) void s##name##_(__VA_ARGS__), d##name##_(__VA_ARGS__)
LAPACK(geqrf, const int *, const int *, void *, const int *, void *, void *, const int *, int *);
LAPACK(orgqr, const int *, const int *, const int *, void *, const int *, const void *, void *, const int *, int *);
LAPACK(potrf, const char *, const int *, void *, const int *, int *);
LAPACK(gesv, const int *, const int *, void *, const int *, int *, void *, const int *, int *);
LAPACK(syevd, const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *, const int *, int *);

enum { LARGEST = 64, ROOM = 3 * LARGEST * LARGEST + 16 * LARGEST, REPETITIONS_MAX = 1001 };
enum { WEIR_1, WEIR_N, WEIR_INTERLEAVED_N, INTERLEAVING_N, LAPACK_1, LAPACK_N, SIDES };
static const char *const side_name[SIDES] = { "weir_1", "weir", "weir_interleaved", "interleaving", "lapack_1", "lapack" };

typedef enum work { QR, CHOLESKY, SOLVE, EIGH } work;
static const char *const work_name[] = { "qr", "chol", "solve", "eigh" };

typedef struct batched_case {
    work what;
    weir_dtype dtype;
    int64_t count, m, n;
} batched_case;

static const batched_case cases[] = {
    { QR, WEIR_F32, 100, 8, 8 }, { QR, WEIR_F32, 500, 8, 8 }, { QR, WEIR_F32, 1000, 16, 16 }, { QR, WEIR_F32, 500, 32, 32 },
    { QR, WEIR_F32, 50, 48, 48 }, { QR, WEIR_F32, 100, 48, 48 }, { QR, WEIR_F32, 100, 64, 32 }, { QR, WEIR_F32, 200, 64, 32 },
    { QR, WEIR_F32, 100, 32, 64 }, { QR, WEIR_F64, 500, 8, 8 }, { QR, WEIR_F64, 1000, 16, 16 }, { QR, WEIR_F64, 500, 32, 32 },
    { QR, WEIR_F64, 100, 64, 64 }, { CHOLESKY, WEIR_F32, 100, 16, 16 }, { CHOLESKY, WEIR_F32, 500, 16, 16 },
    { CHOLESKY, WEIR_F32, 100, 32, 32 }, { CHOLESKY, WEIR_F32, 200, 48, 48 }, { CHOLESKY, WEIR_F32, 100, 64, 64 },
    { CHOLESKY, WEIR_F64, 500, 16, 16 }, { SOLVE, WEIR_F32, 100, 16, 16 }, { SOLVE, WEIR_F32, 500, 16, 16 },
    { SOLVE, WEIR_F32, 200, 32, 32 }, { SOLVE, WEIR_F32, 100, 64, 64 }, { SOLVE, WEIR_F64, 500, 16, 16 },
    { EIGH, WEIR_F32, 1000, 16, 16 }, { EIGH, WEIR_F32, 200, 32, 32 }, { EIGH, WEIR_F32, 100, 64, 64 }, { EIGH, WEIR_F64, 1000, 16, 16 },
};

typedef struct bed {
    const batched_case *what;
    weir_ctx *ctx[2]; /* one thread, several */
    int threads;
    weir_batch a, x, r, lanes[3]; /* row-major inputs and results; the same interleaved */
    char *peer_a, *peer_x, *peer_r;
    char *values;
    void *work[2];
    int64_t work_bytes[2];
    double error;
} bed;

static size_t size_of(const bed *d) { return d->what->dtype == WEIR_F32 ? 4 : 8; }
static int64_t least(const batched_case *c) { return c->m < c->n ? c->m : c->n; }

static void case_name(const batched_case *c, char *name, size_t room)
{
    snprintf(name, room, "%s-%s-%lldx%lldx%lld", work_name[c->what], c->dtype == WEIR_F32 ? "f32" : "f64", (long long)c->count,
             (long long)c->m, (long long)c->n);
}

static double number_of(const bed *d, const void *array, int64_t i)
{
    return size_of(d) == 4 ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

static void put(const bed *d, void *array, int64_t i, double value)
{
    if (size_of(d) == 4)
        ((float *)array)[i] = (float)value;
    else
        ((double *)array)[i] = value;
}

/* ---- data ----------------------------------------------------------------------------------------------------------- */

static weir_batch room(const bed *d, bool interleaved, int64_t rows, int64_t cols)
{
    const int64_t count = d->what->count, bytes = weir_batch_interleaved_bytes(d->what->dtype, count, rows, cols);
    void *data = aligned_alloc(64, (size_t)(bytes + 64));
    if (data)
        memset(data, 0, (size_t)(bytes + 64));
    return interleaved ? weir_batch_interleaved(data, d->what->dtype, count, rows, cols)
                       : weir_batch_rows(data, d->what->dtype, count, rows, cols);
}

static void fill(bed *d)
{
    const batched_case *c = d->what;
    uint64_t state = 5;
    for (int64_t b = 0; b < c->count; b++)
        for (int64_t i = 0; i < c->m; i++)
            for (int64_t j = 0; j < c->n; j++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                double x = (double)(state >> 11) * 0x1p-53 - 0.5;
                if (c->what == CHOLESKY && i == j)
                    x += (double)c->n;
                if ((c->what == CHOLESKY || c->what == EIGH) && j < i)
                    x = number_of(d, d->a.matrix.data, (b * c->m + j) * c->n + i);
                put(d, d->a.matrix.data, (b * c->m + i) * c->n + j, x);
                put(d, d->peer_a, (b * c->n + j) * c->m + i, x);
            }
}

/* Second results: R, right-hand side becoming the solution, eigenvectors. */
static int64_t extra_rows(const batched_case *c) { return c->what == QR ? least(c) : c->m; }
static int64_t extra_cols(const batched_case *c) { return c->what == SOLVE ? 1 : c->what == QR ? c->n : c->m; }

static bool make(bed *d)
{
    const batched_case *c = d->what;
    const int64_t k = c->what == QR ? least(c) : c->n;
    d->a = room(d, false, c->m, c->n);
    d->x = room(d, false, c->m, k);
    d->r = room(d, false, extra_rows(c), extra_cols(c));
    d->lanes[0] = room(d, true, c->m, c->n);
    d->lanes[1] = room(d, true, c->m, k);
    d->lanes[2] = room(d, true, extra_rows(c), extra_cols(c));
    d->peer_a = room(d, false, c->m, c->n).matrix.data;
    d->peer_x = room(d, false, c->m, c->n).matrix.data;
    d->peer_r = room(d, false, c->m + 2, c->n).matrix.data;
    d->values = room(d, false, c->n, 1).matrix.data;
    if (!d->a.matrix.data || !d->x.matrix.data || !d->r.matrix.data || !d->lanes[0].matrix.data || !d->lanes[1].matrix.data ||
        !d->lanes[2].matrix.data || !d->peer_a || !d->peer_x || !d->peer_r || !d->values)
        return false;
    fill(d);
    for (int i = 0; i < 2; i++) {
        const weir_ctx *ctx = d->ctx[i];
        d->work_bytes[i] = c->what == QR         ? weir_qr_batched_bytes(ctx, WEIR_QR_REDUCED, &d->a, &d->x, &d->r)
                           : c->what == CHOLESKY ? weir_chol_batched_bytes(ctx, &d->a, &d->x)
                           : c->what == SOLVE    ? weir_solve_batched_bytes(ctx, &d->a, &d->r, &d->r)
                                                 : weir_eigh_batched_bytes(ctx, &d->a, &d->x);
        d->work[i] = malloc((size_t)d->work_bytes[i]);
    }
    return d->work[0] && d->work[1] && weir_copy_batched(d->ctx[0], &d->a, &d->lanes[0]) == WEIR_OK;
}

static void drop(bed *d)
{
    for (int i = 0; i < 3; i++)
        free(d->lanes[i].matrix.data);
    free(d->a.matrix.data);
    free(d->x.matrix.data);
    free(d->r.matrix.data);
    free(d->peer_a);
    free(d->peer_x);
    free(d->peer_r);
    free(d->values);
    free(d->work[0]);
    free(d->work[1]);
}

/* What a run overwrites. */
static void refresh(bed *d)
{
    const batched_case *c = d->what;
    for (int64_t e = 0; c->what == SOLVE && e < c->count * c->m; e++) {
        put(d, d->r.matrix.data, e, 1);
        put(d, d->peer_r, e, 1);
    }
    if (c->what == SOLVE)
        weir_copy_batched(d->ctx[0], &d->r, &d->lanes[2]);
}

/* ---- sides ---------------------------------------------------------------------------------------------------------- */

static weir_status ours(bed *d, int which, const weir_batch *a, const weir_batch *x, const weir_batch *r)
{
    weir_ctx *ctx = d->ctx[which];
    void *work = d->work[which];
    const int64_t bytes = d->work_bytes[which];
    switch (d->what->what) {
    case QR: return weir_qr_batched(ctx, WEIR_QR_REDUCED, a, x, r, work, bytes);
    case CHOLESKY: return weir_chol_batched(ctx, WEIR_LOWER, a, x, NULL, work, bytes);
    case SOLVE: return weir_solve_batched(ctx, a, r, r, NULL, work, bytes);
    default: return weir_eigh_batched(ctx, WEIR_LOWER, a, d->values, x, NULL, work, bytes);
    }
}

typedef struct lapack_part {
    bed *d;
    int64_t parts;
} lapack_part;

static int lapack_one(bed *d, int64_t b, void *work, int *integers)
{
    const batched_case *c = d->what;
    const bool single = size_of(d) == 4;
    const int m = (int)c->m, n = (int)c->n, k = (int)least(c), room = ROOM, wide = 1, ints = ROOM;
    const size_t each = (size_t)(c->m * c->n) * size_of(d);
    char *x = d->peer_x + (size_t)b * each, *tau = (char *)work + (size_t)ROOM * 8;
    int info = 0;
    memcpy(x, d->peer_a + (size_t)b * each, each);
    switch (c->what) {
    case QR: {
        (single ? sgeqrf_ : dgeqrf_)(&m, &n, x, &m, tau, work, &room, &info);
        char *r = d->peer_r + (size_t)b * (size_t)(k * n) * size_of(d);
        for (int j = 0; j < n; j++) { /* R with zeros below */
            const int held = j < k ? j + 1 : k;
            memcpy(r + (size_t)(j * k) * size_of(d), x + (size_t)(j * m) * size_of(d), (size_t)held * size_of(d));
            memset(r + (size_t)(j * k + held) * size_of(d), 0, (size_t)(k - held) * size_of(d));
        }
        (single ? sorgqr_ : dorgqr_)(&m, &k, &k, x, &m, tau, work, &room, &info);
        break;
    }
    case CHOLESKY:
        (single ? spotrf_ : dpotrf_)("L", &n, x, &n, &info);
        for (int j = 1; j < n; j++)
            memset(x + (size_t)(j * n) * size_of(d), 0, (size_t)j * size_of(d));
        break;
    case SOLVE: (single ? sgesv_ : dgesv_)(&n, &wide, x, &n, integers, d->peer_r + (size_t)(b * n) * size_of(d), &n, &info); break;
    default:
        (single ? ssyevd_ : dsyevd_)("V", "L", &n, x, &n, d->values + (size_t)(b * n) * size_of(d), work, &room, integers, &ints, &info);
    }
    return info;
}

static weir_status lapack_task(void *arg, int64_t task, int worker)
{
    const lapack_part *part = arg;
    const int64_t count = part->d->what->count;
    double work[ROOM + LARGEST];
    int integers[ROOM];
    (void)worker;
    for (int64_t b = count * task / part->parts; b < count * (task + 1) / part->parts; b++)
        if (lapack_one(part->d, b, work, integers) != 0)
            return WEIR_E_NUMERIC;
    return WEIR_OK;
}

/* The pool sees to it that BLAS runs on one thread in each of its workers. */
static weir_status lapack(bed *d, int which)
{
    lapack_part part = { d, which ? 4 * (int64_t)d->threads : 1 };
    return w_pool_run(d->ctx[which], part.parts, lapack_task, &part);
}

/* Into the cache and back, through lanes, without anything done in between. */
static weir_status interleaving(bed *d)
{
    weir_ctx *ctx = d->ctx[1];
    weir_status status = d->what->what == SOLVE || d->what->m < d->what->n ? WEIR_OK : weir_copy_batched(ctx, &d->a, &d->a);
    if (d->what->what == SOLVE)
        status = weir_copy_batched(ctx, &d->a, &d->lanes[0]);
    if (d->what->what == QR || d->what->what == SOLVE)
        status = status < 0 ? status : weir_copy_batched(ctx, &d->lanes[2], &d->r);
    return status;
}

static double timed(bed *d, int side)
{
    refresh(d);
    const double begin = bench_seconds();
    weir_status status;
    switch (side) {
    case WEIR_1: case WEIR_N: status = ours(d, side == WEIR_N, &d->a, &d->x, &d->r); break;
    case WEIR_INTERLEAVED_N: status = ours(d, 1, &d->lanes[0], &d->lanes[1], &d->lanes[2]); break;
    case INTERLEAVING_N: status = interleaving(d); break;
    default: status = lapack(d, side == LAPACK_N);
    }
    return status < 0 ? NAN : bench_seconds() - begin;
}

/* ---- check: largest ||A - QR||, ||A - LL'||, ||Ax - b|| / ||x||, ||AV - VD|| of an element, by size and eps ------------- */

static double residual(const bed *d)
{
    const batched_case *c = d->what;
    const int64_t k = c->what == QR ? least(c) : c->n;
    const char *a = d->a.matrix.data, *x = d->x.matrix.data, *r = d->r.matrix.data;
    double worst = 0;
    for (int64_t b = 0; b < c->count; b++) {
        const int64_t A = b * c->m * c->n, X = b * c->m * k, R = b * extra_rows(c) * extra_cols(c);
        for (int64_t i = 0; i < c->m; i++)
            for (int64_t j = 0; j < (c->what == SOLVE ? 1 : c->n); j++) {
                double sum = 0, size = 1;
                for (int64_t t = 0; t < k; t++) {
                    const double left = number_of(d, c->what == SOLVE || c->what == EIGH ? a : x, (c->what == SOLVE || c->what == EIGH ? A : X) + i * k + t);
                    const double right = c->what == QR         ? number_of(d, r, R + t * c->n + j)
                                         : c->what == CHOLESKY ? number_of(d, x, X + j * k + t)
                                         : c->what == SOLVE    ? number_of(d, r, R + t)
                                                               : number_of(d, x, X + t * k + j);
                    sum += left * right;
                    size = c->what == SOLVE ? fmax(size, fabs(right)) : size;
                }
                const double due = c->what == SOLVE  ? 1
                                   : c->what == EIGH ? number_of(d, d->values, b * k + j) * number_of(d, x, X + i * k + j)
                                                     : number_of(d, a, A + i * c->n + j);
                size *= c->what == CHOLESKY ? (double)c->n : sqrt((double)c->n);
                worst = fmax(worst, fabs(sum - due) / size);
            }
    }
    return worst / (size_of(d) == 4 ? 0x1p-23 : 0x1p-52);
}

/* ---- a case --------------------------------------------------------------------------------------------------------- */

static json_t *torch(const bed *d, const char *script)
{
    const batched_case *c = d->what;
    char numbers[4][24];
    snprintf(numbers[0], sizeof numbers[0], "%lld", (long long)c->count);
    snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)c->m);
    snprintf(numbers[2], sizeof numbers[2], "%lld", (long long)c->n);
    snprintf(numbers[3], sizeof numbers[3], "%d", d->threads);
    const char *const arguments[] = { "python3", script, work_name[c->what], c->dtype == WEIR_F32 ? "f32" : "f64", numbers[0],
                                      numbers[1], numbers[2], numbers[3], NULL };
    return bench_peer(arguments);
}

static json_t *run_case(bed *d, const batched_options *options)
{
    static double seconds[SIDES][REPETITIONS_MAX];
    const double begin = bench_seconds();
    int repetitions = 0;
    for (int r = -2; r < (options->repetitions > 0 ? options->repetitions : REPETITIONS_MAX) && r < REPETITIONS_MAX; r++) {
        for (int side = 0; side < SIDES; side++) {
            const double taken = timed(d, side);
            if (!isfinite(taken))
                return NULL;
            if (r >= 0)
                seconds[side][r] = taken;
        }
        repetitions = r + 1;
        if (options->repetitions <= 0 && r >= 20 && bench_seconds() - begin > 1.5)
            break;
    }
    timed(d, WEIR_N);
    char name[64];
    case_name(d->what, name, sizeof name);
    json_t *result = json_pack("{s:s, s:i, s:f}", "case", name, "repetitions", repetitions, "residual_eps", residual(d));
    for (int side = 0; side < SIDES; side++) {
        char key[64];
        const double median = bench_median(seconds[side], repetitions);
        snprintf(key, sizeof key, "%s_ms", side_name[side]);
        json_object_set_new(result, key, json_real(1e3 * median));
        snprintf(key, sizeof key, "%s_least_ms", side_name[side]);
        json_object_set_new(result, key, json_real(1e3 * seconds[side][0])); /* sorted by the median */
    }
    if (options->peer) {
        json_t *other = torch(d, options->peer);
        if (other)
            json_object_set_new(result, "torch", other);
        else
            fprintf(stderr, "weir-bench: batched: the peer failed; is torch there (python3-torch)?\n");
    }
    return result;
}

static double number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

static void print_case(FILE *out, const json_t *r)
{
    const json_t *other = json_object_get(r, "torch");
    const double own = number(r, "weir_ms"), peer = other ? 1e3 * number(other, "seconds") : NAN;
    const double best = fmin(fmin(number(r, "lapack_ms"), number(r, "lapack_1_ms")), other ? peer : INFINITY);
    fprintf(out, "| %s | %.4f | %.4f | %.4f | %.4f | %.4f | %.4f | ", json_string_value(json_object_get(r, "case")), own,
            number(r, "weir_1_ms"), number(r, "weir_interleaved_ms"), number(r, "interleaving_ms"), number(r, "lapack_1_ms"),
            number(r, "lapack_ms"));
    if (other)
        fprintf(out, "%.4f", peer);
    fprintf(out, " | %.1f | %.2f |\n", best / own, number(r, "residual_eps"));
    fflush(out);
}

static bool asked(const batched_case *c, int count, char **names)
{
    char name[64];
    case_name(c, name, sizeof name);
    for (int i = 0; i < count; i++)
        if (!strncmp(names[i], name, strlen(names[i])))
            return true;
    return count == 0;
}

void batched_list(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        case_name(&cases[i], name, sizeof name);
        puts(name);
    }
}

int batched_run(const batched_options *options, int count, char **names)
{
    bed d = { .threads = options->threads > 0 ? options->threads : bench_processors() };
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    FILE *out = options->json ? stdout : stderr;
    for (int i = 0; i < 2; i++) {
        context.threads = i ? d.threads : 1;
        if (weir_ctx_create(&context, &d.ctx[i]))
            return 1;
    }
    json_t *results = json_array();
    int failed = 0;
    fprintf(out, "milliseconds, medians\n| case | weir, %d threads | 1 thread | interleaved in and out | interleaving alone | LAPACK loop, "
                 "1 thread | %d threads | torch | best peer / weir | residual / eps |\n|---|---|---|---|---|---|---|---|---|---|\n",
            d.threads, d.threads);
    for (size_t i = 0; i < sizeof cases / sizeof *cases && !failed; i++) {
        if (!asked(&cases[i], count, names))
            continue;
        d.what = &cases[i];
        json_t *result = make(&d) ? run_case(&d, options) : NULL;
        failed = !result;
        if (result) {
            print_case(out, result);
            json_array_append_new(results, result);
        }
        drop(&d);
    }
    json_t *root = json_pack("{s:s, s:i, s:O}", "benchmark", "batched", "threads", d.threads, "results", results);
    failed |= (options->json ? json_dump_file(root, options->json, JSON_INDENT(1)) : json_dumpf(root, stdout, JSON_INDENT(1))) != 0;
    json_decref(root);
    json_decref(results);
    for (int i = 0; i < 2; i++)
        weir_ctx_destroy(d.ctx[i]);
    return failed;
}
