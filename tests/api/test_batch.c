/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: the place of a matrix, its company, threads and layouts change no bit; what is not finite stays where it is; arguments,
 * workspaces, failing allocations. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "support/batches.h"
#include "weir/batch.h"

/* Every function once over the same batch of n x n matrices (definite: symmetric ones) and right-hand sides. */
enum { PIECES = 11 };
typedef struct results {
    batch piece[PIECES];
    int64_t *info; /* 5 count */
    int64_t *pivot;
} results;

static results make_results(layout how, weir_dtype dtype, int64_t count, int64_t n, int64_t cols)
{
    static const int wide[PIECES] = { 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0 };
    results r;
    for (int i = 0; i < PIECES; i++) {
        r.piece[i] = i == 10 ? batch_make(LAYOUT_ROWS, dtype, count, n, 1) : batch_make(how, dtype, count, n, wide[i] ? n : cols);
    }
    r.info = malloc((size_t)(5 * count + 1) * sizeof *r.info);
    r.pivot = malloc((size_t)(count * n + 1) * sizeof *r.pivot);
    return r;
}

static void drop(results *r)
{
    for (int i = 0; i < PIECES; i++) {
        batch_free(&r->piece[i]);
    }
    free(r->info), free(r->pivot);
}

static weir_status worse(weir_status a, weir_status b) { return a < 0 ? a : b < 0 ? b : a > b ? a : b; }

/* The status of a call, after which nothing else is done when memory ran out: its message stays. */
#define STEP(call)                                                                \
    do {                                                                          \
        const weir_status stepped = call;                                         \
        if (stepped == WEIR_E_MEMORY || stepped == WEIR_E_BUDGET) {               \
            return stepped;                                                       \
        }                                                                         \
        status = worse(status, stepped);                                          \
    } while (0)

static weir_status run(weir_ctx *ctx, const batch *a, const batch *definite, const batch *b, results *r)
{
    const int64_t count = a->view.count;
    weir_status status = WEIR_OK;
    batch *p = r->piece;
    STEP(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a->view, &p[0].view, &p[1].view, NULL, 0));
    STEP(weir_chol_batched(ctx, WEIR_LOWER, &definite->view, &p[2].view, r->info, NULL, 0));
    STEP(weir_lu_batched(ctx, &a->view, &p[3].view, r->pivot, r->info + count, NULL, 0));
    STEP(weir_multiply_batched(ctx, WEIR_TRANS, WEIR_NO_TRANS, &a->view, &a->view, &p[4].view, NULL, 0));
    STEP(weir_chol_solve_batched(ctx, WEIR_LOWER, &p[2].view, &b->view, &p[5].view, NULL, 0));
    STEP(weir_lu_solve_batched(ctx, WEIR_NO_TRANS, &p[3].view, r->pivot, &b->view, &p[6].view, NULL, NULL, 0));
    STEP(weir_solve_batched(ctx, &a->view, &b->view, &p[7].view, r->info + 2 * count, NULL, 0));
    STEP(weir_qr_solve_batched(ctx, &a->view, &b->view, &p[8].view, r->info + 3 * count, NULL, 0));
    STEP(weir_eigh_batched(ctx, WEIR_LOWER, &definite->view, p[10].view.matrix.data, &p[9].view, r->info + 4 * count, NULL, 0));
    return status;
}

static void make_inputs(layout how, weir_dtype dtype, int64_t count, int64_t n, int64_t cols, batch *a, batch *definite, batch *b)
{
    w_rng rng;
    w_rng_seed(&rng, 11);
    *a = batch_make(how, dtype, count, n, n);
    *definite = batch_make(how, dtype, count, n, n);
    *b = batch_make(how, dtype, count, n, cols);
    batch_random(a, &rng);
    batch_random(b, &rng);
    for (int64_t m = 0; m < count; m++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j <= i; j++) {
                const double x = w_rng_normal(&rng) + (i == j ? (double)(4 * n) : 0);
                batch_set(definite, m, i, j, x);
                batch_set(definite, m, j, i, x);
            }
        }
    }
}

