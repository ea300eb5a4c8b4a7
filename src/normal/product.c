/* SPDX-License-Identifier: Apache-2.0 */
/* Per block a table gamma[cell][r] = (M_cell T beta)_r, made once; a row's contribution is then one short dot product
 *     eta_i = sum over blocks of  v_i' gamma[cell_i]
 * Of a tensor product with more than WIDE_DOUBLES of them in a level T beta is kept instead, and each row is expanded to its raw
 * coefficients.
 * Terms: every level of a block belongs to one term, every value of the DENSE block to one, the intercept to none. */
#include <string.h>

#include "base/size.h"
#include "normal/expand.h"
#include "normal/normal.h"
#include "normal/slots.h"

#define LANE_ROWS 512
#define WIDE_DOUBLES ((int64_t)1 << 18)

struct w_product {
    weir_ctx *ctx;
    const w_design *design;
    double **gamma;  /* per block: levels*cells x width, of a wide one levels x raw_columns */
    int32_t **term;  /* per block: of a level (of a value for DENSE); -1 = none */
    w_slots slots;   /* wide blocks: the raw coefficients of a row and what expanding them takes */
};

static bool is_wide(const w_block *block)
{
    return block->kind == W_BLOCK_SMOOTH && block->smooth->margin_count > 1 && w_mul64(block->cells, block->width) > WIDE_DOUBLES;
}

static int64_t gamma_doubles(const w_block *block)
{
    return w_mul64(block->levels, is_wide(block) ? block->smooth->raw_columns : w_mul64(block->cells, block->width));
}

static int64_t slot_doubles(const w_design *design)
{
    int64_t most = 0;
    for (int b = 0; b < design->block_count; b++) {
        const w_smooth *smooth = design->block[b].smooth;
        most = w_max64(most, is_wide(&design->block[b]) ? w_add64(smooth->raw_columns, w_expand_doubles(smooth)) : 0);
    }
    return w_round_up64(most, 8);
}

static int64_t block_keys(const w_block *block)
{
    return block->kind == W_BLOCK_DENSE ? block->width : block->levels;
}

static int64_t scratch_doubles(const w_design *design)
{
    int64_t most = 1;
    for (int b = 0; b < design->block_count; b++) {
        const w_smooth *smooth = design->block[b].smooth;
        if (smooth) {
            const int64_t spread = is_wide(&design->block[b]) ? 0 : w_spread_doubles(smooth);
            most = w_max64(most, w_add64(spread, smooth->raw_columns));
        }
    }
    return most;
}

int64_t w_product_bytes(const w_design *design, int workers)
{
    int64_t total = 512 + w_alloc_bytes(design->block_count * 16) + w_alloc_bytes(scratch_doubles(design) * 8) +
                    w_alloc_bytes(design->p * 4) + w_slots_bytes(workers, slot_doubles(design));
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        total = w_add64(total, w_alloc_bytes(w_mul64(gamma_doubles(block), 8)));
        total = w_add64(total, w_alloc_bytes(block_keys(block) * 4));
    }
    return total;
}

static void fill_smooth(const w_block *block, const double *beta, double *gamma, double *scratch)
{
    const w_smooth *smooth = block->smooth;
    const w_kernels *kernels = w_kernels_choose();
    const bool wide = is_wide(block);
    int64_t level_size = wide ? smooth->raw_columns : block->cells * block->width;
    double *raw = scratch + (wide ? 0 : w_spread_doubles(smooth));
    for (int64_t l = 0; l < block->levels; l++) {
        double *to = gamma + l * level_size;
        if (block->level_first[l] < 0) {
            memset(to, 0, (size_t)level_size * sizeof *to);
            continue;
        }
        const double *coefficient = beta + block->level_first[l];
        if (smooth->transform) {
            memset(raw, 0, (size_t)smooth->raw_columns * sizeof *raw);
            kernels->gemm(smooth->raw_columns, 1, smooth->columns, smooth->transform, smooth->columns, 1, coefficient, 1,
                          raw, 1);
            coefficient = raw;
        }
        if (wide) {
            memcpy(to, coefficient, (size_t)level_size * sizeof *to);
        } else {
            w_spread(kernels, smooth, coefficient, to, scratch);
        }
    }
}

