/* SPDX-License-Identifier: Apache-2.0 */
/* The seconds of a plan as a pure function: how often a fit passes over its rows, that more work never takes less, and that every
 * price of a fit is read. */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "plan/seconds.h"
#include "weir/gam.h"

static weir_ctx *ctx;

static int make_ctx(void **state)
{
    ctx = test_ctx(state, 2, 0);
    return 0;
}

static int drop_ctx(void **state)
{
    (void)state;
    weir_ctx_destroy(ctx);
    return 0;
}

typedef enum kind { SPLINES, THIN, PLATE, TENSOR, RANDOM } kind;

typedef struct shape {
    w_design design;
    w_smooth smooth[2];
    w_block block[3];
    w_design_penalty penalty[3];
    int64_t level_first[512], dense_column[2];
} shape;

/* An intercept, two smooths of k columns of this kind, and with RANDOM a factor of 500 levels. */
static void make_shape(shape *s, kind what, int64_t k)
{
    memset(s, 0, sizeof *s);
    s->dense_column[1] = -1;
    s->block[0] = (w_block){ .kind = W_BLOCK_DENSE, .width = 2, .levels = 1, .cells = 1, .code = -1, .level_columns = 1,
                             .dense_column = s->dense_column };
    for (int j = 0; j < 2; j++) {
        w_smooth *smooth = &s->smooth[j];
        const int margins = what == TENSOR ? 2 : 1;
        *smooth = (w_smooth){ .margin_count = margins, .raw_columns = k, .columns = k - 1, .penalty_count = 1 };
        for (int m = 0; m < margins; m++) {
            smooth->margin[m] = (w_margin){ .kind = what == THIN || what == PLATE ? W_BASIS_TP : W_BASIS_CR, .k = margins == 2 ? 5 : k,
                                            .width = 4, .cells = what == THIN ? 2001 : k + 1 };
        }
        if (what == PLATE) {
            smooth->margin[0].covariates = 2;
            smooth->margin[0].knot_count = 2000;
            smooth->margin[0].width = (int)k;
            smooth->margin[0].cells = 1;
        }
        s->block[1 + j] = (w_block){ .kind = W_BLOCK_SMOOTH, .width = what == PLATE ? (int)k : margins == 2 ? 16 : 4, .levels = 1,
                                     .cells = margins == 2 ? 36 : smooth->margin[0].cells, .code = -1, .smooth = smooth,
                                     .level_columns = k - 1, .level_first = s->level_first + j };
        s->level_first[j] = 1 + j * (k - 1);
        s->penalty[j] = (w_design_penalty){ .first = 1 + j * (k - 1), .k = k - 1, .repeat = 1, .rank = k - 2, .sp = j };
    }
    s->design = (w_design){ .ctx = ctx, .block = s->block, .block_count = 3, .penalty = s->penalty, .penalty_count = 2, .sp_count = 2,
                            .column_count = 3, .p = 2 * k - 1 };
    if (what == RANDOM) { /* in the place of the second smooth */
        s->design.p = k + 500;
        for (int64_t l = 0; l < 500; l++) {
            s->level_first[1 + l] = k + l;
        }
        s->block[2] = (w_block){ .kind = W_BLOCK_FACTOR, .width = 1, .levels = 500, .cells = 1, .code = 0, .level_columns = 1,
                                 .level_first = s->level_first + 1 };
        s->penalty[1] = (w_design_penalty){ .first = k, .k = 1, .repeat = 500, .rank = 1, .sp = 1 };
    }
}

static w_plan_input input_for(const shape *s, int64_t rows, const w_cost *cost)
{
    w_plan_input input = { .design = &s->design, .arrow_block = w_plan_arrow_block(&s->design), .system_bytes = 1 << 20, .rows = rows,
                           .rows_exact = true, .file_bytes = -1, .threads = 2, .device = "cpu", .iterations = 1, .in_place = true };
    input.choice[0] = (w_window_choice){ 0, 4096, 0 };
    input.choice_count = 1;
    input.rates = (w_rates){ .read_bytes_per_second = cost->row.copy_in, .parse_bytes_per_second = cost->row.csv,
                             .scratch_bytes_per_second = 2.5e8, .row_seconds = cost->row.row, .basis_seconds = cost->row.basis,
                             .pair_seconds = cost->row.pair, .far_pair_seconds = cost->row.pair_far, .dense_flops_per_second = 2e10,
                             .thread_efficiency = cost->row.thread_gain, .fit = cost->fit };
    return input;
}

static double seconds_of(const w_plan_input *input)
{
    weir_plan plan;
    assert_int_equal(w_plan_fit(input, &plan), WEIR_OK);
    const double sum = plan.seconds_setup + plan.seconds_read + plan.seconds_accumulate + plan.seconds_smooth;
    assert_true(isfinite(sum) && fabs(plan.seconds - sum) <= 1e-12 * sum);
    return plan.seconds;
}

