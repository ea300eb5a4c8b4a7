/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of the routes of least squares: each executor is run at the sizes of the curves. Of what can only be run as part of a
 * whole, the rest is subtracted:
 *     a step of conjugate gradients = (seconds of W_STEPS steps - seconds of 1 step) / (W_STEPS - 1),
 *     a value of the dual system    = (seconds - kernel - factor) / (n p),
 *     a column of a sparse factor   = (seconds - start - Gram) / p. */
#include "api/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "solve/route.h"
#include "sparse/cholmod.h"
#include "sparse/csc.h"

#define W_STEPS 3
#define W_VALUES 131072 /* of X in a problem that stays in a second-level cache, about */
#define W_LEAST_ROWS 512
#define W_DENSE_LARGEST 1024

static const int64_t size_of[W_CURVE_SIZES] = { 4, 16, 64, 256, 1024 };

typedef struct trial {
    weir_ctx *ctx;
    weir_linear_system s;
    weir_linear_options o;
    double *block, *b, *kept;     /* everything; coefficients; a system */
    weir_linear_outcome *outcome;
    w_linear q;                   /* for executors that are called directly */
    double *work;
} trial;

static void trial_free(trial *t)
{
    w_free(t->ctx, t->work);
    w_free(t->ctx, t->outcome);
    w_free(t->ctx, t->block);
}

/* Rows of `per_row` entries: p of them are a dense row. Banded entries lie side by side. false: no memory. */
static bool trial_make(weir_ctx *ctx, int64_t n, int64_t p, int64_t m, int64_t per_row, bool banded, trial *t)
{
    w_rng rng;
    w_rng_seed(&rng, 1);
    memset(t, 0, sizeof *t);
    t->ctx = ctx;
    const bool sparse = per_row < p;
    const int64_t values = n * per_row, integers = sparse ? n + 1 + (values + 1) / 2 : 0;
    t->block = w_alloc_array(ctx, "calibration", (size_t)(values + n * m + 2 * p * m + integers), sizeof *t->block);
    t->outcome = w_calloc(ctx, "calibration", (size_t)m, sizeof *t->outcome);
    if (!t->block || !t->outcome) {
        trial_free(t);
        w_message_clear(ctx);
        return false;
    }
    double *x = t->block, *y = x + values;
    t->b = y + n * m;
    int64_t *first = (int64_t *)(void *)(t->b + 2 * p * m);
    int32_t *column = (int32_t *)(void *)(first + n + 1);
    for (int64_t i = 0; i < values + n * m; i++) {
        x[i] = w_rng_uniform(&rng) - 0.5;
    }
    for (int64_t i = 0; sparse && i < n; i++) {
        const int64_t width = banded ? per_row : p / per_row * per_row, from = banded ? w_rng_below(&rng, p - per_row) : 0;
        first[i] = i * per_row;
        for (int64_t k = 0; k < per_row; k++) {
            const int64_t room = width / per_row;
            column[i * per_row + k] = (int32_t)(from + k * room + (room > 1 ? w_rng_below(&rng, room) : 0));
        }
        first[i + 1] = (i + 1) * per_row;
    }
    t->s = (weir_linear_system){ .version = WEIR_LINEAR_VERSION, .groups = 1, .ridge = 0.5, .right_hand_sides = m, .y = y };
    t->s.x = (weir_linear_matrix){ .kind = sparse ? WEIR_MATRIX_CSR : WEIR_MATRIX_DENSE, .rows = n, .columns = p, .values = x,
                                   .row_stride = p, .column_stride = 1, .row_first = first, .column = column };
    t->o = (weir_linear_options)WEIR_LINEAR_OPTIONS_INIT;
    t->o.tolerance = 1e-300;
    t->o.condition_limit = 1e300;
    return true;
}

/* The executors' own view of it, with `doubles` of workspace. */
static bool trial_open(trial *t, bool (*room)(trial *t, int64_t *doubles))
{
    t->q = (w_linear){ .ctx = t->ctx, .s = &t->s, .o = &t->o, .n = t->s.x.rows, .p = t->s.x.columns,
                       .m = t->s.right_hand_sides, .groups = 1, .b = t->b, .outcome = t->outcome };
    int64_t doubles = 0;
    bool open = w_linear_shape(t->ctx, &t->s, &t->o, &t->q.shape) >= 0 && room(t, &doubles);
    t->work = open ? w_alloc_array(t->ctx, "calibration", (size_t)doubles, sizeof *t->work) : NULL;
    if (!t->work) {
        w_message_clear(t->ctx);
    }
    return t->work != NULL;
}

