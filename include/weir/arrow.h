/* SPDX-License-Identifier: Apache-2.0 */
/** Block-arrow systems: many tiny blocks, each coupled to one dense border and to nothing else,
 *
 *      [ D_1             B_1 ] [ t_1 ]   [ g_1 ]      D_i: d x d,  B_i: d x p,  C: p x p,  i = 1 … n,
 *      [      …           …  ] [  …  ] = [  …  ]
 *      [           D_n   B_n ] [ t_n ]   [ g_n ]      symmetric positive definite as a whole
 *      [ B_1'  …   B_n'   C  ] [  x  ]   [  h  ]      (bundle adjustment, latent variables, random effects).
 *
 *  With D_i = L_i L_i' and Y_i = L_i^-1 B_i the border solves  S x = h - sum B_i' D_i^-1 g_i,  S = C - sum Y_i'Y_i, and then
 *  t_i = D_i^-1 (g_i - B_i x). Direct: S is formed and factored, n d p (d + p) + p^3 / 3 multiplications. PCG: S is applied as
 *  S v = C v - sum B_i' (D_i^-1 (B_i v)), 2 n d p per step, preconditioned by its diagonal blocks; it is never formed.
 *  The bits of the result do not depend on the number of threads. */
#ifndef WEIR_ARROW_H
#define WEIR_ARROW_H

#include <stdint.h>
#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ARROW_VERSION 1

/** The matrix. Arrays are read during the call only. */
typedef struct weir_arrow_system {
    int32_t version;        /**< WEIR_ARROW_VERSION */
    int64_t blocks, d;      /**< n >= 0 blocks of d >= 1 rows */
    int64_t border;         /**< p >= 0 */
    const double *diagonal; /**< n x d x d: entry (r, c) of D_i at i d d + r + c d, r <= c read */
    const double *coupling; /**< (n d) x p, row by row: row r of B_i at (i d + r) p */
    const double *corner;   /**< p x p: entry (r, c) of C at r + c p, r <= c read */
} weir_arrow_system;

typedef enum weir_arrow_mode {
    WEIR_ARROW_AUTO = 0,   /**< direct where its bytes fit and it is reckoned quicker */
    WEIR_ARROW_DIRECT = 1,
    WEIR_ARROW_PCG = 2
} weir_arrow_mode;

/** Zero in a field means "choose for me". */
typedef struct weir_arrow_options {
    int32_t version;            /**< WEIR_ARROW_VERSION */
    int32_t mode;               /**< weir_arrow_mode */
    int32_t damping;            /**< non-zero: a D_i, or S, that is not positive definite gets delta I added, delta = what brings
                                 *   its lowest Gershgorin bound min_r (a_rr - sum_c |a_rc|) to 2^-26 of its largest row sum.
                                 *   PCG: delta for S is 1e-8 of its mean diagonal, tenfold until no negative curvature
                                 *   is met. Zero: WEIR_E_NUMERIC */
    int32_t preconditioner;     /**< PCG: columns in a diagonal block of S; 1 = Jacobi; 0 = 32 */
    double ridge_blocks;        /**< added to the diagonal of every D_i, >= 0 */
    double ridge_border;        /**< added to the diagonal of C, >= 0 */
    double tolerance;           /**< PCG: on the preconditioned residual relative to the right-hand side's; 0 = 1e-10 */
    int64_t max_iterations;     /**< PCG; 0 = 1000 */
} weir_arrow_options;

#define WEIR_ARROW_OPTIONS_INIT { WEIR_ARROW_VERSION, 0, 0, 0, 0, 0, 0, 0 }

typedef struct weir_arrow_result {
    int32_t mode;            /**< WEIR_ARROW_DIRECT or WEIR_ARROW_PCG */
    double log_det;          /**< of the matrix with ridges and damping; NaN by PCG */
    double backward_error;   /**< largest over the right-hand sides: ||b - H x|| / (||H|| ||x|| + ||b||), largest entries and row
                              *   sums, with H including ridges and damping */
    int64_t iterations;      /**< PCG: largest over the right-hand sides */
    int64_t damped_blocks;   /**< how many D_i were not positive definite */
    double damping_blocks;   /**< largest added to one of them */
    double damping_border;   /**< added to S */
} weir_arrow_result;

/** Solves in place for `count` right-hand sides: rows is (n d) x count and border p x count, column by column; they hold
 *  g and h before and t and x after. `options` may be NULL, `result` too.
 *  WEIR_OK; WEIR_NOT_CONVERGED (PCG stopped at its limit; the result is written); WEIR_E_ARG; WEIR_E_VERSION;
 *  WEIR_E_NUMERIC: a block or S is not positive definite, or something is not finite; WEIR_E_BUDGET, WEIR_E_MEMORY;
 *  WEIR_E_CANCELLED. On error rows and border are as before. One call at a time per context; its threads are used. */
WEIR_API weir_status weir_arrow_solve(weir_ctx *ctx, const weir_arrow_system *system, const weir_arrow_options *options,
                                      int64_t count, double *rows, double *border, weir_arrow_result *result);

/** Bytes of memory a solve takes beyond the caller's arrays: about 8 (n d (d + 2 count) + 2 p^2) directly; by PCG without the p^2
 *  but with 8 p (32 + 20 count). Mode AUTO: of DIRECT. INT64_MAX when they do not fit; -1 for arguments that are not valid. */
WEIR_API int64_t weir_arrow_bytes(const weir_arrow_system *system, const weir_arrow_options *options, int64_t count);

#ifdef __cplusplus
}
#endif
#endif
