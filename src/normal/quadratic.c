/* SPDX-License-Identifier: Apache-2.0 */
/* Tables are made per pair of levels from the maps of whole blocks, E = cells*width rows of k columns kept transposed:
 *     U = V_ab B'  (k_a x E_b),     Q = A U  (E_a x E_b),     then [c r][d s] -> [c][d][r][s].
 * Rows are taken RUN at a time, pair after pair, into eight partial sums per row that are added at the end, so that a
 * 4 x 4 block is two vector products without a horizontal sum. */
#include "normal/quadratic.h"

#include <string.h>

#include "base/size.h"
#include "normal/expand.h"

#define RUN 256
#define LANES 8
#define TAG "quadratic form"

typedef struct pair_table {
    int a, b;
    bool joint;        /* both blocks have the same level */
    int64_t entries;
    double *value;
} pair_table;

struct w_quadratic {
    weir_ctx *ctx;
    const w_design *design;
    const w_kernels *kernels;
    double **map;      /* per smooth block: columns x (cells*width); NULL otherwise */
    pair_table *pair;
    int pair_count;
};

static int64_t block_entries(const w_block *block)
{
    return block->cells * block->width;
}

/* Columns per level as this file sees them: the DENSE block has one per value. */
static int64_t block_columns(const w_block *block)
{
    return block->kind == W_BLOCK_DENSE ? block->width : block->level_columns;
}

static bool share_level(const w_block *a, const w_block *b)
{
    return a == b || (a->code >= 0 && a->code == b->code);
}

/* A block with itself is in one cell at a time. */
static int64_t pair_entries(const w_block *a, const w_block *b)
{
    int64_t area = (int64_t)a->width * b->width, cells = w_mul64(a->levels, a->cells);
    if (a != b) {
        cells = w_mul64(cells, share_level(a, b) ? b->cells : w_mul64(b->levels, b->cells));
    }
    return w_mul64(cells, area);
}

/* Of one table: the part, its product with the maps on the right, one cell's rows. */
static int64_t scratch_doubles(const w_block *a, const w_block *b)
{
    int64_t ka = block_columns(a), kb = block_columns(b), eb = block_entries(b);
    return w_add64(w_mul64(ka, kb), w_add64(w_mul64(ka, eb), w_mul64(a->width, eb)));
}

int64_t w_quadratic_bytes(const w_design *design)
{
    int64_t total = 1024, scratch = 0;
    for (int i = 0; i < design->block_count; i++) {
        const w_block *a = &design->block[i];
        total = w_add64(total, a->smooth ? w_alloc_bytes(w_mul64(block_entries(a), 8 * a->level_columns)) : 0);
        for (int j = i; j < design->block_count; j++) {
            total = w_add64(total, w_alloc_bytes(w_mul64(8, pair_entries(a, &design->block[j]))) + 64);
            scratch = w_max64(scratch, scratch_doubles(a, &design->block[j]));
        }
    }
    return w_add64(total, w_alloc_bytes(w_mul64(scratch, 8)));
}

static weir_status map_make(w_quadratic *q, int index)
{
    const w_smooth *smooth = q->design->block[index].smooth;
    int64_t entries = block_entries(&q->design->block[index]), k = smooth->columns, raw_count = smooth->raw_columns;
    double *map = w_alloc_array(q->ctx, TAG, w_mul_size((size_t)k, (size_t)entries), sizeof *map);
    double *raw = w_alloc_array(q->ctx, TAG, (size_t)(raw_count + w_spread_doubles(smooth)), sizeof *raw);
    q->map[index] = map;
    if (!map || !raw) {
        w_free(q->ctx, raw);
        return w_alloc_status(q->ctx);
    }
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i < raw_count; i++) {
            raw[i] = smooth->transform ? smooth->transform[i * k + j] : (double)(i == j);
        }
        w_spread(q->kernels, smooth, raw, map + j * entries, raw + raw_count);
    }
    w_free(q->ctx, raw);
    return WEIR_OK;
}

typedef struct matrix {
    const double *v;
    int64_t order;
    const int64_t *position;
} matrix;

static int64_t place(const matrix *m, const w_block *block, int64_t level, int64_t column)
{
    int64_t first = block->kind == W_BLOCK_DENSE ? block->dense_column[column] : block->level_first[level];
    if (first < 0) {
        return -1;
    }
    int64_t x = block->kind == W_BLOCK_DENSE ? first : first + column;
    return m->position ? m->position[x] : x;
}

/* part = factor * V_ab at levels (la, lb), k_a x k_b; false when it is zero. */
static bool part_of(const matrix *m, const w_block *a, int64_t la, const w_block *b, int64_t lb, double factor, double *part)
{
    int64_t ka = block_columns(a), kb = block_columns(b);
    bool any = false;
    for (int64_t r = 0; r < ka; r++) {
        int64_t i = place(m, a, la, r);
        for (int64_t s = 0; s < kb; s++) {
            int64_t j = place(m, b, lb, s);
            part[r * kb + s] = i < 0 || j < 0 ? 0 : factor * m->v[i * m->order + j];
            any |= part[r * kb + s] != 0;
        }
    }
    return any;
}

