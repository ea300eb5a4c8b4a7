/* SPDX-License-Identifier: Apache-2.0 */
/* phi(u) and (grad phi)'n of each basis of features, and rows of a covariate: scaling, cells, what lies beyond the data.
 *
 * Harmonics are those of dense/elementary.h, error below 2 (m + 1) eps; Chebyshev polynomials and their
 * derivatives by T_(n+1) = 2u T_n - T_(n-1), T'_(n+1) = 2 T_n + 2u T'_n - T'_(n-1); layers of neurons in forward mode. A row's
 * bits depend on its own covariates only. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/features.h"
#include "dense/elementary.h"

#define PI 3.14159265358979323846

static void fourier(const w_margin *margin, double u, double n, double *phi, double *slope)
{
    const int64_t m = margin->features->width / 2;
    const double w = margin->features->parameter[0], angle = w * u;
    w_harmonics(1, &angle, m, phi, 0);
    for (int64_t k = 0; k < m && slope; k++) {
        slope[k] = -n * w * (double)(k + 1) * phi[m + k];
        slope[m + k] = n * w * (double)(k + 1) * phi[k];
    }
}

static void chebyshev(const w_margin *margin, double u, double n, double *phi, double *slope)
{
    double before = 1, t = u, dbefore = 0, dt = 1;
    for (int64_t j = 0; j < margin->features->width; j++) {
        phi[j] = t;
        if (slope)
            slope[j] = n * dt;
        double next = 2 * u * t - before, dnext = 2 * t + 2 * u * dt - dbefore;
        before = t;
        dbefore = dt;
        t = next;
        dt = dnext;
    }
}

static void wavelet(const w_margin *margin, double u, double n, double *phi, double *slope)
{
    const w_features *f = margin->features;
    const double *scale = f->parameter, *location = scale + f->count[0];
    for (int64_t j = 0; j < margin->features->width; j++) {
        double z = (u - location[j % f->count[1]]) / scale[j / f->count[1]];
        phi[j] = -0.5 * z * z;
    }
    w_exp(margin->features->width, phi, phi);
    for (int64_t j = 0; j < margin->features->width; j++) {
        double a = scale[j / f->count[1]], z = (u - location[j % f->count[1]]) / a, root = sqrt(a);
        double bell = phi[j];
        phi[j] = (1 - z * z) * bell / root;
        if (slope)
            slope[j] = n * (z * z - 3) * z * bell / (a * root);
    }
}

/* Squares of distances stand in scratch, exponents and then their exponentials in phi. */
static void radial(const w_margin *margin, const double *u, const double *n, double *phi, double *slope, double *scratch)
{
    const w_features *f = margin->features;
    const int64_t k = margin->features->width;
    const double gamma = f->parameter[0], *centre = f->parameter + 1;
    const double root = sqrt((2 * f->form - 1) * gamma); /* 2 nu = 1, 3, 5 */
    for (int64_t j = 0; j < k; j++) {
        double square = 0, along = 0;
        for (int c = 0; c < f->covariates; c++) {
            double difference = u[c] - centre[c * k + j];
            square += difference * difference;
            along += slope ? difference * n[c] : 0;
        }
        scratch[j] = f->form ? root * sqrt(square) : square;
        phi[j] = f->form ? -scratch[j] : -gamma * square;
        if (slope)
            slope[j] = along;
    }
    w_exp(k, phi, phi);
    for (int64_t j = 0; j < k; j++) {
        double a = scratch[j], fall = phi[j];
        if (f->form == 0) {
            if (slope)
                slope[j] *= -2 * gamma * fall;
            continue;
        }
        phi[j] *= f->form == 1 ? 1 : f->form == 2 ? 1 + a : 1 + a + a * a / 3;
        if (slope && f->form == 1) /* at a centre the derivative has no value: 0 */
            slope[j] *= a > 0 ? -root * root * fall / a : 0;
        else if (slope)
            slope[j] *= -root * root * fall * (f->form == 2 ? 1 : (1 + a) / 3);
    }
}

static double activate(int act, double z, double *derivative)
{
    if (act == 0) {
        *derivative = -sin(z);
        return cos(z);
    }
    if (act == 1) {
        *derivative = z > 0;
        return z > 0 ? z : 0;
    }
    double t = tanh(z);
    *derivative = 1 - t * t;
    return t;
}