static void fill_block(const w_block *block, const double *beta, double *gamma, double *scratch)
{
    if (block->kind == W_BLOCK_SMOOTH) {
        fill_smooth(block, beta, gamma, scratch);
        return;
    }
    for (int64_t i = 0; i < block_keys(block); i++) {
        int64_t column = block->kind == W_BLOCK_DENSE ? block->dense_column[i] : block->level_first[i];
        gamma[i] = column < 0 ? 0 : beta[column];
    }
}

static void terms_of_columns(const w_design *design, int32_t *term)
{
    for (int64_t c = 0; c < design->p; c++) {
        term[c] = -1;
    }
    for (int t = 0; t < design->term_count; t++) {
        for (int64_t c = 0; c < design->term[t].columns; c++) {
            if (design->term[t].first + c != design->intercept_column) {
                term[design->term[t].first + c] = t;
            }
        }
    }
}

static weir_status fill(w_product *product, const double *beta, double *scratch, int32_t *term)
{
    weir_ctx *ctx = product->ctx;
    const w_design *design = product->design;
    terms_of_columns(design, term);
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        int64_t keys = block_keys(block);
        product->gamma[b] = w_alloc_array(ctx, "product", (size_t)gamma_doubles(block), sizeof(double));
        product->term[b] = w_alloc_array(ctx, "product", (size_t)keys, sizeof(int32_t));
        if (!product->gamma[b] || !product->term[b]) {
            return w_alloc_status(ctx);
        }
        fill_block(block, beta, product->gamma[b], scratch);
        for (int64_t i = 0; i < keys; i++) {
            int64_t column = block->kind == W_BLOCK_DENSE ? block->dense_column[i] : block->level_first[i];
            product->term[b][i] = column < 0 ? -1 : term[column];
        }
    }
    return WEIR_OK;
}

weir_status w_product_create(weir_ctx *ctx, const w_design *design, const double *beta, w_product **out)
{
    w_product *product = w_calloc(ctx, "product", 1, sizeof *product);
    double *scratch = w_alloc_array(ctx, "product", (size_t)scratch_doubles(design), sizeof *scratch);
    int32_t *term = w_alloc_array(ctx, "product", (size_t)design->p, sizeof *term);
    weir_status status = product && scratch && term ? WEIR_OK : w_alloc_status(ctx);
    if (product) {
        product->ctx = ctx;
        product->design = design;
    }
    if (status == WEIR_OK) {
        product->gamma = w_calloc(ctx, "product", (size_t)design->block_count, sizeof *product->gamma);
        product->term = w_calloc(ctx, "product", (size_t)design->block_count, sizeof *product->term);
        status = product->gamma && product->term ? fill(product, beta, scratch, term) : w_alloc_status(ctx);
    }
    w_free(ctx, scratch);
    w_free(ctx, term);
    if (status == WEIR_OK && slot_doubles(design) > 0) {
        status = w_slots_create(ctx, "product", w_pool_workers(ctx), slot_doubles(design), &product->slots);
    }
    if (status == WEIR_OK) {
        *out = product;
    } else {
        w_product_free(product);
    }
    return status;
}

void w_product_free(w_product *product)
{
    if (!product) {
        return;
    }
    for (int b = 0; b < product->design->block_count; b++) {
        if (product->gamma) {
            w_free(product->ctx, product->gamma[b]);
        }
        if (product->term) {
            w_free(product->ctx, product->term[b]);
        }
    }
    w_slots_free(product->ctx, &product->slots);
    w_free(product->ctx, product->gamma);
    w_free(product->ctx, product->term);
    w_free(product->ctx, product);
}

static inline double dot(const double *v, const double *gamma, int width)
{
    double sum = 0;
    for (int r = 0; r < width; r++) {
        sum += v[r] * gamma[r];
    }
    return sum;
}

