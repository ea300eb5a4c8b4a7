/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/root_peers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"


void openblas_set_num_threads(int threads) __attribute__((weak));

void root_blas_threads(int threads)
{
    if (openblas_set_num_threads)
        openblas_set_num_threads(threads);
}

const char *root_blas_name(void) { return w_blas_config(); }

bool root_peers_make(root_peers *out, int64_t n, int64_t k, bool single)
{
    root_peers m = {.n = n, .k = k, .single = single};
    m.work_size = (int)(1 + 6 * n + 2 * n * n);
    m.integer_size = (int)(3 + 5 * n);
    m.room = malloc((size_t)(8 * n * n + n * k + m.work_size + n) * sizeof(double));
    m.integer = malloc((size_t)m.integer_size * sizeof(w_blas_int));
    *out = m;
    if (!m.room || !m.integer)
        root_peers_drop(out);
    return out->room != NULL;
}

void root_peers_drop(root_peers *m)
{
    free(m->room);
    free(m->integer);
    *m = (root_peers){0};
}

static bool eigen64(const root_peers *m, int p, const double *a, const double *b, double *z)
{
    const w_blas_int n = (w_blas_int)m->n, k = (w_blas_int)m->k, work_size = m->work_size, integer_size = m->integer_size;
    double *v = (double *)(void *)m->room, *value = v + m->n * m->n, *work = value + m->n, *turned = work + m->work_size;
    const double one = 1, zero = 0;
    w_blas_int info;
    memcpy(v, a, (size_t)(m->n * m->n) * sizeof *v);
    dsyevd_("V", "L", &n, v, &n, value, work, &work_size, m->integer, &integer_size, &info);
    if (info || !(value[0] > 0))
        return false;
    dgemm_("T", "N", &n, &k, &n, &one, v, &n, b, &n, &zero, turned, &n);
    for (int64_t i = 0; i < m->n; i++)
        value[i] = pow(value[i], -1.0 / p);
    for (int64_t j = 0; j < m->k; j++)
        for (int64_t i = 0; i < m->n; i++)
            turned[i + j * m->n] *= value[i];
    dgemm_("N", "N", &n, &k, &n, &one, v, &n, turned, &n, &zero, z, &n);
    return true;
}

static bool eigen32(const root_peers *m, int p, const float *a, const float *b, float *z)
{
    const w_blas_int n = (w_blas_int)m->n, k = (w_blas_int)m->k, work_size = m->work_size, integer_size = m->integer_size;
    float *v = (float *)(void *)m->room, *value = v + m->n * m->n, *work = value + m->n, *turned = work + m->work_size;
    const float one = 1, zero = 0;
    w_blas_int info;
    memcpy(v, a, (size_t)(m->n * m->n) * sizeof *v);
    ssyevd_("V", "L", &n, v, &n, value, work, &work_size, m->integer, &integer_size, &info);
    if (info || !(value[0] > 0))
        return false;
    sgemm_("T", "N", &n, &k, &n, &one, v, &n, b, &n, &zero, turned, &n);
    for (int64_t i = 0; i < m->n; i++)
        value[i] = powf(value[i], -1.0f / (float)p);
    for (int64_t j = 0; j < m->k; j++)
        for (int64_t i = 0; i < m->n; i++)
            turned[i + j * m->n] *= value[i];
    sgemm_("N", "N", &n, &k, &n, &one, v, &n, turned, &n, &zero, z, &n);
    return true;
}

bool root_peer_eigen(const root_peers *m, int p, const void *a, const void *b, void *z)
{
    return m->single ? eigen32(m, p, a, b, z) : eigen64(m, p, a, b, z);
}

/* c := a b, n x n times n x columns. */
static void multiply(int64_t n, int64_t columns, const double *a, const double *b, double *c)
{
    const w_blas_int size = (w_blas_int)n, k = (w_blas_int)columns;
    const double one = 1, zero = 0;
    dgemm_("N", "N", &size, &k, &size, &one, a, &size, b, &size, &zero, c, &size);
}

static void swap(double **a, double **b)
{
    double *c = *a;
    *a = *b;
    *b = c;
}

bool root_peer_newton(const root_peers *m, int p, const double *a, const double *b, double *z, double *products)
{
    const int64_t n = m->n, nn = n * n;
    double *y = (double *)(void *)m->room, *x = y + nn, *q = x + nn, *power = q + nn, *spare = power + nn, norm = 0, far = 1;
    for (int64_t i = 0; i < nn; i++)
        norm += a[i] * a[i];
    const double scale = (p + 1) / (2 * sqrt(norm));
    for (int64_t i = 0; i < nn; i++) {
        x[i] = i % (n + 1) == 0 ? pow(scale, 1.0 / p) : 0;
        y[i] = scale * a[i];
    }
    *products = 0;
    for (int step = 0; step < 100 && far > 1e-6; step++) {
        for (int64_t i = 0; i < nn; i++)
            q[i] = -y[i] / p + (i % (n + 1) == 0 ? 1 + 1.0 / p : 0);
        multiply(n, n, x, q, spare);
        swap(&x, &spare);
        ++*products;
        memcpy(power, q, (size_t)nn * sizeof *q);
        int left = p; /* q^p as binary powers, p = 1, 2, 4, 8 */
        for (; left > 1; left /= 2, ++*products) {
            multiply(n, n, power, power, spare);
            swap(&power, &spare);
        }
        multiply(n, n, power, y, spare);
        swap(&y, &spare);
        ++*products;
        far = 0;
        for (int64_t i = 0; i < nn; i++)
            far = fmax(far, fabs(y[i] - (i % (n + 1) == 0)));
    }
    multiply(n, m->k, x, b, z);
    *products += (double)m->k / (double)n;
    return far <= 1e-6;
}

/* A / r + s I over 1 + s, r the largest row sum, s such that Gershgorin's lower bound is 0.05. */
static void normalise(int64_t n, const double *a, double *y)
{
    double most = 0, least = INFINITY;
    for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += fabs(a[i + j * n]);
        most = fmax(most, sum);
        least = fmin(least, 2 * a[j * (n + 1)] - sum);
    }
    const double shift = fmax(0, (0.05 - least / most) / 0.95);
    for (int64_t i = 0; i < n * n; i++)
        y[i] = (a[i] / most + (i % (n + 1) == 0 ? shift : 0)) / (1 + shift);
}

bool root_peer_seed(const root_peers *m, const double *a, const double *b, double *z)
{
    static const double steps[4][3] = {
        {3.9021, -7.5907, 4.8608}, {1.9378, -1.3493, 0.4110}, {1.8751, -1.2502, 0.3751}, {1.875, -1.25, 0.375}};
    const int64_t n = m->n, nn = n * n;
    double *y = (double *)(void *)m->room, *q = y + nn, *square = q + nn, *spare = square + nn, *now = spare + nn;
    normalise(n, a, y);
    memcpy(now, b, (size_t)(n * m->k) * sizeof *now);
    for (int t = 0; t < 4; t++) {
        multiply(n, n, y, y, square);
        for (int64_t i = 0; i < nn; i++)
            q[i] = steps[t][1] * y[i] + steps[t][2] * square[i] + (i % (n + 1) == 0 ? steps[t][0] : 0);
        multiply(n, m->k, q, now, z);
        memcpy(now, z, (size_t)(n * m->k) * sizeof *now);
        if (t < 3) {
            multiply(n, n, q, y, spare);
            multiply(n, n, spare, q, y);
        }
    }
    return true;
}
