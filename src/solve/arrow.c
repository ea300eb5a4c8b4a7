/* SPDX-License-Identifier: Apache-2.0 */
/* Elimination of the block-diagonal part of an arrow matrix  H = [H_r B; B' H_0],  H_r = blockdiag(H_1 … H_L):
 *   H_l = R_l'R_l,  W_l = R_l'^-1 B_l,  C = H_0 - sum_l W_l'W_l,  G_l = R_l^-1 W_l,
 *   K_l = G_l P_00 G_l',   T = sum_l G_l' V_l G_l.
 * Levels are cut into at most W_ARROW_CHUNKS chunks, by their number alone; each chunk is one task with its own p0 x p0
 * partial sum and the partials are added in order. Cost L k (k^2 + k p0 + p0^2), never p x p. */
#include "solve/parts.h"

#include <float.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

typedef struct pass {
    w_system *system;
    w_factor *factor;
    const w_piece *piece;
    int64_t first, levels;     /* of the pass */
    int64_t chunks;
    double log_det[W_ARROW_CHUNKS];
    int64_t kept[W_ARROW_CHUNKS];
} pass;

int64_t w_arrow_chunks(int64_t levels, int64_t k)
{
    return w_max64(1, w_min64(W_ARROW_CHUNKS, levels * k / W_ARROW_CHUNK_ROWS));
}

static int64_t chunk_first(const pass *run, int64_t chunk)
{
    return run->first + run->levels * chunk / run->chunks;
}

static double *partial_of(const pass *run, int64_t chunk)
{
    return run->system->chunk + chunk * run->system->core * w_max64(run->system->core, run->system->k);
}

void w_piece_block(const w_system *system, const w_piece *piece, double *out)
{
    const int64_t k = piece->count;
    const double lambda = system->lambda[piece->sp];
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            out[r + c * k] = piece->matrix ? lambda * piece->matrix[r + c * k] : (r == c ? lambda : 0.0);
        }
    }
}

/* H_l = A_l + sum of the penalties on level l (k x k). */
static void level_block(const w_system *system, int64_t level, double *out)
{
    const int64_t k = system->k, square = k * k;
    memcpy(out, system->gram->arrow_diag + level * square, (size_t)square * sizeof *out);
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        if (!piece->arrow || level < piece->first || level >= piece->first + piece->levels) {
            continue;
        }
        const double lambda = system->lambda[piece->sp];
        if (piece->matrix == NULL) {
            for (int64_t r = 0; r < k; r++) {
                out[r * (k + 1)] += lambda;
            }
        } else if (lambda != 0.0) {
            for (int64_t r = 0; r < square; r++) {
                out[r] += lambda * piece->matrix[r];
            }
        }
    }
}

/* W_l' = B_l' R_l^-1 (transposed: false) or G_l' = W_l' R_l'^-1: columns of the p0 x k block. A dropped column is zero. */
static void map_solve(int64_t p0, int64_t k, const double *r, double *map, bool transposed)
{
    for (int64_t step = 0; step < k; step++) {
        const int64_t j = transposed ? k - 1 - step : step;
        double *column = map + j * p0;
        const double pivot = r[j * (k + 1)];
        const int64_t begin = transposed ? j + 1 : 0, end = transposed ? k : j;
        for (int64_t m = begin; m < end; m++) {
            const double factor = transposed ? r[j + m * k] : r[m + j * k];
            for (int64_t a = 0; a < p0; a++) {
                column[a] -= factor * map[m * p0 + a];
            }
        }
        const double inverse = pivot > 0.0 ? 1.0 / pivot : 0.0;
        for (int64_t a = 0; a < p0; a++) {
            column[a] *= inverse;
        }
    }
}

static weir_status eliminate_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    pass *run = arg;
    w_system *system = run->system;
    w_factor *factor = run->factor;
    const int64_t k = system->k, p0 = system->core, first = chunk_first(run, task), last = chunk_first(run, task + 1);
    run->log_det[task] = 0.0;
    run->kept[task] = 0;
    for (int64_t l = first; l < last; l++) {
        double *r = factor->level_chol + l * k * k;
        level_block(system, l, r);
        run->kept[task] += w_small_chol(k, r, 32.0 * (double)k * DBL_EPSILON, r, &run->log_det[task]);
        w_small_inverse(k, r, factor->level_inverse + l * k * k);
        double *map = factor->level_map + l * k * p0;
        memcpy(map, system->border + l * k * p0, (size_t)(k * p0) * sizeof *map);
        map_solve(p0, k, r, map, false);
    }
    const double minus = -1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)p0, rows = (w_blas_int)((last - first) * k);
    dsyrk_("U", "N", &n, &rows, &minus, factor->level_map + first * k * p0, &n, &zero, partial_of(run, task), &n);
    return WEIR_OK;
}

/* Adds the partials to the upper triangle of `out` in the order of the chunks. */
static void add_partials(const pass *run, double *out)
{
    const int64_t n = run->system->core;
    for (int64_t chunk = 0; chunk < run->chunks; chunk++) {
        const double *partial = partial_of(run, chunk);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t r = 0; r <= c; r++) {
                out[r + c * n] += partial[r + c * n];
            }
        }
    }
}

weir_status w_arrow_eliminate(w_system *system, w_factor *factor, double *schur)
{
    pass run = { .system = system, .factor = factor, .levels = system->levels,
                 .chunks = w_arrow_chunks(system->levels, system->k) };
    weir_status status = w_pool_run(system->ctx, run.chunks, eliminate_task, &run);
    if (status < 0) {
        return status;
    }
    add_partials(&run, schur);
    for (int64_t chunk = 0; chunk < run.chunks; chunk++) {
        factor->log_det += run.log_det[chunk];
        factor->kept += run.kept[chunk];
    }
    factor->map_is_g = false;
    return WEIR_OK;
}

