/* SPDX-License-Identifier: Apache-2.0 */
/* The root of the tree, and its tables mapped to coefficients. For a pair of blocks, at levels (l, m) of their factors:
 *     U_c = sum_d R[(l,c)][(m,d)] M_d          side b absorbed, for each cell c of a      (width_a x K_b)
 *     G   = sum_c M_c' U_c                     side a                                     (K_a x K_b)
 *     X_a'WX_b = T_a' G T_b                    re-parameterisation                        (k_a x k_b)
 * A pair of a block with itself has d = c only. Sides that are dense columns already (DENSE, FACTOR, expanded) skip their
 * sum. The DENSE block carries the working response and a constant 1, whose products with every other block are X'Wz and
 * X'W1. */
#include <string.h>

#include "base/size.h"
#include "normal/expand.h"
#include "normal/runs.h"

/* Below this many predicted multiply-adds the calling thread does it alone. */
#define SERIAL_WORK 2e6

typedef struct side {
    const w_form *form;
    const w_block *block;
    const w_smooth *smooth;  /* to be absorbed; NULL when the form is dense columns */
    const double *transform; /* NULL = identity */
    int64_t raw, columns;    /* per level */
} side;

typedef struct job {
    const w_pairs *plan;
    const w_kernels *kernels;
    const double *root;
    w_gram *gram;
    int64_t *position;       /* per column of X: place in the core, or -1 - place in the arrow block */
    double **scratch;        /* per worker */
} job;

static side side_make(const w_pairs *plan, int form_index)
{
    const w_form *form = &plan->form[form_index];
    const w_block *block = &plan->design->block[form->block];
    side s = { .form = form, .block = block, .raw = form->width, .columns = form->width };
    if (block->kind == W_BLOCK_SMOOTH) {
        s.smooth = form->expanded ? NULL : block->smooth;
        s.transform = block->smooth->transform;
        s.raw = block->smooth->raw_columns;
        s.columns = block->smooth->columns;
    }
    return s;
}

/* ---- root -------------------------------------------------------------------------------------------------------- */

/* Nodes right of `before`, largest index range first seen from the right. */
static const w_node *last_node_before(const w_run *run, int64_t before)
{
    const w_node *best = NULL;
    int64_t best_first = -1;
    for (int i = 0; i < run->node_count; i++) {
        int64_t first = run->node[i].index << run->node[i].level;
        if (first < before && first > best_first) {
            best = &run->node[i];
            best_first = first;
        }
    }
    return best;
}

/* Folding from the right is the binary tree with its missing shards left out. */
static void fold(const w_sums *sums, const w_run *run, double *root)
{
    const w_pairs *plan = sums->plan;
    size_t bytes = (size_t)plan->total_count * sizeof *root;
    int64_t before = INT64_MAX;
    if (run->tail) {
        memcpy(root, run->tail, bytes);
        w_accumulator_close(plan, root);
    } else {
        const w_node *last = last_node_before(run, before);
        memcpy(root, last->value, bytes);
        before = last->index << last->level;
    }
    for (const w_node *node; (node = last_node_before(run, before)) != NULL;) {
        w_accumulator_add(plan, root, node->value);
        before = node->index << node->level;
    }
}

static weir_status check_complete(const w_sums *sums)
{
    if (sums->run_count == 0) {
        return w_fail(sums->ctx, WEIR_E_DATA, "the sums hold no rows: nothing to fit");
    }
    int64_t due = 0;
    for (int i = 0; i < sums->run_count; i++) {
        if (sums->run[i].first != due) {
            return w_fail(sums->ctx, WEIR_E_DATA, "rows %lld to %lld are missing from the sums: merge the part that holds "
                          "them", (long long)due + 1, (long long)sums->run[i].first);
        }
        due = sums->run[i].last;
    }
    return WEIR_OK;
}

