/* SPDX-License-Identifier: Apache-2.0 */
/* Without an arrow block a row's variance is a quadratic form of local values through per-pair tables (normal/quadratic.h), as
 * cheap as the cross-products, as long as the tables fit. Otherwise:
 *
 * Rows of the core are written out W_PANEL_ROWS at a time, U (rows x p0), and  x'P_00 x = rowsum(U .* (U P_00)):
 * 2 p0^2 flops a row in one matrix product, against 8 p0 bytes written. A row of a smooth is v' (M_c T) with the k columns
 * of M_c T kept per cell. Panels are always full (zero rows at the end), so a row's bits depend on its place in the
 * tile alone. */
#include "fit/variance.h"

#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "fit/rows.h"
#include "normal/expand.h"
#include "normal/quadratic.h"

#define PANEL_ROWS 64
#define FORM_BYTES ((int64_t)64 << 20) /* at most so much, and at most a quarter of the free budget, for tables */
#define ROW_VALUES 8 /* columns of a prediction beside those of its terms, generously */
#define TAG "variance"

struct w_variance {
    weir_ctx *ctx;
    const weir_model *model;
    const w_design *design;
    const w_covariance *covariance;
    bool per_term;
    int workers;
    int arrow_block;      /* the block whose columns are the arrow's; -1 */
    int64_t core;
    int64_t *position;    /* p: place in the core, -1 = arrow column */
    double **row_map;     /* per block: cells x width x k of a smooth, else NULL */
    int form_count;       /* quadratic forms: one, or one per term; 0 = panels */
    w_quadratic **form;
    double **panel;       /* per worker: PANEL_ROWS x core, image of the same size, then a zero-padded k-vector */
};

static weir_status make_row_map(w_variance *v, int b)
{
    const w_block *block = &v->design->block[b];
    const w_smooth *smooth = block->smooth;
    const w_kernels *kernels = w_kernels_choose();
    int64_t k = smooth->columns, raw_count = smooth->raw_columns, entries = block->cells * block->width;
    double *map = w_alloc_array(v->ctx, TAG, w_mul_size((size_t)entries, (size_t)k), sizeof *map);
    double *raw = w_alloc_array(v->ctx, TAG, (size_t)(raw_count + entries + w_spread_doubles(smooth)), sizeof *raw);
    v->row_map[b] = map;
    if (!map || !raw) {
        w_free(v->ctx, raw);
        return w_alloc_status(v->ctx);
    }
    double *gamma = raw + raw_count, *scratch = gamma + entries;
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i < raw_count; i++) {
            raw[i] = smooth->transform ? smooth->transform[i * k + j] : (double)(i == j);
        }
        w_spread(kernels, smooth, raw, gamma, scratch);
        for (int64_t e = 0; e < entries; e++) {
            map[e * k + j] = gamma[e];
        }
    }
    w_free(v->ctx, raw);
    return WEIR_OK;
}

static void locate_columns(w_variance *v)
{
    for (int64_t c = 0; c < v->design->p; c++) {
        v->position[c] = -1;
    }
    for (int64_t j = 0; j < v->core; j++) {
        v->position[v->covariance->core_column[j]] = j;
    }
    v->arrow_block = -1;
    for (int b = 0; v->covariance->arrow_levels > 0 && b < v->design->block_count; b++) {
        const w_block *block = &v->design->block[b];
        if (block->kind != W_BLOCK_DENSE && block->level_first[0] == v->covariance->arrow_first) {
            v->arrow_block = b;
        }
    }
}

/* Places in the core of the columns first … last-1; -1 for all others. */
static void restrict_columns(const w_variance *v, int64_t first, int64_t last, int64_t *place)
{
    for (int64_t c = 0; c < v->design->p; c++) {
        place[c] = c >= first && c < last ? v->position[c] : -1;
    }
}

