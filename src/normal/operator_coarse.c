/* SPDX-License-Identifier: Apache-2.0 */
/* The two-level preconditioner M^-1 = B^-1 + Z E^-1 Z', E = Z'HZ, with B the blocks of krylov/preconditioner.h, B = F F'.
 *
 * Its root and determinant, for the probes: with W = F'Z, G = W'W = Z'BZ and E = L L',
 *     M = B - B Z (E + G)^-1 Z'B = F (I - W (E + G)^-1 W') F',        log det M = log det B - log det(I + L^-1 G L'^-1).
 * L^-1 G L'^-1 = U diag(g) U' and V = W L'^-1 U give W (E + G)^-1 W' = V diag(1 / (1 + g)) V' with V'V = diag(g), so that
 *     root of M = F (I - V diag(t) V'),   t = (1 - sqrt(1 / (1 + g))) / g. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"
#include "normal/operator_parts.h"

typedef struct two_level {
    w_preconditioner blocks;
    const w_matrix_free *op;
    int64_t p, q;
    double *factor;    /* q x q: upper Cholesky factor R of E (E = R'R, L = R') */
    double *map;       /* q x q: U' R'^-1, so that V = W map' */
    double *root_scale;/* q: t */
    double *diagonal;  /* p: B z for the factors' constants z: of plain ones the diagonal of B */
    double log_det;    /* of I + L^-1 G L'^-1 */
} two_level;

int64_t w_matrix_free_coarse(const w_matrix_free *op)
{
    int64_t dense = op->unit[0].width, factors = 0;
    for (int u = 1; u < op->unit_count; u++) {
        factors += op->unit[u].block->kind == W_BLOCK_FACTOR && op->unit[u].columns > 1;
    }
    return factors == 0 || dense + factors < 2 || dense + factors > W_MATRIX_FREE_COARSE ? 0 : dense + factors;
}

/* z (q) = Z'x for vector k of `count`. */
static void restrict_to(const w_matrix_free *op, const double *x, int64_t count, int64_t k, double *z)
{
    for (int64_t i = 0; i < op->unit[0].width; i++) {
        *z++ = x[i * count + k];
    }
    for (int u = 1; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        if (unit->block->kind == W_BLOCK_FACTOR && unit->columns > 1) {
            double sum = 0.0;
            for (int64_t i = unit->first; i < unit->first + unit->columns; i++) {
                sum += x[i * count + k];
            }
            *z++ = sum;
        }
    }
}

/* y += Z z. */
static void prolong(const w_matrix_free *op, const double *z, int64_t count, int64_t k, double *y)
{
    for (int64_t i = 0; i < op->unit[0].width; i++) {
        y[i * count + k] += *z++;
    }
    for (int u = 1; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        if (unit->block->kind == W_BLOCK_FACTOR && unit->columns > 1) {
            for (int64_t i = unit->first; i < unit->first + unit->columns; i++) {
                y[i * count + k] += *z;
            }
            z++;
        }
    }
}

/* One block of `count` vectors. */
static w_vectors one_block(int64_t p, int64_t count, w_slice *slice, int64_t *system)
{
    *slice = (w_slice){ .group = 0, .n = p, .count = count };
    for (int64_t k = 0; k < count; k++) {
        system[k] = k;
    }
    return (w_vectors){ .slices = 1, .columns = count, .values = p * count, .slice = slice, .system = system };
}

/* X z = 1 for the constant z of a factor without multiplier and with a column for each level: all of them give one row of Z'X'WXZ,
 * which is formed for the first. leader[j]: that vector, or j itself. */
static void find_leaders(const w_matrix_free *op, int64_t *leader)
{
    int64_t at = op->unit[0].width, first = -1;
    for (int64_t i = 0; i < at; i++) {
        leader[i] = i;
    }
    for (int u = 1; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        if (unit->block->kind != W_BLOCK_FACTOR || unit->columns <= 1) {
            continue;
        }
        const bool plain = !unit->refined && unit->columns == unit->cells && !op->worker[0].packed.lane[u].value;
        leader[at] = plain && first >= 0 ? first : at;
        first = plain && first < 0 ? at : first;
        at++;
    }
}

