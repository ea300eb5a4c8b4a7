/* SPDX-License-Identifier: Apache-2.0 */
/* QR with column pivoting and least squares: orthogonality and backward errors at LAPACK's threshold, ranks, normal equations,
 * least norm, scales to the ends of the range. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/views.h"

#define GATE 30.0

static const weir_dtype types[] = { WEIR_F64, WEIR_F32 };

/* Q (m x k) = H_1 ... H_k applied to the first k columns of the identity, in long double. */
static void form_q(const view *a, const double *tau, int64_t k, long double *q)
{
    const int64_t m = a->m.rows;
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i < m; i++) {
            q[i + j * m] = i == j;
        }
        for (int64_t h = k - 1; h >= 0; h--) {
            long double sum = q[h + j * m];
            for (int64_t i = h + 1; i < m; i++) {
                sum += view_get(a, i, h) * q[i + j * m];
            }
            sum *= tau[h];
            q[h + j * m] -= sum;
            for (int64_t i = h + 1; i < m; i++) {
                q[i + j * m] -= sum * view_get(a, i, h);
            }
        }
    }
}

static void check_factor(weir_dtype dtype, const view *a, const int64_t *pivot, const double *tau)
{
    const int64_t m = a->m.rows, n = a->m.cols, k = m < n ? m : n;
    const double eps = view_eps(dtype);
    long double *q = malloc((size_t)(m * k + 1) * sizeof *q);
    char seen[300] = { 0 };
    form_q(a, tau, k, q);
    for (int64_t j = 0; j < n; j++) {
        assert_in_range(pivot[j], 0, n - 1);
        assert_false(seen[pivot[j]]);
        seen[pivot[j]] = 1;
        double norm = 0.0, error = 0.0;
        for (int64_t i = 0; i < m; i++) {
            long double sum = -(long double)view_was(a, i, pivot[j]);
            for (int64_t h = 0; h <= j && h < k; h++) {
                sum += q[i + h * m] * view_get(a, h, j);
            }
            norm += fabs(view_was(a, i, pivot[j]));
            error += (double)fabsl(sum);
        }
        assert_true(error <= GATE * (double)(m > n ? m : n) * eps * norm); /* column by column */
    }
    for (int64_t j = 0; j < k; j++) {
        assert_true(tau[j] == 0.0 || (tau[j] >= 1.0 - eps && tau[j] <= 2.0 + eps));
        double error = 0.0, below = 0.0;
        for (int64_t h = 0; h < k; h++) {
            long double sum = j == h ? -1.0L : 0.0L;
            for (int64_t i = 0; i < m; i++) {
                sum += q[i + j * m] * q[i + h * m];
            }
            error += (double)fabsl(sum);
        }
        assert_true(error <= GATE * (double)m * eps);
        /* r_jj is no less than what the columns after it have left: the norms in use are good to a tenth. */
        for (int64_t c = j; c < n; c++) {
            below = 0.0;
            for (int64_t i = j; i <= c && i < k; i++) {
                below = hypot(below, view_get(a, i, c));
            }
            assert_true(below <= 1.1 * fabs(view_get(a, j, j)) + GATE * (double)m * eps * fabs(view_get(a, 0, 0)));
        }
    }
    free(q);
}

static void check_geqp3(weir_ctx *ctx, weir_dtype dtype, view_kind what, int64_t m, int64_t n, int layout)
{
    view a = view_make(dtype, m, n, layout);
    int64_t pivot[300];
    double tau[300];
    float single[300];
    view_fill(&a, what, (uint64_t)(m * 7 + n));
    view_keep(&a);
    const int64_t bytes = weir_geqp3_bytes(ctx, &a.m);
    void *work = malloc((size_t)(bytes > 0 ? bytes : 1));
    assert_int_equal(weir_geqp3(ctx, &a.m, pivot, dtype == WEIR_F32 ? (void *)single : (void *)tau, work, bytes), WEIR_OK);
    for (int64_t i = 0; dtype == WEIR_F32 && i < m && i < n; i++) {
        tau[i] = (double)single[i];
    }
    view_gaps_kept(&a);
    check_factor(dtype, &a, pivot, tau);
    free(work);
    view_free(&a);
}

