/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_FIT_PREDICT_H
#define W_FIT_PREDICT_H

#include "fit/model.h"

/* Columns a prediction delivers under these options; names are borrowed from the model. */
void w_predict_columns(const weir_model *model, const weir_predict_options *options, int32_t *count,
                       const char *const **names);
/* Makes the per-term names; part of finishing or loading a model. */
weir_status w_predict_name_terms(weir_model *model);
weir_status w_predict(weir_ctx *ctx, const weir_model *model, weir_table *table, const weir_predict_options *options,
                      weir_rows_fn deliver, void *user);

#endif
