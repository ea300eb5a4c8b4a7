/* SPDX-License-Identifier: Apache-2.0 */
/* weir solve A [B] -p P -o Z.npy: inverse roots of a matrix or a batch of them, applied or materialised. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factor.h"
#include "groups.h"
#include "matrix_market.h"
#include "output.h"

static const cli_option problem_options[] = {
    {'p', "root", CLI_COUNT, CLI_AT(root), CLI_AT(root_given), "P", "order of the root, 1 to 8 (1: a linear system)"},
    {0, "tolerance", CLI_REAL, CLI_AT(tolerance), 0, "T", "relative error asked for (1e-8; 1e-4 for float32)"},
    {0, "ridge", CLI_REAL, CLI_AT(ridge), 0, "R", "add R to the diagonal of A"},
    {0, "gram", CLI_FLAG, CLI_AT(gram), 0, NULL, "A is a factor G: the matrix is G'G"},
    {0, "general", CLI_FLAG, CLI_AT(general), 0, NULL, "A need not be symmetric (p = 1)"},
    {0, "route", CLI_CHOICE, CLI_AT(root_route), 0, "auto|cholesky|lu|eigen|band|poles|coupled|chebyshev",
     "how; auto takes the quickest by predicted seconds"},
};
static const cli_option output_options[] = {
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "Z.npy", "write the result here (needed)"},
    {0, "json", CLI_FLAG, CLI_AT(json), 0, NULL, "print route, error bound, bounds of the spectrum and seconds as JSON"},
};
static const cli_group problem = {"Problem", CLI_COUNT_OF(problem_options), problem_options};
static const cli_group outputs = {"Result", CLI_COUNT_OF(output_options), output_options};
static const cli_group *const groups[] = {&problem, &outputs, &group_machine, &group_general, NULL};

typedef struct solving {
    cli_run *run;
    const char *source, *right; /* files; right NULL: the root itself */
    npy_array a, b, z;
    int64_t count, n, k;
    weir_root_options options;
    weir_precond_config precond;
    weir_status *each;
    weir_root_stats *stats;
    double seconds;
} solving;

static void drop(solving *s)
{
    npy_free(&s->a);
    npy_free(&s->b);
    npy_free(&s->z);
    free(s->each);
    free(s->stats);
}

static int read_one(solving *s, const char *path, npy_array *out)
{
    weir_memory_info memory = {0};
    weir_ctx_memory(s->run->ctx, &memory);
    const int64_t limit = memory.budget > 0 ? memory.budget / 4 : INT64_MAX;
    return matrix_market_named(path) ? matrix_market_read(s->run, path, limit, out) : npy_read(s->run, path, 2, 3, limit, out);
}

/* Float64 in place of float32, so that both files have one type. */
static bool widen(npy_array *a)
{
    npy_array wide;
    if (!npy_make(&wide, NPY_F64, a->dims, a->shape, a->fortran))
        return false;
    for (int64_t i = 0; i < a->count; i++)
        ((double *)wide.data)[i] = (double)((const float *)a->data)[i];
    npy_free(a);
    *a = wide;
    return true;
}

static int read_sources(solving *s)
{
    cli_run *run = s->run;
    int code = read_one(s, s->source, &s->a);
    if (code == EXIT_DONE && s->right)
        code = read_one(s, s->right, &s->b);
    if (code)
        return code;
    const bool batch = s->a.dims == 3, gram = run->args.gram;
    const int64_t rows = s->a.shape[batch];
    s->count = batch ? s->a.shape[0] : 1;
    s->n = s->a.shape[batch + 1];
    if (!gram && rows != s->n)
        return cli_fail(run, EXIT_DATA, "%s: the matrix must be square, it is %lld x %lld%s", s->source, (long long)rows, (long long)s->n,
                        run->args.general ? "" : " (a factor of a Gram matrix goes with --gram)");
    s->k = s->n;
    if (s->right) {
        if (s->b.dims != s->a.dims || (batch && s->b.shape[0] != s->count))
            return cli_fail(run, EXIT_DATA, "%s: %s has %lld matrices in %d dimensions, this file must have as many right-hand sides",
                            s->right, s->source, (long long)s->count, s->a.dims);
        s->k = s->b.shape[batch + 1];
        if (s->b.shape[batch] != s->n)
            return cli_fail(run, EXIT_DATA, "%s: the right-hand sides have %lld rows, the matrix in %s has %lld columns", s->right,
                            (long long)s->b.shape[batch], s->source, (long long)s->n);
        if (s->a.type != s->b.type && !widen(s->a.type == NPY_F32 ? &s->a : &s->b))
            return cli_fail(run, EXIT_BUDGET, "there is no memory to bring both files to float64");
    }
    const int64_t shape[3] = {batch ? s->count : s->n, batch ? s->n : s->k, s->k};
    s->each = calloc((size_t)s->count + 1, sizeof *s->each);
    s->stats = calloc((size_t)s->count + 1, sizeof *s->stats);
    if (!s->each || !s->stats || !npy_make(&s->z, s->a.type, s->a.dims, shape, s->a.fortran))
        return cli_fail(run, EXIT_BUDGET, "there is no memory for the result");
    memset(s->z.data, 0, (size_t)s->z.count * (size_t)npy_size(s->z.type));
    return EXIT_DONE;
}

