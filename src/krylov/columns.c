/* SPDX-License-Identifier: Apache-2.0 */
#include "krylov/columns.h"

#include <string.h>

#include "base/size.h"
#include "dense/dense.h"

#define PANEL 8 /* columns whose sums are kept in registers at once */

int64_t w_operator_rows(int64_t groups, const int64_t *n)
{
    int64_t sum = 0;
    for (int64_t g = 0; g < groups; g++) {
        sum = w_add64(sum, n[g]);
    }
    return sum;
}

static int64_t strip_limit(int64_t groups, const int64_t *n)
{
    int64_t sum = 0;
    for (int64_t g = 0; g < groups; g++) {
        sum = w_add64(sum, (n[g] + W_STRIP_ROWS - 1) / W_STRIP_ROWS);
    }
    return sum;
}

int64_t w_columns_bytes(int64_t groups, const int64_t *n, int64_t per_group)
{
    const int64_t strips = strip_limit(groups, n);
    int64_t bytes = w_alloc_bytes(w_mul64(groups, sizeof(int64_t)));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(groups, sizeof(w_slice))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_mul64(groups, per_group), sizeof(int64_t))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(strips, sizeof(w_strip))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_add64(strips, 1), sizeof(int64_t))));
    return w_add64(bytes, w_alloc_bytes(w_mul64(w_mul64(strips, per_group), sizeof(double))));
}

void w_columns_free(w_columns *columns)
{
    weir_ctx *ctx = columns->ctx;
    w_free(ctx, columns->partial);
    w_free(ctx, columns->task);
    w_free(ctx, columns->strip);
    w_free(ctx, columns->system);
    w_free(ctx, columns->slice);
    w_free(ctx, columns->group_first);
    *columns = (w_columns){ .ctx = ctx };
}

weir_status w_columns_create(weir_ctx *ctx, int64_t groups, const int64_t *n, int64_t per_group, w_columns *out)
{
    const int64_t strips = strip_limit(groups, n), systems = w_mul64(groups, per_group);
    w_columns c = { .ctx = ctx, .groups = groups, .per_group = per_group, .systems = systems, .n = n,
                    .rows = w_operator_rows(groups, n) };
    if (w_mul64(c.rows, w_mul64(per_group, sizeof(double))) == INT64_MAX) {
        return w_fail(ctx, WEIR_E_ARG, "%lld groups with %lld right-hand sides each are too large", (long long)groups,
                      (long long)per_group);
    }
    c.group_first = w_alloc_array(ctx, "krylov layout", (size_t)groups, sizeof *c.group_first);
    c.slice = w_alloc_array(ctx, "krylov layout", (size_t)groups, sizeof *c.slice);
    c.system = w_alloc_array(ctx, "krylov layout", (size_t)systems, sizeof *c.system);
    c.strip = w_alloc_array(ctx, "krylov layout", (size_t)strips, sizeof *c.strip);
    c.task = w_alloc_array(ctx, "krylov layout", (size_t)w_add64(strips, 1), sizeof *c.task);
    c.partial = w_alloc_array(ctx, "krylov sums", (size_t)w_mul64(strips, per_group), sizeof *c.partial);
    if (!c.group_first || !c.slice || !c.system || !c.strip || !c.task || !c.partial) {
        const weir_status status = w_alloc_status(ctx);
        w_columns_free(&c);
        return status;
    }
    int64_t first = 0;
    for (int64_t g = 0; g < groups; g++) {
        c.group_first[g] = first;
        first += n[g];
    }
    *out = c;
    return WEIR_OK;
}

/* Strips and tasks of the present slices. */
static void cut(w_columns *c)
{
    c->strips = c->tasks = 0;
    int64_t sum = 0, values = W_STRIP_VALUES;
    for (int64_t s = 0; s < c->block.slices; s++) {
        const w_slice *slice = &c->slice[s];
        for (int64_t row = 0; row < slice->n; row += W_STRIP_ROWS) {
            if (values >= W_STRIP_VALUES) {
                c->task[c->tasks++] = c->strips;
                values = 0;
            }
            const int64_t rows = w_min64(W_STRIP_ROWS, slice->n - row);
            c->strip[c->strips++] = (w_strip){ .slice = s, .row = row, .rows = rows, .sum = sum };
            sum += slice->count;
            values += rows * slice->count;
        }
    }
    c->task[c->tasks] = c->strips;
}