static void passes_are_those_of_the_usual_course(void **state)
{
    (void)state;
    static const struct { w_plan_work work; double rows; w_pass_counts expected; } table[] = {
        /* linear: one pass */
        { { .generalised = false }, 1e6, { .hessian = 1, .tables = 1, .solves = 1 } },
        /* canonical, working criterion: few rows, many, so many that a sample comes first */
        { { .generalised = true, .canonical = true }, 1000, { .hessian = 5, .tables = 4, .likelihood = 1, .solves = 6 } },
        { { .generalised = true, .canonical = true }, 20000, { .hessian = 4, .tables = 4, .gradient = 1, .likelihood = 1, .solves = 8 } },
        { { .generalised = true, .canonical = true }, 1e6,
          { .start = 4, .hessian = 1.5, .tables = 4, .gradient = 1.5, .likelihood = 1, .solves = 8 } },
        /* not canonical: settled by Newton's method */
        { { .generalised = true }, 1e6, { .start = 4, .hessian = 3.5, .tables = 4, .gradient = 1.5, .likelihood = 2, .solves = 8 } },
        /* Laplace criterion: a pass of leverages for each value */
        { { .generalised = true, .canonical = true, .scale_known = true, .exact = true }, 1000,
          { .hessian = 13.2, .tables = 7.4, .likelihood = 5, .leverage = 3, .solves = 6, .exact = 3 } },
        /* with a parameter of the family: turns, and a pass for it each time */
        { { .generalised = true, .parameters = 1, .exact = true }, 20000,
          { .hessian = 26, .tables = 26.5, .gradient = 14.5, .likelihood = 12.5, .leverage = 4.5, .cross = 4.5, .solves = 14,
            .exact = 4.5 } },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const w_pass_counts found = w_plan_passes(&table[i].work, table[i].rows), *expected = &table[i].expected;
        const double pair[][2] = { { found.start, expected->start }, { found.hessian, expected->hessian },
                                   { found.tables, expected->tables }, { found.gradient, expected->gradient },
                                   { found.likelihood, expected->likelihood }, { found.leverage, expected->leverage },
                                   { found.cross, expected->cross }, { found.solves, expected->solves },
                                   { found.exact, expected->exact } };
        for (size_t j = 0; j < sizeof pair / sizeof pair[0]; j++) {
            assert_true(fabs(pair[j][0] - pair[j][1]) < 1e-9);
        }
    }
    assert_true(w_plan_evaluations(0, WEIR_REML) == 1.0);
    assert_true(w_plan_evaluations(4, WEIR_REML) == 10.0);
    assert_true(w_plan_evaluations(4, WEIR_GCV) == 30.0); /* from three starts */
}

/* One criterion all along: above a million rows the default is another, cheaper one. */
static void more_rows_and_columns_never_take_less(void **state)
{
    (void)state;
    w_cost cost;
    w_cost_defaults(&cost);
    for (int what = SPLINES; what <= RANDOM; what++) {
        for (int work = 0; work < 8; work++) {
            double before = 0.0;
            shape s;
            make_shape(&s, what, 25);
            for (double rows = 100; rows < 1e7; rows *= 1.17) {
                w_plan_input input = input_for(&s, (int64_t)rows, &cost);
                input.work = (w_plan_work){ .generalised = work > 0, .family = work, .parameters = work & 1, .canonical = work & 2,
                                            .exact = work & 4 };
                const double now = seconds_of(&input);
                assert_true(now >= before);
                before = now;
            }
        }
        double before = 0.0;
        for (int64_t k = 6; k < 200; k += 7) {
            shape s;
            make_shape(&s, what, k);
            w_plan_input input = input_for(&s, 30000, &cost);
            const double now = seconds_of(&input);
            if (what == SPLINES || what == RANDOM) {
                assert_true(now >= before);
            }
            before = now;
        }
    }
}

static void every_price_of_a_fit_is_read(void **state)
{
    (void)state;
    w_cost cost;
    w_cost_defaults(&cost);
    for (int i = 0; w_cost_field_at(i); i++) {
        const w_cost_field *field = w_cost_field_at(i);
        bool moved = false;
        if (strncmp(field->name, "fit.", 4) != 0) {
            continue;
        }
        w_cost dearer = cost;
        assert_true(w_cost_set(&dearer, field->name, 2.0 * w_cost_get(&cost, field)));
        static const int64_t columns[] = { 3, 10, 40, 150, 600 };
        for (int what = SPLINES; what <= RANDOM && !moved; what++) {
            for (int c = 0; c < 5 && !moved; c++) {
                for (int family = -1; family < W_COST_FAMILIES && !moved; family++) {
                    shape s;
                    make_shape(&s, what, columns[c]);
                    w_plan_input at = input_for(&s, 30000, &cost), there = input_for(&s, 30000, &dearer);
                    at.work = there.work = (w_plan_work){ .generalised = family >= 0, .family = family < 0 ? 0 : family, .exact = true };
                    const double cheap = seconds_of(&at), dear = seconds_of(&there);
                    assert_true(dear >= cheap);
                    moved = dear > cheap;
                }
            }
        }
        if (!moved) {
            fail_msg("%s", field->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_are_those_of_the_usual_course),
        cmocka_unit_test(more_rows_and_columns_never_take_less),
        cmocka_unit_test(every_price_of_a_fit_is_read),
    };
    return cmocka_run_group_tests_name("seconds", tests, make_ctx, drop_ctx);
}
