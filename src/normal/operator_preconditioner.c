/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks A_ee + S_ee of the units at the present smoothing parameters; those of trees taken together by the factor of
 * operator_refine.h. */
#include <string.h>

#include "base/size.h"
#include "normal/operator_parts.h"

static const w_unit *unit_of(const w_matrix_free *op, int64_t coordinate)
{
    int u = op->unit_count - 1;
    while (u > 0 && (op->unit[u].columns == 0 || coordinate < op->unit[u].first)) {
        u--;
    }
    return &op->unit[u];
}

/* One repetition of a penalty at coordinate `first`; outside a unit's blocks only its diagonal counts. */
static void add_repetition(const w_unit *unit, const w_design_penalty *penalty, double lambda, int64_t first, double *matrix,
                           double *diagonal)
{
    const int64_t k = penalty->k, order = unit->order, offset = (first - unit->first) % order;
    double *block = matrix + unit->matrix + (first - unit->first - offset) * order;
    for (int64_t i = 0; i < k; i++) {
        diagonal[first + i] += lambda * (penalty->matrix ? penalty->matrix[i * (k + 1)] : 1.0);
        if (!unit->full) {
            continue;
        }
        if (!penalty->matrix || offset + k > order) {
            const int64_t at = (first - unit->first + i) % order, level = (first - unit->first + i) / order;
            matrix[unit->matrix + level * order * order + at * (order + 1)] +=
                lambda * (penalty->matrix ? penalty->matrix[i * (k + 1)] : 1.0);
            continue;
        }
        for (int64_t j = 0; j < k; j++) {
            block[(offset + i) * order + offset + j] += lambda * penalty->matrix[i * k + j];
        }
    }
}

static void add_penalties(const w_matrix_free *op, double *matrix, double *diagonal)
{
    for (int j = 0; j < op->design->penalty_count; j++) {
        const w_design_penalty *penalty = &op->design->penalty[j];
        const w_unit *unit = unit_of(op, op->part_first[j]);
        for (int64_t r = 0; r < penalty->repeat; r++) {
            add_repetition(unit, penalty, op->lambda[penalty->sp], op->part_first[j] + r * penalty->k, matrix, diagonal);
        }
    }
}

static int64_t count_blocks(const w_matrix_free *op)
{
    int64_t count = 0;
    for (int u = 0; u < op->unit_count; u++) {
        count += op->unit[u].full ? op->unit[u].block_count : op->unit[u].columns > 0;
    }
    return count;
}

static void list_blocks(const w_matrix_free *op, const double *matrix, const double *diagonal, w_term_block *block)
{
    for (int u = 0; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        for (int64_t l = 0; unit->full && l < unit->block_count; l++) {
            *block++ = (w_term_block){ .size = unit->order, .matrix = matrix + unit->matrix + l * unit->order * unit->order };
        }
        if (!unit->full && unit->columns > 0) { /* of refined units: ones, before their own factors */
            *block++ = (w_term_block){ .size = unit->columns, .diagonal = diagonal + unit->first };
        }
    }
}

/* A column without data and penalty has a diagonal of 0, which stands for 1. */
static void replace_zeros(double *diagonal, int64_t p)
{
    for (int64_t c = 0; c < p; c++) {
        diagonal[c] = diagonal[c] > 0.0 ? diagonal[c] : 1.0;
    }
}

/* ---- trees taken together -------------------------------------------------------------------------------------------- */

#define FRONT_DOUBLES ((int64_t)W_REFINED_TREES * (W_REFINED_TREES + 1))

typedef struct sweeps {
    w_preconditioner blocks;
    const w_matrix_free *op;
    int64_t *place;  /* per unit: its factor among `factor`; -1 = none */
    double *factor;
} sweeps;

typedef struct sweep_job {
    const sweeps *s;
    double *y;
    int64_t count;
    bool root;
} sweep_job;

