/* SPDX-License-Identifier: Apache-2.0 */
/* weir-bench gam, glm: fits synthetic data of several shapes, prints JSON, and beside R's mgcv a table of ratios.
 * weir-bench ridge: categories and ridge penalties beside glum. weir-bench dense: level-3 kernels beside the BLAS.
 * weir-bench tam: a static additive model at fixed smoothing parameters beside dense NumPy.
 * weir-bench groups, windows: many models at once beside a loop of LAPACK calls. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/batched.h"
#include "kernels/dense.h"
#include "kernels/factor.h"
#include "cg.h"
#include "dispatch.h"
#include "gam.h"
#include "kernels/groups.h"
#include "kernels/windows.h"
#include "harness.h"
#include "plan.h"
#include "ridge.h"
#include "root.h"
#include "tam.h"
#include "weir/version.h"

enum { CASES_MAX = 256 };

/* The shapes of the table in README.md. */
static const bench_case standard[] = {
    {"small", 400, 4, 10, 0, SOURCE_MEMORY, 0, 21, 0, true, false, true, SYNTH_GAUSSIAN, 0},
    {"1e5-4x10", 100000, 4, 10, 0, SOURCE_MEMORY, 0, 7, 0, true, true, false, SYNTH_GAUSSIAN, 0},
    {"1e6-4x10", 1000000, 4, 10, 0, SOURCE_MEMORY, 0, 5, 0, true, true, false, SYNTH_GAUSSIAN, 0},
    {"1e6-4x50", 1000000, 4, 50, 0, SOURCE_MEMORY, 0, 3, 0, true, false, false, SYNTH_GAUSSIAN, 0},
    {"1e6-8x10", 1000000, 8, 10, 0, SOURCE_MEMORY, 0, 5, 0, true, false, false, SYNTH_GAUSSIAN, 0},
    {"1e6-8x10-1thread", 1000000, 8, 10, 0, SOURCE_MEMORY, 0, 5, 1, false, false, false, SYNTH_GAUSSIAN, 0},
    {"1e6-4x10-csv", 1000000, 4, 10, 0, SOURCE_CSV, 0, 5, 0, true, false, false, SYNTH_GAUSSIAN, 0},
    {"1e6-4x10-npy", 1000000, 4, 10, 0, SOURCE_NPY, 0, 5, 0, false, false, false, SYNTH_GAUSSIAN, 0},
    {"1e7-4x10-npy-64M", 10000000, 4, 10, 0, SOURCE_NPY, 64 << 20, 1, 0, false, false, false, SYNTH_GAUSSIAN, 0},
    {"1e6-re10000", 1000000, 2, 10, 10000, SOURCE_MEMORY, 0, 3, 0, false, false, false, SYNTH_GAUSSIAN, 0},
};

/* Generalised models: the working criterion, as bam's, but for the last. */
static const bench_case generalised[] = {
    {"1e6-4x10-poisson", 1000000, 4, 10, 0, SOURCE_MEMORY, 0, 5, 0, true, false, false, SYNTH_POISSON, -1},
    {"1e6-4x10-binomial", 1000000, 4, 10, 0, SOURCE_MEMORY, 0, 5, 0, true, false, false, SYNTH_BINOMIAL, -1},
    {"1e5-8x10-poisson-1thread", 100000, 8, 10, 0, SOURCE_MEMORY, 0, 11, 1, true, false, false, SYNTH_POISSON, -1},
    {"1e6-re1000-binomial", 1000000, 2, 10, 1000, SOURCE_MEMORY, 0, 3, 0, false, false, false, SYNTH_BINOMIAL, -1},
    {"1e7-4x10-poisson-npy-64M", 10000000, 4, 10, 0, SOURCE_NPY, 64 << 20, 1, 0, false, false, false, SYNTH_POISSON, -1},
    {"1e5-8x10-poisson-laplace", 100000, 8, 10, 0, SOURCE_MEMORY, 0, 5, 0, false, false, false, SYNTH_POISSON, 1},
};