static bool gram_room(trial *t, int64_t *doubles)
{
    *doubles = w_add64(w_mul64(t->q.p, t->q.p + t->q.m), w_gram_doubles(&t->q.shape));
    return true;
}

static weir_status gram_run(void *arg)
{
    trial *t = arg;
    double *a = t->work, *c = a + t->q.p * t->q.p;
    return w_gram_form(&t->q, 0, c + t->q.p * t->q.m, a, c);
}

static bool spd_room(trial *t, int64_t *doubles)
{
    const int64_t p = t->q.p, m = t->q.m, rest = w_add64(w_spd_doubles(p, m), w_spd_mixed_doubles(p, m));
    *doubles = w_add64(w_mul64(2, w_mul64(p, p + m)), w_max64(rest, w_gram_doubles(&t->q.shape)));
    return true;
}

static weir_status spd_step(trial *t, bool mixed)
{
    const int64_t p = t->q.p, m = t->q.m, system = p * (p + m);
    w_spd_report report;
    memcpy(t->work, t->kept, (size_t)system * sizeof *t->work);
    return w_spd_solve(t->ctx, NULL, p, m, t->work, t->work + p * p, t->work + 2 * system, false, mixed, &report);
}

static weir_status spd_run(void *arg) { return spd_step(arg, false); }
static weir_status mixed_run(void *arg) { return spd_step(arg, true); }

static weir_status route_run(void *arg)
{
    trial *t = arg;
    return weir_least_squares(t->ctx, &t->s, &t->o, t->b, NULL, NULL);
}

/* Seconds of the whole by one route; NaN when it does not serve. */
static double route_seconds(const w_probe *probe, trial *t, int32_t route)
{
    t->o.route = route;
    const double seconds = w_probe_seconds(probe, route_run, t);
    w_message_clear(t->ctx);
    return seconds;
}

static int sizes(const w_probe *probe)
{
    int count = 0;
    while (count < W_CURVE_SIZES && size_of[count] <= probe->largest) {
        count++;
    }
    return count;
}

static int64_t rows_for(int64_t p) { return w_max64(W_LEAST_ROWS, W_VALUES / p); }

static double price_of(const w_cost *cost, const char *name)
{
    for (int i = 0; w_cost_field_at(i); i++) {
        if (strcmp(w_cost_field_at(i)->name, name) == 0) {
            return w_cost_get(cost, w_cost_field_at(i));
        }
    }
    return NAN;
}

void w_calibrate_curve(w_cost *cost, const char *name, const double *price, int count)
{
    double ratio = 1.0;
    for (int i = 0; i < W_CURVE_SIZES && count > 0; i++) {
        char field[64];
        snprintf(field, sizeof field, "%s_%lld", name, (long long)size_of[i]);
        const double before = price_of(cost, field);
        ratio = i < count ? price[i] / before : ratio;
        w_cost_set_measured(cost, field, i < count ? price[i] : before * ratio);
    }
}

static double pairs(double p) { return 0.5 * p * (p + 1.0); }

static void measure_gram(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    double price[W_CURVE_SIZES];
    const int count = sizes(probe);
    for (int i = 0; i < count; i++) {
        trial one, several;
        const int64_t p = size_of[i], n = rows_for(p);
        price[i] = NAN;
        if (!trial_make(ctx, n, p, 1, p, false, &one)) {
            continue;
        }
        if (trial_open(&one, gram_room)) {
            price[i] = w_probe_seconds(probe, gram_run, &one) / ((double)n * pairs((double)p));
        }
        trial_free(&one);
        if (p == 16 && trial_make(ctx, n, p, 8, p, false, &several)) {
            if (trial_open(&several, gram_room)) {
                const double more = w_probe_seconds(probe, gram_run, &several) - price[i] * (double)n * pairs((double)p);
                w_cost_set_measured(cost, "route.response", more / (7.0 * (double)(n * p)));
            }
            trial_free(&several);
        }
    }
    w_calibrate_curve(cost, "route.gram", price, count);
}

