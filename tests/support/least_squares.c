/* SPDX-License-Identifier: Apache-2.0 */
#include "support/least_squares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static void *keep(ls_problem *q, size_t count, size_t size)
{
    void *block = calloc(count + 1, size);
    q->owned[q->owned_count++] = block;
    return block;
}

static weir_status product(void *user, int32_t transposed, int64_t first, int64_t rows, int64_t count, const double *x, double *y)
{
    ls_problem *q = user;
    if (++q->calls == q->fail_at) {
        return WEIR_E_IO;
    }
    for (int64_t k = 0; k < count; k++) {
        if (transposed) {
            memset(y + k * q->p, 0, (size_t)q->p * sizeof *y);
        }
        for (int64_t i = 0; i < rows; i++) {
            const double *row = q->x + (first + i) * q->p;
            double sum = 0.0;
            for (int64_t j = 0; j < q->p; j++) {
                if (transposed) {
                    y[k * q->p + j] += row[j] * x[k * rows + i];
                } else {
                    sum += row[j] * x[k * q->p + j];
                }
            }
            if (!transposed) {
                y[k * rows + i] = sum;
            }
        }
    }
    if (q->calls == q->nan_at) {
        y[0] = NAN;
    }
    return WEIR_OK;
}

static void fill(ls_problem *q, const ls_shape *a, w_rng *rng)
{
    weir_linear_matrix *x = &q->s.x;
    const int64_t n = a->n, p = a->p;
    *x = (weir_linear_matrix){ .rows = n, .columns = p, .row_stride = p, .column_stride = 1, .user = q };
    q->x = keep(q, (size_t)(n * p), sizeof(double));
    double *columns = keep(q, (size_t)(n * p), sizeof(double));
    float *single = keep(q, (size_t)(n * p), sizeof(float)), *csr_single = keep(q, (size_t)(n * p), sizeof(float));
    double *csr = keep(q, (size_t)(n * p), sizeof(double));
    int64_t *row_first = keep(q, (size_t)(n + 1), sizeof(int64_t)), entries = 0;
    int32_t *column = keep(q, (size_t)(n * p), sizeof(int32_t));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < p; j++) {
            if (w_rng_uniform(rng) > a->density) {
                continue;
            }
            const float value = (float)w_rng_normal(rng);
            q->x[i * p + j] = columns[j * n + i] = csr[entries] = value;
            single[i * p + j] = csr_single[entries] = value;
            column[entries++] = (int32_t)j;
        }
        row_first[i + 1] = entries;
    }
    x->values = q->x;
    if (a->form == LS_COLUMNS) {
        x->values = columns;
        x->row_stride = 1;
        x->column_stride = n;
    } else if (a->form == LS_FLOAT) {
        x->values = single;
        x->float32 = 1;
    } else if (a->form == LS_CSR || a->form == LS_CSR_FLOAT) {
        x->kind = WEIR_MATRIX_CSR;
        x->float32 = a->form == LS_CSR_FLOAT;
        x->values = x->float32 ? (const void *)csr_single : csr;
        x->row_first = row_first;
        x->column = column;
    } else if (a->form == LS_OPERATOR) {
        x->kind = WEIR_MATRIX_OPERATOR;
        x->product = product;
    }
}

static void penalise(ls_problem *q, const ls_shape *a, w_rng *rng)
{
    q->s.ridge = a->ridge;
    if (a->diagonal) {
        double *d = keep(q, (size_t)a->p, sizeof *d);
        for (int64_t j = 0; j < a->p; j++) {
            d[j] = 0.25 + w_rng_uniform(rng);
        }
        q->s.diagonal = d;
    }
    const int64_t size = a->blocks > 0 ? a->p / (a->blocks + 1) : 0;
    for (int b = 0; b < a->blocks; b++) {
        double *matrix = keep(q, (size_t)(size * size), sizeof *matrix), *root = keep(q, (size_t)(size * size), sizeof *root);
        for (int64_t i = 0; i < size * size; i++) {
            root[i] = w_rng_normal(rng);
        }
        for (int64_t c = 0; c < size; c++) {
            for (int64_t r = 0; r < size; r++) {
                for (int64_t k = 0; k + b < size; k++) { /* rank size - b */
                    matrix[r + c * size] += root[k + r * size] * root[k + c * size];
                }
            }
        }
        q->penalty[b] = (weir_linear_penalty){ .first = b * (size + 1), .size = size, .matrix = matrix };
    }
    q->s.penalties = a->blocks;
    q->s.penalty = q->penalty;
}

