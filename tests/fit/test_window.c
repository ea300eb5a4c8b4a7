/* SPDX-License-Identifier: Apache-2.0 */
/* Fits by sliding windows: against fits of each window from dense rows, bits over threads and budgets, rows that do not count. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fit/window.h"
#include "table/table.h"

#define ROWS 9000
#define WINDOWS_MOST 9000
#define COLUMNS_MOST 64

typedef struct sample {
    int64_t rows;
    double x[ROWS], z[ROWS], y[ROWS], w[ROWS], o[ROWS];
    int32_t f[ROWS];
} sample;

static sample *make_sample(int64_t rows)
{
    sample *s = malloc(sizeof *s);
    w_rng rng;
    assert_non_null(s);
    s->rows = rows;
    w_rng_seed(&rng, 77);
    for (int i = 0; i < ROWS; i++) {
        s->x[i] = w_rng_uniform(&rng);
        s->z[i] = w_rng_normal(&rng);
        s->w[i] = i % 11 == 5 ? 0.0 : i % 2 ? 1.0 : 0.5 + w_rng_uniform(&rng);
        s->o[i] = 0.1 * w_rng_normal(&rng);
        s->f[i] = (int32_t)w_rng_below(&rng, 3);
        s->y[i] = 50 + sin(5 * s->x[i] + 1e-3 * i) + 0.3 * s->z[i] + 0.2 * s->f[i] + s->o[i] + 0.4 * w_rng_normal(&rng);
    }
    return s;
}

static weir_table *open_table(weir_ctx *ctx, const sample *s)
{
    static const char *const f_level[] = { "u", "v", "w" };
    const weir_column column[] = {
        { .name = "x", .dtype = WEIR_F64, .data = s->x }, { .name = "z", .dtype = WEIR_F64, .data = s->z },
        { .name = "y", .dtype = WEIR_F64, .data = s->y }, { .name = "w", .dtype = WEIR_F64, .data = s->w },
        { .name = "o", .dtype = WEIR_F64, .data = s->o },
        { .name = "f", .dtype = WEIR_I32, .data = s->f, .level_count = 3, .levels = f_level },
    };
    weir_table *table = NULL;
    assert_int_equal(w_table_from_columns(ctx, s->rows, 6, column, &table), WEIR_OK);
    return table;
}

/* Everything that a fit delivers. */
typedef struct taken {
    int64_t rows, windows, p;
    int64_t first_row;           /* delivered first */
    double fit[ROWS], response[ROWS];
    int64_t by[ROWS];
    weir_window window[WINDOWS_MOST];
    double beta[WINDOWS_MOST][COLUMNS_MOST], se[WINDOWS_MOST][COLUMNS_MOST], sp[WINDOWS_MOST][4];
    int64_t actual_bytes, batch;
    weir_windows_summary summary;
    weir_windows *result;
} taken;

static int take_rows(void *user, int64_t first_row, int64_t rows, const int64_t *window, const double *fit, const double *response)
{
    taken *t = user;
    assert_true(t->rows == 0 || first_row == t->first_row + t->rows);
    t->first_row = t->rows == 0 ? first_row : t->first_row;
    memcpy(t->fit + first_row, fit, (size_t)rows * sizeof *fit);
    memcpy(t->response + first_row, response, (size_t)rows * sizeof *response);
    memcpy(t->by + first_row, window, (size_t)rows * sizeof *window);
    t->rows += rows;
    return 0;
}

static int take_window(void *user, const weir_window *w)
{
    taken *t = user;
    assert_int_equal(w->index, t->windows);
    assert_true(w->columns <= COLUMNS_MOST && w->sp_count <= 4);
    t->window[t->windows] = *w;
    memcpy(t->beta[t->windows], w->beta, (size_t)w->columns * sizeof *w->beta);
    memcpy(t->sp[t->windows], w->sp, (size_t)w->sp_count * sizeof *w->sp);
    if (w->std_error) {
        memcpy(t->se[t->windows], w->std_error, (size_t)w->columns * sizeof *w->beta);
    }
    t->p = w->columns;
    t->windows++;
    return 0;
}

