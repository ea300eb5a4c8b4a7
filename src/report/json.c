/* SPDX-License-Identifier: Apache-2.0 */
/* The fit as JSON. Keys are promised by docs/json.md: none is removed or changes its meaning within one schema number. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "fit/band.h"
#include "report/json.h"
#include "report/writer.h"
#include "weir/version.h"

static void put_coefficients(w_json *j, const weir_summary *s)
{
    w_json_open(j, "coefficients", '[');
    for (int i = 0; i < s->coefficient_count; i++) {
        const weir_coefficient *c = &s->coefficient[i];
        w_json_open(j, NULL, '{');
        w_json_text(j, "label", c->label);
        w_json_number(j, "estimate", c->estimate);
        w_json_number(j, "std_error", c->std_error);
        w_json_number(j, "statistic", c->statistic);
        w_json_number(j, "p_value", c->p_value);
        w_json_close(j, '}');
    }
    w_json_close(j, ']');
}

static double critical_of(weir_ctx *ctx, const weir_model *model, const char *label, weir_status *status)
{
    const w_design *design = model->design;
    double critical = NAN;
    for (int t = 0; design && t < design->term_count && *status >= 0; t++) {
        if (strcmp(design->term[t].label, label) == 0) {
            *status = w_band_critical(ctx, model, &design->term[t], 0.95, &critical);
        }
    }
    return nearbyint(1e6 * critical) / 1e6; /* a polygon's length tells no more */
}

static weir_status put_terms(weir_ctx *ctx, w_json *j, const weir_model *model)
{
    const weir_summary *s = &model->summary;
    weir_status status = WEIR_OK;
    w_json_open(j, "terms", '[');
    for (int i = 0; i < s->term_count; i++) {
        const weir_term_summary *t = &s->term[i];
        w_json_open(j, NULL, '{');
        w_json_text(j, "label", t->label);
        w_json_text(j, "basis", t->basis);
        w_json_integer(j, "columns", t->columns);
        w_json_number(j, "edf", t->edf);
        w_json_number(j, "ref_df", t->ref_df);
        w_json_number(j, "statistic", t->statistic);
        w_json_number(j, "p_value", t->p_value);
        w_json_numbers(j, "sp", t->sp ? t->sp_count : 0, t->sp);
        w_json_numbers(j, "sp_scale", t->sp_scale ? t->sp_count : 0, t->sp_scale);
        w_json_number(j, "std_dev", t->std_dev);
        w_json_number(j, "simultaneous_95", critical_of(ctx, model, t->label, &status));
        w_json_close(j, '}');
    }
    w_json_close(j, ']');
    return status;
}

/* The family by name and its parameters by theirs, so that no reader has to take the label apart. */
static void put_family(w_json *j, const weir_model *model)
{
    const w_family *family = model->glm.family;
    bool parameters = family && family->param_count > 0;
    w_json_text(j, "family", parameters ? family->name : model->summary.family);
    w_json_open(j, "family_parameters", '{');
    for (int i = 0; parameters && i < family->param_count; i++) {
        w_json_number(j, family->param_name[i], model->glm.param[i]);
    }
    w_json_close(j, '}');
    w_json_open(j, "family_estimated", '[');
    for (int i = 0; i < model->summary.family_parameter_count; i++) {
        if (model->summary.family_parameter[i].estimated) {
            w_json_text(j, NULL, model->summary.family_parameter[i].name);
        }
    }
    w_json_close(j, ']');
    w_json_text(j, "link", model->summary.link);
}

static void put_iterative(w_json *j, const weir_iterative_summary *s)
{
    w_json_open(j, "iterative", '{');
    w_json_text(j, "preconditioner", s->preconditioner);
    w_json_text(j, "state", s->state);
    w_json_integer(j, "iterations", s->iterations);
    w_json_integer(j, "products", s->products);
    w_json_number(j, "residual", s->residual);
    w_json_number(j, "preconditioned", s->preconditioned);
    w_json_number(j, "change", s->change);
    w_json_open(j, "history", '[');
    for (int64_t i = 0; i < s->history_count; i++) {
        w_json_number(j, NULL, s->history[i]);
    }
    w_json_close(j, ']');
    w_json_integer(j, "probes", s->probes);
    w_json_number(j, "edf_error", s->edf_error);
    w_json_number(j, "criterion_error", s->criterion_error);
    w_json_number(j, "log_sp_error", s->log_sp_error);
    w_json_number(j, "seconds", s->seconds);
    w_json_number(j, "jitter", s->jitter);
    w_json_close(j, '}');
}

