/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of weir_least_squares: what they share and the table that names them.
 *
 * Groups are independent. With several of them, workers take a group each (in_flight at most), else the threads share the one
 * group's rows; sums are cut by shape alone, so the bits are the same either way. Every route takes its memory in one block per
 * group in flight before it begins: bytes() is that block. */
#ifndef W_SOLVE_ROUTE_H
#define W_SOLVE_ROUTE_H

#include "base/ctx.h"
#include "device/device.h"
#include "plan/recovery.h"
#include "plan/route_choice.h"
#include "weir/linear.h"

#define W_ROUTE_ROWS 256      /* rows of a packed tile */
#define W_ROUTE_NARROW 128    /* up to here a Gram is summed by shards of rows, beyond by blocks of its columns */
#define W_ROUTE_SHARDS 8
#define W_ROUTE_SHARD_ROWS 4096

/* route_device.c: the device that factors dense systems, one at a time. Zeros: the host. */
typedef struct w_factor_place {
    w_device *device;    /* NULL: the host */
    bool required, used;
    char refused[100];   /* why it was left */
} w_factor_place;
weir_status w_factor_place_choose(weir_ctx *ctx, int64_t n, w_factor_place *out);
/* As w_chol_factor (dense/dense.h). place NULL: on the host. */
weir_status w_factor_place_run(weir_ctx *ctx, w_factor_place *place, int64_t n, double *a, int64_t *failed);

typedef struct w_linear {
    weir_ctx *ctx;
    const weir_linear_system *s;
    const weir_linear_options *o;  /* with defaults put in */
    w_route_shape shape;
    int64_t n, p, m, groups;
    uint8_t *wanted;               /* groups still without an answer */
    double *b;                     /* groups m x p */
    weir_linear_outcome *outcome;  /* groups x m */
    w_factor_place *place;         /* NULL: systems are factored side by side, on the host */
    bool may_reroute;              /* ill-conditioned groups are left in `wanted` */
} w_linear;