static weir_status try_fit(weir_ctx *ctx, const sample *s, const char *formula, const weir_fit_options *options,
                           const weir_windows_options *how, taken **out)
{
    const w_window_sink sink = { take_rows, take_window, *out = calloc(1, sizeof **out) };
    weir_table *table = open_table(ctx, s);
    assert_non_null(*out);
    weir_status status = w_fit_windows(ctx, table, formula, options, how, &sink, &(*out)->result);
    if (status >= 0) {
        w_windows_summarise((*out)->result, &(*out)->summary);
        (*out)->actual_bytes = (*out)->summary.actual_bytes;
        (*out)->batch = (*out)->summary.batch;
    }
    w_table_free(table);
    return status;
}

static taken *fit(weir_ctx *ctx, const sample *s, const char *formula, const weir_fit_options *options, const weir_windows_options *how)
{
    taken *t = NULL;
    weir_status status = try_fit(ctx, s, formula, options, how, &t);
    if (status < 0) {
        fail_msg("%s: %s", formula, weir_ctx_message(ctx));
    }
    return t;
}

static void taken_free(taken *t)
{
    w_windows_free(t->result);
    free(t);
}

/* ---- against fits of each window ------------------------------------------------------------------------------------ */

/* All rows of X as the design makes them; z in column p. */
static double *dense_rows(weir_ctx *ctx, const w_design *design, const sample *s)
{
    weir_table *table = open_table(ctx, s);
    w_binding *binding = NULL;
    w_tile *tile = NULL;
    w_window window;
    const w_scan_options scan = { .window_bytes = 1 << 20 };
    const int64_t p = design->p;
    double *x = calloc((size_t)(s->rows * (p + 1)), sizeof *x);
    assert_int_equal(w_design_bind(design, table, true, true, &binding), WEIR_OK);
    assert_int_equal(w_source_scan(table, &scan, NULL, NULL), WEIR_OK);
    assert_int_equal(w_binding_ready(binding), WEIR_OK);
    assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    w_tile_request request = *w_binding_request(binding);
    request.missing = WEIR_MISSING_DROP;
    for (;;) {
        assert_int_equal(w_source_next(table, &window), WEIR_OK);
        if (window.rows == 0) {
            break;
        }
        for (int64_t start = 0; start < window.rows; start += W_TILE_ROWS) {
            const int64_t rows = window.rows - start < W_TILE_ROWS ? window.rows - start : W_TILE_ROWS;
            assert_int_equal(w_tile_eval(design, &window, start, rows, &request, tile), WEIR_OK);
            for (int64_t i = 0; i < rows; i++) {
                const int64_t row = window.first_row + start + i;
                double *at = x + row * (p + 1);
                w_tile_dense_row(design, tile, i, at);
                at[p] = s->y[row] - tile->offset[i] - design->response_shift;
            }
        }
    }
    w_tile_free(ctx, tile);
    w_binding_free(binding);
    w_table_free(table);
    return x;
}

static bool counts(const sample *s, const double *weight, int64_t row)
{
    return weight[row] > 0 && !isnan(s->y[row]) && !isnan(s->x[row]);
}