/* out (q x q) = Z'(A Z) for a callback A, by blocks of vectors. rows: A = X'WX, where leaders stand for the others. */
static weir_status galerkin(w_matrix_free *op, w_operator_fn apply, void *user, int64_t q, bool rows, double *out)
{
    const int64_t p = op->design->p;
    int64_t leader[W_MATRIX_FREE_COARSE], chosen[W_MATRIX_FREE_COARSE], count = 0;
    double *x = w_alloc_array(op->ctx, "operator", (size_t)w_mul64(2 * op->vectors, p), sizeof *x), *y = x + op->vectors * p;
    if (!x) {
        return w_alloc_status(op->ctx);
    }
    find_leaders(op, leader);
    for (int64_t j = 0; j < q; j++) {
        leader[j] = rows ? leader[j] : j;
        if (leader[j] == j) {
            chosen[count++] = j;
        }
    }
    weir_status status = WEIR_OK;
    double unit[W_MATRIX_FREE_COARSE] = { 0 };
    for (int64_t j = 0; status == WEIR_OK && j < count; j += op->vectors) {
        const int64_t width = w_min64(op->vectors, count - j);
        w_slice slice;
        int64_t system[W_MATRIX_FREE_VECTORS];
        const w_vectors block = one_block(p, width, &slice, system);
        memset(x, 0, (size_t)(p * width) * sizeof *x);
        for (int64_t k = 0; k < width; k++) {
            unit[chosen[j + k]] = 1.0;
            prolong(op, unit, width, k, x);
            unit[chosen[j + k]] = 0.0;
        }
        status = apply(user, &block, x, y);
        for (int64_t k = 0; status == WEIR_OK && k < width; k++) {
            restrict_to(op, y, width, k, out + chosen[j + k] * q);
        }
    }
    for (int64_t j = 0; status == WEIR_OK && j < q; j++) {
        if (leader[j] != j) {
            memcpy(out + j * q, out + leader[j] * q, (size_t)q * sizeof *out);
        }
    }
    w_free(op->ctx, x);
    return status;
}

static weir_status two_level_apply(void *user, const w_vectors *block, const double *x, double *y)
{
    const two_level *t = user;
    double z[W_MATRIX_FREE_COARSE];
    weir_status status = t->blocks.apply(t->blocks.user, block, x, y);
    for (int64_t k = 0; status >= 0 && k < block->columns; k++) {
        restrict_to(t->op, x, block->columns, k, z);
        w_chol_solve(t->q, t->factor, z, 1);
        prolong(t->op, z, block->columns, k, y);
    }
    return status;
}

/* y += sign B Z z: of the dense columns a product with their block, of factors with the diagonal. */
static void add_blocks(const two_level *t, double sign, const double *z, int64_t count, int64_t k, double *y)
{
    const w_matrix_free *op = t->op;
    const int64_t dense = op->unit[0].width;
    for (int64_t i = 0; i < dense; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < dense; j++) {
            sum += op->matrix[op->unit[0].matrix + i * dense + j] * z[j];
        }
        y[i * count + k] += sign * sum;
    }
    z += dense;
    for (int u = 1; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        if (unit->block->kind == W_BLOCK_FACTOR && unit->columns > 1) {
            for (int64_t i = unit->first; i < unit->first + unit->columns; i++) {
                y[i * count + k] += sign * t->diagonal[i] * *z;
            }
            z++;
        }
    }
}

/* y = F x - F V diag(t) V'x,  V'x = map Z'(F x),  F V = F F'Z map' = B Z map'. */
static weir_status two_level_root(void *user, const w_vectors *block, const double *x, double *y)
{
    const two_level *t = user;
    double z[W_MATRIX_FREE_COARSE], v[W_MATRIX_FREE_COARSE];
    weir_status status = t->blocks.root(t->blocks.user, block, x, y);
    for (int64_t k = 0; status >= 0 && k < block->columns; k++) {
        restrict_to(t->op, y, block->columns, k, z);
        for (int64_t i = 0; i < t->q; i++) {
            v[i] = 0.0;
            for (int64_t j = 0; j < t->q; j++) {
                v[i] += t->map[i * t->q + j] * z[j];
            }
            v[i] *= t->root_scale[i];
        }
        for (int64_t j = 0; j < t->q; j++) {
            z[j] = 0.0;
            for (int64_t i = 0; i < t->q; i++) {
                z[j] += t->map[i * t->q + j] * v[i];
            }
        }
        add_blocks(t, -1.0, z, block->columns, k, y);
    }
    return status;
}

