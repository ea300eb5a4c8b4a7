/* SPDX-License-Identifier: Apache-2.0 */
/* Sums are taken in double; a column's norm by hypot, so that it neither overflows nor vanishes. */
#include "plain.h"

#include <float.h>
#include <math.h>

static double get(const weir_matrix *a, int64_t i, int64_t j)
{
    const void *at = w_matrix_at(a, i, j);
    return a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
}

static void set(const weir_matrix *a, int64_t i, int64_t j, double value)
{
    void *at = w_matrix_at(a, i, j);
    if (a->dtype == WEIR_F32) {
        *(float *)at = (float)value;
    } else {
        *(double *)at = value;
    }
}

static double tau_at(const weir_matrix *a, const void *tau, int64_t j)
{
    return a->dtype == WEIR_F32 ? (double)((const float *)tau)[j] : ((const double *)tau)[j];
}

/* C := (I - tau v v') C for v in column j of V, 1 in row j. */
static void apply(const weir_matrix *v, int64_t j, double tau, const weir_matrix *c, int64_t first)
{
    for (int64_t q = first; tau != 0.0 && q < c->cols; q++) {
        double sum = get(c, j, q);
        for (int64_t i = j + 1; i < v->rows; i++) {
            sum += get(v, i, j) * get(c, i, q);
        }
        sum *= tau;
        set(c, j, q, get(c, j, q) - sum);
        for (int64_t i = j + 1; i < v->rows; i++) {
            set(c, i, q, get(c, i, q) - sum * get(v, i, j));
        }
    }
}

void plain_geqrf(const weir_matrix *a, void *tau)
{
    for (int64_t j = 0; j < a->rows && j < a->cols; j++) {
        double norm = 0.0, t = 0.0;
        const double alpha = get(a, j, j);
        for (int64_t i = j + 1; i < a->rows; i++) {
            norm = hypot(norm, get(a, i, j));
        }
        if (norm != 0.0) {
            const double beta = alpha > 0.0 ? -hypot(alpha, norm) : hypot(alpha, norm), v = alpha - beta;
            t = -v / beta;
            for (int64_t i = j + 1; i < a->rows; i++) {
                set(a, i, j, get(a, i, j) / v);
            }
            set(a, j, j, beta);
        }
        if (a->dtype == WEIR_F32) {
            ((float *)tau)[j] = (float)t;
        } else {
            ((double *)tau)[j] = t;
        }
        apply(a, j, t, a, j + 1);
    }
}

void plain_orgqr(const weir_matrix *a, int64_t k, const void *tau)
{
    for (int64_t q = k; q < a->cols; q++) {
        for (int64_t i = 0; i < a->rows; i++) {
            set(a, i, q, i == q);
        }
    }
    for (int64_t j = k - 1; j >= 0; j--) {
        const double t = tau_at(a, tau, j);
        apply(a, j, t, a, j + 1);
        for (int64_t i = 0; i < a->rows; i++) {
            set(a, i, j, i < j ? 0.0 : i == j ? 1.0 - t : -t * get(a, i, j));
        }
    }
}

void plain_ormqr(bool trans, const weir_matrix *a, const void *tau, const weir_matrix *c)
{
    for (int64_t s = 0; s < a->cols; s++) {
        const int64_t j = trans ? s : a->cols - 1 - s;
        apply(a, j, tau_at(a, tau, j), c, 0);
    }
}

void plain_larft(const weir_matrix *v, const void *tau, const weir_matrix *t)
{
    for (int64_t j = 0; j < v->cols; j++) {
        const double scale = tau ? tau_at(v, tau, j) : get(t, j, j);
        for (int64_t p = 0; p < j; p++) {
            double sum = get(v, j, p);
            for (int64_t i = j + 1; i < v->rows; i++) {
                sum += get(v, i, p) * get(v, i, j);
            }
            set(t, p, j, -scale * sum);
        }
        for (int64_t p = 0; p < j; p++) { /* the triangle before it, row by row */
            double sum = 0.0;
            for (int64_t q = p; q < j; q++) {
                sum += get(t, p, q) * get(t, q, j);
            }
            set(t, p, j, sum);
        }
        set(t, j, j, scale);
    }
}

/* Entry (i, j) of V as it is meant. */
static double reflector(const weir_matrix *v, int64_t i, int64_t j) { return i < j ? 0.0 : i == j ? 1.0 : get(v, i, j); }

#define BLOCK 256

/* For the columns [at, at + k) of V, whose T is a corner of the whole. */
static void apply_block(bool trans, const weir_matrix *v, const weir_matrix *t, int64_t at, int64_t k, const weir_matrix *c)
{
    double w[BLOCK], y[BLOCK];
    for (int64_t q = 0; q < c->cols; q++) {
        for (int64_t p = 0; p < k; p++) {
            w[p] = 0.0;
            for (int64_t i = at + p; i < v->rows; i++) {
                w[p] += reflector(v, i, at + p) * get(c, i, q);
            }
        }
        for (int64_t p = 0; p < k; p++) {
            y[p] = 0.0;
            for (int64_t h = trans ? 0 : p; h < (trans ? p + 1 : k); h++) {
                y[p] += (trans ? get(t, at + h, at + p) : get(t, at + p, at + h)) * w[h];
            }
        }
        for (int64_t i = at; i < v->rows; i++) {
            double sum = 0.0;
            for (int64_t p = 0; at + p <= i && p < k; p++) {
                sum += reflector(v, i, at + p) * y[p];
            }
            set(c, i, q, get(c, i, q) - sum);
        }
    }
}

void plain_larfb(bool trans, const weir_matrix *v, const weir_matrix *t, const weir_matrix *c)
{
    const int64_t count = (v->cols + BLOCK - 1) / BLOCK;
    for (int64_t s = 0; s < count; s++) {
        const int64_t at = (trans ? s : count - 1 - s) * BLOCK;
        apply_block(trans, v, t, at, w_min64(BLOCK, v->cols - at), c);
    }
}
