/* SPDX-License-Identifier: Apache-2.0 */
/* QR and block reflectors under LAPACK's names for one type: included twice by orthogonal.c. */

/* work(1) := the workspace LAPACK's own would like best: columns times the block size that ilaenv_ names. */
static void NAME(tell_work)(real *work, integer columns, integer block) { work[0] = (real)((double)columns * (double)block); }

static void NAME(factor)(integer m, integer n, real *a, integer lda, real *tau, bool blocks)
{
    const weir_matrix view = call_view(a, DTYPE, m, n, lda);
    call c;
    call_begin(&c);
    void *room = call_room(&c, blocks ? w_geqrf_bytes(c.ctx, &view) : w_geqr2_bytes(&view));
    if (!room) {
        plain_geqrf(&view, tau);
    } else if (blocks) {
        w_geqrf(c.ctx, &view, tau, room);
    } else {
        w_geqr2(&view, tau, room);
    }
    call_room_free(&c, room);
    call_end(&c);
}

EXPORT void NAME(geqrf)(const integer *m, const integer *n, real *a, const integer *lda, real *tau, real *work, const integer *lwork,
                        integer *info)
{
    const integer k = call_least(*m, *n), block = call_block(LETTER "GEQRF", " ", *m, *n, -1, -1);
    const bool query = *lwork == -1;
    *info = *m < 0 ? -1 : *n < 0 ? -2 : *lda < call_most(1, *m) ? -4
            : !query && (*lwork <= 0 || (*m > 0 && *lwork < call_most(1, *n))) ? -7 : 0;
    if (*info) {
        call_refuse(LETTER "GEQRF", info);
        return;
    }
    NAME(tell_work)(work, k == 0 ? 1 : *n, k == 0 ? 1 : block);
    if (!query && k > 0) {
        NAME(factor)(*m, *n, a, *lda, tau, block > 1);
    }
}

EXPORT void NAME(geqr2)(const integer *m, const integer *n, real *a, const integer *lda, real *tau, real *work, integer *info)
{
    (void)work;
    *info = *m < 0 ? -1 : *n < 0 ? -2 : *lda < call_most(1, *m) ? -4 : 0;
    if (*info) {
        call_refuse(LETTER "GEQR2", info);
    } else if (call_least(*m, *n) > 0) {
        NAME(factor)(*m, *n, a, *lda, tau, false);
    }
}

EXPORT void NAME(orgqr)(const integer *m, const integer *n, const integer *k, real *a, const integer *lda, const real *tau, real *work,
                        const integer *lwork, integer *info)
{
    const integer block = call_block(LETTER "ORGQR", " ", *m, *n, *k, -1);
    const bool query = *lwork == -1;
    NAME(tell_work)(work, call_most(1, *n), block);
    *info = *m < 0 ? -1 : *n < 0 || *n > *m ? -2 : *k < 0 || *k > *n ? -3 : *lda < call_most(1, *m) ? -5
            : *lwork < call_most(1, *n) && !query ? -8 : 0;
    if (*info) {
        call_refuse(LETTER "ORGQR", info);
        return;
    }
    if (query) {
        return;
    }
    if (*n == 0) {
        work[0] = 1;
        return;
    }
    const weir_matrix view = call_view(a, DTYPE, *m, *n, *lda);
    call c;
    call_begin(&c);
    void *room = call_room(&c, w_orgqr_bytes(&view, *k));
    if (room) {
        w_orgqr(c.ctx, &view, *k, tau, room);
    } else {
        plain_orgqr(&view, *k, tau);
    }
    call_room_free(&c, room);
    call_end(&c);
}

static void NAME(multiply)(bool trans, const weir_matrix *a, const real *tau, const weir_matrix *product)
{
    call c;
    call_begin(&c);
    void *room = call_room(&c, w_ormqr_bytes(a));
    if (room) {
        w_ormqr(c.ctx, trans, a, tau, product, room);
    } else {
        plain_ormqr(trans, a, tau, product);
    }
    call_room_free(&c, room);
    call_end(&c);
}

