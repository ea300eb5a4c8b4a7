/* SPDX-License-Identifier: Apache-2.0 */
/* Symmetric matrices whose eigenvalues are known: A = H_3 H_2 H_1 diag(d) H_1 H_2 H_3 with random reflections H, and their roots,
 * worked out in long double. */
#ifndef WEIR_TESTS_SUPPORT_SPD_H
#define WEIR_TESTS_SUPPORT_SPD_H

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct spd {
    int64_t n;
    long double *value;     /* n, any order */
    long double *direction; /* three unit vectors */
    double *a;              /* n x n, both triangles, rounded */
} spd;

static inline double spd_uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(*seed >> 11) / 9007199254740992.0;
}

static inline double spd_normal(uint64_t *seed)
{
    const double u = spd_uniform(seed) + 1e-18, v = spd_uniform(seed);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* x := H x for the reflection with unit vector h. */
static inline void spd_reflect(int64_t n, const long double *h, long double *x)
{
    long double dot = 0;
    for (int64_t i = 0; i < n; i++) {
        dot += h[i] * x[i];
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] -= 2 * dot * h[i];
    }
}

/* y = f(A) x with f(d) = d^power, y in long double. */
static inline void spd_power(const spd *m, long double power, const double *x, long double *y)
{
    for (int64_t i = 0; i < m->n; i++) {
        y[i] = x[i];
    }
    for (int h = 2; h >= 0; h--) {
        spd_reflect(m->n, m->direction + h * m->n, y);
    }
    for (int64_t i = 0; i < m->n; i++) {
        y[i] *= powl(m->value[i], power);
    }
    for (int h = 0; h < 3; h++) {
        spd_reflect(m->n, m->direction + h * m->n, y);
    }
}

static inline spd *spd_make(int64_t n, const long double *value, uint64_t seed)
{
    spd *m = calloc(1, sizeof *m);
    m->n = n;
    m->value = malloc((size_t)(n + 1) * sizeof *m->value);
    m->direction = malloc((size_t)(3 * n + 1) * sizeof *m->direction);
    m->a = malloc((size_t)(n * n + 1) * sizeof *m->a);
    memcpy(m->value, value, (size_t)n * sizeof *value);
    for (int h = 0; h < 3; h++) {
        long double norm = 0, *v = m->direction + h * n;
        for (int64_t i = 0; i < n; i++) {
            v[i] = spd_normal(&seed);
            norm += v[i] * v[i];
        }
        for (int64_t i = 0; i < n; i++) {
            v[i] /= sqrtl(norm);
        }
    }
    double *unit = calloc((size_t)n + 1, sizeof *unit);
    long double *column = malloc((size_t)(n + 1) * sizeof *column);
    for (int64_t j = 0; j < n; j++) {
        unit[j] = 1;
        spd_power(m, 1, unit, column);
        unit[j] = 0;
        for (int64_t i = j; i < n; i++) {
            m->a[i + j * n] = m->a[j + i * n] = (double)column[i];
        }
    }
    free(unit);
    free(column);
    return m;
}

/* Eigenvalues from 1 to 1 / condition, evenly spaced in their logarithm. */
static inline spd *spd_logarithmic(int64_t n, double condition, uint64_t seed)
{
    long double *value = malloc((size_t)(n + 1) * sizeof *value);
    for (int64_t i = 0; i < n; i++) {
        value[i] = powl(condition, n > 1 ? -(long double)i / (n - 1) : 0);
    }
    spd *m = spd_make(n, value, seed);
    free(value);
    return m;
}

static inline void spd_free(spd *m)
{
    free(m->value);
    free(m->direction);
    free(m->a);
    free(m);
}

#endif
