/* SPDX-License-Identifier: Apache-2.0 */
/* What lies below device/ is measured here, by running it with one thread: the executors of the routes of least squares, and those
 * of fits. A constant that cannot be measured, e.g. for lack of memory, of scratch space or of libcholmod, keeps its value;
 * never an error. ctx: a context of one thread. */
#ifndef W_API_CALIBRATE_H
#define W_API_CALIBRATE_H

#include "base/ctx.h"
#include "device/cost.h"
#include "device/probe.h"

/* route.*; sizes up to probe->largest. */
void w_calibrate_routes(weir_ctx *ctx, const w_probe *probe, w_cost *cost);
/* fit.* of families, products and leverages, by passes of working models. After w_calibrate_fits, whose prices it subtracts. */
void w_calibrate_passes(weir_ctx *ctx, const w_probe *probe, w_cost *cost);
/* rows.row, .basis, .pair, .pair_far, .csv and the rest of fit.*, by whole fits from memory and from a CSV file in the scratch folder. */
void w_calibrate_fits(weir_ctx *ctx, const w_probe *probe, w_cost *cost);
/* All of them in a context of its own. */
void w_calibrate(weir_ctx *ctx, const w_probe *probe, w_cost *cost);
/* Sets NAME_4 … NAME_1024; sizes past `count` keep their ratio to the last one measured. */
void w_calibrate_curve(w_cost *cost, const char *name, const double *price, int count);

#endif
