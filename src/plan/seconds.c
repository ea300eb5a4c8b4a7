/* SPDX-License-Identifier: Apache-2.0 */
/* Seconds of a fit: counts times prices (device/cost.h). With n rows, M margins, T pairs of terms,
 *
 *     set-up     start + scan n columns + M margin_start + n' (M margin + thin plates) + knots,      n' = rows that choose knots
 *     a row      e = row + M basis + thin plates' knots                                              evaluated
 *     X'WX       e + T pair                                               and table bytes once a pass
 *     X'Wr       e + M linear
 *     x'Vx       e + T leverage + M linear
 *     a working model in addition    M product + family, and the family's likelihood where that is summed
 *     smoothing  evaluations of the criterion at p columns, and what follows the last one
 *
 * A linear model with normal errors makes one pass X'WX. A generalised one makes a working model per step: X'WX at the first two
 * steps and the last, X'Wr between where rows are many, all first on a sample where they are very many. Parameters of the family
 * are estimated in turns with it. The Laplace criterion takes, at each of its values, a pass with the likelihood, one of leverages,
 * one for each parameter, and the steps that bring beta to its end there. The counts are those of fit/generalised.c, pirls.c
 * and laplace.c when all goes as usual; how hard the data make it is not known beforehand. */
#include "plan/seconds.h"

#include <math.h>

#include "base/size.h"
#include "normal/normal.h"
#include "plan/bytes.h"
#include "weir/gam.h"

#define MANY_ROWS (4.0 * W_TILE_ROWS) /* from here X'WX is kept between steps */
#define SAMPLE_ROWS 16384.0           /* the sample that a fit of … */
#define SAMPLED_ROWS 65536.0          /* … so many rows begins with */
#define MATRIX_FREE_STEPS 30          /* of a solve by conjugate gradients */
#define VALUE_SECONDS 1.2e-9          /* a value of X and vector in a product */
#define LEVEL_SECONDS 1e-8            /* the level of a row's factor in the scan */
#define FINISH_ARROW 4.0              /* what an eliminated block adds after the last evaluation, in those */
#define FINISH_TENSOR 25.0            /* what a tensor product does */

typedef struct shape {
    double margins, thin, knots, knot_values, plate_knots, plate_pairs; /* of one-dimensional margins; of joint ones */
    double factors, near, far;
    double tensor_columns, tensor_cubes;    /* raw columns of tensor products, and their cubes */
    double table_bytes;
} shape;

static void add_margin(const w_margin *margin, shape *s)
{
    if (margin->covariates > 1 && !margin->features) {
        const double knots = (double)margin->knot_count;
        s->plate_knots += margin->knot_value ? 0.0 : knots; /* else a row is looked up */
        s->plate_pairs += knots * knots;
        s->margins += margin->knot_value ? 10.0 : 1.0;
        return;
    }
    s->margins += 1.0;
    if (margin->kind == W_BASIS_TP || margin->kind == W_BASIS_TS) {
        s->thin += 1.0;
        s->knots += (double)margin->cells;
        s->knot_values += (double)margin->cells * (double)margin->k;
    }
}

static shape shape_of(const w_design *design)
{
    shape s = { 0 };
    int64_t shard_tiles;
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        if (block->kind != W_BLOCK_SMOOTH) {
            continue;
        }
        const w_smooth *smooth = block->smooth;
        for (int m = 0; m < smooth->margin_count; m++) {
            add_margin(&smooth->margin[m], &s);
        }
        if (smooth->margin_count > 1) {
            s.tensor_columns += (double)smooth->raw_columns;
            s.tensor_cubes += pow((double)smooth->raw_columns, 3.0);
        }
    }
    for (int c = 0; design->column_kind && c < design->column_count; c++) {
        s.factors += design->column_kind[c] == W_FACTOR;
    }
    w_sums_cost(design, &s.near, &s.far, &shard_tiles);
    s.table_bytes = (double)w_sums_rest_bytes(design);
    return s;
}

