/* SPDX-License-Identifier: Apache-2.0 */
#if defined __aarch64__
#define W_LANES_NEON
#define W_LANES_FLOAT 1
#define W_LANES_TABLE w_batched_f32_neon
#define W_LANES_NAME "neon"
#include "dense/batch_lanes_all.h"
#else
typedef int w_no_neon_f32; /* an empty file is no C */
#endif
