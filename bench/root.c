/* SPDX-License-Identifier: Apache-2.0 */
#include "root.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "root_batch.h"
#include "root_measure.h"
#include "root_report.h"

enum { CELLS_MAX = 512 };

typedef struct options {
    const char *only[8], *out, *json, *manifest, *arguments[2];
    int wanted, threads, trials;
    bool quick, markdown, ab, list, no_peers;
} options;

static const double conditions[] = {1e2, 1e6, 1e10};

static int add(root_cell *cells, int count, root_cell cell)
{
    if (count < CELLS_MAX)
        cells[count++] = cell;
    return count;
}

static int list_cells(root_cell *cells)
{
    static const int64_t sizes[] = {256, 512, 1024, 2048};
    static const int roots[] = {1, 2, 4};
    int count = 0;
    for (int s = 0; s < 4; s++) {
        const int64_t n = sizes[s], columns[] = {1, 16, 64, n};
        for (int single = 0; single < 2; single++)
            for (int c = 0; c < 3; c++)
                for (int p = 0; p < 3; p++)
                    for (int k = 0; k < 4; k++)
                        count = add(cells, count, (root_cell){ROOT_SPD, roots[p], n, n, columns[k], conditions[c], single});
        for (int c = 0; c < 3; c++)
            for (int k = 0; k < 4; k++)
                count = add(cells, count, (root_cell){ROOT_GENERAL, 1, n, n, columns[k], conditions[c], false});
    }
    for (int kind = ROOT_GRAM; kind <= ROOT_DUAL; kind++)
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < 3; p++)
                for (int k = 0; k < 3; k++)
                    count = add(cells, count, (root_cell){(root_kind)kind, roots[p], 256, 1024, k == 0 ? 1 : k == 1 ? 16 : 64, conditions[c], false});
    return count;
}

static bool wanted(const options *o, const root_cell *cell)
{
    char name[96];
    root_cell_name(cell, name, sizeof name);
    bool all = !o->quick || cell->n <= 512;
    for (int i = 0; i < o->wanted; i++)
        all = all && strstr(name, o->only[i]);
    return all;
}

static int32_t route_of(const char *name)
{
    for (int32_t r = 0; r < WEIR_ROOT_ROUTES; r++)
        if (!strcmp(weir_root_route_name(r), name))
            return r;
    return -1;
}

/* --route NAME --tolerance X --reuse N --threads N */
static bool read_variant(const char *words, root_variant *out)
{
    char copy[512], *name, *value, *rest;
    *out = (root_variant){.reuse = 1};
    snprintf(copy, sizeof copy, "%s", words ? words : "");
    for (name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        value = strtok_r(NULL, " ", &rest);
        if (!value)
            return false;
        if (!strcmp(name, "--route"))
            out->route = route_of(value);
        else if (!strcmp(name, "--tolerance"))
            out->tolerance = atof(value);
        else if (!strcmp(name, "--reuse"))
            out->reuse = atoll(value);
        else if (!strcmp(name, "--threads"))
            out->threads = atoi(value);
        else
            return false;
    }
    return out->route >= 0;
}