static void compare_window(weir_ctx *ctx, const taken *t, const sample *s, const double *weight, const double *x, int64_t i)
{
    const w_design *design = t->result->design;
    const weir_window *is = &t->window[i];
    const int64_t p = design->p;
    double *block = calloc((size_t)w_group_block_doubles(p), sizeof *block), rho[4], norm = 0, edf = 0;
    w_group_stats stats = { 0 };
    for (int64_t r = is->first_row; r <= is->last_row; r++) {
        const double *row = x + r * (p + 1);
        if (!counts(s, weight, r)) {
            continue;
        }
        for (int64_t b = 0; b <= p; b++) {
            for (int64_t a = 0; a <= b; a++) {
                block[(w_packed(b) + a) * W_BATCH] += weight[r] * row[a] * row[b];
            }
        }
        stats.n++;
        stats.weight += weight[r];
        stats.weight_z += weight[r] * row[p];
    }
    w_gram *gram = NULL;
    w_system *system = NULL;
    assert_int_equal(w_group_gram(ctx, p, block, 0, &stats, &gram), WEIR_OK);
    assert_int_equal(w_system_create(ctx, gram, design, &system), WEIR_OK);
    for (int m = 0; m < is->sp_count; m++) {
        rho[m] = log(t->sp[i][m]);
    }
    assert_int_equal(w_system_factor(system, rho), WEIR_OK);
    assert_int_equal(is->n, stats.n);
    assert_int_equal(is->state, WEIR_GROUP_FITTED);
    const double *beta = w_system_beta(system);
    for (int64_t j = 0; j < p; j++) {
        norm = fmax(norm, fabs(beta[j]));
    }
    /* Both solve normal equations whose entries have at most n roundings, and so does each factorization. */
    const double bound = 8 * ((double)is->n + (double)p * (double)p) * DBL_EPSILON * w_system_condition(system) * norm;
    for (int64_t j = 0; j < p; j++) {
        const double due = beta[j] + (j == design->intercept_column ? design->response_shift : 0);
        if (!(fabs(t->beta[i][j] - due) <= bound + 4 * DBL_EPSILON * fabs(due))) {
            fail_msg("window %d coefficient %d: %.17g is not %.17g within %g", (int)i, (int)j, t->beta[i][j], due, bound);
        }
    }
    double leverage[2 * COLUMNS_MOST];
    assert_int_equal(w_system_leverage(system, leverage, leverage + p), WEIR_OK);
    for (int64_t j = 0; j < p; j++) {
        edf += leverage[j];
    }
    assert_true(fabs(is->edf - edf) <= 1e-9 * edf);
    assert_true(fabs(is->rss - w_system_rss(system)) <= 1e-9 * w_system_rss(system) + 1e-12 * gram->zz);
    assert_true(fabs(is->scale - w_system_rss(system) / ((double)stats.n - edf)) <= 1e-8 * is->scale);
    if (is->std_error) {
        w_covariance *covariance = NULL;
        assert_int_equal(w_system_covariance(system, &covariance), WEIR_OK);
        for (int64_t j = 0; j < p; j++) {
            double variance;
            assert_int_equal(w_covariance_block(covariance, j, 1, j, 1, &variance), WEIR_OK);
            assert_true(fabs(t->se[i][j] - sqrt(variance * is->scale)) <= 1e-8 * t->se[i][j]);
        }
        w_covariance_free(covariance);
    }
    w_system_free(system);
    w_gram_free(gram);
    free(block);
}

/* Every row has the prediction of the window before it, and every window the errors of its rows. */
static void check_rows(const taken *t, const sample *s, const double *weight, const double *x)
{
    const w_window_shape *shape = &t->result->shape;
    const int64_t p = t->p;
    double square = 0;
    int64_t tested = 0;
    assert_int_equal(t->windows, w_window_count(shape, s->rows));
    assert_int_equal(t->rows, s->rows - shape->length);
    for (int64_t i = 0; i < t->windows; i++) {
        const int64_t first = t->window[i].last_row + 1, last = i + 1 < t->windows ? first + shape->step : s->rows;
        double own = 0;
        int64_t rows = 0;
        assert_int_equal(t->window[i].first_row, i * shape->step);
        assert_int_equal(t->window[i].last_row, i * shape->step + shape->length - 1);
        for (int64_t r = first; r < last; r++) {
            double due = s->o[r];
            for (int64_t j = 0; j < p; j++) {
                due += x[r * (p + 1) + j] * t->beta[i][j];
            }
            assert_int_equal(t->by[r], i);
            assert_int_equal(isnan(t->fit[r]), isnan(s->x[r]));
            assert_true(isnan(s->x[r]) || fabs(t->fit[r] - due) <= 1e-11 * (fabs(due) + 1));
            assert_true(isnan(s->y[r]) || isnan(s->x[r]) ? isnan(t->response[r]) : t->response[r] == s->y[r]);
            if (counts(s, weight, r)) {
                own += (s->y[r] - t->fit[r]) * (s->y[r] - t->fit[r]);
                rows++;
            }
        }
        assert_int_equal(t->window[i].test_rows, rows);
        assert_true(fabs(t->window[i].test_square - own) <= 1e-10 * own);
        square += own;
        tested += rows;
    }
    assert_int_equal(t->summary.test_rows, tested);
    assert_true(fabs(t->summary.test_square - square) <= 1e-9 * square);
}

