/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky and triangular systems under LAPACK's names for one type: included twice by cholesky.c. */

EXPORT void NAME(potrf)(const char *uplo, const integer *n, real *a, const integer *lda, integer *info)
{
    const bool upper = call_letter(uplo, 'U');
    *info = !upper && !call_letter(uplo, 'L') ? -1 : *n < 0 ? -2 : *lda < call_most(1, *n) ? -4 : 0;
    if (*info) {
        call_refuse(LETTER "POTRF", info);
        return;
    }
    if (*n == 0) {
        return;
    }
    call c;
    int64_t failed = 0;
    call_begin(&c);
    w_chol_factor_panels(c.ctx, w_panel_best(sizeof(real)), upper, *n, a, *lda, &failed);
    call_end(&c);
    *info = (integer)failed;
}

/* B := op(A)^-1 B; nothing is allocated as both are column-major. */
static void NAME(substitute)(call *c, w_triangular how, int64_t n, int64_t count, const real *a, int64_t lda, real *b, int64_t ldb)
{
    char none[64];
    w_scratch s = { none, 0 };
    const weir_matrix triangle = call_view(a, DTYPE, n, n, lda), x = call_view(b, DTYPE, n, count, ldb);
    w_dense_trsm(c->ctx, how, &triangle, &x, &s);
}

EXPORT void NAME(potrs)(const char *uplo, const integer *n, const integer *nrhs, const real *a, const integer *lda, real *b,
                        const integer *ldb, integer *info)
{
    const bool upper = call_letter(uplo, 'U');
    *info = !upper && !call_letter(uplo, 'L') ? -1 : *n < 0 ? -2 : *nrhs < 0 ? -3 : *lda < call_most(1, *n) ? -5
            : *ldb < call_most(1, *n) ? -7 : 0;
    if (*info) {
        call_refuse(LETTER "POTRS", info);
        return;
    }
    if (*n == 0 || *nrhs == 0) {
        return;
    }
    call c;
    call_begin(&c);
    NAME(substitute)(&c, (w_triangular){ .upper = upper, .trans = upper }, *n, *nrhs, a, *lda, b, *ldb);
    NAME(substitute)(&c, (w_triangular){ .upper = upper, .trans = !upper }, *n, *nrhs, a, *lda, b, *ldb);
    call_end(&c);
}

EXPORT void NAME(trtrs)(const char *uplo, const char *trans, const char *diag, const integer *n, const integer *nrhs, const real *a,
                        const integer *lda, real *b, const integer *ldb, integer *info)
{
    const bool upper = call_letter(uplo, 'U'), turned = call_letter(trans, 'T') || call_letter(trans, 'C');
    const bool unit = call_letter(diag, 'U');
    *info = !upper && !call_letter(uplo, 'L') ? -1 : !turned && !call_letter(trans, 'N') ? -2
            : !unit && !call_letter(diag, 'N') ? -3 : *n < 0 ? -4 : *nrhs < 0 ? -5 : *lda < call_most(1, *n) ? -7
            : *ldb < call_most(1, *n) ? -9 : 0;
    if (*info) {
        call_refuse(LETTER "TRTRS", info);
        return;
    }
    if (*n == 0) {
        return;
    }
    const weir_matrix triangle = call_view(a, DTYPE, *n, *n, *lda);
    *info = unit ? 0 : (integer)w_dense_zero(&triangle);
    if (*info) {
        return;
    }
    call c;
    call_begin(&c);
    NAME(substitute)(&c, (w_triangular){ .upper = upper, .trans = turned, .unit = unit }, *n, *nrhs, a, *lda, b, *ldb);
    call_end(&c);
}
