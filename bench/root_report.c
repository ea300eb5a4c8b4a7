/* SPDX-License-Identifier: Apache-2.0 */
#include "root_report.h"

#include <math.h>
#include <string.h>

static double number(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));
    return value ? value : "";
}

static void cell(FILE *out, const char *format, double x)
{
    if (isfinite(x))
        fprintf(out, format, x);
    fputs(" | ", out);
}

static void row(FILE *out, const json_t *c, const json_t *s)
{
    const char *route = text(s, "route");
    const bool own = !strcmp(text(s, "side"), "auto");
    fprintf(out, "| %s | %s%s%s | ", text(c, "cell"), text(s, "side"), own ? ": " : "", own ? route : "");
    cell(out, "%.4g", number(s, "total_ms"));
    cell(out, "%.4g", number(s, "prepare_ms"));
    cell(out, "%.4g", number(s, "apply_ms"));
    cell(out, "%.1e", number(s, "error"));
    cell(out, "%.1e", number(s, "error_p90"));
    cell(out, "%.1e", number(s, "bound"));
    cell(out, "%.1e", number(s, "residual"));
    cell(out, "%.3g", number(s, "products"));
    cell(out, "%.2f", number(s, "failure_rate"));
    cell(out, "%.3g", number(s, "quality_per_ms"));
    cell(out, "%.2f", own ? number(c, "regret") : NAN);
    cell(out, "%.2f", own ? number(c, "over_eigen") : NAN);
    fputc('\n', out);
}

void root_report_cells(FILE *out, const json_t *cells)
{
    size_t i, j;
    const json_t *c, *s;
    fputs("Least milliseconds of all trials, total and of both stages; errors against the root of the matrix given, median and ninetieth percentile; "
          "products of n x n matrices (2 n^3 flops);\nfailures: refused, or error above 1e-8 (f64), 1e-4 (f32). Regret: auto over the best route. "
          "Over eigen: LAPACK's syevd and two gemm, the better of one and all threads, over auto.\n"
          "\"four fixed steps\" solves another problem, a matrix that is shifted and rescaled first; its error is that against the true root.\n\n"
          "| cell | side | ms | prepare | apply | error | p90 | bound | residual | products | failures | -log10(error)/ms | regret | "
          "over eigen |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n", out);
    json_array_foreach((json_t *)cells, i, c)
        json_array_foreach(json_object_get(c, "sides"), j, s) row(out, c, s);
}

void root_report_ab(FILE *out, const json_t *cells)
{
    size_t i;
    const json_t *c;
    int faster = 0, better = 0, count = 0;
    fputs("| cell | a ms | b ms | b / a | a error | b error | a route | b route | a failures | b failures |\n"
          "|---|---|---|---|---|---|---|---|---|---|\n", out);
    json_array_foreach((json_t *)cells, i, c) {
        const json_t *a = json_array_get(json_object_get(c, "sides"), 0), *b = json_array_get(json_object_get(c, "sides"), 1);
        const double ratio = number(b, "total_ms") / number(a, "total_ms");
        faster += ratio < 1;
        better += number(b, "error") <= number(a, "error");
        count++;
        fprintf(out, "| %s | ", text(c, "cell"));
        cell(out, "%.4g", number(a, "total_ms"));
        cell(out, "%.4g", number(b, "total_ms"));
        cell(out, "%.3f", ratio);
        cell(out, "%.1e", number(a, "error"));
        cell(out, "%.1e", number(b, "error"));
        fprintf(out, "%s | %s | ", text(a, "route"), text(b, "route"));
        cell(out, "%.2f", number(a, "failure_rate"));
        cell(out, "%.2f", number(b, "failure_rate"));
        fputc('\n', out);
    }
    fprintf(out, "\nb is faster in %d of %d cells, and its error no larger in %d\n", faster, count, better);
}

