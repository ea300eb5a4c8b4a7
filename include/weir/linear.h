/* SPDX-License-Identifier: Apache-2.0 */
/** One penalised least-squares problem, or many that share columns and penalty, from data in memory:
 *
 *      (X_g' W_g X_g + S) B_g = X_g' W_g Y_g,      X_g: n_g x p,  W_g = diag(w) >= 0,  S: p x p,  g = 1 … G,
 *
 *  with X as strided rows, as compressed sparse rows or as a pair of products. Several routes lead to B; the library predicts
 *  bytes and seconds of each, takes the quickest that fits and says why it did not take the others:
 *
 *      cholesky  Gram X'WX + S, dense factor                                            n p^2 + p^3 / 3
 *      mixed     the same with a float32 factor and float64 refinement                  n p^2 + p^3 / 6
 *      qr        streamed QR of [sqrt(W) X; E], E'E = S: where the Gram is too ill-conditioned  2 n p^2
 *      sparse    sparse Gram and factor (CHOLMOD, found at run time)
 *      cg        preconditioned conjugate gradients, X'WX is never formed               4 n p per step
 *      dual      B = S^-1 X' sqrt(W) (I + sqrt(W) X S^-1 X' sqrt(W))^-1 sqrt(W) Y       n^2 p + n^3 / 3
 *
 *  The choice reckons with one thread and with the constants of `weir devices`; the bits of a route do not depend on the
 *  number of threads. */
#ifndef WEIR_LINEAR_H
#define WEIR_LINEAR_H

#include <stdint.h>
#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_LINEAR_VERSION 1

typedef enum weir_route {
    WEIR_ROUTE_AUTO = 0,
    WEIR_ROUTE_CHOLESKY = 1,
    WEIR_ROUTE_MIXED = 2,
    WEIR_ROUTE_QR = 3,
    WEIR_ROUTE_SPARSE = 4,
    WEIR_ROUTE_CG = 5,
    WEIR_ROUTE_DUAL = 6,
    WEIR_ROUTES = 7
} weir_route;

/** "auto", "cholesky", … ; NULL for a number that is none. Thread-safe. */
WEIR_API const char *weir_route_name(int32_t route);

typedef enum weir_matrix_kind {
    WEIR_MATRIX_DENSE = 0,   /**< entry (i, j) at values[i row_stride + j column_stride] */
    WEIR_MATRIX_CSR = 1,     /**< row i: entries row_first[i] … row_first[i + 1] - 1 of column[] and values[]; a column that
                              *   occurs twice counts with the sum */
    WEIR_MATRIX_OPERATOR = 2 /**< product() */
} weir_matrix_kind;

/** Rows first … first + rows - 1 of X:  y = X x  (x: p x count, y: rows x count), or transposed (non-zero)  y = X'x  (x: rows x
 *  count, y: p x count); column by column, every value of y written. Called from the calling thread. A negative status ends the
 *  call with that status. */
typedef weir_status (*weir_product_fn)(void *user, int32_t transposed, int64_t first, int64_t rows, int64_t count,
                                       const double *x, double *y);

/** Arrays are read during the call only. */
typedef struct weir_linear_matrix {
    int32_t kind;            /**< weir_matrix_kind */
    int32_t float32;         /**< non-zero: values are float, else double */
    int64_t rows, columns;   /**< n >= 0 and p >= 1 */
    const void *values;      /**< dense and CSR */
    int64_t row_stride, column_stride; /**< dense: in values; any sign. Row-major: p, 1 */
    const int64_t *row_first;          /**< CSR: n + 1 */
    const int32_t *column;             /**< CSR: 0 … p - 1 */
    weir_product_fn product;           /**< operator */
    void *user;
} weir_linear_matrix;

/** Part of S: `matrix` (size x size, column by column, upper triangle read, positive semi-definite) at (first, first). */
typedef struct weir_linear_penalty {
    int64_t first, size;
    const double *matrix;
} weir_linear_penalty;

typedef struct weir_linear_system {
    int32_t version;              /**< WEIR_LINEAR_VERSION */
    weir_linear_matrix x;
    const double *weights;        /**< n values >= 0, or NULL: ones */
    int64_t groups;               /**< G; 0 or 1: one system */
    const int64_t *group_first;   /**< G + 1 row numbers, ascending from 0 to n; NULL with one group */
    double ridge;                 /**< S = ridge I … */
    const double *diagonal;       /**< … + diag(p values >= 0), or NULL … */
    int64_t penalties;            /**< … + blocks, ascending and disjoint */
    const weir_linear_penalty *penalty;
    int64_t right_hand_sides;     /**< m >= 1 */
    const double *y;              /**< n x m, column by column */
} weir_linear_system;

typedef enum weir_preconditioner {
    WEIR_PRECONDITIONER_AUTO = 0,  /**< blocks where the rows are at hand, none for an operator */
    WEIR_PRECONDITIONER_NONE = 1,
    WEIR_PRECONDITIONER_JACOBI = 2,
    WEIR_PRECONDITIONER_BLOCKS = 3, /**< Cholesky of diagonal blocks */
    WEIR_PRECONDITIONER_NYSTROM = 4 /**< randomised low rank, by products alone */
} weir_preconditioner;

