/* SPDX-License-Identifier: Apache-2.0 */
/* weir factor qr|chol|lu|eigh A.npy -o PREFIX: factors beside PREFIX, one NPY file each. */
#include "factor.h"

#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "groups.h"
#include "output.h"

static const cli_option options[] = {
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "PREFIX", "write PREFIX.Q.npy, PREFIX.R.npy … (needed)"},
    {0, "json", CLI_FLAG, CLI_AT(json), 0, NULL, "print residuals, orthogonality, seconds and route as JSON"},
};
static const cli_group outputs = {"Factors", CLI_COUNT_OF(options), options};
static const cli_group *const groups[] = {&outputs, &group_machine, &group_general, NULL};

static const char *const kinds[] = {"qr", "chol", "lu", "eigh"};
enum { KIND_COUNT = CLI_COUNT_OF(kinds), FILES_MAX = 3 };

typedef struct result_file {
    const char *suffix;
    const npy_array *array;
} result_file;

static int files_of(const factoring *f, result_file *file)
{
    switch (f->kind) {
    case FACTOR_QR:
        file[0] = (result_file){"Q", &f->first};
        file[1] = (result_file){"R", &f->second};
        return 2;
    case FACTOR_CHOL: file[0] = (result_file){"L", &f->first}; return 1;
    case FACTOR_LU:
        file[0] = (result_file){"L", &f->first};
        file[1] = (result_file){"U", &f->second};
        file[2] = (result_file){"P", &f->permutation};
        return 3;
    default:
        file[0] = (result_file){"values", &f->second};
        file[1] = (result_file){"vectors", &f->first};
        return 2;
    }
}

static bool make_like(const factoring *f, npy_array *out, int64_t rows, int64_t cols)
{
    const bool batch = f->a.dims == 3;
    const int64_t shape[3] = {batch ? f->count : rows, batch ? rows : cols, cols};
    return npy_make(out, f->a.type, f->a.dims, shape, f->a.fortran);
}

static bool make_rooms(factoring *f)
{
    const int dims = f->a.dims - 1;
    const int64_t rows[2] = {dims == 2 ? f->count : f->m, f->m}, values[2] = {dims == 2 ? f->count : f->n, f->n};
    const size_t entries = (size_t)(f->count > 0 ? f->count : 1), steps = (size_t)(f->k > 0 ? f->k : 1);
    f->info = calloc(entries, sizeof *f->info);
    bool made = f->info != NULL;
    switch (f->kind) {
    case FACTOR_QR: return made && make_like(f, &f->first, f->m, f->k) && make_like(f, &f->second, f->k, f->n);
    case FACTOR_CHOL: return made && make_like(f, &f->first, f->n, f->n);
    case FACTOR_EIGH: return made && make_like(f, &f->first, f->n, f->n) && npy_make(&f->second, f->a.type, dims, values, false);
    default:
        f->pivot = calloc(entries * steps, sizeof *f->pivot);
        return made && f->pivot && make_like(f, &f->first, f->m, f->k) && make_like(f, &f->second, f->k, f->n) &&
               make_like(f, &f->work, f->m, f->n) && npy_make(&f->permutation, NPY_I64, dims, rows, false);
    }
}

static void drop(factoring *f)
{
    npy_free(&f->a);
    npy_free(&f->first);
    npy_free(&f->second);
    npy_free(&f->permutation);
    npy_free(&f->work);
    free(f->pivot);
    free(f->info);
}

/* ---- what cannot be factored --------------------------------------------------------------------------------------- */

/* "matrix 3 of 8: ", or nothing for a single one; `text` holds 64 bytes. */
static const char *which(const factoring *f, int64_t b, char *text)
{
    if (f->a.dims == 2)
        *text = 0;
    else
        snprintf(text, 64, "matrix %lld of %lld: ", (long long)b + 1, (long long)f->count);
    return text;
}

static double element(const weir_matrix *a, int64_t i, int64_t j)
{
    const int64_t at = i * a->row_stride + j * a->col_stride;
    return a->dtype == WEIR_F32 ? (double)((const float *)a->data)[at] : ((const double *)a->data)[at];
}

