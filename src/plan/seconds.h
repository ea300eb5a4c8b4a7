/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_PLAN_SECONDS_H
#define W_PLAN_SECONDS_H

#include "plan/plan.h"

/* Fills the seconds of a plan whose route, passes and reading stand. */
void w_plan_seconds(const w_plan_input *input, weir_plan *plan);

/* Passes over n rows that a fit is expected to make, by what they form. */
typedef struct w_pass_counts {
    double start;      /* on the sample that a fit of many rows begins with: X'WX at each step */
    double hessian;    /* X'WX and X'Wz */
    double tables;     /* times the tables of cross-products are filled; as many for few rows as for many */
    double gradient;   /* X'Wr alone */
    double likelihood; /* of those with X'WX: the ones that sum the likelihood as well */
    double leverage;   /* x'Vx of every row, and a sum X'r */
    double cross;      /* a sum X'r for each estimated parameter of the family */
    double solves;     /* smoothing parameters chosen for a working model */
    double exact;      /* values of the Laplace criterion with its derivatives */
} w_pass_counts;
w_pass_counts w_plan_passes(const w_plan_work *work, double rows);

/* Times the smoothing criterion is evaluated in a search for `count` parameters from afar; and from the last working model's. */
double w_plan_evaluations(int count, int criterion);
#define W_PLAN_WARM_EVALUATIONS 4.0

#endif
