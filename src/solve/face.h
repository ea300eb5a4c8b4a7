/* SPDX-License-Identifier: Apache-2.0 */
/* Shape constraints as the solver sees them: some coefficients are non-negative (basis/margin_shape.c), and on a
 * *face* of that orthant some of them are held at 0. The penalised system on a face is that of the other
 * coefficients alone. */
#ifndef W_SOLVE_FACE_H
#define W_SOLVE_FACE_H

#include "model/design.h"

typedef struct w_face {
    weir_ctx *ctx;
    int64_t fixed_count;
    uint8_t *fixed;   /* p: 1 = held at 0 */
    int64_t *rank;    /* per penalty of the design: of what the face leaves of it; -1 where it is as designed */
    double *log_det;  /* likewise the log of the product of its positive eigenvalues */
} w_face;

/* Columns whose coefficients must not be negative, ascending; column may be NULL. Returns how many. */
int64_t w_face_signed(const w_design *design, int64_t *column);
/* A copy of `fixed` (p) with what that face leaves of the penalties. Free with w_face_free. */
weir_status w_face_create(weir_ctx *ctx, const w_design *design, const uint8_t *fixed, w_face **out);
void w_face_free(w_face *face);
int64_t w_face_bytes(const w_design *design);

#endif
