/* SPDX-License-Identifier: Apache-2.0 */
/* Variables of a tile -> cells and values of its blocks; and back to a dense row, the slow way. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "model/tile.h"

#define DENSE_RUN 128 /* rows of the dense block written at a time */

static const double *factor_value(const w_tile_scratch *s, w_factor f)
{
    return s->value[f.atom] + f.part * (int64_t)W_TILE_ROWS;
}

/* out[i*stride] = product of the factors in row start + i */
static void multiply_out(const w_tile_scratch *s, const w_multiple *m, int64_t start, int64_t rows, int64_t stride,
                         double *out)
{
    if (m->count == 0) {
        for (int64_t i = 0; i < rows; i++) {
            out[i * stride] = 1;
        }
        return;
    }
    const double *x = factor_value(s, m->factor[0]) + start;
    for (int64_t i = 0; i < rows; i++) {
        out[i * stride] = x[i];
    }
    for (int k = 1; k < m->count; k++) {
        x = factor_value(s, m->factor[k]) + start;
        for (int64_t i = 0; i < rows; i++) {
            out[i * stride] *= x[i];
        }
    }
}

static void fill_dense(const w_design *d, w_tile *tile)
{
    const w_tile_scratch *s = tile->scratch;
    const w_multiple *dense = d->program->block[0].dense;
    const int width = d->block[0].width;
    double *value = tile->block[0].value;
    for (int64_t start = 0; start < tile->rows; start += DENSE_RUN) {
        int64_t run = w_min64(DENSE_RUN, tile->rows - start);
        double *out = value + start * width;
        for (int j = 0; j < width - 1; j++) {
            multiply_out(s, &dense[j], start, run, width, out + j);
        }
        const double *y = tile->response + start, *offset = tile->offset + start;
        for (int64_t i = 0; i < run; i++) {
            double z = y[i] - offset[i] - d->response_shift;
            out[i * width + width - 1] = z == z ? z : 0;
        }
    }
}

/* The same column by column; columns of the table stay where they are. */
static void point_dense(const w_design *d, w_tile *tile)
{
    const w_tile_scratch *s = tile->scratch;
    const w_multiple *dense = d->program->block[0].dense;
    const int width = d->block[0].width;
    for (int j = 0; j < width - 1; j++) {
        double *own = tile->block[0].value + j * (int64_t)W_TILE_ROWS;
        if (dense[j].count == 1) {
            tile->column[j] = factor_value(s, dense[j].factor[0]);
        } else {
            multiply_out(s, &dense[j], 0, tile->rows, 1, own);
            tile->column[j] = own;
        }
    }
    double *z = tile->block[0].value + (width - 1) * (int64_t)W_TILE_ROWS;
    for (int64_t i = 0; i < tile->rows; i++) {
        const double value = tile->response[i] - tile->offset[i] - d->response_shift;
        z[i] = value == value ? value : 0;
    }
    tile->column[width - 1] = z;
}

/* Values of margin m+1 … joined to those of the margins before: out = before x next, next running fastest. */
static void join_margins(const double *restrict before, int before_width, const double *restrict next,
                         int next_width, int64_t rows, double *restrict out)
{
    if (before_width == 4 && next_width == 4) {
        for (int64_t i = 0; i < rows; i++, before += 4, next += 4, out += 16) {
            for (int a = 0; a < 4; a++) {
                for (int b = 0; b < 4; b++) {
                    out[4 * a + b] = before[a] * next[b];
                }
            }
        }
        return;
    }
    for (int64_t i = 0; i < rows; i++, before += before_width, next += next_width) {
        for (int a = 0; a < before_width; a++) {
            for (int b = 0; b < next_width; b++) {
                *out++ = before[a] * next[b];
            }
        }
    }
}

static void fill_tensor(const w_design *d, int b, w_tile *tile)
{
    const w_tile_scratch *s = tile->scratch;
    const w_smooth *smooth = d->block[b].smooth;
    const int *covariate = d->program->block[b].covariate;
    const int width = d->block[b].width, d_margins = smooth->margin_count;
    double *value[W_MAX_MARGINS];
    int32_t *cell[W_MAX_MARGINS];
    double *next = s->margin_value;
    for (int m = 0; m < d_margins; m++) {
        value[m] = next;
        next += W_TENSOR_RUN * smooth->margin[m].width;
        cell[m] = s->margin_cell + m * W_TENSOR_RUN;
    }
    for (int64_t start = 0; start < tile->rows; start += W_TENSOR_RUN) {
        int64_t run = w_min64(W_TENSOR_RUN, tile->rows - start);
        for (int m = 0; m < d_margins; m++) {
            if (smooth->margin[m].kind == W_BASIS_SZ) {
                memcpy(cell[m], s->joint[d->program->block[b].level_code[m]] + start, (size_t)run * sizeof *cell[m]);
                for (int64_t i = 0; i < run; i++) {
                    value[m][i] = 1;
                }
            } else {
                const double *x = s->value[covariate[m]] + start;
                w_margin_rows(&smooth->margin[m], &x, run, cell[m], value[m], s->plate);
            }
        }
        int32_t *out_cell = tile->block[b].cell + start;
        memcpy(out_cell, cell[0], (size_t)run * sizeof *out_cell);
        for (int m = 1; m < d_margins; m++) {
            int32_t cells = (int32_t)smooth->margin[m].cells;
            for (int64_t i = 0; i < run; i++) {
                out_cell[i] = out_cell[i] * cells + cell[m][i];
            }
        }
        double *out = tile->block[b].value + start * width;
        int w0 = smooth->margin[0].width, w1 = smooth->margin[1].width;
        if (d_margins == 2) {
            join_margins(value[0], w0, value[1], w1, run, out);
        } else {
            join_margins(value[0], w0, value[1], w1, run, next);
            join_margins(next, w0 * w1, value[2], smooth->margin[2].width, run, out);
        }
    }
}

