/* SPDX-License-Identifier: Apache-2.0 */
/* Every route of weir_least_squares against long double, in every form of X; threads, bytes, failures, arguments. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "sparse/cholmod.h"
#include "support/least_squares.h"
#include "weir/weir.h"
#include "weir/linear.h"

static double *room(const ls_problem *q) { return calloc((size_t)(q->groups * q->m * q->p + 1), sizeof(double)); }

static const ls_shape shapes[] = {
    { 60, 1, 1, 1, LS_ROWS, 1.0, 0, 0, 0.0, 0, 11 },    { 300, 7, 2, 1, LS_ROWS, 1.0, 1, 1, 0.5, 0, 12 },
    { 9000, 12, 3, 1, LS_ROWS, 1.0, 0, 0, 0.1, 0, 13 }, { 900, 150, 1, 1, LS_ROWS, 1.0, 1, 2, 0.0, 1, 14 },
    { 400, 131, 2, 1, LS_COLUMNS, 1.0, 0, 3, 1.0, 0, 15 }, { 500, 20, 1, 1, LS_FLOAT, 1.0, 1, 0, 0.0, 1, 16 },
    { 9000, 140, 1, 1, LS_CSR, 0.03, 0, 0, 0.3, 0, 17 },  { 2000, 30, 2, 1, LS_CSR_FLOAT, 0.2, 1, 2, 0.4, 0, 18 },
    { 500, 40, 2, 1, LS_OPERATOR, 1.0, 1, 1, 0.2, 0, 19 }, { 60, 150, 2, 1, LS_ROWS, 1.0, 1, 0, 2.0, 1, 20 },
    { 50, 200, 1, 1, LS_COLUMNS, 1.0, 0, 2, 3.0, 0, 21 },  { 70, 130, 1, 1, LS_CSR, 0.3, 1, 2, 2.0, 0, 22 },
    { 700, 9, 2, 23, LS_ROWS, 1.0, 1, 1, 0.3, 0, 23 },    { 600, 14, 1, 5, LS_CSR, 0.4, 0, 0, 0.5, 1, 24 },
    { 300, 12, 3, 4, LS_OPERATOR, 1.0, 1, 1, 0.6, 0, 25 }, { 90, 16, 1, 9, LS_FLOAT, 1.0, 0, 1, 1.0, 0, 26 },
    { 0, 4, 1, 1, LS_ROWS, 1.0, 0, 0, 1.0, 0, 27 },
};

/* Forward error of a solve is condition x a few u sqrt(p); CG stops at 1e-13 of the preconditioned residual, whose error is at
 * most sqrt(condition) times that. These problems have conditions below 1e5. */
#define AGREEMENT 1e-10

static void every_route_agrees_with_long_double(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int solved[WEIR_ROUTES] = { 0 };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ls_problem *q = ls_make(&shapes[i]);
        ls_solve(q);
        double *b = room(q);
        for (int route = WEIR_ROUTE_AUTO; route < WEIR_ROUTES; route++) {
            weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
            weir_linear_result result, plan;
            options.route = route;
            options.tolerance = 1e-13;
            const weir_status status = weir_least_squares(ctx, &q->s, &options, b, NULL, &result);
            assert_int_equal(weir_linear_plan(ctx, &q->s, &options, &plan), status < 0 ? status : WEIR_OK);
            if (status == WEIR_E_ARG && route != WEIR_ROUTE_AUTO) {
                assert_string_not_equal(weir_ctx_message(ctx), "");
                continue;
            }
            if (status != WEIR_OK || !(ls_error(q, b) <= AGREEMENT)) {
                print_message("shape %d, %s: %s, error %.2e: %s\n", (int)i, weir_route_name(route), weir_status_name(status),
                              ls_error(q, b), weir_ctx_message(ctx));
            }
            assert_int_equal(status, WEIR_OK);
            assert_true(ls_error(q, b) <= AGREEMENT);
            assert_true(result.bytes <= result.bytes_predicted && result.bytes > 0);
            assert_true(result.route == plan.route && result.bytes_predicted == plan.bytes_predicted);
            assert_true(result.systems == q->groups * q->m && result.failed == 0 && result.seconds >= 0.0);
            assert_true(result.backward_error <= 1e-12);
            solved[route]++;
            memset(b, 0, (size_t)(q->groups * q->m * q->p) * sizeof *b);
        }
        free(b);
        ls_free(q);
    }
    assert_true(solved[WEIR_ROUTE_CHOLESKY] > 10 && solved[WEIR_ROUTE_QR] > 10 && solved[WEIR_ROUTE_CG] > 14);
    assert_true(solved[WEIR_ROUTE_DUAL] >= 3 && solved[WEIR_ROUTE_MIXED] >= 4);
    const char *reason = "";
    assert_true(w_cholmod_available(&reason) ? solved[WEIR_ROUTE_SPARSE] >= 3 : reason != NULL && solved[WEIR_ROUTE_SPARSE] == 0);
    if (solved[WEIR_ROUTE_SPARSE] == 0) {
        print_message("route sparse was not tested: %s\n", reason);
    }
    weir_ctx_destroy(ctx);
}

