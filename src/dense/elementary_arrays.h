/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of elementary_lanes.h over arrays, one table per instruction set: included once by elementary_portable.c,
 * elementary_avx2.c and elementary_avx512.c, which define W_LANES_TABLE (its name) and W_LANES_NAME. The last lanes of an
 * array go through a buffer filled up with ones; lanes do not see one another. */
#include "dense/elementary.h"
#include "dense/elementary_lanes.h"

#define W_ARRAY_FUNCTION(f) \
    static void array_##f(int64_t n, const double *x, double *out) \
    { \
        int64_t i = 0; \
        for (; i + LANES <= n; i += LANES) { \
            lanes_store(out + i, lanes_##f(lanes_load(x + i))); \
        } \
        if (i < n) { \
            double rest[LANES]; \
            for (int j = 0; j < LANES; j++) { \
                rest[j] = i + j < n ? x[i + j] : 1.0; \
            } \
            lanes_store(rest, lanes_##f(lanes_load(rest))); \
            memcpy(out + i, rest, (size_t)(n - i) * sizeof *out); \
        } \
    }

W_ARRAY_FUNCTION(exp)
W_ARRAY_FUNCTION(expm1)
W_ARRAY_FUNCTION(log)
W_ARRAY_FUNCTION(log1p)
W_ARRAY_FUNCTION(log1p_minus)
W_ARRAY_FUNCTION(kappa)
W_ARRAY_FUNCTION(logistic)
W_ARRAY_FUNCTION(softplus)
W_ARRAY_FUNCTION(normal)
W_ARRAY_FUNCTION(log_normal)
W_ARRAY_FUNCTION(lgamma)
W_ARRAY_FUNCTION(digamma)
W_ARRAY_FUNCTION(trigamma)

static bool array_range(int64_t n, const double *x, double *lower, double *upper)
{
    enum { CHAINS = LANES > 4 ? 2 : 4 };
    vec low[CHAINS], high[CHAINS], odd[CHAINS]; /* odd: NaN once a value is not finite */
    for (int j = 0; j < CHAINS; j++) {
        low[j] = lanes_set(INFINITY);
        high[j] = lanes_set(-INFINITY);
        odd[j] = lanes_set(0.0);
    }
    int64_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES) {
        for (int j = 0; j < CHAINS; j++) {
            const vec v = lanes_load(x + i + j * LANES);
            low[j] = lanes_min(v, low[j]);
            high[j] = lanes_max(v, high[j]);
            odd[j] = odd[j] + v * lanes_set(0.0);
        }
    }
    *lower = INFINITY;
    *upper = -INFINITY;
    double doubt = 0;
    for (int j = 0; j < CHAINS; j++) {
        double each[3][LANES];
        lanes_store(each[0], low[j]);
        lanes_store(each[1], high[j]);
        lanes_store(each[2], odd[j]);
        for (int l = 0; l < LANES; l++) {
            *lower = each[0][l] < *lower ? each[0][l] : *lower;
            *upper = each[1][l] > *upper ? each[1][l] : *upper;
            doubt += each[2][l];
        }
    }
    for (; i < n; i++) {
        *lower = x[i] < *lower ? x[i] : *lower;
        *upper = x[i] > *upper ? x[i] : *upper;
        doubt += x[i] * 0;
    }
    return doubt == 0;
}

/* Angles beyond the limit of lanes_sincos, and those that are not finite, go to the C library. */
static void first_harmonic(const double *angle, vec *sine, vec *cosine)
{
    const vec x = lanes_load(angle);
    const mask near = lanes_le(lanes_abs(x), lanes_set(LANES_ANGLE_LIMIT));
    lanes_sincos(lanes_select(near, x, lanes_set(0.0)), sine, cosine);
    if (lanes_all(near)) {
        return;
    }
    double s[LANES], c[LANES];
    lanes_store(s, *sine);
    lanes_store(c, *cosine);
    for (int l = 0; l < LANES; l++) {
        if (!(fabs(angle[l]) <= LANES_ANGLE_LIMIT)) {
            s[l] = sin(angle[l]);
            c[l] = cos(angle[l]);
        }
    }
    *sine = lanes_load(s);
    *cosine = lanes_load(c);
}

enum { HARMONICS = 8 };

LANES_INLINE void harmonics_out(int count, const double *c, const double *s, int64_t m, double *out)
{
    for (int k = 0; k < count; k++) {
        out[k] = c[k * LANES];
        out[m + k] = s[k * LANES];
    }
}

/* Powers of e^(i angle), HARMONICS at a time through a buffer with a line per power and a column per angle. */
static void array_harmonics(int64_t n, const double *angle, int64_t m, double *out, int64_t stride)
{
    double c[HARMONICS * LANES], s[HARMONICS * LANES];
    for (int64_t i = 0; i < n; i += LANES, out += LANES * stride) {
        double rest[LANES] = { 0 };
        const int count = n - i < LANES ? (int)(n - i) : LANES;
        memcpy(rest, angle + i, (size_t)count * sizeof *rest);
        vec s1, c1;
        first_harmonic(rest, &s1, &c1);
        vec cosine = c1, sine = s1;
        for (int64_t k = 0; k < m; k += HARMONICS) {
            const int some = m - k < HARMONICS ? (int)(m - k) : HARMONICS;
            for (int j = 0; j < some; j++) {
                lanes_store(c + j * LANES, cosine);
                lanes_store(s + j * LANES, sine);
                const vec next = lanes_fma(cosine, c1, lanes_negate(sine * s1));
                sine = lanes_fma(sine, c1, cosine * s1);
                cosine = next;
            }
            for (int l = 0; l < count; l++) {
                if (some == HARMONICS) {
                    harmonics_out(HARMONICS, c + l, s + l, m, out + l * stride + k);
                } else {
                    harmonics_out(some, c + l, s + l, m, out + l * stride + k);
                }
            }
        }
    }
}

const w_elementary W_LANES_TABLE = {
    W_LANES_NAME, array_exp, array_expm1, array_log, array_log1p, array_log1p_minus, array_kappa, array_logistic,
    array_softplus, array_normal, array_log_normal, array_lgamma, array_digamma, array_trigamma, array_range, array_harmonics
};