static void help(void)
{
    puts("Usage: weir-bench root [options]\n\n"
         "Z = A^(-1/p) B by weir's own choice, by every route that serves, and by its peers in the same run: LAPACK's syevd and two gemm,\n"
         "coupled Newton, and four fixed steps on a matrix that is shifted first. A cell is named \"spd p=2 n=1024 k=16 cond=1e6 f64\".\n\n"
         "  --only TEXT          cells whose name contains it; given again, all of them\n"
         "  --quick              n <= 512\n"
         "  --threads N          of weir and the peers (default all processors)\n"
         "  --trials N           matrices a cell (default 5, from n = 1024 on 3)\n"
         "  --no-peers           routes alone\n"
         "  --ab                 two variants instead, cell by cell: --ab-args-a WORDS, --ab-args-b WORDS of --route, --tolerance, --reuse, --threads\n"
         "  --markdown           tables (default JSON, and tables to standard error)\n"
         "  --out FILE           of the tables (default standard output)\n"
         "  --json FILE          of the numbers\n"
         "  --manifest-out FILE  arguments, commit, machine, versions, hashes of the outputs\n"
         "  --list               names of the cells");
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = {
        {"only", 1, NULL, 'o'}, {"quick", 0, NULL, 'q'}, {"threads", 1, NULL, 't'}, {"trials", 1, NULL, 'r'}, {"no-peers", 0, NULL, 'n'},
        {"ab", 0, NULL, 'A'}, {"ab-args-a", 1, NULL, 'a'}, {"ab-args-b", 1, NULL, 'b'}, {"markdown", 0, NULL, 'm'}, {"out", 1, NULL, 'O'},
        {"json", 1, NULL, 'j'}, {"manifest-out", 1, NULL, 'M'}, {"list", 0, NULL, 'l'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int code;
    while ((code = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        switch (code) {
        case 'o': o->only[o->wanted++ % 8] = optarg; break;
        case 'q': o->quick = true; break;
        case 't': o->threads = atoi(optarg); break;
        case 'r': o->trials = atoi(optarg); break;
        case 'n': o->no_peers = true; break;
        case 'A': o->ab = true; break;
        case 'a': o->arguments[0] = optarg; break;
        case 'b': o->arguments[1] = optarg; break;
        case 'm': o->markdown = true; break;
        case 'O': o->out = optarg; break;
        case 'j': o->json = optarg; break;
        case 'M': o->manifest = optarg; break;
        case 'l': o->list = true; break;
        case 'h': help(); exit(0);
        default: return 2;
        }
    if (o->wanted > 8)
        fputs("weir-bench: --only: eight times at most\n", stderr);
    return optind < argc || o->wanted > 8 ? 2 : 0;
}

static bool open_contexts(root_measure *how, root_variant *ab, const options *o)
{
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    context.threads = how->threads;
    bool good = !weir_ctx_create(&context, &how->ctx);
    for (int i = 0; i < 2 && o->ab && good; i++) {
        good = read_variant(o->arguments[i], &ab[i]);
        if (!good)
            fprintf(stderr, "weir-bench: --ab-args-%c: --route, --tolerance, --reuse and --threads, each with its value\n", 'a' + i);
        context.threads = ab[i].threads > 0 ? ab[i].threads : how->threads;
        good = good && !weir_ctx_create(&context, &how->ab_ctx[i]);
    }
    how->ab = o->ab ? ab : NULL;
    return good;
}

static int write_all(const options *o, json_t *cells, json_t *batches)
{
    json_t *root = json_pack("{s:s, s:O, s:O}", "schema", "weir.bench.root/1", "cells", cells, "batches", batches);
    int failed = 0;
    if (o->json || !o->markdown)
        failed = o->json ? json_dump_file(root, o->json, JSON_INDENT(1) | JSON_PRESERVE_ORDER)
                         : json_dumpf(root, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(root);
    FILE *out = o->out ? fopen(o->out, "w") : o->markdown ? stdout : stderr;
    if (!out) {
        perror(o->out);
        return 1;
    }
    if (o->ab)
        root_report_ab(out, cells);
    else {
        root_report_cells(out, cells);
        root_report_figures(out, cells, batches);
    }
    if (o->out)
        failed |= fclose(out);
    return failed ? 1 : 0;
}

static int measure(const options *o, const root_cell *cells, int count, int argc, char **argv)
{
    root_variant ab[2] = {{0}};
    root_measure how = {.threads = o->threads > 0 ? o->threads : bench_processors(), .trials = o->trials, .peers = !o->no_peers};
    const char *const outputs[] = {o->out, o->json};
    json_t *results = json_array(), *batches = json_array();
    int failed = open_contexts(&how, ab, o) ? 0 : 1;
    for (int i = 0; i < count && !failed; i++) {
        char name[96];
        root_cell_name(&cells[i], name, sizeof name);
        fprintf(stderr, "weir-bench: %s\n", name);
        json_t *result = root_measure_cell(&how, &cells[i]);
        failed = !result;
        json_array_append_new(results, result);
    }
    for (int i = 0; i < 2 && !failed && !o->ab && !o->no_peers; i++) {
        json_t *result = root_batch_measure(&how, i ? 1e4 : 1e2);
        failed = !result;
        json_array_append_new(batches, result);
    }
    failed = failed || write_all(o, results, batches);
    if (o->manifest && !failed)
        failed = root_manifest_write(o->manifest, argc, argv, outputs, 2);
    json_decref(results);
    json_decref(batches);
    weir_ctx_destroy(how.ctx);
    weir_ctx_destroy(how.ab_ctx[0]);
    weir_ctx_destroy(how.ab_ctx[1]);
    return failed;
}

int root_run(int argc, char **argv)
{
    static root_cell all[CELLS_MAX], cells[CELLS_MAX];
    options o = {0};
    if (parse(argc, argv, &o)) {
        help();
        return 2;
    }
    const int total = list_cells(all);
    int count = 0;
    for (int i = 0; i < total; i++)
        if (wanted(&o, &all[i]))
            cells[count++] = all[i];
    for (int i = 0; i < count && o.list; i++) {
        char name[96];
        root_cell_name(&cells[i], name, sizeof name);
        puts(name);
    }
    if (count == 0)
        fputs("weir-bench: no cell has that in its name; --list shows them\n", stderr);
    return o.list || count == 0 ? count == 0 : measure(&o, cells, count, argc, argv);
}