static void drop_forms(w_variance *v, int count)
{
    for (int t = 0; v->form && t < count; t++) {
        w_quadratic_free(v->form[t]);
        v->form[t] = NULL;
    }
}

/* WEIR_DECLINED when the tables are too large or an arrow block asks for more than a quadratic form. */
static weir_status make_forms(w_variance *v)
{
    weir_ctx *ctx = v->ctx;
    const w_design *design = v->design;
    if (v->covariance->arrow_levels > 0) {
        return WEIR_DECLINED;
    }
    int count = v->per_term ? design->term_count : 1;
    int64_t rows = w_rows_bytes(design, ROW_VALUES + 4 * (int64_t)design->term_count, v->workers);
    int64_t free_bytes = w_max64(0, w_ledger_free_bytes(ctx) - rows);
    int64_t room = w_min64(FORM_BYTES, free_bytes / 4) / w_max64(1, count);
    int64_t *place = w_alloc_array(ctx, TAG, (size_t)design->p, sizeof *place);
    v->form = w_calloc(ctx, TAG, (size_t)count + 1, sizeof *v->form);
    weir_status status = place && v->form ? WEIR_OK : w_alloc_status(ctx);
    for (int t = 0; status == WEIR_OK && t < count; t++) {
        const w_term *term = v->per_term ? &design->term[t] : NULL;
        restrict_columns(v, term ? term->first : 0, term ? term->first + term->columns : design->p, place);
        status = w_quadratic_create(ctx, design, v->covariance->core_matrix, v->core, place, room, &v->form[t]);
    }
    w_free(ctx, place);
    v->form_count = status == WEIR_OK ? count : 0;
    if (status == WEIR_E_BUDGET) { /* panels need less */
        w_message_clear(ctx);
        drop_forms(v, count);
        return WEIR_DECLINED;
    }
    return status;
}

static weir_status fill(w_variance *v)
{
    weir_ctx *ctx = v->ctx;
    size_t workers = (size_t)v->workers, blocks = (size_t)v->design->block_count;
    v->position = w_alloc_array(ctx, TAG, (size_t)v->design->p, sizeof *v->position);
    v->row_map = w_calloc(ctx, TAG, blocks, sizeof *v->row_map);
    v->panel = w_calloc(ctx, TAG, workers, sizeof *v->panel);
    if (!v->position || !v->row_map || !v->panel) {
        return w_alloc_status(ctx);
    }
    locate_columns(v);
    weir_status formed = make_forms(v);
    if (formed != WEIR_DECLINED) {
        return formed;
    }
    for (int b = 0; b < v->design->block_count; b++) {
        if (v->design->block[b].kind == W_BLOCK_SMOOTH) {
            weir_status status = make_row_map(v, b);
            if (status < 0) {
                return status;
            }
        }
    }
    size_t panel = w_mul_size((size_t)v->core, 2 * PANEL_ROWS) + (size_t)v->covariance->arrow_k;
    for (size_t w = 0; w < workers; w++) {
        v->panel[w] = w_alloc_array(ctx, TAG, panel, sizeof(double));
        if (!v->panel[w]) {
            return w_alloc_status(ctx);
        }
    }
    return WEIR_OK;
}

int64_t w_variance_bytes(const weir_model *model, int workers)
{
    const w_design *design = model->design;
    const int64_t number = (int64_t)sizeof(double), core = model->covariance->core;
    int64_t panel = w_add64(w_mul64(core, 2 * PANEL_ROWS), model->covariance->arrow_k), most_raw = 0;
    int64_t bytes = w_add64(w_alloc_bytes((int64_t)sizeof(w_variance)), w_alloc_bytes(w_mul64(design->p, 2 * number)));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(design->block_count + workers + design->term_count + 1, number)) + 1024);
    bytes = w_add64(bytes, w_mul64(workers, w_alloc_bytes(w_mul64(panel, number))));
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        if (block->kind != W_BLOCK_SMOOTH) {
            continue;
        }
        int64_t entries = w_mul64(block->cells, block->width), spread = w_spread_doubles(block->smooth);
        int64_t raw = w_alloc_bytes(w_mul64(w_add64(w_add64(block->smooth->raw_columns, entries), spread), number));
        most_raw = w_max64(most_raw, raw);
        bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_mul64(entries, block->smooth->columns), number)));
    }
    return w_add64(bytes, most_raw);
}

