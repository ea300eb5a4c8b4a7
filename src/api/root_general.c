/* SPDX-License-Identifier: Apache-2.0 */
/* p = 1 for any square matrix: LU with partial pivoting. Scalings of rows and columns change nothing but rounding there, and are not
 * made.  || Z - Z* || / || Z* || <= 2 kappa beta for the backward error beta that the residual shows. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "api/linalg_views.h"
#include "api/root_call.h"
#include "base/clock.h"
#include "base/size.h"

/* Work: A + rho I, B's copy. */
static weir_status solve(weir_ctx *ctx, const w_root_call *c, double *room, weir_root_stats *stats)
{
    const int64_t n = c->a->rows, count = c->b->cols;
    const double ridge = w_root_ridge(c->options->precond, c->a), begun = w_clock_seconds();
    weir_matrix a = w_matrix_columns(room, WEIR_F64, n, n), z = w_matrix_columns(room + n * n, WEIR_F64, n, count);
    w_root_copy_in(c->a, a.data);
    w_root_copy_in(c->b, z.data);
    for (int64_t i = 0; i < n; i++) {
        room[i * (n + 1)] += ridge;
    }
    weir_solve_report report = { 0 };
    int64_t info = 0;
    weir_status status = weir_solve(ctx, &a, &z, &report, &info, NULL, 0);
    if (status >= 0 && !isfinite(report.backward_error)) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix, or a right-hand side, holds a value that is not finite");
    }
    if (status >= 0 && !(report.condition < 1 / DBL_EPSILON)) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix is singular to working precision");
    }
    if (status < 0) {
        return status;
    }
    *stats = (weir_root_stats){ .route = WEIR_ROOT_LU, .ridge = ridge, .residual = report.backward_error,
                                .products = 1.0 / 3 + (double)count / (double)n };
    memcpy(stats->reason, "general: LU with pivoting", sizeof "general: LU with pivoting");
    const double output = c->z->dtype == WEIR_F32 ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    stats->bound = 2 * report.condition * fmax(report.backward_error, DBL_EPSILON / 2) + 2 * output;
    const double tolerance = c->options->tolerance > 0 ? c->options->tolerance : c->z->dtype == WEIR_F32 ? 1e-4 : 1e-8;
    stats->precision_limited = report.condition * DBL_EPSILON / 2 > tolerance;
    stats->seconds_prepare = w_clock_seconds() - begun;
    w_root_copy_out(z.data, c->z);
    return stats->bound <= tolerance ? WEIR_OK : WEIR_NOT_CONVERGED;
}

weir_status weir_solve_nonspd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *z,
                              const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats)
{
    weir_root_options general = WEIR_ROOT_OPTIONS_INIT;
    general.p = 1;
    const weir_root_options *o = options ? options : &general;
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    weir_status status = w_root_check_options(ctx, o);
    if (status >= 0 && !b) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_solve_nonspd: b is NULL");
    }
    status = status < 0 ? status : w_root_check_views(ctx, "weir_solve_nonspd", a, b, z);
    if (status >= 0 && (o->p != 1 || (o->route != WEIR_ROOT_AUTO && o->route != WEIR_ROOT_LU))) {
        status = w_fail(ctx, WEIR_E_ARG, "a matrix that need not be symmetric has its inverse applied alone: p = 1 by route lu");
    }
    if (status < 0) {
        return status;
    }
    weir_root_workspace own = { .ctx = ctx };
    weir_root_workspace *w = workspace ? workspace : &own;
    weir_root_stats found = { 0 };
    const w_root_call call = { a, b, z, o, stats };
    w->filled = false;
    status = w_root_ensure(ctx, &w->columns, w_mul64(w_mul64(a->rows, w_add64(a->rows, b->cols)), 8));
    if (status >= 0 && a->rows > 0) {
        status = solve(ctx, &call, (double *)(void *)w->columns.data, &found);
    }
    if (status >= 0 && stats) {
        *stats = found;
    }
    w_root_drop(&own);
    return status;
}