w_pass_counts w_plan_passes(const w_plan_work *work, double rows)
{
    w_pass_counts c = { 0 };
    const bool many = rows >= MANY_ROWS, sampled = rows >= SAMPLED_ROWS, parameters = work->parameters > 0;
    if (!work->generalised) {
        c.hessian = c.tables = c.solves = 1.0;
        return c;
    }
    c.start = sampled ? 4.0 : 0.0;
    c.hessian = sampled ? 1.5 : many ? 4.0 : 5.0;
    c.gradient = sampled ? 1.5 : many ? 1.0 : 0.0;
    c.likelihood = 1.0;
    c.solves = many ? 8.0 : 6.0; /* no fewer where there are more rows */
    if (parameters) { /* in turns: all sums under the new parameters, then a step or two */
        const double turns = work->exact ? 3.0 : 8.0;
        c.hessian += (many ? 2.5 : 3.0) * turns;
        c.likelihood += 2.0 * turns;
        c.solves += 2.0 * turns;
    }
    c.tables = 4.0 + (parameters ? (work->exact ? 8.0 : 20.0) : 0.0);
    if (!work->exact) {
        c.hessian += work->canonical ? 0.0 : 2.0;
        c.likelihood += work->canonical ? 0.0 : 1.0;
        return c;
    }
    c.exact = work->parameters > 1 ? 9.0 : parameters ? 4.5 : work->scale_known ? 3.0 : 5.0;
    c.hessian += 1.0 + c.exact * (parameters ? 3.0 : many ? 1.0 : 2.4);
    c.tables += 1.0 + c.exact * (parameters ? 3.0 : 0.8);
    c.gradient += many ? c.exact * (parameters ? 3.0 : 0.8) : 0.0;
    c.likelihood += 1.0 + c.exact;
    c.leverage = c.exact;
    c.cross = c.exact * work->parameters;
    return c;
}

double w_plan_evaluations(int count, int criterion)
{
    const double starts = criterion == WEIR_GCV || criterion == WEIR_UBRE ? 3.0 : 1.0;
    return count > 0 ? starts * (4.0 + 1.5 * count) : 1.0;
}

static double setup_seconds(const w_plan_input *input, const shape *s, double rows, double speed_up)
{
    const w_fit_cost *price = &input->rates.fit;
    const double chosen = input->exact_knots || rows < W_SETUP_ROWS ? rows : W_SETUP_ROWS;
    double seconds = rows * (price->scan * input->design->column_count + LEVEL_SECONDS * s->factors) / speed_up;
    seconds += price->start + s->margins * price->margin_start;
    seconds += chosen * (s->margins * price->margin + s->thin * price->thin_row + s->tensor_columns * price->tensor_row);
    seconds += chosen * 2.0 * s->plate_knots * price->plate; /* sums of columns, then their constraint */
    return seconds + s->knot_values * price->thin_knot + s->plate_pairs * price->plate_setup;
}

static double read_seconds(const w_plan_input *input, const weir_plan *plan, double rows)
{
    const w_rates *rates = &input->rates;
    const double decoded = rows * (double)w_plan_row_bytes(input->design), later = plan->passes - 1;
    if (input->in_place) {
        return 0.0; /* part of each pass's seconds per row */
    }
    if (!input->text) {
        return plan->passes * decoded / rates->read_bytes_per_second;
    }
    const w_scratch_choice scratch = w_plan_scratch(input, plan->passes - 1);
    if (plan->keep_bytes == 0 && (plan->scratch_bytes > 0 || input->once)) {
        return scratch.parse_seconds + scratch.write_seconds + later * scratch.read_seconds;
    }
    return (plan->keep_bytes > 0 ? 1.0 : 1.0 + later) * w_plan_parse_seconds(input);
}

/* One thread. */
static double passes_seconds(const w_plan_input *input, const shape *s, const w_pass_counts *c, double rows)
{
    const w_rates *rates = &input->rates;
    const w_fit_cost *price = &rates->fit;
    const double row = rates->row_seconds + s->margins * rates->basis_seconds + s->plate_knots * price->plate;
    const double products = s->near * rates->pair_seconds + s->far * rates->far_pair_seconds + s->thin * price->thin_pass;
    const double linear = s->margins * price->linear, table = price->table * s->table_bytes;
    double working = 0.0, likelihood = 0.0;
    if (input->work.generalised) {
        working = s->margins * price->product + price->family[input->work.family];
        likelihood = price->likelihood[input->work.family];
    }
    double seconds = (c->hessian * rows + c->start * fmin(rows, SAMPLE_ROWS)) * (row + products + working) + c->tables * table;
    seconds += rows * (c->gradient + c->cross) * (row + linear + working) + rows * c->likelihood * likelihood;
    seconds += rows * c->leverage * (row + linear + working + s->near * price->leverage);
    if (input->diagnostics) {
        seconds += rows * (row + s->margins * price->product);
    }
    return seconds;
}

