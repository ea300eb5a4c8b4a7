/* SPDX-License-Identifier: Apache-2.0 */
/* Each inverse link: mu and three derivatives. Functions that need no vector work are plain loops. */
#include "model/link.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define EPS DBL_EPSILON
#define LOG_LIMIT 690.0
#define LOGIT_LIMIT 36.04365338911715  /* log((1-eps)/eps) */
#define PROBIT_LIMIT 8.125890664701906 /* -Phi^-1(eps) */
#define CLOGLOG_HIGH 3.5847307979997 /* log(-log eps), a little less */
#define CAUCHIT_LIMIT 1.43e15          /* 1/(pi eps) */

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static void identity_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1,
                             double *m2, double *m3)
{
    (void)f;
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        mu[i] = eta[i];
        m1[i] = 1.0;
        m2[i] = m3[i] = 0.0;
    }
}

static void log_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                        double *m3)
{
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        mu[i] = clamp(eta[i], -LOG_LIMIT, LOG_LIMIT);
    }
    f->exp(n, mu, mu);
    for (int64_t i = 0; i < n; i++) {
        m1[i] = m2[i] = m3[i] = mu[i];
    }
}

/* m1 = mu (1-mu), m2 = m1 (1-2mu), m3 = m1 (1 - 6 m1) */
static void logit_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                          double *m3)
{
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        mu[i] = clamp(eta[i], -LOGIT_LIMIT, LOGIT_LIMIT);
        m1[i] = -fabs(mu[i]);
    }
    f->logistic(n, mu, mu);
    f->logistic(n, m1, m2); /* the smaller of mu and 1 - mu */
    for (int64_t i = 0; i < n; i++) {
        double small = m2[i], slope = small * (1.0 - small), difference = 1.0 - 2.0 * small;
        m1[i] = slope;
        m2[i] = slope * (eta[i] < 0.0 ? difference : -difference);
        m3[i] = slope * (1.0 - 6.0 * slope);
    }
}

static void probit_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                           double *m3)
{
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        m3[i] = clamp(eta[i], -PROBIT_LIMIT, PROBIT_LIMIT);
        m1[i] = -0.5 * m3[i] * m3[i];
    }
    f->normal(n, m3, mu);
    f->exp(n, m1, m1);
    for (int64_t i = 0; i < n; i++) {
        double x = m3[i];
        m1[i] *= 0.39894228040143267794; /* 1/sqrt(2 pi) */
        m2[i] = -x * m1[i];
        m3[i] = (x * x - 1.0) * m1[i];
    }
}

/* With e = e^eta: m1 = e exp(-e), m2 = m1 (1-e), m3 = m1 (1 - 3e + e^2) */
static void cloglog_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                            double *m3)
{
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        m1[i] = clamp(eta[i], -LOGIT_LIMIT, CLOGLOG_HIGH);
    }
    f->exp(n, m1, m1);
    for (int64_t i = 0; i < n; i++) {
        mu[i] = -m1[i];
    }
    f->exp(n, mu, m2);
    f->expm1(n, mu, mu);
    for (int64_t i = 0; i < n; i++) {
        double e = m1[i], slope = e * m2[i];
        mu[i] = -mu[i];
        m1[i] = slope;
        m2[i] = slope * (1.0 - e);
        m3[i] = slope * (1.0 - 3.0 * e + e * e);
    }
}

static void cauchit_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                            double *m3)
{
    (void)f;
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        double x = clamp(eta[i], -CAUCHIT_LIMIT, CAUCHIT_LIMIT), c = 1.0 / (1.0 + x * x);
        mu[i] = x < 0.0 ? atan2(1.0, -x) * M_1_PI : 1.0 - atan2(1.0, x) * M_1_PI;
        m1[i] = M_1_PI * c;
        m2[i] = -2.0 * x * c * m1[i];
        m3[i] = (6.0 - 8.0 * c) * c * m1[i]; /* (6x^2 - 2) c^3/pi */
    }
}

static void inverse_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                            double *m3)
{
    (void)f;
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        double u = eta[i] == 0.0 ? NAN : 1.0 / eta[i];
        mu[i] = u;
        m1[i] = -u * u;
        m2[i] = 2.0 * u * u * u;
        m3[i] = -6.0 * (u * u) * (u * u);
    }
}

static void inverse_square_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1,
                                   double *m2, double *m3)
{
    (void)f;
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        double u = eta[i] > 0.0 ? 1.0 / sqrt(eta[i]) : NAN, square = u * u;
        mu[i] = u;
        m1[i] = -0.5 * u * square;
        m2[i] = 0.75 * u * square * square;
        m3[i] = -1.875 * u * square * square * square;
    }
}

