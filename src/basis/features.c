/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up of the margins of features: sizes, ranges, what is drawn, penalties. All draws come from the generator of seed=, a
 * centre is one of the distinct points of the set-up rows. gamma of rbf is, when not given, 1/median(r)^2 over the pairs of up to
 * 512 of the set-up rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/size.h"
#include "basis/features.h"

#define PI 3.14159265358979323846
#define LEAST_RANGE 1e-90
#define MOST_RANGE 1e90
#define SAMPLE 512
#define MOST_CATEGORIES 100000

typedef struct maker {
    w_arena *arena, *work;
    const char *label;
    const w_margin_spec *spec;
    const w_smooth_data *data;
    int first;
    w_features *f;
    w_margin out;
    const char *note;
} maker;

static weir_status no_memory(const maker *b) { return w_alloc_status(b->arena->ctx); }

static double value_of(const maker *b, w_feature_option option) { return w_feature_value(b->spec, option); }

static weir_status set_ranges(maker *b)
{
    for (int c = 0; c < b->f->covariates; c++) {
        double low = b->data->lower[b->first + c], high = b->data->upper[b->first + c], range = high - low;
        if (range == 0 && b->f->covariates > 1)
            return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: covariate %d is constant (%g); drop it", b->label, c + 1, low);
        if (range == 0)
            return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: the covariate is constant (%g); drop the term", b->label, low);
        if (!(range >= LEAST_RANGE && range <= MOST_RANGE))
            return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: covariate %d spans a range of %g; rescale it", b->label, c + 1, range);
        b->f->lower[c] = low;
        b->f->upper[c] = high;
    }
    return WEIR_OK;
}

/* ---- categories ---- */

/* Codes are whole numbers 0 … n_cat - 1 where they fit there, else those from the least on. */
static weir_status set_codes(maker *b, int64_t *categories)
{
    const double *x = b->data->x[b->first], low = b->f->lower[0], high = b->f->upper[0];
    for (int64_t i = 0; i < b->data->rows; i++) {
        if (x[i] != floor(x[i]))
            return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: bs=\"%s\" takes the numbers of categories, whole ones; there is %g",
                          b->label, w_basis_name(b->spec->basis), x[i]);
    }
    double given = value_of(b, W_OPTION_N_CAT);
    if (given == 0 && b->spec->k > 0 && b->spec->basis != W_BASIS_CATFOURIER)
        given = (double)b->spec->k;
    if (high - low + 1 > MOST_CATEGORIES || low != floor(low) || high != floor(high))
        return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: codes from %g to %g cannot number categories; at most %d of them",
                      b->label, low, high, MOST_CATEGORIES);
    if (given > 0 && high - low + 1 > given)
        return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: n_cat = %g, but the codes run from %g to %g", b->label, given, low, high);
    *categories = (int64_t)(given > 0 ? given : high - low + 1);
    b->f->parameter[0] = given > 0 && low >= 0 && high < given ? 0 : low;
    b->out.cells = *categories;
    return WEIR_OK;
}

/* Rows of the categories: indicators, or harmonics of u over all codes. */
static weir_status map_codes(maker *b)
{
    const int64_t k = b->out.k, n = b->out.cells, m = k / 2;
    double *map = w_arena_calloc(b->arena, w_mul_size((size_t)n, (size_t)k), sizeof *map);
    if (!map)
        return no_memory(b);
    for (int64_t c = 0; c < n; c++) {
        double u = 2 * (double)c / (double)(n - 1) - 1;
        if (b->spec->basis != W_BASIS_CATFOURIER)
            map[c * k + c] = 1;
        for (int64_t j = 0; j < m && b->spec->basis == W_BASIS_CATFOURIER; j++) {
            map[c * k + j] = cos((double)(j + 1) * PI * u / 2);
            map[c * k + m + j] = sin((double)(j + 1) * PI * u / 2);
        }
    }
    b->out.map = map;
    return WEIR_OK;
}

/* ---- what is placed or drawn ---- */

static void place_wavelets(maker *b)
{
    w_features *f = b->f;
    f->count[0] = (int64_t)value_of(b, W_OPTION_N_SCALES);
    f->count[1] = (int64_t)value_of(b, W_OPTION_N_LOCATIONS);
    for (int64_t i = 0; i < f->count[0]; i++)
        f->parameter[i] = 0.4 * ldexp(1, -(int)i);
    for (int64_t j = 0; j < f->count[1]; j++)
        f->parameter[f->count[0] + j] = 2 * (double)j / (double)(f->count[1] - 1) - 1;
}

