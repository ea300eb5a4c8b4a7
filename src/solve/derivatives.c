/* SPDX-License-Identifier: Apache-2.0 */
/* Traces and quadratic forms of the penalties at the factored rho.
 *
 * Each piece i has a core image C_i: V_i itself for a core piece, T_i = sum_l G_l'V_i,lG_l for an arrow piece. Then
 *     tr(PV_i)     = tr(P_00 C_i)            + [arrow] sum_l tr(H_l^-1 V_l)
 *     tr(PV_iPV_j) = tr(P_00 C_i P_00 C_j)   + [both arrow] sum_l ( tr(P_ll V_i P_ll V_j) - tr(K_l V_i K_l V_j) ),
 *     v_i'Pv_j     = c_i' P_00 c_j           + [both arrow] sum_l v_i,l' H_l^-1 v_j,l,
 * with P_ll = H_l^-1 + K_l and core images c_i = v_i, or -sum_l G_l'v_i,l of an arrow piece. For diagonal core pieces with weights
 * w the first trace is sum_a w_a P_aa and the second sum_ab w_a w_b P_ab^2. */
#include "solve/parts.h"

#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

static double weight_of(const w_piece *piece, int64_t i) { return piece->diagonal ? piece->diagonal[i] : 1.0; }

void w_piece_times(const w_system *system, const w_piece *piece, const double *core, const double *level, double *core_out,
                   double *level_out)
{
    const double lambda = system->lambda[piece->sp];
    const int64_t k = piece->count, repeats = piece->arrow ? piece->levels : 1;
    const double *x = piece->arrow ? level + piece->first * k : core + piece->first;
    double *y = piece->arrow ? level_out + piece->first * k : core_out + piece->first;
    for (int64_t l = 0; l < repeats; l++, x += k, y += k) {
        if (piece->matrix == NULL) {
            for (int64_t i = 0; i < k; i++) {
                y[i] += lambda * weight_of(piece, i) * x[i];
            }
            continue;
        }
        for (int64_t i = 0; i < k; i++) {
            y[i] += lambda * w_dot(k, piece->matrix + i * k, x);
        }
    }
}

/* image = V P_00[slice, :], count x p0. */
static void core_image(const w_system *system, const w_factor *factor, const w_piece *piece)
{
    const double lambda = system->lambda[piece->sp], zero = 0.0;
    const w_blas_int k = (w_blas_int)piece->count, n = (w_blas_int)system->core;
    dgemm_("N", "N", &k, &n, &k, &lambda, piece->matrix, &k, factor->inverse + piece->first, &n, &zero, piece->image, &k);
}

weir_status w_pieces_image(w_system *system, const w_factor *factor)
{
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)system->core;
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        if (piece->arrow) {
            weir_status status = w_arrow_gather(system, factor, piece, system->work);
            if (status < 0) {
                return status;
            }
            if (n > 0) {
                dgemm_("N", "N", &n, &n, &n, &one, system->work, &n, factor->inverse, &n, &zero, piece->image, &n);
            }
        } else if (piece->image != NULL) {
            core_image(system, factor, piece);
        }
    }
    return WEIR_OK;
}

/* The rows first … first+count-1 of C_i P_00 that are not zero. */
static int64_t image_first(const w_piece *piece) { return piece->arrow ? 0 : piece->first; }
static int64_t image_count(const w_system *system, const w_piece *piece)
{
    return piece->arrow ? system->core : piece->count;
}

static double core_trace(const w_system *system, const w_factor *factor, const w_piece *piece)
{
    const int64_t first = image_first(piece), count = image_count(system, piece), n = system->core;
    double sum = 0.0;
    for (int64_t a = 0; a < count; a++) {
        sum += piece->image ? piece->image[a + (first + a) * count]
                            : weight_of(piece, a) * factor->inverse[(first + a) * (n + 1)];
    }
    return piece->image ? sum : sum * system->lambda[piece->sp];
}

