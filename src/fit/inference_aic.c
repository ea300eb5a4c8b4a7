/* SPDX-License-Identifier: Apache-2.0 */
/* Degrees of freedom of the AIC corrected for the estimation of the smoothing parameters by REML or ML.
 *
 * With R'R = H (X's own columns), N_a = R^-T V_a R^-1, Phi_a its upper triangle with the diagonal halved (then d R^-1/d rho_a =
 * -R^-1 Phi_a), J_a = d beta/d rho_a = -P v_a and B = R^-T A R^-1 = I - sum_a N_a:
 *     edf2 = edf + sum_ac U_ac J_a'A J_c / phi + sum_ac T_ac tr(B Phi_a Phi_c'),
 * U and T the (rho, rho) blocks of the inverse of the criterion's Hessian in (rho, log phi): U without its eigenvectors of
 * non-positive curvature, T with 1/10 added to every eigenvalue (a wide prior on rho, so that parameters at infinity do not
 * count). At most sum edf1. Cost about 2 (M + 2) p^3 flops. Reference: Wood, Pya & Saefken (2016) JASA 111:1548. */
#include "fit/inference.h"

#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

#define FLOP_LIMIT 4e9

typedef struct correction {
    const weir_model *model;
    const w_gram *gram;
    int64_t p;
    int count;              /* M */
    double *root, *inverse; /* R; R^-1 */
    double *rest;           /* B */
    double *phi;            /* M matrices p x p: Phi_a */
    double *slope;          /* p x M: R^-T v_a, J_a = -R^-1 of it */
    double *work;           /* p x p */
    double *plain, *wide;   /* M x M: U, T */
} correction;

static weir_status factor(correction *c)
{
    const w_design *design = c->model->design;
    const int64_t p = c->p;
    memcpy(c->root, c->gram->matrix, (size_t)(p * p) * sizeof(double));
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        const double lambda = exp(c->model->rho[penalty->sp]);
        for (int64_t e = 0; e < penalty->repeat * penalty->k * penalty->k; e++) {
            const int64_t row = e % penalty->k, col = e / penalty->k % penalty->k, repeat = e / (penalty->k * penalty->k);
            const int64_t first = penalty->first + repeat * penalty->k;
            const double s = penalty->matrix ? penalty->matrix[row + col * penalty->k] : (row == col ? 1.0 : 0.0);
            c->root[first + row + (first + col) * p] += lambda * s;
        }
    }
    int64_t failed = 0;
    weir_status status = w_chol_factor(c->model->ctx, p, c->root, &failed);
    if (status >= 0 && failed != 0) {
        return WEIR_DECLINED;
    }
    memset(c->inverse, 0, (size_t)(p * p) * sizeof(double));
    for (int64_t i = 0; i < p; i++) {
        memcpy(c->inverse + i * p, c->root + i * p, (size_t)(i + 1) * sizeof(double));
    }
    w_blas_int n = (w_blas_int)p, info = 0;
    dtrtri_("U", "N", &n, c->inverse, &n, &info);
    return status < 0 ? status : (info == 0 ? WEIR_OK : WEIR_DECLINED);
}

/* N += R^-T V R^-1 and slope += R^-T V beta for one repetition of a penalty. */
static void add_penalty(correction *c, const w_design_penalty *penalty, int64_t repeat, double *out, double *slope)
{
    const int64_t p = c->p, k = penalty->k, first = penalty->first + repeat * k;
    const double lambda = exp(c->model->rho[penalty->sp]), zero = 0.0, one = 1.0;
    const double *beta = c->model->beta + first;
    const w_blas_int n = (w_blas_int)p, m = (w_blas_int)k, inc = 1;
    const double *rows = c->inverse + first; /* k x p, leading dimension p */
    double *image = c->work;                 /* k x p: V R^-1 */
    if (penalty->matrix != NULL) {
        dgemm_("N", "N", &m, &n, &m, &lambda, penalty->matrix, &m, rows, &n, &zero, image, &m);
    } else {
        for (int64_t col = 0; col < p; col++) {
            for (int64_t row = 0; row < k; row++) {
                image[row + col * k] = lambda * rows[row + col * p];
            }
        }
    }
    dgemm_("T", "N", &n, &n, &m, &one, rows, &n, image, &m, &one, out, &n);
    dgemv_("T", &m, &n, &one, image, &m, beta, &inc, &one, slope, &inc);
}

static void make_phi(correction *c)
{
    const w_design *design = c->model->design;
    const int64_t p = c->p, square = p * p;
    memset(c->phi, 0, (size_t)(square * c->count) * sizeof(double));
    memset(c->slope, 0, (size_t)(p * c->count) * sizeof(double));
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        for (int64_t repeat = 0; repeat < penalty->repeat; repeat++) {
            add_penalty(c, penalty, repeat, c->phi + penalty->sp * square, c->slope + penalty->sp * p);
        }
    }
    memset(c->rest, 0, (size_t)square * sizeof(double));
    for (int64_t i = 0; i < p; i++) {
        c->rest[i * (p + 1)] = 1.0;
    }
    for (int a = 0; a < c->count; a++) {
        double *phi = c->phi + a * square;
        for (int64_t col = 0; col < p; col++) {
            for (int64_t row = 0; row < p; row++) {
                c->rest[row + col * p] -= phi[row + col * p];
                if (row >= col) {
                    phi[row + col * p] *= row == col ? 0.5 : 0.0;
                }
            }
        }
    }
}

