/* SPDX-License-Identifier: Apache-2.0 */
/* The routines of one type: included twice by test_names.c. */

#define GATE(n) (30.0 * (double)(n) * (double)EPS)
#define POISON ((real)1.25e30)

/* rows x cols with leading dimension ld, poison below. */
static real *TEST(numbers)(integer rows, integer cols, integer ld)
{
    real *a = malloc((size_t)(ld * cols + 1) * sizeof *a);
    for (integer i = 0; i < ld * cols; i++) {
        a[i] = i % ld < rows ? (real)next_number() : POISON;
    }
    return a;
}

static void TEST(gaps)(const real *a, integer rows, integer cols, integer ld)
{
    for (integer i = 0; i < ld * cols; i++) {
        assert_true(i % ld < rows || a[i] == POISON);
    }
}

static real *TEST(copy)(const real *a, integer count)
{
    real *b = malloc((size_t)(count + 1) * sizeof *b);
    return memcpy(b, a, (size_t)count * sizeof *b);
}

/* max |a - b| over rows x cols. */
static double TEST(distance)(const real *a, integer lda, const real *b, integer ldb, integer rows, integer cols)
{
    double most = 0.0;
    for (integer j = 0; j < cols; j++) {
        for (integer i = 0; i < rows; i++) {
            const double d = fabs((double)a[i + j * lda] - (double)b[i + j * ldb]);
            most = d > most || isnan(d) ? d : most;
        }
    }
    return most;
}

static void TEST(check_factor)(integer m, integer n, bool blocks)
{
    const integer lda = m + 3, k = m < n ? m : n, query = -1;
    real *a = TEST(numbers)(m, n, lda), *qr = TEST(copy)(a, lda * n), *tau = calloc((size_t)k + 1, sizeof *tau), want = 0;
    integer info = 77, lwork;
    NAME(geqrf)(&m, &n, qr, &lda, tau, &want, &query, &info);
    assert_int_equal(info, 0);
    assert_true(want >= (real)(n > 1 && k > 0 ? n : 1));
    lwork = (integer)want;
    real *work = malloc((size_t)(lwork + n + 1) * sizeof *work);
    if (blocks) {
        NAME(geqrf)(&m, &n, qr, &lda, tau, work, &lwork, &info);
    } else {
        NAME(geqr2)(&m, &n, qr, &lda, tau, work, &info);
    }
    assert_int_equal(info, 0);
    TEST(gaps)(qr, m, n, lda);
    /* R applied to by Q is A; Q'A is R; Q from orgqr agrees with Q from ormqr. */
    real *c = TEST(copy)(a, lda * n), *q = TEST(copy)(qr, lda * n);
    lwork = 64 * (m > n ? m : n) + 1;
    work = realloc(work, (size_t)lwork * sizeof *work);
    NAME(ormqr)("L", "T", &m, &n, &k, qr, &lda, tau, c, &lda, work, &lwork, &info, 1, 1);
    assert_int_equal(info, 0);
    TEST(gaps)(c, m, n, lda);
    for (integer j = 0; j < n; j++) {
        for (integer i = 0; i < m; i++) {
            const double r = i <= j ? (double)qr[i + j * lda] : 0.0;
            assert_true(fabs((double)c[i + j * lda] - r) <= GATE(m + n) * sqrt((double)m));
            c[i + j * lda] = (real)r;
        }
    }
    NAME(ormqr)("l", "n", &m, &n, &k, qr, &lda, tau, c, &lda, work, &lwork, &info, 1, 1);
    assert_true(TEST(distance)(c, lda, a, lda, m, n) <= GATE(m + n) * sqrt((double)m));
    if (k > 0) {
        NAME(orgqr)(&m, &k, &k, q, &lda, tau, work, &lwork, &info);
        assert_int_equal(info, 0);
        TEST(gaps)(q, m, k, lda);
        for (integer j = 0; j < k; j++) {
            for (integer h = 0; h <= j; h++) {
                long double sum = j == h ? -1.0L : 0.0L;
                for (integer i = 0; i < m; i++) {
                    sum += (long double)q[i + j * lda] * (long double)q[i + h * lda];
                }
                assert_true(fabsl(sum) <= (long double)GATE(m));
            }
        }
        /* I' Q' by the right side: rows are columns of Q. */
        real *e = calloc((size_t)(m * m), sizeof *e);
        for (integer i = 0; i < m; i++) {
            e[i * (m + 1)] = 1;
        }
        NAME(ormqr)("R", "N", &m, &m, &k, qr, &lda, tau, e, &m, work, &lwork, &info, 1, 1);
        assert_true(TEST(distance)(e, m, q, lda, m, k) <= GATE(m));
        free(e);
    }
    free(c);
    free(q);
    free(work);
    free(tau);
    free(qr);
    free(a);
}

