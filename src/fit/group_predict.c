/* SPDX-License-Identifier: Apache-2.0 */
/* eta_i = x_i'beta_g(i) + offset_i, tile by tile: rows are written out, for neighbours may be of different groups. */
#include <math.h>

#include "base/size.h"
#include "fit/group.h"
#include "fit/planning.h"
#include "fit/rows.h"

#define TAG "group predictions"

typedef struct prediction {
    const weir_groups *groups;
    w_dense_rows *rows;
    double **room; /* per worker: a tile's rows and scratch */
    weir_rows_fn deliver;
    void *user;
} prediction;

static int64_t room_doubles(const w_design *design)
{
    return w_add64(w_mul64(W_TILE_ROWS, w_dense_rows_stride(design)), w_dense_rows_scratch(design));
}

static weir_status predict_tile(void *arg, int worker, const w_tile *tile, double *out)
{
    const prediction *p = arg;
    const w_design *design = p->groups->design;
    const int64_t stride = w_dense_rows_stride(design), columns = design->p;
    double *x = p->room[worker];
    weir_status status = w_dense_rows_tile(p->rows, tile, NULL, x + W_TILE_ROWS * stride, x);
    if (status < 0) {
        return status;
    }
    for (int64_t i = 0; i < tile->rows; i++) {
        const int64_t g = tile->missing[i] ? -1 : tile->series[i];
        const double *beta = p->groups->beta + (g >= 0 ? g : 0) * columns, *row = x + i * stride;
        double sum[4] = { 0, 0, 0, 0 };
        for (int64_t j = 0; j < columns; j++) {
            sum[j % 4] += row[j] * beta[j];
        }
        out[i] = g < 0 ? NAN : ((sum[0] + sum[1]) + (sum[2] + sum[3])) + tile->offset[i];
    }
    return WEIR_OK;
}

static weir_status hand_over(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    const prediction *p = arg;
    return p->deliver(p->user, first_row, rows, values) == 0
               ? WEIR_OK
               : w_fail(p->groups->ctx, WEIR_E_IO, "the predictions from row %lld on could not be written", (long long)first_row + 1);
}

static weir_status check(weir_ctx *ctx, const weir_predict_options *options)
{
    if (options->type == WEIR_PREDICT_TERMS || options->se || options->interval > 0) {
        return w_fail(ctx, WEIR_E_ARG, "groups keep coefficients without covariances: predictions have no standard errors, limits or terms");
    }
    return WEIR_OK;
}

weir_status w_groups_predict(weir_ctx *ctx, const weir_groups *groups, weir_table *table, const weir_predict_options *options,
                             weir_rows_fn deliver, void *user)
{
    const w_design *design = groups->design;
    const int workers = w_pool_workers(ctx);
    prediction p = { .groups = groups, .deliver = deliver, .user = user };
    w_binding *binding = NULL;
    weir_status status = check(ctx, options);
    if (status >= 0) {
        status = w_design_bind(design, table, true, options->unseen_missing != 0, &binding);
    }
    if (status >= 0) {
        w_scan_options scan;
        int64_t beside = w_add64(w_rows_bytes(design, 1, workers), w_dense_rows_bytes(design));
        beside = w_add64(beside, w_mul64(workers, w_alloc_bytes(w_mul64(room_doubles(design), 8))));
        status = w_planning_rows(ctx, table, design, "predict", 1, beside, &scan);
        status = status < 0 ? status : w_source_scan(table, &scan, NULL, NULL);
    }
    if (status >= 0) {
        status = w_binding_ready(binding);
    }
    if (status >= 0) {
        status = w_dense_rows_create(ctx, design, &p.rows);
    }
    if (status >= 0) {
        p.room = w_calloc(ctx, TAG, (size_t)workers, sizeof *p.room);
        status = p.room ? WEIR_OK : w_alloc_status(ctx);
    }
    for (int i = 0; status >= 0 && i < workers; i++) {
        p.room[i] = w_alloc_array(ctx, TAG, (size_t)room_doubles(design), sizeof **p.room);
        status = p.room[i] ? WEIR_OK : w_alloc_status(ctx);
    }
    if (status >= 0) {
        w_tile_request request = *w_binding_request(binding);
        request.missing = options->missing;
        request.by_columns = true;
        w_rows_pass pass = { .design = design, .table = table, .request = &request, .name = "predict", .columns = 1,
                             .tile = predict_tile, .deliver = hand_over, .arg = &p };
        status = w_rows_each(ctx, &pass);
    }
    for (int i = 0; p.room && i < workers; i++) {
        w_free(ctx, p.room[i]);
    }
    w_free(ctx, p.room);
    w_dense_rows_free(p.rows);
    w_binding_free(binding);
    return status;
}