static void draw_neurons(maker *b)
{
    w_features *f = b->f;
    const int64_t k = b->out.k;
    f->count[0] = (int64_t)value_of(b, W_OPTION_N_HIDDEN);
    f->count[1] = k;
    f->form = (int)value_of(b, W_OPTION_ACT);
    w_rng rng;
    w_rng_seed(&rng, (uint64_t)value_of(b, W_OPTION_SEED));
    double *to = f->parameter;
    int64_t inputs = f->covariates;
    for (int64_t layer = 0; layer < f->count[0]; layer++, inputs = k) {
        double size = layer ? 1 / sqrt((double)k) : 1;
        for (int64_t i = 0; i < inputs * k; i++)
            *to++ = size * w_rng_normal(&rng);
        for (int64_t j = 0; j < k; j++)
            *to++ = f->form == 0 ? 2 * PI * w_rng_uniform(&rng) : w_rng_normal(&rng);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double scaled_square(const maker *b, int64_t i, int64_t j)
{
    double square = 0;
    for (int c = 0; c < b->f->covariates; c++) {
        const double *x = b->data->x[b->first + c];
        double difference = w_feature_scaled(b->f, c, x[i]) - w_feature_scaled(b->f, c, x[j]);
        square += difference * difference;
    }
    return square;
}

static weir_status choose_gamma(maker *b, w_rng *rng)
{
    b->f->parameter[0] = value_of(b, W_OPTION_GAMMA);
    if (w_feature_given(b->spec, W_OPTION_GAMMA))
        return WEIR_OK;
    int64_t n = w_min64(b->data->rows, SAMPLE), pairs = 0;
    int64_t *row = w_arena_alloc(b->work, SAMPLE, sizeof *row);
    double *square = w_arena_alloc(b->work, (size_t)(n * (n - 1) / 2 + 1), sizeof *square);
    if (!row || !square)
        return no_memory(b);
    w_rng_sample(rng, b->data->rows, n, row);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++) {
            square[pairs] = scaled_square(b, row[i], row[j]);
            pairs += square[pairs] > 0;
        }
    }
    qsort(square, (size_t)pairs, sizeof *square, ascending);
    double median = pairs > 0 ? 0.5 * (sqrt(square[(pairs - 1) / 2]) + sqrt(square[pairs / 2])) : 1;
    b->f->parameter[0] = 1 / (median * median);
    return WEIR_OK;
}

/* Points in random order, those that stand among the centres already left out. */
static weir_status place_centres(maker *b)
{
    w_features *f = b->f;
    const int64_t rows = b->data->rows;
    int64_t wanted = b->out.k, found = 0, *order = w_arena_alloc(b->work, (size_t)rows, sizeof *order);
    int64_t *kept = w_arena_alloc(b->work, (size_t)wanted, sizeof *kept);
    double nu = w_feature_given(b->spec, W_OPTION_NU) ? value_of(b, W_OPTION_NU) : 0;
    if (!order || !kept)
        return no_memory(b);
    if (nu != 0 && nu != 0.5 && nu != 1.5 && nu != 2.5)
        return w_fail(b->arena->ctx, WEIR_E_FORMULA, "%s: nu = %g is not possible; it must be 0.5, 1.5 or 2.5", b->label, nu);
    f->form = nu > 0 ? (int)(nu + 0.5) : 0;
    w_rng rng;
    w_rng_seed(&rng, (uint64_t)value_of(b, W_OPTION_SEED));
    for (int64_t i = 0; i < rows; i++)
        order[i] = i;
    for (int64_t i = 0; i < rows && found < wanted; i++) {
        int64_t other = i + w_rng_below(&rng, rows - i), row = order[other];
        order[other] = order[i];
        bool is_new = true;
        for (int64_t j = 0; j < found && is_new; j++)
            is_new = scaled_square(b, row, kept[j]) > 0;
        kept[found] = row;
        found += is_new;
    }
    if (found < 2)
        return w_fail(b->arena->ctx, WEIR_E_DATA, "%s: the covariates have only one distinct point", b->label);
    if (found < wanted) {
        b->note = w_arena_printf(b->arena, "centres reduced from %lld to %lld: there are no more distinct points",
                                 (long long)wanted, (long long)found);
        if (!b->note)
            return no_memory(b);
    }
    b->out.k = found;
    f->parameter_count = 1 + found * f->covariates;
    for (int c = 0; c < f->covariates; c++) {
        for (int64_t j = 0; j < found; j++)
            f->parameter[1 + c * found + j] = w_feature_scaled(f, c, b->data->x[b->first + c][kept[j]]);
    }
    return choose_gamma(b, &rng);
}