static double two_level_log_det(const void *user, int64_t group)
{
    const two_level *t = user;
    return t->blocks.log_det(t->blocks.user, group) - t->log_det;
}

static void two_level_destroy(weir_ctx *ctx, void *user)
{
    two_level *t = user;
    w_preconditioner_free(ctx, &t->blocks);
    w_free(ctx, t->factor);
    w_free(ctx, t);
}

/* ---- traces ---------------------------------------------------------------------------------------------------------- */

void w_matrix_free_deflate(const w_preconditioner *preconditioner, const double *b, double *x)
{
    const two_level *t = preconditioner->user;
    double z[W_MATRIX_FREE_COARSE];
    if (preconditioner->apply != two_level_apply) {
        return;
    }
    restrict_to(t->op, b, 1, 0, z);
    w_chol_solve(t->q, t->factor, z, 1);
    for (int64_t i = 0; i < t->q; i++) {
        z[i] = -z[i];
    }
    prolong(t->op, z, 1, 0, x);
}

/* Penalties of factors are multiples of the identity, and of trees they cover several: Z'V_jZ is diagonal, its entries lambda_j
 * times the columns. */
double w_matrix_free_coarse_trace(const w_preconditioner *preconditioner, int number)
{
    const two_level *t = preconditioner->user;
    double z[W_MATRIX_FREE_COARSE], sum = 0.0;
    if (preconditioner->apply != two_level_apply) {
        return 0.0;
    }
    const w_design_penalty *penalty = &t->op->design->penalty[number];
    const int64_t first = t->op->part_first[number], last = first + penalty->k * penalty->repeat;
    int64_t at = t->op->unit[0].width;
    for (int u = 1; u < t->op->unit_count; u++) {
        const w_unit *unit = &t->op->unit[u];
        if (unit->block->kind != W_BLOCK_FACTOR || unit->columns <= 1) {
            continue;
        }
        double weight = 0.0;
        for (int64_t c = w_max64(first, unit->first); c < w_min64(last, unit->first + unit->columns); c++) {
            weight += penalty->matrix ? penalty->matrix[((c - first) % penalty->k) * (penalty->k + 1)] : 1.0;
        }
        if (weight > 0.0) {
            memset(z, 0, (size_t)t->q * sizeof *z);
            z[at] = 1.0;
            w_chol_solve(t->q, t->factor, z, 1);
            sum += weight * z[at];
        }
        at++;
    }
    return t->op->lambda[penalty->sp] * sum;
}

/* ---- making it ------------------------------------------------------------------------------------------------------ */

/* Z'S_lambda Z onto `out`, through the penalties' action on each column of Z. */
static weir_status penalty_apply(void *user, const w_vectors *block, const double *x, double *y)
{
    const w_matrix_free *op = user;
    memset(y, 0, (size_t)block->values * sizeof *y);
    w_matrix_free_add_penalties(op, block->columns, x, y);
    return WEIR_OK;
}

/* Z'X'WXZ, made once. */
static weir_status data_part(w_matrix_free *op, int64_t q)
{
    if (op->coarse) {
        return WEIR_OK;
    }
    double *coarse = w_alloc_array(op->ctx, "operator", (size_t)(q * q), sizeof *coarse);
    weir_status status = coarse ? galerkin(op, w_matrix_free_rows_apply, op, q, true, coarse) : w_alloc_status(op->ctx);
    if (status < 0) {
        w_free(op->ctx, coarse);
        return status;
    }
    op->coarse = coarse;
    return WEIR_OK;
}

/* R'^-1 G R^-1 into `out` (symmetric). g: G by columns. */
static void congruence(int64_t q, const double *r, const double *g, double *out)
{
    for (int64_t pass = 0; pass < 2; pass++) {
        for (int64_t c = 0; c < q; c++) { /* column c of R'^-1 (.), read across on the second pass */
            for (int64_t i = 0; i < q; i++) {
                double value = pass == 0 ? g[i + c * q] : out[c + i * q];
                for (int64_t j = 0; j < i; j++) {
                    value -= r[j + i * q] * (pass == 0 ? out[j + c * q] : out[c + j * q]);
                }
                *(pass == 0 ? &out[i + c * q] : &out[c + i * q]) = value / r[i + i * q];
            }
        }
    }
}

