/* SPDX-License-Identifier: Apache-2.0 */
/* Columns in the caller's memory, shown in place. A number wanted as a factor is the one thing made here: its codes,
 * window by window. */
#include <string.h>

#include "base/size.h"
#include "table/table.h"

#define TAG "memory table"
#define HEAD_ROWS 65536

struct w_memory {
    int64_t rows, window_rows, next_row;
    weir_column *columns; /* in the arena */
    int32_t **codes;      /* per selected column: one window of codes, or NULL */
};

/* Checks the descriptions and copies them with their level names into the arena. */
static weir_status copy_columns(weir_table *table, const char *label, int64_t rows, int32_t count,
                                const weir_column *columns, bool with_data, weir_column **out)
{
    weir_ctx *ctx = table->ctx;
    weir_column *copy = w_arena_alloc(&table->arena, (size_t)count, sizeof *copy);
    if (!copy) {
        return w_alloc_status(ctx);
    }
    for (int32_t i = 0; i < count; i++) {
        copy[i] = columns[i];
        const char *name = columns[i].name;
        int64_t size = w_dtype_size(columns[i].dtype);
        if (!name || name[0] == '\0') {
            return w_fail(ctx, WEIR_E_ARG, "%s: column %d has no name", label, i + 1);
        }
        if (size == 0) {
            return w_fail(ctx, WEIR_E_ARG, "%s: column '%s' has the unknown dtype %d", label, name,
                          (int)columns[i].dtype);
        }
        if (columns[i].level_count < 0 || columns[i].level_count > INT32_MAX) {
            return w_fail(ctx, WEIR_E_ARG, "%s: column '%s' has %lld levels", label, name,
                          (long long)columns[i].level_count);
        }
        if (columns[i].level_count > 0 && (columns[i].dtype == WEIR_F64 || columns[i].dtype == WEIR_F32)) {
            return w_fail(ctx, WEIR_E_ARG, "%s: the codes of factor '%s' must be integers", label, name);
        }
        if (with_data && !columns[i].data && rows > 0) {
            return w_fail(ctx, WEIR_E_ARG, "%s: column '%s' has no data", label, name);
        }
        if (copy[i].stride == 0) {
            copy[i].stride = size;
        }
    }
    *out = copy;
    return WEIR_OK;
}

static weir_status copy_levels(weir_table *table, const weir_column *column, w_given_levels *out)
{
    w_arena *arena = &table->arena;
    const char **names = w_arena_alloc(arena, (size_t)column->level_count, sizeof *names);
    for (int64_t k = 0; names && k < column->level_count; k++) {
        if (column->levels && !column->levels[k]) {
            return w_fail(table->ctx, WEIR_E_ARG, "%s: level %lld of factor '%s' has no name", table->label,
                          (long long)k, column->name);
        }
        names[k] = column->levels ? w_arena_strdup(arena, column->levels[k])
                                  : w_arena_printf(arena, "%lld", (long long)k);
        if (!names[k]) {
            names = NULL;
        }
    }
    if (!names) {
        return w_alloc_status(table->ctx);
    }
    *out = (w_given_levels){ column->level_count, names };
    return WEIR_OK;
}

weir_status w_table_describe_columns(weir_table *table, const char *label, int64_t rows, int32_t count,
                                     const weir_column *columns, bool with_data, weir_column **out)
{
    weir_ctx *ctx = table->ctx;
    table->label = w_arena_strdup(&table->arena, label);
    const char **names = w_arena_alloc(&table->arena, (size_t)count, sizeof *names);
    w_given_levels *given = w_arena_calloc(&table->arena, (size_t)count, sizeof *given);
    if (!table->label || !names || !given) {
        return w_alloc_status(ctx);
    }
    weir_status status = copy_columns(table, label, rows, count, columns, with_data, out);
    for (int32_t i = 0; status >= 0 && i < count; i++) {
        names[i] = columns[i].name;
        if (columns[i].level_count > 0) {
            status = copy_levels(table, &columns[i], &given[i]);
        }
    }
    if (status >= 0) {
        status = w_table_name_columns(table, label, count, names);
    }
    for (int32_t i = 0; status >= 0 && i < count; i++) {
        (*out)[i].name = table->names[i];
    }
    table->given = given;
    return status;
}

weir_status w_table_from_columns(weir_ctx *ctx, int64_t rows, int32_t count, const weir_column *columns,
                                 weir_table **out)
{
    weir_table *table;
    weir_status status = w_table_create(ctx, &table);
    if (status < 0) {
        return status;
    }
    weir_column *copy = NULL;
    status = w_table_describe_columns(table, "memory", rows, count, columns, true, &copy);
    if (status >= 0) {
        table->memory = w_arena_calloc(&table->arena, 1, sizeof *table->memory);
        status = table->memory ? WEIR_OK : w_alloc_status(ctx);
    }
    if (status < 0) {
        w_table_free(table);
        return status;
    }
    table->memory->rows = rows;
    table->memory->columns = copy;
    table->rows = rows;
    *out = table;
    return WEIR_OK;
}

void w_memory_forget(weir_table *table)
{
    w_memory *memory = table->memory;
    if (!memory) {
        return;
    }
    for (int32_t s = 0; memory->codes && s < table->selected_count; s++) {
        w_free(table->ctx, memory->codes[s]);
    }
    w_free(table->ctx, memory->codes);
    memory->codes = NULL;
    memory->next_row = 0;
}

