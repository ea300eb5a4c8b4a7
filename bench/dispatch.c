/* SPDX-License-Identifier: Apache-2.0 */
#include "dispatch.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "weir/linear.h"

enum { CASES = 128 };

typedef struct dispatch_case {
    int64_t n, p, m, groups;
    double density;   /* 1: dense rows, else CSR */
    double condition; /* of the columns: they are scaled and mixed so that the Gram's condition is about its square */
    int banded;       /* CSR: entries of a row lie side by side */
} dispatch_case;

typedef struct problem {
    weir_linear_system s;
    double *values, *y, *b;
    int64_t *row_first, *group_first;
    int32_t *column;
} problem;

static int make_cases(dispatch_case *out)
{
    static const int64_t dense[][2] = { {200, 8}, {2000, 8}, {20000, 8}, {200000, 8}, {1000, 40}, {10000, 40}, {100000, 40},
        {1000, 150}, {8000, 150}, {40000, 150}, {1500, 500}, {8000, 500}, {2500, 1200}, {60, 400}, {150, 2000}, {300, 5000} };
    static const struct { int64_t n, p; double density; int banded; } sparse[] = {
        {5000, 60, 0.1, 0}, {50000, 200, 0.02, 0}, {20000, 1000, 0.004, 0}, {20000, 1000, 0.004, 1}, {40000, 4000, 0.001, 1},
        {10000, 2000, 0.005, 0}, {100000, 20000, 0.0002, 1}, {30000, 3000, 0.002, 1} };
    static const int64_t grouped[][3] = { {20000, 6, 500}, {50000, 20, 100}, {50000, 20, 1000}, {20000, 80, 20}, {40000, 150, 8} };
    int count = 0;
    for (size_t i = 0; i < sizeof dense / sizeof dense[0]; i++)
        for (int variant = 0; variant < 3; variant++)
            out[count++] = (dispatch_case){ dense[i][0], dense[i][1], variant == 1 ? 8 : 1, 1, 1.0, variant == 2 ? 300.0 : 1.0, 0 };
    for (size_t i = 0; i < sizeof sparse / sizeof sparse[0]; i++)
        for (int variant = 0; variant < 3; variant++)
            out[count++] = (dispatch_case){ sparse[i].n, sparse[i].p, variant == 1 ? 6 : 1, 1, sparse[i].density,
                                            variant == 2 ? 100.0 : 1.0, sparse[i].banded };
    for (size_t i = 0; i < sizeof grouped / sizeof grouped[0]; i++)
        for (int variant = 0; variant < 2; variant++)
            out[count++] = (dispatch_case){ grouped[i][0], grouped[i][1], variant ? 4 : 1, grouped[i][2], 1.0, 1.0, 0 };
    return count;
}

static void fill(const dispatch_case *c, problem *q, int64_t per_row, uint64_t *state)
{
    for (int64_t i = 0; i < c->n; i++) {
        const double shared = synth_normal(state);
        int64_t at = c->banded ? (int64_t)(synth_uniform(state) * (double)(c->p - per_row)) : 0;
        for (int64_t k = 0; k < per_row; k++) {
            const double noise = synth_normal(state);
            q->values[i * per_row + k] = c->condition > 1.0 ? shared + noise / (1.0 + c->condition * (double)k / (double)per_row) : noise;
            if (c->density < 1.0) {
                const double gap = (double)(c->p - at) / (double)(per_row - k);
                at = c->banded ? at : at + (int64_t)(synth_uniform(state) * (gap - 1.0));
                q->column[i * per_row + k] = (int32_t)at++;
            }
        }
        if (c->density < 1.0)
            q->row_first[i + 1] = (i + 1) * per_row;
    }
    for (int64_t i = 0; i < c->n * c->m; i++)
        q->y[i] = synth_normal(state);
}

static void release(problem *q)
{
    free(q->values);
    free(q->y);
    free(q->b);
    free(q->row_first);
    free(q->group_first);
    free(q->column);
}

static int make(const dispatch_case *c, problem *q)
{
    uint64_t state = 20;
    int64_t per_row = c->density < 1.0 ? (int64_t)fmax(2.0, c->density * (double)c->p) : c->p;
    memset(q, 0, sizeof *q);
    q->values = malloc((size_t)(c->n * per_row) * sizeof(double));
    q->column = malloc((size_t)(c->density < 1.0 ? c->n * per_row : 1) * sizeof(int32_t));
    q->row_first = calloc((size_t)c->n + 1, sizeof(int64_t));
    q->group_first = calloc((size_t)c->groups + 1, sizeof(int64_t));
    q->y = malloc((size_t)(c->n * c->m) * sizeof(double));
    q->b = malloc((size_t)(c->groups * c->m * c->p) * sizeof(double));
    if (!q->values || !q->column || !q->row_first || !q->group_first || !q->y || !q->b)
        return -1;
    fill(c, q, per_row, &state);
    for (int64_t g = 1; g <= c->groups; g++)
        q->group_first[g] = c->n * g / c->groups;
    q->s = (weir_linear_system){ .version = WEIR_LINEAR_VERSION, .groups = c->groups, .ridge = 0.5, .right_hand_sides = c->m, .y = q->y,
                                 .group_first = c->groups > 1 ? q->group_first : NULL };
    q->s.x = (weir_linear_matrix){ .kind = c->density < 1.0 ? WEIR_MATRIX_CSR : WEIR_MATRIX_DENSE, .rows = c->n, .columns = c->p,
                                   .values = q->values, .row_stride = c->p, .column_stride = 1, .row_first = q->row_first,
                                   .column = q->column };
    return 0;
}