/* K_l = G_l Y with Y = P_00 G_l' in `product` (p0 x k). */
static void level_product(int64_t p0, int64_t k, const double *g, const double *product, double *out)
{
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r <= c; r++) {
            out[r + c * k] = out[c + r * k] = w_dot(p0, g + r * p0, product + c * p0);
        }
    }
}

static weir_status invert_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    pass *run = arg;
    w_system *system = run->system;
    w_factor *factor = run->factor;
    const int64_t k = system->k, p0 = system->core, first = chunk_first(run, task), last = chunk_first(run, task + 1);
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)p0;
    double *product = partial_of(run, task);
    for (int64_t l = first; l < last && !factor->map_is_g; l++) {
        map_solve(p0, k, factor->level_chol + l * k * k, factor->level_map + l * k * p0, true);
    }
    const int64_t at_once = w_max64(1, p0 / k); /* levels whose P_00 G' fits the chunk's workspace */
    for (int64_t l = first; l < last; l += at_once) {
        const int64_t batch = w_min64(at_once, last - l);
        const w_blas_int columns = (w_blas_int)(batch * k);
        dsymm_("L", "U", &n, &columns, &one, factor->inverse, &n, factor->level_map + l * k * p0, &n, &zero, product, &n);
        for (int64_t b = 0; b < batch; b++) {
            level_product(p0, k, factor->level_map + (l + b) * k * p0, product + b * k * p0,
                          factor->level_product + (l + b) * k * k);
        }
    }
    return WEIR_OK;
}

weir_status w_arrow_invert(w_system *system, w_factor *factor)
{
    pass run = { .system = system, .factor = factor, .levels = system->levels,
                 .chunks = w_arrow_chunks(system->levels, system->k) };
    weir_status status = w_pool_run(system->ctx, run.chunks, invert_task, &run);
    factor->map_is_g = factor->map_is_g || status >= 0;
    return status;
}

static weir_status gather_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    pass *run = arg;
    const w_system *system = run->system;
    const w_piece *piece = run->piece;
    const int64_t k = system->k, p0 = system->core, first = chunk_first(run, task), last = chunk_first(run, task + 1);
    const double *map = run->factor->level_map;
    const double lambda = system->lambda[piece->sp], zero = 0.0;
    const w_blas_int n = (w_blas_int)p0;
    double *out = partial_of(run, task);
    if (piece->matrix == NULL) {
        const w_blas_int rows = (w_blas_int)((last - first) * k);
        dsyrk_("U", "N", &n, &rows, &lambda, map + first * k * p0, &n, &zero, out, &n);
        return WEIR_OK;
    }
    memset(out, 0, (size_t)(p0 * p0) * sizeof *out);
    for (int64_t l = first; l < last; l++) {
        const double *g = map + l * k * p0;
        for (int64_t c = 0; c < k; c++) {
            for (int64_t r = 0; r <= c; r++) {
                /* s_rc (g_r g_c' + g_c g_r'), upper triangle */
                const double entry = lambda * piece->matrix[r + c * k] * (r == c ? 0.5 : 1.0);
                for (int64_t b = 0; b < p0 && entry != 0.0; b++) {
                    const double left = entry * g[c * p0 + b], right = entry * g[r * p0 + b];
                    for (int64_t a = 0; a <= b; a++) {
                        out[a + b * p0] += g[r * p0 + a] * left + g[c * p0 + a] * right;
                    }
                }
            }
        }
    }
    return WEIR_OK;
}

weir_status w_arrow_gather(w_system *system, const w_factor *factor, const w_piece *piece, double *out)
{
    pass run = { .system = system, .factor = (w_factor *)factor, .piece = piece, .first = piece->first,
                 .levels = piece->levels, .chunks = w_arrow_chunks(piece->levels, system->k) };
    weir_status status = w_pool_run(system->ctx, run.chunks, gather_task, &run);
    if (status < 0) {
        return status;
    }
    memset(out, 0, (size_t)(system->core * system->core) * sizeof *out);
    add_partials(&run, out);
    w_mirror_upper(system->core, out);
    return WEIR_OK;
}

void w_arrow_border_times(const w_system *system, const double *core, double *level, double sign)
{
    const double one = 1.0;
    const w_blas_int m = (w_blas_int)system->core, n = (w_blas_int)(system->levels * system->k), inc = 1;
    dgemv_("T", &m, &n, &sign, system->border, &m, core, &inc, &one, level, &inc);
}

void w_arrow_border_transposed(const w_system *system, const double *level, double *core, double sign)
{
    const double one = 1.0;
    const w_blas_int m = (w_blas_int)system->core, n = (w_blas_int)(system->levels * system->k), inc = 1;
    dgemv_("N", &m, &n, &sign, system->border, &m, level, &inc, &one, core, &inc);
}

void w_arrow_level_solve(const w_system *system, const w_factor *factor, double *level)
{
    const int64_t k = system->k;
    for (int64_t l = 0; l < system->levels; l++) {
        const double *r = factor->level_chol + l * k * k;
        double *x = level + l * k;
        for (int64_t i = 0; i < k; i++) {
            double sum = x[i];
            for (int64_t m = 0; m < i; m++) {
                sum -= r[m + i * k] * x[m];
            }
            x[i] = r[i * (k + 1)] > 0.0 ? sum / r[i * (k + 1)] : 0.0;
        }
        for (int64_t i = k - 1; i >= 0; i--) {
            double sum = x[i];
            for (int64_t m = i + 1; m < k; m++) {
                sum -= r[i + m * k] * x[m];
            }
            x[i] = r[i * (k + 1)] > 0.0 ? sum / r[i * (k + 1)] : 0.0;
        }
    }
}
