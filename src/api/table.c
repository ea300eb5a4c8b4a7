/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/table.h"

#include <string.h>

#include "table/table.h"

static weir_status check_options(weir_ctx *ctx, const weir_table_options *options)
{
    if (options->version < 1 || options->version > WEIR_TABLE_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "weir_table_open: options of version %d; this library knows 1 to %d",
                      options->version, WEIR_TABLE_OPTIONS_VERSION);
    }
    char delimiter = options->delimiter, decimal = options->decimal ? options->decimal : '.';
    if (delimiter == '"' || delimiter == '\n' || delimiter == '\r') {
        return w_fail(ctx, WEIR_E_ARG, "weir_table_open: a quote or line end cannot be the delimiter");
    }
    if (strchr("\"\n\r \t+-eE0123456789", decimal)) {
        return w_fail(ctx, WEIR_E_ARG, "weir_table_open: '%c' cannot be the decimal point", decimal);
    }
    if (delimiter == decimal) {
        return w_fail(ctx, WEIR_E_ARG, "weir_table_open: delimiter and decimal point are both '%c'", decimal);
    }
    return WEIR_OK;
}

weir_status weir_table_open(weir_ctx *ctx, int32_t count, const char *const *paths,
                            const weir_table_options *options, weir_table **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (count < 1 || !paths || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_table_open: at least one path and a place for the table are needed");
    }
    for (int32_t i = 0; i < count; i++) {
        if (!paths[i] || paths[i][0] == '\0') {
            return w_fail(ctx, WEIR_E_ARG, "weir_table_open: path %d is empty", i + 1);
        }
    }
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    options = options ? options : &usual;
    weir_status status = check_options(ctx, options);
    return status < 0 ? status : w_table_open_files(ctx, count, paths, options, out);
}

weir_status weir_table_from_columns(weir_ctx *ctx, int64_t rows, int32_t count, const weir_column *columns,
                                    weir_table **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (rows < 0 || count < 1 || !columns || !out) {
        return w_fail(ctx, WEIR_E_ARG,
                      "weir_table_from_columns: rows >= 0, columns and a place for the table are needed");
    }
    return w_table_from_columns(ctx, rows, count, columns, out);
}

weir_status weir_table_from_callback(weir_ctx *ctx, int32_t count, const weir_column *schema, weir_pull_fn pull,
                                     weir_rewind_fn rewind, void *user, weir_table **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (count < 1 || !schema || !pull || !out) {
        return w_fail(ctx, WEIR_E_ARG,
                      "weir_table_from_callback: a schema, pull and a place for the table are needed");
    }
    return w_table_from_callback(ctx, count, schema, pull, rewind, user, out);
}

int32_t weir_table_column_count(const weir_table *table) { return table ? table->column_count : 0; }

const char *weir_table_column_name(const weir_table *table, int32_t index)
{
    return table && index >= 0 && index < table->column_count ? table->names[index] : NULL;
}

void weir_table_close(weir_table *table) { w_table_free(table); }
