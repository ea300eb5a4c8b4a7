/* SPDX-License-Identifier: Apache-2.0 */
/* Triangular systems, Cholesky, LU, solves and eigenvalues of weir/linalg.h: both types, every layout with poison between the
 * elements, sizes around every block, backward errors by their bounds, workspaces, refusals, failing allocations. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "support/views.h"

static const weir_dtype types[] = { WEIR_F64, WEIR_F32 };

/* A workspace of exactly the bytes told, at an odd address, so that a sanitizer sees what lies beyond. */
static void *room(int64_t bytes) { return malloc((size_t)(bytes > 0 ? bytes : 1)); }

/* ---- triangular ---------------------------------------------------------------------------------------------------- */

typedef struct triangle {
    weir_side side;
    weir_uplo uplo;
    weir_trans trans;
    weir_diag diag;
} triangle;

static double entry(const triangle *t, const view *a, int64_t i, int64_t j)
{
    const int64_t r = t->trans == WEIR_TRANS ? j : i, c = t->trans == WEIR_TRANS ? i : j;
    if (r == c) {
        return t->diag == WEIR_UNIT ? 1.0 : view_get(a, r, c);
    }
    return (r < c) == (t->uplo == WEIR_UPPER) ? view_get(a, r, c) : 0.0;
}

static void make_triangle(const triangle *t, const view *a, int scale)
{
    const int64_t n = a->m.rows;
    view_fill(a, KIND_NORMAL, (uint64_t)(7 + n));
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < n; i++) {
            const bool used = i == j ? t->diag != WEIR_UNIT : (i < j) == (t->uplo == WEIR_UPPER);
            view_set(a, i, j, !used ? NAN : ldexp(i == j ? 2.0 + 0.1 * view_get(a, i, j) : view_get(a, i, j) / (double)n, scale));
        }
    }
}

static void check_trsm(weir_ctx *ctx, weir_dtype dtype, triangle t, int64_t n, int64_t count, int a_layout, int b_layout, int scale)
{
    const bool right = t.side == WEIR_RIGHT;
    view a = view_make(dtype, n, n, a_layout), b = view_make(dtype, right ? count : n, right ? n : count, b_layout);
    int64_t info = -1;
    make_triangle(&t, &a, t.diag == WEIR_UNIT ? 0 : scale);
    view_fill(&b, KIND_NORMAL, 9);
    for (int64_t i = 0; scale > 0 && i < b.m.rows * b.m.cols; i++) { /* so that X is of moderate size */
        view_set(&b, i % b.m.rows, i / b.m.rows, ldexp(view_get(&b, i % b.m.rows, i / b.m.rows), t.diag == WEIR_UNIT ? 0 : scale));
    }
    view_keep(&a);
    view_keep(&b);
    const int64_t bytes = weir_trsm_bytes(ctx, t.side, &a.m, &b.m);
    void *work = room(bytes);
    assert_int_equal(weir_trsm(ctx, t.side, t.uplo, t.trans, t.diag, &a.m, &b.m, &info, work, bytes), WEIR_OK);
    assert_int_equal(info, 0);
    assert_true(view_all_kept(&a));
    view_gaps_kept(&b);
    for (int64_t i = 0; i < b.m.rows; i++) {
        for (int64_t j = 0; j < b.m.cols; j++) {
            long double sum = 0.0L, size = 0.0L;
            for (int64_t k = 0; k < n; k++) {
                const long double product = right ? (long double)view_get(&b, i, k) * entry(&t, &a, k, j)
                                                  : (long double)entry(&t, &a, i, k) * view_get(&b, k, j);
                sum += product;
                size += fabsl(product);
            }
            if (!(fabsl(sum - view_was(&b, i, j)) <= (double)(n + 4) * view_eps(dtype) * (double)size)) {
                fail_msg("n %lld count %lld side %d uplo %d trans %d diag %d layouts %d %d scale %d: %g over %g", (long long)n, (long long)count,
                         (int)t.side, (int)t.uplo, (int)t.trans, (int)t.diag, a_layout, b_layout, scale,
                         (double)(sum - view_was(&b, i, j)), (double)size);
            }
        }
    }
    free(work);
    view_free(&b);
    view_free(&a);
}

