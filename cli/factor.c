/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of matrices of up to WEIR_BATCH_SMALL rows and columns go side by side through the library's batched functions; larger ones
 * are shared out over threads with a context each; a single matrix has all threads. */
#include "factor.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

weir_matrix factor_view(const npy_array *array, int64_t b)
{
    const bool batch = array->dims == 3;
    const int64_t m = array->shape[batch], n = array->dims > batch + 1 ? array->shape[batch + 1] : 1, count = batch ? array->shape[0] : 1;
    const int64_t row = array->fortran ? count : n, col = array->fortran ? count * m : 1, each = array->fortran ? 1 : m * n;
    return (weir_matrix){(char *)array->data + b * each * npy_size(array->type), array->type == NPY_F32 ? WEIR_F32 : WEIR_F64, m, n, row,
                         col};
}

weir_batch factor_batch(const npy_array *array)
{
    const int64_t each = array->fortran ? 1 : array->shape[1] * array->shape[2];
    return (weir_batch){factor_view(array, 0), array->shape[0], each, 0};
}

static double get(const weir_matrix *a, int64_t i, int64_t j)
{
    const int64_t at = i * a->row_stride + j * a->col_stride;
    return a->dtype == WEIR_F32 ? (double)((const float *)a->data)[at] : ((const double *)a->data)[at];
}

static void set(const weir_matrix *a, int64_t i, int64_t j, double value)
{
    const int64_t at = i * a->row_stride + j * a->col_stride;
    if (a->dtype == WEIR_F32)
        ((float *)a->data)[at] = (float)value;
    else
        ((double *)a->data)[at] = value;
}

/* ---- one matrix ---------------------------------------------------------------------------------------------------- */

static void copy(const weir_matrix *from, const weir_matrix *to)
{
    for (int64_t i = 0; i < to->rows; i++)
        for (int64_t j = 0; j < to->cols; j++)
            set(to, i, j, get(from, i, j));
}

static weir_status factor_one(factoring *f, weir_ctx *ctx, int64_t b, int32_t *path)
{
    const weir_matrix a = factor_view(&f->a, b), first = factor_view(&f->first, b);
    if (f->kind == FACTOR_QR) {
        const weir_matrix r = factor_view(&f->second, b);
        return weir_qr(ctx, WEIR_QR_REDUCED, &a, &first, &r, path, NULL, 0);
    }
    if (f->kind == FACTOR_LU) {
        const weir_matrix lu = factor_view(&f->work, b);
        copy(&a, &lu);
        return weir_getrf(ctx, &lu, f->pivot + b * f->k, &f->info[b], NULL, 0);
    }
    copy(&a, &first);
    if (f->kind == FACTOR_EIGH)
        return weir_syevd(ctx, 1, WEIR_LOWER, &first, (char *)f->second.data + b * f->n * npy_size(f->second.type), &f->info[b], NULL, 0);
    const weir_status status = weir_potrf(ctx, WEIR_LOWER, &first, &f->info[b], NULL, 0);
    for (int64_t j = 1; j < f->n; j++)
        for (int64_t i = 0; i < j; i++)
            set(&first, i, j, 0);
    return status;
}

typedef struct share {
    factoring *f;
    int number, of;
    pthread_t thread;
    bool started;
    weir_status status;
    int32_t path;
    char message[512];
} share;

static void *share_run(void *arg)
{
    share *s = arg;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    weir_ctx *ctx = NULL;
    options.threads = 1;
    s->status = weir_ctx_create(&options, &ctx);
    for (int64_t b = s->number; b < s->f->count && s->status >= 0; b += s->of) {
        int32_t path = WEIR_QR_AUTO;
        const weir_status status = factor_one(s->f, ctx, b, &path);
        s->path = path > s->path ? path : s->path;
        if (status < 0 && status != WEIR_E_NUMERIC) {
            s->status = status;
            snprintf(s->message, sizeof s->message, "%s", weir_ctx_message(ctx));
        }
    }
    weir_ctx_destroy(ctx);
    return NULL;
}

