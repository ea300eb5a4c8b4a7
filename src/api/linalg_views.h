/* SPDX-License-Identifier: Apache-2.0 */
/* What the entry points of weir/linalg.h share: checks of views, and a workspace that the caller gives or the ledger. */
#ifndef W_API_LINALG_VIEWS_H
#define W_API_LINALG_VIEWS_H

#include "base/ctx.h"
#include "dense/strided.h"

/* NULL, or what is wrong with a view: "dtype …". */
const char *w_view_fault(const weir_matrix *a);
/* WEIR_E_ARG with "function: name: what is wrong", or WEIR_OK. */
weir_status w_view_check(weir_ctx *ctx, const char *function, const char *name, const weir_matrix *a);
/* WEIR_E_ARG with "function: …" when dtypes differ. */
weir_status w_view_same(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b);

/* Counts its bytes when the scratch has no base, else runs. */
typedef weir_status (*w_scratch_fn)(weir_ctx *ctx, void *arguments, w_scratch *s);
int64_t w_scratch_measure(const weir_ctx *ctx, w_scratch_fn body, void *arguments);
/* With the caller's workspace or, where it is NULL, one from the ledger. */
weir_status w_scratch_run(weir_ctx *ctx, const char *function, w_scratch_fn body, void *arguments, void *work, int64_t work_bytes);

#endif
