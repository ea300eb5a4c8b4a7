/* SPDX-License-Identifier: Apache-2.0 */
/* Penalties of the design as pieces of the system, and the coordinates that make them diagonal.
 *
 * Penalties S_1 … S_m on the same columns commute exactly when one orthogonal U diagonalises all. U comes from the
 * eigenvectors of  sum_j c_j S_j / ||S_j||  with generic c_j (powers of the golden ratio, so that distinct joint eigenvalues stay
 * distinct); the penalties count as commuting when every off-diagonal entry of U'S_jU is below 64 k eps ||S_j||. Otherwise
 * U still separates the range of the sum from its null space and the pieces are the dense U'S_jU.
 *
 * On a face U leaves the coordinates held at 0 where they are and diagonalises what remains of the penalty among the others. */
#include "solve/parts.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

typedef struct span {
    int64_t first, k; /* in core coordinates; one repetition */
    int count;
    int penalty[W_MAX_PENALTIES + 4];
    int64_t rank;     /* of the sum of the penalties */
    const double *basis;
    double *diagonal; /* count x k, in the order of the basis; NULL when they do not commute */
    double *rotated;  /* then count x k x k: U'S_jU */
} span;

static double largest_entry(int64_t count, const double *a)
{
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(a[i]));
    }
    return largest;
}

/* out = U' S U for k x k matrices. */
static void congruence(int64_t k, const double *u, const double *s, double *work, double *out)
{
    const double one = 1.0, zero = 0.0;
    w_blas_int n = (w_blas_int)k;
    dgemm_("N", "N", &n, &n, &n, &one, s, &n, u, &n, &zero, work, &n);
    dgemm_("T", "N", &n, &n, &n, &one, u, &n, work, &n, &zero, out, &n);
}

/* Eigenvalues that are rounding noise of rank-deficient penalties become exact zeros: rank largest are kept. */
static void keep_rank(int64_t k, int64_t rank, double *value)
{
    int64_t drop = k - rank;
    for (int64_t i = 0; i < k; i++) {
        drop -= value[i] == 0.0;
    }
    for (; drop > 0; drop--) {
        int64_t smallest = -1;
        for (int64_t i = 0; i < k; i++) {
            if (value[i] != 0.0 && (smallest < 0 || fabs(value[i]) < fabs(value[smallest]))) {
                smallest = i;
            }
        }
        if (smallest < 0) {
            return;
        }
        value[smallest] = 0.0;
    }
}

static bool is_diagonal(int64_t k, const double *a, double bound)
{
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < k; r++) {
            if (r != c && !(fabs(a[r + c * k]) <= bound)) {
                return false;
            }
        }
    }
    return true;
}

/* -sum_j c_j S_j / ||S_j||: negative, so that the largest eigenvalues come first. */
static void generic_sum(const w_system *system, const span *group, double *out)
{
    const int64_t k = group->k;
    double factor = 1.0;
    memset(out, 0, (size_t)(k * k) * sizeof *out);
    for (int j = 0; j < group->count; j++) {
        const double *s = system->design->penalty[group->penalty[j]].matrix;
        const double norm = s ? largest_entry(k * k, s) : 1.0;
        for (int64_t i = 0; i < k * k; i++) {
            const double entry = s ? s[i] : (i % (k + 1) == 0 ? 1.0 : 0.0);
            out[i] -= norm > 0.0 ? factor * entry / norm : 0.0;
        }
        factor *= 0.6180339887498949;
    }
}

