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

const w_elementary W_LANES_TABLE = {
    W_LANES_NAME, array_exp, array_expm1, array_log, array_log1p, array_log1p_minus, array_kappa, array_logistic,
    array_softplus, array_normal, array_log_normal, array_lgamma, array_digamma, array_trigamma, array_range
};
