/* SPDX-License-Identifier: Apache-2.0 */
#define W_LANES_TABLE w_elementary_portable
#define W_LANES_NAME "portable"
#include "dense/elementary_arrays.h"
