/* SPDX-License-Identifier: Apache-2.0 */
/* Pivoted QR for one element type: included twice by qr_pivot.c, which defines real, REAL(name), BLAS(name), REAL_EPS, REAL_LEAST. */

/* H (alpha; x) = (beta; 0), v = (1; x on return). Rescued by powers of two where beta is below the smallest normal / eps. */
static real REAL(reflector)(w_blas_int rest, real *alpha, real *x)
{
    const w_blas_int one = 1;
    const real small = REAL_LEAST / REAL_EPS, big = 1 / small;
    real norm = rest > 0 ? BLAS(nrm2)(&rest, x, &one) : 0, beta, tau, scale;
    int times = 0;
    if (norm == 0) {
        return 0;
    }
    beta = REAL(hypot)(*alpha, norm);
    for (; beta < small && times < 20; times++) {
        BLAS(scal)(&rest, &big, x, &one);
        *alpha *= big;
        norm = BLAS(nrm2)(&rest, x, &one);
        beta = REAL(hypot)(*alpha, norm);
    }
    beta = *alpha > 0 ? -beta : beta;
    tau = (beta - *alpha) / beta;
    scale = 1 / (*alpha - beta);
    BLAS(scal)(&rest, &scale, x, &one);
    for (; times > 0; times--) {
        beta *= small;
    }
    *alpha = beta;
    return tau;
}

static void REAL(swap_columns)(pivoting *q, int64_t i, int64_t k)
{
    real *norm = q->norm, *kept = q->kept, *a = (real *)q->a + i * q->m, *b = (real *)q->a + k * q->m;
    if (i == k) {
        return;
    }
    for (int64_t r = 0; r < q->m; r++) {
        const real keep = a[r];
        a[r] = b[r];
        b[r] = keep;
    }
    const int64_t column = q->pivot[i];
    q->pivot[i] = q->pivot[k];
    q->pivot[k] = column;
    norm[k] = norm[i]; /* that of column i is not asked for again */
    kept[k] = kept[i];
}

static int64_t REAL(largest)(const pivoting *q, int64_t from)
{
    const real *norm = q->norm;
    int64_t best = from;
    for (int64_t j = from; j < q->n; j++) {
        if (norm[j] > norm[best] || (isnan(norm[j]) && !isnan(norm[best]))) {
            best = j;
        }
    }
    return best;
}

/* Norms of the columns from rows `from` on. */
static void REAL(take_norm)(pivoting *q, int64_t from, int64_t j)
{
    const w_blas_int rows = (w_blas_int)(q->m - from), one = 1;
    real *norm = q->norm, *kept = q->kept;
    norm[j] = kept[j] = rows > 0 ? BLAS(nrm2)(&rows, (real *)q->a + from + j * q->m, &one) : 0;
}

/* Column k of F: tau A'v less what the block's reflectors before it take away, F := F - tau F (V'v). */
static void REAL(take_products)(pivoting *q, int64_t first, int64_t k, real tau)
{
    const int64_t row = k, m = q->m, n = q->n;
    const w_blas_int rows = (w_blas_int)(m - row), right = (w_blas_int)(n - k - 1), before = (w_blas_int)(k - first), ld = (w_blas_int)m;
    const w_blas_int all = (w_blas_int)(n - first), ldf = (w_blas_int)n, one = 1;
    const real zero = 0, unit = 1, minus = -tau;
    real *a = q->a, *v = a + row + k * m, *f = (real *)q->f + (k - first) * n, *products = q->products;
    for (int64_t j = first; j <= k; j++) {
        f[j] = 0;
    }
    if (right > 0) {
        BLAS(gemv)("T", &rows, &right, &tau, a + row + (k + 1) * m, &ld, v, &one, &zero, f + k + 1, &one);
    }
    if (before > 0) {
        BLAS(gemv)("T", &rows, &before, &minus, a + row + first * m, &ld, v, &one, &zero, products, &one);
        BLAS(gemv)("N", &all, &before, &unit, (real *)q->f + first, &ldf, products, &one, &unit, f + first, &one);
    }
}

