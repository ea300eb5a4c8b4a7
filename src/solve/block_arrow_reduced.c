/* SPDX-License-Identifier: Apache-2.0 */
/* S x = h without S:  S v = C v + ridge v - sum_i B_i' (D_i^-1 (B_i v)), every block's rows read once per product; the
 * preconditioner is the Cholesky factor of the diagonal blocks of S. With damping, negative curvature or an indefinite block
 * makes the solve start again with delta I added to S, delta = W_DAMPING_FIRST times the mean of diag(S), then tenfold. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "krylov/cg.h"
#include "solve/block_arrow.h"

#define W_DAMPING_FIRST 1e-8
#define W_DAMPING_TRIES 22
#define W_REDUCED_WIDTH 32

typedef struct product {
    w_block_arrow *run;
    const double *x;
    int64_t count;
} product;

static int64_t doubles(int64_t count) { return w_alloc_bytes(w_mul64(count, sizeof(double))); }

int64_t w_block_arrow_width(const weir_arrow_options *options, int64_t p)
{
    return w_max64(1, w_min64(p, options->preconditioner > 0 ? options->preconditioner : W_REDUCED_WIDTH));
}

int64_t w_block_arrow_reduced_bytes(int64_t rows, int64_t d, int64_t p, int64_t width, int64_t count)
{
    const int64_t blocks = (p + width - 1) / width, values = w_mul64(blocks, w_mul64(width, width));
    int64_t bytes = w_add64(doubles(values), doubles(w_mul64(p, count)));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(blocks, sizeof(w_term_block))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(count, sizeof(w_cg_result))));
    const double shape = 0.0; /* a block with a matrix; its entries are not read */
    const w_term_block block = { .size = width, .matrix = &shape };
    const int64_t one = w_preconditioner_blocks_bytes(1, 1, &block);
    const int64_t preconditioner = w_add64(w_mul64(2, one), w_add64(doubles(values), w_mul64(blocks, 64)));
    return w_add64(bytes, w_max64(w_block_arrow_diagonal_bytes(rows, d, p), w_add64(preconditioner, w_cg_bytes(1, &p, count))));
}

/* partial := sum over the task's blocks of B_i' D_i^-1 B_i x, vectors interleaved: (count x p) matrices. */
static weir_status product_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const product *job = arg;
    const w_block_arrow *run = job->run;
    const int64_t p = run->p, d = run->d, count = job->count, last = w_block_arrow_first(run, task + 1);
    const int64_t batch = w_block_arrow_batch(run, count);
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)p, m = (w_blas_int)count, inc = 1;
    double *v = run->scratch + task * run->scratch_size, *out = run->partial + task * p * run->count;
    memset(out, 0, (size_t)(p * count) * sizeof *out);
    for (int64_t first = w_block_arrow_first(run, task); first < last; first += batch) {
        const int64_t blocks = w_min64(batch, last - first);
        const double *b = run->a->coupling + first * d * p;
        const w_blas_int k = (w_blas_int)(blocks * d);
        if (count == 1) {
            dgemv_("T", &n, &k, &one, b, &n, job->x, &inc, &zero, v, &inc);
        } else {
            dgemm_("N", "N", &m, &k, &n, &one, job->x, &m, b, &n, &zero, v, &m);
        }
        for (int64_t i = 0; i < blocks; i++) {
            w_block_arrow_block_solve(d, run->factor + (first + i) * d * d, v + i * d * count, count, 1, count);
        }
        if (count == 1) {
            dgemv_("N", &n, &k, &one, b, &n, v, &inc, &one, out, &inc);
        } else {
            dgemm_("N", "T", &m, &n, &k, &one, v, &m, b, &n, &one, out, &m);
        }
    }
    return WEIR_OK;
}

static weir_status apply(void *user, const w_vectors *block, const double *x, double *y)
{
    w_block_arrow *run = user;
    product job = { .run = run, .x = x, .count = block->columns };
    const weir_status status = w_pool_run(run->ctx, run->tasks, product_task, &job);
    if (status < 0) {
        return status;
    }
    W_BLAS_SERIAL;
    const int64_t values = run->p * block->columns;
    const double one = 1.0, shift = run->options.ridge_border + run->border_damping;
    const w_blas_int n = (w_blas_int)run->p, m = (w_blas_int)block->columns, inc = 1;
    for (int64_t i = 0; i < values; i++) {
        y[i] = shift * x[i];
    }
    if (m == 1) {
        dsymv_("U", &n, &one, run->a->corner, &n, x, &inc, &one, y, &inc);
    } else {
        dsymm_("R", "U", &m, &n, &one, run->a->corner, &n, x, &m, &one, y, &m);
    }
    for (int64_t task = 0; task < run->tasks; task++) {
        const double *partial = run->partial + task * run->p * run->count;
        for (int64_t i = 0; i < values; i++) {
            y[i] -= partial[i];
        }
    }
    return WEIR_OK;
}

