/* SPDX-License-Identifier: Apache-2.0 */
/* libcsv behind the ledger. Its hooks for memory know no context, so its buffer is put there by hand and grown when it
 * reports that it wants more: it stops at the byte in question and goes on from there. Text is fed line by line,
 * which tells where records end. */
#include <csv.h>
#include <string.h>

#include "base/size.h"
#include "table/csv.h"

#define TAG "csv record"
#define FIRST_BYTES 1024

typedef struct record {
    weir_ctx *ctx;
    char *text;
    int64_t used, room;
    int64_t *offset; /* of field k; its length is offset[k+1] - offset[k] - 1 - W_NUMBER_SLACK */
    w_csv_field *fields;
    int64_t field_limit, count;
    int64_t ended; /* records ended in this line */
    weir_status status;
} record;

static void *refuse_memory(void *block, size_t bytes)
{
    (void)block;
    (void)bytes;
    return NULL;
}

static void on_field(void *text, size_t length, void *arg)
{
    record *r = arg;
    if (r->status < 0) {
        return;
    }
    if (r->count < r->field_limit) {
        int64_t need = w_add64(r->used, (int64_t)length + 1 + W_NUMBER_SLACK);
        if (need > r->room) {
            char *larger = w_realloc(r->ctx, TAG, r->text, (size_t)w_mul64(2, need));
            if (!larger) {
                r->status = w_alloc_status(r->ctx);
                return;
            }
            r->text = larger;
            r->room = 2 * need;
        }
        memcpy(r->text + r->used, text, length);
        memset(r->text + r->used + length, 0, 1 + W_NUMBER_SLACK);
        r->used = need;
        r->offset[r->count + 1] = need;
    }
    r->count++;
}

static void on_record(int ending, void *arg)
{
    (void)ending;
    ((record *)arg)->ended++;
}

static weir_status feed(struct csv_parser *parser, record *r, const char *text, int64_t bytes)
{
    while (bytes > 0) {
        size_t done = csv_parse(parser, text, (size_t)bytes, on_field, on_record, r);
        text += done;
        bytes -= (int64_t)done;
        if (r->status < 0) {
            return r->status;
        }
        if (bytes > 0) {
            size_t larger = w_mul_size(2, parser->entry_size);
            void *buffer = w_realloc(r->ctx, TAG, parser->entry_buf, larger);
            if (!buffer) {
                return w_alloc_status(r->ctx);
            }
            parser->entry_buf = buffer;
            parser->entry_size = larger;
        }
    }
    return WEIR_OK;
}

/* A line has ended a record. `between`: the next byte begins another one. */
static weir_status finish_record(const w_csv_reading *reading, record *r, bool between, int64_t row,
                                 w_csv_record_fn visit, void *arg)
{
    if (r->ended > 1 || !between) {
        return w_fail(r->ctx, WEIR_E_DATA,
                      "%s, row %lld: a carriage return without line feed ends the record: convert the line ends",
                      reading->label, (long long)row);
    }
    int64_t kept = w_min64(r->count, r->field_limit);
    for (int64_t k = 0; k < kept; k++) {
        r->fields[k] =
            (w_csv_field){ r->text + r->offset[k], r->offset[k + 1] - r->offset[k] - 1 - W_NUMBER_SLACK };
    }
    return visit(arg, r->count, r->fields);
}

static weir_status read_lines(struct csv_parser *parser, record *r, const w_csv_reading *reading, const char *text,
                              int64_t begin, int64_t limit, int64_t end, w_csv_record_fn visit, void *arg,
                              int64_t *consumed)
{
    weir_status status = WEIR_OK;
    int64_t row = reading->first_row;
    *consumed = begin;
    for (int64_t p = begin; p < end && (p < limit || *consumed < p);) {
        const char *line_end = memchr(text + p, '\n', (size_t)(end - p));
        int64_t next = line_end - text + 1;
        status = feed(parser, r, text + p, next - p);
        p = next;
        if (status < 0) {
            break;
        }
        bool between = parser->pstate == 0;
        if (r->ended > 0) {
            status = finish_record(reading, r, between, row++, visit, arg);
            r->used = r->count = r->ended = 0;
        }
        if (between) {
            *consumed = p;
        }
        if (status != WEIR_OK) {
            break;
        }
    }
    return status < 0 ? status : WEIR_OK;
}

weir_status w_csv_records(weir_ctx *ctx, const w_csv_reading *reading, const char *text, int64_t begin,
                          int64_t limit, int64_t end, w_csv_record_fn visit, void *arg, int64_t *consumed)
{
    struct csv_parser parser;
    csv_init(&parser, CSV_APPEND_NULL);
    csv_set_delim(&parser, (unsigned char)reading->delimiter);
    csv_set_realloc_func(&parser, refuse_memory);
    record r = { .ctx = ctx, .field_limit = reading->field_limit, .room = FIRST_BYTES };
    parser.entry_buf = w_alloc(ctx, TAG, FIRST_BYTES);
    parser.entry_size = FIRST_BYTES;
    r.text = w_alloc(ctx, TAG, FIRST_BYTES);
    r.offset = w_calloc(ctx, TAG, (size_t)reading->field_limit + 1, sizeof *r.offset);
    r.fields = w_alloc_array(ctx, TAG, (size_t)reading->field_limit, sizeof *r.fields);
    weir_status status;
    if (parser.entry_buf && r.text && r.offset && r.fields) {
        status = read_lines(&parser, &r, reading, text, begin, limit, end, visit, arg, consumed);
    } else {
        status = w_alloc_status(ctx);
    }
    w_free(ctx, parser.entry_buf);
    w_free(ctx, r.text);
    w_free(ctx, r.offset);
    w_free(ctx, r.fields);
    return status;
}

int64_t w_csv_records_bytes(int64_t field_limit)
{
    return 2 * w_alloc_bytes(FIRST_BYTES) + w_alloc_bytes(w_mul64(field_limit + 1, (int64_t)sizeof(int64_t))) +
           w_alloc_bytes(w_mul64(field_limit, (int64_t)sizeof(w_csv_field)));
}