static void fill_smooth(const w_design *d, int b, w_tile *tile)
{
    const w_tile_scratch *s = tile->scratch;
    const w_block *block = &d->block[b];
    const w_block_program *program = &d->program->block[b];
    w_tile_block *out = &tile->block[b];
    if (block->smooth->margin_count == 1) {
        const double *x[W_MAX_MARGINS] = {s->value[program->covariate[0]]};
        for (int c = 1; c < block->smooth->margin[0].covariates; c++) {
            x[c] = s->value[program->covariate[c]];
        }
        w_margin_rows(&block->smooth->margin[0], x, tile->rows, out->cell, out->value, s->plate);
    } else {
        fill_tensor(d, b, tile);
    }
    if (block->code >= 0) {
        const int32_t *level = s->joint[block->code];
        for (int64_t i = 0; i < tile->rows; i++) {
            out->cell[i] += level[i] * (int32_t)block->cells;
        }
    }
    for (int k = 0; k < program->multiple.count; k++) {
        const double *by = factor_value(s, program->multiple.factor[k]);
        for (int64_t i = 0; i < tile->rows; i++) {
            for (int j = 0; j < block->width; j++) {
                out->value[i * block->width + j] *= by[i];
            }
        }
    }
}

void w_tile_fill_blocks(const w_design *d, bool by_columns, w_tile *tile)
{
    memset(tile->column, 0, (size_t)d->block[0].width * sizeof *tile->column);
    for (int b = 0; b < d->block_count; b++) {
        if (d->block[b].kind == W_BLOCK_DENSE) {
            if (by_columns) {
                point_dense(d, tile);
            } else {
                fill_dense(d, tile);
            }
        } else if (d->block[b].kind == W_BLOCK_SMOOTH) {
            fill_smooth(d, b, tile);
        } else if (d->program->block[b].level_value) {
            const double *weight = d->program->block[b].level_value;
            for (int64_t i = 0; i < tile->rows; i++) {
                tile->block[b].value[i] = weight[tile->block[b].cell[i]];
            }
        } else if (d->program->block[b].multiple.count) {
            multiply_out(tile->scratch, &d->program->block[b].multiple, 0, tile->rows, 1, tile->block[b].value);
        }
    }
}

/* ---- dense rows ---- */

/* v' (M_1 x M_2 x …) for the margins' cells; the result lies in the returned buffer. */
static const double *raw_row(const w_smooth *smooth, int64_t cell, const double *value, double *const buffer[2])
{
    int64_t margin_cell[W_MAX_MARGINS];
    for (int m = smooth->margin_count - 1; m >= 0; m--) {
        margin_cell[m] = cell % smooth->margin[m].cells;
        cell /= smooth->margin[m].cells;
    }
    int64_t before = 1, after = 1; /* coefficients of the margins done, widths of those to come */
    for (int m = 0; m < smooth->margin_count; m++) {
        after *= smooth->margin[m].width;
    }
    memcpy(buffer[0], value, (size_t)after * sizeof *value);
    int from = 0;
    for (int m = 0; m < smooth->margin_count; m++) {
        const w_margin *margin = &smooth->margin[m];
        const double *map = margin->map + margin_cell[m] * margin->width * margin->k;
        after /= margin->width;
        double *out = buffer[1 - from];
        for (int64_t a = 0; a < before; a++) {
            for (int64_t j = 0; j < margin->k; j++) {
                for (int64_t c = 0; c < after; c++) {
                    double sum = 0;
                    for (int r = 0; r < margin->width; r++) {
                        sum += buffer[from][(a * margin->width + r) * after + c] * map[r * margin->k + j];
                    }
                    out[(a * margin->k + j) * after + c] = sum;
                }
            }
        }
        before *= margin->k;
        from = 1 - from;
    }
    return buffer[from];
}

static void add_smooth_row(const w_block *block, int64_t cell, const double *value, double *const buffer[2],
                           double *x)
{
    const w_smooth *smooth = block->smooth;
    int64_t first = block->level_first[cell / block->cells];
    if (first < 0) {
        return;
    }
    const double *raw = raw_row(smooth, cell % block->cells, value, buffer);
    for (int64_t j = 0; j < smooth->columns; j++) {
        double sum = 0;
        for (int64_t r = 0; smooth->transform && r < smooth->raw_columns; r++) {
            sum += raw[r] * smooth->transform[r * smooth->columns + j];
        }
        x[first + j] = smooth->transform ? sum : raw[j];
    }
}

void w_tile_dense_row(const w_design *d, const w_tile *tile, int64_t i, double *x)
{
    w_tile_scratch *s = tile->scratch;
    memset(x, 0, (size_t)d->p * sizeof *x);
    for (int b = 0; b < d->block_count; b++) {
        const w_block *block = &d->block[b];
        const w_tile_block *from = &tile->block[b];
        if (block->kind == W_BLOCK_DENSE) {
            for (int j = 0; j < block->width - 1; j++) {
                x[block->dense_column[j]] = from->value[i * block->width + j];
            }
        } else if (block->kind == W_BLOCK_SMOOTH) {
            add_smooth_row(block, from->cell[i], from->value + i * block->width, s->raw, x);
        } else if (block->level_first[from->cell[i]] >= 0) {
            x[block->level_first[from->cell[i]]] = from->value ? from->value[i] : 1;
        }
    }
}
