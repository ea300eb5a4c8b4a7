/* SPDX-License-Identifier: Apache-2.0 */
/** Penalised additive models: fit, predict, summarise, save.
 *
 *  The model is  g(E y) = X beta + offset  with columns from a formula, estimated by minimising
 *      || W^(1/2) (z - X beta) ||^2 / phi + sum_j lambda_j beta' S_j beta
 *  with the smoothing parameters lambda chosen by REML, ML, GCV or UBRE. */
#ifndef WEIR_GAM_H
#define WEIR_GAM_H

#include "weir/context.h"
#include "weir/linear.h"
#include "weir/plan.h"
#include "weir/table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_model weir_model;

typedef enum weir_criterion {
    WEIR_REML = 0, WEIR_ML = 1, WEIR_GCV = 2, WEIR_UBRE = 3
} weir_criterion;

/** How a fit solves for its coefficients. AUTO: the normal equations are formed and factored, unless they do not fit in the budget
 *  (and have 1000 columns or more) or have more than 7500 columns, the largest random effect not counted; then, where it
 *  serves, MATRIX_FREE: conjugate gradients on products with the rows, of generalised models inside Fisher scoring with the working
 *  model's criterion. Degrees of freedom and smoothing parameters are estimates from random probes with a stated error, and there
 *  is no covariance. */
typedef enum weir_fit_route {
    WEIR_FIT_AUTO = 0,
    WEIR_FIT_DENSE = 1,       /**< normal equations: CHOLESKY or ARROW, whichever is quicker */
    WEIR_FIT_MATRIX_FREE = 2,
    WEIR_FIT_CHOLESKY = 3,    /**< one dense factor */
    WEIR_FIT_ARROW = 4,       /**< a random effect's levels are eliminated one by one: the Schur complement is dense */
    WEIR_FIT_QR = 5,          /**< linear models, from here on: smoothing parameters, degrees of freedom and covariance by the normal
                                   equations, then the coefficients by this route of weir/linear.h from the rows, which lie in
                                   memory as a dense matrix. AUTO does so with QR where the condition estimate passes 1e12 */
    WEIR_FIT_MIXED = 6,
    WEIR_FIT_SPARSE = 7,
    WEIR_FIT_DUAL = 8
} weir_fit_route;
#define WEIR_FIT_ROUTES 9

typedef struct weir_fit_options {
    int32_t version;          /**< WEIR_FIT_OPTIONS_VERSION */
    weir_criterion criterion;
    const char *family;       /**< "poisson", "gamma:log", "nb(theta=2)" …; NULL = "gaussian" */
    const char *weights;      /**< column of prior weights, or NULL */
    weir_missing missing;
    double gamma;             /**< 0 = 1; > 1 smooths more */
    double scale;             /**< known scale phi; 0 = estimate (UBRE needs it) */
    const double *sp;         /**< fixed smoothing parameters (NaN = estimate), or NULL */
    int32_t sp_count;
    const char *knots;        /**< "x=0.5,12.5;z=0,1" or NULL */
    int32_t exact_knots;      /**< non-zero: knots from all rows whatever their number */
    int32_t select;           /**< non-zero: extra penalties that can remove whole terms */
    int32_t diagnostics;      /**< non-zero: one more pass for residual summaries (the HTML report needs it) */
    int32_t max_iterations;   /**< of the smoothing parameter search; 0 = 100 */
    int32_t laplace;          /**< since version 2. Generalised models: 1 = criterion of the Laplace approximation, -1 = of the
                                   working model, 0 = the Laplace approximation below 1e6 rows */
    double ar1;               /**< since version 3. Linear models: correlation rho of neighbouring rows' residuals, between -1
                                   and 1, which then are an AR(1) process; 0 = independent */
    int32_t ar1_estimate;     /**< non-zero: rho is estimated by REML or ML, from the same single pass */
    const char *ar1_start;    /**< column that tells where a series of such rows begins: 1 or true in its first row, or a
                                   factor that changes there; NULL = one series */
    double ridge;             /**< since version 4. Linear models: adds ridge times the sum of squares of all coefficients, the
                                   intercept's included, to the criterion of least squares; 0 = none. Residual sums and
                                   effective degrees of freedom count it as rows of data whose response is 0 */
    weir_fit_route route;     /**< since version 4 */
    weir_preconditioner preconditioner; /**< since version 5. Of the route MATRIX_FREE: blocks of the terms (AUTO: and a coarse space where
                                   there are factors or trees), the diagonal, an approximation from 128 random vectors, none */
} weir_fit_options;