/* Slices of the systems listed in c->system. */
static void arrange(w_columns *c, int64_t columns)
{
    int64_t slices = 0, first = 0;
    for (int64_t column = 0; column < columns;) {
        const int64_t group = c->system[column] / c->per_group;
        int64_t end = column + 1;
        while (end < columns && c->system[end] / c->per_group == group) {
            end++;
        }
        c->slice[slices++] = (w_slice){ .group = group, .n = c->n[group], .count = end - column, .first = first,
                                        .column = column };
        first += c->n[group] * (end - column);
        column = end;
    }
    c->block = (w_vectors){ .slices = slices, .columns = columns, .values = first, .slice = c->slice, .system = c->system };
    cut(c);
}

void w_columns_choose(w_columns *columns, const uint8_t *mark)
{
    int64_t count = 0;
    for (int64_t s = 0; s < columns->systems; s++) {
        if (mark == NULL || mark[s]) {
            columns->system[count++] = s;
        }
    }
    arrange(columns, count);
}

/* Moves the kept columns of one slice to `to`, which lies at or before `from`. Returns the end of what was written. */
static double *move_slice(const w_slice *slice, const uint8_t *keep, const double *from, double *to)
{
    for (int64_t i = 0; i < slice->n; i++) {
        for (int64_t k = 0; k < slice->count; k++) {
            if (keep[slice->column + k]) {
                *to++ = from[i * slice->count + k];
            }
        }
    }
    return to;
}

void w_columns_keep(w_columns *columns, const uint8_t *keep, double *const *block, int blocks)
{
    for (int b = 0; b < blocks; b++) {
        double *to = block[b];
        for (int64_t s = 0; s < columns->block.slices; s++) {
            to = move_slice(&columns->slice[s], keep, block[b] + columns->slice[s].first, to);
        }
    }
    int64_t count = 0;
    for (int64_t k = 0; k < columns->block.columns; k++) {
        if (keep[k]) {
            columns->system[count++] = columns->system[k];
        }
    }
    arrange(columns, count);
}

int64_t w_columns_offset(const w_columns *columns, int64_t system)
{
    const int64_t group = system / columns->per_group;
    return columns->per_group * columns->group_first[group] + system % columns->per_group * columns->n[group];
}

int64_t w_columns_rows(const w_columns *columns, int64_t system)
{
    return columns->n[system / columns->per_group];
}

void w_columns_pack(const w_columns *columns, const double *from, double *block)
{
    for (int64_t s = 0; s < columns->block.slices; s++) {
        const w_slice *slice = &columns->slice[s];
        for (int64_t k = 0; k < slice->count; k++) {
            const double *x = from + w_columns_offset(columns, columns->system[slice->column + k]);
            double *y = block + slice->first + k;
            for (int64_t i = 0; i < slice->n; i++) {
                y[i * slice->count] = x[i];
            }
        }
    }
}

static void unpack_column(const w_columns *columns, const w_slice *slice, int64_t k, const double *block, double *to)
{
    double *x = to + w_columns_offset(columns, columns->system[slice->column + k]);
    const double *y = block + slice->first + k;
    for (int64_t i = 0; i < slice->n; i++) {
        x[i] = y[i * slice->count];
    }
}

void w_columns_unpack(const w_columns *columns, const double *block, double *to)
{
    for (int64_t s = 0; s < columns->block.slices; s++) {
        for (int64_t k = 0; k < columns->slice[s].count; k++) {
            unpack_column(columns, &columns->slice[s], k, block, to);
        }
    }
}

void w_columns_unpack_one(const w_columns *columns, const double *block, int64_t column, double *to)
{
    int64_t low = 0, high = columns->block.slices - 1; /* the last slice that begins at or before the column */
    while (low < high) {
        const int64_t middle = (low + high + 1) / 2;
        if (columns->slice[middle].column <= column) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    unpack_column(columns, &columns->slice[low], column - columns->slice[low].column, block, to);
}

typedef struct job {
    const w_columns *columns;
    const double *a, *x;
    double *y;
    double sign;
} job;

/* Sums over the rows of a strip for `width` columns, four chains by row modulo 4 as in w_dot. */
static void dot_panel(int64_t rows, int64_t count, int64_t width, const double *x, const double *y, double *out)
{
    double sum[4][PANEL] = { { 0.0 } };
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        for (int q = 0; q < 4; q++) {
            const double *u = x + (i + q) * count, *v = y + (i + q) * count;
            for (int64_t k = 0; k < width; k++) {
                sum[q][k] += u[k] * v[k];
            }
        }
    }
    for (; i < rows; i++) {
        for (int64_t k = 0; k < width; k++) {
            sum[0][k] += x[i * count + k] * y[i * count + k];
        }
    }
    for (int64_t k = 0; k < width; k++) {
        out[k] = (sum[0][k] + sum[1][k]) + (sum[2][k] + sum[3][k]);
    }
}

