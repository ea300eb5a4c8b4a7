/* SPDX-License-Identifier: Apache-2.0 */
/* Making a penalised system, solving it for beta, and what the solution is worth.
 *
 * With s = S_lambda beta and residual r = f - A beta - s (f = X'Wz) the backward error is taken in the coordinates scaled to
 * unit diagonal, where no column dominates by its units:  ||D r|| / (||D H D|| ||D^-1 beta|| + ||D f||).  Above p eps one step of
 * refinement beta += P r is done. The residual sum of squares  z'Wz - beta'(2f - A beta)  has an error of second order in
 * that of beta. */
#include "solve/parts.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

static weir_status check_shapes(weir_ctx *ctx, const w_gram *gram, const w_design *design)
{
    const int64_t arrow = w_mul64(gram->arrow_levels, gram->arrow_k);
    if (gram->p != design->p || gram->core + arrow != gram->p || w_narrow(w_mul64(gram->core, 4)) < 0 || w_narrow(arrow) < 0) {
        return w_fail(ctx, WEIR_E_INTERNAL, "the cross-products do not belong to this design");
    }
    for (int64_t i = 0; i < gram->core; i++) {
        const int64_t column = arrow == 0 || i < gram->arrow_first ? i : i + arrow;
        if (gram->core_column[i] != column) {
            return w_fail(ctx, WEIR_E_INTERNAL, "the core columns of the cross-products are not in ascending order");
        }
    }
    return WEIR_OK;
}

/* Rotated copies of the core and of the border. */
static weir_status copy_gram(w_system *system)
{
    const w_gram *gram = system->gram;
    const size_t p0 = (size_t)system->core, square = w_mul_size(p0, p0), rows = (size_t)(system->levels * system->k);
    system->matrix = w_arena_alloc(&system->arena, square, sizeof(double));
    system->rhs = w_arena_alloc(&system->arena, p0, sizeof(double));
    system->work = w_arena_alloc(&system->arena, square, sizeof(double));
    if (!system->matrix || !system->rhs || !system->work) {
        return w_alloc_status(system->ctx);
    }
    memcpy(system->matrix, gram->matrix, square * sizeof(double));
    w_core_rotate_matrix(system, system->matrix, false);
    w_core_rotate(system, gram->rhs, system->rhs, false);
    if (system->levels > 0) {
        system->border = w_arena_alloc(&system->arena, w_mul_size(p0, rows), sizeof(double));
        if (!system->border) {
            return w_alloc_status(system->ctx);
        }
        memcpy(system->border, gram->arrow_border, p0 * rows * sizeof(double));
        w_core_rotate_columns(system, system->border, (int64_t)rows, false);
    }
    return WEIR_OK;
}

static weir_status allocate_images(w_system *system)
{
    for (int i = 0; i < system->piece_count; i++) {
        w_piece *piece = &system->piece[i];
        if (piece->arrow || piece->matrix != NULL) {
            const int64_t rows = piece->arrow ? system->core : piece->count;
            piece->image = w_arena_alloc(&system->arena, w_mul_size((size_t)rows, (size_t)system->core), sizeof(double));
            if (!piece->image) {
                return w_alloc_status(system->ctx);
            }
        }
    }
    return WEIR_OK;
}

static weir_status allocate_work(w_system *system)
{
    w_arena *arena = &system->arena;
    const size_t p0 = (size_t)system->core, rows = (size_t)(system->levels * system->k), count = (size_t)system->sp_count;
    system->lambda = w_arena_calloc(arena, count, sizeof(double));
    system->beta = w_arena_calloc(arena, (size_t)system->p, sizeof(double));
    system->core_beta = w_arena_calloc(arena, p0 * 3, sizeof(double));
    system->level_beta = w_arena_calloc(arena, rows * 3, sizeof(double));
    system->vector = w_arena_alloc(arena, w_mul_size(4, p0 + rows), sizeof(double));
    system->gradient_map = w_arena_alloc(arena, w_mul_size(2, w_mul_size(p0, count)), sizeof(double));
    system->without = w_arena_alloc(arena, p0, 1);
    bool ok = system->lambda && system->beta && system->core_beta && system->level_beta && system->vector &&
              system->gradient_map && system->without;
    if (system->levels > 0) {
        const int64_t chunk = w_mul64(system->core, w_max64(system->core, system->k));
        const int64_t chunks = w_arrow_chunks(system->levels, system->k);
        system->chunk = w_arena_alloc(arena, (size_t)w_mul64(chunk, chunks), sizeof(double));
        ok = ok && system->chunk;
    }
    if (!ok) {
        return w_alloc_status(system->ctx);
    }
    system->core_fit = system->core_beta + p0;
    system->core_pull = system->core_beta + 2 * p0;
    system->level_fit = system->level_beta + rows;
    system->level_pull = system->level_beta + 2 * rows;
    weir_status status = w_factor_allocate(system, &system->full);
    return status < 0 ? status : allocate_images(system);
}

