/* SPDX-License-Identifier: Apache-2.0 */
#include "model/scan_tile.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/elementary.h"

static void masked_range(const double *x, const uint8_t *mask, int64_t rows, double *lower, double *upper)
{
    for (int64_t i = 0; i < rows; i++) {
        if (!mask[i]) {
            *lower = x[i] < *lower ? x[i] : *lower;
            *upper = x[i] > *upper ? x[i] : *upper;
        }
    }
}

/* Keeps the fault of the smallest row; within a row the first in the order of the calls. */
static void note_fault(w_scan_worker *w, w_scan_fault fault, int64_t row, int column, double value)
{
    if (w->fault == W_FAULT_NONE || row < w->fault_row) {
        w->fault = fault;
        w->fault_row = row;
        w->fault_column = column;
        w->fault_value = value;
    }
}

static bool mask_numbers(w_scan_worker *w, int column, int64_t first_row, int64_t rows)
{
    const double *x = w->number[column];
    bool any = false;
    for (int64_t i = 0; i < rows; i++) {
        if (isnan(x[i])) {
            w->mask[i] = 1;
            any = true;
            if (w->request->missing == WEIR_MISSING_FAIL) {
                note_fault(w, W_FAULT_MISSING, first_row + i, column, 0);
            }
        } else if (isinf(x[i])) {
            note_fault(w, W_FAULT_INFINITE, first_row + i, column, x[i]);
        }
    }
    return any;
}

static bool mask_codes(w_scan_worker *w, int column, int64_t first_row, int64_t rows)
{
    const int32_t *code = w->code[column];
    bool any = false;
    for (int64_t i = 0; i < rows; i++) {
        if (code[i] < 0) {
            w->mask[i] = 1;
            any = true;
            if (w->request->missing == WEIR_MISSING_FAIL) {
                note_fault(w, W_FAULT_MISSING, first_row + i, column, 0);
            }
        }
    }
    return any;
}

static bool mask_weights(w_scan_worker *w, int64_t first_row, int64_t rows)
{
    const double *weight = w->number[w->request->weight_column];
    bool any = false;
    for (int64_t i = 0; i < rows; i++) {
        if (!w->mask[i] && weight[i] <= 0) {
            if (weight[i] < 0) {
                note_fault(w, W_FAULT_WEIGHT, first_row + i, w->request->weight_column, weight[i]);
            }
            w->mask[i] = 2;
            any = true;
        }
    }
    return any;
}

/* ---- distinct numbers and levels in use ---- */

static uint64_t hash_number(double x)
{
    uint64_t bits;
    x = x == 0 ? 0 : x; /* one zero */
    memcpy(&bits, &x, sizeof bits);
    bits = (bits ^ (bits >> 32)) * 0x9e3779b97f4a7c15u;
    return bits ^ (bits >> 29);
}

static void set_place(w_number_set *set, double x)
{
    int64_t i = (int64_t)(hash_number(x) & (uint64_t)(set->capacity - 1));
    while (!isnan(set->slot[i]) && set->slot[i] != x) {
        i = (i + 1) & (set->capacity - 1);
    }
    set->count += isnan(set->slot[i]);
    set->slot[i] = x == 0 ? 0 : x;
}

static weir_status set_add(weir_ctx *ctx, w_number_set *set, double x)
{
    if (set->has_last && set->last == x) {
        return WEIR_OK;
    }
    if (2 * (set->count + 1) > set->capacity) {
        w_number_set bigger = {0, set->capacity ? 2 * set->capacity : 64, NULL, 0, false};
        bigger.slot = w_alloc_array(ctx, "levels", (size_t)bigger.capacity, sizeof *bigger.slot);
        if (!bigger.slot) {
            return w_alloc_status(ctx);
        }
        for (int64_t i = 0; i < bigger.capacity; i++) {
            bigger.slot[i] = NAN;
        }
        for (int64_t i = 0; i < set->capacity; i++) {
            if (!isnan(set->slot[i])) {
                set_place(&bigger, set->slot[i]);
            }
        }
        w_free(ctx, set->slot);
        *set = bigger;
    }
    set_place(set, x);
    set->last = x;
    set->has_last = true;
    return WEIR_OK;
}

static weir_status mark_used(w_scan_worker *w, int column, int64_t rows)
{
    const int32_t *code = w->code[column];
    int32_t highest = -1;
    for (int64_t i = 0; i < rows; i++) {
        highest = code[i] > highest ? code[i] : highest;
    }
    if (highest >= w->used_capacity[column]) {
        int64_t capacity = w_max64(64, 2 * (int64_t)highest + 1);
        uint8_t *used = w_realloc(w->ctx, "levels", w->used[column], (size_t)capacity);
        if (!used) {
            return w_alloc_status(w->ctx);
        }
        memset(used + w->used_capacity[column], 0, (size_t)(capacity - w->used_capacity[column]));
        w->used[column] = used;
        w->used_capacity[column] = capacity;
    }
    for (int64_t i = 0; i < rows; i++) {
        if (!w->mask[i]) {
            w->used[column][code[i]] = 1;
        }
    }
    return WEIR_OK;
}

