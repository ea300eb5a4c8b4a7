/* SPDX-License-Identifier: Apache-2.0 */
/* One sweep over the rows in chunks that stay in the first-level cache: a fused kernel where family and link have one, else
 * link, family derivatives and the chain rule
 *     D' = d1 m1,  D'' = d2 m1^2 + d1 m2,  D''' = d3 m1^3 + 3 d2 m1 m2 + d1 m3      (Newton)
 *                 E D'' = e2 m1^2,          (E D'')' = e3 m1^3 + 2 e2 m1 m2          (Fisher)
 * as plain loops over arrays. */
#include "model/family_parts.h"
#include "model/family_rows.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const w_row_kernels *kernels_of(w_isa isa)
{
#if defined __x86_64__
    if (isa == W_ISA_AVX512) {
        return &w_row_kernels_avx512;
    }
    if (isa == W_ISA_AVX2) {
        return &w_row_kernels_avx2;
    }
#endif
    (void)isa;
    return &w_row_kernels_portable;
}

static w_rows_fn fused_kernel(const w_row_kernels *kernels, const w_glm *glm)
{
    switch (glm->family->kind) {
    case W_FAMILY_GAUSSIAN:
        return glm->link->kind == W_LINK_IDENTITY ? kernels->gaussian_identity : NULL;
    case W_FAMILY_POISSON:
    case W_FAMILY_QUASIPOISSON:
        return glm->link->kind == W_LINK_LOG ? kernels->poisson_log : NULL;
    case W_FAMILY_BINOMIAL:
    case W_FAMILY_QUASIBINOMIAL:
        return glm->link->kind == W_LINK_LOGIT ? kernels->binomial_logit : NULL;
    case W_FAMILY_GAMMA:
        return glm->link->kind == W_LINK_LOG ? kernels->gamma_log : NULL;
    case W_FAMILY_NB:
        return glm->link->kind == W_LINK_LOG ? kernels->nb_log : NULL;
    case W_FAMILY_TWEEDIE:
        return glm->link->kind == W_LINK_LOG ? kernels->tweedie_log : NULL;
    default:
        return NULL;
    }
}

/* Rows that are no multiple of 8: inputs filled up with rows that do not count. */
static void run_padded(w_rows_fn kernel, const w_rows_chunk *k)
{
    double in[4][W_FAMILY_CHUNK], out[5][W_FAMILY_CHUNK];
    size_t bytes = (size_t)k->rows * sizeof(double);
    int64_t padded = (k->rows + 7) & ~(int64_t)7;
    for (int64_t i = 0; i < padded; i++) {
        bool real = i < k->rows;
        in[0][i] = real ? k->eta[i] : 0.0;
        in[1][i] = real ? k->y[i] : 1.0;
        in[2][i] = real ? (k->prior ? k->prior[i] : 1.0) : 0.0;
        in[3][i] = real && k->offset ? k->offset[i] : 0.0;
    }
    w_rows_chunk copy = *k;
    copy.rows = padded;
    copy.eta = in[0];
    copy.y = in[1];
    copy.prior = in[2];
    copy.offset = k->offset ? in[3] : NULL;
    copy.mu = out[0];
    copy.w = out[1];
    copy.z = out[2];
    copy.d = out[3];
    copy.dw = k->dw ? out[4] : NULL;
    kernel(&copy);
    memcpy(k->mu, out[0], bytes);
    memcpy(k->w, out[1], bytes);
    memcpy(k->z, out[2], bytes);
    memcpy(k->d, out[3], bytes);
    if (k->dw) {
        memcpy(k->dw, out[4], bytes);
    }
}

/* Derivatives in mu of an exponential family: d1 = -2 (y-mu)/V and so on. */
static void exponential_derivatives(const w_glm *glm, int64_t n, const double *y, const double *mu, w_deviance *out)
{
    double v[W_FAMILY_CHUNK], v1[W_FAMILY_CHUNK], v2[W_FAMILY_CHUNK];
    glm->family->variance(glm, n, mu, v, v1, v2);
    for (int64_t i = 0; i < n; i++) {
        double inverse = 1.0 / v[i], residual = y[i] - mu[i], slope = v1[i] * inverse, bend = v2[i] * inverse;
        out->d1[i] = -2.0 * residual * inverse;
        out->e2[i] = 2.0 * inverse;
        out->e3[i] = -2.0 * slope * inverse;
        out->d2[i] = 2.0 * inverse * (1.0 + residual * slope);
        out->d3[i] = 2.0 * inverse * (residual * (bend - 2.0 * slope * slope) - 2.0 * slope);
    }
}

typedef struct slopes {
    double m1[W_FAMILY_CHUNK], m2[W_FAMILY_CHUNK], m3[W_FAMILY_CHUNK];
} slopes;

/* A Newton weight this small beside Fisher's is raised to it, for z to exist: the score w (z - eta) stays what it is. */
#define LEAST_WEIGHT 1e-8