/* Columns that a face holds are in the core: no shape is eliminated. */
static weir_status take_face(w_system *system)
{
    if (system->face == NULL || system->face->fixed_count == 0) {
        return WEIR_OK;
    }
    system->fixed = w_arena_alloc(&system->arena, (size_t)system->core, 1);
    if (system->fixed == NULL) {
        return w_alloc_status(system->ctx);
    }
    for (int64_t i = 0; i < system->core; i++) {
        system->fixed[i] = system->face->fixed[system->gram->core_column[i]];
    }
    return WEIR_OK;
}

static weir_status build(w_system *system)
{
    weir_status status = check_shapes(system->ctx, system->gram, system->design);
    if (status < 0) {
        return status;
    }
    system->penalised = w_arena_calloc(&system->arena, (size_t)system->core, 1);
    if (system->penalised == NULL) {
        return w_alloc_status(system->ctx);
    }
    status = take_face(system);
    if (status >= 0) {
        status = w_pieces_compile(system);
    }
    if (status >= 0) {
        status = copy_gram(system);
    }
    if (status >= 0) {
        status = allocate_work(system);
    }
    if (status < 0) {
        return status;
    }
    for (int64_t i = 0; i < system->core; i++) {
        system->penalised_count += system->penalised[i];
    }
    int64_t arrow_rank = 0;
    for (int i = 0; i < system->design->penalty_count; i++) {
        const w_design_penalty *penalty = &system->design->penalty[i];
        if (system->levels > 0 && penalty->first >= system->arrow_first &&
            penalty->first < system->arrow_first + system->levels * system->k) {
            arrow_rank += penalty->rank * penalty->repeat;
        }
    }
    arrow_rank = w_min64(arrow_rank, system->levels * system->k);
    system->penalised_count += arrow_rank;
    system->range_known = system->range_known && arrow_rank == system->levels * system->k;
    return WEIR_OK;
}

weir_status w_system_create(weir_ctx *ctx, const w_gram *gram, const w_design *design, w_system **out)
{
    return w_system_create_on(ctx, gram, design, NULL, out);
}

weir_status w_system_create_on(weir_ctx *ctx, const w_gram *gram, const w_design *design, const w_face *face, w_system **out)
{
    W_BLAS_SERIAL;
    w_system *system = w_calloc(ctx, "penalised system", 1, sizeof *system);
    if (system == NULL) {
        return w_alloc_status(ctx);
    }
    system->ctx = ctx;
    system->gram = gram;
    system->design = design;
    system->face = face;
    w_arena_init(&system->arena, ctx, "penalised system");
    system->p = gram->p;
    system->core = gram->core;
    system->levels = gram->arrow_levels;
    system->k = gram->arrow_levels > 0 ? gram->arrow_k : 0;
    system->arrow_first = gram->arrow_first;
    system->sp_count = design->sp_count;
    weir_status status = build(system);
    if (status < 0) {
        w_system_free(system);
        return status;
    }
    *out = system;
    return WEIR_OK;
}

void w_system_free(w_system *system)
{
    if (system != NULL) {
        weir_ctx *ctx = system->ctx;
        w_arena_free(&system->arena);
        w_free(ctx, system);
    }
}

typedef struct sizes {
    int64_t levels, k, p0, rows; /* of the arrow block; p0 core columns, rows = levels k */
} sizes;

static sizes sizes_of(const w_design *design, int arrow_block)
{
    sizes s = { 0 };
    if (arrow_block >= 0) {
        s.levels = design->block[arrow_block].levels;
        s.k = design->block[arrow_block].level_columns;
    }
    s.rows = w_mul64(s.levels, s.k);
    s.p0 = w_max64(design->p - s.rows, 0);
    return s;
}

