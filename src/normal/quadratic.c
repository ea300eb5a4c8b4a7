/* SPDX-License-Identifier: Apache-2.0 */
/* Tables are made per pair of levels from the maps of whole blocks, E = cells*width rows of k columns kept transposed:
 *     U = V_ab B'  (k_a x E_b),     Q = A U  (E_a x E_b),     then [c r][d s] -> [c][d][r][s].
 * Rows are taken RUN at a time, pair after pair, into eight partial sums per row that are added at the end, so that a
 * 4 x 4 block is two vector products without a horizontal sum.
 *
 * Panels: of V the square that holds all places in use is taken. */
#include "normal/quadratic.h"

#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "normal/expand.h"
#include "normal/slots.h"
#include "normal/written.h"

#define RUN 256
#define LANES 8
#define LEAST_TABLES ((int64_t)4 << 20)
#define MOST_TABLES ((int64_t)64 << 20)
#define BYTES_PER_SQUARE 1024 /* of tables, against 2 p^2 flops */
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
    pair_table *pair;  /* NULL: panels */
    int pair_count;
    bool *used;        /* per block: some column counts */
    int64_t *place;    /* of a column in the square of v that is used, -1 = none */
    const double *square;
    int64_t width, stride; /* of the square, of a row of v */
    w_slots slots;     /* a panel, its image, scratch to write rows out */
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

static int64_t place_of(const w_quadratic_form *form, int64_t column)
{
    const bool outside = column < 0 || (form->last > 0 && (column < form->first || column >= form->last));
    return outside ? -1 : form->position ? form->position[column] : column;
}

static bool counts(const w_block *block, const w_quadratic_form *form)
{
    bool any = !form->position && form->last == 0;
    if (block->kind == W_BLOCK_DENSE) {
        for (int r = 0; r < block->width && !any; r++) {
            any = place_of(form, block->dense_column[r]) >= 0;
        }
        return any;
    }
    for (int64_t l = 0; l < block->levels && !any; l++) {
        for (int64_t j = 0; block->level_first[l] >= 0 && j < block->level_columns && !any; j++) {
            any = place_of(form, block->level_first[l] + j) >= 0;
        }
    }
    return any;
}

static int64_t table_bytes(const w_design *design, const w_quadratic_form *form)
{
    int64_t total = 1024, scratch = 0;
    for (int i = 0; i < design->block_count; i++) {
        const w_block *a = &design->block[i];
        if (!counts(a, form)) {
            continue;
        }
        total = w_add64(total, a->smooth ? w_alloc_bytes(w_mul64(block_entries(a), 8 * a->level_columns)) : 0);
        for (int j = i; j < design->block_count; j++) {
            if (counts(&design->block[j], form)) {
                total = w_add64(total, w_alloc_bytes(w_mul64(8, pair_entries(a, &design->block[j]))));
                scratch = w_max64(scratch, scratch_doubles(a, &design->block[j]));
            }
        }
    }
    const int64_t blocks = design->block_count;
    total = w_add64(total, w_alloc_bytes(blocks * (blocks + 1) / 2 * (int64_t)sizeof(pair_table)));
    total = w_add64(total, w_alloc_bytes(16 * blocks));
    return w_add64(total, w_alloc_bytes(w_mul64(scratch, 8)));
}

/* Places in use lie in first … last-1. */
static void find_range(const w_design *design, const w_quadratic_form *form, int64_t *first, int64_t *last)
{
    const bool all = !form->position && form->last == 0;
    *first = all ? 0 : form->order;
    *last = all ? form->order : 0;
    for (int64_t c = 0; !all && c < design->p; c++) {
        const int64_t at = place_of(form, c);
        if (at >= 0) {
            *first = w_min64(*first, at);
            *last = w_max64(*last, at + 1);
        }
    }
    *first = w_min64(*first, *last);
}

static int64_t slot_doubles(const w_design *design, int64_t width)
{
    return w_round_up64(w_add64(w_mul64(2 * W_WRITTEN_ROWS, width), w_written_doubles(design)), 8);
}

bool w_quadratic_tabulated(const w_design *design, const w_quadratic_form *form)
{
    int64_t first, last;
    find_range(design, form, &first, &last);
    const int64_t square = w_mul64(last - first, last - first);
    const int64_t allowed = w_max64(LEAST_TABLES, w_min64(MOST_TABLES, w_mul64(BYTES_PER_SQUARE, square)));
    return table_bytes(design, form) <= allowed / (form->share > 1 ? form->share : 1);
}

