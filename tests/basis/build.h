/* SPDX-License-Identifier: Apache-2.0 */
/* Short ways to build smooths in tests. */
#ifndef WEIR_TESTS_BASIS_BUILD_H
#define WEIR_TESTS_BASIS_BUILD_H

#include <math.h>
#include "base/arena.h"
#include "base/rng.h"
#include "basis/basis.h"
#include "support/test.h"

#define LENGTH(a) ((int64_t)(sizeof(a) / sizeof *(a)))

/* |got - want| <= tolerance, in double precision. */
#define assert_near(got, want, tolerance)                                                                   \
    do {                                                                                                    \
        double near_got = (got), near_want = (want), near_tolerance = (tolerance);                          \
        if (!(fabs(near_got - near_want) <= near_tolerance))                                                \
            fail_msg("%s is %.17g, expected %.17g within %.2g", #got, near_got, near_want, near_tolerance); \
    } while (0)

static inline void build_uniform(uint64_t seed, int64_t n, double low, double high, double *x)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < n; i++)
        x[i] = low + (high - low) * w_rng_uniform(&rng);
}

static inline w_smooth_data build_data(int margins, int64_t n, const double *const *x)
{
    w_smooth_data data = {.rows = n};
    for (int m = 0; m < margins; m++) {
        data.x[m] = x[m];
        data.lower[m] = data.upper[m] = x[m][0];
        for (int64_t i = 0; i < n; i++) {
            data.lower[m] = fmin(data.lower[m], x[m][i]);
            data.upper[m] = fmax(data.upper[m], x[m][i]);
        }
    }
    return data;
}

static inline w_smooth_spec build_spec(w_smooth_type type, int margins, w_basis_kind basis, int64_t k)
{
    w_smooth_spec spec = {.label = "s(x)", .type = type, .margin_count = margins, .centre = true};
    for (int m = 0; m < margins; m++)
        spec.margin[m] = (w_margin_spec){.basis = basis, .k = k};
    return spec;
}

/* s(x) of one covariate; the status is asserted. */
static inline void build_single(w_arena *arena, w_basis_kind basis, int64_t k, int64_t n, const double *x,
                                bool centre, w_smooth *out)
{
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, basis, k);
    spec.centre = centre;
    w_smooth_data data = build_data(1, n, &x);
    weir_status status = w_smooth_build(arena, &spec, &data, out);
    if (status)
        fail_msg("%s k=%lld: %s", w_basis_name(basis), (long long)k, weir_ctx_message(arena->ctx));
}

static const w_basis_kind build_kinds[] = {W_BASIS_CR, W_BASIS_CS, W_BASIS_CC, W_BASIS_PS,
                                           W_BASIS_CP, W_BASIS_TP, W_BASIS_TS};

#endif