typedef struct reduced {
    int64_t width, blocks;
    double *diagonal;     /* blocks x width x width */
    double *x;
    w_term_block *block;
    w_cg_result *result;
} reduced;

/* Adds `shift` to the diagonal of the blocks of S. */
static void shift_blocks(const w_block_arrow *run, const reduced *r, double shift)
{
    for (int64_t c = 0; c < run->p; c++) {
        r->diagonal[c / r->width * r->width * r->width + c % r->width * (r->width + 1)] += shift;
    }
}

static weir_status attempt(w_block_arrow *run, reduced *r, const double *border, bool *indefinite)
{
    const w_operator a = { .apply = apply, .user = run, .groups = 1, .n = &run->p };
    const w_cg_options options = { .right_hand_sides = run->count, .tolerance = run->options.tolerance,
                                   .max_iterations = run->options.max_iterations };
    w_preconditioner m;
    *indefinite = true;
    weir_status status = w_preconditioner_blocks(run->ctx, 1, &run->p, r->blocks, r->block, NULL, &m);
    if (status < 0) {
        return status;
    }
    status = w_cg_solve(run->ctx, &a, &m, &options, border, r->x, r->result);
    w_preconditioner_free(run->ctx, &m);
    *indefinite = false;
    for (int64_t k = 0; k < run->count; k++) {
        *indefinite = *indefinite || r->result[k].state == W_CG_INDEFINITE;
    }
    return status;
}

/* Blocks of the last width may be smaller: their leading dimension becomes their size. */
static void list_blocks(const w_block_arrow *run, reduced *r)
{
    const int64_t square = r->width * r->width;
    for (int64_t e = 0; e < r->blocks; e++) {
        const int64_t size = w_min64(r->width, run->p - e * r->width);
        double *matrix = r->diagonal + e * square;
        for (int64_t c = 1; c < size && size < r->width; c++) {
            memmove(matrix + c * size, matrix + c * r->width, (size_t)size * sizeof *matrix);
        }
        r->block[e] = (w_term_block){ .size = size, .matrix = matrix };
    }
}

static weir_status solve(w_block_arrow *run, reduced *r, const double *border)
{
    weir_status status = w_block_arrow_diagonal(run, r->width, r->diagonal);
    if (status < 0) {
        return status;
    }
    double mean = 0.0;
    for (int64_t c = 0; c < run->p; c++) {
        mean += fabs(r->diagonal[c / r->width * r->width * r->width + c % r->width * (r->width + 1)]) / (double)run->p;
    }
    if (!isfinite(mean)) {
        return w_fail(run->ctx, WEIR_E_NUMERIC, "arrow system: the Schur complement of the border is not finite");
    }
    shift_blocks(run, r, run->border_damping); /* of an earlier solve */
    list_blocks(run, r);
    for (int attempts = 0;; attempts++) {
        bool indefinite;
        status = attempt(run, r, border, &indefinite);
        if (status != WEIR_E_NUMERIC || !indefinite || !run->options.damping || attempts == W_DAMPING_TRIES) {
            return status;
        }
        const double before = run->border_damping;
        run->border_damping = before > 0.0 ? 10.0 * before : W_DAMPING_FIRST * (mean > 0.0 ? mean : 1.0);
        for (int64_t e = 0; e < r->blocks; e++) {
            for (int64_t i = 0; i < r->block[e].size; i++) {
                ((double *)r->block[e].matrix)[i * (r->block[e].size + 1)] += run->border_damping - before;
            }
        }
        w_message_clear(run->ctx);
    }
}

weir_status w_block_arrow_reduced(w_block_arrow *run, double *border)
{
    weir_ctx *ctx = run->ctx;
    const int64_t width = w_block_arrow_width(&run->options, run->p);
    if (run->count == 0) {
        return WEIR_OK;
    }
    reduced r = { .width = width, .blocks = (run->p + width - 1) / width };
    r.diagonal = w_alloc_array(ctx, "arrow preconditioner", (size_t)(r.blocks * width * width), sizeof *r.diagonal);
    r.block = w_alloc_array(ctx, "arrow preconditioner", (size_t)r.blocks, sizeof *r.block);
    r.x = w_alloc_array(ctx, "arrow system", (size_t)(run->p * run->count), sizeof *r.x);
    r.result = w_alloc_array(ctx, "arrow system", (size_t)run->count, sizeof *r.result);
    weir_status status = r.diagonal && r.block && r.x && r.result ? WEIR_OK : w_alloc_status(ctx);
    status = status < 0 ? status : solve(run, &r, border);
    if (status >= 0) {
        memcpy(border, r.x, (size_t)(run->p * run->count) * sizeof *border);
        for (int64_t k = 0; k < run->count; k++) {
            run->iterations = w_max64(run->iterations, r.result[k].iterations);
        }
        run->unfinished = status == WEIR_NOT_CONVERGED;
    }
    w_free(ctx, r.result);
    w_free(ctx, r.x);
    w_free(ctx, r.block);
    w_free(ctx, r.diagonal);
    return status;
}
