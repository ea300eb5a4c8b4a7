/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of roots: 200 matrices 64 x 64 float32, p = 4, beside a loop of ssyevd and sgemm on one thread. */
#ifndef BENCH_ROOT_BATCH_H
#define BENCH_ROOT_BATCH_H

#include "root_measure.h"

/* {condition, auto_ms, eigen_ms, coupled_ms, band_ms, peer_ms, error, peer_error, route}; NULL: no memory. */
json_t *root_batch_measure(const root_measure *how, double condition);

#endif
