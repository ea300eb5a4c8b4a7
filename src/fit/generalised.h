/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_FIT_GENERALISED_H
#define W_FIT_GENERALISED_H

#include "fit/pirls.h"

/* Fits. `beta` and `rho` are taken from the ledger and freed by w_pirls_free. On return `gram` is the working model at beta
 * with every sum filled. WEIR_NOT_CONVERGED when passes ran out or fitted values ran to the edge of their range. */
weir_status w_generalised_run(w_pirls *pirls);
/* Whether a fit of so many rows goes on to the exact Laplace criterion, if the model lets it. */
bool w_generalised_exact(const weir_fit_options *options, int64_t rows);

/* Whether expected information is the observed one. */
bool w_generalised_canonical(const w_glm *glm);

#endif