static void TEST(orthogonal)(void **unused)
{
    (void)unused;
    for (integer n = 0; n <= 30; n++) {
        TEST(check_factor)(n, n, n % 2 == 0);
        TEST(check_factor)(n + 7, n, n % 3 > 0);
        TEST(check_factor)(n, n + 7, n % 3 > 0);
    }
    TEST(check_factor)(150, 149, true);
    TEST(check_factor)(1003, 37, true);
    TEST(check_factor)(40, 301, true);
}

/* H = H_1 ... H_k (forward) or H_k ... H_1 against C, one reflector after the other. */
static void TEST(check_block)(integer n, integer k, int form)
{
    const char *direct = form & 1 ? "B" : "F", *storev = form & 2 ? "R" : "C", *side = form & 4 ? "R" : "L", *trans = form & 8 ? "T" : "N";
    const bool forward = !(form & 1), columns = !(form & 2), left = !(form & 4), turned = form & 8;
    const integer other = 5, rows = left ? n : other, cols = left ? other : n, ldc = rows + 2, ldt = k + 1, ldw = (left ? cols : rows) + 1;
    const integer ldv = (columns ? n : k) + 1;
    real *v = TEST(numbers)(columns ? n : k, columns ? k : n, ldv), *t = TEST(numbers)(k, k, ldt), *c = TEST(numbers)(rows, cols, ldc);
    real *before = TEST(copy)(c, ldc * cols), *t0 = TEST(copy)(t, ldt * k), *work = malloc((size_t)(ldw * k) * sizeof *work), tau[64];
    for (integer j = 0; j < k; j++) {
        double sum = 1.0;
        for (integer i = 0; i < n; i++) {
            real *at = columns ? &v[i + j * ldv] : &v[j + i * ldv];
            const integer unit = forward ? j : n - k + j;
            if (i == unit || (forward ? i < unit : i > unit)) {
                *at = (real)NAN; /* not to be read */
            } else {
                *at = *at * (real)0.3;
                sum += (double)*at * (double)*at;
            }
        }
        tau[j] = j == k / 2 && k > 2 ? 0 : (real)(2.0 / sum);
    }
    NAME(larft)(direct, storev, &n, &k, v, &ldv, tau, t, &ldt, 1, 1);
    for (integer j = 0; j < k; j++) {
        for (integer i = 0; i < ldt; i++) {
            assert_true(i < k && (forward ? i <= j : i >= j) ? isfinite(t[i + j * ldt]) : t[i + j * ldt] == t0[i + j * ldt]);
        }
    }
    NAME(larfb)(side, trans, direct, storev, &rows, &cols, &k, v, &ldv, t, &ldt, c, &ldc, work, &ldw, 1, 1, 1, 1);
    TEST(gaps)(c, rows, cols, ldc);
    for (integer q = 0; q < other; q++) { /* column q of op(H) C, or row q of C op(H) */
        long double x[64];
        for (integer i = 0; i < n; i++) {
            x[i] = left ? before[i + q * ldc] : before[q + i * ldc];
        }
        for (integer s = 0; s < k; s++) {
            /* The last factor of op(H) meets C first from the left, the first from the right; H_i' = H_i. */
            const integer j = (forward != turned) == left ? k - 1 - s : s, unit = forward ? j : n - k + j;
            long double sum = 0.0L;
            for (int pass = 0; pass < 2; pass++) {
                for (integer i = 0; i < n; i++) {
                    const bool inside = forward ? i > unit : i < unit;
                    const long double entry = i == unit ? 1.0L : !inside ? 0.0L : (long double)(columns ? v[i + j * ldv] : v[j + i * ldv]);
                    if (pass == 0) {
                        sum += entry * x[i];
                    } else {
                        x[i] -= (long double)tau[j] * sum * entry;
                    }
                }
            }
        }
        for (integer i = 0; i < n; i++) {
            assert_true(fabsl(x[i] - (left ? c[i + q * ldc] : c[q + i * ldc])) <= (long double)GATE(n) * 4.0L);
        }
    }
    free(work);
    free(t0);
    free(before);
    free(c);
    free(t);
    free(v);
}

