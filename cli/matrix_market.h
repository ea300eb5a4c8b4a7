/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix Market files (math.nist.gov/MatrixMarket/formats.html): real or integer, coordinate or array, general or symmetric. */
#ifndef CLI_MATRIX_MARKET_H
#define CLI_MATRIX_MARKET_H

#include "npy.h"

bool matrix_market_named(const char *path); /* ends with .mtx */
/* The matrix as a dense float64 array in Fortran order, entries that occur twice added, both triangles of a symmetric one. 0 or an
 * exit code with the line printed: the line of the file that is wrong and what it should be. */
int matrix_market_read(cli_run *run, const char *path, int64_t limit, npy_array *out);

#endif
