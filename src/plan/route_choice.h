/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a route for (X'WX + S) B = X'WY (weir/linear.h): pure functions of shape, costs and limits.
 *
 *     route = argmin seconds(shape)  over the routes that are admissible and whose bytes fit.
 *
 * A route is admissible by what it needs (rows at hand, S definite, a library), by width, and by memory. All of them are
 * kept with bytes, seconds and the reason why not. */
#ifndef W_PLAN_ROUTE_CHOICE_H
#define W_PLAN_ROUTE_CHOICE_H

#include <stdbool.h>
#include "device/cost.h"
#include "device/policy.h"
#include "weir/linear.h"

#define W_DENSE_MAX_P 7500
#define W_DENSE_SECONDS 60.0
#define W_CONDITION_LIMIT 1e12
#define W_NYSTROM_RANK 64
#define W_GROUP_SAMPLE 64 /* bytes of many equal groups are reckoned from this many */

typedef struct w_route_shape {
    int32_t kind;            /* weir_matrix_kind */
    bool float32, weighted;
    bool rows_contiguous;    /* dense float64 with column stride 1 */
    bool penalty_definite;   /* every column has ridge + diagonal > 0 or lies in a penalty block */
    int64_t n, p, m, groups;
    int64_t largest;         /* rows of the largest group */
    int64_t entries;         /* CSR: stored; dense: n p */
    double squares;          /* CSR: sum over the rows of entries^2 */
    double gram_entries;     /* CSR: upper bound of the entries of the upper triangle of X'WX */
    int64_t penalty_rows;    /* of E: p when a diagonal is penalised, and the sizes of the blocks */
    int64_t largest_block;   /* of the penalty blocks */
    int64_t penalty_blocks;
    bool sorted;             /* CSR: columns ascend in every row */
    int64_t width;           /* preconditioner: columns of a block that were asked for; 0 = by the penalties */
    int64_t block;           /* … widest block */
    int64_t blocks;          /* … their number per group */
    int64_t block_values;    /* … sum of their squared sizes */
    int64_t rank;            /* of the Nyström preconditioner; 0 = not asked */
    int32_t preconditioner;  /* resolved */
    int64_t max_iterations;
    int threads;
    int in_flight;           /* groups at once: 1 … threads */
} w_route_shape;

typedef struct w_route_limits {
    int64_t free_bytes;      /* of the memory that executes */
    int64_t dense_max_p;
    double dense_seconds;
    bool mixed;              /* may be tried */
    bool sparse_library;
    const char *sparse_reason; /* when not */
} w_route_limits;

/* What a route says of itself; filled by solve/route.c. */
typedef struct w_route_offer {
    int32_t route;
    bool dense;              /* subject to dense_max_p and the 90 % rule; its matrix has `width` columns */
    int64_t width;
    const char *unfit;       /* NULL, or why it is not for this problem */
    int64_t bytes;           /* with `in_flight` groups */
    int in_flight;
    double serial, seconds;
} w_route_offer;

/* Fills candidate[count]; the index of the one chosen, or -1 when none is. `asked`: WEIR_ROUTE_AUTO, or the one to take when it
 * is admissible. *needed: the smallest budget with which one would be, INT64_MAX when no memory helps. */
int w_route_choose(int count, const w_route_offer *offer, const w_route_limits *limits, int32_t asked,
                   weir_route_candidate *candidate, int64_t *needed);

#endif