static void measure_pack(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    trial t;
    const int64_t p = 16, n = rows_for(p);
    if (trial_make(ctx, n, p, 1, p, false, &t)) {
        t.s.x.row_stride = 1; /* column by column */
        t.s.x.column_stride = n;
        if (trial_open(&t, gram_room)) {
            const double sums = cost->route.gram.at[1] * (double)n * pairs((double)p);
            w_cost_set_measured(cost, "route.pack", (w_probe_seconds(probe, gram_run, &t) - sums) / (double)(n * p));
        }
        trial_free(&t);
    }
}

static void measure_spd(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    double price[W_CURVE_SIZES], mixed[W_CURVE_SIZES];
    const int count = sizes(probe);
    for (int i = 0; i < count; i++) {
        trial t;
        const int64_t p = size_of[i];
        price[i] = mixed[i] = NAN;
        for (int64_t m = 1; m <= (p == 64 ? 8 : 1); m += 7) {
            if (!trial_make(ctx, 2 * p, p, m, p, false, &t)) {
                continue;
            }
            if (trial_open(&t, spd_room)) {
                double *c = t.work + p * p;
                t.kept = t.work + p * (p + m);
                if (w_gram_form(&t.q, 0, t.kept, t.work, c) >= 0) {
                    memcpy(t.kept, t.work, (size_t)(p * (p + m)) * sizeof *c);
                    const double seconds = w_probe_seconds(probe, spd_run, &t);
                    if (m == 1) {
                        price[i] = seconds;
                        mixed[i] = w_probe_seconds(probe, mixed_run, &t);
                    } else {
                        w_cost_set_measured(cost, "route.spd_column", (seconds - price[i]) / (7.0 * (double)(p * p)));
                    }
                }
            }
            trial_free(&t);
        }
    }
    w_calibrate_curve(cost, "route.spd", price, count);
    w_calibrate_curve(cost, "route.mixed", mixed, count);
}

static void measure_qr(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    double price[W_CURVE_SIZES];
    const int count = sizes(probe);
    for (int i = 0; i < count; i++) {
        trial t;
        const int64_t p = size_of[i], n = p < W_DENSE_LARGEST ? w_max64(2048, 4 * p) : p;
        price[i] = NAN;
        if (trial_make(ctx, n, p, 1, p, false, &t)) {
            const double rest = route_seconds(probe, &t, WEIR_ROUTE_QR) - cost->route.call - w_spd_seconds(p, 1, cost);
            price[i] = rest / ((double)(n + 2 * p) * (double)(p * p));
            trial_free(&t);
        }
    }
    w_calibrate_curve(cost, "route.qr", price, count);
}

static void measure_dual(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    trial t;
    const int64_t n = 60, p = w_min64(1000, 2 * probe->largest); /* no power of two: strides would collide */
    if (p > n && trial_make(ctx, n, p, 1, p, false, &t)) {
        const double kernel = pairs((double)n) * (double)p * w_curve_at(&cost->route.gram, (double)n, 0.0);
        const double rest = route_seconds(probe, &t, WEIR_ROUTE_DUAL) - kernel - w_spd_seconds(n, 1, cost) - cost->route.call;
        w_cost_set_measured(cost, "route.dual_value", rest / (double)(n * p));
        trial_free(&t);
    }
}

static weir_status plan_run(void *arg)
{
    trial *t = arg;
    weir_linear_result result;
    return weir_linear_plan(t->ctx, &t->s, &t->o, &result);
}

/* A plan for sparse rows, of few entries and of many. */
static void measure_look(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    const int64_t rows[] = { 16, w_min64(16384, 16 * probe->largest) };
    double seconds[2] = { NAN, NAN };
    for (int i = 0; i < 2; i++) {
        trial t;
        if (trial_make(ctx, rows[i], 256, 1, 8, false, &t)) {
            seconds[i] = w_probe_seconds(probe, plan_run, &t);
            w_message_clear(ctx);
            trial_free(&t);
        }
    }
    w_cost_set_measured(cost, "route.look", seconds[0] - cost->route.call);
    w_cost_set_measured(cost, "route.look_entry", (seconds[1] - seconds[0]) / (8.0 * (double)(rows[1] - rows[0])));
}

