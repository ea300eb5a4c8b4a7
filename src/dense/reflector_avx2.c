/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#define W_LANES_AVX2
#define W_LANES_TABLE w_reflector_avx2
#define W_LANES_NAME "avx2"
#include "dense/reflector_tables.h"
#else
typedef int w_no_reflector_avx2; /* an empty file is no C */
#endif
