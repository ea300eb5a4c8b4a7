/* SPDX-License-Identifier: Apache-2.0 */
/* Builds smooth terms: s, te, ti.
 *
 * s:  one margin; S is its penalty.
 * te: margins whose coefficients are function values (re-parameterised where they are not), each penalty
 *     divided by its largest eigenvalue; S_i = I x … x S_i x … x I.
 * ti: every margin is centred over the set-up rows first (M_c Z_i, Z_i'S_iZ_i); then as te.
 * Scaling: S_j is divided by scale_j = |S_j|_1 / |X|_inf^2, X the raw design matrix of the set-up rows.
 * Centring (s, te): 1'X b = 0 is absorbed by b = Z b', Z from the reflection of the column means; S <- Z'SZ.
 * select: one more penalty U U', U an orthonormal basis of the null space of sum_j S_j.
 * t2 and sz: smooth_separated.c, smooth_levels.c.
 * Wood (2017), Generalized Additive Models, 5.4.1, 5.6; Marra & Wood (2011) for select. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/features.h"
#include "basis/joint.h"

typedef struct builder {
    w_arena *arena;
    w_arena work;
    const w_smooth_spec *spec;
    const w_smooth_data *data;
    w_smooth out;
    double *column_sum;
    double *uncentred; /* of a shape: raw coefficients without the centring constant, raw x columns */
    double largest_row;
    double *eigenvalue[W_MAX_MARGINS]; /* tensor: of the marginal penalties over the largest, zeros exact */
} builder;

static bool is_tensor(const builder *b)
{
    return b->spec->type != W_SMOOTH_S;
}

/* Of a margin of features without constant; `sum` becomes the means. */
static weir_status subtract_means(builder *b, int m, double *sum)
{
    for (int64_t j = 0; j < b->out.margin[m].k; j++)
        sum[j] /= (double)b->data->rows;
    return w_features_centre(b->arena, &b->out.margin[m], sum);
}

/* ti: the margin's own sum-to-zero constraint. */
static weir_status centre_margin(builder *b, int m)
{
    w_margin *margin = &b->out.margin[m];
    bool less_means = !w_basis_holds_constant(margin->kind);
    w_smooth single = {.margin_count = 1, .margin = {*margin}, .raw_columns = margin->k};
    w_smooth_data data = {.rows = b->data->rows, .x = {b->data->x[m]}};
    int64_t k = margin->k;
    double largest, *sum = w_arena_alloc(&b->work, (size_t)k, sizeof *sum);
    double *z = w_arena_alloc(&b->work, w_mul_size((size_t)k, (size_t)k - 1), sizeof *z);
    if (!sum || !z)
        return w_alloc_status(b->arena->ctx);
    weir_status status = w_smooth_sums(&b->work, &single, &data, sum, &largest);
    if (status)
        return status;
    if (less_means)
        return subtract_means(b, m, sum);
    w_small_null_basis(k, sum, false, z);
    return w_margin_transform(b->arena, &b->work, margin, k - 1, z);
}

/* Divides a marginal penalty by its largest eigenvalue and keeps the spectrum. */
static weir_status normalise_penalty(builder *b, int m)
{
    w_margin *margin = &b->out.margin[m];
    int64_t k = margin->k;
    double *copy = w_arena_alloc(&b->work, w_mul_size((size_t)k, (size_t)k), sizeof *copy);
    double *value = w_arena_alloc(&b->work, (size_t)k, sizeof *value);
    if (!copy || !value)
        return w_alloc_status(b->arena->ctx);
    memcpy(copy, margin->penalty, (size_t)(k * k) * sizeof *copy);
    weir_status status = w_small_eigenvalues(&b->work, k, copy, value);
    if (status)
        return status;
    double largest = value[k - 1];
    if (!(largest > 0) || !isfinite(largest))
        return w_fail(b->arena->ctx, WEIR_E_FORMULA,
                      "%s: a margin with k = %lld leaves nothing to penalise; raise k", b->spec->label,
                      (long long)k);
    for (int64_t i = 0; i < k * k; i++)
        margin->penalty[i] /= largest;
    for (int64_t i = 0; i < k; i++)
        value[i] = i < k - margin->rank ? 0 : value[i] / largest;
    b->eigenvalue[m] = value;
    return WEIR_OK;
}

static bool holds_values(w_basis_kind kind)
{
    return kind == W_BASIS_CR || kind == W_BASIS_CS || kind == W_BASIS_CC || w_basis_featured(kind);
}