/* The arrow block's columns must be one run, level after level. */
static weir_status check_arrow(const w_sums *sums, int arrow_block)
{
    if (arrow_block < -1 || arrow_block >= sums->design->block_count) {
        return w_fail(sums->ctx, WEIR_E_ARG, "the model has no block %d", arrow_block);
    }
    const w_block *block = arrow_block < 0 ? NULL : &sums->design->block[arrow_block];
    for (int64_t l = 0; block && l < block->levels; l++) {
        if (!block->level_first || block->level_first[0] < 0 ||
            block->level_first[l] != block->level_first[0] + l * block->level_columns) {
            return w_fail(sums->ctx, WEIR_E_ARG, "block %d has levels without columns: it cannot be kept apart",
                          arrow_block);
        }
    }
    return WEIR_OK;
}

/* ---- one pair ------------------------------------------------------------------------------------------------------ */

static int64_t pair_doubles(const w_pairs *plan, const w_pair *pair)
{
    side a = side_make(plan, pair->a), b = side_make(plan, pair->b);
    int64_t u = w_mul64(w_mul64(a.form->cells, a.form->width), b.raw), g = w_mul64(a.raw, b.raw), more = 0;
    if (b.smooth) {
        more = w_contract_doubles(b.smooth, pair->index != W_INDEX_SAME, a.form->width, 1);
    }
    if (a.smooth) {
        more = w_max64(more, w_contract_doubles(a.smooth, true, 1, b.raw));
    }
    if (pair->upper) {
        more = w_add64(more, w_mul64(pair->width_a, pair->width_b));
    }
    return w_add64(w_add64(u, w_mul64(3, g)), more + 64);
}

static double pair_work(const w_pairs *plan, const w_pair *pair)
{
    side a = side_make(plan, pair->a), b = side_make(plan, pair->b);
    return (double)pair->size * (b.smooth ? (double)b.smooth->margin[b.smooth->margin_count - 1].k : 1) +
           (double)(a.form->levels * a.form->cells * a.form->width) * (double)(a.raw * b.raw);
}

/* Column of X of entry i of a side at a level; -1 none, -2 the response, -3 the added constant. */
static int64_t column_of(const w_pairs *plan, const side *s, int64_t level, int64_t i)
{
    if (s->block->kind == W_BLOCK_DENSE) {
        return i == plan->response ? -2 : i == s->form->source_width ? -3 : s->block->dense_column[i];
    }
    int64_t first = s->block->level_first[level];
    return first < 0 ? -1 : first + i;
}

static void put_matrix(const job *j, int64_t x, int64_t y, double value)
{
    w_gram *gram = j->gram;
    int64_t i = j->position[x], k = j->position[y];
    if (j->plan->linear) {
        return;
    }
    if (i >= 0 && k >= 0) {
        gram->matrix[i * gram->core + k] = gram->matrix[k * gram->core + i] = value;
    } else if (i < 0 && k < 0) {
        int64_t r = -1 - i, s = -1 - k, width = gram->arrow_k;
        if (r / width == s / width) {
            gram->arrow_diag[r * width + s % width] = gram->arrow_diag[s * width + r % width] = value;
        }
    } else {
        int64_t row = -1 - (i < 0 ? i : k), column = i < 0 ? k : i;
        gram->arrow_border[row * gram->core + column] = value;
    }
}

static void put_rhs(const job *j, int64_t x, double value)
{
    int64_t i = j->position[x];
    *(i >= 0 ? &j->gram->rhs[i] : &j->gram->arrow_rhs[-1 - i]) = value;
}

/* x, y: what the value is the product of. */
static void put(const job *j, int64_t x, int64_t y, double value)
{
    w_gram *gram = j->gram;
    if (x < 0 && y >= 0) {
        int64_t swap = x;
        x = y;
        y = swap;
    }
    if (x >= 0 && y >= 0) {
        put_matrix(j, x, y, value);
    } else if (x >= 0 && y == -2) {
        put_rhs(j, x, value);
    } else if (x >= 0 && y == -3) {
        gram->column_sum[x] = value;
    } else if (x == -2 && y == -2) {
        gram->zz = value;
    } else if (x == -3 && y == -3) {
        gram->weight_sum = value;
    } else if (x + y == -5) {
        gram->weight_z_sum = value;
    }
}

