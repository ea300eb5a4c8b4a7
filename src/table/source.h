/* SPDX-License-Identifier: Apache-2.0 */
/* A source of rows as the rooms below see it.
 *
 * Reading happens in passes over *windows*: runs of consecutive rows, each starting at a multiple of W_TILE_ROWS and
 * (but for the last) a multiple of W_TILE_ROWS long, so that a tile never straddles two windows. Rows are numbered
 * from 0 in the order of the files.
 *
 * Protocol:   open -> select(columns) -> scan (one complete pass; afterwards row count, column kinds and factor levels
 *             are final) -> { rewind -> next, next, … until rows == 0 }*
 * `scan` may keep the decoded columns in memory (if keep_bytes allows), or spool them to the scratch folder when the
 * source cannot be read twice or `spool` says so; later passes then read from there. A regular CSV file that is neither
 * kept nor spooled is parsed again in each pass. In-memory f64 columns are never copied. Every route gives the same bits.
 *
 * Missing: NaN in numeric columns (also from NA words and empty fields), code -1 in factors. The source reports, it
 * does not judge: infinities pass through as they are.
 * Factor levels: for text, the sorted distinct values (byte order); for columns listed in `factors` that hold numbers,
 * sorted numerically. Codes seen through a window during the scan are provisional (order of appearance) and final in
 * every later pass.
 * Column kind: a column wanted as W_WANT_EITHER is a factor if its first non-missing field is not a number. A later
 * field that is not a number in a numeric column is WEIR_E_DATA naming column, 1-based data row and the text. */
#ifndef W_TABLE_SOURCE_H
#define W_TABLE_SOURCE_H

#include <stdbool.h>

#include "base/ctx.h"
#include "weir/table.h"

#define W_TILE_ROWS 4096

typedef enum w_column_kind { W_NUMERIC = 0, W_FACTOR = 1 } w_column_kind;
typedef enum w_column_want { W_WANT_NUMERIC = 0, W_WANT_FACTOR = 1, W_WANT_EITHER = 2 } w_column_want;

typedef struct w_column_info {
    const char *name;
    w_column_kind kind;
    int64_t level_count;        /* factors, after the scan */
    const char *const *levels;  /* owned by the source */
} w_column_info;

/* One column of a window. Numeric: `dtype` and `stride` tell how it lies; factor: dtype WEIR_I32, codes through
 * `remap` when not NULL (final = remap[provisional]). */
typedef struct w_column_view {
    w_column_kind kind;
    weir_dtype dtype;
    int64_t stride; /* bytes */
    const void *data;
    const int32_t *remap;
} w_column_view;

typedef struct w_window {
    int64_t first_row;
    int64_t rows; /* 0 = end of the table */
    int32_t column_count;
    const w_column_view *column; /* in the order of w_source_select */
} w_window;

/* `rows` values of a numeric column from row `start` of the window, as contiguous doubles: a pointer into the source
 * when it already lies so, else converted into `buffer` (rows doubles). Any thread. */
const double *w_window_numeric(const w_window *window, int32_t column, int64_t start, int64_t rows,
                               double *buffer);
/* The same for the final (or, during the scan, provisional) codes of a factor; -1 = missing. */
const int32_t *w_window_codes(const w_window *window, int32_t column, int64_t start, int64_t rows,
                              int32_t *buffer);

/* When decoded columns go to the scratch folder. */
typedef enum w_spool_use {
    W_SPOOL_NEEDED = 0, /* what keep_bytes does not hold, of a source that cannot be read twice */
    W_SPOOL_ALWAYS = 1, /* from the first row on; the scan fails when it cannot */
    W_SPOOL_CACHE = 2   /* what keep_bytes does not hold; without room there, a source that can is read again */
} w_spool_use;