EXPORT void NAME(ormqr)(const char *side, const char *trans, const integer *m, const integer *n, const integer *k, const real *a,
                        const integer *lda, const real *tau, real *product, const integer *ldc, real *work, const integer *lwork,
                        integer *info)
{
    const bool left = call_letter(side, 'L'), plain = call_letter(trans, 'N'), query = *lwork == -1;
    const integer order = left ? *m : *n, width = call_most(1, left ? *n : *m);
    const char options[] = { side[0], trans[0], 0 };
    *info = !left && !call_letter(side, 'R') ? -1 : !plain && !call_letter(trans, 'T') ? -2 : *m < 0 ? -3 : *n < 0 ? -4
            : *k < 0 || *k > order ? -5 : *lda < call_most(1, order) ? -7 : *ldc < call_most(1, *m) ? -10
            : *lwork < width && !query ? -12 : 0;
    if (*info) {
        call_refuse(LETTER "ORMQR", info);
        return;
    }
    NAME(tell_work)(work, width, call_block(LETTER "ORMQR", options, *m, *n, *k, -1));
    if (query) {
        return;
    }
    if (*m == 0 || *n == 0 || *k == 0) {
        work[0] = 1;
        return;
    }
    const weir_matrix view = call_view(a, DTYPE, order, *k, *lda), to = call_view(product, DTYPE, *m, *n, *ldc);
    const weir_matrix seen = left ? to : w_matrix_turned(&to);
    NAME(multiply)(left != plain, &view, tau, &seen);
}

/* Reflectors as the forward, columnwise ones of a view: n x k. */
static weir_matrix NAME(reflectors)(bool forward, bool columns, int64_t n, int64_t k, const real *v, int64_t ldv)
{
    const int64_t row = columns ? 1 : ldv, col = columns ? ldv : 1;
    const real *first = forward ? v : v + (n - 1) * row + (k - 1) * col;
    return (weir_matrix){ (void *)first, DTYPE, n, k, forward ? row : -row, forward ? col : -col };
}

static weir_matrix NAME(triangle)(bool forward, int64_t k, const real *t, int64_t ldt)
{
    return (weir_matrix){ (void *)(forward ? t : t + (k - 1) * (ldt + 1)), DTYPE, k, k, forward ? 1 : -1, forward ? ldt : -ldt };
}

EXPORT void NAME(larft)(const char *direct, const char *storev, const integer *n, const integer *k, const real *v, const integer *ldv,
                        const real *tau, real *t, const integer *ldt)
{
    if (*n <= 0 || *k <= 0) {
        return;
    }
    const bool forward = call_letter(direct, 'F');
    const weir_matrix seen = NAME(reflectors)(forward, call_letter(storev, 'C'), *n, *k, v, *ldv);
    const weir_matrix to = NAME(triangle)(forward, *k, t, *ldt);
    call c;
    call_begin(&c);
    const int64_t turned = w_round_up64(w_mul64(*k, sizeof(real)), 64);
    char *room = call_room(&c, w_add64(turned, w_larft_bytes(&seen)));
    real *other = (real *)(void *)room;
    for (integer i = 0; room && i < *k; i++) {
        other[i] = forward ? tau[i] : tau[*k - 1 - i];
    }
    if (room) {
        w_larft(c.ctx, &seen, other, &to, room + turned);
    } else if (forward) {
        plain_larft(&seen, tau, &to);
    } else { /* the numbers stand on the diagonal of T while they are read backwards */
        for (integer i = 0; i < *k; i++) {
            t[i * (*ldt + 1)] = tau[i];
        }
        plain_larft(&seen, NULL, &to);
    }
    call_room_free(&c, room);
    call_end(&c);
}

EXPORT void NAME(larfb)(const char *side, const char *trans, const char *direct, const char *storev, const integer *m, const integer *n,
                        const integer *k, const real *v, const integer *ldv, const real *t, const integer *ldt, real *product,
                        const integer *ldc, real *work, const integer *ldwork)
{
    (void)work;
    (void)ldwork;
    if (*m <= 0 || *n <= 0 || *k <= 0) {
        return;
    }
    const bool left = call_letter(side, 'L'), forward = call_letter(direct, 'F'), plain = call_letter(trans, 'N');
    const int64_t order = left ? *m : *n;
    const weir_matrix seen = NAME(reflectors)(forward, call_letter(storev, 'C'), order, *k, v, *ldv);
    const weir_matrix triangle = NAME(triangle)(forward, *k, t, *ldt), to = call_view(product, DTYPE, *m, *n, *ldc);
    weir_matrix c_seen = left ? to : w_matrix_turned(&to);
    if (!forward) {
        c_seen.data = w_matrix_at(&c_seen, order - 1, 0);
        c_seen.row_stride = -c_seen.row_stride;
    }
    call c;
    call_begin(&c);
    void *room = call_room(&c, w_larfb_bytes(&seen));
    if (room) {
        w_larfb(c.ctx, left != plain, &seen, &triangle, &c_seen, room);
    } else {
        plain_larfb(left != plain, &seen, &triangle, &c_seen);
    }
    call_room_free(&c, room);
    call_end(&c);
}
