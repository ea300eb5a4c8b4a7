/* SPDX-License-Identifier: Apache-2.0 */
/* Singular values of one matrix and of batches: A = U S V' and orthogonality in long double at 30 n eps, LAPACK's threshold, against the
 * eigenvalues of A'A and each other; matrices that break factorizations side by side in a group; bits, workspaces, refusals. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "support/batches.h"
#include "support/views.h"

#define THRESHOLD 30.0

typedef long double wide;
static const weir_dtype types[] = { WEIR_F64, WEIR_F32 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- what is expected of factors, read by functions ----------------------------------------------------------------- */

typedef struct factors {
    const batch *a, *u, *s, *v; /* s: count x k x 1 */
    int64_t b;
} factors;

/* Elements of A are up to 2^1000 and long double's exponent holds them. */
static void expect_factors(const factors *f)
{
    const int64_t m = f->a->view.matrix.rows, n = f->a->view.matrix.cols, k = least(m, n);
    const double eps = batch_eps(f->a);
    wide norm = 0, error = 0;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            wide sum = -(wide)batch_get(f->a, f->b, i, j);
            norm += sum * sum;
            for (int64_t l = 0; l < k; l++) {
                sum += (wide)batch_get(f->u, f->b, i, l) * batch_get(f->s, f->b, l, 0) * batch_get(f->v, f->b, j, l);
            }
            error += sum * sum;
        }
    }
    const wide gate = THRESHOLD * (wide)most(m, n) * eps, floor_ = (wide)(eps < 1e-10 ? 0x1p-1074 : 0x1p-149) * (wide)(m * n);
    if (!(sqrtl(error) <= gate * sqrtl(norm) + floor_)) {
        fail_msg("A - USV': matrix %lld, %lld x %lld: %Lg of %Lg", (long long)f->b, (long long)m, (long long)n, sqrtl(error), sqrtl(norm));
    }
    for (int64_t l = 0; l < k; l++) {
        const double s = batch_get(f->s, f->b, l, 0);
        assert_true(s >= 0 && (l == 0 || s <= batch_get(f->s, f->b, l - 1, 0)));
    }
}

static void expect_orthonormal(const batch *q, int64_t b, const char *what)
{
    const int64_t rows = q->view.matrix.rows, cols = q->view.matrix.cols;
    for (int64_t j = 0; j < cols; j++) {
        for (int64_t i = 0; i <= j; i++) {
            wide sum = i == j ? -1 : 0;
            for (int64_t l = 0; l < rows; l++) {
                sum += (wide)batch_get(q, b, l, i) * batch_get(q, b, l, j);
            }
            if (!(fabsl(sum) <= THRESHOLD * (wide)rows * batch_eps(q))) {
                fail_msg("%s: matrix %lld of %lld x %lld: %Lg at %lld, %lld", what, (long long)b, (long long)rows, (long long)cols, sum,
                         (long long)i, (long long)j);
            }
        }
    }
}

/* ---- matrices -------------------------------------------------------------------------------------------------------- */

enum { PLAIN, GRADED_COLUMNS, GRADED_ROWS, LOW_RANK, ZERO, ZERO_COLUMN, IDENTITY, HILBERT, HUGE_, TINY, MIXED, REPEATED, TRIANGLE,
       DENORMAL, STEEP, KIND_COUNT };

static void fill(batch *b, int64_t m, int kind, w_rng *rng)
{
    const int64_t rows = b->view.matrix.rows, cols = b->view.matrix.cols;
    const bool single = b->view.matrix.dtype == WEIR_F32;
    const int top = single ? 110 : 1000;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            const double g = w_rng_normal(rng);
            double x = g;
            switch (kind) {
            case GRADED_COLUMNS: x = ldexp(g, (int)-j * (single ? 2 : 6)); break;
            case GRADED_ROWS: x = ldexp(g, (int)-i * (single ? 2 : 6)); break;
            case LOW_RANK: x = sin((double)i + 1) * cos(2.0 * (double)j) + (double)((i * 7 + 3) % 5) * (double)(j % 3); break;
            case ZERO: x = 0; break;
            case ZERO_COLUMN: x = j == cols / 2 ? 0 : g; break;
            case IDENTITY: x = i == j; break;
            case HILBERT: x = 1 / (double)(i + j + 1); break;
            case HUGE_: x = ldexp(g, top); break;
            case TINY: x = ldexp(g, -top); break;
            case MIXED: x = ldexp(g, (i + j) % 3 == 0 ? top : (i + j) % 3 == 1 ? -top : 0); break;
            case REPEATED: x = j % 2 ? batch_get(b, m, i, j - 1) : g; break;
            case TRIANGLE: x = i > j ? 0 : g; break;
            case DENORMAL: x = ldexp(g, single ? -140 : -1065); break;
            case STEEP: x = ldexp(g, (int)(-j * top / most(cols, 1))); break;
            default: break;
            }
            batch_set(b, m, i, j, x);
        }
    }
}

