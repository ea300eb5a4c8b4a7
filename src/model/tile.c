/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a window -> variables -> a tile. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "model/poly.h"
#include "model/tile.h"

#define TAG "tile"
#define LEAST_WEIGHT 1e-100 /* their products with squares of the response stay finite */
#define LARGEST_WEIGHT 1e100

/* ---- making ---- */

static weir_status allocate_variables(w_arena *arena, const w_design *d, w_tile_scratch *s)
{
    const struct w_design_program *g = d->program;
    size_t columns = (size_t)d->column_count + 1, atoms = (size_t)g->atom_count + 1,
           codes = (size_t)g->code_count + 1;
    s->number = w_arena_calloc(arena, columns, sizeof *s->number);
    s->code = w_arena_calloc(arena, columns, sizeof *s->code);
    s->column_buffer = w_arena_alloc(arena, columns, W_TILE_ROWS * sizeof(double));
    s->value = w_arena_calloc(arena, atoms, sizeof *s->value);
    s->atom_buffer = w_arena_calloc(arena, atoms, sizeof *s->atom_buffer);
    s->atom_code = w_arena_calloc(arena, atoms, sizeof *s->atom_code);
    s->joint = w_arena_calloc(arena, codes, sizeof *s->joint);
    s->stack = w_arena_alloc(arena, (size_t)g->depth + 1, W_EXPR_RUN * sizeof(double));
    s->offset = w_arena_alloc(arena, W_TILE_ROWS, sizeof(double));
    if (!s->number || !s->code || !s->column_buffer || !s->value || !s->atom_buffer || !s->atom_code ||
        !s->joint || !s->stack || !s->offset) {
        return w_alloc_status(arena->ctx);
    }
    for (int a = 0; a < g->atom_count; a++) {
        const w_atom *atom = &g->atom[a];
        if (atom->category && atom->number) {
            s->atom_code[a] = w_arena_alloc(arena, W_TILE_ROWS, sizeof(int32_t));
        } else if (!atom->category && atom->column < 0) {
            s->atom_buffer[a] =
                w_arena_alloc(arena, (size_t)(atom->degree ? atom->degree : 1), W_TILE_ROWS * sizeof(double));
        }
        if ((atom->category && atom->number && !s->atom_code[a]) ||
            (!atom->category && atom->column < 0 && !s->atom_buffer[a])) {
            return w_alloc_status(arena->ctx);
        }
    }
    for (int k = 0; k < g->code_count; k++) {
        s->joint[k] = w_arena_alloc(arena, W_TILE_ROWS, sizeof(int32_t));
        if (!s->joint[k]) {
            return w_alloc_status(arena->ctx);
        }
    }
    return WEIR_OK;
}

/* Room for the values of margins that need it. */
static int64_t joint_doubles(const w_smooth *smooth)
{
    int64_t doubles = 0;
    for (int m = 0; m < smooth->margin_count; m++) {
        doubles = w_max64(doubles, w_margin_doubles(&smooth->margin[m]));
    }
    return doubles;
}

/* Values of all margins of a tensor product, and of all but the last of three joined: doubles per row. */
static int64_t tensor_doubles(const w_smooth *smooth)
{
    int64_t doubles = 0;
    for (int m = 0; m < smooth->margin_count; m++) {
        doubles += smooth->margin[m].width;
    }
    return doubles + (smooth->margin_count > 2 ? (int64_t)smooth->margin[0].width * smooth->margin[1].width : 0);
}

static weir_status allocate_dense_rows(w_arena *arena, const w_design *d, w_tile_scratch *s)
{
    int64_t largest = 1, joint = 1, tensor = 1;
    for (int b = 0; b < d->block_count; b++) {
        const w_smooth *smooth = d->block[b].smooth;
        int64_t k = 1;
        joint = w_max64(joint, smooth ? joint_doubles(smooth) : 0);
        tensor = w_max64(tensor, smooth && smooth->margin_count > 1 ? tensor_doubles(smooth) : 0);
        for (int m = 0; smooth && m < smooth->margin_count; m++) {
            k = w_mul64(k, w_max64(smooth->margin[m].k, smooth->margin[m].width));
        }
        largest = w_max64(largest, k);
    }
    s->margin_value = w_arena_alloc(arena, (size_t)w_mul64(tensor, W_TENSOR_RUN), sizeof(double));
    s->plate = w_arena_alloc(arena, (size_t)joint, sizeof(double));
    s->margin_cell = w_arena_alloc(arena, W_MAX_MARGINS * W_TENSOR_RUN, sizeof(int32_t));
    s->raw[0] = w_arena_alloc(arena, (size_t)largest, sizeof(double));
    s->raw[1] = w_arena_alloc(arena, (size_t)largest, sizeof(double));
    return s->margin_value && s->plate && s->margin_cell && s->raw[0] && s->raw[1] ? WEIR_OK : w_alloc_status(arena->ctx);
}