/* diagonal_j = diag(U'S_jU); false when they do not commute. */
static bool joint_diagonals(const w_system *system, span *group, double *work)
{
    const int64_t k = group->k;
    for (int j = 0; j < group->count; j++) {
        const w_design_penalty *penalty = &system->design->penalty[group->penalty[j]];
        double *value = group->diagonal + j * k, *rotated = work + k * k;
        for (int64_t i = 0; i < k; i++) {
            value[i] = 1.0;
        }
        if (penalty->matrix == NULL) {
            continue;
        }
        congruence(k, group->basis, penalty->matrix, work, rotated);
        if (!is_diagonal(k, rotated, 64.0 * (double)k * DBL_EPSILON * largest_entry(k * k, penalty->matrix))) {
            return false;
        }
        for (int64_t i = 0; i < k; i++) {
            value[i] = rotated[i * (k + 1)];
        }
        keep_rank(k, penalty->rank, value);
    }
    return true;
}

/* The dense rotated penalties; rows and columns of the common null space are exact zeros. */
static weir_status rotate_dense(w_system *system, span *group, double *work)
{
    const int64_t k = group->k;
    const size_t square = w_mul_size((size_t)k, (size_t)k);
    group->rotated = w_arena_alloc(&system->arena, w_mul_size((size_t)group->count, square), sizeof(double));
    if (group->rotated == NULL) {
        return w_alloc_status(system->ctx);
    }
    for (int j = 0; j < group->count; j++) {
        double *out = group->rotated + (int64_t)square * j;
        const double *s = system->design->penalty[group->penalty[j]].matrix;
        memset(out, 0, square * sizeof *out);
        for (int64_t i = 0; i < k && s == NULL; i++) {
            out[i * (k + 1)] = 1.0;
        }
        if (s != NULL) {
            congruence(k, group->basis, s, work, out);
        }
        for (int64_t c = 0; c < k; c++) {
            for (int64_t r = 0; r < k; r++) {
                if (r >= group->rank || c >= group->rank) {
                    out[r + c * k] = 0.0;
                } else if (r < c) {
                    out[r + c * k] = out[c + r * k] = 0.5 * (out[r + c * k] + out[c + r * k]);
                }
            }
        }
    }
    return WEIR_OK;
}

static weir_status diagonalise(w_system *system, span *group)
{
    const int64_t k = group->k;
    const size_t square = w_mul_size((size_t)k, (size_t)k);
    double *basis = w_arena_alloc(&system->arena, square, sizeof *basis);
    double *value = w_arena_alloc(&system->arena, (size_t)k, sizeof *value);
    group->diagonal = w_arena_alloc(&system->arena, w_mul_size((size_t)group->count, (size_t)k), sizeof(double));
    double *work = w_alloc_array(system->ctx, "penalty rotation", w_mul_size(2, square), sizeof *work);
    weir_status status = WEIR_OK;
    if (basis == NULL || value == NULL || group->diagonal == NULL || work == NULL) {
        status = w_alloc_status(system->ctx);
    } else {
        generic_sum(system, group, basis);
        status = w_eigen_symmetric(system->ctx, k, basis, value, true);
    }
    if (status >= 0) {
        group->basis = basis;
        const w_design_penalty *penalty = &system->design->penalty[group->penalty[0]];
        group->rank = group->count == 1 ? penalty->rank : k - system->design->term[penalty->term].null_dimension;
        if (!joint_diagonals(system, group, work)) {
            group->diagonal = NULL;
            status = rotate_dense(system, group, work);
        }
    }
    w_free(system->ctx, work);
    return status;
}

/* Whether a face holds some coordinate of the group at 0. */
static bool is_held(const w_system *system, const span *group)
{
    for (int64_t i = 0; i < group->k && system->fixed != NULL; i++) {
        if (system->fixed[group->first + i]) {
            return true;
        }
    }
    return false;
}

