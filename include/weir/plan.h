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

typedef struct weir_plan {
    const char *route;      /**< "normal-equations/cholesky", "normal-equations/arrow" */
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
    int64_t scratch_bytes;  /**< of the scratch folder, about, for decoded columns of text that do not fit in memory; 0 = none */
    double seconds, seconds_read, seconds_accumulate, seconds_smooth, seconds_setup; /**< predicted */
    int32_t reason_count;
    char reason[WEIR_PLAN_REASONS][200];
} weir_plan;

#ifdef __cplusplus
}
#endif
#endif