static void TEST(blocks)(void **unused)
{
    (void)unused;
    for (int form = 0; form < 16; form++) {
        for (integer n = 1; n <= 20; n++) {
            TEST(check_block)(n, (n + 1) / 2, form);
            TEST(check_block)(n, n, form);
        }
        TEST(check_block)(60, 33, form);
    }
}

/* T or A'A + I, and B; lda and ldb with gaps. */
static void TEST(check_solves)(integer n, integer nrhs)
{
    const integer lda = n + 2, ldb = n + 1;
    integer info;
    for (int form = 0; form < 8; form++) {
        const char *uplo = form & 1 ? "U" : "L", *trans = form & 2 ? "T" : "N", *diag = form & 4 ? "U" : "N";
        real *a = TEST(numbers)(n, n, lda), *b = TEST(numbers)(n, nrhs, ldb), *x = TEST(copy)(b, ldb * nrhs);
        for (integer j = 0; j < n; j++) {
            for (integer i = 0; i < n; i++) {
                a[i + j * lda] = i == j ? (form & 4 ? (real)NAN : 2) : (i < j) == (form & 1) ? a[i + j * lda] / (real)n : (real)NAN;
            }
        }
        NAME(trtrs)(uplo, trans, diag, &n, &nrhs, a, &lda, x, &ldb, &info, 1, 1, 1);
        assert_int_equal(info, 0);
        TEST(gaps)(x, n, nrhs, ldb);
        for (integer q = 0; q < nrhs; q++) {
            for (integer i = 0; i < n; i++) {
                long double sum = -(long double)b[i + q * ldb];
                for (integer j = 0; j < n; j++) {
                    const integer r = form & 2 ? j : i, c = form & 2 ? i : j;
                    if (r == c || (r < c) == (form & 1)) {
                        sum += (r == c && (form & 4) ? 1.0L : (long double)a[r + c * lda]) * (long double)x[j + q * ldb];
                    }
                }
                assert_true(fabsl(sum) <= (long double)GATE(n));
            }
        }
        if (n > 2 && !(form & 4)) {
            a[2 * (lda + 1)] = 0;
            NAME(trtrs)(uplo, trans, diag, &n, &nrhs, a, &lda, x, &ldb, &info, 1, 1, 1);
            assert_int_equal(info, 3);
        }
        free(x);
        free(b);
        free(a);
    }
    for (int upper = 0; upper < 2; upper++) {
        real *m = TEST(numbers)(n, n, n), *a = TEST(numbers)(n, n, lda), *b = TEST(numbers)(n, nrhs, ldb), *x = TEST(copy)(b, ldb * nrhs);
        real *f = NULL;
        for (integer j = 0; j < n; j++) {
            for (integer i = 0; i < n; i++) {
                double sum = i == j;
                for (integer h = 0; h < n; h++) {
                    sum += (double)m[h + i * n] * (double)m[h + j * n] / (double)n;
                }
                a[i + j * lda] = (real)sum;
            }
        }
        f = TEST(copy)(a, lda * n);
        NAME(potrf)(upper ? "u" : "l", &n, f, &lda, &info, 1);
        assert_int_equal(info, 0);
        TEST(gaps)(f, n, n, lda);
        NAME(potrs)(upper ? "U" : "L", &n, &nrhs, f, &lda, x, &ldb, &info, 1);
        assert_int_equal(info, 0);
        TEST(gaps)(x, n, nrhs, ldb);
        for (integer q = 0; q < nrhs; q++) {
            for (integer i = 0; i < n; i++) {
                long double sum = -(long double)b[i + q * ldb];
                for (integer j = 0; j < n; j++) {
                    sum += (long double)a[i + j * lda] * (long double)x[j + q * ldb];
                    if (upper ? i > j : i < j) {
                        assert_true(f[i + j * lda] == a[i + j * lda]);
                    }
                }
                assert_true(fabsl(sum) <= (long double)GATE(n) * 4.0L);
            }
        }
        if (n > 3) {
            a[3 * (lda + 1)] = -1;
            NAME(potrf)(upper ? "U" : "L", &n, a, &lda, &info, 1);
            assert_int_equal(info, 4);
        }
        free(f);
        free(x);
        free(b);
        free(a);
        free(m);
    }
}