/* Basis and diagonal of the one penalty of a shaped smooth among the coordinates that are not held; 0 at those that are. */
static weir_status diagonalise_face(w_system *system, span *group)
{
    const int64_t k = group->k;
    const size_t square = w_mul_size((size_t)k, (size_t)k);
    const w_design_penalty *penalty = &system->design->penalty[group->penalty[0]];
    double *basis = w_arena_calloc(&system->arena, square, sizeof *basis);
    double *diagonal = w_arena_calloc(&system->arena, (size_t)k, sizeof *diagonal);
    double *part = w_alloc_array(system->ctx, "penalty rotation", square + 2 * (size_t)k, sizeof *part);
    if (basis == NULL || diagonal == NULL || part == NULL) {
        w_free(system->ctx, part);
        return w_alloc_status(system->ctx);
    }
    int64_t *place = (int64_t *)(part + square), f = 0; /* of the coordinates that are not held */
    double *value = part + square + k;
    for (int64_t i = 0; i < k; i++) {
        if (system->fixed[group->first + i]) {
            basis[i * (k + 1)] = 1.0;
        } else {
            place[f++] = i;
        }
    }
    for (int64_t c = 0; c < f; c++) {
        for (int64_t r = 0; r < f; r++) {
            part[r + c * f] = -penalty->matrix[place[r] * k + place[c]]; /* largest eigenvalues first */
        }
    }
    weir_status status = f > 0 && k > 1 ? w_eigen_symmetric(system->ctx, f, part, value, true) : WEIR_OK;
    for (int64_t c = 0; c < f && status >= 0; c++) {
        diagonal[place[c]] = c < system->face->rank[group->penalty[0]] ? -value[c] : 0.0;
        for (int64_t r = 0; r < f; r++) {
            basis[place[r] + place[c] * k] = part[r + c * f];
        }
    }
    group->basis = basis;
    group->diagonal = diagonal;
    w_free(system->ctx, part);
    return status;
}

static int64_t core_position(const w_system *system, int64_t column)
{
    if (system->levels == 0 || column < system->arrow_first) {
        return column;
    }
    return column - system->levels * system->k;
}

static bool in_arrow(const w_system *system, const w_design_penalty *penalty)
{
    return system->levels > 0 && penalty->first >= system->arrow_first &&
           penalty->first < system->arrow_first + system->levels * system->k;
}

static weir_status add_arrow_piece(w_system *system, const w_design_penalty *penalty)
{
    const int64_t k = system->k, offset = penalty->first - system->arrow_first;
    const int64_t columns = w_mul64(penalty->k, penalty->repeat);
    const bool whole = offset % k == 0 && columns % k == 0 && offset + columns <= system->levels * k;
    if (!whole || (penalty->matrix != NULL && penalty->k != k)) {
        return w_fail(system->ctx, WEIR_E_INTERNAL, "a penalty does not fit the levels of the block to be eliminated");
    }
    w_piece *piece = &system->piece[system->piece_count++];
    *piece = (w_piece){ .sp = penalty->sp, .arrow = true, .first = offset / k, .count = k, .levels = columns / k,
                        .matrix = penalty->matrix };
    return WEIR_OK;
}

/* Groups of penalties with the same columns; a partial overlap keeps both unrotated. */
static weir_status make_spans(w_system *system, span *spans, int *count)
{
    const w_design *design = system->design;
    *count = 0;
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        if (in_arrow(system, penalty)) {
            continue;
        }
        const int64_t first = core_position(system, penalty->first);
        span *same = NULL;
        for (int g = 0; g < *count; g++) {
            const w_design_penalty *other = &design->penalty[spans[g].penalty[0]];
            if (spans[g].first == first && spans[g].k == penalty->k && other->repeat == penalty->repeat) {
                same = &spans[g];
            }
        }
        if (same == NULL) {
            same = &spans[(*count)++];
            *same = (span){ .first = first, .k = penalty->k };
        }
        if (same->count == (int)(sizeof same->penalty / sizeof same->penalty[0])) {
            return w_fail(system->ctx, WEIR_E_INTERNAL, "a term has more than %d penalties", same->count);
        }
        same->penalty[same->count++] = j;
    }
    return WEIR_OK;
}