/* sum_b w_b sum_a w_a P_ab Q_ab for two diagonal pieces; Q = P, or another symmetric matrix. */
static double diagonal_pair(const w_system *system, const w_piece *i, const w_piece *j, const double *p, const double *q)
{
    const int64_t n = system->core;
    double total = 0.0;
    for (int64_t b = 0; b < j->count; b++) {
        const double *x = p + i->first + (j->first + b) * n, *y = q + i->first + (j->first + b) * n;
        const double weight = weight_of(j, b);
        double even = 0.0, odd = 0.0;
        int64_t a = 0;
        if (weight == 0.0) {
            continue;
        }
        if (i->diagonal == NULL) {
            total += weight * w_dot(i->count, x, y);
            continue;
        }
        for (; a + 2 <= i->count; a += 2) {
            even += i->diagonal[a] * x[a] * y[a];
            odd += i->diagonal[a + 1] * x[a + 1] * y[a + 1];
        }
        if (a < i->count) {
            even += i->diagonal[a] * x[a] * y[a];
        }
        total += weight * (even + odd);
    }
    return total * system->lambda[i->sp] * system->lambda[j->sp];
}

/* tr(C_i P_00 C_j P_00) = sum_ab (C_iP)_ab (C_jP)_ba over a in the rows of i, b in the rows of j. */
static double core_pair(const w_system *system, const w_factor *factor, const w_piece *i, const w_piece *j)
{
    if (i->image == NULL && j->image == NULL) {
        return diagonal_pair(system, i, j, factor->inverse, factor->inverse);
    }
    if (i->image == NULL) {
        return core_pair(system, factor, j, i);
    }
    const int64_t n = system->core, fi = image_first(i), ci = image_count(system, i);
    const int64_t fj = image_first(j), cj = image_count(system, j);
    double total = 0.0;
    for (int64_t b = 0; b < cj; b++) {
        const double *x = i->image + (fj + b) * ci;
        double sum = 0.0;
        if (j->image == NULL) {
            sum = weight_of(j, b) * system->lambda[j->sp] * w_dot(ci, x, factor->inverse + fi + (fj + b) * n);
        } else {
            for (int64_t a = 0; a < ci; a++) {
                sum += x[a] * j->image[b + (fi + a) * cj];
            }
        }
        total += sum;
    }
    return total;
}

/* tr(X V_i X V_j) for symmetric k x k X. */
static double block_pair(int64_t k, const double *x, const double *vi, const double *vj, double *work)
{
    double *left = work, *right = work + k * k, sum = 0.0;
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            left[r + c * k] = w_dot(k, x + r * k, vi + c * k);
            right[c + r * k] = w_dot(k, x + r * k, vj + c * k); /* transposed */
        }
    }
    for (int64_t e = 0; e < k * k; e++) {
        sum += left[e] * right[e];
    }
    return sum;
}

static double level_trace(const w_system *system, const w_factor *factor, const w_piece *piece, double *work)
{
    const int64_t square = system->k * system->k;
    double sum = 0.0;
    w_piece_block(system, piece, work);
    for (int64_t l = piece->first; l < piece->first + piece->levels; l++) {
        sum += w_dot(square, factor->level_inverse + l * square, work);
    }
    return sum;
}

static double level_pair(const w_system *system, const w_factor *factor, const w_piece *i, const w_piece *j, double *work)
{
    const int64_t k = system->k, square = k * k;
    const int64_t first = w_max64(i->first, j->first), last = w_min64(i->first + i->levels, j->first + j->levels);
    double *vi = work, *vj = work + square, *sum = work + 2 * square, total = 0.0;
    if (first >= last) {
        return 0.0;
    }
    w_piece_block(system, i, vi);
    w_piece_block(system, j, vj);
    for (int64_t l = first; l < last; l++) {
        const double *inverse = factor->level_inverse + l * square, *product = factor->level_product + l * square;
        if (k == 1) { /* (h + K)^2 - K^2 = h (h + 2K) */
            total += inverse[0] * (inverse[0] + 2.0 * product[0]) * vi[0] * vj[0];
            continue;
        }
        for (int64_t e = 0; e < square; e++) {
            sum[e] = inverse[e] + product[e];
        }
        total += block_pair(k, sum, vi, vj, work + 3 * square) - block_pair(k, product, vi, vj, work + 3 * square);
    }
    return total;
}