static weir_status sweep_task(void *arg, int64_t unit, int worker)
{
    (void)worker;
    const sweep_job *j = arg;
    if (j->s->place[unit] >= 0) {
        const w_refined *refined = j->s->op->unit[unit].refined;
        (j->root ? w_refined_root : w_refined_solve)(refined, j->s->factor + j->s->place[unit], j->y, j->count);
    }
    return WEIR_OK;
}

static weir_status sweeps_apply(void *user, const w_vectors *block, const double *x, double *y)
{
    const sweeps *s = user;
    sweep_job j = { .s = s, .y = y, .count = block->columns };
    weir_status status = s->blocks.apply(s->blocks.user, block, x, y);
    return status < 0 ? status : w_pool_run(s->op->ctx, s->op->unit_count, sweep_task, &j);
}

static weir_status sweeps_root(void *user, const w_vectors *block, const double *x, double *y)
{
    const sweeps *s = user;
    sweep_job j = { .s = s, .y = y, .count = block->columns, .root = true };
    weir_status status = s->blocks.root(s->blocks.user, block, x, y);
    return status < 0 ? status : w_pool_run(s->op->ctx, s->op->unit_count, sweep_task, &j);
}

static double sweeps_log_det(const void *user, int64_t group)
{
    const sweeps *s = user;
    double sum = s->blocks.log_det(s->blocks.user, group);
    for (int u = 0; u < s->op->unit_count; u++) {
        sum += s->place[u] < 0 ? 0.0 : w_refined_log_det(s->op->unit[u].refined, s->factor + s->place[u]);
    }
    return sum;
}

static void sweeps_destroy(weir_ctx *ctx, void *user)
{
    sweeps *s = user;
    w_preconditioner_free(ctx, &s->blocks);
    w_free(ctx, s->factor);
    w_free(ctx, s->place);
    w_free(ctx, s);
}

typedef struct factor_job {
    const sweeps *s;
    const double *penalty;
    double *front;
    int64_t *raised; /* per unit */
} factor_job;

static weir_status factor_task(void *arg, int64_t unit, int worker)
{
    const factor_job *j = arg;
    if (j->s->place[unit] >= 0) {
        double *front = j->front + worker * FRONT_DOUBLES;
        j->raised[unit] = w_refined_factor(j->s->op->unit[unit].refined, j->penalty, j->s->factor + j->s->place[unit], front);
    }
    return WEIR_OK;
}

/* Diagonal of S: penalties of trees are multiples of the identity. */
static void penalty_diagonal(const w_matrix_free *op, double *out)
{
    memset(out, 0, (size_t)op->design->p * sizeof *out);
    for (int j = 0; j < op->design->penalty_count; j++) {
        const w_design_penalty *penalty = &op->design->penalty[j];
        for (int64_t i = 0; !penalty->matrix && i < penalty->k * penalty->repeat; i++) {
            out[op->part_first[j] + i] += op->lambda[penalty->sp];
        }
    }
}

static int64_t factor_doubles(const w_matrix_free *op, int64_t *place)
{
    int64_t next = 0;
    for (int u = 0; u < op->unit_count; u++) {
        const w_refined *refined = op->unit[u].refined;
        place[u] = refined ? next : -1;
        next += refined ? refined->steps * refined->trees : 0;
    }
    return next;
}