static weir_status add_note(builder *b, int m, const char *note)
{
    if (!note)
        return WEIR_OK;
    if (b->spec->margin_count > 1)
        note = w_arena_printf(b->arena, "%s%scovariate %d: %s", b->out.note ? b->out.note : "",
                              b->out.note ? "; " : "", m + 1, note);
    b->out.note = note;
    return note ? WEIR_OK : w_alloc_status(b->arena->ctx);
}

/* "te(x,z), covariate 2" */
static const char *margin_label(builder *b, int m)
{
    if (b->spec->margin_count == 1)
        return b->spec->label;
    return w_arena_printf(&b->work, "%s, covariate %d", b->spec->label, m + 1);
}

static weir_status build_margins(builder *b)
{
    const w_smooth_data *data = b->data;
    b->out.raw_columns = 1;
    for (int m = 0; m < b->spec->margin_count; m++) {
        const char *note = NULL;
        w_margin *margin = &b->out.margin[m];
        const w_margin_spec *spec = &b->spec->margin[m];
        const char *label = margin_label(b, m);
        if (!label)
            return w_alloc_status(b->arena->ctx);
        weir_status status =
            w_basis_featured(spec->basis)
                ? w_margin_features(b->arena, &b->work, label, spec, data, m, margin, &note)
                : spec->covariates > 1
                                 ? w_margin_plate(b->arena, &b->work, label, spec, data, margin, &note)
                                 : w_margin_build(b->arena, &b->work, label, spec, is_tensor(b), data->rows,
                                                  data->x[m], data->lower[m], data->upper[m], margin, &note);
        if (!status)
            status = add_note(b, m, note);
        if (!status && b->spec->type == W_SMOOTH_TI)
            status = centre_margin(b, m);
        if (!status && is_tensor(b) && !holds_values(spec->basis))
            status = w_margin_to_values(b->arena, &b->work, label, margin, data->lower[m], data->upper[m]);
        if (!status && is_tensor(b))
            status = normalise_penalty(b, m);
        if (status)
            return status;
        b->out.raw_columns = w_mul64(b->out.raw_columns, margin->k);
    }
    if (b->out.raw_columns > INT32_MAX / 4)
        return w_fail(b->arena->ctx, WEIR_E_FORMULA, "%s: the margins make %lld coefficients; lower k",
                      b->spec->label, (long long)b->out.raw_columns);
    return WEIR_OK;
}

static weir_status constrain(builder *b)
{
    w_smooth *s = &b->out;
    int64_t raw = s->raw_columns;
    bool wanted = b->spec->centre && !b->spec->natural && b->spec->type != W_SMOOTH_TI, centred = wanted;
    for (int m = 0; m < s->margin_count; m++)
        centred = centred && w_basis_holds_constant(s->margin[m].kind);
    b->column_sum = w_arena_alloc(&b->work, (size_t)raw, sizeof(double));
    if (!b->column_sum)
        return w_alloc_status(b->arena->ctx);
    weir_status status = w_smooth_sums(&b->work, s, b->data, b->column_sum, &b->largest_row);
    if (status)
        return status;
    s->columns = centred ? raw - 1 : raw;
    s->column_mean = w_arena_calloc(b->arena, (size_t)s->columns, sizeof(double));
    if (!s->column_mean)
        return w_alloc_status(b->arena->ctx);
    if (wanted && !centred && s->margin_count == 1)
        return subtract_means(b, 0, b->column_sum);
    if (!centred) {
        for (int64_t j = 0; j < raw; j++)
            s->column_mean[j] = b->column_sum[j] / (double)b->data->rows;
        return WEIR_OK;
    }
    if (w_basis_shaped(s->margin[0].kind))
        return w_margin_shape(b->arena, &b->work, &s->margin[0], b->column_sum, b->data->rows, &b->uncentred, &s->transform);
    s->transform = w_arena_alloc(b->arena, w_mul_size((size_t)raw, (size_t)s->columns), sizeof(double));
    if (!s->transform)
        return w_alloc_status(b->arena->ctx);
    w_small_null_basis(raw, b->column_sum, false, s->transform);
    return WEIR_OK;
}