/* scratch: two runs of n for the layer before and its slope. */
static void neurons(const w_margin *margin, const double *u, const double *n, double *phi, double *slope, double *scratch)
{
    const w_features *f = margin->features;
    const int64_t k = margin->features->width;
    const double *weight = f->parameter;
    double *before = scratch, *dbefore = scratch + w_max64(k, W_MAX_MARGINS);
    int64_t inputs = f->covariates;
    for (int c = 0; c < f->covariates; c++) {
        before[c] = u[c];
        dbefore[c] = n ? n[c] : 0;
    }
    for (int64_t layer = 0; layer < f->count[0]; layer++) {
        const double *bias = weight + inputs * k;
        memcpy(phi, bias, (size_t)k * sizeof *phi);
        if (slope)
            memset(slope, 0, (size_t)k * sizeof *slope);
        for (int64_t i = 0; i < inputs; i++) {
            const double *restrict w = weight + i * k;
            for (int64_t j = 0; j < k; j++)
                phi[j] += before[i] * w[j];
            for (int64_t j = 0; slope && j < k; j++)
                slope[j] += dbefore[i] * w[j];
        }
        bool last = layer + 1 == f->count[0];
        double divide = last ? sqrt((double)k) : 1;
        for (int64_t j = 0; j < k; j++) {
            double derivative;
            phi[j] = activate(f->form, phi[j], &derivative) / divide;
            if (slope)
                slope[j] *= derivative / divide;
        }
        if (!last) {
            memcpy(before, phi, (size_t)k * sizeof *phi);
            if (slope)
                memcpy(dbefore, slope, (size_t)k * sizeof *slope);
        }
        weight = bias + k;
        inputs = k;
    }
}

static void trees(const w_margin *margin, const double *u, double *phi)
{
    const w_features *f = margin->features;
    memset(phi, 0, (size_t)margin->features->width * sizeof *phi);
    for (int64_t t = 0; t < f->count[0]; t++) {
        int64_t at = t * f->count[2] + w_features_leaf(f, t, u);
        if (f->leaf_column[at] >= 0)
            phi[f->leaf_column[at]] = f->leaf_weight[at];
    }
}

void w_feature_row(const w_margin *margin, const double *u, const double *n, double *phi, double *slope, double *scratch)
{
    const double along = n ? n[0] : 0;
    switch (margin->kind) {
    case W_BASIS_FOURIER: fourier(margin, u[0], along, phi, slope); break;
    case W_BASIS_CHEB: chebyshev(margin, u[0], along, phi, slope); break;
    case W_BASIS_WAVELET: wavelet(margin, u[0], along, phi, slope); break;
    case W_BASIS_RBF: radial(margin, u, n, phi, slope, scratch); break;
    case W_BASIS_RFF: neurons(margin, u, n, phi, slope, scratch); break;
    case W_BASIS_TREE:
        trees(margin, u, phi);
        if (slope)
            memset(slope, 0, (size_t)margin->features->width * sizeof *slope);
        break;
    case W_BASIS_LINTREE: {
        int which = margin->features->form >> 1;
        phi[0] = 1;
        phi[1] = PI * u[which];
        if (slope) {
            slope[0] = 0;
            slope[1] = PI * n[which];
        }
        break;
    }
    default: /* linear */
        phi[0] = margin->features->parameter[0] * u[0];
        if (slope)
            slope[0] = margin->features->parameter[0] * along;
    }
}

int64_t w_features_doubles(const w_margin *margin)
{
    return 3 * w_max64(margin->width, W_MAX_MARGINS) + 8;
}

/* The nearest point of the cube to u; returns the distance, n its direction. */
static double project(int covariates, const double *u, double *b, double *n)
{
    double square = 0;
    for (int c = 0; c < covariates; c++) {
        b[c] = u[c] < -1 ? -1 : u[c] > 1 ? 1 : u[c];
        n[c] = u[c] - b[c];
        square += n[c] * n[c];
    }
    double distance = sqrt(square);
    for (int c = 0; c < covariates && distance > 0; c++)
        n[c] /= distance;
    return distance;
}