/* map = U'R'^-1 by rows: row i solves R x = u_i, for U'R'^-1 = (R^-1 U)'. */
static void make_map(int64_t q, const double *r, const double *u, double *map)
{
    for (int64_t i = 0; i < q; i++) {
        for (int64_t j = q - 1; j >= 0; j--) {
            double value = u[j + i * q];
            for (int64_t l = j + 1; l < q; l++) {
                value -= r[j + l * q] * map[i * q + l];
            }
            map[i * q + j] = value / r[j + j * q];
        }
    }
}

/* G = Z'BZ, block-diagonal. */
static void blocks_gram(const two_level *t, double *g)
{
    const w_matrix_free *op = t->op;
    const int64_t q = t->q, dense = op->unit[0].width;
    memset(g, 0, (size_t)(q * q) * sizeof *g);
    for (int64_t i = 0; i < dense; i++) {
        memcpy(g + i * q, op->matrix + op->unit[0].matrix + i * dense, (size_t)dense * sizeof *g);
    }
    int64_t at = dense;
    for (int u = 1; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        if (unit->block->kind == W_BLOCK_FACTOR && unit->columns > 1) {
            for (int64_t i = unit->first; i < unit->first + unit->columns; i++) {
                g[at * (q + 1)] += t->diagonal[i];
            }
            at++;
        }
    }
}

static weir_status make_root(weir_ctx *ctx, two_level *t, double *work)
{
    const int64_t q = t->q;
    double *g = work, *small = work + q * q;
    blocks_gram(t, g);
    congruence(q, t->factor, g, small);
    weir_status status = w_eigen_symmetric(ctx, q, small, t->root_scale, true);
    if (status < 0) {
        return status;
    }
    make_map(q, t->factor, small, t->map);
    t->log_det = 0.0;
    for (int64_t i = 0; i < q; i++) {
        const double value = fmax(t->root_scale[i], 0.0);
        t->log_det += log1p(value);
        t->root_scale[i] = value > 0.0 ? -expm1(-0.5 * log1p(value)) / value : 0.5;
    }
    return WEIR_OK;
}

static weir_status factor_coarse(w_matrix_free *op, two_level *t, double *work, bool *usable)
{
    int64_t failed = 0;
    weir_status status = galerkin(op, penalty_apply, op, t->q, false, t->factor);
    for (int64_t i = 0; status >= 0 && i < t->q * t->q; i++) {
        t->factor[i] += op->coarse[i];
    }
    if (status >= 0) {
        status = w_chol_factor(op->ctx, t->q, t->factor, &failed);
    }
    *usable = status >= 0 && failed == 0;
    return *usable ? make_root(op->ctx, t, work) : status;
}

/* Wraps `blocks`, taking it over; when E does not factor the blocks alone are returned. `diagonal`: B times the vector of ones of
 * each unit, which is the diagonal of B for factors. */
weir_status w_matrix_free_two_level(w_matrix_free *op, const double *diagonal, w_preconditioner *blocks)
{
    weir_ctx *ctx = op->ctx;
    const int64_t q = w_matrix_free_coarse(op), p = op->design->p;
    bool usable = false;
    if (q == 0) {
        return WEIR_OK;
    }
    two_level *t = w_calloc(ctx, "preconditioner", 1, sizeof *t);
    double *memory = w_alloc_array(ctx, "preconditioner", (size_t)(2 * q * q + q + p), sizeof *memory);
    double *work = w_alloc_array(ctx, "preconditioner", (size_t)(2 * q * q), sizeof *work);
    weir_status status = t && memory && work ? data_part(op, q) : w_alloc_status(ctx);
    if (status >= 0) {
        *t = (two_level){ .blocks = *blocks, .op = op, .p = p, .q = q, .factor = memory, .map = memory + q * q,
                          .root_scale = memory + 2 * q * q, .diagonal = memory + 2 * q * q + q };
        memcpy(t->diagonal, diagonal, (size_t)p * sizeof *diagonal);
        status = factor_coarse(op, t, work, &usable);
    }
    w_free(ctx, work);
    if (!usable || status < 0) {
        w_free(ctx, memory);
        w_free(ctx, t);
        return status;
    }
    *blocks = (w_preconditioner){ .apply = two_level_apply, .root = two_level_root, .log_det = two_level_log_det,
                                  .destroy = two_level_destroy, .user = t };
    return WEIR_OK;
}
