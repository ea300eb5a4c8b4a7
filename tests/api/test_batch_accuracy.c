/* SPDX-License-Identifier: Apache-2.0 */
/* Every matrix of a batch on its own: residuals and orthogonality in LAPACK's ratios, measured in long double, over all shapes up to
 * 70 rows, layouts, batch sizes around the lanes and the matrices that break factorizations. A ratio that is not a number fails. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/batches.h"
#include "weir/batch.h"

#define MOST 72
#define RATIO 5.0 /* LAPACK's testers allow 30 */

typedef long double wide;

static wide entry(const batch *b, int64_t m, int64_t i, int64_t j) { return (wide)batch_get(b, m, i, j); }

static wide norm_one(const batch *b, int64_t m)
{
    wide most = 0;
    for (int64_t j = 0; j < b->view.matrix.cols; j++) {
        wide sum = 0;
        for (int64_t i = 0; i < b->view.matrix.rows; i++) {
            sum += fabsl(entry(b, m, i, j));
        }
        most = fmaxl(most, sum);
    }
    return most;
}

static void expect(wide error, wide size, int64_t n, double eps, const char *what, int64_t m)
{
    const double ratio = error == 0 ? 0.0 : (double)(error / (size * (wide)(n > 0 ? n : 1) * (wide)eps));
    if (!(ratio <= RATIO)) {
        fail_msg("%s: matrix %lld: ratio %g", what, (long long)m, ratio);
    }
}

/* A - XY (or A - X Y' when `turned`) column by column, 1-norms; the graded columns of A count as much as the others. */
static void expect_product(const batch *a, const batch *x, const batch *y, bool turned, const char *what)
{
    const int64_t rows = a->view.matrix.rows, cols = a->view.matrix.cols, depth = x->view.matrix.cols;
    for (int64_t m = 0; m < a->view.count; m++) {
        for (int64_t j = 0; j < cols; j++) {
            wide error = 0, size = 0;
            for (int64_t i = 0; i < rows; i++) {
                wide sum = 0;
                for (int64_t k = 0; k < depth; k++) {
                    sum += entry(x, m, i, k) * (turned ? entry(y, m, j, k) : entry(y, m, k, j));
                }
                error += fabsl(sum - entry(a, m, i, j));
                size += fabsl(entry(a, m, i, j));
            }
            const wide least = (wide)(batch_eps(a) < 1e-10 ? 0x1p-1074 : 0x1p-149) / (wide)batch_eps(a); /* of denormals */
            expect(error, fmaxl(size, least), rows > cols ? rows : cols, batch_eps(a), what, m);
        }
    }
}

static void expect_orthogonal(const batch *q, const char *what)
{
    const int64_t rows = q->view.matrix.rows, cols = q->view.matrix.cols;
    for (int64_t m = 0; m < q->view.count; m++) {
        for (int64_t j = 0; j < cols; j++) {
            wide error = 0;
            for (int64_t i = 0; i < cols; i++) {
                wide sum = i == j ? -1 : 0;
                for (int64_t k = 0; k < rows; k++) {
                    sum += entry(q, m, k, i) * entry(q, m, k, j);
                }
                error += fabsl(sum);
            }
            expect(error, 1, rows, batch_eps(q), what, m);
        }
    }
}

static void expect_upper(const batch *r)
{
    for (int64_t m = 0; m < r->view.count; m++) {
        for (int64_t i = 0; i < r->view.matrix.rows; i++) {
            for (int64_t j = 0; j < i && j < r->view.matrix.cols; j++) {
                assert_true(batch_get(r, m, i, j) == 0);
            }
        }
    }
}

/* ---- matrices ------------------------------------------------------------------------------------------------------- */

enum { PLAIN, HILBERT, KAHAN, GRADED_COLUMNS, GRADED_ROWS, REPEATED, ZERO, ZERO_COLUMN, IDENTITY, TRIANGULAR, SINGLE, HUGE_, TINY,
       DENORMAL, MIXED, NEAR, KINDS };