static weir_status note_levels(w_scan_worker *w, int64_t rows)
{
    weir_status status = WEIR_OK;
    for (int c = 0; c < w->request->column_count && status == WEIR_OK; c++) {
        if (w->code[c]) {
            status = mark_used(w, c, rows);
        } else if (w->request->distinct && w->request->distinct[c]) {
            for (int64_t i = 0; i < rows && status == WEIR_OK; i++) {
                status = w->mask[i] ? WEIR_OK : set_add(w->ctx, &w->set[c], w->number[c][i]);
            }
        }
    }
    return status;
}

/* ---- the tile ---- */

/* Plain columns have their range already. */
static void watch_expressions(w_scan_worker *w, int64_t first_row, int64_t rows, bool masked)
{
    double *value = w->buffer + w->request->column_count * (int64_t)W_TILE_ROWS;
    for (int e = 0; e < w->request->watch_count; e++) {
        if (w_expr_column(w->request->watch[e]) >= 0) {
            continue;
        }
        double lower, upper;
        w_expr_eval(w->request->watch[e], w->number, rows, w->stack, value);
        bool finite = w_range(rows, value, &lower, &upper);
        for (int64_t i = 0; i < rows && !finite; i++) {
            if (!w->mask[i] && !isfinite(value[i])) {
                note_fault(w, W_FAULT_EXPRESSION, first_row + i, e, value[i]);
            }
        }
        if (masked || !finite) {
            masked_range(value, w->mask, rows, &w->watch_lower[e], &w->watch_upper[e]);
        } else {
            w->watch_lower[e] = fmin(w->watch_lower[e], lower);
            w->watch_upper[e] = fmax(w->watch_upper[e], upper);
        }
    }
}

static void keep_rows(const w_scan_worker *w, int64_t rows, w_setup_tile *keep)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < rows; i++) {
        kept += !w->mask[i];
    }
    keep->rows = kept;
    for (int c = 0; c < w->request->column_count; c++) {
        double *out = keep->data + c * (int64_t)W_TILE_ROWS;
        for (int64_t i = 0, k = 0; i < rows; i++) {
            if (!w->mask[i]) {
                out[k++] = w->number[c] ? w->number[c][i] : w->code[c][i];
            }
        }
    }
}

static bool load_columns(w_scan_worker *w, const w_window *window, int64_t start, int64_t rows, double *lower,
                         double *upper)
{
    bool masked = false;
    int64_t first_row = window->first_row + start;
    for (int c = 0; c < w->request->column_count; c++) {
        double *buffer = w->buffer + c * (int64_t)W_TILE_ROWS;
        w->number[c] = NULL;
        w->code[c] = NULL;
        if (window->column[c].kind == W_NUMERIC) {
            w->number[c] = w_window_numeric(window, c, start, rows, buffer);
            if (!w_range(rows, w->number[c], &lower[c], &upper[c])) {
                masked |= mask_numbers(w, c, first_row, rows);
            }
        } else {
            w->code[c] = w_window_codes(window, c, start, rows, (int32_t *)(void *)buffer);
            masked |= mask_codes(w, c, first_row, rows);
        }
    }
    return masked;
}

static void fold_ranges(w_scan_worker *w, int64_t rows, bool masked, double *lower, double *upper)
{
    for (int c = 0; c < w->request->column_count; c++) {
        if (!w->number[c]) {
            continue;
        }
        if (masked) {
            lower[c] = INFINITY;
            upper[c] = -INFINITY;
            masked_range(w->number[c], w->mask, rows, &lower[c], &upper[c]);
        }
        w->lower[c] = fmin(w->lower[c], lower[c]);
        w->upper[c] = fmax(w->upper[c], upper[c]);
    }
}

weir_status w_scan_tile(w_scan_worker *w, const w_window *window, int64_t start, int64_t rows, w_setup_tile *keep)
{
    /* Ranges of this tile lie behind the worker's own. */
    double *lower = w->lower + w->request->column_count, *upper = w->upper + w->request->column_count;
    int64_t first_row = window->first_row + start;
    memset(w->mask, 0, (size_t)rows);
    bool masked = load_columns(w, window, start, rows, lower, upper);
    if (w->request->weight_column >= 0) {
        masked |= mask_weights(w, first_row, rows);
    }
    fold_ranges(w, rows, masked, lower, upper);
    for (int64_t i = 0; i < rows && masked; i++) {
        w->missing += w->mask[i] == 1;
        w->zero_weight += w->mask[i] == 2;
    }
    watch_expressions(w, first_row, rows, masked);
    weir_status status = note_levels(w, rows);
    if (status == WEIR_OK && keep) {
        keep_rows(w, rows, keep);
    }
    return status;
}

void w_scan_keep(w_scan_worker *w, const w_window *window, int64_t start, int64_t rows, w_setup_tile *keep)
{
    double *lower = w->lower + w->request->column_count, *upper = w->upper + w->request->column_count;
    memset(w->mask, 0, (size_t)rows);
    load_columns(w, window, start, rows, lower, upper);
    if (w->request->weight_column >= 0) {
        mask_weights(w, window->first_row + start, rows);
    }
    keep_rows(w, rows, keep);
}
