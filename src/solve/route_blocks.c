/* SPDX-License-Identifier: Apache-2.0 */
/* The preconditioner of route cg: diagonal blocks of X'WX + S. Blocks are the penalties' own, and runs of W_BLOCK_COLUMNS between
 * them; or runs of a width asked for. Columns of one entry each: Jacobi. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "solve/route_cg.h"

#define W_BLOCK_COLUMNS 32
#define W_BLOCK_LARGEST 1024 /* of a penalty kept whole */

typedef struct forming {
    w_linear *q;
    int64_t count, values;     /* blocks and their entries in one group */
    const int64_t *first;      /* count + 1 */
    const int64_t *place;      /* count + 1: of the entries */
    const int32_t *block_of;   /* CSR: p */
    double *value;             /* groups x values */
    double *tiles;
    int64_t group;
    const double *tile;        /* one group: rows at hand */
    int64_t lead, rows;
} forming;

bool w_blocks_next(const weir_linear_system *s, int64_t width, int64_t *first, int64_t *size)
{
    const int64_t p = s->x.columns, at = *first + *size;
    if (at >= p) {
        return false;
    }
    int64_t end = w_min64(p, at + (width > 0 ? width : W_BLOCK_COLUMNS));
    for (int64_t b = 0; b < s->penalties && width == 0; b++) {
        const weir_linear_penalty *e = &s->penalty[b];
        if (e->first == at && e->size > 0 && e->size <= W_BLOCK_LARGEST) {
            end = at + e->size;
            break;
        }
        if (e->first > at && e->size <= W_BLOCK_LARGEST) {
            end = w_min64(end, e->first);
            break;
        }
    }
    *first = at;
    *size = end - at;
    return true;
}

int64_t w_cg_tile_rows(const w_route_shape *s) { return w_max64(8, W_CG_TILE_VALUES / w_max64(1, s->p)); }

int64_t w_cg_columns(const w_route_shape *s)
{
    return w_max64(s->m, s->preconditioner == WEIR_PRECONDITIONER_NYSTROM ? w_min64(s->rank, s->p) : 0);
}

int64_t w_blocks_tile_doubles(const w_route_shape *s)
{
    return s->kind == WEIR_MATRIX_DENSE ? w_mul64(w_cg_tile_rows(s), w_add64(s->p, s->m)) : s->m;
}

void w_blocks_response(const w_linear *q, int64_t first, int64_t rows, double *tile, double *out)
{
    W_BLAS_SERIAL;
    const weir_linear_matrix *x = &q->s->x;
    memset(out, 0, (size_t)(q->p * q->m) * sizeof *out);
    for (int64_t i = first; i < first + rows && x->kind == WEIR_MATRIX_CSR; i++) {
        const double w = q->s->weights ? q->s->weights[i] : 1.0;
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            const double v = w * (x->float32 ? (double)((const float *)x->values)[e] : ((const double *)x->values)[e]);
            for (int64_t k = 0; k < q->m; k++) {
                out[x->column[e] + k * q->p] += v * q->s->y[k * q->n + i];
            }
        }
    }
    const int64_t step = w_cg_tile_rows(&q->shape);
    const w_blas_int p = (w_blas_int)q->p, m = (w_blas_int)q->m, inc = 1;
    const double one = 1.0;
    for (int64_t at = first; at < first + rows && x->kind == WEIR_MATRIX_DENSE; at += step) {
        const int64_t take = w_min64(step, first + rows - at);
        double *y = tile + step * q->p;
        int64_t lead;
        const double *t = w_rows_tile(q, at, take, false, tile, &lead);
        const w_blas_int k = (w_blas_int)take, ld = (w_blas_int)lead;
        w_rows_response(q, at, take, false, y, take);
        if (q->m == 1) {
            dgemv_("N", &p, &k, &one, t, &ld, y, &inc, &one, out, &inc);
        } else {
            dgemm_("N", "N", &p, &m, &k, &one, t, &ld, y, &k, &one, out, &p);
        }
    }
}

/* ---- forming ------------------------------------------------------------------------------------------------------- */

/* Upper triangles: the products of the rows at hand added to block b. */
static void add_block(const forming *f, int64_t group, int64_t b, const double *tile, int64_t lead, int64_t rows)
{
    const w_blas_int size = (w_blas_int)(f->first[b + 1] - f->first[b]), k = (w_blas_int)rows, ld = (w_blas_int)lead;
    const double one = 1.0;
    double *a = f->value + group * f->values + f->place[b];
    if (size == 1) {
        for (int64_t i = 0; i < rows; i++) {
            a[0] += tile[f->first[b] + i * lead] * tile[f->first[b] + i * lead];
        }
    } else {
        dsyrk_("U", "N", &size, &k, &one, tile + f->first[b], &ld, &one, a, &size);
    }
}

static weir_status block_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const forming *f = arg;
    add_block(f, f->group, task, f->tile, f->lead, f->rows);
    return WEIR_OK;
}

