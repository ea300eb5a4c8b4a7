/* SPDX-License-Identifier: Apache-2.0 */
#include "model/setup.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "model/poly.h"

#define TAG "set-up rows"
#define PLACES 4096 /* of the range, for medians */

weir_status w_setup_init(w_setup *s, w_builder *builder, const w_scan_result *scan,
                         const w_design_options *options, const int *watch)
{
    *s = (w_setup){.builder = builder, .scan = scan, .options = options, .watch = watch};
    size_t atoms = (size_t)builder->terms.atom_count + 1, calls = (size_t)builder->terms.smooth_count + 1;
    s->value = w_arena_calloc(builder->arena, atoms, sizeof *s->value);
    s->stack = w_arena_alloc(builder->arena, (size_t)builder->program->depth + 1, W_EXPR_RUN * sizeof(double));
    s->smooth = w_arena_calloc(builder->arena, calls, sizeof *s->smooth);
    s->random_scale = w_arena_calloc(builder->arena, calls, sizeof *s->random_scale);
    return s->value && s->stack && s->smooth && s->random_scale ? WEIR_OK : w_alloc_status(builder->ctx);
}

void w_setup_free(w_setup *s)
{
    for (int i = 0; s->value && i < s->builder->terms.atom_count; i++) {
        w_free(s->builder->ctx, s->value[i]);
    }
}

weir_status w_setup_values(w_setup *s, int atom, const double **out)
{
    const w_builder *b = s->builder;
    const w_atom *a = &b->program->atom[atom];
    if (a->column >= 0) {
        *out = s->scan->setup[a->column];
        return WEIR_OK;
    }
    if (!s->value[atom]) {
        double *value = w_alloc_array(b->ctx, TAG, (size_t)s->scan->setup_rows + 1, sizeof *value);
        if (!value) {
            return w_alloc_status(b->ctx);
        }
        w_expr_eval(a->expr, (const double *const *)s->scan->setup, s->scan->setup_rows, s->stack, value);
        s->value[atom] = value;
    }
    *out = s->value[atom];
    return WEIR_OK;
}

weir_status w_setup_note(w_builder *b, const char *note)
{
    w_design *d = b->design;
    const char **grown = w_terms_grow(b->arena, d->note, d->note_count, sizeof *grown);
    if (!note || !grown) {
        return w_alloc_status(b->ctx);
    }
    d->note = grown;
    grown[d->note_count++] = note;
    return WEIR_OK;
}

weir_status w_setup_polynomials(w_setup *s)
{
    w_builder *b = s->builder;
    weir_status status = WEIR_OK;
    for (int i = 0; i < b->program->atom_count && status == WEIR_OK; i++) {
        w_atom *atom = &b->program->atom[i];
        if (!atom->degree) {
            continue;
        }
        const double *x;
        double *alpha = w_arena_alloc(b->arena, (size_t)atom->degree, sizeof *alpha);
        double *norm = w_arena_alloc(b->arena, (size_t)atom->degree + 1, sizeof *norm);
        status = alpha && norm ? w_setup_values(s, i, &x) : w_alloc_status(b->ctx);
        for (int64_t r = 0; status == WEIR_OK && r < s->scan->setup_rows; r++) {
            if (!isfinite(x[r])) {
                status = w_fail(b->ctx, WEIR_E_DATA, "%s: its argument is not finite in some row", atom->label);
            }
        }
        if (status == WEIR_OK) {
            status = w_poly_fit(b->ctx, atom->label, x, s->scan->setup_rows, atom->degree, alpha, norm);
        }
        atom->alpha = alpha;
        atom->norm = norm;
    }
    return status;
}

/* ---- typical values ---- */

/* The k-th smallest of x (quickselect; x is reordered). */
static double select_kth(double *x, int64_t count, int64_t k)
{
    int64_t low = 0, high = count - 1;
    while (low < high) {
        double pivot = x[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot) {
                i++;
            }
            while (x[j] > pivot) {
                j--;
            }
            if (i <= j) {
                double swap = x[i];
                x[i++] = x[j];
                x[j--] = swap;
            }
        }
        if (k <= j) {
            high = j;
        } else if (k >= i) {
            low = i;
        } else {
            break;
        }
    }
    return x[k];
}

static weir_status most_frequent(w_setup *s, int column, double *out)
{
    const w_design *d = s->builder->design;
    const int32_t *recode = s->builder->program->training[column];
    int64_t *count = w_calloc(s->builder->ctx, TAG, (size_t)d->level_count[column] + 1, sizeof *count);
    if (!count) {
        return w_alloc_status(s->builder->ctx);
    }
    for (int64_t i = 0; i < s->scan->setup_rows; i++) {
        int32_t code = (int32_t)s->scan->setup[column][i];
        count[recode ? recode[code] : code]++;
    }
    int64_t best = 0;
    for (int64_t l = 1; l < d->level_count[column]; l++) {
        best = count[l] > count[best] ? l : best;
    }
    *out = (double)best;
    w_free(s->builder->ctx, count);
    return WEIR_OK;
}

/* The middle value of x, or the mean of the two middle ones, by counting: rows per place in the range, then only those at the
 * middle places are looked at. copy: `rows` values. */
static double median(const double *x, int64_t rows, double lower, double upper, double *copy)
{
    const int64_t first = (rows - 1) / 2, last = rows / 2;
    const double scale = (PLACES - 1) / (upper - lower);
    int64_t below = 0, kept = rows;
    if (rows > 4 * PLACES && isfinite(scale) && scale > 0) {
        int32_t count[PLACES] = {0};
        for (int64_t i = 0; i < rows; i++) {
            count[(int32_t)((x[i] - lower) * scale)]++;
        }
        int32_t from = 0;
        while (below + count[from] <= first) {
            below += count[from++];
        }
        int32_t to = from;
        for (int64_t reached = below + count[from]; reached <= last; reached += count[to]) {
            to++;
        }
        kept = 0;
        for (int64_t i = 0; i < rows; i++) {
            int32_t place = (int32_t)((x[i] - lower) * scale);
            copy[kept] = x[i];
            kept += place >= from && place <= to;
        }
    } else {
        memcpy(copy, x, (size_t)rows * sizeof *copy);
    }
    double middle = select_kth(copy, kept, last - below);
    return first == last ? middle : (middle + select_kth(copy, kept, first - below)) / 2;
}

weir_status w_setup_typical(w_setup *s)
{
    w_design *d = s->builder->design;
    int64_t rows = s->scan->setup_rows;
    double *copy = w_alloc_array(s->builder->ctx, TAG, (size_t)rows + 1, sizeof *copy);
    weir_status status = copy ? WEIR_OK : w_alloc_status(s->builder->ctx);
    for (int c = 0; c < d->column_count && status == WEIR_OK; c++) {
        if (d->column_kind[c] == W_FACTOR) {
            status = most_frequent(s, c, &d->column_typical[c]);
            continue;
        }
        if (rows == 0 || s->options->undrawn) {
            d->column_typical[c] = d->column_lower[c];
            continue;
        }
        d->column_typical[c] = median(s->scan->setup[c], rows, s->scan->lower[c], s->scan->upper[c], copy);
    }
    w_free(s->builder->ctx, copy);
    return status;
}
