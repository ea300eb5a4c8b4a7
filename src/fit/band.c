/* SPDX-License-Identifier: Apache-2.0 */
/* With P_tt = L L', row r(x) of a term and the unit vector T(x) = L'r(x)/|L'r(x)|, the scaled error at x is T(x)'u, u standard
 * normal: its maximum over a curve T is that over a tube around the curve on the sphere. With kappa the length of the curve
 * and nu degrees of freedom (Sun & Loader 1994)
 *     1 - level = kappa/pi (1 + c^2/nu)^(-nu/2) + P(|t_nu| > c),        kappa/pi exp(-c^2/2) + P(|N| > c)  as nu -> infinity,
 * which bounds the probability from above whatever the curve (Naiman 1986) and is exact where the tube does not meet itself.
 *
 * The length is that of a polygon through POINTS + 1 equidistant places; a side of chord d in the metric of P has the angle
 * 2 asin(d/2). T and -T are one: a term that is nearly a straight line through 0 turns from one to the other within a
 * hair's breadth, where its band has no width, and a turn narrower than two places is passed over.
 *
 * Followed with the nearer sign from place to place, a curve that ends near where it began with the other sign has kept an
 * error of 0 somewhere: it cannot lie beyond c everywhere, and if it does anywhere, it crosses c upwards on the loop that the arc
 * delta back to its beginning closes,  1 - level = (kappa + delta)/pi (1 + c^2/nu)^(-nu/2). The lesser c of the two holds.
 *
 * For q coefficients  c^2 = q F_(q,nu)  holds for all rows at once (Scheffe); for L rows  P(|t| <= c)^L >= level (Sidak). */
#include "fit/band.h"

#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"

#define POINTS 2048
#define BATCH 128
#define TAG "simultaneous bands"
#define PI 3.141592653589793238463

typedef struct tail {
    double kappa, delta; /* length of the curve; of the arc that closes it */
    double nu;           /* 0: known scale */
    int64_t count;       /* of rows or of coefficients */
} tail;

static double two_sided(double c, double nu)
{
    return nu > 0 ? w_t_two_sided(c, nu) : erfc(c / sqrt(2.0));
}

static double crossings(double length, double c, double nu)
{
    return length / PI * (nu > 0 ? exp(-0.5 * nu * log1p(c * c / nu)) : exp(-0.5 * c * c));
}

static double tube(const tail *t, double c) { return crossings(t->kappa, c, t->nu) + two_sided(c, t->nu); }

static double loop(const tail *t, double c) { return crossings(t->kappa + t->delta, c, t->nu); }

static double scheffe(const tail *t, double c)
{
    double q = (double)t->count;
    return t->nu > 0 ? w_f_tail(c * c / q, q, t->nu) : w_chi_square_tail(c * c, q);
}

static double sidak(const tail *t, double c)
{
    return -expm1((double)t->count * log1p(-two_sided(c, t->nu)));
}

/* The c where a falling tail is alpha. */
static double solve(double (*probability)(const tail *, double), const tail *t, double alpha)
{
    double low = 0, high = 1;
    while (probability(t, high) > alpha && high < 1e150) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < 80 && high - low > 4e-16 * high; i++) {
        double middle = 0.5 * (low + high);
        *(probability(t, middle) > alpha ? &low : &high) = middle;
    }
    return 0.5 * (low + high);
}

typedef struct curve {
    weir_ctx *ctx;
    const w_term *term;
    int64_t k;
    double *row;   /* BATCH + 1 rows of k, unit in the metric of P; the first is the last of the batch before */
    double *image; /* the same times P */
    double *p;     /* k x k */
    double *first; /* 2 k: first row and its image */
    double *x;     /* BATCH */
} curve;