static void expect_matrix(const results *x, int64_t m, const results *y, int64_t o, int64_t n)
{
    for (int i = 0; i < PIECES; i++) {
        if (!batch_same(&x->piece[i], m, &y->piece[i], o)) {
            fail_msg("piece %d: matrix %lld is not matrix %lld", i, (long long)m, (long long)o);
        }
    }
    assert_memory_equal(x->pivot + m * n, y->pivot + o * n, (size_t)n * sizeof *x->pivot);
}

/* In batches of 0, 1, V - 1, V, V + 1, 1000; first, last and in between; any layout; any number of threads. */
static void test_places(void **state)
{
    for (int c = 0; c < 4; c++) {
        const weir_dtype dtype = c % 2 ? WEIR_F32 : WEIR_F64;
        const int64_t n = c < 2 ? 8 : 13, cols = 3, lanes = weir_batch_lanes(dtype), sizes[] = { 0, 1, lanes - 1, lanes, lanes + 1, 1000 };
        batch all[3];
        weir_ctx *one = test_ctx(state, 1, 0), *four = test_ctx(state, 4, 0);
        make_inputs(LAYOUT_ROWS, dtype, 1000, n, cols, &all[0], &all[1], &all[2]);
        results due = make_results(LAYOUT_ROWS, dtype, 1000, n, cols);
        assert_int_equal(run(one, &all[0], &all[1], &all[2], &due), WEIR_OK);
        for (int s = 0; s < 6; s++) {
            const int64_t count = sizes[s], first = count == 1000 ? 0 : 500 - 7 * s;
            batch part[3] = { batch_make((layout)((s + c) % LAYOUTS), dtype, count, n, n), batch_make((layout)(s % LAYOUTS), dtype, count, n, n),
                              batch_make((layout)((s + 1) % LAYOUTS), dtype, count, n, cols) };
            for (int i = 0; i < 3; i++) {
                for (int64_t m = 0; m < count; m++) {
                    for (int64_t e = 0; e < n * all[i].view.matrix.cols; e++) {
                        const int64_t w = all[i].view.matrix.cols;
                        batch_set(&part[i], m, e / w, e % w, batch_get(&all[i], first + m, e / w, e % w));
                    }
                }
            }
            results got = make_results((layout)((s + 2) % LAYOUTS), dtype, count, n, cols);
            assert_int_equal(run(four, &part[0], &part[1], &part[2], &got), WEIR_OK);
            for (int64_t m = 0; m < count; m++) {
                expect_matrix(&due, first + m, &got, m, n);
            }
            drop(&got);
            batch_free(&part[0]), batch_free(&part[1]), batch_free(&part[2]);
        }
        drop(&due);
        batch_free(&all[0]), batch_free(&all[1]), batch_free(&all[2]);
        weir_ctx_destroy(one);
        weir_ctx_destroy(four);
    }
}

static bool finite_all(const batch *b, int64_t m)
{
    for (int64_t i = 0; i < b->view.matrix.rows; i++) {
        for (int64_t j = 0; j < b->view.matrix.cols; j++) {
            if (!isfinite(batch_get(b, m, i, j))) {
                return false;
            }
        }
    }
    return true;
}

