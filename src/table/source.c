/* SPDX-License-Identifier: Apache-2.0 */
/* A table's columns: names, selection, kinds. */
#include "table/source.h"

#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "table/table.h"

#define TAG "table columns"

weir_status w_table_create(weir_ctx *ctx, weir_table **out)
{
    weir_table *table = w_calloc(ctx, TAG, 1, sizeof *table);
    if (!table) {
        return w_alloc_status(ctx);
    }
    table->ctx = ctx;
    table->rows = -1;
    table->decimal = '.';
    w_arena_init(&table->arena, ctx, TAG);
    *out = table;
    return WEIR_OK;
}

static void free_selection(weir_table *table)
{
    for (int32_t s = 0; s < table->selected_count; s++) {
        w_dictionary_free(table->selected[s].dictionary);
    }
    w_free(table->ctx, table->selected);
    w_free(table->ctx, table->views);
    table->selected = NULL;
    table->views = NULL;
    table->selected_count = 0;
}

void w_table_free(weir_table *table)
{
    if (!table) {
        return;
    }
    w_source_forget(table);
    free_selection(table);
    for (int32_t i = 0; i < table->part_count; i++) {
        table->parts[i]->ops->close(table->parts[i]);
    }
    w_arena_free(&table->arena);
    w_free(table->ctx, table);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

weir_status w_table_split_list(weir_table *table, const char *list, int32_t *count, const char ***words)
{
    size_t length = strlen(list), most = 1;
    for (size_t i = 0; i < length; i++) {
        most += list[i] == ',';
    }
    char *copy = w_arena_strdup(&table->arena, list);
    const char **word = w_arena_alloc(&table->arena, most, sizeof *word);
    if (!copy || !word) {
        return w_alloc_status(table->ctx);
    }
    char *p = copy;
    for (size_t i = 0; i < most; i++) {
        char *end = p + strcspn(p, ",");
        char *next = end + 1;
        while (is_blank(*p)) {
            p++;
        }
        while (end > p && is_blank(end[-1])) {
            end--;
        }
        *end = '\0';
        word[i] = p;
        p = next;
    }
    *count = (int32_t)most;
    *words = word;
    return WEIR_OK;
}

weir_status w_table_number_names(weir_table *table, int32_t count, const char ***names)
{
    const char **name = w_arena_alloc(&table->arena, (size_t)count, sizeof *name);
    if (!name) {
        return w_alloc_status(table->ctx);
    }
    for (int32_t i = 0; i < count; i++) {
        name[i] = w_arena_printf(&table->arena, "c%d", i);
        if (!name[i]) {
            return w_alloc_status(table->ctx);
        }
    }
    *names = name;
    return WEIR_OK;
}

static weir_status refuse_duplicates(weir_table *table, const char *label)
{
    weir_ctx *ctx = table->ctx;
    w_dictionary *seen = NULL;
    weir_status status = w_dictionary_create(ctx, &seen);
    for (int32_t i = 0; status == WEIR_OK && i < table->column_count; i++) {
        const char *name = table->names[i];
        int32_t code = w_dictionary_add(seen, name, strlen(name));
        if (code < 0) {
            status = w_alloc_status(ctx);
        } else if (code != i) {
            status = w_fail(ctx, WEIR_E_DATA, "%s: two columns are named '%s' (%d and %d): rename one", label,
                            name, code + 1, i + 1);
        }
    }
    w_dictionary_free(seen);
    return status;
}

weir_status w_table_name_columns(weir_table *table, const char *label, int32_t count, const char *const *names)
{
    weir_ctx *ctx = table->ctx;
    table->names = w_arena_alloc(&table->arena, (size_t)count, sizeof *table->names);
    table->listed_factor = w_arena_calloc(&table->arena, (size_t)count, sizeof *table->listed_factor);
    if (!table->names || !table->listed_factor) {
        return w_alloc_status(ctx);
    }
    for (int32_t i = 0; i < count; i++) {
        table->names[i] = w_arena_strdup(&table->arena, names[i]);
        if (!table->names[i]) {
            return w_alloc_status(ctx);
        }
    }
    table->column_count = count;
    return refuse_duplicates(table, label);
}

/* The names of the table for a message: "a, b, c, …". */
static const char *list_names(const weir_table *table, char *text, size_t room)
{
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < table->column_count; i++) {
        size_t length = strlen(table->names[i]);
        if (used + length + 8 > room) {
            strcpy(text + used, ", …");
            break;
        }
        if (i > 0) {
            memcpy(text + used, ", ", 2);
            used += 2;
        }
        memcpy(text + used, table->names[i], length + 1);
        used += length;
    }
    return text;
}

