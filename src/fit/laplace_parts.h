/* SPDX-License-Identifier: Apache-2.0 */
/* What the Laplace criterion and the search for its minimum share. */
#ifndef W_FIT_LAPLACE_PARTS_H
#define W_FIT_LAPLACE_PARTS_H

#include "fit/laplace.h"

#define W_LAPLACE_PAIRS 10

/* The parameters searched, in one vector: log lambda (all sp_count), log phi, theta. Fixed ones have free[j] = false. */
typedef struct w_laplace {
    w_pirls *pirls;
    int sp_count, count;
    bool *free;
    int *index;                   /* of the parameters that move */
    double *point, *trial, *step; /* count */
    double *gradient;             /* count */
    double *hessian;              /* count x count */
    double *bend;                 /* count: its diagonal as the working model has it */
    double *limit;                /* count: log lambda does not go beyond */
    double *matrix, *eigen, *reduced;
    double *beta;                 /* p: of the best point */
    double *u;                    /* p */
    double *pair;                 /* steps and changes of the gradient along them: 2 count each, W_LAPLACE_PAIRS kept */
    int pairs;
    double *before;               /* count: gradient at `point` while a trial is looked at */
    double *first, *first_beta;   /* count, p: where the working criterion ended */
    void *block;
    bool begun;                   /* V is known somewhere */
    double value;
} w_laplace;

/* Takes the parameters of the family and phi from a point. */
void w_laplace_set(w_laplace *l, const double *point);
/* beta at this point to convergence, then V with its derivatives. V = +infinity where beta does not exist. */
weir_status w_laplace_differentiate(w_laplace *l, const double *point);
/* From l->point to the minimum, which is left there with everything that belongs to it. WEIR_NOT_CONVERGED: the last iterate. */
weir_status w_laplace_search(w_laplace *l);

#endif