static bool overlaps_another(const w_system *system, const span *spans, int count, int index)
{
    const w_design *design = system->design;
    const int64_t first = spans[index].first;
    const int64_t last = first + spans[index].k * design->penalty[spans[index].penalty[0]].repeat;
    for (int g = 0; g < count; g++) {
        const int64_t other_last = spans[g].first + spans[g].k * design->penalty[spans[g].penalty[0]].repeat;
        if (g != index && spans[g].first < last && first < other_last) {
            return true;
        }
    }
    return false;
}

/* All penalties of the group are identities. */
static bool all_identity(const w_system *system, const span *group)
{
    for (int j = 0; j < group->count; j++) {
        if (system->design->penalty[group->penalty[j]].matrix != NULL) {
            return false;
        }
    }
    return true;
}

/* An earlier group with the same single matrix (factor by: one matrix for every level) shares its basis. */
static const span *same_matrix(const w_system *system, const span *spans, int index)
{
    const w_design_penalty *penalty = system->design->penalty;
    for (int g = 0; g < index; g++) {
        if (spans[g].basis == NULL || spans[g].count != spans[index].count || is_held(system, &spans[g])) {
            continue;
        }
        bool same = true;
        for (int j = 0; j < spans[g].count; j++) {
            same = same && penalty[spans[g].penalty[j]].matrix == penalty[spans[index].penalty[j]].matrix &&
                   penalty[spans[g].penalty[j]].rank == penalty[spans[index].penalty[j]].rank;
        }
        if (same) {
            return &spans[g];
        }
    }
    return NULL;
}

static void add_core_pieces(w_system *system, const span *group)
{
    const w_design *design = system->design;
    const int64_t repeat = design->penalty[group->penalty[0]].repeat;
    for (int64_t r = 0; r < repeat; r++) {
        const int64_t first = group->first + r * group->k;
        if (group->basis != NULL) {
            system->rotation[system->rotation_count++] =
                (w_rotation){ .first = first, .count = group->k, .basis = group->basis };
        }
        for (int j = 0; j < group->count; j++) {
            const w_design_penalty *penalty = &design->penalty[group->penalty[j]];
            w_piece *piece = &system->piece[system->piece_count++];
            *piece = (w_piece){ .sp = penalty->sp, .first = first, .count = group->k };
            if (group->diagonal != NULL) {
                piece->diagonal = group->diagonal + j * group->k;
            } else {
                piece->matrix = group->rotated ? group->rotated + j * group->k * group->k : penalty->matrix;
            }
        }
    }
}

static void add_identity_pieces(w_system *system, const span *group)
{
    for (int j = 0; j < group->count; j++) {
        const w_design_penalty *penalty = &system->design->penalty[group->penalty[j]];
        system->piece[system->piece_count++] =
            (w_piece){ .sp = penalty->sp, .first = group->first, .count = penalty->k * penalty->repeat };
    }
}

/* Marks the penalised coordinates; unknown only for penalties that overlap in part. */
static void mark_range(w_system *system, const span *group)
{
    const int64_t repeat = system->design->penalty[group->penalty[0]].repeat;
    for (int64_t i = 0; i < group->k; i++) {
        bool ranged = group->basis == NULL || (group->diagonal == NULL && i < group->rank);
        for (int j = 0; j < group->count && group->diagonal != NULL; j++) {
            ranged = ranged || group->diagonal[j * group->k + i] != 0.0;
        }
        for (int64_t r = 0; r < repeat; r++) {
            system->penalised[group->first + r * group->k + i] |= ranged;
        }
    }
    if (group->basis == NULL && !all_identity(system, group)) {
        system->range_known = false;
    }
}

