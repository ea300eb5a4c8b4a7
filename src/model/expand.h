/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_MODEL_EXPAND_H
#define W_MODEL_EXPAND_H

#include "model/terms.h"

/* The right side of the formula -> intercept, parametric terms, smooths and offsets of `terms`. */
weir_status w_expand_right(w_terms *terms, const char *const *dot, int dot_count);

#endif