/* NaN or infinity at every element of one matrix in turn: its results say so, the neighbours' bits stay. */
static void test_not_finite(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 7, cols = 2, count = 19, bad = 5;
    for (int c = 0; c < 4; c++) {
        const weir_dtype dtype = c % 2 ? WEIR_F32 : WEIR_F64;
        batch a, definite, b;
        make_inputs(LAYOUT_ROWS, dtype, count, n, cols, &a, &definite, &b);
        results due = make_results(LAYOUT_ROWS, dtype, count, n, cols), got = make_results(LAYOUT_ROWS, dtype, count, n, cols);
        assert_int_equal(run(ctx, &a, &definite, &b, &due), WEIR_OK);
        for (int64_t e = 0; e < n * n; e++) {
            const double was = batch_get(&a, bad, e / n, e % n), held = batch_get(&definite, bad, e / n, e % n);
            const double spoilt = c < 2 ? (double)NAN : (double)INFINITY;
            batch_set(&a, bad, e / n, e % n, spoilt);
            batch_set(&definite, bad, e / n, e % n, spoilt);
            batch_set(&definite, bad, e % n, e / n, spoilt);
            const weir_status status = run(ctx, &a, &definite, &b, &got);
            assert_int_equal(status, WEIR_E_NUMERIC);
            for (int64_t m = 0; m < count; m++) {
                if (m != bad) {
                    expect_matrix(&due, m, &got, m, n);
                }
                for (int i = 0; i < 5; i++) {
                    assert_true(m == bad || i == 3 || got.info[i * count + m] == 0);
                }
            }
            assert_int_not_equal(got.info[bad], 0);              /* Cholesky */
            assert_int_equal(got.info[4 * count + bad], 1);      /* eigenvalues */
            static const int spoils[] = { 0, 1, 2, 4, 5, 6, 7, 8, 9, 10 };
            for (size_t i = 0; i < sizeof spoils / sizeof *spoils; i++) {
                /* With infinity in the last row LU may be exact: x = … / inf = 0. */
                if (c < 2 || (spoils[i] != 6 && spoils[i] != 7)) {
                    if (finite_all(&got.piece[spoils[i]], bad) && !(spoils[i] == 0 && finite_all(&got.piece[1], bad) == false)) {
                        fail_msg("piece %d is finite with %g at %lld", spoils[i], spoilt, (long long)e);
                    }
                }
            }
            batch_set(&a, bad, e / n, e % n, was);
            batch_set(&definite, bad, e / n, e % n, held);
            batch_set(&definite, bad, e % n, e / n, held);
        }
        drop(&due), drop(&got);
        batch_free(&a), batch_free(&definite), batch_free(&b);
    }
    weir_ctx_destroy(ctx);
}

/* A pivot that fails at a known place; in place only the triangle is written; nothing else of the batch suffers. */
static void test_indefinite(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 9, count = 20;
    batch a, definite, b;
    make_inputs(LAYOUT_GAPS, WEIR_F64, count, n, 1, &a, &definite, &b);
    for (int64_t m = 0; m < count; m++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = i + 1; j < n; j++) {
                batch_set(&definite, m, i, j, NAN); /* not read, not written */
            }
        }
        if (m % 3 == 0 && m > 0) {
            const int64_t at = m % n;
            batch_set(&definite, m, at, at, m % 2 ? -1 : m % 4 ? 0 : (double)NAN);
            for (int64_t j = 0; j < at && m % 2 == 0; j++) {
                batch_set(&definite, m, at, j, 0);
            }
        }
    }
    batch copy = batch_like(&definite);
    int64_t info[20];
    assert_int_equal(weir_chol_batched(ctx, WEIR_LOWER, &definite.view, &definite.view, info, NULL, 0), WEIR_E_NUMERIC);
    assert_non_null(strstr(weir_ctx_message(ctx), "6 of 20 matrices are not positive definite; the first is number 3"));
    for (int64_t m = 0; m < count; m++) {
        assert_int_equal(info[m], m % 3 == 0 && m > 0 ? m % n + 1 : 0);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                const double x = batch_get(&definite, m, i, j);
                if (j > i || (info[m] > 0 && i >= j && j >= info[m] - 1)) {
                    assert_true(isnan(x));
                } else {
                    assert_true(isfinite(x));
                }
            }
        }
    }
    assert_true(batch_intact(&definite));
    batch_free(&a), batch_free(&definite), batch_free(&b), batch_free(&copy);
    weir_ctx_destroy(ctx);
}

/* Singular systems and triangles say which and where; the others are solved. */
static void test_singular(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 6, count = 18;
    batch a, definite, b;
    make_inputs(LAYOUT_ROWS, WEIR_F32, count, n, 2, &a, &definite, &b);
    for (int64_t i = 0; i < n; i++) {
        batch_set(&a, 4, i, 3, 0);
    }
    batch x = batch_make(LAYOUT_ROWS, WEIR_F32, count, n, 2);
    int64_t info[18];
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &x.view, info, NULL, 0), WEIR_E_NUMERIC);
    for (int64_t m = 0; m < count; m++) {
        assert_int_equal(info[m], m == 4 ? 4 : 0);
        assert_int_equal(finite_all(&x, m), m != 4);
    }
    assert_int_equal(weir_qr_solve_batched(ctx, &a.view, &b.view, &x.view, info, NULL, 0), WEIR_RANK_DEFICIENT);
    assert_true(info[4] > 0 && !finite_all(&x, 4) && info[5] == 0 && finite_all(&x, 5));
    batch_set(&a, 7, 2, 2, 0);
    batch_set(&a, 4, 3, 3, 1);
    assert_int_equal(weir_trsm_batched(ctx, WEIR_LEFT, WEIR_UPPER, WEIR_NO_TRANS, WEIR_NON_UNIT, &a.view, &b.view, &x.view, info, NULL, 0),
                     WEIR_E_NUMERIC);
    assert_int_equal(info[7], 3);
    assert_int_equal(info[4], 0);
    assert_false(finite_all(&x, 7));
    batch_free(&a), batch_free(&definite), batch_free(&b), batch_free(&x);
    weir_ctx_destroy(ctx);
}

