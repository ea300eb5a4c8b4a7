/* SPDX-License-Identifier: Apache-2.0 */
/* M = blockdiag(A_ee) over the terms e of a model. With D = diag(A_ee) and C = D^-1/2 A_ee D^-1/2 (unit diagonal),
 *     C + delta I = R'R,   F' = R D^1/2 (upper),   M_e = F F',   z = F'^-1 F^-1 r,
 * delta = 0, or after a failed pivot size * W_BLOCK_JITTER, tenfold until it factors. A zero on the diagonal stands for 1: in a
 * positive semi-definite block its row is zero. Diagonal blocks keep sqrt(d).
 *
 * For a slice of c columns the rows of a block are a column-major c x size matrix Z (ld c): Z := Z F'^-1 F^-1, two dtrsm from the
 * right. Blocks are shared out over the pool in runs of about W_RUN_WORK multiplications. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "krylov/preconditioner.h"

#define W_RUN_WORK 32768

typedef struct part {
    int64_t row, size; /* of its group */
    int64_t factor;    /* place among `values` */
    bool diagonal;
} part;

typedef struct blocks {
    weir_ctx *ctx;
    int64_t groups, parts, most_runs;
    part *part;
    int64_t *run;       /* first part of each run, one more at the end */
    int64_t *group_run; /* groups + 1: first run of each group */
    double *values;     /* upper factors R D^1/2, or sqrt(d) */
} blocks;

typedef struct job {
    const blocks *b;
    const w_vectors *block;
    const double *x;
    double *y;
    bool root;
} job;

static int64_t part_values(const w_term_block *block)
{
    return block->matrix ? w_mul64(block->size, block->size) : block->size;
}

static int64_t total_values(int64_t blocks, const w_term_block *block)
{
    int64_t sum = 0;
    for (int64_t e = 0; e < blocks; e++) {
        sum = w_add64(sum, part_values(&block[e]));
    }
    return sum;
}

int64_t w_preconditioner_blocks_bytes(int64_t groups, int64_t blocks, const w_term_block *block)
{
    int64_t bytes = w_alloc_bytes(sizeof(struct blocks)), largest = 0;
    for (int64_t e = 0; e < blocks; e++) {
        largest = w_max64(largest, block[e].matrix ? block[e].size : 0);
    }
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(blocks, sizeof(part))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_add64(blocks, 1), sizeof(int64_t))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_add64(groups, 1), sizeof(int64_t))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(total_values(blocks, block), sizeof(double))));
    return w_add64(bytes, w_alloc_bytes(w_mul64(largest, sizeof(double))));
}

static void destroy(weir_ctx *ctx, void *user)
{
    blocks *b = user;
    w_free(ctx, b->values);
    w_free(ctx, b->group_run);
    w_free(ctx, b->run);
    w_free(ctx, b->part);
    w_free(ctx, b);
}

/* z := M_e^-1 z, or F z, for `count` interleaved columns. */
static void part_apply(const blocks *b, const part *e, int64_t count, double *z, bool root)
{
    const double *f = b->values + e->factor, one = 1.0;
    if (e->diagonal) {
        for (int64_t i = 0; i < e->size; i++) {
            const double scale = root ? f[i] : 1.0 / (f[i] * f[i]);
            for (int64_t k = 0; k < count; k++) {
                z[i * count + k] *= scale;
            }
        }
        return;
    }
    const w_blas_int size = (w_blas_int)e->size, columns = (w_blas_int)count, inc = 1;
    if (root) { /* columns of Z': F z = (z' F')' */
        dtrmm_("R", "U", "N", "N", &columns, &size, &one, f, &size, z, &columns);
    } else if (count == 1) {
        dtrsv_("U", "T", "N", &size, f, &size, z, &inc);
        dtrsv_("U", "N", "N", &size, f, &size, z, &inc);
    } else {
        dtrsm_("R", "U", "N", "N", &columns, &size, &one, f, &size, z, &columns);
        dtrsm_("R", "U", "T", "N", &columns, &size, &one, f, &size, z, &columns);
    }
}

