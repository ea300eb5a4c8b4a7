/* SPDX-License-Identifier: Apache-2.0 */
/** Inverse p-th roots:   Z = (A + rho I)^(-1/p) B,   for the matrix that is given.
 *
 *  A is symmetric positive definite (p = 1 … 8), general (p = 1), or a Gram matrix G'G of which only G exists. Scalings made on the
 *  way are undone; a shift is made where it is asked for and reported, never silently. Every answer comes with a bound of its
 *  relative error in the Frobenius norm, ||Z - Z*|| <= bound ||Z*||: approximation, from the spectrum's bounds, and rounding,
 *  of the order of u kappa / p, which no method that knows A to u avoids. A tolerance below that is answered as well as it can be,
 *  with `precision_limited` set.
 *
 *      route       serves          for A n x n and k right-hand sides
 *      cholesky    p = 1           float32 factor and float64 refinement or float64 factor            n^3 / 3
 *      lu          p = 1, general  partial pivoting                                                 2 n^3 / 3
 *      eigen       any             A = V D V'                                                        ~9 n^3
 *      band        p >= 2          A = Q T Q', T banded; sums of poles sum_j w_j (T + t_j I)^-1     4/3 n^3 + 2 n^2 k
 *      poles       p >= 2          the same sums on A itself, dense or sparse: N Cholesky factors     N n^3 / 3
 *      coupled     any             products of symmetric matrices by a minimax schedule             ~13 n^3
 *      chebyshev   p >= 2          polynomial in A of degree d on B alone                            2 d n^2 k
 *      lanczos     p >= 2          block Krylov space of B, for few right-hand sides                 2 d n^2 k
 *      qr          Gram            singular values of G: where squaring its condition would lose the answer        ~4 m n^2 + 9 n^3
 *
 *  Matrices are views (weir/linalg.h), float64 or float32; of a symmetric A the lower triangle counts, the upper one is compared
 *  with it unless that is turned off. B and Z may be the same view. The bits do not depend on the number of threads, nor on what a
 *  workspace was used for before.
 *
 *  Status: WEIR_OK, WEIR_NOT_CONVERGED (bound above the tolerance: also when precision_limited), WEIR_E_NUMERIC (indefinite, singular,
 *  not finite: Z is untouched), WEIR_E_DATA (not symmetric), WEIR_E_ARG, WEIR_E_MEMORY, WEIR_E_BUDGET, WEIR_E_CANCELLED.
 *
 *  Sources: Higham, Functions of Matrices, 2008; Hale, Higham and Trefethen 2008; Amsel et al. 2025; docs/numerics/roots.md. */
#ifndef WEIR_ROOT_H
#define WEIR_ROOT_H

#include <stdint.h>
#include "weir/context.h"
#include "weir/linalg.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ROOT_VERSION 1

typedef enum weir_root_route {
    WEIR_ROOT_AUTO = 0,
    WEIR_ROOT_CHOLESKY = 1,
    WEIR_ROOT_LU = 2,
    WEIR_ROOT_EIGEN = 3,
    WEIR_ROOT_BAND = 4,
    WEIR_ROOT_POLES = 5,
    WEIR_ROOT_COUPLED = 6,
    WEIR_ROOT_CHEBYSHEV = 7,
    WEIR_ROOT_LANCZOS = 8,
    WEIR_ROOT_QR = 9,
    WEIR_ROOT_ROUTES = 10
} weir_root_route;

/** "auto", "cholesky", … ; NULL for a number that is none. Thread-safe. */
WEIR_API const char *weir_root_route_name(int32_t route);

/** What is done to A before a root is taken. Multiples of the identity are undone exactly for every p. The others are congruences
 *  D A D, which can be undone for p = 1 alone; for p >= 2 they are refused, or honoured with `compat`: then the answer is that of
 *  the scaled matrix, and the statistics say so. */
typedef enum weir_precond_mode {
    WEIR_PRECOND_NONE = 0,
    WEIR_PRECOND_FROB = 1,     /**< A / (||A||_F / sqrt n): a multiple of the identity */
    WEIR_PRECOND_AOL = 2,      /**< d_i = (sum_j |a_ij|)^(-1/2) */
    WEIR_PRECOND_JACOBI = 3,   /**< d_i = a_ii^(-1/2) */
    WEIR_PRECOND_RUIZ = 4,     /**< rounds of d_i = ||row i||_2^(-1/2) */
    WEIR_PRECOND_ROW_NORM = 5, /**< general A, p = 1: rows over the largest sum of |a_ij| of a row */
    WEIR_PRECOND_COL_NORM = 6  /**< Gram: columns of G over their norms, Jacobi's on G'G */
} weir_precond_mode;

