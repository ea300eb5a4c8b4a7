/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary and special functions of arrays.
 *
 * out[i] = f(x[i]), i < n; `out` may be `x` but not overlap it otherwise. One algorithm, compiled for AVX-512, AVX2 with FMA and
 * plain C: all three give the same bits (NaN apart from its payload), whatever n and alignment. No allocation, no
 * state, no errno; thread-safe.
 *
 *   name       f                               accuracy                        domain, values at its ends
 *   exp        e^x                             <= 1 ulp (and half a denormal)  all; +inf above 709.78, 0 below -745.14
 *   expm1      e^x - 1                         <= 2 ulp                        all; -1 at -inf
 *   log        log x                           <= 1 ulp                        -inf at 0, NaN below
 *   log1p      log(1 + x)                      <= 1.5 ulp                      -inf at -1, NaN below
 *   log1p_minus log(1 + x) - x                  <= 16 ulp                       -inf at -1, NaN below
 *   kappa      (1 + x) log(1 + x) - x          <= 16 ulp                       1 at -1, NaN below
 *   logistic   1/(1 + e^-x)                    <= 2.5 ulp (3 at denormals)     all
 *   softplus   log(1 + e^x)                    <= 2.5 ulp                      all
 *   normal     Phi(x) = P(Z <= x)              <= 8 ulp                        all, down to the smallest denormal
 *   log_normal log Phi(x)                      <= 8 ulp                        all; -inf below -1e150
 *   lgamma     log Gamma(x), x > 0             <= 40 eps (1 + |f|)             +inf at 0 and inf, NaN below 0
 *   digamma    psi(x) = (log Gamma)'(x), x > 0 <= 8 eps (1 + |f|)              -inf at 0, NaN below
 *   trigamma   psi'(x), x > 0                  <= 16 eps f                     +inf at 0, NaN below
 *
 * Square roots and reciprocals need no function: the compiler's are exact. Methods stand in elementary_lanes.h. */
#ifndef W_DENSE_ELEMENTARY_H
#define W_DENSE_ELEMENTARY_H

#include <stdbool.h>
#include <stdint.h>

#include "device/topology.h"

#define W_ISA_PORTABLE W_ISA_GENERIC
#define W_ISA_COUNT 3

typedef void (*w_array_fn)(int64_t n, const double *x, double *out);

typedef struct w_elementary {
    const char *name; /* "portable", "avx2", "avx512" */
    w_array_fn exp, expm1, log, log1p, log1p_minus, kappa, logistic, softplus, normal, log_normal, lgamma, digamma, trigamma;
    bool (*range)(int64_t n, const double *x, double *lower, double *upper);
    void (*harmonics)(int64_t n, const double *angle, int64_t m, double *out, int64_t stride);
} w_elementary;

/* The best instruction set of this processor. */
w_isa w_isa_best(void);
/* The table of an instruction set; NULL where the processor has it not. */
const w_elementary *w_elementary_find(w_isa isa);

/* The least and the largest value (infinity and -infinity of none); false when one is not finite, the range is then of no use. */
bool w_range(int64_t n, const double *x, double *lower, double *upper);
/* out[i stride + k - 1] = cos(k angle[i]), out[i stride + m + k - 1] = sin(k angle[i]), k = 1 … m: powers of e^(i angle), each a
 * complex product on from the one before, absolute error <= 2 (m + 1) eps. NaN of an angle that is not finite. The same bits
 * from every instruction set; those of a row do not depend on the others. */
void w_harmonics(int64_t n, const double *angle, int64_t m, double *out, int64_t stride);
void w_exp(int64_t n, const double *x, double *out);
void w_expm1(int64_t n, const double *x, double *out);
void w_log_array(int64_t n, const double *x, double *out); /* w_log writes the log: base/ctx.h */
void w_log1p(int64_t n, const double *x, double *out);
void w_logistic(int64_t n, const double *x, double *out);
void w_softplus(int64_t n, const double *x, double *out);
void w_normal(int64_t n, const double *x, double *out);
void w_log_normal(int64_t n, const double *x, double *out);
void w_lgamma(int64_t n, const double *x, double *out);
void w_digamma(int64_t n, const double *x, double *out);
void w_trigamma(int64_t n, const double *x, double *out);

/* One value, the same bits as the arrays. */
double w_lgamma1(double x);
double w_digamma1(double x);
double w_trigamma1(double x);
double w_normal1(double x);
/* Phi^-1(p): Halley steps on Phi from a rational start, relative error <= 1e-14 (absolute where |result| < 1).
 * -inf at 0, inf at 1, NaN outside [0, 1]. */
double w_normal_quantile(double p);
/* One value of log1p_minus, through the C library. */
double w_log1p_minus(double e);
/* Stirling's remainder d(x) = log Gamma(x) - [(x - 1/2) log x - x + log(2 pi)/2], x > 0, with its first two derivatives. */
void w_stirling_rest(double x, double out[3]);

extern const w_elementary w_elementary_portable;
#if defined __x86_64__
extern const w_elementary w_elementary_avx2, w_elementary_avx512;
#endif

#endif