static weir_status compile_spans(w_system *system, span *spans, int count)
{
    for (int g = 0; g < count; g++) {
        const bool identity = all_identity(system, &spans[g]), held = is_held(system, &spans[g]);
        if (!identity && !overlaps_another(system, spans, count, g)) {
            const span *same = same_matrix(system, spans, g);
            if (held) {
                weir_status status = diagonalise_face(system, &spans[g]);
                if (status < 0) {
                    return status;
                }
            } else if (same != NULL) {
                spans[g].basis = same->basis;
                spans[g].diagonal = same->diagonal;
                spans[g].rotated = same->rotated;
                spans[g].rank = same->rank;
            } else {
                weir_status status = diagonalise(system, &spans[g]);
                if (status < 0) {
                    return status;
                }
            }
        }
        mark_range(system, &spans[g]);
        if (identity) {
            add_identity_pieces(system, &spans[g]);
        } else {
            add_core_pieces(system, &spans[g]);
        }
    }
    return WEIR_OK;
}

weir_status w_pieces_compile(w_system *system)
{
    const w_design *design = system->design;
    int64_t pieces = 1;
    for (int j = 0; j < design->penalty_count; j++) {
        pieces = w_add64(pieces, in_arrow(system, &design->penalty[j]) ? 1 : design->penalty[j].repeat);
    }
    system->range_known = true;
    system->piece = w_arena_calloc(&system->arena, (size_t)pieces, sizeof *system->piece);
    system->rotation = w_arena_calloc(&system->arena, (size_t)pieces, sizeof *system->rotation);
    span *spans = w_alloc_array(system->ctx, "penalty groups", (size_t)design->penalty_count + 1, sizeof *spans);
    weir_status status = WEIR_OK;
    if (system->piece == NULL || system->rotation == NULL || spans == NULL) {
        status = w_alloc_status(system->ctx);
    }
    int count = 0;
    if (status >= 0) {
        status = make_spans(system, spans, &count);
    }
    if (status >= 0) {
        status = compile_spans(system, spans, count);
    }
    for (int j = 0; j < design->penalty_count && status >= 0; j++) {
        if (in_arrow(system, &design->penalty[j])) {
            status = add_arrow_piece(system, &design->penalty[j]);
        }
    }
    w_free(system->ctx, spans);
    return status;
}

void w_core_rotate_columns(const w_system *system, double *x, int64_t count, bool back)
{
    const double one = 1.0, zero = 0.0;
    w_blas_int ld = (w_blas_int)system->core, n = (w_blas_int)count;
    for (int g = 0; g < system->rotation_count; g++) {
        const w_rotation *rotation = &system->rotation[g];
        const w_blas_int k = (w_blas_int)rotation->count;
        for (int64_t c = 0; c < count; c += system->core) { /* at most p0 columns at a time through `work` */
            n = (w_blas_int)w_min64(system->core, count - c);
            double *block = x + rotation->first + c * system->core;
            dgemm_(back ? "N" : "T", "N", &k, &n, &k, &one, rotation->basis, &k, block, &ld, &zero, system->work, &k);
            for (int64_t j = 0; j < n; j++) {
                memcpy(block + j * system->core, system->work + j * k, (size_t)k * sizeof *block);
            }
        }
    }
}

void w_core_rotate_matrix(const w_system *system, double *matrix, bool back)
{
    const double one = 1.0, zero = 0.0;
    const w_blas_int n = (w_blas_int)system->core;
    w_core_rotate_columns(system, matrix, system->core, back);
    for (int g = 0; g < system->rotation_count; g++) {
        const w_rotation *rotation = &system->rotation[g];
        const w_blas_int k = (w_blas_int)rotation->count;
        double *block = matrix + rotation->first * system->core;
        dgemm_("N", back ? "T" : "N", &n, &k, &k, &one, block, &n, rotation->basis, &k, &zero, system->work, &n);
        memcpy(block, system->work, (size_t)(system->core * rotation->count) * sizeof *block);
    }
}

void w_core_rotate(const w_system *system, const double *x, double *y, bool back)
{
    if (y != x) {
        memcpy(y, x, (size_t)system->core * sizeof *y);
    }
    w_core_rotate_columns(system, y, 1, back);
}
