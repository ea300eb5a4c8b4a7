/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sample_model.h"

#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/rng.h"

#define ROWS 400
#define TERMS 8
#define GROUPS 14
#define CLINICS 90

/* ---- literals ------------------------------------------------------------------------------------------------------ */

static const weir_coefficient coefficient[] = {
    { "(Intercept)", 7.83328, 0.09878, 79.301, 1e-300 },
    { "x1", -0.0021534, 0.00093, -2.3155, 0.02108 },
    { "f\xc3\xa9minin <b>", 12.5, 1.75, 7.142857, 4.1e-12 },
    { "dropped", NAN, NAN, NAN, NAN },
};
static const double sp_a[] = { 1.4567890123456789e-3 }, sp_b[] = { 0.1, 1e15 }, ones[] = { 1.0, 2.5 };
static const weir_term_summary term[] = {
    { "s(x0)", "cr", 9, 2.5001, 3.1152, 6.9213, 1.4e-4, 1, sp_a, ones, NAN },
    { "te(a,b)", "te(cr,cr)", 24, 7.6912, 8.0013, 88.123, 1e-17, 2, sp_b, ones, NAN },
    { "s(x2):f\xc3\xa9minin", "ps", 9, 1.0003, 1.0006, 0.3051, 0.5812, 1, sp_a, ones, NAN },
    { "s(g)", "re", 14, 0.0003, 13.0, 0.0, 0.4321, 1, sp_a, ones, 0.034567 },
};
static const char *const note[] = { "s(x2): k reduced from 10 to 9: only 9 distinct values" };

void sample_summary(weir_summary *summary, weir_plan *plan)
{
    *plan = (weir_plan){
        .route = "normal-equations/cholesky", .device = "cpu", .precision = "float64", .reading = "kept in memory",
        .knots = "from all rows", .rows = 400, .rows_exact = 1, .columns = 60, .smoothing_parameters = 5, .threads = 2,
        .passes = 1, .tile_rows = 4096, .shard_tiles = 16, .window_bytes = 1 << 20, .keep_bytes = 25600,
        .budget = 512LL << 20, .bytes = 12897484, .bytes_read = 1 << 20, .bytes_sums = 4 << 20, .bytes_system = 6 << 20,
        .bytes_result = 1 << 20, .seconds = 0.0625, .seconds_read = 0.0004, .seconds_accumulate = 0.0021,
        .seconds_smooth = 0.06, .reason_count = 2,
        .reason = { "p = 60 is small: dense Cholesky of the normal equations", "400 rows fit in 25.0 KiB: read once & kept" },
    };
    *summary = (weir_summary){
        .formula = "y ~ x1 + f + s(x0) + te(a,b) + s(x2,by=f) + s(g,bs=\"re\")", .family = "gaussian", .link = "identity",
        .criterion_name = "REML", .n = 397, .rows = 400, .rows_missing = 2, .rows_zero_weight = 1, .columns = 60,
        .rank = 59, .coefficient_count = 4, .coefficient = coefficient, .term_count = 4, .term = term,
        .edf_total = 14.19, .criterion = 886.93412, .scale = 3.9025, .deviance = 1508.25, .null_deviance = 5484.5,
        .deviance_explained = 0.72512, .r_squared_adjusted = 0.71498, .residual_df = 382.81, .log_likelihood = -829.75,
        .aic = 1689.875, .scale_estimated = 1, .iterations = 6, .status = WEIR_RANK_DEFICIENT, .condition = 34210.5,
        .backward_error = 1.1e-16, .gradient = 1.25e-8, .plan = plan, .actual_bytes = 10590618, .budget = 512LL << 20,
        .seconds_read = 0.00035, .seconds_design = 0.0011, .seconds_normal = 0.0008, .seconds_smoothing = 0.0512,
        .seconds_total = 0.05345, .note_count = 1, .note = note,
    };
}

/* ---- data ---------------------------------------------------------------------------------------------------------- */

enum { C_Y, C_X1, C_F, C_X0, C_A, C_B, C_G, C_CLINIC, COLUMNS };

