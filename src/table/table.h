/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a table.
 *
 * A *part* is one file, or the callback: something that appends decoded rows to the table's buffer. The table cuts the
 * buffer into windows, whatever the lengths of parts, and keeps or spools them. Columns in the caller's memory are not
 * decoded at all: `memory` is set instead of parts. */
#ifndef W_TABLE_TABLE_H
#define W_TABLE_TABLE_H

#include "base/arena.h"
#include "table/dictionary.h"
#include "table/source.h"

typedef struct w_part w_part;

typedef struct w_part_ops {
    /* First row next. May be called again when the part can restart. */
    weir_status (*start)(w_part *part, weir_table *table);
    /* Appends up to `capacity` rows to the buffer from row `at` of it; *rows = 0 at the end of the part. */
    weir_status (*decode)(w_part *part, weir_table *table, int64_t at, int64_t capacity, int64_t *rows);
    /* Gives back what a pass needs. */
    void (*stop)(w_part *part);
    void (*close)(w_part *part);
    int64_t (*row_estimate)(w_part *part); /* -1 unknown */
    /* Distinct levels among the first *rows rows; 0 = not a factor. May be NULL. */
    weir_status (*head_levels)(w_part *part, weir_table *table, int32_t selected, int64_t *levels, int64_t *rows);
    /* Bytes of one pass beside the table's buffer. */
    int64_t (*pass_bytes)(const w_part *part, const weir_table *table);
    int64_t (*bytes_read)(const w_part *part);
} w_part_ops;

struct w_part {
    const w_part_ops *ops;
    const char *label;
    bool can_restart;
    int64_t rows;       /* -1 until known */
    int32_t *column_of; /* table column -> column of this part */
    bool text;          /* rows are parsed */
    int64_t file_bytes; /* 0 unknown */
    double text_bytes;  /* of a text after decompression, about; 0 unknown */
};

typedef struct w_selected {
    int32_t column; /* of the table */
    w_column_want want;
    bool decided; /* kind is known */
    /* Rows before this one were decoded while the kind was open: all missing, stored as NaN. */
    int64_t decided_row;
    w_dictionary *dictionary; /* NULL for numbers and given levels */
    w_column_info info;
} w_selected;

/* Decoded rows: column s holds doubles, or int32 codes of a factor, in blocks of capacity * 8 bytes. */
typedef struct w_buffer {
    void **data;
    int64_t capacity;
    int64_t filled;
    int64_t emitted;   /* rows already handed out in the last window */
    int64_t first_row; /* of the table */
} w_buffer;

typedef struct w_kept_window {
    int64_t first_row, rows;
    int64_t offset;          /* spooled: place in the file */
    struct w_kept_window *next;
    void *data[];            /* kept: one block per column */
} w_kept_window;

typedef struct w_spool w_spool;
typedef struct w_memory w_memory;

struct weir_table {
    weir_ctx *ctx;
    w_arena arena; /* names, labels, parts */
    char *label;
    char decimal;
    int32_t column_count;
    const char **names;
    bool *listed_factor; /* named in the option `factors` */
    /* Factors whose levels the caller gave (memory, callback); NULL = none. */
    const struct w_given_levels *given;

    w_memory *memory;
    int32_t part_count;
    w_part **parts;
    int32_t part; /* being decoded */
    bool part_started;

    int32_t selected_count;
    w_selected *selected;
    w_column_view *views;

    w_scan_options options;
    w_buffer buffer;
    w_source_route route;
    bool scanned;
    int64_t rows; /* -1 until known */
    w_kept_window *kept, *kept_tail, *cursor;
    int64_t kept_bytes;
    w_spool *spool;
    double seconds;
    int64_t block_bytes; /* of a CSV scan; 0 = the usual size (a test's parameter) */
};

typedef struct w_given_levels {
    int64_t count; /* 0 = numeric */
    const char *const *names;
} w_given_levels;