/* Of one step. */
static double step_seconds(const w_probe *probe, trial *t)
{
    t->o.preconditioner = WEIR_PRECONDITIONER_NONE;
    t->o.max_iterations = 1;
    const double one = route_seconds(probe, t, WEIR_ROUTE_CG);
    t->o.max_iterations = W_STEPS;
    return (route_seconds(probe, t, WEIR_ROUTE_CG) - one) / (W_STEPS - 1);
}

static double step_of(weir_ctx *ctx, const w_probe *probe, int64_t n, int64_t p, int64_t m, int64_t per_row)
{
    trial t;
    double seconds = NAN;
    if (trial_make(ctx, n, p, m, per_row, false, &t)) {
        seconds = step_seconds(probe, &t);
        trial_free(&t);
    }
    return seconds;
}

static void measure_steps(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    double price[W_CURVE_SIZES];
    const int count = sizes(probe);
    const int64_t wide = w_min64(16384, 16 * probe->largest), rows = w_min64(16384, 16 * probe->largest);
    const double least = step_of(ctx, probe, 8, 8, 1, 8);
    w_cost_set_measured(cost, "route.step", least);
    const double vectors = step_of(ctx, probe, 16, wide, 1, 2);
    w_cost_set_measured(cost, "route.step_value", (vectors - least) / (double)wide);
    for (int i = 0; i < count; i++) {
        const int64_t p = size_of[i], n = rows_for(p);
        const double fixed = cost->route.step + (double)p * cost->route.step_value;
        price[i] = (step_of(ctx, probe, n, p, 1, p) - fixed) / (double)(n * p);
    }
    w_calibrate_curve(cost, "route.product", price, count);
    const int64_t p = 64, n = rows_for(p);
    const double fixed = cost->route.step + (double)p * cost->route.step_value;
    w_cost_set_measured(cost, "route.product_column", (step_of(ctx, probe, n, p, 8, p) - fixed) / (8.0 * (double)(n * p)));
    const double beside = cost->route.step + 512.0 * cost->route.step_value, entries = 8.0 * (double)rows;
    const double single = (step_of(ctx, probe, rows, 512, 1, 8) - beside) / entries;
    w_cost_set_measured(cost, "route.csr_product", single);
    const double six = (step_of(ctx, probe, rows, 512, 6, 8) - beside) / entries;
    w_cost_set_measured(cost, "route.csr_column", (six - single) / 6.0);
}

static void measure_sparse_gram(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    double price[W_CURVE_SIZES];
    const int count = sizes(probe);
    const int64_t n = w_min64(16384, 16 * probe->largest);
    for (int i = 0; i < count; i++) {
        trial t;
        const int64_t p = size_of[i], per_row = p > 8 ? 8 : 3;
        price[i] = NAN;
        if (trial_make(ctx, n, p, 1, per_row, false, &t)) {
            if (trial_open(&t, gram_room)) {
                const double cleared = 8.0 * (double)(p * p) / cost->row.memory;
                price[i] = fmax((w_probe_seconds(probe, gram_run, &t) - cleared) / (double)n, 1e-12);
            }
            trial_free(&t);
        }
        if (p == 64 && trial_make(ctx, n, p, 1, 1, false, &t)) {
            if (trial_open(&t, gram_room)) { /* one product a row, then thirty-six */
                const double single = w_probe_seconds(probe, gram_run, &t) / (double)n, each = (price[i] - single) / 35.0;
                w_cost_set_measured(cost, "route.csr_row", single - each);
            }
            trial_free(&t);
        }
    }
    for (int i = 0; i < count; i++) {
        const double entries = size_of[i] > 8 ? 8.0 : 3.0;
        price[i] = fmax(price[i] - cost->route.csr_row, 0.1 * price[i]) / pairs(entries);
    }
    w_calibrate_curve(cost, "route.csr_gram", price, count);
}

typedef struct csc_trial { trial *t; double *diagonal; } csc_trial;