static void TEST(solves)(void **unused)
{
    (void)unused;
    for (integer n = 0; n <= 40; n++) {
        TEST(check_solves)(n, n % 7);
    }
    TEST(check_solves)(151, 12);
}

/* Normal equations for the least squares, A X = B and the range of A' for the least norm. */
static void TEST(check_least)(integer m, integer n, integer nrhs, bool turned, int scale)
{
    const integer lda = m + 1, most = m > n ? m : n, ldb = most + 2, query = -1, rows = turned ? n : m, cols = turned ? m : n;
    real *a = TEST(numbers)(m, n, lda), *b = TEST(numbers)(most, nrhs, ldb), want = 0;
    for (integer i = 0; i < lda * n; i++) {
        a[i] = a[i] == POISON ? a[i] : (real)ldexp((double)a[i], scale);
    }
    real *factor = TEST(copy)(a, lda * n), *x = TEST(copy)(b, ldb * nrhs);
    integer info = 77;
    NAME(gels)(turned ? "T" : "N", &m, &n, &nrhs, factor, &lda, x, &ldb, &want, &query, &info, 1);
    assert_int_equal(info, 0);
    const integer lwork = (integer)want;
    real *work = malloc((size_t)lwork * sizeof *work);
    NAME(gels)(turned ? "T" : "N", &m, &n, &nrhs, factor, &lda, x, &ldb, work, &lwork, &info, 1);
    assert_int_equal(info, 0);
    TEST(gaps)(factor, m, n, lda);
    TEST(gaps)(x, most, nrhs, ldb);
    for (integer q = 0; q < nrhs; q++) {
        long double residual[700], size = 0.0L;
        for (integer j = 0; j < cols; j++) {
            size = fmaxl(size, fabsl((long double)ldexp((double)x[j + q * ldb], scale)));
        }
        for (integer i = 0; i < rows; i++) {
            residual[i] = -(long double)b[i + q * ldb];
            for (integer j = 0; j < cols; j++) {
                residual[i] += (long double)ldexp((double)a[turned ? j + i * lda : i + j * lda], -scale) * (long double)ldexp((double)x[j + q * ldb], scale);
            }
            assert_true(rows > cols || fabsl(residual[i]) <= (long double)GATE(most) * (1.0L + (long double)cols * size));
        }
        for (integer j = 0; rows > cols && j < cols; j++) {
            long double sum = 0.0L;
            for (integer i = 0; i < rows; i++) {
                sum += residual[i] * (long double)ldexp((double)a[turned ? j + i * lda : i + j * lda], -scale);
            }
            assert_true(fabsl(sum) <= (long double)GATE(rows) * (long double)cols * (1.0L + size));
        }
    }
    free(work);
    free(x);
    free(factor);
    free(b);
    free(a);
}

