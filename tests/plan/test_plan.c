/* SPDX-License-Identifier: Apache-2.0 */
/* The planner as a pure function: what it chooses, that more budget never costs more, and what it says when nothing fits. */
#include "support/test.h"

#include <string.h>

#include "plan/bytes.h"
#include "plan/plan.h"

#define MIB ((int64_t)1 << 20)

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

typedef struct shape {
    w_design design;
    w_smooth smooth;
    w_block block[3];
    w_design_penalty penalty[2];
    int64_t level_first[2000];
    int64_t dense_column[2];
} shape;

/* Intercept, a spline of k columns, and (levels > 0) a random effect. */
static void make_shape(shape *s, int64_t k, int64_t levels)
{
    memset(s, 0, sizeof *s);
    s->design.ctx = ctx;
    s->dense_column[0] = 0;
    s->dense_column[1] = -1;
    s->block[0] = (w_block){ .kind = W_BLOCK_DENSE, .width = 2, .levels = 1, .cells = 1, .code = -1,
                             .level_columns = 1, .dense_column = s->dense_column };
    s->smooth.margin_count = 1;
    s->smooth.margin[0] = (w_margin){ .kind = W_BASIS_CR, .k = k, .width = 4, .cells = k + 1 };
    s->smooth.raw_columns = k;
    s->smooth.columns = k - 1;
    s->smooth.penalty_count = 1;
    s->block[1] = (w_block){ .kind = W_BLOCK_SMOOTH, .width = 4, .levels = 1, .cells = k + 1, .code = -1,
                             .smooth = &s->smooth, .level_columns = k - 1, .level_first = s->level_first };
    s->level_first[0] = 1;
    s->penalty[0] = (w_design_penalty){ .first = 1, .k = k - 1, .repeat = 1, .rank = k - 2, .sp = 0 };
    s->design.block = s->block;
    s->design.block_count = 2;
    s->design.penalty = s->penalty;
    s->design.penalty_count = 1;
    s->design.sp_count = 1;
    s->design.column_count = 3;
    s->design.p = k;
    if (levels > 0) {
        for (int64_t l = 0; l < levels; l++) {
            s->level_first[1 + l] = k + l;
        }
        s->block[2] = (w_block){ .kind = W_BLOCK_FACTOR, .width = 1, .levels = levels, .cells = 1, .code = 0,
                                 .level_columns = 1, .level_first = s->level_first + 1 };
        s->penalty[1] = (w_design_penalty){ .first = k, .k = 1, .repeat = levels, .rank = 1, .sp = 1 };
        s->design.block_count = 3;
        s->design.penalty_count = s->design.sp_count = 2;
        s->design.p = k + levels;
    }
}

static w_plan_input input_for(const shape *s, int64_t rows, int64_t budget)
{
    w_plan_input input = { .design = &s->design, .arrow_block = w_plan_arrow_block(&s->design), .system_bytes = MIB,
                           .rows = rows, .rows_exact = true, .file_bytes = -1, .budget = budget, .budget_free = budget,
                           .threads = 2, .device = "cpu", .iterations = 1 };
    for (int i = 0; i < 10; i++) {
        input.choice[i] = (w_window_choice){ (int64_t)4096 * 24 << i, (int64_t)3 * 4096 * 24 << i, 2048 };
    }
    input.choice_count = 10;
    w_cost cost;
    w_cost_defaults(&cost);
    input.rates = (w_rates){ 1e9, 2e8, 2.5e8, 1e-8, 2e-9, 2e-9, 5e-9, 2e10, 0.9, .fit = cost.fit };
    return input;
}

static void test_arrow_is_chosen_for_many_penalised_levels(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 10, 1000);
    assert_int_equal(w_plan_arrow_block(&s.design), 2);
    make_shape(&s, 10, 20);
    assert_int_equal(w_plan_arrow_block(&s.design), -1);
    make_shape(&s, 10, 1000);
    s.design.penalty_count = 1; /* the levels are not penalised: no elimination */
    assert_int_equal(w_plan_arrow_block(&s.design), -1);
    make_shape(&s, 10, 1000);
    s.level_first[5] = -1; /* a reference level */
    assert_int_equal(w_plan_arrow_block(&s.design), -1);
    make_shape(&s, 10, 1000);
    s.penalty[1].rank = 2; /* two overlapping penalties count more than there are columns */
    assert_int_equal(w_plan_arrow_block(&s.design), -1);
}