typedef enum weir_lambda_max {
    WEIR_LAMBDA_MAX_NORMS = 0, /**< the least of the inf-norm, the Frobenius norm and the trace: an upper bound for certain */
    WEIR_LAMBDA_MAX_POWER = 1  /**< power iteration times lambda_max_safety: no bound; guarded, and made good when found out */
} weir_lambda_max;

typedef struct weir_precond_config {
    int32_t version;               /**< WEIR_ROOT_VERSION */
    int32_t mode;                  /**< weir_precond_mode */
    int32_t ruiz_iters;            /**< 2 */
    int32_t compat;                /**< 0 */
    double ridge;                  /**< rho >= 0, absolute; 0 */
    double ridge_rel;              /**< adds ridge_rel times the mean of |diag A| to rho; 0 */
    double eps;                    /**< least rho; 0 */
    double l_target;               /**< hint of lambda_min / lambda_max, never a shift; 0: none */
    int32_t lambda_max_est;        /**< weir_lambda_max */
    int32_t lambda_max_power_iters; /**< 8 */
    double lambda_max_safety;      /**< 1.02 */
} weir_precond_config;

typedef enum weir_coeff_mode {
    WEIR_COEFF_AUTO = 0,        /**< minimax of degree 2 for the interval, as many steps as the tolerance needs */
    WEIR_COEFF_TUNED = 1,       /**< the same */
    WEIR_COEFF_AFFINE = 2,      /**< minimax of degree 1 */
    WEIR_COEFF_NEWTON = 3,      /**< coupled Newton */
    WEIR_COEFF_PRECOMPUTED = 4, /**< the four published steps for p = 2 and l = 0.05, for comparison */
    WEIR_COEFF_MODES = 5
} weir_coeff_mode;

typedef struct weir_schedule_config {
    int32_t version;         /**< WEIR_ROOT_VERSION */
    int32_t coeff_mode;      /**< weir_coeff_mode */
    double l_target;         /**< lambda_min / lambda_max that the steps are made for, in (0, 1]; 0.05 */
    double tolerance;        /**< of || X A^(1/p) - I ||_2; 1e-6 */
    double coeff_safety;     /**< 1 … 2: intervals are wider by this factor at both ends; the error stays above its excess cubed; 1 */
    int32_t coeff_no_final_safety; /**< … but for the last step; 0 */
    int32_t coeff_seed;      /**< accepted and unused: the coefficients follow from the interval alone */
} weir_schedule_config;

#define WEIR_SCHEDULE_STEPS 48

/** Steps X <- X q(Y), Y <- q(Y)^p Y with q(y) = a + b y + c y^2. */
typedef struct weir_schedule {
    int32_t p, steps;
    double a[WEIR_SCHEDULE_STEPS], b[WEIR_SCHEDULE_STEPS], c[WEIR_SCHEDULE_STEPS];
    double low;    /**< eigenvalues of A / lambda_max from here to 1 */
    double error;  /**< || X A^(1/p) - I ||_2 after the last step, rounding apart */
    char description[96];
} weir_schedule;

/** config may be NULL. WEIR_E_ARG, WEIR_E_NUMERIC (48 steps do not do). No memory is taken. */
WEIR_API weir_status weir_build_schedule(weir_ctx *ctx, int32_t p, const weir_schedule_config *config, weir_schedule *out);

typedef struct weir_root_options {
    int32_t version;                        /**< WEIR_ROOT_VERSION */
    int32_t p;                              /**< 1 … 8; 2 */
    int32_t route;                          /**< weir_root_route */
    int32_t trust_symmetry;                 /**< the upper triangle is not looked at; 0 */
    double tolerance;                       /**< of the relative error; 0: 1e-8 for float64, 1e-4 for float32 */
    double lambda_min, lambda_max;          /**< bounds that the caller knows, > 0; 0: none. Wrong ones are found out */
    const weir_precond_config *precond;     /**< NULL: none */
    const weir_schedule *schedule;          /**< NULL: made for the spectrum; the coupled route alone uses it */
    int64_t expected_reuse;                 /**< calls with this A that the costs are shared by; 1 */
    uint64_t generation;                    /**< not 0: what a workspace holds of an A of the same number is used again */
} weir_root_options;

#define WEIR_ROOT_OPTIONS_INIT \
    { .version = WEIR_ROOT_VERSION, .p = 2, .expected_reuse = 1 }
