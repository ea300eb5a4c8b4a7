/* SPDX-License-Identifier: Apache-2.0 */
/* Factorization of H = A + S_lambda.
 *
 *   D = diag(H_ii)^-1/2,  D C D = R'R,  log|H| = sum_l log|H_l| + 2 sum log R_ii - 2 sum log D_ii,  P_00 = D (R'R)^-1 D,
 * C the core or, with an arrow, its Schur complement (scaled by the diagonal of H_0, so that what elimination leaves of
 * a column is seen relative to what it was). A pivot below 32 p0 eps means that a column depends on others to working
 * precision: a diagonally pivoted Cholesky then finds the rank, the columns beyond it get the row and column of the
 * identity and the plain factorization is repeated on the rest (with a wider tolerance should it fail again). */
#include "solve/parts.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

weir_status w_factor_allocate(w_system *system, w_factor *factor)
{
    const size_t p0 = (size_t)system->core, square = w_mul_size(p0, p0);
    const size_t k = (size_t)system->k, blocks = w_mul_size((size_t)system->levels, k * k);
    const size_t map = w_mul_size(p0, w_mul_size((size_t)system->levels, k));
    w_arena *arena = &system->arena;
    factor->scale = w_arena_alloc(arena, p0, sizeof(double));
    factor->chol = w_arena_alloc(arena, square, sizeof(double));
    factor->inverse = w_arena_alloc(arena, square, sizeof(double));
    factor->dropped = w_arena_calloc(arena, p0, 1);
    bool ok = factor->scale && factor->chol && factor->inverse && factor->dropped;
    if (system->levels > 0) {
        factor->level_chol = w_arena_alloc(arena, blocks, sizeof(double));
        factor->level_inverse = w_arena_alloc(arena, blocks, sizeof(double));
        factor->level_product = w_arena_alloc(arena, blocks, sizeof(double));
        factor->level_map = w_arena_alloc(arena, map, sizeof(double));
        ok = ok && factor->level_chol && factor->level_inverse && factor->level_product && factor->level_map;
    }
    return ok ? WEIR_OK : w_alloc_status(system->ctx);
}

/* Upper triangle of H_0 = A_00 + S_lambda. */
static void assemble_core(const w_system *system, double *h)
{
    const int64_t n = system->core;
    for (int64_t c = 0; c < n; c++) {
        memcpy(h + c * n, system->matrix + c * n, (size_t)(c + 1) * sizeof *h);
    }
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        const double lambda = system->lambda[piece->sp];
        if (piece->arrow || lambda == 0.0) {
            continue;
        }
        double *block = h + piece->first * (n + 1);
        for (int64_t c = 0; c < piece->count; c++) {
            if (piece->matrix == NULL) {
                block[c * (n + 1)] += lambda * (piece->diagonal ? piece->diagonal[c] : 1.0);
                continue;
            }
            for (int64_t r = 0; r <= c; r++) {
                block[r + c * n] += lambda * piece->matrix[r + c * piece->count];
            }
        }
    }
}

/* Scales the upper triangle, leaves the dropped out, and measures its 1-norm. WEIR_E_NUMERIC when it is not finite. */
static weir_status scale_core(w_system *system, w_factor *factor, double *column_sum)
{
    const int64_t n = system->core;
    double *h = factor->chol;
    double total = 0.0;
    memset(column_sum, 0, (size_t)n * sizeof *column_sum);
    for (int64_t c = 0; c < n; c++) {
        const double dc = factor->dropped[c] ? 0.0 : factor->scale[c];
        for (int64_t r = 0; r < c; r++) {
            const double entry = factor->dropped[r] ? 0.0 : h[r + c * n] * factor->scale[r] * dc;
            h[r + c * n] = entry;
            column_sum[c] += fabs(entry);
            column_sum[r] += fabs(entry);
        }
        h[c * (n + 1)] = factor->dropped[c] ? 1.0 : h[c * (n + 1)] * dc * dc;
        column_sum[c] += fabs(h[c * (n + 1)]);
    }
    factor->norm = 0.0;
    for (int64_t c = 0; c < n; c++) {
        factor->norm = fmax(factor->norm, column_sum[c]);
        total += column_sum[c];
    }
    return isfinite(total) ? WEIR_OK
                           : w_fail(system->ctx, WEIR_E_NUMERIC,
                                    "the penalised system is not finite: a smoothing parameter or a covariate overflows");
}

/* H_0 in factor->chol with its scale taken; the arrow eliminated from it. */
static weir_status prepare(w_system *system, w_factor *factor)
{
    const int64_t n = system->core;
    assemble_core(system, factor->chol);
    for (int64_t c = 0; c < n; c++) {
        const double diagonal = factor->chol[c * (n + 1)];
        factor->scale[c] = diagonal > 0.0 ? 1.0 / sqrt(diagonal) : 1.0;
    }
    weir_status status = WEIR_OK;
    factor->log_det = 0.0;
    factor->kept = 0;
    if (system->levels > 0) {
        status = w_arrow_eliminate(system, factor, factor->chol);
    }
    return status < 0 ? status : scale_core(system, factor, system->vector);
}

