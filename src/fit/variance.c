/* SPDX-License-Identifier: Apache-2.0 */
/* Without an arrow block a row's variance is a quadratic form (normal/quadratic.h). With one, rows of the core are written out
 * W_WRITTEN_ROWS at a time (normal/written.h), the arrow's part is folded in, U (rows x p0), and
 * x'P_00 x = rowsum(U .* (U P_00)):  2 p0^2 flops a row in one matrix product. */
#include "fit/variance.h"

#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "normal/quadratic.h"
#include "normal/written.h"

#define PANEL_ROWS W_WRITTEN_ROWS
#define TAG "variance"

struct w_variance {
    weir_ctx *ctx;
    const weir_model *model;
    const w_design *design;
    const w_covariance *covariance;
    const w_kernels *kernels;
    bool per_term;
    int workers;
    int arrow_block;      /* the block whose columns are the arrow's; -1 */
    int64_t core;
    int64_t *position;    /* p: place in the core, -1 = arrow column */
    int form_count;       /* quadratic forms: one, or one per term; 0 = an arrow block */
    w_quadratic **form;
    bool *used;           /* with an arrow block, per block: the others */
    double **panel;       /* per worker: PANEL_ROWS x core, image of the same size, scratch */
};

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

static int form_count(const w_design *design, bool per_term)
{
    return per_term ? design->term_count : 1;
}

/* Without an arrow block the core is all of X. */
static w_quadratic_form form_of(const weir_model *model, bool per_term, int index)
{
    const w_term *term = per_term ? &model->design->term[index] : NULL;
    w_quadratic_form form = { .v = model->covariance->core_matrix, .order = model->covariance->core,
                              .share = form_count(model->design, per_term) };
    if (term) {
        form.first = term->columns > 0 ? term->first : model->design->p;
        form.last = form.first + term->columns;
    }
    return form;
}

static weir_status make_forms(w_variance *v)
{
    const int count = form_count(v->design, v->per_term);
    v->form = w_calloc(v->ctx, TAG, (size_t)count + 1, sizeof *v->form);
    weir_status status = v->form ? WEIR_OK : w_alloc_status(v->ctx);
    for (int t = 0; status == WEIR_OK && t < count; t++) {
        const w_quadratic_form form = form_of(v->model, v->per_term, t);
        status = w_quadratic_create(v->ctx, v->design, &form, &v->form[t]);
    }
    v->form_count = status == WEIR_OK ? count : 0;
    return status;
}

static int64_t panel_doubles(const w_design *design, int64_t core)
{
    return w_add64(w_mul64(core, 2 * PANEL_ROWS), w_written_doubles(design));
}

static weir_status make_panels(w_variance *v)
{
    weir_ctx *ctx = v->ctx;
    v->used = w_alloc_array(ctx, TAG, (size_t)v->design->block_count, sizeof *v->used);
    v->panel = w_calloc(ctx, TAG, (size_t)v->workers, sizeof *v->panel);
    if (!v->used || !v->panel) {
        return w_alloc_status(ctx);
    }
    for (int b = 0; b < v->design->block_count; b++) {
        v->used[b] = b != v->arrow_block;
    }
    for (int w = 0; w < v->workers; w++) {
        v->panel[w] = w_alloc_array(ctx, TAG, (size_t)panel_doubles(v->design, v->core), sizeof(double));
        if (!v->panel[w]) {
            return w_alloc_status(ctx);
        }
    }
    return WEIR_OK;
}

static weir_status fill(w_variance *v)
{
    v->position = w_alloc_array(v->ctx, TAG, (size_t)v->design->p, sizeof *v->position);
    if (!v->position) {
        return w_alloc_status(v->ctx);
    }
    locate_columns(v);
    return v->covariance->arrow_levels > 0 ? make_panels(v) : make_forms(v);
}

int64_t w_variance_bytes(const weir_model *model, bool per_term, int workers)
{
    const w_design *design = model->design;
    const int64_t number = (int64_t)sizeof(double), core = model->covariance->core;
    const int count = form_count(design, per_term);
    int64_t bytes = w_add64(w_alloc_bytes((int64_t)sizeof(w_variance)), w_alloc_bytes(w_mul64(design->p, 2 * number)));
    bytes = w_add64(bytes, w_alloc_bytes((count + 1) * number) + 1024);
    if (model->covariance->arrow_levels > 0) {
        bytes = w_add64(bytes, w_alloc_bytes(workers * number) + w_alloc_bytes(design->block_count));
        return w_add64(bytes, w_mul64(workers, w_alloc_bytes(w_mul64(panel_doubles(design, core), number))));
    }
    for (int t = 0; t < count; t++) {
        const w_quadratic_form form = form_of(model, per_term, t);
        bytes = w_add64(bytes, w_quadratic_bytes(design, &form, workers));
    }
    return bytes;
}