#define WEIR_PRECOND_CONFIG_INIT \
    { .version = WEIR_ROOT_VERSION, .ruiz_iters = 2, .lambda_max_power_iters = 8, .lambda_max_safety = 1.02 }
#define WEIR_SCHEDULE_CONFIG_INIT \
    { .version = WEIR_ROOT_VERSION, .l_target = 0.05, .tolerance = 1e-6, .coeff_safety = 1 }

typedef struct weir_root_stats {
    int32_t route;             /**< taken */
    int32_t reused;            /**< what the workspace held was used */
    int32_t steps;             /**< of the schedule, poles, degree */
    int32_t retries;           /**< a guard failed and the bounds were widened, or another route taken */
    int32_t precision_limited; /**< u kappa / p is above the tolerance */
    int32_t compat;            /**< the answer is that of the scaled matrix */
    double lambda_min, lambda_max; /**< bounds of the spectrum of A + rho I in use; 0: none were needed */
    double ridge;              /**< rho */
    double products;           /**< n x n x n, one-triangle products counted as halves */
    double predicted;          /**< error of the approximation, from bounds alone */
    double residual;           /**< p = 1: ||A Z - B|| / (||A|| ||Z|| + ||B||); NaN where none was formed */
    double bound;              /**< of ||Z - Z*|| / ||Z*|| */
    double seconds_prepare, seconds_apply;
    char reason[160];          /**< why this route */
} weir_root_stats;

/** What a matrix has been turned into, and the room for it. It grows on first use and is used again; nothing that is returned
 *  lies in it. One call at a time. */
typedef struct weir_root_workspace weir_root_workspace;
WEIR_API weir_status weir_root_workspace_create(weir_ctx *ctx, weir_root_workspace **out);
WEIR_API void weir_root_workspace_destroy(weir_root_workspace *workspace);
/** Bytes that a call for an n x n matrix and k right-hand sides takes at most; INT64_MAX: more than there are. */
WEIR_API int64_t weir_root_bytes(const weir_ctx *ctx, int64_t n, int64_t k, weir_dtype dtype, const weir_root_options *options);

/** Z := (A + rho I)^(-1/p) B, A symmetric positive definite n x n; B and Z n x k. options, workspace and stats may be NULL. */
WEIR_API weir_status weir_solve_spd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *z,
                                    const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats);
/** Z := (A + rho I)^-1 B for any square A; options->p must be 1. */
WEIR_API weir_status weir_solve_nonspd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *z,
                                       const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats);
/** Z := (G'G + rho I)^(-1/p) B, G m x n, B n x k. m < n needs rho > 0 and takes m x m systems alone:
 *  (G'G + s I)^-1 = (I - G'(GG' + s I)^-1 G) / s for every shift s. Where u kappa(G'G) / p is above the tolerance (m >= n) or the
 *  route is WEIR_ROOT_QR, by singular values of G: u kappa(G) 2 / p, retries counts the attempt before. */
WEIR_API weir_status weir_solve_gram_spd(weir_ctx *ctx, const weir_matrix *g, const weir_matrix *b, const weir_matrix *z,
                                         const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats);
/** Z := (G'G + rho I)^(-1/p) G'C = G'(GG' + rho I)^(-1/p) C, G m x n, C m x k, Z n x k: the smaller of both sides. */
WEIR_API weir_status weir_solve_gram_dual(weir_ctx *ctx, const weir_matrix *g, const weir_matrix *c, const weir_matrix *z,
                                          const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats);
/** X := (A + rho I)^(-1/p) itself, symmetric, both triangles. */
WEIR_API weir_status weir_materialize(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *x, const weir_root_options *options,
                                      weir_root_workspace *workspace, weir_root_stats *stats);

/** `count` matrices of one size: matrix i of a view starts i * stride elements behind the first. Each has its status (NULL: not
 *  wanted) and statistics (NULL: not wanted); where one fails, its Z keeps what it held. Returns the worst status. */
WEIR_API weir_status weir_solve_spd_batched(weir_ctx *ctx, int64_t count, const weir_matrix *a, int64_t a_stride,
                                            const weir_matrix *b, int64_t b_stride, const weir_matrix *z, int64_t z_stride,
                                            const weir_root_options *options, weir_status *each, weir_root_stats *stats);
WEIR_API weir_status weir_materialize_batched(weir_ctx *ctx, int64_t count, const weir_matrix *a, int64_t a_stride,
                                              const weir_matrix *x, int64_t x_stride, const weir_root_options *options,
                                              weir_status *each, weir_root_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