/* ---- batches --------------------------------------------------------------------------------------------------------- */

typedef struct outcome {
    batch u, s, v;
} outcome;

static outcome make_outcome(layout how, const batch *a)
{
    const weir_matrix *m = &a->view.matrix;
    const int64_t k = least(m->rows, m->cols), count = a->view.count;
    return (outcome){ batch_make(how, m->dtype, count, m->rows, k), batch_make(LAYOUT_ROWS, m->dtype, count, k, 1),
                      batch_make(how, m->dtype, count, m->cols, k) };
}

static void drop(outcome *o)
{
    batch_free(&o->u);
    batch_free(&o->s);
    batch_free(&o->v);
}

static void check_batch(weir_ctx *ctx, const batch *a, layout how)
{
    outcome o = make_outcome(how, a), alone = make_outcome(how, a);
    int64_t info[40];
    memset(info, 7, sizeof info);
    assert_int_equal(weir_svd_batched(ctx, &a->view, &o.u.view, o.s.view.matrix.data, &o.v.view, info, NULL, 0), WEIR_OK);
    assert_int_equal(weir_svd_batched(ctx, &a->view, NULL, alone.s.view.matrix.data, NULL, NULL, NULL, 0), WEIR_OK);
    assert_int_equal(weir_svd_batched(ctx, &a->view, &alone.u.view, alone.s.view.matrix.data, NULL, NULL, NULL, 0), WEIR_OK);
    assert_int_equal(weir_svd_batched(ctx, &a->view, NULL, alone.s.view.matrix.data, &alone.v.view, NULL, NULL, 0), WEIR_OK);
    const int64_t longer = most(a->view.matrix.rows, a->view.matrix.cols);
    const bool lanes = least(a->view.matrix.rows, a->view.matrix.cols) <= WEIR_BATCH_SMALL && longer <= 8 * WEIR_BATCH_SMALL;
    for (int64_t b = 0; b < a->view.count; b++) {
        assert_int_equal(info[b], 0);
        expect_factors(&(factors){ a, &o.u, &o.s, &o.v, b });
        expect_orthonormal(&o.u, b, "U'U");
        expect_orthonormal(&o.v, b, "V'V");
        assert_true(!lanes || (batch_same(&o.s, b, &alone.s, b) && batch_same(&o.u, b, &alone.u, b) && batch_same(&o.v, b, &alone.v, b)));
    }
    assert_true(batch_intact(&o.u) && batch_intact(&o.v) && batch_intact(a));
    drop(&o);
    drop(&alone);
}

static void test_shapes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 1);
    for (int64_t n = 0; n <= 40; n++) {
        const int64_t shapes[4][2] = { { n, n }, { n + n / 3 + 1, n }, { n / 2, n }, { 2, n } };
        for (int s = 0; s < 4; s++) {
            const weir_dtype dtype = types[(n + s) % 2];
            const int64_t lanes = weir_batch_lanes(dtype), counts[] = { 1, lanes - 1, lanes + 1, 0, 2 };
            batch a = batch_make((layout)((n + s) % LAYOUTS), dtype, counts[(n + s) % 5], shapes[s][0], shapes[s][1]);
            batch_random(&a, &rng);
            check_batch(ctx, &a, (layout)((n + 2 * s) % LAYOUTS));
            batch_free(&a);
        }
    }
    static const int64_t large[][2] = { { 64, 64 }, { 70, 90 }, { 300, 5 }, { 131, 133 }, { 9, 530 } };
    for (int s = 0; s < 10; s++) {
        batch a = batch_make((layout)(s % LAYOUTS), types[s / 5], 2, large[s % 5][0], large[s % 5][1]);
        batch_random(&a, &rng);
        check_batch(ctx, &a, (layout)((s + 3) % LAYOUTS));
        batch_free(&a);
    }
    weir_ctx_destroy(ctx);
}

