/* SPDX-License-Identifier: Apache-2.0 */
/* S = C + ridge - sum_i Y_i'Y_i, Y_i = R_i'^-1 B_i, slab after slab of blocks: the slab's Y' (p x rows) is made by some tasks,
 * then tiles of W_SCHUR_TILE columns of S are updated by others. Where S has few tiles the slab is cut into chunks as
 * well, each with its own partial S, added in order at the end. Slabs, tiles and chunks follow from n, d and p alone. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/block_arrow.h"

#define W_SCHUR_TILE 160
#define W_SCHUR_SLAB 524288 /* values of a slab, at least W_SCHUR_ROWS rows */
#define W_SCHUR_ROWS 256
#define W_DIAGONAL_SLAB 65536 /* the same for the diagonal blocks alone: memory is what PCG is for */
#define W_DIAGONAL_ROWS 32
#define W_SCHUR_CHUNKS 16

typedef struct schur_pass {
    w_block_arrow *run;
    int64_t first, blocks, parts; /* of the slab; tasks that make it */
    int64_t tile, tiles, chunks;
    bool diagonal;                /* tiles (i, i) only, each with leading dimension `tile` */
    double *slab, *out;           /* out: chunks x p x p, or tiles x tile x tile */
} schur_pass;

static int64_t slab_blocks(int64_t rows, int64_t d, int64_t p, bool diagonal)
{
    const int64_t most = diagonal ? w_max64(W_DIAGONAL_ROWS, W_DIAGONAL_SLAB / w_max64(p, 1))
                                  : w_max64(W_SCHUR_ROWS, W_SCHUR_SLAB / w_max64(p, 1));
    return w_max64(1, w_min64(rows, most) / d);
}

static int64_t chunk_count(int64_t rows, int64_t d, int64_t p)
{
    const int64_t tiles = (p + W_SCHUR_TILE - 1) / W_SCHUR_TILE, pairs = w_max64(1, tiles * (tiles + 1) / 2);
    return w_max64(1, w_min64(W_SCHUR_CHUNKS / pairs, slab_blocks(rows, d, p, false) * d / W_BLOCK_ARROW_TASK_ROWS));
}

static int64_t doubles(int64_t count) { return w_alloc_bytes(w_mul64(count, sizeof(double))); }

int64_t w_block_arrow_diagonal_bytes(int64_t rows, int64_t d, int64_t p)
{
    return doubles(w_mul64(slab_blocks(rows, d, p, true), w_mul64(d, p)));
}

int64_t w_block_arrow_schur_bytes(int64_t rows, int64_t d, int64_t p)
{
    const int64_t square = w_mul64(p, p);
    return w_add64(doubles(w_mul64(slab_blocks(rows, d, p, false), w_mul64(d, p))),
                   w_add64(doubles(w_mul64(chunk_count(rows, d, p), square)), doubles(p)));
}

/* Y_i' = B_i' R_i^-1 for a share of the slab's blocks: columns of p values, one after the other. */
static weir_status slab_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const schur_pass *pass = arg;
    const w_block_arrow *run = pass->run;
    const int64_t d = run->d, p = run->p, last = pass->blocks * (task + 1) / pass->parts;
    for (int64_t i = pass->blocks * task / pass->parts; i < last; i++) {
        const double *r = run->factor + (pass->first + i) * d * d;
        double *y = pass->slab + i * d * p;
        if (p > 0) {
            memcpy(y, run->a->coupling + (pass->first + i) * d * p, (size_t)(d * p) * sizeof *y);
        }
        for (int64_t j = 0; j < d; j++) {
            for (int64_t m = 0; m < j; m++) {
                for (int64_t c = 0; c < p; c++) {
                    y[j * p + c] -= r[m + j * d] * y[m * p + c];
                }
            }
            const double inverse = 1.0 / r[j * (d + 1)];
            for (int64_t c = 0; c < p; c++) {
                y[j * p + c] *= inverse;
            }
        }
    }
    return WEIR_OK;
}

/* S_ij -= Y_i'Y_j over the rows of a chunk. */
static weir_status tile_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const schur_pass *pass = arg;
    const int64_t p = pass->run->p, chunk = task / (pass->tiles * pass->tiles);
    const int64_t pair = task % (pass->tiles * pass->tiles), i = pair % pass->tiles, j = pair / pass->tiles;
    if (i > j || (pass->diagonal && i != j)) {
        return WEIR_OK;
    }
    const int64_t rows = pass->blocks * pass->run->d, first = rows * chunk / pass->chunks;
    const int64_t lead = pass->diagonal ? pass->tile : p;
    const double one = 1.0, minus = -1.0, *y = pass->slab + first * p;
    const w_blas_int m = (w_blas_int)w_min64(pass->tile, p - i * pass->tile), ld = (w_blas_int)p, ldc = (w_blas_int)lead;
    const w_blas_int n = (w_blas_int)w_min64(pass->tile, p - j * pass->tile);
    const w_blas_int k = (w_blas_int)(rows * (chunk + 1) / pass->chunks - first);
    double *out = pass->out + (pass->diagonal ? i * lead * lead : chunk * p * p + i * pass->tile + j * pass->tile * p);
    if (k == 0) {
        return WEIR_OK;
    }
    if (i == j) {
        dsyrk_("U", "N", &n, &k, &minus, y + i * pass->tile, &ld, &one, out, &ldc);
    } else {
        dgemm_("N", "T", &m, &n, &k, &minus, y + i * pass->tile, &ld, y + j * pass->tile, &ld, &one, out, &ldc);
    }
    return WEIR_OK;
}

