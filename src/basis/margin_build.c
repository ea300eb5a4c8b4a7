/* SPDX-License-Identifier: Apache-2.0 */
/* One margin of any kind: resolves k, checks range and knots, and hands over to the family's builder. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/parts.h"
#include "dense/elementary.h"

/* Spacings are cubed in penalties: outside these the cubes leave the range of doubles. */
#define LEAST_RANGE 1e-90
#define MOST_RANGE 1e90

static weir_status sort_knots(w_arena *work, const char *label, const w_margin_spec *spec, const double **out)
{
    double *knot = w_arena_alloc(work, (size_t)spec->knot_count, sizeof *knot);
    if (!knot)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < spec->knot_count; i++) {
        if (!isfinite(spec->knot[i]))
            return w_fail(work->ctx, WEIR_E_FORMULA, "%s: knot %lld is not a finite number", label,
                          (long long)i + 1);
        int64_t j = i;
        for (; j > 0 && knot[j - 1] > spec->knot[i]; j--)
            knot[j] = knot[j - 1];
        knot[j] = spec->knot[i];
    }
    *out = knot;
    return WEIR_OK;
}

static weir_status check_range(weir_ctx *ctx, const char *label, const w_distinct *distinct)
{
    double low = distinct->value[0], high = distinct->value[distinct->count - 1], range = high - low;
    if (distinct->count == 1)
        return w_fail(ctx, WEIR_E_DATA, "%s: the covariate is constant (%g); drop the term", label, low);
    if (!(range >= LEAST_RANGE && range <= MOST_RANGE))
        return w_fail(ctx, WEIR_E_DATA, "%s: the covariate spans a range of %g; rescale it", label, range);
    return WEIR_OK;
}

static weir_status resolve_k(w_margin_input *in, w_arena *arena, bool tensor, const char **note)
{
    const w_margin_spec *spec = in->spec;
    int64_t wanted = spec->k > 0 ? spec->k : w_basis_default_k(spec, tensor), least = w_basis_least_k(spec);
    int64_t distinct = in->distinct->count;
    bool all_knots_given = spec->knot_count > 0 && spec->knot_count != 2;
    *note = NULL;
    in->k = wanted;
    if (wanted < least)
        return w_fail(arena->ctx, WEIR_E_FORMULA, "%s: k = %lld is too small; \"%s\" needs at least %lld",
                      in->label, (long long)wanted, w_basis_name(spec->basis), (long long)least);
    if (wanted > INT32_MAX / 4)
        return w_fail(arena->ctx, WEIR_E_FORMULA, "%s: k = %lld is too large", in->label, (long long)wanted);
    if (wanted <= distinct || all_knots_given)
        return WEIR_OK;
    if (distinct < least)
        return w_fail(arena->ctx, WEIR_E_DATA,
                      "%s: the covariate has only %lld distinct values; \"%s\" needs at least %lld", in->label,
                      (long long)distinct, w_basis_name(spec->basis), (long long)least);
    in->k = distinct;
    *note = w_arena_printf(arena, "k reduced from %lld to %lld: only %lld distinct values", (long long)wanted,
                           (long long)distinct, (long long)distinct);
    return *note ? WEIR_OK : w_alloc_status(arena->ctx);
}

/* Splines with knots between the ends of the range ask only whether there are k distinct values: *few says that the first rows
 * have so many; they and the ends are then `out`. */
static weir_status first_values(w_arena *work, const w_margin_spec *spec, int64_t wanted, int64_t rows, const double *x,
                                double lower, double upper, bool *few, w_distinct *out)
{
    enum { MOST = 128, LOOK = 4 * MOST };
    double held[MOST + 2], least, largest;
    int64_t count = 1;
    *few = false;
    if (!(w_basis_shaped(spec->basis) || spec->basis == W_BASIS_PS || spec->basis == W_BASIS_CP) || wanted > MOST ||
        !(lower < upper) || !w_range(rows, x, &least, &largest) || least < lower || largest > upper)
        return WEIR_OK;
    held[0] = lower + 0.0;
    for (int64_t i = 0; i < rows && i < LOOK && count < wanted; i++) {
        int64_t at = count;
        while (at > 0 && held[at - 1] > x[i])
            at--;
        if (x[i] == held[at - 1] || x[i] == upper)
            continue;
        memmove(held + at + 1, held + at, (size_t)(count - at) * sizeof *held);
        held[at] = x[i] + 0.0;
        count++;
    }
    held[count++] = upper + 0.0;
    if (count < wanted)
        return WEIR_OK;
    double *value = w_arena_alloc(work, (size_t)count, sizeof *value);
    if (!value)
        return w_alloc_status(work->ctx);
    memcpy(value, held, (size_t)count * sizeof *value);
    *out = (w_distinct){.count = count, .value = value};
    *few = true;
    return WEIR_OK;
}

static weir_status distinct_values(w_arena *work, const char *label, const w_margin_spec *spec, bool tensor, int64_t rows,
                                   const double *x, double lower, double upper, w_distinct *out)
{
    const int64_t wanted = spec->k > 0 ? spec->k : w_basis_default_k(spec, tensor);
    bool few;
    weir_status status = first_values(work, spec, wanted, rows, x, lower, upper, &few, out);
    return status || few ? status : w_distinct_build(work, label, rows, x, lower, upper, out);
}

weir_status w_margin_build(w_arena *arena, w_arena *work, const char *label, const w_margin_spec *spec,
                           bool tensor, int64_t rows, const double *x, double lower, double upper, w_margin *out,
                           const char **note)
{
    w_distinct distinct;
    weir_status status = distinct_values(work, label, spec, tensor, rows, x, lower, upper, &distinct);
    if (status)
        return status;
    w_margin_input in = {
        .arena = arena, .work = work, .label = label, .spec = spec, .distinct = &distinct, .rows = rows, .x = x};
    status = check_range(arena->ctx, label, &distinct);
    if (!status)
        status = resolve_k(&in, arena, tensor, note);
    if (!status)
        status = sort_knots(work, label, spec, &in.knot);
    if (status)
        return status;
    switch (w_basis_shaped(spec->basis) ? W_BASIS_PS : spec->basis) {
    case W_BASIS_CR:
    case W_BASIS_CS:
    case W_BASIS_CC: return w_margin_cubic(&in, out);
    case W_BASIS_PS:
    case W_BASIS_CP: return w_margin_bspline(&in, out);
    case W_BASIS_TP:
    case W_BASIS_TS: return w_margin_thinplate(&in, out);
    default: break;
    }
    return w_fail(arena->ctx, WEIR_E_FORMULA, "%s: bs=\"%s\" is not a spline of a numeric covariate", label,
                  w_basis_name(spec->basis));
}