static void fill(batch *b, int64_t m, int kind, w_rng *rng)
{
    const int64_t rows = b->view.matrix.rows, cols = b->view.matrix.cols;
    const bool single = b->view.matrix.dtype == WEIR_F32;
    const int top = single ? 120 : 1000, bottom = single ? -120 : -1000, floor_ = single ? -140 : -1060;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            const double g = w_rng_normal(rng);
            double value = g;
            switch (kind) {
            case HILBERT: value = 1.0 / (double)(i + j + 1); break;
            case KAHAN: value = i > j ? 0 : pow(0.8, (double)i) * (i == j ? 1 : -0.6); break;
            case GRADED_COLUMNS: value = ldexp(g, (int)(-2 * j * (single ? 1 : 10) / 3)); break;
            case GRADED_ROWS: value = ldexp(g, (int)(-2 * i * (single ? 1 : 10) / 3)); break;
            case REPEATED: value = j % 2 ? batch_get(b, m, i, j - 1) : g; break;
            case ZERO: value = 0; break;
            case ZERO_COLUMN: value = j == cols / 2 ? 0 : g; break;
            case IDENTITY: value = i == j; break;
            case TRIANGULAR: value = i > j ? 0 : g; break;
            case SINGLE: value = i == rows - 1 && j == cols - 1 ? 3 : 0; break;
            case HUGE_: value = ldexp(g, top); break;
            case TINY: value = ldexp(g, bottom); break;
            case DENORMAL: value = ldexp(g, floor_); break;
            case MIXED: value = ldexp(g, (i + j) % 3 == 0 ? top : (i + j) % 3 == 1 ? bottom : 0); break;
            case NEAR: value = 1 + 1e-4 * g; break;
            default: break;
            }
            batch_set(b, m, i, j, value);
        }
    }
}

/* ---- QR ------------------------------------------------------------------------------------------------------------- */

static void check_qr(weir_ctx *ctx, const batch *a, layout out, weir_qr_mode mode)
{
    const int64_t m = a->view.matrix.rows, n = a->view.matrix.cols, k = m < n ? m : n, cols = mode == WEIR_QR_COMPLETE ? m : k;
    const weir_dtype dtype = a->view.matrix.dtype;
    batch q = batch_make(out, dtype, a->view.count, m, cols), r = batch_make(out, dtype, a->view.count, cols, n);
    batch alone = batch_make(out, dtype, a->view.count, k, n);
    assert_int_equal(weir_qr_batched(ctx, mode, &a->view, &q.view, &r.view, NULL, 0), WEIR_OK);
    expect_orthogonal(&q, "Q'Q");
    expect_upper(&r);
    expect_product(a, &q, &r, false, "QR");
    assert_int_equal(weir_qr_batched(ctx, WEIR_QR_R, &a->view, NULL, &alone.view, NULL, 0), WEIR_OK);
    for (int64_t b = 0; b < a->view.count && mode == WEIR_QR_REDUCED; b++) {
        assert_true(batch_same(&r, b, &alone, b));
    }
    assert_true(batch_intact(&q) && batch_intact(&r) && batch_intact(&alone) && batch_intact(a));
    batch_free(&q), batch_free(&r), batch_free(&alone);
}

static void test_qr_shapes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 1);
    for (int64_t n = 0; n <= 70; n++) {
        const weir_dtype dtype = n % 2 ? WEIR_F32 : WEIR_F64;
        const int64_t shapes[4][2] = { { n, n }, { n + n / 3 + 1, n }, { n / 2, n }, { 3, n } };
        for (int s = 0; s < 4; s++) {
            batch a = batch_make((layout)((n + s) % LAYOUTS), dtype, 1 + (n + 7 * s) % (n < 24 ? 18 : 4), shapes[s][0], shapes[s][1]);
            batch_random(&a, &rng);
            check_qr(ctx, &a, (layout)((n + 2 * s) % LAYOUTS), n % 5 == 4 && n < 40 ? WEIR_QR_COMPLETE : WEIR_QR_REDUCED);
            batch_free(&a);
        }
    }
    for (int s = 0; s < LAYOUTS; s++) { /* too large for lanes */
        batch a = batch_make((layout)s, s % 2 ? WEIR_F32 : WEIR_F64, s == 1 ? 4 : 1, s == 2 ? 131 : 150, s == 3 ? 150 : 133);
        batch_random(&a, &rng);
        check_qr(ctx, &a, (layout)((s + 1) % LAYOUTS), WEIR_QR_REDUCED);
        batch_free(&a);
    }
    weir_ctx_destroy(ctx);
}

