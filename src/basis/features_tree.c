/* SPDX-License-Identifier: Apache-2.0 */
/* Random trees (random binning). Oblivious: `depth` splits, one covariate and one threshold per level, leaf = sum of
 * bit_l 2^l, 2^depth leaves. With max_leaves: a histogram of one covariate, max_leaves - 1 ascending thresholds, equispaced (or
 * quantiles) for one tree, random for several.
 *
 * split_strategy uniform: thresholds uniform on [-1, 1]; quantile: values of random rows.
 *
 * A smooth of B trees has B x leaves columns of zeros and ones, B ones per row, in B blocks of one cell per leaf. They are
 * penalised by  sum_leaves d_leaf beta^2, d = ((C + 1)/mean C)^(-sp_alpha), C the leaf's set-up rows, in the form of columns
 * divided by sqrt(d) with penalty I. A leaf without set-up rows has no column: its coefficient would be 0. The factor
 * 1/sqrt(B) of every column is left to the smoothing parameter. Every coefficient is penalised, so that nothing is centred,
 * as for a random effect. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/size.h"
#include "base/sort.h"
#include "basis/features.h"

#define SEARCH_ROWS 8

int64_t w_features_leaf(const w_features *f, int64_t tree, const double *u)
{
    const int64_t splits = f->count[1];
    const double *split = f->parameter + 2 * tree * splits;
    if (f->form & 1) { /* thresholds ascend: how many lie below u */
        int64_t low = 0, high = splits;
        double at = u[(int)split[0]];
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (at > split[2 * middle + 1])
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
    int64_t leaf = 0;
    for (int64_t l = 0; l < splits; l++)
        leaf |= (int64_t)(u[(int)split[2 * l]] > split[2 * l + 1]) << l;
    return leaf;
}

/* Thresholds below u of SEARCH_ROWS rows side by side, so that their loads overlap: halving without branches. */
static void search_rows(const double *split, int64_t splits, const double *u, int32_t *leaf)
{
    int64_t low[SEARCH_ROWS] = {0};
    for (int64_t left = splits, half; left > 0; left -= half) {
        half = (left + 1) / 2;
        for (int r = 0; r < SEARCH_ROWS; r++)
            low[r] += split[2 * (low[r] + half - 1) + 1] < u[r] ? half : 0;
    }
    for (int r = 0; r < SEARCH_ROWS; r++)
        leaf[r] = (int32_t)low[r];
}

static void histogram_leaves(const w_features *f, int64_t tree, const double *const *x, int64_t rows, int32_t *leaf)
{
    const int64_t splits = f->count[1];
    const double *split = f->parameter + 2 * tree * splits;
    const int c = (int)split[0];
    for (int64_t start = 0; start < rows; start += SEARCH_ROWS) {
        const int64_t run = w_min64(SEARCH_ROWS, rows - start);
        double u[SEARCH_ROWS] = {0};
        int32_t found[SEARCH_ROWS];
        for (int64_t i = 0; i < run; i++)
            u[i] = w_feature_scaled(f, c, x[c][start + i]);
        search_rows(split, splits, u, found);
        memcpy(leaf + start, found, (size_t)run * sizeof *leaf);
    }
}

