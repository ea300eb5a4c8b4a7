/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of the passes of generalised models. A pass of a model with an intercept alone tells of a family, with its sums or
 * without; passes of one with four splines of the other things that are done with a row. What a linear model's pass would take
 * is subtracted. */
#include "api/calibrate.h"

#include <math.h>
#include <stdio.h>

#include "api/calibrate_stage.h"

#define W_COVARIATES 4

/* `iterated`: the null model is a part of every pass. */
typedef struct family_trial { const char *name, *text, *formula; double mean; bool iterated; } family_trial;

/* In the order of W_COST_FAMILIES. */
static const family_trial families[W_COST_FAMILIES] = {
    { "gaussian", "gaussian", "y0 ~ 1", 0.5, false },
    { "binomial", "binomial", "y4 ~ 1", 0.5, false },
    { "poisson", "poisson", "y1 ~ 1", 2.0, false },
    { "gamma", "gamma:log", "y2 ~ 1", 1.0, false },
    { "inverse_gaussian", "inverse.gaussian:log", "y2 ~ 1", 1.0, false },
    { "nb", "nb", "y1 ~ 1", 2.0, false },
    { "tweedie", "tweedie", "y2 ~ 1", 1.0, false },
    { "quasi", "quasi", "y0 ~ 1", 0.5, false },
    { "quasipoisson", "quasipoisson", "y1 ~ 1", 2.0, false },
    { "quasibinomial", "quasibinomial", "y4 ~ 1", 0.5, false },
    { "scat", "scat", "y0 ~ 1", 0.5, true },
    { "beta", "beta", "y3 ~ 1", 0.5, true },
    { "other_link", "binomial:cloglog", "y4 ~ 1", 0.5, false },
};

/* plain: seconds of a linear model's pass. */
static void measure_family(const w_probe *probe, weir_ctx *ctx, weir_table *table, int number, double plain, w_cost *cost)
{
    char field[64];
    const family_trial *f = &families[number];
    w_design *design = w_stage_design(ctx, table, f->formula);
    w_product *product = NULL;
    w_glm glm;
    if (design && w_family_parse(ctx, f->text, &glm) >= 0) {
        const double beta = glm.link->link(glm.power, f->mean), n = (double)design->rows;
        if (w_product_create(ctx, design, &beta, &product) >= 0) {
            w_working working = { .glm = &glm, .product = product, .phi = 1.0, .null_mean = NAN, .null_eta = f->iterated ? beta : NAN,
                                  .cross_parameter = -1 };
            const double bare = w_stage_pass(probe, design, table, &working);
            working.null_mean = f->mean;
            const double full = w_stage_pass(probe, design, table, &working);
            snprintf(field, sizeof field, "fit.%s", f->name);
            w_cost_set_measured(cost, field, (bare - plain) / n);
            snprintf(field, sizeof field, "fit.%s_likelihood", f->name);
            w_cost_set_measured(cost, field, (full - bare) / n);
        }
    }
    w_message_clear(ctx);
    w_product_free(product);
    w_design_free(design);
}

/* Passes of four splines: X'WX, X'Wr and x'Vx. */
static void measure_splines(const w_probe *probe, weir_ctx *ctx, weir_table *table, w_cost *cost)
{
    static const char four[] = "y0 ~ s(a, bs='cr') + s(b, bs='cr') + s(c, bs='cr') + s(d, bs='cr')";
    w_design *design = w_stage_design(ctx, table, four);
    double *beta = design ? w_calloc(ctx, "calibration", (size_t)(design->p * (design->p + 1)), sizeof *beta) : NULL;
    w_product *product = NULL;
    w_quadratic *leverage = NULL;
    w_glm glm;
    if (beta && w_family_parse(ctx, "gaussian", &glm) >= 0 && w_product_create(ctx, design, beta, &product) >= 0) {
        double near, far;
        int64_t shard_tiles;
        const double m = W_COVARIATES, n = (double)design->rows, family = cost->fit.family[0];
        const w_quadratic_form form = { .v = beta + design->p, .order = design->p };
        w_sums_cost(design, &near, &far, &shard_tiles);
        w_working working = { .glm = &glm, .product = product, .phi = 1.0, .null_mean = NAN, .null_eta = NAN, .cross_parameter = -1 };
        const double plain = w_stage_pass(probe, design, table, NULL) / n;
        w_cost_set_measured(cost, "fit.product", (w_stage_pass(probe, design, table, &working) / n - plain - family) / m);
        const double evaluated = cost->row.row + m * (cost->row.basis + cost->fit.product) + family;
        working.residual = true;
        w_cost_set_measured(cost, "fit.linear", (w_stage_pass(probe, design, table, &working) / n - evaluated) / m);
        working.residual = false;
        if (w_quadratic_create(ctx, design, &form, &leverage) >= 0) {
            working.leverage = leverage;
            const double rest = w_stage_pass(probe, design, table, &working) / n - evaluated - m * cost->fit.linear;
            w_cost_set_measured(cost, "fit.leverage", rest / near);
        }
    }
    w_message_clear(ctx);
    w_quadratic_free(leverage);
    w_product_free(product);
    w_free(ctx, beta);
    w_design_free(design);
}

void w_calibrate_passes(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    w_stage_data data;
    if (!w_stage_data_make(ctx, 16 * probe->largest, &data)) {
        return;
    }
    weir_table *table = w_stage_table(ctx, &data, data.rows);
    w_design *design = table ? w_stage_design(ctx, table, "y0 ~ 1") : NULL;
    if (design) {
        const double plain = w_stage_pass(probe, design, table, NULL);
        for (int i = 0; i < W_COST_FAMILIES; i++) {
            measure_family(probe, ctx, table, i, plain, cost);
        }
        measure_splines(probe, ctx, table, cost);
    }
    w_design_free(design);
    weir_table_close(table);
    w_free(ctx, data.block);
}
