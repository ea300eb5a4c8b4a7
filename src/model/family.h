/* SPDX-License-Identifier: Apache-2.0 */
/* Families of response distributions with their links: what a generalised model needs of one row.
 *
 * A w_glm is a family, a link and parameter values. mu = mean, omega = prior weight (the number of trials of a
 * binomial row whose y is a proportion), phi = scale, theta = parameters of the family. The unit deviance d(y, mu) >= 0 gives
 *     log f(y; mu, phi/omega, theta) = l_s(y, omega, phi, theta) - omega d(y, mu)/(2 phi)
 * with l_s the saturated log-likelihood (quasi families: in name only). Newton and Fisher working models are
 *     D' = dd/deta, D'' = d2d/deta2:    w = omega D''/2,  z = eta - offset - D'/D''       (Newton)
 *                                       w = omega E[D'']/2, z = eta - offset - D'/E[D'']  (Fisher)
 * which for exponential families are  w = omega m1^2/V,  z = eta - offset + (y - mu)/m1  times and over
 * alpha = 1 + (y - mu)(V'/V - m2/m1^2), m1 = dmu/deta, m2 its derivative. Newton weights may be negative where the link
 * is not canonical: the caller falls back to Fisher. One below 1e-8 of Fisher's in size is raised to that (binomial:log
 * has zero curvature at y = 1): the score w (z - eta + offset) = -omega D'/2 holds all the same.
 *
 *   family             V(mu)                y                phi    theta                        default link
 *   gaussian           1                    finite           free   -                            identity
 *   binomial           mu(1-mu)             [0, 1]           1      -                            logit
 *   poisson            mu                   >= 0             1      -                            log
 *   gamma              mu^2                 > 0              free   -                            inverse
 *   inverse-gaussian   mu^3                 > 0              free   -                            1/mu^2
 *   nb                 mu + mu^2/theta      >= 0             1      theta > 0                    log
 *   tweedie            mu^p                 >= 0             free   1 < p < 2                    log
 *   quasi              see w_quasi_variance as its variance  free   -                            identity
 *   quasipoisson, quasibinomial             as their base    free   -                            log, logit
 *   scat               scaled t             finite           1      nu > 2, sigma > 0            identity
 *   beta               mu(1-mu)/(1+theta)   (0, 1)           1      theta > 0                    logit
 * For beta the saturated mean has no closed form: there l_s = 0 and d = -2 log f (negative values are in order);
 * w_family_beta_saturated gives what turns it into a deviance.
 *
 * Derivatives in theta are in working parameters: log theta (nb, beta), p itself (tweedie), log nu and log sigma (scat).
 * All functions are pure, take no memory and are thread-safe; bits do not depend on the instruction set.
 * Sources: McCullagh & Nelder (1989); Wood, Pya & Saefken (2016); Dunn & Smyth (2005) for Tweedie. */
#ifndef W_MODEL_FAMILY_H
#define W_MODEL_FAMILY_H

#include "base/ctx.h"
#include "base/rng.h"
#include "dense/elementary.h"
#include "model/link.h"

#define W_FAMILY_PARAMS 2
#define W_FAMILY_CHUNK 256 /* rows worked on at a time: ten arrays of it lie in the first-level cache */

typedef enum w_family_kind {
    W_FAMILY_GAUSSIAN, W_FAMILY_BINOMIAL, W_FAMILY_POISSON, W_FAMILY_GAMMA, W_FAMILY_INVERSE_GAUSSIAN, W_FAMILY_NB,
    W_FAMILY_TWEEDIE, W_FAMILY_QUASI, W_FAMILY_QUASIPOISSON, W_FAMILY_QUASIBINOMIAL, W_FAMILY_SCAT, W_FAMILY_BETA,
    W_FAMILY_COUNT
} w_family_kind;

typedef enum w_quasi_variance {
    W_VARIANCE_CONSTANT, W_VARIANCE_MU, W_VARIANCE_MU2, W_VARIANCE_MU3, W_VARIANCE_BINOMIAL, W_VARIANCE_COUNT
} w_quasi_variance;

typedef struct w_family w_family;

typedef struct w_glm {
    const w_family *family;
    const w_link *link;
    double param[W_FAMILY_PARAMS];   /* theta; a start value where it is to be estimated */
    bool estimate[W_FAMILY_PARAMS];
    double power;                    /* exponent of the power link */
    w_quasi_variance variance;       /* quasi */
} w_glm;

