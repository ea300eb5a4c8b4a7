/* SPDX-License-Identifier: Apache-2.0 */
/* Formula text: parsed, then compiled over a small table that has the columns x, y, z, f; one tile is evaluated. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/design.h"
#include "table/table.h"

#define ROWS 40

static double x[ROWS], y[ROWS], z[ROWS];
static int32_t f[ROWS];
static weir_ctx *ctx;

static void setup(void)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.memory_budget = (int64_t)256 << 20;
    if (weir_ctx_create(&options, &ctx) != WEIR_OK) {
        abort();
    }
    for (int i = 0; i < ROWS; i++) {
        x[i] = (i * 17 % ROWS + 1) / 41.0;
        z[i] = (i * 23 % ROWS) / 7.0 - 2;
        y[i] = x[i] * x[i] + i % 5;
        f[i] = i % 3;
    }
}

static void evaluate(const w_design *design, weir_table *table)
{
    w_tile *tile = NULL;
    w_window window;
    if (design->p > 4000 || w_tile_create(ctx, design, &tile) != WEIR_OK) {
        return;
    }
    if (w_source_rewind(table) == WEIR_OK && w_source_next(table, &window) == WEIR_OK &&
        w_tile_eval(design, &window, 0, window.rows, NULL, tile) == WEIR_OK) {
        double *row = calloc((size_t)design->p + 1, sizeof *row);
        if (row) {
            w_tile_dense_row(design, tile, ROWS / 2, row);
        }
        free(row);
    }
    w_tile_free(ctx, tile);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!ctx) {
        setup();
    }
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
    const weir_column column[] = {{"x", WEIR_F64, x, 0, 0, NULL},
                                  {"y", WEIR_F64, y, 0, 0, NULL},
                                  {"z", WEIR_F64, z, 0, 0, NULL},
                                  {"f", WEIR_I32, f, 0, 3, NULL}};
    weir_table *table = NULL;
    w_formula *formula = NULL;
    w_design *design = NULL;
    w_message_clear(ctx);
    if (w_formula_parse(ctx, text, &formula) == WEIR_OK && size < 512 &&
        w_table_from_columns(ctx, ROWS, 4, column, &table) == WEIR_OK &&
        w_design_compile(ctx, formula, table, &(w_design_options){0}, &design) == WEIR_OK) {
        evaluate(design, table);
    }
    w_design_free(design);
    w_table_free(table);
    w_formula_free(formula);
    free(text);
    if (ctx->ledger.live_blocks > 100000) {
        abort();
    }
    return 0;
}
