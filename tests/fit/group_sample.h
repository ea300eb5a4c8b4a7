/* SPDX-License-Identifier: Apache-2.0 */
/* A table of groups of several kinds, fits of them, and their cross-products from dense rows. */
#ifndef TEST_GROUP_SAMPLE_H
#define TEST_GROUP_SAMPLE_H

#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fit/group.h"
#include "support/designs.h"
#include "table/table.h"

#define GROUPS 21
#define ROWS 12345

static const char *level[GROUPS];
static char level_text[GROUPS][8];

typedef struct sample {
    double x[ROWS], z[ROWS], y[ROWS], w[ROWS];
    int32_t g[ROWS], f[ROWS];
} sample;

enum { TINY = 4, CONSTANT = 9, ONE_LEVEL = 11, LARGE = 13, EMPTY = 17 };

/* Rows of a group lie anywhere but for those of LARGE, which follow one another; one group has 2 rows, one a constant response, one
 * a single level of f, one no rows that count. */
static sample *make_sample(void)
{
    static const char *const names = "abcdefghijklmnopqrstu";
    sample *s = malloc(sizeof *s);
    assert_non_null(s);
    w_rng rng;
    w_rng_seed(&rng, 91);
    int tiny = 0;
    for (int i = 0; i < GROUPS; i++) {
        snprintf(level_text[i], sizeof level_text[i], "%c%d", names[i], i);
        level[i] = level_text[i];
    }
    for (int i = 0; i < ROWS; i++) {
        s->x[i] = w_rng_uniform(&rng);
        s->z[i] = w_rng_normal(&rng);
        s->w[i] = 0.5 + w_rng_uniform(&rng);
        s->f[i] = (int32_t)w_rng_below(&rng, 3);
        s->g[i] = i > 5000 && i < 9000 ? LARGE : (int32_t)w_rng_below(&rng, GROUPS);
        if (s->g[i] == TINY && tiny++ >= 2) {
            s->g[i] = 0;
        }
        s->f[i] = s->g[i] == ONE_LEVEL ? 1 : s->f[i];
        s->w[i] = s->g[i] == EMPTY ? 0.0 : s->w[i];
        s->y[i] = s->g[i] == CONSTANT ? 2.5 : 1e3 + s->g[i] + sin(5 * s->x[i] + 0.1 * s->g[i]) + 0.3 * s->z[i] + 0.2 * s->f[i] + 0.4 * w_rng_normal(&rng);
    }
    return s;
}

static weir_table *open_rows(weir_ctx *ctx, const sample *s, int64_t rows)
{
    static const char *const f_level[] = { "u", "v", "w" };
    const weir_column column[] = {
        { .name = "x", .dtype = WEIR_F64, .data = s->x }, { .name = "z", .dtype = WEIR_F64, .data = s->z },
        { .name = "y", .dtype = WEIR_F64, .data = s->y }, { .name = "w", .dtype = WEIR_F64, .data = s->w },
        { .name = "id", .dtype = WEIR_I32, .data = s->g, .level_count = GROUPS, .levels = level },
        { .name = "f", .dtype = WEIR_I32, .data = s->f, .level_count = 3, .levels = f_level },
    };
    weir_table *table = NULL;
    assert_int_equal(w_table_from_columns(ctx, rows, 6, column, &table), WEIR_OK);
    return table;
}

static weir_table *open_table(weir_ctx *ctx, const sample *s) { return open_rows(ctx, s, ROWS); }

static const weir_groups_options by_id = { WEIR_GROUPS_OPTIONS_VERSION, "id", 0, 0 },
                                 by_id_each = { WEIR_GROUPS_OPTIONS_VERSION, "id", 1, 0 };

static weir_groups *fit(weir_ctx *ctx, const sample *s, const char *formula, const weir_fit_options *options, bool each)
{
    weir_table *table = open_table(ctx, s);
    weir_groups *groups = NULL;
    weir_status status = w_fit_groups(ctx, table, formula, options, each ? &by_id_each : &by_id, &groups);
    if (status < 0) {
        fail_msg("%s: %s", formula, weir_ctx_message(ctx));
    }
    w_table_free(table);
    return groups;
}

/* Cross-products of every group from dense rows; of generalised models those of the working model at the groups' coefficients. */
typedef struct sums {
    double *block;          /* GROUPS, each in lane 0 */
    w_group_stats stats[GROUPS];
    double deviance[GROUPS];
} sums;