static void test_kinds(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static const int64_t shape[][2] = { { 1, 1 }, { 7, 7 }, { 24, 9 }, { 17, 33 }, { 40, 40 } };
    for (int s = 0; s < 10; s++) {
        w_rng rng;
        w_rng_seed(&rng, 2);
        batch a = batch_make(LAYOUT_ROWS, types[s / 5], KIND_COUNT, shape[s % 5][0], shape[s % 5][1]);
        for (int kind = 0; kind < KIND_COUNT; kind++) { /* side by side, in the lanes of a group or two */
            fill(&a, kind, kind, &rng);
        }
        check_batch(ctx, &a, LAYOUT_COLUMNS);
        batch_free(&a);
    }
    weir_ctx_destroy(ctx);
}

/* sigma^2 of a well-conditioned A are the eigenvalues of A'A, each within c n eps ||A||^2. */
static void test_eigenvalues(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int d = 0; d < 2; d++) {
        const int64_t n = 20, m = 31, count = 9;
        w_rng rng;
        w_rng_seed(&rng, 3);
        batch a = batch_make(LAYOUT_ROWS, types[d], count, m, n), gram = batch_make(LAYOUT_ROWS, types[d], count, n, n);
        batch s = batch_make(LAYOUT_ROWS, types[d], count, n, 1), e = batch_make(LAYOUT_ROWS, types[d], count, n, 1);
        batch_random(&a, &rng);
        assert_int_equal(weir_multiply_batched(ctx, WEIR_TRANS, WEIR_NO_TRANS, &a.view, &a.view, &gram.view, NULL, 0), WEIR_OK);
        assert_int_equal(weir_eigh_batched(ctx, WEIR_LOWER, &gram.view, e.view.matrix.data, NULL, NULL, NULL, 0), WEIR_OK);
        assert_int_equal(weir_svd_batched(ctx, &a.view, NULL, s.view.matrix.data, NULL, NULL, NULL, 0), WEIR_OK);
        for (int64_t b = 0; b < count; b++) {
            const double top = batch_get(&e, b, n - 1, 0);
            for (int64_t i = 0; i < n; i++) {
                const double sigma = batch_get(&s, b, i, 0);
                assert_true(fabs(sigma * sigma - batch_get(&e, b, n - 1 - i, 0)) <= THRESHOLD * (double)m * batch_eps(&a) * top);
            }
        }
        batch_free(&a), batch_free(&gram), batch_free(&s), batch_free(&e);
    }
    weir_ctx_destroy(ctx);
}

/* A NaN or an infinity anywhere in a matrix: NaN are its results, the neighbours keep their bits; and a matrix alone, or beside one that
 * needs far more rotations, has the same ones. */
static void test_lanes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int d = 0; d < 4; d++) {
        const int64_t n = 6, m = d < 2 ? 9 : 4, count = 18;
        w_rng rng;
        w_rng_seed(&rng, 4);
        batch a = batch_make(LAYOUT_ROWS, types[d % 2], count, m, n);
        for (int64_t b = 0; b < count; b++) {
            fill(&a, b, (int)(b % KIND_COUNT), &rng);
        }
        outcome due = make_outcome(LAYOUT_ROWS, &a), got = make_outcome(LAYOUT_ROWS, &a);
        int64_t info[18];
        assert_int_equal(weir_svd_batched(ctx, &a.view, &due.u.view, due.s.view.matrix.data, &due.v.view, info, NULL, 0), WEIR_OK);
        for (int64_t e = 0; e < m * n; e++) {
            const int64_t bad = e % count;
            const double was = batch_get(&a, bad, e / n, e % n);
            batch_set(&a, bad, e / n, e % n, e % 2 ? (double)NAN : (double)-INFINITY);
            assert_int_equal(weir_svd_batched(ctx, &a.view, &got.u.view, got.s.view.matrix.data, &got.v.view, info, NULL, 0), WEIR_E_NUMERIC);
            for (int64_t b = 0; b < count; b++) {
                assert_int_equal(info[b], b == bad);
                assert_true(b == bad ? isnan(batch_get(&got.s, b, 0, 0)) && isnan(batch_get(&got.u, b, m - 1, 1)) &&
                                           isnan(batch_get(&got.v, b, n - 1, 2))
                                     : batch_same(&due.s, b, &got.s, b) && batch_same(&due.u, b, &got.u, b) && batch_same(&due.v, b, &got.v, b));
            }
            batch_set(&a, bad, e / n, e % n, was);
        }
        for (int64_t b = 0; b < count; b++) {
            batch one = batch_make(LAYOUT_INTERLEAVED, types[d % 2], 1, m, n);
            for (int64_t e = 0; e < m * n; e++) {
                batch_set(&one, 0, e / n, e % n, batch_get(&a, b, e / n, e % n));
            }
            outcome o = make_outcome(LAYOUT_GAPS, &one);
            assert_int_equal(weir_svd_batched(ctx, &one.view, &o.u.view, o.s.view.matrix.data, &o.v.view, info, NULL, 0), WEIR_OK);
            assert_true(batch_same(&due.s, b, &o.s, 0) && batch_same(&due.u, b, &o.u, 0) && batch_same(&due.v, b, &o.v, 0));
            drop(&o);
            batch_free(&one);
        }
        drop(&due), drop(&got);
        batch_free(&a);
    }
    weir_ctx_destroy(ctx);
}