static void add_doubles(w_arena_need *need, int64_t rows, int64_t columns)
{
    w_arena_need_add(need, 1, w_mul64(w_mul64(rows, columns), sizeof(double)));
}

static void add_factor(w_arena_need *need, sizes s)
{
    add_doubles(need, s.p0, 1);
    add_doubles(need, s.p0, s.p0);
    add_doubles(need, s.p0, s.p0);
    add_doubles(need, s.p0, 1);
    for (int i = 0; i < 3; i++) {
        add_doubles(need, s.rows, s.k);
    }
    add_doubles(need, s.p0, s.rows);
}

/* Penalties with a matrix (a skeleton has none yet: all but identities) are rotated and have images. */
static void add_pieces(w_arena_need *need, const w_design *design, int arrow_block, sizes s)
{
    const int64_t *level_first = arrow_block >= 0 ? design->block[arrow_block].level_first : NULL;
    const int64_t first = level_first ? level_first[0] : -1;
    for (int i = 0; i < design->penalty_count; i++) {
        const w_design_penalty *penalty = &design->penalty[i];
        const bool arrow = first >= 0 && penalty->first >= first && penalty->first < first + s.rows;
        const int64_t columns = w_mul64(penalty->k, penalty->repeat);
        if (arrow) {
            add_doubles(need, s.p0, s.p0);
        } else if (penalty->matrix != NULL || penalty->rank < penalty->k) {
            add_doubles(need, columns, s.p0);
            add_doubles(need, 2 * penalty->k, penalty->k);
            add_doubles(need, 2, penalty->k);
        }
    }
    w_arena_need_add(need, 1, w_mul64(256, w_add64(w_mul64(2, design->penalty_count), 4)));
}

/* The longest-lived block of workspace beside the arena: leverage, effects, curvature, covariance blocks or the rotation of a
 * penalty. */
static int64_t work_bytes(const w_design *design, sizes s)
{
    int64_t widest = 0;
    for (int i = 0; i < design->penalty_count; i++) {
        widest = w_max64(widest, design->penalty[i].k);
    }
    const int64_t square = w_mul64(s.p0, s.p0), k2 = w_mul64(s.k, s.k), p = w_add64(s.p0, s.rows);
    const int64_t level = s.rows > 0 ? w_add64(w_mul64(2, w_mul64(s.k, s.p0)), 8 * k2) : 0;
    int64_t doubles = w_add64(w_mul64(3, square), w_add64(level, w_mul64(8, p)));
    doubles = w_max64(doubles, w_add64(w_mul64(4, w_mul64(widest, widest)), w_mul64(8, widest)));
    doubles = w_max64(doubles, w_mul64(p, 2 * (int64_t)design->sp_count + 4));
    return w_add64(w_mul64(doubles, sizeof(double)), 4096);
}

/* Two factorizations (the second one serves ML), the passes over an arrow, and the largest workspace. */
int64_t w_system_bytes(const w_design *design, int arrow_block)
{
    const sizes s = sizes_of(design, arrow_block);
    w_arena_need need = { 0 };
    add_doubles(&need, s.p0, s.p0);
    add_doubles(&need, s.p0, s.p0);
    add_doubles(&need, s.p0, s.rows);
    add_factor(&need, s);
    add_factor(&need, s);
    add_pieces(&need, design, arrow_block, s);
    for (int i = 0; i < 12; i++) {
        add_doubles(&need, s.p0 + s.rows, 1);
    }
    add_doubles(&need, s.p0, 2 * (int64_t)design->sp_count);
    if (s.levels > 0) {
        add_doubles(&need, w_arrow_chunks(s.levels, s.k), w_mul64(s.p0, w_max64(s.p0, s.k)));
    }
    return w_add64(w_arena_need_bytes(&need), w_add64(work_bytes(design, s), 1 << 13));
}

/* ---- solving ------------------------------------------------------------------------------------------------------ */

static void penalty_times_beta(w_system *system)
{
    memset(system->core_pull, 0, (size_t)system->core * sizeof(double));
    memset(system->level_pull, 0, (size_t)(system->levels * system->k) * sizeof(double));
    for (int i = 0; i < system->piece_count; i++) {
        w_piece_times(system, &system->piece[i], system->core_beta, system->level_beta, system->core_pull,
                      system->level_pull);
    }
}

