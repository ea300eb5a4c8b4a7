/* SPDX-License-Identifier: Apache-2.0 */
/* Effective degrees of freedom and the frequentist covariance, from  F = P A = I - P S_lambda:
 *     diag F = 1 - diag(PS),     diag FF = 1 - 2 diag(PS) + diag(PSPS),     F P = P A P = P - P S P.
 * The core of PSP is Z = P_00 (S_0 + T) P_00, T = sum over arrow pieces of sum_l G_l'V_lG_l; on the levels (E = PAP)
 *     (PSP)_ll = H V H + H V K + K V H + G Z G',   E_lm = [l=m](H - HVH) + (G_l - H_lV_lG_l) P_00 G_m' - G_l P_00 G_m'V_mH_m
 *                - G_l Z G_m'      (H: H_l^-1, V: sum of the pieces on the level).
 * Columns are X's own: a rotated group with basis U has diag(U (PS)_gg U'), its own columns only. */
#include "solve/parts.h"

#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

/* sum (p0 x count) = S_0 P, the columns from `first` on; images of the pieces are up to date. */
static void penalty_image(const w_system *system, int64_t first, int64_t count, double *sum)
{
    const int64_t n = system->core;
    const double *p = system->full.inverse;
    memset(sum, 0, (size_t)(n * count) * sizeof *sum);
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        const double lambda = system->lambda[piece->sp];
        const int64_t at = piece->arrow ? 0 : piece->first, rows = piece->arrow ? n : piece->count;
        for (int64_t c = 0; c < count; c++) {
            const double *own = piece->image ? piece->image + (first + c) * rows : p + at + (first + c) * n;
            for (int64_t r = 0; r < rows; r++) {
                sum[at + r + c * n] += piece->image ? own[r] : lambda * (piece->diagonal ? piece->diagonal[r] : 1.0) * own[r];
            }
        }
    }
}

weir_status w_system_psp(w_system *system, double *out)
{
    const int64_t n = system->core;
    const double one = 1.0, zero = 0.0;
    const w_blas_int size = (w_blas_int)n;
    weir_status status = w_factor_invert(system, &system->full);
    if (status >= 0) {
        status = w_pieces_image(system, &system->full);
    }
    if (status < 0 || n == 0) {
        return status;
    }
    const double *p = system->full.inverse;
    double *sum = system->work;
    penalty_image(system, 0, n, sum);
    dsymm_("L", "U", &size, &size, &one, p, &size, sum, &size, &zero, out, &size);
    return WEIR_OK;
}

/* (X S)_gg of the piece's coordinates added to block (count x count, column-major); X symmetric p0 x p0. */
static void times_penalty(const w_system *system, const w_piece *piece, const double *x, double *block)
{
    const int64_t n = system->core, k = piece->count;
    const double lambda = system->lambda[piece->sp];
    const double *from = x + piece->first * (n + 1);
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            if (piece->matrix == NULL) {
                block[r + c * k] += lambda * (piece->diagonal ? piece->diagonal[c] : 1.0) * from[r + c * n];
                continue;
            }
            double sum = 0.0;
            for (int64_t m = 0; m < k; m++) {
                sum += from[r + m * n] * piece->matrix[m + c * k];
            }
            block[r + c * k] += lambda * sum;
        }
    }
}

static const w_rotation *rotation_of(const w_system *system, const w_piece *piece)
{
    for (int g = 0; g < system->rotation_count; g++) {
        if (system->rotation[g].first == piece->first && system->rotation[g].count == piece->count) {
            return &system->rotation[g];
        }
    }
    return NULL;
}

/* out (p0) -= factor * diag(X S) in X's own columns. work: 2 k^2 of the widest piece. */
static void subtract_core_diagonal(const w_system *system, const w_piece *piece, const double *x, double factor, double *out,
                                   double *work)
{
    const int64_t n = system->core, k = piece->count;
    const w_rotation *rotation = rotation_of(system, piece);
    if (rotation == NULL && piece->matrix == NULL) {
        for (int64_t i = 0; i < k; i++) {
            out[piece->first + i] -= factor * system->lambda[piece->sp] * (piece->diagonal ? piece->diagonal[i] : 1.0) *
                                     x[(piece->first + i) * (n + 1)];
        }
        return;
    }
    double *block = work, *turned = work + k * k;
    memset(block, 0, (size_t)(k * k) * sizeof *block);
    times_penalty(system, piece, x, block);
    if (rotation != NULL) { /* U block, then the diagonal of (U block) U' */
        const double one = 1.0, zero = 0.0;
        const w_blas_int m = (w_blas_int)k;
        dgemm_("N", "N", &m, &m, &m, &one, rotation->basis, &m, block, &m, &zero, turned, &m);
    }
    for (int64_t i = 0; i < k; i++) {
        double entry = block[i * (k + 1)];
        if (rotation != NULL) {
            entry = 0.0;
            for (int64_t m = 0; m < k; m++) {
                entry += turned[i + m * k] * rotation->basis[i + m * k];
            }
        }
        out[piece->first + i] -= factor * entry;
    }
}