static void put_block(const job *j, const side *a, int64_t la, const side *b, int64_t lb, const double *g, bool symmetric)
{
    const w_pairs *plan = j->plan;
    for (int64_t r = 0; r < a->columns; r++) {
        int64_t x = column_of(plan, a, la, r);
        if (x == -1) {
            return;
        }
        for (int64_t s = symmetric ? r : 0; s < b->columns; s++) {
            int64_t y = column_of(plan, b, lb, s);
            if (y == -1) {
                break;
            }
            put(j, x, y, g[r * b->columns + s]);
        }
    }
}

/* Where a column of ones is among the values, its products are sums already. */
static void put_sums(const job *j, const side *a, int64_t la, const side *b, int64_t lb, const double *g)
{
    const w_pairs *plan = j->plan;
    bool dense_a = a->block->kind == W_BLOCK_DENSE, dense_b = b->block->kind == W_BLOCK_DENSE;
    if (plan->one == (dense_a ? a : b)->form->source_width) {
        return;
    }
    for (int64_t r = 0; r < a->columns; r++) {
        for (int64_t s = 0; s < b->columns; s++) {
            double value = g[r * b->columns + s];
            if (dense_a && r == plan->one) {
                put(j, -3, column_of(plan, b, lb, s), value);
                if (dense_b && s == plan->one) {
                    put(j, -3, -3, value);
                }
            } else if (dense_b && s == plan->one) {
                put(j, -3, column_of(plan, a, la, r), value);
            }
        }
    }
}

static const double *transformed(const job *j, const side *a, const side *b, const double *g, double *scratch)
{
    if (b->transform) {
        memset(scratch, 0, (size_t)(a->raw * b->columns) * sizeof *scratch);
        j->kernels->gemm(a->raw, b->columns, b->raw, g, b->raw, 1, b->transform, b->columns, scratch, b->columns);
        g = scratch;
        scratch += a->raw * b->columns;
    }
    if (a->transform) {
        memset(scratch, 0, (size_t)(a->columns * b->columns) * sizeof *scratch);
        j->kernels->gemm(a->columns, b->columns, a->raw, a->transform, 1, a->columns, g, b->columns, scratch, b->columns);
        g = scratch;
    }
    return g;
}

/* G of levels (la, lb); NULL when every table entry is zero. */
static const double *absorb(const job *j, const w_pair *pair, const double *table, const side *a, int64_t la, const side *b,
                            int64_t lb, double *u, double *g, double *scratch)
{
    int64_t area = (int64_t)pair->width_a * pair->width_b, cells_a = a->form->cells, cells_b = b->form->cells;
    int64_t u_cell = pair->width_a * b->raw;
    const double *in = u;
    for (int64_t c = 0; c < cells_a; c++) {
        int64_t cell = la * cells_a + c;
        if (pair->index == W_INDEX_CROSS) {
            cell = cell * b->form->levels * cells_b + lb * cells_b;
        } else if (pair->index == W_INDEX_LEVEL) {
            cell *= cells_b;
        }
        if (b->smooth) {
            w_cell_range range = pair->index == W_INDEX_SAME ? w_cells_one(b->smooth, c) : w_cells_all(b->smooth);
            w_contract(j->kernels, b->smooth, &range, pair->width_a, 1, table + cell * area, u + c * u_cell, scratch);
        } else if (cells_a == 1) {
            in = table + cell * area;
        } else {
            memcpy(u + c * u_cell, table + cell * area, (size_t)area * sizeof *u);
        }
    }
    if (a->smooth) {
        w_cell_range range = w_cells_all(a->smooth);
        w_contract(j->kernels, a->smooth, &range, 1, b->raw, in, g, scratch);
        in = g;
    }
    return in;
}

static void mirror(double *g, const double *upper, int64_t n)
{
    for (int64_t r = 0; r < n; r++) {
        for (int64_t s = 0; s < n; s++) {
            g[r * n + s] = s >= r ? upper[r * n + s] : upper[s * n + r];
        }
    }
}

