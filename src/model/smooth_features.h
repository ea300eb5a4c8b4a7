/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of s(), te() and ti() that belong to margins of features (basis/features.h). */
#ifndef W_MODEL_SMOOTH_FEATURES_H
#define W_MODEL_SMOOTH_FEATURES_H

#include "model/terms.h"

#define W_ARGUMENT_LIMIT 48

/* Names of the arguments of a call with these bases, NULL at the end; `tensor`: of te or ti. */
void w_feature_arguments(const w_basis_kind *kind, int count, bool tensor, bool ti, const char *out[W_ARGUMENT_LIMIT]);
/* Kinds named by the value of bs= (as many as fit); 0 unless one of them is of features. */
int w_feature_bases(const w_node *bs, w_basis_kind out[W_MAX_MARGINS]);
/* One argument into the margins it belongs to. `name` is an option of features or "extrapolate". */
weir_status w_feature_argument(w_terms *terms, w_smooth_call *call, const char *name, const w_node *value);

#endif