static void test_geqp3(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int d = 0; d < 2; d++) {
        for (int64_t n = 0; n <= 40; n++) {
            check_geqp3(ctx, types[d], KIND_NORMAL, n, n, (int)n % VIEW_LAYOUTS);
            check_geqp3(ctx, types[d], KIND_NORMAL, n + 9, n, (int)n % VIEW_LAYOUTS);
            check_geqp3(ctx, types[d], KIND_NORMAL, n, n + 9, (int)n % VIEW_LAYOUTS);
        }
        for (int what = 0; what < KINDS; what++) {
            check_geqp3(ctx, types[d], (view_kind)what, 34, 33, what % VIEW_LAYOUTS);
            check_geqp3(ctx, types[d], (view_kind)what, 70, 50, 0);
        }
    }
    weir_ctx_destroy(ctx);
}

/* Normal equations A'(b - A x) = 0 and, for less than full column rank, x in the range of A', by what they lose to rounding. */
typedef struct known {
    int64_t m, n, rank, count;
    double small; /* size of what is left of the columns beyond the rank, relative */
    int scale;
} known;

/* A = F G with F m x rank, G rank x n normal: of rank `rank`. */
static void make_known(const view *a, const known *q)
{
    view f = view_make(WEIR_F64, q->m, q->rank, 0), g = view_make(WEIR_F64, q->rank, q->n, 0);
    view_fill(&f, KIND_NORMAL, 11);
    view_fill(&g, KIND_NORMAL, 12);
    w_rng rng;
    w_rng_seed(&rng, 13);
    for (int64_t j = 0; j < q->n; j++) {
        for (int64_t i = 0; i < q->m; i++) {
            double sum = q->small * w_rng_normal(&rng);
            for (int64_t k = 0; k < q->rank; k++) {
                sum += view_get(&f, i, k) * view_get(&g, k, j) / sqrt((double)q->rank);
            }
            view_set(a, i, j, ldexp(sum, q->scale));
        }
    }
    view_free(&f);
    view_free(&g);
}

static double norm_of(const view *a)
{
    double norm = 0.0;
    for (int64_t j = 0; j < a->m.cols; j++) {
        for (int64_t i = 0; i < a->m.rows; i++) {
            norm = hypot(norm, view_get(a, i, j));
        }
    }
    return norm;
}