/* The lowest row with a code outside -1 … levels-1, or -1. */
static int64_t find_bad_code(const weir_column *column, int64_t rows)
{
    const char *p = column->data;
    if (column->dtype == WEIR_I32 && column->stride == (int64_t)sizeof(int32_t) && (uintptr_t)p % sizeof(int32_t) == 0) {
        const int32_t *code = column->data;
        int32_t low = 0, high = 0;
        for (int64_t i = 0; i < rows; i++) {
            low = code[i] < low ? code[i] : low;
            high = code[i] > high ? code[i] : high;
        }
        if (low >= -1 && high < column->level_count) {
            return -1;
        }
    }
    for (int64_t i = 0; i < rows; i++, p += column->stride) {
        int64_t code = w_element_integer(column->dtype, p);
        if (code < -1 || code >= column->level_count) {
            return i;
        }
    }
    return -1;
}

weir_status w_table_check_codes(weir_table *table, const weir_column *column, int64_t first_row, int64_t rows)
{
    int64_t bad = find_bad_code(column, rows);
    if (bad < 0) {
        return WEIR_OK;
    }
    int64_t code = w_element_integer(column->dtype, (const char *)column->data + bad * column->stride);
    return w_fail(table->ctx, WEIR_E_DATA, "%s, row %lld: column '%s' has code %lld, but levels 0 to %lld",
                  table->label, (long long)(first_row + bad + 1), column->name, (long long)code,
                  (long long)(column->level_count - 1));
}

static weir_status collect_levels(const weir_column *column, w_dictionary *dictionary, int64_t rows)
{
    enum { RUN = 1024 };
    int32_t code[RUN];
    int64_t row = 0;
    weir_status status = WEIR_OK;
    for (int64_t i = 0; status >= 0 && i < rows; i += RUN) {
        status = w_dictionary_numbers(dictionary, column->dtype, (const char *)column->data + i * column->stride, column->stride,
                                      w_min64(RUN, rows - i), code, &row);
    }
    return status;
}

weir_status w_memory_head_levels(weir_table *table, int32_t s, int64_t *levels, int64_t *rows)
{
    *rows = w_min64(table->memory->rows, HEAD_ROWS);
    w_dictionary *dictionary;
    weir_status status = w_dictionary_create(table->ctx, &dictionary);
    if (status < 0) {
        return status;
    }
    status = collect_levels(&table->memory->columns[table->selected[s].column], dictionary, *rows);
    *levels = w_dictionary_count(dictionary);
    w_dictionary_free(dictionary);
    return status;
}

weir_status w_memory_scan(weir_table *table)
{
    w_memory *memory = table->memory;
    memory->window_rows = memory->rows;
    memory->codes = w_calloc(table->ctx, TAG, (size_t)table->selected_count, sizeof *memory->codes);
    if (!memory->codes) {
        return w_alloc_status(table->ctx);
    }
    for (int32_t s = 0; s < table->selected_count; s++) {
        w_selected *selected = &table->selected[s];
        const weir_column *column = &memory->columns[selected->column];
        weir_status status = WEIR_OK;
        if (selected->dictionary) {
            memory->window_rows = w_table_window_rows(table, &table->options);
            memory->codes[s] = w_alloc_array(table->ctx, TAG, (size_t)memory->window_rows, sizeof(int32_t));
            status = memory->codes[s] ? collect_levels(column, selected->dictionary, memory->rows)
                                      : w_alloc_status(table->ctx);
            if (status >= 0) {
                status = w_dictionary_finish(selected->dictionary, '.');
            }
            selected->info.level_count = w_dictionary_count(selected->dictionary);
            selected->info.levels = w_dictionary_levels(selected->dictionary);
        } else if (column->level_count > 0) {
            status = w_table_check_codes(table, column, 0, memory->rows);
        }
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}

void w_memory_rewind(weir_table *table) { table->memory->next_row = 0; }

weir_status w_memory_next(weir_table *table, w_window *window)
{
    w_memory *memory = table->memory;
    int64_t first = memory->next_row, rows = w_min64(memory->window_rows, memory->rows - first);
    for (int32_t s = 0; s < table->selected_count; s++) {
        const w_selected *selected = &table->selected[s];
        const weir_column *column = &memory->columns[selected->column];
        const char *data = (const char *)column->data + first * column->stride;
        w_column_view *view = &table->views[s];
        *view = (w_column_view){ selected->info.kind, column->dtype, column->stride, data, NULL };
        if (!selected->dictionary) {
            continue;
        }
        int64_t row = 0;
        if (w_dictionary_numbers(selected->dictionary, column->dtype, data, column->stride, rows, memory->codes[s], &row) < 0) {
            return w_fail(table->ctx, WEIR_E_DATA, "memory, row %lld: column '%s' changed while it was read",
                          (long long)(first + row + 1), column->name);
        }
        *view = (w_column_view){ W_FACTOR, WEIR_I32, sizeof(int32_t), memory->codes[s], NULL };
    }
    *window = (w_window){ first, rows, table->selected_count, table->views };
    memory->next_row += rows;
    return WEIR_OK;
}
