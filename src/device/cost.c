/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cost.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOST_PEAK(op, dtype) offsetof(w_cost, host.peak[op][dtype])
#define HOST_HALF(op) offsetof(w_cost, host.half[op][WEIR_DEVICE_F64])
#define ROW(field) offsetof(w_cost, row.field)
#define SECONDS 1e-12, 1.0
#define RATE 1e5, 1e16
#define WORK 0.0, 1e12

static const w_cost_field fields[] = {
    { "rows.basis", "s", "one basis evaluation of one covariate and row", SECONDS, ROW(basis) },
    { "rows.pair", "s", "one row and pair of local terms, cells in cache", SECONDS, ROW(pair) },
    { "rows.pair_far", "s", "the same with cells beyond the near caches", SECONDS, ROW(pair_far) },
    { "rows.row", "s", "one row beside these", SECONDS, ROW(row) },
    { "rows.memory", "bytes/s", "streamed from memory by one thread", RATE, ROW(memory) },
    { "rows.csv", "bytes/s", "CSV parsed by one thread", RATE, ROW(csv) },
    { "rows.copy_in", "bytes/s", "binary columns brought to a tile", RATE, ROW(copy_in) },
    { "rows.thread_gain", "", "gain of one more thread", 0.0, 1.0, ROW(thread_gain) },
    { "cpu.launch", "s", "one call", 0.0, 1.0, offsetof(w_cost, host.launch) },
    { "cpu.gemm", "flop/s", "float64 matrix product", RATE, HOST_PEAK(WEIR_DEVICE_GEMM, WEIR_DEVICE_F64) },
    { "cpu.gemm_half", "flop", "work at half of that rate", WORK, HOST_HALF(WEIR_DEVICE_GEMM) },
    { "cpu.gemm_f32", "flop/s", "float32 matrix product", RATE, HOST_PEAK(WEIR_DEVICE_GEMM, WEIR_DEVICE_F32) },
    { "cpu.syrk", "flop/s", "symmetric product", RATE, HOST_PEAK(WEIR_DEVICE_SYRK, WEIR_DEVICE_F64) },
    { "cpu.syrk_half", "flop", "work at half of that rate", WORK, HOST_HALF(WEIR_DEVICE_SYRK) },
    { "cpu.trsm", "flop/s", "triangular solve", RATE, HOST_PEAK(WEIR_DEVICE_TRSM, WEIR_DEVICE_F64) },
    { "cpu.trsm_half", "flop", "work at half of that rate", WORK, HOST_HALF(WEIR_DEVICE_TRSM) },
    { "cpu.potrf", "flop/s", "Cholesky factorization", RATE, HOST_PEAK(WEIR_DEVICE_POTRF, WEIR_DEVICE_F64) },
    { "cpu.potrf_half", "flop", "work at half of that rate", WORK, HOST_HALF(WEIR_DEVICE_POTRF) },
    { "cpu.geqrf", "flop/s", "QR factorization", RATE, HOST_PEAK(WEIR_DEVICE_GEQRF, WEIR_DEVICE_F64) },
    { "cpu.geqrf_half", "flop", "work at half of that rate", WORK, HOST_HALF(WEIR_DEVICE_GEQRF) },
    { "cpu.syevd", "flop/s", "symmetric eigendecomposition", RATE, HOST_PEAK(WEIR_DEVICE_SYEVD, WEIR_DEVICE_F64) },
    { "cpu.syevd_half", "flop", "work at half of that rate", WORK, HOST_HALF(WEIR_DEVICE_SYEVD) },
};

const w_cost_field *w_cost_field_at(int index)
{
    return index >= 0 && index < (int)(sizeof fields / sizeof fields[0]) ? &fields[index] : NULL;
}

static double *slot(w_cost *cost, const w_cost_field *field)
{
    return (double *)(void *)((char *)cost + field->offset);
}

double w_cost_get(const w_cost *cost, const w_cost_field *field)
{
    double value;
    memcpy(&value, (const char *)cost + field->offset, sizeof value);
    return value;
}