/* A beta, core and levels. */
static void gram_times_beta(w_system *system)
{
    const int64_t k = system->k;
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)system->core, inc = 1;
    if (n > 0) {
        dsymv_("U", &n, &one, system->matrix, &n, system->core_beta, &inc, &zero, system->core_fit, &inc);
    }
    if (system->levels == 0) {
        return;
    }
    for (int64_t l = 0; l < system->levels; l++) {
        for (int64_t r = 0; r < k; r++) {
            system->level_fit[l * k + r] =
                w_dot(k, system->gram->arrow_diag + (l * k + r) * k, system->level_beta + l * k);
        }
    }
    if (n > 0) {
        w_arrow_border_times(system, system->core_beta, system->level_fit, 1.0);
        w_arrow_border_transposed(system, system->level_beta, system->core_fit, 1.0);
    }
}

/* Residual of the normal equations into core, level; returns the backward error (see above). */
static double residual(w_system *system, double *core, double *level)
{
    const w_factor *factor = &system->full;
    double norm = 0.0, beta = 0.0, rhs = 0.0;
    gram_times_beta(system);
    penalty_times_beta(system);
    for (int64_t i = 0; i < system->core; i++) {
        const double d = factor->dropped[i] ? 0.0 : factor->scale[i];
        core[i] = factor->dropped[i] ? 0.0 : system->rhs[i] - system->core_fit[i] - system->core_pull[i];
        norm = fmax(norm, fabs(d * core[i]));
        beta = fmax(beta, d > 0.0 ? fabs(system->core_beta[i] / d) : 0.0);
        rhs = fmax(rhs, fabs(d * system->rhs[i]));
    }
    const int64_t k = system->k;
    for (int64_t i = 0; i < system->levels * k; i++) {
        const double r = factor->level_chol[(i / k) * k * k + (i % k) * (k + 1)];
        const double f = system->gram->arrow_rhs[i];
        level[i] = r > 0.0 ? f - system->level_fit[i] - system->level_pull[i] : 0.0;
        if (r > 0.0) {
            norm = fmax(norm, fabs(level[i] / r));
            beta = fmax(beta, fabs(system->level_beta[i] * r));
            rhs = fmax(rhs, fabs(f / r));
        }
    }
    const double size = fmax(factor->norm, 1.0) * beta + rhs;
    return size > 0.0 ? norm / size : 0.0;
}

static void solve_beta(w_system *system)
{
    const int64_t rows = system->levels * system->k;
    double *core = system->vector, *level = system->vector + system->core;
    memcpy(system->core_beta, system->rhs, (size_t)system->core * sizeof(double));
    if (rows > 0) {
        memcpy(system->level_beta, system->gram->arrow_rhs, (size_t)rows * sizeof(double));
    }
    w_factor_solve(system, &system->full, system->core_beta, system->level_beta);
    system->backward_error = residual(system, core, level);
    system->refined = system->backward_error > (double)(system->core + 8) * DBL_EPSILON;
    if (system->refined) {
        w_factor_solve(system, &system->full, core, level);
        for (int64_t i = 0; i < system->core; i++) {
            system->core_beta[i] += core[i];
        }
        for (int64_t i = 0; i < rows; i++) {
            system->level_beta[i] += level[i];
        }
        system->backward_error = residual(system, core, level);
    }
}

static void finish_beta(w_system *system)
{
    const int64_t rows = system->levels * system->k;
    double *original = system->vector;
    double explained = 0.0;
    for (int64_t i = 0; i < system->core; i++) {
        explained += system->core_beta[i] * (2.0 * system->rhs[i] - system->core_fit[i]);
    }
    for (int64_t i = 0; i < rows; i++) {
        explained += system->level_beta[i] * (2.0 * system->gram->arrow_rhs[i] - system->level_fit[i]);
    }
    system->rss = fmax(system->gram->zz - explained, 0.0);
    w_core_rotate(system, system->core_beta, original, true);
    for (int64_t i = 0; i < system->core; i++) {
        system->beta[system->gram->core_column[i]] = original[i];
    }
    if (rows > 0) {
        memcpy(system->beta + system->arrow_first, system->level_beta, (size_t)rows * sizeof(double));
    }
}