static bool pivots_sound(const w_system *system, const w_factor *factor)
{
    const double least = 32.0 * (double)system->core * DBL_EPSILON;
    for (int64_t i = 0; i < system->core; i++) {
        const double r = factor->chol[i * (system->core + 1)];
        if (!(r * r > least)) {
            return false;
        }
    }
    return true;
}

/* Marks the columns beyond the numerical rank as dropped. factor->chol holds the scaled matrix again. */
static weir_status drop_dependent(w_system *system, w_factor *factor, double tolerance)
{
    const int64_t n = system->core;
    int64_t *pivot = w_alloc_array(system->ctx, "pivots", (size_t)n, sizeof *pivot);
    if (pivot == NULL) {
        return w_alloc_status(system->ctx);
    }
    const int64_t rank = w_chol_pivot(n, factor->chol, pivot, tolerance, system->vector);
    for (int64_t i = rank; i < n; i++) {
        factor->dropped[pivot[i]] = 1;
    }
    w_free(system->ctx, pivot);
    return WEIR_OK;
}

weir_status w_factor_compute(w_system *system, w_factor *factor, const uint8_t *without)
{
    const int64_t n = system->core;
    factor->has_inverse = factor->map_is_g = false;
    for (int64_t i = 0; i < n; i++) {
        factor->dropped[i] = without != NULL && without[i];
    }
    double tolerance = 32.0 * (double)n * DBL_EPSILON;
    for (int attempt = 0;; attempt++) {
        int64_t failed = 0;
        weir_status status = prepare(system, factor);
        if (status >= 0) {
            status = w_chol_factor(system->ctx, n, factor->chol, &failed);
        }
        if (status < 0) {
            return status;
        }
        if (failed == 0 && pivots_sound(system, factor)) {
            break;
        }
        if (attempt == 8) {
            return w_fail(system->ctx, WEIR_E_NUMERIC, "the penalised system is indefinite: no rank makes it solvable");
        }
        status = prepare(system, factor);
        if (status >= 0) {
            status = drop_dependent(system, factor, tolerance);
        }
        if (status < 0) {
            return status;
        }
        tolerance *= 8.0;
    }
    double log_det = 0.0;
    for (int64_t i = 0; i < n; i++) {
        if (!factor->dropped[i]) {
            log_det += log(factor->chol[i * (n + 1)] / factor->scale[i]);
            factor->kept++;
        }
    }
    factor->log_det += 2.0 * log_det;
    return WEIR_OK;
}

weir_status w_factor_invert(w_system *system, w_factor *factor)
{
    const int64_t n = system->core;
    if (factor->has_inverse) {
        return WEIR_OK;
    }
    weir_status status = w_chol_inverse(system->ctx, n, factor->chol, factor->inverse, system->work);
    if (status < 0) {
        return status;
    }
    for (int64_t c = 0; c < n; c++) {
        const double dc = factor->dropped[c] ? 0.0 : factor->scale[c];
        double *column = factor->inverse + c * n;
        for (int64_t r = 0; r < n; r++) {
            column[r] *= factor->scale[r] * dc;
        }
        for (int64_t r = 0; r < n; r++) {
            if (factor->dropped[r]) {
                column[r] = 0.0;
            }
        }
    }
    if (system->levels > 0) {
        status = w_arrow_invert(system, factor);
    }
    factor->has_inverse = status >= 0;
    return status;
}

/* Core unknowns: C x0 = b0 - B'H_r^-1 b_r, then x_r = H_r^-1 (b_r - B x0). */
void w_factor_solve(const w_system *system, const w_factor *factor, double *core, double *level)
{
    const int64_t n = system->core;
    if (system->levels > 0) {
        double *solved = system->vector + 3 * (system->core + system->levels * system->k);
        memcpy(solved, level, (size_t)(system->levels * system->k) * sizeof *solved);
        w_arrow_level_solve(system, factor, solved);
        w_arrow_border_transposed(system, solved, core, -1.0);
    }
    for (int64_t i = 0; i < n; i++) {
        core[i] = factor->dropped[i] ? 0.0 : core[i] * factor->scale[i];
    }
    w_chol_solve(n, factor->chol, core, 1);
    for (int64_t i = 0; i < n; i++) {
        core[i] = factor->dropped[i] ? 0.0 : core[i] * factor->scale[i];
    }
    if (system->levels > 0) {
        w_arrow_border_times(system, core, level, -1.0);
        w_arrow_level_solve(system, factor, level);
    }
}
