/* SPDX-License-Identifier: Apache-2.0 */
/* The Cholesky factor of operator_refine.h and its solves. A front holds one number per tree: of the interval that is open there. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/operator_refine.h"

#define VECTORS 8 /* of one sweep */

/* The coordinate of every step in turn. */
typedef struct cursor {
    int64_t at[W_REFINED_TREES];
} cursor;

static void begin(const w_refined *r, bool backward, cursor *c)
{
    for (int t = 0; t < r->trees; t++) {
        c->at[t] = backward ? r->tree[t].intervals - 1 : 0;
    }
}

/* ---- factor --------------------------------------------------------------------------------------------------------- */

/* diagonal: of A + S at that column. */
static bool eliminate(int trees, int t, double diagonal, double *front, double *column)
{
    double *row = front + t * trees, pivot = row[t];
    const bool raised = !(pivot > W_REFINED_FLOOR * diagonal);
    pivot = raised ? fmax(W_REFINED_FLOOR * diagonal, 1e-300) : pivot;
    const double root = sqrt(pivot);
    for (int b = 0; b < trees; b++) {
        column[b] = row[b] / root;
    }
    column[t] = 0.0;
    for (int a = 0; a < trees; a++) {
        const double l = column[a];
        for (int b = 0; l != 0.0 && b < trees; b++) {
            front[a * trees + b] -= l * column[b];
        }
        front[a * trees + t] = 0.0;
    }
    memset(row, 0, (size_t)trees * sizeof *row);
    column[t] = root;
    return raised;
}

int64_t w_refined_factor(const w_refined *r, const double *penalty, double *factor, double *front)
{
    const int trees = r->trees;
    double *open = front + (int64_t)trees * trees, total[W_REFINED_TREES] = { 0 };
    cursor c;
    int64_t step = 0, raised = 0;
    begin(r, false, &c);
    memset(front, 0, (size_t)(trees * trees) * sizeof *front);
    for (int t = 0; t < trees; t++) {
        open[t] = r->tree[t].value[0];
    }
    for (int64_t u = 0; u < r->cells; u++) {
        for (int a = 0; a < trees; a++) {
            const double nv = r->mass[u] * open[a];
            total[a] += nv * open[a];
            for (int b = 0; b < trees; b++) {
                front[a * trees + b] += nv * open[b];
            }
        }
        for (; step < r->steps; step++) {
            const int t = r->order[step];
            const w_refined_tree *tree = &r->tree[t];
            const int64_t j = c.at[t], coordinate = tree->coordinate[j];
            if (tree->start[j + 1] != u + 1) {
                break;
            }
            if (coordinate >= 0) {
                front[t * trees + t] += penalty[coordinate];
                raised += eliminate(trees, t, total[t] + penalty[coordinate], front, factor + step * trees);
            } else {
                memset(factor + step * trees, 0, (size_t)trees * sizeof *factor);
                factor[step * trees + t] = 1.0;
            }
            c.at[t]++;
            open[t] = c.at[t] < tree->intervals ? tree->value[c.at[t]] : 0.0;
            total[t] = 0.0;
        }
    }
    return raised;
}

double w_refined_log_det(const w_refined *r, const double *factor)
{
    double sum = 0.0;
    for (int64_t s = 0; s < r->steps; s++) {
        sum += log(factor[s * r->trees + r->order[s]]);
    }
    return 2.0 * sum;
}

/* ---- solves: `m` vectors, a constant where it is inlined -------------------------------------------------------------- */

#define INLINE static inline __attribute__((always_inline))

/* z := L^-1 z. The front holds what the eliminated intervals leave in the open ones. */
INLINE void forward(const w_refined *r, const double *factor, double *z, int64_t count, int m)
{
    double front[W_REFINED_TREES * VECTORS] = { 0 };
    cursor c;
    begin(r, false, &c);
    for (int64_t s = 0; s < r->steps; s++) {
        const int t = r->order[s];
        const double *column = factor + s * r->trees;
        const int64_t coordinate = r->tree[t].coordinate[c.at[t]++];
        double *own = front + t * m, y[VECTORS];
        for (int k = 0; k < m; k++) {
            y[k] = coordinate < 0 ? 0.0 : (z[coordinate * count + k] + own[k]) / column[t];
        }
        for (int b = 0; b < r->trees && coordinate >= 0; b++) {
            for (int k = 0; k < m; k++) {
                front[b * m + k] -= column[b] * y[k];
            }
        }
        for (int k = 0; k < m; k++) {
            own[k] = 0.0;
            if (coordinate >= 0) {
                z[coordinate * count + k] = y[k];
            }
        }
    }
}

/* z := L'^-1 z. The front holds the solution at the open intervals. */
INLINE void backward(const w_refined *r, const double *factor, double *z, int64_t count, int m)
{
    double front[W_REFINED_TREES * VECTORS] = { 0 };
    cursor c;
    begin(r, true, &c);
    for (int64_t s = r->steps - 1; s >= 0; s--) {
        const int t = r->order[s];
        const double *column = factor + s * r->trees;
        const int64_t coordinate = r->tree[t].coordinate[c.at[t]--];
        double *own = front + t * m, sum[VECTORS] = { 0 };
        for (int k = 0; k < m; k++) {
            own[k] = 0.0;
        }
        for (int b = 0; b < r->trees; b++) {
            for (int k = 0; k < m; k++) {
                sum[k] += column[b] * front[b * m + k];
            }
        }
        for (int k = 0; k < m && coordinate >= 0; k++) {
            own[k] = z[coordinate * count + k] = (z[coordinate * count + k] - sum[k]) / column[t];
        }
    }
}

/* z := L z. */
INLINE void multiply(const w_refined *r, const double *factor, double *z, int64_t count, int m)
{
    double front[W_REFINED_TREES * VECTORS] = { 0 };
    cursor c;
    begin(r, false, &c);
    for (int64_t s = 0; s < r->steps; s++) {
        const int t = r->order[s];
        const double *column = factor + s * r->trees;
        const int64_t coordinate = r->tree[t].coordinate[c.at[t]++];
        double *own = front + t * m;
        for (int b = 0; b < r->trees && coordinate >= 0; b++) {
            for (int k = 0; k < m; k++) {
                front[b * m + k] += column[b] * z[coordinate * count + k];
            }
        }
        for (int k = 0; k < m; k++) {
            if (coordinate >= 0) {
                z[coordinate * count + k] = own[k];
            }
            own[k] = 0.0;
        }
    }
}

#define EACH_RUN(call)                                                      \
    for (int64_t k = 0, m; k < count; k += m) {                             \
        m = count - k >= 8 ? 8 : count - k >= 4 ? 4 : count - k >= 2 ? 2 : 1; \
        switch (m) {                                                        \
        case 1: call(refined, factor, z + k, count, 1); break;              \
        case 2: call(refined, factor, z + k, count, 2); break;              \
        case 4: call(refined, factor, z + k, count, 4); break;              \
        default: call(refined, factor, z + k, count, 8); break;             \
        }                                                                   \
    }

void w_refined_solve(const w_refined *refined, const double *factor, double *z, int64_t count)
{
    EACH_RUN(forward)
    EACH_RUN(backward)
}

void w_refined_root(const w_refined *refined, const double *factor, double *z, int64_t count)
{
    EACH_RUN(multiply)
}