static void test_trsm(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int d = 0; d < 2; d++) {
        for (int form = 0; form < 16; form++) {
            const triangle t = { form & 1, form >> 1 & 1, form >> 2 & 1, form >> 3 & 1 };
            for (int64_t n = 0; n <= 34; n++) {
                check_trsm(ctx, types[d], t, n, n % 6, (int)(n + form) % VIEW_LAYOUTS, (int)(n / 5 + form) % VIEW_LAYOUTS, 0);
            }
            for (int layouts = 0; layouts < VIEW_LAYOUTS * VIEW_LAYOUTS; layouts++) {
                check_trsm(ctx, types[d], t, 11, layouts % 2 ? 9 : 2, layouts % VIEW_LAYOUTS, layouts / VIEW_LAYOUTS, 0);
            }
            check_trsm(ctx, types[d], t, 145, 20, form % 2, form / 2 % 2, 0);
            check_trsm(ctx, types[d], t, 10, 9, form % 3, form % 2, types[d] == WEIR_F32 ? 125 : 1020); /* no normal reciprocals */
            check_trsm(ctx, types[d], t, 10, 9, form % 3, form % 2, types[d] == WEIR_F32 ? -110 : -1000);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_trsm_zero(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    view a = view_make(WEIR_F64, 6, 6, VIEW_ROWS), b = view_make(WEIR_F64, 6, 2, VIEW_COLUMNS);
    int64_t info = -1;
    view_fill(&a, KIND_NORMAL, 1);
    view_fill(&b, KIND_NORMAL, 2);
    view_set(&a, 3, 3, 0.0);
    view_keep(&b);
    assert_int_equal(weir_trsm(ctx, WEIR_LEFT, WEIR_UPPER, WEIR_NO_TRANS, WEIR_NON_UNIT, &a.m, &b.m, &info, NULL, 0), WEIR_E_NUMERIC);
    assert_int_equal(info, 4);
    assert_true(view_all_kept(&b));
    assert_int_equal(weir_trsm(ctx, WEIR_LEFT, WEIR_UPPER, WEIR_NO_TRANS, WEIR_UNIT, &a.m, &b.m, NULL, NULL, 0), WEIR_OK);
    view_free(&a);
    view_free(&b);
    weir_ctx_destroy(ctx);
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------------ */

/* M'M of a normal matrix plus a diagonal, times 2^scale; the other triangle NaN. */
static void make_definite(const view *a, weir_uplo uplo, int scale)
{
    const int64_t n = a->m.rows;
    view m = view_make(a->m.dtype, n, n, VIEW_COLUMNS);
    view_fill(&m, KIND_NORMAL, (uint64_t)(n + 3));
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < n; i++) {
            double sum = i == j ? 0.1 : 0.0;
            for (int64_t k = 0; k < n; k++) {
                sum += view_get(&m, k, i) * view_get(&m, k, j);
            }
            view_set(a, i, j, i == j || (i < j) == (uplo == WEIR_UPPER) ? ldexp(sum, scale) : NAN);
        }
    }
    view_free(&m);
}

static void check_potrf(weir_ctx *ctx, weir_dtype dtype, weir_uplo uplo, int64_t n, int layout, int scale)
{
    view a = view_make(dtype, n, n, layout), b = view_make(dtype, n, 3, (layout + 1) % VIEW_LAYOUTS);
    int64_t info = -1;
    make_definite(&a, uplo, scale);
    view_fill(&b, KIND_NORMAL, 5);
    view_keep(&a);
    view_keep(&b);
    const int64_t bytes = weir_potrf_bytes(ctx, &a.m), solve_bytes = weir_potrs_bytes(ctx, &a.m, &b.m);
    void *work = room(bytes > solve_bytes ? bytes : solve_bytes);
    assert_int_equal(weir_potrf(ctx, uplo, &a.m, &info, work, bytes), WEIR_OK);
    assert_int_equal(info, 0);
    view_gaps_kept(&a);
    assert_int_equal(weir_potrs(ctx, uplo, &a.m, &b.m, work, solve_bytes), WEIR_OK);
    view_gaps_kept(&b);
    double norm = 0.0;
    for (int64_t j = 0; j < n; j++) {
        double column = 0.0;
        for (int64_t i = 0; i < n; i++) {
            const bool used = i == j || (i < j) == (uplo == WEIR_UPPER);
            column += fabs(used ? view_was(&a, i, j) : view_was(&a, j, i));
            if (!used) {
                assert_true(isnan(view_get(&a, i, j)));
                continue;
            }
            long double sum = 0.0L, size = 0.0L;
            for (int64_t k = 0; k <= (i < j ? i : j); k++) {
                const long double product = uplo == WEIR_UPPER ? (long double)view_get(&a, k, i) * view_get(&a, k, j)
                                                               : (long double)view_get(&a, i, k) * view_get(&a, j, k);
                sum += product;
                size += fabsl(product);
            }
            assert_true(fabsl(sum - view_was(&a, i, j)) <= (double)(n + 4) * view_eps(dtype) * (double)size);
        }
        norm = fmax(norm, column);
    }
    for (int64_t j = 0; j < 3; j++) {
        double most = 0.0;
        for (int64_t i = 0; i < n; i++) {
            most = fmax(most, fabs(view_get(&b, i, j)));
        }
        for (int64_t i = 0; i < n; i++) {
            long double sum = -(long double)view_was(&b, i, j);
            for (int64_t k = 0; k < n; k++) {
                const bool used = i == k || (i < k) == (uplo == WEIR_UPPER);
                sum += (long double)(used ? view_was(&a, i, k) : view_was(&a, k, i)) * view_get(&b, k, j);
            }
            assert_true(fabsl(sum) <= 30.0 * (double)n * view_eps(dtype) * (norm * most + fabs(view_was(&b, i, j))));
        }
    }
    free(work);
    view_free(&b);
    view_free(&a);
}

static void test_potrf(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int d = 0; d < 2; d++) {
        for (int64_t n = 0; n <= 70; n++) {
            check_potrf(ctx, types[d], n % 2 ? WEIR_UPPER : WEIR_LOWER, n, (int)(n / 2) % VIEW_LAYOUTS, 0);
        }
        for (int layout = 0; layout < VIEW_LAYOUTS; layout++) {
            check_potrf(ctx, types[d], WEIR_UPPER, 143 + layout % 3, layout, 0);
            check_potrf(ctx, types[d], WEIR_LOWER, 13, layout, types[d] == WEIR_F32 ? 100 : 1000);
            check_potrf(ctx, types[d], WEIR_LOWER, 13, layout, types[d] == WEIR_F32 ? -80 : -900);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_potrf_indefinite(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const double bad[] = { -1.0, 0.0, NAN, INFINITY, -INFINITY };
    for (int64_t at = 0; at < 40; at += 3) {
        for (int b = 0; b < 5; b++) {
            view a = view_make(WEIR_F64, 40, 40, (int)at % VIEW_LAYOUTS);
            int64_t info = -1;
            view_fill(&a, KIND_IDENTITY, 1);
            view_set(&a, at, at, bad[b]);
            assert_int_equal(weir_potrf(ctx, WEIR_LOWER, &a.m, &info, NULL, 0), WEIR_E_NUMERIC);
            assert_int_equal(info, at + 1);
            assert_non_null(strstr(weir_ctx_message(ctx), "not positive definite"));
            view_free(&a);
        }
    }
    weir_ctx_destroy(ctx);
}

/* ---- LU and solves ------------------------------------------------------------------------------------------------- */

/* Largest |PA - LU| over (min + 4) eps |L||U|. */
static double lu_error(const view *a, const int64_t *pivot)
{
    const int64_t m = a->m.rows, n = a->m.cols, least = m < n ? m : n;
    int64_t from[200];
    double worst = 0.0;
    for (int64_t i = 0; i < m; i++) {
        from[i] = i;
    }
    for (int64_t i = 0; i < least; i++) {
        const int64_t keep = from[i];
        assert_in_range(pivot[i], i, m - 1);
        from[i] = from[pivot[i]];
        from[pivot[i]] = keep;
    }
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            long double sum = view_was(a, from[i], j), size = 0.0L;
            for (int64_t k = 0; k <= (i < j ? i : j) && k < least; k++) {
                const long double product = (k == i ? 1.0L : view_get(a, i, k)) * view_get(a, k, j);
                sum -= product;
                size += fabsl(product);
            }
            const double bound = (double)(least + 4) * view_eps(a->m.dtype) * (double)size;
            worst = fmax(worst, sum == 0.0L ? 0.0 : (double)fabsl(sum) / bound);
        }
    }
    return worst;
}

static void check_getrf(weir_ctx *ctx, weir_dtype dtype, view_kind what, int64_t m, int64_t n, int layout)
{
    view a = view_make(dtype, m, n, layout), b = view_make(dtype, m, 4, (layout + 2) % VIEW_LAYOUTS);
    int64_t pivot[200], info = -1;
    view_fill(&a, what, (uint64_t)(m + n));
    view_fill(&b, KIND_NORMAL, 2);
    view_keep(&a);
    const int64_t bytes = weir_getrf_bytes(ctx, &a.m);
    void *work = room(bytes);
    const weir_status status = weir_getrf(ctx, &a.m, pivot, &info, work, bytes);
    assert_true(status == (info ? WEIR_RANK_DEFICIENT : WEIR_OK));
    assert_true(what != KIND_NORMAL || info == 0);
    view_gaps_kept(&a);
    assert_true(lu_error(&a, pivot) <= 1.0);
    for (int trans = 0; m == n && info == 0 && trans < 2; trans++) {
        view_keep(&b);
        assert_int_equal(weir_getrs(ctx, trans ? WEIR_TRANS : WEIR_NO_TRANS, &a.m, pivot, &b.m, NULL, NULL, 0), WEIR_OK);
        view_gaps_kept(&b);
        for (int64_t i = 0; what == KIND_NORMAL && i < n; i++) {
            for (int64_t j = 0; j < 4; j++) {
                long double sum = -(long double)view_was(&b, i, j), size = fabsl(sum);
                for (int64_t k = 0; k < n; k++) {
                    const long double product = (trans ? view_was(&a, k, i) : view_was(&a, i, k)) * (long double)view_get(&b, k, j);
                    sum += product;
                    size += fabsl(product);
                }
                /* |L||U| of a normal matrix is a few times |A|; rows of A here are taken with the largest of X. */
                assert_true(fabsl(sum) <= 60.0 * (double)n * view_eps(dtype) * (double)size);
            }
        }
    }
    free(work);
    view_free(&b);
    view_free(&a);
}

static void test_getrf(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int d = 0; d < 2; d++) {
        for (int64_t n = 0; n <= 70; n++) {
            check_getrf(ctx, types[d], KIND_NORMAL, n, n, (int)n % VIEW_LAYOUTS);
            check_getrf(ctx, types[d], KIND_NORMAL, n, n / 2 + 3, (int)n % VIEW_LAYOUTS);
            check_getrf(ctx, types[d], KIND_NORMAL, n / 2 + 3, n, (int)n % VIEW_LAYOUTS);
        }
        for (int what = 0; what < KINDS; what++) {
            for (int layout = 0; layout < VIEW_LAYOUTS; layout++) {
                check_getrf(ctx, types[d], (view_kind)what, 33, 33, layout);
            }
            check_getrf(ctx, types[d], (view_kind)what, 150, 146, what % VIEW_LAYOUTS);
        }
    }
    weir_ctx_destroy(ctx);
}