static void test_memory_is_read_in_place(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 10, 0);
    w_plan_input input = input_for(&s, 1000000, 512 * MIB);
    input.in_place = true;
    input.choice[0] = (w_window_choice){ 0, 4096, 0 };
    input.choice_count = 1;
    weir_plan plan;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "in place");
    assert_int_equal(plan.keep_bytes, 0);
    assert_string_equal(plan.route, "normal-equations/cholesky");
    assert_true(plan.reason_count > 0);
}

static void test_text_is_kept_only_when_it_fits(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 10, 0);
    w_plan_input input = input_for(&s, 1000000, 1024 * MIB);
    input.text = true;
    weir_plan plan;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "kept in memory");
    assert_true(plan.keep_bytes >= 1000000 * 24);
    input.budget = input.budget_free = 24 * MIB;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "read again each pass");
    input.once = true;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "spooled to scratch");
}

static bool gives_reason(const weir_plan *plan, const char *part)
{
    bool found = false;
    for (int i = 0; i < plan->reason_count; i++) {
        found |= strstr(plan->reason[i], part) != NULL;
    }
    return found;
}

static void test_text_goes_to_scratch_where_that_is_faster(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 10, 0);
    w_plan_input input = input_for(&s, 1000000, 24 * MIB);
    weir_plan parsed, cached, plan;
    input.text = true;
    input.iterations = 8;
    input.text_bytes = 6e7;
    assert_int_equal(w_plan_fit(&input, &parsed), WEIR_OK);
    assert_string_equal(parsed.reading, "read again each pass");
    input.scratch_room = 1024 * MIB;
    assert_int_equal(w_plan_fit(&input, &cached), WEIR_OK);
    assert_string_equal(cached.reading, "cached in scratch");
    assert_int_equal(cached.scratch_bytes, 1000000 * 24);
    assert_true(gives_reason(&cached, "the scratch folder has room for 1.0 GiB) are written once"));
    assert_true(cached.seconds_read < parsed.seconds_read);
    assert_true(cached.bytes_read > 0 && cached.bytes <= 24 * MIB);
    /* one parse, one write, eight readings */
    assert_float_equal(cached.seconds_read, 6e7 / 2e8 + 24e6 / 2.5e8 + 8 * 24e6 / 1e9, 1e-12);

    input.scratch_room = 24 * 1000000 - 1; /* no room */
    input.scratch_reason = "scratch folder /full is full";
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "read again each pass");
    assert_int_equal(plan.scratch_bytes, 0);
    assert_true(gives_reason(&plan, "/full is full"));
    input.scratch_room = 1024 * MIB;
    input.scratch_reason = NULL;
    input.rates.scratch_bytes_per_second = 1e7; /* a slow disk: 2.4 s to write, 8 x 0.3 s to parse */
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "read again each pass");
    input.rates.scratch_bytes_per_second = 2.5e8;
    input.text = false; /* a binary file is read as fast as the scratch folder */
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "read again each pass");
    input.text = true;
    input.scanned = true; /* what the scan did is what is so */
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "read again each pass");
    input.spooled = true;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "cached in scratch");
}

static void test_a_stream_without_scratch_is_kept_or_refused(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 10, 0);
    w_plan_input input = input_for(&s, -1, 64 * MIB);
    weir_plan plan;
    input.text = input.once = input.scratch_forbidden = true;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
    assert_string_equal(plan.reading, "kept in memory");
    assert_true(plan.keep_bytes > 16 * MIB && plan.bytes <= 64 * MIB);
    assert_true(gives_reason(&plan, "must fit in"));
}