static void bits_do_not_depend_on_threads(void **state)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ls_problem *q = ls_make(&shapes[i]);
        double *one = room(q), *many = room(q);
        for (int route = WEIR_ROUTE_CHOLESKY; route < WEIR_ROUTES; route++) {
            weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
            options.route = route;
            for (int threads = 1; threads <= 3; threads += 2) {
                weir_ctx *ctx = test_ctx(state, threads, 0);
                const weir_status status = weir_least_squares(ctx, &q->s, &options, threads == 1 ? one : many, NULL, NULL);
                assert_true(status >= 0 || status == WEIR_E_ARG);
                weir_ctx_destroy(ctx);
            }
            assert_memory_equal(one, many, (size_t)(q->groups * q->m * q->p) * sizeof *one);
        }
        free(many);
        free(one);
        ls_free(q);
    }
}

/* Singular values from 1 down to 1 / condition, by reflections of a scaled orthonormal pattern. */
static void spread_columns(ls_problem *q, double condition)
{
    double *x = q->x;
    for (int64_t j = 1; j < q->p; j++) { /* columns that differ by less and less */
        const double size = pow(condition, -(double)j / (double)(q->p - 1));
        for (int64_t i = 0; i < q->n; i++) {
            x[i * q->p + j] = x[i * q->p] + size * x[i * q->p + j];
        }
    }
}

static void ill_conditioned_systems_go_to_qr(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const ls_shape shape = { 500, 6, 1, 1, LS_ROWS, 1.0, 0, 0, 0.0, 0, 31 };
    ls_problem *q = ls_make(&shape);
    double b[6], *y = (double *)(uintptr_t)q->s.y;
    spread_columns(q, 3e6);
    for (int64_t i = 0; i < q->n; i++) {
        y[i] = 0.0;
        for (int64_t j = 0; j < q->p; j++) {
            y[i] += q->x[i * q->p + j];
            q->answer[j] = 1.0;
        }
    }
    weir_linear_result result;
    weir_linear_outcome outcome;
    assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, &outcome, &result), WEIR_OK);
    assert_true(result.rerouted == 1 && outcome.route == WEIR_ROUTE_QR && outcome.condition > 1e12 && outcome.jitter == 0.0);
    const double by_qr = ls_error(q, b);
    assert_true(by_qr < 1e-8); /* condition of X, 1e7, times u and a small factor */
    assert_non_null(strstr(result.explanation, "went on to qr"));
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    options.route = WEIR_ROUTE_CHOLESKY;
    assert_true(weir_least_squares(ctx, &q->s, &options, b, &outcome, &result) >= 0);
    assert_true(outcome.route == WEIR_ROUTE_CHOLESKY && outcome.condition > 1e12 && ls_error(q, b) > by_qr);
    ls_free(q);
    weir_ctx_destroy(ctx);
}

