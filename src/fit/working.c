/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a tile are taken W_FAMILY_CHUNK at a time, so that all arrays of the sweep lie in the first-level cache. */
#include "fit/working.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHUNK W_FAMILY_CHUNK
#define VANISHED 1e-4 /* share of the typical weight below which a row that still moves runs away … */
#define MOVES 1e-2    /* … when the next step would change its eta by this */

typedef struct chunk {
    int64_t rows;
    const double *y, *prior;
    double eta[CHUNK], mu[CHUNK], w[CHUNK], z[CHUNK], dev[CHUNK], dw[CHUNK];
} chunk;

static void add_moments(const w_working *working, const chunk *c, double *sum)
{
    double v[CHUNK], v1[CHUNK], v2[CHUNK];
    working->glm->family->variance(working->glm, c->rows, c->mu, v, v1, v2);
    for (int64_t i = 0; i < c->rows; i++) {
        double omega = c->prior[i], r = c->y[i] - c->mu[i];
        if (!(omega > 0)) {
            continue;
        }
        sum[W_SUM_NEGATIVE] += c->w[i] < 0;
        sum[W_SUM_PEARSON] += omega * r * r / v[i];
        sum[W_SUM_FLETCHER] += v1[i] * r / v[i];
        sum[W_SUM_RESIDUAL] += omega * r;
        sum[W_SUM_RESIDUAL_SQUARE] += omega * r * r;
        sum[W_SUM_RESPONSE] += omega * c->y[i];
        sum[W_SUM_PRIOR] += omega;
        if (!isnan(working->null_mean)) {
            double about = c->y[i] - working->null_mean;
            sum[W_SUM_RESPONSE_SQUARE] += omega * about * about;
        }
    }
}

static void add_null_deviance(const w_working *working, const chunk *c, double *sum)
{
    double mu[CHUNK], d[CHUNK];
    for (int64_t i = 0; i < c->rows; i++) {
        mu[i] = working->null_mean;
    }
    working->glm->family->deviance(w_elementary_find(w_isa_best()), working->glm, c->rows, c->y, mu, d);
    for (int64_t i = 0; i < c->rows; i++) {
        sum[W_SUM_NULL_DEVIANCE] += c->prior[i] > 0 ? c->prior[i] * d[i] : 0;
    }
}

/* One Fisher step of the null model eta_i = a + offset_i; its deviance at a. */
static void add_null_model(const w_working *working, const chunk *c, const double *offset, double *sum)
{
    double eta[CHUNK], mu[CHUNK], w[CHUNK], z[CHUNK], dev[CHUNK];
    for (int64_t i = 0; i < c->rows; i++) {
        eta[i] = working->null_eta + offset[i];
    }
    w_glm_rows rows = { .rows = c->rows, .eta = eta, .y = c->y, .prior = c->prior, .mu = mu, .w = w, .z = z, .dev = dev };
    w_glm_total total;
    w_family_rows(working->glm, &rows, &total);
    for (int64_t i = 0; i < c->rows; i++) {
        sum[W_SUM_NULL_WEIGHT] += w[i];
        sum[W_SUM_NULL_STEP] += w[i] * (z[i] - eta[i]);
        sum[W_SUM_NULL_DEVIANCE] += dev[i];
    }
}

static void add_likelihood(const w_working *working, const chunk *c, double *sum)
{
    const w_glm *glm = working->glm;
    int count = glm->family->param_count;
    w_saturated saturated;
    memset(&saturated, 0, sizeof saturated);
    w_family_saturated(glm, c->rows, c->y, c->prior, working->phi, &saturated);
    sum[W_SUM_SATURATED] += saturated.value;
    sum[W_SUM_SATURATED_1] += saturated.grad[2];
    sum[W_SUM_SATURATED_2] += saturated.hess[2][2];
    for (int64_t i = 0; glm->family->kind == W_FAMILY_BETA && i < c->rows; i++) {
        sum[W_SUM_SATURATED_BETA] += c->prior[i] > 0 ? 2 * c->prior[i] * w_family_beta_saturated(glm, c->y[i]) : 0;
    }
    if (count == 0) {
        return;
    }
    double grad[W_FAMILY_PARAMS] = { 0 }, hess[W_FAMILY_PARAMS][W_FAMILY_PARAMS] = { { 0 } };
    w_family_theta(glm, c->rows, c->y, c->mu, c->prior, grad, hess, NULL, NULL);
    double *theta = sum + W_SUM_THETA;
    for (int a = 0; a < count; a++) {
        theta[a] += grad[a] / (2 * working->phi) - saturated.grad[a];
        sum[W_SUM_THETA_PHI + a] -= grad[a] / (2 * working->phi) + saturated.hess[a][2];
        for (int b = 0; b < count; b++) {
            theta[W_FAMILY_PARAMS + a * W_FAMILY_PARAMS + b] += hess[a][b] / (2 * working->phi) - saturated.hess[a][b];
        }
    }
}

