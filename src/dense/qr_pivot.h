/* SPDX-License-Identifier: Apache-2.0 */
/* QR with column pivoting, and least squares of any rank by it. Room from `s` as in strided.h. */
#ifndef W_DENSE_QR_PIVOT_H
#define W_DENSE_QR_PIVOT_H

#include "base/ctx.h"
#include "dense/strided.h"

/* A P = Q R in place, |r_11| >= |r_22| >= … up to rounding: R and reflectors as geqrf leaves them. pivot[j]: column of A in place
 * j. tau: min(m, n). */
weir_status w_qr_pivot(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, void *tau, w_scratch *s);

/* X = argmin ||A X - B||, of least norm; A and B only read, report not NULL. */
weir_status w_lstsq(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x, double tolerance,
                    weir_lstsq_report *report, w_scratch *s);

#endif