/* Norms lose the row that is finished; where cancellation has left fewer than half of the digits they are marked to be taken anew
 * (Drmac and Bujanovic), which ends the block. */
static bool REAL(lower_norms)(pivoting *q, int64_t k)
{
    const real limit = REAL(sqrt)(REAL_EPS);
    real *norm = q->norm, *kept = q->kept;
    bool fresh = true;
    for (int64_t j = k + 1; j < q->n; j++) {
        if (norm[j] == 0) {
            continue;
        }
        real ratio = REAL(fabs)(((real *)q->a)[k + j * q->m]) / norm[j];
        ratio = (1 + ratio) * (1 - ratio);
        ratio = ratio > 0 ? ratio : 0;
        const real part = norm[j] / kept[j];
        if (!(ratio * part * part > limit)) {
            kept[j] = -1;
            fresh = false;
        } else {
            norm[j] *= REAL(sqrt)(ratio);
        }
    }
    return fresh;
}

/* Column k enters; false: the block must end. */
static bool REAL(factor_column)(pivoting *q, int64_t first, int64_t k, void *taus)
{
    const int64_t m = q->m, n = q->n;
    const w_blas_int rows = (w_blas_int)(m - k), before = (w_blas_int)(k - first), ld = (w_blas_int)m, ldf = (w_blas_int)n, one = 1;
    const w_blas_int right = (w_blas_int)(n - k - 1), inner = before + 1;
    const real unit = 1, minus = -1;
    real *a = q->a, *f = q->f, *column = a + k + k * m;
    const int64_t chosen = REAL(largest)(q, k);
    REAL(swap_columns)(q, k, chosen);
    for (int64_t j = 0; chosen != k && j < before; j++) { /* rows of F move with the columns */
        const real keep = f[k + j * n];
        f[k + j * n] = f[chosen + j * n];
        f[chosen + j * n] = keep;
    }
    if (before > 0) {
        BLAS(gemv)("N", &rows, &before, &minus, a + k + first * m, &ld, f + k, &ldf, &unit, column, &one);
    }
    const real tau = REAL(reflector)(rows - 1, column, column + 1), beta = *column;
    ((real *)taus)[k] = tau;
    *column = 1;
    REAL(take_products)(q, first, k, tau);
    if (right > 0) { /* row k of what follows */
        BLAS(gemv)("N", &right, &inner, &minus, f + k + 1, &ldf, a + k + first * m, &ld, &unit, a + k + (k + 1) * m, &ld);
    }
    *column = beta;
    return REAL(lower_norms)(q, k);
}

/* A -= V F' for the rows and columns that follow the block. */
static weir_status REAL(finish_block)(weir_ctx *ctx, const w_panel *panel, pivoting *q, int64_t first, int64_t next)
{
    const int64_t m = q->m, n = q->n;
    real *a = q->a, *f = q->f, *kept = q->kept;
    weir_status status = WEIR_OK;
    if (next < m && next < n) {
        status = w_gemm(ctx, panel, m - next, n - next, next - first, -1.0, (w_operand){ a + next + first * m, 1, m },
                        (w_operand){ f + next, 1, n }, a + next + next * m, m);
    }
    for (int64_t j = next; j < n; j++) {
        if (kept[j] < 0) {
            REAL(take_norm)(q, next, j);
        }
    }
    return status;
}

static weir_status REAL(factor)(weir_ctx *ctx, const w_panel *panel, pivoting *q, void *taus)
{
    const int64_t least = w_min64(q->m, q->n);
    weir_status status = WEIR_OK;
    for (int64_t j = 0; j < q->n; j++) {
        q->pivot[j] = j;
        REAL(take_norm)(q, 0, j);
    }
    for (int64_t first = 0, next; first < least && status >= 0; first = next) {
        const int64_t end = w_min64(least, first + BLOCK);
        next = first;
        while (next < end && REAL(factor_column)(q, first, next, taus)) {
            next++;
        }
        next = w_min64(end, next + 1);
        status = REAL(finish_block)(ctx, panel, q, first, next);
    }
    return status;
}