/* Derivatives of the unit deviance in mu for up to W_FAMILY_CHUNK rows; E2 = E[d2], E3 = dE2/dmu. */
typedef struct w_deviance {
    double d[W_FAMILY_CHUNK], d1[W_FAMILY_CHUNK], d2[W_FAMILY_CHUNK], d3[W_FAMILY_CHUNK], e2[W_FAMILY_CHUNK],
        e3[W_FAMILY_CHUNK];
} w_deviance;

/* l_s of one row with derivatives in psi = (theta_1, theta_2, log phi), working parameters. */
typedef struct w_saturated {
    double value, grad[3], hess[3][3];
} w_saturated;

/* Unit deviance of one row: derivatives in the working parameters, and of d1 = dd/dmu and d2 = d2d/dmu2. */
typedef struct w_deviance_theta {
    double grad[W_FAMILY_PARAMS], hess[W_FAMILY_PARAMS][W_FAMILY_PARAMS];
    double d1[W_FAMILY_PARAMS], d2[W_FAMILY_PARAMS];
} w_deviance_theta;

struct w_family {
    w_family_kind kind;
    const char *name;
    w_link_kind default_link;
    bool scale_known;                /* phi = 1 */
    bool discrete;                   /* counts: y (times omega for binomial) is an integer */
    bool quasi;                      /* no distribution: no likelihood, quantiles or random numbers of its own */
    double y_low, y_high;            /* the range of y, ends included unless … */
    bool open;                       /* … the range is open */
    const char *range;               /* the range in words: "0 ... 1" */
    int param_count;
    const char *param_name[W_FAMILY_PARAMS];
    double param_start[W_FAMILY_PARAMS], param_low[W_FAMILY_PARAMS], param_high[W_FAMILY_PARAMS]; /* open interval */
    double mu_low, mu_high;          /* open interval of means */
    /* V, V', V'' of n means. */
    void (*variance)(const w_glm *glm, int64_t n, const double *mu, double *v, double *v1, double *v2);
    /* Unit deviances. n <= W_FAMILY_CHUNK. */
    void (*deviance)(const w_elementary *f, const w_glm *glm, int64_t n, const double *y, const double *mu, double *d);
    /* All of w_deviance but d; NULL: from the variance. */
    void (*derivatives)(const w_elementary *f, const w_glm *glm, int64_t n, const double *y, const double *mu, w_deviance *out);
    void (*saturated)(const w_glm *glm, double y, double omega, double phi, w_saturated *out);
    void (*theta)(const w_glm *glm, double y, double mu, w_deviance_theta *out); /* NULL without theta */
    double (*start)(const w_glm *glm, double y, double omega); /* a mean to start from */
};

const w_family *w_family_of(w_family_kind kind);
/* Names and aliases, NULL-terminated. */
const char *const *w_family_names(void);

/* "poisson", "gamma:log", "binomial:cloglog", "nb", "nb:2.5", "nb(theta=2.5,link=log)", "tweedie:1.5", "tweedie(p=1.5)",
 * "quasi(variance=mu^2,link=log)", "scat", "scat(nu=5,sigma=1)", "gaussian:power(0.5)", "quasipoisson:sqrt" … After a
 * colon stand links and parameter values in any order ("nb:2.5:sqrt"). A parameter that is given is fixed, else
 * estimated. WEIR_E_ARG with one line that lists what exists and suggests the nearest name. */
weir_status w_family_parse(weir_ctx *ctx, const char *text, w_glm *out);
/* The text that w_family_parse turns into the same: for model files and reports. `size` >= W_FAMILY_TEXT. */
#define W_FAMILY_TEXT 128
void w_family_text(const w_glm *glm, char *text, size_t size);
/* The name that people read, without the link and with four digits: "poisson", "nb(theta=2.313)", "quasi(variance=mu^2)". */
void w_family_label(const w_glm *glm, char *text, size_t size);
/* Likewise of the link: "log", "power(0.5)". */
void w_family_link_label(const w_glm *glm, char *text, size_t size);

/* ---- rows --------------------------------------------------------------------------------------------------------- */

