/* SPDX-License-Identifier: Apache-2.0 */
/* Elimination in a packed panel for one element type: included twice by lu_panel.c, which defines real, REAL and REAL_LEAST. */

static real *REAL(at)(const panel *f, int64_t row, int64_t column)
{
    return (real *)f->data + row / f->strip * f->step + column * f->strip + row % f->strip;
}

/* Rows below q0 of the slice become U; the others lose L U. */
static weir_status REAL(take_products)(panel *f, int64_t q0, int64_t count)
{
    real top[W_PANEL_TILE * W_PANEL_STRIP_MAX];
    const int64_t strip = f->strip;
    if (q0 == 0) {
        return WEIR_OK;
    }
    memset(top, 0, (size_t)(q0 * strip) * sizeof *top);
    for (int64_t r = 0; r < q0; r++) {
        for (int64_t c = 0; c < count; c++) {
            top[r * strip + c] = *REAL(at)(f, r, q0 + c);
        }
    }
    f->kernels->top(q0, f->data, f->step, top);
    f->top = top;
    f->q0 = q0;
    f->count = count;
    const weir_status status = run_updates(f);
    f->top = NULL;
    for (int64_t r = 0; r < q0; r++) {
        for (int64_t c = 0; c < count; c++) {
            *REAL(at)(f, r, q0 + c) = top[r * strip + c];
        }
    }
    return status;
}

/* Column q of the slice that begins at q0, in the strip with the diagonal; returns its largest entry from row q on. */
static real REAL(diagonal_step)(const panel *f, int64_t q0, int64_t q, real scale, real *u)
{
    const int64_t strip = f->strip, r = q % strip, r0 = q0 % strip;
    const int j = (int)(q - q0);
    real *x = (real *)f->data + q / strip * f->step + q0 * strip, *now = x + j * strip, *last = now - strip;
    real kept[2][W_PANEL_STRIP_MAX], most = 0;
    for (int p = 0; p < j; p++) {
        for (int t = 0; t < p; t++) {
            now[r0 + p] -= x[t * strip + r0 + p] * now[r0 + t];
        }
        u[p] = now[r0 + p];
    }
    memcpy(kept[0], now, (size_t)r * sizeof(real));
    if (j > 0) {
        memcpy(kept[1], last, (size_t)r * sizeof(real));
    }
    f->kernels->column(1, x, f->step, j, scale, u);
    memcpy(now, kept[0], (size_t)r * sizeof(real));
    if (j > 0) {
        memcpy(last, kept[1], (size_t)r * sizeof(real));
    }
    const int64_t end = f->rows - (q - r) < strip ? f->rows - (q - r) : strip;
    for (int64_t i = r; i < end; i++) {
        const real size = now[i] < 0 ? -now[i] : now[i];
        most = size > most ? size : most;
    }
    return most;
}

/* Row of the pivot of column q, whose largest entry from there on is `most`, `near` within the strip of the diagonal. */
static int64_t REAL(pivot_row)(const panel *f, int64_t q, real near, real most)
{
    const int64_t strip = f->strip, end = (q / strip + 1) * strip;
    if (!(most > 0)) {
        for (int64_t i = q; i < f->rows; i++) {
            if (isnan(*REAL(at)(f, i, q))) {
                return i;
            }
        }
        return q;
    }
    for (int64_t i = q; near == most && i < end; i++) {
        const real x = *REAL(at)(f, i, q);
        if (x == most || x == -most) {
            return i;
        }
    }
    return end + f->kernels->find(f->strips - end / strip, REAL(at)(f, end, q), f->step, (double)most);
}

static void REAL(exchange_rows)(const panel *f, int64_t i, int64_t k)
{
    if (i == k) {
        return;
    }
    real *a = REAL(at)(f, i, 0), *b = REAL(at)(f, k, 0);
    for (int64_t c = 0; c < f->columns; c++) {
        const real keep = a[c * f->strip];
        a[c * f->strip] = b[c * f->strip];
        b[c * f->strip] = keep;
    }
}

/* What column q is to be multiplied with: 1/pivot, or 1 after a division where there is no such number. */
static real REAL(multiplier)(const panel *f, int64_t q)
{
    const real pivot = *REAL(at)(f, q, q), size = pivot < 0 ? -pivot : pivot;
    if (size == 0 || (size >= REAL_LEAST && size <= 1 / REAL_LEAST) || !isfinite(pivot)) {
        return size == 0 ? 1 : 1 / pivot;
    }
    for (int64_t i = q + 1; i < f->rows; i++) {
        *REAL(at)(f, i, q) /= pivot;
    }
    return 1;
}

static void REAL(eliminate_slice)(panel *f, int64_t q0, int64_t count, int64_t *exchange)
{
    const int64_t strip = f->strip, below = q0 / strip + 1;
    real scale = 1, u[8] = { 0 };
    for (int64_t q = q0; q < q0 + count; q++) {
        const real near = REAL(diagonal_step)(f, q0, q, scale, u);
        real *far = (real *)f->data + below * f->step + q0 * strip;
        const real rest = f->strips > below
                              ? (real)f->kernels->column(f->strips - below, far, f->step, (int)(q - q0), scale, u) : 0;
        const int64_t row = REAL(pivot_row)(f, q, near, rest > near ? rest : near);
        exchange[q] = row;
        REAL(exchange_rows)(f, q, row);
        scale = REAL(multiplier)(f, q);
        if (*REAL(at)(f, q, q) == 0 && f->zero == 0) {
            f->zero = q + 1;
        }
    }
    const int64_t last = q0 + count - 1, end = below * strip < f->rows ? below * strip : f->rows;
    for (int64_t i = last + 1; i < end; i++) {
        *REAL(at)(f, i, last) *= scale;
    }
    if (f->strips > below) {
        f->kernels->scale(f->strips - below, (real *)f->data + below * f->step + last * strip, f->step, (double)scale);
    }
}