/* Rows of a group. */
int64_t w_linear_first(const w_linear *q, int64_t group);
/* Gives all systems of a group this failure, with the line (the first one is kept as the message). */
void w_linear_refuse(const w_linear *q, int64_t group, int32_t route, weir_status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

typedef struct w_route {
    int32_t id;
    bool dense;                                               /* factors a dense matrix */
    int64_t (*width)(const w_route_shape *shape);             /* of that matrix */
    const char *(*unfit)(const w_route_shape *shape, const w_route_limits *limits); /* NULL: it serves this problem */
    int64_t (*bytes)(const w_route_shape *shape);
    double (*seconds)(const w_route_shape *shape, const w_cost *cost); /* of one thread, all groups */
    weir_status (*solve)(w_linear *q);                        /* the wanted groups; unwants those it has answered */
} w_route;

/* In the order of weir_route from 1 on; NULL past the end. */
const w_route *w_route_at(int index);
const w_route *w_route_find(int32_t id);

/* route_recovery.c: memory that runs out while a route works. */
typedef struct w_route_recovery {
    w_linear *q;
    const w_route *route;        /* to go on with */
    weir_linear_result *result;
    w_recovery_state state;
    w_recovery_step last;
    char tried[160];
} w_route_recovery;
void w_route_recovery_begin(w_route_recovery *recovery, w_linear *q, const w_route *route, weir_linear_result *result);
/* true: something was given up, the wanted groups are worth another try. */
bool w_route_recovery_step(w_route_recovery *recovery, weir_status status);
/* After giving up: the message says what was tried and that a budget of `least` bytes would do (INT64_MAX: none). */
weir_status w_route_recovery_refuse(const w_route_recovery *recovery, weir_status status, int64_t least);

/* route_groups.c: runs `task(q, work, group)` for the wanted groups, `work` being `doubles` doubles of the worker's own. A
 * negative status ends the whole. */
typedef weir_status (*w_group_fn)(w_linear *q, double *work, int64_t group);
weir_status w_route_groups(w_linear *q, int64_t doubles, w_group_fn task);
int64_t w_route_groups_bytes(const w_route_shape *shape, int64_t doubles);

/* route_rows.c: rows of X as tiles. */
/* `count` rows from `first` on, each times sqrt(w) when `root`, as column-major p x count: a pointer into X where that is its
 * layout, else `buffer` (p x count) filled. *lead: leading dimension. Dense or CSR. */
const double *w_rows_tile(const w_linear *q, int64_t first, int64_t count, bool root, double *buffer, int64_t *lead);
/* sqrt(w) y (root) or w y: count x m, leading dimension `lead`. */
void w_rows_response(const w_linear *q, int64_t first, int64_t count, bool root, double *out, int64_t lead);
/* Columns first … first + columns - 1 of rows from `row` on, times sqrt(w): count x columns, leading dimension `lead`. */
void w_rows_columns(const w_linear *q, int64_t row, int64_t count, int64_t first, int64_t columns, double *out, int64_t lead);
/* Finds the value that is not finite among a group's rows, weights and responses and refuses the group, naming it; true when there
 * is one. */
bool w_rows_refuse_bad(const w_linear *q, int64_t group, int32_t route);

/* route_gram.c: A = X'WX + S (upper triangle of p x p) and C = X'WY (p x m) of a group. */
int64_t w_gram_doubles(const w_route_shape *shape);
weir_status w_gram_form(w_linear *q, int64_t group, double *work, double *a, double *c);
double w_gram_seconds(const w_route_shape *shape, const w_cost *cost); /* of all groups, one thread */

/* route_penalty.c */
void w_penalty_add(const w_linear *q, double *a);                        /* to the upper triangle of a (p x p) */
double w_penalty_diagonal(const w_linear *q, int64_t column);            /* ridge + diagonal */
double w_penalty_entry(const w_linear *q, int64_t column);               /* S_ii */
/* y += S x for count vectors, (column j, vector k) at j count + k. */
void w_penalty_times(const w_linear *q, int64_t count, const double *x, double *y);
/* Rows of E with E'E = S, `rows` of them from number `first` on, as column-major p x rows. roots: w_penalty_root_doubles. */
int64_t w_penalty_root_doubles(const w_route_shape *shape);
weir_status w_penalty_roots(w_linear *q, double *roots);
void w_penalty_root_rows(const w_linear *q, const double *roots, int64_t first, int64_t rows, double *out);

/* route_spd.c: A x = C by Cholesky of the matrix scaled to about unit diagonal (powers of two: exact), with jitter after a failed
 * pivot, refinement and a certificate. a: p x p, upper triangle given, destroyed; c: n x m, the solution on return. */
typedef struct w_spd_report {
    int64_t failed;       /* the pivot that failed without jitter; 0 = none */
    bool solved;
    double jitter, condition;
    int32_t refinements;
    double *residual, *backward; /* m each, in the workspace */
} w_spd_report;
int64_t w_spd_doubles(int64_t n, int64_t m);
int64_t w_spd_mixed_doubles(int64_t n, int64_t m); /* of the float32 factor, beside */
weir_status w_spd_solve(weir_ctx *ctx, w_factor_place *place, int64_t n, int64_t m, double *a, double *c, double *work, bool jitter,
                        bool mixed, w_spd_report *report);
double w_spd_seconds(int64_t n, int64_t m, const w_cost *cost);
/* Writes a group's outcome from the report; false when the group is left for another route. */
bool w_spd_settle(w_linear *q, int64_t group, int32_t route, const w_spd_report *report);

/* One file each. */
extern const w_route w_route_cholesky, w_route_mixed, w_route_qr, w_route_sparse, w_route_cg, w_route_dual;

/* route.c: the whole. plan_only: result alone. */
weir_status w_linear_solve(w_linear *q, const w_route_limits *limits, const w_cost *cost, bool plan_only,
                           weir_linear_result *result);
/* route_shape.c: the shape from the system. Checks the structure of CSR rows. */
weir_status w_linear_shape(weir_ctx *ctx, const weir_linear_system *s, const weir_linear_options *o, w_route_shape *shape);
/* CSR: shape->gram_entries from a sample of columns, where memory for it is to be had. */
void w_linear_estimate_gram(weir_ctx *ctx, const weir_linear_system *s, w_route_shape *shape);

#endif