/* part M_b: k_a x E_b. */
static const double *mapped_right(const w_quadratic *q, int a, int b, double *part, double *u)
{
    int64_t ka = block_columns(&q->design->block[a]), kb = block_columns(&q->design->block[b]);
    int64_t eb = block_entries(&q->design->block[b]);
    if (!q->map[b]) {
        return part;
    }
    memset(u, 0, (size_t)(ka * eb) * sizeof *u);
    q->kernels->gemm(ka, eb, kb, part, kb, 1, q->map[b], eb, u, eb);
    return u;
}

/* Rows of cell c of a, M_a[c]' right: width_a x E_b, or for a block with itself the columns of that cell alone. */
static void put_cell(const w_quadratic *q, const pair_table *t, int64_t la, int64_t lb, int64_t c, const double *right, double *rows)
{
    const w_block *a = &q->design->block[t->a], *b = &q->design->block[t->b];
    const bool self = t->a == t->b;
    int64_t wa = a->width, wb = b->width, ea = block_entries(a), eb = block_entries(b), n = self ? wb : eb, stride = n;
    const double *full = rows;
    right += self ? c * wb : 0;
    if (q->map[t->a]) {
        memset(rows, 0, (size_t)(wa * n) * sizeof *rows);
        q->kernels->gemm(wa, n, block_columns(a), q->map[t->a] + c * wa, 1, ea, right, eb, rows, n);
    } else {
        full = right + c * wa * eb;
        stride = eb;
    }
    int64_t row = la * a->cells + c;
    for (int64_t d = 0; d < (self ? 1 : b->cells); d++) {
        int64_t cell = self ? row : t->joint ? row * b->cells + d : (row * b->levels + lb) * b->cells + d;
        for (int64_t r = 0; r < wa; r++) {
            memcpy(t->value + (cell * wa + r) * wb, full + r * stride + d * wb, (size_t)wb * sizeof *rows);
        }
    }
}

static weir_status table_make(w_quadratic *q, const matrix *m, pair_table *table)
{
    const w_block *a = &q->design->block[table->a], *b = &q->design->block[table->b];
    int64_t ka = block_columns(a), kb = block_columns(b), eb = block_entries(b);
    table->value = w_calloc(q->ctx, TAG, (size_t)table->entries, sizeof *table->value);
    double *part = w_alloc_array(q->ctx, TAG, (size_t)scratch_doubles(a, b), sizeof *part);
    if (!table->value || !part) {
        w_free(q->ctx, part);
        return w_alloc_status(q->ctx);
    }
    double *u = part + ka * kb, *rows = u + ka * eb;
    for (int64_t la = 0; la < a->levels; la++) {
        for (int64_t lb = table->joint ? la : 0; lb < (table->joint ? la + 1 : b->levels); lb++) {
            if (part_of(m, a, la, b, lb, table->a == table->b ? 1 : 2, part)) {
                const double *right = mapped_right(q, table->a, table->b, part, u);
                for (int64_t c = 0; c < a->cells; c++) {
                    put_cell(q, table, la, lb, c, right, rows);
                }
            }
        }
    }
    w_free(q->ctx, part);
    return WEIR_OK;
}

static weir_status fill(w_quadratic *q, const matrix *m)
{
    int blocks = q->design->block_count;
    q->map = w_calloc(q->ctx, TAG, (size_t)blocks, sizeof *q->map);
    q->pair = w_calloc(q->ctx, TAG, (size_t)(blocks * (blocks + 1) / 2), sizeof *q->pair);
    weir_status status = q->map && q->pair ? WEIR_OK : w_alloc_status(q->ctx);
    for (int b = 0; status == WEIR_OK && b < blocks; b++) {
        status = q->design->block[b].smooth ? map_make(q, b) : WEIR_OK;
    }
    for (int i = 0; status == WEIR_OK && i < blocks; i++) {
        for (int j = i; status == WEIR_OK && j < blocks; j++) {
            const w_block *a = &q->design->block[i], *b = &q->design->block[j];
            q->pair[q->pair_count] = (pair_table){ i, j, share_level(a, b), pair_entries(a, b), NULL };
            status = table_make(q, m, &q->pair[q->pair_count++]);
        }
    }
    return status;
}

weir_status w_quadratic_create(weir_ctx *ctx, const w_design *design, const double *v, int64_t order,
                               const int64_t *position, int64_t max_bytes, w_quadratic **out)
{
    if (w_quadratic_bytes(design) > w_min64(max_bytes, (int64_t)INT32_MAX * 8)) {
        return WEIR_DECLINED; /* cells are numbered in 32 bits */
    }
    w_quadratic *q = w_calloc(ctx, TAG, 1, sizeof *q);
    if (!q) {
        return w_alloc_status(ctx);
    }
    q->ctx = ctx;
    q->design = design;
    q->kernels = w_kernels_choose();
    matrix m = { v, order, position };
    weir_status status = fill(q, &m);
    if (status != WEIR_OK) {
        w_quadratic_free(q);
        return status;
    }
    *out = q;
    return WEIR_OK;
}

