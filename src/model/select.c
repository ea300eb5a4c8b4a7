/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns of the table the formula needs. */
#include <string.h>

#include "model/build.h"

typedef struct selecting {
    w_builder *b;
    const w_formula *formula;
    weir_table *table;
    const char *weights, *start;
} selecting;

/* "." stands for the columns that are neither response, weights, offset nor a smooth's covariate. */
static weir_status list_dot(const selecting *c, w_arena *work, const char ***dot, int *count)
{
    w_terms first;
    weir_status status = w_terms_build(c->formula, work, NULL, 0, &first);
    int32_t columns = w_source_column_count(c->table);
    *dot = w_arena_alloc(work, (size_t)columns + 1, sizeof **dot);
    *count = 0;
    if (status != WEIR_OK || !*dot) {
        return status != WEIR_OK ? status : w_alloc_status(c->b->ctx);
    }
    for (int32_t i = 0; i < columns && first.has_dot; i++) {
        const char *name = w_source_column_name(c->table, i);
        bool other = (!c->weights || strcmp(name, c->weights) != 0) && (!c->start || strcmp(name, c->start) != 0);
        for (int k = 0; k < first.column_count && other; k++) {
            const w_column_use *use = &first.column[k];
            other = !((use->response || use->offset || use->smooth) && strcmp(use->name, name) == 0);
        }
        for (int k = 0; k < first.smooth_count && other; k++) {
            bool bare = first.smooth[k].random || first.smooth[k].type == W_SMOOTH_SZ;
            for (int j = 0; j < first.smooth[k].covariate_count && bare; j++) {
                other &= strcmp(first.atom[first.smooth[k].covariate[j]].label, name) != 0;
            }
        }
        if (other) {
            (*dot)[(*count)++] = name;
        }
    }
    if (first.has_dot && *count == 0) {
        return w_formula_fail(c->formula, first.dot, "'.' stands for no column: all are used elsewhere");
    }
    return WEIR_OK;
}

static weir_status missing_column(const selecting *c, const char *name, const w_node *node)
{
    int32_t count = w_source_column_count(c->table);
    const char **names = w_arena_calloc(c->b->arena, (size_t)count + 1, sizeof *names);
    if (!names) {
        return w_alloc_status(c->b->ctx);
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = w_source_column_name(c->table, i);
    }
    const char *near = w_nearest_name(name, names);
    const char *label = w_source_label(c->table);
    if (!node) {
        bool weights = c->weights && strcmp(name, c->weights) == 0;
        return w_fail(c->b->ctx, WEIR_E_DATA, "%s has no column '%s' for the %s%s%s%s", label, name,
                      weights ? "weights" : c->b->design->grouped ? "groups" : "starts of the series", near ? "; did you mean '" : "", near ? near : "",
                      near ? "'?" : "");
    }
    return w_formula_fail_as(c->formula, WEIR_E_DATA, node->start, node->end, "%s has no column '%s'%s%s%s", label,
                             name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

weir_status w_builder_select(w_builder *b, const w_formula *formula, weir_table *table, const w_design_options *options)
{
    selecting c = {b, formula, table, options->weights, options->start};
    b->design->ar1 = options->ar1;
    b->design->grouped = options->grouped;
    b->design->arrow = options->arrow;
    w_arena work;
    w_arena_init(&work, b->ctx, "formula");
    const char **dot;
    int dot_count;
    weir_status status = list_dot(&c, &work, &dot, &dot_count);
    if (status == WEIR_OK) {
        status = w_builder_columns(b, formula, dot, dot_count, c.weights, c.start);
    }
    w_arena_free(&work);
    const w_design *d = b->design;
    for (int i = 0; i < d->column_count && status == WEIR_OK; i++) {
        if (w_source_find(table, d->column[i]) < 0) {
            status = missing_column(&c, d->column[i], i < b->terms.column_count ? b->terms.column[i].node : NULL);
        }
    }
    return status == WEIR_OK ? w_source_select(table, d->column_count, d->column, d->column_want) : status;
}
