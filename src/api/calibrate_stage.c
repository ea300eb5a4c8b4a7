/* SPDX-License-Identifier: Apache-2.0 */
#include "api/calibrate_stage.h"

#include <math.h>

#include "base/rng.h"
#include "base/size.h"
#include "model/formula.h"

enum { RESPONSES = 5, COVARIATES = 8, COLUMNS = 1 + RESPONSES + COVARIATES };

bool w_stage_data_make(weir_ctx *ctx, int64_t rows, w_stage_data *out)
{
    w_rng rng;
    w_rng_seed(&rng, 3);
    *out = (w_stage_data){ w_alloc_array(ctx, "calibration", (size_t)(COLUMNS * rows), sizeof *out->block), rows };
    if (!out->block) {
        w_message_clear(ctx);
        return false;
    }
    for (int j = 1; j < COLUMNS; j++) {
        for (int64_t i = 0; i < rows; i++) {
            const double u = w_rng_uniform(&rng), positive = 0.1 - log(1.0 - 0.99 * u);
            out->block[j * rows + i] = j == 2 ? floor(3.0 * positive) : j == 3 ? positive : j == 4 ? 0.01 + 0.98 * u
                                       : j == 5 ? floor(2.0 * u) : u;
        }
    }
    const double *a = out->block + (1 + RESPONSES) * rows;
    for (int64_t i = 0; i < rows; i++) {
        double sum = w_rng_uniform(&rng);
        for (int j = 0; j < 4; j++) {
            sum += sin((3.0 + j) * a[j * rows + i]);
        }
        out->block[i] = sum;
    }
    return true;
}

weir_table *w_stage_table(weir_ctx *ctx, const w_stage_data *data, int64_t rows)
{
    static const char *const name[COLUMNS] = { "s", "y0", "y1", "y2", "y3", "y4", "a", "b", "c", "d", "e", "f", "g", "h" };
    weir_column column[COLUMNS] = { 0 };
    weir_table *table = NULL;
    for (int j = 0; j < COLUMNS; j++) {
        column[j] = (weir_column){ .name = name[j], .dtype = WEIR_F64, .data = data->block + j * data->rows };
    }
    if (weir_table_from_columns(ctx, w_min64(rows, data->rows), COLUMNS, column, &table) < 0) {
        w_message_clear(ctx);
        return NULL;
    }
    return table;
}

w_design *w_stage_design(weir_ctx *ctx, weir_table *table, const char *text)
{
    w_formula *formula = NULL;
    w_design *design = NULL;
    const w_design_options options = { .gamma = 1.0 };
    if (w_formula_parse(ctx, text, &formula) >= 0) {
        w_design_compile(ctx, formula, table, &options, &design);
    }
    w_formula_free(formula);
    w_message_clear(ctx);
    return design;
}

typedef struct stage {
    weir_ctx *ctx;
    weir_table *table;
    const char *formula;
    const w_design *design;
    const w_working *working;
    const weir_fit_options *options;
    weir_sums *sums;
    int iterations;
} stage;

static weir_status setup_run(void *arg)
{
    const stage *s = arg;
    w_design *design = w_stage_design(s->ctx, s->table, s->formula);
    const bool done = design != NULL;
    w_design_free(design);
    return done ? WEIR_OK : WEIR_E_DATA;
}

double w_stage_setup(weir_ctx *ctx, const w_probe *probe, weir_table *table, const char *formula)
{
    stage s = { .ctx = ctx, .table = table, .formula = formula };
    return table ? w_probe_seconds(probe, setup_run, &s) : NAN;
}

static weir_status pass_run(void *arg)
{
    const stage *s = arg;
    w_gram *gram = NULL;
    weir_status status;
    if (s->working) {
        status = w_working_pass(s->ctx, s->design, s->table, WEIR_MISSING_FAIL, s->working, -1, &gram);
    } else {
        w_sums *sums = NULL;
        const w_tile_request request = { .training = true };
        const w_pass_options options = { .request = &request };
        status = w_sums_create(s->ctx, s->design, 0, &sums);
        status = status < 0 ? status : w_sums_accumulate(sums, s->table, &options);
        status = status < 0 ? status : w_sums_gram(sums, -1, &gram);
        w_sums_free(sums);
    }
    w_gram_free(gram);
    return status;
}

double w_stage_pass(const w_probe *probe, const w_design *design, weir_table *table, const w_working *working)
{
    if (!design) {
        return NAN;
    }
    stage s = { .ctx = design->ctx, .table = table, .design = design, .working = working };
    const double seconds = w_probe_seconds(probe, pass_run, &s);
    w_message_clear(design->ctx);
    return seconds;
}

static weir_status smoothing_run(void *arg)
{
    stage *s = arg;
    weir_model *model = NULL;
    weir_summary summary;
    const weir_status status = weir_sums_fit(s->ctx, s->sums, s->options, &model);
    if (status >= 0 && weir_model_summary(model, &summary) >= 0) {
        s->iterations = summary.iterations;
    }
    weir_model_free(model);
    return status;
}

double w_stage_smoothing(weir_ctx *ctx, const w_probe *probe, weir_table *table, const char *formula, const weir_fit_options *options,
                         int *iterations)
{
    stage s = { .ctx = ctx, .table = table, .options = options };
    double seconds = NAN;
    if (table && weir_sums_accumulate(ctx, table, formula, options, NULL, 0, &s.sums) >= 0) {
        seconds = w_probe_seconds(probe, smoothing_run, &s);
        *iterations = s.iterations;
        weir_sums_free(s.sums);
    }
    w_message_clear(ctx);
    return seconds;
}
