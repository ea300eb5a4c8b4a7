/* SPDX-License-Identifier: Apache-2.0 */
#define W_LANES_TABLE w_batch_portable
#define W_LANES_NAME "portable"
#include "dense/batch_chol_lanes.h"