/* ---- one matrix ------------------------------------------------------------------------------------------------------ */

static void check_one(weir_ctx *ctx, weir_dtype dtype, int64_t m, int64_t n, int kind, int how)
{
    const int64_t k = least(m, n);
    view a = view_make(dtype, m, n, how), u = view_make(dtype, m, k, (how + 1) % VIEW_LAYOUTS), v = view_make(dtype, n, k, (how + 2) % VIEW_LAYOUTS);
    batch b = batch_make(LAYOUT_ROWS, dtype, 1, m, n), values = batch_make(LAYOUT_ROWS, dtype, 1, k, 1), alone = batch_like(&values);
    batch left = batch_make(LAYOUT_ROWS, dtype, 1, m, k), right = batch_make(LAYOUT_ROWS, dtype, 1, n, k);
    w_rng rng;
    w_rng_seed(&rng, (uint64_t)(m * 100 + n));
    fill(&b, 0, kind, &rng);
    for (int64_t e = 0; e < m * n; e++) {
        view_set(&a, e / n, e % n, batch_get(&b, 0, e / n, e % n));
    }
    view_keep(&a), view_keep(&u), view_keep(&v);
    int64_t info = -1;
    const int64_t bytes = weir_svd_bytes(ctx, &a.m, &u.m, &v.m), before = ctx->ledger.allocations;
    char *work = malloc((size_t)bytes + 1);
    assert_int_equal(weir_svd(ctx, &a.m, &u.m, values.view.matrix.data, &v.m, &info, work + 1, bytes), WEIR_OK);
    assert_true(ctx->ledger.allocations == before);
    assert_int_equal(info, 0);
    assert_int_equal(weir_svd(ctx, &a.m, NULL, alone.view.matrix.data, NULL, NULL, NULL, 0), WEIR_OK);
    assert_true(view_all_kept(&a));
    view_gaps_kept(&u), view_gaps_kept(&v);
    for (int64_t l = 0; l < k; l++) {
        for (int64_t i = 0; i < most(m, n); i++) {
            if (i < m) {
                batch_set(&left, 0, i, l, view_get(&u, i, l));
            }
            if (i < n) {
                batch_set(&right, 0, i, l, view_get(&v, i, l));
            }
        }
        assert_true(fabs(batch_get(&values, 0, l, 0) - batch_get(&alone, 0, l, 0)) <=
                    THRESHOLD * (double)most(m, n) * view_eps(dtype) * batch_get(&values, 0, 0, 0));
    }
    expect_factors(&(factors){ &b, &left, &values, &right, 0 });
    expect_orthonormal(&left, 0, "U'U of one");
    expect_orthonormal(&right, 0, "V'V of one");
    free(work);
    view_free(&a), view_free(&u), view_free(&v);
    batch_free(&b), batch_free(&values), batch_free(&alone), batch_free(&left), batch_free(&right);
}

