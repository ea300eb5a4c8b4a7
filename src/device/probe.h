/* SPDX-License-Identifier: Apache-2.0 */
/* Timing a piece of work: warm, repeated until the clock can tell; of several batches the lower quartile, for what else the machine
 * does at the time can only add. */
#ifndef W_DEVICE_PROBE_H
#define W_DEVICE_PROBE_H

#include <stdint.h>
#include "weir/status.h"

typedef weir_status (*w_probe_fn)(void *arg);

typedef struct w_probe {
    double (*clock)(void); /* w_clock_thread_seconds, or a test's */
    double seconds;        /* of one measurement, about; it is made anyway, with W_PROBE_BATCHES batches at least, or 3 of 0.1 s and more */
    int64_t largest;       /* sizes beyond it are left out; tests make it small */
} w_probe;

#define W_PROBE_BATCHES 5

/* Seconds of fn(arg); NaN when it fails. */
double w_probe_seconds(const w_probe *probe, w_probe_fn fn, void *arg);

#endif