static void test_bytes_stay_under_every_budget_that_does(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 20, 500);
    int refused = 0, accepted = 0;
    for (int64_t budget = MIB; budget <= 4096 * MIB; budget += budget / 4) {
        w_plan_input input = input_for(&s, 10000000, budget);
        weir_plan plan;
        weir_status status = w_plan_fit(&input, &plan);
        if (status == WEIR_OK) {
            assert_true(plan.bytes <= budget);
            accepted++;
        } else {
            assert_int_equal(status, WEIR_E_BUDGET);
            assert_true(plan.bytes > budget);
            assert_int_equal(accepted, 0); /* once a budget does, larger ones do */
            refused++;
        }
    }
    assert_true(refused > 0 && accepted > 0);
}

static void test_the_named_budget_does(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 50, 0);
    w_plan_input input = input_for(&s, 10000000, MIB);
    weir_plan plan;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_E_BUDGET);
    input.budget = input.budget_free = plan.bytes;
    assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
}

/* Every rate counts: slower ones never give fewer seconds, and each gives more where it is used. */
static void test_every_rate_is_read(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 20, 500);
    w_plan_input input = input_for(&s, 1000000, 0);
    weir_plan plan, slower;
    for (int text = 0; text < 2; text++) {
        input.text = text != 0;
        input.file_bytes = 40 * MIB;
        assert_int_equal(w_plan_fit(&input, &plan), WEIR_OK);
        double *const rate[] = { &input.rates.read_bytes_per_second, &input.rates.parse_bytes_per_second,
                                 &input.rates.row_seconds, &input.rates.basis_seconds, &input.rates.pair_seconds,
                                 &input.rates.far_pair_seconds, &input.rates.dense_flops_per_second };
        for (int i = 0; i < 7; i++) {
            double kept = *rate[i];
            *rate[i] = i >= 2 && i <= 5 ? 2 * kept : kept / 2;
            assert_int_equal(w_plan_fit(&input, &slower), WEIR_OK);
            bool used = i == 0 ? !text : i == 1 ? text : true;
            if (i != 5) { /* whether cells are far depends on the shape */
                assert_int_equal(slower.seconds > plan.seconds, used);
            }
            assert_true(slower.seconds >= plan.seconds);
            *rate[i] = kept;
        }
    }
    double sum = plan.seconds_read + plan.seconds_setup + plan.seconds_accumulate + plan.seconds_smooth;
    assert_true(plan.seconds >= 0.999999 * sum && plan.seconds <= 1.000001 * sum);
}

static void test_generalised_models_pass_several_times(void **state)
{
    (void)state;
    shape s;
    make_shape(&s, 20, 0);
    w_plan_input input = input_for(&s, 1000000, 0);
    weir_plan linear, generalised;
    assert_int_equal(w_plan_fit(&input, &linear), WEIR_OK);
    input.iterations = 8;
    input.work.generalised = true;
    assert_int_equal(w_plan_fit(&input, &generalised), WEIR_OK);
    assert_int_equal(linear.passes, 2);
    assert_int_equal(generalised.passes, 9);
    assert_true(generalised.seconds_accumulate >= 2 * linear.seconds_accumulate);
    assert_true(generalised.bytes > linear.bytes);
    bool said = false;
    for (int i = 0; i < generalised.reason_count; i++) {
        said |= strstr(generalised.reason[i], "about 8 passes") != NULL;
    }
    assert_true(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrow_is_chosen_for_many_penalised_levels),
        cmocka_unit_test(test_memory_is_read_in_place),
        cmocka_unit_test(test_text_is_kept_only_when_it_fits),
        cmocka_unit_test(test_text_goes_to_scratch_where_that_is_faster),
        cmocka_unit_test(test_a_stream_without_scratch_is_kept_or_refused),
        cmocka_unit_test(test_bytes_stay_under_every_budget_that_does),
        cmocka_unit_test(test_the_named_budget_does),
        cmocka_unit_test(test_every_rate_is_read),
        cmocka_unit_test(test_generalised_models_pass_several_times),
    };
    return cmocka_run_group_tests_name("plan", tests, make_ctx, drop_ctx);
}