static void TEST(least)(void **unused)
{
    (void)unused;
    const int far = sizeof(real) == 4 ? 100 : 900;
    for (integer n = 1; n <= 15; n++) {
        for (int turned = 0; turned < 2; turned++) {
            TEST(check_least)(3 * n, n, 2, turned, 0);
            TEST(check_least)(n, 3 * n, 3, turned, 0);
            TEST(check_least)(2 * n, n, 1, turned, n % 2 ? far : -far);
        }
    }
    TEST(check_least)(611, 45, 4, false, 0);
    TEST(check_least)(45, 611, 4, false, 0);
    const integer m = 4, n = 3, nrhs = 2, lwork = 100;
    integer info = 0;
    real a[12], b[8], work[100];
    for (int i = 0; i < 12; i++) {
        a[i] = i / 4 == 1 ? 0 : (real)next_number();
    }
    for (int i = 0; i < 8; i++) {
        b[i] = 1;
    }
    NAME(gels)("N", &m, &n, &nrhs, a, &m, b, &m, work, &lwork, &info, 1);
    assert_int_equal(info, 2); /* the second column is zero */
    memset(a, 0, sizeof a);
    NAME(gels)("N", &m, &n, &nrhs, a, &m, b, &m, work, &lwork, &info, 1);
    assert_int_equal(info, 0);
    for (int i = 0; i < 8; i++) {
        assert_true(b[i] == 0);
    }
}

