/* SPDX-License-Identifier: Apache-2.0 */
/* The zero-variance test of a random effect with many levels (see inference_random.c). */
#ifndef W_FIT_INFERENCE_ARROW_H
#define W_FIT_INFERENCE_ARROW_H

#include "fit/inference.h"

#define W_EIGEN_LIMIT 500

weir_status w_test_arrow(const weir_model *model, const w_gram *gram, const w_term *term, double residual_df,
                         w_term_test *out);
/* A random effect with identity penalties, and the sum of their lambda. */
bool w_term_is_random(const w_design *design, const w_term *term);
double w_term_precision(const weir_model *model, const w_term *term);

#endif