/* Inverses of the Hessian over the estimated parameters and log phi; fixed ones get zero rows. */
static weir_status invert_hessian(correction *c)
{
    const w_design *design = c->model->design;
    const int m = c->count, width = m + 1;
    double *block = w_alloc_array(c->model->ctx, "degrees of freedom", (size_t)(width * (width + 2)) + 1, sizeof *block);
    if (block == NULL) {
        return w_alloc_status(c->model->ctx);
    }
    double *matrix = block, *value = block + width * width;
    int *index = (int *)(value + width), used = 0;
    for (int j = 0; j < width; j++) {
        if (j == m || design->sp_fixed == NULL || isnan(design->sp_fixed[j])) {
            index[used++] = j;
        }
    }
    for (int a = 0; a < used; a++) {
        for (int b = 0; b < used; b++) {
            matrix[a + b * used] = c->model->hessian[index[a] * width + index[b]];
        }
    }
    weir_status status = w_eigen_symmetric(c->model->ctx, used, matrix, value, true);
    memset(c->plain, 0, (size_t)(2 * m * m) * sizeof(double));
    for (int e = 0; e < used && status >= 0; e++) {
        const double plain = value[e] > 0.0 ? 1.0 / value[e] : 0.0, wide = 1.0 / (fmax(value[e], 0.0) + 0.1);
        for (int a = 0; a < used; a++) {
            for (int b = 0; b < used; b++) {
                if (index[a] < m && index[b] < m) {
                    const double product = matrix[a + e * used] * matrix[b + e * used];
                    c->plain[index[a] * m + index[b]] += plain * product;
                    c->wide[index[a] * m + index[b]] += wide * product;
                }
            }
        }
    }
    w_free(c->model->ctx, block);
    return status < 0 ? status : WEIR_OK;
}

static double total(correction *c)
{
    const int64_t p = c->p, square = p * p;
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)p, inc = 1;
    double sum = 0.0, *image = c->work;
    for (int a = 0; a < c->count; a++) {
        const double *slope = c->slope + a * p;
        dsymv_("U", &n, &one, c->rest, &n, slope, &inc, &zero, image, &inc); /* J_a'A J_b = s_a'B s_b */
        for (int b = 0; b < c->count; b++) {
            sum += c->plain[a * c->count + b] * w_dot(p, image, c->slope + b * p) / c->model->scale;
        }
        dgemm_("N", "N", &n, &n, &n, &one, c->rest, &n, c->phi + a * square, &n, &zero, image, &n);
        for (int b = 0; b < c->count; b++) {
            sum += c->wide[a * c->count + b] * w_dot(square, image, c->phi + b * square);
        }
    }
    return sum;
}

/* U and T are zero where no parameter is estimated. */
static bool any_estimated(const w_design *design)
{
    for (int j = 0; j < design->sp_count; j++) {
        if (design->sp_fixed == NULL || isnan(design->sp_fixed[j])) {
            return true;
        }
    }
    return false;
}

weir_status w_degrees_of_freedom(const weir_model *model, const w_gram *gram, double *out)
{
    W_BLAS_SERIAL;
    const int m = model->design->sp_count;
    const size_t p = (size_t)gram->p, square = w_mul_size(p, p);
    const double flops = 2.0 * (m + 2.0) * (double)p * (double)p * (double)p;
    *out = model->summary.edf_total;
    if (model->hessian == NULL || !any_estimated(model->design) || gram->arrow_levels > 0 || flops > FLOP_LIMIT || model->summary.rank < gram->p) {
        return WEIR_OK;
    }
    const size_t doubles = w_mul_size(square, (size_t)m + 4) + w_mul_size(p, (size_t)m) + 2 * (size_t)m * (size_t)m;
    double *block = w_alloc_array(model->ctx, "degrees of freedom", doubles, sizeof *block);
    if (block == NULL) {
        return w_alloc_status(model->ctx);
    }
    correction c = { .model = model, .gram = gram, .p = gram->p, .count = m, .root = block, .inverse = block + square,
                     .rest = block + 2 * square, .work = block + 3 * square, .phi = block + 4 * square };
    c.slope = c.phi + square * (size_t)m;
    c.plain = c.slope + p * (size_t)m;
    c.wide = c.plain + m * m;
    weir_status status = factor(&c);
    if (status == WEIR_OK) {
        make_phi(&c);
        status = invert_hessian(&c);
    }
    if (status == WEIR_OK) {
        double limit = 0.0;
        for (int64_t i = 0; i < gram->p; i++) {
            limit += model->edf1[i];
        }
        *out = fmin(*out + total(&c), fmax(limit, *out));
    }
    w_free(model->ctx, block);
    return status < 0 ? status : WEIR_OK;
}
