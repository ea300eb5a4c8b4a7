/* SPDX-License-Identifier: Apache-2.0 */
#include "device/policy.h"

#include <math.h>
#include <string.h>

typedef struct policy_field {
    const char *name, *unit, *meaning;
    double value; /* default */
    size_t offset;
} policy_field;

#define FIELD(name, unit, value, meaning) { #name, unit, meaning, value, offsetof(weir_policy, name) }

static const policy_field fields[W_POLICY_FIELDS] = {
    FIELD(xtwx_n_min, "rows", 50000, "fewest rows for X'WX"),
    FIELD(xtwx_flops_min, "flop", 1e8, "least work for X'WX, X'WY and Schur products"),
    FIELD(xtwx_use_fused_below_p, "columns", 256, "narrower designs use the fused Gram kernel"),
    FIELD(gemm_min_flops, "flop", 1e8, "least work for matrix products"),
    FIELD(potrf_min_p, "columns", 512, "narrowest single Cholesky factorization"),
    FIELD(small_dense_batched_potrf_max_p, "columns", 32, "widest block of the batched Cholesky"),
    FIELD(small_dense_batched_potrf_min_batch, "matrices", 8, "fewest blocks for it"),
    FIELD(syevd_min_p, "columns", 256, "narrowest eigendecomposition"),
    FIELD(sparse_min_nnz, "entries", 1e6, "fewest entries for sparse products"),
    FIELD(fused_kernel_min_n, "rows", 100000, "fewest rows for fused row kernels"),
    FIELD(keep_design_resident_min_bytes, "bytes", 33554432, "smallest design worth keeping on the device"),
    FIELD(prefer_gpu_factorization_min_p, "columns", 512, "narrowest factor-and-solve chain kept on the device"),
    FIELD(row_kernel_min_n, "rows", 50000, "fewest rows for likelihood row kernels"),
    FIELD(mixed_precision, "", 1, "1: float32 factor with float64 refinement may be tried"),
};

static double *slot(weir_policy *policy, int index)
{
    return (double *)(void *)((char *)policy + fields[index].offset);
}

void w_policy_defaults(weir_policy *policy)
{
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        *slot(policy, i) = fields[i].value;
    }
}

const char *w_policy_field(int index, const char **unit, const char **meaning)
{
    if (index < 0 || index >= W_POLICY_FIELDS) {
        return NULL;
    }
    *unit = fields[index].unit;
    *meaning = fields[index].meaning;
    return fields[index].name;
}

double w_policy_get(const weir_policy *policy, int index)
{
    double value;
    memcpy(&value, (const char *)policy + fields[index].offset, sizeof value);
    return value;
}

bool w_policy_set(weir_policy *policy, const char *name, double value)
{
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            if (!(value >= 0)) {
                return false;
            }
            *slot(policy, i) = value;
            return true;
        }
    }
    return false;
}

/* ---- derivation -------------------------------------------------------------------------------------------------- */

typedef struct probe_point { weir_device_shape shape; double up, down; } probe_point; /* up, down: float64 numbers moved */

static probe_point gemm_point(double x) { return (probe_point){ { (int64_t)x, (int64_t)x, (int64_t)x, 1 }, 2 * x * x, x * x }; }
static probe_point potrf_point(double x) { return (probe_point){ { 0, (int64_t)x, 0, 1 }, x * x, x * x }; }
static probe_point batch_point(double x) { return (probe_point){ { 0, 16, 0, (int64_t)x }, 256 * x, 256 * x }; }

/* X'WX of x rows and 128 columns, the rows moved for it. */
static probe_point gram_point(double x) { return (probe_point){ { (int64_t)x, 128, 0, 1 }, 130 * x, 128 * 128 }; }

/* Smallest grid size from which the device wins at every larger one. */
static double crossover(const w_device_cost *host, const w_device_cost *device, weir_device_op op,
                        probe_point (*point)(double), double first, double last)
{
    double from = INFINITY;
    for (double x = last; x >= first; x /= 1.25) {
        probe_point at = point(x);
        double there = w_cost_seconds(device, op, WEIR_DEVICE_F64, &at.shape, (int64_t)(8 * at.up), (int64_t)(8 * at.down));
        double here = w_cost_seconds(host, op, WEIR_DEVICE_F64, &at.shape, 0, 0);
        if (!(there < here)) {
            break;
        }
        from = ceil(x);
    }
    return from;
}

/* Units from which `seconds` each on the host pay for a launch and the transfer of so many bytes each; INFINITY: never. */
static double pays_from(const w_device_cost *device, double seconds, double up, double down)
{
    const double gain = seconds - up / device->up - down / device->down;
    return gain > 0 ? ceil(device->launch / gain) : INFINITY;
}

static void take_set(const w_cost *cost, weir_policy *policy)
{
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        if (cost->threshold_set >> i & 1) {
            *slot(policy, i) = cost->threshold[i];
        }
    }
}

void w_policy_of_host(const w_cost *cost, weir_policy *out)
{
    w_policy_defaults(out);
    take_set(cost, out);
}

_Static_assert(W_COST_THRESHOLDS == W_POLICY_FIELDS, "a place for every threshold");