/* From the derivatives of dd/dmu and d2d/dmu2 in theta: with m1, m2 of the inverse link,
 *     d^2 d/(deta dtheta) = d1 m1,   dw/dtheta = omega (d2 m1^2 + d1 m2)/2. */
static void add_parameters(const w_working *working, const chunk *c, const double *leverage, double *r, double *sum)
{
    const w_glm *glm = working->glm;
    int count = glm->family->param_count;
    double mu[CHUNK], m1[CHUNK], m2[CHUNK], m3[CHUNK];
    double grad[W_FAMILY_PARAMS] = { 0 }, hess[W_FAMILY_PARAMS][W_FAMILY_PARAMS] = { { 0 } };
    double d1[CHUNK * W_FAMILY_PARAMS], d2[CHUNK * W_FAMILY_PARAMS];
    glm->link->inverse(w_elementary_find(w_isa_best()), glm->power, c->rows, c->eta, mu, m1, m2, m3);
    w_family_theta(glm, c->rows, c->y, c->mu, c->prior, grad, hess, d1, d2);
    for (int64_t i = 0; i < c->rows; i++) {
        bool counts = c->prior[i] > 0;
        for (int a = 0; a < count && counts && leverage; a++) {
            double dw = 0.5 * (d2[i * count + a] * m1[i] * m1[i] + d1[i * count + a] * m2[i]);
            sum[W_SUM_THETA + a] += leverage[i] * dw;
        }
        if (working->cross_parameter >= 0) {
            r[i] = counts ? 0.5 * d1[i * count + working->cross_parameter] * m1[i] : 0.0;
        }
    }
}

static void evaluate(const w_working *working, chunk *c, double *sum)
{
    w_glm_rows rows = { .rows = c->rows, .eta = c->eta, .y = c->y, .prior = c->prior, .newton = working->newton,
                        .mu = c->mu, .w = c->w, .z = c->z, .dev = c->dev, .dw = working->leverage ? c->dw : NULL };
    w_glm_total total;
    w_family_rows(working->glm, &rows, &total);
    sum[W_SUM_DEVIANCE] += total.deviance;
    sum[W_SUM_INVALID] += (double)total.invalid;
}

/* +1 for a row whose response is at the lower end, -1 at the upper one, when it runs away there; else 0. */
static double runs_away(const w_working *working, double y, double prior, double weight, double step)
{
    const w_family *family = working->glm->family;
    if (!(prior > 0) || !(fabs(weight) < VANISHED * prior * working->typical) || !(fabs(step) > MOVES)) {
        return 0.0;
    }
    return y <= 0.0 ? 1.0 : family->mu_high == 1.0 || working->glm->variance == W_VARIANCE_BINOMIAL ? -1.0 : 0.0;
}

static weir_status check_response(const w_working *working, const w_design *design, const w_tile *tile, double *sum)
{
    char response[256];
    int64_t fractional = 0;
    snprintf(response, sizeof response, "%.100s: response '%.100s'", working->table, design->response_label);
    weir_status status = w_family_check(design->ctx, working->glm, response, tile->rows, tile->response, tile->weight,
                                        tile->first_row + 1, &fractional);
    sum[W_SUM_FRACTIONAL] += (double)fractional;
    return status;
}