static weir_status allocate_blocks(w_arena *arena, const w_design *d, w_tile *tile)
{
    const w_tile_scratch *s = tile->scratch;
    tile->block = w_arena_calloc(arena, (size_t)d->block_count, sizeof *tile->block);
    tile->column = w_arena_calloc(arena, (size_t)d->block[0].width, sizeof *tile->column);
    if (!tile->block || !tile->column) {
        return w_alloc_status(arena->ctx);
    }
    for (int b = 0; b < d->block_count; b++) {
        const w_block *block = &d->block[b];
        w_tile_block *out = &tile->block[b];
        const w_block_program *program = &d->program->block[b];
        bool ones = block->kind == W_BLOCK_FACTOR && program->multiple.count == 0 && !program->level_value;
        if (!ones) {
            out->value = w_arena_alloc(arena, (size_t)block->width, W_TILE_ROWS * sizeof(double));
        }
        if (block->kind == W_BLOCK_FACTOR) {
            out->cell = s->joint[block->code];
        } else if (block->kind == W_BLOCK_SMOOTH) {
            out->cell = w_arena_alloc(arena, W_TILE_ROWS, sizeof(int32_t));
        }
        if ((!ones && !out->value) || (block->kind == W_BLOCK_SMOOTH && !out->cell)) {
            return w_alloc_status(arena->ctx);
        }
    }
    return WEIR_OK;
}

weir_status w_tile_create(weir_ctx *ctx, const w_design *design, w_tile **out)
{
    w_arena arena;
    w_arena_init_small(&arena, ctx, TAG);
    w_tile *tile = w_arena_calloc(&arena, 1, sizeof *tile);
    w_tile_scratch *s = w_arena_calloc(&arena, 1, sizeof *s);
    weir_status status = tile && s ? WEIR_OK : w_alloc_status(ctx);
    if (status == WEIR_OK) {
        tile->scratch = s;
        tile->weight = w_arena_alloc(&arena, W_TILE_ROWS, sizeof(double));
        tile->response = w_arena_alloc(&arena, W_TILE_ROWS, sizeof(double));
        tile->offset = w_arena_alloc(&arena, W_TILE_ROWS, sizeof(double));
        tile->missing = w_arena_alloc(&arena, W_TILE_ROWS, 1);
        tile->series = design->start_column < 0 ? NULL : w_arena_alloc(&arena, W_TILE_ROWS, sizeof *tile->series);
        bool series = tile->series || design->start_column < 0;
        status = tile->weight && tile->response && tile->offset && tile->missing && series ? WEIR_OK : w_alloc_status(ctx);
    }
    if (status == WEIR_OK) {
        status = allocate_variables(&arena, design, s);
    }
    if (status == WEIR_OK) {
        status = allocate_dense_rows(&arena, design, s);
    }
    if (status == WEIR_OK) {
        status = allocate_blocks(&arena, design, tile);
    }
    if (status != WEIR_OK) {
        w_arena_free(&arena);
        return status;
    }
    s->arena = arena;
    *out = tile;
    return WEIR_OK;
}

void w_tile_free(weir_ctx *ctx, w_tile *tile)
{
    (void)ctx;
    if (tile) {
        w_arena arena = ((w_tile_scratch *)tile->scratch)->arena;
        w_arena_free(&arena);
    }
}