static void sqrt_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                         double *m3)
{
    (void)f;
    (void)k;
    for (int64_t i = 0; i < n; i++) {
        mu[i] = eta[i] > 0.0 ? eta[i] * eta[i] : NAN;
        m1[i] = 2.0 * eta[i];
        m2[i] = 2.0;
        m3[i] = 0.0;
    }
}

/* With q = 1/k: m1 = q mu/eta, m2 = (q-1) m1/eta, m3 = (q-2) m2/eta */
static void power_inverse(const w_elementary *f, double k, int64_t n, const double *eta, double *mu, double *m1, double *m2,
                          double *m3)
{
    double q = 1.0 / k;
    for (int64_t i = 0; i < n; i++) {
        m1[i] = eta[i] > 0.0 ? eta[i] : NAN;
    }
    f->log(n, m1, m1);
    for (int64_t i = 0; i < n; i++) {
        m1[i] *= q;
    }
    f->exp(n, m1, mu);
    for (int64_t i = 0; i < n; i++) {
        double u = 1.0 / eta[i];
        m1[i] = q * mu[i] * u;
        m2[i] = (q - 1.0) * m1[i] * u;
        m3[i] = (q - 2.0) * m2[i] * u;
    }
}

static double identity_link(double k, double mu) { (void)k; return mu; }
static double log_link(double k, double mu) { (void)k; return log(mu); }
static double logit_link(double k, double mu) { (void)k; return log(mu) - log1p(-mu); }
static double probit_link(double k, double mu) { (void)k; return w_normal_quantile(mu); }
static double cloglog_link(double k, double mu) { (void)k; return log(-log1p(-mu)); }
static double inverse_link(double k, double mu) { (void)k; return 1.0 / mu; }
static double inverse_square_link(double k, double mu) { (void)k; return 1.0 / (mu * mu); }
static double sqrt_link(double k, double mu) { (void)k; return sqrt(mu); }
static double power_link(double k, double mu) { return pow(mu, k); }

/* tan(pi (mu - 1/2)) = -1/tan(pi mu), which keeps its digits near 0. */
static double cauchit_link(double k, double mu)
{
    (void)k;
    return mu < 0.25 ? -1.0 / tan(M_PI * mu) : mu > 0.75 ? 1.0 / tan(M_PI * (1.0 - mu)) : tan(M_PI * (mu - 0.5));
}

static const w_link links[W_LINK_COUNT] = {
    { W_LINK_IDENTITY, "identity", identity_inverse, identity_link, -INFINITY, INFINITY },
    { W_LINK_LOG, "log", log_inverse, log_link, 0.0, INFINITY },
    { W_LINK_LOGIT, "logit", logit_inverse, logit_link, 0.0, 1.0 },
    { W_LINK_PROBIT, "probit", probit_inverse, probit_link, 0.0, 1.0 },
    { W_LINK_CLOGLOG, "cloglog", cloglog_inverse, cloglog_link, 0.0, 1.0 },
    { W_LINK_CAUCHIT, "cauchit", cauchit_inverse, cauchit_link, 0.0, 1.0 },
    { W_LINK_INVERSE, "inverse", inverse_inverse, inverse_link, -INFINITY, INFINITY },
    { W_LINK_INVERSE_SQUARE, "1/mu^2", inverse_square_inverse, inverse_square_link, 0.0, INFINITY },
    { W_LINK_SQRT, "sqrt", sqrt_inverse, sqrt_link, 0.0, INFINITY },
    { W_LINK_POWER, "power", power_inverse, power_link, 0.0, INFINITY },
};

const w_link *w_link_of(w_link_kind kind)
{
    return &links[kind];
}

const char *const *w_link_names(void)
{
    static const char *const names[] = { "identity", "log", "logit", "probit", "cloglog", "cauchit", "inverse", "1/mu^2",
                                         "sqrt", "power", NULL };
    return names;
}

const w_link *w_link_find(const char *name)
{
    if (strcmp(name, "inverse-square") == 0) {
        return &links[W_LINK_INVERSE_SQUARE];
    }
    for (int i = 0; i < W_LINK_COUNT; i++) {
        if (strcmp(name, links[i].name) == 0) {
            return &links[i];
        }
    }
    return NULL;
}

bool w_link_valid_eta(const w_link *link, double eta)
{
    if (!isfinite(eta)) {
        return false;
    }
    switch (link->kind) {
    case W_LINK_INVERSE:
        return eta != 0.0;
    case W_LINK_INVERSE_SQUARE:
    case W_LINK_SQRT:
    case W_LINK_POWER:
        return eta > 0.0;
    default:
        return true;
    }
}

bool w_link_valid_mu(const w_link *link, double mu)
{
    return mu > link->mu_low && mu < link->mu_high && !(link->kind == W_LINK_INVERSE && mu == 0.0);
}
