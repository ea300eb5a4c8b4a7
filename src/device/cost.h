/* SPDX-License-Identifier: Apache-2.0 */
/* The cost model:  seconds = launch + bytes / bandwidth + flops / rate(flops),  one line per operation, type and device,
 * for the host as for any other; bytes already on the device are free (the caller leaves them out).
 *
 * A BLAS-3 rate grows with size:  rate(flops) = peak * flops / (flops + half),  half = the work at which half of the peak
 * is reached; so flops / rate = (flops + half) / peak, and `launch` and half / peak together are the fixed part.
 * Built-in constants are those of one core of a 2020s server; calibrate.c measures this machine's. Host rates are for
 * one thread: the library calls BLAS serially. */
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

typedef struct w_cost {
    w_row_cost row;
    w_device_cost host;
    bool measured;         /* some were measured */
    uint64_t measured_fields; /* bit i: field i was */
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

/* Files (JSON): {"weir_costs": 1, "key": "...", "costs": {name: value}, "measured": [name]}. `key` describes machine,
 * BLAS and threads; NULL on load accepts any. Loading is all or nothing: unknown format, another key, a missing
 * or out-of-range value is WEIR_E_DATA and *cost is untouched; an unreadable file WEIR_E_IO. Saving is atomic, folders
 * are made, mode 0600. */
weir_status w_cost_load(weir_ctx *ctx, const char *path, const char *key, w_cost *cost);
/* w_cost_load without a message: one line in `why` (may be NULL with bytes 0). */
weir_status w_cost_read(const char *path, const char *key, w_cost *cost, char *why, size_t bytes);
weir_status w_cost_save(weir_ctx *ctx, const char *path, const char *key, const w_cost *cost);
/* Path in the user's cache folder for this key; false when there is no home. */
bool w_cost_cache_path(const char *key, char *path, size_t bytes);

/* Measures the host's dense operations and the row kernels' proxies: warm, at least 5 repeats, median, about `seconds`
 * in all. Fields that cannot be measured here keep their values. */
weir_status w_cost_calibrate(weir_ctx *ctx, double seconds, w_cost *cost);

#endif