static void test_qr_kinds(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static const int64_t shape[][2] = { { 1, 1 }, { 7, 7 }, { 24, 9 }, { 17, 33 }, { 40, 40 } };
    for (int s = 0; s < 10; s++) {
        w_rng rng;
        w_rng_seed(&rng, 2);
        batch a = batch_make(LAYOUT_ROWS, s < 5 ? WEIR_F32 : WEIR_F64, KINDS, shape[s % 5][0], shape[s % 5][1]);
        for (int kind = 0; kind < KINDS; kind++) { /* side by side, in the lanes of one group */
            fill(&a, kind, kind, &rng);
        }
        check_qr(ctx, &a, LAYOUT_COLUMNS, WEIR_QR_REDUCED);
        batch_free(&a);
    }
    weir_ctx_destroy(ctx);
}

/* Times a power of two: Q keeps its bits, R is scaled bit by bit, until numbers leave the normal range. */
static void test_qr_scaling(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int single = 0; single < 2; single++) {
        static const int powers[2][6] = { { 0, 960, 1000, -900, -980, 300 }, { 0, 100, 118, -90, -100, 50 } };
        const weir_dtype dtype = single ? WEIR_F32 : WEIR_F64;
        batch a = batch_make(LAYOUT_ROWS, dtype, 6, 13, 9), q = batch_make(LAYOUT_ROWS, dtype, 6, 13, 9);
        batch r = batch_make(LAYOUT_ROWS, dtype, 6, 9, 9);
        for (int b = 0; b < 6; b++) {
            w_rng rng;
            w_rng_seed(&rng, 3);
            for (int64_t e = 0; e < 13 * 9; e++) {
                const double x = w_rng_uniform(&rng) - 0.5;
                batch_set(&a, b, e / 9, e % 9, ldexp(single ? (double)(float)x : x, powers[single][b]));
            }
        }
        assert_int_equal(weir_qr_batched(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view, NULL, 0), WEIR_OK);
        for (int b = 1; b < 6; b++) {
            assert_true(batch_same(&q, 0, &q, b));
            for (int64_t e = 0; e < 81; e++) {
                assert_true(batch_get(&r, b, e / 9, e % 9) == ldexp(batch_get(&r, 0, e / 9, e % 9), powers[single][b]));
            }
        }
        batch_free(&a), batch_free(&q), batch_free(&r);
    }
    weir_ctx_destroy(ctx);
}

/* geqrf's form: the same R, and Q and Q' from it undo each other; least squares. */
static void test_compact(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 4);
    for (int64_t n = 1; n <= 133; n += n == 33 ? 100 : 4) {
        const weir_dtype dtype = n % 8 == 1 ? WEIR_F32 : WEIR_F64;
        const int64_t count = n < 24 ? 19 : 3, m = n + 6, cols = 3;
        batch a = batch_make(LAYOUT_GAPS, dtype, count, m, n), b = batch_make(LAYOUT_COLUMNS, dtype, count, m, cols);
        batch x = batch_make(LAYOUT_ROWS, dtype, count, n, cols), r = batch_make(LAYOUT_ROWS, dtype, count, n, n);
        batch_random(&a, &rng);
        batch_random(&b, &rng);
        batch f = batch_like(&a), c = batch_like(&b);
        void *tau = malloc((size_t)(count * n * 8));
        assert_int_equal(weir_geqrf_batched(ctx, &f.view, tau, NULL, 0), WEIR_OK);
        assert_int_equal(weir_qr_batched(ctx, WEIR_QR_R, &a.view, NULL, &r.view, NULL, 0), WEIR_OK);
        for (int64_t k = 0; k < count; k++) {
            for (int64_t i = 0; i < n; i++) {
                const double t = dtype == WEIR_F32 ? (double)((float *)tau)[k * n + i] : ((double *)tau)[k * n + i];
                assert_true(t >= 1 && t <= 2);
                for (int64_t j = i; j < n; j++) {
                    assert_true(batch_get(&f, k, i, j) == batch_get(&r, k, i, j));
                }
            }
        }
        assert_int_equal(weir_ormqr_batched(ctx, WEIR_TRANS, &f.view, tau, &c.view, NULL, 0), WEIR_OK);
        assert_int_equal(weir_ormqr_batched(ctx, WEIR_NO_TRANS, &f.view, tau, &c.view, NULL, 0), WEIR_OK);
        for (int64_t k = 0; k < count; k++) {
            wide error = 0;
            for (int64_t i = 0; i < m; i++) {
                for (int64_t j = 0; j < cols; j++) {
                    error = fmaxl(error, fabsl(entry(&c, k, i, j) - entry(&b, k, i, j)));
                }
            }
            expect(error, norm_one(&b, k), m, batch_eps(&b), "QQ'b", k);
        }
        int64_t info[19];
        assert_int_equal(weir_qr_solve_batched(ctx, &a.view, &b.view, &x.view, info, NULL, 0), WEIR_OK);
        for (int64_t k = 0; k < count; k++) { /* xQRT17: A'r / (|A| |r|) */
            wide most = 0, size = 0;
            for (int64_t j = 0; j < cols; j++) {
                wide rest[2 * MOST];
                for (int64_t i = 0; i < m; i++) {
                    rest[i] = entry(&b, k, i, j);
                    for (int64_t t = 0; t < n; t++) {
                        rest[i] -= entry(&a, k, i, t) * entry(&x, k, t, j);
                    }
                    size += fabsl(rest[i]);
                }
                for (int64_t t = 0; t < n; t++) {
                    wide sum = 0;
                    for (int64_t i = 0; i < m; i++) {
                        sum += entry(&a, k, i, t) * rest[i];
                    }
                    most = fmaxl(most, fabsl(sum));
                }
            }
            assert_int_equal(info[k], 0);
            expect(most, norm_one(&a, k) * fmaxl(size, norm_one(&b, k)) * (1 + norm_one(&x, k)), m, batch_eps(&a), "A'r", k);
        }
        assert_true(batch_intact(&f) && batch_intact(&c) && batch_intact(&x));
        batch_free(&a), batch_free(&b), batch_free(&x), batch_free(&r), batch_free(&f), batch_free(&c);
        free(tau);
    }
    weir_ctx_destroy(ctx);
}

