/* SPDX-License-Identifier: Apache-2.0 */
#include "model/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "model/scan_tile.h"

#define TAG "set-up rows"

typedef struct scan {
    weir_ctx *ctx;
    weir_table *table;
    const w_scan_request *request;
    w_scan_result *result;
    int workers;
    w_scan_worker *worker;
    int64_t known_rows; /* -1 */
    bool sampling;      /* more than W_SETUP_ROWS rows */
    int64_t tile_count, tile_capacity;
    w_setup_tile *tile; /* chosen so far, in order of their numbers */
    const w_window *window;
    w_setup_tile **window_keep; /* per tile of the window: where its rows go */
    bool resident; /* the window is the table, as doubles in the caller's memory, and all of it is wanted */
    int64_t window_capacity;
} scan;

/* Key of a tile: splitmix64 of its number under the seed. */
static uint64_t tile_key(const scan *s, int64_t tile)
{
    uint64_t z = s->ctx->seed + 0x9e3779b97f4a7c15u * ((uint64_t)tile + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void drop_tile(scan *s, int64_t k)
{
    w_free(s->ctx, s->tile[k].data);
    memmove(&s->tile[k], &s->tile[k + 1], (size_t)(s->tile_count - k - 1) * sizeof *s->tile);
    s->tile_count--;
}

static int64_t largest_key(const scan *s)
{
    int64_t largest = 0;
    for (int64_t k = 1; k < s->tile_count; k++) {
        largest = tile_key(s, s->tile[k].tile) > tile_key(s, s->tile[largest].tile) ? k : largest;
    }
    return largest;
}

static weir_status choose_tile(scan *s, int64_t tile, int64_t rows)
{
    if (s->sampling) {
        if (rows < W_TILE_ROWS) {
            return WEIR_OK;
        }
        if (s->tile_count == W_SETUP_TILES) {
            int64_t largest = largest_key(s);
            if (tile_key(s, tile) > tile_key(s, s->tile[largest].tile)) {
                return WEIR_OK;
            }
            drop_tile(s, largest);
        }
    }
    if (s->tile_count == s->tile_capacity) {
        int64_t capacity = s->tile_capacity ? 2 * s->tile_capacity : 32;
        w_setup_tile *bigger = w_realloc(s->ctx, TAG, s->tile, (size_t)capacity * sizeof *bigger);
        if (!bigger) {
            return w_alloc_status(s->ctx);
        }
        s->tile = bigger;
        s->tile_capacity = capacity;
    }
    s->tile[s->tile_count] = (w_setup_tile){tile, 0, NULL};
    s->tile_count++;
    return WEIR_OK;
}

static void start_sampling(scan *s)
{
    s->sampling = true;
    while (s->tile_count > W_SETUP_TILES) {
        drop_tile(s, largest_key(s));
    }
}

/* Decides which tiles of the window are kept. */
static weir_status choose_tiles(scan *s, const w_window *window)
{
    int64_t tiles = (window->rows + W_TILE_ROWS - 1) / W_TILE_ROWS, first = window->first_row / W_TILE_ROWS;
    bool large = s->known_rows > W_SETUP_ROWS || window->first_row + window->rows > W_SETUP_ROWS;
    if (!s->sampling && large && !s->request->exact_knots) {
        start_sampling(s);
    }
    weir_status status = WEIR_OK;
    for (int64_t t = 0; t < tiles && status == WEIR_OK; t++) {
        status = choose_tile(s, first + t, w_min64(W_TILE_ROWS, window->rows - t * W_TILE_ROWS));
    }
    if (status == WEIR_OK && tiles > s->window_capacity) {
        w_free(s->ctx, s->window_keep);
        s->window_keep = w_alloc_array(s->ctx, TAG, (size_t)tiles, sizeof(w_setup_tile *));
        s->window_capacity = s->window_keep ? tiles : 0;
        status = s->window_keep ? WEIR_OK : w_alloc_status(s->ctx);
    }
    if (status == WEIR_OK) {
        memset(s->window_keep, 0, (size_t)tiles * sizeof(w_setup_tile *));
    }
    return status;
}

/* Gives the chosen ones memory. */
static weir_status open_tiles(scan *s, const w_window *window)
{
    const int64_t first = window->first_row / W_TILE_ROWS;
    for (int64_t k = 0; k < s->tile_count; k++) {
        if (s->tile[k].tile < first || s->tile[k].data) {
            continue;
        }
        size_t values = w_mul_size((size_t)w_max64(s->request->column_count, 1), W_TILE_ROWS);
        s->tile[k].data = w_alloc_array(s->ctx, TAG, values, sizeof(double));
        if (!s->tile[k].data) {
            return w_alloc_status(s->ctx);
        }
        s->window_keep[s->tile[k].tile - first] = &s->tile[k];
    }
    return WEIR_OK;
}

static weir_status scan_task(void *arg, int64_t task, int worker)
{
    scan *s = arg;
    weir_status status = w_check_cancel(s->ctx);
    if (status != WEIR_OK) {
        return status;
    }
    int64_t start = task * W_TILE_ROWS;
    return w_scan_tile(&s->worker[worker], s->window, start, w_min64(W_TILE_ROWS, s->window->rows - start),
                       s->window_keep[task]);
}

static weir_status report_fault(const scan *s)
{
    const w_scan_worker *first = NULL;
    for (int i = 0; i < s->workers; i++) {
        const w_scan_worker *w = &s->worker[i];
        if (w->fault != W_FAULT_NONE && (!first || w->fault_row < first->fault_row)) {
            first = w;
        }
    }
    if (!first) {
        return WEIR_OK;
    }
    long long row = (long long)first->fault_row + 1;
    const char *const *column = s->request->column;
    switch (first->fault) {
    case W_FAULT_MISSING:
        return w_fail(s->ctx, WEIR_E_DATA,
                      "column '%s' has no value in row %lld: fill it in, or leave such rows out with "
                      "--na drop",
                      column[first->fault_column], row);
    case W_FAULT_INFINITE:
        return w_fail(s->ctx, WEIR_E_DATA,
                      "column '%s' is infinite in row %lld: correct the value or mark it as missing",
                      column[first->fault_column], row);
    case W_FAULT_WEIGHT:
        return w_fail(s->ctx, WEIR_E_DATA,
                      "weights column '%s' is negative (%g) in row %lld: weights must be 0 or more",
                      column[first->fault_column], first->fault_value, row);
    default:
        return w_fail(s->ctx, WEIR_E_DATA,
                      "%s is not finite in row %lld: correct the values it is made of, or mark them as "
                      "missing",
                      s->request->watch_label[first->fault_column], row);
    }
}

static weir_status keep_task(void *arg, int64_t task, int worker)
{
    scan *s = arg;
    int64_t start = task * W_TILE_ROWS;
    w_scan_keep(&s->worker[worker], s->window, start, w_min64(W_TILE_ROWS, s->window->rows - start), s->window_keep[task]);
    return WEIR_OK;
}

static bool is_resident(const scan *s, const w_window *window)
{
    w_source_traits traits;
    w_source_traits_of(s->table, &traits);
    bool resident = traits.in_place && !s->sampling && window->first_row == 0 && window->rows == s->known_rows;
    for (int c = 0; c < s->request->column_count && resident; c++) {
        resident = window->column[c].kind == W_NUMERIC && w_window_numeric(window, c, 0, 0, NULL) != NULL;
    }
    return resident;
}

/* Set-up rows where they lie, unless some do not count: then the others are copied as from any table. */
static weir_status borrow_rows(scan *s, const w_window *window)
{
    w_scan_result *r = s->result;
    int64_t left_out = 0;
    for (int i = 0; i < s->workers; i++) {
        left_out += s->worker[i].missing + s->worker[i].zero_weight;
    }
    if (left_out > 0) {
        weir_status status = open_tiles(s, window);
        return status < 0 ? status : w_pool_run(s->ctx, (window->rows + W_TILE_ROWS - 1) / W_TILE_ROWS, keep_task, s);
    }
    for (int64_t k = 0; k < s->tile_count; k++) {
        s->tile[k].rows = w_min64(W_TILE_ROWS, window->rows - s->tile[k].tile * W_TILE_ROWS);
    }
    for (int c = 0; c < s->request->column_count; c++) {
        r->setup[c] = w_window_numeric(window, c, 0, window->rows, NULL);
    }
    r->borrowed = true;
    return WEIR_OK;
}

static weir_status visit(void *arg, const w_window *window)
{
    scan *s = arg;
    weir_status status = choose_tiles(s, window);
    if (status == WEIR_OK) {
        s->resident = is_resident(s, window);
        status = s->resident ? WEIR_OK : open_tiles(s, window);
    }
    if (status == WEIR_OK) {
        s->window = window;
        status = w_pool_run(s->ctx, (window->rows + W_TILE_ROWS - 1) / W_TILE_ROWS, scan_task, s);
    }
    if (status == WEIR_OK) {
        status = report_fault(s);
    }
    if (status == WEIR_OK && s->resident) {
        status = borrow_rows(s, window);
    }
    if (status == WEIR_OK) {
        s->result->rows = window->first_row + window->rows;
    }
    return status;
}

/* ---- workers ---- */

static weir_status worker_init(scan *s, w_scan_worker *w)
{
    const w_scan_request *r = s->request;
    size_t n = (size_t)r->column_count, e = (size_t)r->watch_count;
    int depth = 1;
    for (int i = 0; i < r->watch_count; i++) {
        depth = w_expr_depth(r->watch[i]) > depth ? w_expr_depth(r->watch[i]) : depth;
    }
    w_arena *arena = &s->result->arena;
    w->request = r;
    w->ctx = s->ctx;
    w->buffer = w_arena_alloc(arena, n + 1, W_TILE_ROWS * sizeof(double));
    w->stack = w_arena_alloc(arena, (size_t)depth, W_EXPR_RUN * sizeof(double));
    w->number = w_arena_calloc(arena, n + 1, sizeof *w->number);
    w->code = w_arena_calloc(arena, n + 1, sizeof *w->code);
    w->lower = w_arena_alloc(arena, 2 * n + 2 * e + 1, sizeof(double));
    w->upper = w_arena_alloc(arena, 2 * n + 2 * e + 1, sizeof(double));
    w->set = w_arena_calloc(arena, n + 1, sizeof *w->set);
    w->used = w_arena_calloc(arena, n + 1, sizeof *w->used);
    w->used_capacity = w_arena_calloc(arena, n + 1, sizeof *w->used_capacity);
    if (!w->buffer || !w->stack || !w->number || !w->code || !w->lower || !w->upper || !w->set || !w->used ||
        !w->used_capacity) {
        return w_alloc_status(s->ctx);
    }
    for (size_t i = 0; i < 2 * n + 2 * e + 1; i++) {
        w->lower[i] = INFINITY;
        w->upper[i] = -INFINITY;
    }
    w->watch_lower = w->lower + 2 * n;
    w->watch_upper = w->upper + 2 * n;
    return WEIR_OK;
}

static void workers_free(scan *s)
{
    for (int i = 0; s->worker && i < s->workers; i++) {
        for (int c = 0; c < s->request->column_count && s->worker[i].used_capacity; c++) {
            w_free(s->ctx, s->worker[i].set[c].slot);
            w_free(s->ctx, s->worker[i].used[c]);
        }
    }
}

/* ---- what the workers found, put together ---- */

static weir_status merge_levels(scan *s, int column)
{
    w_scan_result *r = s->result;
    const w_column_info *info = w_source_column(s->table, column);
    const int32_t *remap = w_source_scan_remap(s->table, column);
    r->used_count[column] = info->level_count;
    r->used[column] = w_arena_calloc(&r->arena, (size_t)info->level_count + 1, 1);
    if (!r->used[column]) {
        return w_alloc_status(s->ctx);
    }
    for (int i = 0; i < s->workers; i++) {
        const w_scan_worker *w = &s->worker[i];
        for (int64_t code = 0; code < w->used_capacity[column] && code < info->level_count; code++) {
            if (w->used[column][code]) {
                r->used[column][remap ? remap[code] : code] = 1;
            }
        }
    }
    return WEIR_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static weir_status merge_distinct(scan *s, int column)
{
    w_scan_result *r = s->result;
    int64_t most = 0, count = 0;
    for (int i = 0; i < s->workers; i++) {
        most += s->worker[i].set[column].count;
    }
    double *all = w_arena_alloc(&r->arena, (size_t)most + 1, sizeof *all);
    if (!all) {
        return w_alloc_status(s->ctx);
    }
    for (int i = 0; i < s->workers; i++) {
        const w_number_set *set = &s->worker[i].set[column];
        for (int64_t k = 0; k < set->capacity; k++) {
            if (!isnan(set->slot[k])) {
                all[count++] = set->slot[k];
            }
        }
    }
    qsort(all, (size_t)count, sizeof *all, compare_numbers);
    int64_t distinct = 0;
    for (int64_t k = 0; k < count; k++) {
        if (distinct == 0 || all[distinct - 1] != all[k]) {
            all[distinct++] = all[k];
        }
    }
    r->distinct[column] = all;
    r->distinct_count[column] = distinct;
    return WEIR_OK;
}

static weir_status merge_workers(scan *s)
{
    w_scan_result *r = s->result;
    weir_status status = WEIR_OK;
    for (int c = 0; c < s->request->column_count && status == WEIR_OK; c++) {
        r->kind[c] = w_source_column(s->table, c)->kind;
        if (r->kind[c] == W_FACTOR) {
            status = merge_levels(s, c);
        } else if (s->request->distinct && s->request->distinct[c]) {
            status = merge_distinct(s, c);
        }
    }
    for (int i = 0; i < s->workers; i++) {
        const w_scan_worker *w = &s->worker[i];
        r->rows_missing += w->missing;
        r->rows_zero_weight += w->zero_weight;
        for (int c = 0; c < s->request->column_count; c++) {
            r->lower[c] = fmin(r->lower[c], w->lower[c]);
            r->upper[c] = fmax(r->upper[c], w->upper[c]);
        }
        for (int e = 0; e < s->request->watch_count; e++) {
            r->watch_lower[e] = fmin(r->watch_lower[e], w->watch_lower[e]);
            r->watch_upper[e] = fmax(r->watch_upper[e], w->watch_upper[e]);
        }
    }
    for (int e = 0; e < s->request->watch_count; e++) {
        int c = w_expr_column(s->request->watch[e]);
        if (c >= 0) {
            r->watch_lower[e] = r->lower[c];
            r->watch_upper[e] = r->upper[c];
        }
    }
    return status;
}

static weir_status gather_setup(scan *s)
{
    w_scan_result *r = s->result;
    r->exact = !s->sampling;
    for (int64_t k = 0; k < s->tile_count; k++) {
        r->setup_rows += s->tile[k].rows;
        r->first_tile_rows = r->first_tile_rows ? r->first_tile_rows : s->tile[k].rows;
    }
    for (int c = 0; c < s->request->column_count && !r->borrowed; c++) {
        const int32_t *remap = r->kind[c] == W_FACTOR ? w_source_scan_remap(s->table, c) : NULL;
        double *out = w_alloc_array(s->ctx, TAG, (size_t)r->setup_rows + 1, sizeof *out);
        if (!out) {
            return w_alloc_status(s->ctx);
        }
        r->setup[c] = out;
        for (int64_t k = 0; k < s->tile_count; k++) {
            const double *from = s->tile[k].data + c * (int64_t)W_TILE_ROWS;
            for (int64_t i = 0; i < s->tile[k].rows; i++) {
                *out++ = remap ? remap[(int32_t)from[i]] : from[i];
            }
        }
    }
    return WEIR_OK;
}

static weir_status result_init(weir_ctx *ctx, const w_scan_request *request, w_scan_result *r)
{
    size_t n = (size_t)request->column_count + 1, e = (size_t)request->watch_count + 1;
    *r = (w_scan_result){.ctx = ctx};
    w_arena_init(&r->arena, ctx, TAG);
    r->lower = w_arena_alloc(&r->arena, n, sizeof(double));
    r->upper = w_arena_alloc(&r->arena, n, sizeof(double));
    r->watch_lower = w_arena_alloc(&r->arena, e, sizeof(double));
    r->watch_upper = w_arena_alloc(&r->arena, e, sizeof(double));
    r->kind = w_arena_calloc(&r->arena, n, sizeof *r->kind);
    r->used_count = w_arena_calloc(&r->arena, n, sizeof *r->used_count);
    r->used = w_arena_calloc(&r->arena, n, sizeof *r->used);
    r->distinct_count = w_arena_calloc(&r->arena, n, sizeof *r->distinct_count);
    r->distinct = w_arena_calloc(&r->arena, n, sizeof *r->distinct);
    const double **setup = w_arena_calloc(&r->arena, n, sizeof *setup);
    if (!r->lower || !r->upper || !r->watch_lower || !r->watch_upper || !r->kind || !r->used_count || !r->used ||
        !r->distinct_count || !r->distinct || !setup) {
        return w_alloc_status(ctx);
    }
    r->setup = setup;
    for (size_t i = 0; i < n; i++) {
        r->lower[i] = INFINITY;
        r->upper[i] = -INFINITY;
    }
    for (size_t i = 0; i < e; i++) {
        r->watch_lower[i] = INFINITY;
        r->watch_upper[i] = -INFINITY;
    }
    return WEIR_OK;
}

weir_status w_scan_table(weir_ctx *ctx, weir_table *table, const w_scan_request *request, w_scan_result *out)
{
    scan s = {.ctx = ctx, .table = table, .request = request, .result = out, .workers = w_pool_workers(ctx)};
    weir_status status = result_init(ctx, request, out);
    if (status != WEIR_OK) {
        return status;
    }
    s.known_rows = w_source_row_count(table);
    s.worker = w_calloc(ctx, "scan", (size_t)s.workers, sizeof *s.worker);
    status = s.worker ? WEIR_OK : w_alloc_status(ctx);
    for (int i = 0; i < s.workers && status == WEIR_OK; i++) {
        status = worker_init(&s, &s.worker[i]);
    }
    if (status == WEIR_OK) {
        w_scan_options options = {request->keep_bytes, request->window_bytes, request->spool, s.workers};
        status = w_source_scan(table, &options, visit, &s);
    }
    if (status == WEIR_OK) {
        status = merge_workers(&s);
    }
    if (status == WEIR_OK) {
        status = gather_setup(&s);
    }
    workers_free(&s);
    w_free(ctx, s.worker);
    for (int64_t k = 0; k < s.tile_count; k++) {
        w_free(ctx, s.tile[k].data);
    }
    w_free(ctx, s.tile);
    w_free(ctx, s.window_keep);
    return status;
}

void w_scan_free(w_scan_result *r)
{
    for (int c = 0; r->setup && r->setup[c] && !r->borrowed; c++) {
        w_free(r->ctx, (void *)r->setup[c]);
    }
    w_arena_free(&r->arena);
    *r = (w_scan_result){.ctx = r->ctx};
}
