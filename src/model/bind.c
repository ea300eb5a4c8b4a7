/* SPDX-License-Identifier: Apache-2.0 */
/* A design on another table: columns by name, levels by name. */
#include <stdlib.h>
#include <string.h>

#include "model/program.h"

struct w_binding {
    weir_ctx *ctx;
    w_arena arena;
    const w_design *design;
    weir_table *table;
    w_tile_request request;
    int *selected;
    const int32_t **recode;
    const char *const **level_name;
};

static bool wanted(const w_design *d, int column, bool predict) { return !predict || d->program->needed[column]; }

static weir_status select_columns(w_binding *b)
{
    const w_design *d = b->design;
    size_t n = (size_t)d->column_count;
    const char **name = w_arena_alloc(&b->arena, n, sizeof *name);
    w_column_want *want = w_arena_alloc(&b->arena, n, sizeof *want);
    b->selected = w_arena_alloc(&b->arena, n, sizeof *b->selected);
    b->recode = w_arena_calloc(&b->arena, n, sizeof *b->recode);
    b->level_name = w_arena_calloc(&b->arena, n, sizeof *b->level_name);
    if (!name || !want || !b->selected || !b->recode || !b->level_name) {
        return w_alloc_status(b->ctx);
    }
    int32_t count = 0;
    for (int c = 0; c < d->column_count; c++) {
        b->selected[c] = -1;
        if (!wanted(d, c, b->request.predict)) {
            continue;
        }
        if (w_source_find(b->table, d->column[c]) < 0) {
            return w_fail(b->ctx, WEIR_E_DATA, "%s has no column '%s', which the model needs",
                          w_source_label(b->table), d->column[c]);
        }
        name[count] = d->column[c];
        want[count] = d->column_kind[c] == W_FACTOR ? W_WANT_FACTOR : W_WANT_NUMERIC;
        b->selected[c] = count++;
    }
    b->request.selected = b->selected;
    b->request.recode = b->recode;
    b->request.level_name = b->level_name;
    return w_source_select(b->table, count, name, want);
}

weir_status w_design_bind(const w_design *design, weir_table *table, bool predict, bool unseen_missing,
                          w_binding **out)
{
    weir_ctx *ctx = design->ctx;
    w_binding *binding = w_calloc(ctx, "binding", 1, sizeof *binding);
    if (!binding) {
        return w_alloc_status(ctx);
    }
    *binding = (w_binding){.ctx = ctx, .design = design, .table = table};
    binding->request.predict = predict;
    binding->request.unseen_missing = unseen_missing;
    binding->request.missing = predict ? WEIR_MISSING_DROP : WEIR_MISSING_FAIL;
    w_arena_init(&binding->arena, ctx, "binding");
    weir_status status = select_columns(binding);
    if (status != WEIR_OK) {
        w_binding_free(binding);
        return status;
    }
    *out = binding;
    return WEIR_OK;
}

typedef struct named {
    const char *name;
    int32_t code;
} named;

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

/* Code in the design of each level of the table; NULL when they are the same. */
static weir_status map_levels(w_binding *b, int column, const w_column_info *info)
{
    const w_design *d = b->design;
    int64_t count = d->level_count[column];
    named *sorted = w_arena_alloc(&b->arena, (size_t)count + 1, sizeof *sorted);
    int32_t *recode = w_arena_alloc(&b->arena, (size_t)info->level_count + 1, sizeof *recode);
    if (!sorted || !recode) {
        return w_alloc_status(b->ctx);
    }
    for (int64_t l = 0; l < count; l++) {
        sorted[l] = (named){d->level[column][l], (int32_t)l};
    }
    qsort(sorted, (size_t)count, sizeof *sorted, compare_named);
    bool same = true;
    for (int64_t l = 0; l < info->level_count; l++) {
        const named key = {info->levels[l], 0};
        const named *found = bsearch(&key, sorted, (size_t)count, sizeof *sorted, compare_named);
        recode[l] = found ? found->code : -1;
        same &= recode[l] == l;
    }
    b->recode[column] = same ? NULL : recode;
    b->level_name[column] = info->levels;
    return WEIR_OK;
}

weir_status w_binding_ready(w_binding *binding)
{
    const w_design *d = binding->design;
    weir_status status = WEIR_OK;
    for (int c = 0; c < d->column_count && status == WEIR_OK; c++) {
        if (binding->selected[c] < 0) {
            continue;
        }
        const w_column_info *info = w_source_column(binding->table, binding->selected[c]);
        if (info->kind != d->column_kind[c]) {
            return w_fail(binding->ctx, WEIR_E_DATA,
                          "column '%s' of %s holds %s, but held %s when the model was made", d->column[c],
                          w_source_label(binding->table), info->kind == W_FACTOR ? "categories" : "numbers",
                          d->column_kind[c] == W_FACTOR ? "categories" : "numbers");
        }
        if (info->kind == W_FACTOR) {
            status = map_levels(binding, c, info);
        }
    }
    return status;
}

const w_tile_request *w_binding_request(const w_binding *binding) { return &binding->request; }

void w_binding_free(w_binding *binding)
{
    if (binding) {
        w_arena_free(&binding->arena);
        w_free(binding->ctx, binding);
    }
}
