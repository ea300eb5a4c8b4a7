/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices in every layout a view can have, with poison between the elements, and what tests ask of them. */
#ifndef WEIR_TESTS_SUPPORT_VIEWS_H
#define WEIR_TESTS_SUPPORT_VIEWS_H

#include <stdbool.h>
#include "weir/linalg.h"

/* By columns with a gap, by rows with a gap, both strides above 1, by columns backwards, by rows upside down. */
enum { VIEW_COLUMNS, VIEW_ROWS, VIEW_STRIDED, VIEW_BACKWARDS, VIEW_UPSIDE_DOWN, VIEW_LAYOUTS };

typedef struct view {
    weir_matrix m;
    char *block, *before; /* the whole block, and a copy made by view_keep */
    int64_t bytes;
} view;

/* Elements are NaN, and so is what lies between them. */
view view_make(weir_dtype dtype, int64_t rows, int64_t cols, int layout);
void view_free(view *v);
double view_get(const view *v, int64_t i, int64_t j);
void view_set(const view *v, int64_t i, int64_t j, double value);
/* Remembers the block … */
void view_keep(view *v);
/* … and what it held. */
double view_was(const view *v, int64_t i, int64_t j);
/* Fails the test unless everything but the elements is as kept. */
void view_gaps_kept(const view *v);
bool view_all_kept(const view *v);

typedef enum view_kind {
    KIND_NORMAL, KIND_GRADED_ROWS, KIND_GRADED_COLUMNS, KIND_LOW_RANK, KIND_HILBERT, KIND_LARGE, KIND_SMALL, KIND_KAHAN,
    KIND_ZERO, KIND_IDENTITY, KINDS
} view_kind;
void view_fill(const view *v, view_kind what, uint64_t seed);

static inline double view_eps(weir_dtype dtype) { return dtype == WEIR_F32 ? 0x1p-23 : 0x1p-52; }

#endif
