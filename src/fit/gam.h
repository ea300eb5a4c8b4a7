/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a fit: parse -> plan -> compile -> accumulate -> smooth -> infer -> model. */
#ifndef W_FIT_GAM_H
#define W_FIT_GAM_H

#include "fit/model.h"

/* Sums of a part of the data with the design they belong to. */
struct weir_sums {
    weir_ctx *ctx;
    w_design *design; /* owned */
    w_sums *sums;     /* owned; refers to design */
};

weir_status w_fit_plan(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options, weir_plan *out);
weir_status w_fit_table(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                        weir_model **out);

weir_status w_fit_accumulate(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                             const weir_sums *like, int64_t first_row, weir_sums **out);
weir_status w_fit_sums(weir_ctx *ctx, weir_sums *sums, const weir_fit_options *options, weir_model **out);
weir_status w_fit_merge(weir_sums *into, const weir_sums *from);
weir_status w_fit_sums_save(weir_ctx *ctx, const weir_sums *sums, const char *path);
weir_status w_fit_sums_load(weir_ctx *ctx, const char *path, weir_sums **out);
void w_fit_sums_free(weir_sums *sums);
/* A copy with its own arena, through the archive form. */
weir_status w_design_copy(weir_ctx *ctx, const w_design *design, w_design **out);

#endif