/* I x … x S_m x … x I over the raw columns. */
static void expand_penalty(const w_smooth *s, int m, double *out)
{
    int64_t raw = s->raw_columns, k = s->margin[m].k, inner = 1;
    for (int i = m + 1; i < s->margin_count; i++)
        inner *= s->margin[i].k;
    memset(out, 0, (size_t)(raw * raw) * sizeof *out);
    for (int64_t row = 0; row < raw; row++) {
        int64_t index = row / inner % k, base = row - index * inner;
        for (int64_t j = 0; j < k; j++)
            out[row * raw + base + j * inner] = s->margin[m].penalty[index * k + j];
    }
}

/* rank and log of the product of the positive eigenvalues of penalty j. */
static weir_status measure_penalty(builder *b, w_penalty *penalty)
{
    int64_t k = b->out.columns;
    double *copy = w_arena_alloc(&b->work, w_mul_size((size_t)k, (size_t)k), sizeof *copy);
    double *value = w_arena_alloc(&b->work, (size_t)k, sizeof *value);
    if (!copy || !value)
        return w_alloc_status(b->arena->ctx);
    memcpy(copy, penalty->matrix, (size_t)(k * k) * sizeof *copy);
    weir_status status = w_small_eigenvalues(&b->work, k, copy, value);
    for (int64_t i = k - penalty->rank; !status && i < k; i++)
        penalty->log_det += log(value[i]);
    return status;
}

static weir_status add_penalty(builder *b, int m)
{
    w_smooth *s = &b->out;
    int64_t raw = s->raw_columns, k = s->columns;
    size_t square = w_mul_size((size_t)k, (size_t)k);
    double *full = w_arena_alloc(&b->work, w_mul_size((size_t)raw, (size_t)raw), sizeof *full);
    w_penalty *penalty = &s->penalty[s->penalty_count++];
    penalty->matrix = w_arena_alloc(b->arena, square, sizeof *penalty->matrix);
    if (!full || !penalty->matrix)
        return w_alloc_status(b->arena->ctx);
    expand_penalty(s, m, full);
    penalty->scale = w_small_norm1(s->margin[m].k, s->margin[m].penalty) / (b->largest_row * b->largest_row);
    if (!isfinite(penalty->scale) || !(penalty->scale > 0))
        return w_fail(b->arena->ctx, WEIR_E_FORMULA, "%s: the penalty vanishes or overflows; change k or m",
                      b->spec->label);
    bool differences = b->uncentred && s->margin[m].rank < raw; /* which do not see a constant */
    for (int64_t i = 0; i < raw * raw && !differences; i++)
        full[i] /= penalty->scale;
    weir_status status = WEIR_OK;
    if (differences) {
        status = w_small_congruence(&b->work, raw, k, b->uncentred, full, penalty->matrix);
        for (int64_t i = 0; !status && i < k * k; i++)
            penalty->matrix[i] /= penalty->scale;
    } else if (s->transform)
        status = w_small_congruence(&b->work, raw, k, s->transform, full, penalty->matrix);
    else
        memcpy(penalty->matrix, full, square * sizeof *full);
    if (status)
        return status;
    penalty->rank = w_min64(s->margin[m].rank * (raw / s->margin[m].k), k);
    int64_t rank;
    return w_basis_shaped(s->margin[0].kind) ? w_smooth_face(b->arena->ctx, s, NULL, &rank, &penalty->log_det)
                                             : measure_penalty(b, penalty);
}

/* Dimension of the null space of sum S_j: tuples of null vectors of the margins. A centred term loses the
 * constraint's direction from it; if there is none, every direction is penalised before and after. */
static int64_t null_dimension(const w_smooth *s)
{
    int64_t tuples = 1;
    for (int m = 0; m < s->margin_count; m++)
        tuples *= s->margin[m].k - s->margin[m].rank;
    return s->transform && tuples > 0 ? tuples - 1 : tuples;
}

static weir_status penalise_null_space(builder *b)
{
    w_smooth *s = &b->out;
    int64_t k = s->columns, null = s->null_dimension;
    size_t square = w_mul_size((size_t)k, (size_t)k);
    double *sum = w_arena_calloc(&b->work, square, sizeof *sum),
           *value = w_arena_alloc(&b->work, (size_t)k, sizeof *value);
    double *matrix = w_arena_calloc(b->arena, square, sizeof *matrix);
    if (!sum || !value || !matrix)
        return w_alloc_status(b->arena->ctx);
    for (int p = 0; p < s->penalty_count; p++) {
        double norm = w_small_norm1(k, s->penalty[p].matrix);
        for (int64_t i = 0; i < k * k; i++)
            sum[i] += s->penalty[p].matrix[i] / norm;
    }
    weir_status status = w_small_eigen(&b->work, k, sum, value);
    if (status)
        return status;
    for (int64_t r = 0; r < null; r++) {
        for (int64_t i = 0; i < k; i++) {
            for (int64_t j = 0; j < k; j++)
                matrix[i * k + j] += sum[r * k + i] * sum[r * k + j];
        }
    }
    s->penalty[s->penalty_count++] = (w_penalty){.matrix = matrix, .rank = null, .scale = 1, .log_det = 0};
    s->null_dimension = 0;
    return WEIR_OK;
}