typedef struct rows {
    double y[ROWS], x1[ROWS], x0[ROWS], a[ROWS], b[ROWS];
    int f[ROWS], g[ROWS], clinic[ROWS];
} rows;

static void make_rows(rows *r)
{
    w_rng rng;
    double group[GROUPS], clinic[CLINICS];
    w_rng_seed(&rng, 7);
    for (int i = 0; i < GROUPS; i++) {
        group[i] = 0.8 * w_rng_normal(&rng);
    }
    for (int i = 0; i < CLINICS; i++) {
        clinic[i] = 0.5 * w_rng_normal(&rng);
    }
    for (int i = 0; i < ROWS; i++) {
        r->x0[i] = w_rng_uniform(&rng);
        r->x1[i] = 100 * w_rng_uniform(&rng);
        r->a[i] = w_rng_uniform(&rng);
        r->b[i] = 10 + 5 * fmin(1.0, fmax(0.0, r->a[i] + 0.35 * w_rng_normal(&rng)));
        r->f[i] = (int)w_rng_below(&rng, 3);
        r->g[i] = (int)w_rng_below(&rng, GROUPS);
        r->clinic[i] = (int)w_rng_below(&rng, CLINICS);
        double b = (r->b[i] - 10) / 5;
        r->y[i] = 5 + 0.02 * r->x1[i] + 0.7 * r->f[i] + 2 * sin(6.3 * r->x0[i]) +
                  3 * exp(-8 * ((r->a[i] - 0.3) * (r->a[i] - 0.3) + (b - 0.4) * (b - 0.4))) +
                  (r->f[i] == 1 ? 3 * r->x0[i] * r->x0[i] : 0) + group[r->g[i]] + clinic[r->clinic[i]] +
                  0.8 * w_rng_normal(&rng);
    }
}

static const char *const level_f[] = { "control", "treatment \xce\xb1", "a very long level name that must be cut & escaped <i>" };

static void fill_columns(w_design *d, const rows *r, char (*names)[16])
{
    static const char *const name[COLUMNS] = { "y", "x1", "f", "x0", "a", "b", "g", "clinic" };
    const double *numeric[COLUMNS] = { r->y, r->x1, NULL, r->x0, r->a, r->b, NULL, NULL };
    const int64_t levels[COLUMNS] = { 0, 0, 3, 0, 0, 0, GROUPS, CLINICS };
    d->column_count = COLUMNS;
    for (int c = 0; c < COLUMNS; c++) {
        d->column[c] = name[c];
        d->level_count[c] = levels[c];
        d->column_kind[c] = levels[c] > 0 ? W_FACTOR : W_NUMERIC;
        d->column_lower[c] = INFINITY;
        d->column_upper[c] = -INFINITY;
        for (int i = 0; numeric[c] && i < ROWS; i++) {
            d->column_lower[c] = fmin(d->column_lower[c], numeric[c][i]);
            d->column_upper[c] = fmax(d->column_upper[c], numeric[c][i]);
            d->column_typical[c] += numeric[c][i] / ROWS;
        }
        if (levels[c] > 0) {
            const char **list = w_arena_alloc(&d->arena, (size_t)levels[c], sizeof *list);
            for (int l = 0; list && l < levels[c]; l++) {
                list[l] = c == C_F ? level_f[l] : names[l];
            }
            d->level[c] = list;
        }
    }
}

/* ---- design -------------------------------------------------------------------------------------------------------- */

static weir_status make_smooth(w_design *d, const char *label, w_smooth_type type, int margins, const int *column,
                               const rows *r, w_smooth **out)
{
    const double *numeric[COLUMNS] = { r->y, r->x1, NULL, r->x0, r->a, r->b, NULL, NULL };
    w_smooth *smooth = w_arena_calloc(&d->arena, 1, sizeof *smooth);
    w_smooth_spec spec = { .label = label, .type = type, .margin_count = margins, .centre = true };
    w_smooth_data data = { .rows = ROWS };
    for (int m = 0; m < margins; m++) {
        spec.margin[m].basis = W_BASIS_CR;
        spec.margin[m].k = margins == 1 ? 10 : 5;
        data.x[m] = numeric[column[m]];
        data.lower[m] = d->column_lower[column[m]];
        data.upper[m] = d->column_upper[column[m]];
    }
    *out = smooth;
    return smooth ? w_smooth_build(&d->arena, &spec, &data, smooth) : w_alloc_status(d->ctx);
}

