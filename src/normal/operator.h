/* SPDX-License-Identifier: Apache-2.0 */
/* The penalised normal equations as an operator, never formed:
 *
 *     H v = X'W (X v) + S_lambda v        for blocks of vectors (krylov/operator.h), one group.
 *
 * Rows stay in local form (model/design.h): per block of the design a cell and `width` values, so that with
 * gamma_c = M_c T v made once per product
 *     eta_i = sum over blocks of v_i' gamma_(c_i),   g_c += v_i w_i eta_i,   (X'W X v) = T' sum_c M_c' g_c.
 * A row costs 2 width multiply-adds per block and vector: 4 values of a spline, 1 of a factor.
 *
 * Tiles are evaluated once and kept when they fit in `cache_bytes` (cells in 2 or 4 bytes, values and z in float64, weights
 * unless all are 1), else evaluated again in every product from the table's windows.
 *
 * Order of additions. Tile t belongs to shard t mod S, S fixed by the model; a shard adds its rows in order into sums of its own and
 * the shards are added by number. The bits depend neither on threads, windows and cache nor on how many vectors share a
 * product.
 *
 * Working models. With a callback the rows' weights and responses are those it makes of eta = X v at the vector of the last
 * w_matrix_free_linearise (at first: of its start), from y, prior weights and offsets: Fisher scoring without a Gram matrix. Kept tiles
 * hold them, others make them again in every product.
 *
 * Coordinates. The vectors have their p entries in an order of their own in which each block of the design is consecutive: dense
 * parametric columns first, then block after block by first column. w_matrix_free_column maps them to columns of X.
 *
 * Preconditioner: per-block Cholesky, one block per level of a smooth, one of all dense columns; factors, trees and blocks
 * wider than W_MATRIX_FREE_ORDER (or with larger tables) by their diagonal. Where factors are in the model a coarse space is added,
 *     M^-1 = B^-1 + Z (Z'HZ)^-1 Z',   Z: the dense columns, and the constant of each factor,
 * for constants can be moved between factors and the intercept at the price of the penalty alone: the smallest eigenvalues of
 * B^-1 H, which Z takes away. Source: two-level additive Schwarz, e.g. Toselli & Widlund (2005), ch. 2. */
#ifndef W_NORMAL_OPERATOR_H
#define W_NORMAL_OPERATOR_H

#include "krylov/preconditioner.h"
#include "model/design.h"

#define W_MATRIX_FREE_ORDER 512  /* widest block that is factored */
#define W_MATRIX_FREE_VECTORS 8  /* most vectors of one sweep over the rows */
#define W_MATRIX_FREE_COARSE 256 /* most vectors of Z */

#define W_MATRIX_FREE_WORKING_BYTES 24 /* more per kept row of a working model */

typedef struct w_matrix_free w_matrix_free;

/* w and z (of eta without offset) of rows first_row … from eta = X v (NULL: no vector yet), response, prior weights and offsets; `extra`
 * (zeroed for each tile, added up in row order) is NULL when only w and z are wanted. Thread-safe. */
typedef weir_status (*w_matrix_free_working_fn)(void *arg, int64_t first_row, int64_t rows, const double *eta, const double *y,
                                                const double *prior, const double *offset, double *w, double *z, double *extra);

typedef struct w_matrix_free_options {
    const w_tile_request *request; /* NULL: the training table itself */
    int64_t cache_bytes;           /* evaluated tiles are kept when they need at most this */
    int vectors;                   /* of one sweep over the rows: 1, 2, 4 or 8; 0 = 8. Bytes, not bits, depend on it */
    w_matrix_free_working_fn working; /* NULL: the rows' own weights, z as the design has it */
    void *working_arg;             /* outlives the operator; what it says may change before a w_matrix_free_linearise only */
    int extra_count;
} w_matrix_free_options;

/* What the first pass knows of the rows. */
typedef struct w_matrix_free_sums {
    int64_t n;               /* rows with weight > 0 */
    double weight, weight_z, zz; /* sum w, sum w z, sum w z^2 */
    double log_weight;
    bool cached;
} w_matrix_free_sums;

/* One pass over the table: X'Wz, the sums, the preconditioner's blocks, and the tiles where they are kept. design, table and
 * request must outlive it. WEIR_E_NUMERIC when z or X is not finite. */
