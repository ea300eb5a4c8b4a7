/* SPDX-License-Identifier: Apache-2.0 */
/* Views of any strides for kernels that want one of them to be 1, and the room they need.
 *
 * A function that needs room takes it from a w_scratch at its head, piece by piece, and does nothing else when the scratch has no
 * base: the same code that runs tells how many bytes it will use (w_scratch_bytes). Pieces are 64-byte aligned. */
#ifndef W_DENSE_STRIDED_H
#define W_DENSE_STRIDED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/size.h"
#include "dense/panel.h"
#include "weir/linalg.h"

typedef struct w_scratch {
    char *base;   /* NULL: only `used` is counted */
    int64_t used; /* INT64_MAX: more than there can be */
} w_scratch;

static inline void *w_scratch_take(w_scratch *s, int64_t bytes)
{
    void *piece = s->base ? s->base + s->used : NULL;
    s->used = w_add64(s->used, w_round_up64(bytes, 64));
    return piece;
}

static inline int64_t w_scratch_bytes(const w_scratch *s) { return w_add64(s->used, 63); }

static inline int64_t w_matrix_size(const weir_matrix *a) { return a->dtype == WEIR_F32 ? 4 : 8; }
static inline void *w_matrix_at(const weir_matrix *a, int64_t i, int64_t j)
{
    return (char *)a->data + (i * a->row_stride + j * a->col_stride) * w_matrix_size(a);
}
static inline weir_matrix w_matrix_turned(const weir_matrix *a)
{
    return (weir_matrix){ a->data, a->dtype, a->cols, a->rows, a->col_stride, a->row_stride };
}
static inline weir_matrix w_matrix_part(const weir_matrix *a, int64_t i, int64_t j, int64_t rows, int64_t cols)
{
    return (weir_matrix){ a->data ? w_matrix_at(a, i, j) : NULL, a->dtype, rows, cols, a->row_stride, a->col_stride };
}
/* Column-major in `data`. */
static inline weir_matrix w_matrix_columns(void *data, weir_dtype dtype, int64_t rows, int64_t cols)
{
    return (weir_matrix){ data, dtype, rows, cols, 1, rows > 0 ? rows : 1 };
}
static inline const w_panel *w_matrix_kernels(const weir_matrix *a) { return w_panel_best((int)w_matrix_size(a)); }

/* Same shape, any strides. */
void w_matrix_copy(const weir_matrix *from, const weir_matrix *to);
/* Largest |element|; NaN when there is one. */
double w_matrix_largest(const weir_matrix *a);
/* Elements times 2^power, in steps that neither overflow nor underflow before the result does. */
void w_matrix_scale(const weir_matrix *a, int power);

typedef struct w_placed {
    weir_matrix m; /* one stride is 1 */
    bool copied;   /* column-major in the scratch, not filled yet */
} w_placed;

/* The view itself where kernels can work on it, else room for a copy. */
w_placed w_place(w_scratch *s, const weir_matrix *a);
/* The same, with what the view holds. */
w_placed w_place_filled(w_scratch *s, const weir_matrix *a);
/* Back from the copy, if there is one. */
void w_place_back(const w_placed *placed, const weir_matrix *a);

#endif
