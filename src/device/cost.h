/* SPDX-License-Identifier: Apache-2.0 */
/* The cost model:  seconds = launch + bytes / bandwidth + flops / rate(flops),  one line per operation, type and device,
 * for the host as for any other; bytes already on the device are free (the caller leaves them out).
 *
 * A BLAS-3 rate grows with size:  rate(flops) = peak * flops / (flops + half),  half = the work at which half of the peak
 * is reached; so flops / rate = (flops + half) / peak, and `launch` and half / peak together are the fixed part.
 * Built-in constants are those of one core of a 2020s server; calibration measures this machine's. Host rates are for
 * one thread: the library calls BLAS serially.
 *
 * Work that the library does itself (routes of least squares, passes of a fit) is not modelled from such rates: the executors are
 * timed at five sizes and a curve through them, straight between the logarithms, gives the price of a unit of work at other
 * sizes (w_curve_at). The laws that multiply these prices by counts stand in solve/route_*.c and plan/seconds.c. */
#ifndef W_DEVICE_COST_H
#define W_DEVICE_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/ctx.h"
#include "weir/sys/device.h"

typedef struct w_device_cost {
    double launch;             /* s per call */
    double up, down;           /* bytes/s to and from the device; the host: INFINITY */
    double peak[WEIR_DEVICE_OPS][WEIR_DEVICE_DTYPES]; /* flop/s; 0 = the device does not do it */
    double half[WEIR_DEVICE_OPS][WEIR_DEVICE_DTYPES]; /* flop */
} w_device_cost;

/* What the planner reckons rows with; one thread. */
typedef struct w_row_cost {
    double basis;          /* s per basis evaluation (find the interval, 4 values) of one covariate and row */
    double pair;           /* s per row and pair of local terms with 4 x 4 values, cells in cache */
    double pair_far;       /* the same when the cells do not fit in the caches near a core */
    double row;            /* s per row beside these: missing-value checks, weights, response */
    double memory;         /* bytes/s streamed from memory by one thread */
    double csv;            /* bytes/s of CSV parsed by one thread */
    double copy_in;        /* bytes/s of binary columns brought to a tile (NPY, memory) */
    double thread_gain;    /* of one more thread, 0 … 1: seconds(T) = seconds(1) / (1 + gain (T - 1)) */
} w_row_cost;

/* A price by size: at 4, 16, 64, 256 and 1024. */
#define W_CURVE_SIZES 5
typedef struct w_curve { double at[W_CURVE_SIZES]; } w_curve;
/* Between two sizes a power of the size; below 4 the price at 4; beyond 1024 it grows with this power of the size. */
double w_curve_at(const w_curve *curve, double size, double power);

/* Routes of least squares; seconds of one thread. */
typedef struct w_route_cost {
    w_curve gram;          /* per row and pair of columns of X'WX + X'Wy, dense rows; by p */
    w_curve spd;           /* factor, condition estimate, solution and certificate of one system; by p */
    w_curve mixed;         /* the same by the float32 factor, kept */
    w_curve qr;            /* per row and p^2 of the streamed QR; by p */
    w_curve product;       /* per value of X in X'(Xv), dense rows; by p */
    w_curve csr_gram;      /* per product of two entries of a row; by the square root of twice the entries of the Gram */
    double spd_column;     /* per p^2 and further right-hand side */
    double response;       /* per value of X and further right-hand side of X'WY */
    double pack;           /* per value of X that has to be weighted or packed first */
    double dual_value;     /* per value of X: gathered, scaled and multiplied back */
    double product_column; /* per value of X and vector of several in X'(XV) */
    double csr_row;        /* per row of the sparse Gram */
    double csr_product;    /* per entry in X'(Xv) */
    double csr_column;     /* per entry and vector of several */
    double step;           /* of conjugate gradients, beside its product */
    double step_value;     /* per coefficient of all systems */
    double sparse_start;   /* one sparse factorization */
    double sparse_gram;    /* per product of two entries of a row */
    double sparse_column;  /* per column: ordering, structure, narrow factor */
    double sparse_flop;    /* per multiplication of the factor */
    double group;          /* per group of several */
    double call;           /* one call with checks and choice */
    double look;           /* more where libcholmod is looked for */
    double look_entry;     /* per entry then: the Gram's entries are estimated */
} w_route_cost;

/* Families in the order of model/family.h; the last stands for links that are not the family's own. */
#define W_COST_FAMILIES 13

