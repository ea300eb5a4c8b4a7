/* SPDX-License-Identifier: Apache-2.0 */
#include "device/probe.h"

#include <math.h>

#define BATCH_SECONDS 1e-4 /* shorter work is repeated within a batch */
#define LONG_SECONDS 0.1   /* longer work says the same every time */
#define LONG_BATCHES 3
#define REPEATS_LIMIT 4096
#define BATCHES_LIMIT 25

/* Per run of `repeats`; NaN when one fails. */
static double batch_seconds(const w_probe *probe, w_probe_fn fn, void *arg, int repeats)
{
    const double begun = probe->clock();
    for (int i = 0; i < repeats; i++) {
        if (fn(arg) < 0) {
            return NAN;
        }
    }
    return (probe->clock() - begun) / repeats;
}

double w_probe_seconds(const w_probe *probe, w_probe_fn fn, void *arg)
{
    double time[BATCHES_LIMIT];
    const double end = probe->clock() + probe->seconds;
    const double first = batch_seconds(probe, fn, arg, 1); /* cold */
    if (isnan(first)) {
        return NAN;
    }
    const double warm = first < BATCH_SECONDS ? batch_seconds(probe, fn, arg, 1) : first;
    const double wanted = ceil(BATCH_SECONDS / fmax(warm, 1e-9));
    const int repeats = warm >= BATCH_SECONDS ? 1 : (int)fmin(wanted, REPEATS_LIMIT);
    int batches = 0;
    const int least = warm > LONG_SECONDS ? LONG_BATCHES : W_PROBE_BATCHES;
    while (batches < BATCHES_LIMIT && (batches < least || probe->clock() < end)) {
        const double seconds = batch_seconds(probe, fn, arg, repeats);
        if (isnan(seconds)) {
            return NAN;
        }
        int at = batches++;
        for (; at > 0 && time[at - 1] > seconds; at--) {
            time[at] = time[at - 1];
        }
        time[at] = seconds;
    }
    return time[batches / 4];
}
