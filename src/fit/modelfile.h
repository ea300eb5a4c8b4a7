/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file holds beside the design, as tables of fields that saving and loading share, so that what is written and
 * what is read cannot drift apart. Included by modelfile_save.c and modelfile_load.c only. */
#ifndef W_FIT_MODELFILE_H
#define W_FIT_MODELFILE_H

#include <stddef.h>
#include <string.h>
#include "fit/model.h"

typedef enum w_field_kind { W_FIELD_REAL, W_FIELD_INT32, W_FIELD_INT64, W_FIELD_TEXT } w_field_kind;

typedef struct w_field {
    const char *key;
    size_t offset;
    w_field_kind kind;
} w_field;

#define REAL(type, name) { #name, offsetof(type, name), W_FIELD_REAL }
#define INT32(type, name) { #name, offsetof(type, name), W_FIELD_INT32 }
#define INT64(type, name) { #name, offsetof(type, name), W_FIELD_INT64 }
#define TEXT(type, name) { #name, offsetof(type, name), W_FIELD_TEXT }
#define FIELDS(table) (int)(sizeof(table) / sizeof(table)[0]), table

_Static_assert(sizeof(weir_status) == sizeof(int32_t), "the status is kept as a 32-bit integer");

static const w_field summary_field[] = {
    TEXT(weir_summary, formula), TEXT(weir_summary, family), TEXT(weir_summary, link), TEXT(weir_summary, criterion_name),
    INT64(weir_summary, n), INT64(weir_summary, rows), INT64(weir_summary, rows_missing),
    INT64(weir_summary, rows_zero_weight), INT64(weir_summary, columns), INT64(weir_summary, rank),
    REAL(weir_summary, edf_total), REAL(weir_summary, criterion), REAL(weir_summary, scale), REAL(weir_summary, deviance),
    REAL(weir_summary, null_deviance), REAL(weir_summary, deviance_explained), REAL(weir_summary, r_squared_adjusted),
    REAL(weir_summary, residual_df), REAL(weir_summary, log_likelihood), REAL(weir_summary, aic),
    INT32(weir_summary, scale_estimated), INT32(weir_summary, iterations), INT32(weir_summary, status),
    REAL(weir_summary, condition), REAL(weir_summary, backward_error), REAL(weir_summary, gradient),
    INT64(weir_summary, actual_bytes), INT64(weir_summary, budget), REAL(weir_summary, seconds_read),
    REAL(weir_summary, seconds_design), REAL(weir_summary, seconds_normal), REAL(weir_summary, seconds_smoothing),
    REAL(weir_summary, seconds_total),
};

static const w_field ar1_field[] = { /* in files of models with AR(1) residuals */
    REAL(weir_ar1_summary, rho), INT32(weir_ar1_summary, estimated), INT64(weir_ar1_summary, series),
    REAL(weir_ar1_summary, correlation), REAL(weir_ar1_summary, standardised_correlation),
};

static const w_field coefficient_field[] = {
    TEXT(weir_coefficient, label), REAL(weir_coefficient, estimate), REAL(weir_coefficient, std_error),
    REAL(weir_coefficient, statistic), REAL(weir_coefficient, p_value),
};

static const w_field term_field[] = {
    TEXT(weir_term_summary, label), TEXT(weir_term_summary, basis), INT64(weir_term_summary, columns),
    REAL(weir_term_summary, edf), REAL(weir_term_summary, ref_df), REAL(weir_term_summary, statistic),
    REAL(weir_term_summary, p_value), REAL(weir_term_summary, std_dev),
};

static const w_field plan_field[] = {
    TEXT(weir_plan, route), TEXT(weir_plan, device), TEXT(weir_plan, precision), TEXT(weir_plan, reading),
    TEXT(weir_plan, knots), INT64(weir_plan, rows), INT32(weir_plan, rows_exact), INT64(weir_plan, columns),
    INT32(weir_plan, smoothing_parameters), INT32(weir_plan, threads), INT32(weir_plan, passes),
    INT64(weir_plan, tile_rows), INT64(weir_plan, shard_tiles), INT64(weir_plan, window_bytes),
    INT64(weir_plan, keep_bytes), INT64(weir_plan, budget), INT64(weir_plan, bytes), INT64(weir_plan, bytes_read),
    INT64(weir_plan, bytes_sums), INT64(weir_plan, bytes_system), INT64(weir_plan, bytes_result),
    REAL(weir_plan, seconds), REAL(weir_plan, seconds_read), REAL(weir_plan, seconds_accumulate),
    REAL(weir_plan, seconds_smooth),
};

static const w_field covariance_field[] = {
    INT64(w_covariance, p), INT64(w_covariance, core), INT64(w_covariance, arrow_levels), INT64(w_covariance, arrow_k),
    INT64(w_covariance, arrow_first),
};

static const w_field diagnostics_field[] = {
    INT64(w_diagnostics, sample), INT64(w_diagnostics, bins), REAL(w_diagnostics, bin_lower),
    REAL(w_diagnostics, bin_width), REAL(w_diagnostics, residual_mean), REAL(w_diagnostics, residual_square),
    INT64(w_diagnostics, rug_count),
};

static const w_field check_field[] = {
    TEXT(weir_smooth_check, label), INT64(weir_smooth_check, k), REAL(weir_smooth_check, edf),
    REAL(weir_smooth_check, k_index), REAL(weir_smooth_check, p_value),
};

static const char *const quantile_name[] = { "fit/quantile/residual", "fit/quantile/reference", "fit/quantile/lower",
                                             "fit/quantile/upper" };

/* "fit/rug/12": the covariate sample of a table column. */
static inline const char *rug_name(char name[48], int column)
{
    static const char prefix[] = "fit/rug/";
    char digits[16];
    int used = 0;
    do {
        digits[used++] = (char)('0' + column % 10);
        column /= 10;
    } while (column > 0);
    memcpy(name, prefix, sizeof prefix - 1);
    for (int i = 0; i < used; i++) {
        name[sizeof prefix - 1 + (size_t)i] = digits[used - 1 - i];
    }
    name[sizeof prefix - 1 + (size_t)used] = '\0';
    return name;
}

#endif
