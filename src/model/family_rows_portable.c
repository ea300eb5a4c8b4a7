/* SPDX-License-Identifier: Apache-2.0 */
#define W_ROW_KERNELS w_row_kernels_portable
#include "model/family_kernels.h"