typedef struct bench_options {
    const char *name;         /* of the command */
    bool peers, exact, grid, list, keep, processor;
    const char *json, *folder, *script, *data;
    int threads, repetitions;
    int64_t largest;
} bench_options;

static int make_grid(bench_case *cases, int64_t largest)
{
    static const char *const sources[] = {"memory", "npy", "csv"};
    static const int sizes[] = {10, 20, 50, 100};
    int count = 0;
    for (int64_t rows = 100000; rows <= 10000000 && rows <= largest; rows *= 10)
        for (int smooths = 4; smooths <= 8; smooths += 4)
            for (int k = 0; k < 4; k++)
                for (int source = 0; source < 3; source++) {
                    bench_case *c = &cases[count++];
                    *c = (bench_case){.rows = rows, .smooths = smooths, .k = sizes[k], .source = (bench_source)source,
                                      .repetitions = rows <= 100000 ? 5 : rows <= 1000000 ? 3 : 1};
                    c->peer = source == SOURCE_MEMORY && rows <= 1000000;
                    snprintf(c->name, sizeof c->name, "1e%d-%dx%d-%s", (int)lround(log10((double)rows)), smooths, sizes[k],
                             sources[source]);
                }
    return count;
}

/* Runs the R script on the same numbers. */
static json_t *run_peer(const bench_case *what, const bench_options *options, const char *engine)
{
    char n[32], smooths[16], k[16], levels[32], threads[16], repetitions[16], path[4096];
    const char *source = bench_gam_path(what, options->folder, path);
    snprintf(n, sizeof n, "%lld", (long long)what->rows);
    snprintf(smooths, sizeof smooths, "%d", what->smooths);
    snprintf(k, sizeof k, "%d", what->k);
    snprintf(levels, sizeof levels, "%lld", (long long)what->levels);
    snprintf(threads, sizeof threads, "%d", what->threads ? what->threads : bench_processors());
    snprintf(repetitions, sizeof repetitions, "%d", what->rows <= 1000 ? 11 : what->rows <= 100000 ? 3 : 1);
    const char *const arguments[] = {"Rscript", options->script, options->folder, source ? source : "memory", engine, n,
                                     smooths, k, levels, threads, repetitions, bench_family_name(what), NULL};
    return bench_peer(arguments);
}

static double number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

static void print_row(FILE *out, const json_t *result)
{
    const json_t *seconds = json_object_get(result, "seconds"), *peer = json_object_get(result, "peer");
    const json_t *exact = json_object_get(result, "peer_exact");
    double wall = number(seconds, "wall"), n = number(result, "n");
    fprintf(out, "| %s | %.4g | %.4g | %.1f | %.0f | %.0f |", json_string_value(json_object_get(result, "case")), wall,
            number(seconds, "smoothing"), 1e9 * number(seconds, "normal") * number(result, "threads") / n,
            number(result, "ledger_peak_bytes") / 1048576, number(result, "rss_peak_bytes") / 1048576);
    if (peer)
        fprintf(out, " %s %.4g | %.1f |", json_string_value(json_object_get(peer, "engine")), number(peer, "seconds"),
                number(peer, "seconds") / wall);
    else
        fprintf(out, " | |");
    if (exact)
        fprintf(out, " %.4g | %.0f |", number(exact, "seconds"), number(exact, "seconds") / wall);
    else
        fprintf(out, " | |");
    if (json_object_get(result, "criterion_at_peer"))
        fprintf(out, " %+.2g |\n", number(result, "criterion_at_peer") - number(result, "criterion_at_own"));
    else
        fprintf(out, " |\n");
}

static void print_table(FILE *out, const json_t *results)
{
    size_t i;
    const json_t *result;
    fputs("| case | weir s | of it smoothing | pass ns/row/core | ledger MiB | process MiB | peer s | ratio | exact bam s "
          "| ratio | criterion at peer's lambda minus weir's |\n|---|---|---|---|---|---|---|---|---|---|---|\n", out);
    json_array_foreach((json_t *)results, i, result) print_row(out, result);
}

