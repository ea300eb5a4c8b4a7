/* SPDX-License-Identifier: Apache-2.0 */
/* What a formula must not combine with a shape constraint. */
#ifndef W_MODEL_SHAPE_CHECK_H
#define W_MODEL_SHAPE_CHECK_H

#include "model/terms.h"

/* A shape holds for the linear predictor as a function of x when no other term reads x: parametric, smooth, random or by=.
 * Offsets are given, not estimated, and may. */
weir_status w_shape_check(const w_terms *terms);

#endif