/* Columns c_j (core images of v_j) and the arrow part of v_i'Pv_j. */
static void gradient_columns(w_system *system, const w_factor *factor, double *curvature)
{
    const int64_t n = system->core, rows = system->levels * system->k;
    const int count = system->sp_count;
    double *image = system->gradient_map, *level = system->vector, *other = system->vector + n + rows;
    memset(image, 0, (size_t)(n * count) * sizeof *image);
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        if (!piece->arrow) {
            w_piece_times(system, piece, system->core_beta, NULL, image + piece->sp * n, NULL);
            continue;
        }
        const double minus = -1.0, one = 1.0;
        memset(level, 0, (size_t)rows * sizeof *level);
        w_piece_times(system, piece, NULL, system->level_beta, NULL, level);
        const int64_t first = piece->first * system->k, active = piece->levels * system->k;
        const w_blas_int m = (w_blas_int)n, columns = (w_blas_int)active, inc = 1;
        if (n > 0) {
            dgemv_("N", &m, &columns, &minus, factor->level_map + first * n, &m, level + first, &inc, &one,
                   image + piece->sp * n, &inc);
        }
        w_arrow_level_solve(system, factor, level);
        for (int j = 0; j < system->piece_count; j++) {
            if (system->piece[j].arrow) {
                memset(other, 0, (size_t)rows * sizeof *other);
                w_piece_times(system, &system->piece[j], NULL, system->level_beta, NULL, other);
                curvature[piece->sp * count + system->piece[j].sp] += w_dot(active, level + first, other + first);
            }
        }
    }
}

static void curvature_forms(w_system *system, const w_factor *factor, double *curvature)
{
    const int count = system->sp_count;
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)system->core, m = (w_blas_int)count;
    double *image = system->gradient_map, *solved = system->gradient_map + system->core * count;
    memset(curvature, 0, (size_t)count * (size_t)count * sizeof *curvature);
    gradient_columns(system, factor, curvature);
    if (n == 0) {
        return;
    }
    dsymm_("L", "U", &n, &m, &one, factor->inverse, &n, image, &n, &zero, solved, &n);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            curvature[i * count + j] += w_dot(system->core, image + i * system->core, solved + j * system->core);
        }
    }
}

static weir_status traces(w_system *system, const w_factor *factor, double *trace, double *cross)
{
    const int count = system->sp_count;
    const size_t square = w_mul_size((size_t)system->k, (size_t)system->k);
    double *work = NULL;
    if (system->levels > 0) {
        work = w_alloc_array(system->ctx, "level blocks", w_mul_size(5, square), sizeof *work);
        if (work == NULL) {
            return w_alloc_status(system->ctx);
        }
    }
    for (int i = 0; i < system->piece_count && trace != NULL; i++) {
        const w_piece *piece = &system->piece[i];
        trace[piece->sp] += core_trace(system, factor, piece);
        if (piece->arrow) {
            trace[piece->sp] += level_trace(system, factor, piece, work);
        }
    }
    for (int i = 0; i < system->piece_count && cross != NULL; i++) {
        for (int j = 0; j <= i; j++) {
            const w_piece *a = &system->piece[i], *b = &system->piece[j];
            double value = core_pair(system, factor, a, b);
            if (a->arrow && b->arrow) {
                value += level_pair(system, factor, a, b, work);
            }
            cross[a->sp * count + b->sp] += value;
            if (i != j) {
                cross[b->sp * count + a->sp] += value;
            }
        }
    }
    w_free(system->ctx, work);
    return WEIR_OK;
}

static weir_status pieces_ready(w_system *system, w_factor *factor)
{
    weir_status status = w_factor_invert(system, factor);
    return status < 0 ? status : w_pieces_image(system, factor);
}

weir_status w_system_derivatives(w_system *system, double *trace, double *cross, double *curvature)
{
    W_BLAS_SERIAL;
    const size_t count = (size_t)system->sp_count;
    weir_status status = pieces_ready(system, &system->full);
    if (status < 0) {
        return status;
    }
    if (trace != NULL) {
        memset(trace, 0, count * sizeof *trace);
    }
    if (cross != NULL) {
        memset(cross, 0, count * count * sizeof *cross);
    }
    status = traces(system, &system->full, trace, cross);
    if (status >= 0 && curvature != NULL) {
        curvature_forms(system, &system->full, curvature);
    }
    return status;
}