static weir_status apply_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    const blocks *b = j->b;
    const w_slice *slice = &j->block->slice[task / b->most_runs];
    const int64_t run = b->group_run[slice->group] + task % b->most_runs, count = slice->count;
    if (run >= b->group_run[slice->group + 1]) {
        return WEIR_OK;
    }
    for (int64_t e = b->run[run]; e < b->run[run + 1]; e++) {
        const int64_t at = slice->first + b->part[e].row * count;
        memcpy(j->y + at, j->x + at, (size_t)(b->part[e].size * count) * sizeof(double));
        part_apply(b, &b->part[e], count, j->y + at, j->root);
    }
    return WEIR_OK;
}

static weir_status apply(void *user, const w_vectors *block, const double *r, double *z)
{
    const blocks *b = user;
    job j = { .b = b, .block = block, .x = r, .y = z };
    return w_pool_run(b->ctx, block->slices * b->most_runs, apply_task, &j);
}

static weir_status root(void *user, const w_vectors *block, const double *x, double *y)
{
    const blocks *b = user;
    job j = { .b = b, .block = block, .x = x, .y = y, .root = true };
    return w_pool_run(b->ctx, block->slices * b->most_runs, apply_task, &j);
}

static double log_det(const void *user, int64_t group)
{
    const blocks *b = user;
    double sum = 0.0;
    for (int64_t e = b->run[b->group_run[group]]; e < b->run[b->group_run[group + 1]]; e++) {
        const part *part = &b->part[e];
        for (int64_t i = 0; i < part->size; i++) {
            sum += log(b->values[part->factor + (part->diagonal ? i : i * (part->size + 1))]);
        }
    }
    return 2.0 * sum;
}

static weir_status indefinite(weir_ctx *ctx, int64_t number, const char *what)
{
    return w_fail(ctx, WEIR_E_NUMERIC, "block %lld of the preconditioner %s", (long long)number, what);
}

/* sqrt of the diagonal, zeros replaced by 1. */
static weir_status diagonal_roots(weir_ctx *ctx, int64_t number, int64_t size, const double *d, int64_t stride, double *out)
{
    for (int64_t i = 0; i < size; i++) {
        const double value = d[i * stride] == 0.0 ? 1.0 : d[i * stride];
        if (!(value > 0.0) || !isfinite(value)) {
            return indefinite(ctx, number, isfinite(value) ? "has a negative diagonal entry" : "is not finite");
        }
        out[i] = sqrt(value);
    }
    return WEIR_OK;
}

/* C + delta I into the upper triangle of `out`. */
static bool scaled_copy(const w_term_block *block, const double *root, double delta, double *out)
{
    const int64_t size = block->size;
    bool finite = true;
    for (int64_t c = 0; c < size; c++) {
        for (int64_t r = 0; r <= c; r++) {
            out[r + c * size] = r == c ? 1.0 + delta : block->matrix[r + c * size] / (root[r] * root[c]);
            finite = finite && isfinite(out[r + c * size]);
        }
    }
    return finite;
}

static weir_status factor_part(weir_ctx *ctx, int64_t number, const w_term_block *block, double *root, double *out,
                               w_block_report *report)
{
    const int64_t size = block->size;
    weir_status status = diagonal_roots(ctx, number, size, block->matrix, size + 1, root);
    int64_t failed = 1;
    double delta = 0.0;
    while (status >= 0 && failed != 0) {
        if (!scaled_copy(block, root, delta, out)) {
            return indefinite(ctx, number, "is not finite");
        }
        status = w_chol_factor(ctx, size, out, &failed);
        if (status >= 0 && failed != 0) {
            delta = delta == 0.0 ? (double)size * W_BLOCK_JITTER : 10.0 * delta;
            status = delta > W_BLOCK_JITTER_LIMIT ? indefinite(ctx, number, "is indefinite") : WEIR_OK;
        }
    }
    if (status < 0) {
        return status;
    }
    for (int64_t c = 0; c < size; c++) {
        for (int64_t r = 0; r <= c; r++) {
            out[r + c * size] *= root[c];
        }
    }
    if (delta > 0.0) {
        report->first_raised = report->raised == 0 ? number : report->first_raised;
        report->raised++;
        report->jitter = fmax(report->jitter, delta);
    }
    return WEIR_OK;
}