static void singular_systems_say_so(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const ls_shape shape = { 200, 5, 1, 1, LS_ROWS, 1.0, 0, 0, 0.0, 0, 32 };
    ls_problem *q = ls_make(&shape);
    for (int64_t i = 0; i < q->n; i++) {
        q->x[i * 5 + 3] = q->x[i * 5 + 1];
    }
    double b[5], fitted[2][200];
    weir_linear_result result;
    weir_linear_outcome outcome;
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    for (int route = 0; route < 2; route++) {
        options.route = route ? WEIR_ROUTE_CHOLESKY : WEIR_ROUTE_AUTO;
        assert_int_equal(weir_least_squares(ctx, &q->s, &options, b, &outcome, &result), WEIR_RANK_DEFICIENT);
        assert_true(route ? outcome.jitter > 0.0 : outcome.rank == 4 && (b[1] == 0.0) != (b[3] == 0.0));
        for (int64_t i = 0; i < q->n; i++) {
            fitted[route][i] = 0.0;
            for (int64_t j = 0; j < 5; j++) {
                fitted[route][i] += q->x[i * 5 + j] * b[j];
            }
        }
    }
    for (int64_t i = 0; i < q->n; i++) {
        assert_true(fabs(fitted[0][i] - fitted[1][i]) < 1e-7);
    }
    options.no_jitter = 1;
    b[0] = 7.0;
    assert_int_equal(weir_least_squares(ctx, &q->s, &options, b, &outcome, &result), WEIR_E_NUMERIC);
    assert_true(b[0] == 7.0 && outcome.status == WEIR_E_NUMERIC && result.failed == 1);
    assert_non_null(strstr(weir_ctx_message(ctx), "not positive definite"));
    ls_free(q);
    weir_ctx_destroy(ctx);
}

/* A block with a negative eigenvalue that the data do not outweigh. */
static void an_indefinite_penalty_is_refused(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int form = 0; form < 2; form++) {
        const ls_shape shape = { 40, 4, 1, 1, form ? LS_OPERATOR : LS_ROWS, 1.0, 0, 1, 0.0, 0, 33 };
        ls_problem *q = ls_make(&shape);
        double *matrix = (double *)(uintptr_t)q->penalty[0].matrix, b[4];
        matrix[0] = matrix[3] = 1.0;
        matrix[1] = matrix[2] = 1e4;
        for (int route = 0; route < WEIR_ROUTES; route++) {
            weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
            options.route = route;
            const weir_status status = weir_least_squares(ctx, &q->s, &options, b, NULL, NULL);
            assert_true(status == WEIR_E_NUMERIC || status == WEIR_E_ARG);
            assert_string_not_equal(weir_ctx_message(ctx), "");
        }
        ls_free(q);
    }
    weir_ctx_destroy(ctx);
}

static void one_bad_group_leaves_the_others(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int form = LS_ROWS; form <= LS_FLOAT; form++) {
        const ls_shape shape = { 120, 4, 2, 3, (ls_form)form, 1.0, 0, 0, 1.0, 0, 34 };
        ls_problem *q = ls_make(&shape);
        ls_solve(q);
        const int64_t row = q->s.group_first[1] + 3;
        if (form == LS_FLOAT) {
            ((float *)(uintptr_t)q->s.x.values)[row * 4 + 2] = NAN;
        } else {
            ((double *)(uintptr_t)q->s.x.values)[row * q->s.x.row_stride + 2 * q->s.x.column_stride] = NAN;
        }
        for (int route = 0; route < WEIR_ROUTES; route++) {
            double b[24] = { 0 };
            weir_linear_outcome outcome[6];
            weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
            options.route = route;
            options.tolerance = 1e-13;
            const weir_status status = weir_least_squares(ctx, &q->s, &options, b, outcome, NULL);
            if (status == WEIR_E_ARG) {
                continue;
            }
            assert_int_equal(status, WEIR_E_DATA);
            assert_non_null(strstr(weir_ctx_message(ctx), "column 2"));
            for (int s = 0; s < 6; s++) {
                assert_int_equal(outcome[s].status, s / 2 == 1 ? WEIR_E_DATA : WEIR_OK);
                for (int j = 0; j < 4; j++) {
                    assert_true(s / 2 == 1 ? b[s * 4 + j] == 0.0 : fabs(b[s * 4 + j] - q->answer[s * 4 + j]) < 1e-10);
                }
            }
        }
        ls_free(q);
    }
    weir_ctx_destroy(ctx);
}

