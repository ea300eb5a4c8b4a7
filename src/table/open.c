/* SPDX-License-Identifier: Apache-2.0 */
/* One file or several as one table. The first file names the columns; the others may have them in another order. */
#include <string.h>

#include "table/table.h"

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static weir_status no_column(const weir_table *table, const w_part *part, int32_t column)
{
    return w_fail(table->ctx, WEIR_E_DATA, "%s has no column '%s', which %s has", part->label, table->names[column],
                  table->parts[0]->label);
}

/* names -> codes 0 … count-1; a name that comes twice cannot be matched. */
static weir_status index_names(weir_table *table, const w_part *part, int32_t count, const char *const *names,
                               w_dictionary *index)
{
    for (int32_t k = 0; k < count; k++) {
        int32_t code = w_dictionary_add(index, names[k], strlen(names[k]));
        if (code < 0) {
            return w_alloc_status(table->ctx);
        }
        if (code != k) {
            return w_fail(table->ctx, WEIR_E_DATA, "%s: two columns are named '%s' (%d and %d): rename one", part->label,
                          names[k], code + 1, k + 1);
        }
    }
    return WEIR_OK;
}

static weir_status match_columns(weir_table *table, w_part *part, int32_t count, const char *const *names)
{
    part->column_of = w_arena_alloc(&table->arena, (size_t)table->column_count, sizeof *part->column_of);
    if (!part->column_of) {
        return w_alloc_status(table->ctx);
    }
    w_dictionary *index = NULL;
    weir_status status = w_dictionary_create(table->ctx, &index);
    if (status >= 0) {
        status = index_names(table, part, count, names, index);
    }
    for (int32_t i = 0; status >= 0 && i < table->column_count; i++) {
        part->column_of[i] = w_dictionary_find(index, table->names[i], strlen(table->names[i]));
        if (part->column_of[i] < 0) {
            status = no_column(table, part, i);
        }
    }
    w_dictionary_free(index);
    return status;
}

static weir_status open_part(weir_table *table, const char *path, const weir_table_options *options,
                             int32_t name_count, const char *const *given_names)
{
    int32_t count = 0;
    const char **names = NULL;
    w_part *part = NULL;
    weir_status status = ends_with(path, ".npy")
                             ? w_npy_open(table, path, name_count, given_names, &part, &count, &names)
                             : w_csv_open(table, path, options, name_count, given_names, &part, &count, &names);
    if (status < 0) {
        return status;
    }
    table->parts[table->part_count++] = part;
    if (table->part_count == 1) {
        status = w_table_name_columns(table, part->label, count, names);
    }
    return status < 0 ? status : match_columns(table, part, count, names);
}

static weir_status open_parts(weir_table *table, int32_t count, const char *const *paths,
                              const weir_table_options *options)
{
    weir_ctx *ctx = table->ctx;
    int32_t name_count = 0;
    const char **names = NULL;
    table->decimal = options->decimal ? options->decimal : '.';
    table->label = count == 1
                       ? w_arena_strdup(&table->arena, strcmp(paths[0], "-") == 0 ? "standard input" : paths[0])
                       : w_arena_printf(&table->arena, "%d files", count);
    table->parts = w_arena_calloc(&table->arena, (size_t)count, sizeof *table->parts);
    if (!table->label || !table->parts) {
        return w_alloc_status(ctx);
    }
    weir_status status = WEIR_OK;
    if (options->columns) {
        status = w_table_split_list(table, options->columns, &name_count, &names);
    }
    int32_t dashes = 0;
    for (int32_t i = 0; i < count; i++) {
        dashes += strcmp(paths[i], "-") == 0;
    }
    if (dashes > 1) {
        return w_fail(ctx, WEIR_E_ARG, "standard input (-) can be named only once");
    }
    for (int32_t i = 0; status >= 0 && i < count; i++) {
        status = open_part(table, paths[i], options, name_count, names);
    }
    if (status >= 0 && options->factors) {
        status = w_table_list_factors(table, options->factors);
    }
    return status;
}

weir_status w_table_open_files(weir_ctx *ctx, int32_t count, const char *const *paths,
                               const weir_table_options *options, weir_table **out)
{
    weir_table *table;
    weir_status status = w_table_create(ctx, &table);
    if (status < 0) {
        return status;
    }
    status = open_parts(table, count, paths, options);
    if (status < 0) {
        w_table_free(table);
        return status;
    }
    *out = table;
    return WEIR_OK;
}