weir_status w_system_factor(w_system *system, const double *rho)
{
    W_BLAS_SERIAL;
    for (int j = 0; j < system->sp_count; j++) {
        system->lambda[j] = exp(rho[j]);
    }
    weir_status status = w_factor_compute(system, &system->full, system->fixed);
    if (status < 0) {
        return status;
    }
    solve_beta(system);
    finish_beta(system);
    if (!isfinite(system->rss) || !isfinite(system->full.log_det)) {
        return w_fail(system->ctx, WEIR_E_NUMERIC, "the penalised least squares problem has no finite solution");
    }
    const int64_t held = w_system_held(system);
    if (system->full.kept + held < system->p) {
        return w_remark(system->ctx, WEIR_RANK_DEFICIENT,
                        "the model has rank %lld with %lld coefficients: the dependent ones are set to 0",
                        (long long)(system->full.kept + held), (long long)system->p);
    }
    return WEIR_OK;
}

const double *w_system_beta(const w_system *system) { return system->beta; }
double w_system_log_det(const w_system *system) { return system->full.log_det; }
double w_system_rss(const w_system *system) { return system->rss; }
int64_t w_system_rank(const w_system *system) { return system->full.kept; }
const w_face *w_system_face(const w_system *system) { return system->face; }
int64_t w_system_held(const w_system *system) { return system->face ? system->face->fixed_count : 0; }

void w_range_mask(const w_system *system, uint8_t *mask)
{
    memset(mask, 0, (size_t)system->core);
    for (int i = 0; i < system->piece_count; i++) {
        const w_piece *piece = &system->piece[i];
        if (piece->arrow || !(system->lambda[piece->sp] > 0.0)) {
            continue;
        }
        for (int64_t c = 0; c < piece->count; c++) {
            const double entry = piece->matrix ? piece->matrix[c * (piece->count + 1)]
                                               : (piece->diagonal ? piece->diagonal[c] : 1.0);
            mask[piece->first + c] |= entry != 0.0;
        }
    }
}

/* A smoothing parameter of exactly 0 leaves its directions unpenalised. */
int64_t w_system_null_dimension(const w_system *system)
{
    int64_t penalised = system->penalised_count;
    bool unpenalised = false;
    for (int j = 0; j < system->sp_count; j++) {
        unpenalised = unpenalised || system->lambda[j] == 0.0;
    }
    if (unpenalised) {
        w_range_mask(system, system->without);
        for (int64_t i = 0; i < system->core; i++) {
            penalised += system->without[i] - system->penalised[i];
        }
    }
    return system->full.kept - penalised;
}

double w_system_penalty(const w_system *system, double *per_sp)
{
    const int64_t rows = system->levels * system->k;
    double *core = system->vector, *level = system->vector + system->core;
    if (per_sp != NULL) {
        memset(per_sp, 0, (size_t)system->sp_count * sizeof *per_sp);
        for (int i = 0; i < system->piece_count; i++) {
            const w_piece *piece = &system->piece[i];
            const int64_t count = piece->arrow ? piece->levels * piece->count : piece->count;
            double *out = piece->arrow ? level + piece->first * piece->count : core + piece->first;
            const double *beta = piece->arrow ? system->level_beta + piece->first * piece->count
                                              : system->core_beta + piece->first;
            memset(out, 0, (size_t)count * sizeof *out);
            w_piece_times(system, piece, system->core_beta, system->level_beta, core, level);
            per_sp[piece->sp] += w_dot(count, out, beta);
        }
    }
    return w_dot(system->core, system->core_beta, system->core_pull) + w_dot(rows, system->level_beta, system->level_pull);
}

double w_system_condition(const w_system *system)
{
    const int64_t n = system->core;
    double *work = w_alloc_array(system->ctx, "condition", w_mul_size(4, (size_t)n + 1), sizeof *work);
    if (work == NULL) {
        w_message_clear(system->ctx);
        return NAN;
    }
    const double condition = w_chol_condition(n, system->full.chol, system->full.norm, work, (int32_t *)(work + 3 * n));
    w_free(system->ctx, work);
    return condition;
}

double w_system_backward_error(const w_system *system) { return system->backward_error; }