/** Zero in a field means "choose for me". */
typedef struct weir_linear_options {
    int32_t version;         /**< WEIR_LINEAR_VERSION */
    int32_t route;           /**< weir_route; one that is not admissible is WEIR_E_ARG with the reason */
    int32_t mixed;           /**< AUTO may take the mixed route: 0 where the policy does, 1 yes, -1 never */
    int32_t preconditioner;  /**< cg: weir_preconditioner */
    int64_t block;           /**< cg: columns of a block of the preconditioner; 0 = the penalties' own, 32 between them */
    int64_t rank;            /**< cg: of the Nyström preconditioner; 0 = 64 */
    double tolerance;        /**< cg: on the preconditioned residual and on the change in prediction, both relative; 0 = 1e-10 */
    int64_t max_iterations;  /**< cg; 0 = 1000 */
    int64_t dense_max_p;     /**< widest system of a dense route, unless dense_seconds allow more; 0 = 7500 */
    double dense_seconds;    /**< predicted seconds that lift dense_max_p; 0 = 60 */
    double condition_limit;  /**< AUTO: a scaled condition estimate above it sends a Gram route's group to QR; 0 = 1e12 */
    int32_t no_jitter;       /**< non-zero: a failed pivot is WEIR_E_NUMERIC instead of being met with jitter */
} weir_linear_options;

#define WEIR_LINEAR_OPTIONS_INIT { WEIR_LINEAR_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** What became of one system; system g m + j is right-hand side j of group g. */
typedef struct weir_linear_outcome {
    weir_status status;      /**< WEIR_OK; WEIR_RANK_DEFICIENT; WEIR_NOT_CONVERGED; WEIR_E_NUMERIC, WEIR_E_DATA: no answer */
    int32_t route;           /**< that gave the answer */
    int64_t rank;            /**< p, or fewer: qr found dependent columns, whose coefficients are 0; cg: p */
    int64_t iterations;      /**< cg */
    int32_t refinements;     /**< steps of iterative refinement */
    double jitter;           /**< added to the unit diagonal of the scaled matrix after a failed pivot; 0 = none */
    double residual;         /**< ||b - A x|| / ||b|| of the system the route solved (dual: the dual one) */
    double backward_error;   /**< ||b - A x|| / (||A|| ||x|| + ||b||), Frobenius; cg: the residual, an upper bound */
    double condition;        /**< estimate for the matrix scaled to unit diagonal, 1-norm; NaN: not estimated (cg: from Ritz
                              *   values of the preconditioned matrix, a lower bound) */
} weir_linear_outcome;

typedef struct weir_route_candidate {
    int32_t route, admissible, taken;
    int64_t bytes;           /**< predicted, beyond the caller's arrays; INT64_MAX: not known or too large */
    double seconds;          /**< predicted, with the context's threads; NaN when not admissible for its kind */
    double serial_seconds;   /**< the same with one thread: what the choice goes by */
    int32_t groups_in_flight;
    char reason[160];        /**< why not; for the one taken, why */
} weir_route_candidate;

typedef struct weir_linear_result {
    int32_t route;                  /**< chosen first */
    int64_t systems, failed, rank_deficient, unconverged;
    int64_t rerouted;               /**< groups sent on to another route, by condition or failed pivot */
    int64_t iterations;             /**< cg: largest */
    double jitter, residual, backward_error, condition; /**< largest over the systems that were solved */
    int64_t bytes_predicted, bytes;                     /**< of the routes taken; actual peak */
    double seconds_predicted, seconds;
    int32_t candidate_count;
    weir_route_candidate candidate[WEIR_ROUTES];
    char explanation[400];          /**< what happened, in words */
    int32_t recoveries;             /**< steps taken after memory ran out: fewer groups in flight, another route */
} weir_linear_result;

/** Solves. coefficients: G m x p, system after system. outcome: G m entries, or NULL. result and options may be NULL.
 *  WEIR_OK; WEIR_RANK_DEFICIENT, WEIR_NOT_CONVERGED: of some system; WEIR_E_NUMERIC, WEIR_E_DATA: some system has no answer (its
 *  coefficients are untouched, those of the others and outcome are written); WEIR_E_BUDGET: no admissible route fits, the message
 *  names the smallest budget that would do; WEIR_E_ARG, WEIR_E_VERSION, WEIR_E_MEMORY, WEIR_E_CANCELLED, or the status of a
 *  failed product: nothing is written. One call at a time per context; its threads are used. */
WEIR_API weir_status weir_least_squares(weir_ctx *ctx, const weir_linear_system *system, const weir_linear_options *options,
                                        double *coefficients, weir_linear_outcome *outcome, weir_linear_result *result);

/** The choice alone: fills route, bytes_predicted, seconds_predicted and the candidates. Reads shapes, group_first and the
 *  structure of CSR rows, no values. WEIR_E_BUDGET as above, with the candidates filled. */
WEIR_API weir_status weir_linear_plan(weir_ctx *ctx, const weir_linear_system *system, const weir_linear_options *options,
                                      weir_linear_result *result);

#ifdef __cplusplus
}
#endif
#endif
