/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-products of a run of rows of one group by the local form of a spline: a row holds its four values v in a cell c, and the
 * numeric columns d (z last), so that
 *     R_c = sum over the rows in cell c of w v [v d]',   sum w d d',   G = sum_c M_c' R_c [M_c 0; 0 I]
 * takes 4 (4 + |d|) products a row instead of (k + |d|)^2/2, and one expansion a run. For designs of one spline of one covariate and
 * few numeric columns. */
#ifndef W_NORMAL_GROUP_LOCAL_H
#define W_NORMAL_GROUP_LOCAL_H

#include "dense/batch_chol.h"
#include "model/design.h"

typedef struct w_local_form w_local_form;

/* *out is NULL where the design has no such form. */
weir_status w_local_form_create(weir_ctx *ctx, const w_design *design, w_local_form **out);
void w_local_form_free(w_local_form *form);
int64_t w_local_form_bytes(const w_design *design);
/* Doubles of a row, a multiple of W_BATCH; 0 without a form. */
int64_t w_local_form_width(const w_design *design);
/* Runs of at least so many rows are worth it. */
int64_t w_local_form_rows(const w_local_form *form);
/* Doubles of the scratch that one thread needs. */
int64_t w_local_form_scratch(const w_design *design);
/* Rows start … start + count - 1 of a tile asked for by columns, each times the root of its weight: cell (count), out (count x width). */
void w_local_form_rows_of(const w_local_form *form, const w_tile *tile, int64_t start, int64_t count, int32_t *cell, double *out);
/* sums (one lane of a block, packed and interleaved) += G. */
void w_local_form_add(const w_local_form *form, int64_t rows, const int32_t *cell, const double *v, double *scratch, int lane,
                      double *sums);

#endif
