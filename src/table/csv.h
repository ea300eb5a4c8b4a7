/* SPDX-License-Identifier: Apache-2.0 */
/* CSV text as a part of a table.
 *
 * Dialect (RFC 4180 as libcsv reads it): fields between delimiters, blanks around them dropped; a field may stand in
 * double quotes, with "" for a quote and line ends inside; CRLF or LF ends a record; blank lines are skipped; a byte
 * order mark is skipped; the last line end is optional. Two things are refused: a record ended by a carriage return
 * alone, and a quote that is never closed.
 *
 * The text is cut at line ends into blocks, which the pool's workers decode straight into the table's buffer. That
 * scanner takes plain records and quoted fields without quotes or line ends in them. A block in which it meets
 * anything else (or anything wrong) is *odd*: libcsv reads it again, and it alone words errors, so that neither values
 * nor messages depend on who reads. A block begins at a record because the block before it did and was understood to
 * its end; after an odd block libcsv says where the next record begins. */
#ifndef W_TABLE_CSV_H
#define W_TABLE_CSV_H

#include "table/bytes.h"
#include "base/number.h"
#include "table/table.h"

/* Readable bytes after the text: a number may be read past its end. */
#define W_CSV_SLACK 64

typedef struct w_csv_dialect {
    char delimiter, decimal;
    int32_t word_count; /* missing-value words beside the empty field */
    const char *const *words;
} w_csv_dialect;

typedef struct w_csv_field {
    const char *text; /* W_NUMBER_SLACK readable bytes after a zero byte at the end */
    int64_t length;
} w_csv_field;

/* ---- csv_records.c: records through libcsv */

/* `count` may differ from what is expected; only the first `count` <= limit fields are given. WEIR_DECLINED stops
 * after this record. */
typedef weir_status (*w_csv_record_fn)(void *arg, int64_t count, const w_csv_field *fields);

typedef struct w_csv_reading {
    const char *label;
    char delimiter;
    int64_t first_row;   /* 1-based number of the first record, for messages; 0 = the header */
    int64_t field_limit; /* fields beyond are counted only */
} w_csv_reading;

/* Reads whole records of text[begin … end) until `limit` is reached or passed at the end of one; *consumed = the end
 * of the last whole record (or of the blank lines after it). text[end-1] is a line end. */
weir_status w_csv_records(weir_ctx *ctx, const w_csv_reading *reading, const char *text, int64_t begin,
                          int64_t limit, int64_t end, w_csv_record_fn visit, void *arg, int64_t *consumed);

/* What that takes while no record is longer than 1 KiB. */
int64_t w_csv_records_bytes(int64_t field_limit);

/* ---- csv_field.c */

bool w_csv_missing(const w_csv_dialect *dialect, const char *text, size_t length);
/* Missing gives NaN. False = neither missing nor a number. The text as for w_number_field. */
bool w_csv_number(const w_csv_dialect *dialect, const char *text, size_t length, double *value);

/* ---- csv_scan.c: the scanner of plain records */

typedef enum w_csv_action { W_CSV_SKIP, W_CSV_NUMBER, W_CSV_LEVEL } w_csv_action;

typedef struct w_csv_target {
    w_csv_action action;
    void *data; /* doubles or codes, from row 0 of the buffer */
    w_dictionary *dictionary;
} w_csv_target;

typedef struct w_csv_block {
    int64_t begin, end; /* in the text; text[end-1] is a line end */
    int64_t lines;      /* >= rows */
    int64_t at;         /* first row in the buffer */
    int64_t rows;
    bool odd;
    bool new_levels; /* some codes are -2 - (place of the text in the block) */
} w_csv_block;

/* Decodes records into targets[fields] from row block->at. Sets rows, odd, new_levels. */
void w_csv_scan_block(const w_csv_dialect *dialect, const char *text, int32_t fields, const w_csv_target *targets,
                      w_csv_block *block);
/* The text of the field that begins at `p`, after the scanner has accepted it. */
void w_csv_plain_field(const w_csv_dialect *dialect, const char *p, const char **text, size_t *length);
/* Number of line feeds; *last = place after the last one (0 when there is none). */
int64_t w_csv_count_lines(const char *text, int64_t bytes, int64_t *last);

/* ---- csv_open.c, csv_decode.c */

typedef struct w_csv {
    w_part part; /* first: a w_part * is a w_csv * */
    weir_ctx *ctx;
    const char *path;
    w_csv_dialect dialect;
    int32_t fields;
    int64_t data_begin;    /* text bytes before the first record */
    double bytes_per_row;  /* of the head; 0 = no row seen */
    double unpacked_ratio; /* text bytes per byte of file */
    int64_t file_size;
    int64_t taken; /* bytes of file in finished passes */
    bool plain;      /* regular and not compressed */
    bool whole_head; /* the head was the whole text */
    int64_t head_rows;

    w_bytes *bytes; /* while a pass runs, and from the start for a pipe */
    bool used;      /* a pipe has been read */
    char *text;
    int64_t text_room; /* without the slack */
    int64_t begin, end; /* what is not decoded yet */
    bool at_end;        /* no bytes after `end` */
    bool recut;         /* whole lines from `begin` on are in the text, but in no block */
    int64_t row;        /* records decoded in this pass */
    w_csv_block *blocks;
    int64_t block_room, block_count, block_next;
    w_csv_target *targets; /* one per field */
    int32_t *selected_of;  /* field -> selected column, or -1 */
} w_csv;

weir_status w_csv_start(w_part *part, weir_table *table);
weir_status w_csv_decode(w_part *part, weir_table *table, int64_t at, int64_t capacity, int64_t *rows);
void w_csv_stop(w_part *part);
int64_t w_csv_pass_bytes(const w_part *part, const weir_table *table);
/* Opens for one pass with at least `room` bytes of text. */
weir_status w_csv_begin(w_csv *csv, int64_t room);
/* A larger text buffer; the content stays. */
weir_status w_csv_grow_text(w_csv *csv, int64_t room);

#endif
