/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic data of the benchmarks: the same numbers for a given shape on every machine, in memory or as files.
 *
 *     x_j ~ U(0,1),  y = sum_j f_j(x_j) + b_g + 2 e,  e ~ N(0,1),  f of Gu and Wahba,  b_g ~ N(0,1) for group g */
#ifndef BENCH_SYNTH_H
#define BENCH_SYNTH_H

#include <stdint.h>

typedef struct synth {
    int64_t rows;
    int smooths;     /* columns x0 … */
    int64_t levels;  /* of column g; 0 = none */
    double *y;
    double **x;      /* smooths columns */
    int32_t *group;  /* codes, or NULL */
} synth;

/* 0, or -1 when memory is short. */
int synth_make(int64_t rows, int smooths, int64_t levels, synth *out);
void synth_free(synth *data);
/* Files: columns y, x0, … and g. 0 or -1 with errno. */
int synth_write_npy(const synth *data, const char *path);  /* structured array */
int synth_write_csv(const synth *data, const char *path);  /* 15 significant digits */
int synth_write_raw(const synth *data, const char *folder); /* y.f64, x0.f64, …, g.i32, for R's readBin */
/* The structured NPY of any length in little memory, row blocks made one after another. */
int synth_stream_npy(int64_t rows, int smooths, const char *path);

#endif