/* ---- Cholesky, triangles ------------------------------------------------------------------------------------------- */

static void make_definite(batch *a, int64_t m, int kind, w_rng *rng)
{
    const int64_t n = a->view.matrix.rows;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double value = w_rng_normal(rng) + (i == j ? 4.0 * sqrt((double)n) + 1 : 0);
            if (kind == 1) { /* graded: D A D */
                value = ldexp(value, -(int)(i % 30 + j % 30));
            } else if (kind == 2) {
                value = ldexp(value, a->view.matrix.dtype == WEIR_F32 ? -100 : -900);
            } else if (kind == 3) {
                value = ldexp(value, a->view.matrix.dtype == WEIR_F32 ? 110 : 900);
            }
            batch_set(a, m, i, j, value);
            batch_set(a, m, j, i, value);
        }
    }
}

/* 0 … 70, and some that are too large for lanes. */
static int64_t next_size(int64_t n) { return n == 70 ? 133 : n + 1; }

static void test_chol(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 5);
    for (int64_t n = 0; n <= 133; n = next_size(n)) {
        const weir_dtype dtype = n % 2 ? WEIR_F64 : WEIR_F32;
        const bool upper = n % 3 == 0;
        const int64_t count = 1 + n % (n < 24 ? 18 : 4), cols = 1 + n % 6;
        batch a = batch_make((layout)(n % LAYOUTS), dtype, count, n, n), b = batch_make((layout)((n + 1) % LAYOUTS), dtype, count, n, cols);
        batch l = batch_make((layout)((n + 2) % LAYOUTS), dtype, count, n, n), x = batch_make(LAYOUT_ROWS, dtype, count, n, cols);
        int64_t info[18];
        for (int64_t k = 0; k < count; k++) {
            make_definite(&a, k, (int)(k % 4), &rng);
        }
        batch_random(&b, &rng);
        const weir_uplo uplo = upper ? WEIR_UPPER : WEIR_LOWER;
        assert_int_equal(weir_chol_batched(ctx, uplo, &a.view, &l.view, info, NULL, 0), WEIR_OK);
        batch t = batch_make(LAYOUT_ROWS, dtype, count, n, n);
        for (int64_t k = 0; k < count; k++) {
            assert_int_equal(info[k], 0);
            for (int64_t i = 0; i < n; i++) {
                for (int64_t j = 0; j < n; j++) {
                    batch_set(&t, k, i, j, upper ? batch_get(&l, k, j, i) : batch_get(&l, k, i, j));
                    assert_true(upper ? i <= j || batch_get(&l, k, i, j) == 0 : i >= j || batch_get(&l, k, i, j) == 0);
                }
            }
        }
        expect_product(&a, &t, &t, true, "LL'");
        assert_int_equal(weir_chol_solve_batched(ctx, uplo, &l.view, &b.view, &x.view, NULL, 0), WEIR_OK);
        for (int64_t k = 0; k < count; k++) {
            for (int64_t j = 0; k % 4 != 1 && j < cols; j++) {
                wide error = 0, size = 0;
                for (int64_t i = 0; i < n; i++) {
                    wide sum = entry(&b, k, i, j);
                    for (int64_t c = 0; c < n; c++) {
                        sum -= entry(&a, k, i, c) * entry(&x, k, c, j);
                    }
                    error += fabsl(sum);
                    size += fabsl(entry(&x, k, i, j));
                }
                expect(error, size * norm_one(&a, k), n, batch_eps(&a), "Ax - b", k);
            }
        }
        assert_true(batch_intact(&l) && batch_intact(&x) && batch_intact(&a));
        batch_free(&a), batch_free(&b), batch_free(&l), batch_free(&x), batch_free(&t);
    }
    weir_ctx_destroy(ctx);
}

