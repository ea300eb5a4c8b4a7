/* SPDX-License-Identifier: Apache-2.0 */
/* P = H^-1 as an object of its own, in X's columns, and blocks of P and of A.
 *
 * With N_a the core row of coordinate a (row a of P_00, or row a of -G P_00 for an arrow column):
 *     P_ab = N_a[b] for a core column b;   P_ab = -N_a . G_b (+ H_l^-1 entry when a and b share level l) for an arrow one. */
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/parts.h"

/* G_l = H_l^-1 B_l from the original border, row-major (L k) x p0. */
static void original_map(const w_system *system, double *out)
{
    const int64_t n = system->core, k = system->k;
    for (int64_t l = 0; l < system->levels; l++) {
        const double *inverse = system->full.level_inverse + l * k * k, *border = system->gram->arrow_border + l * k * n;
        double *row = out + l * k * n;
        memset(row, 0, (size_t)(k * n) * sizeof *row);
        for (int64_t r = 0; r < k; r++) {
            for (int64_t m = 0; m < k; m++) {
                const double factor = inverse[r + m * k];
                for (int64_t a = 0; a < n; a++) {
                    row[r * n + a] += factor * border[m * n + a];
                }
            }
        }
    }
}

static weir_status fill(w_system *system, w_covariance *covariance)
{
    weir_ctx *ctx = system->ctx;
    const size_t p0 = (size_t)system->core, square = w_mul_size(p0, p0);
    weir_status status = w_factor_invert(system, &system->full);
    if (status < 0) {
        return status;
    }
    covariance->core_column = w_alloc_array(ctx, "covariance", p0 + 1, sizeof(int64_t));
    covariance->core_matrix = w_alloc_array(ctx, "covariance", square, sizeof(double));
    bool ok = covariance->core_column && covariance->core_matrix;
    if (system->levels > 0) {
        const size_t rows = (size_t)(system->levels * system->k);
        covariance->arrow_map = w_alloc_array(ctx, "covariance", w_mul_size(rows, p0), sizeof(double));
        covariance->arrow_inverse = w_alloc_array(ctx, "covariance", w_mul_size(rows, (size_t)system->k), sizeof(double));
        ok = ok && covariance->arrow_map && covariance->arrow_inverse;
        if (ok) {
            original_map(system, covariance->arrow_map);
            memcpy(covariance->arrow_inverse, system->full.level_inverse, rows * (size_t)system->k * sizeof(double));
        }
    }
    if (!ok) {
        return w_alloc_status(ctx);
    }
    memcpy(covariance->core_column, system->gram->core_column, p0 * sizeof(int64_t));
    memcpy(covariance->core_matrix, system->full.inverse, square * sizeof(double));
    w_core_rotate_matrix(system, covariance->core_matrix, true);
    for (int64_t c = 0; c < system->core; c++) { /* exactly symmetric */
        for (int64_t r = 0; r < c; r++) {
            double *a = &covariance->core_matrix[r + c * system->core], *b = &covariance->core_matrix[c + r * system->core];
            *a = *b = 0.5 * (*a + *b);
        }
    }
    return WEIR_OK;
}

weir_status w_system_covariance(w_system *system, w_covariance **out)
{
    W_BLAS_SERIAL;
    w_covariance *covariance = w_calloc(system->ctx, "covariance", 1, sizeof *covariance);
    if (covariance == NULL) {
        return w_alloc_status(system->ctx);
    }
    covariance->ctx = system->ctx;
    covariance->p = system->p;
    covariance->core = system->core;
    covariance->arrow_levels = system->levels;
    covariance->arrow_k = system->k;
    covariance->arrow_first = system->arrow_first;
    weir_status status = fill(system, covariance);
    if (status < 0) {
        w_covariance_free(covariance);
        return status;
    }
    *out = covariance;
    return WEIR_OK;
}

void w_covariance_free(w_covariance *covariance)
{
    if (covariance != NULL) {
        weir_ctx *ctx = covariance->ctx;
        w_free(ctx, covariance->arrow_inverse);
        w_free(ctx, covariance->arrow_map);
        w_free(ctx, covariance->core_matrix);
        w_free(ctx, covariance->core_column);
        w_free(ctx, covariance);
    }
}