static const char *const v_x1[] = { "x1" }, *const v_f[] = { "f" }, *const v_x0[] = { "x0" }, *const v_ab[] = { "a", "b" },
                  *const v_g[] = { "g" }, *const v_clinic[] = { "clinic" };

static weir_status make_terms(w_design *d, const rows *r)
{
    static const int c_x0[] = { C_X0 }, c_ab[] = { C_A, C_B };
    w_smooth *s = NULL, *te = NULL;
    weir_status status = make_smooth(d, "s(x0)", W_SMOOTH_S, 1, c_x0, r, &s);
    if (status == WEIR_OK) {
        status = make_smooth(d, "te(a,b)", W_SMOOTH_TE, 2, c_ab, r, &te);
    }
    if (status != WEIR_OK) {
        return status;
    }
    const w_term list[TERMS] = {
        { .kind = W_TERM_PARAMETRIC, .label = "(Intercept)", .columns = 1, .level = -1, .basis = "" },
        { .kind = W_TERM_PARAMETRIC, .label = "x1", .columns = 1, .level = -1, .variable_count = 1, .variable = v_x1,
          .basis = "" },
        { .kind = W_TERM_PARAMETRIC, .label = "f", .columns = 2, .level = -1, .variable_count = 1, .variable = v_f, .basis = "" },
        { .kind = W_TERM_SMOOTH, .label = "s(x0)", .columns = s->columns, .level = -1, .smooth = s, .variable_count = 1,
          .variable = v_x0, .basis = "cr" },
        { .kind = W_TERM_SMOOTH, .label = "s(x0):ftreatment \xce\xb1", .columns = s->columns, .level = 1, .smooth = s,
          .variable_count = 1, .variable = v_x0, .by = "f", .basis = "cr" },
        { .kind = W_TERM_SMOOTH, .label = "te(a,b)", .columns = te->columns, .level = -1, .smooth = te, .variable_count = 2,
          .variable = v_ab, .basis = "te(cr,cr)" },
        { .kind = W_TERM_RANDOM, .label = "s(g)", .columns = GROUPS, .level = -1, .variable_count = 1, .variable = v_g,
          .basis = "re" },
        { .kind = W_TERM_RANDOM, .label = "s(clinic)", .columns = CLINICS, .level = -1, .variable_count = 1,
          .variable = v_clinic, .basis = "re" },
    };
    memcpy(d->term, list, sizeof list);
    d->term_count = TERMS;
    for (int t = 0; t < TERMS; t++) {
        d->term[t].first = d->p;
        d->p += d->term[t].columns;
    }
    return WEIR_OK;
}

static weir_status dense_rows(w_design *d, const rows *r, double *x)
{
    double *part = w_arena_alloc(&d->arena, (size_t)ROWS * 64, sizeof *part);
    weir_status status = part ? WEIR_OK : w_alloc_status(d->ctx);
    memset(x, 0, (size_t)(ROWS * d->p) * sizeof *x);
    for (int t = 0; status == WEIR_OK && t < TERMS; t++) {
        const w_term *term = &d->term[t];
        const double *in[W_MAX_MARGINS] = { term->variable_count == 2 ? r->a : r->x0, r->b, NULL };
        if (term->smooth) {
            status = w_smooth_rows(d->ctx, term->smooth, ROWS, in, part);
        }
        for (int i = 0; i < ROWS; i++) {
            double *row = x + i * d->p + term->first;
            for (int64_t j = 0; term->smooth && j < term->columns; j++) {
                row[j] = part[i * term->columns + j] * (term->level < 0 || r->f[i] == term->level);
            }
            switch (t) {
            case 0:
                row[0] = 1;
                break;
            case 1:
                row[0] = r->x1[i];
                break;
            case 2:
                row[0] = r->f[i] == 1;
                row[1] = r->f[i] == 2;
                break;
            case 6:
                row[r->g[i]] = 1;
                break;
            case 7:
                row[r->clinic[i]] = 1;
                break;
            default:
                break;
            }
        }
    }
    return status;
}

