/* SPDX-License-Identifier: Apache-2.0 */
/* A design under construction. Compiling, loading a model file and estimating a plan differ in where levels, ranges and
 * smooths come from; everything else (columns of X, blocks, codes, terms, penalties) follows from the formula here. */
#ifndef W_MODEL_BUILD_H
#define W_MODEL_BUILD_H

#include "model/program.h"

/* More columns than this are refused before any label is made. */
#define W_COLUMNS_LIMIT ((int64_t)1 << 24)

typedef struct w_builder {
    weir_ctx *ctx;
    w_arena *arena; /* the design's */
    w_design *design;
    struct w_design_program *program;
    w_terms terms;
    int dense_count;
    w_multiple *dense; /* numeric columns so far */
    int64_t *dense_column;
    const char **sp_id; /* per smoothing parameter: the id= of its term or NULL */
    int64_t label_capacity;
    bool skeleton; /* no labels of columns: a plan */
} w_builder;

/* An empty design with its arena and program; w_design_free undoes any state. */
weir_status w_builder_init(w_builder *builder, weir_ctx *ctx, const char *formula);
/* Parses names again with "." = dot and lists the design's columns with their wants. weights, start: NULL = none. */
weir_status w_builder_columns(w_builder *builder, const w_formula *formula, const char *const *dot, int dot_count,
                              const char *weights, const char *start);
/* The same for a table: resolves ".", checks that the columns are there and selects them. */
weir_status w_builder_select(w_builder *builder, const w_formula *formula, weir_table *table,
                             const w_design_options *options);
/* Compiles the expressions that need no kinds: response and offsets. */
weir_status w_builder_expressions(w_builder *builder);
/* Resolves every atom once kinds and levels are known. number/number_count: per column, ascending values of numbers used
 * as categories. poly() keeps no coefficients yet. */
weir_status w_builder_atoms(w_builder *builder, const double *const *number, const int64_t *number_count);
/* Parametric columns and their blocks. */
weir_status w_builder_parametric(w_builder *builder);
/* Blocks, terms and penalties of the smooths; program->smooth holds the built ones in formula order, `random_scale` the
 * S.scale of each random effect (both by number of the call; unused entries ignored). */
weir_status w_builder_smooths(w_builder *builder, w_smooth *const *smooth, const double *random_scale);
/* Fixes the DENSE block and whatever depends on all blocks. */
weir_status w_builder_finish(w_builder *builder);

int w_builder_find_column(const w_builder *builder, const char *name); /* -1 */
/* A FACTOR block: joint code of `atoms`, times `multiple`. */
weir_status w_builder_factor_block(w_builder *builder, int atom_count, const int *atoms, w_multiple multiple,
                                   int64_t **level_first, int *block);
weir_status w_builder_code(w_builder *builder, int atom_count, const int *atoms, int *code);
weir_status w_builder_block(w_builder *builder, w_block block, w_block_program program, int *number);
weir_status w_builder_dense(w_builder *builder, w_multiple multiple, int64_t column);
weir_status w_builder_term(w_builder *builder, w_term term);
/* Takes `count` more columns of X; *first is the first. */
weir_status w_builder_take(w_builder *builder, int64_t count, const char *label, int64_t *first);

#endif
