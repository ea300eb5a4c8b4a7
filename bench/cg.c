/* SPDX-License-Identifier: Apache-2.0 */
#include "cg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { FACTORS = 50, LEVELS = 2048, SPLINES = 4, TREE_COVARIATES = 3, REPETITIONS_MAX = 32, FORMULA_BYTES = 4096 };

/* Trees: 50 random partitions of three covariates into 2048 intervals each. */
typedef enum cg_kind { KIND_SPLINES, KIND_FACTORS, KIND_TREES, KIND_TREES_FITTED } cg_kind;

typedef struct cg_case {
    const char *name;
    int64_t rows;
    int columns;                 /* beside y */
    void *data[FACTORS];
    double *y;
    char label[FACTORS][8];
    char formula[FORMULA_BYTES];
    const char *level[LEVELS];
    char level_name[LEVELS][8];
    double sp[FACTORS];
    int sp_count;
    cg_kind kind;
} cg_case;

static void case_free(cg_case *c)
{
    for (int j = 0; c && j < c->columns; j++)
        free(c->data[j]);
    if (c)
        free(c->y);
    free(c);
}

static cg_case *case_make(const char *name, int64_t rows, cg_kind kind)
{
    const int factors = kind == KIND_FACTORS, trees = kind == KIND_TREES || kind == KIND_TREES_FITTED;
    uint64_t state = 9;
    cg_case *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->name = name;
    c->rows = rows;
    c->kind = kind;
    c->columns = factors ? FACTORS : trees ? TREE_COVARIATES : SPLINES;
    c->sp_count = kind == KIND_TREES_FITTED ? 0 : kind == KIND_SPLINES ? SPLINES : 1;
    c->y = calloc((size_t)rows, sizeof *c->y);
    size_t used = (size_t)snprintf(c->formula, FORMULA_BYTES, "y ~ ");
    for (int l = 0; l < LEVELS; l++) {
        snprintf(c->level_name[l], sizeof c->level_name[l], "%04d", l);
        c->level[l] = c->level_name[l];
    }
    for (int j = 0; j < c->columns; j++) {
        double *x = malloc((size_t)rows * sizeof *x);
        int32_t *code = (int32_t *)x;
        c->data[j] = x;
        if (!x || !c->y) {
            case_free(c);
            return NULL;
        }
        snprintf(c->label[j], sizeof c->label[j], "x%d", j);
        for (int64_t i = 0; i < rows; i++) {
            const double u = synth_uniform(&state);
            c->y[i] += sin((4 + j) * u) + synth_uniform(&state) - 0.5;
            if (factors)
                code[i] = (int32_t)(u * LEVELS);
            else
                x[i] = u;
        }
        if (!trees)
            used += (size_t)snprintf(c->formula + used, FORMULA_BYTES - used, factors ? "%ss(x%d, bs='re', id=1)" : "%ss(x%d, bs='cr', k=22)",
                                 j ? " + " : "", j);
        c->sp[j] = 1.0;
    }
    if (trees)
        snprintf(c->formula, FORMULA_BYTES, "y ~ s(x0, x1, x2, bs='tree', n_trees=%d, max_leaves=%d)", FACTORS, LEVELS);
    return c;
}

typedef struct cg_solve {
    double seconds;
    int64_t steps, products;
} cg_solve;

static int case_fit(const cg_case *c, int threads, weir_summary *summary, double *seconds, cg_solve *solve)
{
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_column column[FACTORS + 1] = { { 0 } };
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    context.threads = threads;
    options.route = WEIR_FIT_MATRIX_FREE;
    options.sp = c->sp_count ? c->sp : NULL;
    options.sp_count = c->sp_count;
    for (int j = 0; j < c->columns; j++) {
        column[j].name = c->label[j];
        column[j].dtype = c->kind == KIND_FACTORS ? WEIR_I32 : WEIR_F64;
        column[j].data = c->data[j];
        column[j].level_count = c->kind == KIND_FACTORS ? LEVELS : 0;
        column[j].levels = c->kind == KIND_FACTORS ? c->level : NULL;
    }
    column[c->columns].name = "y";
    column[c->columns].dtype = WEIR_F64;
    column[c->columns].data = c->y;
    if (weir_ctx_create(&context, &ctx) < 0)
        return -1;
    int status = weir_table_from_columns(ctx, c->rows, c->columns + 1, column, &table);
    double begin = bench_seconds();
    if (status >= 0)
        status = weir_fit(ctx, table, c->formula, &options, &model);
    *seconds = bench_seconds() - begin;
    if (status >= 0) {
        weir_model_summary(model, summary);
        if (summary->iterative) {
            solve->seconds = summary->iterative->seconds;
            solve->steps = summary->iterative->iterations;
            solve->products = summary->iterative->products;
        }
        summary->note = NULL;
        summary->plan = NULL;
        summary->iterative = NULL;
    } else {
        fprintf(stderr, "%s: %s\n", c->name, weir_ctx_message(ctx));
    }
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status;
}

static int case_run(cg_case *c, const cg_options *options, int repetitions)
{
    double total[REPETITIONS_MAX], last[REPETITIONS_MAX];
    cg_solve solve = {0, 0, 0};
    weir_summary summary;
    if (!c)
        return -1;
    for (int r = 0; r < repetitions; r++) {
        if (case_fit(c, options->threads, &summary, &total[r], &solve) < 0) {
            case_free(c);
            return -1;
        }
        last[r] = solve.seconds;
    }
    printf("| %s | %lld | %lld | %.4f | %.4f | %lld | %lld | %.1f | %.2g |\n", c->name, (long long)c->rows, (long long)summary.columns,
           bench_median(total, repetitions), bench_median(last, repetitions), (long long)solve.steps, (long long)solve.products,
           (double)summary.actual_bytes / 1048576.0, summary.backward_error);
    case_free(c);
    return 0;
}

int cg_run(const cg_options *options)
{
    const int64_t rows = options->rows > 0 ? options->rows : 1000000;
    const int repetitions = options->repetitions > 0 && options->repetitions < REPETITIONS_MAX ? options->repetitions : 3;
    printf("| case | rows | columns | fit s | last solve s | steps | products with the probes | MiB | residual |\n|---|---|---|---|---|---|---|---|---|\n");
    static const char *const name[] = {"splines", "factors", "trees", "trees, lambda sought"};
    int failed = 0;
    for (int kind = 0; kind < 4 && !failed; kind++)
        if (!options->only || !strncmp(name[kind], options->only, strlen(options->only)))
            failed = case_run(case_make(name[kind], kind == KIND_SPLINES ? 5000 : rows, (cg_kind)kind), options,
                              kind == KIND_SPLINES ? repetitions : 1);
    return failed ? 1 : 0;
}