static void test_trsm(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 6);
    for (int64_t n = 1; n <= 133; n += n == 37 ? 96 : 3) {
        for (int how = 0; how < 16; how++) {
            const weir_dtype dtype = (n + how) % 2 ? WEIR_F64 : WEIR_F32;
            const bool right = how & 1, upper = how & 2, trans = how & 4, unit = how & 8;
            const int64_t count = 17, cols = 1 + n % 6;
            batch t = batch_make((layout)(n % LAYOUTS), dtype, count, n, n);
            batch b = batch_make((layout)((n + how) % LAYOUTS), dtype, count, right ? cols : n, right ? n : cols);
            batch_random(&t, &rng);
            batch_random(&b, &rng);
            for (int64_t k = 0; k < count; k++) {
                for (int64_t i = 0; i < n; i++) {
                    for (int64_t j = 0; j < n; j++) {
                        if (i == j ? unit : (i < j) != upper) {
                            batch_set(&t, k, i, j, NAN); /* must not be read */
                        } else if (i == j) {
                            batch_set(&t, k, i, j, k == 3 && i == 0 && n < 70 ? (dtype == WEIR_F32 ? 0x1p-140 : 0x1p-1060) : 2 + batch_get(&t, k, i, j));
                        } else {
                            batch_set(&t, k, i, j, batch_get(&t, k, i, j) / (double)n);
                        }
                    }
                }
            }
            for (int64_t i = 0; i < b.view.matrix.rows; i++) { /* the denormal diagonal has a right-hand side of its size */
                for (int64_t j = 0; j < b.view.matrix.cols; j++) {
                    batch_set(&b, 3, i, j, ldexp(batch_get(&b, 3, i, j), dtype == WEIR_F32 ? -130 : -1050));
                }
            }
            batch x = batch_like(&b);
            int64_t info[17];
            assert_int_equal(weir_trsm_batched(ctx, right ? WEIR_RIGHT : WEIR_LEFT, upper ? WEIR_UPPER : WEIR_LOWER,
                                               trans ? WEIR_TRANS : WEIR_NO_TRANS, unit ? WEIR_UNIT : WEIR_NON_UNIT, &t.view, &x.view,
                                               &x.view, info, NULL, 0), WEIR_OK);
            for (int64_t k = 0; k < count; k++) {
                for (int64_t e = 0; e < n * cols; e++) { /* row-wise: |b - Tx| <= c n u |T||x| */
                    const int64_t i = e / cols, j = e % cols;
                    wide sum = right ? entry(&b, k, j, i) : entry(&b, k, i, j), size = 0;
                    for (int64_t c = 0; c < n; c++) {
                        const bool turned = trans != right;
                        const int64_t row = turned ? c : i, col = turned ? i : c;
                        const wide value = row == col && unit ? 1 : (row < col) == upper || row == col ? entry(&t, k, row, col) : 0;
                        const wide unknown = right ? entry(&x, k, j, c) : entry(&x, k, c, j);
                        sum -= value * unknown;
                        size += fabsl(value * unknown);
                    }
                    const wide least = k == 3 ? (wide)(dtype == WEIR_F32 ? 0x1p-149 : 0x1p-1074) / (wide)batch_eps(&b) : 0;
                    expect(fabsl(sum), fmaxl(size, least), n, batch_eps(&b), "Tx - b", k);
                }
                assert_int_equal(info[k], 0);
            }
            assert_true(batch_intact(&x));
            batch_free(&t), batch_free(&b), batch_free(&x);
        }
    }
    weir_ctx_destroy(ctx);
}

