/* SPDX-License-Identifier: Apache-2.0 */
/* Batches that the caller hands in, copied into the table's buffer: their memory is the caller's only until the next
 * one. */
#include <string.h>

#include "base/size.h"
#include "table/table.h"

typedef struct callback {
    w_part part; /* first */
    weir_ctx *ctx;
    weir_pull_fn pull;
    weir_rewind_fn rewind;
    void *user;
    int32_t count;
    weir_column *schema, *batch;
    int64_t batch_rows, batch_used;
    int64_t row;
    bool used, at_end;
} callback;

static weir_status callback_start(w_part *part, weir_table *table)
{
    callback *c = (callback *)part;
    (void)table;
    if (c->used && !c->rewind) {
        return w_fail(c->ctx, WEIR_E_DATA, "callback: the rows can be read only once");
    }
    if (c->used && c->rewind(c->user) != 0) {
        return w_fail(c->ctx, WEIR_E_DATA, "callback: going back to the first row failed");
    }
    c->used = true;
    c->at_end = false;
    c->batch_rows = c->batch_used = c->row = 0;
    return WEIR_OK;
}

/* A batch may come in another dtype than the schema says; names and levels are the schema's. */
static weir_status check_batch(callback *c, weir_table *table)
{
    for (int32_t i = 0; i < c->count; i++) {
        weir_column *column = &c->batch[i];
        int64_t size = w_dtype_size(column->dtype);
        column->name = c->schema[i].name;
        column->level_count = c->schema[i].level_count;
        if (size == 0 || (column->level_count > 0 && (column->dtype == WEIR_F64 || column->dtype == WEIR_F32))) {
            return w_fail(c->ctx, WEIR_E_DATA, "callback: column '%s' came with the dtype %d", column->name,
                          (int)column->dtype);
        }
        if (!column->data) {
            return w_fail(c->ctx, WEIR_E_DATA, "callback: column '%s' came without data", column->name);
        }
        if (column->stride == 0) {
            column->stride = size;
        }
        if (column->level_count > 0) {
            weir_status status = w_table_check_codes(table, column, c->row, c->batch_rows);
            if (status < 0) {
                return status;
            }
        }
    }
    return WEIR_OK;
}

static weir_status pull_batch(callback *c, weir_table *table)
{
    for (int32_t i = 0; i < c->count; i++) {
        c->batch[i] = c->schema[i];
        c->batch[i].data = NULL;
        c->batch[i].stride = 0;
    }
    int64_t rows = 0;
    if (c->pull(c->user, &rows, c->batch) != 0) {
        return w_fail(c->ctx, WEIR_E_DATA, "callback: reading failed after row %lld", (long long)c->row);
    }
    if (rows < 0) {
        return w_fail(c->ctx, WEIR_E_DATA, "callback: a batch of %lld rows", (long long)rows);
    }
    c->batch_rows = rows;
    c->batch_used = 0;
    c->at_end = rows == 0;
    return rows == 0 ? WEIR_OK : check_batch(c, table);
}

static weir_status copy_column(const callback *c, const w_selected *selected, int64_t rows, void *to)
{
    const weir_column *column = &c->batch[selected->column];
    const char *p = (const char *)column->data + c->batch_used * column->stride;
    if (selected->info.kind == W_NUMERIC) {
        w_convert_numeric(column->dtype, p, column->stride, rows, to);
        return WEIR_OK;
    }
    int32_t *code = to;
    int64_t row = 0;
    for (int64_t i = 0; !selected->dictionary && i < rows; i++, p += column->stride) {
        code[i] = (int32_t)w_element_integer(column->dtype, p);
    }
    weir_status status = selected->dictionary
                             ? w_dictionary_numbers(selected->dictionary, column->dtype, p, column->stride, rows, code, &row)
                             : WEIR_OK;
    return status != WEIR_E_DATA ? status
                                 : w_fail(c->ctx, status, "callback, row %lld: column '%s' has a level that was not there before",
                                          (long long)(c->row + row + 1), column->name);
}

static weir_status callback_decode(w_part *part, weir_table *table, int64_t at, int64_t capacity, int64_t *rows)
{
    callback *c = (callback *)part;
    *rows = 0;
    if (c->batch_used == c->batch_rows && !c->at_end) {
        weir_status status = pull_batch(c, table);
        if (status < 0) {
            return status;
        }
    }
    int64_t count = w_min64(c->batch_rows - c->batch_used, capacity);
    for (int32_t s = 0; count > 0 && s < table->selected_count; s++) {
        const w_selected *selected = &table->selected[s];
        int64_t size = selected->info.kind == W_FACTOR ? (int64_t)sizeof(int32_t) : (int64_t)sizeof(double);
        weir_status status = copy_column(c, selected, count, (char *)table->buffer.data[s] + at * size);
        if (status < 0) {
            return status;
        }
    }
    c->batch_used += count;
    c->row += count;
    *rows = count;
    if (count == 0) {
        part->rows = c->row;
    }
    return WEIR_OK;
}

static void callback_stop(w_part *part) { (void)part; }

static int64_t callback_estimate(w_part *part) { return part->rows; }

static int64_t callback_pass_bytes(const w_part *part, const weir_table *table)
{
    (void)part;
    (void)table;
    return 0;
}

static int64_t callback_bytes_read(const w_part *part)
{
    (void)part;
    return 0;
}

static const w_part_ops callback_ops = { callback_start,      callback_decode,    callback_stop,
                                         callback_stop,       callback_estimate,  NULL,
                                         callback_pass_bytes, callback_bytes_read };

static weir_status make_callback(weir_table *table, int32_t count, const weir_column *schema, callback **out)
{
    weir_column *copy = NULL;
    weir_status status = w_table_describe_columns(table, "callback", 0, count, schema, false, &copy);
    if (status < 0) {
        return status;
    }
    w_arena *arena = &table->arena;
    callback *c = w_arena_calloc(arena, 1, sizeof *c);
    weir_column *batch = w_arena_calloc(arena, (size_t)count, sizeof *batch);
    table->parts = w_arena_calloc(arena, 1, sizeof *table->parts);
    int32_t *column_of = w_arena_alloc(arena, (size_t)count, sizeof *column_of);
    if (!c || !batch || !table->parts || !column_of) {
        return w_alloc_status(table->ctx);
    }
    for (int32_t i = 0; i < count; i++) {
        column_of[i] = i;
    }
    c->ctx = table->ctx;
    c->count = count;
    c->schema = copy;
    c->batch = batch;
    c->part = (w_part){ .ops = &callback_ops, .label = "callback", .rows = -1, .column_of = column_of };
    table->parts[0] = &c->part;
    table->part_count = 1;
    *out = c;
    return WEIR_OK;
}

weir_status w_table_from_callback(weir_ctx *ctx, int32_t count, const weir_column *schema, weir_pull_fn pull,
                                  weir_rewind_fn rewind, void *user, weir_table **out)
{
    weir_table *table;
    weir_status status = w_table_create(ctx, &table);
    if (status < 0) {
        return status;
    }
    callback *c = NULL;
    status = make_callback(table, count, schema, &c);
    if (status < 0) {
        w_table_free(table);
        return status;
    }
    c->pull = pull;
    c->rewind = rewind;
    c->user = user;
    c->part.can_restart = rewind != NULL;
    *out = table;
    return WEIR_OK;
}