static weir_status csc_run(void *arg)
{
    const csc_trial *c = arg;
    const weir_linear_matrix *x = &c->t->s.x;
    const w_csr_rows rows = { 0, x->rows, x->columns, x->row_first, x->column, x->values, x->float32, NULL };
    w_csc a = { 0 };
    const weir_status status = w_csc_gram(c->t->ctx, &rows, c->diagonal, 0, NULL, &a);
    w_csc_free(c->t->ctx, &a);
    return status;
}

/* A narrow band tells of columns, a full Gram of multiplications, a small system of the rest. */
static void measure_sparse(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    const char *reason;
    const int64_t p = w_min64(4096, 4 * probe->largest), n = 4 * p;
    trial t;
    if (!w_cholmod_available(&reason)) {
        return;
    }
    if (trial_make(ctx, 32, 16, 1, 3, true, &t)) {
        w_cost_set_measured(cost, "route.sparse_start", route_seconds(probe, &t, WEIR_ROUTE_SPARSE) - cost->route.call -
                                                       cost->route.look);
        trial_free(&t);
    }
    if (trial_make(ctx, n, p, 1, 4, true, &t)) {
        csc_trial gram = { &t, t.b + p };
        memset(gram.diagonal, 0, (size_t)p * sizeof *gram.diagonal);
        const double squares = 16.0 * (double)n;
        w_cost_set_measured(cost, "route.sparse_gram", w_probe_seconds(probe, csc_run, &gram) / squares);
        const double look = cost->route.look + 4.0 * (double)n * cost->route.look_entry;
        const double rest = route_seconds(probe, &t, WEIR_ROUTE_SPARSE) - look - cost->route.sparse_start -
                            squares * cost->route.sparse_gram;
        w_cost_set_measured(cost, "route.sparse_column", rest / (double)p);
        trial_free(&t);
    }
    const int64_t full = w_min64(512, probe->largest);
    if (trial_make(ctx, 16 * full, full, 1, 8, false, &t)) {
        const double entries = pairs((double)full), squares = 64.0 * 16.0 * (double)full;
        const double look = cost->route.look + 128.0 * (double)full * cost->route.look_entry;
        const double rest = route_seconds(probe, &t, WEIR_ROUTE_SPARSE) - look - cost->route.sparse_start -
                            squares * cost->route.sparse_gram - (double)full * cost->route.sparse_column;
        w_cost_set_measured(cost, "route.sparse_flop", rest / (0.5 * entries * entries / (double)full));
        trial_free(&t);
    }
}

/* The call itself, and one group more, from systems that are nearly nothing. */
static void measure_calls(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    trial t;
    if (trial_make(ctx, 4, 4, 1, 4, false, &t)) {
        const double system = w_spd_seconds(4, 1, cost) + 40.0 * cost->route.gram.at[0];
        w_cost_set_measured(cost, "route.call", route_seconds(probe, &t, WEIR_ROUTE_CHOLESKY) - system);
        trial_free(&t);
    }
    const int64_t groups = 256;
    if (trial_make(ctx, 4 * groups, 4, 1, 4, false, &t)) {
        int64_t *first = w_alloc_array(ctx, "calibration", (size_t)groups + 1, sizeof *first);
        double *b = w_alloc_array(ctx, "calibration", (size_t)(4 * groups), sizeof *b);
        if (first && b) {
            for (int64_t g = 0; g <= groups; g++) {
                first[g] = 4 * g;
            }
            t.s.groups = groups;
            t.s.group_first = first;
            t.b = b;
            const double system = w_spd_seconds(4, 1, cost) + 40.0 * cost->route.gram.at[0];
            w_cost_set_measured(cost, "route.group", fmax(route_seconds(probe, &t, WEIR_ROUTE_CHOLESKY) / (double)groups - system, 1e-8));
        }
        w_message_clear(ctx);
        w_free(ctx, b);
        w_free(ctx, first);
        trial_free(&t);
    }
}

void w_calibrate_routes(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    measure_gram(ctx, probe, cost);
    measure_pack(ctx, probe, cost);
    measure_spd(ctx, probe, cost);
    measure_calls(ctx, probe, cost);
    measure_qr(ctx, probe, cost);
    measure_dual(ctx, probe, cost);
    measure_steps(ctx, probe, cost);
    measure_sparse_gram(ctx, probe, cost);
    measure_look(ctx, probe, cost);
    measure_sparse(ctx, probe, cost);
}