static const char *const formulas[] = { "y ~ x + z + f + offset(o)", "y ~ s(x, k=7) + z + offset(o)",
                                        "y ~ s(x, k=6) + s(z, k=5, bs='ps') + f + offset(o)", "y ~ te(x, z, k=c(4,4)) + offset(o)" };
static const w_window_shape shapes[] = { { 200, 24 }, { 300, 300 }, { 120, 7 }, { 700, 350 } };

static void test_against_single(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample(2000);
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, shapes[k].length, shapes[k].step, 0, k % 2 == 0 };
            options.weights = "w";
            taken *t = fit(ctx, s, formulas[i], &options, &how);
            double *x = dense_rows(ctx, t->result->design, s);
            for (int64_t w = 0; w < t->windows; w += 1 + t->windows / 20) {
                compare_window(ctx, t, s, s->w, x, w);
            }
            compare_window(ctx, t, s, s->w, x, t->windows - 1);
            check_rows(t, s, s->w, x);
            free(x);
            taken_free(t);
        }
    }
    free(s);
    weir_ctx_destroy(ctx);
}

/* Each its own smoothing parameters; and those of the first window, which a fit of it alone finds too. */
static void test_lambda(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample(1500);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, 400, 90, 0, 0 };
    taken *first = fit(ctx, s, "y ~ s(x, k=8) + z", &options, &how);
    how.each = 1;
    taken *each = fit(ctx, s, "y ~ s(x, k=8) + z", &options, &how);
    assert_true(fabs(log(first->sp[0][0] / each->sp[0][0])) < 1e-12);
    assert_true(first->summary.sp && first->summary.sp[0] == first->sp[0][0] && !each->summary.sp);
    bool differs = false;
    for (int64_t i = 0; i < each->windows; i++) {
        assert_true(first->sp[i][0] == first->sp[0][0]);
        differs = differs || fabs(log(each->sp[i][0] / each->sp[0][0])) > 0.01;
    }
    assert_true(differs);
    double *x = dense_rows(ctx, each->result->design, s), *ones = malloc(ROWS * sizeof *ones);
    for (int i = 0; i < ROWS; i++) {
        ones[i] = 1;
        s->o[i] = 0;
    }
    for (int64_t i = 0; i < each->windows; i += 3) {
        compare_window(ctx, each, s, ones, x, i);
    }
    check_rows(each, s, ones, x);
    free(x);
    /* No window knows what follows: other responses behind it change none of its bits. */
    how.each = 0;
    for (int64_t i = 1000; i < s->rows; i++) {
        s->y[i] = i % 2 ? -30.0 : 99.0;
    }
    taken *other = fit(ctx, s, "y ~ s(x, k=8) + z", &options, &how);
    for (int64_t i = 0; i < other->windows && other->window[i].last_row < 1000; i++) {
        assert_true(other->sp[i][0] == first->sp[i][0] || fabs(log(other->sp[i][0] / first->sp[i][0])) < 1e-6);
        for (int64_t j = 0; j < other->p; j++) { /* the responses' mean, which the sums are shifted by, is another one */
            assert_true(fabs(other->beta[i][j] - first->beta[i][j]) <= 1e-6 * (1 + fabs(first->beta[i][j])));
        }
    }
    taken_free(other);
    /* A first window that cannot choose. */
    for (int i = 0; i < 400; i++) {
        s->y[i] = 3;
    }
    taken *none = NULL;
    w_message_clear(ctx);
    assert_int_equal(try_fit(ctx, s, "y ~ s(x, k=8) + z", &options, &how, &none), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "constant response"));
    free(none);
    w_message_clear(ctx);
    how.each = 1;
    none = fit(ctx, s, "y ~ s(x, k=8) + z", &options, &how);
    assert_int_equal(none->window[0].state, WEIR_GROUP_CONSTANT);
    assert_true(none->fit[400] == 3);
    taken_free(none);
    taken_free(first);
    taken_free(each);
    free(ones);
    free(s);
    weir_ctx_destroy(ctx);
}