static void chain_rule(const w_rows_chunk *k, const slopes *m, const w_deviance *dev)
{
    for (int64_t i = 0; i < k->rows; i++) {
        double m1 = m->m1[i], m2 = m->m2[i], first = dev->d1[i] * m1, second, third;
        double omega = k->prior ? k->prior[i] : 1.0, base = k->eta[i] - (k->offset ? k->offset[i] : 0.0);
        if (k->newton) {
            second = dev->d2[i] * m1 * m1 + dev->d1[i] * m2;
            third = dev->d3[i] * m1 * m1 * m1 + 3.0 * dev->d2[i] * m1 * m2 + dev->d1[i] * m->m3[i];
            double least = LEAST_WEIGHT * dev->e2[i] * m1 * m1;
            second = fabs(second) < least ? least : second;
        } else {
            second = dev->e2[i] * m1 * m1;
            third = dev->e3[i] * m1 * m1 * m1 + 2.0 * dev->e2[i] * m1 * m2;
        }
        bool counts = omega > 0.0;
        k->w[i] = counts ? 0.5 * omega * second : 0.0;
        k->z[i] = counts && second != 0.0 ? base - first / second : base;
        k->d[i] = counts ? omega * dev->d[i] : 0.0;
        if (k->dw) {
            k->dw[i] = counts ? 0.5 * omega * third : 0.0;
        }
    }
}

static void run_general(const w_elementary *f, const w_glm *glm, const w_rows_chunk *k)
{
    slopes m;
    w_deviance dev;
    glm->link->inverse(f, glm->power, k->rows, k->eta, k->mu, m.m1, m.m2, m.m3);
    const w_family *family = glm->family, *range = w_family_range(glm);
    for (int64_t i = 0; i < k->rows; i++) {
        k->mu[i] = k->mu[i] > range->mu_low && k->mu[i] < range->mu_high ? k->mu[i] : NAN;
    }
    family->deviance(f, glm, k->rows, k->y, k->mu, dev.d);
    if (family->derivatives) {
        family->derivatives(f, glm, k->rows, k->y, k->mu, &dev);
    } else {
        exponential_derivatives(glm, k->rows, k->y, k->mu, &dev);
    }
    chain_rule(k, &m, &dev);
}

/* Rows without a finite result are taken out and counted. */
static void remove_invalid(const w_rows_chunk *k, int64_t start, w_glm_total *total)
{
    int bad = 0;
    for (int64_t i = 0; i < k->rows; i++) {
        bad |= !(fabs(k->w[i] + k->z[i] + k->d[i]) <= DBL_MAX);
    }
    for (int64_t i = 0; bad && i < k->rows; i++) {
        if (isfinite(k->w[i]) && isfinite(k->z[i]) && isfinite(k->d[i]) && (!k->dw || isfinite(k->dw[i]))) {
            continue;
        }
        double base = k->eta[i] - (k->offset ? k->offset[i] : 0.0);
        k->w[i] = k->d[i] = 0.0;
        k->z[i] = isfinite(base) ? base : 0.0;
        if (k->dw) {
            k->dw[i] = 0.0;
        }
        if (total->first_invalid < 0) {
            total->first_invalid = start + i;
        }
        total->invalid++;
    }
}

void w_family_rows_isa(w_isa isa, const w_glm *glm, const w_glm_rows *rows, w_glm_total *total)
{
    const w_elementary *f = w_elementary_find(isa);
    w_rows_fn kernel = fused_kernel(kernels_of(isa), glm);
    double partial[8] = { 0.0 }, d[W_FAMILY_CHUNK];
    *total = (w_glm_total){ 0.0, 0, -1 };
    for (int64_t start = 0; start < rows->rows; start += W_FAMILY_CHUNK) {
        int64_t left = rows->rows - start;
        w_rows_chunk k = {
            .rows = left < W_FAMILY_CHUNK ? left : W_FAMILY_CHUNK, .eta = rows->eta + start, .y = rows->y + start,
            .prior = rows->prior ? rows->prior + start : NULL, .offset = rows->offset ? rows->offset + start : NULL,
            .mu = rows->mu + start, .w = rows->w + start, .z = rows->z + start,
            .d = rows->dev ? rows->dev + start : d, .dw = rows->dw ? rows->dw + start : NULL,
            .param = glm->param[0], .newton = rows->newton
        };
        if (!kernel) {
            run_general(f, glm, &k);
        } else if (k.rows % 8 != 0) {
            run_padded(kernel, &k);
        } else {
            kernel(&k);
        }
        remove_invalid(&k, start, total);
        int64_t i = 0;
        for (; i + 8 <= k.rows; i += 8) {
            for (int j = 0; j < 8; j++) {
                partial[j] += k.d[i + j];
            }
        }
        for (int j = 0; i + j < k.rows; j++) {
            partial[j] += k.d[i + j];
        }
    }
    total->deviance = ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
                      ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}

void w_family_rows(const w_glm *glm, const w_glm_rows *rows, w_glm_total *total)
{
    w_family_rows_isa(w_isa_best(), glm, rows, total);
}
