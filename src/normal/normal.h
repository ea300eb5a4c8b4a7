/* SPDX-License-Identifier: Apache-2.0 */
/* Normal equations from tiles, exactly and reproducibly.
 *
 * Sums.  For each pair of blocks (a <= b) the raw cross-products are kept per pair of cells:
 *     R_ab[c][d] = sum of w v_a v_b' over the rows in cells c and d        (width_a x width_b)
 * (joint level when both blocks carry the same factor), or with one or both sides expanded to its columns when that
 * is cheaper (chosen per pair by flops and cache footprint, from the model alone).
 * Rows of one shard are added in row order; a shard is a power of two of tiles, fixed by the model alone, so that merging
 * costs under a tenth of the adding. Shards are summed in a fixed binary tree by shard number: node (level, i) covers
 * shards i*2^level … (i+1)*2^level - 1. A part of the data is described by disjoint nodes, the accumulator of a last shard
 * that has seen only its first rows, and, where the part begins inside a shard, the rows up to that shard's end in evaluated
 * form (they are added when the rows before them arrive). Threads, windows, files and machines therefore cannot change a
 * bit of the root. Source: Wood, Li, Shaddick & Augustin, JASA 112 (2017), 1199-1210, for the idea of tables per pair of
 * terms; here without discretising the covariates.
 *
 * w_sums is that set; w_gram is the root mapped to coefficients. */
#ifndef W_NORMAL_NORMAL_H
#define W_NORMAL_NORMAL_H

#include "base/archive.h"
#include "model/design.h"

typedef struct w_sums w_sums;

/* Called for each evaluated tile (or run of consecutive rows of one) before its cross-products are added: may rewrite weights
 * and the response value of the DENSE block (working response) and add to `extra` (extra_count doubles summed like everything
 * else). n and the sum of log weights are those from before the call. Thread-safe. */
typedef weir_status (*w_working_fn)(void *arg, const w_design *design, w_tile *tile, double *extra);

typedef struct w_pass_options {
    int64_t first_row;      /* absolute row number of the table's first row (parts of a larger table); any number */
    const w_tile_request *request; /* NULL = the training table itself */
    w_working_fn working;   /* NULL = plain weighted least squares on the response */
    void *working_arg;
    int extra_count;
    int64_t tile_step;      /* only every so many tiles are added (a sample: the sums say so nowhere and are for a start only); 0 = 1 */
} w_pass_options;

weir_status w_sums_create(weir_ctx *ctx, const w_design *design, int extra_count, w_sums **out);
/* X'Wz, X'W1 and what needs neither more nor less: a third of a pass's time or so. Neither saved nor merged; the gram's matrix
 * and its arrow's diagonal and border are NULL. */
weir_status w_sums_create_linear(weir_ctx *ctx, const w_design *design, int extra_count, w_sums **out);
void w_sums_free(w_sums *sums);
/* One pass over the table (rewinds it first). On failure the sums are as before the call. */
weir_status w_sums_accumulate(w_sums *sums, weir_table *table, const w_pass_options *options);
/* Adds disjoint sums of the same design (checked by a fingerprint); WEIR_E_DATA if rows overlap. `from` is unchanged. */
weir_status w_sums_merge(w_sums *into, const w_sums *from);
weir_status w_sums_save(const w_sums *sums, w_archive *archive); /* with the design: w_design_save */
weir_status w_sums_load(weir_ctx *ctx, const w_design *design, const w_archive *archive, w_sums **out);
/* Rows held as [first, last) runs; a gap makes w_sums_gram fail with WEIR_E_DATA naming the missing rows. */
int64_t w_sums_next_row(const w_sums *sums);
/* Bytes of the pass with `workers` threads beside the table's windows (shard accumulators, tree nodes, tiles). Like
 * w_sums_cost and w_gram_bytes it reads shapes only (kind, width, levels, cells, code, level_columns; of a smooth its
 * margin_count, columns, raw_columns and the margins' k, cells, width), so it also serves a skeleton design
 * (model/estimate.h) in which maps, transforms and level_first are NULL. */
int64_t w_sums_bytes(const w_design *design, int workers);
int64_t w_sums_rest_bytes(const w_design *design); /* what is left of them when the pass is over */
/* Work per row of accumulation (for the plan) in pairs of local terms with 4 x 4 values whose cells lie in the near caches or
 * beyond (pairs of other shapes count by their predicted time; evaluating the row is not in them), and tiles per shard. */
