/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing parameters and coefficients of a working linear model some of whose coefficients must not be negative
 * (shape constraints, docs/numerics/shape.md). */
#ifndef W_FIT_SHAPE_H
#define W_FIT_SHAPE_H

#include "fit/smoothing.h"

typedef struct w_shape {
    weir_ctx *ctx;
    const w_design *design;
    int64_t count;        /* coefficients with a sign */
    int64_t *column;      /* count: their columns, ascending */
    double *value;        /* count: of the last solution, where the next one starts */
    uint8_t *fixed;       /* p: 1 = the constraint is active */
    w_face *face;         /* that face; systems of the last solve refer to it */
    double *last, *older; /* sp_count: log lambda of the last two searches */
    int changes;          /* searches that ended on another face than the one before, or turned back */
    bool held;            /* lambda is not searched for any more */
    bool between;         /* the last search ended between two faces, or lambda is held */
    double violation;     /* of the optimality conditions: w_cone_violation */
} w_shape;

/* *out = NULL for a design without shape constraints. Free with w_shape_free. */
weir_status w_shape_create(weir_ctx *ctx, const w_design *design, w_shape **out);
void w_shape_free(w_shape *shape);

/* With options the smoothing parameters are chosen (result, as w_smoothing_select), without them rho holds them.
 * *out is the system on the solution's face, factored there; its coefficients are feasible. The caller frees it
 * before the next solve. */
weir_status w_shape_solve(w_shape *shape, const w_gram *gram, const w_smoothing_options *options, double *rho,
                          w_smoothing_result *result, w_system **out);
/* The face of given feasible coefficients (p), and how well they solve the problem of the sums. */
weir_status w_shape_take(w_shape *shape, const w_gram *gram, const double *rho, const double *beta);
/* What the summary says of it; NULL when memory is short. */
const char *w_shape_line(const w_shape *shape, w_arena *arena);
int64_t w_shape_bytes(const w_design *design, int arrow_block);

#endif
