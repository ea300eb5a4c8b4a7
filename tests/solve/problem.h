/* SPDX-License-Identifier: Apache-2.0 */
/* Random penalised problems with known parts: a core with single, commuting and non-commuting penalties and, last, a block of
 * levels that can be kept dense or apart as an arrow. */
#ifndef TESTS_SOLVE_PROBLEM_H
#define TESTS_SOLVE_PROBLEM_H

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/dense.h"
#include "solve/system.h"

#define PROBLEM_ROWS 400
#define PROBLEM_CORE 20 /* 2 parametric, 6 single, 6 commuting pair, 6 tensor pair */
#define PROBLEM_SP 7

typedef struct problem {
    int64_t levels, k, p;
    double *x, *z, *matrix, *rhs; /* rows x p column-major; full cross-products */
    double single[36], range[36], null[36], left[36], right[36], level[16];
    double *arrow;
    w_design design;
    w_design_penalty penalty[8];
    w_term term[4];
    w_gram gram;
    int64_t *core_column;
} problem;

static inline void problem_projection(w_rng *rng, int64_t k, int64_t rank, double *out)
{
    double root[64];
    for (int64_t i = 0; i < k * rank; i++) {
        root[i] = w_rng_normal(rng);
    }
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            out[r + c * k] = 0.0;
            for (int64_t m = 0; m < rank; m++) {
                out[r + c * k] += root[r + m * k] * root[c + m * k];
            }
        }
    }
}

/* Orthogonal projector on the null space of a k x k matrix of the given rank. */
static inline void problem_null(weir_ctx *ctx, int64_t k, int64_t rank, const double *s, double *out)
{
    double u[64], value[8];
    memcpy(u, s, (size_t)(k * k) * sizeof *u);
    assert_int_equal(w_eigen_symmetric(ctx, k, u, value, true), WEIR_OK);
    memset(out, 0, (size_t)(k * k) * sizeof *out);
    for (int64_t e = 0; e < k - rank; e++) {
        for (int64_t i = 0; i < k * k; i++) {
            out[i] += u[i % k + e * k] * u[i / k + e * k];
        }
    }
}

static inline void problem_penalties(problem *problem, bool two_levels)
{
    w_design *design = &problem->design;
    const int64_t first = PROBLEM_CORE, k = problem->k;
    const w_design_penalty list[] = {
        { .first = 2, .k = 6, .repeat = 1, .matrix = problem->single, .rank = 4, .sp = 0, .term = 0 },
        { .first = 8, .k = 6, .repeat = 1, .matrix = problem->range, .rank = 4, .sp = 1, .term = 1 },
        { .first = 8, .k = 6, .repeat = 1, .matrix = problem->null, .rank = 2, .sp = 2, .term = 1 },
        { .first = 14, .k = 6, .repeat = 1, .matrix = problem->left, .rank = 3, .sp = 3, .term = 2 },
        { .first = 14, .k = 6, .repeat = 1, .matrix = problem->right, .rank = 2, .sp = 4, .term = 2 },
        { .first = first, .k = k, .repeat = problem->levels, .matrix = k == 1 ? NULL : problem->level, .rank = k, .sp = 5,
          .term = 3 },
        { .first = first, .k = k, .repeat = problem->levels / 2, .matrix = NULL, .rank = k, .sp = 6, .term = 3 },
    };
    memcpy(problem->penalty, list, sizeof list);
    design->penalty_count = two_levels ? 7 : 6;
    design->sp_count = design->penalty_count;
    design->penalty = problem->penalty;
    for (int t = 0; t < 3; t++) {
        problem->term[t] = (w_term){ .kind = W_TERM_SMOOTH, .first = 2 + 6 * t, .columns = 6, .null_dimension = t == 0 ? 2 : t == 1 ? 0 : 1 };
    }
    problem->term[3] = (w_term){ .kind = W_TERM_RANDOM, .first = first, .columns = k * problem->levels };
    design->term = problem->term;
    design->term_count = 4;
}