static weir_status plant_slopes(maker *b)
{
    weir_status status = w_features_plant(b->arena, b->work, b->spec, b->data, b->first, b->f);
    int slope = (int)value_of(b, W_OPTION_SLOPE) - 1;
    if (!status && slope >= b->f->covariates)
        status = w_fail(b->arena->ctx, WEIR_E_FORMULA, "%s: slope = %d, but there are %d covariates", b->label, slope + 1,
                        b->f->covariates);
    if (status)
        return status;
    const int64_t leaves = b->f->count[2], k = 2 * leaves;
    b->f->form |= slope << 1;
    b->out.cells = leaves;
    b->out.map = w_arena_calloc(b->arena, w_mul_size((size_t)leaves, 2 * (size_t)k), sizeof(double));
    if (!b->out.map)
        return no_memory(b);
    for (int64_t l = 0; l < leaves; l++)
        b->out.map[2 * l * k + l] = b->out.map[(2 * l + 1) * k + leaves + l] = 1;
    return WEIR_OK;
}

static weir_status place(maker *b)
{
    switch (b->spec->basis) {
    case W_BASIS_LINEAR: b->f->parameter[0] = value_of(b, W_OPTION_SCALED); return WEIR_OK;
    case W_BASIS_FOURIER: b->f->parameter[0] = value_of(b, W_OPTION_CYCLIC) != 0 ? PI : 0.5 * PI; return WEIR_OK;
    case W_BASIS_WAVELET: place_wavelets(b); return WEIR_OK;
    case W_BASIS_RFF: draw_neurons(b); return WEIR_OK;
    case W_BASIS_RBF: return place_centres(b);
    case W_BASIS_NOMINAL:
    case W_BASIS_ORDINAL:
    case W_BASIS_CATFOURIER: return map_codes(b);
    case W_BASIS_LINTREE: return plant_slopes(b);
    case W_BASIS_TREE: return w_features_plant(b->arena, b->work, b->spec, b->data, b->first, b->f);
    default: return WEIR_OK;
    }
}

/* ---- penalties ---- */

static double diagonal(const maker *b, int64_t j)
{
    const int64_t k = b->out.k;
    double s = value_of(b, W_OPTION_S);
    switch (b->spec->basis) {
    case W_BASIS_FOURIER: return 1 + pow((double)(j % (k / 2) + 1), 2 * s);
    case W_BASIS_CHEB: return 1 + pow((double)(j + 1), 2 * s);
    case W_BASIS_WAVELET: return ldexp(1, 2 * (int)(j / b->f->count[1]));
    case W_BASIS_CATFOURIER: return 2;
    case W_BASIS_LINTREE: return j < k / 2 ? 1 : 2;
    default: return 1;
    }
}

/* D'D, D the differences of order p: rows of binomial coefficients. */
static void differences(int64_t k, int order, double *out)
{
    double row[16] = {1};
    for (int q = 1; q <= order; q++) {
        for (int r = q; r > 0; r--)
            row[r] = (r < q ? row[r] : 0) - row[r - 1];
    }
    for (int64_t i = 0; i + order < k; i++) {
        for (int a = 0; a <= order; a++) {
            for (int c = 0; c <= order; c++)
                out[(i + a) * k + i + c] += row[a] * row[c];
        }
    }
}

static weir_status penalise(maker *b)
{
    const int64_t k = b->out.k;
    int order = (int)value_of(b, W_OPTION_P_ORDER);
    b->out.penalty = w_arena_calloc(b->arena, w_mul_size((size_t)k, (size_t)k), sizeof(double));
    if (!b->out.penalty)
        return no_memory(b);
    if (b->spec->basis == W_BASIS_ORDINAL) {
        if (k <= order)
            return w_fail(b->arena->ctx, WEIR_E_FORMULA, "%s: differences of order %d need more than %lld categories", b->label,
                          order, (long long)k);
        differences(k, order, b->out.penalty);
    }
    for (int64_t j = 0; j < k && b->spec->basis != W_BASIS_ORDINAL; j++)
        b->out.penalty[j * k + j] = diagonal(b, j);
    return WEIR_OK;
}

