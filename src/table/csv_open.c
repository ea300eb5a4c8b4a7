/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: byte order mark, delimiter, header; and what the head of the file lets one guess of the rest. */
#include <string.h>

#include "base/size.h"
#include "table/csv.h"

#define TAG "csv text"
#define HEAD_BYTES 65536
#define MOST_RECORD_BYTES ((int64_t)1 << 30)

weir_status w_csv_grow_text(w_csv *csv, int64_t room)
{
    if (room <= csv->text_room) {
        return WEIR_OK;
    }
    char *text =
        room > MOST_RECORD_BYTES ? NULL : w_realloc(csv->ctx, TAG, csv->text, (size_t)(room + W_CSV_SLACK));
    if (!text) {
        weir_status status = room > MOST_RECORD_BYTES ? WEIR_E_DATA : w_alloc_status(csv->ctx);
        if (csv->end - csv->begin <= csv->text_room / 2) { /* not for the sake of one record */
            return status;
        }
        w_message_clear(csv->ctx);
        return w_fail(csv->ctx, status,
                      "%s, row %lld: a record of more than %lld bytes (a quote that is never closed?)",
                      csv->part.label, (long long)(csv->row + 1), (long long)csv->text_room);
    }
    memset(text + csv->text_room, 0, (size_t)(room + W_CSV_SLACK - csv->text_room));
    csv->text = text;
    csv->text_room = room;
    return WEIR_OK;
}

/* Reads until a line end is in the text beyond the bytes there, or the file ends. */
static weir_status read_more(w_csv *csv)
{
    weir_status status = w_csv_grow_text(csv, w_max64(HEAD_BYTES, 2 * csv->end));
    int64_t got = 0;
    if (status >= 0) {
        status = w_bytes_read(csv->bytes, csv->text + csv->end, csv->text_room - csv->end, &got);
    }
    csv->at_end = got < csv->text_room - csv->end;
    csv->end += got;
    return status;
}

/* The end of the last whole line; at the end of the file a missing line end is put behind the text (into the slack). */
static int64_t last_line_end(w_csv *csv)
{
    if (csv->at_end && csv->end > csv->begin && csv->text[csv->end - 1] != '\n') {
        csv->text[csv->end] = '\n';
        return csv->end + 1;
    }
    int64_t last;
    w_csv_count_lines(csv->text + csv->begin, csv->end - csv->begin, &last);
    return csv->begin + last;
}

static weir_status skip_mark(w_csv *csv)
{
    const unsigned char *text = (const unsigned char *)csv->text;
    if (csv->end >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        csv->begin = 3;
    } else if (csv->end >= 2 && ((text[0] == 0xff && text[1] == 0xfe) || (text[0] == 0xfe && text[1] == 0xff))) {
        return w_fail(csv->ctx, WEIR_E_DATA, "%s is UTF-16 text: convert it to UTF-8", csv->part.label);
    }
    return WEIR_OK;
}

/* The candidate that stands most often outside quotes in the first line; the first of them on a tie. */
static char guess_delimiter(const w_csv *csv, int64_t end)
{
    static const char candidates[] = ",;\t|";
    int64_t count[4] = { 0 };
    bool quoted = false;
    for (int64_t i = csv->begin; i < end && (quoted || csv->text[i] != '\n'); i++) {
        const char *hit = csv->text[i] ? strchr(candidates, csv->text[i]) : NULL;
        quoted ^= csv->text[i] == '"';
        if (hit && !quoted && *hit != csv->dialect.decimal) {
            count[hit - candidates]++;
        }
    }
    int best = csv->dialect.decimal == ',' ? 1 : 0;
    for (int i = 0; i < 4; i++) {
        best = count[i] > count[best] ? i : best;
    }
    return candidates[best];
}

typedef struct header {
    w_csv *csv;
    weir_table *table;
    bool names_in_record, seen;
    int32_t count;
    const char **names;
} header;

static weir_status take_header(void *arg, int64_t count, const w_csv_field *fields)
{
    header *h = arg;
    weir_ctx *ctx = h->csv->ctx;
    h->seen = true;
    h->count = (int32_t)count;
    if (!h->names_in_record) {
        return WEIR_DECLINED;
    }
    h->names = w_arena_alloc(&h->table->arena, (size_t)count, sizeof *h->names);
    for (int64_t k = 0; h->names && k < count; k++) {
        const char *text = fields[k].text;
        int64_t length = fields[k].length;
        while (length > 0 && (*text == ' ' || *text == '\t')) {
            text++;
            length--;
        }
        while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
            length--;
        }
        h->names[k] = length > 0 ? w_arena_printf(&h->table->arena, "%.*s", (int)w_min64(length, INT32_MAX), text)
                                 : w_arena_printf(&h->table->arena, "c%lld", (long long)k);
        if (!h->names[k]) {
            h->names = NULL;
        }
    }
    return h->names ? WEIR_DECLINED : w_alloc_status(ctx);
}