static int check_finite(factoring *f)
{
    char text[64];
    for (int64_t b = 0; b < f->count; b++) {
        const weir_matrix a = factor_view(&f->a, b);
        for (int64_t i = 0; i < f->m; i++)
            for (int64_t j = 0; j < f->n; j++)
                if (!isfinite(element(&a, i, j)))
                    return cli_fail(f->run, EXIT_DATA, "%s: %sthe element in row %lld, column %lld is %s", f->source, which(f, b, text),
                                    (long long)i + 1, (long long)j + 1, isnan(element(&a, i, j)) ? "NaN" : "infinite");
    }
    return EXIT_DONE;
}

/* A triangle is all that is read; the other one should agree. */
static void remark_asymmetry(factoring *f)
{
    char text[64];
    for (int64_t b = 0; b < f->count; b++) {
        const weir_matrix a = factor_view(&f->a, b);
        for (int64_t i = 0; i < f->n; i++)
            for (int64_t j = 0; j < i; j++) {
                const double x = element(&a, i, j), y = element(&a, j, i);
                if (fabs(x - y) > 1e-3 * (fabs(x) + fabs(y))) {
                    cli_say(f->run, "%s: %srow %lld, column %lld differs from its mirror image; the lower triangle counts", f->source,
                            which(f, b, text), (long long)i + 1, (long long)j + 1);
                    return;
                }
            }
    }
}

static int judge(factoring *f)
{
    char text[64];
    int64_t singular = 0;
    for (int64_t b = 0; b < f->count; b++) {
        if (f->info[b] == 0)
            continue;
        if (f->kind == FACTOR_CHOL)
            return cli_fail(f->run, EXIT_DATA, "%s: %spivot %lld is not positive: the matrix is not positive definite", f->source,
                            which(f, b, text), (long long)f->info[b]);
        if (f->kind == FACTOR_EIGH)
            return cli_fail(f->run, EXIT_FAILED, "%s: %sthe eigenvalues did not converge", f->source, which(f, b, text));
        if (singular++ == 0)
            cli_say(f->run, "%s: %spivot %lld is zero: the matrix is singular", f->source, which(f, b, text), (long long)f->info[b]);
    }
    if (singular > 1)
        cli_say(f->run, "%s: %lld matrices are singular", f->source, (long long)singular);
    return EXIT_DONE;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static json_t *real_json(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static int print_json(const factoring *f, const result_file *file, char *const *path, int count)
{
    json_t *written = json_object(), *shape = json_array();
    for (int d = 0; d < f->a.dims; d++)
        json_array_append_new(shape, json_integer(f->a.shape[d]));
    for (int i = 0; i < count; i++)
        json_object_set_new(written, file[i].suffix, json_string(path[i]));
    const double eps = f->a.type == NPY_F32 ? 0x1p-23 : 0x1p-52, size = (double)(f->m > f->n ? f->m : f->n);
    json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:s, s:i, s:f, s:o, s:o, s:o, s:o}", "schema", "weir.factor/1",
                             "version", weir_version(), "factorization", kinds[f->kind], "source", f->source, "dtype",
                             f->a.type == NPY_F32 ? "float32" : "float64", "shape", shape, "order", f->a.fortran ? "F" : "C", "matrices",
                             (json_int_t)f->count, "route", f->route, "threads", f->threads, "seconds", f->seconds, "residual",
                             real_json(f->residual), "residual_in_eps", real_json(f->residual / (eps * (size > 0 ? size : 1))),
                             "orthogonality", real_json(f->orthogonality), "files", written);
    if (!root)
        return cli_fail(f->run, EXIT_FAILED, "cannot write the result as JSON: a file name is not UTF-8 or memory ran out");
    const int failed = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(root);
    putchar('\n');
    return failed ? cli_fail(f->run, EXIT_FAILED, "cannot write standard output") : EXIT_DONE;
}

static int write_files(factoring *f, char **path, const result_file *file, int count)
{
    int code = EXIT_DONE;
    for (int i = 0; i < count && code == EXIT_DONE; i++)
        code = npy_write(f->run, path[i], file[i].array);
    return code;
}