/* Fits; seconds of one thread. */
typedef struct w_fit_cost {
    double start;          /* of any fit */
    double scan;           /* per value that the scan looks at */
    double margin_start;   /* per one-dimensional margin */
    double margin;         /* per row that chooses knots, and margin */
    double thin_row;       /* the same of a thin plate spline, more */
    double thin_knot;      /* per distinct value of one and coefficient */
    double thin_pass;      /* per row and thin plate spline of a pass with X'WX: its values lie far apart */
    double plate;          /* per row and knot of a thin plate of several covariates */
    double plate_setup;    /* per pair of its knots */
    double tensor_row;     /* per row that chooses knots, and raw column of a tensor product */
    double tensor;         /* per cubed raw columns of one, each evaluation of the criterion */
    double product;        /* per row and margin of X beta */
    double linear;         /* per row and margin of X'Wr */
    double leverage;       /* per row and pair of terms of x'Vx */
    double arrow;          /* per column of an eliminated block and core column, each evaluation of the criterion */
    double table;          /* per byte of the tables of cross-products: cleared, merged, mapped */
    double family[W_COST_FAMILIES];     /* working model, per row */
    double likelihood[W_COST_FAMILIES]; /* sums of the likelihood and the family's parameters, per row */
    w_curve evaluate;      /* the smoothing criterion with its derivatives; by p */
    w_curve finish;        /* system, covariance, tests; by p */
} w_fit_cost;

#define W_COST_THRESHOLDS 14
#define W_COST_FIELDS 160 /* more than there are */

typedef struct w_cost {
    w_row_cost row;
    w_device_cost host;
    w_route_cost route;
    w_fit_cost fit;
    double threshold[W_COST_THRESHOLDS]; /* of the dispatch policy (policy.h) … */
    uint64_t threshold_set; /* … as far as set by hand: bit i */
    bool measured;         /* some were measured */
    bool field_measured[W_COST_FIELDS]; /* of field number i */
    char source[512];      /* "built in", or the file */
} w_cost;

void w_cost_defaults(w_cost *cost);
/* Floating-point operations of one operation (2 per multiply-add; all of a batch). COPY: 0. */
double w_cost_flops(weir_device_op op, const weir_device_shape *shape);
/* Seconds of the operation with `bytes_up` and `bytes_down` moved for it; INFINITY when the device does not do it. */
double w_cost_seconds(const w_device_cost *cost, weir_device_op op, weir_device_dtype dtype,
                      const weir_device_shape *shape, int64_t bytes_up, int64_t bytes_down);
/* Seconds of `serial` seconds of work shared out over `threads`. */
double w_cost_threaded(const w_cost *cost, double serial, int threads);

/* The constants as a list: number `index` (0 …) of the w_cost fields that a machine is described by. */
typedef struct w_cost_field {
    const char *name, *unit, *meaning;
    double low, high; /* a value outside is refused on load */
    size_t offset;    /* of the double in w_cost */
} w_cost_field;
const w_cost_field *w_cost_field_at(int index); /* NULL past the end */
double w_cost_get(const w_cost *cost, const w_cost_field *field);
/* false: no such name or out of range. */
bool w_cost_set(w_cost *cost, const char *name, double value);
/* The same for a value found by measurement; one that is not finite or out of range leaves the field as it is. */
void w_cost_set_measured(w_cost *cost, const char *name, double value);

/* Files (JSON): {"weir_costs": 2, "key": "...", "costs": {name: value}, "measured": [name], "policy": {name: threshold}}; the last
 * holds the thresholds set by hand and may be absent. `key` describes machine,
 * BLAS and threads; NULL on load accepts any. Loading is all or nothing: unknown format, another key, a missing
 * or out-of-range value is WEIR_E_DATA and *cost is untouched; an unreadable file WEIR_E_IO. Saving is atomic, folders
 * are made, mode 0600. */
weir_status w_cost_load(weir_ctx *ctx, const char *path, const char *key, w_cost *cost);
/* w_cost_load without a message: one line in `why` (may be NULL with bytes 0). */
weir_status w_cost_read(const char *path, const char *key, w_cost *cost, char *why, size_t bytes);
/* The same for the text of such a file; *cost->source stays. */
weir_status w_cost_parse(const char *text, size_t length, const char *key, w_cost *cost, char *why, size_t bytes);
weir_status w_cost_save(weir_ctx *ctx, const char *path, const char *key, const w_cost *cost);
/* Path in the user's cache folder for this key; false when there is no home. */
bool w_cost_cache_path(const char *key, char *path, size_t bytes);

/* Measures the host's dense operations, memory and threads: warm, at least 5 repeats, lower quartile, about `seconds` in all. The other
 * fields are measured by api/calibrate.h. */
weir_status w_cost_calibrate(weir_ctx *ctx, double seconds, w_cost *cost);

#endif