/* One whole record must be in the text; a header may have line ends in quotes. */
static weir_status read_header(w_csv *csv, header *h)
{
    w_csv_reading reading = { csv->part.label, csv->dialect.delimiter, h->names_in_record ? 0 : 1, INT32_MAX };
    for (;;) {
        int64_t end = last_line_end(csv), consumed = csv->begin;
        reading.field_limit = 1; /* every field is followed by a delimiter or a line end */
        for (int64_t i = csv->begin; i < end; i++) {
            reading.field_limit += csv->text[i] == csv->dialect.delimiter;
        }
        weir_status status = end > csv->begin ? w_csv_records(csv->ctx, &reading, csv->text, csv->begin, end, end,
                                                              take_header, h, &consumed)
                                              : WEIR_OK;
        if (status < 0) {
            return status;
        }
        if (h->seen) {
            csv->data_begin = h->names_in_record ? consumed : csv->begin;
            csv->begin = csv->data_begin;
            return WEIR_OK;
        }
        if (csv->at_end) {
            return consumed < end ? w_fail(csv->ctx, WEIR_E_DATA, "%s: a quote in the header is never closed",
                                           csv->part.label)
                                  : w_fail(csv->ctx, WEIR_E_DATA, "%s is empty: a table needs a header line",
                                           csv->part.label);
        }
        status = read_more(csv);
        if (status < 0) {
            return status;
        }
    }
}

static weir_status count_record(void *arg, int64_t count, const w_csv_field *fields)
{
    (void)count;
    (void)fields;
    ++*(int64_t *)arg;
    return WEIR_OK;
}

/* Bytes per row of the records in the head. */
static void measure_head(w_csv *csv)
{
    w_csv_reading reading = { csv->part.label, csv->dialect.delimiter, 1, 0 };
    int64_t end = last_line_end(csv), consumed = csv->begin, rows = 0;
    if (end > csv->begin) {
        w_csv_records(csv->ctx, &reading, csv->text, csv->begin, end, end, count_record, &rows, &consumed);
        w_message_clear(csv->ctx);
    }
    csv->head_rows = rows;
    csv->whole_head = csv->at_end;
    csv->bytes_per_row = rows > 0 ? (double)(consumed - csv->begin) / (double)rows : 0;
    csv->unpacked_ratio = w_bytes_taken(csv->bytes) > 0 ? (double)csv->end / (double)w_bytes_taken(csv->bytes) : 1;
    csv->file_size = w_bytes_file_size(csv->bytes);
}

static int64_t csv_row_estimate(w_part *part)
{
    const w_csv *csv = (const w_csv *)part;
    if (csv->whole_head) {
        return csv->head_rows;
    }
    if (csv->file_size < 0 || csv->bytes_per_row <= 0) {
        return -1;
    }
    double text = (double)csv->file_size * (csv->plain ? 1 : csv->unpacked_ratio);
    return (int64_t)((text - (double)csv->data_begin) / csv->bytes_per_row) + 1;
}

typedef struct level_count {
    const w_csv *csv;
    w_dictionary *dictionary;
    int32_t field;
    bool listed;
    int64_t rows;
} level_count;

static weir_status count_level(void *arg, int64_t count, const w_csv_field *fields)
{
    level_count *c = arg;
    c->rows++;
    if (c->field >= count) {
        return WEIR_OK;
    }
    const w_csv_field *field = &fields[c->field];
    double value;
    if (w_csv_missing(&c->csv->dialect, field->text, (size_t)field->length)) {
        return WEIR_OK;
    }
    if (!c->listed && w_dictionary_count(c->dictionary) == 0 &&
        w_csv_number(&c->csv->dialect, field->text, (size_t)field->length, &value)) {
        return WEIR_DECLINED;
    }
    return w_dictionary_add(c->dictionary, field->text, (size_t)field->length) < 0 ? w_alloc_status(c->csv->ctx)
                                                                                   : WEIR_OK;
}

/* Files that can be opened again give up their head after opening and read it anew here. */
static weir_status csv_head_levels(w_part *part, weir_table *table, int32_t s, int64_t *levels, int64_t *rows)
{
    w_csv *csv = (w_csv *)part;
    bool reopen = csv->bytes == NULL;
    weir_status status = reopen ? w_csv_begin(csv, HEAD_BYTES) : WEIR_OK;
    if (status >= 0 && reopen) {
        int64_t position = w_bytes_position(csv->bytes);
        status = csv->plain ? w_bytes_read_at(csv->bytes, position, csv->text, HEAD_BYTES, &csv->end)
                            : w_bytes_read(csv->bytes, csv->text, HEAD_BYTES, &csv->end);
        csv->at_end = csv->end < HEAD_BYTES;
    }
    level_count c = { csv, NULL, part->column_of[table->selected[s].column], table->selected[s].decided, 0 };
    if (status >= 0) {
        status = w_dictionary_create(csv->ctx, &c.dictionary);
    }
    if (status >= 0) {
        w_csv_reading reading = { part->label, csv->dialect.delimiter, 1, csv->fields };
        int64_t end = last_line_end(csv), consumed;
        status = end > csv->begin ? w_csv_records(csv->ctx, &reading, csv->text, csv->begin, end, end, count_level,
                                                  &c, &consumed)
                                  : WEIR_OK;
        *levels = w_dictionary_count(c.dictionary);
        *rows = c.rows;
    }
    w_dictionary_free(c.dictionary);
    if (reopen) {
        w_csv_stop(part);
    }
    return status;
}