/** Options of version 1, which end before `laplace`, of version 2, which end before `ar1`, of version 3, which end before `ridge`, and
 *  of version 4, which end before `preconditioner`, are taken as well. */
#define WEIR_FIT_OPTIONS_VERSION 5
#define WEIR_FIT_OPTIONS_INIT { WEIR_FIT_OPTIONS_VERSION, WEIR_REML, 0, 0, WEIR_MISSING_FAIL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, WEIR_FIT_AUTO, WEIR_PRECONDITIONER_AUTO }

/** What weir_fit would do with this formula, table and context, before any row is read (the head of a text file is
 *  looked at to tell kinds and width). */
WEIR_API weir_status weir_plan_fit(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                   weir_plan *out);
/** Fits. Returns WEIR_OK, WEIR_RANK_DEFICIENT or WEIR_NOT_CONVERGED with *out written, or an error. Free with
 *  weir_model_free. Bytes: weir_plan_fit. One pass over the rows after the scan. */
WEIR_API weir_status weir_fit(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                              weir_model **out);
WEIR_API void weir_model_free(weir_model *model);

/** Files. The format is documented in docs/model-file.md; every later version reads files of every earlier one. */
WEIR_API weir_status weir_model_save(weir_ctx *ctx, const weir_model *model, const char *path);
WEIR_API weir_status weir_model_load(weir_ctx *ctx, const char *path, weir_model **out);

/* ---- partial sums: any scheduler becomes a cluster ------------------------------------------------------------- */

typedef struct weir_sums weir_sums;
/** Reads the table once and keeps its cross-products. `like` (may be NULL): sums of another part of the same data whose
 *  knots and levels are taken over; `first_row`: number of the table's first row in the whole data. */
WEIR_API weir_status weir_sums_accumulate(weir_ctx *ctx, weir_table *table, const char *formula,
                                          const weir_fit_options *options, const weir_sums *like, int64_t first_row,
                                          weir_sums **out);
WEIR_API weir_status weir_sums_merge(weir_ctx *ctx, weir_sums *into, const weir_sums *from);
WEIR_API weir_status weir_sums_save(weir_ctx *ctx, const weir_sums *sums, const char *path);
WEIR_API weir_status weir_sums_load(weir_ctx *ctx, const char *path, weir_sums **out);
WEIR_API weir_status weir_sums_fit(weir_ctx *ctx, weir_sums *sums, const weir_fit_options *options, weir_model **out);
/** Number of the row after the last one held: where the next part starts. */
WEIR_API int64_t weir_sums_next_row(const weir_sums *sums);
WEIR_API void weir_sums_free(weir_sums *sums);

/* ---- results ---------------------------------------------------------------------------------------------------- */

typedef struct weir_coefficient {
    const char *label;
    double estimate, std_error, statistic, p_value; /**< t or z */
} weir_coefficient;

typedef struct weir_term_summary {
    const char *label, *basis;
    int64_t columns;
    double edf, ref_df, statistic, p_value; /**< F when the scale is estimated, else chi squared */
    int32_t sp_count;
    const double *sp;      /**< as mgcv reports them (refer to the rescaled penalties) */
    const double *sp_scale; /**< S.scale of each penalty */
    double std_dev;        /**< random effects: standard deviation; else NaN */
} weir_term_summary;