weir_status w_variance_create(weir_ctx *ctx, const weir_model *model, bool per_term, w_variance **out)
{
    if (!w_covariance_known(model->covariance)) {
        return w_fail(ctx, WEIR_E_ARG, "this model has no standard errors: it was fitted by the matrix-free route, which holds no "
                      "covariance; predict without them, or fit with the dense route");
    }
    w_variance *v = w_calloc(ctx, TAG, 1, sizeof *v);
    if (!v) {
        return w_alloc_status(ctx);
    }
    v->ctx = ctx;
    v->model = model;
    v->design = model->design;
    v->covariance = model->covariance;
    v->kernels = w_kernels_choose();
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
    for (int t = 0; v->form && t < form_count(v->design, v->per_term); t++) {
        w_quadratic_free(v->form[t]);
    }
    for (int w = 0; v->panel && w < v->workers; w++) {
        w_free(v->ctx, v->panel[w]);
    }
    w_free(v->ctx, v->form);
    w_free(v->ctx, v->used);
    w_free(v->ctx, v->panel);
    w_free(v->ctx, v->position);
    w_free(v->ctx, v);
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

/* x -= G_l'u, and u'H_l^-1 u into `add`, of the arrow's part of rows start … of the tile; nothing for rows whose part lies
 * outside columns first … last-1. */
static void fold_arrow(const w_variance *v, const w_tile *tile, int64_t start, int64_t rows, int64_t first, int64_t last,
                       double *panel, double *scratch, double *add)
{
    const w_block *block = &v->design->block[v->arrow_block];
    const int64_t k = v->covariance->arrow_k;
    const double *u = w_written_block(v->design, v->kernels, v->arrow_block, tile, start, rows, scratch);
    for (int64_t i = 0; i < rows; i++, u += k) {
        const int64_t level = tile->block[v->arrow_block].cell[start + i] / block->cells;
        const int64_t column = block->level_first[level];
        double *x = panel + i * v->core;
        if (column < first || column >= last) {
            continue;
        }
        for (int64_t r = 0; r < k; r++) {
            const double *map = v->covariance->arrow_map + (level * k + r) * v->core;
            for (int64_t j = 0; j < v->core; j++) {
                x[j] -= u[r] * map[j];
            }
        }
        add[i] += level_quadratic(v, level, u);
    }
}

/* With an arrow block: variances of the parts in columns first … last-1; when the part lies in the core alone, core entries
 * begin … end-1 are all that can differ from zero. */
static weir_status range_variance(const w_variance *v, int worker, const w_tile *tile, int64_t first, int64_t last,
                                  int64_t begin, int64_t end, double *out)
{
    const int64_t n = v->core, width = end - begin;
    double *panel = v->panel[worker], *image = panel + PANEL_ROWS * n, *scratch = image + PANEL_ROWS * n;
    const double one = 1.0, zero = 0.0;
    w_blas_int size = w_narrow(width), ld = w_narrow(n), rows_blas = PANEL_ROWS;
    if (size < 0 || ld < 0) {
        return w_fail(v->ctx, WEIR_E_ARG, "a model of %lld columns is too wide for standard errors", (long long)n);
    }
    for (int64_t start = 0; start < tile->rows; start += PANEL_ROWS) {
        int64_t rows = w_min64(PANEL_ROWS, tile->rows - start);
        double arrow[PANEL_ROWS] = { 0 };
        w_written_panel(v->design, v->kernels, tile, start, rows, v->used, first, last, v->position, n, panel, scratch);
        fold_arrow(v, tile, start, rows, first, last, panel, scratch, arrow);
        if (width > 0) {
            dgemm_("N", "N", &size, &rows_blas, &size, &one, v->covariance->core_matrix + begin * n + begin, &ld,
                   panel + begin, &ld, &zero, image + begin, &ld);
        }
        for (int64_t i = 0; i < rows; i++) {
            double sum = 0;
            for (int64_t j = begin; j < end; j++) {
                sum += panel[i * n + j] * image[i * n + j];
            }
            double variance = v->model->scale * (sum + arrow[i]);
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