/* Places the parts, and checks that they cover every group. */
static weir_status arrange(weir_ctx *ctx, blocks *b, const int64_t *n, const w_term_block *block)
{
    int64_t e = 0, runs = 0, place = 0;
    for (int64_t g = 0; g < b->groups; g++) {
        int64_t row = 0;
        double work = W_RUN_WORK;
        b->group_run[g] = runs;
        for (; e < b->parts && block[e].group == g; e++) {
            if (block[e].size < 0 || (block[e].matrix != NULL) == (block[e].diagonal != NULL)) {
                return w_fail(ctx, WEIR_E_ARG, "block %lld has neither a matrix nor a diagonal, or both", (long long)e);
            }
            if (work >= W_RUN_WORK) {
                b->run[runs++] = e;
                work = 0.0;
            }
            b->part[e] = (part){ .row = row, .size = block[e].size, .factor = place, .diagonal = block[e].matrix == NULL };
            row = w_add64(row, block[e].size);
            place += part_values(&block[e]);
            work += (double)part_values(&block[e]);
        }
        if (row != n[g]) {
            return w_fail(ctx, WEIR_E_ARG, "the blocks of group %lld cover %lld of %lld rows", (long long)g, (long long)row,
                          (long long)n[g]);
        }
        b->most_runs = w_max64(b->most_runs, runs - b->group_run[g]);
    }
    b->group_run[b->groups] = runs;
    b->run[runs] = b->parts;
    if (e != b->parts) {
        return w_fail(ctx, WEIR_E_ARG, "block %lld does not follow in the order of the groups", (long long)e);
    }
    b->most_runs = w_max64(b->most_runs, 1);
    return WEIR_OK;
}

static weir_status build(weir_ctx *ctx, blocks *b, const int64_t *n, const w_term_block *block, w_block_report *report)
{
    weir_status status = arrange(ctx, b, n, block);
    int64_t largest = 0;
    for (int64_t e = 0; e < b->parts; e++) {
        largest = w_max64(largest, block[e].matrix ? block[e].size : 0);
    }
    double *roots = status < 0 ? NULL : w_alloc_array(ctx, "preconditioner", (size_t)largest, sizeof *roots);
    if (status >= 0 && roots == NULL) {
        status = w_alloc_status(ctx);
    }
    for (int64_t e = 0; e < b->parts && status >= 0; e++) {
        double *out = b->values + b->part[e].factor;
        status = block[e].matrix ? factor_part(ctx, e, &block[e], roots, out, report)
                                 : diagonal_roots(ctx, e, block[e].size, block[e].diagonal, 1, out);
    }
    w_free(ctx, roots);
    return status;
}

weir_status w_preconditioner_blocks(weir_ctx *ctx, int64_t groups, const int64_t *n, int64_t count,
                                    const w_term_block *block, w_block_report *report, w_preconditioner *out)
{
    w_block_report found = { .first_raised = -1 };
    blocks *b = w_calloc(ctx, "preconditioner", 1, sizeof *b);
    if (b == NULL) {
        return w_alloc_status(ctx);
    }
    b->ctx = ctx;
    b->groups = groups;
    b->parts = count;
    b->part = w_alloc_array(ctx, "preconditioner", (size_t)count, sizeof *b->part);
    b->run = w_alloc_array(ctx, "preconditioner", (size_t)count + 1, sizeof *b->run);
    b->group_run = w_alloc_array(ctx, "preconditioner", (size_t)groups + 1, sizeof *b->group_run);
    b->values = w_alloc_array(ctx, "preconditioner", (size_t)total_values(count, block), sizeof *b->values);
    const weir_status status = b->part && b->run && b->group_run && b->values ? build(ctx, b, n, block, &found)
                                                                              : w_alloc_status(ctx);
    if (status < 0) {
        destroy(ctx, b);
        return status;
    }
    if (report) {
        *report = found;
    }
    *out = (w_preconditioner){ .apply = apply, .root = root, .log_det = log_det, .destroy = destroy, .user = b };
    return WEIR_OK;
}
