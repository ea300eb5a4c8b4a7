/* SPDX-License-Identifier: Apache-2.0 */
/* The header of an NPY file (format 1.0, 2.0, 3.0 of numpy.lib.format): magic "\x93NUMPY", version, header length
 * (uint16, from 2.0 on uint32, little-endian), then a Python dict literal with descr, fortran_order and shape. */
#ifndef W_TABLE_NPY_H
#define W_TABLE_NPY_H

#include "base/arena.h"
#include "weir/table.h"

typedef struct w_npy_column {
    const char *name; /* NULL in a plain array */
    weir_dtype dtype; /* 0 = a type that is not read; an error only if it is wanted */
    bool swapped;     /* bytes in the other order than this machine's */
    int64_t offset;   /* bytes from the start of a row (or of element (0, 0) in Fortran order) */
    int64_t size;     /* bytes of one element */
} w_npy_column;

typedef struct w_npy_header {
    int64_t data_begin; /* bytes of file before the first element */
    int64_t rows;
    int32_t columns;
    int64_t row_bytes;     /* of all columns */
    int64_t stride;        /* bytes from one row to the next in one column */
    bool fortran_order;
    bool structured;
    w_npy_column *column; /* columns of them; a plain array has one description for all: see w_npy_column_of */
} w_npy_header;

/* bytes[0 … size-1] are the first bytes of a file of file_size bytes. WEIR_E_DATA naming `label` and what is wrong;
 * everything is checked against file_size before memory is taken. WEIR_DECLINED with *need set: more of the file has to
 * be read (never more than the file has). */
weir_status w_npy_parse(w_arena *arena, const char *label, const unsigned char *bytes, int64_t size,
                        int64_t file_size, int64_t *need, w_npy_header *out);
/* Column k, whether the array is structured or not. */
w_npy_column w_npy_column_of(const w_npy_header *header, int32_t k);

#endif