static weir_status no_such_column(const weir_table *table, const char *name)
{
    char text[400];
    return w_fail(table->ctx, WEIR_E_DATA, "%s has no column '%s'; it has %s", table->label, name,
                  list_names(table, text, sizeof text));
}

weir_status w_table_list_factors(weir_table *table, const char *list)
{
    int32_t count;
    const char **words;
    weir_status status = w_table_split_list(table, list, &count, &words);
    for (int32_t i = 0; status == WEIR_OK && i < count; i++) {
        int32_t column = w_source_find(table, words[i]);
        if (column >= 0) {
            table->listed_factor[column] = true;
        } else if (words[i][0] != '\0') {
            status = no_such_column(table, words[i]);
        }
    }
    return status;
}

int32_t w_source_find(const weir_table *table, const char *name)
{
    for (int32_t i = 0; i < table->column_count; i++) {
        if (strcmp(table->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* What can be said of a column before any row is read. */
static weir_status begin_column(weir_table *table, w_selected *selected)
{
    int32_t column = selected->column;
    const w_given_levels *given = table->given ? &table->given[column] : NULL;
    if (given && given->count > 0) {
        selected->info.kind = W_FACTOR;
        selected->info.level_count = given->count;
        selected->info.levels = given->names;
        selected->decided = true;
    } else if (table->listed_factor[column] || selected->want == W_WANT_FACTOR) {
        selected->info.kind = W_FACTOR;
        selected->decided = true;
        weir_status status = w_dictionary_create(table->ctx, &selected->dictionary);
        if (status < 0) {
            return status;
        }
    } else {
        selected->info.kind = W_NUMERIC;
        selected->decided = selected->want == W_WANT_NUMERIC || table->given != NULL;
    }
    if (selected->info.kind == W_FACTOR && selected->want == W_WANT_NUMERIC) {
        return w_fail(table->ctx, WEIR_E_DATA, "%s: column '%s' is a factor and cannot be used as a number",
                      table->label, selected->info.name);
    }
    return WEIR_OK;
}

weir_status w_table_begin_columns(weir_table *table)
{
    for (int32_t s = 0; s < table->selected_count; s++) {
        w_selected *selected = &table->selected[s];
        w_dictionary_free(selected->dictionary);
        *selected = (w_selected){ .column = selected->column, .want = selected->want };
        selected->info.name = table->names[selected->column];
        weir_status status = begin_column(table, selected);
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}

weir_status w_source_select(weir_table *table, int32_t count, const char *const *names, const w_column_want *want)
{
    w_source_forget(table);
    free_selection(table);
    table->selected = w_calloc(table->ctx, TAG, (size_t)count, sizeof *table->selected);
    table->views = w_calloc(table->ctx, TAG, (size_t)count, sizeof *table->views);
    if (!table->selected || !table->views) {
        return w_alloc_status(table->ctx);
    }
    table->selected_count = count;
    for (int32_t s = 0; s < count; s++) {
        int32_t column = w_source_find(table, names[s]);
        if (column < 0) {
            return no_such_column(table, names[s]);
        }
        for (int32_t other = 0; other < s; other++) {
            if (table->selected[other].column == column) {
                return w_fail(table->ctx, WEIR_E_INTERNAL, "%s: column '%s' is selected twice", table->label,
                              names[s]);
            }
        }
        table->selected[s].column = column;
        table->selected[s].want = want ? want[s] : W_WANT_EITHER;
    }
    return w_table_begin_columns(table);
}

weir_status w_table_decide(weir_table *table, int32_t s, w_column_kind kind)
{
    w_selected *selected = &table->selected[s];
    if (kind == W_FACTOR && !selected->dictionary) {
        weir_status status = w_dictionary_create(table->ctx, &selected->dictionary);
        if (status < 0) {
            return status;
        }
    }
    selected->decided = true;
    selected->info.kind = kind;
    w_buffer *buffer = &table->buffer;
    selected->decided_row = buffer->first_row;
    if (kind == W_FACTOR) {
        int32_t *code = buffer->data[s];
        for (int64_t i = 0; i < buffer->filled; i++) {
            code[i] = -1;
        }
    }
    return WEIR_OK;
}

int64_t w_source_row_count(const weir_table *table)
{
    if (table->rows >= 0 || table->part_count == 0) {
        return table->rows;
    }
    int64_t rows = 0;
    for (int32_t i = 0; i < table->part_count; i++) {
        if (table->parts[i]->rows < 0) {
            return -1;
        }
        rows = w_add64(rows, table->parts[i]->rows);
    }
    return rows;
}

void w_source_reset(weir_table *table)
{
    w_source_forget(table);
    if (table->memory) {
        return;
    }
    table->rows = -1;
    for (int32_t i = 0; i < table->part_count; i++) {
        table->parts[i]->rows = table->parts[i]->text ? -1 : table->parts[i]->rows;
    }
    for (int32_t s = 0; s < table->selected_count; s++) {
        w_selected *selected = &table->selected[s];
        w_dictionary_free(selected->dictionary);
        *selected = (w_selected){ .column = selected->column, .want = selected->want, .info.name = selected->info.name };
    }
}

int64_t w_source_row_estimate(weir_table *table)
{
    int64_t rows = w_source_row_count(table);
    if (rows >= 0) {
        return rows;
    }
    rows = 0;
    for (int32_t i = 0; i < table->part_count; i++) {
        w_part *part = table->parts[i];
        int64_t some = part->rows >= 0 ? part->rows : part->ops->row_estimate(part);
        if (some < 0) {
            return -1;
        }
        rows = w_add64(rows, some);
    }
    return rows;
}

/* Levels seen in the head; when more than half of its rows bring a new one, as many per row in the whole table. */
int64_t w_source_level_estimate(weir_table *table, int32_t s)
{
    const w_selected *selected = &table->selected[s];
    if (selected->info.level_count > 0) {
        return selected->info.level_count;
    }
    if (selected->decided && selected->info.kind == W_NUMERIC) {
        return 0;
    }
    int64_t levels = 0, rows = 0;
    weir_status status = WEIR_OK;
    if (table->memory) {
        status = w_memory_head_levels(table, s, &levels, &rows);
    } else if (table->part_count > 0 && table->parts[0]->ops->head_levels) {
        status = table->parts[0]->ops->head_levels(table->parts[0], table, s, &levels, &rows);
    }
    if (status < 0) { /* an estimate is not worth an error: the scan will meet it */
        w_message_clear(table->ctx);
        return 0;
    }
    int64_t total = w_source_row_estimate(table);
    if (rows > 0 && total > rows && 2 * levels > rows) {
        return (int64_t)((double)levels / (double)rows * (double)total);
    }
    return levels;
}

const w_column_info *w_source_column(const weir_table *table, int32_t selected)
{
    return selected >= 0 && selected < table->selected_count ? &table->selected[selected].info : NULL;
}

bool w_source_scanned(const weir_table *table) { return table->scanned; }

w_source_route w_source_chosen_route(const weir_table *table) { return table->route; }

const char *w_source_label(const weir_table *table) { return table->label; }

double w_source_seconds(const weir_table *table) { return table->seconds; }

int64_t w_source_bytes_read(const weir_table *table)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < table->part_count; i++) {
        bytes += table->parts[i]->ops->bytes_read(table->parts[i]);
    }
    return bytes;
}

void w_table_set_block_bytes(weir_table *table, int64_t bytes) { table->block_bytes = bytes; }

void w_source_traits_of(const weir_table *table, w_source_traits *out)
{
    *out = (w_source_traits){ .in_place = table->memory != NULL, .file_bytes = 0 };
    for (int32_t i = 0; i < table->part_count; i++) {
        const w_part *part = table->parts[i];
        out->text |= part->text;
        out->once |= !part->can_restart;
        out->file_bytes = part->file_bytes > 0 && out->file_bytes >= 0 ? out->file_bytes + part->file_bytes : -1;
        out->text_bytes += part->text_bytes;
    }
    if (table->part_count == 0) {
        out->file_bytes = -1;
    }
}
