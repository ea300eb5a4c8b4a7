/* SPDX-License-Identifier: Apache-2.0 */
/* Link functions eta = g(mu), as arrays of mu and its derivatives in eta.
 *
 *   name      g(mu)             mu(eta)              eta valid       mu kept inside
 *   identity  mu                eta                  finite          -
 *   log       log mu            e^eta                finite          [e^-690, e^690]
 *   logit     log(mu/(1-mu))    1/(1+e^-eta)         finite          [eps, 1-eps]
 *   probit    Phi^-1(mu)        Phi(eta)             finite          [eps, 1-eps]
 *   cloglog   log(-log(1-mu))   1 - exp(-e^eta)      finite          [eps, 1-eps]
 *   cauchit   tan(pi(mu-1/2))   1/2 + atan(eta)/pi   finite          [eps, 1-eps]
 *   inverse   1/mu              1/eta                finite, not 0   -
 *   1/mu^2    mu^-2             eta^-1/2             > 0             -
 *   sqrt      sqrt mu           eta^2                > 0             -
 *   power     mu^k              eta^(1/k)            > 0             -        k > 0; k = 0 is log, k = 1 identity
 *
 * eps = 2^-52. Where mu is held at its bound, eta is: mu and its derivatives are those at the bound, so that weights stay
 * positive. Derivatives of g itself follow: g' = 1/m1, g'' = -m2/m1^3, g''' = (3 m2^2 - m1 m3)/m1^5. */
#ifndef W_MODEL_LINK_H
#define W_MODEL_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include "dense/elementary.h"

typedef enum w_link_kind {
    W_LINK_IDENTITY, W_LINK_LOG, W_LINK_LOGIT, W_LINK_PROBIT, W_LINK_CLOGLOG, W_LINK_CAUCHIT, W_LINK_INVERSE,
    W_LINK_INVERSE_SQUARE, W_LINK_SQRT, W_LINK_POWER, W_LINK_COUNT
} w_link_kind;

typedef struct w_link {
    w_link_kind kind;
    const char *name;
    /* mu, m1 = dmu/deta, m2 and m3 (all n doubles, none NULL; not overlapping eta). An eta that is not valid gives mu = NaN.
     * `k`: exponent of the power link. Any n; no allocation. */
    void (*inverse)(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                    double *m3);
    /* g(mu) of one value inside the range of mu. */
    double (*link)(double k, double mu);
    double mu_low, mu_high; /* open interval that mu lies in */
} w_link;

/* The table of a kind; never NULL for kind < W_LINK_COUNT. */
const w_link *w_link_of(w_link_kind kind);
/* By name ("1/mu^2" and "inverse-square" are one); NULL when there is none. */
const w_link *w_link_find(const char *name);
/* All names, NULL-terminated. */
const char *const *w_link_names(void);
bool w_link_valid_eta(const w_link *link, double eta);
bool w_link_valid_mu(const w_link *link, double mu);

#endif
