/* SPDX-License-Identifier: Apache-2.0 */
/* One benchmark of weir fit through the public API. */
#ifndef BENCH_GAM_H
#define BENCH_GAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "synth.h"

typedef enum bench_source { SOURCE_MEMORY, SOURCE_NPY, SOURCE_CSV } bench_source;

typedef struct bench_case {
    char name[64];
    int64_t rows;
    int smooths, k;
    int64_t levels;
    bench_source source;
    int64_t memory; /* budget, 0 = default */
    int repetitions;
    int threads; /* 0 = all */
    bool peer, exact, small; /* compare with bam discrete; with exact bam; with gam instead of bam */
    synth_family family;
    int laplace;             /* criterion of generalised models, as in weir_fit_options */
} bench_case;

typedef struct bench_run {
    const bench_case *what;
    const char *folder;   /* for data files */
    const json_t *lambda; /* the peer's smoothing parameters, to evaluate the criterion at; or NULL */
} bench_run;

/* Writes the files that the case reads, and the raw columns for the peer if `peer`. 0 or -1. */
int bench_gam_prepare(const bench_case *what, const char *folder, bool peer);
/* A bench_isolated body; arg is a bench_run. The object holds seconds (medians of reading, design, normal, smoothing,
 * total and wall), bytes, criterion, edf, sp, and with lambda criterion_at_peer. */
json_t *bench_gam_body(void *arg);
const char *bench_family_name(const bench_case *what);
/* Path of the case's table file; NULL for memory. `path` holds 4096 bytes. */
const char *bench_gam_path(const bench_case *what, const char *folder, char *path);

#endif