/* One right-hand side for all, results over their inputs, copies from any layout to any. */
static void test_sharing(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t n = 10, count = 37;
    batch a, definite, b;
    make_inputs(LAYOUT_ROWS, WEIR_F32, count, n, 4, &a, &definite, &b);
    weir_batch one = b.view;
    one.stride = 0;
    batch many = batch_make(LAYOUT_ROWS, WEIR_F32, count, n, 4), x = batch_make(LAYOUT_COLUMNS, WEIR_F32, count, n, 4);
    batch y = batch_make(LAYOUT_INTERLEAVED, WEIR_F32, count, n, 4);
    assert_int_equal(weir_copy_batched(ctx, &one, &many.view), WEIR_OK);
    assert_int_equal(weir_solve_batched(ctx, &a.view, &one, &x.view, NULL, NULL, 0), WEIR_OK);
    assert_int_equal(weir_solve_batched(ctx, &a.view, &many.view, &many.view, NULL, NULL, 0), WEIR_OK);
    assert_int_equal(weir_copy_batched(ctx, &x.view, &y.view), WEIR_OK);
    for (int64_t m = 0; m < count; m++) {
        assert_true(batch_same(&x, m, &many, m) && batch_same(&x, m, &y, m));
    }
    assert_int_equal(weir_copy_batched(ctx, &b.view, &one), WEIR_E_ARG);
    batch q = batch_make(LAYOUT_ROWS, WEIR_F32, count, n, n), r = batch_make(LAYOUT_ROWS, WEIR_F32, count, n, n);
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view, NULL, 0), WEIR_OK);
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, &a.view, &r.view, NULL, 0), WEIR_OK);
    for (int64_t m = 0; m < count; m++) {
        assert_true(batch_same(&a, m, &q, m));
    }
    batch_free(&a), batch_free(&definite), batch_free(&b), batch_free(&many), batch_free(&x), batch_free(&y), batch_free(&q), batch_free(&r);
    weir_ctx_destroy(ctx);
}

/* A workspace of just the bytes that are said is enough, and then nothing is allocated; one byte less is refused. */
static void test_workspace(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    batch a, definite, b;
    make_inputs(LAYOUT_ROWS, WEIR_F64, 40, 11, 3, &a, &definite, &b);
    batch q = batch_make(LAYOUT_ROWS, WEIR_F64, 40, 11, 11), r = batch_make(LAYOUT_ROWS, WEIR_F64, 40, 11, 11);
    const int64_t bytes = weir_qr_batched_bytes(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view);
    unsigned char *work = malloc((size_t)bytes + 1);
    weir_memory_info before, after;
    assert_int_equal(weir_ctx_memory(ctx, &before), WEIR_OK);
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view, work, bytes - 1), WEIR_E_ARG);
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view, work + 1, bytes), WEIR_OK);
    assert_int_equal(weir_ctx_memory(ctx, &after), WEIR_OK);
    assert_int_equal(before.allocations, after.allocations);
    const weir_batch empty = weir_batch_rows(NULL, WEIR_F64, 3, INT64_C(1) << 41, INT64_C(1) << 20);
    assert_true(weir_eigh_batched_bytes(ctx, &definite.view, NULL) > 0);
    assert_true(weir_lu_batched_bytes(ctx, &empty, &empty) == INT64_MAX);
    assert_true(weir_chol_batched_bytes(ctx, &definite.view, &q.view) >= 11 * 11 * 64);
    free(work);
    batch_free(&a), batch_free(&definite), batch_free(&b), batch_free(&q), batch_free(&r);
    weir_ctx_destroy(ctx);
}

