/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/check.h"

#include <math.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "base/sort.h"

#define NEAREST 3
#define FEWEST 10 /* rows */

typedef struct checking {
    const weir_model *model;
    const w_diagnostics *result;
    const double *const *column;
    w_rng rng;
    int64_t *row;      /* rows of the sample that count for this smooth */
    int64_t rows;
    double *residual;  /* rows: of them */
    int64_t *pair;     /* NEAREST per row: neighbours, as places among the rows */
    int64_t pairs;     /* per row; 1 for the order along one covariate, whose last row has none */
    w_keyed *keyed;
    double *value[W_MAX_MARGINS + 1]; /* sample each: covariates; the by variable */
    weir_status status;
} checking;

/* Values of a variable at the sampled rows; false: they are not known. */
static bool find_values(checking *c, const char *label, double *out)
{
    weir_status status = w_design_variable(c->model->design, label, c->column, c->result->sample, out);
    c->status = status < 0 ? status : c->status;
    return status == WEIR_OK;
}

/* Rows where the by variable is at work. False: it is not known. */
static bool choose_rows(checking *c, const w_term *term)
{
    double *by = c->value[W_MAX_MARGINS];
    if (term->by && !find_values(c, term->by, by)) {
        return false;
    }
    c->rows = 0;
    for (int64_t i = 0; i < c->result->sample; i++) {
        if (!term->by || (term->level >= 0 ? by[i] == (double)term->level : by[i] != 0.0)) {
            c->row[c->rows++] = i;
        }
    }
    return c->rows >= FEWEST;
}

static void shuffle(checking *c, int64_t count, double *values)
{
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = w_rng_below(&c->rng, i + 1);
        double swap = values[i];
        values[i] = values[j];
        values[j] = swap;
    }
}

/* Neighbours along one covariate: pair[i] follows i, within its level where there is one curve per level. */
static void order_rows(checking *c, const double *x, const double *level)
{
    for (int64_t i = 0; i < c->rows; i++) { /* sorted from a random order, ties stay in one */
        int64_t j = w_rng_below(&c->rng, i + 1);
        c->pair[i] = i;
        c->pair[i] = c->pair[j];
        c->pair[j] = i;
    }
    for (int64_t i = 0; i < c->rows; i++) {
        c->keyed[i] = (w_keyed){ x[c->row[c->pair[i]]], i };
    }
    w_sort_keyed(c->rows, c->keyed);
    for (int64_t i = 0; i < c->rows; i++) {
        c->keyed[i].place = c->pair[c->keyed[i].place];
    }
    for (int64_t i = 0; i < c->rows; i++) {
        int64_t place = c->keyed[i].place, next = i + 1;
        while (level && next < c->rows && level[c->row[c->keyed[next].place]] != level[c->row[place]]) {
            next++;
        }
        c->pair[place] = next < c->rows ? c->keyed[next].place : -1;
    }
    c->pairs = 1;
}

static double inverse_variance(const checking *c, const double *x)
{
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < c->rows; i++) {
        mean += x[c->row[i]];
    }
    mean /= (double)c->rows;
    for (int64_t i = 0; i < c->rows; i++) {
        double about = x[c->row[i]] - mean;
        sum += about * about;
    }
    return sum > 0 ? (double)c->rows / sum : 0.0;
}

static void find_nearest(checking *c, int dimension, const double *const *x, const double *unit)
{
    c->pairs = NEAREST;
    for (int64_t i = 0; i < c->rows; i++) {
        double best[NEAREST] = { INFINITY, INFINITY, INFINITY };
        int64_t *pair = c->pair + i * NEAREST;
        for (int64_t j = 0; j < c->rows; j++) {
            double distance = 0;
            for (int v = 0; v < dimension; v++) {
                double apart = x[v][c->row[i]] - x[v][c->row[j]];
                distance += apart * apart * unit[v];
            }
            if (j == i || !(distance < best[NEAREST - 1])) {
                continue;
            }
            int at = NEAREST - 1;
            for (; at > 0 && distance < best[at - 1]; at--) {
                best[at] = best[at - 1];
                pair[at] = pair[at - 1];
            }
            best[at] = distance;
            pair[at] = j;
        }
    }
}

