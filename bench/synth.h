/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic data of the benchmarks: the same numbers for a given shape on every machine, in memory or as files.
 *
 *     x_j ~ U(0,1),  s = sum_j f_j(x_j) + b_g,  f of Gu and Wahba,  b_g ~ N(0,1) for group g,
 *     gaussian  y = s + 2 e,  e ~ N(0,1)      poisson  log E y = s' / 5      binomial  logit E y = s' / 3,
 * s' = s less its mean at four smooths. */
#ifndef BENCH_SYNTH_H
#define BENCH_SYNTH_H

#include <stddef.h>
#include <stdint.h>

typedef enum synth_family { SYNTH_GAUSSIAN, SYNTH_POISSON, SYNTH_BINOMIAL } synth_family;

typedef struct synth {
    synth_family family;
    int64_t rows;
    int smooths;     /* columns x0 … */
    int64_t levels;  /* of column g; 0 = none */
    double *y;
    double **x;      /* smooths columns */
    int32_t *group;  /* codes, or NULL */
} synth;

/* 0, or -1 when memory is short. */
int synth_make(synth_family family, int64_t rows, int smooths, int64_t levels, synth *out);
void synth_free(synth *data);
/* Files: columns y, x0, … and g. 0 or -1 with errno. */
int synth_write_npy(const synth *data, const char *path);  /* structured array */
int synth_write_csv(const synth *data, const char *path);  /* 15 significant digits */
int synth_write_raw(const synth *data, const char *folder); /* y.f64, x0.f64, …, g.i32, for R's readBin */
/* The structured NPY of any length in little memory, row blocks made one after another. */
int synth_stream_npy(synth_family family, int64_t rows, int smooths, const char *path);
/* One column as FOLDER/NAME. */
int synth_write_column(const char *folder, const char *name, const void *values, size_t size, int64_t rows);

/* Random numbers; `state` is any number. */
double synth_uniform(uint64_t *state);
double synth_normal(uint64_t *state);
double synth_poisson(uint64_t *state, double mean);

#endif
