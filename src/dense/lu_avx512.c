/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#define W_LANES_AVX512
#define W_LANES_TABLE w_lu_avx512
#include "dense/lu_tables.h"
#else
typedef int w_no_lu_avx512; /* an empty file is no C */
#endif