static weir_status build_penalties(builder *b)
{
    w_smooth *s = &b->out;
    s->logdet_form = W_LOGDET_NONE;
    s->null_dimension = s->columns;
    if (b->spec->natural)
        return w_smooth_natural(b->arena, &b->work, s, b->data);
    if (b->spec->fixed)
        return WEIR_OK;
    for (int m = 0; m < s->margin_count; m++) {
        w_arena kept = b->work; /* K x K matrices of one penalty at a time */
        w_arena_init(&b->work, b->arena->ctx, "smooth set-up");
        weir_status status = add_penalty(b, m);
        w_arena_free(&b->work);
        b->work = kept;
        if (status)
            return status;
    }
    s->null_dimension = null_dimension(s);
    s->logdet_form = is_tensor(b) ? W_LOGDET_KRONECKER : W_LOGDET_SEPARATE;
    weir_status status = WEIR_OK;
    if (is_tensor(b))
        status = w_smooth_logdet_setup(b->arena, &b->work, s, b->eigenvalue, s->transform ? b->column_sum : NULL);
    if (!status && b->spec->select && s->null_dimension > 0)
        status = penalise_null_space(b);
    return status;
}

static weir_status check_spec(weir_ctx *ctx, const w_smooth_spec *spec, const w_smooth_data *data)
{
    if (spec->margin_count < 1 || spec->margin_count > W_MAX_MARGINS)
        return w_fail(ctx, WEIR_E_FORMULA, "%s: a smooth takes 1 to %d covariates, not %d", spec->label,
                      W_MAX_MARGINS, spec->margin_count);
    if (spec->type == W_SMOOTH_S && spec->margin_count != 1)
        return w_fail(ctx, WEIR_E_FORMULA, "%s: s() has one margin; use te() for %d", spec->label,
                      spec->margin_count);
    for (int m = 0; m < spec->margin_count; m++) {
        w_basis_kind kind = spec->margin[m].basis;
        bool plate = kind == W_BASIS_TP || kind == W_BASIS_TS || w_basis_featured(kind);
        if (spec->margin[m].covariates > 1 && (spec->type != W_SMOOTH_S || !plate ||
                                               spec->margin[m].covariates > W_MAX_MARGINS))
            return w_fail(ctx, WEIR_E_FORMULA,
                          "%s: only \"tp\" and \"ts\" smooth several covariates together, at most %d; use te()",
                          spec->label, W_MAX_MARGINS);
    }
    bool plain = spec->type == W_SMOOTH_S && spec->centre && !spec->natural && !(spec->select && !spec->fixed);
    for (int m = 0; m < spec->margin_count; m++) {
        if (w_basis_shaped(spec->margin[m].basis) && !plain)
            return w_fail(ctx, WEIR_E_FORMULA,
                          "%s: bs=\"%s\" goes with s() of one covariate, centred, without the penalty of --select",
                          spec->label, w_basis_name(spec->margin[m].basis));
    }
    if (data->rows < 1)
        return w_fail(ctx, WEIR_E_DATA, "%s: there are no rows", spec->label);
    return WEIR_OK;
}

weir_status w_smooth_build(w_arena *arena, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *out)
{
    weir_status status = check_spec(arena->ctx, spec, data);
    if (status)
        return status;
    builder b = {.arena = arena, .spec = spec, .data = data};
    w_arena_init(&b.work, arena->ctx, "smooth set-up");
    b.out = (w_smooth){.type = spec->type, .margin_count = spec->margin_count};
    b.out.label = w_arena_strdup(arena, spec->label);
    status = b.out.label ? WEIR_OK : w_alloc_status(arena->ctx);
    bool separated = spec->type == W_SMOOTH_T2, levels = spec->type == W_SMOOTH_SZ;
    bool trees = spec->margin[0].basis == W_BASIS_TREE;
    if (!status && trees)
        status = w_smooth_trees(arena, &b.work, spec, data, &b.out);
    if (!status && (separated || levels)) {
        status = (separated ? w_smooth_separated : w_smooth_levels)(arena, &b.work, spec, data, &b.out);
        if (!status && spec->select && b.out.null_dimension > 0 && !spec->fixed)
            status = penalise_null_space(&b);
    }
    weir_status (*const step[])(builder *) = {build_margins, constrain, build_penalties};
    for (size_t i = 0; i < sizeof step / sizeof *step && !status && !separated && !levels && !trees; i++)
        status = step[i](&b);
    w_arena_free(&b.work);
    if (!status)
        *out = b.out;
    return status;
}

