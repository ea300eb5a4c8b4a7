/* SPDX-License-Identifier: Apache-2.0 */
/* One worker's part of the scan. */
#ifndef W_MODEL_SCAN_TILE_H
#define W_MODEL_SCAN_TILE_H

#include "model/scan.h"

typedef enum w_scan_fault {
    W_FAULT_NONE,
    W_FAULT_INFINITE,
    W_FAULT_MISSING,
    W_FAULT_WEIGHT,
    W_FAULT_EXPRESSION
} w_scan_fault;

/* Sorted sets would cost a search per row; distinct numbers are few, so a hash of their bits. */
typedef struct w_number_set {
    int64_t count, capacity; /* a power of two, at most half full */
    double *slot;            /* NaN = free */
    double last;             /* the value added before: runs are common */
    bool has_last;
} w_number_set;

typedef struct w_scan_worker {
    const w_scan_request *request;
    weir_ctx *ctx;
    double *buffer; /* column_count + 1 runs of W_TILE_ROWS */
    double *stack;
    const double **number; /* per column; NULL for a factor */
    const int32_t **code;
    uint8_t mask[W_TILE_ROWS]; /* 0 counts, 1 missing, 2 weight zero */
    double *lower, *upper, *watch_lower, *watch_upper;
    int64_t missing, zero_weight;
    w_number_set *set; /* per column */
    uint8_t **used;    /* per column: flags of the codes seen */
    int64_t *used_capacity;
    w_scan_fault fault; /* of the smallest row so far */
    int64_t fault_row;
    int fault_column; /* or watch */
    double fault_value;
} w_scan_worker;

/* Values of one set-up tile: column c's rows at data + c*W_TILE_ROWS. */
typedef struct w_setup_tile {
    int64_t tile, rows;
    double *data;
} w_setup_tile;

/* Tile of `rows` rows at row `start` of the window; `keep` (may be NULL) receives the rows that count. */
weir_status w_scan_tile(w_scan_worker *worker, const w_window *window, int64_t start, int64_t rows,
                        w_setup_tile *keep);
/* Only the last part, for a tile that was seen before. */
void w_scan_keep(w_scan_worker *worker, const w_window *window, int64_t start, int64_t rows, w_setup_tile *keep);

#endif
