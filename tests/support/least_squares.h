/* SPDX-License-Identifier: Apache-2.0 */
/* Random penalised least-squares problems in every form of weir/linear.h, and their answers in long double. */
#ifndef WEIR_TESTS_SUPPORT_LEAST_SQUARES_H
#define WEIR_TESTS_SUPPORT_LEAST_SQUARES_H

#include <stdint.h>

#include "weir/linear.h"

typedef enum ls_form { LS_ROWS, LS_COLUMNS, LS_FLOAT, LS_CSR, LS_CSR_FLOAT, LS_OPERATOR, LS_FORMS } ls_form;

typedef struct ls_problem {
    weir_linear_system s;
    weir_linear_penalty penalty[3];
    int64_t n, p, m, groups;
    double *x;              /* n x p, row by row: what every form says */
    double *answer;         /* groups m x p */
    int64_t calls, fail_at, nan_at; /* of the operator */
    void *owned[16];
    int owned_count;
} ls_problem;

typedef struct ls_shape {
    int64_t n, p, m, groups;
    ls_form form;
    double density;         /* of the entries of X that are not zero */
    int weighted, blocks;   /* penalty blocks: 0 … 3 */
    double ridge;
    int diagonal;
    uint64_t seed;
} ls_shape;

/* Standard normal entries rounded to float, so that every form holds the same X. */
ls_problem *ls_make(const ls_shape *shape);
/* Fills answer by Gaussian elimination of the normal equations in long double. */
void ls_solve(ls_problem *problem);
void ls_free(ls_problem *problem);
/* Largest ||b - answer|| / ||answer|| over the systems. */
double ls_error(const ls_problem *problem, const double *b);

#endif