static weir_status pair_task(void *arg, int64_t task, int worker)
{
    const job *j = arg;
    const w_pair *pair = &j->plan->pair[task];
    side a = side_make(j->plan, pair->a), b = side_make(j->plan, pair->b);
    bool same = a.form->block == b.form->block, dense = a.block->kind == W_BLOCK_DENSE || b.block->kind == W_BLOCK_DENSE;
    double *u = j->scratch[worker], *g = u + a.form->cells * a.form->width * b.raw, *t = g + a.raw * b.raw;
    double *square = t + 2 * a.raw * b.raw, *more = square + (pair->upper ? (int64_t)pair->width_a * pair->width_b : 0);
    const double *table = j->root + pair->offset;
    if (pair->upper) { /* maps need the values of both triangles */
        mirror(square, table, pair->width_a);
        table = square;
    }
    for (int64_t la = 0; la < a.form->levels; la++) {
        bool joint = pair->index == W_INDEX_SAME || pair->index == W_INDEX_LEVEL;
        for (int64_t lb = joint || same ? la : 0; lb < (joint ? la + 1 : b.form->levels); lb++) {
            const double *raw = absorb(j, pair, table, &a, la, &b, lb, u, g, more);
            const double *mapped = transformed(j, &a, &b, raw, t);
            put_block(j, &a, la, &b, lb, mapped, same && la == lb);
            if (dense) {
                put_sums(j, &a, la, &b, lb, mapped);
            }
        }
    }
    return WEIR_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static int64_t arrow_columns(const w_design *design, int arrow_block)
{
    return arrow_block < 0 ? 0 : design->block[arrow_block].levels * design->block[arrow_block].level_columns;
}

static weir_status gram_make(weir_ctx *ctx, const w_pairs *plan, int arrow_block, w_gram **out)
{
    const w_design *design = plan->design;
    int64_t arrow = arrow_columns(design, arrow_block);
    w_gram *gram = w_calloc(ctx, "gram", 1, sizeof *gram);
    if (!gram) {
        return w_alloc_status(ctx);
    }
    gram->ctx = ctx;
    gram->p = design->p;
    gram->core = design->p - arrow;
    gram->extra_count = plan->extra_count;
    size_t core = (size_t)gram->core;
    gram->core_column = w_calloc(ctx, "gram", core, sizeof(int64_t));
    gram->matrix = plan->linear ? NULL : w_calloc(ctx, "gram", w_mul_size(core, core), sizeof(double));
    gram->rhs = w_calloc(ctx, "gram", core, sizeof(double));
    gram->column_sum = w_calloc(ctx, "gram", (size_t)gram->p, sizeof(double));
    gram->extra = w_calloc(ctx, "gram", (size_t)gram->extra_count, sizeof(double));
    bool ok = gram->core_column && (gram->matrix || plan->linear) && gram->rhs && gram->column_sum && gram->extra;
    if (ok && arrow > 0) {
        gram->arrow_levels = design->block[arrow_block].levels;
        gram->arrow_k = design->block[arrow_block].level_columns;
        gram->arrow_first = design->block[arrow_block].level_first[0];
        gram->arrow_rhs = w_calloc(ctx, "gram", (size_t)arrow, sizeof(double));
        ok = gram->arrow_rhs != NULL;
    }
    if (ok && arrow > 0 && !plan->linear) {
        gram->arrow_diag = w_calloc(ctx, "gram", w_mul_size((size_t)arrow, (size_t)gram->arrow_k), sizeof(double));
        gram->arrow_border = w_calloc(ctx, "gram", w_mul_size((size_t)arrow, core), sizeof(double));
        ok = gram->arrow_diag && gram->arrow_border;
    }
    if (!ok) {
        w_gram_free(gram);
        return w_alloc_status(ctx);
    }
    for (int64_t c = 0, i = 0; c < gram->p; c++) {
        if (c < gram->arrow_first || c >= gram->arrow_first + arrow) {
            gram->core_column[i++] = c;
        }
    }
    *out = gram;
    return WEIR_OK;
}

void w_gram_free(w_gram *gram)
{
    if (gram) {
        weir_ctx *ctx = gram->ctx;
        w_free(ctx, gram->core_column);
        w_free(ctx, gram->matrix);
        w_free(ctx, gram->rhs);
        w_free(ctx, gram->column_sum);
        w_free(ctx, gram->extra);
        w_free(ctx, gram->arrow_diag);
        w_free(ctx, gram->arrow_border);
        w_free(ctx, gram->arrow_rhs);
        w_free(ctx, gram);
    }
}

static int64_t scratch_doubles(const w_pairs *plan)
{
    int64_t most = 0;
    for (int q = 0; q < plan->pair_count; q++) {
        most = w_max64(most, pair_doubles(plan, &plan->pair[q]));
    }
    return most;
}

int64_t w_gram_held_bytes(const w_design *design, int arrow_block)
{
    int64_t arrow = arrow_columns(design, arrow_block), core = design->p - arrow;
    int64_t total = 4096 + w_alloc_bytes(w_mul64(w_mul64(core, core), 8)) + w_alloc_bytes(core * 24 + design->p * 16);
    if (arrow > 0) {
        total = w_add64(total, w_mul64(arrow, w_mul64(8, design->block[arrow_block].level_columns + core + 1)));
    }
    return design->ar1 ? w_mul64(4, total) : total; /* A, B, L and C(rho): ar1.h */
}

int64_t w_gram_bytes(const w_design *design, int arrow_block)
{
    w_pairs *plan = NULL;
    if (w_pairs_create(design->ctx, design, 0, false, &plan) != WEIR_OK) {
        return INT64_MAX;
    }
    int64_t workers = w_pool_workers(design->ctx);
    int64_t total = w_add64(w_gram_held_bytes(design, arrow_block),
                            w_alloc_bytes(plan->total_count * 8) + w_alloc_bytes(workers * 8));
    int64_t scratch = w_max64(scratch_doubles(plan), plan->lag ? scratch_doubles(plan->lag) : 0);
    total = w_add64(total, w_mul64(workers, w_alloc_bytes(w_mul64(scratch, 8))));
    w_pairs_free(plan);
    return total;
}

static weir_status job_run(weir_ctx *ctx, job *j)
{
    double work = 0;
    for (int q = 0; q < j->plan->pair_count; q++) {
        work += pair_work(j->plan, &j->plan->pair[q]);
    }
    if (work > SERIAL_WORK) {
        return w_pool_run(ctx, j->plan->pair_count, pair_task, j);
    }
    for (int q = 0; q < j->plan->pair_count; q++) {
        pair_task(j, q, 0);
    }
    return WEIR_OK;
}

/* Takes what the job needs besides the gram itself. */
static weir_status job_open(weir_ctx *ctx, job *j, int64_t doubles, int workers, double **root)
{
    const w_gram *gram = j->gram;
    *root = w_alloc_array(ctx, "gram cells", (size_t)doubles, sizeof(double));
    j->position = w_alloc_array(ctx, "gram", (size_t)gram->p, sizeof(int64_t));
    j->scratch = w_calloc(ctx, "gram", (size_t)workers, sizeof *j->scratch);
    bool ok = *root && j->position && j->scratch;
    for (int i = 0; ok && i < workers; i++) {
        j->scratch[i] = w_alloc_array(ctx, "gram scratch", (size_t)scratch_doubles(j->plan), sizeof(double));
        ok = j->scratch[i] != NULL;
    }
    if (!ok) {
        return w_alloc_status(ctx);
    }
    int64_t arrow = gram->p - gram->core;
    for (int64_t c = 0, i = 0; c < gram->p; c++) {
        bool apart = c >= gram->arrow_first && c < gram->arrow_first + arrow;
        j->position[c] = apart ? -1 - (c - gram->arrow_first) : i++;
    }
    return WEIR_OK;
}

/* Parts of the sums that have tables of their own: ar1.h. */
typedef enum part { PART_ROWS, PART_ENDS, PART_LAG } part;

/* Tables of the part in the root. */
static const double *part_of(const w_pairs *plan, part which, double *root)
{
    if (which == PART_LAG) {
        for (int64_t i = 0; i < plan->lag->table_count; i++) {
            root[plan->lag_offset + i] += root[plan->lead_offset + i];
        }
    }
    return root + (which == PART_LAG ? plan->lag_offset : which == PART_ENDS ? plan->ends_offset : 0);
}

static weir_status gram_of(w_sums *sums, part which, int arrow_block, w_gram **out)
{
    weir_ctx *ctx = sums->ctx;
    const w_pairs *plan = sums->plan;
    job j = { .plan = which == PART_LAG ? plan->lag : plan, .kernels = w_kernels_choose() };
    int workers = w_pool_workers(ctx);
    double *root = NULL;
    weir_status status = check_complete(sums);
    if (status == WEIR_OK) {
        status = check_arrow(sums, arrow_block);
    }
    if (status == WEIR_OK) {
        status = gram_make(ctx, j.plan, arrow_block, &j.gram);
    }
    if (status == WEIR_OK) {
        status = job_open(ctx, &j, plan->total_count, workers, &root);
    }
    if (status == WEIR_OK) {
        fold(sums, &sums->run[0], root);
        j.root = part_of(plan, which, root);
        status = job_run(ctx, &j);
    }
    for (int i = 0; j.scratch && i < workers; i++) {
        w_free(ctx, j.scratch[i]);
    }
    w_free(ctx, j.scratch);
    w_free(ctx, j.position);
    if (status == WEIR_OK) {
        j.gram->n = (int64_t)root[which == PART_LAG ? plan->links_offset : plan->count_offset];
        j.gram->log_weight_sum = root[plan->log_offset];
        memcpy(j.gram->extra, root + plan->extra_offset, (size_t)j.gram->extra_count * sizeof *root);
        *out = j.gram;
    } else {
        w_gram_free(j.gram);
    }
    w_free(ctx, root);
    return status;
}

weir_status w_sums_gram(w_sums *sums, int arrow_block, w_gram **out)
{
    return gram_of(sums, PART_ROWS, arrow_block, out);
}

/* gram += w (x, z)(x, z)', x without entries in two levels of the arrow block. */
static void add_row(w_gram *gram, const double *x, double z, double weight)
{
    const int64_t core = gram->core, k = gram->arrow_k;
    for (int64_t i = 0; i < core; i++) {
        const double xi = x[gram->core_column[i]];
        for (int64_t j = 0; j < core && xi != 0; j++) {
            gram->matrix[i * core + j] += weight * (xi * x[gram->core_column[j]]);
        }
        gram->rhs[i] += weight * (xi * z);
    }
    for (int64_t r = 0; r < gram->arrow_levels * k; r++) {
        const double *level = x + gram->arrow_first + r / k * k, xr = x[gram->arrow_first + r];
        for (int64_t s = 0; s < k && xr != 0; s++) {
            gram->arrow_diag[r * k + s] += weight * (xr * level[s]);
        }
        for (int64_t j = 0; j < core && xr != 0; j++) {
            gram->arrow_border[r * core + j] += weight * (xr * x[gram->core_column[j]]);
        }
        gram->arrow_rhs[r] += weight * (xr * z);
    }
    gram->zz += weight * (z * z);
}

weir_status w_sums_lag_grams(w_sums *sums, int arrow_block, w_gram **ends, w_gram **lag)
{
    if (!sums->plan->lag) {
        return w_fail(sums->ctx, WEIR_E_ARG, "these sums hold no products of neighbouring rows");
    }
    weir_status status = gram_of(sums, PART_ENDS, arrow_block, ends);
    if (status != WEIR_OK) {
        return status;
    }
    const int64_t p = (*ends)->p;
    add_row(*ends, sums->last_row, sums->last_row[p], sums->last_row[p + 1]);
    status = gram_of(sums, PART_LAG, arrow_block, lag);
    if (status != WEIR_OK) {
        w_gram_free(*ends);
        *ends = NULL;
    }
    return status;
}