/* ---- LU ------------------------------------------------------------------------------------------------------------- */

static void check_lu(const batch *a, const batch *lu, const int64_t *pivot)
{
    const int64_t m = a->view.matrix.rows, n = a->view.matrix.cols, steps = m < n ? m : n;
    for (int64_t k = 0; k < a->view.count; k++) {
        int64_t row[2 * MOST];
        for (int64_t i = 0; i < m; i++) {
            row[i] = i;
        }
        for (int64_t i = 0; i < steps; i++) {
            const int64_t p = pivot[k * steps + i], was = row[i];
            assert_true(p >= i && p < m);
            row[i] = row[p];
            row[p] = was;
        }
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) { /* componentwise: |PA - LU| <= c n u |L||U| */
                wide sum = entry(a, k, row[i], j), size = 0;
                for (int64_t c = 0; c <= i && c <= j && c < steps; c++) {
                    const wide left = c == i ? 1 : entry(lu, k, i, c), piece = left * entry(lu, k, c, j);
                    assert_true(c == i || fabsl(left) <= 1);
                    sum -= piece;
                    size += fabsl(piece);
                }
                expect(fabsl(sum), size, steps, batch_eps(a), "PA - LU", k);
            }
        }
    }
}

static void test_lu(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 7);
    for (int64_t n = 0; n <= 133; n = next_size(n)) {
        const weir_dtype dtype = n % 2 ? WEIR_F64 : WEIR_F32;
        const int64_t count = 1 + n % (n < 24 ? 18 : 4), m = n % 4 == 1 ? n + 5 : n % 4 == 2 ? n / 2 + 1 : n, cols = 1 + n % 9, steps = m < n ? m : n;
        batch a = batch_make((layout)(n % LAYOUTS), dtype, count, m, n), lu = batch_make((layout)((n + 3) % LAYOUTS), dtype, count, m, n);
        batch_random(&a, &rng);
        int64_t *pivot = malloc((size_t)(count * steps + 1) * sizeof *pivot), info[18];
        assert_int_equal(weir_lu_batched(ctx, &a.view, &lu.view, pivot, info, NULL, 0), WEIR_OK);
        check_lu(&a, &lu, pivot);
        batch b = batch_make(LAYOUT_ROWS, dtype, count, m, cols);
        batch_random(&b, &rng);
        for (int way = 0; m == n && way < 3; way++) {
            batch x = batch_make((layout)((n + way) % LAYOUTS), dtype, count, n, cols);
            assert_int_equal(way == 2 ? weir_solve_batched(ctx, &a.view, &b.view, &x.view, info, NULL, 0)
                                      : weir_lu_solve_batched(ctx, way ? WEIR_TRANS : WEIR_NO_TRANS, &lu.view, pivot, &b.view, &x.view,
                                                              info, NULL, 0), WEIR_OK);
            for (int64_t k = 0; k < count; k++) {
                for (int64_t j = 0; j < cols; j++) {
                    wide error = 0, size = 0;
                    for (int64_t i = 0; i < n; i++) {
                        wide sum = entry(&b, k, i, j);
                        for (int64_t c = 0; c < n; c++) {
                            sum -= (way == 1 ? entry(&a, k, c, i) : entry(&a, k, i, c)) * entry(&x, k, c, j);
                        }
                        error += fabsl(sum);
                        size += fabsl(entry(&x, k, i, j));
                    }
                    expect(error, size * norm_one(&a, k), n, batch_eps(&a), "Ax - b", k);
                }
            }
            assert_true(batch_intact(&x));
            batch_free(&x);
        }
        assert_true(batch_intact(&lu));
        batch_free(&a), batch_free(&lu), batch_free(&b);
        free(pivot);
    }
    weir_ctx_destroy(ctx);
}

