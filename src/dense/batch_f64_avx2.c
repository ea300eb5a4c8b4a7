/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#define W_LANES_AVX2
#define W_LANES_FLOAT 0
#define W_LANES_TABLE w_batched_f64_avx2
#define W_LANES_NAME "avx2"
#include "dense/batch_lanes_all.h"
#else
typedef int w_no_avx2_f64; /* an empty file is no C */
#endif
