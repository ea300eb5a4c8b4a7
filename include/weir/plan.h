/* SPDX-License-Identifier: Apache-2.0 */
/** What the library would do, how many bytes and seconds it takes, and why. */
#ifndef WEIR_PLAN_H
#define WEIR_PLAN_H

#include <stdint.h>
#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_PLAN_REASONS 16
#define WEIR_PLAN_RECOVERIES 16
#define WEIR_PLAN_ROUTES 8

/** One step that was taken after memory ran out. */
typedef struct weir_recovery {
    const char *step;       /**< "windows", "groups", "threads", "packed", "iterative", "spill", "device", "again" */
    const char *resumed;    /**< "at the first tile not added", "with the pass", "with the stage": where the work went on */
    char from[40], to[40];  /**< "4 threads", "2 threads" */
    char reason[200];       /**< what was refused */
} weir_recovery;

/** A route that was weighed. */
typedef struct weir_plan_route {
    const char *route;
    int32_t taken, admissible; /**< admissible: it serves this model and fits in the budget */
    int64_t bytes;             /**< predicted peak; 0 when it does not serve */
    double seconds;            /**< predicted; NaN when it does not serve */
    char reason[200];          /**< why it was not taken, or was */
} weir_plan_route;

typedef struct weir_plan {
    const char *route;      /**< "normal-equations/cholesky", "normal-equations/arrow", "matrix-free/cg" */
    const char *device;     /**< "cpu", "sim", "cuda" */
    const char *precision;  /**< "float64" */
    const char *reading;    /**< "in place", "kept in memory", "read again each pass", "spooled to scratch", "cached in scratch" */
    const char *knots;      /**< "from all rows", "from a sample of whole tiles" */
    int64_t rows;           /**< rows expected; -1 unknown */
    int32_t rows_exact;     /**< 0: rows is an estimate */
    int64_t columns;        /**< p, columns of the design matrix */
    int32_t smoothing_parameters;
    int32_t threads;
    int32_t passes;         /**< over the data */
    int64_t tile_rows, shard_tiles, window_bytes, keep_bytes;
    int64_t budget;         /**< bytes the ledger may hand out */
    int64_t bytes;          /**< predicted peak, at least the actual one */
    int64_t bytes_read, bytes_sums, bytes_system, bytes_result; /**< parts of it */
    int64_t tile_bytes;     /**< matrix-free: of evaluated tiles that are kept; 0 = evaluated again in every product */
    int64_t scratch_bytes;  /**< of the scratch folder, about, for decoded columns of text that do not fit in memory; 0 = none */
    double seconds, seconds_read, seconds_accumulate, seconds_smooth, seconds_setup; /**< predicted */
    int32_t reason_count;
    char reason[WEIR_PLAN_REASONS][200];
    int32_t recovery_count; /**< what happened: steps taken after memory ran out while the plan was carried out; 0 before */
    weir_recovery recovery[WEIR_PLAN_RECOVERIES]; /**< the first of them in order */
    int32_t route_count;
    weir_plan_route routes[WEIR_PLAN_ROUTES]; /**< all that were weighed */
    int32_t calibrated;     /**< 1: the seconds go by prices measured on this machine (weir_devices_calibrate); 0: by built-in ones */
    const char *coefficients; /**< the route of weir/linear.h that solved for the coefficients at last; NULL: `route` did */
} weir_plan;

#ifdef __cplusplus
}
#endif
#endif
