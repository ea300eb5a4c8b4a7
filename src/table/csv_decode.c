/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over CSV text.
 *
 *   refill   move what is left to the front, read on (slices in parallel from a plain file) and count each slice's line
 *            ends: block i runs from the last line end of slice i-1 to the last one of slice i, and has at most as many
 *            rows as slice i has line ends, which gives every block its own rows of the buffer before it is decoded
 *   scan     the blocks that fit the buffer, in parallel; then from the first to the last: the odd ones again through
 *            libcsv, codes for texts not seen before, and rows moved together where blank lines left gaps */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "table/csv.h"

#define TAG "csv text"
#define LEAST_BLOCK ((int64_t)32 << 10)
#define MOST_BLOCK ((int64_t)1 << 20)
#define LEAST_TEXT ((int64_t)256 << 10)
#define MOST_TEXT ((int64_t)16 << 20)
#define DEFAULT_TEXT ((int64_t)4 << 20)
#define BLOCKS_PER_WORKER 4

static int64_t text_bytes(const weir_table *table)
{
    int64_t wanted = table->options.window_bytes > 0 ? table->options.window_bytes : DEFAULT_TEXT;
    return w_max64(LEAST_TEXT, w_min64(wanted, MOST_TEXT));
}

static int64_t block_bytes(const weir_table *table)
{
    if (table->block_bytes > 0) {
        return table->block_bytes;
    }
    int64_t share = text_bytes(table) / (BLOCKS_PER_WORKER * w_pool_workers(table->ctx));
    return w_max64(LEAST_BLOCK, w_min64(share, MOST_BLOCK));
}

int64_t w_csv_pass_bytes(const w_part *part, const weir_table *table)
{
    const w_csv *csv = (const w_csv *)part;
    int64_t text = w_max64(text_bytes(table), csv->text_room);
    int64_t blocks = text / block_bytes(table) + 3;
    return w_alloc_bytes(text + W_CSV_SLACK) + w_alloc_bytes(blocks * (int64_t)sizeof(w_csv_block)) +
           w_bytes_cost(!csv->plain) + w_csv_records_bytes(csv->fields);
}

weir_status w_csv_begin(w_csv *csv, int64_t room)
{
    w_part *part = &csv->part;
    if (!part->can_restart && csv->used) {
        return w_fail(csv->ctx, WEIR_E_DATA, "%s can be read only once", part->label);
    }
    csv->block_count = csv->block_next = csv->row = 0;
    csv->recut = !part->can_restart; /* the head of a pipe is in the text */
    if (!part->can_restart) {
        return w_csv_grow_text(csv, room);
    }
    csv->begin = csv->end = 0;
    csv->at_end = false;
    weir_status status = w_bytes_open(csv->ctx, csv->path, &csv->bytes);
    if (status >= 0) {
        status = w_csv_grow_text(csv, csv->plain ? room : w_max64(room, csv->data_begin));
    }
    if (status >= 0 && csv->plain) {
        w_bytes_skip(csv->bytes, csv->data_begin);
    } else if (status >= 0) { /* the header is unpacked once more */
        int64_t got;
        status = w_bytes_read(csv->bytes, csv->text, csv->data_begin, &got);
    }
    return status;
}

weir_status w_csv_start(w_part *part, weir_table *table)
{
    w_csv *csv = (w_csv *)part;
    int64_t room = table->block_bytes > 0 ? 4 * table->block_bytes : text_bytes(table);
    weir_status status = w_csv_begin(csv, room);
    for (int32_t k = 0; k < csv->fields; k++) {
        csv->selected_of[k] = -1;
    }
    for (int32_t s = 0; s < table->selected_count; s++) {
        csv->selected_of[part->column_of[table->selected[s].column]] = s;
    }
    return status;
}

void w_csv_stop(w_part *part)
{
    w_csv *csv = (w_csv *)part;
    if (!part->can_restart && !csv->used) {
        return;
    }
    csv->taken += csv->bytes ? w_bytes_taken(csv->bytes) : 0;
    w_bytes_close(csv->bytes);
    w_free(csv->ctx, csv->text);
    w_free(csv->ctx, csv->blocks);
    csv->bytes = NULL;
    csv->text = NULL;
    csv->blocks = NULL;
    csv->text_room = csv->block_room = csv->block_count = csv->block_next = 0;
    csv->begin = csv->end = 0;
}