/* An empty table with its arena; w_table_free undoes any state. */
weir_status w_table_create(weir_ctx *ctx, weir_table **out);
void w_table_free(weir_table *table);
/* Adds names[count] (copied) as the columns; refuses duplicates and empty tables naming `label`. */
weir_status w_table_name_columns(weir_table *table, const char *label, int32_t count, const char *const *names);
/* Marks the columns of the comma-separated list as categories. */
weir_status w_table_list_factors(weir_table *table, const char *list);
/* Splits "a,b,c" in place of an arena copy; blanks around names are dropped. */
weir_status w_table_split_list(weir_table *table, const char *list, int32_t *count, const char ***words);
/* "c0", "c1", … */
weir_status w_table_number_names(weir_table *table, int32_t count, const char ***names);

weir_status w_table_open_files(weir_ctx *ctx, int32_t count, const char *const *paths,
                               const weir_table_options *options, weir_table **out);
weir_status w_table_from_columns(weir_ctx *ctx, int64_t rows, int32_t count, const weir_column *columns,
                                 weir_table **out);
weir_status w_table_from_callback(weir_ctx *ctx, int32_t count, const weir_column *schema, weir_pull_fn pull,
                                  weir_rewind_fn rewind, void *user, weir_table **out);
/* Size of the blocks into which CSV text is cut; 0 = the usual size. Before the scan. */
void w_table_set_block_bytes(weir_table *table, int64_t bytes);

/* Kinds and dictionaries as they are before the first row. */
weir_status w_table_begin_columns(weir_table *table);
/* A column's kind becomes known: a factor found by reading gets its dictionary. Rows of the buffer that are filled
 * already were all missing. */
weir_status w_table_decide(weir_table *table, int32_t selected, w_column_kind kind);

/* scan.c: gives back the buffer, what is kept and the spool. */
void w_source_forget(weir_table *table);

/* memory.c */
weir_status w_memory_scan(weir_table *table);
weir_status w_memory_next(weir_table *table, w_window *window);
void w_memory_rewind(weir_table *table);
/* Gives back what a scan made. */
void w_memory_forget(weir_table *table);
/* Levels among the first *rows rows. */
weir_status w_memory_head_levels(weir_table *table, int32_t selected, int64_t *levels, int64_t *rows);
/* Checks column descriptions and takes names and levels from them; *out is a copy in the arena. */
weir_status w_table_describe_columns(weir_table *table, const char *label, int64_t rows, int32_t count,
                                     const weir_column *columns, bool with_data, weir_column **out);
/* WEIR_E_DATA naming the first row whose code is not one of the column's levels. */
weir_status w_table_check_codes(weir_table *table, const weir_column *column, int64_t first_row, int64_t rows);
/* scan.c: rows of one buffer under these options. */
int64_t w_table_window_rows(const weir_table *table, const w_scan_options *options);

/* Element k of a strided column of any dtype. */
double w_element_number(weir_dtype dtype, const void *element);
int64_t w_element_integer(weir_dtype dtype, const void *element);
int64_t w_dtype_size(weir_dtype dtype); /* 0 = no such dtype */
/* rows elements -> doubles. */
void w_convert_numeric(weir_dtype dtype, const void *data, int64_t stride, int64_t rows, double *out);
/* The parts. `columns` (NULL = none) names the columns of a file without names. */
weir_status w_npy_open(weir_table *table, const char *path, int32_t column_count, const char *const *columns,
                       w_part **out, int32_t *count, const char ***names);
weir_status w_csv_open(weir_table *table, const char *path, const weir_table_options *options,
                       int32_t column_count, const char *const *columns, w_part **out, int32_t *count,
                       const char ***names);

/* spool.c: windows in a file of the scratch folder that has no name: it vanishes with the table, however the process
 * ends. WEIR_E_IO with the folder and the cause; WEIR_E_BUDGET where the folder is "none". */
weir_status w_spool_create(weir_ctx *ctx, w_spool **out);
void w_spool_free(w_spool *spool);
/* Appends bytes; *offset tells where they lie. A failure leaves what was there. */
weir_status w_spool_append(w_spool *spool, const void *data, int64_t bytes, int64_t *offset);
/* Any thread. */
weir_status w_spool_read(const w_spool *spool, int64_t offset, void *data, int64_t bytes);

#endif