static void put_measures(w_json *j, const weir_summary *s)
{
    w_json_number(j, "edf_total", s->edf_total);
    w_json_open(j, "criterion", '{');
    w_json_text(j, "name", s->criterion_name);
    w_json_number(j, "value", s->criterion);
    w_json_close(j, '}');
    w_json_number(j, "scale", s->scale);
    w_json_bool(j, "scale_estimated", s->scale_estimated);
    w_json_number(j, "deviance", s->deviance);
    w_json_number(j, "null_deviance", s->null_deviance);
    w_json_number(j, "deviance_explained", s->deviance_explained);
    w_json_number(j, "r_squared_adjusted", s->r_squared_adjusted);
    w_json_number(j, "residual_df", s->residual_df);
    w_json_number(j, "log_likelihood", s->log_likelihood);
    w_json_number(j, "aic", s->aic);
    w_json_integer(j, "iterations", s->iterations);
    if (s->ar1) {
        w_json_open(j, "ar1", '{');
        w_json_number(j, "rho", s->ar1->rho);
        w_json_bool(j, "estimated", s->ar1->estimated);
        w_json_integer(j, "series", s->ar1->series);
        w_json_number(j, "correlation", s->ar1->correlation);
        w_json_number(j, "standardised_correlation", s->ar1->standardised_correlation);
        w_json_close(j, '}');
    }
    if (s->iterative) {
        put_iterative(j, s->iterative);
    }
}

static void put_checks(w_json *j, const w_diagnostics *d)
{
    w_json_open(j, "checks", '[');
    for (int64_t i = 0; d && i < d->check_count; i++) {
        w_json_open(j, NULL, '{');
        w_json_text(j, "label", d->check[i].label);
        w_json_integer(j, "k", d->check[i].k);
        w_json_number(j, "edf", d->check[i].edf);
        w_json_number(j, "k_index", d->check[i].k_index);
        w_json_number(j, "p_value", d->check[i].p_value);
        w_json_close(j, '}');
    }
    w_json_close(j, ']');
}

static void put_circumstances(w_json *j, const weir_summary *s, bool routes)
{
    w_json_open(j, "certificate", '{');
    w_json_number(j, "gradient", s->gradient);
    w_json_number(j, "condition", s->condition);
    w_json_number(j, "backward_error", s->backward_error);
    w_json_close(j, '}');
    w_json_open(j, "plan", '{');
    w_json_plan(j, s->plan, routes);
    w_json_close(j, '}');
    w_json_open(j, "time", '{');
    w_json_number(j, "read", s->seconds_read);
    w_json_number(j, "design", s->seconds_design);
    w_json_number(j, "normal", s->seconds_normal);
    w_json_number(j, "smoothing", s->seconds_smoothing);
    w_json_number(j, "total", s->seconds_total);
    w_json_close(j, '}');
    w_json_open(j, "memory", '{');
    w_json_integer(j, "budget", s->budget);
    w_json_integer(j, "peak", s->actual_bytes);
    w_json_close(j, '}');
    w_json_open(j, "notes", '[');
    for (int i = 0; i < s->note_count; i++) {
        w_json_text(j, NULL, s->note[i]);
    }
    w_json_close(j, ']');
}

static weir_status put_fit(weir_ctx *ctx, const weir_model *model, bool routes, weir_write_fn write, void *user)
{
    const weir_summary *s = &model->summary;
    w_writer w;
    w_writer_init(&w, ctx, write, user);
    w_json j = { &w, 0, true };
    w_json_open(&j, NULL, '{');
    w_json_text(&j, "schema", "weir.fit/1");
    w_json_text(&j, "version", WEIR_VERSION_STRING);
    w_json_text(&j, "formula", s->formula);
    put_family(&j, model);
    w_json_integer(&j, "n", s->n);
    w_json_integer(&j, "rows", s->rows);
    w_json_integer(&j, "rows_missing", s->rows_missing);
    w_json_integer(&j, "rows_zero_weight", s->rows_zero_weight);
    w_json_integer(&j, "columns", s->columns);
    w_json_integer(&j, "rank", s->rank);
    w_json_text(&j, "status", weir_status_name(s->status));
    w_json_integer(&j, "status_code", s->status);
    put_coefficients(&j, s);
    weir_status status = put_terms(ctx, &j, model);
    put_measures(&j, s);
    put_checks(&j, model->diagnostics);
    put_circumstances(&j, s, routes);
    w_json_close(&j, '}');
    w_put(&w, "\n");
    weir_status written = w_writer_finish(&w);
    return status < 0 ? status : written;
}

weir_status w_report_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return put_fit(ctx, model, false, write, user);
}

weir_status w_report_explain_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return put_fit(ctx, model, true, write, user);
}
