/* SPDX-License-Identifier: Apache-2.0 */
/* What evaluating a tile needs beside its results. One allocation pattern per design: no allocation while rows run. */
#ifndef W_MODEL_TILE_H
#define W_MODEL_TILE_H

#include "model/program.h"

#define W_TENSOR_RUN 256 /* rows of margins evaluated at a time */

typedef struct w_tile_scratch {
    w_arena arena;
    const double **number; /* per design column; NULL = absent or a category */
    const int32_t **code;
    double *column_buffer; /* column_count runs of W_TILE_ROWS */
    const double **value;  /* per atom: its numbers, for poly() degree runs of W_TILE_ROWS */
    double **atom_buffer;  /* per atom that is computed */
    int32_t **atom_code;   /* per category atom of numbers */
    int32_t **joint;       /* per joint code: W_TILE_ROWS */
    double *stack;
    double *offset;       /* one expression's values */
    double *margin_value; /* W_TENSOR_RUN rows of the margins of a tensor product, see tensor_doubles */
    int32_t *margin_cell;
    double *plate;        /* of a joint margin: w_joint_doubles */
    double *raw[2]; /* dense rows */
} w_tile_scratch;

/* tile_block.c: the blocks' cells and values from the scratch's variables. */
void w_tile_fill_blocks(const w_design *design, bool by_columns, w_tile *tile);

/* tile_series.c: fills `series` from the numbers or codes of the design's start column; first_row for messages. */
weir_status w_tile_read_series(const w_design *design, const double *number, const int32_t *code, int64_t rows,
                               int64_t first_row, int32_t *series);

#endif
