/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#define W_LANES_AVX512
#define W_ROW_KERNELS w_row_kernels_avx512
#include "model/family_kernels.h"
#else
typedef int w_no_avx512; /* an empty file is no C */
#endif
