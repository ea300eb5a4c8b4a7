/* SPDX-License-Identifier: Apache-2.0 */
/* What the entry points of weir/root.h share. */
#ifndef W_API_ROOT_CALL_H
#define W_API_ROOT_CALL_H

#include "root/root.h"

typedef struct w_root_block {
    char *data;
    int64_t bytes;
} w_root_block;

struct weir_root_workspace {
    weir_ctx *ctx;
    w_root_block kept, room, columns;
    w_root_state state;
    bool filled;
    weir_dtype dtype;
    uint64_t generation;
};

/* At least `bytes`, contents undefined. */
weir_status w_root_ensure(weir_ctx *ctx, w_root_block *b, int64_t bytes);
void w_root_drop(weir_root_workspace *w); /* its blocks */

weir_status w_root_check_options(weir_ctx *ctx, const weir_root_options *o);
/* a n x n, b n x k or NULL (the identity), z n x k. */
weir_status w_root_check_views(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b,
                               const weir_matrix *z);
/* rho = max(eps, ridge + ridge_rel mean |a_ii|). */
double w_root_ridge(const weir_precond_config *pre, const weir_matrix *a);

typedef struct w_root_call {
    const weir_matrix *a, *b, *z; /* b NULL: the identity */
    const weir_root_options *options;
    weir_root_stats *stats;
} w_root_call;
weir_status w_root_run(weir_ctx *ctx, const w_root_call *call, weir_root_workspace *w);

/* Column-major float64 and back. */
void w_root_copy_in(const weir_matrix *from, double *to);
void w_root_copy_out(const double *from, const weir_matrix *to);

/* Roots of a Gram matrix from G (float64, column-major, finite or refused): z (cols x k, column-major) from b (B, or C: `dual`). */
typedef struct w_root_gram {
    weir_matrix g;
    const weir_matrix *b;
    int32_t p;
    bool dual, single; /* single: z ends as float32 */
    double ridge, tolerance;
} w_root_gram;
weir_status w_root_gram_qr(weir_ctx *ctx, const w_root_gram *m, double *z, weir_root_stats *stats);

#endif
