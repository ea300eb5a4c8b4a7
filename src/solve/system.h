/* SPDX-License-Identifier: Apache-2.0 */
/* The penalised system  H(rho) = A + S_lambda,  A = X'WX,  S_lambda = sum_j exp(rho_sp(j)) S_j,  factored and asked.
 *
 * H is scaled to unit diagonal, then Cholesky-factored; after a failed pivot a pivoted Cholesky finds the rank, dependent
 * columns get coefficient 0 and WEIR_RANK_DEFICIENT is returned. With an arrow block (random effects, many levels) its
 * block-diagonal part is eliminated first and only the Schur complement on the core is dense (docs/numerics/smoothing.md):
 *   G_l = H_l^-1 B_l,  C = H_0 - sum B_l'G_l,  log|H| = sum log|H_l| + log|C|,  P_00 = C^-1,  P_ll = H_l^-1 + G_l P_00 G_l'.
 * All answers are those of the full system. BLAS runs serially; big factorizations are tiled over the pool with a fixed
 * order, so bits do not depend on threads. */
#ifndef W_SOLVE_SYSTEM_H
#define W_SOLVE_SYSTEM_H

#include "normal/normal.h"
#include "solve/face.h"

typedef struct w_system w_system;

/* Borrows gram and the design's penalties; both must outlive the system. All workspace is taken here. */
weir_status w_system_create(weir_ctx *ctx, const w_gram *gram, const w_design *design, w_system **out);
/* The same on a face (borrowed; NULL: none), whose coefficients are 0 and whose rows and columns of P are: every answer is that of
 * the system without those columns. */
weir_status w_system_create_on(weir_ctx *ctx, const w_gram *gram, const w_design *design, const w_face *face, w_system **out);
void w_system_free(w_system *system);
/* Reads shapes only: also serves a skeleton design (model/estimate.h). */
int64_t w_system_bytes(const w_design *design, int arrow_block);

/* Factors at rho (design->sp_count values) and computes beta. WEIR_OK, WEIR_RANK_DEFICIENT, or an error. */
weir_status w_system_factor(w_system *system, const double *rho);

const double *w_system_beta(const w_system *system);      /* p */
double w_system_log_det(const w_system *system);          /* log|H| (of the kept columns when rank deficient) */
double w_system_rss(const w_system *system);              /* ||sqrt(W)(z - X beta)||^2 */
double w_system_penalty(const w_system *system, double *per_sp); /* beta'S_lambda beta; per_sp (sp_count, may be NULL): b_j */
const w_face *w_system_face(const w_system *system);
int64_t w_system_held(const w_system *system);            /* coefficients that a face holds at 0 */
int64_t w_system_rank(const w_system *system);            /* without what a face holds at 0 */
int64_t w_system_null_dimension(const w_system *system);  /* M_p: columns not penalised by any penalty */
double w_system_condition(const w_system *system);        /* estimate, 1-norm, of the scaled H */
double w_system_backward_error(const w_system *system);   /* ||A beta + S beta - X'Wz|| / ((||H||)||beta|| + ||X'Wz||) */

/* Derivative pieces at the factored rho, V_j = lambda_j S_j summed over the penalties of smoothing parameter j:
 * trace[j] = tr(P V_j);  cross[i*M+j] = tr(P V_i P V_j);  curvature[i*M+j] = v_i' P v_j with v_j = V_j beta. Any may be NULL. */
weir_status w_system_derivatives(w_system *system, double *trace, double *cross, double *curvature);
/* The same for H restricted to the penalised directions (maximum likelihood): log|H_r| and traces with P_r = H_r^-1. trace
 * and cross may be NULL. A second factorization's workspace is taken on first use. */
weir_status w_system_range_derivatives(w_system *system, double *log_det, double *trace, double *cross);
/* tr(V_i P V_j F P), F P = P A P, for the second derivatives of tr F. Dense systems; WEIR_DECLINED with an arrow. */
weir_status w_system_effect_cross(w_system *system, double *effect);
/* Gradient and Hessian (sp_count^2) of the residual sum of squares in rho; hessian may be NULL. */
weir_status w_system_rss_derivatives(w_system *system, double *gradient, double *hessian);
/* edf of each column: diag(F), F = P A, and diag(F F) (p each). */
weir_status w_system_leverage(w_system *system, double *edf, double *edf_square);

/* ---- covariance -------------------------------------------------------------------------------------------------- */

/* P = H^-1 as an object that outlives the system: dense, or in arrow form (P_00, G, H_l^-1 blocks). Free with
 * w_covariance_free. Multiply by phi for V_p. */
typedef struct w_covariance {
    weir_ctx *ctx;
    int64_t p, core, arrow_levels, arrow_k, arrow_first;
    int64_t *core_column;
    double *core_matrix;     /* p0 x p0: P_00 */
    double *arrow_map;       /* G: (L*k) x p0 row-major, or NULL */
    double *arrow_inverse;   /* L x k x k: H_l^-1, or NULL */
} w_covariance;
weir_status w_system_covariance(w_system *system, w_covariance **out);
void w_covariance_free(w_covariance *covariance);
/* False for a model that has none (fit/iterative.h): core and arrow are empty. */
bool w_covariance_known(const w_covariance *covariance);
/* The block P[first_row …][first_col …] (rows x cols, row-major). */
weir_status w_covariance_block(const w_covariance *covariance, int64_t first_row, int64_t rows, int64_t first_col,
                               int64_t cols, double *out);
/* The block of F P (for V_e = phi F P): columns first … first+count-1 on both sides; at the last factored rho. */
weir_status w_system_frequentist_block(w_system *system, int64_t first, int64_t count, double *out);
/* A block of A = X'WX in X's column numbers. */
weir_status w_gram_block(const w_gram *gram, int64_t first, int64_t count, double *out);

#endif