static void check_lstsq(weir_ctx *ctx, weir_dtype dtype, known q, int layout)
{
    view a = view_make(dtype, q.m, q.n, layout), b = view_make(dtype, q.m, q.count, (layout + 1) % VIEW_LAYOUTS);
    view x = view_make(dtype, q.n, q.count, (layout + 3) % VIEW_LAYOUTS);
    const int64_t least = q.m < q.n ? q.m : q.n;
    const double eps = view_eps(dtype), tolerance = q.small > 0.0 ? 100.0 * q.small : 0.0;
    weir_lstsq_report report;
    make_known(&a, &q);
    view_fill(&b, KIND_NORMAL, 6);
    view_keep(&a);
    view_keep(&b);
    view_keep(&x);
    const int64_t bytes = weir_lstsq_bytes(ctx, &a.m, &b.m, &x.m);
    void *work = malloc((size_t)bytes + 1);
    const weir_status status = weir_lstsq(ctx, &a.m, &b.m, &x.m, tolerance, &report, work, bytes);
    assert_int_equal(status, q.rank < least ? WEIR_RANK_DEFICIENT : WEIR_OK);
    assert_int_equal(report.rank, q.rank);
    assert_true(view_all_kept(&a) && view_all_kept(&b));
    view_gaps_kept(&x);
    const double a_norm = norm_of(&a), slack = GATE * (double)(q.m + q.n) * eps + 100.0 * q.small;
    double most = 0.0;
    for (int64_t c = 0; c < q.count; c++) {
        long double residual[600], r_norm = 0.0L, b_norm = 0.0L, x_norm = 0.0L;
        for (int64_t i = 0; i < q.m; i++) {
            residual[i] = view_get(&b, i, c);
            b_norm = hypotl(b_norm, residual[i]);
            for (int64_t j = 0; j < q.n; j++) {
                residual[i] -= (long double)view_get(&a, i, j) * view_get(&x, j, c);
            }
            r_norm = hypotl(r_norm, residual[i]);
        }
        for (int64_t j = 0; j < q.n; j++) {
            long double sum = 0.0L;
            for (int64_t i = 0; i < q.m; i++) {
                sum += view_get(&a, i, j) * residual[i];
            }
            x_norm = hypotl(x_norm, view_get(&x, j, c));
            assert_true(fabsl(sum) <= slack * a_norm * (double)(b_norm + a_norm * x_norm));
        }
        most = fmax(most, (double)r_norm);
        /* In the range of A' = G'F': orthogonal to what G sends to zero, found by removing from x its part along G's rows. */
        if (q.rank < q.n) {
            view g = view_make(WEIR_F64, q.rank, q.n, 0);
            view_fill(&g, KIND_NORMAL, 12);
            long double *rest = malloc((size_t)(q.n + 1) * sizeof *rest), *basis = malloc((size_t)(q.rank * q.n + 1) * sizeof *rest);
            for (int64_t j = 0; j < q.n; j++) {
                rest[j] = view_get(&x, j, c);
            }
            for (int64_t k = 0; k < q.rank; k++) {
                for (int64_t j = 0; j < q.n; j++) {
                    basis[j + k * q.n] = view_get(&g, k, j);
                }
                for (int pass = 0; pass < 2; pass++) {
                    for (int64_t h = 0; h < k; h++) {
                        long double dot = 0.0L;
                        for (int64_t j = 0; j < q.n; j++) {
                            dot += basis[j + k * q.n] * basis[j + h * q.n];
                        }
                        for (int64_t j = 0; j < q.n; j++) {
                            basis[j + k * q.n] -= dot * basis[j + h * q.n];
                        }
                    }
                }
                long double size = 0.0L, dot = 0.0L;
                for (int64_t j = 0; j < q.n; j++) {
                    size = hypotl(size, basis[j + k * q.n]);
                }
                for (int64_t j = 0; j < q.n; j++) {
                    basis[j + k * q.n] /= size;
                    dot += basis[j + k * q.n] * rest[j];
                }
                for (int64_t j = 0; j < q.n; j++) {
                    rest[j] -= dot * basis[j + k * q.n];
                }
            }
            for (int64_t j = 0; j < q.n; j++) {
                assert_true(fabsl(rest[j]) <= (slack * 30.0 + 1000.0 * q.small) * (double)x_norm);
            }
            free(basis);
            free(rest);
            view_free(&g);
        }
    }
    assert_true(fabs(report.residual - most) <= slack * (most + norm_of(&b)) * 10.0);
    free(work);
    view_free(&a);
    view_free(&b);
    view_free(&x);
}

static void test_lstsq(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int d = 0; d < 2; d++) {
        const double small = types[d] == WEIR_F32 ? 1e-6 : 1e-13;
        for (int64_t n = 1; n <= 20; n++) {
            const int layout = (int)n % VIEW_LAYOUTS;
            check_lstsq(ctx, types[d], (known){ 3 * n, n, n, 2, 0.0, 0 }, layout);
            check_lstsq(ctx, types[d], (known){ n, 3 * n, n, 2, 0.0, 0 }, layout);
            check_lstsq(ctx, types[d], (known){ 2 * n, n, (n + 1) / 2, 2, small, 0 }, layout);
            check_lstsq(ctx, types[d], (known){ n, 2 * n, (n + 1) / 2, 2, small, 0 }, layout);
        }
        check_lstsq(ctx, types[d], (known){ 500, 60, 60, 5, 0.0, 0 }, 1);
        check_lstsq(ctx, types[d], (known){ 500, 60, 41, 5, small, 0 }, 1);
        check_lstsq(ctx, types[d], (known){ 60, 300, 60, 5, 0.0, 0 }, 1);
        check_lstsq(ctx, types[d], (known){ 60, 300, 23, 5, small, 0 }, 0);
    }
    weir_ctx_destroy(ctx);
}