static weir_status run_slabs(schur_pass *pass)
{
    w_block_arrow *run = pass->run;
    const int64_t batch = slab_blocks(run->rows, run->d, run->p, pass->diagonal);
    weir_status status = WEIR_OK;
    pass->slab = w_alloc_array(run->ctx, "arrow slab", (size_t)(batch * run->d * run->p), sizeof *pass->slab);
    if (pass->slab == NULL) {
        return w_alloc_status(run->ctx);
    }
    for (int64_t first = 0; first < run->n && status >= 0; first += batch) {
        pass->first = first;
        pass->blocks = w_min64(batch, run->n - first);
        pass->parts = w_min64(W_SCHUR_CHUNKS, pass->blocks);
        status = w_check_cancel(run->ctx);
        status = status < 0 ? status : w_pool_run(run->ctx, pass->parts, slab_task, pass);
        status = status < 0 ? status : w_pool_run(run->ctx, pass->chunks * pass->tiles * pass->tiles, tile_task, pass);
    }
    w_free(run->ctx, pass->slab);
    return status;
}

weir_status w_block_arrow_diagonal(w_block_arrow *run, int64_t width, double *out)
{
    const int64_t p = run->p, tiles = (p + width - 1) / width;
    schur_pass pass = { .run = run, .tile = width, .tiles = tiles, .chunks = 1, .diagonal = true, .out = out };
    memset(out, 0, (size_t)(tiles * width * width) * sizeof *out);
    for (int64_t c = 0; c < p; c++) {
        double *block = out + c / width * width * width;
        for (int64_t r = c / width * width; r <= c; r++) {
            block[r % width + c % width * width] = run->a->corner[r + c * p] + (r == c ? run->options.ridge_border : 0.0);
        }
    }
    return run_slabs(&pass);
}

/* Factors S, with its copy in the lower triangle and on `diagonal` to start again from. */
static weir_status factor(w_block_arrow *run, const double *diagonal, double *log_det)
{
    const int64_t p = run->p;
    double *s = run->schur, trace = 0.0;
    int64_t failed = 0;
    for (int64_t c = 0; c < p; c++) {
        trace += diagonal[c]; /* not finite when an entry of the coupling is not */
    }
    if (!isfinite(trace)) {
        return w_fail(run->ctx, WEIR_E_NUMERIC, "arrow system: the Schur complement of the border is not finite");
    }
    weir_status status = w_chol_factor(run->ctx, p, s, &failed);
    if (status >= 0 && failed != 0 && run->options.damping) {
        for (int64_t c = 0; c < p; c++) {
            for (int64_t r = 0; r < c; r++) {
                s[r + c * p] = s[c + r * p];
            }
            s[c * (p + 1)] = diagonal[c];
        }
        run->border_damping = w_gershgorin_damping(p, s);
        for (int64_t c = 0; c < p; c++) {
            s[c * (p + 1)] += run->border_damping;
        }
        status = w_chol_factor(run->ctx, p, s, &failed);
    }
    if (status >= 0 && failed != 0) {
        return w_fail(run->ctx, WEIR_E_NUMERIC, "arrow system: the Schur complement of the border is not positive definite "
                      "(column %lld); ask for damping or a ridge", (long long)failed);
    }
    *log_det = status < 0 ? 0.0 : w_chol_log_det(p, s);
    return isfinite(*log_det) ? status : w_fail(run->ctx, WEIR_E_NUMERIC, "arrow system: the corner is not finite");
}

weir_status w_block_arrow_schur(w_block_arrow *run, double *log_det)
{
    weir_ctx *ctx = run->ctx;
    const int64_t p = run->p, square = p * p, chunks = chunk_count(run->rows, run->d, p);
    double *s = run->schur = w_calloc(ctx, "arrow schur", (size_t)(chunks * square), sizeof *s);
    double *diagonal = w_alloc_array(ctx, "arrow schur", (size_t)p, sizeof *diagonal);
    if (s == NULL || diagonal == NULL) {
        w_free(ctx, diagonal);
        return w_alloc_status(ctx);
    }
    for (int64_t c = 0; c < p; c++) {
        memcpy(s + c * p, run->a->corner + c * p, (size_t)(c + 1) * sizeof *s);
        s[c * (p + 1)] += run->options.ridge_border;
    }
    schur_pass pass = { .run = run, .tile = W_SCHUR_TILE, .tiles = (p + W_SCHUR_TILE - 1) / W_SCHUR_TILE, .chunks = chunks,
                        .out = s };
    weir_status status = run_slabs(&pass);
    for (int64_t i = square; i < chunks * square; i++) {
        s[i % square] += s[i];
    }
    w_mirror_upper(p, s);
    for (int64_t c = 0; c < p; c++) {
        diagonal[c] = s[c * (p + 1)];
    }
    status = status < 0 ? status : factor(run, diagonal, log_det);
    w_free(ctx, diagonal);
    return status;
}