static void add_row(const weir_groups *groups, const sample *s, const w_tile *tile, int64_t row, int64_t i, double *x, sums *out)
{
    const w_design *design = groups->design;
    const int64_t p = design->p, group = s->g[row];
    double w = tile->weight[i], dev = 0;
    if (w == 0) {
        return;
    }
    w_tile_dense_row(design, tile, i, x);
    x[p] = tile->block[0].value[(i + 1) * design->block[0].width - 1];
    if (groups->generalised) {
        double eta = tile->offset[i], mu, z;
        const double *beta = groups->beta + tile->series[i] * p;
        for (int64_t j = 0; j < p; j++) {
            eta += x[j] * beta[j];
        }
        const w_glm_rows one = { .rows = 1, .eta = &eta, .y = &tile->response[i], .prior = &tile->weight[i], .mu = &mu, .w = &w, .z = &z,
                                 .dev = &dev };
        w_glm_total total;
        w_family_rows(&groups->glm, &one, &total);
        x[p] = z - tile->offset[i];
    }
    double *block = out->block + group * w_group_block_doubles(p);
    for (int64_t b = 0; b <= p; b++) {
        for (int64_t a = 0; a <= b; a++) {
            block[(w_packed(b) + a) * W_BATCH] += w * x[a] * x[b];
        }
    }
    out->stats[group].n++;
    out->stats[group].weight += w;
    out->stats[group].weight_z += w * x[p];
    out->stats[group].log_weight += log(w);
    out->deviance[group] += dev;
}

static sums *sum_groups(weir_ctx *ctx, const weir_groups *groups, const sample *s)
{
    weir_table *table = open_table(ctx, s);
    w_binding *binding = NULL;
    w_tile *tile = NULL;
    w_scan_options scan = { .window_bytes = 1 << 20 };
    const w_design *design = groups->design;
    const int64_t p = design->p;
    sums *out = calloc(1, sizeof *out);
    double *x = malloc((size_t)(p + 1) * sizeof *x);
    out->block = calloc((size_t)(GROUPS * w_group_block_doubles(p)), sizeof *out->block);
    assert_int_equal(w_design_bind(design, table, false, true, &binding), WEIR_OK);
    assert_int_equal(w_source_scan(table, &scan, NULL, NULL), WEIR_OK);
    assert_int_equal(w_binding_ready(binding), WEIR_OK);
    assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    for (;;) {
        w_window window;
        assert_int_equal(w_source_next(table, &window), WEIR_OK);
        if (window.rows == 0) {
            break;
        }
        for (int64_t start = 0; start < window.rows; start += W_TILE_ROWS) {
            const int64_t rows = window.rows - start < W_TILE_ROWS ? window.rows - start : W_TILE_ROWS;
            assert_int_equal(w_tile_eval(design, &window, start, rows, w_binding_request(binding), tile), WEIR_OK);
            for (int64_t i = 0; i < rows; i++) {
                add_row(groups, s, tile, window.first_row + start + i, i, x, out);
            }
        }
    }
    w_tile_free(ctx, tile);
    w_binding_free(binding);
    w_table_free(table);
    free(x);
    return out;
}

static void sums_free(sums *all)
{
    free(all->block);
    free(all);
}

static w_gram *gram_of(weir_ctx *ctx, const w_design *design, const sums *all, int64_t group)
{
    w_gram *gram = NULL;
    assert_int_equal(w_group_gram(ctx, design->p, all->block + group * w_group_block_doubles(design->p), 0, &all->stats[group], &gram), WEIR_OK);
    return gram;
}

static inline void assert_near(double a, double b, double scale)
{
    if (!(fabs(a - b) <= 1e-10 * scale)) {
        fail_msg("%.17g is not %.17g (of %g)", a, b, scale);
    }
}

static inline void assert_same(const weir_groups *a, const weir_groups *b)
{
    assert_int_equal(a->groups, b->groups);
    const size_t g = (size_t)a->groups, p = (size_t)a->p;
    assert_memory_equal(a->beta, b->beta, g * p * sizeof(double));
    assert_memory_equal(a->se, b->se, g * p * sizeof(double));
    assert_memory_equal(a->edf, b->edf, g * sizeof(double));
    assert_memory_equal(a->value, b->value, g * sizeof(double));
    assert_memory_equal(a->state, b->state, g * sizeof(int64_t));
    assert_memory_equal(a->rho, b->rho, (size_t)a->sp_count * sizeof(double) * (a->each ? g : 1));
}

#endif