static const json_t *side(const json_t *c, const char *name)
{
    size_t i;
    const json_t *s;
    json_array_foreach(json_object_get(c, "sides"), i, s)
        if (!strcmp(text(s, "side"), name))
            return s;
    return NULL;
}

typedef struct tally {
    double worst;
    int count, met;
    char cell[96];
} tally;

/* Keeps the worst of many figures; `above`: a larger one is better. */
static void keep(tally *t, double x, double asked, bool above, const char *name)
{
    if (!isfinite(x))
        return;
    const bool worse = t->count == 0 || (above ? x < t->worst : x > t->worst);
    t->count++;
    t->met += above ? x >= asked : x <= asked;
    if (worse) {
        t->worst = x;
        snprintf(t->cell, sizeof t->cell, "%s", name);
    }
}

static void line(FILE *out, const char *what, const char *asked, const tally *t)
{
    if (t->count > 0)
        fprintf(out, "| %s | %s | %.3g (%s) | %d of %d |\n", what, asked, t->worst, t->cell, t->met, t->count);
    else
        fprintf(out, "| %s | %s | not in this run | |\n", what, asked);
}

void root_report_figures(FILE *out, const json_t *cells, const json_t *batches)
{
    tally regret = {0}, few = {0}, all = {0}, products = {0}, batch = {0}, silent = {0};
    size_t i, j;
    const json_t *c, *s;
    json_array_foreach((json_t *)cells, i, c) {
        const char *name = text(c, "cell");
        const double p = number(c, "p"), n = number(c, "n"), k = number(c, "k"), condition = number(c, "condition");
        const bool asked = !strcmp(text(c, "dtype"), "f64") && number(c, "kind") == 0 && p > 1 && condition == 1e6;
        double quiet = 0;
        json_array_foreach(json_object_get(c, "sides"), j, s) quiet += number(s, "silent");
        keep(&silent, quiet, 0, false, name);
        keep(&regret, number(c, "regret"), 1.1, false, name);
        if (asked && number(side(c, "auto"), "error") <= 1e-8) {
            if (k <= n / 16)
                keep(&few, number(c, "over_eigen"), 4, true, name);
            if (k == n)
                keep(&all, number(c, "over_eigen"), 1.3, true, name);
        }
        if (asked && side(c, "coupled") && side(c, "coupled Newton"))
            keep(&products, number(side(c, "coupled"), "products") / number(side(c, "coupled Newton"), "products"), 0.45, false, name);
    }
    json_array_foreach((json_t *)batches, i, c) {
        char name[64];
        snprintf(name, sizeof name, "200 of 64 x 64 f32 p=4 cond=%.0e", number(c, "condition"));
        keep(&batch, number(c, "peer_ms") / number(c, "auto_ms"), 8, true, name);
    }
    fputs("\n| figure | asked | measured, the worst | cells that meet it |\n|---|---|---|---|\n", out);
    line(out, "auto over the best route", "<= 1.1", &regret);
    line(out, "LAPACK eigen over auto, k <= n/16, p = 2, 4, cond 1e6, error <= 1e-8", ">= 4", &few);
    line(out, "LAPACK eigen over auto, k = n, the same", ">= 1.3", &all);
    line(out, "products of coupled over coupled Newton, cond 1e6", "<= 0.45", &products);
    line(out, "loop of eigen over a batch", ">= 8", &batch);
    line(out, "silent failures in a cell", "0", &silent);
    json_array_foreach((json_t *)batches, i, c)
        fprintf(out, "\nbatch, cond %.0e: auto (%s) %.3g ms, eigen %.3g, coupled %.3g, band %.3g, loop of ssyevd and sgemm %.3g; error %.1e against %.1e\n",
                number(c, "condition"), text(c, "route"), number(c, "auto_ms"), number(c, "eigen_ms"), number(c, "coupled_ms"),
                number(c, "band_ms"), number(c, "peer_ms"), number(c, "error"), number(c, "peer_error"));
}
