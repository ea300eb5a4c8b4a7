/* SPDX-License-Identifier: Apache-2.0 */
/* A model made by hand for tests of reports: its summary is a list of literals, its effects a real penalised fit of seeded
 * data. Intercept, a linear term, a factor, a smooth, a smooth of a level, a tensor product and two random effects. */
#ifndef WEIR_TESTS_SUPPORT_SAMPLE_MODEL_H
#define WEIR_TESTS_SUPPORT_SAMPLE_MODEL_H

#include "fit/model.h"

/* Only the literals: what text and JSON need. Nothing to free. */
void sample_summary(weir_summary *summary, weir_plan *plan);
/* The whole model; free with sample_model_free. */
weir_status sample_model(weir_ctx *ctx, weir_model **out);
void sample_model_free(weir_model *model);

#endif
