/* SPDX-License-Identifier: Apache-2.0 */
#define W_LANES_FLOAT 0
#define W_LANES_TABLE w_batched_f64_portable
#define W_LANES_NAME "portable"
#include "dense/batch_lanes_all.h"