/* ---- rows that do not count ------------------------------------------------------------------------------------------ */

static void test_missing(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample(1200);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, 150, 20, 0, 0 };
    options.weights = "w";
    options.missing = WEIR_MISSING_DROP;
    for (int i = 0; i < 1200; i++) {
        s->y[i] = i % 13 == 4 || i >= 1190 ? NAN : s->y[i]; /* the last rows are to be forecast */
        s->x[i] = i % 29 == 7 ? NAN : s->x[i];
    }
    taken *t = fit(ctx, s, "y ~ s(x, k=6) + z + f + offset(o)", &options, &how);
    double *x = dense_rows(ctx, t->result->design, s);
    assert_false(isnan(t->fit[1195]));
    for (int64_t i = 0; i < t->windows; i += 5) {
        compare_window(ctx, t, s, s->w, x, i);
    }
    check_rows(t, s, s->w, x);
    taken_free(t);
    options.missing = WEIR_MISSING_FAIL;
    assert_int_equal(try_fit(ctx, s, "y ~ x + z", &options, &how, &t), WEIR_E_DATA);
    free(t);
    free(x);
    free(s);
    weir_ctx_destroy(ctx);
}

/* Windows too short, of one level, of dependent columns. */
static void test_states(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample(900);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, 60, 30, 0, 0 };
    for (int i = 0; i < 900; i++) {
        s->f[i] = i / 100 % 2 ? 1 : s->f[i];
        s->w[i] = i >= 600 && i < 700 ? 0.0 : 1.0;
        s->y[i] = i >= 700 && i < 800 ? 2.5 : s->y[i];
    }
    options.weights = "w";
    taken *t = fit(ctx, s, "y ~ x + f", &options, &how);
    assert_int_equal(t->window[0].state, WEIR_GROUP_FITTED);
    assert_int_equal(t->window[4].state, WEIR_GROUP_RANK_DEFICIENT); /* rows 120 … 179 */
    assert_int_equal(t->window[20].state, WEIR_GROUP_FEW_ROWS);      /* rows 600 … 659 */
    assert_int_equal(t->window[24].state, WEIR_GROUP_CONSTANT);      /* rows 720 … 779 */
    assert_true(isnan(t->fit[660]) && t->fit[780] == 2.5 && !isnan(t->fit[180]));
    int64_t all = 0;
    for (int i = 0; i < WEIR_GROUP_STATES; i++) {
        all += t->summary.state_count[i];
    }
    assert_int_equal(all, t->windows);
    taken_free(t);
    how.length = how.step = 3;
    t = fit(ctx, s, "y ~ x + z + f", &options, &how);
    assert_int_equal(t->summary.state_count[WEIR_GROUP_FEW_ROWS], t->windows);
    assert_true(isnan(t->summary.edf_mean) && t->summary.test_rows == 0);
    taken_free(t);
    free(s);
    weir_ctx_destroy(ctx);
}

/* ---- bits and memory --------------------------------------------------------------------------------------------------- */

static void assert_same(const taken *a, const taken *b)
{
    assert_int_equal(a->windows, b->windows);
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->fit, b->fit, sizeof a->fit);
    assert_memory_equal(a->by, b->by, sizeof a->by);
    assert_memory_equal(a->beta, b->beta, sizeof a->beta);
    assert_memory_equal(a->se, b->se, sizeof a->se);
    assert_memory_equal(a->sp, b->sp, sizeof a->sp);
    for (int64_t i = 0; i < a->windows; i++) {
        assert_true(a->window[i].edf == b->window[i].edf && a->window[i].rss == b->window[i].rss);
        assert_true(a->window[i].test_square == b->window[i].test_square && a->window[i].test_rows == b->window[i].test_rows);
    }
}