static int factor_and_write(factoring *f, char **path, const result_file *file, int count)
{
    int code = factor_run(f);
    if (code == EXIT_DONE)
        code = judge(f);
    if (code == EXIT_DONE && f->run->args.json)
        factor_measure(f);
    if (code == EXIT_DONE)
        code = write_files(f, path, file, count);
    if (code == EXIT_DONE && f->run->args.json)
        code = print_json(f, file, path, count);
    if (code == EXIT_DONE && f->run->args.verbose)
        cli_say(f->run, "%lld matri%s of %lld x %lld by %s in %.3g s", (long long)f->count, f->count == 1 ? "x" : "ces", (long long)f->m,
                (long long)f->n, f->route, f->seconds);
    return code;
}

static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int read_source(factoring *f)
{
    weir_memory_info memory = {0};
    weir_ctx_memory(f->run->ctx, &memory);
    int code = npy_read(f->run, f->source, 2, 3, memory.budget > 0 ? memory.budget / 4 : INT64_MAX, &f->a);
    if (code)
        return code;
    const bool batch = f->a.dims == 3;
    f->count = batch ? f->a.shape[0] : 1;
    f->m = f->a.shape[batch];
    f->n = f->a.shape[batch + 1];
    f->k = f->m < f->n ? f->m : f->n;
    if ((f->kind == FACTOR_CHOL || f->kind == FACTOR_EIGH) && f->m != f->n)
        return cli_fail(f->run, EXIT_DATA, "%s: %s needs square matrices, these are %lld x %lld", f->source, kinds[f->kind],
                        (long long)f->m, (long long)f->n);
    code = check_finite(f);
    if (code == EXIT_DONE && (f->kind == FACTOR_CHOL || f->kind == FACTOR_EIGH))
        remark_asymmetry(f);
    return code;
}

static int run_factor(cli_run *run)
{
    factoring f = {.run = run, .source = run->operand[1], .residual = NAN, .orthogonality = NAN};
    result_file file[FILES_MAX];
    char *path[FILES_MAX] = {NULL};
    int kind = 0;
    while (kind < KIND_COUNT && strcmp(run->operand[0], kinds[kind]))
        kind++;
    f.kind = (factor_kind)kind;
    if (kind == KIND_COUNT)
        return cli_fail(run, EXIT_USAGE, "'%s' is no factorization; choose qr, chol, lu or eigh", run->operand[0]);
    if (!run->args.output)
        return cli_fail(run, EXIT_USAGE, "-o PREFIX is missing: the factors go to PREFIX.Q.npy and so on");
    const int count = files_of(&f, file);
    int code = EXIT_DONE;
    for (int i = 0; i < count && code == EXIT_DONE; i++) {
        if (asprintf(&path[i], "%s.%s.npy", run->args.output, file[i].suffix) < 0) {
            path[i] = NULL;
            code = cli_fail(run, EXIT_BUDGET, "there is no memory for file names");
        } else {
            code = cli_output_check(run, path[i]);
        }
    }
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE) {
        f.threads = run->args.threads > 0 ? (int)run->args.threads : processors();
        code = read_source(&f);
    }
    if (code == EXIT_DONE && !make_rooms(&f))
        code = cli_fail(run, EXIT_BUDGET, "%s: there is no memory for the factors", f.source);
    if (code == EXIT_DONE)
        code = factor_and_write(&f, path, file, count);
    for (int i = 0; i < count; i++)
        free(path[i]);
    drop(&f);
    return code;
}

const cli_command cmd_factor = {
    .name = "factor",
    .brief = "factor dense matrices: QR, Cholesky, LU, eigenvalues",
    .operands = "qr|chol|lu|eigh A.npy",
    .about = "Factors the matrix in A.npy, or each one of a batch (an array of three dimensions, the first counting\n"
             "matrices): float32 or float64, in C or Fortran order. The factors have type, order and batch of A.\n"
             "  qr    A = Q R           PREFIX.Q.npy, PREFIX.R.npy          Q m x k, R k x n, k = min(m, n)\n"
             "  chol  A = L L'          PREFIX.L.npy                        the lower triangle of A is read\n"
             "  lu    A[P] = L U        PREFIX.L.npy, .U.npy, .P.npy        P: the order of rows, counted from 0\n"
             "  eigh  A = V diag(w) V'  PREFIX.values.npy, .vectors.npy     w ascending; the lower triangle is read",
    .examples = "  weir factor qr A.npy -o A\n  weir factor chol S.npy -o S --json | jq .residual\n",
    .groups = groups,
    .least_operands = 2,
    .most_operands = 2,
    .run = run_factor,
};
