/* SPDX-License-Identifier: Apache-2.0 */
/* Whole arrays of two or three dimensions in NPY files (numpy.lib.format 1.0 to 3.0), float32 and float64, in memory. */
#ifndef CLI_NPY_H
#define CLI_NPY_H

#include "cli.h"

#define NPY_DIMS_MAX 3

typedef enum npy_type { NPY_F64, NPY_F32, NPY_I64 } npy_type;

typedef struct npy_array {
    npy_type type;
    int dims;
    int64_t shape[NPY_DIMS_MAX];
    bool fortran;  /* the first index is the fastest */
    int64_t count; /* elements */
    void *data;    /* malloc */
} npy_array;

static inline int64_t npy_size(npy_type type) { return type == NPY_F32 ? 4 : 8; }

/* Reads float32 or float64 of `least` to `most` dimensions, either byte order, no more than `limit` bytes. 0 or an exit code with
 * the line printed. */
int npy_read(cli_run *run, const char *path, int least, int most, int64_t limit, npy_array *out);
/* Room for an array; false when there is none. */
bool npy_make(npy_array *out, npy_type type, int dims, const int64_t *shape, bool fortran);
/* Writes the array to a file that appears whole or not at all. */
int npy_write(cli_run *run, const char *path, const npy_array *array);
void npy_free(npy_array *array);

#endif