/* The criterion with an eliminated block: each of its columns meets the core. */
static double arrow_seconds(const w_plan_input *input, double arrow, double core)
{
    return arrow * core * (input->rates.fit.arrow + 4.0 * core / input->rates.dense_flops_per_second);
}

typedef struct smooth_price { double evaluate, finish; } smooth_price;

static smooth_price smooth_prices(const w_plan_input *input, const shape *s)
{
    const w_fit_cost *price = &input->rates.fit;
    double arrow = 0.0;
    if (input->arrow_block >= 0) {
        const w_block *block = &input->design->block[input->arrow_block];
        arrow = (double)block->levels * (double)block->level_columns;
    }
    const double core = (double)input->design->p - arrow;
    const double eliminated = arrow_seconds(input, arrow, core), tensor = s->tensor_cubes * price->tensor;
    return (smooth_price){ w_curve_at(&price->evaluate, core, 3.0) + eliminated + tensor,
                           w_curve_at(&price->finish, core, 3.0) + FINISH_ARROW * eliminated + FINISH_TENSOR * tensor };
}

/* Working models are solved between passes. */
static double search_seconds(const w_plan_input *input, const w_pass_counts *c, const smooth_price *price)
{
    const double first = w_plan_evaluations(input->design->sp_count, input->work.criterion);
    return (first + (c->solves - 1.0) * W_PLAN_WARM_EVALUATIONS + c->exact) * price->evaluate;
}

static double matrix_free_seconds(const w_plan_input *input, const weir_plan *plan, double rows, double pass, double speed_up)
{
    const double products = (double)MATRIX_FREE_STEPS * (double)input->solves;
    const double seconds = products * rows * (double)input->row_values * 2.0 * VALUE_SECONDS / speed_up;
    return seconds + (plan->tile_bytes > 0 ? 0.0 : products / 8.0 * pass);
}

/* A fit that begins with a sample, or keeps X'WX, may take less than one of fewer rows: what that takes is not undercut. */
static double monotone_passes(const w_plan_input *input, const shape *s, double rows)
{
    const double last[] = { rows, fmin(rows, MANY_ROWS - 1.0), fmin(rows, SAMPLED_ROWS - 1.0) };
    double most = 0.0;
    for (int i = 0; i < 3; i++) {
        const w_pass_counts counts = w_plan_passes(&input->work, last[i]);
        most = fmax(most, passes_seconds(input, s, &counts, last[i]));
    }
    return most;
}

void w_plan_seconds(const w_plan_input *input, weir_plan *plan)
{
    const double rows = input->rows < 0 ? 0.0 : (double)input->rows;
    const double speed_up = 1.0 + (input->threads - 1) * input->rates.thread_efficiency;
    const shape s = shape_of(input->design);
    plan->seconds_setup = setup_seconds(input, &s, rows, speed_up);
    plan->seconds_read = read_seconds(input, plan, rows);
    if (input->matrix_free) {
        const w_pass_counts one = { .gradient = 1.0 };
        plan->seconds_accumulate = passes_seconds(input, &s, &one, rows) / speed_up;
        plan->seconds_smooth = matrix_free_seconds(input, plan, rows, plan->seconds_accumulate, speed_up);
    } else {
        const w_pass_counts counts = w_plan_passes(&input->work, rows);
        const smooth_price price = smooth_prices(input, &s);
        const double search = search_seconds(input, &counts, &price);
        plan->seconds_accumulate = monotone_passes(input, &s, rows) / speed_up + (input->work.generalised ? search : 0.0);
        plan->seconds_smooth = price.finish + (input->work.generalised ? 0.0 : search);
    }
    plan->seconds = plan->seconds_setup + plan->seconds_read + plan->seconds_accumulate + plan->seconds_smooth;
}
