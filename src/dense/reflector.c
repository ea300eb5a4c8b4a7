/* SPDX-License-Identifier: Apache-2.0 */
/* Eight reflectors, and what they do to other columns.
 *
 * Column j of the block: alpha = h_jj, x what lies below it, in the head and in the rows;
 *     beta = -sign(alpha) (alpha^2 + x'x)^1/2,   tau = (beta - alpha) / beta,   v = x / (alpha - beta),
 *     a_k -= (1, v) w_k,   w_k = tau (h_jk + x'a_k / (alpha - beta)).
 * The x'a_k were summed while the reflector before this one was applied: one pass over the rows per column. Where x'x is so small
 * that it may have lost digits to underflow, x is scaled first, and its products are summed anew.
 * T is upper triangular with H_1 ... H_8 = I - V T V':  T_jj = tau_j,  T_1:j,j = -tau_j T_1:j,1:j (V'V)_1:j,j.
 * Source: Golub & Van Loan, 5.1, 5.2; Schreiber & Van Loan (1989). */
#include "dense/qr.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define B W_REFLECTOR_BLOCK

const w_reflector *w_reflector_find(w_isa isa, int size)
{
    const int type = size == 4;
#if defined __x86_64__
    if (isa == W_ISA_AVX512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
                   ? &w_reflector_avx512[type]
                   : NULL;
    }
    if (isa == W_ISA_AVX2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &w_reflector_avx2[type] : NULL;
    }
#endif
    return isa == W_ISA_GENERIC ? &w_reflector_portable[type] : NULL;
}

const w_reflector *w_reflector_best(int size)
{
    for (int isa = W_ISA_AVX512; isa > W_ISA_GENERIC; isa--) {
        const w_reflector *found = w_reflector_find((w_isa)isa, size);
        if (found) {
            return found;
        }
    }
    return &w_reflector_portable[size == 4];
}