/* A and B at the ends of the range: X is the same but for the power of two, to the last bit. */
static void test_scales(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double first[16];
    const int scales[] = { 0, 990, -990, 500, -500 };
    for (int s = 0; s < 5; s++) {
        view a = view_make(WEIR_F64, 30, 8, VIEW_ROWS), b = view_make(WEIR_F64, 30, 2, VIEW_ROWS), x = view_make(WEIR_F64, 8, 2, 0);
        view_fill(&a, KIND_NORMAL, 1);
        view_fill(&b, KIND_NORMAL, 2);
        for (int i = 0; i < 240; i++) {
            view_set(&a, i / 8, i % 8, ldexp(view_get(&a, i / 8, i % 8), scales[s]));
        }
        assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, 0.0, NULL, NULL, 0), WEIR_OK);
        for (int i = 0; i < 16; i++) {
            if (s == 0) {
                first[i] = view_get(&x, i % 8, i / 8);
            }
            assert_true(fabs(ldexp(view_get(&x, i % 8, i / 8), scales[s]) - first[i]) <= 1e-13 * fabs(first[i]) + 1e-14);
        }
        view_free(&a);
        view_free(&b);
        view_free(&x);
    }
    weir_ctx_destroy(ctx);
}

static void test_special(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    view a = view_make(WEIR_F32, 6, 4, VIEW_ROWS), b = view_make(WEIR_F32, 6, 2, VIEW_ROWS), x = view_make(WEIR_F32, 4, 2, VIEW_ROWS);
    weir_lstsq_report report;
    view_fill(&a, KIND_ZERO, 1);
    view_fill(&b, KIND_NORMAL, 2);
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, 0.0, &report, NULL, 0), WEIR_RANK_DEFICIENT);
    assert_int_equal(report.rank, 0);
    for (int i = 0; i < 8; i++) {
        assert_true(view_get(&x, i / 2, i % 2) == 0.0);
    }
    view_fill(&a, KIND_NORMAL, 1);
    view_set(&a, 2, 2, NAN);
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, 0.0, &report, NULL, 0), WEIR_RANK_DEFICIENT);
    for (int i = 0; i < 8; i++) {
        assert_true(isnan(view_get(&x, i / 2, i % 2)));
    }
    view_set(&a, 2, 2, 1.0);
    view_set(&b, 1, 1, INFINITY);
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, 0.0, &report, NULL, 0), WEIR_OK);
    bool seen = false;
    for (int i = 0; i < 4; i++) {
        seen = seen || !isfinite(view_get(&x, i, 1));
        assert_true(isfinite(view_get(&x, i, 0)));
    }
    assert_true(seen);
    view_set(&b, 1, 1, 0.0);
    view_set(&b, 5, 0, NAN);
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, 0.0, &report, NULL, 0), WEIR_OK);
    for (int i = 0; i < 4; i++) {
        assert_true(isnan(view_get(&x, i, 0)) && isfinite(view_get(&x, i, 1)));
    }
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, 1.5, &report, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, &x.m, NAN, &report, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_lstsq(ctx, &a.m, &x.m, &b.m, 0.0, &report, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_lstsq(ctx, &a.m, &b.m, NULL, 0.0, &report, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_geqp3(ctx, &a.m, NULL, NULL, NULL, 0), WEIR_E_ARG);
    view_free(&a);
    view_free(&b);
    view_free(&x);
    weir_ctx_destroy(ctx);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    (void)arg;
    view a = view_make(WEIR_F64, 20, 9, VIEW_STRIDED), b = view_make(WEIR_F64, 20, 3, VIEW_ROWS), x = view_make(WEIR_F64, 9, 3, 0);
    int64_t pivot[9];
    double tau[9];
    view_fill(&a, KIND_LOW_RANK, 1);
    view_fill(&b, KIND_NORMAL, 2);
    weir_status status = weir_lstsq(ctx, &a.m, &b.m, &x.m, 0.0, NULL, NULL, 0);
    status = status < 0 ? status : weir_geqp3(ctx, &a.m, pivot, tau, NULL, 0);
    view_free(&a);
    view_free(&b);
    view_free(&x);
    return status;
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    assert_int_equal(test_each_allocation_fails(ctx, fallible, NULL), 2);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_geqp3), cmocka_unit_test(test_lstsq), cmocka_unit_test(test_scales), cmocka_unit_test(test_special),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
