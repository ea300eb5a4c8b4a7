/* SPDX-License-Identifier: Apache-2.0 */
/* The constants of the cost model by name, and those built in. */
#include "device/cost.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOST_PEAK(op, dtype) offsetof(w_cost, host.peak[op][dtype])
#define HOST_HALF(op) offsetof(w_cost, host.half[op][WEIR_DEVICE_F64])
#define ROW(field) offsetof(w_cost, row.field)
#define ROUTE(field) offsetof(w_cost, route.field)
#define FIT(field) offsetof(w_cost, fit.field)
#define CURVE(name, unit, meaning, at) \
    { name "_4", unit, meaning ", size 4", SECONDS, at }, \
    { name "_16", unit, meaning ", size 16", SECONDS, at + sizeof(double) }, \
    { name "_64", unit, meaning ", size 64", SECONDS, at + 2 * sizeof(double) }, \
    { name "_256", unit, meaning ", size 256", SECONDS, at + 3 * sizeof(double) }, \
    { name "_1024", unit, meaning ", size 1024", SECONDS, at + 4 * sizeof(double) }
#define FAMILY(name, number) \
    { "fit." name, "s", "working model of a row, " name, SECONDS, FIT(family[number]) }, \
    { "fit." name "_likelihood", "s", "likelihood and parameters of a row, " name, SECONDS, FIT(likelihood[number]) }
#define SECONDS 1e-15, 1e3
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
    CURVE("route.gram", "s", "a row and pair of columns of a dense Gram", ROUTE(gram)),
    CURVE("route.spd", "s", "one dense system factored, solved, certified", ROUTE(spd)),
    CURVE("route.mixed", "s", "the same by a float32 factor", ROUTE(mixed)),
    CURVE("route.qr", "s", "a row and squared column of a streamed QR", ROUTE(qr)),
    CURVE("route.product", "s", "a value of dense rows in X'(Xv)", ROUTE(product)),
    CURVE("route.csr_gram", "s", "a product of two entries of a sparse row", ROUTE(csr_gram)),
    { "route.spd_column", "s", "a further right-hand side, per squared column", SECONDS, ROUTE(spd_column) },
    { "route.response", "s", "a further right-hand side, per value of X", SECONDS, ROUTE(response) },
    { "route.pack", "s", "a value of X weighted or packed", SECONDS, ROUTE(pack) },
    { "route.dual_value", "s", "a value of X in the dual system", SECONDS, ROUTE(dual_value) },
    { "route.product_column", "s", "a value and vector of several in X'(XV)", SECONDS, ROUTE(product_column) },
    { "route.csr_row", "s", "a sparse row of the Gram", SECONDS, ROUTE(csr_row) },
    { "route.csr_product", "s", "an entry of sparse rows in X'(Xv)", SECONDS, ROUTE(csr_product) },
    { "route.csr_column", "s", "an entry and vector of several", SECONDS, ROUTE(csr_column) },
    { "route.step", "s", "a step of conjugate gradients beside its product", SECONDS, ROUTE(step) },
    { "route.step_value", "s", "the same per coefficient", SECONDS, ROUTE(step_value) },
    { "route.sparse_start", "s", "a sparse factorization", SECONDS, ROUTE(sparse_start) },
    { "route.sparse_gram", "s", "a product of two entries of the sparse Gram", SECONDS, ROUTE(sparse_gram) },
    { "route.sparse_column", "s", "a column of a sparse factor", SECONDS, ROUTE(sparse_column) },
    { "route.sparse_flop", "s", "a multiplication of a sparse factor", SECONDS, ROUTE(sparse_flop) },
    { "route.group", "s", "a group of several", SECONDS, ROUTE(group) },
    { "route.call", "s", "a call", SECONDS, ROUTE(call) },
    { "route.look", "s", "looking for a sparse library", SECONDS, ROUTE(look) },
    { "route.look_entry", "s", "an entry when the Gram's are estimated", SECONDS, ROUTE(look_entry) },
    { "fit.start", "s", "a fit", SECONDS, FIT(start) },
    { "fit.scan", "s", "a value looked at by the scan", SECONDS, FIT(scan) },
    { "fit.margin_start", "s", "set-up of a margin", SECONDS, FIT(margin_start) },
    { "fit.margin", "s", "a row and margin of the set-up", SECONDS, FIT(margin) },
    { "fit.thin_row", "s", "the same of a thin plate spline, more", SECONDS, FIT(thin_row) },
    { "fit.thin_knot", "s", "a distinct value and coefficient of one", SECONDS, FIT(thin_knot) },
    { "fit.thin_pass", "s", "a row and thin plate spline of a pass", SECONDS, FIT(thin_pass) },
    { "fit.plate", "s", "a row and knot of a thin plate of several covariates", SECONDS, FIT(plate) },
    { "fit.plate_setup", "s", "a pair of its knots", SECONDS, FIT(plate_setup) },
    { "fit.tensor_row", "s", "a row of the set-up and column of a tensor product", SECONDS, FIT(tensor_row) },
    { "fit.tensor", "s", "a cubed column of a tensor product in the criterion", SECONDS, FIT(tensor) },
    { "fit.product", "s", "a row and margin of X beta", SECONDS, FIT(product) },
    { "fit.linear", "s", "a row and margin of X'Wr", SECONDS, FIT(linear) },
    { "fit.leverage", "s", "a row and pair of terms of x'Vx", SECONDS, FIT(leverage) },
    { "fit.arrow", "s", "an eliminated column and core column", SECONDS, FIT(arrow) },
    { "fit.table", "s", "a byte of the tables of cross-products", SECONDS, FIT(table) },
    FAMILY("gaussian", 0), FAMILY("binomial", 1), FAMILY("poisson", 2), FAMILY("gamma", 3), FAMILY("inverse_gaussian", 4),
    FAMILY("nb", 5), FAMILY("tweedie", 6), FAMILY("quasi", 7), FAMILY("quasipoisson", 8), FAMILY("quasibinomial", 9),
    FAMILY("scat", 10), FAMILY("beta", 11), FAMILY("other_link", 12),
    CURVE("fit.evaluate", "s", "smoothing criterion and derivatives, by columns", FIT(evaluate)),
    CURVE("fit.finish", "s", "covariance and tests, by columns", FIT(finish)),
};
_Static_assert(sizeof fields / sizeof fields[0] <= W_COST_FIELDS, "more fields than their marks");

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
            cost->field_measured[i] = true;
            cost->measured = true;
        }
    }
}