static void operators_that_fail(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const ls_shape shape = { 80, 20, 1, 1, LS_OPERATOR, 1.0, 0, 0, 0.01, 0, 35 };
    ls_problem *q = ls_make(&shape);
    double b[20] = { 3.0 };
    for (q->fail_at = 1; q->fail_at < 12; q->fail_at++) {
        q->calls = 0;
        assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, NULL, NULL), WEIR_E_IO);
        assert_non_null(strstr(weir_ctx_message(ctx), "product"));
        assert_true(b[0] == 3.0);
    }
    q->fail_at = 0;
    for (q->nan_at = 1; q->nan_at < 8; q->nan_at++) {
        q->calls = 0;
        weir_linear_outcome outcome;
        assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, &outcome, NULL), WEIR_E_NUMERIC);
        assert_true(b[0] == 3.0 && outcome.status == WEIR_E_NUMERIC);
    }
    ls_free(q);
    weir_ctx_destroy(ctx);
}

typedef struct run { ls_problem *q; weir_linear_options options; double *b; } run;

static weir_status solve(weir_ctx *ctx, void *arg)
{
    run *r = arg;
    return weir_least_squares(ctx, &r->q->s, &r->options, r->b, NULL, NULL);
}

static void every_allocation_may_fail(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (size_t i = 1; i < sizeof shapes / sizeof shapes[0]; i += 3) {
        run r = { .q = ls_make(&shapes[i]), .options = WEIR_LINEAR_OPTIONS_INIT };
        r.b = room(r.q);
        for (int route = 0; route < WEIR_ROUTES; route++) {
            r.options.route = route;
            if (solve(ctx, &r) == WEIR_OK) {
                assert_true(test_each_allocation_fails(ctx, solve, &r) >= 2);
            }
        }
        free(r.b);
        ls_free(r.q);
    }
    weir_ctx_destroy(ctx);
}

/* The budget named in the message does; a byte less does not. */
static void budgets_name_the_smallest_that_does(void **state)
{
    for (size_t i = 1; i < sizeof shapes / sizeof shapes[0]; i++) {
        ls_problem *q = ls_make(&shapes[i]);
        double *b = room(q);
        weir_ctx *ctx = test_ctx(state, 2, 0);
        weir_linear_result result;
        assert_true(weir_least_squares(ctx, &q->s, NULL, b, NULL, &result) >= 0);
        weir_memory_info now;
        weir_ctx_memory(ctx, &now);
        const int64_t held = now.in_use, budget = ctx->ledger.budget;
        int64_t free_bytes = 0, needed = 0;
        ctx->ledger.budget = held + 64;
        assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, NULL, &result), WEIR_E_BUDGET);
        const char *text = strstr(weir_ctx_message(ctx), "needs ");
        assert_non_null(text);
        needed = strtoll(text + 6, NULL, 10);
        free_bytes = strtoll(strstr(weir_ctx_message(ctx), "in the ") + 7, NULL, 10);
        ctx->ledger.budget = held + 64 + needed - free_bytes;
        assert_true(weir_least_squares(ctx, &q->s, NULL, b, NULL, &result) >= 0);
        assert_true(result.bytes <= result.bytes_predicted && held + result.bytes <= ctx->ledger.budget);
        ctx->ledger.budget--;
        assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, NULL, &result), WEIR_E_BUDGET);
        ctx->ledger.budget = budget;
        weir_ctx_destroy(ctx);
        free(b);
        ls_free(q);
    }
}

/* A chain: column j meets j + 1 alone. The factor has two entries a column; what is chosen is sparse where CHOLMOD is. */
static void a_banded_system_is_sparse(void **state)
{
    const char *reason;
    if (!w_cholmod_available(&reason)) {
        print_message("%s\n", reason);
        skip();
    }
    weir_ctx *ctx = test_ctx(state, 1, 0);
    enum { N = 6000, P = 3000 };
    int64_t *first = calloc(N + 1, sizeof *first);
    int32_t *column = calloc(2 * N, sizeof *column);
    double *value = calloc(2 * N, sizeof *value), *y = calloc(N, sizeof *y), *b = calloc(2 * P, sizeof *b);
    for (int i = 0; i < N; i++) {
        first[i + 1] = 2 * (i + 1);
        column[2 * i] = i % (P - 1);
        column[2 * i + 1] = i % (P - 1) + 1;
        value[2 * i] = 1.0;
        value[2 * i + 1] = -0.5;
        y[i] = sin(i);
    }
    weir_linear_system s = { .version = WEIR_LINEAR_VERSION, .ridge = 0.1, .right_hand_sides = 1, .y = y };
    s.x = (weir_linear_matrix){ .kind = WEIR_MATRIX_CSR, .rows = N, .columns = P, .values = value, .row_first = first,
                                .column = column };
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    weir_linear_result result;
    assert_int_equal(weir_linear_plan(ctx, &s, &options, &result), WEIR_OK);
    for (int i = 0; i < result.candidate_count; i++) {
        assert_true(result.candidate[i].taken == (result.candidate[i].route == result.route));
        assert_string_not_equal(result.candidate[i].reason, "");
        assert_true(result.candidate[i].route != WEIR_ROUTE_CHOLESKY || result.route != WEIR_ROUTE_CHOLESKY);
    }
    options.tolerance = 1e-13;
    options.route = WEIR_ROUTE_SPARSE;
    assert_int_equal(weir_least_squares(ctx, &s, &options, b, NULL, &result), WEIR_OK);
    assert_true(result.bytes <= result.bytes_predicted && result.backward_error < 1e-15 && result.condition >= 1.0);
    options.route = WEIR_ROUTE_CG;
    assert_int_equal(weir_least_squares(ctx, &s, &options, b + P, NULL, &result), WEIR_OK);
    for (int i = 0; i < P; i++) {
        assert_true(fabs(b[i] - b[P + i]) < 1e-10);
    }
    free(b);
    free(y);
    free(value);
    free(column);
    free(first);
    weir_ctx_destroy(ctx);
}

