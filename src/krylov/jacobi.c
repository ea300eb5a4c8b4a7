/* SPDX-License-Identifier: Apache-2.0 */
/* M = D = diag(A):  z_i = r_i / d_i;  F = D^1/2;  log det M = sum log d_i. */
#include <math.h>

#include "base/size.h"
#include "krylov/preconditioner.h"

typedef struct jacobi {
    int64_t groups;
    int64_t *first;  /* groups + 1: first coordinate of each */
    double *inverse, *root;
} jacobi;

int64_t w_preconditioner_jacobi_bytes(int64_t groups, int64_t rows)
{
    return w_add64(w_alloc_bytes(sizeof(jacobi)),
                   w_add64(w_alloc_bytes(w_mul64(w_add64(groups, 1), sizeof(int64_t))),
                           w_mul64(2, w_alloc_bytes(w_mul64(rows, sizeof(double))))));
}

static void destroy(weir_ctx *ctx, void *user)
{
    jacobi *j = user;
    w_free(ctx, j->root);
    w_free(ctx, j->inverse);
    w_free(ctx, j->first);
    w_free(ctx, j);
}

static void scale_rows(const jacobi *j, const double *factor, const w_vectors *block, const double *x, double *y)
{
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        const double *f = factor + j->first[slice->group];
        for (int64_t i = 0; i < slice->n; i++) {
            for (int64_t k = 0; k < slice->count; k++) {
                const int64_t at = slice->first + i * slice->count + k;
                y[at] = f[i] * x[at];
            }
        }
    }
}

static weir_status apply(void *user, const w_vectors *block, const double *r, double *z)
{
    const jacobi *j = user;
    scale_rows(j, j->inverse, block, r, z);
    return WEIR_OK;
}

static weir_status root(void *user, const w_vectors *block, const double *x, double *y)
{
    const jacobi *j = user;
    scale_rows(j, j->root, block, x, y);
    return WEIR_OK;
}

static double log_det(const void *user, int64_t group)
{
    const jacobi *j = user;
    double sum = 0.0;
    for (int64_t i = j->first[group]; i < j->first[group + 1]; i++) {
        sum += log(j->root[i]);
    }
    return 2.0 * sum;
}

static weir_status fill(weir_ctx *ctx, jacobi *j, const int64_t *n, const double *diagonal)
{
    j->first[0] = 0;
    for (int64_t g = 0; g < j->groups; g++) {
        j->first[g + 1] = j->first[g] + n[g];
        for (int64_t i = j->first[g]; i < j->first[g + 1]; i++) {
            const double d = diagonal[i] == 0.0 ? 1.0 : diagonal[i];
            if (!(d > 0.0) || !isfinite(d) || !isfinite(1.0 / d)) {
                return w_fail(ctx, WEIR_E_NUMERIC, "Jacobi preconditioner: diagonal entry %lld of group %lld is %g",
                              (long long)(i - j->first[g]), (long long)g, d);
            }
            j->inverse[i] = 1.0 / d;
            j->root[i] = sqrt(d);
        }
    }
    return WEIR_OK;
}

weir_status w_preconditioner_jacobi(weir_ctx *ctx, int64_t groups, const int64_t *n, const double *diagonal,
                                    w_preconditioner *out)
{
    const size_t rows = (size_t)w_operator_rows(groups, n);
    jacobi *j = w_calloc(ctx, "preconditioner", 1, sizeof *j);
    if (j == NULL) {
        return w_alloc_status(ctx);
    }
    j->groups = groups;
    j->first = w_alloc_array(ctx, "preconditioner", (size_t)groups + 1, sizeof *j->first);
    j->inverse = w_alloc_array(ctx, "preconditioner", rows, sizeof *j->inverse);
    j->root = w_alloc_array(ctx, "preconditioner", rows, sizeof *j->root);
    const weir_status status = j->first && j->inverse && j->root ? fill(ctx, j, n, diagonal) : w_alloc_status(ctx);
    if (status < 0) {
        destroy(ctx, j);
        return status;
    }
    *out = (w_preconditioner){ .apply = apply, .root = root, .log_det = log_det, .destroy = destroy, .user = j };
    return WEIR_OK;
}
