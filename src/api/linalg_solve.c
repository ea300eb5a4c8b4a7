/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of triangular systems, Cholesky, LU, solves and eigenvalues. */
#include "weir/linalg.h"

#include "api/linalg_views.h"
#include "dense/linear.h"

typedef struct arguments {
    const weir_matrix *a, *b;
    w_triangular how;
    bool upper, trans, vectors;
    int64_t *pivot, info;
    void *values;
    weir_solve_report *report;
} arguments;

static weir_status check_square(weir_ctx *ctx, const char *function, const weir_matrix *a)
{
    weir_status status = w_view_check(ctx, function, "a", a);
    return status < 0 || a->rows == a->cols
               ? status : w_fail(ctx, WEIR_E_ARG, "%s: a must be square, it is %lld x %lld", function, (long long)a->rows,
                                 (long long)a->cols);
}

/* A square, B with as many rows (columns: `right`). */
static weir_status check_system(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b, bool right)
{
    weir_status status = check_square(ctx, function, a);
    status = status < 0 ? status : w_view_check(ctx, function, "b", b);
    status = status < 0 ? status : w_view_same(ctx, function, a, b);
    if (status < 0 || (right ? b->cols : b->rows) == a->rows) {
        return status;
    }
    return w_fail(ctx, WEIR_E_ARG, "%s: b must have %lld %s, it is %lld x %lld", function, (long long)a->rows,
                  right ? "columns" : "rows", (long long)b->rows, (long long)b->cols);
}

static weir_status give_info(int64_t *info, int64_t value, weir_status status)
{
    if (info) {
        *info = value;
    }
    return status;
}

static weir_status zero_pivot(weir_ctx *ctx, const char *function, int64_t *info, int64_t at)
{
    return give_info(info, at, w_fail(ctx, WEIR_E_NUMERIC, "%s: element (%lld, %lld) of the triangle is zero: the matrix is singular",
                                      function, (long long)at, (long long)at));
}

/* ---- triangular ---------------------------------------------------------------------------------------------------- */

static weir_status trsm_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_trsm(ctx, g->how, g->a, g->b, s);
}

static arguments trsm_arguments(weir_side side, const weir_matrix *a, const weir_matrix *b)
{
    return (arguments){ .a = a, .b = b, .how = { .right = side == WEIR_RIGHT } };
}

int64_t weir_trsm_bytes(const weir_ctx *ctx, weir_side side, const weir_matrix *a, const weir_matrix *b)
{
    arguments g = trsm_arguments(side, a, b);
    return w_view_fault(a) || w_view_fault(b) ? INT64_MAX : w_scratch_measure(ctx, trsm_body, &g);
}

weir_status weir_trsm(weir_ctx *ctx, weir_side side, weir_uplo uplo, weir_trans trans, weir_diag diag, const weir_matrix *a,
                      const weir_matrix *b, int64_t *info, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    weir_status status = check_system(ctx, "weir_trsm", a, b, side == WEIR_RIGHT);
    if (status < 0) {
        return status;
    }
    const int64_t zero = diag == WEIR_UNIT ? 0 : w_dense_zero(a);
    if (zero) {
        return zero_pivot(ctx, "weir_trsm", info, zero);
    }
    arguments g = trsm_arguments(side, a, b);
    g.how.upper = uplo == WEIR_UPPER;
    g.how.trans = trans == WEIR_TRANS;
    g.how.unit = diag == WEIR_UNIT;
    status = w_scratch_run(ctx, "weir_trsm", trsm_body, &g, work, work_bytes);
    return status < 0 ? status : give_info(info, 0, status);
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------------ */

static weir_status potrf_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_potrf(ctx, g->upper, g->a, &g->info, s);
}

int64_t weir_potrf_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    arguments g = { .a = a };
    return w_view_fault(a) ? INT64_MAX : w_scratch_measure(ctx, potrf_body, &g);
}

weir_status weir_potrf(weir_ctx *ctx, weir_uplo uplo, const weir_matrix *a, int64_t *info, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .upper = uplo == WEIR_UPPER };
    weir_status status = check_square(ctx, "weir_potrf", a);
    status = status < 0 ? status : w_scratch_run(ctx, "weir_potrf", potrf_body, &g, work, work_bytes);
    if (status >= 0 && g.info) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "weir_potrf: pivot %lld is not positive: the matrix is not positive definite",
                        (long long)g.info);
        return give_info(info, g.info, status);
    }
    return status < 0 ? status : give_info(info, 0, status);
}

static weir_status potrs_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_potrs(ctx, g->upper, g->a, g->b, s);
}

int64_t weir_potrs_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b)
{
    arguments g = { .a = a, .b = b };
    return w_view_fault(a) || w_view_fault(b) ? INT64_MAX : w_scratch_measure(ctx, potrs_body, &g);
}

