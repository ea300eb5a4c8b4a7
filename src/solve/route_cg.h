/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of route cg. */
#ifndef W_SOLVE_ROUTE_CG_H
#define W_SOLVE_ROUTE_CG_H

#include "krylov/preconditioner.h"
#include "solve/route.h"

#define W_CG_TILE_VALUES 16384

/* Rows of a tile that stays in the near caches. */
int64_t w_cg_tile_rows(const w_route_shape *shape);
/* Most vectors of one group in a block. */
int64_t w_cg_columns(const w_route_shape *shape);

/* route_blocks.c: the preconditioner. Block number `i` of a group covers columns *first … *first + *size - 1; false past the last. */
bool w_blocks_next(const weir_linear_system *s, int64_t width, int64_t *first, int64_t *size);
int64_t w_blocks_tile_doubles(const w_route_shape *shape); /* scratch of one worker */
int64_t w_blocks_bytes(const w_route_shape *shape, int64_t *lasting); /* at most; *lasting of them during the iteration */
double w_blocks_seconds(const w_route_shape *shape, const w_cost *cost);
/* X'WY of the rows: p x m. */
void w_blocks_response(const w_linear *q, int64_t first, int64_t rows, double *tile, double *out);
/* tiles: scratch of every worker. *made: `out` is to be freed; no preconditioner otherwise. */
weir_status w_blocks_precondition(w_linear *q, const w_operator *a, const int64_t *n, double *tiles, w_preconditioner *out,
                                  bool *made);

#endif