static weir_status dot_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    const w_columns *c = j->columns;
    for (int64_t s = c->task[task]; s < c->task[task + 1]; s++) {
        const w_strip *strip = &c->strip[s];
        const w_slice *slice = &c->slice[strip->slice];
        const int64_t count = slice->count, at = slice->first + strip->row * count;
        double *out = c->partial + strip->sum;
        if (count == 1) {
            out[0] = w_dot(strip->rows, j->x + at, j->y + at);
            continue;
        }
        for (int64_t k = 0; k < count; k += PANEL) {
            dot_panel(strip->rows, count, w_min64(PANEL, count - k), j->x + at + k, j->y + at + k, out + k);
        }
    }
    return WEIR_OK;
}

void w_columns_dot(w_columns *columns, const double *x, const double *y, double *out)
{
    job j = { .columns = columns, .x = x, .y = (double *)y };
    (void)w_pool_run(columns->ctx, columns->tasks, dot_task, &j);
    memset(out, 0, (size_t)columns->block.columns * sizeof *out);
    for (int64_t s = 0; s < columns->strips; s++) {
        const w_slice *slice = &columns->slice[columns->strip[s].slice];
        for (int64_t k = 0; k < slice->count; k++) {
            out[slice->column + k] += columns->partial[columns->strip[s].sum + k];
        }
    }
}

static weir_status add_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    const w_columns *c = j->columns;
    for (int64_t s = c->task[task]; s < c->task[task + 1]; s++) {
        const w_strip *strip = &c->strip[s];
        const w_slice *slice = &c->slice[strip->slice];
        const int64_t count = slice->count, at = slice->first + strip->row * count;
        const double *x = j->x + at, *a = j->a ? j->a + slice->column : NULL;
        double *y = j->y + at;
        if (count == 1 || a == NULL) {
            const double scale = a ? j->sign * a[0] : j->sign;
            for (int64_t i = 0; i < strip->rows * count; i++) {
                y[i] += scale * x[i];
            }
            continue;
        }
        for (int64_t i = 0; i < strip->rows; i++) {
            for (int64_t k = 0; k < count; k++) {
                y[i * count + k] += j->sign * a[k] * x[i * count + k];
            }
        }
    }
    return WEIR_OK;
}

void w_columns_add(w_columns *columns, double sign, const double *a, const double *x, double *y)
{
    job j = { .columns = columns, .a = a, .x = x, .y = y, .sign = sign };
    (void)w_pool_run(columns->ctx, columns->tasks, add_task, &j);
}

static weir_status turn_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    const w_columns *c = j->columns;
    for (int64_t s = c->task[task]; s < c->task[task + 1]; s++) {
        const w_strip *strip = &c->strip[s];
        const w_slice *slice = &c->slice[strip->slice];
        const int64_t count = slice->count, at = slice->first + strip->row * count;
        const double *x = j->x + at, *a = j->a + slice->column;
        double *y = j->y + at;
        if (count == 1) {
            const double scale = a[0];
            for (int64_t i = 0; i < strip->rows; i++) {
                y[i] = x[i] + scale * y[i];
            }
            continue;
        }
        for (int64_t i = 0; i < strip->rows; i++) {
            for (int64_t k = 0; k < count; k++) {
                y[i * count + k] = x[i * count + k] + a[k] * y[i * count + k];
            }
        }
    }
    return WEIR_OK;
}

void w_columns_turn(w_columns *columns, const double *a, const double *x, double *y)
{
    job j = { .columns = columns, .a = a, .x = x, .y = y };
    (void)w_pool_run(columns->ctx, columns->tasks, turn_task, &j);
}