/* ---- refill */

typedef struct slices {
    w_csv *csv;
    int64_t offset; /* of the file, for text[from] */
    int64_t from;   /* slices before it are there already */
} slices;

static weir_status read_slice(void *arg, int64_t task, int worker)
{
    (void)worker;
    const slices *s = arg;
    w_csv *csv = s->csv;
    w_csv_block *slice = &csv->blocks[task + 1];
    if (slice->begin >= s->from && csv->plain) {
        int64_t got = 0;
        weir_status status = w_bytes_read_at(csv->bytes, s->offset + slice->begin - s->from,
                                             csv->text + slice->begin, slice->end - slice->begin, &got);
        if (status < 0) {
            return status;
        }
        slice->rows = got;
    } else {
        slice->rows = slice->end - slice->begin;
    }
    slice->lines = w_csv_count_lines(csv->text + slice->begin, slice->rows, &slice->at);
    return WEIR_OK;
}

/* Place 0 stays free: a block that is cut puts its first piece there. */
static weir_status make_slices(w_csv *csv, int64_t size, int64_t from, int64_t to)
{
    int64_t most = (to - from) / size + 3;
    if (most > csv->block_room) {
        w_csv_block *blocks =
            w_realloc(csv->ctx, TAG, csv->blocks, (size_t)w_mul64(most, (int64_t)sizeof *blocks));
        if (!blocks) {
            return w_alloc_status(csv->ctx);
        }
        csv->blocks = blocks;
        csv->block_room = most;
    }
    csv->block_count = csv->block_next = 1;
    if (csv->begin < from) {
        csv->blocks[csv->block_count++] = (w_csv_block){ .begin = csv->begin, .end = from };
    }
    for (int64_t p = from; p < to; p += size) {
        csv->blocks[csv->block_count++] = (w_csv_block){ .begin = p, .end = w_min64(p + size, to) };
    }
    return WEIR_OK;
}

/* A slice holds what was read of it in `rows` and the place after its last line end in `at`. */
static void join_slices(w_csv *csv)
{
    int64_t count = 1, begin = csv->begin;
    for (int64_t i = 1; i < csv->block_count; i++) {
        w_csv_block slice = csv->blocks[i];
        if (slice.lines > 0) {
            csv->blocks[count++] =
                (w_csv_block){ .begin = begin, .end = slice.begin + slice.at, .lines = slice.lines };
            begin = slice.begin + slice.at;
        }
    }
    csv->block_count = count;
}

/* Text up to the first slice that came short. */
static void trim_slices(w_csv *csv, int64_t from)
{
    csv->end = from;
    for (int64_t i = 1; i < csv->block_count; i++) {
        w_csv_block *slice = &csv->blocks[i];
        if (slice->begin < from) {
            continue;
        }
        csv->end = slice->begin + slice->rows;
        if (slice->rows < slice->end - slice->begin) {
            csv->at_end = true;
            csv->block_count = slice->rows > 0 ? i + 1 : i;
            return;
        }
    }
}

/* At the end of the file the last line may lack its line end: it is put into the slack. */
static weir_status close_last_line(w_csv *csv, int64_t size)
{
    if (!csv->at_end || csv->end == csv->begin || csv->text[csv->end - 1] == '\n') {
        return WEIR_OK;
    }
    csv->text[csv->end++] = '\n';
    slices s = { csv, 0, csv->end };
    weir_status status = make_slices(csv, size, csv->begin, csv->end);
    return status < 0 ? status : w_pool_run(csv->ctx, csv->block_count - 1, read_slice, &s);
}