static weir_status solve_one(solving *s, int64_t i)
{
    weir_ctx *ctx = s->run->ctx;
    const weir_matrix a = factor_view(&s->a, i), z = factor_view(&s->z, i);
    if (s->run->args.gram || s->run->args.general) {
        const weir_matrix b = factor_view(&s->b, i);
        return s->run->args.gram ? weir_solve_gram_spd(ctx, &a, &b, &z, &s->options, NULL, &s->stats[i])
                                 : weir_solve_nonspd(ctx, &a, &b, &z, &s->options, NULL, &s->stats[i]);
    }
    if (s->right) {
        const weir_matrix b = factor_view(&s->b, i);
        return weir_solve_spd(ctx, &a, &b, &z, &s->options, NULL, &s->stats[i]);
    }
    return weir_materialize(ctx, &a, &z, &s->options, NULL, &s->stats[i]);
}

/* 0 or an exit code. Matrices of a batch that cannot be solved leave zeros, and a line. */
static int solve(solving *s)
{
    int code = EXIT_DONE;
    const double begun = cli_seconds();
    for (int64_t i = 0; i < s->count; i++) {
        s->each[i] = solve_one(s, i);
        if (s->each[i] < 0 && s->a.dims == 2)
            return cli_report(s->run, s->each[i], EXIT_DATA);
        if (s->each[i] < 0) {
            cli_say(s->run, "%s: matrix %lld of %lld: %s", s->source, (long long)i + 1, (long long)s->count,
                    weir_ctx_message(s->run->ctx));
            code = cli_exit_code(s->each[i], EXIT_DATA);
            if (code != EXIT_DATA && code != EXIT_FAILED)
                return code;
        } else if (s->each[i] == WEIR_NOT_CONVERGED && code == EXIT_DONE) {
            code = EXIT_NOT_CONVERGED;
        }
    }
    s->seconds = cli_seconds() - begun;
    if (code == EXIT_NOT_CONVERGED)
        cli_say(s->run, "%s: the error is bounded by %.2g, above the tolerance%s", s->source, s->stats[0].bound,
                s->stats[0].precision_limited ? ": the condition number leaves no more digits" : "");
    return code;
}

static json_t *real_json(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *stats_json(weir_status status, const weir_root_stats *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "status", json_string(weir_status_name(status)));
    if (status < 0)
        return o;
    json_object_set_new(o, "route", json_string(weir_root_route_name(t->route)));
    json_object_set_new(o, "reason", json_string(t->reason));
    json_object_set_new(o, "bound", real_json(t->bound));
    json_object_set_new(o, "predicted", real_json(t->predicted));
    json_object_set_new(o, "residual", real_json(t->residual));
    json_object_set_new(o, "lambda_min", real_json(t->lambda_min));
    json_object_set_new(o, "lambda_max", real_json(t->lambda_max));
    json_object_set_new(o, "ridge", real_json(t->ridge));
    json_object_set_new(o, "steps", json_integer(t->steps));
    json_object_set_new(o, "retries", json_integer(t->retries));
    json_object_set_new(o, "products", real_json(t->products));
    json_object_set_new(o, "precision_limited", json_boolean(t->precision_limited));
    json_object_set_new(o, "seconds", real_json(t->seconds_prepare + t->seconds_apply));
    return o;
}

