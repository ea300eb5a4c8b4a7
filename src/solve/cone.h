/* SPDX-License-Identifier: Apache-2.0 */
/* Penalised least squares under sign constraints. */
#ifndef W_SOLVE_CONE_H
#define W_SOLVE_CONE_H

#include "normal/normal.h"
#include "solve/face.h"

typedef struct w_cone_report {
    int steps;         /* changes of the active set */
    double violation;  /* of the optimality conditions, relative: max over i of  (g - Gc)_i+ (c_i = 0),  |(g - Gc)_i| (c_i > 0),
                        * over |g_i| + sum_k |G_ik c_k| */
} w_cone_report;

/* Minimises  1/2 c'Gc - g'c  over c >= 0, G (m x m, both triangles, column-major) positive semi-definite. c: m;
 * start (>= 0) and solution, with exact zeros where the constraint is active. m = 0 is nothing to do. WEIR_OK, or
 * WEIR_E_NUMERIC when the active set does not come to rest. Bytes: w_cone_bytes. */
weir_status w_cone_solve(weir_ctx *ctx, int64_t m, const double *matrix, const double *rhs, double *c, w_cone_report *report);
int64_t w_cone_bytes(int64_t m);

/* The face on which the penalised least squares problem of the sums has its solution at rho, when the coefficients
 * of `count` columns must not be negative: fixed (p) is 1 for those that are 0 there, else 0. c: count; start and
 * their values. */
weir_status w_cone_face(weir_ctx *ctx, const w_gram *gram, const w_design *design, const double *rho, int64_t count,
                        const int64_t *column, double *c, uint8_t *fixed, w_cone_report *report);
int64_t w_cone_face_bytes(const w_design *design, int arrow_block);

/* How far beta (p) at rho is from that solution: with the residual r = X'Wz - H beta of the normal equations, the
 * largest of (r_j)_+ (beta_j = 0)  and  |r_j| (beta_j > 0)  over  sqrt(H_jj z'Wz),  a correlation of column and
 * residuals. */
weir_status w_cone_violation(weir_ctx *ctx, const w_gram *gram, const w_design *design, const double *rho, int64_t count,
                             const int64_t *column, const double *beta, double *out);

#endif
