/* SPDX-License-Identifier: Apache-2.0 */
/* Room for BLAS under a limit of address space (ulimit -v).
 *
 * OpenBLAS maps a buffer for each thread that calls it, at its first call, keeps it for the calls that follow, and tries again for
 * ever where the system refuses. Under a limit the buffers are therefore taken before anything else, as far as there is room. */
#ifndef W_BASE_BLAS_SPACE_H
#define W_BASE_BLAS_SPACE_H

#include <stdint.h>

#define W_BLAS_BUFFER_BYTES ((int64_t)128 << 20) /* mapped, hardly touched */

/* How many of `callers` threads can call BLAS at once; 0: not one. All of them where address space is not limited. A buffer is
 * taken only while `beside` bytes for each caller are left over. */
int w_blas_space_take(int callers, int64_t beside);

#endif