/* What is not measured follows what is: float32 runs at twice the float64 rate, the Gram of a tile as SYRK. */
static void derive(w_device_cost *host)
{
    static const double full[WEIR_DEVICE_DTYPES] = { 1.0, 2.0 };
    for (int op = WEIR_DEVICE_SYRK; op < WEIR_DEVICE_OPS; op++) {
        int like = op == WEIR_DEVICE_GRAM ? WEIR_DEVICE_SYRK : op;
        for (int dtype = 0; dtype < WEIR_DEVICE_DTYPES; dtype++) {
            host->peak[op][dtype] = host->peak[like][WEIR_DEVICE_F64] * full[dtype];
            host->half[op][dtype] = host->half[like][WEIR_DEVICE_F64];
        }
    }
    host->half[WEIR_DEVICE_GEMM][WEIR_DEVICE_F32] = host->half[WEIR_DEVICE_GEMM][WEIR_DEVICE_F64];
}

bool w_cost_set(w_cost *cost, const char *name, double value)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            if (!(value >= fields[i].low && value <= fields[i].high)) {
                return false;
            }
            *slot(cost, &fields[i]) = value;
            derive(&cost->host);
            return true;
        }
    }
    return false;
}

void w_cost_set_measured(w_cost *cost, const char *name, double value)
{
    if (!w_cost_set(cost, name, value)) {
        return;
    }
    for (int i = 0; w_cost_field_at(i); i++) {
        if (strcmp(fields[i].name, name) == 0) {
            cost->measured_fields |= (uint64_t)1 << i;
            cost->measured = true;
        }
    }
}

void w_cost_defaults(w_cost *cost)
{
    *cost = (w_cost){ .row = { .basis = 1.7e-9, .pair = 2.1e-9, .pair_far = 1.5e-8, .row = 1.0e-8, .memory = 8e9,
                               .csv = 180e6, .copy_in = 4e9, .thread_gain = 0.9 } };
    w_device_cost *host = &cost->host;
    host->launch = 2e-7;
    host->up = host->down = INFINITY;
    static const double peak[WEIR_DEVICE_OPS] = { 0, 40e9, 35e9, 30e9, 25e9, 20e9, 8e9, 35e9 };
    static const double half[WEIR_DEVICE_OPS] = { 0, 2e4, 1e5, 2e5, 5e5, 1e6, 1e6, 1e5 };
    for (int op = WEIR_DEVICE_GEMM; op < WEIR_DEVICE_OPS; op++) {
        host->peak[op][WEIR_DEVICE_F64] = peak[op];
        host->half[op][WEIR_DEVICE_F64] = half[op];
    }
    host->peak[WEIR_DEVICE_GEMM][WEIR_DEVICE_F32] = 80e9;
    derive(host);
    snprintf(cost->source, sizeof cost->source, "built in");
}

double w_cost_flops(weir_device_op op, const weir_device_shape *shape)
{
    double m = (double)shape->m, n = (double)shape->n, k = (double)shape->k;
    double batch = shape->batch > 1 ? (double)shape->batch : 1.0, smaller = m < n ? m : n;
    switch (op) {
    case WEIR_DEVICE_GEMM: return batch * 2 * m * n * k;
    case WEIR_DEVICE_SYRK: return batch * n * (n + 1) * k;
    case WEIR_DEVICE_TRSM: return batch * m * m * n;
    case WEIR_DEVICE_POTRF: return batch * n * n * n / 3;
    case WEIR_DEVICE_GEQRF: return batch * 2 * smaller * smaller * ((m > n ? m : n) - smaller / 3);
    case WEIR_DEVICE_SYEVD: return batch * 9 * n * n * n;
    case WEIR_DEVICE_GRAM: return batch * m * n * (n + 3);
    case WEIR_DEVICE_COPY:
    case WEIR_DEVICE_OPS: break;
    }
    return 0.0;
}

double w_cost_seconds(const w_device_cost *cost, weir_device_op op, weir_device_dtype dtype,
                      const weir_device_shape *shape, int64_t bytes_up, int64_t bytes_down)
{
    double seconds = (double)bytes_up / cost->up + (double)bytes_down / cost->down;
    if (op != WEIR_DEVICE_COPY) {
        double peak = cost->peak[op][dtype];
        if (!(peak > 0)) {
            return INFINITY;
        }
        seconds += cost->launch + (w_cost_flops(op, shape) + cost->half[op][dtype]) / peak;
    }
    return seconds;
}

double w_cost_threaded(const w_cost *cost, double serial, int threads)
{
    return serial / (1.0 + cost->row.thread_gain * (threads > 1 ? threads - 1 : 0));
}