static void extended_row(const w_margin *margin, const double *u, double *value, double *scratch)
{
    double b[W_MAX_MARGINS] = {0}, n[W_MAX_MARGINS] = {0}, *slope = scratch + 2 * w_max64(margin->width, W_MAX_MARGINS);
    const w_extension extension = margin->features->extension;
    double distance = project(margin->features->covariates, u, b, n);
    if (!(distance > 0) || extension == W_EXTEND_CONTINUE) {
        w_feature_row(margin, u, NULL, value, NULL, scratch);
        return;
    }
    if (extension == W_EXTEND_CONSTANT) {
        w_feature_row(margin, b, NULL, value, NULL, scratch);
        return;
    }
    w_feature_row(margin, b, n, value, slope, scratch);
    double step = extension == W_EXTEND_LINEAR ? distance : -0.5 * expm1(-2 * distance);
    for (int64_t j = 0; j < margin->features->width; j++)
        value[j] += slope[j] * step;
}

static int32_t category(const w_margin *margin, double x)
{
    double code = floor(x - margin->features->parameter[0] + 0.5), last = (double)(margin->cells - 1);
    return (int32_t)(code < 0 ? 0 : code > last ? last : code);
}

static void eval_row(const w_margin *margin, const double *const *x, int64_t i, int32_t *cell, double *value, double *scratch)
{
    const w_features *f = margin->features;
    double u[W_MAX_MARGINS] = {0};
    bool missing = false;
    for (int c = 0; c < f->covariates; c++) {
        missing = missing || isnan(x[c][i]);
        u[c] = w_feature_scaled(f, c, x[c][i]);
    }
    *cell = 0;
    if (missing) {
        memset(value, 0, (size_t)margin->width * sizeof *value);
    } else if (w_basis_coded(margin->kind)) {
        *cell = category(margin, x[0][i]);
        value[0] = 1;
    } else {
        extended_row(margin, u, value, scratch);
        if (f->mean)
            value[f->width] = 1;
        if (margin->kind == W_BASIS_LINTREE)
            *cell = (int32_t)w_features_leaf(f, 0, u);
    }
}

/* Rows within the data together, the others (and missing ones) one by one. */
static void eval_fourier(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value, double *scratch)
{
    enum { TOGETHER = 64 };
    const w_features *f = margin->features;
    const double w = f->parameter[0];
    for (int64_t start = 0; start < rows; start += TOGETHER, x += TOGETHER, cell += TOGETHER, value += TOGETHER * margin->width) {
        const int64_t count = w_min64(TOGETHER, rows - start);
        double angle[TOGETHER];
        uint8_t alone[TOGETHER];
        for (int64_t i = 0; i < count; i++) {
            const double u = w_feature_scaled(f, 0, x[i]);
            alone[i] = !(fabs(u) <= 1 || (f->extension == W_EXTEND_CONTINUE && u == u));
            angle[i] = alone[i] ? 0 : w * u;
        }
        w_harmonics(count, angle, f->width / 2, value, margin->width);
        for (int64_t i = 0; i < count; i++) {
            cell[i] = 0;
            if (alone[i])
                eval_row(margin, &x, i, &cell[i], value + i * margin->width, scratch);
            else if (f->mean)
                value[i * margin->width + f->width] = 1;
        }
    }
}

void w_features_eval(const w_margin *margin, const double *const *x, int64_t rows, int32_t *cell, double *value, double *scratch)
{
    if (margin->kind == W_BASIS_FOURIER) {
        eval_fourier(margin, x[0], rows, cell, value, scratch);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        eval_row(margin, x, i, &cell[i], value + i * margin->width, scratch);
}

void w_margin_rows(const w_margin *margin, const double *const *x, int64_t rows, int32_t *cell, double *value, double *scratch)
{
    if (margin->features) {
        w_features_eval(margin, x, rows, cell, value, scratch);
    } else if (margin->covariates > 1) {
        memset(cell, 0, (size_t)rows * sizeof *cell);
        w_joint_eval(margin, x, rows, value, scratch);
    } else {
        w_margin_eval(margin, x[0], rows, cell, value);
    }
}

int64_t w_margin_doubles(const w_margin *margin)
{
    return w_basis_featured(margin->kind) ? w_features_doubles(margin) : margin->covariates > 1 ? w_joint_doubles(margin) : 0;
}
