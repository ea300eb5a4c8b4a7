/* SPDX-License-Identifier: Apache-2.0 */
/* Batched kernels: against plain loops, the same bits on every instruction set, lanes that fail alone. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/batch_chol.h"

#define MOST 33

static const char *const sets[] = { "portable", "avx2", "avx512" };

/* Sums of `steps` products of seeded rows, in lanes. */
static double *make_sums(const w_batch_kernels *k, int64_t p, int64_t steps, uint64_t seed)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    double *x = malloc((size_t)(steps * p * W_BATCH) * sizeof *x);
    double *sums = calloc((size_t)(w_packed(p) * W_BATCH), sizeof *sums);
    for (int64_t i = 0; i < steps * p * W_BATCH; i++) {
        x[i] = w_rng_normal(&rng);
    }
    k->gram(steps, p, x, sums);
    for (int64_t j = 0; j < p; j++) {
        for (int64_t i = 0; i <= j; i++) {
            for (int l = 0; l < W_BATCH; l++) {
                double plain = 0, size = 0;
                for (int64_t t = 0; t < steps; t++) {
                    const double a = x[(t * p + i) * W_BATCH + l], b = x[(t * p + j) * W_BATCH + l];
                    plain += a * b;
                    size += fabs(a * b);
                }
                assert_true(fabs(sums[(w_packed(j) + i) * W_BATCH + l] - plain) <= 2.0 * (double)steps * DBL_EPSILON * size);
            }
        }
    }
    free(x);
    return sums;
}

static void test_gram_alone(void **state)
{
    (void)state;
    for (int s = 0; s < 3; s++) {
        const w_batch_kernels *k = w_batch_find(sets[s]);
        for (int64_t p = 1; k && p <= MOST; p += 3) {
            const int64_t steps = 19, stride = (p + 7) / 8 * 8;
            double *row = calloc((size_t)(W_BATCH * steps * stride), sizeof *row), *x = malloc((size_t)(steps * p * W_BATCH) * 8);
            double *sums = calloc((size_t)(w_packed(p) * W_BATCH), 8), *alone = calloc((size_t)(stride * stride), 8);
            const double *at[19];
            w_rng rng;
            w_rng_seed(&rng, 5);
            for (int64_t t = 0; t < steps; t++) {
                const double *lane[W_BATCH];
                for (int l = 0; l < W_BATCH; l++) {
                    double *to = row + (l * steps + t) * stride;
                    for (int64_t c = 0; c < p; c++) {
                        to[c] = w_rng_normal(&rng);
                    }
                    lane[l] = to;
                }
                k->interleave(p, lane, x + t * p * W_BATCH);
            }
            k->gram(steps, p, x, sums);
            for (int l = 0; l < W_BATCH; l++) {
                memset(alone, 0, (size_t)(stride * stride) * 8);
                for (int64_t t = 0; t < steps; t++) {
                    at[t] = row + (l * steps + t) * stride;
                }
                k->gram_one(steps, at, at, p, stride, alone);
                for (int64_t j = 0; j < p; j++) {
                    for (int64_t i = 0; i <= j; i++) {
                        assert_memory_equal(&alone[i * stride + j], &sums[(w_packed(j) + i) * W_BATCH + l], 8);
                    }
                }
            }
            free(row), free(x), free(sums), free(alone);
        }
    }
}

typedef struct solved {
    double r[(MOST * (MOST + 1)) / 2 * W_BATCH], inverse[(MOST * (MOST + 1)) / 2 * W_BATCH], sandwich[(MOST * (MOST + 1)) / 2 * W_BATCH];
    double work[(MOST * (MOST + 1)) / 2 * W_BATCH], scale[MOST * W_BATCH], pivot[W_BATCH], x[MOST * W_BATCH], image[MOST * W_BATCH];
    double pull[MOST * W_BATCH], trace[W_BATCH], dot[W_BATCH];
} solved;

/* One penalty for all lanes: second differences. */
static void make_penalty(int64_t p, double *s)
{
    memset(s, 0, (size_t)w_packed(p) * sizeof *s);
    for (int64_t k = 0; k + 2 < p; k++) {
        static const double d[3] = { 1, -2, 1 };
        for (int b = 0; b < 3; b++) {
            for (int a = 0; a <= b; a++) {
                s[w_packed(k + b) + k + a] += d[a] * d[b];
            }
        }
    }
}

static void run(const w_batch_kernels *k, int64_t p, const double *sums, const double *s, const double *b, solved *out)
{
    memset(out, 0, sizeof *out);
    k->factor(p, sums, s, out->r, out->scale, out->pivot);
    k->solve(p, out->r, out->scale, b, out->x);
    k->times(p, sums, out->x, out->image);
    k->times_shared(p, s, out->x, out->pull);
    k->inverse(p, out->r, out->scale, out->inverse, out->work);
    k->trace_shared(p, out->inverse, s, out->trace);
    k->dot(p, out->x, b, out->dot);
    k->sandwich(p, out->inverse, s, out->sandwich, out->work);
}