/* What the plan accepts is carried out within the budget, whatever the problem and the budget. */
static void two_hundred_budgets_are_kept(void **state)
{
    w_rng rng;
    w_rng_seed(&rng, 41);
    int solved = 0, refused = 0;
    for (int i = 0; i < 200; i++) {
        const int64_t groups = i % 3 == 0 ? 1 + (int64_t)(6.0 * w_rng_uniform(&rng)) : 1, p = 2 + (int64_t)(60.0 * w_rng_uniform(&rng));
        const ls_shape shape = { 20 + (int64_t)(400.0 * w_rng_uniform(&rng)), p, 1 + i % 4, groups, (ls_form)(i % LS_FORMS),
                                 i % 2 ? 0.2 : 1.0, i % 5 == 0, (int)(p > 8) * (i % 3), 0.5, i % 7 == 0, 100 + (uint64_t)i };
        ls_problem *q = ls_make(&shape);
        double *b = room(q);
        weir_ctx *ctx = test_ctx(state, 1 + i % 2, 0);
        weir_linear_result result;
        assert_true(weir_linear_plan(ctx, &q->s, NULL, &result) >= 0);
        const int64_t held = ctx->ledger.in_use;
        ctx->ledger.budget = held + (int64_t)(2.0 * w_rng_uniform(&rng) * (double)result.bytes_predicted);
        const weir_status plan = weir_linear_plan(ctx, &q->s, NULL, &result);
        const weir_status status = weir_least_squares(ctx, &q->s, NULL, b, NULL, &result);
        assert_true(plan == WEIR_E_BUDGET ? status == WEIR_E_BUDGET : status == WEIR_OK);
        assert_true(ctx->ledger.peak <= ctx->ledger.budget || plan < 0);
        solved += status == WEIR_OK;
        refused += status == WEIR_E_BUDGET;
        weir_ctx_destroy(ctx);
        free(b);
        ls_free(q);
    }
    assert_true(solved > 50 && refused > 20);
}