static void test_one(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t n = 0; n <= 40; n++) {
        const int64_t shapes[3][2] = { { n, n }, { 2 * n + 1, n }, { n / 2, n } };
        for (int s = 0; s < 6; s++) {
            int kind = (int)((n + s) % KIND_COUNT);
            kind = kind == DENORMAL ? PLAIN : kind;
            check_one(ctx, types[s / 3], shapes[s % 3][0], shapes[s % 3][1], kind, (int)(n + s) % VIEW_LAYOUTS);
        }
    }
    check_one(ctx, WEIR_F64, 200, 7, PLAIN, VIEW_ROWS);
    check_one(ctx, WEIR_F32, 7, 200, PLAIN, VIEW_STRIDED);
    weir_ctx_destroy(ctx);
}

/* ---- refusals, allocations ------------------------------------------------------------------------------------------- */

static void test_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double data[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1 }, other[12], s[3], t[12];
    weir_matrix a = { data, WEIR_F64, 4, 3, 3, 1 }, u = { other, WEIR_F64, 4, 3, 3, 1 }, v = { t, WEIR_F64, 3, 3, 3, 1 }, bad = u;
    int64_t info = 77;
    bad.cols = 2;
    assert_int_equal(weir_svd(NULL, &a, &u, s, &v, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd(ctx, NULL, &u, s, &v, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd(ctx, &a, &bad, s, &v, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd(ctx, &a, &v, s, &v, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd(ctx, &a, &u, s, &u, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd(ctx, &a, &u, NULL, &v, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd(ctx, &a, &u, s, &v, &info, other, 8), WEIR_E_ARG);
    bad = u;
    bad.dtype = WEIR_F32;
    assert_int_equal(weir_svd(ctx, &a, &bad, s, &v, &info, NULL, 0), WEIR_E_ARG);
    assert_int_equal(info, 77);
    assert_true(weir_svd_bytes(ctx, NULL, NULL, NULL) == INT64_MAX);
    const weir_matrix vast = { NULL, WEIR_F64, (int64_t)1 << 40, (int64_t)1 << 40, 1, (int64_t)1 << 40 };
    assert_true(weir_svd_bytes(ctx, &vast, NULL, NULL) == INT64_MAX);
    data[4] = NAN;
    s[0] = 5;
    assert_int_equal(weir_svd(ctx, &a, &u, s, &v, &info, NULL, 0), WEIR_E_NUMERIC);
    assert_true(info == 0 && s[0] == 5);
    data[4] = 5;

    weir_batch ab = weir_batch_rows(data, WEIR_F64, 1, 4, 3), ub = weir_batch_rows(other, WEIR_F64, 1, 4, 3), vb = weir_batch_rows(t, WEIR_F64, 1, 3, 3);
    assert_int_equal(weir_svd_batched(NULL, &ab, &ub, s, &vb, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd_batched(ctx, NULL, &ub, s, &vb, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd_batched(ctx, &ab, &vb, s, &vb, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd_batched(ctx, &ab, &ub, s, &ub, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_svd_batched(ctx, &ab, &ub, NULL, &vb, NULL, NULL, 0), WEIR_E_ARG);
    const int64_t bytes = weir_svd_batched_bytes(ctx, &ab, &ub, &vb), before = ctx->ledger.allocations;
    assert_true(bytes > 0 && weir_svd_batched_bytes(ctx, &ab, NULL, NULL) <= bytes);
    char *work = malloc((size_t)bytes + 1);
    assert_int_equal(weir_svd_batched(ctx, &ab, &ub, s, &vb, NULL, work + 1, bytes - 1), WEIR_E_ARG);
    assert_int_equal(weir_svd_batched(ctx, &ab, &ub, s, &vb, NULL, work + 1, bytes), WEIR_OK);
    assert_true(ctx->ledger.allocations == before);
    free(work);
    weir_ctx_destroy(ctx);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    (void)arg;
    double data[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1 }, s[3];
    const weir_matrix a = { data, WEIR_F64, 4, 3, 3, 1 };
    const weir_batch batch = weir_batch_rows(data, WEIR_F64, 1, 4, 3);
    const weir_status status = weir_svd(ctx, &a, NULL, s, NULL, NULL, NULL, 0);
    return status < 0 ? status : weir_svd_batched(ctx, &batch, NULL, s, NULL, NULL, NULL, 0);
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
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_kinds), cmocka_unit_test(test_eigenvalues), cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_one), cmocka_unit_test(test_arguments), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