int64_t w_tile_bytes(const w_design *d)
{
    const struct w_design_program *g = d->program;
    const int64_t columns = d->column_count + 1, atoms = g ? g->atom_count : d->column_count, codes = g ? g->code_count : columns;
    const int64_t column = W_TILE_ROWS * (int64_t)sizeof(double), pointers = 8 * (atoms + columns + codes + 8);
    w_arena_need need = { .small = true };
    w_arena_need_add(&need, 6, pointers);
    w_arena_need_add(&need, 1, (int64_t)sizeof(w_tile) + (int64_t)sizeof(w_tile_scratch));
    w_arena_need_add(&need, 4, column);
    w_arena_need_add(&need, d->start_column >= 0, column / 2);
    w_arena_need_add(&need, 1, w_mul64(columns, column));
    w_arena_need_add(&need, 2, W_TILE_ROWS);
    w_arena_need_add(&need, codes, column / 2);
    for (int a = 0; a < atoms; a++) {
        bool category = g && g->atom[a].category;
        w_arena_need_add(&need, 1, category ? column / 2 : w_mul64(g ? w_max64(g->atom[a].degree, 1) : 1, column));
    }
    int64_t dense = 1, joint = 1, tensor = 1;
    for (int b = 0; b < d->block_count; b++) {
        int64_t k = 1;
        const w_smooth *smooth = d->block[b].smooth;
        for (int m = 0; smooth && m < smooth->margin_count; m++) {
            k = w_mul64(k, w_max64(smooth->margin[m].k, smooth->margin[m].width));
        }
        dense = w_max64(dense, k);
        joint = w_max64(joint, smooth ? joint_doubles(smooth) : 0);
        tensor = w_max64(tensor, smooth && smooth->margin_count > 1 ? tensor_doubles(smooth) : 0);
        w_arena_need_add(&need, 1, w_mul64(d->block[b].width, column));
        w_arena_need_add(&need, 1, column / 2);
    }
    w_arena_need_add(&need, 1, d->block_count * (int64_t)sizeof(w_tile_block));
    w_arena_need_add(&need, 1, d->block[0].width * (int64_t)sizeof(double *));
    w_arena_need_add(&need, 2, w_mul64(dense, sizeof(double)));
    w_arena_need_add(&need, 1, w_mul64(tensor, W_TENSOR_RUN * (int64_t)sizeof(double)));
    w_arena_need_add(&need, 1, w_mul64(joint, sizeof(double)));
    w_arena_need_add(&need, 1, W_MAX_MARGINS * W_TENSOR_RUN * (int64_t)sizeof(int32_t));
    w_arena_need_add(&need, (g ? g->depth + 1 : 8), W_EXPR_RUN * (int64_t)sizeof(double));
    w_arena_need_add(&need, 1, (g ? g->depth + 1 : 8) * W_EXPR_RUN * (int64_t)sizeof(double));
    return w_arena_need_bytes(&need);
}

/* ---- evaluating ---- */

typedef struct evaluation {
    const w_design *d;
    const w_window *window;
    int64_t start, rows;
    const w_tile_request *request; /* NULL = the training table */
    w_tile *tile;
    w_tile_scratch *s;
    bool predict, any_missing;
    weir_missing missing;
} evaluation;

static long long row_number(const evaluation *e, int64_t i)
{
    return (long long)(e->window->first_row + e->start + i) + 1;
}

static bool all_finite(const double *x, int64_t rows)
{
    double odd[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= rows; i += 8) {
        for (int j = 0; j < 8; j++) {
            odd[j] += x[i + j] * 0;
        }
    }
    for (; i < rows; i++) {
        odd[0] += x[i] * 0;
    }
    double sum = 0;
    for (int j = 0; j < 8; j++) {
        sum += odd[j];
    }
    return sum == 0;
}

static weir_status mark_missing(evaluation *e, int column, int64_t i)
{
    if (e->missing == WEIR_MISSING_FAIL) {
        return w_fail(e->d->ctx, WEIR_E_DATA,
                      "column '%s' has no value in row %lld: fill it in, or leave such rows out with "
                      "--na drop",
                      e->d->column[column], row_number(e, i));
    }
    e->tile->missing[i] = 1;
    e->any_missing = true;
    return WEIR_OK;
}