/* Keys, their copy and the distinct values of one covariate. */
static int64_t sort_bytes(int64_t rows)
{
    return w_mul64(w_add64(rows, 2 + 64), 24);
}

/* Numbers of one margin: counters of the sort, map and its re-parameterised copies, look-up table, small
 * matrices, the Lanczos vectors of thin plate margins. */
static int64_t margin_bytes(const w_margin_spec *spec, int64_t k, bool tensor, int64_t rows)
{
    bool plate = spec->basis == W_BASIS_TP || spec->basis == W_BASIS_TS;
    if (w_basis_featured(spec->basis))
        return w_feature_bytes(spec, k, rows);
    if (spec->covariates > 1)
        return w_plate_bytes(spec, k, rows);
    int64_t breaks = k + 2, copies = tensor ? 3 : 1;
    if (plate)
        breaks = spec->knot_count > 0 ? spec->knot_count : w_min64(w_max64(rows + 2, k), 2000);
    int64_t map = w_mul64(w_mul64(breaks + 1, 4 * 8 * copies), k);
    int64_t lookup = w_max64(2 * 4096, w_mul64(breaks, 32)) * 4;
    int64_t square = w_mul64(w_mul64(k, k), 8 * (tensor ? 24 : 12));
    int64_t vectors = plate ? w_mul64(breaks, w_mul64(8, w_add64(w_mul64(k, 14), 160))) : 0;
    int64_t rest = w_add64(INT64_C(6) * 2048 * 8, w_mul64(w_add64(k, breaks), 8 * (16 + 256)));
    return w_add64(w_add64(map, lookup), w_add64(square, w_add64(vectors, rest)));
}

int64_t w_smooth_bytes(const w_smooth_spec *spec, int64_t rows)
{
    bool tensor = spec->type != W_SMOOTH_S && spec->type != W_SMOOTH_SZ;
    int64_t raw = 1, bytes = 0, combinations = 1;
    for (int m = 0; m < spec->margin_count; m++) {
        const w_margin_spec *margin = &spec->margin[m];
        int64_t k = margin->k > 0 ? margin->k : w_basis_default_k(margin, tensor);
        if (margin->basis == W_BASIS_SZ) {
            raw = w_mul64(raw, w_max64(spec->levels[m] - 1, 1));
            combinations = w_mul64(combinations, w_max64(spec->levels[m], 1));
            continue;
        }
        bytes = w_add64(bytes, margin_bytes(margin, k, tensor, rows));
        raw = w_mul64(raw, k);
    }
    /* Kept: transform and penalties; at one time: an expansion, products, a copy with eigenvectors and their
     * workspace. */
    int64_t matrices = spec->margin_count + 10;
    if (spec->type == W_SMOOTH_T2)
        matrices += 1 << spec->margin_count;
    if (spec->type == W_SMOOTH_SZ && !spec->shared)
        matrices = w_add64(matrices, w_min64(combinations, W_MAX_PENALTIES));
    if (spec->natural)
        bytes = w_add64(bytes, w_mul64(w_add64(w_mul64(raw, 16), 2 * 1024 + 512), w_mul64(raw, 8)));
    if (spec->margin[0].basis != W_BASIS_TREE)
        bytes = w_add64(bytes, w_mul64(w_mul64(raw, raw), 8 * matrices));
    /* Unused ends of the two arenas' blocks: up to a third of what is filled, and a last block of each. Arrays
     * as long as the rows have blocks of their own as soon as they matter. */
    int64_t ends = w_add64(bytes / 3, w_min64(bytes, INT64_C(2) << 20));
    return w_add64(w_add64(bytes, ends),
                   w_add64(w_mul64(sort_bytes(rows), spec->margin_count), INT64_C(64) << 10));
}