/* One case: data, peers first (their lambda is judged by weir's criterion), then weir in a process of its own. */
static json_t *run_case(const bench_case *what, const bench_options *options)
{
    bool peer = options->peers && what->peer;
    json_t *other = NULL, *exact = NULL;
    fprintf(stderr, "weir-bench: %s\n", what->name);
    if (bench_gam_prepare(what, options->folder, peer)) {
        fprintf(stderr, "weir-bench: %s: cannot write the data into %s\n", what->name, options->folder);
        return NULL;
    }
    if (peer)
        other = run_peer(what, options, what->small ? "gam" : "discrete");
    if (peer && !other)
        fprintf(stderr, "weir-bench: %s: the peer failed; is R with mgcv installed, and %s there?\n", what->name,
                options->script);
    if (peer && other && what->exact && options->exact)
        exact = run_peer(what, options, "bam");
    bench_run run = {what, options->folder, other ? json_object_get(other, "lambda") : NULL};
    json_t *result = bench_isolated(bench_gam_body, &run);
    if (!result)
        fprintf(stderr, "weir-bench: %s: no result\n", what->name);
    if (result && other)
        json_object_set(result, "peer", other);
    if (result && exact)
        json_object_set(result, "peer_exact", exact);
    json_decref(other);
    json_decref(exact);
    return result;
}

static int write_results(json_t *results, const bench_options *options)
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:i, s:O}", "schema", "weir.bench.gam/1", "command", options->name, "version", weir_version(), "processors",
                             bench_processors(), "results", results);
    int failed;
    if (options->json)
        failed = json_dump_file(root, options->json, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    else {
        failed = json_dumpf(root, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(root);
    print_table(options->json ? stdout : stderr, results);
    return failed ? 1 : 0;
}

static int wanted(const bench_case *what, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], what->name))
            return 1;
    return count == 0;
}

static void print_help(void)
{
    puts("Usage: weir-bench gam|glm [options] [CASE...]\n"
         "       weir-bench groups [--threads N] [--repetitions N] [--json FILE]\n"
         "       weir-bench windows [--threads N] [--repetitions N] [--json FILE]\n"
         "       weir-bench ridge [--peers] [--threads N] [--repetitions N] [--script FILE] [--json FILE]\n"
         "       weir-bench cg [--threads N] [--repetitions N] [--largest ROWS] [splines|factors|trees]\n"
         "       weir-bench tam [--peers] [--threads N] [--repetitions N] [--script FILE]\n"
         "       weir-bench dispatch [--threads N] [--repetitions N] [--processor] [--json FILE]\n"
         "       weir-bench plan [--threads N] [--repetitions N] [--processor] [--data FILE] [--largest ROWS] [--json FILE] [FAMILY]\n"
         "       weir-bench factor [--threads N] [--repetitions N] [--json FILE] [--list] [CASE...]\n"
         "       weir-bench root [--quick] [--only TEXT] [--markdown] [--out FILE] … (weir-bench root --help)\n"
         "       weir-bench dense [--threads N] [--repetitions N] [--json FILE] [--list] [CASE...]\n"
         "       weir-bench batched [--peers] [--threads N] [--repetitions N] [--json FILE] [--script FILE] [--list] [CASE...]\n\n"
         "gam, glm: fits synthetic data of several shapes and prints JSON: seconds of reading, accumulating and smoothing, peak bytes,\n"
         "and a table. ridge: a poisson and a gamma model of eight categories and a number with ridge penalties.\n"
         "dense: products, factors, solves, weighted cross-products beside the BLAS on one and N threads (CASE: its beginning).\n"
         "factor: QR, LU, Cholesky, eigenvalues of one matrix beside LAPACK on one and N threads (CASE: its beginning).\n"
         "batched: many small matrices at a time beside loops of LAPACK and, with --peers, torch (CASE: its beginning).\n\n"
         "dispatch: penalised least squares of 82 shapes, every admissible route timed against the one chosen.\n"
         "plan: predicted seconds of fits of many families and sizes beside those taken (FAMILY: those of one; --data: hourly hires of\n"
         "bicycles with columns count, hour, temp, humidity, windspeed, instant).\n\n"
         "  --processor      dispatch, plan: processor seconds instead of those of the clock (with --threads 1)\n"
         "  --peers          run R's mgcv (ridge: python's glum) on the same data\n"
         "  --exact          with --peers: exact bam too, where the case has it (slow)\n"
         "  --grid           gam: n = 1e5 1e6 1e7 x 4, 8 smooths x k = 10 20 50 100 x memory, NPY, CSV\n"
         "  --largest N      leave out larger n of the grid (default 1e6)\n"
         "  --threads N      threads of every case (default all processors)\n"
         "  --repetitions N  of every case (default by size); the median counts\n"
         "  --json FILE      write the JSON to FILE, and the table to standard output\n"
         "  --dir DIR        folder for the data files (default a temporary one, removed)\n"
         "  --script FILE    of the peer (default bench/peers/gam.R, for ridge bench/peers/glum.py)\n"
         "  --list           names of the cases");
}