static void test_lu_kinds(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int single = 0; single < 2; single++) {
        w_rng rng;
        w_rng_seed(&rng, 8);
        const weir_dtype dtype = single ? WEIR_F32 : WEIR_F64;
        batch a = batch_make(LAYOUT_ROWS, dtype, KINDS, 12, 12), lu = batch_make(LAYOUT_ROWS, dtype, KINDS, 12, 12);
        int64_t pivot[KINDS * 12], info[KINDS];
        for (int kind = 0; kind < KINDS; kind++) {
            fill(&a, kind, kind == MIXED || kind == DENORMAL ? PLAIN : kind, &rng);
        }
        assert_int_equal(weir_lu_batched(ctx, &a.view, &lu.view, pivot, info, NULL, 0), WEIR_RANK_DEFICIENT);
        check_lu(&a, &lu, pivot);
        assert_int_equal(info[ZERO], 1);
        assert_int_equal(info[SINGLE], 1);
        assert_int_equal(info[ZERO_COLUMN], 7);
        assert_int_equal(info[IDENTITY], 0);
        assert_int_equal(info[PLAIN], 0);
        assert_int_equal(info[TINY], 0);
        batch_free(&a), batch_free(&lu);
    }
    weir_ctx_destroy(ctx);
}

/* ---- eigenvalues ---------------------------------------------------------------------------------------------------- */

static void check_eigh(weir_ctx *ctx, const batch *a, weir_uplo uplo, layout out)
{
    const int64_t n = a->view.matrix.rows, count = a->view.count;
    const weir_dtype dtype = a->view.matrix.dtype;
    batch values = batch_make(LAYOUT_ROWS, dtype, count, n, 1), alone = batch_make(LAYOUT_ROWS, dtype, count, n, 1);
    batch v = batch_make(out, dtype, count, n, n);
    int64_t info[32];
    assert_true(count <= 32);
    assert_int_equal(weir_eigh_batched(ctx, uplo, &a->view, values.view.matrix.data, &v.view, info, NULL, 0), WEIR_OK);
    assert_int_equal(weir_eigh_batched(ctx, uplo, &a->view, alone.view.matrix.data, NULL, NULL, NULL, 0), WEIR_OK);
    expect_orthogonal(&v, "V'V");
    const wide least = (wide)(dtype == WEIR_F32 ? 0x1p-149 : 0x1p-1074) / (wide)batch_eps(a);
    for (int64_t k = 0; k < count; k++) {
        assert_int_equal(info[k], 0);
        assert_true(n > 70 || batch_same(&values, k, &alone, k)); /* large ones are LAPACK's */
        for (int64_t j = 0; j < n; j++) {
            wide error = 0;
            for (int64_t i = 0; i < n; i++) {
                wide sum = -entry(&values, k, j, 0) * entry(&v, k, i, j);
                for (int64_t c = 0; c < n; c++) {
                    const bool held = uplo == WEIR_UPPER ? i <= c : i >= c;
                    sum += (held ? entry(a, k, i, c) : entry(a, k, c, i)) * entry(&v, k, c, j);
                }
                error += fabsl(sum);
            }
            expect(error, fmaxl(norm_one(a, k), least), n, batch_eps(a), "Av - lambda v", k);
            assert_true(j == 0 || batch_get(&values, k, j - 1, 0) <= batch_get(&values, k, j, 0));
        }
    }
    assert_true(batch_intact(&v) && batch_intact(&values));
    batch_free(&values), batch_free(&alone), batch_free(&v);
}

static void test_eigh(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 9);
    for (int64_t n = 0; n <= 133; n += n < 20 ? 1 : n == 69 ? 61 : n < 70 ? 7 : 100) {
        const weir_dtype dtype = n % 2 ? WEIR_F64 : WEIR_F32;
        batch a = batch_make((layout)(n % LAYOUTS), dtype, n < 20 ? 17 : 2, n, n);
        batch_random(&a, &rng);
        check_eigh(ctx, &a, n % 3 ? WEIR_LOWER : WEIR_UPPER, (layout)((n + 1) % LAYOUTS));
        batch_free(&a);
    }
    for (int single = 0; single < 2; single++) {
        batch a = batch_make(LAYOUT_ROWS, single ? WEIR_F32 : WEIR_F64, KINDS, 11, 11);
        for (int kind = 0; kind < KINDS; kind++) {
            fill(&a, kind, kind, &rng);
        }
        check_eigh(ctx, &a, WEIR_LOWER, LAYOUT_ROWS);
        batch_free(&a);
    }
    weir_ctx_destroy(ctx);
}

