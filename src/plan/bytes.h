/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of the parts of a fit that no single algorithm owns. Upper bounds, from shapes alone. */
#ifndef W_PLAN_BYTES_H
#define W_PLAN_BYTES_H

#include "model/design.h"

/* Rows that choose knots and constraints: all up to W_SETUP_ROWS, else a sample of whole tiles. */
#define W_SETUP_ROWS 100000

/* One decoded row of the table columns in use. */
int64_t w_plan_row_bytes(const w_design *design);

#endif