weir_status w_variance_create(weir_ctx *ctx, const weir_model *model, bool per_term, w_variance **out)
{
    w_variance *v = w_calloc(ctx, TAG, 1, sizeof *v);
    if (!v) {
        return w_alloc_status(ctx);
    }
    v->ctx = ctx;
    v->model = model;
    v->design = model->design;
    v->covariance = model->covariance;
    v->per_term = per_term;
    v->workers = w_pool_workers(ctx);
    v->core = model->covariance->core;
    weir_status status = fill(v);
    if (status < 0) {
        w_variance_free(v);
        return status;
    }
    *out = v;
    return WEIR_OK;
}

void w_variance_free(w_variance *v)
{
    if (!v) {
        return;
    }
    int forms = v->per_term ? v->design->term_count : 1;
    for (int t = 0; v->form && t < forms; t++) {
        w_quadratic_free(v->form[t]);
    }
    w_free(v->ctx, v->form);
    for (int b = 0; v->row_map && b < v->design->block_count; b++) {
        w_free(v->ctx, v->row_map[b]);
    }
    for (int w = 0; v->panel && w < v->workers; w++) {
        w_free(v->ctx, v->panel[w]);
    }
    w_free(v->ctx, v->row_map);
    w_free(v->ctx, v->panel);
    w_free(v->ctx, v->position);
    w_free(v->ctx, v);
}

/* Entries of row i in the columns of a block, written to x (level_columns of them); returns the level. */
static int64_t block_row(const w_variance *v, int b, const w_tile *tile, int64_t i, double *x)
{
    const w_block *block = &v->design->block[b];
    const w_tile_block *local = &tile->block[b];
    int64_t cell = local->cell[i];
    if (block->kind == W_BLOCK_FACTOR) {
        x[0] = local->value ? local->value[i] : 1.0;
        return cell;
    }
    int64_t k = block->level_columns, level = cell / block->cells;
    const double *map = v->row_map[b] + (cell % block->cells) * block->width * k;
    const double *value = local->value + i * block->width;
    for (int64_t j = 0; j < k; j++) {
        x[j] = value[0] * map[j];
    }
    for (int r = 1; r < block->width; r++) {
        for (int64_t j = 0; j < k; j++) {
            x[j] += value[r] * map[r * k + j];
        }
    }
    return level;
}

static double level_quadratic(const w_variance *v, int64_t level, const double *u)
{
    int64_t k = v->covariance->arrow_k;
    const double *inverse = v->covariance->arrow_inverse + level * k * k;
    double sum = 0;
    for (int64_t r = 0; r < k; r++) {
        for (int64_t s = 0; s < k; s++) {
            sum += u[r] * inverse[r * k + s] * u[s];
        }
    }
    return sum;
}

/* x -= G_l'u and u'H_l^-1 u of the row's arrow part; 0 when it lies outside columns first … last-1. */
static double fold_arrow(const w_variance *v, const w_tile *tile, int64_t i, int64_t first, int64_t last, double *x, double *u)
{
    const w_block *block = &v->design->block[v->arrow_block];
    const int64_t k = v->covariance->arrow_k, level = tile->block[v->arrow_block].cell[i] / block->cells;
    const int64_t column = block->level_first[level];
    if (column < first || column >= last) {
        return 0;
    }
    block_row(v, v->arrow_block, tile, i, u);
    for (int64_t r = 0; r < k; r++) {
        const double *map = v->covariance->arrow_map + (level * k + r) * v->core;
        for (int64_t j = 0; j < v->core; j++) {
            x[j] -= u[r] * map[j];
        }
    }
    return level_quadratic(v, level, u);
}