static void check_solve(weir_ctx *ctx, weir_dtype dtype, view_kind what, int64_t n, int64_t count, int a_layout, int b_layout)
{
    view a = view_make(dtype, n, n, a_layout), b = view_make(dtype, n, count, b_layout);
    weir_solve_report report = { -1.0, -1.0 };
    int64_t info = -1;
    view_fill(&a, what, (uint64_t)(3 * n + 1));
    view_fill(&b, KIND_NORMAL, 8);
    view_keep(&a);
    view_keep(&b);
    const int64_t bytes = weir_solve_bytes(ctx, &a.m, &b.m);
    void *work = room(bytes);
    const weir_status status = weir_solve(ctx, &a.m, &b.m, &report, &info, work, bytes);
    assert_true(view_all_kept(&a));
    view_gaps_kept(&b);
    if (info) {
        assert_int_equal(status, WEIR_E_NUMERIC);
        assert_true(view_all_kept(&b));
    } else {
        assert_int_equal(status, WEIR_OK);
        assert_true(n == 0 || report.condition >= 0.9);
        assert_true(report.backward_error <= 30.0 * (double)(n + 1) * view_eps(dtype));
    }
    free(work);
    view_free(&b);
    view_free(&a);
}

static void test_solve(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int d = 0; d < 2; d++) {
        for (int64_t n = 0; n <= 70; n++) {
            check_solve(ctx, types[d], KIND_NORMAL, n, n % 7, (int)n % VIEW_LAYOUTS, (int)(n / 3) % VIEW_LAYOUTS);
        }
        for (int what = 0; what < KINDS; what++) {
            check_solve(ctx, types[d], (view_kind)what, what == KIND_HILBERT ? 6 : 30, 5, what % VIEW_LAYOUTS, 1);
        }
        check_solve(ctx, types[d], KIND_NORMAL, 290, 9, 1, 1);
    }
    view a = view_make(WEIR_F64, 3, 3, VIEW_ROWS), b = view_make(WEIR_F64, 3, 1, VIEW_ROWS);
    weir_solve_report report;
    const double rows[9] = { 0, 2, 0, 4, 0, 0, 0, 0, -8 };
    for (int i = 0; i < 9; i++) {
        view_set(&a, i / 3, i % 3, rows[i]);
    }
    for (int i = 0; i < 3; i++) {
        view_set(&b, i, 0, 8.0);
    }
    assert_int_equal(weir_solve(ctx, &a.m, &b.m, &report, NULL, NULL, 0), WEIR_OK);
    assert_true(view_get(&b, 0, 0) == 2.0 && view_get(&b, 1, 0) == 4.0 && view_get(&b, 2, 0) == -1.0);
    assert_true(report.backward_error == 0.0 && fabs(report.condition - 4.0) < 1e-12);
    view_set(&a, 2, 2, 0.0);
    int64_t info = 0;
    assert_int_equal(weir_solve(ctx, &a.m, &b.m, NULL, &info, NULL, 0), WEIR_E_NUMERIC);
    assert_int_equal(info, 3);
    view_free(&a);
    view_free(&b);
    weir_ctx_destroy(ctx);
}