void w_policy_derive(const w_cost *cost, const w_device_cost *device, weir_policy *out)
{
    enum { COLUMNS = 128, POISSON = 2 };
    const w_device_cost *host = &cost->host;
    w_policy_defaults(out);
    double gemm = crossover(host, device, WEIR_DEVICE_GEMM, gemm_point, 4, 65536);
    double gram = crossover(host, device, WEIR_DEVICE_GRAM, gram_point, 64, 1e8);
    double potrf = crossover(host, device, WEIR_DEVICE_POTRF, potrf_point, 4, 65536);
    out->gemm_min_flops = 2 * gemm * gemm * gemm;
    out->xtwx_n_min = 1; /* the work decides; a floor in rows would forbid wide designs */
    out->xtwx_flops_min = 2 * gram * COLUMNS * COLUMNS;
    out->potrf_min_p = potrf;
    out->prefer_gpu_factorization_min_p = potrf;
    out->small_dense_batched_potrf_min_batch = crossover(host, device, WEIR_DEVICE_POTRF, batch_point, 1, 1e7);
    out->syevd_min_p = crossover(host, device, WEIR_DEVICE_SYEVD, potrf_point, 4, 65536);
    const double peak = device->peak[WEIR_DEVICE_POTRF][WEIR_DEVICE_F64], half = device->half[WEIR_DEVICE_POTRF][WEIR_DEVICE_F64];
    const double width = cbrt(3.0 * (device->launch * peak + half));
    out->small_dense_batched_potrf_max_p = isfinite(width) ? floor(width) : out->small_dense_batched_potrf_max_p;
    const double row = 0.5 * COLUMNS * (COLUMNS + 1) * w_curve_at(&cost->route.gram, COLUMNS, 0.0);
    out->fused_kernel_min_n = pays_from(device, row, 8.0 * (COLUMNS + 2), 0);
    out->row_kernel_min_n = pays_from(device, cost->fit.family[POISSON], 24, 16);
    out->sparse_min_nnz = pays_from(device, cost->route.csr_product, 12, 0);
    const double launch_bytes = device->launch * device->up;
    out->keep_design_resident_min_bytes = isfinite(launch_bytes) ? ceil(launch_bytes) : 0.0;
    out->mixed_precision = device->peak[WEIR_DEVICE_POTRF][WEIR_DEVICE_F32] > 1.2 * peak ? 1.0 : 0.0;
    take_set(cost, out);
}

/* ---- predicates -------------------------------------------------------------------------------------------------- */

static double flops(double factor, int64_t a, int64_t b, int64_t c)
{
    return a > 0 && b > 0 && c > 0 ? factor * (double)a * (double)b * (double)c : -1.0;
}

bool w_policy_refine(const weir_policy *policy, int64_t p)
{
    return policy->mixed_precision == 1.0 && p >= W_POLICY_REFINEMENT_MIN_P;
}

bool w_policy_gemv(const weir_policy *policy, int64_t n, int64_t p, bool resident)
{
    return n > 0 && p > 0 && (resident || flops(2, n, p, 1) >= policy->gemm_min_flops);
}

bool w_policy_gemm(const weir_policy *policy, int64_t m, int64_t n, int64_t k)
{
    return flops(2, m, n, k) >= policy->gemm_min_flops;
}

bool w_policy_xtwx(const weir_policy *policy, int64_t n, int64_t p, bool materialized)
{
    return materialized && (double)n >= policy->xtwx_n_min && flops(2, n, p, p) >= policy->xtwx_flops_min;
}

bool w_policy_xtwy(const weir_policy *policy, int64_t n, int64_t p, int64_t q, bool materialized)
{
    return materialized && flops(2, n, p, q) >= policy->xtwx_flops_min;
}

bool w_policy_fused_gram(const weir_policy *policy, int64_t n, int64_t p)
{
    return p > 0 && (double)p < policy->xtwx_use_fused_below_p && (double)n >= policy->fused_kernel_min_n;
}

bool w_policy_potrf(const weir_policy *policy, int64_t p, bool resident)
{
    return resident && p > 0 && (double)p >= policy->potrf_min_p;
}

bool w_policy_factor_chain(const weir_policy *policy, int64_t p)
{
    return p > 0 && (double)p >= policy->prefer_gpu_factorization_min_p;
}

bool w_policy_potrf_batched(const weir_policy *policy, int64_t p, int64_t batch)
{
    return p > 0 && batch > 1 && (double)p <= policy->small_dense_batched_potrf_max_p &&
           (double)batch >= policy->small_dense_batched_potrf_min_batch;
}

bool w_policy_syevd(const weir_policy *policy, int64_t p)
{
    return p > 0 && (double)p >= policy->syevd_min_p;
}

bool w_policy_sparse(const weir_policy *policy, int64_t nonzeros)
{
    return (double)nonzeros >= policy->sparse_min_nnz;
}

bool w_policy_row_kernel(const weir_policy *policy, int64_t n)
{
    return (double)n >= policy->row_kernel_min_n;
}

bool w_policy_keep_design(const weir_policy *policy, int64_t bytes, int64_t device_free)
{
    return (double)bytes >= policy->keep_design_resident_min_bytes && 2.0 * (double)bytes <= (double)device_free;
}

bool w_policy_schur_matvec(const weir_policy *policy, int64_t n, int64_t k, int64_t d, int64_t iterations)
{
    if (n <= 0 || d <= 0 || iterations <= 0 || k < W_POLICY_SCHUR_MIN_K) {
        return false;
    }
    double work = (double)iterations * (double)n * (4.0 * (double)d * (double)k + (double)d * (double)d);
    return work >= policy->xtwx_flops_min;
}
