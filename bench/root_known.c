/* SPDX-License-Identifier: Apache-2.0 */
#include "root_known.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REFLECTIONS = 3 };

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

double root_known_normal(uint64_t *state)
{
    const double u = uniform(state), v = uniform(state);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static void reflect(int64_t n, const long double *h, long double *x)
{
    long double dot = 0;
    for (int64_t i = 0; i < n; i++)
        dot += h[i] * x[i];
    for (int64_t i = 0; i < n; i++)
        x[i] -= 2 * dot * h[i];
}

/* x := H1 H2 H3 x, or its transpose. */
static void turn(int64_t n, const long double *h, bool transposed, long double *x)
{
    for (int i = 0; i < REFLECTIONS; i++)
        reflect(n, h + (transposed ? i : REFLECTIONS - 1 - i) * n, x);
}

static void directions(int64_t n, long double *h, uint64_t *state)
{
    for (int r = 0; r < REFLECTIONS; r++, h += n) {
        long double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            h[i] = root_known_normal(state);
            sum += h[i] * h[i];
        }
        for (int64_t i = 0; i < n; i++)
            h[i] /= sqrtl(sum);
    }
}

/* wide := U diag(value) V'. */
static void fill(const root_known *m, long double *wide, long double *sums)
{
    const int64_t rows = m->rows, cols = m->cols, rank = rows < cols ? rows : cols;
    memset(wide, 0, (size_t)(rows * cols) * sizeof *wide);
    for (int64_t i = 0; i < rank; i++)
        wide[i + i * rows] = m->value[i];
    for (int r = REFLECTIONS - 1; r >= 0; r--) { /* from the right: G - 2 (G v) v' */
        const long double *v = m->right + r * cols;
        memset(sums, 0, (size_t)rows * sizeof *sums);
        for (int64_t j = 0; j < cols; j++)
            for (int64_t i = 0; i < rows; i++)
                sums[i] += wide[i + j * rows] * v[j];
        for (int64_t j = 0; j < cols; j++)
            for (int64_t i = 0; i < rows; i++)
                wide[i + j * rows] -= 2 * sums[i] * v[j];
    }
    for (int64_t j = 0; j < cols; j++)
        turn(rows, m->left, false, wide + j * rows);
}

bool root_known_make(root_known *out, root_kind kind, int64_t rows, int64_t cols, double condition, uint64_t seed)
{
    root_known m = {.kind = kind, .rows = rows, .cols = cols, .condition = condition};
    const int64_t rank = rows < cols ? rows : cols;
    m.value = malloc((size_t)rank * sizeof *m.value);
    m.left = malloc((size_t)(REFLECTIONS * rows) * sizeof *m.left);
    m.right = malloc((size_t)(REFLECTIONS * cols) * sizeof *m.right);
    m.matrix = malloc((size_t)(rows * cols) * sizeof *m.matrix);
    long double *wide = malloc((size_t)(rows * cols + rows) * sizeof *wide);
    if (!m.value || !m.left || !m.right || !m.matrix || !wide) {
        free(wide);
        root_known_drop(&m);
        return false;
    }
    for (int64_t i = 0; i < rank; i++) {
        const long double d = powl(condition, rank > 1 ? -(long double)i / (long double)(rank - 1) : 0);
        m.value[i] = kind == ROOT_SPD || kind == ROOT_GENERAL ? d : sqrtl(d);
    }
    m.ridge = kind == ROOT_GRAM ? 1 / (condition - 1) : 0;
    directions(rows, m.left, &seed);
    if (kind == ROOT_SPD)
        memcpy(m.right, m.left, (size_t)(REFLECTIONS * cols) * sizeof *m.right);
    else
        directions(cols, m.right, &seed);
    fill(&m, wide, wide + rows * cols);
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < rows; i++)
            m.matrix[i + j * rows] = (double)(kind == ROOT_SPD && i < j ? wide[j + i * rows] : wide[i + j * rows]);
    free(wide);
    *out = m;
    return true;
}

void root_known_drop(root_known *m)
{
    free(m->value);
    free(m->left);
    free(m->right);
    free(m->matrix);
    *m = (root_known){0};
}

static long double function(const root_known *m, int p, int64_t i)
{
    const int64_t rank = m->rows < m->cols ? m->rows : m->cols;
    const long double d = i < rank ? m->value[i] : 0, power = -1.0L / p;
    switch (m->kind) {
    case ROOT_SPD:
        return powl(d, power);
    case ROOT_GENERAL:
        return 1 / d;
    case ROOT_GRAM:
        return powl(d * d + m->ridge, power);
    default:
        return i < rank ? d * powl(d * d, power) : 0;
    }
}

bool root_known_apply(const root_known *m, int p, int64_t k, const double *b, double *z)
{
    const bool from_left = m->kind == ROOT_GENERAL || m->kind == ROOT_DUAL;
    const int64_t in = from_left ? m->rows : m->cols, out = m->cols, most = in > out ? in : out;
    long double *x = malloc((size_t)most * sizeof *x), *f = malloc((size_t)out * sizeof *f);
    for (int64_t i = 0; i < out && x && f; i++)
        f[i] = function(m, p, i);
    for (int64_t j = 0; j < k && x && f; j++) {
        memset(x, 0, (size_t)most * sizeof *x);
        for (int64_t i = 0; i < in; i++)
            x[i] = b[i + j * in];
        turn(in, from_left ? m->left : m->right, true, x);
        for (int64_t i = 0; i < out; i++)
            x[i] *= f[i];
        turn(out, m->right, false, x);
        for (int64_t i = 0; i < out; i++)
            z[i + j * out] = (double)x[i];
    }
    const bool done = x && f;
    free(x);
    free(f);
    return done;
}