void w_sums_cost(const w_design *design, double *near_pairs, double *far_pairs, int64_t *shard_tiles);

/* X'WX and X'Wz in coefficients. With an arrow block r (levels L of k columns each, block-diagonal cross-product) the
 * columns of r are kept apart: diag holds its L diagonal k x k blocks, border its cross-product with the core. */
typedef struct w_gram {
    weir_ctx *ctx;
    int64_t p;               /* columns of X */
    int64_t core;            /* p0 columns outside the arrow block */
    int64_t *core_column;    /* p0: column of X */
    double *matrix;          /* p0 x p0, both triangles */
    double *rhs;             /* p0: X0'Wz */
    int64_t arrow_levels, arrow_k; /* 0 without an arrow block */
    int64_t arrow_first;     /* its first column of X */
    double *arrow_diag;      /* L x k x k */
    double *arrow_border;    /* L x k x p0 (row-major: border[(l*k + r)*p0 + j]) */
    double *arrow_rhs;       /* L*k */
    double zz;               /* z'Wz */
    double weight_sum, weight_z_sum; /* sum w, sum w z */
    double log_weight_sum;
    int64_t n;               /* rows with weight > 0 */
    double *column_sum;      /* p: X'W1 */
    int extra_count;
    double *extra;
} w_gram;

/* arrow_block: a block of the design to keep apart, -1 = none; WEIR_E_ARG if one of its levels has no columns. */
weir_status w_sums_gram(w_sums *sums, int arrow_block, w_gram **out);
/* Of a design whose neighbouring rows are correlated: the products over first and last rows of series, and
 * of rows with the ones before them, both orders, with their number in n (B and L of normal/ar1.h). */
weir_status w_sums_lag_grams(w_sums *sums, int arrow_block, w_gram **ends, w_gram **lag);
/* An empty gram of the shape of `like`, and C(rho) put into it, log |Omega| among the logs of the weights; n,
 * weight_sum, weight_z_sum and column_sum are those of `rows`. Loses about log10 ((1 + |rho|)/(1 - |rho|))^2 digits. */
weir_status w_gram_create(weir_ctx *ctx, const w_gram *like, w_gram **out);
void w_gram_whiten(const w_gram *rows, const w_gram *ends, const w_gram *lag, double rho, w_gram *out);
/* Making a gram, its scratch and the copy of the root included; and the gram alone. */
int64_t w_gram_bytes(const w_design *design, int arrow_block);
int64_t w_gram_held_bytes(const w_design *design, int arrow_block);
void w_gram_free(w_gram *gram);
/* out = A x for A = X'WX; out and x: p values in X's column numbers. */
void w_gram_times(const w_gram *gram, const double *x, double *out);
/* Matrix and arrow times a number: cross-products of a sample for those of all rows. */
void w_gram_scale(w_gram *gram, double factor);
/* The working model at beta with the cross-products of an earlier one: `linear` holds X'Wr and r'Wr of the working residuals
 * r = z - X beta; afterwards X'Wz = A beta + X'Wr and z'Wz = r'Wr + 2 beta'X'Wr + beta'A beta, so that A beta' = X'Wz is the step
 * with the frozen matrix. All other sums are those of `linear`. work: p values. */
void w_gram_relinearise(w_gram *gram, const w_gram *linear, const double *beta, double *work);

/* ---- products with X, for prediction and residuals --------------------------------------------------------------- */

/* eta = X beta per tile through per-cell coefficients gamma_c = M_c T beta (width values per cell), O(width) per row and
 * block; of tensor products with more than 2 MiB of them through rows expanded to their raw coefficients. For as many callers at a
 * time as the pool has workers. With terms != NULL the contribution of each term of the design is returned too. */
typedef struct w_product w_product;
weir_status w_product_create(weir_ctx *ctx, const w_design *design, const double *beta, w_product **out);
void w_product_free(w_product *product);
/* out: rows. Without offset and shift. */
void w_product_tile(const w_product *product, const w_tile *tile, double *out);
/* out: rows x term_count, row-major: contribution of each term (the intercept belongs to no term). */
void w_product_terms(const w_product *product, const w_tile *tile, double *out);
int64_t w_product_bytes(const w_design *design, int workers);

#endif
