/* SPDX-License-Identifier: Apache-2.0 */
/* A design's shape before a row is read: what `weir plan` needs to predict bytes and seconds.
 *
 * The result is a *skeleton*: a w_design in which p, parametric_columns, the blocks' kind, width, levels, cells, code and
 * level_columns, the terms, the penalties' first/k/repeat/rank/sp (no matrices), sp_count, column names and kinds are filled;
 * smooths carry margin_count, columns, raw_columns and per margin k, cells, width, but no maps, transforms or knots. It serves
 * w_sums_bytes, w_sums_cost, w_gram_bytes, w_system_bytes and w_tile_bytes; nothing can be evaluated with it.
 * Numbers come from the formula (k), the column kinds guessed from the head of the file, and the levels seen there. */
#ifndef W_MODEL_ESTIMATE_H
#define W_MODEL_ESTIMATE_H

#include "model/design.h"

weir_status w_design_estimate(weir_ctx *ctx, const w_formula *formula, weir_table *table, const w_design_options *options,
                              w_design **out); /* free with w_design_free */

#endif