static int run_shares(factoring *f)
{
    const int of = f->count < f->threads ? (int)f->count : f->threads;
    share *shares = calloc((size_t)(of > 0 ? of : 1), sizeof *shares);
    int code = EXIT_DONE;
    if (!shares)
        return cli_fail(f->run, EXIT_BUDGET, "there is no memory for threads");
    for (int i = 0; i < of; i++) {
        shares[i] = (share){.f = f, .number = i, .of = of};
        shares[i].started = i > 0 && pthread_create(&shares[i].thread, NULL, share_run, &shares[i]) == 0;
    }
    for (int i = 0; i < of; i++)
        if (!shares[i].started)
            share_run(&shares[i]);
    for (int i = 0; i < of; i++) {
        if (shares[i].started)
            pthread_join(shares[i].thread, NULL);
        f->path = shares[i].path > f->path ? shares[i].path : f->path;
        if (shares[i].status < 0 && code == EXIT_DONE)
            code = cli_fail(f->run, cli_exit_code(shares[i].status, EXIT_FAILED), "%s",
                            *shares[i].message ? shares[i].message : weir_status_name(shares[i].status));
    }
    free(shares);
    return code;
}

/* ---- batches ------------------------------------------------------------------------------------------------------- */

static weir_status run_batched(factoring *f)
{
    weir_ctx *ctx = f->run->ctx;
    const weir_batch a = factor_batch(&f->a);
    if (f->kind == FACTOR_LU) {
        const weir_batch lu = factor_batch(&f->work);
        return weir_lu_batched(ctx, &a, &lu, f->pivot, f->info, NULL, 0);
    }
    const weir_batch first = factor_batch(&f->first);
    if (f->kind == FACTOR_QR) {
        const weir_batch r = factor_batch(&f->second);
        return weir_qr_batched(ctx, WEIR_QR_REDUCED, &a, &first, &r, NULL, 0);
    }
    return f->kind == FACTOR_CHOL ? weir_chol_batched(ctx, WEIR_LOWER, &a, &first, f->info, NULL, 0)
                                  : weir_eigh_batched(ctx, WEIR_LOWER, &a, f->second.data, &first, f->info, NULL, 0);
}

/* L, U and the order of rows from what getrf leaves. */
static void take_apart(factoring *f)
{
    for (int64_t b = 0; b < f->count; b++) {
        const weir_matrix lu = factor_view(&f->work, b), l = factor_view(&f->first, b), u = factor_view(&f->second, b);
        int64_t *order = (int64_t *)f->permutation.data + b * f->m;
        for (int64_t i = 0; i < f->m; i++)
            order[i] = i;
        for (int64_t i = 0; i < f->k; i++) {
            const int64_t with = f->pivot[b * f->k + i], keep = order[i];
            order[i] = order[with];
            order[with] = keep;
        }
        for (int64_t i = 0; i < f->m; i++)
            for (int64_t j = 0; j < f->k; j++)
                set(&l, i, j, i > j ? get(&lu, i, j) : i == j);
        for (int64_t i = 0; i < f->k; i++)
            for (int64_t j = i; j < f->n; j++)
                set(&u, i, j, get(&lu, i, j));
    }
}

int factor_run(factoring *f)
{
    static const char *const routes[] = {"qr", "cholesky", "lu", "eigh"};
    static const char *const paths[] = {"qr", "householder", "cholesky2", "cholesky3", "tsqr"};
    const double begun = cli_seconds();
    int code = EXIT_DONE;
    f->route = routes[f->kind];
    if (f->a.count == 0) {
        f->route = "empty";
    } else if (f->a.dims == 3 && f->m <= WEIR_BATCH_SMALL && f->n <= WEIR_BATCH_SMALL) {
        const weir_status status = run_batched(f);
        f->route = "batched";
        if (status < 0 && status != WEIR_E_NUMERIC)
            code = cli_report(f->run, status, EXIT_FAILED);
    } else if (f->count == 1) {
        const weir_status status = factor_one(f, f->run->ctx, 0, &f->path);
        if (status < 0 && status != WEIR_E_NUMERIC)
            code = cli_report(f->run, status, EXIT_FAILED);
    } else {
        code = run_shares(f);
    }
    f->seconds = cli_seconds() - begun;
    if (f->kind == FACTOR_QR && f->path > 0 && f->path < 5)
        f->route = paths[f->path];
    if (code == EXIT_DONE && f->kind == FACTOR_LU)
        take_apart(f);
    return code;
}