static weir_status check_numbers(evaluation *e, int column)
{
    const double *x = e->s->number[column];
    for (int64_t i = 0; i < e->rows; i++) {
        weir_status status = isnan(x[i]) ? mark_missing(e, column, i) : WEIR_OK;
        if (isinf(x[i])) {
            status = w_fail(e->d->ctx, WEIR_E_DATA,
                            "column '%s' is infinite in row %lld: correct the value or mark it as missing",
                            e->d->column[column], row_number(e, i));
        }
        if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

static weir_status unseen_level(evaluation *e, int column, int64_t i, int32_t code)
{
    const char *const *const *names = e->request ? e->request->level_name : NULL;
    return w_fail(e->d->ctx, WEIR_E_DATA,
                  "column '%s' has in row %lld the level '%s', which the model has never seen: remove the "
                  "row, or predict with --unseen missing",
                  e->d->column[column], row_number(e, i), names && names[column] ? names[column][code] : "?");
}

/* Codes of the table -> codes of the design. A level without training rows has the code -1 there, in rows that do not
 * count: they take level 0. */
static weir_status read_codes(evaluation *e, int column, int position)
{
    const w_tile_request *r = e->request;
    int32_t *buffer = (int32_t *)(void *)(e->s->column_buffer + column * (int64_t)W_TILE_ROWS);
    const int32_t *code = w_window_codes(e->window, position, e->start, e->rows, buffer);
    bool training = !r || !r->recode;
    const int32_t *recode = training ? e->d->program->training[column] : r->recode[column];
    int32_t lowest = 0;
    for (int64_t i = 0; i < e->rows; i++) {
        lowest = code[i] < lowest ? code[i] : lowest;
    }
    e->s->code[column] = code;
    if (lowest == 0 && !recode) {
        return WEIR_OK;
    }
    for (int64_t i = 0; i < e->rows; i++) {
        int32_t from = code[i], to = from < 0 ? 0 : recode ? recode[from] : from;
        weir_status status = from < 0 ? mark_missing(e, column, i) : WEIR_OK;
        if (to < 0 && training && !e->predict) {
            to = 0;
        } else if (to < 0 && (training || r->unseen_missing)) {
            e->tile->missing[i] = 1;
            e->any_missing = true;
            to = 0;
        } else if (to < 0) {
            status = unseen_level(e, column, i, from);
        }
        if (status != WEIR_OK) {
            return status;
        }
        buffer[i] = to;
    }
    e->s->code[column] = buffer;
    return WEIR_OK;
}

static weir_status read_columns(evaluation *e)
{
    const w_design *d = e->d;
    for (int c = 0; c < d->column_count; c++) {
        int position = e->request && e->request->selected ? e->request->selected[c] : c;
        e->s->number[c] = NULL;
        e->s->code[c] = NULL;
        if (position < 0 || (e->predict && !d->program->needed[c])) {
            continue;
        }
        weir_status status = WEIR_OK;
        if (e->window->column[position].kind != d->column_kind[c]) {
            return w_fail(d->ctx, WEIR_E_DATA, "column '%s' holds %s here, but %s when the model was made",
                          d->column[c], d->column_kind[c] == W_FACTOR ? "numbers" : "categories",
                          d->column_kind[c] == W_FACTOR ? "categories" : "numbers");
        }
        if (d->column_kind[c] == W_FACTOR) {
            status = read_codes(e, c, position);
        } else {
            e->s->number[c] = w_window_numeric(e->window, position, e->start, e->rows,
                                               e->s->column_buffer + c * (int64_t)W_TILE_ROWS);
            bool known = d->program->all_present && (!e->request || e->request->training);
            status = known || all_finite(e->s->number[c], e->rows) ? WEIR_OK : check_numbers(e, c);
        }
        if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

/* Whether row i may hold what it likes: it has no weight. */
static bool is_weightless(const evaluation *e, int64_t i)
{
    return e->tile->missing[i] ||
           (!e->predict && e->d->weight_column >= 0 && e->s->number[e->d->weight_column][i] == 0);
}

static weir_status category_of_number(evaluation *e, int a)
{
    const w_atom *atom = &e->d->program->atom[a];
    const double *x = e->s->number[atom->column];
    int32_t *code = e->s->atom_code[a];
    for (int64_t i = 0; i < e->rows; i++) {
        int64_t low = 0, high = atom->level_count;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (atom->number[middle] < x[i]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        bool known = low < atom->level_count && atom->number[low] == x[i];
        code[i] = known ? (int32_t)low : 0;
        if (known || is_weightless(e, i)) {
            continue;
        }
        if (!e->request || !e->request->unseen_missing) {
            return w_fail(e->d->ctx, WEIR_E_DATA,
                          "%s has in row %lld the level %.15g, which the model has never seen: remove the "
                          "row, or predict with --unseen missing",
                          atom->label, row_number(e, i), x[i]);
        }
        e->tile->missing[i] = 1;
        e->any_missing = true;
    }
    return WEIR_OK;
}

static weir_status read_number_categories(evaluation *e)
{
    weir_status status = WEIR_OK;
    for (int a = 0; a < e->d->program->atom_count && status == WEIR_OK; a++) {
        if (e->d->program->atom[a].category && e->d->program->atom[a].number) {
            status = category_of_number(e, a);
        }
    }
    return status;
}

/* Weights times the trials that the response is a share of; a row without trials does not count. */
static weir_status read_trials(evaluation *e)
{
    w_tile *tile = e->tile;
    double *trials = e->s->offset;
    w_expr_eval(e->d->program->trials, (const double *const *)e->s->number, e->rows, e->s->stack, trials);
    tile->unit_weight = false;
    for (int64_t i = 0; i < e->rows; i++) {
        if (tile->missing[i] || tile->weight[i] == 0) {
            continue;
        }
        if (!(trials[i] >= 0 && isfinite(trials[i]))) {
            return w_fail(e->d->ctx, WEIR_E_DATA, "%s has %g trials in row %lld: counts are finite and not negative",
                          e->d->response_label, trials[i], row_number(e, i));
        }
        tile->weight[i] *= trials[i];
    }
    return WEIR_OK;
}

static weir_status read_weights(evaluation *e)
{
    w_tile *tile = e->tile;
    const double *weight = e->predict || e->d->weight_column < 0 ? NULL : e->s->number[e->d->weight_column];
    tile->unit_weight = !weight && !e->any_missing;
    for (int64_t i = 0; i < e->rows; i++) {
        tile->weight[i] = 1;
    }
    for (int64_t i = 0; weight && i < e->rows; i++) {
        if (weight[i] < 0 && !tile->missing[i]) {
            return w_fail(e->d->ctx, WEIR_E_DATA,
                          "weights column '%s' is negative (%g) in row %lld: weights must be 0 or more",
                          e->d->column[e->d->weight_column], weight[i], row_number(e, i));
        }
        if (weight[i] != 0 && !tile->missing[i] && !(weight[i] >= LEAST_WEIGHT && weight[i] <= LARGEST_WEIGHT)) {
            return w_fail(e->d->ctx, WEIR_E_DATA,
                          "weights column '%s' is %g in row %lld: weights other than 0 lie between %g and %g; rescale them",
                          e->d->column[e->d->weight_column], weight[i], row_number(e, i), LEAST_WEIGHT, LARGEST_WEIGHT);
        }
        tile->weight[i] = weight[i];
    }
    for (int64_t i = 0; e->any_missing && i < e->rows; i++) {
        tile->weight[i] = tile->missing[i] ? 0 : tile->weight[i];
    }
    if (!e->predict && e->d->program->trials) {
        weir_status status = read_trials(e);
        if (status != WEIR_OK) {
            return status;
        }
    }
    tile->counted = e->rows;
    tile->log_weight_sum = 0;
    for (int64_t i = 0; !tile->unit_weight && i < e->rows; i++) {
        tile->counted -= tile->weight[i] == 0;
        tile->log_weight_sum += tile->weight[i] > 0 && tile->weight[i] != 1 ? log(tile->weight[i]) : 0;
    }
    return WEIR_OK;
}

static weir_status read_series(evaluation *e)
{
    const int column = e->d->start_column;
    return column < 0 || (e->predict && !e->d->grouped) ? WEIR_OK
                                    : w_tile_read_series(e->d, e->s->number[column], e->s->code[column], e->rows,
                                                         e->window->first_row + e->start, e->tile->series);
}

/* Values that an expression made must be finite in the rows that count; elsewhere they become 0. */
static weir_status check_expression(evaluation *e, double *value, const char *label)
{
    if (all_finite(value, e->rows)) {
        return WEIR_OK;
    }
    for (int64_t i = 0; i < e->rows; i++) {
        if (isfinite(value[i])) {
            continue;
        }
        if (e->tile->weight[i] > 0) {
            return w_fail(e->d->ctx, WEIR_E_DATA,
                          "%s is not finite in row %lld: correct the values it is made of, or mark them as "
                          "missing",
                          label, row_number(e, i));
        }
        value[i] = 0;
    }
    return WEIR_OK;
}

static weir_status read_response(evaluation *e)
{
    w_tile *tile = e->tile;
    const double *const *number = e->s->number;
    for (int64_t i = 0; i < e->rows; i++) {
        tile->offset[i] = 0;
        tile->response[i] = NAN;
    }
    weir_status status = WEIR_OK;
    for (int k = 0; k < e->d->offset_count && status == WEIR_OK; k++) {
        w_expr_eval(e->d->program->offset[k], number, e->rows, e->s->stack, e->s->offset);
        status = check_expression(e, e->s->offset, "offset()");
        for (int64_t i = 0; i < e->rows; i++) {
            tile->offset[i] += e->s->offset[i];
        }
    }
    if (status == WEIR_OK && !e->predict) {
        w_expr_eval(e->d->program->response, number, e->rows, e->s->stack, tile->response);
        const bool known = e->d->program->all_present && (!e->request || e->request->training) &&
                           w_expr_column(e->d->program->response) >= 0;
        status = known ? WEIR_OK : check_expression(e, tile->response, e->d->response_label);
    }
    return status;
}

static weir_status compute_atom(evaluation *e, int a)
{
    const w_atom *atom = &e->d->program->atom[a];
    w_tile_scratch *s = e->s;
    if (atom->category) {
        return WEIR_OK;
    }
    if (atom->column >= 0) {
        s->value[a] = s->number[atom->column];
        return WEIR_OK;
    }
    double *out = s->atom_buffer[a];
    s->value[a] = out;
    if (!atom->degree) {
        w_expr_eval(atom->expr, s->number, e->rows, s->stack, out);
        return check_expression(e, out, atom->label);
    }
    w_expr_eval(atom->expr, s->number, e->rows, s->stack, s->offset);
    weir_status status = check_expression(e, s->offset, atom->label);
    if (status == WEIR_OK) {
        w_poly_eval(atom->degree, atom->alpha, atom->norm, s->offset, e->rows, W_TILE_ROWS, out);
    }
    return status;
}

static weir_status compute_atoms(evaluation *e)
{
    weir_status status = WEIR_OK;
    for (int a = 0; a < e->d->program->atom_count && status == WEIR_OK; a++) {
        status = compute_atom(e, a);
    }
    return status;
}

/* Joint code: the first category runs fastest. */
static void join_codes(evaluation *e)
{
    const struct w_design_program *g = e->d->program;
    for (int k = 0; k < g->code_count; k++) {
        int32_t *joint = e->s->joint[k];
        int32_t stride = 1;
        if (g->code[k].trees) {
            const double *x[W_MAX_MARGINS] = {NULL};
            for (int c = 0; c < g->code[k].count; c++) {
                x[c] = e->s->value[g->code[k].atom[c]];
            }
            w_trees_leaves(g->code[k].trees, g->code[k].tree, x, e->rows, joint);
            continue;
        }
        for (int j = 0; j < g->code[k].count; j++) {
            const w_atom *atom = &g->atom[g->code[k].atom[j]];
            const int32_t *code = atom->number ? e->s->atom_code[g->code[k].atom[j]] : e->s->code[atom->column];
            if (j == 0) {
                memcpy(joint, code, (size_t)e->rows * sizeof *joint);
            } else {
                for (int64_t i = 0; i < e->rows; i++) {
                    joint[i] += stride * code[i];
                }
            }
            stride *= (int32_t)atom->level_count;
        }
    }
}

/* Rows with a missing value: valid cells, values 0, weight 0. */
static void blank_missing(evaluation *e)
{
    w_tile *tile = e->tile;
    for (int64_t i = 0; i < e->rows; i++) {
        if (!tile->missing[i]) {
            continue;
        }
        tile->offset[i] = 0;
        for (int b = 0; b < e->d->block_count; b++) {
            int width = e->d->block[b].width;
            if (tile->block[b].cell) {
                tile->block[b].cell[i] = 0;
            }
            if (b == 0 && tile->column[0]) {
                continue;
            }
            for (int j = 0; tile->block[b].value && j < width; j++) {
                tile->block[b].value[i * width + j] = 0;
            }
        }
    }
}

weir_status w_tile_eval(const w_design *design, const w_window *window, int64_t start, int64_t rows,
                        const w_tile_request *request, w_tile *tile)
{
    evaluation e = {.d = design,
                    .window = window,
                    .start = start,
                    .rows = rows,
                    .request = request,
                    .tile = tile,
                    .s = tile->scratch,
                    .predict = request && request->predict,
                    .missing = request ? request->missing : WEIR_MISSING_DROP};
    tile->first_row = window->first_row + start;
    tile->rows = rows;
    memset(tile->missing, 0, (size_t)rows);
    weir_status (*const step[])(evaluation *) = {read_columns, read_number_categories, read_weights, read_series,
                                                 read_response, compute_atoms};
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        weir_status status = step[i](&e);
        if (status != WEIR_OK) {
            return status;
        }
    }
    join_codes(&e);
    w_tile_fill_blocks(design, request && request->by_columns, tile);
    if (e.any_missing) {
        blank_missing(&e);
    }
    return WEIR_OK;
}
