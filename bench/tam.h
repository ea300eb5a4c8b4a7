/* SPDX-License-Identifier: Apache-2.0 */
/* A static additive model at fixed smoothing parameters: 20 000 rows, three splines and three sets of harmonics, 130 columns, beside the
 * same fit by dense NumPy. Whole fits through the public interface from columns in memory. */
#ifndef BENCH_TAM_H
#define BENCH_TAM_H

typedef struct tam_options {
    int threads, repetitions;
    const char *peer;   /* script, or NULL */
    const char *folder; /* of the data for the peer; NULL = a temporary one */
} tam_options;

/* Prints a markdown table. 0 or 1. */
int tam_run(const tam_options *options);

#endif