/** AR(1) residuals. */
typedef struct weir_ar1_summary {
    double rho;
    int32_t estimated;
    int64_t series;            /**< stretches of rows that are independent of each other */
    double correlation;        /**< of the residuals with those of the row before */
    double standardised_correlation; /**< the same of the standardised residuals: near 0 when rho is right */
} weir_ar1_summary;

/** A parameter of the family: theta of nb and beta, p of tweedie, nu and sigma of scat. */
typedef struct weir_family_parameter {
    const char *name;
    double value;
    int32_t estimated;         /**< non-zero: by the fit, with the smoothing parameters; else given */
} weir_family_parameter;

/** Conjugate gradients of the route MATRIX_FREE. Residuals are of the last solve of the coefficients. It has stopped where the
 *  preconditioned residual, relative to the right-hand side's, and the change of the prediction over four steps, relative to its
 *  size, both in the norms of the system, are at most 1e-10 each. */
typedef struct weir_iterative_summary {
    const char *preconditioner;  /**< "blocks and coarse space", "blocks", "diagonal", "Nystrom", "none" */
    const char *state;           /**< "converged", or why it stopped */
    int64_t iterations, products; /**< of the last solve; of all solves and probes */
    double residual, preconditioned, change; /**< ||b - A x||/||b||, true; the same in the preconditioned norm; of the prediction */
    int64_t history_count;       /**< residuals in the preconditioned norm, relative, before each step of the last solve and after it */
    const double *history;
    int64_t probes;
    double edf_error, criterion_error, log_sp_error; /**< standard errors over the probes; the largest of the log smoothing parameters */
    double seconds;              /**< of the last solve of the coefficients */
    double jitter;               /**< largest added to a block scaled to unit diagonal, 0 as a rule */
} weir_iterative_summary;

/** Everything a report shows. Borrowed from the model. */
typedef struct weir_summary {
    const char *formula, *family, *link, *criterion_name;
    int64_t n, rows, rows_missing, rows_zero_weight, columns, rank;
    int32_t coefficient_count; /**< parametric */
    const weir_coefficient *coefficient;
    int32_t term_count;        /**< smooths and random effects */
    const weir_term_summary *term;
    double edf_total, criterion, scale, deviance, null_deviance, deviance_explained, r_squared_adjusted;
    double residual_df, log_likelihood, aic;
    int32_t scale_estimated, iterations;
    weir_status status;        /**< WEIR_OK, WEIR_RANK_DEFICIENT, WEIR_NOT_CONVERGED */
    double condition, backward_error, gradient; /**< certificate: of the final system, largest |dV/dlog lambda| */
    const weir_plan *plan;
    int64_t actual_bytes, budget;
    double seconds_read, seconds_design, seconds_normal, seconds_smoothing, seconds_total;
    int32_t note_count;
    const char *const *note;
    int32_t family_parameter_count;
    const weir_family_parameter *family_parameter;
    const weir_ar1_summary *ar1; /**< NULL with independent residuals. Deviance and R^2 are then those of the residuals as they
                                      are; scale, criterion, likelihood and tests those of the standardised ones */
    const weir_iterative_summary *iterative; /**< of the route MATRIX_FREE, right after the fit; else NULL */
} weir_summary;
WEIR_API weir_status weir_model_summary(const weir_model *model, weir_summary *out);
/** All coefficients (p, borrowed) and their labels. */
WEIR_API int64_t weir_model_coefficients(const weir_model *model, const double **beta, const char *const **labels);
/** Copies rows x rows block of the Bayesian covariance V_p starting at coefficient `first` (row-major). */
WEIR_API weir_status weir_model_covariance(weir_ctx *ctx, const weir_model *model, int64_t first, int64_t count, double *out);

/** The number of standard errors on either side of a term that holds it everywhere at once with probability `level` (0 to 1),
 *  under the posterior of its coefficients. A smooth of one covariate: over the covariate's range, by the tube formula (the
 *  bound of Naiman 1986; docs/numerics/inference.md). Random effects: over their levels, by Sidak's inequality. Other terms: by
 *  Scheffe's, over all values of their covariates. `label` as in the summary, e.g. "s(x0)". Not for the intercept. */
