/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_API_CALIBRATE_H
#define W_API_CALIBRATE_H

#include "device/cost.h"

/* Measures what a plan reckons rows with by fitting synthetic rows with one thread, from memory and from a CSV file in the
 * scratch folder: rows.pair and rows.csv are scaled by actual / predicted seconds (median of five fits). Constants that
 * cannot be measured, e.g. for lack of memory or scratch space, keep their values; never an error. */
void w_calibrate_rows(weir_ctx *ctx, w_cost *cost);

#endif