static void arguments_are_checked(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const ls_shape shape = { 30, 4, 1, 1, LS_CSR, 1.0, 1, 1, 1.0, 1, 36 };
    ls_problem *q = ls_make(&shape);
    double b[4];
    const weir_linear_system good = q->s;
    const double bad_weight[30] = { 1.0, -1.0 }, bad_diagonal[4] = { 1.0, NAN, 1.0, 1.0 };
    const int64_t falling[3] = { 0, 20, 10 };
    const weir_linear_penalty outside = { 3, 2, q->penalty[0].matrix };
    assert_int_equal(weir_least_squares(NULL, &good, NULL, b, NULL, NULL), WEIR_E_ARG);
    assert_int_equal(weir_least_squares(ctx, NULL, NULL, b, NULL, NULL), WEIR_E_ARG);
    assert_int_equal(weir_least_squares(ctx, &good, NULL, NULL, NULL, NULL), WEIR_E_ARG);
    assert_int_equal(weir_linear_plan(ctx, &good, NULL, NULL), WEIR_E_ARG);
    for (int i = 0; i < 14; i++) {
        weir_linear_system s = good;
        weir_status expected = WEIR_E_ARG;
        switch (i) {
        case 0: s.version = 7; expected = WEIR_E_VERSION; break;
        case 1: s.x.rows = -1; break;
        case 2: s.x.columns = 0; break;
        case 3: s.x.kind = 3; break;
        case 4: s.x.values = NULL; break;
        case 5: s.x.kind = WEIR_MATRIX_OPERATOR; break;
        case 6: s.weights = bad_weight; expected = WEIR_E_DATA; break;
        case 7: s.diagonal = bad_diagonal; break;
        case 8: s.ridge = -1.0; break;
        case 9: s.penalty = &outside; break;
        case 10: s.groups = 2; break;
        case 11: s.groups = 2; s.group_first = falling; break;
        case 12: s.right_hand_sides = 0; break;
        case 13: s.y = NULL; break;
        }
        assert_int_equal(weir_least_squares(ctx, &s, NULL, b, NULL, NULL), expected);
        assert_string_not_equal(weir_ctx_message(ctx), "");
    }
    for (int i = 0; i < 6; i++) {
        weir_linear_options o = WEIR_LINEAR_OPTIONS_INIT;
        o.version = i == 0 ? 2 : 1;
        o.route = i == 1 ? WEIR_ROUTES : 0;
        o.tolerance = i == 2 ? 1.0 : 0.0;
        o.block = i == 3 ? -1 : 0;
        o.mixed = i == 4 ? 2 : 0;
        o.condition_limit = i == 5 ? NAN : 0.0;
        assert_int_equal(weir_least_squares(ctx, &good, &o, b, NULL, NULL), i == 0 ? WEIR_E_VERSION : WEIR_E_ARG);
    }
    int32_t *column = (int32_t *)(uintptr_t)q->s.x.column;
    column[5] = 4;
    assert_int_equal(weir_least_squares(ctx, &good, NULL, b, NULL, NULL), WEIR_E_DATA);
    assert_null(weir_route_name(WEIR_ROUTES));
    ls_free(q);
    weir_ctx_destroy(ctx);
}

static void preconditioners_agree(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const ls_form forms[] = { LS_ROWS, LS_CSR, LS_OPERATOR };
    for (int f = 0; f < 3; f++) {
        const ls_shape shape = { 300, 60, 2, 1, forms[f], 0.3, 1, 2, 0.1, 0, 37 };
        ls_problem *q = ls_make(&shape);
        ls_solve(q);
        double *b = room(q);
        for (int kind = 0; kind <= WEIR_PRECONDITIONER_NYSTROM; kind++) {
            weir_linear_options o = WEIR_LINEAR_OPTIONS_INIT;
            weir_linear_result result;
            o.route = WEIR_ROUTE_CG;
            o.preconditioner = kind;
            o.tolerance = 1e-13;
            o.rank = 20;
            const weir_status status = weir_least_squares(ctx, &q->s, &o, b, NULL, &result);
            if (status == WEIR_E_ARG) {
                assert_true(forms[f] == LS_OPERATOR && (kind == WEIR_PRECONDITIONER_JACOBI || kind == WEIR_PRECONDITIONER_BLOCKS));
                continue;
            }
            assert_int_equal(status, WEIR_OK);
            assert_true(ls_error(q, b) < AGREEMENT && result.bytes <= result.bytes_predicted && result.iterations > 0);
        }
        weir_linear_options o = WEIR_LINEAR_OPTIONS_INIT;
        o.route = WEIR_ROUTE_CG;
        o.max_iterations = 2;
        assert_int_equal(weir_least_squares(ctx, &q->s, &o, b, NULL, NULL), WEIR_NOT_CONVERGED);
        free(b);
        ls_free(q);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_agrees_with_long_double), cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(ill_conditioned_systems_go_to_qr), cmocka_unit_test(singular_systems_say_so),
        cmocka_unit_test(an_indefinite_penalty_is_refused), cmocka_unit_test(one_bad_group_leaves_the_others),
        cmocka_unit_test(operators_that_fail), cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(budgets_name_the_smallest_that_does), cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(preconditioners_agree), cmocka_unit_test(a_banded_system_is_sparse),
        cmocka_unit_test(two_hundred_budgets_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