/* Wraps `blocks`, taking it over, where trees are taken together. */
static weir_status add_sweeps(w_matrix_free *op, const double *penalty, w_block_report *report, w_preconditioner *blocks)
{
    weir_ctx *ctx = op->ctx;
    const size_t units = (size_t)op->unit_count;
    sweeps *s = w_calloc(ctx, "preconditioner", 1, sizeof *s);
    int64_t *place = w_calloc(ctx, "preconditioner", 2 * units, sizeof *place);
    const int64_t doubles = place ? factor_doubles(op, place) : 0;
    double *factor = w_alloc_array(ctx, "preconditioner", (size_t)doubles + 1, sizeof *factor);
    double *front = w_alloc_array(ctx, "preconditioner", (size_t)op->workers * FRONT_DOUBLES, sizeof *front);
    weir_status status = s && place && factor && front ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        *s = (sweeps){ .blocks = *blocks, .op = op, .place = place, .factor = factor };
        factor_job job = { .s = s, .penalty = penalty, .front = front, .raised = place + units };
        status = w_pool_run(ctx, op->unit_count, factor_task, &job);
    }
    w_free(ctx, front);
    if (status < 0) {
        w_free(ctx, factor);
        w_free(ctx, place);
        w_free(ctx, s);
        return status;
    }
    for (size_t u = 0; report && u < units; u++) {
        report->raised += place[units + u] > 0;
    }
    *blocks = (w_preconditioner){ .apply = sweeps_apply, .root = sweeps_root, .log_det = sweeps_log_det, .destroy = sweeps_destroy,
                                  .user = s };
    return WEIR_OK;
}

/* B z, z the vector of ones that these units hold at first, in the place of the diagonal (which it is for other factors): what the coarse space asks for. */
static void constant_images(w_matrix_free *op, const double *penalty, double *diagonal)
{
    for (int u = 0; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        double *cells = op->gamma;
        if (!unit->refined) {
            continue;
        }
        w_refined_expand(unit->refined, diagonal, 1, 0, 1, 1, cells);
        for (int64_t c = 0; c < unit->cells; c++) {
            cells[c] *= unit->refined->mass[c];
        }
        w_refined_contract(unit->refined, cells, 1, diagonal, 1, 0, 1);
        for (int64_t i = unit->first; i < unit->first + unit->columns; i++) {
            diagonal[i] += penalty[i];
        }
    }
}

/* ---- the whole -------------------------------------------------------------------------------------------------------- */

static bool any_refined(const w_matrix_free *op)
{
    bool any = false;
    for (int u = 0; u < op->unit_count; u++) {
        any = any || op->unit[u].refined;
    }
    return any;
}

/* Factors of the blocks, then those of trees, then the coarse space. */
static weir_status build(w_matrix_free *op, const double *matrix, double *diagonal, double *penalty, w_term_block *block,
                         int64_t count, w_block_report *report, w_preconditioner *made)
{
    const bool refined = any_refined(op);
    for (int u = 0; u < op->unit_count; u++) {
        for (int64_t i = 0; op->unit[u].refined && i < op->unit[u].columns; i++) {
            diagonal[op->unit[u].first + i] = 1.0;
        }
    }
    list_blocks(op, matrix, diagonal, block);
    weir_status status = w_preconditioner_blocks(op->ctx, 1, &op->design->p, count, block, report, made);
    if (status >= 0 && refined) {
        penalty_diagonal(op, penalty);
        status = add_sweeps(op, penalty, report, made);
        constant_images(op, penalty, diagonal);
    }
    return status < 0 || op->kind == W_MATRIX_FREE_BLOCKS ? status : w_matrix_free_two_level(op, diagonal, made);
}

/* Not from blocks. diagonal: of H. */
static weir_status build_simple(w_matrix_free *op, double *diagonal, w_preconditioner *made)
{
    const int64_t p = op->design->p;
    if (op->kind == W_MATRIX_FREE_NYSTROM) {
        const w_nystrom_options options = { .rank = w_min64(W_MATRIX_FREE_SKETCH, p), .seed = 20011, .columns = op->vectors };
        return w_preconditioner_nystrom(op->ctx, &op->operator, &options, NULL, made);
    }
    for (int64_t i = 0; op->kind == W_MATRIX_FREE_NONE && i < p; i++) {
        diagonal[i] = 1.0;
    }
    return w_preconditioner_jacobi(op->ctx, 1, &p, diagonal, made);
}

void w_matrix_free_choose(w_matrix_free *op, w_matrix_free_kind kind) { op->kind = kind; }