void w_quadratic_free(w_quadratic *q)
{
    if (!q) {
        return;
    }
    for (int b = 0; q->map && b < q->design->block_count; b++) {
        w_free(q->ctx, q->map[b]);
    }
    for (int i = 0; i < q->pair_count; i++) {
        w_free(q->ctx, q->pair[i].value);
    }
    w_free(q->ctx, q->map);
    w_free(q->ctx, q->pair);
    w_free(q->ctx, q);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void joint_cells(const w_quadratic *q, const pair_table *table, const w_tile *tile, int64_t start, int64_t rows,
                        int32_t *cell)
{
    const w_block *b = &q->design->block[table->b];
    const int32_t *c = tile->block[table->a].cell, *d = tile->block[table->b].cell;
    int32_t cells_b = (int32_t)b->cells, all_b = (int32_t)(b->levels * b->cells);
    if (!c && !d) {
        memset(cell, 0, (size_t)rows * sizeof *cell);
    } else if (table->a == table->b || !d) {
        memcpy(cell, c + start, (size_t)rows * sizeof *cell);
    } else if (!c) {
        memcpy(cell, d + start, (size_t)rows * sizeof *cell);
    } else if (table->joint) {
        for (int64_t i = 0; i < rows; i++) {
            cell[i] = c[start + i] * cells_b + d[start + i] % cells_b;
        }
    } else {
        for (int64_t i = 0; i < rows; i++) {
            cell[i] = c[start + i] * all_b + d[start + i];
        }
    }
}

/* Any width against a spline. */
static void form_w4(int64_t rows, const int32_t *cell, const double *a, int width, const double *b, const double *table,
                    double *lane)
{
    for (int64_t i = 0; i < rows; i++, a += width, b += 4, lane += LANES) {
        const double *t = table + (int64_t)cell[i] * width * 4;
        double sum[4] = { 0 };
        for (int r = 0; r < width; r++, t += 4) {
            for (int s = 0; s < 4; s++) {
                sum[s] += a[r] * t[s];
            }
        }
        for (int s = 0; s < 4; s++) {
            lane[s] += sum[s] * b[s];
        }
    }
}

static void form_any(const w_block *a, const double *value_a, const w_block *b, const double *value_b, int64_t rows,
                     const int32_t *cell, const double *table, double *lane)
{
    static const double one = 1;
    int64_t area = (int64_t)a->width * b->width;
    for (int64_t i = 0; i < rows; i++, lane += LANES) {
        const double *v = value_a ? value_a + i * a->width : &one, *u = value_b ? value_b + i * b->width : &one;
        const double *t = table + cell[i] * area;
        for (int r = 0; r < a->width; r++, t += b->width) {
            double sum[LANES] = { 0 };
            int s = 0;
            for (; s + LANES <= b->width; s += LANES) {
                for (int l = 0; l < LANES; l++) {
                    sum[l] += t[s + l] * u[s + l];
                }
            }
            for (; s < b->width; s++) {
                sum[s % LANES] += t[s] * u[s];
            }
            for (int l = 0; l < LANES; l++) {
                lane[l] += v[r] * sum[l];
            }
        }
    }
}

static void add_pair(const w_quadratic *q, const pair_table *table, const w_tile *tile, int64_t start, int64_t rows,
                     double *lane)
{
    const w_block *a = &q->design->block[table->a], *b = &q->design->block[table->b];
    const double *value_a = tile->block[table->a].value, *value_b = tile->block[table->b].value;
    value_a = value_a ? value_a + start * a->width : NULL;
    value_b = value_b ? value_b + start * b->width : NULL;
    int32_t cell[RUN];
    joint_cells(q, table, tile, start, rows, cell);
    if (a->width == 4 && b->width == 4 && value_a && value_b) {
        q->kernels->form_44(rows, cell, value_a, value_b, table->value, lane);
    } else if (b->width == 4 && value_a && value_b) {
        form_w4(rows, cell, value_a, a->width, value_b, table->value, lane);
    } else {
        form_any(a, value_a, b, value_b, rows, cell, table->value, lane);
    }
}

void w_quadratic_tile(const w_quadratic *q, const w_tile *tile, double *out)
{
    double lane[RUN * LANES];
    for (int64_t start = 0; start < tile->rows; start += RUN) {
        int64_t rows = w_min64(RUN, tile->rows - start);
        memset(lane, 0, (size_t)(rows * LANES) * sizeof *lane);
        for (int i = 0; i < q->pair_count; i++) {
            add_pair(q, &q->pair[i], tile, start, rows, lane);
        }
        for (int64_t i = 0; i < rows; i++) {
            const double *s = lane + i * LANES;
            out[start + i] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
        }
    }
}
