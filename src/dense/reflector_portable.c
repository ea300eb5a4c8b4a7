/* SPDX-License-Identifier: Apache-2.0 */
#define W_LANES_TABLE w_reflector_portable
#define W_LANES_NAME "portable"
#include "dense/reflector_tables.h"
