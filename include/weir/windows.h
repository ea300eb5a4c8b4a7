/* SPDX-License-Identifier: Apache-2.0 */
/** Sliding windows: one model again and again, each time of the rows at hand, and what each says of the rows that follow it.
 *
 *  Rows are taken in the order of the table. Window i is fitted to rows i*step … i*step + length - 1,
 *      beta_i = argmin || W^(1/2) (z - X beta) ||^2 + sum_j lambda_j beta' S_j beta     over them,
 *  and predicts the next `step` rows, the last window all that are left. Linear models (family gaussian, identity link).
 *
 *  Nothing that a window says of a row knows that row's response or a later one: smoothing parameters are given, or found from
 *  the first window, or from each window alone. Bases (knots, centring, levels) are laid out once, from the covariates of the whole
 *  table. */
#ifndef WEIR_WINDOWS_H
#define WEIR_WINDOWS_H

#include "weir/groups.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_windows_options {
    int32_t version;           /**< WEIR_WINDOWS_OPTIONS_VERSION */
    int64_t length, step;      /**< rows; 1 <= step <= length <= rows of the table */
    int32_t each;              /**< non-zero: each window looks for its own smoothing parameters; 0: those of the first serve all */
    int32_t std_errors;        /**< non-zero: of the coefficients; for those of models without penalties more work */
} weir_windows_options;
#define WEIR_WINDOWS_OPTIONS_VERSION 1
#define WEIR_WINDOWS_OPTIONS_INIT { WEIR_WINDOWS_OPTIONS_VERSION, 0, 0, 0, 0 }

/** One window; borrowed for the time of the call. Rows count from 0. */
typedef struct weir_window {
    int64_t index, first_row, last_row; /**< rows first … last, both within */
    weir_group_state state;    /**< as of a group (weir_group_state_name); without coefficients all numbers are NaN */
    int64_t n;                 /**< rows that count */
    double edf, scale, rss, null_rss;
    int64_t columns;
    const char *const *label;  /**< columns */
    const double *beta;        /**< columns */
    const double *std_error;   /**< columns; NULL unless asked for */
    int32_t sp_count;
    const double *sp;          /**< sp_count, of the rescaled penalties */
    int64_t test_rows;         /**< rows behind the window, predicted by it, that have a response and weight */
    double test_square, test_absolute; /**< sums of (y - fit)^2 and |y - fit| over them, not weighted */
} weir_window;

/** Windows in order, each when its last row has been predicted. Non-zero stops with WEIR_E_IO. */
typedef int (*weir_window_fn)(void *user, const weir_window *window);
/** Rows first_row … in order, from row `length` on: number of the window that predicts it, its fit (NaN where a covariate is missing or
 *  the window has no coefficients) and the response as the model sees it (NaN where missing). Non-zero stops with WEIR_E_IO. */
typedef int (*weir_window_rows_fn)(void *user, int64_t first_row, int64_t rows, const int64_t *window, const double *fit,
                                   const double *response);

typedef struct weir_windows_summary {
    const char *formula, *criterion_name;
    int64_t length, step, windows, columns, rows, rows_missing;
    int64_t state_count[WEIR_GROUP_STATES];
    const char *const *label;  /**< columns */
    int32_t sp_count, each, estimated; /**< estimated: smoothing parameters that were chosen, not given */
    const char *const *sp_label;
    const double *sp;          /**< sp_count: those that served all; NULL with `each` */
    int64_t test_rows;
    double test_square, test_absolute; /**< sums over all windows */
    double edf_least, edf_mean, edf_most, sigma_least, sigma_mean, sigma_most; /**< over windows with coefficients; NaN without */
    int64_t blocks;            /**< runs of rows that were summed */
    int64_t batch;             /**< windows at a time */
    weir_status status;        /**< WEIR_OK or WEIR_NOT_CONVERGED */
    int64_t actual_bytes, budget;
    double seconds_read, seconds_sums, seconds_solve, seconds_total; /**< rows of X; cross-products; fits and predictions */
} weir_windows_summary;

typedef struct weir_windows weir_windows;

/** Fits all windows in one pass over the rows after the scan. options: as for weir_fit; criteria and sp as there. `rows` and `window`
 *  may be NULL. A window that cannot be fitted does not fail the call: see its state. Bytes: length / step sums of
 *  (p + 1)(p + 2)/2 doubles, about four such a window of a batch (at least 8 windows, as many as 60 % of free memory hold), and the
 *  rows of a tile for each thread; nothing grows with the number of rows. Bits depend on neither threads nor memory.
 *  Errors: WEIR_E_ARG (length, step, family, AR(1), ridge, shapes), WEIR_E_DATA (fewer rows than `length`; a first window that cannot
 *  choose smoothing parameters), WEIR_E_BUDGET, and those of weir_fit. */
WEIR_API weir_status weir_fit_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                      const weir_windows_options *how, weir_window_rows_fn rows, weir_window_fn window, void *user,
                                      weir_windows **out);
/** weir_plan_fit for windows: bytes and passes are those of weir_fit_windows, and reasons tell how windows are summed. */
WEIR_API weir_status weir_plan_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                       const weir_windows_options *how, weir_plan *out);
WEIR_API void weir_windows_free(weir_windows *windows);
/** Borrowed from the result. */
WEIR_API weir_status weir_windows_summarise(const weir_windows *windows, weir_windows_summary *out);
WEIR_API weir_status weir_windows_report_text(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user);
WEIR_API weir_status weir_windows_report_json(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user);

#ifdef __cplusplus
}
#endif
#endif
