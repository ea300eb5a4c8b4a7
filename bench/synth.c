/* SPDX-License-Identifier: Apache-2.0 */
#include "synth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_ROWS = 1 << 16 };

/* splitmix64: state += odd constant, then a mixing function. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

double synth_uniform(uint64_t *state) { return ((double)(next(state) >> 11) + 0.5) * 0x1p-53; }

double synth_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(synth_uniform(state)));
    return radius * cos(6.283185307179586 * synth_uniform(state));
}

static double effect(int j, double x)
{
    switch (j % 8) {
    case 0: return 2 * sin(3.141592653589793 * x);
    case 1: return exp(2 * x);
    case 2: return 0.2 * pow(x, 11) * pow(10 * (1 - x), 6) + 10 * pow(10 * x, 3) * pow(1 - x, 10);
    case 3: return 0;
    case 4: return cos(12 * x);
    case 5: return 4 * (x - 0.5) * (x - 0.5);
    case 6: return log(1 + 9 * x);
    default: return tanh(8 * (x - 0.4));
    }
}

#define MEAN_OF_FOUR 7.5 /* about the mean of the first four effects together */

/* Poisson numbers by sequential inversion: the means here are small. */
double synth_poisson(uint64_t *state, double mean)
{
    double u = synth_uniform(state), term = exp(-mean), sum = term;
    int count = 0;
    while (u > sum && count < 1000) {
        term *= mean / ++count;
        sum += term;
    }
    return count;
}

static double response(uint64_t *state, synth_family family, double sum)
{
    switch (family) {
    case SYNTH_POISSON: return synth_poisson(state, exp((sum - MEAN_OF_FOUR) / 5));
    case SYNTH_BINOMIAL: return synth_uniform(state) * (1 + exp(-(sum - MEAN_OF_FOUR) / 3)) < 1;
    default: return sum;
    }
}

int synth_make(synth_family family, int64_t rows, int smooths, int64_t levels, synth *out)
{
    synth data = {.family = family, .rows = rows, .smooths = smooths, .levels = levels};
    uint64_t state = 20260101u + (uint64_t)smooths;
    double *shift = levels ? malloc((size_t)levels * sizeof *shift) : NULL;
    int failed = levels && !shift;
    data.y = malloc((size_t)rows * sizeof *data.y);
    data.x = calloc((size_t)smooths, sizeof *data.x);
    if (levels)
        data.group = malloc((size_t)rows * sizeof *data.group);
    failed = failed || !data.y || !data.x || (levels && !data.group);
    for (int j = 0; j < smooths && !failed; j++)
        failed = !(data.x[j] = malloc((size_t)rows * sizeof *data.x[j]));
    if (failed) {
        free(shift);
        synth_free(&data);
        return -1;
    }
    for (int64_t g = 0; g < levels; g++)
        shift[g] = synth_normal(&state);
    for (int64_t i = 0; i < rows; i++) {
        double sum = family == SYNTH_GAUSSIAN ? 2 * synth_normal(&state) : 0;
        for (int j = 0; j < smooths; j++) {
            data.x[j][i] = synth_uniform(&state);
            sum += effect(j, data.x[j][i]);
        }
        if (levels) {
            data.group[i] = (int32_t)(i < levels ? i : (int64_t)(synth_uniform(&state) * (double)levels));
            sum += shift[data.group[i]];
        }
        data.y[i] = response(&state, family, sum);
    }
    free(shift);
    *out = data;
    return 0;
}

void synth_free(synth *data)
{
    for (int j = 0; data->x && j < data->smooths; j++)
        free(data->x[j]);
    free(data->x);
    free(data->y);
    free(data->group);
    memset(data, 0, sizeof *data);
}

/* NPY 1.0: magic, version, length of the header, the header padded to a multiple of 64 bytes. */
static void write_npy_header(FILE *file, int64_t rows, int smooths)
{
    char header[2048];
    int length = snprintf(header, sizeof header, "{'descr': [('y', '<f8')");
    for (int j = 0; j < smooths; j++)
        length += snprintf(header + length, sizeof header - (size_t)length, ", ('x%d', '<f8')", j);
    length += snprintf(header + length, sizeof header - (size_t)length, "], 'fortran_order': False, 'shape': (%lld,), }",
                       (long long)rows);
    while ((10 + length + 1) % 64)
        header[length++] = ' ';
    header[length++] = '\n';
    unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(length & 255), (unsigned char)(length >> 8)};
    fwrite(start, 1, sizeof start, file);
    fwrite(header, 1, (size_t)length, file);
}

static void write_npy_rows(FILE *file, const synth *data)
{
    double row[64];
    for (int64_t i = 0; i < data->rows; i++) {
        row[0] = data->y[i];
        for (int j = 0; j < data->smooths; j++)
            row[j + 1] = data->x[j][i];
        fwrite(row, sizeof *row, (size_t)data->smooths + 1, file);
    }
}

static int finish(FILE *file)
{
    int failed = ferror(file);
    return fclose(file) || failed ? -1 : 0;
}

int synth_write_npy(const synth *data, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    write_npy_header(file, data->rows, data->smooths);
    write_npy_rows(file, data);
    return finish(file);
}

int synth_stream_npy(synth_family family, int64_t rows, int smooths, const char *path)
{
    FILE *file = fopen(path, "w");
    synth block;
    if (!file)
        return -1;

    if (synth_make(family, STREAM_ROWS, smooths, 0, &block)) {
        fclose(file);
        return -1;
    }
    write_npy_header(file, rows, smooths);
    uint64_t state = 7;
    for (int64_t first = 0; first < rows; first += STREAM_ROWS) {
        if (rows - first < STREAM_ROWS)
            block.rows = rows - first;
        for (int64_t i = 0; i < block.rows; i++) {
            double sum = family == SYNTH_GAUSSIAN ? 2 * synth_normal(&state) : 0;
            for (int j = 0; j < smooths; j++) {
                block.x[j][i] = synth_uniform(&state);
                sum += effect(j, block.x[j][i]);
            }
            block.y[i] = response(&state, family, sum);
        }
        write_npy_rows(file, &block);
    }
    synth_free(&block);
    return finish(file);
}

int synth_write_csv(const synth *data, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fputs("y", file);
    for (int j = 0; j < data->smooths; j++)
        fprintf(file, ",x%d", j);
    fputs(data->levels ? ",g\n" : "\n", file);
    for (int64_t i = 0; i < data->rows; i++) {
        fprintf(file, "%.15g", data->y[i]);
        for (int j = 0; j < data->smooths; j++)
            fprintf(file, ",%.15g", data->x[j][i]);
        if (data->levels)
            fprintf(file, ",g%d", data->group[i]);
        fputc('\n', file);
    }
    return finish(file);
}

int synth_write_column(const char *folder, const char *name, const void *values, size_t size, int64_t rows)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fwrite(values, size, (size_t)rows, file);
    return finish(file);
}

int synth_write_raw(const synth *data, const char *folder)
{
    char name[32];
    int failed = synth_write_column(folder, "y.f64", data->y, sizeof(double), data->rows);
    for (int j = 0; j < data->smooths && !failed; j++) {
        snprintf(name, sizeof name, "x%d.f64", j);
        failed = synth_write_column(folder, name, data->x[j], sizeof(double), data->rows);
    }
    if (data->levels && !failed)
        failed = synth_write_column(folder, "g.i32", data->group, sizeof(int32_t), data->rows);
    return failed;
}