/* Place of a column of X: its arrow row, or -1 with *core set. */
static int64_t arrow_row(int64_t levels, int64_t k, int64_t first, int64_t column, int64_t *core)
{
    const int64_t rows = levels * k;
    if (rows > 0 && column >= first && column < first + rows) {
        return column - first;
    }
    *core = rows == 0 || column < first ? column : column - rows;
    return -1;
}

bool w_covariance_known(const w_covariance *covariance)
{
    return covariance->p == 0 || covariance->core > 0 || covariance->arrow_levels > 0;
}

weir_status w_covariance_block(const w_covariance *covariance, int64_t first_row, int64_t rows, int64_t first_col,
                               int64_t cols, double *out)
{
    W_BLAS_SERIAL;
    const int64_t n = covariance->core, k = covariance->arrow_k, levels = covariance->arrow_levels;
    if (first_row < 0 || first_col < 0 || rows < 0 || cols < 0 || first_row + rows > covariance->p ||
        first_col + cols > covariance->p) {
        return w_fail(covariance->ctx, WEIR_E_ARG, "a covariance block reaches beyond the %lld coefficients",
                      (long long)covariance->p);
    }
    if (!w_covariance_known(covariance)) {
        return w_fail(covariance->ctx, WEIR_E_ARG, "this model holds no covariance: it was fitted by the matrix-free route");
    }
    double *mapped = w_alloc_array(covariance->ctx, "covariance block", (size_t)n + 1, sizeof *mapped);
    if (mapped == NULL) {
        return w_alloc_status(covariance->ctx);
    }
    for (int64_t a = 0; a < rows; a++) {
        int64_t core = 0;
        const int64_t row = arrow_row(levels, k, covariance->arrow_first, first_row + a, &core);
        const double *image = covariance->core_matrix + core * n;
        if (row >= 0) {
            const double minus = -1.0, zero = 0.0;
            const w_blas_int size = (w_blas_int)n, inc = 1;
            if (n > 0) {
                dsymv_("U", &size, &minus, covariance->core_matrix, &size, covariance->arrow_map + row * n, &inc, &zero,
                       mapped, &inc);
            }
            image = mapped;
        }
        for (int64_t b = 0; b < cols; b++) {
            int64_t place = 0;
            const int64_t col = arrow_row(levels, k, covariance->arrow_first, first_col + b, &place);
            double entry = col < 0 ? image[place] : -w_dot(n, image, covariance->arrow_map + col * n);
            if (row >= 0 && col >= 0 && row / k == col / k) {
                entry += covariance->arrow_inverse[(row / k) * k * k + (row % k) * k + col % k];
            }
            out[a * cols + b] = entry;
        }
    }
    w_free(covariance->ctx, mapped);
    return WEIR_OK;
}

weir_status w_gram_block(const w_gram *gram, int64_t first, int64_t count, double *out)
{
    const int64_t n = gram->core, k = gram->arrow_k, levels = gram->arrow_levels;
    if (first < 0 || count < 0 || first + count > gram->p) {
        return w_fail(gram->ctx, WEIR_E_ARG, "a block of the cross-products reaches beyond the %lld columns",
                      (long long)gram->p);
    }
    for (int64_t a = 0; a < count; a++) {
        for (int64_t b = 0; b < count; b++) {
            int64_t ca = 0, cb = 0;
            const int64_t ra = arrow_row(levels, k, gram->arrow_first, first + a, &ca);
            const int64_t rb = arrow_row(levels, k, gram->arrow_first, first + b, &cb);
            double entry = 0.0;
            if (ra < 0 && rb < 0) {
                entry = gram->matrix[ca * n + cb];
            } else if (ra < 0) {
                entry = gram->arrow_border[rb * n + ca];
            } else if (rb < 0) {
                entry = gram->arrow_border[ra * n + cb];
            } else if (ra / k == rb / k) {
                entry = gram->arrow_diag[(ra / k) * k * k + (ra % k) * k + rb % k];
            }
            out[a * count + b] = entry;
        }
    }
    return WEIR_OK;
}
