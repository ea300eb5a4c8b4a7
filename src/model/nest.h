/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_MODEL_NEST_H
#define W_MODEL_NEST_H

#include "model/setup.h"

/* Drops columns of smooths that depend on smooths of fewer of the same covariates (or on an earlier one of the same). */
weir_status w_nest_resolve(w_setup *setup);

#endif