static inline void problem_data(problem *problem, w_rng *rng)
{
    const int64_t n = PROBLEM_ROWS, p = problem->p;
    problem->x = calloc((size_t)(n * p), sizeof(double));
    problem->z = calloc((size_t)n, sizeof(double));
    problem->matrix = calloc((size_t)(p * p), sizeof(double));
    problem->rhs = calloc((size_t)p, sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        const int64_t level = i < problem->levels ? i : w_rng_below(rng, problem->levels);
        problem->x[i] = 1.0;
        for (int64_t j = 1; j < PROBLEM_CORE; j++) {
            problem->x[i + j * n] = w_rng_normal(rng) * (j < 8 ? 1.0 : 0.3);
        }
        for (int64_t r = 0; r < problem->k; r++) {
            problem->x[i + (PROBLEM_CORE + level * problem->k + r) * n] = r == 0 ? 1.0 : w_rng_normal(rng);
        }
        problem->z[i] = w_rng_normal(rng) + sin(problem->x[i + 2 * n]) + 0.2 * (double)(level % 3);
    }
    for (int64_t c = 0; c < p; c++) {
        problem->rhs[c] = w_dot(n, problem->x + c * n, problem->z);
        for (int64_t r = 0; r < p; r++) {
            problem->matrix[r + c * p] = w_dot(n, problem->x + r * n, problem->x + c * n);
        }
    }
}

static inline void problem_arrow(problem *problem)
{
    w_gram *gram = &problem->gram;
    const int64_t k = problem->k, rows = k * problem->levels, p0 = PROBLEM_CORE, p = problem->p;
    problem->arrow = calloc((size_t)(rows * k + rows * p0 + rows + p0 * p0), sizeof(double));
    gram->arrow_levels = problem->levels;
    gram->arrow_k = k;
    gram->arrow_first = p0;
    gram->core = p0;
    gram->arrow_diag = problem->arrow;
    gram->arrow_border = problem->arrow + rows * k;
    gram->arrow_rhs = gram->arrow_border + rows * p0;
    gram->matrix = gram->arrow_rhs + rows;
    for (int64_t r = 0; r < rows; r++) {
        gram->arrow_rhs[r] = problem->rhs[p0 + r];
        for (int64_t c = 0; c < k; c++) {
            gram->arrow_diag[r * k + c] = problem->matrix[p0 + r + (p0 + r / k * k + c) * p];
        }
        for (int64_t c = 0; c < p0; c++) {
            gram->arrow_border[r * p0 + c] = problem->matrix[p0 + r + c * p];
        }
    }
    for (int64_t c = 0; c < p0; c++) {
        memcpy(gram->matrix + c * p0, problem->matrix + c * p, (size_t)p0 * sizeof(double));
    }
}

static inline void problem_make(weir_ctx *ctx, problem *problem, int64_t levels, int64_t k, bool arrow, bool two_levels)
{
    w_rng rng;
    memset(problem, 0, sizeof *problem);
    w_rng_seed(&rng, 12345);
    problem->levels = levels;
    problem->k = k;
    problem->p = PROBLEM_CORE + levels * k;
    problem_projection(&rng, 6, 4, problem->single);
    problem_projection(&rng, 6, 4, problem->range);
    problem_null(ctx, 6, 4, problem->range, problem->null);
    problem_projection(&rng, 6, 3, problem->left);
    problem_projection(&rng, 6, 2, problem->right);
    problem_projection(&rng, k, k, problem->level);
    problem_data(problem, &rng);
    problem_penalties(problem, two_levels);
    problem->design.p = problem->p;
    problem->design.parametric_columns = 2;
    problem->core_column = calloc((size_t)problem->p, sizeof(int64_t));
    for (int64_t i = 0; i < problem->p; i++) {
        problem->core_column[i] = i;
    }
    problem->gram = (w_gram){ .ctx = ctx, .p = problem->p, .core = problem->p, .core_column = problem->core_column,
                              .matrix = problem->matrix, .rhs = problem->rhs, .n = PROBLEM_ROWS,
                              .zz = w_dot(PROBLEM_ROWS, problem->z, problem->z) };
    if (arrow) {
        problem_arrow(problem);
    }
}

static inline void problem_free(problem *problem)
{
    free(problem->x);
    free(problem->z);
    free(problem->matrix);
    free(problem->rhs);
    free(problem->arrow);
    free(problem->core_column);
}

#endif
