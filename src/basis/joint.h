/* SPDX-License-Identifier: Apache-2.0 */
/* Margins of several covariates: the kernel at one point, and how a margin is built and completed. */
#ifndef W_BASIS_JOINT_H
#define W_BASIS_JOINT_H

#include "basis/parts.h"

/* out[i] = eta(|x - x_i|) for all knots; logs: room for as many numbers. */
void w_joint_kernel(const w_margin *margin, const double *x, double *out, double *logs);
/* Monomials of x - centre of degree below the order, the first covariate's degree running fastest. */
void w_joint_monomials(const w_margin *margin, const double *x, double *out);
/* Of a point's coordinates; -0 counts as 0. */
uint64_t w_joint_hash(int covariates, const double *x);
/* Tabulates the rows at the knots for w_joint_eval to look up: the same bits as evaluating them. Again after a change of weights.
 * `scratch`: w_joint_doubles. */
weir_status w_joint_tabulate(w_arena *arena, w_margin *margin, double *scratch);
/* Cells, width and the identity map of a margin with k set. */
weir_status w_joint_finish(w_arena *arena, w_margin *margin);

/* tp and ts of several covariates; a note as w_margin_build. */
weir_status w_margin_plate(w_arena *arena, w_arena *work, const char *label, const w_margin_spec *spec,
                           const w_smooth_data *data, w_margin *out, const char **note);
int64_t w_plate_bytes(const w_margin_spec *spec, int64_t k, int64_t rows);

#endif
