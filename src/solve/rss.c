/* SPDX-License-Identifier: Apache-2.0 */
/* Derivatives of the residual sum of squares r(rho) = ||sqrt(W)(z - X beta)||^2 along the solution path. With
 * s = S_lambda beta = sum_j v_j, x_j = P v_j (d beta/d rho_j = -x_j), u = P s = sum_j x_j and X'W(z - X beta) = s:
 *     r_j  = 2 s'x_j,
 *     r_ij = 2 [ v_i'x_j - x_i'S x_j - u'V_i x_j - u'V_j x_i + delta_ij s'x_j ]. */
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/parts.h"

typedef struct path {
    w_system *system;
    int64_t core, size;   /* p0; p0 + L k: core then levels */
    double *pull, *solved; /* sp_count x size: v_j and x_j */
    double *total, *image; /* size: u; V x */
} path;

static void pull_of(const path *run, int sp, const double *x, double *out)
{
    const w_system *system = run->system;
    memset(out, 0, (size_t)run->size * sizeof *out);
    for (int i = 0; i < system->piece_count; i++) {
        if (system->piece[i].sp == sp) {
            w_piece_times(system, &system->piece[i], x, x + run->core, out, out + run->core);
        }
    }
}

static void solve_paths(path *run)
{
    w_system *system = run->system;
    memcpy(run->image, system->core_beta, (size_t)run->core * sizeof(double));
    memcpy(run->image + run->core, system->level_beta, (size_t)(run->size - run->core) * sizeof(double));
    memset(run->total, 0, (size_t)run->size * sizeof(double));
    for (int j = 0; j < system->sp_count; j++) {
        double *v = run->pull + j * run->size, *x = run->solved + j * run->size;
        pull_of(run, j, run->image, v);
        memcpy(x, v, (size_t)run->size * sizeof *x);
        w_factor_solve(system, &system->full, x, x + run->core);
        for (int64_t i = 0; i < run->size; i++) {
            run->total[i] += x[i];
        }
    }
}

static void second_derivatives(path *run, const double *gradient, double *hessian)
{
    const int count = run->system->sp_count;
    const int64_t size = run->size;
    memset(hessian, 0, (size_t)count * (size_t)count * sizeof *hessian);
    for (int i = 0; i < count; i++) {
        pull_of(run, i, run->total, run->image); /* V_i u */
        for (int j = 0; j < count; j++) {
            const double *xj = run->solved + j * size;
            const double pulled = 2.0 * w_dot(size, run->image, xj);
            hessian[i * count + j] += 2.0 * w_dot(size, run->pull + i * size, xj) - pulled + (i == j ? gradient[i] : 0.0);
            hessian[j * count + i] -= pulled;
        }
    }
    for (int m = 0; m < count; m++) { /* - 2 x_i'V_m x_j */
        for (int j = 0; j < count; j++) {
            pull_of(run, m, run->solved + j * size, run->image);
            for (int i = 0; i < count; i++) {
                hessian[i * count + j] -= 2.0 * w_dot(size, run->solved + i * size, run->image);
            }
        }
    }
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            hessian[i * count + j] = hessian[j * count + i] = 0.5 * (hessian[i * count + j] + hessian[j * count + i]);
        }
    }
}

weir_status w_system_rss_derivatives(w_system *system, double *gradient, double *hessian)
{
    W_BLAS_SERIAL;
    path run = { .system = system, .core = system->core, .size = system->core + system->levels * system->k };
    const size_t size = (size_t)run.size, count = (size_t)system->sp_count;
    double *work = w_alloc_array(system->ctx, "derivatives", w_mul_size(size, 2 * count + 2) + 1, sizeof *work);
    if (work == NULL) {
        return w_alloc_status(system->ctx);
    }
    run.pull = work;
    run.solved = work + size * count;
    run.total = work + 2 * size * count;
    run.image = run.total + size;
    solve_paths(&run);
    for (int j = 0; j < system->sp_count; j++) {
        gradient[j] = 2.0 * (w_dot(run.core, system->core_pull, run.solved + j * run.size) +
                             w_dot(run.size - run.core, system->level_pull, run.solved + j * run.size + run.core));
    }
    if (hessian != NULL) {
        second_derivatives(&run, gradient, hessian);
    }
    w_free(system->ctx, work);
    return WEIR_OK;
}