ls_problem *ls_make(const ls_shape *a)
{
    ls_problem *q = calloc(1, sizeof *q);
    w_rng rng;
    w_rng_seed(&rng, a->seed);
    q->n = a->n;
    q->p = a->p;
    q->m = a->m;
    q->groups = a->groups;
    q->s = (weir_linear_system){ .version = WEIR_LINEAR_VERSION, .groups = a->groups, .right_hand_sides = a->m };
    fill(q, a, &rng);
    double *y = keep(q, (size_t)(a->n * a->m), sizeof *y);
    for (int64_t i = 0; i < a->n * a->m; i++) {
        y[i] = w_rng_normal(&rng);
    }
    q->s.y = y;
    if (a->weighted) {
        double *w = keep(q, (size_t)a->n, sizeof *w);
        for (int64_t i = 0; i < a->n; i++) {
            w[i] = i % 17 == 3 ? 0.0 : 0.5 + w_rng_uniform(&rng);
        }
        q->s.weights = w;
    }
    if (a->groups > 1) { /* ragged */
        int64_t *first = keep(q, (size_t)(a->groups + 1), sizeof *first);
        for (int64_t g = 1; g < a->groups; g++) {
            first[g] = a->n * g / a->groups + (g % 3) - 1;
        }
        first[a->groups] = a->n;
        q->s.group_first = first;
    }
    penalise(q, a, &rng);
    q->answer = keep(q, (size_t)(a->groups * a->m * a->p), sizeof *q->answer);
    return q;
}

void ls_free(ls_problem *q)
{
    for (int i = 0; i < q->owned_count; i++) {
        free(q->owned[i]);
    }
    free(q);
}

/* ---- long double --------------------------------------------------------------------------------------------------- */

static void normal_equations(const ls_problem *q, int64_t group, long double *a, long double *c)
{
    const int64_t p = q->p, m = q->m;
    const int64_t first = q->groups > 1 ? q->s.group_first[group] : 0, last = q->groups > 1 ? q->s.group_first[group + 1] : q->n;
    memset(a, 0, (size_t)(p * p) * sizeof *a);
    memset(c, 0, (size_t)(p * m) * sizeof *c);
    for (int64_t i = first; i < last; i++) {
        const double *row = q->x + i * p;
        const long double w = q->s.weights ? (long double)q->s.weights[i] : 1.0L;
        for (int64_t r = 0; r < p; r++) {
            const long double left = w * row[r];
            for (int64_t s = 0; s < p && left != 0.0L; s++) {
                a[r * p + s] += left * row[s];
            }
            for (int64_t k = 0; k < m; k++) {
                c[k * p + r] += left * q->s.y[k * q->n + i];
            }
        }
    }
    for (int64_t r = 0; r < p; r++) {
        a[r * (p + 1)] += q->s.ridge + (q->s.diagonal ? q->s.diagonal[r] : 0.0);
    }
    for (int64_t b = 0; b < q->s.penalties; b++) {
        const weir_linear_penalty *e = &q->penalty[b];
        for (int64_t r = 0; r < e->size; r++) {
            for (int64_t s = 0; s < e->size; s++) {
                a[(e->first + r) * p + e->first + s] += r <= s ? e->matrix[r + s * e->size] : e->matrix[s + r * e->size];
            }
        }
    }
}

void ls_solve(ls_problem *q)
{
    const int64_t p = q->p;
    long double *a = malloc((size_t)(p * p + 1) * sizeof *a), *c = malloc((size_t)(p * q->m + 1) * sizeof *c);
    for (int64_t g = 0; g < q->groups; g++) {
        normal_equations(q, g, a, c);
        for (int64_t j = 0; j < p; j++) { /* positive definite: no pivoting */
            for (int64_t i = j + 1; i < p; i++) {
                const long double factor = a[i * p + j] / a[j * (p + 1)];
                for (int64_t k = j; k < p; k++) {
                    a[i * p + k] -= factor * a[j * p + k];
                }
                for (int64_t k = 0; k < q->m; k++) {
                    c[k * p + i] -= factor * c[k * p + j];
                }
            }
        }
        for (int64_t k = 0; k < q->m; k++) {
            for (int64_t i = p - 1; i >= 0; i--) {
                long double sum = c[k * p + i];
                for (int64_t j = i + 1; j < p; j++) {
                    sum -= a[i * p + j] * c[k * p + j];
                }
                c[k * p + i] = sum / a[i * (p + 1)];
                q->answer[(g * q->m + k) * p + i] = (double)c[k * p + i];
            }
        }
    }
    free(c);
    free(a);
}

double ls_error(const ls_problem *q, const double *b)
{
    double worst = 0.0;
    for (int64_t s = 0; s < q->groups * q->m; s++) {
        double off = 0.0, size = 0.0;
        for (int64_t i = 0; i < q->p; i++) {
            const double d = b[s * q->p + i] - q->answer[s * q->p + i];
            off += d * d;
            size += q->answer[s * q->p + i] * q->answer[s * q->p + i];
        }
        worst = fmax(worst, isfinite(off) ? sqrt(off / size) : INFINITY);
    }
    return worst;
}
