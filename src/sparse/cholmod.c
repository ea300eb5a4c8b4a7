/* SPDX-License-Identifier: Apache-2.0 */
#include "sparse/cholmod.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"

#define COMMON_BYTES 65536 /* far beyond any version's struct */

/* The heads of the library's structs, as published. */
typedef struct common_head {
    double dbound, grow0, grow1;
    size_t grow2, maxrank;
    double supernodal_switch;
    int supernodal, final_asis, final_super, final_ll, final_pack, final_monotonic, final_resymbol;
    double zrelax[3];
    size_t nrelax[3];
    int prefer_zomplex, prefer_upper, quick_return_if_not_posdef, prefer_binary, print, precise, try_catch;
} common_head;

typedef struct sparse_matrix {
    size_t nrow, ncol, nzmax;
    void *p, *i, *nz, *x, *z;
    int stype, itype, xtype, dtype, sorted, packed;
} sparse_matrix;

typedef struct dense_matrix {
    size_t nrow, ncol, nzmax, d;
    void *x, *z;
    int xtype, dtype;
} dense_matrix;

typedef struct factor_head {
    size_t n, minor;
    void *Perm, *ColCount, *IPerm;
} factor_head;

enum { LONG = 2, REAL = 1, DOUBLE = 0, SYSTEM_A = 0 };

typedef struct entries {
    void *library;
    int (*version)(int *);
    int (*start)(void *);
    int (*finish)(void *);
    factor_head *(*analyze)(sparse_matrix *, void *);
    int (*factorize)(sparse_matrix *, factor_head *, void *);
    dense_matrix *(*solve)(int, factor_head *, dense_matrix *, void *);
    int (*free_factor)(factor_head **, void *);
    int (*free_dense)(dense_matrix **, void *);
    double (*rcond)(factor_head *, void *);
} entries;

struct w_cholmod {
    weir_ctx *ctx;
    entries call;
    void *common;
    factor_head *factor;
    int64_t n, charged, entries;
};

static bool bind_all(entries *e)
{
    static const char *const name[] = { "cholmod_l_version", "cholmod_l_start", "cholmod_l_finish", "cholmod_l_analyze",
                                        "cholmod_l_factorize", "cholmod_l_solve", "cholmod_l_free_factor",
                                        "cholmod_l_free_dense", "cholmod_l_rcond" };
    void *found[sizeof name / sizeof name[0]];
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        found[i] = dlsym(e->library, name[i]);
        if (!found[i]) {
            return false;
        }
    }
    memcpy(&e->version, &found[0], sizeof found[0]);
    memcpy(&e->start, &found[1], sizeof found[0]);
    memcpy(&e->finish, &found[2], sizeof found[0]);
    memcpy(&e->analyze, &found[3], sizeof found[0]);
    memcpy(&e->factorize, &found[4], sizeof found[0]);
    memcpy(&e->solve, &found[5], sizeof found[0]);
    memcpy(&e->free_factor, &found[6], sizeof found[0]);
    memcpy(&e->free_dense, &found[7], sizeof found[0]);
    memcpy(&e->rcond, &found[8], sizeof found[0]);
    return true;
}