typedef struct w_scan_options {
    int64_t keep_bytes;   /* decoded columns may be kept in memory if they need at most this */
    int64_t window_bytes; /* rough size of one window's decoded columns */
    w_spool_use spool;
    int64_t threads_hint; /* windows should offer this many independent runs of tiles; 0 = 1 */
} w_scan_options;

typedef enum w_source_route { W_ROUTE_IN_PLACE, W_ROUTE_KEPT, W_ROUTE_REREAD, W_ROUTE_SPOOLED } w_source_route;

typedef weir_status (*w_window_fn)(void *arg, const w_window *window);

/* How the rows lie, known when the table is open: what a plan asks. */
typedef struct w_source_traits {
    int in_place;       /* every column lies in the caller's memory */
    int text;           /* rows are parsed */
    int once;           /* the rows pass only once (standard input, a callback without rewind) */
    int64_t file_bytes; /* of all files; -1 unknown */
    double text_bytes;  /* of the text in them, about, after decompression; 0 = no text */
} w_source_traits;
void w_source_traits_of(const weir_table *table, w_source_traits *out);

/* Column position by name, or -1. Columns of the whole table, in file order. */
int32_t w_source_find(const weir_table *table, const char *name);
int32_t w_source_column_count(const weir_table *table);
const char *w_source_column_name(const weir_table *table, int32_t index);
/* Chooses the columns to decode (each name at most once). May be called again before another scan. */
weir_status w_source_select(weir_table *table, int32_t count, const char *const *names, const w_column_want *want);
/* Known before the scan for memory and NPY; -1 otherwise. */
int64_t w_source_row_count(const weir_table *table);
/* An estimate of the rows for a plan before anything is read (file size / bytes per row of the first records);
 * exact when known; -1 for a pipe. */
int64_t w_source_row_estimate(weir_table *table);
/* Estimated levels of a selected column from the head of the file (for a plan); 0 = not a factor as far as seen. */
int64_t w_source_level_estimate(weir_table *table, int32_t selected);
/* One complete pass; `visit` (may be NULL) sees every window. */
weir_status w_source_scan(weir_table *table, const w_scan_options *options, w_window_fn visit, void *arg);
const w_column_info *w_source_column(const weir_table *table, int32_t selected); /* final after the scan */
/* After the scan: final code of each code a visitor of the scan saw; NULL = those were final already. */
const int32_t *w_source_scan_remap(const weir_table *table, int32_t selected);
/* Forgets what the scan found out, rows and levels too: a plan is then made as for a table that was just opened. */
void w_source_reset(weir_table *table);
bool w_source_scanned(const weir_table *table); /* the last scan succeeded: its route stands */
w_source_route w_source_chosen_route(const weir_table *table);
weir_status w_source_rewind(weir_table *table);
/* The next window; views are valid until the next call. window->rows == 0 at the end. */
weir_status w_source_next(weir_table *table, w_window *window);
/* Reads window bytes for one buffer set of `columns` selected columns: what a plan charges for reading. */
int64_t w_source_bytes(const weir_table *table, const w_scan_options *options);
/* Beside that, what a table of `rows` rows remembers of its windows while they are spooled. */
int64_t w_source_spool_bytes(const weir_table *table, const w_scan_options *options, int64_t rows);
/* Bytes that the scratch folder can take: what is free there less a margin of 1/16 and 64 MiB, at most RLIMIT_FSIZE.
 * 0 with the reason in *why (which borrows `text`, else NULL) when rows that could be read again should not go there: the
 * folder is "none", cannot be written, is full, or lies in memory without the caller having named it. */
int64_t w_source_scratch_room(const weir_ctx *ctx, char *text, size_t size, const char **why);
/* "rides.csv", "3 files", "memory", "callback": for messages. */
const char *w_source_label(const weir_table *table);
/* Seconds spent reading and decoding since the table was opened, and bytes read from the file. */
double w_source_seconds(const weir_table *table);
int64_t w_source_bytes_read(const weir_table *table);

#endif
