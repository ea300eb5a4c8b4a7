/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#define W_LANES_AVX512
#define W_LANES_TABLE w_reflector_avx512
#define W_LANES_NAME "avx512"
#include "dense/reflector_tables.h"
#else
typedef int w_no_reflector_avx512; /* an empty file is no C */
#endif