static void test_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    batch a, definite, b;
    make_inputs(LAYOUT_ROWS, WEIR_F64, 5, 4, 2, &a, &definite, &b);
    batch x = batch_make(LAYOUT_ROWS, WEIR_F64, 5, 4, 2);
    weir_batch v = x.view;
    double values[20];
    assert_int_equal(weir_solve_batched(NULL, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_solve_batched(ctx, NULL, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_solve_batched(ctx, &a.view, NULL, &v, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, NULL, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_solve_batched(ctx, &b.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    v.count = 4;
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "weir_solve_batched: x: the counts of the batches differ"));
    v = x.view, v.matrix.dtype = WEIR_F32;
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    v = x.view, v.matrix.data = NULL;
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    v = x.view, v.matrix.rows = 3;
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    v = x.view, v.matrix.row_stride = 0;
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    v = x.view, v.matrix.data = (char *)v.matrix.data + 1;
    assert_int_equal(weir_solve_batched(ctx, &a.view, &b.view, &v, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_eigh_batched(ctx, WEIR_LOWER, &a.view, NULL, NULL, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_eigh_batched(ctx, WEIR_LOWER, &b.view, values, NULL, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, NULL, &a.view, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, &a.view, &b.view, NULL, 0), WEIR_E_ARG);
    const weir_batch wide = weir_batch_rows(b.view.matrix.data, WEIR_F64, 5, 2, 4);
    assert_int_equal(weir_qr_solve_batched(ctx, &wide, &b.view, &x.view, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_batch_lanes(WEIR_I32), 0);
    assert_int_equal(weir_batch_lanes(WEIR_F32), 16);
    assert_true(batch_intact(&x));
    for (int64_t e = 0; e < 40; e++) {
        assert_true(((unsigned char *)x.view.matrix.data)[e] == BATCH_POISON); /* nothing was written */
    }
    batch_free(&a), batch_free(&definite), batch_free(&b), batch_free(&x);
    weir_ctx_destroy(ctx);
}

typedef struct fallible {
    batch a, definite, b;
    results r;
} fallible;

static weir_status fallible_run(weir_ctx *ctx, void *arg)
{
    fallible *f = arg;
    return run(ctx, &f->a, &f->definite, &f->b, &f->r);
}

static weir_status fallible_trsm(weir_ctx *ctx, void *arg)
{
    fallible *f = arg;
    return weir_trsm_batched(ctx, WEIR_LEFT, WEIR_LOWER, WEIR_NO_TRANS, WEIR_UNIT, &f->a.view, &f->b.view, &f->r.piece[5].view, NULL, NULL, 0);
}

static weir_status fallible_geqrf(weir_ctx *ctx, void *arg)
{
    fallible *f = arg;
    const weir_status status = weir_geqrf_batched(ctx, &f->r.piece[0].view, f->r.piece[10].view.matrix.data, NULL, 0);
    return status < 0 ? status : weir_ormqr_batched(ctx, WEIR_TRANS, &f->r.piece[0].view, f->r.piece[10].view.matrix.data,
                                                    &f->r.piece[5].view, NULL, 0);
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    fallible f;
    make_inputs(LAYOUT_COLUMNS, WEIR_F32, 33, 5, 2, &f.a, &f.definite, &f.b);
    f.r = make_results(LAYOUT_COLUMNS, WEIR_F32, 33, 5, 2);
    assert_true(test_each_allocation_fails(ctx, fallible_run, &f) >= 9);
    assert_int_equal(test_each_allocation_fails(ctx, fallible_trsm, &f), 1);
    assert_int_equal(test_each_allocation_fails(ctx, fallible_geqrf, &f), 2);
    drop(&f.r);
    batch_free(&f.a), batch_free(&f.definite), batch_free(&f.b);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places), cmocka_unit_test(test_not_finite), cmocka_unit_test(test_indefinite),
        cmocka_unit_test(test_singular), cmocka_unit_test(test_sharing), cmocka_unit_test(test_workspace),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
