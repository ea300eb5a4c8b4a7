/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of normal/operator*.c. */
#ifndef W_NORMAL_OPERATOR_PARTS_H
#define W_NORMAL_OPERATOR_PARTS_H

#include "normal/expand.h"
#include "normal/operator.h"
#include "normal/operator_refine.h"

/* Rows of one tile of one block of the design, cells in 2 bytes (narrow) or 4. */
typedef struct w_lane {
    int width;           /* 1 and no values: all ones */
    const uint16_t *narrow;
    const int32_t *wide; /* both NULL: always cell 0 */
    const double *value; /* rows x width, or NULL */
} w_lane;

typedef struct w_lane_kernels {
    /* eta (rows x m) += v_i' gamma_cell;  gamma: cells x width x m */
    void (*forward)(const w_lane *lane, int64_t start, int64_t rows, int m, const double *gamma, double *eta);
    /* g_cell += v_i u_i';  g: cells x width x m, u: rows x m */
    void (*backward)(const w_lane *lane, int64_t start, int64_t rows, int m, const double *u, double *g);
} w_lane_kernels;

extern const w_lane_kernels w_lane_portable;
#if defined __x86_64__
extern const w_lane_kernels w_lane_avx2, w_lane_avx512;
#endif
const w_lane_kernels *w_lane_choose(void);

typedef struct w_unit {
    const w_block *block;
    int number;            /* of the block in the design */
    int width;             /* values of a row; of the DENSE block without the response */
    int64_t cells;         /* all levels' */
    int64_t gamma;         /* place of its cells x width values */
    int64_t first, columns;/* coordinates */
    bool narrow, ones;
    w_refined *refined;    /* trees taken together; `block` is the first, width 1. NULL for other blocks */
    bool full;             /* its diagonal blocks are formed */
    int64_t order;         /* columns of one of them */
    int64_t table;         /* place of its cross-products: cells x width x width, or cells x width when not full */
    int64_t matrix;        /* place of its blocks among `blocks`: one order x order per level with columns */
    int64_t block_count;
} w_unit;

typedef struct w_packed {
    int64_t rows, index;   /* index: number of the tile in the table */
    double *weight;        /* NULL: all 1 */
    double *z;
    double *response, *prior, *offset; /* of a working model; else NULL */
    w_lane *lane;          /* per unit */
    void *memory;          /* one block that holds all */
} w_packed;

typedef struct w_operator_worker {
    w_tile *tile;
    w_packed packed;       /* room for one tile */
    double *eta;           /* W_LANE_CHUNK x vectors */
    double *scratch;       /* of expansion and contraction */
} w_operator_worker;

#define W_LANE_CHUNK 4096  /* rows x vectors of one stretch */

struct w_matrix_free {
    weir_ctx *ctx;
    const w_design *design;
    weir_table *table;
    const w_tile_request *request;
    const w_kernels *kernels;
    const w_lane_kernels *lanes;
    int unit_count;
    w_unit *unit;
    int64_t *column, *position, *part_first; /* part_first: coordinate where each penalty begins */
    int64_t gammas;        /* sum of cells x width */
    int64_t tables, blocks;
    int workers, shards;
    int used;              /* shards that have a tile: the others' sums stay zero and are left out */
    w_operator_worker *worker;
    int64_t tile_count, tile_capacity; /* kept */
    w_packed *tile;
    bool cached;
    w_matrix_free_kind kind;
    w_matrix_free_sums sums;
    double *rhs, *diagonal, *lambda;
    double *matrix;        /* X'WX of the units' blocks, one after the other */
    double *coarse;        /* q x q: Z'X'WXZ, NULL until asked for */
    w_operator operator;
    w_matrix_free_working_fn working;
    void *working_arg;
    int extra_count;
    double *extra;         /* extra_count, then workers x extra_count */
    double *base;          /* gammas of the vector the working model is at */
    bool based;            /* there is one */
    double *gamma, *sum;   /* of a sweep: gammas x vectors; shards x gammas x vectors */
    int64_t vectors;       /* room */
};

/* operator_units.c */
weir_status w_units_make(w_matrix_free *op);
int64_t w_units_gammas(const w_design *design, int64_t *tables, int64_t *matrix, int64_t *scratch);
int w_units_shards(int64_t gammas);
int64_t w_unit_level(const w_matrix_free *op, const w_unit *unit, int64_t level); /* first coordinate; -1 = none */

/* operator_tiles.c */
int64_t w_packed_bytes(const w_matrix_free *op, int64_t rows);
weir_status w_packed_create(w_matrix_free *op, int64_t rows, w_packed *out);
void w_packed_free(w_matrix_free *op, w_packed *packed);
void w_packed_fill(const w_matrix_free *op, const w_tile *tile, int64_t index, w_packed *packed);
/* Calls visit(arg, worker, packed) for all tiles, shard after shard side by side; inside a shard in row order. Shard of a tile:
 * index mod shards. */
typedef weir_status (*w_packed_fn)(void *arg, int worker, int shard, const w_packed *packed);
weir_status w_tiles_each(w_matrix_free *op, double work, w_packed_fn visit, void *arg);
/* The first pass: tiles in row order in batches of `workers`; every unit adds to its own tables. */
weir_status w_tiles_first(w_matrix_free *op, int64_t cache_bytes);

/* Weights and responses of a tile by the working model; extra: room for the tile's own sums, or NULL. */
weir_status w_packed_work(w_matrix_free *op, int worker, w_packed *packed, double *extra);
/* A later pass over all tiles in row order. */
weir_status w_tiles_again(w_matrix_free *op, bool blocks);

/* operator_blocks.c. table: cross-products too; NULL: X'Wz and the sums alone */
weir_status w_blocks_add(w_matrix_free *op, double *table, const w_packed *batch, int64_t count);
weir_status w_blocks_finish(w_matrix_free *op, const double *table);

/* Of one level: cells x width values from its coefficients x[i * count]. */
void w_unit_expand_level(const w_matrix_free *op, const w_unit *unit, const double *x, int64_t count, double *cells,
                         double *scratch);
/* Maps of one unit between coefficients and cells, for vector k of `count` in x and of m in gamma. */
void w_unit_expand(const w_matrix_free *op, const w_unit *unit, const double *x, int64_t count, int64_t k, int m, double *gamma,
                   double *scratch);
void w_unit_contract(const w_matrix_free *op, const w_unit *unit, const double *g, int m, double *y, int64_t count, int64_t k,
                     double *scratch);

/* The same of m vectors at once, m <= room in 1, 2, 4, 8, for units that are direct. */
bool w_unit_is_direct(const w_unit *unit);
void w_unit_expand_direct(const w_matrix_free *op, const w_unit *unit, const double *x, int64_t count, int64_t k, int m, int room,
                          double *gamma, double *scratch);
void w_unit_contract_direct(const w_matrix_free *op, const w_unit *unit, const double *g, int room, double *y, int64_t count,
                            int64_t k, int m, double *scratch);

/* operator.c */
weir_status w_matrix_free_rows_apply(void *user, const w_vectors *block, const double *x, double *y); /* X'WX x */
void w_matrix_free_add_penalties(const w_matrix_free *op, int64_t count, const double *x, double *y); /* y += S_lambda x */
/* operator_coarse.c: wraps the blocks' preconditioner B where there is a coarse space; diagonal: B times the ones of each unit. */
weir_status w_matrix_free_two_level(w_matrix_free *op, const double *diagonal, w_preconditioner *blocks);

#endif