static weir_status refill(w_csv *csv, weir_table *table, bool read)
{
    int64_t size = block_bytes(table), from = csv->begin;
    weir_status status = WEIR_OK;
    slices s = { csv, 0, csv->end };
    if (read) {
        int64_t rest = csv->end - csv->begin,
                wanted = table->block_bytes > 0 ? 4 * table->block_bytes : LEAST_TEXT / 2;
        if (csv->text_room - rest < w_min64(wanted, csv->text_room / 2)) {
            status = w_csv_grow_text(csv, 2 * csv->text_room);
        }
        if (status < 0) {
            return status;
        }
        memmove(csv->text, csv->text + csv->begin, (size_t)rest);
        csv->begin = 0;
        csv->end = from = s.from = rest;
        s.offset = w_bytes_position(csv->bytes);
        int64_t to = csv->text_room;
        if (!csv->plain) {
            int64_t got;
            status = w_bytes_read(csv->bytes, csv->text + from, to - from, &got);
            if (status < 0) {
                return status;
            }
            csv->at_end = got < to - from;
            to = from + got;
        }
        status = make_slices(csv, size, from, to);
    } else {
        status = make_slices(csv, size, from, csv->end);
    }
    if (status >= 0) {
        status = w_pool_run(csv->ctx, csv->block_count - 1, read_slice, &s);
    }
    if (status < 0) {
        return status;
    }
    if (read) {
        trim_slices(csv, from);
        if (csv->plain) {
            w_bytes_skip(csv->bytes, csv->end - from);
        }
    }
    status = close_last_line(csv, size);
    if (status >= 0) {
        join_slices(csv);
    }
    return status;
}

/* Blocks are left to decode after this, or the part is at its end. */
static weir_status next_blocks(w_csv *csv, weir_table *table)
{
    weir_status status = WEIR_OK;
    if (csv->recut) {
        csv->recut = false;
        status = refill(csv, table, false);
    }
    while (status >= 0 && csv->block_next == csv->block_count && !csv->at_end) {
        status = refill(csv, table, true);
    }
    return status;
}

/* ---- odd blocks */

typedef struct odd_reading {
    w_csv *csv;
    weir_table *table;
    int64_t at, room, rows;
} odd_reading;

static weir_status bad_number(const odd_reading *o, int32_t field, const w_csv_field *f)
{
    const w_csv *csv = o->csv;
    const w_selected *selected = &o->table->selected[csv->selected_of[field]];
    return w_fail(csv->ctx, WEIR_E_DATA, "%s, row %lld: column '%s' is numeric but holds '%.*s'%s",
                  csv->part.label, (long long)(csv->row + o->rows + 1), selected->info.name,
                  (int)w_min64(f->length, 60), f->text, f->length > 60 ? "…" : "");
}

static weir_status odd_field(const odd_reading *o, int32_t field, const w_csv_field *f)
{
    const w_csv *csv = o->csv;
    const w_csv_target *target = &csv->targets[field];
    int64_t at = o->at + o->rows;
    if (target->action == W_CSV_NUMBER) {
        return w_csv_number(&csv->dialect, f->text, (size_t)f->length, (double *)target->data + at)
                   ? WEIR_OK
                   : bad_number(o, field, f);
    }
    int32_t code = -1;
    if (!w_csv_missing(&csv->dialect, f->text, (size_t)f->length)) {
        code = w_dictionary_find(target->dictionary, f->text, (size_t)f->length);
        if (code < 0 && w_dictionary_finished(target->dictionary)) {
            return w_fail(csv->ctx, WEIR_E_DATA, "%s changed while it was read: row %lld has the new level '%.*s'",
                          csv->part.label, (long long)(csv->row + o->rows + 1), (int)w_min64(f->length, 60),
                          f->text);
        }
        if (code < 0) {
            code = w_dictionary_add(target->dictionary, f->text, (size_t)f->length);
        }
        if (code < 0) {
            return w_alloc_status(csv->ctx);
        }
    }
    ((int32_t *)target->data)[at] = code;
    return WEIR_OK;
}

static weir_status odd_record(void *arg, int64_t count, const w_csv_field *fields)
{
    odd_reading *o = arg;
    const w_csv *csv = o->csv;
    if (count != csv->fields) {
        return w_fail(csv->ctx, WEIR_E_DATA, "%s, row %lld has %lld fields, but there are %d columns",
                      csv->part.label, (long long)(csv->row + o->rows + 1), (long long)count, csv->fields);
    }
    for (int32_t k = 0; k < csv->fields; k++) {
        if (csv->targets[k].action != W_CSV_SKIP) {
            weir_status status = odd_field(o, k, &fields[k]);
            if (status < 0) {
                return status;
            }
        }
    }
    o->rows++;
    return o->rows == o->room ? WEIR_DECLINED : WEIR_OK;
}

/* Reads from block->begin to its end or beyond, up to `room` rows. *consumed tells how far; *more that the record
 * there ends outside the text. */