static void csr_rows(const forming *f, int64_t group)
{
    const w_linear *q = f->q;
    const weir_linear_matrix *x = &q->s->x;
    for (int64_t i = w_linear_first(q, group); i < w_linear_first(q, group + 1); i++) {
        const double w = q->s->weights ? q->s->weights[i] : 1.0;
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            const int32_t b = f->block_of[x->column[e]];
            const int64_t row = x->column[e] - f->first[b], size = f->first[b + 1] - f->first[b];
            const double left = w * (x->float32 ? (double)((const float *)x->values)[e] : ((const double *)x->values)[e]);
            double *a = f->value + group * f->values + f->place[b];
            for (int64_t g = q->shape.sorted ? e : x->row_first[i]; g < x->row_first[i + 1]; g++) {
                const int64_t column = x->column[g] - f->first[b];
                if (column >= size && q->shape.sorted) {
                    break;
                }
                if (column >= row && column < size) {
                    a[row + column * size] += left * (x->float32 ? (double)((const float *)x->values)[g]
                                                                 : ((const double *)x->values)[g]);
                }
            }
        }
    }
}

/* A group by one worker. */
static weir_status group_task(void *arg, int64_t task, int worker)
{
    const forming *f = arg;
    const w_linear *q = f->q;
    if (q->shape.kind == WEIR_MATRIX_CSR) {
        csr_rows(f, task);
        return WEIR_OK;
    }
    const int64_t last = w_linear_first(q, task + 1), step = w_cg_tile_rows(&q->shape);
    for (int64_t at = w_linear_first(q, task); at < last; at += step) {
        const int64_t rows = w_min64(step, last - at);
        int64_t lead;
        const double *tile = w_rows_tile(q, at, rows, true, f->tiles + worker * w_blocks_tile_doubles(&q->shape), &lead);
        for (int64_t b = 0; b < f->count; b++) {
            add_block(f, task, b, tile, lead, rows);
        }
    }
    return WEIR_OK;
}

/* The one dense group: blocks shared out, tile after tile. */
static weir_status one_group(forming *f)
{
    const w_linear *q = f->q;
    const bool direct = q->shape.rows_contiguous && !q->s->weights;
    const int64_t step = direct ? w_max64(W_ROUTE_ROWS, w_cg_tile_rows(&q->shape)) : w_cg_tile_rows(&q->shape);
    weir_status status = WEIR_OK;
    for (int64_t at = 0; at < q->n && status >= 0; at += step) {
        f->rows = w_min64(step, q->n - at);
        f->tile = w_rows_tile(q, at, f->rows, true, f->tiles, &f->lead);
        status = w_pool_run(q->ctx, f->count, block_task, f);
    }
    return status;
}

static void add_penalty(const forming *f, int64_t group)
{
    const w_linear *q = f->q;
    for (int64_t b = 0; b < f->count; b++) {
        const int64_t first = f->first[b], size = f->first[b + 1] - first;
        double *a = f->value + group * f->values + f->place[b];
        if (!q->wanted[group]) {
            memset(a, 0, (size_t)(size * size) * sizeof *a);
        }
        for (int64_t i = 0; i < size; i++) {
            a[i * (size + 1)] = q->wanted[group] ? a[i * (size + 1)] + w_penalty_diagonal(q, first + i) : 1.0;
        }
    }
    for (int64_t e = 0; e < q->s->penalties && q->wanted[group]; e++) {
        const weir_linear_penalty *s = &q->s->penalty[e];
        for (int64_t b = 0; b < f->count; b++) {
            const int64_t first = f->first[b], size = f->first[b + 1] - first;
            const int64_t from = w_max64(first, s->first), to = w_min64(first + size, s->first + s->size);
            for (int64_t c = from; c < to; c++) {
                for (int64_t r = from; r <= c; r++) {
                    f->value[group * f->values + f->place[b] + (r - first) + (c - first) * size] +=
                        s->matrix[(r - s->first) + (c - s->first) * s->size];
                }
            }
        }
    }
}

/* ---- the preconditioner -------------------------------------------------------------------------------------------- */

static weir_status hand_over(const forming *f, const int64_t *n, w_term_block *term, w_preconditioner *out)
{
    const w_linear *q = f->q;
    if (q->shape.preconditioner == WEIR_PRECONDITIONER_JACOBI) {
        return w_preconditioner_jacobi(q->ctx, q->groups, n, f->value, out);
    }
    for (int64_t g = 0; g < q->groups; g++) {
        for (int64_t b = 0; b < f->count; b++) {
            term[g * f->count + b] = (w_term_block){ .group = g, .size = f->first[b + 1] - f->first[b],
                                                     .matrix = f->value + g * f->values + f->place[b] };
        }
    }
    return w_preconditioner_blocks(q->ctx, q->groups, n, q->groups * f->count, term, NULL, out);
}