/* A NaN or infinity of A or B is to be seen in X. */
static void test_not_finite(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t at = 0; at < 81; at++) {
        view a = view_make(WEIR_F32, 9, 9, VIEW_ROWS), b = view_make(WEIR_F32, 9, 5, VIEW_COLUMNS);
        view_fill(&a, KIND_NORMAL, 4);
        view_fill(&b, KIND_NORMAL, 5);
        view_set(&a, at / 9, at % 9, NAN);
        assert_int_equal(weir_solve(ctx, &a.m, &b.m, NULL, NULL, NULL, 0), WEIR_OK);
        bool seen = false;
        for (int64_t i = 0; i < 45; i++) {
            seen = seen || isnan(view_get(&b, i % 9, i / 9));
        }
        assert_true(seen);
        view_free(&a);
        view_free(&b);
    }
    weir_ctx_destroy(ctx);
}

/* ---- eigenvalues --------------------------------------------------------------------------------------------------- */

static void check_syevd(weir_ctx *ctx, weir_dtype dtype, weir_uplo uplo, int64_t n, int layout)
{
    view a = view_make(dtype, n, n, layout), values = view_make(dtype, n, 1, VIEW_COLUMNS);
    view lone = view_make(dtype, n, n, layout), alone = view_make(dtype, n, 1, VIEW_COLUMNS);
    int64_t info = -1;
    make_definite(&a, uplo, 0);
    make_definite(&lone, uplo, 0);
    view_keep(&a);
    const int64_t bytes = weir_syevd_bytes(ctx, 1, &a.m);
    void *work = room(bytes);
    assert_int_equal(weir_syevd(ctx, 1, uplo, &a.m, values.m.data, &info, work, bytes), WEIR_OK);
    assert_int_equal(weir_syevd(ctx, 0, uplo, &lone.m, alone.m.data, NULL, NULL, 0), WEIR_OK);
    assert_int_equal(info, 0);
    view_gaps_kept(&a);
    const double norm = n ? fabs(view_get(&values, n - 1, 0)) : 0.0, gate = 30.0 * (double)n * view_eps(dtype);
    for (int64_t j = 0; j < n; j++) {
        const double value = view_get(&values, j, 0);
        assert_true(j == 0 || value >= view_get(&values, j - 1, 0));
        assert_true(fabs(value - view_get(&alone, j, 0)) <= gate * norm);
        for (int64_t i = 0; i < n; i++) {
            long double residual = -value * (long double)view_get(&a, i, j), product = i == j ? -1.0L : 0.0L;
            for (int64_t k = 0; k < n; k++) {
                const bool used = i == k || (i < k) == (uplo == WEIR_UPPER);
                residual += (used ? view_was(&a, i, k) : view_was(&a, k, i)) * (long double)view_get(&a, k, j);
                product += (long double)view_get(&a, k, i) * view_get(&a, k, j);
            }
            assert_true(fabsl(residual) <= gate * norm);
            assert_true(fabsl(product) <= gate);
        }
    }
    free(work);
    view_free(&a);
    view_free(&values);
    view_free(&lone);
    view_free(&alone);
}