static void test_solve(void **state)
{
    (void)state;
    static solved at, other;
    for (int64_t p = 1; p <= MOST; p += 4) {
        double *sums = make_sums(&w_batch_portable, p, 80, 7 + (uint64_t)p), s[MOST * (MOST + 1) / 2], b[MOST * W_BATCH];
        make_penalty(p, s);
        for (int64_t i = 0; i < p * W_BATCH; i++) {
            b[i] = sin((double)i);
        }
        run(&w_batch_portable, p, sums, s, b, &at);
        for (int l = 0; l < W_BATCH; l++) {
            assert_true(at.pivot[l] > 0);
            double trace = 0;
            for (int64_t i = 0; i < p; i++) { /* H x = b, H P = I */
                const int64_t e = i * W_BATCH + l;
                assert_true(fabs(at.image[e] + at.pull[e] - b[e]) <= 1e-11);
                for (int64_t j = 0; j < p; j++) {
                    double product = 0;
                    for (int64_t c = 0; c < p; c++) {
                        const int64_t left = i <= c ? w_packed(c) + i : w_packed(i) + c, right = c <= j ? w_packed(j) + c : w_packed(c) + j;
                        product += (sums[left * W_BATCH + l] + s[left]) * at.inverse[right * W_BATCH + l];
                    }
                    assert_true(fabs(product - (i == j)) <= 1e-11);
                    trace += s[i <= j ? w_packed(j) + i : w_packed(i) + j] *
                             at.inverse[(i <= j ? w_packed(j) + i : w_packed(i) + j) * W_BATCH + l];
                }
            }
            assert_true(fabs(trace - at.trace[l]) <= 1e-11);
        }
        for (int n = 1; n < 3; n++) {
            const w_batch_kernels *k = w_batch_find(sets[n]);
            if (k) {
                run(k, p, sums, s, b, &other);
                other.work[0] = at.work[0];
                assert_memory_equal(at.r, other.r, sizeof at.r);
                assert_memory_equal(at.inverse, other.inverse, sizeof at.inverse);
                assert_memory_equal(at.sandwich, other.sandwich, sizeof at.sandwich);
                assert_memory_equal(at.x, other.x, sizeof at.x);
                assert_memory_equal(at.trace, other.trace, sizeof at.trace);
                assert_memory_equal(at.dot, other.dot, sizeof at.dot);
            }
        }
        free(sums);
    }
}

/* What one lane holds never changes the bits of another. */
static void test_lanes(void **state)
{
    (void)state;
    static solved whole, spoilt;
    const int64_t p = 13;
    double *sums = make_sums(&w_batch_portable, p, 40, 3), s[MOST * (MOST + 1) / 2], b[MOST * W_BATCH];
    make_penalty(p, s);
    for (int64_t i = 0; i < p * W_BATCH; i++) {
        b[i] = cos((double)i);
    }
    for (int n = 0; n < 3; n++) {
        const w_batch_kernels *k = w_batch_find(sets[n]);
        if (!k) {
            continue;
        }
        run(k, p, sums, s, b, &whole);
        for (int how = 0; how < 3; how++) {
            double *bad = malloc((size_t)(w_packed(p) * W_BATCH) * sizeof *bad);
            memcpy(bad, sums, (size_t)(w_packed(p) * W_BATCH) * sizeof *bad);
            for (int64_t j = 0; j < p; j++) {
                const int64_t e = (w_packed(j) + (how == 1 ? j : 0)) * W_BATCH + 5;
                bad[e] = how == 0 ? NAN : how == 1 ? -1e9 : INFINITY;
            }
            run(k, p, bad, s, b, &spoilt);
            assert_false(spoilt.pivot[5] > 0);
            for (int64_t i = 0; i < p * W_BATCH; i++) {
                if (i % W_BATCH != 5) {
                    assert_memory_equal(&whole.x[i], &spoilt.x[i], sizeof(double));
                }
            }
            for (int64_t i = 0; i < w_packed(p) * W_BATCH; i++) {
                if (i % W_BATCH != 5) {
                    assert_memory_equal(&whole.inverse[i], &spoilt.inverse[i], sizeof(double));
                    assert_memory_equal(&whole.sandwich[i], &spoilt.sandwich[i], sizeof(double));
                }
            }
            free(bad);
        }
    }
    free(sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gram_alone),
        cmocka_unit_test(test_solve),
        cmocka_unit_test(test_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