/* out = a b for k x k. */
static void small_product(int64_t k, const double *a, const double *b, double *out)
{
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            double sum = 0.0;
            for (int64_t m = 0; m < k; m++) {
                sum += a[r + m * k] * b[m + c * k];
            }
            out[r + c * k] = sum;
        }
    }
}

/* V of one level: the sum over the pieces on it. */
static void level_penalty(const w_system *system, int64_t level, double *out, double *work)
{
    const int64_t square = system->k * system->k;
    memset(out, 0, (size_t)square * sizeof *out);
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        if (piece->arrow && level >= piece->first && level < piece->first + piece->levels) {
            w_piece_block(system, piece, work);
            for (int64_t e = 0; e < square; e++) {
                out[e] += work[e];
            }
        }
    }
}

/* Levels: edf and edf_square of level l, Q = G Z G' (k x k). work: 5 k^2. */
static void level_leverage(const w_system *system, int64_t l, const double *q, double *edf, double *edf_square, double *work)
{
    const int64_t k = system->k, square = k * k;
    const double *inverse = system->full.level_inverse + l * square, *product = system->full.level_product + l * square;
    const double *chol = system->full.level_chol + l * square;
    double *v = work, *sum = work + square, *left = work + 2 * square, *psp = work + 3 * square, *out = work + 4 * square;
    level_penalty(system, l, v, out);
    small_product(k, inverse, v, left); /* H V */
    small_product(k, left, inverse, psp);
    small_product(k, left, product, out);
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            psp[r + c * k] += out[r + c * k] + out[c + r * k] + q[r + c * k];
            sum[r + c * k] = inverse[r + c * k] + product[r + c * k];
        }
    }
    for (int64_t i = 0; i < k; i++) {
        double ps = 0.0, psps = 0.0;
        for (int64_t m = 0; m < k; m++) {
            ps += sum[i + m * k] * v[m + i * k];
            psps += psp[i + m * k] * v[m + i * k];
        }
        const double kept = chol[i * (k + 1)] > 0.0 ? 1.0 : 0.0;
        edf[l * k + i] = kept * (1.0 - ps);
        edf_square[l * k + i] = kept * (1.0 - 2.0 * ps + psps);
    }
}

/* Q_l = G_l Z G_l' for a level. column: p0. */
static void level_quadratic(const w_system *system, const double *z, int64_t l, double *column, double *out)
{
    const int64_t n = system->core, k = system->k;
    const double one = 1.0, zero = 0.0;
    const w_blas_int size = (w_blas_int)n, inc = 1;
    const double *g = system->full.level_map + l * k * n;
    for (int64_t c = 0; c < k; c++) {
        if (n > 0) {
            dsymv_("U", &size, &one, z, &size, g + c * n, &inc, &zero, column, &inc);
        }
        for (int64_t r = 0; r <= c; r++) {
            out[r + c * k] = out[c + r * k] = w_dot(n, g + r * n, column);
        }
    }
}

static void core_leverage(const w_system *system, const double *z, double *edf, double *edf_square, double *work)
{
    for (int64_t i = 0; i < system->core; i++) {
        edf[i] = edf_square[i] = 1.0;
    }
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        if (!piece->arrow) {
            subtract_core_diagonal(system, piece, system->full.inverse, 1.0, edf, work);
            subtract_core_diagonal(system, piece, system->full.inverse, 2.0, edf_square, work);
            subtract_core_diagonal(system, piece, z, -1.0, edf_square, work);
        }
    }
    for (int64_t i = 0; i < system->core; i++) {
        if (system->full.dropped[i]) { /* rotated groups: the dropped direction is spread over no single column */
            edf[i] -= 1.0;
            edf_square[i] -= 1.0;
        }
    }
}

