/* SPDX-License-Identifier: Apache-2.0 */
#include "krylov/preconditioner.h"

void w_preconditioner_free(weir_ctx *ctx, w_preconditioner *preconditioner)
{
    if (preconditioner->destroy) {
        preconditioner->destroy(ctx, preconditioner->user);
    }
    *preconditioner = (w_preconditioner){ 0 };
}