static const w_route_cost route_built_in = {
    .gram = { { 3.5e-10, 1.35e-10, 7.4e-11, 4.6e-11, 4.4e-11 } },
    .spd = { { 1.1e-6, 3.6e-6, 2e-5, 2.5e-4, 1.15e-2 } },
    .mixed = { { 2e-6, 5.2e-6, 3.8e-5, 4.5e-4, 1.05e-2 } },
    .qr = { { 6e-10, 2.1e-10, 2e-10, 1.1e-10, 4.4e-11 } },
    .product = { { 5e-10, 2.3e-10, 1.6e-10, 1.45e-10, 3.5e-10 } },
    .csr_gram = { { 1.1e-9, 9e-10, 1e-9, 1.1e-9, 1.8e-9 } },
    .spd_column = 3.5e-10, .response = 4e-11, .pack = 5.8e-10, .dual_value = 1.3e-9, .product_column = 7e-11, .csr_row = 3.5e-9,
    .csr_product = 1.2e-9, .csr_column = 6.7e-10, .step = 5e-7, .step_value = 3e-9, .sparse_start = 5e-5, .sparse_gram = 9e-9,
    .sparse_column = 4e-7, .sparse_flop = 2.2e-10, .group = 2.7e-7, .call = 2.5e-6, .look = 4e-5, .look_entry = 1e-8,
};

static const w_fit_cost fit_built_in = {
    .start = 1.5e-4, .scan = 5e-9, .margin_start = 2e-5, .margin = 1.1e-8, .thin_row = 3e-8, .thin_knot = 6e-8, .thin_pass = 2.7e-8,
    .plate = 4.5e-9, .plate_setup = 2e-8, .tensor_row = 8e-10, .tensor = 1.8e-10, .product = 3e-9, .linear = 2e-9, .leverage = 3e-9, .arrow = 1.2e-8, .table = 1.3e-9,
    .family = { 2e-9, 1.5e-8, 1e-8, 1.2e-8, 3e-8, 2e-8, 2e-8, 3e-8, 1e-8, 1.5e-8, 2e-8, 2e-7, 3e-8 },
    .likelihood = { 1e-8, 3e-8, 3e-8, 4e-8, 4e-8, 6e-8, 1.7e-6, 3e-8, 3e-8, 3e-8, 8e-7, 3e-6, 3e-8 },
    .evaluate = { { 1.6e-6, 1.2e-5, 4.5e-5, 6e-4, 2.4e-2 } },
    .finish = { { 9e-5, 2.2e-4, 8e-4, 1.3e-2, 3.5e-1 } },
};

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
    cost->route = route_built_in;
    cost->fit = fit_built_in;
    snprintf(cost->source, sizeof cost->source, "built in");
}