static weir_status read_odd(w_csv *csv, weir_table *table, w_csv_block *block, int64_t room, int64_t *consumed,
                            bool *more)
{
    w_csv_reading reading = { csv->part.label, csv->dialect.delimiter, csv->row + 1, csv->fields };
    odd_reading o = { csv, table, block->at, room, 0 };
    int64_t end = csv->blocks[csv->block_count - 1].end;
    weir_status status =
        w_csv_records(csv->ctx, &reading, csv->text, block->begin, block->end, end, odd_record, &o, consumed);
    if (status < 0) {
        return status;
    }
    block->rows = o.rows;
    *more = *consumed < block->end && o.rows < room;
    if (*more && csv->at_end) {
        return w_fail(csv->ctx, WEIR_E_DATA, "%s, row %lld: a quote is opened and never closed", csv->part.label,
                      (long long)(csv->row + o.rows + 1));
    }
    return WEIR_OK;
}

/* ---- blocks to rows */

/* Texts that the scanner did not find get their codes in the order of rows. */
static weir_status settle_levels(w_csv *csv, const w_csv_block *block)
{
    for (int32_t k = 0; k < csv->fields; k++) {
        const w_csv_target *target = &csv->targets[k];
        int32_t *code = (int32_t *)target->data;
        for (int64_t i = block->at; target->action == W_CSV_LEVEL && i < block->at + block->rows; i++) {
            if (code[i] >= -1) {
                continue;
            }
            const char *text;
            size_t length;
            w_csv_plain_field(&csv->dialect, csv->text + block->begin + (-2 - code[i]), &text, &length);
            if (w_dictionary_finished(target->dictionary)) {
                return w_fail(csv->ctx, WEIR_E_DATA,
                              "%s changed while it was read: row %lld has the new level '%.*s'", csv->part.label,
                              (long long)(csv->row + i - block->at + 1), (int)w_min64((int64_t)length, 60), text);
            }
            code[i] = w_dictionary_add(target->dictionary, text, length);
            if (code[i] < 0) {
                return w_alloc_status(csv->ctx);
            }
        }
    }
    return WEIR_OK;
}

static void move_rows(const w_csv *csv, int64_t to, int64_t from, int64_t rows)
{
    for (int32_t k = 0; to != from && k < csv->fields; k++) {
        const w_csv_target *target = &csv->targets[k];
        size_t bytes = target->action == W_CSV_NUMBER ? sizeof(double) : sizeof(int32_t);
        char *data = target->data;
        if (target->action != W_CSV_SKIP) {
            memmove(data + (size_t)to * bytes, data + (size_t)from * bytes, (size_t)rows * bytes);
        }
    }
}

typedef struct scan_job {
    w_csv *csv;
    w_csv_block *blocks;
} scan_job;

static weir_status scan_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const scan_job *job = arg;
    w_csv *csv = job->csv;
    w_csv_scan_block(&csv->dialect, csv->text, csv->fields, csv->targets, &job->blocks[task]);
    return WEIR_OK;
}

/* A block with more lines than rows are free is cut after as many lines. */
static void cut_block(w_csv *csv, int64_t lines)
{
    w_csv_block *block = &csv->blocks[csv->block_next], *piece = &csv->blocks[--csv->block_next];
    const char *p = csv->text + block->begin;
    for (int64_t i = 0; i < lines; i++) {
        p = (const char *)memchr(p, '\n', (size_t)(csv->text + block->end - p)) + 1;
    }
    *piece = (w_csv_block){ .begin = block->begin, .end = p - csv->text, .lines = lines };
    block->begin = piece->end;
    block->lines -= lines;
}

/* The run of blocks whose lines fit; at least one. Gives each its rows of the buffer. */
static int64_t take_blocks(w_csv *csv, int64_t at, int64_t capacity)
{
    if (csv->blocks[csv->block_next].lines > capacity) {
        cut_block(csv, capacity);
    }
    int64_t count = 0, lines = 0;
    for (int64_t i = csv->block_next; i < csv->block_count && lines + csv->blocks[i].lines <= capacity; i++) {
        csv->blocks[i].at = at + lines;
        lines += csv->blocks[i].lines;
        count++;
    }
    return count;
}

/* Goes through the scanned blocks in order; *rows grows by what they hold. Stops early when libcsv ends elsewhere
 * than the block it was asked to read. */