static void TEST(arguments)(void **unused)
{
    (void)unused;
    const integer bad = -1, none = 0, one = 1, two = 2, three = 3, less = -2;
    real a[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, tau[3] = { 0 }, c[9] = { 0 }, work[64];
    integer info = 0;
#define REFUSED(argument, routine, call) call; is_refused(LETTER routine, info, argument)
    REFUSED(1, "GEQRF", NAME(geqrf)(&bad, &one, a, &one, tau, work, &one, &info));
    REFUSED(2, "GEQRF", NAME(geqrf)(&one, &bad, a, &one, tau, work, &one, &info));
    REFUSED(4, "GEQRF", NAME(geqrf)(&two, &one, a, &one, tau, work, &one, &info));
    REFUSED(7, "GEQRF", NAME(geqrf)(&one, &two, a, &one, tau, work, &one, &info));
    REFUSED(7, "GEQRF", NAME(geqrf)(&one, &two, a, &one, tau, work, &none, &info));
    REFUSED(1, "GEQR2", NAME(geqr2)(&bad, &one, a, &one, tau, work, &info));
    REFUSED(2, "GEQR2", NAME(geqr2)(&one, &bad, a, &one, tau, work, &info));
    REFUSED(4, "GEQR2", NAME(geqr2)(&two, &one, a, &one, tau, work, &info));
    REFUSED(1, "ORGQR", NAME(orgqr)(&bad, &one, &one, a, &one, tau, work, &one, &info));
    REFUSED(2, "ORGQR", NAME(orgqr)(&one, &two, &one, a, &one, tau, work, &two, &info));
    REFUSED(3, "ORGQR", NAME(orgqr)(&two, &one, &two, a, &two, tau, work, &two, &info));
    REFUSED(5, "ORGQR", NAME(orgqr)(&two, &two, &one, a, &one, tau, work, &two, &info));
    REFUSED(8, "ORGQR", NAME(orgqr)(&two, &two, &one, a, &two, tau, work, &one, &info));
    REFUSED(1, "ORMQR", NAME(ormqr)("/", "N", &one, &one, &one, a, &one, tau, c, &one, work, &one, &info, 1, 1));
    REFUSED(2, "ORMQR", NAME(ormqr)("L", "/", &one, &one, &one, a, &one, tau, c, &one, work, &one, &info, 1, 1));
    REFUSED(3, "ORMQR", NAME(ormqr)("L", "N", &bad, &one, &one, a, &one, tau, c, &one, work, &one, &info, 1, 1));
    REFUSED(4, "ORMQR", NAME(ormqr)("L", "N", &one, &bad, &one, a, &one, tau, c, &one, work, &one, &info, 1, 1));
    REFUSED(5, "ORMQR", NAME(ormqr)("R", "N", &three, &one, &two, a, &three, tau, c, &three, work, &three, &info, 1, 1));
    REFUSED(7, "ORMQR", NAME(ormqr)("L", "N", &two, &one, &one, a, &one, tau, c, &two, work, &two, &info, 1, 1));
    REFUSED(10, "ORMQR", NAME(ormqr)("L", "N", &two, &one, &one, a, &two, tau, c, &one, work, &two, &info, 1, 1));
    REFUSED(12, "ORMQR", NAME(ormqr)("L", "N", &one, &two, &one, a, &one, tau, c, &one, work, &one, &info, 1, 1));
    REFUSED(1, "GELS ", NAME(gels)("/", &one, &one, &one, a, &one, c, &one, work, &two, &info, 1));
    REFUSED(2, "GELS ", NAME(gels)("N", &bad, &one, &one, a, &one, c, &one, work, &two, &info, 1));
    REFUSED(3, "GELS ", NAME(gels)("N", &one, &bad, &one, a, &one, c, &one, work, &two, &info, 1));
    REFUSED(4, "GELS ", NAME(gels)("N", &one, &one, &bad, a, &one, c, &one, work, &two, &info, 1));
    REFUSED(6, "GELS ", NAME(gels)("N", &two, &one, &one, a, &one, c, &two, work, &two, &info, 1));
    REFUSED(8, "GELS ", NAME(gels)("N", &two, &one, &one, a, &two, c, &one, work, &two, &info, 1));
    REFUSED(10, "GELS ", NAME(gels)("N", &two, &two, &two, a, &two, c, &two, work, &three, &info, 1));
    REFUSED(1, "TRTRS", NAME(trtrs)("/", "N", "N", &one, &one, a, &one, c, &one, &info, 1, 1, 1));
    REFUSED(2, "TRTRS", NAME(trtrs)("U", "/", "N", &one, &one, a, &one, c, &one, &info, 1, 1, 1));
    REFUSED(3, "TRTRS", NAME(trtrs)("U", "N", "/", &one, &one, a, &one, c, &one, &info, 1, 1, 1));
    REFUSED(4, "TRTRS", NAME(trtrs)("U", "N", "N", &bad, &one, a, &one, c, &one, &info, 1, 1, 1));
    REFUSED(5, "TRTRS", NAME(trtrs)("U", "N", "N", &one, &bad, a, &one, c, &one, &info, 1, 1, 1));
    REFUSED(7, "TRTRS", NAME(trtrs)("U", "N", "N", &two, &one, a, &one, c, &two, &info, 1, 1, 1));
    REFUSED(9, "TRTRS", NAME(trtrs)("U", "N", "N", &two, &one, a, &two, c, &one, &info, 1, 1, 1));
    REFUSED(1, "POTRF", NAME(potrf)("/", &one, a, &one, &info, 1));
    REFUSED(2, "POTRF", NAME(potrf)("U", &less, a, &one, &info, 1));
    REFUSED(4, "POTRF", NAME(potrf)("U", &two, a, &one, &info, 1));
    REFUSED(1, "POTRS", NAME(potrs)("/", &one, &one, a, &one, c, &one, &info, 1));
    REFUSED(2, "POTRS", NAME(potrs)("U", &bad, &one, a, &one, c, &one, &info, 1));
    REFUSED(3, "POTRS", NAME(potrs)("U", &one, &bad, a, &one, c, &one, &info, 1));
    REFUSED(5, "POTRS", NAME(potrs)("U", &two, &one, a, &one, c, &two, &info, 1));
    REFUSED(7, "POTRS", NAME(potrs)("U", &two, &one, a, &two, c, &one, &info, 1));
#undef REFUSED
    for (int i = 0; i < 9; i++) {
        assert_true(a[i] == 1 && c[i] == 0);
    }
}
#undef GATE
#undef POISON