/* The shortest of the repetitions, of more where they are over at once; NaN when the route does not converge or fails. */
static double time_route(weir_ctx *ctx, const problem *q, int32_t route, int repetitions, double (*clock)(void))
{
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    double best = INFINITY, spent = 0.0;
    options.route = route;
    for (int r = 0; (r < repetitions && (r == 0 || spent < 1.0)) || (r < 20 * repetitions && spent < 2e-3); r++) {
        const double begun = clock();
        if (weir_least_squares(ctx, &q->s, &options, q->b, NULL, NULL) != WEIR_OK)
            return NAN;
        const double seconds = clock() - begun;
        spent += seconds;
        best = fmin(best, seconds);
    }
    return best;
}

typedef struct tally {
    double regret[CASES], ratio[CASES * WEIR_ROUTES], chosen_ratio[CASES];
    int cases, timed, untimed;
} tally;

static json_t *run_case(weir_ctx *ctx, const dispatch_case *c, const dispatch_options *options, tally *t)
{
    problem q;
    weir_linear_result plan;
    if (make(c, &q) || weir_linear_plan(ctx, &q.s, NULL, &plan) < 0) {
        release(&q);
        return NULL;
    }
    json_t *routes = json_object();
    double best = INFINITY, chosen = NAN;
    const char *best_name = "";
    for (int i = 0; i < plan.candidate_count; i++) {
        const weir_route_candidate *r = &plan.candidate[i];
        if (!r->admissible)
            continue;
        if (!r->taken && r->seconds > (options->limit > 0.0 ? options->limit : 2.0)) {
            t->untimed++;
            continue;
        }
        const double seconds = time_route(ctx, &q, r->route, options->repetitions > 0 ? options->repetitions : 3,
                                          options->processor ? bench_processor_seconds : bench_seconds);
        json_object_set_new(routes, weir_route_name(r->route), json_pack("{s:f, s:f, s:i}", "predicted", r->seconds, "seconds",
                            isfinite(seconds) ? seconds : -1.0, "taken", r->taken));
        if (!isfinite(seconds))
            continue;
        t->ratio[t->timed++] = r->seconds / seconds;
        if (seconds < best) {
            best = seconds;
            best_name = weir_route_name(r->route);
        }
        if (r->taken) {
            chosen = seconds;
            t->chosen_ratio[t->cases] = r->seconds / seconds;
        }
    }
    t->regret[t->cases++] = isfinite(chosen) ? chosen / best - 1.0 : 1e3;
    printf("| %lld | %lld | %lld | %lld | %.4g | %.3g%s | %s | %.3g | %s | %.3g | %.1f |\n", (long long)c->n, (long long)c->p,
           (long long)c->m, (long long)c->groups, c->density, c->condition, c->banded ? " banded" : "", weir_route_name(plan.route), chosen,
           best_name, best, 100.0 * t->regret[t->cases - 1]);
    fflush(stdout);
    json_t *result = json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:s, s:s, s:f, s:o}", "n", (json_int_t)c->n, "p", (json_int_t)c->p, "m",
                               (json_int_t)c->m, "groups", (json_int_t)c->groups, "density", c->density, "condition", c->condition,
                               "banded", c->banded, "taken", weir_route_name(plan.route), "best", best_name, "regret",
                               t->regret[t->cases - 1], "routes", routes);
    release(&q);
    return result;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double within(const double *ratio, int count, double factor)
{
    int inside = 0;
    for (int i = 0; i < count; i++)
        inside += ratio[i] <= factor && ratio[i] >= 1.0 / factor;
    return 100.0 * inside / (count > 0 ? count : 1);
}

int dispatch_run(const dispatch_options *options)
{
    static dispatch_case cases[CASES];
    static tally t;
    weir_ctx_options settings = WEIR_CTX_OPTIONS_INIT;
    weir_ctx *ctx;
    settings.threads = options->threads;
    if (weir_ctx_create(&settings, &ctx) < 0)
        return 1;
    const int count = make_cases(cases);
    json_t *results = json_array();
    puts("| n | p | m | groups | density | condition | taken | s | best | s | regret % |\n|---|---|---|---|---|---|---|---|---|---|---|");
    for (int i = 0; i < count; i++) {
        json_t *result = run_case(ctx, &cases[i], options, &t);
        if (result)
            json_array_append_new(results, result);
        else
            fprintf(stderr, "weir-bench: case %d failed: %s\n", i, weir_ctx_message(ctx));
    }
    qsort(t.regret, (size_t)t.cases, sizeof *t.regret, by_size);
    qsort(t.ratio, (size_t)t.timed, sizeof *t.ratio, by_size);
    const double median = t.regret[t.cases / 2], high = t.regret[(int)ceil(0.95 * t.cases) - 1], worst = t.regret[t.cases - 1];
    printf("\n%d problems, %d routes timed (%d predicted too long): regret median %.1f %%, 95th percentile %.1f %%, worst %.1f %%\n"
           "predicted / actual: median %.2f; within 1.5 x: %.0f %% of all routes, %.0f %% of those taken; within 3 x: %.0f %%\n", t.cases, t.timed,
           t.untimed, 100 * median, 100 * high, 100 * worst, t.ratio[t.timed / 2], within(t.ratio, t.timed, 1.5),
           within(t.chosen_ratio, t.cases, 1.5), within(t.ratio, t.timed, 3.0));
    json_t *root = json_pack("{s:s, s:i, s:f, s:f, s:f, s:o}", "schema", "weir.bench.dispatch/1", "problems", t.cases, "regret_median", median,
                             "regret_95", high, "regret_worst", worst, "results", results);
    const int failed = t.cases < count || (options->json && json_dump_file(root, options->json, JSON_INDENT(1)));
    json_decref(root);
    weir_ctx_destroy(ctx);
    return failed ? 1 : 0;
}
