/* SPDX-License-Identifier: Apache-2.0 */
/** Many models at once: the rows of each level of a column are fitted apart, with bases (knots, centring) and penalties that all
 *  groups share. Linear models take one pass over the rows; generalised ones (families and links of weir_fit, but for parameters of
 *  the family that would have to be estimated) a pass for each step of the group that takes most, each over the groups that still move.
 *
 *  Group g has coefficients of its own,
 *      beta_g = argmin || W^(1/2) (z - X beta) ||^2 + sum_j lambda_j beta' S_j beta     over the rows of g,
 *  and smoothing parameters that are fixed, or shared (the sum of all groups' criteria is minimised), or its own. */
#ifndef WEIR_GROUPS_H
#define WEIR_GROUPS_H

#include "weir/gam.h"
#include "weir/report.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_groups weir_groups;

typedef struct weir_groups_options {
    int32_t version;          /**< WEIR_GROUPS_OPTIONS_VERSION */
    const char *column;       /**< whose levels are the groups; not a column of the formula */
    int32_t each;             /**< non-zero: smoothing parameters of its own for each group; 0: one per term for all (REML, GCV) */
    int32_t covariance;       /**< 1: keep each group's covariances, p(p + 1)/2 doubles, which standard errors of predictions need; -1: do
                               *   not; 0: where all take at most 256 MiB and an eighth of the free budget */
} weir_groups_options;
#define WEIR_GROUPS_OPTIONS_VERSION 1
#define WEIR_GROUPS_OPTIONS_INIT { WEIR_GROUPS_OPTIONS_VERSION, 0, 0, 0 }

typedef enum weir_group_state {
    WEIR_GROUP_FITTED = 0,
    WEIR_GROUP_RANK_DEFICIENT = 1, /**< dependent columns have coefficient 0 */
    WEIR_GROUP_NOT_CONVERGED = 2,  /**< `each`: the search for smoothing parameters did not end */
    WEIR_GROUP_FEW_ROWS = 3,       /**< no more rows than unpenalised coefficients: not fitted, everything is NaN */
    WEIR_GROUP_CONSTANT = 4,       /**< all responses are equal: the intercept is their value, scale 0 */
    WEIR_GROUP_FAILED = 5          /**< no finite answer: everything is NaN */
} weir_group_state;
#define WEIR_GROUP_STATES 6
/** "fitted", "rank deficient" …; never NULL. */
WEIR_API const char *weir_group_state_name(weir_group_state state);

/** One group. Borrowed from the result. */
typedef struct weir_group {
    const char *name;
    weir_group_state state;
    int64_t n;                 /**< rows that count */
    double edf, scale, deviance, null_deviance, criterion;
    const double *beta, *std_error; /**< columns each */
    const double *log_lambda;  /**< sp_count: as the search sees them (rescaled penalties) */
} weir_group;

typedef struct weir_groups_summary {
    const char *formula, *column, *criterion_name;
    const char *family, *link;   /**< "poisson", "log" */
    int32_t covariances;         /**< non-zero: kept, so that predictions have standard errors */
    int64_t groups, columns, rows, rows_missing, n;
    int64_t state_count[WEIR_GROUP_STATES];
    int32_t sp_count, each, estimated; /**< estimated: smoothing parameters that were chosen, not given */
    const char *const *label;    /**< columns */
    const double *sp;            /**< sp_count, of the rescaled penalties; NULL with `each` */
    double criterion, edf, deviance, null_deviance; /**< sums over the groups */
    int32_t iterations, passes;  /**< over the rows, without the scan */
    int64_t in_flight;           /**< groups whose sums were held at a time */
    weir_status status;          /**< WEIR_OK or WEIR_NOT_CONVERGED */
    int64_t actual_bytes, budget;
    double seconds_accumulate, seconds_solve, seconds_total;
    int32_t recovery_count;      /**< steps taken after memory ran out; none in a loaded file */
    const weir_recovery *recovery;
} weir_groups_summary;

/** Fits every group. options: as for weir_fit. Groups that cannot be fitted do not fail the call: see their states. Bytes: result
 *  of (2 columns + 8) doubles a group, and as many groups' sums ((p + 1)(p + 2)/2 doubles each) as the budget holds; more groups than
 *  that take further passes over the rows and, with a shared search, room in the scratch folder. */
WEIR_API weir_status weir_fit_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                     const weir_groups_options *how, weir_groups **out);
/** weir_plan_fit for groups: how many at a time, passes and bytes. How many there are it takes from the head of a file, where that has
 *  all of them; reasons say what each further one takes. */
WEIR_API weir_status weir_plan_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                      const weir_groups_options *how, weir_plan *out);
WEIR_API void weir_groups_free(weir_groups *groups);
WEIR_API weir_status weir_groups_save(weir_ctx *ctx, const weir_groups *groups, const char *path);
WEIR_API weir_status weir_groups_load(weir_ctx *ctx, const char *path, weir_groups **out);
/** Whether the file holds groups; an unreadable one does not. */
WEIR_API int weir_groups_file(weir_ctx *ctx, const char *path);
WEIR_API weir_status weir_groups_summarise(const weir_groups *groups, weir_groups_summary *out);
/** Group `index`, 0 … groups - 1, in the order of the column's levels. */
WEIR_API weir_status weir_groups_get(const weir_groups *groups, int64_t index, weir_group *out);
/** Index of a group by name, -1 when there is none. */
WEIR_API int64_t weir_groups_find(const weir_groups *groups, const char *name);
/** As weir_predict_columns. */
WEIR_API weir_status weir_groups_predict_columns(const weir_groups *groups, const weir_predict_options *options, int32_t *count,
                                                 const char *const **names);
/** The table needs the column of groups; a row of a group that was not fitted yields NaN, one of an unseen group WEIR_E_DATA or, with
 *  options->unseen_missing, NaN. Standard errors and limits need covariances (weir_groups_options.covariance), else WEIR_E_ARG; each
 *  group has its own scale and degrees of freedom. No simultaneous limits. */
WEIR_API weir_status weir_groups_predict(weir_ctx *ctx, const weir_groups *groups, weir_table *table,
                                         const weir_predict_options *options, weir_rows_fn deliver, void *user);
/** A table of the first groups and the distribution over all; JSON holds all of them. */
WEIR_API weir_status weir_groups_report_text(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user);
WEIR_API weir_status weir_groups_report_json(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user);

#ifdef __cplusplus
}
#endif
#endif