/* ---- fit ----------------------------------------------------------------------------------------------------------- */

static void add_penalties(const w_design *d, double *h)
{
    for (int t = 0; t < TERMS; t++) {
        const w_term *term = &d->term[t];
        for (int64_t i = 0; i < term->columns; i++) {
            double *row = h + (term->first + i) * d->p + term->first;
            row[i] += term->kind == W_TERM_RANDOM ? 2.0 : 1e-8;
            for (int q = 0; term->smooth && q < term->smooth->penalty_count; q++) {
                for (int64_t j = 0; j < term->columns; j++) {
                    row[j] += 2.0 * term->smooth->penalty[q].matrix[i * term->columns + j];
                }
            }
        }
    }
}

static weir_status fit_rows(weir_model *m, const rows *r, double *fitted)
{
    w_design *d = m->design;
    size_t p = (size_t)d->p;
    double *x = w_arena_alloc(&m->arena, ROWS * p, sizeof *x), *h = w_arena_calloc(&m->arena, p * p, sizeof *h);
    m->covariance = w_arena_calloc(&m->arena, 1, sizeof *m->covariance);
    m->beta = w_arena_calloc(&m->arena, p, sizeof *m->beta);
    m->edf = w_arena_calloc(&m->arena, p, sizeof *m->edf);
    int64_t *core = w_arena_alloc(&m->arena, p, sizeof *core);
    double *gram = w_arena_calloc(&m->arena, p * p, sizeof *gram);
    if (!x || !h || !m->covariance || !m->beta || !m->edf || !core || !gram) {
        return w_alloc_status(m->ctx);
    }
    weir_status status = dense_rows(d, r, x);
    if (status != WEIR_OK) {
        return status;
    }
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t a = 0; a < p; a++) {
            m->beta[a] += x[i * p + a] * r->y[i];
            for (size_t b = 0; b < p; b++) {
                gram[a * p + b] += x[i * p + a] * x[i * p + b];
            }
        }
    }
    memcpy(h, gram, p * p * sizeof *h);
    add_penalties(d, h);
    w_blas_int n = (w_blas_int)p, one = 1, info = 0;
    dpotrf_("U", &n, h, &n, &info);
    dpotrs_("U", &n, &one, h, &n, m->beta, &n, &info);
    dpotri_("U", &n, h, &n, &info);
    for (size_t a = 0; a < p; a++) {
        core[a] = (int64_t)a;
        for (size_t b = 0; b < a; b++) {
            h[b * p + a] = h[a * p + b];
        }
    }
    *m->covariance = (w_covariance){ .ctx = m->ctx, .p = d->p, .core = d->p, .core_column = core, .core_matrix = h };
    for (size_t a = 0; a < p; a++) {
        for (size_t b = 0; b < p; b++) {
            m->edf[a] += h[a * p + b] * gram[b * p + a];
        }
    }
    double rss = 0;
    for (size_t i = 0; i < ROWS; i++) {
        fitted[i] = 0;
        for (size_t a = 0; a < p; a++) {
            fitted[i] += x[i * p + a] * m->beta[a];
        }
        rss += (r->y[i] - fitted[i]) * (r->y[i] - fitted[i]);
    }
    m->scale = rss / (ROWS - 60);
    return WEIR_OK;
}