/* Stays in memory until the process ends (its threads do), so loading it again costs nothing. */
static bool load(entries *e, const char **reason)
{
    static const char *const file[] = { "libcholmod.so.5", "libcholmod.so.4", "libcholmod.so.3" };
    *e = (entries){ 0 };
    for (size_t i = 0; i < sizeof file / sizeof file[0] && !e->library; i++) {
        e->library = dlopen(file[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    if (!e->library) {
        *reason = "libcholmod is not installed";
        return false;
    }
    int version[3] = { 0 };
    if (!bind_all(e) || (e->version(version), version[0] < 3 || version[0] > 5)) {
        *reason = "the libcholmod found is not of version 3, 4 or 5";
        dlclose(e->library);
        return false;
    }
    return true;
}

/* Whether the struct is laid out as described above: its documented defaults. */
static bool as_described(const common_head *c)
{
    return c->grow0 == 1.2 && c->grow1 == 1.2 && c->grow2 == 5 && c->maxrank == 8 && c->supernodal_switch == 40.0 &&
           c->zrelax[0] == 0.8 && c->zrelax[1] == 0.1 && c->zrelax[2] == 0.05 && c->nrelax[0] == 4 && c->nrelax[1] == 16 &&
           c->nrelax[2] == 48 && c->print == 3 && c->precise == 0;
}

static bool begin(const entries *e, void *common, const char **reason)
{
    memset(common, 0, COMMON_BYTES);
    if (!e->start(common) || !as_described(common)) {
        *reason = "the libcholmod found is laid out otherwise than versions 3 to 5";
        return false;
    }
    ((common_head *)common)->print = 0;
    ((common_head *)common)->quick_return_if_not_posdef = 1;
    return true;
}

bool w_cholmod_available(const char **reason)
{
    _Alignas(64) unsigned char common[COMMON_BYTES];
    entries e;
    if (!load(&e, reason)) {
        return false;
    }
    const bool good = begin(&e, common, reason);
    if (good) {
        e.finish(common);
        *reason = NULL;
    }
    dlclose(e.library);
    return good;
}

void w_cholmod_free(w_cholmod *f)
{
    if (!f) {
        return;
    }
    weir_ctx *ctx = f->ctx;
    if (f->factor) {
        f->call.free_factor(&f->factor, f->common);
    }
    if (f->common) {
        f->call.finish(f->common);
    }
    dlclose(f->call.library);
    w_ledger_charge(ctx, "sparse factor", -f->charged);
    w_free(ctx, f->common);
    w_free(ctx, f);
}

/* Columns' counts are known after the ordering: 16 bytes per entry, and as much again for the fronts in progress. */
static weir_status charge(w_cholmod *f, int64_t entries_of_a, int64_t most)
{
    const int64_t *count = f->factor->ColCount;
    for (int64_t j = 0; j < f->n; j++) {
        f->entries += count[j];
    }
    if (f->entries > most) {
        return WEIR_DECLINED;
    }
    const int64_t bytes = w_add64(w_mul64(32, f->entries), w_add64(w_mul64(24, entries_of_a), w_mul64(128, f->n)));
    const weir_status status = w_ledger_charge(f->ctx, "sparse factor", bytes);
    f->charged = status < 0 ? 0 : bytes;
    return status;
}

static weir_status make(w_cholmod *f, const w_csc *a, int64_t most, int64_t *failed)
{
    W_BLAS_SERIAL;
    const char *reason = NULL;
    sparse_matrix matrix = { .nrow = (size_t)a->n, .ncol = (size_t)a->n, .nzmax = (size_t)a->entries, .p = a->first, .i = a->row,
                             .x = a->value, .stype = 1, .itype = LONG, .xtype = REAL, .dtype = DOUBLE, .packed = 1 };
    if (!begin(&f->call, f->common, &reason)) {
        return w_fail(f->ctx, WEIR_E_DEVICE, "%s", reason);
    }
    f->factor = f->call.analyze(&matrix, f->common);
    if (!f->factor) {
        return w_fail(f->ctx, WEIR_E_MEMORY, "CHOLMOD cannot order a matrix of %lld columns", (long long)a->n);
    }
    weir_status status = charge(f, a->entries, most);
    if (status != WEIR_OK) {
        return status;
    }
    const int done = f->call.factorize(&matrix, f->factor, f->common);
    if (f->factor->minor < (size_t)a->n) {
        *failed = (int64_t)f->factor->minor + 1;
    } else if (!done) {
        status = w_fail(f->ctx, WEIR_E_MEMORY, "CHOLMOD cannot factor a matrix of %lld columns", (long long)a->n);
    }
    return status;
}

weir_status w_cholmod_factor(weir_ctx *ctx, const w_csc *a, int64_t most, w_cholmod **out, int64_t *failed)
{
    entries e;
    const char *reason = NULL;
    *failed = 0;
    if (!load(&e, &reason)) {
        return w_fail(ctx, WEIR_E_DEVICE, "%s", reason);
    }
    w_cholmod *f = w_calloc(ctx, "sparse factor", 1, sizeof *f);
    if (!f) {
        dlclose(e.library);
        return w_alloc_status(ctx);
    }
    *f = (w_cholmod){ .ctx = ctx, .call = e, .n = a->n };
    f->common = w_calloc(ctx, "sparse factor", 1, COMMON_BYTES);
    weir_status status = f->common ? make(f, a, most, failed) : w_alloc_status(ctx);
    if (status != WEIR_OK || *failed != 0) {
        w_cholmod_free(f);
        return status;
    }
    *out = f;
    return WEIR_OK;
}

weir_status w_cholmod_solve(w_cholmod *f, int64_t count, double *b)
{
    W_BLAS_SERIAL;
    for (int64_t k = 0; k < count; k++) {
        dense_matrix rhs = { .nrow = (size_t)f->n, .ncol = 1, .nzmax = (size_t)f->n, .d = (size_t)f->n, .x = b + k * f->n,
                             .xtype = REAL, .dtype = DOUBLE };
        dense_matrix *x = f->call.solve(SYSTEM_A, f->factor, &rhs, f->common);
        if (!x) {
            return w_fail(f->ctx, WEIR_E_MEMORY, "CHOLMOD cannot solve for want of memory");
        }
        memcpy(b + k * f->n, x->x, (size_t)f->n * sizeof *b);
        f->call.free_dense(&x, f->common);
    }
    return WEIR_OK;
}

double w_cholmod_condition(w_cholmod *f)
{
    const double inverse = f->call.rcond(f->factor, f->common);
    return inverse > 0.0 ? 1.0 / inverse : INFINITY;
}

int64_t w_cholmod_entries(const w_cholmod *f) { return f->entries; }