static void csv_close(w_part *part)
{
    w_csv *csv = (w_csv *)part;
    w_bytes_close(csv->bytes);
    w_free(csv->ctx, csv->text);
    w_free(csv->ctx, csv->blocks);
    csv->bytes = NULL;
    csv->text = NULL;
}

static int64_t csv_bytes_read(const w_part *part)
{
    const w_csv *csv = (const w_csv *)part;
    return csv->taken + (csv->bytes ? w_bytes_taken(csv->bytes) : 0);
}

static const w_part_ops csv_ops = { w_csv_start,     w_csv_decode,    w_csv_stop, csv_close, csv_row_estimate,
                                    csv_head_levels, w_csv_pass_bytes, csv_bytes_read };

static weir_status set_dialect(w_csv *csv, weir_table *table, const weir_table_options *options)
{
    w_csv_dialect *dialect = &csv->dialect;
    dialect->decimal = options->decimal ? options->decimal : '.';
    dialect->delimiter = options->delimiter;
    int32_t count;
    const char **words;
    weir_status status =
        w_table_split_list(table, options->missing_words ? options->missing_words : "NA", &count, &words);
    dialect->words = words;
    dialect->word_count = status < 0 ? 0 : count;
    return status;
}

static weir_status open_head(w_csv *csv, weir_table *table, const weir_table_options *options, header *h)
{
    weir_status status = set_dialect(csv, table, options);
    if (status >= 0) {
        status = w_bytes_open(csv->ctx, csv->path, &csv->bytes);
    }
    if (status >= 0) {
        status = read_more(csv);
    }
    if (status >= 0) {
        status = skip_mark(csv);
    }
    if (status < 0) {
        return status;
    }
    if (csv->dialect.delimiter == '\0') {
        csv->dialect.delimiter = guess_delimiter(csv, csv->end);
    }
    status = read_header(csv, h);
    if (status >= 0) {
        measure_head(csv);
    }
    return status;
}

static weir_status name_fields(w_csv *csv, weir_table *table, header *h, int32_t column_count,
                               const char *const *columns)
{
    if (h->names_in_record) {
        return !columns ? WEIR_OK
                        : w_fail(csv->ctx, WEIR_E_ARG, "%s names its columns in its header ('%s', ...): leave the column names out, or "
                                 "say that it has no header", csv->part.label, h->count > 0 ? h->names[0] : "");
    }
    if (!columns) {
        return w_table_number_names(table, h->count, &h->names);
    }
    if (column_count != h->count) {
        return w_fail(csv->ctx, WEIR_E_DATA, "%s has %d columns, but %d names are given", csv->part.label,
                      h->count, column_count);
    }
    h->names = (const char **)columns;
    return WEIR_OK;
}

weir_status w_csv_open(weir_table *table, const char *path, const weir_table_options *options,
                       int32_t column_count, const char *const *columns, w_part **out, int32_t *count,
                       const char ***names)
{
    weir_ctx *ctx = table->ctx;
    w_csv *csv = w_arena_calloc(&table->arena, 1, sizeof *csv);
    char *copy = w_arena_strdup(&table->arena, path);
    if (!csv || !copy) {
        return w_alloc_status(ctx);
    }
    csv->ctx = ctx;
    csv->path = copy;
    csv->part = (w_part){ .ops = &csv_ops, .label = strcmp(path, "-") == 0 ? "standard input" : copy, .rows = -1 };
    header h = { .csv = csv, .table = table, .names_in_record = !options->headerless };
    weir_status status = open_head(csv, table, options, &h);
    if (status >= 0) {
        status = name_fields(csv, table, &h, column_count, columns);
    }
    if (status >= 0) {
        csv->fields = h.count;
        csv->targets = w_arena_calloc(&table->arena, (size_t)h.count, sizeof *csv->targets);
        csv->selected_of = w_arena_alloc(&table->arena, (size_t)h.count, sizeof *csv->selected_of);
        status = csv->targets && csv->selected_of ? WEIR_OK : w_alloc_status(ctx);
    }
    if (status < 0) {
        csv_close(&csv->part);
        return status;
    }
    csv->part.can_restart = w_bytes_is_regular(csv->bytes);
    csv->part.text = true;
    csv->part.file_bytes = csv->file_size > 0 ? csv->file_size : 0;
    csv->part.text_bytes = (double)csv->part.file_bytes * (csv->plain ? 1 : csv->unpacked_ratio);
    csv->plain = w_bytes_is_plain(csv->bytes);
    w_csv_stop(&csv->part);
    *out = &csv->part;
    *count = h.count;
    *names = h.names;
    return WEIR_OK;
}