/* columns: room for 2 (count + 1) numbers and p block numbers. */
static weir_status form_and_factor(forming *f, const int64_t *n, int64_t *columns, w_term_block *term, w_preconditioner *out)
{
    w_linear *q = f->q;
    int64_t *first = columns, *place = columns + f->count + 1, at = 0, size = 0, b = 0;
    int32_t *block_of = (int32_t *)(void *)(place + f->count + 1);
    place[0] = 0;
    while (w_blocks_next(q->s, q->shape.width, &at, &size)) {
        first[b] = at;
        place[b + 1] = place[b] + size * size;
        for (int64_t i = at; i < at + size; i++) {
            block_of[i] = (int32_t)b;
        }
        b++;
    }
    first[f->count] = q->p;
    f->first = first;
    f->place = place;
    f->block_of = block_of;
    memset(f->value, 0, (size_t)(q->groups * f->values) * sizeof *f->value);
    weir_status status = q->groups > 1 || q->shape.kind == WEIR_MATRIX_CSR ? w_pool_run(q->ctx, q->groups, group_task, f)
                                                                           : one_group(f);
    for (int64_t g = 0; g < q->groups && status >= 0; g++) {
        add_penalty(f, g);
    }
    return status < 0 ? status : hand_over(f, n, term, out);
}

weir_status w_blocks_precondition(w_linear *q, const w_operator *a, const int64_t *n, double *tiles, w_preconditioner *out,
                                  bool *made)
{
    const w_route_shape *s = &q->shape;
    *made = false;
    weir_status status;
    if (s->preconditioner == WEIR_PRECONDITIONER_NONE) {
        return WEIR_OK;
    }
    if (s->preconditioner == WEIR_PRECONDITIONER_NYSTROM) {
        const w_nystrom_options options = { .rank = s->rank, .seed = q->ctx->seed, .columns = q->m };
        status = w_preconditioner_nystrom(q->ctx, a, &options, NULL, out);
    } else {
        forming f = { .q = q, .count = s->blocks, .values = s->block_values, .tiles = tiles };
        int64_t *columns = w_alloc_array(q->ctx, "route", (size_t)(2 * (f.count + 1) + (q->p + 1) / 2), sizeof *columns);
        w_term_block *term = w_alloc_array(q->ctx, "route", (size_t)w_mul64(q->groups, f.count), sizeof *term);
        f.value = w_alloc_array(q->ctx, "route", (size_t)w_mul64(q->groups, f.values), sizeof *f.value);
        status = columns && term && f.value ? form_and_factor(&f, n, columns, term, out) : w_alloc_status(q->ctx);
        w_free(q->ctx, f.value);
        w_free(q->ctx, term);
        w_free(q->ctx, columns);
    }
    *made = status >= 0;
    return status == WEIR_E_NUMERIC ? WEIR_OK : status; /* the iteration finds out which system it is */
}

int64_t w_blocks_bytes(const w_route_shape *s, int64_t *lasting)
{
    *lasting = 0;
    if (s->preconditioner == WEIR_PRECONDITIONER_NONE) {
        return 0;
    }
    if (s->preconditioner == WEIR_PRECONDITIONER_NYSTROM) {
        int64_t n[W_GROUP_SAMPLE];
        for (int i = 0; i < W_GROUP_SAMPLE; i++) {
            n[i] = s->p;
        }
        const w_nystrom_options options = { .rank = s->rank, .columns = s->m };
        const int64_t count = w_min64(s->groups, W_GROUP_SAMPLE);
        *lasting = w_mul64((s->groups + count - 1) / count, w_preconditioner_nystrom_bytes(count, n, &options));
        return *lasting;
    }
    const int64_t blocks = w_mul64(s->groups, s->blocks), values = w_mul64(w_mul64(s->groups, s->block_values), 8);
    *lasting = w_add64(w_alloc_bytes(values), w_add64(w_mul64(64, blocks), w_add64(w_mul64(16, s->groups), 2048)));
    *lasting = w_add64(*lasting, w_mul64(16, s->block));
    int64_t forming = w_add64(w_alloc_bytes(values), w_alloc_bytes(w_mul64(blocks, (int64_t)sizeof(w_term_block))));
    forming = w_add64(forming, w_alloc_bytes(w_mul64(8, w_add64(w_mul64(2, s->blocks), s->p / 2 + 4))));
    return w_add64(*lasting, forming);
}

double w_blocks_seconds(const w_route_shape *s, const w_cost *cost)
{
    const w_route_cost *price = &cost->route;
    const double n = (double)s->n, p = (double)s->p, groups = (double)s->groups, block = (double)s->block;
    if (s->preconditioner == WEIR_PRECONDITIONER_NONE) {
        return 0.0;
    }
    if (s->preconditioner == WEIR_PRECONDITIONER_NYSTROM) {
        const double rank = (double)s->rank;
        return (double)s->entries * rank * price->product_column + groups * 4.0 * p * rank * rank * w_curve_at(&price->gram, rank, 0.0);
    }
    const double factor = groups * (double)s->blocks * w_curve_at(&price->spd, block, 3.0);
    if (s->kind == WEIR_MATRIX_CSR) {
        const double products = s->sorted ? fmin(s->squares, (double)s->entries * block) : s->squares;
        return factor + 2.0 * w_curve_at(&price->csr_gram, sqrt((double)s->block_values), 0.0) * products;
    }
    const double packed = s->rows_contiguous && !s->weighted ? 0.0 : n * p * price->pack;
    return factor + n * 0.5 * (double)s->block_values * w_curve_at(&price->gram, block, 0.0) + packed;
}