static bool find_neighbours(checking *c, const w_term *term)
{
    const w_smooth *smooth = term->smooth;
    bool one = smooth->margin_count == 1 && smooth->margin[0].covariates <= 1, levels = one && term->variable_count == 2;
    double unit[W_MAX_MARGINS];
    for (int v = 0; v < term->variable_count; v++) {
        if (v >= W_MAX_MARGINS || !find_values(c, term->variable[v], c->value[v])) {
            return false;
        }
        unit[v] = smooth->margin_count > 1 ? inverse_variance(c, c->value[v]) : 1.0;
    }
    if (term->variable_count == 1 || levels) {
        order_rows(c, c->value[0], levels ? c->value[1] : NULL);
    } else {
        find_nearest(c, term->variable_count, (const double *const *)c->value, unit);
    }
    return true;
}

static double neighbour_variance(const checking *c)
{
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < c->rows * c->pairs; i++) {
        if (c->pair[i] >= 0) {
            double apart = c->residual[i / c->pairs] - c->residual[c->pair[i]];
            sum += apart * apart;
            count++;
        }
    }
    return count > 0 ? sum / (2.0 * (double)count) : 0.0;
}

static void check_one(checking *c, const w_term *term, weir_smooth_check *out)
{
    out->k_index = out->p_value = NAN;
    if (term->kind != W_TERM_SMOOTH || !choose_rows(c, term) || !find_neighbours(c, term)) {
        return;
    }
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < c->rows; i++) {
        c->residual[i] = c->result->residual[c->row[i]];
        mean += c->residual[i] / (double)c->rows;
    }
    for (int64_t i = 0; i < c->rows; i++) {
        variance += (c->residual[i] - mean) * (c->residual[i] - mean) / (double)(c->rows - 1);
    }
    if (!(variance > 0)) {
        return;
    }
    double observed = neighbour_variance(c);
    int as_small = 1;
    for (int k = 0; k < W_CHECK_PERMUTATIONS; k++) {
        shuffle(c, c->rows, c->residual);
        as_small += neighbour_variance(c) <= observed;
    }
    out->k_index = observed / variance;
    out->p_value = (double)as_small / (W_CHECK_PERMUTATIONS + 1);
}

static void check_all(checking *c, weir_smooth_check *check)
{
    const w_design *design = c->model->design;
    for (int t = 0; t < design->term_count && c->status >= 0; t++) {
        const w_term *term = &design->term[t];
        if (!term->smooth) { /* random effects: levels have no neighbours */
            continue;
        }
        check->label = term->label;
        check->k = term->columns;
        check->edf = 0;
        for (int64_t i = 0; i < term->columns; i++) {
            check->edf += c->model->edf[term->first + i];
        }
        w_rng_seed(&c->rng, c->model->ctx->seed + 2); /* of each: what stands beside a smooth does not matter */
        check_one(c, term, check++);
    }
}

weir_status w_check_smooths(weir_ctx *ctx, weir_model *model, const double *const *column, w_diagnostics *result)
{
    checking c = { .model = model, .result = result, .column = column };
    const w_design *design = model->design;
    size_t sample = (size_t)result->sample;
    int64_t count = 0;
    for (int t = 0; t < design->term_count; t++) {
        count += design->term[t].smooth != NULL;
    }
    result->check = w_arena_calloc(&model->arena, (size_t)count + 1, sizeof *result->check);
    c.row = w_alloc_array(ctx, "basis check", sample, sizeof *c.row);
    c.residual = w_alloc_array(ctx, "basis check", sample, sizeof *c.residual);
    c.pair = w_alloc_array(ctx, "basis check", NEAREST * sample, sizeof *c.pair);
    c.keyed = w_alloc_array(ctx, "basis check", sample, sizeof *c.keyed);
    c.value[0] = w_alloc_array(ctx, "basis check", sample, (W_MAX_MARGINS + 1) * sizeof *c.value[0]);
    weir_status status = result->check && c.row && c.residual && c.pair && c.keyed && c.value[0] ? WEIR_OK : w_alloc_status(ctx);
    for (int v = 1; v <= W_MAX_MARGINS && c.value[0]; v++) {
        c.value[v] = c.value[v - 1] + sample;
    }
    if (status >= 0) {
        check_all(&c, result->check);
        result->check_count = count;
        status = c.status;
    }
    w_free(ctx, c.value[0]);
    w_free(ctx, c.row);
    w_free(ctx, c.residual);
    w_free(ctx, c.pair);
    w_free(ctx, c.keyed);
    return status;
}
