/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring: clock, medians, peak memory of a process, programs run beside. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <jansson.h>
#include <stdint.h>

/* Seconds of a clock that never goes back. */
double bench_seconds(void);
/* Of all threads of the process: what a busy machine changes little. */
double bench_processor_seconds(void);
/* Median of count numbers; sorts them. */
double bench_median(double *values, int count);
/* Largest resident set of this process so far, bytes. */
int64_t bench_peak_rss(void);
/* Runs `body(arg)` in a process of its own, so that its peak memory is its own, and returns the JSON object it makes;
 * NULL when it failed. */
json_t *bench_isolated(json_t *(*body)(void *arg), void *arg);
/* Runs a program (arguments end with NULL) and returns its lines "key value" as an object of numbers and texts; NULL when
 * it cannot be run or fails. */
json_t *bench_peer(const char *const *arguments);
/* Number of processors this process may use. */
int bench_processors(void);

#endif
