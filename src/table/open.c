/* SPDX-License-Identifier: Apache-2.0 */
/* One file or several as one table. The first file names the columns; the others may have them in another order. */
#include <string.h>

#include "table/table.h"

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static weir_status match_columns(weir_table *table, w_part *part, int32_t count, const char *const *names)
{
    part->column_of = w_arena_alloc(&table->arena, (size_t)table->column_count, sizeof *part->column_of);
    if (!part->column_of) {
        return w_alloc_status(table->ctx);
    }
    for (int32_t i = 0; i < table->column_count; i++) {
        int32_t k = i < count && strcmp(names[i], table->names[i]) == 0 ? i : 0;
        while (k < count && strcmp(names[k], table->names[i]) != 0) {
            k++;
        }
        if (k == count) {
            return w_fail(table->ctx, WEIR_E_DATA, "%s has no column '%s', which %s has", part->label,
                          table->names[i], table->parts[0]->label);
        }
        part->column_of[i] = k;
    }
    return WEIR_OK;
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