weir_status w_system_range_derivatives(w_system *system, double *log_det, double *trace, double *cross)
{
    W_BLAS_SERIAL;
    const size_t count = (size_t)system->sp_count;
    if (!system->range_known) {
        return w_fail(system->ctx, WEIR_E_INTERNAL, "the penalised directions of overlapping penalties are not separated");
    }
    if (system->range.chol == NULL) {
        w_factor made = { 0 };
        weir_status status = w_factor_allocate(system, &made);
        if (status < 0) {
            return status;
        }
        system->range = made;
    }
    w_range_mask(system, system->without);
    for (int64_t i = 0; i < system->core; i++) { /* what is not penalised, or was dropped already */
        system->without[i] = !system->without[i] || system->full.dropped[i];
    }
    weir_status status = w_factor_compute(system, &system->range, system->without);
    if (status < 0) {
        return status;
    }
    *log_det = system->range.log_det;
    if (trace == NULL && cross == NULL) {
        return WEIR_OK;
    }
    status = pieces_ready(system, &system->range);
    if (trace != NULL) {
        memset(trace, 0, count * sizeof *trace);
    }
    if (cross != NULL) {
        memset(cross, 0, count * count * sizeof *cross);
    }
    return status < 0 ? status : traces(system, &system->range, trace, cross);
}

/* ---- the effective degrees of freedom tr(PA) and the residual sum of squares ------------------------------------- */

/* Products tr(V_i P V_j E) of two core pieces, E = P A P. */
static double effect_pair(const w_system *system, const w_piece *i, const w_piece *j, const double *p, const double *e,
                          double *work)
{
    const int64_t n = system->core;
    const double one = 1.0, zero = 0.0;
    const w_blas_int ld = (w_blas_int)n, ci = (w_blas_int)i->count, cj = (w_blas_int)j->count;
    if (i->matrix == NULL && j->matrix == NULL) {
        return diagonal_pair(system, i, j, p, e);
    }
    /* sum_ab (V_i P)_ab (V_j E)_ba: left (ci x cj) and right (cj x ci). */
    double *left = work, *right = work + i->count * j->count, sum = 0.0;
    const double *pij = p + i->first + j->first * n, *eji = e + j->first + i->first * n;
    const double li = system->lambda[i->sp], lj = system->lambda[j->sp];
    if (i->matrix != NULL) {
        dgemm_("N", "N", &ci, &cj, &ci, &one, i->matrix, &ci, pij, &ld, &zero, left, &ci);
    }
    if (j->matrix != NULL) {
        dgemm_("N", "N", &cj, &ci, &cj, &one, j->matrix, &cj, eji, &ld, &zero, right, &cj);
    }
    for (int64_t b = 0; b < j->count; b++) {
        for (int64_t a = 0; a < i->count; a++) {
            const double x = i->matrix ? left[a + b * i->count] : weight_of(i, a) * pij[a + b * n];
            const double y = j->matrix ? right[b + a * j->count] : weight_of(j, b) * eji[b + a * n];
            sum += x * y;
        }
    }
    return sum * li * lj;
}

weir_status w_system_effect_cross(w_system *system, double *effect)
{
    W_BLAS_SERIAL;
    const int count = system->sp_count;
    const int64_t n = system->core;
    if (system->levels > 0) {
        return WEIR_DECLINED;
    }
    weir_status status = w_factor_invert(system, &system->full);
    double *e = NULL;
    if (status >= 0) {
        e = w_alloc_array(system->ctx, "effect", w_mul_size(3, w_mul_size((size_t)n, (size_t)n)), sizeof *e);
        status = e == NULL ? w_alloc_status(system->ctx) : w_system_psp(system, e);
    }
    for (int64_t i = 0; i < n * n && status >= 0; i++) {
        e[i] = system->full.inverse[i] - e[i];
    }
    memset(effect, 0, (size_t)count * (size_t)count * sizeof *effect);
    for (int i = 0; i < system->piece_count && status >= 0; i++) {
        for (int j = 0; j < system->piece_count; j++) {
            effect[system->piece[i].sp * count + system->piece[j].sp] +=
                effect_pair(system, &system->piece[i], &system->piece[j], system->full.inverse, e, e + n * n);
        }
    }
    w_free(system->ctx, e);
    return status < 0 ? status : WEIR_OK;
}