int64_t w_matrix_free_nystrom_bytes(const w_design *design, int vectors)
{
    const w_nystrom_options options = { .rank = w_min64(W_MATRIX_FREE_SKETCH, design->p), .columns = vectors };
    return w_preconditioner_nystrom_bytes(1, &design->p, &options);
}

weir_status w_matrix_free_preconditioner(w_matrix_free *op, w_block_report *report, w_preconditioner *out)
{
    weir_ctx *ctx = op->ctx;
    const int64_t p = op->design->p, count = count_blocks(op);
    double *matrix = w_alloc_array(ctx, "preconditioner", (size_t)(op->blocks + 2 * p), sizeof *matrix);
    w_term_block *block = w_alloc_array(ctx, "preconditioner", (size_t)count, sizeof *block);
    weir_status status = matrix && block ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        double *diagonal = matrix + op->blocks;
        memcpy(matrix, op->matrix, (size_t)op->blocks * sizeof *matrix);
        memcpy(diagonal, op->diagonal, (size_t)p * sizeof *diagonal);
        add_penalties(op, matrix, diagonal);
        replace_zeros(diagonal, p);
        w_preconditioner made = { 0 };
        const bool simple = op->kind != W_MATRIX_FREE_TWO_LEVEL && op->kind != W_MATRIX_FREE_BLOCKS;
        status = simple ? build_simple(op, diagonal, &made)
                        : build(op, matrix, diagonal, diagonal + p, block, count, report, &made);
        if (status < 0) {
            w_preconditioner_free(ctx, &made);
        } else {
            *out = made;
        }
    }
    w_free(ctx, block);
    w_free(ctx, matrix);
    return status;
}

/* Of a block that trees share; in a skeleton, where it is not known what they share, at most. */
static int64_t sweep_bytes(const w_design *design, int b)
{
    const w_smooth *trees;
    const double *value;
    int64_t tree, cells, leaves, together;
    int member[W_REFINED_TREES];
    if (!w_design_tree(design, b, &trees, &tree, &value)) {
        return 0;
    }
    const int count = w_refined_members(design, b, member, &cells);
    if (trees->margin[0].features && w_trees_column(trees, tree)) { /* drawn */
        together = count;
    } else {
        together = w_min64(w_trees_count(trees, &leaves), W_REFINED_TREES);
        member[0] = b;
    }
    int64_t levels = 0;
    for (int t = 0; t < w_max64(1, count); t++) {
        levels += design->block[member[t]].levels;
    }
    return together > 1 ? w_mul64(w_mul64(levels, together), 8) + (int64_t)sizeof(sweeps) + 128 : 0;
}

int64_t w_matrix_free_preconditioner_bytes(const w_design *design, int workers)
{
    int64_t tables, matrix, scratch, q = W_MATRIX_FREE_COARSE;
    w_units_gammas(design, &tables, &matrix, &scratch);
    q = w_min64(q, design->block[0].width + design->block_count);
    /* blocks made, blocks kept, list of them; E, map, work, Z'AZ and its vectors */
    int64_t bytes = w_mul64(w_add64(matrix, w_mul64(2, design->p)), 2 * 8);
    int64_t blocks = 0, sweeps_of_all = 0;
    for (int b = 0; b < design->block_count; b++) {
        blocks = w_add64(blocks, design->block[b].levels);
        sweeps_of_all = w_add64(sweeps_of_all, sweep_bytes(design, b));
    }
    if (sweeps_of_all > 0) {
        bytes = w_add64(bytes, w_add64(sweeps_of_all, w_mul64(workers, FRONT_DOUBLES * 8)));
    }
    bytes = w_add64(bytes, w_mul64(blocks, 128));
    bytes = w_add64(bytes, 8 * 6 * q * q);
    return w_add64(bytes, w_add64(w_mul64(design->p, 8 * (1 + 2 * W_MATRIX_FREE_VECTORS)), 8192));
}
