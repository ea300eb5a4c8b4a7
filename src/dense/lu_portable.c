/* SPDX-License-Identifier: Apache-2.0 */
#define W_LANES_TABLE w_lu_portable
#include "dense/lu_tables.h"