int64_t w_quadratic_bytes(const w_design *design, const w_quadratic_form *form, int workers)
{
    const int64_t number = (int64_t)sizeof(double);
    if (w_quadratic_tabulated(design, form)) {
        return w_add64(w_alloc_bytes((int64_t)sizeof(w_quadratic)), table_bytes(design, form));
    }
    int64_t first, last;
    find_range(design, form, &first, &last);
    int64_t total = w_add64(w_alloc_bytes((int64_t)sizeof(w_quadratic)), w_alloc_bytes(w_mul64(design->p, number)));
    total = w_add64(total, w_alloc_bytes(design->block_count));
    return w_add64(total, w_slots_bytes(workers, slot_doubles(design, last - first)));
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

static int64_t place(const w_quadratic_form *form, const w_block *block, int64_t level, int64_t column)
{
    int64_t first = block->kind == W_BLOCK_DENSE ? block->dense_column[column] : block->level_first[level];
    return first < 0 ? -1 : place_of(form, block->kind == W_BLOCK_DENSE ? first : first + column);
}

/* part = factor * V_ab at levels (la, lb), k_a x k_b; false when it is zero. */
static bool part_of(const w_quadratic_form *form, const w_block *a, int64_t la, const w_block *b, int64_t lb,
                    double factor, double *part)
{
    int64_t ka = block_columns(a), kb = block_columns(b);
    bool any = false;
    for (int64_t r = 0; r < ka; r++) {
        int64_t i = place(form, a, la, r);
        for (int64_t s = 0; s < kb; s++) {
            int64_t j = place(form, b, lb, s);
            part[r * kb + s] = i < 0 || j < 0 ? 0 : factor * form->v[i * form->order + j];
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
static void put_cell(const w_quadratic *q, const pair_table *t, int64_t la, int64_t lb, int64_t c,
                     const double *right, double *rows)
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

static weir_status table_make(w_quadratic *q, const w_quadratic_form *form, pair_table *table)
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
            if (part_of(form, a, la, b, lb, table->a == table->b ? 1 : 2, part)) {
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

static weir_status fill_tables(w_quadratic *q, const w_quadratic_form *form)
{
    int blocks = q->design->block_count;
    q->map = w_calloc(q->ctx, TAG, (size_t)blocks, sizeof *q->map);
    q->pair = w_calloc(q->ctx, TAG, (size_t)(blocks * (blocks + 1) / 2), sizeof *q->pair);
    weir_status status = q->map && q->pair ? WEIR_OK : w_alloc_status(q->ctx);
    for (int b = 0; status == WEIR_OK && b < blocks; b++) {
        status = q->used[b] && q->design->block[b].smooth ? map_make(q, b) : WEIR_OK;
    }
    for (int i = 0; status == WEIR_OK && i < blocks; i++) {
        for (int j = i; status == WEIR_OK && j < blocks; j++) {
            const w_block *a = &q->design->block[i], *b = &q->design->block[j];
            if (!q->used[i] || !q->used[j]) {
                continue;
            }
            q->pair[q->pair_count] = (pair_table){ i, j, share_level(a, b), pair_entries(a, b), NULL };
            status = table_make(q, form, &q->pair[q->pair_count++]);
        }
    }
    return status;
}

static weir_status fill_panels(w_quadratic *q, const w_quadratic_form *form)
{
    int64_t first, last;
    find_range(q->design, form, &first, &last);
    q->place = w_alloc_array(q->ctx, TAG, (size_t)q->design->p, sizeof *q->place);
    if (!q->place) {
        return w_alloc_status(q->ctx);
    }
    for (int64_t c = 0; c < q->design->p; c++) {
        const int64_t at = place_of(form, c);
        q->place[c] = at < 0 ? -1 : at - first;
    }
    q->width = last - first;
    q->stride = form->order;
    q->square = form->v + first * (form->order + 1);
    if (w_narrow(form->order) < 0) {
        return w_fail(q->ctx, WEIR_E_ARG, "a model of %lld columns is too wide for standard errors", (long long)form->order);
    }
    return w_slots_create(q->ctx, TAG, w_pool_workers(q->ctx), slot_doubles(q->design, q->width), &q->slots);
}

weir_status w_quadratic_create(weir_ctx *ctx, const w_design *design, const w_quadratic_form *form, w_quadratic **out)
{
    w_quadratic *q = w_calloc(ctx, TAG, 1, sizeof *q);
    if (!q) {
        return w_alloc_status(ctx);
    }
    q->ctx = ctx;
    q->design = design;
    q->kernels = w_kernels_choose();
    q->used = w_alloc_array(ctx, TAG, (size_t)design->block_count, sizeof *q->used);
    weir_status status = q->used ? WEIR_OK : w_alloc_status(ctx);
    for (int b = 0; status == WEIR_OK && b < design->block_count; b++) {
        q->used[b] = counts(&design->block[b], form);
    }
    if (status == WEIR_OK) {
        status = w_quadratic_tabulated(design, form) ? fill_tables(q, form) : fill_panels(q, form);
    }
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
    w_slots_free(q->ctx, &q->slots);
    w_free(q->ctx, q->map);
    w_free(q->ctx, q->pair);
    w_free(q->ctx, q->used);
    w_free(q->ctx, q->place);
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

static void run_panels(const w_quadratic *q, const w_tile *tile, double *out)
{
    const int slot = w_slots_take(&q->slots);
    const double one = 1.0, zero = 0.0;
    double *panel = w_slots_piece(&q->slots, slot), *image = panel + W_WRITTEN_ROWS * q->width;
    double *scratch = image + W_WRITTEN_ROWS * q->width;
    w_blas_int width = w_narrow(q->width), stride = w_narrow(q->stride), panel_rows = W_WRITTEN_ROWS;
    for (int64_t start = 0; start < tile->rows; start += W_WRITTEN_ROWS) {
        int64_t rows = w_min64(W_WRITTEN_ROWS, tile->rows - start);
        w_written_panel(q->design, q->kernels, tile, start, rows, q->used, 0, q->design->p, q->place, q->width, panel, scratch);
        if (width > 0) {
            dgemm_("N", "N", &width, &panel_rows, &width, &one, q->square, &stride, panel, &width, &zero, image, &width);
        }
        for (int64_t i = 0; i < rows; i++) {
            double sum = 0;
            for (int64_t j = 0; j < q->width; j++) {
                sum += panel[i * q->width + j] * image[i * q->width + j];
            }
            out[start + i] = sum;
        }
    }
    w_slots_give(&q->slots, slot);
}

static void run_tables(const w_quadratic *q, const w_tile *tile, double *out)
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

void w_quadratic_tile(const w_quadratic *q, const w_tile *tile, double *out)
{
    if (q->pair) {
        run_tables(q, tile, out);
    } else {
        run_panels(q, tile, out);
    }
}