void w_features_leaves(const w_features *f, int64_t tree, const double *const *x, int64_t rows, int32_t *leaf)
{
    if (f->form & 1 && f->count[1] > 0) {
        histogram_leaves(f, tree, x, rows, leaf);
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        double u[W_MAX_MARGINS] = {0};
        for (int c = 0; c < f->covariates; c++)
            u[c] = w_feature_scaled(f, c, x[c][i]);
        leaf[i] = (int32_t)w_features_leaf(f, tree, u);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct gardener {
    w_features *f;
    const w_smooth_data *data;
    int first;
    bool quantile;
    double *sorted; /* of the covariate of a histogram; quantile only */
    w_rng rng;
} gardener;

static double draw_threshold(gardener *g, int c)
{
    if (!g->quantile)
        return 2 * w_rng_uniform(&g->rng) - 1;
    return w_feature_scaled(g->f, c, g->data->x[g->first + c][w_rng_below(&g->rng, g->data->rows)]);
}

static void even_thresholds(gardener *g, int c, int64_t splits, double *threshold)
{
    int64_t rows = g->data->rows;
    if (g->quantile) {
        memcpy(g->sorted, g->data->x[g->first + c], (size_t)rows * sizeof *g->sorted);
        qsort(g->sorted, (size_t)rows, sizeof *g->sorted, ascending);
    }
    for (int64_t l = 0; l < splits; l++) {
        double p = (double)(l + 1) / (double)(splits + 1);
        int64_t at = w_min64((int64_t)(p * (double)rows), rows - 1);
        threshold[l] = g->quantile ? w_feature_scaled(g->f, c, g->sorted[at]) : 2 * p - 1;
    }
}

static void plant(gardener *g, int64_t tree, double *threshold)
{
    w_features *f = g->f;
    const int64_t splits = f->count[1];
    double *split = f->parameter + 2 * tree * splits;
    bool histogram = f->form & 1;
    int chosen = (int)w_rng_below(&g->rng, f->covariates);
    if (histogram && f->count[0] == 1)
        even_thresholds(g, chosen, splits, threshold);
    for (int64_t l = 0; l < splits; l++) {
        int c = histogram || l == 0 ? chosen : (int)w_rng_below(&g->rng, f->covariates);
        split[2 * l] = c;
        split[2 * l + 1] = histogram && f->count[0] == 1 ? threshold[l] : draw_threshold(g, c);
    }
    if (histogram && f->count[0] > 1) {
        for (int64_t l = 0; l < splits; l++)
            threshold[l] = split[2 * l + 1];
        qsort(threshold, (size_t)splits, sizeof *threshold, ascending);
        for (int64_t l = 0; l < splits; l++)
            split[2 * l + 1] = threshold[l];
    }
}

int64_t w_features_number_leaves(w_features *f)
{
    int64_t columns = 0;
    for (int64_t l = 0; l < f->leaf_count; l++)
        f->leaf_column[l] = f->leaf_weight[l] != 0 ? (int32_t)columns++ : -1;
    return columns;
}

/* 1/sqrt(d) per leaf that has rows. */
static weir_status weigh_leaves(w_arena *arena, w_arena *work, const w_margin_spec *spec, const w_smooth_data *data,
                                w_features *f)
{
    double alpha = w_feature_value(spec, W_OPTION_SP_ALPHA);
    int64_t leaves = w_mul64(f->count[0], f->count[2]), rows = data->rows;
    f->leaf_weight = w_arena_calloc(arena, (size_t)leaves, sizeof *f->leaf_weight);
    f->leaf_column = w_arena_calloc(arena, (size_t)leaves, sizeof *f->leaf_column);
    int32_t *leaf = w_arena_alloc(work, (size_t)rows, sizeof *leaf);
    if (!f->leaf_weight || !f->leaf_column || !leaf)
        return w_alloc_status(arena->ctx);
    const double mean = (double)rows / (double)f->count[2];
    for (int64_t t = 0; t < f->count[0]; t++) {
        double *weight = f->leaf_weight + t * f->count[2];
        w_features_leaves(f, t, data->x, rows, leaf);
        for (int64_t i = 0; i < rows; i++)
            weight[leaf[i]]++;
        for (int64_t l = 0; l < f->count[2]; l++)
            weight[l] = weight[l] > 0 ? pow((weight[l] + 1) / mean, 0.5 * alpha) : 0;
    }
    f->leaf_count = leaves;
    return WEIR_OK;
}

/* lower, upper, covariates of `f` are set; parameter has its room. */
weir_status w_features_plant(w_arena *arena, w_arena *work, const w_margin_spec *spec, const w_smooth_data *data, int first,
                             w_features *f)
{
    int64_t most = (int64_t)w_feature_value(spec, W_OPTION_MAX_LEAVES);
    int64_t depth = (int64_t)w_feature_value(spec, W_OPTION_MAX_DEPTH);
    f->count[0] = spec->basis == W_BASIS_TREE ? (int64_t)w_feature_value(spec, W_OPTION_N_TREES) : 1;
    f->count[1] = most > 0 ? most - 1 : depth;
    f->count[2] = most > 0 ? most : (int64_t)1 << depth;
    f->form = most > 0;
    gardener g = {.f = f, .data = data, .first = first, .quantile = w_feature_value(spec, W_OPTION_SPLIT) == 1};
    w_rng_seed(&g.rng, (uint64_t)w_feature_value(spec, W_OPTION_SEED));
    double *threshold = w_arena_alloc(work, (size_t)f->count[1], sizeof *threshold);
    g.sorted = g.quantile ? w_arena_alloc(work, (size_t)data->rows, sizeof *g.sorted) : NULL;
    if (!threshold || (g.quantile && !g.sorted))
        return w_alloc_status(work->ctx);
    for (int64_t t = 0; t < f->count[0]; t++)
        plant(&g, t, threshold);
    return spec->basis == W_BASIS_TREE ? weigh_leaves(arena, work, spec, data, f) : WEIR_OK;
}

weir_status w_smooth_trees(w_arena *arena, w_arena *work, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *smooth)
{
    weir_status status =
        w_margin_features(arena, work, spec->label, &spec->margin[0], data, 0, &smooth->margin[0], &smooth->note);
    if (status)
        return status;
    const w_margin *margin = &smooth->margin[0];
    smooth->raw_columns = smooth->columns = margin->k;
    smooth->null_dimension = spec->fixed ? margin->k : 0;
    smooth->logdet_form = spec->fixed ? W_LOGDET_NONE : W_LOGDET_SEPARATE;
    if (!spec->fixed)
        smooth->penalty[smooth->penalty_count++] = (w_penalty){.rank = margin->k, .scale = 1};
    return WEIR_OK;
}

bool w_smooth_is_trees(const w_smooth *smooth)
{
    return smooth && smooth->margin_count == 1 && smooth->margin[0].kind == W_BASIS_TREE;
}

int64_t w_trees_count(const w_smooth *smooth, int64_t *leaves)
{
    *leaves = smooth->margin[0].features->count[2];
    return smooth->margin[0].features->count[0];
}

const double *w_trees_weight(const w_smooth *smooth, int64_t tree)
{
    return smooth->margin[0].features->leaf_weight + tree * smooth->margin[0].features->count[2];
}

const int32_t *w_trees_column(const w_smooth *smooth, int64_t tree)
{
    const w_features *f = smooth->margin[0].features;
    return f->leaf_column ? f->leaf_column + tree * f->count[2] : NULL;
}

static int64_t distinct(int64_t count, double *sorted)
{
    int64_t kept = 0;
    for (int64_t l = 0; l < count; l++)
        if (l == 0 || sorted[l] != sorted[kept - 1])
            sorted[kept++] = sorted[l];
    return kept;
}

/* Leaf of the points just above `low`, or of those below all thresholds. */
static int32_t leaf_above(const w_features *f, const double *split, double low)
{
    int32_t leaf = 0;
    for (int64_t l = 0; l < f->count[1]; l++)
        if (split[2 * l + 1] <= low)
            leaf += f->form & 1 ? 1 : (int32_t)1 << l;
    return leaf;
}

int64_t w_trees_intervals(const w_smooth *smooth, int64_t tree, int *covariate, double *threshold, int32_t *leaf)
{
    const w_features *f = smooth->margin[0].features;
    const int64_t splits = f->count[1];
    if (!f->parameter || splits == 0)
        return 0;
    const double *split = f->parameter + 2 * tree * splits;
    *covariate = (int)split[0];
    if ((f->form & 1) && !threshold) /* for the sake of shapes: repeated thresholds count */
        return splits + 1;
    bool ascends = true;
    int64_t different = 1;
    for (int64_t l = 1; l < splits; l++) {
        if (split[2 * l] != split[0])
            return 0;
        ascends = ascends && split[2 * l + 1] >= split[2 * l - 1];
        different += split[2 * l + 1] != split[2 * l - 1];
    }
    if (!threshold)
        return different + 1;
    for (int64_t l = 0; l < splits; l++)
        threshold[l] = split[2 * l + 1];
    if (!ascends)
        w_sort_doubles(splits, threshold);
    const int64_t count = distinct(splits, threshold);
    if (f->form & 1) { /* as many below as come before it */
        for (int64_t i = 0, below = 0; i <= count; i++) {
            leaf[i] = (int32_t)below;
            while (i < count && below < splits && split[2 * below + 1] <= threshold[i])
                below++;
        }
        return count + 1;
    }
    for (int64_t i = 0; i <= count; i++)
        leaf[i] = leaf_above(f, split, i == 0 ? -HUGE_VAL : threshold[i - 1]);
    return count + 1;
}

void w_trees_leaves(const w_smooth *smooth, int64_t tree, const double *const *x, int64_t rows, int32_t *leaf)
{
    w_features_leaves(smooth->margin[0].features, tree, x, rows, leaf);
}
