/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the rows for a generalised model: at coefficients beta,
 *     eta = X beta + offset,  mu = g^-1(eta),  w and z of the working model (model/family.h),
 * and in the same sweep X'WX, X'Wz and the sums below. Nothing of length n is kept. */
#ifndef W_FIT_WORKING_H
#define W_FIT_WORKING_H

#include "model/family.h"
#include "normal/normal.h"
#include "normal/quadratic.h"

/* Places in w_gram.extra. */
enum {
    W_SUM_DEVIANCE,       /* sum omega d(y, mu) */
    W_SUM_NULL_DEVIANCE,  /* of the null model */
    W_SUM_NULL_WEIGHT,    /* of the null model eta = a + offset: sum w and sum w (z - a), Fisher; 0 unless it is iterated */
    W_SUM_NULL_STEP,
    W_SUM_SATURATED_BETA, /* beta: what turns -2 log f into a deviance */
    W_SUM_INVALID,        /* rows whose eta or mu is outside its range */
    W_SUM_NEGATIVE,       /* rows with a negative Newton weight */
    W_SUM_EXTREME,        /* rows that run away; in a pass with `drift` */
    W_SUM_FRACTIONAL,     /* rows whose count is not an integer; in the pass that checks */
    W_SUM_PEARSON,        /* sum omega (y - mu)^2 / V */
    W_SUM_FLETCHER,       /* sum V'(mu)(y - mu)/V over rows with omega > 0 */
    W_SUM_RESIDUAL,       /* sum omega (y - mu) */
    W_SUM_RESIDUAL_SQUARE,/* sum omega (y - mu)^2 */
    W_SUM_RESPONSE,       /* sum omega y */
    W_SUM_RESPONSE_SQUARE,/* sum omega (y - null_mean)^2 */
    W_SUM_PRIOR,          /* sum omega */
    W_SUM_SATURATED,      /* l_s(phi) and its derivatives in log phi */
    W_SUM_SATURATED_1,
    W_SUM_SATURATED_2,
    /* D/(2 phi) - l_s: gradient (2) and Hessian (2 x 2) in the family's working parameters; in a leverage pass the gradient's
     * place holds sum h dw/dtheta. */
    W_SUM_THETA,
    W_SUM_THETA_PHI = W_SUM_THETA + W_FAMILY_PARAMS + W_FAMILY_PARAMS * W_FAMILY_PARAMS, /* mixed derivatives with log phi (2) */
    W_SUM_COUNT = W_SUM_THETA_PHI + W_FAMILY_PARAMS
};

typedef struct w_working {
    const w_glm *glm;
    const w_product *product; /* of beta; NULL = the family's start */
    bool newton;              /* Newton weights, else Fisher */
    double phi;               /* scale at which l_s is evaluated */
    double null_mean;         /* weighted mean of the response; NaN: sums that need it, and the likelihood, are left at zero */
    double null_eta;          /* a of the null model where its mean is not that one (offsets, scat, beta); NaN = it is */
    /* With a form the pass is another one: w = 1 and z = (dw/deta) x'Px, so that the right-hand side is
     * X' (dw/deta .* leverage): what the gradient of log|H| needs (docs/numerics/glm.md). */
    const w_quadratic *leverage;
    /* With a parameter number: w = 1 and z = 1/2 omega d^2 d/(deta dtheta), so that the right-hand side is X'r. -1 = no. */
    int cross_parameter;
    bool residual;            /* r = z - eta in the place of z, and of the cross-products X'Wr and r'Wr only */
    int64_t tile_step;        /* every so many tiles: a sample to start from; 0 = all */
    bool check;               /* refuse responses outside the family's range, naming the row */
    /* With a step in beta: w = 1 and z = 1, -1 for rows that run away along it with their response at the lower, upper end of the
     * range: weight below 1e-4 of `typical` (per prior weight), eta moved by more than 0.01. */
    const w_product *drift;
    double typical;
    const char *table;        /* as messages name it; set by w_working_pass */
} w_working;

/* The same for rows whose X beta is at hand (NULL: the family's start): w, z and, unless NULL, the W_SUM_COUNT sums. For products with
 * rows (normal/operator.h); product, leverage, drift and cross_parameter are not used. */
void w_working_rows(const w_working *working, int64_t rows, const double *eta, const double *y, const double *prior,
                    const double *offset, double *w, double *z, double *sum);

weir_status w_working_pass(weir_ctx *ctx, const w_design *design, weir_table *table, weir_missing missing,
                           const w_working *working, int arrow_block, w_gram **out);

#endif