static void test_bits(void **state)
{
    static const w_window_shape cases[] = { { 500, 3 }, { 900, 64 }, { 3000, 2999 } };
    sample *s = make_sample(ROWS);
    static const char formula[] = "y ~ s(x, k=10) + s(z, k=6)";
    for (size_t k = 0; k < 3; k++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, cases[k].length, cases[k].step, 0, 1 };
        options.weights = "w";
        weir_ctx *one = test_ctx(state, 1, 0);
        taken *first = fit(one, s, formula, &options, &how);
        int64_t least_batch = first->batch, refused = 0, served = 0;
        for (int threads = 2; threads <= 5; threads += 3) {
            weir_ctx *ctx = test_ctx(state, threads, 0);
            taken *other = fit(ctx, s, formula, &options, &how);
            assert_same(first, other);
            taken_free(other);
            weir_ctx_destroy(ctx);
        }
        for (int64_t budget = 2 << 20; budget < (96 << 20); budget += budget / 5) {
            weir_ctx *ctx = test_ctx(state, 2, budget);
            taken *other = NULL;
            weir_status status = try_fit(ctx, s, formula, &options, &how, &other);
            if (status < 0) {
                assert_int_equal(status, WEIR_E_BUDGET);
                assert_non_null(strstr(weir_ctx_message(ctx), "would do"));
                assert_int_equal(other->windows, 0);
                refused++;
                free(other);
            } else {
                assert_same(first, other);
                assert_true(other->actual_bytes <= budget);
                least_batch = other->batch < least_batch ? other->batch : least_batch;
                served++;
                taken_free(other);
            }
            weir_ctx_destroy(ctx);
        }
        assert_true(refused > 0 && served > 3 && (k < 2 || least_batch < first->batch));
        taken_free(first);
        weir_ctx_destroy(one);
    }
    free(s);
}

/* The budget that a refusal names does. */
static void test_named_budget(void **state)
{
    sample *s = make_sample(ROWS);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, 4000, 2, 0, 0 };
    weir_ctx *ctx = test_ctx(state, 1, 6 << 20);
    taken *t = NULL;
    assert_int_equal(try_fit(ctx, s, "y ~ s(x, k=20) + s(z, k=20)", &options, &how, &t), WEIR_E_BUDGET);
    free(t);
    const char *would = strstr(weir_ctx_message(ctx), "columns: ");
    double number = 0;
    char unit[8] = "";
    assert_non_null(would);
    assert_int_equal(sscanf(would + 9, "%lf %7s", &number, unit), 2);
    assert_string_equal(unit, "MiB");
    weir_ctx *enough = test_ctx(state, 1, (int64_t)(number * 1048576));
    t = fit(enough, s, "y ~ s(x, k=20) + s(z, k=20)", &options, &how);
    assert_true(t->actual_bytes <= (int64_t)(number * 1048576));
    taken_free(t);
    weir_ctx_destroy(enough);
    weir_ctx_destroy(ctx);
    free(s);
}

/* What the plan says holds. */
static void test_plan(void **state)
{
    sample *s = make_sample(ROWS);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, shapes[k].length, shapes[k].step, 0, 0 };
            weir_ctx *ctx = test_ctx(state, 2, 256 << 20);
            weir_table *table = open_table(ctx, s);
            weir_plan plan;
            assert_int_equal(w_plan_windows(ctx, table, formulas[i], &options, &how, &plan), WEIR_OK);
            assert_string_equal(plan.route, "windows/batched-cholesky");
            assert_non_null(strstr(plan.reason[0], "windows of"));
            w_table_free(table);
            taken *t = fit(ctx, s, formulas[i], &options, &how);
            assert_int_equal(plan.columns, t->p);
            assert_true(t->actual_bytes <= plan.bytes);
            taken_free(t);
            weir_ctx_destroy(ctx);
        }
    }
    free(s);
}