WEIR_API weir_status weir_term_critical(weir_ctx *ctx, const weir_model *model, const char *label, double level, double *out);

/** Whether the basis of a smooth is large enough: residuals next to each other by the smooth's covariates should not resemble
 *  each other more than residuals in any order. k_index: estimate of the residual variance from differences of neighbours,
 *  over the residual variance; p_value: share of 400 seeded permutations whose index is not above it. A low p_value with
 *  k_index well below 1 and edf close to k asks for a larger k. Of a smooth with a factor as by variable only rows of its level
 *  count. NaN where a by variable is an interaction, or fewer than 10 rows count. Random effects are not among the checks.
 *  After Wood (2017), Generalized Additive Models, section 5.9. */
typedef struct weir_smooth_check {
    const char *label;
    int64_t k;                 /**< coefficients: the largest possible edf */
    double edf, k_index, p_value;
} weir_smooth_check;
/** Residuals of a table under the model, usually the one it was fitted to: replaces what the model keeps of its residuals for
 *  the pictures of a report, and checks the bases. One pass and a light one. `checks` are borrowed from the model. Not to be
 *  called while another thread uses the model. */
WEIR_API weir_status weir_check(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing, int64_t *count,
                                const weir_smooth_check **checks);

/* ---- prediction ------------------------------------------------------------------------------------------------- */

typedef enum weir_predict_type { WEIR_PREDICT_LINK = 0, WEIR_PREDICT_RESPONSE = 1, WEIR_PREDICT_TERMS = 2 } weir_predict_type;

typedef struct weir_predict_options {
    int32_t version;            /**< WEIR_PREDICT_OPTIONS_VERSION */
    weir_predict_type type;     /**< response: g^-1 of the linear predictor; terms: on the scale of the linear predictor */
    int32_t se;                 /**< non-zero: standard errors too; of the response by the delta method */
    double interval;            /**< 0 = none, else the level: confidence limits (of the response: g^-1 of those of the linear
                                     predictor) and, on the scale of the response, prediction limits: quantiles of the
                                     family at the predicted mean and the model's scale; of terms: limits of each */
    weir_missing missing;       /**< FAIL, or DROP = NaN in the output row */
    int32_t unseen_missing;     /**< non-zero: an unseen factor level gives NaN instead of an error */
    int32_t simultaneous;       /**< since version 2. Non-zero, with type terms and an interval: limits that hold for every value of
                                     a term's covariates at once, see weir_term_critical */
} weir_predict_options;

/** Options of version 1, which end before `simultaneous`, are taken as well. */
#define WEIR_PREDICT_OPTIONS_VERSION 2
#define WEIR_PREDICT_OPTIONS_INIT { WEIR_PREDICT_OPTIONS_VERSION, WEIR_PREDICT_LINK, 0, 0, WEIR_MISSING_FAIL, 0, 0 }

/** A batch of predictions in row order: `columns` columns of `rows` values, column j at values + j*rows.
 *  Return non-zero to stop with WEIR_E_IO. */
typedef int (*weir_rows_fn)(void *user, int64_t first_row, int64_t rows, const double *values);
/** Number and names of the columns weir_predict delivers: "fit", "se", "confidence_lower", "confidence_upper",
 *  "prediction_lower", "prediction_upper" (these two not with type link unless the model is Gaussian with identity link);
 *  with type terms the terms' labels (then "se.<label>", "lower.<label>", "upper.<label>"). Names are borrowed from the
 *  model. */
WEIR_API weir_status weir_predict_columns(const weir_model *model, const weir_predict_options *options, int32_t *count,
                                          const char *const **names);
/** Predicts every row of the table, streaming. */
WEIR_API weir_status weir_predict(weir_ctx *ctx, const weir_model *model, weir_table *table,
                                  const weir_predict_options *options, weir_rows_fn deliver, void *user);

#ifdef __cplusplus
}
#endif
#endif
