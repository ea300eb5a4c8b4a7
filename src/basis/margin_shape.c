/* SPDX-License-Identifier: Apache-2.0 */
/* P-splines under shape constraints: mpi, mpd (monotone up, down), cx, cv (convex, concave) and micx, micv, mdcx,
 * mdcv (both).
 *
 * The margin is that of ps. With control points b_0 … b_{K-1} at the Greville abscissae x_j and steps h_j =
 * x_{j+1} - x_j over their mean, the slopes of the control polygon and their differences are
 *     s_j = (b_{j+1} - b_j) / h_j,  j = 0 … K-2;      d_j = s_j - s_{j-1},  j = 1 … K-2.
 * f' and f'' are splines with positive multiples of s and d as coefficients; B-splines being non-negative, s >= 0
 * makes f increase and d >= 0 makes it convex on the whole of the breaks, and beyond them f continues linearly
 * with the slope it has there. The design columns are these numbers themselves, so that the cone is an orthant:
 *     monotone   b_{j+1} = b_j +- g_j                                 g >= 0, K - 1 of them
 *     curved     s_a = +- g_0,  s_j = s_a + sum of +- g between a and j
 * where g_0 is free for cx and cv (a: the middle) and the least or the largest slope for the four combined kinds
 * (a: the first or the last). A constraint is active where a coefficient is 0. The constant goes with centring:
 * with c the mean row of the raw design, T = B - 1 c'B maps g to control points and X T sums to zero, because X 1
 * = 1. Differences see no constant, so that the penalty is B'SB, in integers for even knots: what it leaves free
 * it leaves free exactly.
 *
 * A face is the subspace of some coefficients held at 0. Its penalty is measured in orthonormal coordinates of the
 * control points, T_F = Q R:  log|S_F|_+ = log|Q'SQ|_+ + 2 log|R|, so that log|H| - log|S|_+ is the same as for a
 * ps smooth under the same equations. Pya & Wood (2015), Statistics and Computing 25:543 for the kinds. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/parts.h"

typedef enum shape_anchor { ANCHOR_NONE, ANCHOR_FIRST, ANCHOR_MIDDLE, ANCHOR_LAST } shape_anchor;

static const struct {
    w_basis_kind kind;
    shape_anchor anchor; /* NONE: monotone alone */
    bool free;           /* the anchor's slope has no sign */
    double slope, bend;  /* signs of g_0 and of the others */
} shapes[] = {
    {W_BASIS_MPI, ANCHOR_NONE, false, 1, 1},    {W_BASIS_MPD, ANCHOR_NONE, false, -1, -1},
    {W_BASIS_CX, ANCHOR_MIDDLE, true, 1, 1},    {W_BASIS_CV, ANCHOR_MIDDLE, true, 1, -1},
    {W_BASIS_MICX, ANCHOR_FIRST, false, 1, 1},  {W_BASIS_MICV, ANCHOR_LAST, false, 1, -1},
    {W_BASIS_MDCX, ANCHOR_LAST, false, -1, 1},  {W_BASIS_MDCV, ANCHOR_FIRST, false, -1, -1},
};

static int find(w_basis_kind kind)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        if (shapes[i].kind == kind)
            return i;
    }
    return -1;
}

bool w_basis_shaped(w_basis_kind kind)
{
    return find(kind) >= 0;
}

int64_t w_smooth_signed(const w_smooth *smooth)
{
    int i = smooth->margin_count == 1 ? find(smooth->margin[0].kind) : -1;
    return i < 0 ? smooth->columns : shapes[i].free ? 1 : 0;
}

/* Steps of the Greville abscissae over their mean: K - 1. Knots: K + degree + 1. */
static void greville_steps(const w_margin *margin, double *h)
{
    int64_t k = margin->k, degree = margin->knot_count - 1 - k;
    double mean = 0;
    for (int64_t j = 0; j + 1 < k; j++) {
        h[j] = margin->knot[j + degree + 1] - margin->knot[j + 1];
        mean += h[j] / (double)(k - 1);
    }
    for (int64_t j = 0; j + 1 < k; j++)
        h[j] = fabs(h[j] / mean - 1) < 1e-9 ? 1 : h[j] / mean; /* evenly spaced knots: exact integers in T */
}

/* Slope j of the control polygon per unit of g_i (curved kinds). */
static double slope_of(int shape, int64_t anchor, int64_t j, int64_t i)
{
    if (i == 0)
        return shapes[shape].slope;
    /* g_i is the bend at d_i, between slopes i - 1 and i */
    return j >= i && anchor < i ? shapes[shape].bend : j < i && anchor >= i ? -shapes[shape].bend : 0;
}