static double product(int64_t k, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < k; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Angle between unit rows a and sign b, whose images are pa and pb. */
static double angle(int64_t k, const double *a, const double *pa, double sign, const double *b, const double *pb)
{
    double square = 0;
    for (int64_t m = 0; m < k; m++) {
        square += (a[m] - sign * b[m]) * (pa[m] - sign * pb[m]);
    }
    return square > 0 ? 2.0 * asin(fmin(1.0, 0.5 * sqrt(square))) : 0.0;
}

/* Rows 1 … count of the batch and their images, scaled to unit length; a row of no length stays 0 and counts for nothing. */
static weir_status batch(const curve *c, int64_t count)
{
    const double *x[W_MAX_MARGINS] = { c->x };
    const double one = 1.0, zero = 0.0;
    double *row = c->row + c->k, *image = c->image + c->k;
    w_blas_int k = w_narrow(c->k), rows = w_narrow(count);
    weir_status status = w_smooth_rows(c->ctx, c->term->smooth, count, x, row);
    if (status < 0) {
        return status;
    }
    dgemm_("N", "N", &k, &rows, &k, &one, c->p, &k, row, &k, &zero, image, &k);
    for (int64_t i = 0; i < count; i++) {
        double square = product(c->k, row + i * c->k, image + i * c->k);
        double unit = square > 0 ? 1.0 / sqrt(square) : 0.0;
        for (int64_t m = 0; m < c->k; m++) {
            row[i * c->k + m] *= unit;
            image[i * c->k + m] *= unit;
        }
    }
    return WEIR_OK;
}

static weir_status walk(const curve *c, double lower, double upper, tail *t)
{
    const int64_t k = c->k;
    double lift = 1.0; /* sign of the row relative to the first one's, nearer sign by nearer sign */
    t->kappa = 0;
    for (int64_t first = 0; first <= POINTS; first += BATCH) {
        int64_t count = w_min64(BATCH, POINTS + 1 - first);
        for (int64_t i = 0; i < count; i++) {
            double share = (double)(first + i) / POINTS;
            c->x[i] = (1.0 - share) * lower + share * upper;
        }
        weir_status status = batch(c, count);
        if (status < 0) {
            return status;
        }
        if (first == 0) {
            memcpy(c->first, c->row + k, (size_t)k * sizeof(double));
            memcpy(c->first + k, c->image + k, (size_t)k * sizeof(double));
        }
        for (int64_t i = first > 0 ? 0 : 1; i < count; i++) {
            const double *a = c->row + i * k, *pa = c->image + i * k;
            double sign = product(k, a, pa + k) < 0 ? -1.0 : 1.0;
            t->kappa += angle(k, a, pa, sign, a + k, pa + k);
            lift *= sign;
        }
        memcpy(c->row, c->row + count * k, (size_t)k * sizeof(double));
        memcpy(c->image, c->image + count * k, (size_t)k * sizeof(double));
    }
    t->delta = angle(k, c->first, c->first + k, -lift, c->row, c->image);
    return WEIR_OK;
}

/* Where a smooth of one covariate lives: its column's range, else that of the breaks. */
static bool range_of(const w_design *design, const w_term *term, double *lower, double *upper)
{
    for (int c = 0; c < design->column_count; c++) {
        if (strcmp(design->column[c], term->variable[0]) == 0) {
            *lower = design->column_lower[c];
            *upper = design->column_upper[c];
            return isfinite(*lower) && isfinite(*upper) && *lower < *upper;
        }
    }
    const w_margin *margin = &term->smooth->margin[0];
    if (margin->break_count < 2) {
        return false;
    }
    *lower = margin->break_point[0];
    *upper = margin->break_point[margin->break_count - 1];
    return *lower < *upper;
}

static bool is_curve(const w_design *design, const w_term *term, double *lower, double *upper)
{
    return term->kind == W_TERM_SMOOTH && term->smooth && term->smooth->margin_count == 1 &&
           term->smooth->margin[0].covariates <= 1 && !w_smooth_is_trees(term->smooth) && term->variable_count == 1 &&
           term->columns == term->smooth->columns && range_of(design, term, lower, upper);
}

static weir_status curve_length(weir_ctx *ctx, const weir_model *model, const w_term *term, double lower, double upper,
                                tail *t)
{
    curve c = { .ctx = ctx, .term = term, .k = term->columns };
    c.row = w_alloc_array(ctx, TAG, (size_t)w_band_doubles(c.k), sizeof(double));
    if (!c.row) {
        return w_alloc_status(ctx);
    }
    c.image = c.row + (BATCH + 1) * c.k;
    c.p = c.image + (BATCH + 1) * c.k;
    c.first = c.p + c.k * c.k;
    c.x = c.first + 2 * c.k;
    weir_status status = w_covariance_block(model->covariance, term->first, c.k, term->first, c.k, c.p);
    if (status >= 0) {
        status = walk(&c, lower, upper, t);
    }
    w_free(ctx, c.row);
    return status;
}

weir_status w_band_critical(weir_ctx *ctx, const weir_model *model, const w_term *term, double level, double *out)
{
    if (!w_covariance_known(model->covariance)) {
        *out = NAN;
        return WEIR_OK;
    }
    double lower, upper, alpha = 1.0 - level;
    tail t = { .nu = model->summary.scale_estimated ? fmax(1.0, model->summary.residual_df) : 0.0, .count = term->columns };
    double critical = solve(scheffe, &t, alpha);
    if (term->kind == W_TERM_RANDOM) {
        critical = fmin(critical, solve(sidak, &t, alpha));
    }
    if (is_curve(model->design, term, &lower, &upper)) {
        weir_status status = curve_length(ctx, model, term, lower, upper, &t);
        if (status < 0) {
            return status;
        }
        critical = fmin(critical, fmin(solve(tube, &t, alpha), solve(loop, &t, alpha)));
    }
    *out = critical;
    return WEIR_OK;
}