static int print_json(const solving *s)
{
    json_t *matrices = json_array();
    for (int64_t i = 0; i < s->count; i++)
        json_array_append_new(matrices, stats_json(s->each[i], &s->stats[i]));
    json_t *root = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:I, s:I, s:I, s:I, s:f, s:o}", "schema", "weir.solve/1", "version",
                             weir_version(), "source", s->source, "right", s->right, "output", s->run->args.output, "p",
                             (json_int_t)s->options.p, "n", (json_int_t)s->n, "k", (json_int_t)s->k, "matrices",
                             (json_int_t)s->count, "seconds", s->seconds, "results", matrices);
    if (!root)
        return cli_fail(s->run, EXIT_FAILED, "cannot write the result as JSON: a file name is not UTF-8 or memory ran out");
    const int failed = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(root);
    putchar('\n');
    return failed ? cli_fail(s->run, EXIT_FAILED, "cannot write standard output") : EXIT_DONE;
}

static int check_usage(cli_run *run)
{
    const cli_args *args = &run->args;
    if (!args->output)
        return cli_fail(run, EXIT_USAGE, "-o Z.npy is missing: where the result goes");
    if (args->root_given && (args->root < 1 || args->root > 8))
        return cli_fail(run, EXIT_USAGE, "-p %lld: roots of order 1 to 8 are supported", (long long)args->root);
    if (args->gram && args->general)
        return cli_fail(run, EXIT_USAGE, "--gram and --general exclude each other");
    if (args->general && args->root_given && args->root != 1)
        return cli_fail(run, EXIT_USAGE, "--general serves p = 1 alone");
    if ((args->gram || args->general) && run->operand_count < 2)
        return cli_fail(run, EXIT_USAGE, "%s needs right-hand sides: weir solve A.npy B.npy …", args->gram ? "--gram" : "--general");
    if (args->tolerance >= 1)
        return cli_fail(run, EXIT_USAGE, "--tolerance %g: a relative error lies between 0 and 1", args->tolerance);
    return cli_output_check(run, args->output);
}

static int run_solve(cli_run *run)
{
    solving s = {.run = run, .source = run->operand[0], .right = run->operand_count > 1 ? run->operand[1] : NULL,
                 .options = WEIR_ROOT_OPTIONS_INIT, .precond = WEIR_PRECOND_CONFIG_INIT};
    s.options.p = run->args.root_given ? (int32_t)run->args.root : 1;
    s.options.route = run->args.root_route;
    s.options.tolerance = run->args.tolerance;
    s.precond.ridge = run->args.ridge > 0 ? run->args.ridge : 0;
    s.options.precond = &s.precond;
    int code = check_usage(run);
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE)
        code = read_sources(&s);
    int solved = EXIT_DONE;
    if (code == EXIT_DONE)
        solved = solve(&s);
    const bool written = code == EXIT_DONE && (solved == EXIT_DONE || solved == EXIT_NOT_CONVERGED || (s.a.dims == 3 && (solved == EXIT_DATA || solved == EXIT_FAILED)));
    if (written)
        code = npy_write(run, run->args.output, &s.z);
    if (written && code == EXIT_DONE && run->args.json)
        code = print_json(&s);
    if (written && code == EXIT_DONE && run->args.verbose)
        cli_say(run, "%s: %s; error at most %.2g; %.3g s", weir_root_route_name(s.stats[0].route), s.stats[0].reason, s.stats[0].bound,
                s.seconds);
    drop(&s);
    return code ? code : solved;
}

const cli_command cmd_solve = {
    .name = "solve",
    .brief = "apply inverse p-th roots of dense matrices: (A + ridge I)^(-1/p) B",
    .operands = "A.npy [B.npy]",
    .about = "Computes Z = (A + R I)^(-1/P) B for a symmetric positive definite A, or the root itself where there is no B, with a\n"
             "bound of its relative error. Files are NPY (float32 or float64; an array of three dimensions is a batch, its\n"
             "first index counting matrices) or Matrix Market (.mtx). With --gram A is a factor G of the matrix G'G; with\n"
             "--general A is any square matrix and P is 1. A matrix of a batch that is not positive definite leaves zeros.",
    .examples = "  weir solve A.npy B.npy -p 2 -o Z.npy --json | jq '.results[0].bound'\n"
                "  weir solve A.npy -p 4 --ridge 1e-6 -o root.npy\n  weir solve --gram G.npy B.npy -p 2 --ridge 0.1 -o Z.npy\n",
    .groups = groups,
    .least_operands = 1,
    .most_operands = 2,
    .run = run_solve,
};