static double get(const w_reflector *k, const void *a, int64_t i)
{
    return k->size == 4 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

static double put(const w_reflector *k, void *a, int64_t i, double value)
{
    if (k->size == 4) {
        return ((float *)a)[i] = (float)value;
    }
    return ((double *)a)[i] = value;
}

static void *at(const w_reflector *k, const void *a, int64_t i) { return (char *)a + i * k->size; }

/* ---- one block ----------------------------------------------------------------------------------------------------- */

typedef struct block {
    const w_reflector *k;
    int64_t rows, ld;
    void *a;        /* the rows below the head, 8 columns */
    double h[B][B]; /* the head by columns */
    double dots[B]; /* a_j' a_{j + q} */
} block;

static void gather(const block *b, const void *part, int width, double *dots)
{
    for (int q = 0; q < width; q++) {
        dots[q] += get(b->k, part, q);
    }
}

/* Products of column j with itself and those after it. */
static void multiply(block *b, int j)
{
    double part[B];
    memset(b->dots, 0, sizeof b->dots);
    for (int64_t r = 0; r < b->rows; r += W_REFLECTOR_ROWS) {
        b->k->first(w_min64(W_REFLECTOR_ROWS, b->rows - r), B - j, at(b->k, b->a, j * b->ld + r), b->ld, part);
        gather(b, part, B - j, b->dots);
    }
}

static void move(block *b, int j, const void *factors)
{
    double part[B];
    memset(b->dots, 0, sizeof b->dots);
    for (int64_t r = 0; r < b->rows; r += W_REFLECTOR_ROWS) {
        b->k->step(w_min64(W_REFLECTOR_ROWS, b->rows - r), B - 1 - j, at(b->k, b->a, j * b->ld + r), factors,
                   at(b->k, b->a, (j + 1) * b->ld + r), b->ld, part);
        gather(b, part, B - 1 - j, b->dots);
    }
}

/* Largest absolute value below the diagonal; NaN where there is one. */
static double largest_below(const block *b, int j)
{
    double largest = 0.0;
    for (int i = j + 1; i < B; i++) {
        largest = fabs(b->h[j][i]) > largest || isnan(b->h[j][i]) ? fabs(b->h[j][i]) : largest;
    }
    for (int64_t r = 0; r < b->rows; r++) {
        const double x = fabs(get(b->k, b->a, j * b->ld + r));
        largest = x > largest || isnan(x) ? x : largest;
    }
    return largest;
}

static void scale_column(block *b, int j, double factor)
{
    for (int i = j + 1; i < B; i++) {
        b->h[j][i] *= factor;
    }
    for (int64_t r = 0; r < b->rows; r++) {
        put(b->k, b->a, j * b->ld + r, factor * get(b->k, b->a, j * b->ld + r));
    }
}

/* Column j where x'x cannot be trusted: puts v where x was and returns tau. */
static double careful(block *b, int j, double *beta)
{
    const double alpha = b->h[j][j], largest = largest_below(b, j);
    *beta = alpha;
    if (largest == 0.0 || isnan(largest)) {
        return largest;
    }
    int exponent = 0;
    frexp(fmax(largest, fabs(alpha)), &exponent);
    scale_column(b, j, ldexp(1.0, -exponent / 2));
    scale_column(b, j, ldexp(1.0, -exponent + exponent / 2));
    double square = 0.0;
    for (int i = j + 1; i < B; i++) {
        square += b->h[j][i] * b->h[j][i];
    }
    for (int64_t r = 0; r < b->rows; r++) {
        const double x = get(b->k, b->a, j * b->ld + r);
        square += x * x;
    }
    const double lead = ldexp(alpha, -exponent), norm = -copysign(sqrt(lead * lead + square), lead);
    scale_column(b, j, 1.0 / (lead - norm));
    *beta = ldexp(norm, exponent);
    return (norm - lead) / norm;
}

/* Below this a sum of squares may have lost digits, of columns whose elements were of moderate size. */
static double trusted(const w_reflector *k) { return k->size == 4 ? 0x1p-96 : 0x1p-900; }

static double reflect(block *b, int j)
{
    const w_reflector *k = b->k;
    double *x = b->h[j], alpha = x[j], square = b->dots[0], beta, tau, scale = 1.0;
    for (int i = j + 1; i < B; i++) {
        square += x[i] * x[i];
    }
    if (square < trusted(k)) {
        tau = careful(b, j, &beta);
        multiply(b, j);
    } else {
        beta = -copysign(sqrt(alpha * alpha + square), alpha);
        beta = k->size == 4 ? (double)(float)beta : beta;
        tau = (beta - alpha) / beta;
        scale = 1.0 / (alpha - beta);
    }
    double factors[B]; /* of either type */
    x[j] = k->size == 4 ? (double)(float)beta : beta;
    scale = put(k, factors, 0, scale);
    for (int i = j + 1; i < B; i++) {
        x[i] *= scale;
    }
    for (int q = j + 1; q < B; q++) {
        double *y = b->h[q], w = scale * b->dots[q - j] + y[j];
        for (int i = j + 1; i < B; i++) {
            w += x[i] * y[i];
        }
        w = put(k, factors, q - j, tau == 0.0 ? 0.0 : tau * w);
        y[j] -= w;
        for (int i = j + 1; i < B; i++) {
            y[i] -= w * x[i];
        }
    }
    move(b, j, factors);
    return tau;
}

/* T (dense 8 x 8) from tau and V'V. */
static void triangle(const block *b, const double *tau, const void *vh, void *t)
{
    double gram[B * B] = {0}, part[B * B], m[B][B] = {{0}};
    for (int64_t r = 0; r < b->rows; r += W_REFLECTOR_ROWS) {
        const void *v = at(b->k, b->a, r);
        b->k->products(w_min64(W_REFLECTOR_ROWS, b->rows - r), v, b->ld, B, v, b->ld, part);
        for (int i = 0; i < B * B; i++) {
            gram[i] += get(b->k, part, i);
        }
    }
    for (int j = 0; j < B; j++) {
        for (int i = 0; i < j; i++) {
            for (int r = j; r < B; r++) {
                gram[i + j * B] += get(b->k, vh, r + i * B) * get(b->k, vh, r + j * B);
            }
        }
        for (int i = 0; i < j && tau[j] != 0.0; i++) {
            double sum = 0.0;
            for (int p = i; p < j; p++) {
                sum += m[p][i] * gram[p + j * B];
            }
            m[j][i] = -tau[j] * sum;
        }
        m[j][j] = tau[j];
        for (int i = 0; i < B; i++) {
            put(b->k, t, i + j * B, m[j][i]);
        }
    }
}

void w_reflector_factor(const w_reflector *k, int64_t rows, void *head, int64_t ldh, void *a, int64_t ld,
                        void *tau, void *t, void *vh)
{
    block b = {.k = k, .rows = rows, .ld = ld, .a = a};
    double exact[B];
    for (int j = 0; j < B; j++) {
        for (int i = 0; i < B; i++) {
            b.h[j][i] = get(k, head, i + j * ldh);
        }
    }
    multiply(&b, 0);
    for (int j = 0; j < B; j++) {
        exact[j] = put(k, tau, j, reflect(&b, j));
    }
    for (int j = 0; j < B; j++) {
        for (int i = 0; i < B; i++) {
            const double value = put(k, head, i + j * ldh, b.h[j][i]);
            put(k, vh, i + j * B, i < j ? 0.0 : i == j ? 1.0 : value);
        }
    }
    triangle(&b, exact, vh, t);
}

/* ---- other columns ------------------------------------------------------------------------------------------------- */

void w_reflector_apply(const w_reflector *k, bool trans, const void *t, const void *vh, int64_t rows,
                       const void *v, int64_t ldv, int64_t columns, void *ch, int64_t ldh, void *c, int64_t ldc)
{
    enum { GROUP = 48 };
    double w[B * GROUP], part[B * GROUP];
    for (int64_t q = 0; q < columns; q += GROUP) {
        const int64_t count = w_min64(GROUP, columns - q);
        memset(w, 0, (size_t)(count * B * k->size));
        for (int64_t r = 0; r < rows; r += W_REFLECTOR_ROWS) {
            const int64_t height = w_min64(W_REFLECTOR_ROWS, rows - r);
            k->products(height, at(k, v, r), ldv, count, at(k, c, r + q * ldc), ldc, r == 0 ? w : part);
            for (int64_t i = 0; r > 0 && i < count * B; i++) {
                put(k, w, i, get(k, w, i) + get(k, part, i));
            }
        }
        k->head(trans, t, vh, count, at(k, ch, q * ldh), ldh, w);
        for (int64_t r = 0; r < rows; r += W_REFLECTOR_ROWS) {
            k->subtract(w_min64(W_REFLECTOR_ROWS, rows - r), at(k, v, r), ldv, count, at(k, c, r + q * ldc), ldc,
                        w);
        }
    }
}