/* Part of a row that belongs to columns first … last-1 of X: core entries into x (zeroed), then the arrow part folded in. */
static double core_row(const w_variance *v, const w_tile *tile, int64_t i, int64_t first, int64_t last, double *x, double *u)
{
    const w_design *design = v->design;
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        if (block->kind == W_BLOCK_DENSE) {
            const double *value = tile->block[b].value + i * block->width;
            for (int r = 0; r < block->width; r++) {
                int64_t column = block->dense_column[r];
                if (column >= first && column < last) {
                    x[v->position[column]] = value[r];
                }
            }
        } else if (b != v->arrow_block) {
            int64_t column = block->level_first[tile->block[b].cell[i] / block->cells];
            if (column >= first && column < last) {
                block_row(v, b, tile, i, x + v->position[column]);
            }
        }
    }
    return v->arrow_block < 0 ? 0 : fold_arrow(v, tile, i, first, last, x, u);
}

/* Variances of the parts in columns first … last-1; when the part lies in the core alone, core entries begin … end-1
 * are all that can differ from zero. */
static weir_status range_variance(const w_variance *v, int worker, const w_tile *tile, int64_t first, int64_t last,
                                  int64_t begin, int64_t end, double *out)
{
    const int64_t n = v->core, width = end - begin;
    double *panel = v->panel[worker], *image = panel + PANEL_ROWS * n, *u = image + PANEL_ROWS * n;
    const double one = 1.0, zero = 0.0;
    w_blas_int size = w_narrow(width), ld = w_narrow(n), rows_blas = PANEL_ROWS;
    if (size < 0 || ld < 0) {
        return w_fail(v->ctx, WEIR_E_ARG, "a model of %lld columns is too wide for standard errors", (long long)n);
    }
    for (int64_t start = 0; start < tile->rows; start += PANEL_ROWS) {
        int64_t rows = w_min64(PANEL_ROWS, tile->rows - start);
        memset(panel, 0, (size_t)(PANEL_ROWS * n) * sizeof *panel);
        for (int64_t i = 0; i < rows; i++) {
            out[start + i] = core_row(v, tile, start + i, first, last, panel + i * n, u);
        }
        if (width > 0) {
            dgemm_("N", "N", &size, &rows_blas, &size, &one, v->covariance->core_matrix + begin * n + begin, &ld,
                   panel + begin, &ld, &zero, image + begin, &ld);
        }
        for (int64_t i = 0; i < rows; i++) {
            double sum = 0;
            for (int64_t j = begin; j < end; j++) {
                sum += panel[i * n + j] * image[i * n + j];
            }
            double variance = v->model->scale * (sum + out[start + i]);
            out[start + i] = variance > 0 ? variance : 0.0;
        }
    }
    return WEIR_OK;
}

weir_status w_variance_tile(const w_variance *v, int worker, const w_tile *tile, double *out)
{
    const w_design *design = v->design;
    for (int t = 0; t < v->form_count; t++) {
        double *q = out + t * tile->rows;
        w_quadratic_tile(v->form[t], tile, q);
        for (int64_t i = 0; i < tile->rows; i++) {
            q[i] = q[i] > 0 ? q[i] * v->model->scale : 0.0;
        }
    }
    if (v->form_count > 0) {
        return WEIR_OK;
    }
    if (!v->per_term) {
        return range_variance(v, worker, tile, 0, design->p, 0, v->core, out);
    }
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        int64_t last = term->first + term->columns;
        int64_t begin = 0, end = v->core;
        bool in_core = term->columns > 0 && v->position[term->first] >= 0;
        if (in_core) {
            begin = v->position[term->first];
            end = begin + term->columns;
        }
        weir_status status = range_variance(v, worker, tile, term->first, last, begin, end, out + t * tile->rows);
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}