/* ---- all together ---- */

static weir_status finish(w_arena *arena, w_margin *margin, double *map)
{
    const int64_t k = margin->k;
    margin->map = map;
    margin->identity = !map && margin->kind != W_BASIS_TREE;
    if (map || margin->kind == W_BASIS_TREE)
        return WEIR_OK;
    const double *mean = margin->features->mean;
    margin->width = (int)(k + (mean != NULL));
    margin->map = w_arena_calloc(arena, w_mul_size((size_t)margin->width, (size_t)k), sizeof *margin->map);
    for (int64_t j = 0; margin->map && j < k; j++) {
        margin->map[j * k + j] = 1;
        if (mean)
            margin->map[k * k + j] = -mean[j];
    }
    return margin->map ? WEIR_OK : w_alloc_status(arena->ctx);
}

weir_status w_features_centre(w_arena *arena, w_margin *margin, const double *mean)
{
    w_features *f = w_arena_alloc(arena, 1, sizeof *f);
    double *copy = w_arena_alloc(arena, (size_t)margin->k, sizeof *copy);
    if (!f || !copy)
        return w_alloc_status(arena->ctx);
    *f = *margin->features;
    memcpy(copy, mean, (size_t)margin->k * sizeof *copy);
    f->mean = copy;
    margin->features = f;
    return finish(arena, margin, NULL);
}

static w_extension extension_of(const w_margin_spec *spec)
{
    if (spec->options.extension != W_EXTEND_DEFAULT)
        return spec->options.extension;
    switch (spec->basis) {
    case W_BASIS_CHEB: return W_EXTEND_SATURATION;
    case W_BASIS_RFF:
    case W_BASIS_LINTREE: return W_EXTEND_LINEAR;
    default: return W_EXTEND_CONTINUE;
    }
}

weir_status w_margin_features(w_arena *arena, w_arena *work, const char *label, const w_margin_spec *spec,
                              const w_smooth_data *data, int first, w_margin *out, const char **note)
{
    maker b = {.arena = arena, .work = work, .label = label, .spec = spec, .data = data, .first = first};
    b.f = w_arena_calloc(arena, 1, sizeof *b.f);
    if (!b.f)
        return w_alloc_status(arena->ctx);
    b.f->covariates = spec->covariates > 1 ? spec->covariates : 1;
    b.f->extension = extension_of(spec);
    if (spec->knot_count > 0)
        return w_fail(arena->ctx, WEIR_E_FORMULA, "%s: bs=\"%s\" takes no knots", label, w_basis_name(spec->basis));
    b.f->parameter_count = w_feature_parameters(spec, w_feature_k(spec, 2));
    b.f->parameter = w_arena_calloc(arena, (size_t)b.f->parameter_count, sizeof(double));
    if (!b.f->parameter)
        return w_alloc_status(arena->ctx);
    int64_t categories = 0;
    b.out = (w_margin){.kind = spec->basis, .covariates = b.f->covariates, .cells = 1, .features = b.f};
    weir_status status = set_ranges(&b);
    if (!status && w_basis_coded(spec->basis))
        status = set_codes(&b, &categories);
    if (status)
        return status;
    b.out.k = w_feature_k(spec, categories);
    if (b.out.k > INT32_MAX / 4)
        return w_fail(arena->ctx, WEIR_E_FORMULA, "%s: %lld coefficients are too many", label, (long long)b.out.k);
    status = place(&b);
    if (!status && spec->basis == W_BASIS_TREE)
        b.out.k = w_features_number_leaves(b.f);
    b.out.width = (int)w_feature_width(spec, b.out.k);
    b.f->width = b.out.width;
    b.out.rank = w_feature_rank(spec, b.out.k);
    if (!status && spec->basis != W_BASIS_TREE)
        status = penalise(&b);
    if (!status)
        status = finish(arena, &b.out, b.out.map);
    if (status)
        return status;
    *out = b.out;
    *note = b.note;
    return WEIR_OK;
}

