/* SPDX-License-Identifier: Apache-2.0 */
/* Dense test matrices with known spectra, and the operator that applies them. Groups may differ in size. */
#ifndef WEIR_TESTS_KRYLOV_MATRIX_H
#define WEIR_TESTS_KRYLOV_MATRIX_H

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "dense/dense.h"
#include "krylov/operator.h"

#define MATRIX_GROUPS 8

typedef struct matrix {
    weir_ctx *ctx;
    int64_t groups, n[MATRIX_GROUPS];
    double *a[MATRIX_GROUPS]; /* column-major */
    int64_t calls, columns;   /* products so far; columns in them */
    int64_t fail_at, nan_at;  /* the call that fails, or leaves a NaN; 0 = none */
} matrix;

/* A = H diag(value) H with a product H of reflections. Free. */
static inline double *matrix_with_spectrum(int64_t n, const double *value, uint64_t seed)
{
    double *a = calloc((size_t)(n * n), sizeof *a), *v = malloc((size_t)n * sizeof *v), *u = malloc((size_t)n * sizeof *u);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < n; i++) {
        a[i * (n + 1)] = value[i];
    }
    for (int pass = 0; pass < 10 && n > 1; pass++) {
        double square = 0.0, inner = 0.0;
        for (int64_t i = 0; i < n; i++) {
            v[i] = w_rng_normal(&rng);
            square += v[i] * v[i];
        }
        for (int64_t i = 0; i < n; i++) {
            v[i] /= sqrt(square);
        }
        for (int64_t i = 0; i < n; i++) {
            u[i] = w_dot(n, a + i * n, v);
        }
        inner = w_dot(n, u, v);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t r = 0; r <= c; r++) {
                a[r + c * n] += 4.0 * inner * v[r] * v[c] - 2.0 * (v[r] * u[c] + u[r] * v[c]);
            }
        }
        w_mirror_upper(n, a);
    }
    free(u);
    free(v);
    return a;
}

/* n eigenvalues from 1 to `condition` in geometric steps. */
static inline double *matrix_geometric(int64_t n, double condition, uint64_t seed)
{
    double *value = malloc((size_t)n * sizeof *value);
    for (int64_t i = 0; i < n; i++) {
        value[i] = n > 1 ? pow(condition, (double)i / (double)(n - 1)) : condition;
    }
    double *a = matrix_with_spectrum(n, value, seed);
    free(value);
    return a;
}

static inline weir_status matrix_apply(void *user, const w_vectors *block, const double *x, double *y)
{
    matrix *m = user;
    m->calls++;
    m->columns += block->columns;
    if (m->calls == m->fail_at) {
        return w_fail(m->ctx, WEIR_E_IO, "the test's product fails");
    }
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        const double *a = m->a[slice->group];
        for (int64_t i = 0; i < slice->n; i++) {
            for (int64_t k = 0; k < slice->count; k++) {
                double sum = 0.0;
                for (int64_t j = 0; j < slice->n; j++) {
                    sum += a[j + i * slice->n] * x[slice->first + j * slice->count + k];
                }
                y[slice->first + i * slice->count + k] = sum;
            }
        }
    }
    if (m->calls == m->nan_at) {
        y[0] = NAN;
    }
    return WEIR_OK;
}

static inline w_operator matrix_operator(matrix *m)
{
    return (w_operator){ .apply = matrix_apply, .user = m, .groups = m->groups, .n = m->n };
}

static inline void matrix_free(matrix *m)
{
    for (int64_t g = 0; g < m->groups; g++) {
        free(m->a[g]);
    }
}

static inline double *random_vector(int64_t n, uint64_t seed)
{
    double *x = malloc((size_t)n * sizeof *x);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < n; i++) {
        x[i] = w_rng_normal(&rng);
    }
    return x;
}

/* Solutions by Cholesky, in the layout of w_cg_solve. Free. */
static inline double *dense_solution(matrix *m, int64_t per_group, const double *b)
{
    int64_t rows = 0;
    for (int64_t g = 0; g < m->groups; g++) {
        rows += m->n[g];
    }
    double *x = malloc((size_t)(rows * per_group) * sizeof *x), *at = x;
    memcpy(x, b, (size_t)(rows * per_group) * sizeof *x);
    for (int64_t g = 0; g < m->groups; g++) {
        const int64_t n = m->n[g];
        double *r = malloc((size_t)(n * n) * sizeof *r);
        int64_t failed = 0;
        memcpy(r, m->a[g], (size_t)(n * n) * sizeof *r);
        assert_int_equal(w_chol_factor(m->ctx, n, r, &failed), WEIR_OK);
        assert_int_equal(failed, 0);
        w_chol_solve(n, r, at, per_group);
        at += n * per_group;
        free(r);
    }
    return x;
}

static inline double norm(int64_t n, const double *x)
{
    return sqrt(w_dot(n, x, x));
}

static inline double distance(int64_t n, const double *x, const double *y)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    }
    return sqrt(sum);
}

#endif
