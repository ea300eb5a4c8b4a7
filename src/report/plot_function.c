/* SPDX-License-Identifier: Apache-2.0 */
/* A parametric function of one numeric column, log(x) or poly(x,2): what the model predicts for this term over the column's
 * range, by the same code that predicts rows, with every other column at its typical value. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fit/predict.h"
#include "report/figure.h"
#include "table/table.h"

typedef struct collected {
    int term, terms;
    double *fit, *se;
} collected;

static int collect(void *user, int64_t first_row, int64_t rows, const double *values)
{
    const collected *c = user;
    memcpy(c->fit + first_row, values + c->term * rows, (size_t)rows * sizeof(double));
    memcpy(c->se + first_row, values + (c->terms + c->term) * rows, (size_t)rows * sizeof(double));
    return 0;
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || (unsigned char)c >= 0x80;
}

/* Is the name a whole word of the label? */
static bool mentions(const char *label, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strstr(label, name); at && length > 0; at = strstr(at + 1, name)) {
        if ((at == label || !in_name(at[-1])) && !in_name(at[length])) {
            return true;
        }
    }
    return false;
}

/* The one column that the term is a function of, -1 when it is none, of several or of a factor. */
static int only_column(const w_design *design, const w_term *term)
{
    int found = -1;
    for (int c = 0; c < design->column_count; c++) {
        if (!mentions(term->label, design->column[c])) {
            continue;
        }
        if (found >= 0 || design->column_kind[c] != W_NUMERIC || !(design->column_lower[c] < design->column_upper[c])) {
            return -1;
        }
        found = c;
    }
    return found;
}

/* A table of the design's columns at typical values, but `column` running over its range; arrays in the arena. */
static weir_status grid_table(w_arena *arena, const w_design *design, int column, int64_t rows, double *x, weir_table **out)
{
    size_t count = (size_t)design->column_count;
    weir_column *list = w_arena_calloc(arena, count, sizeof *list);
    double *number = w_arena_alloc(arena, count * (size_t)rows, sizeof *number);
    int32_t *code = w_arena_alloc(arena, count * (size_t)rows, sizeof *code);
    if (!list || !number || !code) {
        return w_alloc_status(arena->ctx);
    }
    for (int c = 0; c < design->column_count; c++) {
        bool factor = design->column_kind[c] == W_FACTOR;
        double typical = isfinite(design->column_typical[c]) ? design->column_typical[c] : 0.0;
        for (int64_t i = 0; i < rows; i++) {
            double share = (double)i / (double)(rows - 1);
            number[c * rows + i] = c != column ? typical
                : i == rows - 1 ? design->column_upper[c]
                : design->column_lower[c] + share * (design->column_upper[c] - design->column_lower[c]);
            code[c * rows + i] = factor && typical >= 0 && typical < (double)design->level_count[c] ? (int32_t)typical : 0;
        }
        list[c] = (weir_column){ .name = design->column[c], .dtype = factor ? WEIR_I32 : WEIR_F64,
                                 .data = factor ? (const void *)(code + c * rows) : (const void *)(number + c * rows),
                                 .level_count = factor ? design->level_count[c] : 0,
                                 .levels = factor ? design->level[c] : NULL };
    }
    memcpy(x, number + column * rows, (size_t)rows * sizeof *x);
    return w_table_from_columns(arena->ctx, rows, design->column_count, list, out);
}

void w_figure_function(w_writer *w, const weir_model *model, int number)
{
    const w_design *design = model->design;
    const w_term *term = &design->term[number];
    int column = only_column(design, term);
    if (column < 0) {
        return;
    }
    w_arena arena;
    weir_table *table = NULL;
    w_arena_init(&arena, w->ctx, "report");
    double *block = w_arena_alloc(&arena, 3 * W_EFFECT_POINTS, sizeof *block);
    weir_status status = block ? grid_table(&arena, design, column, W_EFFECT_POINTS, block, &table) : w_alloc_status(w->ctx);
    if (status >= 0) {
        weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
        collected into = { number, design->term_count, block + W_EFFECT_POINTS, block + 2 * W_EFFECT_POINTS };
        options.type = WEIR_PREDICT_TERMS;
        options.se = 1;
        status = w_predict(w->ctx, model, table, &options, collect, &into);
    }
    w_table_free(table);
    if (status >= 0) {
        char caption[W_LABEL_BYTES];
        const w_diagnostics *d = model->diagnostics;
        w_effect effect = { .ctx = w->ctx, .count = W_EFFECT_POINTS, .fit = block + W_EFFECT_POINTS,
                            .se = block + 2 * W_EFFECT_POINTS, .x = { block, NULL, NULL } };
        snprintf(caption, sizeof caption, "%.120s, parametric", term->label);
        w_figure_draw(w, &effect, design->column[column], term->label, caption, d ? d->rug_count : 0,
                      d && d->rug ? d->rug[column] : NULL);
    } else {
        w_writer_fail(w, status);
    }
    w_arena_free(&arena);
}