/* Numbers that would lead a row outside its arrays. */
static bool sound(w_basis_kind kind, const w_features *f, int64_t k, int64_t cells)
{
    bool ok = f->width >= 1 && f->covariates >= 1 && f->covariates <= W_MAX_MARGINS && f->form >= 0 && k >= 1 && cells >= 1;
    for (int c = 0; ok && c < f->covariates; c++)
        ok = isfinite(f->lower[c]) && isfinite(f->upper[c]) && f->upper[c] > f->lower[c];
    for (int64_t i = 0; ok && i < f->parameter_count; i++)
        ok = isfinite(f->parameter[i]);
    for (int64_t i = 0; ok && f->mean && i < k; i++)
        ok = isfinite(f->mean[i]);
    if (!ok)
        return false;
    int64_t d = f->covariates, inner = w_mul64(k, k + 1);
    switch (kind) {
    case W_BASIS_WAVELET:
        return f->count[0] > 0 && f->count[1] > 0 && w_mul64(f->count[0], f->count[1]) == k
               && f->parameter_count == f->count[0] + f->count[1];
    case W_BASIS_RBF: return f->form <= 3 && f->parameter_count == 1 + d * k;
    case W_BASIS_RFF:
        return f->form <= 2 && f->count[0] >= 1 && f->count[0] <= 4
               && f->parameter_count == w_add64(w_mul64(d + 1, k), w_mul64(f->count[0] - 1, inner));
    case W_BASIS_LINTREE:
    case W_BASIS_TREE: {
        bool flat = f->form & 1, one = kind == W_BASIS_LINTREE;
        ok = f->count[0] >= 1 && f->count[1] >= 1 && f->count[1] < INT32_MAX && f->form >> 1 < d
             && f->parameter_count == w_mul64(f->count[0], 2 * f->count[1])
             && (flat ? f->count[2] == f->count[1] + 1 : f->count[1] <= 20 && f->count[2] == (int64_t)1 << f->count[1])
             && (one ? f->count[0] == 1 && cells == f->count[2] : w_mul64(f->count[0], f->count[2]) == f->leaf_count);
        for (int64_t i = 0; ok && i < f->parameter_count; i += 2)
            ok = f->parameter[i] >= 0 && f->parameter[i] < (double)d;
        for (int64_t i = 0; ok && i < f->leaf_count; i++) {
            ok = f->leaf_weight[i] >= 0 && isfinite(f->leaf_weight[i]);
            k -= f->leaf_weight[i] != 0;
        }
        return ok && (one || k == 0);
    }
    case W_BASIS_FOURIER: return f->parameter_count == 1 && k % 2 == 0;
    default: return f->parameter_count == 1;
    }
}

weir_status w_features_restore(w_arena *arena, w_basis_kind kind, const w_features *features, int64_t k, double *map,
                               w_margin *out)
{
    w_margin margin = *out;
    int64_t columns = w_basis_coded(kind) || kind == W_BASIS_LINTREE ? k : features->width;
    w_features *kept = w_arena_alloc(arena, 1, sizeof *kept);
    if (!kept)
        return w_alloc_status(arena->ctx);
    *kept = *features;
    margin.kind = kind;
    margin.k = k;
    margin.covariates = kept->covariates;
    margin.features = kept;
    bool coded = w_basis_coded(kind), sloped = kind == W_BASIS_LINTREE;
    bool shaped = margin.width == features->width && (coded || sloped ? !features->mean : margin.cells == 1) &&
                  (!coded || margin.width == 1) && (!sloped || margin.width == 2) && !(features->mean && map);
    if (!sound(kind, kept, columns, margin.cells) || !shaped || (!map && (columns != k || coded || sloped)))
        return w_fail(arena->ctx, WEIR_E_MODEL, "a smooth of bs=\"%s\" is damaged", w_basis_name(kind));
    if (kind == W_BASIS_TREE) {
        kept->leaf_column = w_arena_alloc(arena, (size_t)kept->leaf_count, sizeof *kept->leaf_column);
        if (!kept->leaf_column)
            return w_alloc_status(arena->ctx);
        w_features_number_leaves(kept);
    }
    weir_status status = finish(arena, &margin, map);
    if (!status)
        *out = margin;
    return status;
}