static void test_multiply(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 10);
    for (int64_t n = 1; n <= 21; n += 2) {
        for (int how = 0; how < 4; how++) {
            const int64_t m = n + 2, depth = n % 7, count = 9 + n;
            const bool ta = how & 1, tb = how & 2;
            batch a = batch_make((layout)(n % LAYOUTS), WEIR_F32, count, ta ? depth : m, ta ? m : depth);
            batch b = batch_make(LAYOUT_COLUMNS, WEIR_F32, count, tb ? n : depth, tb ? depth : n);
            batch c = batch_make((layout)((n + how) % LAYOUTS), WEIR_F32, count, m, n);
            batch_random(&a, &rng);
            batch_random(&b, &rng);
            assert_int_equal(weir_multiply_batched(ctx, ta ? WEIR_TRANS : WEIR_NO_TRANS, tb ? WEIR_TRANS : WEIR_NO_TRANS, &a.view,
                                                   &b.view, &c.view, NULL, 0), WEIR_OK);
            for (int64_t k = 0; k < count; k++) {
                for (int64_t e = 0; e < m * n; e++) {
                    wide sum = 0, size = 0;
                    for (int64_t t = 0; t < depth; t++) {
                        const wide piece = (ta ? entry(&a, k, t, e / n) : entry(&a, k, e / n, t)) *
                                           (tb ? entry(&b, k, e % n, t) : entry(&b, k, t, e % n));
                        sum += piece;
                        size += fabsl(piece);
                    }
                    expect(fabsl(sum - entry(&c, k, e / n, e % n)), size, depth, batch_eps(&c), "ab - c", k);
                }
            }
            assert_true(batch_intact(&c));
            batch_free(&a), batch_free(&b), batch_free(&c);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_norms(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 12);
    for (int how = 0; how < 2 * LAYOUTS; how++) {
        const int64_t m = 1 + 3 * how, n = 1 + how;
        const weir_dtype dtype = how % 2 ? WEIR_F32 : WEIR_F64;
        batch a = batch_make((layout)(how % LAYOUTS), dtype, KINDS, m, n), columns = batch_make(LAYOUT_ROWS, dtype, KINDS, n, 1);
        batch all = batch_make(LAYOUT_ROWS, dtype, KINDS, 1, 1);
        for (int kind = 0; kind < KINDS; kind++) {
            fill(&a, kind, kind, &rng);
        }
        assert_int_equal(weir_norms_batched(ctx, &a.view, columns.view.matrix.data, all.view.matrix.data, NULL, 0), WEIR_OK);
        const wide least = (wide)(dtype == WEIR_F32 ? 0x1p-149 : 0x1p-1074) / (wide)batch_eps(&a);
        for (int64_t k = 0; k < KINDS; k++) {
            wide total = 0;
            for (int64_t j = 0; j < n; j++) {
                wide sum = 0;
                for (int64_t i = 0; i < m; i++) {
                    sum += entry(&a, k, i, j) * entry(&a, k, i, j);
                }
                expect(fabsl(sqrtl(sum) - entry(&columns, k, j, 0)), fmaxl(sqrtl(sum), least), m, batch_eps(&a), "norm", k);
                total += sum;
            }
            expect(fabsl(sqrtl(total) - entry(&all, k, 0, 0)), fmaxl(sqrtl(total), least), m * n, batch_eps(&a), "norm of all", k);
        }
        assert_int_equal(weir_norms_batched(ctx, &a.view, NULL, all.view.matrix.data, NULL, 0), WEIR_OK);
        assert_true(batch_intact(&columns) && batch_intact(&all));
        batch_free(&a), batch_free(&columns), batch_free(&all);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qr_shapes), cmocka_unit_test(test_qr_kinds), cmocka_unit_test(test_qr_scaling),
        cmocka_unit_test(test_compact), cmocka_unit_test(test_chol), cmocka_unit_test(test_trsm), cmocka_unit_test(test_lu),
        cmocka_unit_test(test_lu_kinds), cmocka_unit_test(test_eigh), cmocka_unit_test(test_multiply),
        cmocka_unit_test(test_norms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