static int parse(int argc, char **argv, bench_options *options)
{
    static const struct option longs[] = {
        {"peers", 0, NULL, 'p'}, {"exact", 0, NULL, 'e'}, {"grid", 0, NULL, 'g'}, {"processor", 0, NULL, 'o'}, {"list", 0, NULL, 'l'},
        {"json", 1, NULL, 'j'}, {"dir", 1, NULL, 'd'}, {"script", 1, NULL, 's'}, {"threads", 1, NULL, 't'},
        {"repetitions", 1, NULL, 'r'}, {"largest", 1, NULL, 'n'}, {"data", 1, NULL, 'D'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int code;
    while ((code = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        switch (code) {
        case 'p': options->peers = true; break;
        case 'e': options->exact = true; break;
        case 'g': options->grid = true; break;
        case 'o': options->processor = true; break;
        case 'l': options->list = true; break;
        case 'j': options->json = optarg; break;
        case 'd': options->folder = optarg; options->keep = true; break;
        case 's': options->script = optarg; break;
        case 't': options->threads = atoi(optarg); break;
        case 'r': options->repetitions = atoi(optarg); break;
        case 'D': options->data = optarg; break;
        case 'n': options->largest = (int64_t)atof(optarg); break;
        case 'h': print_help(); exit(0);
        default: return -1;
        }
    return optind;
}

static int dispatch(int argc, char **argv)
{
    bench_options options = {0};
    if (parse(argc, argv, &options) < 0)
        return 2;
    dispatch_options run = {.threads = options.threads, .repetitions = options.repetitions, .json = options.json,
                            .processor = options.processor};
    return dispatch_run(&run);
}

static int plan(int argc, char **argv)
{
    bench_options options = {0};
    const int first = parse(argc, argv, &options);
    if (first < 0)
        return 2;
    plan_options run = {.threads = options.threads, .repetitions = options.repetitions, .processor = options.processor,
                        .json = options.json, .data = options.data, .largest = options.largest,
                        .only = first < argc ? argv[first] : NULL};
    return plan_run(&run);
}

static int cg(int argc, char **argv)
{
    bench_options options = {0};
    const int first = parse(argc, argv, &options);
    if (first < 0)
        return 2;
    cg_options run = {.threads = options.threads, .repetitions = options.repetitions, .rows = options.largest,
                      .only = first < argc ? argv[first] : NULL};
    return cg_run(&run);
}

static void remove_folder(const char *folder)
{
    const char *const arguments[] = {"rm", "-rf", "--", folder, NULL};
    json_decref(bench_peer(arguments));
}

static int ridge(int argc, char **argv)
{
    bench_options options = {.script = "bench/peers/glum.py"};
    if (parse(argc, argv, &options) < 0)
        return 2;
    ridge_options run = {.peer = options.peers ? options.script : NULL, .threads = options.threads,
                         .repetitions = options.repetitions, .json = options.json, .folder = options.folder};
    return ridge_run(&run);
}

static int tam(int argc, char **argv)
{
    bench_options options = {.script = "bench/peers/tam_static.py"};
    if (parse(argc, argv, &options) < 0)
        return 2;
    tam_options run = {.peer = options.peers ? options.script : NULL, .threads = options.threads,
                       .repetitions = options.repetitions, .folder = options.folder};
    return tam_run(&run);
}

static int dense(int argc, char **argv)
{
    bench_options options = {0};
    const int first = parse(argc, argv, &options);
    if (first < 0)
        return 2;
    if (options.list) {
        dense_list();
        return 0;
    }
    dense_options run = {.threads = options.threads, .repetitions = options.repetitions, .json = options.json};
    return dense_run(&run, argc - first, argv + first);
}

static int factor(int argc, char **argv)
{
    bench_options options = {0};
    const int first = parse(argc, argv, &options);
    if (first < 0)
        return 2;
    if (options.list) {
        factor_list();
        return 0;
    }
    factor_options run = {.threads = options.threads, .repetitions = options.repetitions, .json = options.json};
    return factor_run(&run, argc - first, argv + first);
}

static int batched(int argc, char **argv)
{
    bench_options options = {.script = "bench/peers/torch_batched.py"};
    const int first = parse(argc, argv, &options);
    if (first < 0)
        return 2;
    if (options.list) {
        batched_list();
        return 0;
    }
    batched_options run = {.threads = options.threads, .repetitions = options.repetitions, .json = options.json,
                           .peer = options.peers ? options.script : NULL};
    return batched_run(&run, argc - first, argv + first);
}

static int groups(int argc, char **argv)
{
    bench_options options = {0};
    if (parse(argc, argv, &options) < 0)
        return 2;
    groups_options run = {.threads = options.threads, .repetitions = options.repetitions, .json = options.json};
    return groups_run(&run);
}

static int windows(int argc, char **argv)
{
    bench_options options = {0};
    if (parse(argc, argv, &options) < 0)
        return 2;
    windows_options run = {.threads = options.threads, .repetitions = options.repetitions, .json = options.json};
    return windows_run(&run);
}

static int gam(const char *name, const bench_case *standard_cases, int standard_count, int argc, char **argv)
{
    static bench_case cases[CASES_MAX];
    char temporary[] = "/tmp/weir-bench-XXXXXX";
    bench_options options = {.name = name, .script = "bench/peers/gam.R", .largest = 1000000};
    int first = parse(argc, argv, &options), done = 0, failed = 0;
    if (first < 0)
        return 2;
    int count = options.grid ? make_grid(cases, options.largest) : standard_count;
    if (!options.grid)
        memcpy(cases, standard_cases, (size_t)standard_count * sizeof *cases);
    if (options.list) {
        for (int i = 0; i < count; i++)
            puts(cases[i].name);
        return 0;
    }
    if (!options.folder && !(options.folder = mkdtemp(temporary))) {
        perror("weir-bench: /tmp");
        return 1;
    }
    json_t *results = json_array();
    for (int i = 0; i < count; i++) {
        if (!wanted(&cases[i], argc - first, argv + first))
            continue;
        if (options.threads)
            cases[i].threads = options.threads;
        if (options.repetitions > 0)
            cases[i].repetitions = options.repetitions;
        json_t *result = run_case(&cases[i], &options);
        if (result)
            json_array_append_new(results, result);
        failed |= !result;
        done++;
    }
    if (!done)
        fprintf(stderr, "weir-bench: no case of that name; --list shows them\n");
    failed |= write_results(results, &options) || !done;
    json_decref(results);
    if (!options.keep)
        remove_folder(options.folder);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && !strcmp(argv[1], "gam"))
        return gam("gam", standard, (int)(sizeof standard / sizeof *standard), argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "glm"))
        return gam("glm", generalised, (int)(sizeof generalised / sizeof *generalised), argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "ridge"))
        return ridge(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "dispatch"))
        return dispatch(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "plan"))
        return plan(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "cg"))
        return cg(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "tam"))
        return tam(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "dense"))
        return dense(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "root"))
        return root_run(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "factor"))
        return factor(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "batched"))
        return batched(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "groups"))
        return groups(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "windows"))
        return windows(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "--version")) {
        printf("weir-bench %s\n", weir_version());
        return 0;
    }
    print_help();
    return argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) ? 0 : 2;
}