static void test_syevd(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int d = 0; d < 2; d++) {
        for (int64_t n = 0; n <= 40; n++) {
            check_syevd(ctx, types[d], n % 2 ? WEIR_UPPER : WEIR_LOWER, n, (int)(n / 2) % VIEW_LAYOUTS);
        }
    }
    view a = view_make(WEIR_F64, 5, 5, VIEW_ROWS);
    double values[5];
    view_fill(&a, KIND_IDENTITY, 1);
    view_set(&a, 1, 3, NAN);
    view_keep(&a);
    assert_int_equal(weir_syevd(ctx, 1, WEIR_UPPER, &a.m, values, NULL, NULL, 0), WEIR_E_NUMERIC);
    assert_true(view_all_kept(&a));
    assert_int_equal(weir_syevd(ctx, 1, WEIR_LOWER, &a.m, values, NULL, NULL, 0), WEIR_OK);
    view_free(&a);
    weir_ctx_destroy(ctx);
}

/* ---- arguments, memory, threads ------------------------------------------------------------------------------------ */

static void test_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double data[64] = { 1.0 }, other[64];
    int64_t pivot[8], info = 77;
    weir_matrix good = { data, WEIR_F64, 4, 4, 1, 4 }, b = { other, WEIR_F64, 4, 2, 1, 4 }, bad[8];
    for (int i = 0; i < 8; i++) {
        bad[i] = good;
    }
    bad[0].dtype = WEIR_I32;
    bad[1].rows = -1;
    bad[2].col_stride = 3; /* elements overlap */
    bad[3].row_stride = 0;
    bad[4].data = NULL;
    bad[5].data = (char *)data + 1;
    bad[6].cols = 3;
    bad[7].col_stride = INT64_MAX / 2;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(weir_trsm(ctx, WEIR_LEFT, WEIR_LOWER, WEIR_NO_TRANS, WEIR_UNIT, &bad[i], &b, &info, NULL, 0), WEIR_E_ARG);
        assert_true(weir_ctx_message(ctx)[0] != 0);
        assert_int_equal(weir_potrf(ctx, WEIR_LOWER, &bad[i], &info, NULL, 0), WEIR_E_ARG);
        assert_int_equal(weir_potrs(ctx, WEIR_LOWER, &bad[i], &b, NULL, 0), WEIR_E_ARG);
        assert_int_equal(weir_solve(ctx, &bad[i], &b, NULL, &info, NULL, 0), WEIR_E_ARG);
        assert_int_equal(weir_syevd(ctx, 1, WEIR_LOWER, &bad[i], other, &info, NULL, 0), WEIR_E_ARG);
        assert_true(i == 6 || weir_getrf(ctx, &bad[i], pivot, &info, NULL, 0) == WEIR_E_ARG);
    }
    assert_int_equal(weir_getrf(ctx, &good, NULL, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_getrf(ctx, NULL, pivot, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_syevd(ctx, 1, WEIR_LOWER, &good, NULL, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_potrf(NULL, WEIR_LOWER, &good, &info, NULL, 0), WEIR_E_ARG);
    weir_matrix single = b, tall = b;
    single.dtype = WEIR_F32;
    tall.rows = 5;
    tall.col_stride = 5;
    assert_int_equal(weir_solve(ctx, &good, &single, NULL, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_solve(ctx, &good, &tall, NULL, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_solve(ctx, &good, &b, NULL, &info, other, 8), WEIR_E_ARG);
    pivot[0] = 9;
    assert_int_equal(weir_getrs(ctx, WEIR_TRANS, &good, pivot, &b, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(info, 77);
    weir_matrix vast = { NULL, WEIR_F64, (int64_t)1 << 40, (int64_t)1 << 40, 1, (int64_t)1 << 40 };
    assert_true(weir_solve_bytes(ctx, &vast, &vast) == INT64_MAX);
    assert_true(weir_getrf_bytes(ctx, NULL) == INT64_MAX);
    weir_ctx_destroy(ctx);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    (void)arg;
    view a = view_make(WEIR_F64, 12, 12, VIEW_STRIDED), b = view_make(WEIR_F64, 12, 5, VIEW_STRIDED);
    double values[12];
    int64_t pivot[12];
    weir_solve_report report;
    make_definite(&a, WEIR_UPPER, 0);
    for (int64_t i = 0; i < 144; i++) {
        view_set(&a, i % 12, i / 12, i % 12 > i / 12 ? view_get(&a, i / 12, i % 12) : view_get(&a, i % 12, i / 12));
    }
    view_fill(&b, KIND_NORMAL, 1);
    weir_status status = weir_solve(ctx, &a.m, &b.m, &report, NULL, NULL, 0);
    status = status < 0 ? status : weir_potrf(ctx, WEIR_UPPER, &a.m, NULL, NULL, 0);
    status = status < 0 ? status : weir_potrs(ctx, WEIR_UPPER, &a.m, &b.m, NULL, 0);
    status = status < 0 ? status : weir_trsm(ctx, WEIR_LEFT, WEIR_UPPER, WEIR_TRANS, WEIR_NON_UNIT, &a.m, &b.m, NULL, NULL, 0);
    status = status < 0 ? status : weir_getrf(ctx, &a.m, pivot, NULL, NULL, 0);
    status = status < 0 ? status : weir_getrs(ctx, WEIR_TRANS, &a.m, pivot, &b.m, NULL, NULL, 0);
    status = status < 0 ? status : weir_syevd(ctx, 1, WEIR_UPPER, &a.m, values, NULL, NULL, 0);
    view_free(&a);
    view_free(&b);
    return status;
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    assert_int_equal(test_each_allocation_fails(ctx, fallible, NULL), 7);
    weir_ctx_destroy(ctx);
}

/* With a workspace of the bytes told nothing is allocated; bits do not depend on threads or on where the workspace lies. */
static void test_threads(void **state)
{
    double *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        view a = view_make(WEIR_F64, 500, 500, VIEW_ROWS), b = view_make(WEIR_F64, 500, 60, VIEW_ROWS);
        weir_solve_report report;
        view_fill(&a, KIND_NORMAL, 1);
        view_fill(&b, KIND_NORMAL, 2);
        const int64_t bytes = weir_solve_bytes(ctx, &a.m, &b.m), before = ctx->ledger.allocations;
        char *work = room(bytes + 8);
        assert_int_equal(weir_solve(ctx, &a.m, &b.m, &report, NULL, work + threads, bytes), WEIR_OK);
        assert_true(ctx->ledger.allocations == before);
        if (first) {
            assert_memory_equal(first, b.block, (size_t)b.bytes);
        } else {
            first = malloc((size_t)b.bytes);
            memcpy(first, b.block, (size_t)b.bytes);
        }
        free(work);
        view_free(&a);
        view_free(&b);
        weir_ctx_destroy(ctx);
    }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trsm), cmocka_unit_test(test_trsm_zero), cmocka_unit_test(test_potrf),
        cmocka_unit_test(test_potrf_indefinite), cmocka_unit_test(test_getrf), cmocka_unit_test(test_solve),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_syevd), cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
