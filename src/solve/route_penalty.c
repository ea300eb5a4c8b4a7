/* SPDX-License-Identifier: Apache-2.0 */
/* S = ridge I + diag(d) + blocks, and E with E'E = S: one row per penalised diagonal entry, then the rows R P' of each block's
 * pivoted Cholesky factor. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"
#include "solve/route.h"

#define W_ROOT_TOLERANCE 4.0 /* times size * epsilon * trace: entries of P'SP - R'R that rounding explains */

double w_penalty_diagonal(const w_linear *q, int64_t column)
{
    return q->s->ridge + (q->s->diagonal ? q->s->diagonal[column] : 0.0);
}

double w_penalty_entry(const w_linear *q, int64_t column)
{
    double value = w_penalty_diagonal(q, column);
    for (int64_t b = 0; b < q->s->penalties; b++) {
        const weir_linear_penalty *s = &q->s->penalty[b];
        if (column >= s->first && column < s->first + s->size) {
            value += s->matrix[(column - s->first) * (s->size + 1)];
        }
    }
    return value;
}

void w_penalty_add(const w_linear *q, double *a)
{
    for (int64_t i = 0; i < q->p; i++) {
        a[i * (q->p + 1)] += w_penalty_diagonal(q, i);
    }
    for (int64_t b = 0; b < q->s->penalties; b++) {
        const weir_linear_penalty *s = &q->s->penalty[b];
        for (int64_t c = 0; c < s->size; c++) {
            for (int64_t r = 0; r <= c; r++) {
                a[s->first + r + (s->first + c) * q->p] += s->matrix[r + c * s->size];
            }
        }
    }
}

void w_penalty_times(const w_linear *q, int64_t count, const double *x, double *y)
{
    for (int64_t i = 0; i < q->p; i++) {
        const double d = w_penalty_diagonal(q, i);
        for (int64_t k = 0; k < count; k++) {
            y[i * count + k] += d * x[i * count + k];
        }
    }
    for (int64_t b = 0; b < q->s->penalties; b++) {
        const weir_linear_penalty *s = &q->s->penalty[b];
        for (int64_t c = 0; c < s->size; c++) {
            for (int64_t r = 0; r < s->size; r++) {
                const double entry = r <= c ? s->matrix[r + c * s->size] : s->matrix[c + r * s->size];
                for (int64_t k = 0; k < count; k++) {
                    y[(s->first + c) * count + k] += entry * x[(s->first + r) * count + k];
                }
            }
        }
    }
}

/* ---- root ---------------------------------------------------------------------------------------------------------- */

int64_t w_penalty_root_doubles(const w_route_shape *shape)
{
    const int64_t each = w_mul64(shape->largest_block, shape->largest_block);
    return w_add64(w_mul64(w_mul64(2, shape->penalty_blocks), each), w_mul64(3, shape->largest_block));
}

static double *root_of(const w_linear *q, const double *roots, int64_t block)
{
    const int64_t size = q->shape.largest_block;
    return (double *)roots + block * size * size;
}

/* Whether R'R is P'SP to rounding: a negative eigenvalue shows in what is left. */
static bool explains(const weir_linear_penalty *s, const double *r, double *trace)
{
    const int64_t k = s->size;
    double worst = 0.0;
    *trace = 0.0;
    for (int64_t c = 0; c < k; c++) {
        *trace += s->matrix[c * (k + 1)];
        for (int64_t i = 0; i <= c; i++) {
            worst = fmax(worst, fabs(w_dot(k, r + i * k, r + c * k) - s->matrix[i + c * k]));
        }
    }
    return worst <= W_ROOT_TOLERANCE * (double)k * 0x1p-52 * *trace;
}

/* Column j of the k x k result: column j of R P', R from the pivoted factorization in `work`. */
static bool make_root(const weir_linear_penalty *s, double *out, double *work, int64_t *pivot, double *scratch)
{
    const int64_t k = s->size;
    double trace = 0.0;
    memcpy(work, s->matrix, (size_t)(k * k) * sizeof *work);
    for (int64_t i = 0; i < k; i++) {
        trace += work[i * (k + 1)];
        if (!(work[i * (k + 1)] >= 0.0)) {
            return false;
        }
    }
    const int64_t rank = w_chol_pivot(k, work, pivot, (double)k * 0x1p-53 * trace, scratch);
    memset(out, 0, (size_t)(k * k) * sizeof *out);
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r <= c && r < rank; r++) {
            out[r + pivot[c] * k] = work[r + c * k];
        }
    }
    return explains(s, out, &trace);
}

weir_status w_penalty_roots(w_linear *q, double *roots)
{
    double *work = root_of(q, roots, q->s->penalties), *scratch = root_of(q, roots, 2 * q->s->penalties);
    int64_t *pivot = (int64_t *)(void *)(scratch + 2 * q->shape.largest_block);
    for (int64_t b = 0; b < q->s->penalties; b++) {
        if (!make_root(&q->s->penalty[b], root_of(q, roots, b), work, pivot, scratch)) {
            return w_fail(q->ctx, WEIR_E_NUMERIC, "penalty block %lld is not positive semi-definite", (long long)b);
        }
    }
    return WEIR_OK;
}

void w_penalty_root_rows(const w_linear *q, const double *roots, int64_t first, int64_t rows, double *out)
{
    const int64_t p = q->p;
    const bool diagonal = q->s->ridge > 0.0 || q->s->diagonal;
    memset(out, 0, (size_t)(p * rows) * sizeof *out);
    for (int64_t i = 0; i < rows; i++) {
        int64_t number = first + i;
        if (diagonal && number < p) {
            out[i * p + number] = sqrt(w_penalty_diagonal(q, number));
            continue;
        }
        number -= diagonal ? p : 0;
        for (int64_t b = 0; b < q->s->penalties; number -= q->s->penalty[b].size, b++) {
            const weir_linear_penalty *s = &q->s->penalty[b];
            if (number < s->size) {
                for (int64_t c = 0; c < s->size; c++) {
                    out[i * p + s->first + c] = root_of(q, roots, b)[number + c * s->size];
                }
                break;
            }
        }
    }
}