weir_status w_margin_shape(w_arena *arena, w_arena *work, const w_margin *margin, const double *column_sum, int64_t rows,
                           double **uncentred, double **centred)
{
    int shape = find(margin->kind);
    int64_t k = margin->k, columns = k - 1;
    double *t = w_arena_alloc(arena, w_mul_size((size_t)k, (size_t)columns), sizeof *t);
    double *b = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)columns), sizeof *b);
    double *h = w_arena_alloc(work, (size_t)k, sizeof *h);
    if (!t || !b || !h)
        return w_alloc_status(arena->ctx);
    greville_steps(margin, h);
    int64_t anchor = shapes[shape].anchor == ANCHOR_FIRST ? 0 : shapes[shape].anchor == ANCHOR_LAST ? k - 2 : (k - 2) / 2;
    for (int64_t i = 0; i < columns; i++) {
        double value = 0, mean = 0;
        for (int64_t j = 0; j < k; j++) {
            b[j * columns + i] = value;
            mean += column_sum[j] / (double)rows * value;
            if (j + 1 < k)
                value += shapes[shape].anchor == ANCHOR_NONE ? (j == i ? shapes[shape].slope : 0)
                                                             : h[j] * slope_of(shape, anchor, j, i);
        }
        for (int64_t j = 0; j < k; j++)
            t[j * columns + i] = b[j * columns + i] - mean;
    }
    *uncentred = b;
    *centred = t;
    return WEIR_OK;
}

/* T_F = QR by Gram and Schmidt, each column twice; q: f rows of K. Returns log|R|. */
static double orthonormalise(int64_t k, int64_t f, double *q)
{
    double log_volume = 0;
    for (int64_t a = 0; a < f; a++) {
        double *x = q + a * k, norm = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t b = 0; b < a; b++) {
                const double *y = q + b * k;
                double along = 0;
                for (int64_t i = 0; i < k; i++)
                    along += x[i] * y[i];
                for (int64_t i = 0; i < k; i++)
                    x[i] -= along * y[i];
            }
        }
        for (int64_t i = 0; i < k; i++)
            norm += x[i] * x[i];
        norm = sqrt(norm);
        log_volume += log(norm);
        for (int64_t i = 0; i < k; i++)
            x[i] /= norm;
    }
    return log_volume;
}

/* Q'SQ into out (f x f), S over its scale. image: K. */
static void face_penalty(const w_smooth *smooth, int64_t f, const double *q, double *image, double *out)
{
    int64_t k = smooth->raw_columns;
    const double *s = smooth->margin[0].penalty, scale = smooth->penalty[0].scale;
    for (int64_t a = 0; a < f; a++) {
        for (int64_t i = 0; i < k; i++) {
            image[i] = 0;
            for (int64_t j = 0; j < k; j++)
                image[i] += s[i * k + j] * q[a * k + j];
        }
        for (int64_t b = 0; b < f; b++) {
            double sum = 0;
            for (int64_t i = 0; i < k; i++)
                sum += q[b * k + i] * image[i];
            out[a * f + b] = sum / scale;
        }
    }
    for (int64_t a = 0; a < f; a++) {
        for (int64_t b = 0; b < a; b++)
            out[a * f + b] = out[b * f + a] = 0.5 * (out[a * f + b] + out[b * f + a]);
    }
}

static weir_status measure_face(w_arena *work, const w_smooth *smooth, const uint8_t *fixed, int64_t *rank, double *log_det)
{
    int64_t k = smooth->raw_columns, columns = smooth->columns, f = 0;
    double *q = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)columns), sizeof *q);
    double *s = w_arena_alloc(work, w_mul_size((size_t)columns, (size_t)columns), sizeof *s);
    double *value = w_arena_alloc(work, (size_t)k, sizeof *value), log_sum = 0;
    if (!q || !s || !value)
        return w_alloc_status(work->ctx);
    for (int64_t c = 0; c < columns; c++) {
        if (fixed && fixed[c])
            continue;
        for (int64_t i = 0; i < k; i++)
            q[f * k + i] = smooth->transform[i * columns + c];
        f++;
    }
    *rank = 0;
    *log_det = 0;
    if (f == 0)
        return WEIR_OK;
    double log_volume = orthonormalise(k, f, q);
    face_penalty(smooth, f, q, value, s);
    weir_status status = w_small_eigenvalues(work, f, s, value);
    if (status)
        return status;
    /* a face has at least f - null directions that are penalised, and no more than all */
    const int64_t null = columns - smooth->penalty[0].rank, sure = w_max64(f - null, 0);
    const double least = 256 * DBL_EPSILON * value[f - 1];
    for (int64_t i = f - 1; i >= 0; i--) {
        if (*rank < sure || (value[i] > least && *rank < smooth->penalty[0].rank)) {
            log_sum += log(value[i]);
            (*rank)++;
        }
    }
    *log_det = log_sum + 2 * log_volume;
    return WEIR_OK;
}

weir_status w_smooth_face(weir_ctx *ctx, const w_smooth *smooth, const uint8_t *fixed, int64_t *rank, double *log_det)
{
    w_arena work;
    w_arena_init(&work, ctx, "face");
    weir_status status = measure_face(&work, smooth, fixed, rank, log_det);
    w_arena_free(&work);
    return status;
}