static weir_status collect(w_csv *csv, weir_table *table, int64_t at, int64_t capacity, int64_t count,
                           int64_t *rows)
{
    *rows = 0;
    for (int64_t i = 0; i < count; i++) {
        w_csv_block *block = &csv->blocks[csv->block_next];
        weir_status status = WEIR_OK;
        int64_t consumed = block->end;
        bool more = false;
        if (block->odd) {
            block->at = at + *rows;
            status = read_odd(csv, table, block, capacity - *rows, &consumed, &more);
        } else if (block->new_levels) {
            status = settle_levels(csv, block);
        }
        if (status < 0) {
            return status;
        }
        move_rows(csv, at + *rows, block->at, block->rows);
        *rows += block->rows;
        csv->row += block->rows;
        csv->begin = consumed;
        if (consumed != block->end) {
            csv->block_next = csv->block_count;
            csv->recut = !more;
            return WEIR_OK;
        }
        csv->block_next++;
    }
    return WEIR_OK;
}

static void aim(w_csv *csv, const weir_table *table)
{
    for (int32_t k = 0; k < csv->fields; k++) {
        int32_t s = csv->selected_of[k];
        if (s < 0) {
            csv->targets[k] = (w_csv_target){ W_CSV_SKIP, NULL, NULL };
            continue;
        }
        const w_selected *selected = &table->selected[s];
        bool factor = selected->info.kind == W_FACTOR;
        csv->targets[k] =
            (w_csv_target){ factor ? W_CSV_LEVEL : W_CSV_NUMBER, table->buffer.data[s], selected->dictionary };
    }
}

/* ---- the kind of columns wanted as either */

typedef struct deciding {
    w_csv *csv;
    weir_table *table;
    int32_t open;
} deciding;

static weir_status decide_record(void *arg, int64_t count, const w_csv_field *fields)
{
    deciding *d = arg;
    const w_csv *csv = d->csv;
    if (count != csv->fields) {
        return WEIR_DECLINED; /* the scan will word it */
    }
    for (int32_t k = 0; k < csv->fields; k++) {
        int32_t s = csv->selected_of[k];
        if (s < 0 || d->table->selected[s].decided ||
            w_csv_missing(&csv->dialect, fields[k].text, (size_t)fields[k].length)) {
            continue;
        }
        double value;
        bool number = w_csv_number(&csv->dialect, fields[k].text, (size_t)fields[k].length, &value);
        weir_status status = w_table_decide(d->table, s, number ? W_NUMERIC : W_FACTOR);
        if (status < 0) {
            return status;
        }
        d->open--;
    }
    return d->open == 0 ? WEIR_DECLINED : WEIR_OK;
}

/* Looks at the records that are decoded next: their first value that is not missing decides. */
static weir_status decide_kinds(w_csv *csv, weir_table *table, int64_t count)
{
    deciding d = { csv, table, 0 };
    for (int32_t s = 0; s < table->selected_count; s++) {
        d.open += !table->selected[s].decided;
    }
    if (d.open == 0) {
        return WEIR_OK;
    }
    w_csv_reading reading = { csv->part.label, csv->dialect.delimiter, csv->row + 1, csv->fields };
    int64_t begin = csv->blocks[csv->block_next].begin, limit = csv->blocks[csv->block_next + count - 1].end,
            consumed;
    weir_status status = w_csv_records(csv->ctx, &reading, csv->text, begin, limit,
                                       csv->blocks[csv->block_count - 1].end, decide_record, &d, &consumed);
    if (status == WEIR_E_DATA) { /* the scan will word it, or something wrong before it */
        w_message_clear(csv->ctx);
        status = WEIR_OK;
    }
    return status;
}

weir_status w_csv_decode(w_part *part, weir_table *table, int64_t at, int64_t capacity, int64_t *rows)
{
    w_csv *csv = (w_csv *)part;
    csv->used = true;
    for (;;) {
        weir_status status = next_blocks(csv, table);
        if (status < 0) {
            return status;
        }
        if (csv->block_next == csv->block_count) {
            *rows = 0;
            part->rows = csv->row;
            return WEIR_OK;
        }
        int64_t count = take_blocks(csv, at, capacity);
        status = decide_kinds(csv, table, count);
        if (status >= 0) {
            aim(csv, table);
            scan_job job = { csv, csv->blocks + csv->block_next };
            status = w_pool_run(csv->ctx, count, scan_task, &job);
        }
        if (status >= 0) {
            status = collect(csv, table, at, capacity, count, rows);
        }
        if (status < 0 || *rows > 0) {
            return status;
        }
    }
}
