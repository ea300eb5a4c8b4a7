/* SPDX-License-Identifier: Apache-2.0 */
/* Least squares under LAPACK's names for one type: included twice by least_squares.c. */

static void NAME(clear)(const weir_matrix *b)
{
    for (int64_t j = 0; j < b->cols; j++) {
        for (int64_t i = 0; i < b->rows; i++) {
            *(real *)w_matrix_at(b, i, j) = 0;
        }
    }
}

static void NAME(multiply)(call *c, bool trans, const weir_matrix *a, const real *tau, const weir_matrix *b, void *room)
{
    if (room) {
        w_ormqr(c->ctx, trans, a, tau, b, room);
    } else {
        plain_ormqr(trans, a, tau, b);
    }
}

/* A is tall or turned to be so. `direct`: min ||A X - B||, else the X of least norm with A'X = B. Returns gels' info. */
static integer NAME(solve)(call *c, bool direct, const weir_matrix *a, real *tau, const weir_matrix *b)
{
    const int64_t n = a->cols;
    const weir_matrix r = w_matrix_part(a, 0, 0, n, n), top = w_matrix_part(b, 0, 0, n, b->cols);
    const weir_matrix rest = w_matrix_part(b, n, 0, a->rows - n, b->cols), all = w_matrix_part(b, 0, 0, a->rows, b->cols);
    char none[64];
    w_scratch s = { none, 0 };
    void *room = call_room(c, w_max64(w_geqrf_bytes(c->ctx, a), w_ormqr_bytes(a)));
    if (room) {
        w_geqrf(c->ctx, a, tau, room);
    } else {
        plain_geqrf(a, tau);
    }
    if (direct) {
        NAME(multiply)(c, true, a, tau, &all, room);
    }
    const int64_t zero = w_dense_zero(&r);
    if (zero == 0) {
        w_dense_trsm(c->ctx, (w_triangular){ .upper = true, .trans = !direct }, &r, &top, &s);
        if (!direct) {
            NAME(clear)(&rest);
            NAME(multiply)(c, false, a, tau, &all, room);
        }
    }
    call_room_free(c, room);
    return (integer)zero;
}

static integer NAME(solve_scaled)(bool turned, const weir_matrix *a, real *tau, const weir_matrix *b)
{
    const double least = sizeof(real) == 4 ? FLT_MIN : DBL_MIN, eps = sizeof(real) == 4 ? FLT_EPSILON : DBL_EPSILON;
    const weir_matrix given = w_matrix_part(b, 0, 0, turned ? a->cols : a->rows, b->cols);
    const weir_matrix result = w_matrix_part(b, 0, 0, turned ? a->rows : a->cols, b->cols);
    const double a_most = w_matrix_largest(a), b_most = w_matrix_largest(&given);
    if (a_most == 0.0) {
        NAME(clear)(b);
        return 0;
    }
    const int a_power = power_for(a_most, least, eps), b_power = power_for(b_most, least, eps);
    const weir_matrix tall = a->rows >= a->cols ? *a : w_matrix_turned(a);
    w_matrix_scale(a, a_power);
    w_matrix_scale(&given, b_power);
    call c;
    call_begin(&c);
    const integer info = NAME(solve)(&c, (a->rows >= a->cols) != turned, &tall, tau, b);
    call_end(&c);
    if (info == 0) {
        w_matrix_scale(&result, a_power - b_power);
    }
    return info;
}

EXPORT void NAME(gels)(const char *trans, const integer *m, const integer *n, const integer *nrhs, real *a, const integer *lda, real *b,
                       const integer *ldb, real *work, const integer *lwork, integer *info)
{
    const integer least = call_least(*m, *n), most = call_most(*m, *n);
    const bool plain = call_letter(trans, 'N'), query = *lwork == -1;
    *info = !plain && !call_letter(trans, 'T') ? -1 : *m < 0 ? -2 : *n < 0 ? -3 : *nrhs < 0 ? -4 : *lda < call_most(1, *m) ? -6
            : *ldb < call_most(1, most) ? -8 : *lwork < call_most(1, least + call_most(least, *nrhs)) && !query ? -10 : 0;
    if (*info == 0 || *info == -10) {
        const integer block = *m >= *n ? call_block(LETTER "GEQRF", " ", *m, *n, -1, -1) : call_block(LETTER "GELQF", " ", *m, *n, -1, -1);
        work[0] = (real)call_most(1, least + call_most(least, *nrhs) * block);
    }
    if (*info) {
        const integer argument = -*info;
        xerbla_(LETTER "GELS ", &argument, 6);
        return;
    }
    if (query) {
        return;
    }
    const weir_matrix right = call_view(b, DTYPE, most, *nrhs, *ldb);
    if (least == 0 || *nrhs == 0) {
        NAME(clear)(&right);
        return;
    }
    const weir_matrix view = call_view(a, DTYPE, *m, *n, *lda);
    *info = NAME(solve_scaled)(!plain, &view, work, &right);
}