/* x' T beta of a wide block's row. */
static double wide_value(const w_block *block, const double *gamma, int64_t cell, const double *value, double *raw)
{
    const w_smooth *smooth = block->smooth;
    const int64_t count = smooth->raw_columns;
    double sum[4] = { 0 };
    int64_t j = 0;
    w_expand_row(w_kernels_choose(), smooth, cell % block->cells, value, raw, raw + count);
    gamma += cell / block->cells * count;
    for (; j + 4 <= count; j += 4) {
        for (int l = 0; l < 4; l++) {
            sum[l] += raw[j + l] * gamma[j + l];
        }
    }
    for (; j < count; j++) {
        sum[j % 4] += raw[j] * gamma[j];
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static bool is_spline(const w_block *block)
{
    return block->kind == W_BLOCK_SMOOTH && block->width == 4;
}

/* All splines together: the four values of a row go into four partial sums, which are added up once. */
static void fill_splines(const w_product *product, const w_tile *tile, double *out)
{
    const w_design *design = product->design;
    const w_kernels *kernels = w_kernels_choose();
    double lane[4 * LANE_ROWS];
    for (int64_t start = 0; start < tile->rows; start += LANE_ROWS) {
        int64_t rows = w_min64(LANE_ROWS, tile->rows - start);
        memset(lane, 0, (size_t)rows * 4 * sizeof *lane);
        for (int b = 0; b < design->block_count; b++) {
            const w_tile_block *local = &tile->block[b];
            if (is_spline(&design->block[b])) {
                kernels->dot_4(rows, local->cell + start, local->value + 4 * start, product->gamma[b], lane);
            }
        }
        for (int64_t i = 0; i < rows; i++) {
            out[start + i] = (lane[4 * i] + lane[4 * i + 1]) + (lane[4 * i + 2] + lane[4 * i + 3]);
        }
    }
}

static void add_block(const w_block *block, const w_tile_block *local, const double *gamma, int64_t rows, double *out)
{
    int width = block->width;
    for (int64_t i = 0; i < rows; i++) {
        const double *g = gamma + (local->cell ? (int64_t)local->cell[i] * width : 0);
        out[i] += local->value ? dot(local->value + i * width, g, width) : g[0];
    }
}

void w_product_tile(const w_product *product, const w_tile *tile, double *out)
{
    const w_design *design = product->design;
    const int slot = product->slots.count > 0 ? w_slots_take(&product->slots) : -1;
    double *raw = slot >= 0 ? w_slots_piece(&product->slots, slot) : NULL;
    fill_splines(product, tile, out);
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        const w_tile_block *local = &tile->block[b];
        if (is_spline(block)) {
            continue;
        }
        if (is_wide(block)) {
            for (int64_t i = 0; i < tile->rows; i++) {
                out[i] += wide_value(block, product->gamma[b], local->cell[i], local->value + i * block->width, raw);
            }
            continue;
        }
        if (block->kind != W_BLOCK_DENSE) {
            add_block(block, local, product->gamma[b], tile->rows, out);
            continue;
        }
        /* The response, last, may be NaN in a prediction. */
        for (int64_t i = 0; i < tile->rows; i++) {
            out[i] += dot(local->value + i * block->width, product->gamma[b], block->width - 1);
        }
    }
    if (slot >= 0) {
        w_slots_give(&product->slots, slot);
    }
}

void w_product_terms(const w_product *product, const w_tile *tile, double *out)
{
    const w_design *design = product->design;
    int64_t terms = design->term_count;
    const int slot = product->slots.count > 0 ? w_slots_take(&product->slots) : -1;
    double *raw = slot >= 0 ? w_slots_piece(&product->slots, slot) : NULL;
    memset(out, 0, (size_t)(tile->rows * terms) * sizeof *out);
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        const w_tile_block *local = &tile->block[b];
        const int32_t *term = product->term[b];
        const double *gamma = product->gamma[b];
        int width = block->width;
        for (int64_t i = 0; i < tile->rows; i++) {
            const double *v = local->value ? local->value + i * width : NULL;
            if (block->kind == W_BLOCK_DENSE) {
                for (int j = 0; j + 1 < width; j++) {
                    if (term[j] >= 0) {
                        out[i * terms + term[j]] += v[j] * gamma[j];
                    }
                }
                continue;
            }
            int64_t cell = local->cell[i];
            int32_t owner = term[cell / block->cells];
            if (owner >= 0 && is_wide(block)) {
                out[i * terms + owner] += wide_value(block, gamma, cell, v, raw);
            } else if (owner >= 0) {
                out[i * terms + owner] += v ? dot(v, gamma + cell * width, width) : gamma[cell];
            }
        }
    }
    if (slot >= 0) {
        w_slots_give(&product->slots, slot);
    }
}
