/* SPDX-License-Identifier: Apache-2.0 */
/* What weir/batch.h promises, without the checks of arguments. A call says what is to be done with every group; groups are shared
 * out over the pool, each worker with a scratch of its own.
 *
 *   batch_call.c        groups in and out of the cache, the pool
 *   batch_orthogonal.c  QR and least squares
 *   batch_linear.c      Cholesky, LU, triangular systems, solves, eigenvalues, singular values, products
 *   batch_single.c      large matrices, one at a time
 *   batch_kernels.h     the kernels */
#ifndef W_DENSE_BATCH_H
#define W_DENSE_BATCH_H

#include <stdatomic.h>

#include "base/ctx.h"
#include "dense/batch_kernels.h"
#include "dense/strided.h"
#include "weir/batch.h"

typedef struct w_batch_call w_batch_call;
/* Takes its room from s and, where s has a base, does group g. */
typedef void (*w_batch_group_fn)(w_batch_call *call, int64_t g, w_scratch *s);

/* Counts its room in s or, where that has a base, does matrix b. *info: 0 before. */
typedef weir_status (*w_batch_single_fn)(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info);
#define W_BATCH_LARGEST 128 /* the smaller side; a group of larger ones would not stay in the second cache */
/* What to do instead of groups; NULL: groups it is. */
w_batch_single_fn w_batch_single(const w_batch_call *call);

struct w_batch_call {
    w_batch_group_fn group;
    const w_batched *k; /* NULL: the best there are */
    const weir_batch *a, *b, *x, *r; /* inputs a, b; results x, r */
    weir_qr_mode mode;
    bool upper, right, trans, trans_b, unit;
    void *tau, *values;
    int64_t *pivot, *info;
    _Atomic int64_t bad;   /* matrices with info; the least of their numbers; the first of them */
    _Atomic int64_t least, first;
    w_batch_single_fn one;
    weir_ctx *ctx;         /* for `one` */
    char *base;            /* scratch of worker w at base + w * each */
    int64_t each, chunk;
};

int64_t w_batch_bytes(const weir_ctx *ctx, w_batch_call *call);
/* base: 64-byte aligned, w_batch_bytes. */
weir_status w_batch_run(weir_ctx *ctx, w_batch_call *call, void *base);

/* ---- for the operations -------------------------------------------------------------------------------------------- */

/* Matrices of group g to buffer[i gi + j gj], or back; `turned`: their transposes. Nothing when v is NULL or the buffer is
 * the group itself. */
typedef struct w_group_place { void *buffer; int64_t gi, gj; } w_group_place;
/* Room for rows x cols, column-major. */
w_group_place w_batch_room(w_scratch *s, int64_t rows, int64_t cols);
/* Where results may be worked on: the group itself in an interleaved batch whose columns are contiguous, else `room`. */
w_group_place w_batch_place(const w_batch_call *call, const weir_batch *v, int64_t g, w_group_place room);
void w_batch_load(const w_batch_call *call, const weir_batch *v, int64_t g, bool turned, w_triangle part, w_group_place to);
void w_batch_store(const w_batch_call *call, const weir_batch *v, int64_t g, bool turned, w_triangle part, w_group_place from);
/* `rows` numbers per matrix, contiguous in `array`, of the batch's dtype. */
weir_batch w_batch_vectors(const weir_batch *like, const void *array, int64_t rows);
/* A piece of `elements` of a group. */
static inline void *w_batch_take(w_scratch *s, int64_t elements) { return w_scratch_take(s, w_mul64(elements, W_GROUP_BYTES)); }
static inline char *w_batch_at(const void *buffer, int64_t e) { return (char *)buffer + e * W_GROUP_BYTES; }
/* Element e of lane l. */
double w_batch_get(const w_batch_call *call, const void *buffer, int64_t e, int lane);
void w_batch_put(const w_batch_call *call, void *buffer, int64_t e, int lane, double value);
/* info of the matrices of group g from one number per lane. */
void w_batch_note(w_batch_call *call, int64_t g, const void *infos);
/* 1 + the first i < n with a zero at buffer[i step], per lane, as the element type. */
void w_batch_first_zero(const w_batch_call *call, int64_t n, const void *buffer, int64_t step, void *infos);
/* Elements (i, j) with i > j of a column-major m x n group become zero (i < j: `above`). */
void w_batch_clear(int64_t m, int64_t n, w_group_place place, bool above);
static inline int w_batch_lanes_of(const w_batch_call *call, int64_t g)
{
    const int64_t left = call->a->count - g * call->k->lanes;
    return (int)(left < call->k->lanes ? left : call->k->lanes);
}

void w_batch_copy_group(w_batch_call *call, int64_t g, w_scratch *s);     /* a -> x */
void w_batch_qr_group(w_batch_call *call, int64_t g, w_scratch *s);       /* mode; a -> x (Q), r */
void w_batch_geqrf_group(w_batch_call *call, int64_t g, w_scratch *s);    /* a, tau */
void w_batch_ormqr_group(w_batch_call *call, int64_t g, w_scratch *s);    /* trans; a, tau; x */
void w_batch_qr_solve_group(w_batch_call *call, int64_t g, w_scratch *s); /* a, b -> x */
void w_batch_chol_group(w_batch_call *call, int64_t g, w_scratch *s);     /* upper; a -> x */
void w_batch_chol_solve_group(w_batch_call *call, int64_t g, w_scratch *s); /* upper; a, b -> x */
void w_batch_lu_group(w_batch_call *call, int64_t g, w_scratch *s);       /* a -> x, pivot */
void w_batch_lu_solve_group(w_batch_call *call, int64_t g, w_scratch *s); /* trans; a, pivot, b -> x */
void w_batch_solve_group(w_batch_call *call, int64_t g, w_scratch *s);    /* a, b -> x */
void w_batch_trsm_group(w_batch_call *call, int64_t g, w_scratch *s);     /* right, upper, trans, unit; a, b -> x */
void w_batch_eigh_group(w_batch_call *call, int64_t g, w_scratch *s);     /* upper; a -> values, x */
void w_batch_svd_group(w_batch_call *call, int64_t g, w_scratch *s);      /* a -> x (U), values, r (V) */
void w_batch_norms_group(w_batch_call *call, int64_t g, w_scratch *s);    /* a -> values (of columns), tau (of all) */
void w_batch_multiply_group(w_batch_call *call, int64_t g, w_scratch *s); /* trans, trans_b; a, b -> x */

#endif
