/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#define W_LANES_AVX512
#define W_LANES_FLOAT 1
#define W_LANES_TABLE w_batched_f32_avx512
#define W_LANES_NAME "avx512"
#include "dense/batch_lanes_all.h"
#else
typedef int w_no_avx512_f32; /* an empty file is no C */
#endif