weir_status w_system_leverage(w_system *system, double *edf, double *edf_square)
{
    W_BLAS_SERIAL;
    const int64_t n = system->core, k = system->k, rows = system->levels * k;
    const int64_t widest = w_max64(n, k);
    const size_t square = w_mul_size((size_t)n, (size_t)n), block = w_mul_size((size_t)widest, (size_t)widest);
    double *z = w_alloc_array(system->ctx, "leverage", square + 1, sizeof *z);
    double *work = w_alloc_array(system->ctx, "leverage", w_mul_size(2, block) + 8 * (size_t)(k * k) + 4 * (size_t)n + 1,
                                 sizeof *work);
    weir_status status = z == NULL || work == NULL ? w_alloc_status(system->ctx) : w_system_psp(system, z);
    if (status >= 0) {
        double *core = work, *core_square = work + n, *blocks = work + 2 * n;
        core_leverage(system, z, core, core_square, blocks);
        for (int64_t i = 0; i < n; i++) {
            edf[system->gram->core_column[i]] = core[i];
            edf_square[system->gram->core_column[i]] = core_square[i];
        }
        double *level = system->vector;
        for (int64_t l = 0; l < system->levels; l++) {
            level_quadratic(system, z, l, blocks, blocks + n);
            level_leverage(system, l, blocks + n, level, level + rows, blocks + n + k * k);
        }
        if (rows > 0) {
            memcpy(edf + system->arrow_first, level, (size_t)rows * sizeof *level);
            memcpy(edf_square + system->arrow_first, level + rows, (size_t)rows * sizeof *level);
        }
    }
    w_free(system->ctx, work);
    w_free(system->ctx, z);
    return status < 0 ? status : WEIR_OK;
}

/* ---- F P ----------------------------------------------------------------------------------------------------------- */

/* Whether no rotated group has columns both among these and outside. */
static bool whole_groups(const w_system *system, int64_t first, int64_t count)
{
    for (int g = 0; g < system->rotation_count; g++) {
        const int64_t from = system->rotation[g].first, to = from + system->rotation[g].count;
        if (from < first + count && to > first && (from < first || to > first + count)) {
            return false;
        }
    }
    return true;
}

/* block (count x count) = U block U' for the groups inside; work: as many. */
static void rotate_block(const w_system *system, int64_t first, int64_t count, double *block, double *work)
{
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)count;
    for (int g = 0; g < system->rotation_count; g++) {
        const w_rotation *rotation = &system->rotation[g];
        const w_blas_int k = (w_blas_int)rotation->count;
        const int64_t at = rotation->first - first;
        if (at < 0 || at >= count) {
            continue;
        }
        dgemm_("N", "N", &k, &n, &k, &one, rotation->basis, &k, block + at, &n, &zero, work, &k);
        for (int64_t c = 0; c < count; c++) {
            memcpy(block + at + c * count, work + c * k, (size_t)k * sizeof *block);
        }
        dgemm_("N", "T", &n, &k, &k, &one, block + at * count, &n, rotation->basis, &k, &zero, work, &n);
        memcpy(block + at * count, work, (size_t)(count * k) * sizeof *block);
    }
}

/* The columns of P S P alone: S P there, then P from the left. e: p0 x p0. */
static weir_status frequentist_columns(w_system *system, int64_t first, int64_t count, double *e)
{
    const int64_t n = system->core;
    const double one = 1.0, zero = 0.0;
    const w_blas_int size = (w_blas_int)n, columns = (w_blas_int)count;
    weir_status status = w_factor_invert(system, &system->full);
    if (status >= 0) {
        status = w_pieces_image(system, &system->full);
    }
    if (status < 0) {
        return status;
    }
    const double *inverse = system->full.inverse;
    double *sum = system->work, *product = e + count * count;
    penalty_image(system, first, count, sum);
    dsymm_("L", "U", &size, &columns, &one, inverse, &size, sum, &size, &zero, product, &size);
    for (int64_t c = 0; c < count; c++) {
        for (int64_t r = 0; r < count; r++) {
            e[r + c * count] = inverse[first + r + (first + c) * n] - product[first + r + c * n];
        }
    }
    rotate_block(system, first, count, e, product);
    return WEIR_OK;
}

/* e: p0 x p0. A block of less than half of the columns is worked out alone. */
static weir_status core_frequentist(w_system *system, int64_t first, int64_t count, double *e, double *out)
{
    const int64_t n = system->core;
    const bool alone = 2 * count <= n && whole_groups(system, first, count);
    weir_status status = alone ? frequentist_columns(system, first, count, e) : w_system_psp(system, e);
    if (status < 0) {
        return status;
    }
    if (!alone) {
        for (int64_t i = 0; i < n * n; i++) {
            e[i] = system->full.inverse[i] - e[i];
        }
        w_core_rotate_matrix(system, e, true);
    }
    const double *block = alone ? e : e + first * (n + 1);
    const int64_t ld = alone ? count : n;
    for (int64_t r = 0; r < count; r++) {
        for (int64_t c = 0; c < count; c++) {
            out[r * count + c] = 0.5 * (block[r + c * ld] + block[c + r * ld]);
        }
    }
    return WEIR_OK;
}