static weir_status whole_fit(weir_ctx *ctx, void *arg)
{
    const sample *s = arg;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, 200, 100, 0, 0 };
    const weir_column column[] = { { .name = "x", .dtype = WEIR_F64, .data = s->x }, { .name = "y", .dtype = WEIR_F64, .data = s->y } };
    const w_window_sink sink = { 0 };
    weir_windows *windows = NULL;
    weir_table *table = NULL;
    weir_status status = w_table_from_columns(ctx, 600, 2, column, &table);
    if (status >= 0) {
        status = w_fit_windows(ctx, table, "y ~ s(x, k=5)", &options, &how, &sink, &windows);
    }
    w_windows_free(windows);
    w_table_free(table);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    sample *s = make_sample(ROWS);
    assert_int_equal(whole_fit(ctx, s), WEIR_OK); /* what the context makes on first use */
    assert_true(test_each_allocation_fails(ctx, whole_fit, s) > 50);
    free(s);
    weir_ctx_destroy(ctx);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------ */

static void refuse(weir_ctx *ctx, const sample *s, const char *formula, const weir_fit_options *options, int64_t length, int64_t step,
                   weir_status status, const char *part)
{
    const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, length, step, 0, 0 };
    taken *t = NULL;
    w_message_clear(ctx);
    assert_int_equal(try_fit(ctx, s, formula, options, &how, &t), status);
    assert_null(t->result);
    if (!strstr(weir_ctx_message(ctx), part)) {
        fail_msg("'%s' lacks '%s'", weir_ctx_message(ctx), part);
    }
    free(t);
}

static int refuse_rows(void *user, int64_t first_row, int64_t rows, const int64_t *window, const double *fit, const double *response)
{
    (void)user, (void)first_row, (void)rows, (void)window, (void)fit, (void)response;
    return 1;
}

static int refuse_window(void *user, const weir_window *window)
{
    (void)user;
    return window->index == 3;
}

static void test_refused(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample(500);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    refuse(ctx, s, "y ~ x", &options, 501, 10, WEIR_E_DATA, "longer than the table of 500");
    refuse(ctx, s, "y ~ x", &options, 100, 101, WEIR_E_ARG, "a step is at most the window");
    refuse(ctx, s, "y ~ x", &options, 100, 0, WEIR_E_ARG, "both are at least 1");
    refuse(ctx, s, "y ~ x", &options, 0, 0, WEIR_E_ARG, "both are at least 1");
    refuse(ctx, s, "y ~ x", &options, INT64_MAX, 1, WEIR_E_DATA, "longer than the table");
    refuse(ctx, s, "y ~ s(x, bs='mpi', k=6)", &options, 100, 10, WEIR_E_ARG, "shape");
    options.family = "poisson";
    refuse(ctx, s, "y ~ x", &options, 100, 10, WEIR_E_ARG, "gaussian");
    options.family = NULL;
    options.ar1 = 0.5;
    refuse(ctx, s, "y ~ x", &options, 100, 10, WEIR_E_ARG, "AR(1)");
    options.ar1 = 0;
    options.ridge = 1;
    refuse(ctx, s, "y ~ x", &options, 100, 10, WEIR_E_ARG, "ridge");
    options.ridge = 0;
    options.route = WEIR_FIT_MATRIX_FREE;
    refuse(ctx, s, "y ~ x", &options, 100, 10, WEIR_E_ARG, "factoring");
    options.route = WEIR_FIT_AUTO;
    for (int which = 0; which < 2; which++) {
        const w_window_sink sink = { which ? NULL : refuse_rows, which ? refuse_window : NULL, NULL };
        const weir_windows_options how = { WEIR_WINDOWS_OPTIONS_VERSION, 100, 10, 0, 0 };
        weir_table *table = open_table(ctx, s);
        weir_windows *windows = NULL;
        w_message_clear(ctx);
        assert_int_equal(w_fit_windows(ctx, table, "y ~ x", &options, &how, &sink, &windows), WEIR_E_IO);
        assert_non_null(strstr(weir_ctx_message(ctx), which ? "window 4" : "row 101"));
        assert_null(windows);
        w_table_free(table);
    }
    free(s);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_single), cmocka_unit_test(test_lambda),       cmocka_unit_test(test_missing),
        cmocka_unit_test(test_states),         cmocka_unit_test(test_bits),         cmocka_unit_test(test_named_budget),
        cmocka_unit_test(test_plan),           cmocka_unit_test(test_memory),       cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