static weir_status diagnose(weir_model *m, const rows *r, const double *fitted)
{
    w_arena *arena = &m->arena;
    w_diagnostics *d = w_arena_calloc(arena, 1, sizeof *d);
    double *block = w_arena_alloc(arena, ROWS * (3 + COLUMNS), sizeof *block);
    if (!d || !block || !(d->bin_count = w_arena_calloc(arena, 40, sizeof(int64_t))) ||
        !(d->rug = w_arena_calloc(arena, COLUMNS, sizeof *d->rug))) {
        return w_alloc_status(m->ctx);
    }
    const double *numeric[COLUMNS] = { r->y, r->x1, NULL, r->x0, r->a, r->b, NULL, NULL };
    d->sample = d->rug_count = ROWS;
    d->fitted = block;
    d->residual = block + ROWS;
    d->response = block + 2 * ROWS;
    d->bins = 40;
    d->bin_width = 0.25 * sqrt(m->scale);
    d->bin_lower = -20 * d->bin_width;
    for (int i = 0; i < ROWS; i++) {
        d->fitted[i] = fitted[i];
        d->response[i] = r->y[i];
        d->residual[i] = r->y[i] - fitted[i];
        double at = (d->residual[i] - d->bin_lower) / d->bin_width;
        d->bin_count[at < 0 ? 0 : at >= 40 ? 39 : (int)at]++;
    }
    for (int c = 0; c < COLUMNS; c++) {
        if (numeric[c]) {
            d->rug[c] = block + (3 + c) * ROWS;
            memcpy(d->rug[c], numeric[c], ROWS * sizeof(double));
        }
    }
    m->diagnostics = d;
    return WEIR_OK;
}

static weir_status make_design(weir_model *m, const rows *r)
{
    w_design *d = w_calloc(m->ctx, "test", 1, sizeof *d);
    if (!d) {
        return w_alloc_status(m->ctx);
    }
    m->design = d;
    d->ctx = m->ctx;
    w_arena_init(&d->arena, m->ctx, "test");
    char(*names)[16] = w_arena_alloc(&d->arena, CLINICS, sizeof *names);
    d->term = w_arena_calloc(&d->arena, TERMS, sizeof *d->term);
    d->column = w_arena_calloc(&d->arena, COLUMNS, sizeof *d->column);
    d->column_kind = w_arena_calloc(&d->arena, COLUMNS, sizeof *d->column_kind);
    d->level_count = w_arena_calloc(&d->arena, COLUMNS, sizeof *d->level_count);
    d->level = w_arena_calloc(&d->arena, COLUMNS, sizeof *d->level);
    d->column_lower = w_arena_calloc(&d->arena, 3 * COLUMNS, sizeof *d->column_lower);
    if (!names || !d->term || !d->column || !d->column_kind || !d->level_count || !d->level || !d->column_lower) {
        return w_alloc_status(m->ctx);
    }
    d->column_upper = d->column_lower + COLUMNS;
    d->column_typical = d->column_upper + COLUMNS;
    for (int i = 0; i < CLINICS; i++) {
        memcpy(names[i], "level 00", 9);
        names[i][6] = (char)('0' + i / 10);
        names[i][7] = (char)('0' + i % 10);
    }
    fill_columns(d, r, names);
    if (!d->level[C_F] || !d->level[C_G] || !d->level[C_CLINIC]) {
        return w_alloc_status(m->ctx);
    }
    return make_terms(d, r);
}

static weir_status model_fill(weir_model *m, rows *r, double *fitted)
{
    make_rows(r);
    sample_summary(&m->summary, &m->plan);
    weir_status status = make_design(m, r);
    if (status == WEIR_OK) {
        status = fit_rows(m, r, fitted);
    }
    return status == WEIR_OK ? diagnose(m, r, fitted) : status;
}

weir_status sample_model(weir_ctx *ctx, weir_model **out)
{
    weir_model *m = w_calloc(ctx, "test", 1, sizeof *m);
    if (!m) {
        return w_alloc_status(ctx);
    }
    m->ctx = ctx;
    w_arena_init(&m->arena, ctx, "test");
    rows *r = w_arena_alloc(&m->arena, 1, sizeof *r);
    double *fitted = w_arena_alloc(&m->arena, ROWS, sizeof *fitted);
    weir_status status = r && fitted ? model_fill(m, r, fitted) : w_alloc_status(ctx);
    if (status < 0) {
        sample_model_free(m);
        return status;
    }
    *out = m;
    return WEIR_OK;
}

void sample_model_free(weir_model *model)
{
    if (!model) {
        return;
    }
    if (model->design) {
        w_arena_free(&model->design->arena);
        w_free(model->ctx, model->design);
    }
    w_arena_free(&model->arena);
    w_free(model->ctx, model);
}