static weir_status working_tile(void *arg, const w_design *design, w_tile *tile, double *sum)
{
    const w_working *working = arg;
    const int width = design->block[0].width;
    double *z = tile->block[0].value + (width - 1);
    double eta[W_TILE_ROWS], leverage[W_TILE_ROWS];
    if (working->check) {
        weir_status status = check_response(working, design, tile, sum);
        if (status < 0) {
            return status;
        }
    }
    if (working->product) {
        w_product_tile(working->product, tile, eta);
    }
    if (working->leverage) {
        w_quadratic_tile(working->leverage, tile, leverage);
    } else if (working->drift) {
        w_product_tile(working->drift, tile, leverage);
    }
    chunk c;
    for (int64_t start = 0; start < tile->rows; start += CHUNK) {
        c.rows = tile->rows - start < CHUNK ? tile->rows - start : CHUNK;
        c.y = tile->response + start;
        c.prior = tile->weight + start;
        const double *offset = tile->offset + start;
        if (working->product) {
            for (int64_t i = 0; i < c.rows; i++) {
                c.eta[i] = eta[start + i] + offset[i];
            }
        } else {
            w_family_start(working->glm, c.rows, c.y, c.prior, c.eta);
        }
        evaluate(working, &c, sum);
        add_moments(working, &c, sum);
        if (!isnan(working->null_mean)) {
            add_likelihood(working, &c, sum);
        }
        if (!isnan(working->null_eta)) {
            add_null_model(working, &c, offset, sum);
        } else if (!isnan(working->null_mean)) {
            add_null_deviance(working, &c, sum);
        }
        bool linear = working->leverage || working->drift || working->cross_parameter >= 0; /* a sum X'r, not a working model */
        double r[CHUNK];
        if (linear && !working->drift && working->glm->family->param_count > 0) {
            add_parameters(working, &c, working->leverage ? leverage + start : NULL, r, sum);
        }
        for (int64_t i = 0; i < c.rows; i++) {
            double value = working->cross_parameter >= 0 ? r[i]
                           : working->leverage          ? c.dw[i] * leverage[start + i]
                           : working->residual          ? c.z[i] - c.eta[i]
                                                        : c.z[i] - offset[i];
            if (working->drift) {
                value = runs_away(working, c.y[i], c.prior[i], c.w[i], leverage[start + i]);
                sum[W_SUM_EXTREME] += value != 0.0;
            }
            z[(start + i) * width] = value;
            tile->weight[start + i] = linear ? (double)(c.prior[i] > 0) : c.w[i];
        }
    }
    return WEIR_OK;
}

void w_working_rows(const w_working *working, int64_t rows, const double *eta, const double *y, const double *prior,
                    const double *offset, double *w, double *z, double *sum)
{
    double unused[W_SUM_COUNT] = { 0 };
    chunk c;
    for (int64_t start = 0; start < rows; start += CHUNK) {
        c.rows = rows - start < CHUNK ? rows - start : CHUNK;
        c.y = y + start;
        c.prior = prior + start;
        for (int64_t i = 0; eta && i < c.rows; i++) {
            c.eta[i] = eta[start + i] + offset[start + i];
        }
        if (!eta) {
            w_family_start(working->glm, c.rows, c.y, c.prior, c.eta);
        }
        evaluate(working, &c, sum ? sum : unused);
        if (sum) {
            add_moments(working, &c, sum);
        }
        if (sum && !isnan(working->null_mean)) {
            add_likelihood(working, &c, sum);
        }
        if (sum && !isnan(working->null_eta)) {
            add_null_model(working, &c, offset + start, sum);
        } else if (sum && !isnan(working->null_mean)) {
            add_null_deviance(working, &c, sum);
        }
        for (int64_t i = 0; i < c.rows; i++) {
            w[start + i] = c.w[i];
            z[start + i] = c.z[i] - offset[start + i];
        }
    }
}

weir_status w_working_pass(weir_ctx *ctx, const w_design *design, weir_table *table, weir_missing missing,
                           const w_working *working, int arrow_block, w_gram **out)
{
    w_sums *sums = NULL;
    w_tile_request request = { .missing = missing, .training = true };
    w_working copy = *working;
    copy.table = w_source_label(table);
    w_pass_options options = { .request = &request, .working = working_tile, .working_arg = &copy,
                               .extra_count = W_SUM_COUNT, .tile_step = working->tile_step };
    const bool linear = working->residual || working->leverage || working->cross_parameter >= 0;
    weir_status status;
    do {
        w_sums_free(sums);
        sums = NULL;
        status = linear ? w_sums_create_linear(ctx, design, W_SUM_COUNT, &sums) : w_sums_create(ctx, design, W_SUM_COUNT, &sums);
        if (status >= 0) {
            w_progress_phase(ctx, working->tile_step > 1 ? "start" : "fit");
            status = w_sums_accumulate(sums, table, &options);
        }
        if (status >= 0) {
            status = w_sums_gram(sums, arrow_block, out);
        }
    } while (status < 0 && w_recover(ctx, W_RECOVER_PASS, status));
    w_sums_free(sums);
    return status;
}
