/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse Cholesky by CHOLMOD of SuiteSparse, where the machine has it: the shared library is looked for at run time and called
 * through its published C interface; nothing of it is needed to build or to run. Its structs are laid out as in
 * versions 3 to 5, and the defaults that its start routine leaves are compared before anything else is believed. */
#ifndef W_SPARSE_CHOLMOD_H
#define W_SPARSE_CHOLMOD_H

#include <stdbool.h>
#include "sparse/csc.h"

/* Whether it can be used; *reason says why not (static text). */
bool w_cholmod_available(const char **reason);

typedef struct w_cholmod w_cholmod;

/* Orders and factors A (n < 2^31). *failed: 0, or the number of the pivot that was not positive (nothing is made then). The bytes of
 * the factor are charged to the ledger before it is made: WEIR_E_BUDGET when they do not fit; WEIR_DECLINED, with nothing made, when it
 * would have more than `most` entries. *out is freed with w_cholmod_free. */
weir_status w_cholmod_factor(weir_ctx *ctx, const w_csc *a, int64_t most, w_cholmod **out, int64_t *failed);
void w_cholmod_free(w_cholmod *factor);
/* Solves in place for `count` vectors. */
weir_status w_cholmod_solve(w_cholmod *factor, int64_t count, double *b);
/* Rough estimate of the condition number from the factor's diagonal: a lower bound. */
double w_cholmod_condition(w_cholmod *factor);
int64_t w_cholmod_entries(const w_cholmod *factor); /* of the factor */

#endif