weir_status weir_potrs(weir_ctx *ctx, weir_uplo uplo, const weir_matrix *a, const weir_matrix *b, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .b = b, .upper = uplo == WEIR_UPPER };
    weir_status status = check_system(ctx, "weir_potrs", a, b, false);
    return status < 0 ? status : w_scratch_run(ctx, "weir_potrs", potrs_body, &g, work, work_bytes);
}

/* ---- LU ------------------------------------------------------------------------------------------------------------ */

static weir_status getrf_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_getrf(ctx, g->a, g->pivot, &g->info, s);
}

int64_t weir_getrf_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    arguments g = { .a = a };
    return w_view_fault(a) ? INT64_MAX : w_scratch_measure(ctx, getrf_body, &g);
}

weir_status weir_getrf(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, int64_t *info, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .pivot = pivot };
    weir_status status = w_view_check(ctx, "weir_getrf", "a", a);
    if (status >= 0 && !pivot && a->rows > 0 && a->cols > 0) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_getrf: pivot is NULL");
    }
    status = status < 0 ? status : w_scratch_run(ctx, "weir_getrf", getrf_body, &g, work, work_bytes);
    if (status >= 0 && g.info) {
        status = w_remark(ctx, WEIR_RANK_DEFICIENT, "weir_getrf: u(%lld, %lld) is zero: the matrix is singular", (long long)g.info,
                          (long long)g.info);
    }
    return status < 0 ? status : give_info(info, g.info, status);
}

static weir_status getrs_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_getrs(ctx, g->trans, g->a, g->pivot, g->b, s);
}

int64_t weir_getrs_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b)
{
    arguments g = { .a = a, .b = b };
    return w_view_fault(a) || w_view_fault(b) ? INT64_MAX : w_scratch_measure(ctx, getrs_body, &g);
}

weir_status weir_getrs(weir_ctx *ctx, weir_trans trans, const weir_matrix *a, const int64_t *pivot, const weir_matrix *b,
                       int64_t *info, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .b = b, .pivot = (int64_t *)pivot, .trans = trans == WEIR_TRANS };
    weir_status status = check_system(ctx, "weir_getrs", a, b, false);
    for (int64_t i = 0; status >= 0 && i < a->rows; i++) {
        if (!pivot || pivot[i] < i || pivot[i] >= a->rows) {
            status = w_fail(ctx, WEIR_E_ARG, "weir_getrs: pivot is not one of weir_getrf");
        }
    }
    const int64_t zero = status < 0 ? 0 : w_dense_zero(a);
    if (zero) {
        return zero_pivot(ctx, "weir_getrs", info, zero);
    }
    status = status < 0 ? status : w_scratch_run(ctx, "weir_getrs", getrs_body, &g, work, work_bytes);
    return status < 0 ? status : give_info(info, 0, status);
}

static weir_status solve_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_solve(ctx, g->a, g->b, &g->info, g->report, s);
}

int64_t weir_solve_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b)
{
    arguments g = { .a = a, .b = b };
    return w_view_fault(a) || w_view_fault(b) ? INT64_MAX : w_scratch_measure(ctx, solve_body, &g);
}

weir_status weir_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, weir_solve_report *report, int64_t *info, void *work,
                       int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    weir_solve_report found = { 0.0, 0.0 };
    arguments g = { .a = a, .b = b, .report = report ? &found : NULL };
    weir_status status = check_system(ctx, "weir_solve", a, b, false);
    status = status < 0 ? status : w_scratch_run(ctx, "weir_solve", solve_body, &g, work, work_bytes);
    if (status < 0 || g.info) {
        return status < 0 ? status : zero_pivot(ctx, "weir_solve", info, g.info);
    }
    if (report) {
        *report = found;
    }
    return give_info(info, 0, status);
}

/* ---- eigenvalues --------------------------------------------------------------------------------------------------- */

static weir_status syevd_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_syevd(ctx, g->vectors, g->upper, g->a, g->values, &g->info, s);
}

int64_t weir_syevd_bytes(const weir_ctx *ctx, int32_t vectors, const weir_matrix *a)
{
    arguments g = { .a = a, .vectors = vectors };
    return w_view_fault(a) ? INT64_MAX : w_scratch_measure(ctx, syevd_body, &g);
}

weir_status weir_syevd(weir_ctx *ctx, int32_t vectors, weir_uplo uplo, const weir_matrix *a, void *values, int64_t *info, void *work,
                       int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .vectors = vectors, .upper = uplo == WEIR_UPPER, .values = values };
    weir_status status = check_square(ctx, "weir_syevd", a);
    if (status >= 0 && a->rows > 0 && !values) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_syevd: values is NULL");
    }
    status = status < 0 ? status : w_scratch_run(ctx, "weir_syevd", syevd_body, &g, work, work_bytes);
    if (status == WEIR_E_NUMERIC) {
        return give_info(info, 0, status);
    }
    if (status >= 0 && g.info) {
        return give_info(info, g.info, w_fail(ctx, WEIR_E_NUMERIC, "weir_syevd: the eigensolver did not converge"));
    }
    return status < 0 ? status : give_info(info, 0, status);
}