typedef struct w_glm_rows {
    int64_t rows;
    const double *eta;     /* linear predictor with its offset */
    const double *y;
    const double *prior;   /* omega; NULL = all 1 */
    const double *offset;  /* NULL = none */
    bool newton;           /* Newton weights; else Fisher */
    double *mu, *w, *z;    /* out */
    double *dev;           /* out, or NULL: omega d per row */
    double *dw;            /* out, or NULL: dw/deta */
} w_glm_rows;

typedef struct w_glm_total {
    double deviance;       /* sum omega d over the valid rows, in a fixed order: eight partial sums by row number modulo 8 */
    int64_t invalid;       /* rows with omega > 0 whose eta or mu is outside its range, or whose results are not finite */
    int64_t first_invalid; /* row in this call, -1 = none */
} w_glm_total;

/* From eta, y, omega, offset: mu, w, z, deviance and dw/deta in one sweep (see the top). Rows with omega = 0: w = dw = dev = 0,
 * z = eta - offset, whatever y is. Invalid rows likewise, and counted: the caller shortens its step.
 * poisson:log, binomial:logit, gamma:log, nb:log, tweedie:log and gaussian:identity (and quasi families by their base) go
 * through fused vector loops; others through arrays of W_FAMILY_CHUNK rows. With `isa` the instruction set is
 * given, for tests. Output arrays may not overlap inputs, except z = y or w = prior exactly.
 * Flops per row: poisson:log 85, binomial:logit 80, gamma:log 80, nb:log 130, tweedie:log 150; bytes 8 per array used. */
void w_family_rows(const w_glm *glm, const w_glm_rows *rows, w_glm_total *total);
void w_family_rows_isa(w_isa isa, const w_glm *glm, const w_glm_rows *rows, w_glm_total *total);

/* Checks y and omega of the rows that count (omega > 0). WEIR_E_DATA names the response ("rides.csv: response 'y'"), the first
 * bad row (first_row + its place) and what is allowed. *fractional: rows whose count is no integer (discrete families), added to. */
weir_status w_family_check(weir_ctx *ctx, const w_glm *glm, const char *response, int64_t rows, const double *y,
                           const double *prior, int64_t first_row, int64_t *fractional);
/* eta to start from: g of the family's start mean, moved inside the range of the link. */
void w_family_start(const w_glm *glm, int64_t rows, const double *y, const double *prior, double *eta);

/* Sum over rows of l_s and its derivatives, added to *sum; rows with omega = 0 are left out. */
void w_family_saturated(const w_glm *glm, int64_t rows, const double *y, const double *prior, double phi, w_saturated *sum);
/* Sum over rows of omega times the derivatives of d in theta, added to grad and hess; d1 and d2 (rows x param_count each, times
 * omega; NULL = not wanted) take dd1/dtheta and dd2/dtheta. Nothing to do without theta. */
void w_family_theta(const w_glm *glm, int64_t rows, const double *y, const double *mu, const double *prior, double *grad,
                    double hess[W_FAMILY_PARAMS][W_FAMILY_PARAMS], double *d1, double *d2);
/* Adds sum omega (y-mu)^2/V to *pearson and sum sqrt(omega) V'(mu) (y-mu)/V to *slope over the rows that count: the scale is
 * pearson/(n - edf), with Fletcher's correction (Biometrika 99, 2012) over 1 + max(-0.9, slope/n). */
void w_family_pearson(const w_glm *glm, int64_t rows, const double *y, const double *mu, const double *prior, double *pearson,
                      double *slope);
/* log f(y; mu, phi/omega, theta); NaN for quasi families but for quasipoisson and quasibinomial at phi = 1. */
double w_family_log_density(const w_glm *glm, double y, double mu, double omega, double phi);
/* Largest log-density of beta over mu at this y: d + 2 of it is the deviance. */
double w_family_beta_saturated(const w_glm *glm, double y);

/* ---- the response distribution ------------------------------------------------------------------------------------ */

/* P(Y <= y). Binomial rows: Y is a proportion of omega trials. Quasi families: a member with the same mean and variance
 * (normal, scaled poisson and binomial: gamma and beta matched by moments). */
double w_family_cdf(const w_glm *glm, double y, double mu, double omega, double phi);
/* The smallest y with P(Y <= y) >= probability. Relative error 1e-10; exact for counts. NaN outside [0, 1]. */
double w_family_quantile(const w_glm *glm, double probability, double mu, double omega, double phi);
/* A draw; the stream of `rng` decides it alone. */
double w_family_random(const w_glm *glm, w_rng *rng, double mu, double omega, double phi);

#endif