/* One row of E_lm, r = row within level l: (G_l - H V G_l) P_00 and G_l Z prepared as two core vectors. */
typedef struct arrow_row {
    const double *pulled; /* p0: row r of (G_l - H V G_l) P_00 - G_l Z */
    const double *mapped; /* p0: row r of G_l P_00 */
} arrow_row;

static double arrow_entry(const w_system *system, arrow_row row, int64_t level, int64_t column, const double *vh)
{
    const int64_t n = system->core, k = system->k;
    const double *g = system->full.level_map + level * k * n;
    double sum = w_dot(n, row.pulled, g + column * n);
    for (int64_t m = 0; m < k; m++) { /* - (G_l P_00 G_m') V_m H_m */
        sum -= w_dot(n, row.mapped, g + m * n) * vh[m + column * k];
    }
    return sum;
}

static void arrow_rows(const w_system *system, const double *z, int64_t level, int64_t row, double *work, arrow_row *out)
{
    const int64_t n = system->core, k = system->k, square = k * k;
    const double one = 1.0, zero = 0.0, minus = -1.0;
    const w_blas_int size = (w_blas_int)n, inc = 1;
    const double *g = system->full.level_map + level * k * n;
    double *combined = work, *pulled = work + n, *mapped = work + 2 * n, *v = work + 3 * n, *hv = v + square;
    level_penalty(system, level, v, hv);
    small_product(k, system->full.level_inverse + level * square, v, hv);
    memcpy(combined, g + row * n, (size_t)n * sizeof *combined);
    for (int64_t m = 0; m < k; m++) {
        for (int64_t a = 0; a < n; a++) {
            combined[a] -= hv[row + m * k] * g[m * n + a];
        }
    }
    if (n > 0) {
        dsymv_("U", &size, &one, system->full.inverse, &size, combined, &inc, &zero, pulled, &inc);
        dsymv_("U", &size, &minus, z, &size, g + row * n, &inc, &one, pulled, &inc);
        dsymv_("U", &size, &one, system->full.inverse, &size, g + row * n, &inc, &zero, mapped, &inc);
    }
    out->pulled = pulled;
    out->mapped = mapped;
}

static weir_status arrow_frequentist(w_system *system, int64_t first, int64_t count, double *z, double *work, double *out)
{
    const int64_t n = system->core, k = system->k, square = k * k;
    double *v = work + 3 * n + 2 * square, *vh = v + square, *own = vh + square;
    weir_status status = w_system_psp(system, z);
    if (status < 0) {
        return status;
    }
    for (int64_t r = 0; r < count; r++) {
        const int64_t level = (first + r) / k, row = (first + r) % k;
        arrow_row prepared;
        arrow_rows(system, z, level, row, work, &prepared);
        for (int64_t c = 0; c < count; c++) {
            const int64_t other = (first + c) / k, column = (first + c) % k;
            const double *inverse = system->full.level_inverse + other * square;
            if (c == 0 || column == 0) {
                level_penalty(system, other, v, own);
                small_product(k, v, inverse, vh);
            }
            double entry = arrow_entry(system, prepared, other, column, vh);
            if (other == level) { /* H - H V H */
                entry += inverse[row + column * k];
                for (int64_t m = 0; m < k; m++) {
                    entry -= inverse[row + m * k] * vh[m + column * k];
                }
            }
            out[r * count + c] = entry;
        }
    }
    return WEIR_OK;
}

weir_status w_system_frequentist_block(w_system *system, int64_t first, int64_t count, double *out)
{
    W_BLAS_SERIAL;
    const int64_t n = system->core, k = system->k, rows = system->levels * k;
    const bool arrow = rows > 0 && first >= system->arrow_first && first + count <= system->arrow_first + rows;
    const bool before = rows == 0 || first + count <= system->arrow_first, after = rows > 0 && first >= system->arrow_first + rows;
    if (first < 0 || count < 0 || first + count > system->p || !(arrow || before || after)) {
        return w_fail(system->ctx, WEIR_E_INTERNAL, "a covariance block crosses the border of the eliminated block");
    }
    double *work = w_alloc_array(system->ctx, "covariance block",
                                 w_mul_size((size_t)n, (size_t)n) + 3 * (size_t)n + 5 * (size_t)(k * k) + 1, sizeof *work);
    if (work == NULL) {
        return w_alloc_status(system->ctx);
    }
    weir_status status = arrow ? arrow_frequentist(system, first - system->arrow_first, count, work, work + n * n, out)
                               : core_frequentist(system, after ? first - rows : first, count, work, out);
    w_free(system->ctx, work);
    return status;
}