weir_status w_matrix_free_create(weir_ctx *ctx, const w_design *design, weir_table *table, const w_matrix_free_options *options,
                                 w_matrix_free **out);
void w_matrix_free_free(w_matrix_free *op);

/* The working model at v (p values, coordinates; NULL keeps the last one): weights, responses, X'Wz, sums and extra; with `blocks` the
 * blocks of later preconditioners too, else they stay those of an earlier model. One pass. */
weir_status w_matrix_free_linearise(w_matrix_free *op, const double *v, bool blocks);
const double *w_matrix_free_extra(const w_matrix_free *op); /* of the last pass that linearised; the first: at the start */
const w_matrix_free_sums *w_matrix_free_sums_of(const w_matrix_free *op);
const double *w_matrix_free_rhs(const w_matrix_free *op);        /* p: X'Wz */
const double *w_matrix_free_diagonal(const w_matrix_free *op);   /* p: diag(X'WX); of a very wide basis an approximation */
const int64_t *w_matrix_free_column(const w_matrix_free *op);    /* p: column of X of each coordinate */
const int64_t *w_matrix_free_position(const w_matrix_free *op);  /* p: coordinate of each column of X */
const double *w_matrix_free_lambda(const w_matrix_free *op);     /* sp_count */

/* S_lambda of later products and preconditioners: lambda = exp(rho), sp_count values. All 0 (no penalty) before. */
void w_matrix_free_penalise(w_matrix_free *op, const double *rho);
/* H; borrowed, valid as long as op. Products run one at a time. */
const w_operator *w_matrix_free_operator(w_matrix_free *op);
typedef enum w_matrix_free_kind {
    W_MATRIX_FREE_TWO_LEVEL, /* blocks and, where there is one, the coarse space */
    W_MATRIX_FREE_NONE,
    W_MATRIX_FREE_JACOBI,
    W_MATRIX_FREE_BLOCKS,
    W_MATRIX_FREE_NYSTROM    /* of H, by W_MATRIX_FREE_SKETCH products */
} w_matrix_free_kind;

#define W_MATRIX_FREE_SKETCH 128

/* Of later preconditioners; two levels before. */
void w_matrix_free_choose(w_matrix_free *op, w_matrix_free_kind kind);
int64_t w_matrix_free_nystrom_bytes(const w_design *design, int vectors); /* more than the others take */

/* The preconditioner at the present lambda. Costs the products of the coarse space the first time it is asked for. `report` may
 * be NULL. Free with w_preconditioner_free before op. */
weir_status w_matrix_free_preconditioner(w_matrix_free *op, w_block_report *report, w_preconditioner *out);
int64_t w_matrix_free_coarse(const w_matrix_free *op); /* vectors of Z; 0 = no coarse space */

/* y = S_lambda x. */
void w_matrix_free_penalty_product(const w_matrix_free *op, const double *x, double *y);
/* b = X'W^(1/2) e with signs e that follow from seed and row: E bb' = X'WX. One pass. */
weir_status w_matrix_free_row_probe(w_matrix_free *op, uint64_t seed, double *b);
/* u'(lambda_j S_j)v of penalty number j. */
double w_matrix_free_penalty(const w_matrix_free *op, int penalty, const double *u, const double *v);
/* The part of the traces that the coarse space holds, H^-1 = Z E^-1 Z' + (H^-1 - Z E^-1 Z'), of a preconditioner made by this
 * operator: x -= Z E^-1 Z'b, and tr(E^-1 Z'(lambda_j S_j)Z). Without a coarse space nothing, and 0. */
void w_matrix_free_deflate(const w_preconditioner *preconditioner, const double *b, double *x);
double w_matrix_free_coarse_trace(const w_preconditioner *preconditioner, int penalty);

/* sum w r^2 and sum w r of r = z - X v (one pass). */
weir_status w_matrix_free_residual(w_matrix_free *op, const double *v, double *rss, double *sum);

/* Bytes of evaluated tiles of one row, of the operator without them, and of a preconditioner. They read shapes only. */
int64_t w_matrix_free_row_bytes(const w_design *design);
int64_t w_matrix_free_bytes(const w_design *design, int vectors, int workers);
int64_t w_matrix_free_preconditioner_bytes(const w_design *design, int workers);
/* Values of X a row has: multiply-adds of a product and vector are twice this. */
int64_t w_matrix_free_row_values(const w_design *design);

#endif
