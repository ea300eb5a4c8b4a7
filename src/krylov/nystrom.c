/* SPDX-License-Identifier: Apache-2.0 */
/* Randomised Nyström preconditioner of A + mu I, A positive semi-definite with decaying eigenvalues:
 *     Omega: n x l Gaussian, orthonormalised;  Y = A Omega + nu Omega, nu = sqrt(n) eps ||A Omega||_F;
 *     Omega'Y = R'R;  B = Y R^-1;  B'B = V S V' (l x l);  U = B V S^-1/2;  lambda = max(0, s - nu),
 * so that U diag(lambda) U' is the Nyström approximation, and with lambda_l the smallest kept eigenvalue
 *     M^-1 = (lambda_l + mu) U (Lambda + mu)^-1 U' + (I - U U').
 * Directions with lambda <= W_NYSTROM_FLOOR lambda_1 are dropped: below it U loses its orthogonality (B'B squares the
 * singular values) and M could lose its definiteness. If the Cholesky factor fails, nu grows tenfold.
 *
 * Everything is kept transposed: U' is l x n column-major, the layout of a slice with l columns.
 * References: Frangella, Tropp & Udell (2023); Tropp, Yurtsever, Udell & Cevher (2017), algorithm 3. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/rng.h"
#include "base/size.h"
#include "dense/dense.h"
#include "krylov/columns.h"
#include "krylov/preconditioner.h"

#define W_NYSTROM_FLOOR 1e-11
#define W_NYSTROM_SHIFTS 10
#define W_NYSTROM_ROWS 4096 /* of one task */

typedef struct group_part {
    int64_t n, rank;       /* rows; columns kept, the first of `width` */
    int64_t width, first;  /* stored columns, place of U' */
    double smallest;       /* lambda_l */
    const double *ut;
    double *coefficient;   /* rank: (lambda_l + mu) / (lambda_i + mu) - 1 */
} group_part;

typedef struct nystrom {
    weir_ctx *ctx;
    int64_t groups, columns, chunks; /* chunks: most tasks of a group */
    group_part *part;
    double *ut, *coefficient, *scratch; /* scratch: chunks + 1 times rank x columns */
    int64_t rank;                       /* largest */
    double mu;
} nystrom;

typedef struct apply_job {
    const nystrom *y;
    const group_part *part;
    int64_t count;
    const double *r;
    double *z, *sum, *partial;
} apply_job;

static int64_t widest(int64_t groups, const int64_t *n, int64_t rank)
{
    int64_t width = 0;
    for (int64_t g = 0; g < groups; g++) {
        width = w_max64(width, w_min64(rank, n[g]));
    }
    return width;
}

static int64_t most_chunks(int64_t groups, const int64_t *n)
{
    int64_t chunks = 1;
    for (int64_t g = 0; g < groups; g++) {
        chunks = w_max64(chunks, (n[g] + W_NYSTROM_ROWS - 1) / W_NYSTROM_ROWS);
    }
    return chunks;
}

static int64_t stored(int64_t groups, const int64_t *n, int64_t rank)
{
    int64_t sum = 0;
    for (int64_t g = 0; g < groups; g++) {
        sum = w_add64(sum, w_mul64(w_min64(rank, n[g]), n[g]));
    }
    return sum;
}

int64_t w_preconditioner_nystrom_bytes(int64_t groups, const int64_t *n, const w_nystrom_options *o)
{
    const int64_t width = widest(groups, n, o->rank), values = w_mul64(stored(groups, n, o->rank), sizeof(double));
    const int64_t strip = w_mul64(width, w_mul64(o->columns, sizeof(double)));
    int64_t bytes = w_alloc_bytes(sizeof(nystrom));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(groups, sizeof(group_part))));
    bytes = w_add64(bytes, w_mul64(2, w_alloc_bytes(values))); /* U', and Y while it is made */
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_mul64(groups, width), sizeof(double))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_add64(most_chunks(groups, n), 1), strip)));
    bytes = w_add64(bytes, w_mul64(2, w_alloc_bytes(w_mul64(w_mul64(width, width), sizeof(double)))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(width, sizeof(double))));
    bytes = w_add64(bytes, w_mul64(2, w_alloc_bytes(w_mul64(groups, sizeof(w_slice)))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_mul64(groups, width), sizeof(int64_t))));
    return w_add64(bytes, w_eigen_bytes(width));
}

static void destroy(weir_ctx *ctx, void *user)
{
    nystrom *y = user;
    w_free(ctx, y->scratch);
    w_free(ctx, y->coefficient);
    w_free(ctx, y->ut);
    w_free(ctx, y->part);
    w_free(ctx, y);
}

/* ---- application: z = r + U (c o U'r) ------------------------------------------------------------------------------ */

/* Transposed sums of a run of rows: (count x rows) (rows x rank). */
static weir_status inner_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const apply_job *j = arg;
    const group_part *part = j->part;
    const int64_t row = task * W_NYSTROM_ROWS, rows = w_min64(W_NYSTROM_ROWS, part->n - row);
    const double one = 1.0, zero = 0.0;
    const w_blas_int m = (w_blas_int)j->count, n = (w_blas_int)part->rank, k = (w_blas_int)rows, ld = (w_blas_int)part->width;
    dgemm_("N", "T", &m, &n, &k, &one, j->r + row * j->count, &m, part->ut + row * part->width, &ld, &zero,
           j->partial + task * j->count * part->rank, &m);
    return WEIR_OK;
}

static weir_status outer_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const apply_job *j = arg;
    const group_part *part = j->part;
    const int64_t row = task * W_NYSTROM_ROWS, rows = w_min64(W_NYSTROM_ROWS, part->n - row);
    const double one = 1.0;
    const w_blas_int m = (w_blas_int)j->count, n = (w_blas_int)rows, k = (w_blas_int)part->rank, ld = (w_blas_int)part->width;
    memcpy(j->z + row * j->count, j->r + row * j->count, (size_t)(rows * j->count) * sizeof(double));
    dgemm_("N", "N", &m, &n, &k, &one, j->sum, &m, part->ut + row * part->width, &ld, &one, j->z + row * j->count, &m);
    return WEIR_OK;
}

/* y = x + U diag(f(c)) U'x with f(c) = c, or for the root 1 / sqrt(1 + c) - 1. */
static weir_status times(const nystrom *y, const w_vectors *block, const double *x, double *out, bool root)
{
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        const group_part *part = &y->part[slice->group];
        if (slice->count > y->columns) {
            return w_fail(y->ctx, WEIR_E_ARG, "a Nyström preconditioner made for %lld columns meets %lld",
                          (long long)y->columns, (long long)slice->count);
        }
        const int64_t chunks = (part->n + W_NYSTROM_ROWS - 1) / W_NYSTROM_ROWS, values = slice->count * part->rank;
        if (values == 0) {
            memcpy(out + slice->first, x + slice->first, (size_t)(slice->n * slice->count) * sizeof *out);
            continue;
        }
        apply_job j = { .y = y, .part = part, .count = slice->count, .r = x + slice->first, .z = out + slice->first,
                        .sum = y->scratch, .partial = y->scratch + values };
        weir_status status = w_pool_run(y->ctx, chunks, inner_task, &j);
        memset(j.sum, 0, (size_t)values * sizeof *j.sum);
        for (int64_t i = 0; i < chunks * values; i++) {
            j.sum[i % values] += j.partial[i];
        }
        for (int64_t i = 0; i < values; i++) {
            const double c = part->coefficient[i / slice->count];
            j.sum[i] *= root ? 1.0 / sqrt(1.0 + c) - 1.0 : c;
        }
        status = status < 0 ? status : w_pool_run(y->ctx, chunks, outer_task, &j);
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}

static weir_status apply(void *user, const w_vectors *block, const double *r, double *z)
{
    return times(user, block, r, z, false);
}

static weir_status root(void *user, const w_vectors *block, const double *x, double *y)
{
    return times(user, block, x, y, true);
}

static double log_det(const void *user, int64_t group)
{
    const nystrom *y = user;
    double sum = 0.0;
    for (int64_t i = 0; i < y->part[group].rank; i++) {
        sum -= log1p(y->part[group].coefficient[i]);
    }
    return sum;
}

/* ---- construction -------------------------------------------------------------------------------------------------- */

typedef struct sketch {
    weir_ctx *ctx;
    nystrom *y;
    double *product;       /* Y', all groups */
    double *small, *eigen; /* width x width */
    double *value;         /* width */
    double shift, largest, smallest;
    int64_t rank;
} sketch;

/* out (l x l, upper) = X'Z for the transposed n x l matrices; the symmetric part of X'Z. */
static void inner(int64_t n, int64_t l, const double *xt, const double *zt, double *out)
{
    const double half = 0.5, zero = 0.0;
    const w_blas_int m = (w_blas_int)l, k = (w_blas_int)n;
    dsyr2k_("U", "N", &m, &k, &half, xt, &m, zt, &m, &zero, out, &m);
}

/* X := X R^-1. */
static void divide(int64_t n, int64_t l, const double *factor, double *xt)
{
    const double one = 1.0;
    const w_blas_int m = (w_blas_int)l, k = (w_blas_int)n;
    dtrsm_("L", "U", "T", "N", &m, &k, &one, factor, &m, xt, &m);
}

/* Gaussian columns, orthonormalised by Cholesky QR twice. */
static weir_status test_matrix(sketch *k, w_rng *rng, int64_t n, int64_t l, double *xt)
{
    for (int64_t i = 0; i < n * l; i++) {
        xt[i] = w_rng_normal(rng);
    }
    for (int pass = 0; pass < 2; pass++) {
        int64_t failed = 0;
        inner(n, l, xt, xt, k->small);
        const weir_status status = w_chol_factor(k->ctx, l, k->small, &failed);
        if (status < 0 || failed != 0) {
            return status < 0 ? status : w_fail(k->ctx, WEIR_E_NUMERIC, "a random sketch of %lld columns is dependent",
                                                (long long)l);
        }
        divide(n, l, k->small, xt);
    }
    return WEIR_OK;
}

/* Y += nu Omega and R'R = Omega'Y with the smallest nu that factors; *nu in: the first. */
static weir_status shifted_factor(sketch *k, int64_t n, int64_t l, const double *omega, double *product, double *nu)
{
    double added = 0.0, next = *nu;
    for (int64_t attempt = 0; attempt <= W_NYSTROM_SHIFTS; attempt++) {
        for (int64_t i = 0; i < n * l; i++) {
            product[i] += (next - added) * omega[i];
        }
        added = next;
        int64_t failed = 0;
        inner(n, l, omega, product, k->small);
        const weir_status status = w_chol_factor(k->ctx, l, k->small, &failed);
        if (status < 0 || failed == 0) {
            *nu = added;
            return status;
        }
        next = 10.0 * added;
    }
    return w_fail(k->ctx, WEIR_E_NUMERIC, "Nyström preconditioner: the matrix is not positive semi-definite");
}

/* U' into part->ut from Y' R'^-1 in `product`: eigenpairs of B'B, largest first, and the coefficients. */
static weir_status spectrum(sketch *k, group_part *part, const double *product, double *ut, double nu)
{
    const int64_t n = part->n, l = part->width;
    inner(n, l, product, product, k->eigen);
    const weir_status status = w_eigen_symmetric(k->ctx, l, k->eigen, k->value, true);
    if (status < 0) {
        return status;
    }
    const double top = fmax(0.0, k->value[l - 1] - nu), mu = k->y->mu;
    part->rank = 0;
    for (int64_t i = 0; i < l; i++) { /* column i of V: the i-th largest, scaled by s^-1/2 */
        const double s = k->value[l - 1 - i];
        if (!(s - nu > W_NYSTROM_FLOOR * top)) {
            break;
        }
        part->rank++;
        part->smallest = s - nu;
        for (int64_t r = 0; r < l; r++) {
            k->small[i + r * l] = k->eigen[r + (l - 1 - i) * l] / sqrt(s);
        }
    }
    for (int64_t i = 0; i < part->rank; i++) {
        part->coefficient[i] = (part->smallest + mu) / (k->value[l - 1 - i] - nu + mu) - 1.0;
    }
    k->rank = w_min64(k->rank, part->rank);
    k->largest = fmax(k->largest, top);
    k->smallest = part->rank > 0 ? fmin(k->smallest, part->smallest) : k->smallest;
    k->shift = fmax(k->shift, nu);
    if (part->rank > 0) {
        const double one = 1.0, zero = 0.0;
        const w_blas_int m = (w_blas_int)part->rank, c = (w_blas_int)n, w = (w_blas_int)l;
        dgemm_("N", "N", &m, &c, &w, &one, k->small, &w, product, &w, &zero, ut, &w);
    }
    return WEIR_OK;
}

static weir_status finish_group(sketch *k, group_part *part)
{
    const int64_t n = part->n, l = part->width;
    double *omega = k->y->ut + part->first, *product = k->product + part->first;
    double square = 0.0;
    for (int64_t i = 0; i < n * l; i++) {
        square += product[i] * product[i];
    }
    if (!isfinite(square)) {
        return w_fail(k->ctx, WEIR_E_NUMERIC, "Nyström preconditioner: a product with the matrix is not finite");
    }
    part->coefficient = k->y->coefficient + (part - k->y->part) * k->y->rank;
    part->ut = omega;
    if (l == 0 || square == 0.0) {
        part->rank = 0;
        k->rank = 0;
        return WEIR_OK;
    }
    double nu = sqrt((double)n) * DBL_EPSILON * sqrt(square);
    const weir_status status = shifted_factor(k, n, l, omega, product, &nu);
    if (status < 0) {
        return status;
    }
    divide(n, l, k->small, product);
    return spectrum(k, part, product, omega, nu);
}

/* Omega and its product with A, all groups in one block. */
static weir_status draw(sketch *k, const w_operator *a, const w_nystrom_options *o)
{
    nystrom *y = k->y;
    weir_status status = WEIR_OK;
    w_slice *slice = w_alloc_array(k->ctx, "preconditioner", (size_t)y->groups, sizeof *slice);
    int64_t *system = w_alloc_array(k->ctx, "preconditioner", (size_t)w_mul64(y->groups, y->rank), sizeof *system);
    w_vectors block = { .slice = slice, .system = system };
    w_rng rng;
    if (slice == NULL || system == NULL) {
        status = w_alloc_status(k->ctx);
    }
    w_rng_seed(&rng, o->seed);
    for (int64_t g = 0; g < y->groups && status >= 0; g++) {
        const int64_t l = y->part[g].width;
        if (l == 0) {
            continue;
        }
        slice[block.slices++] = (w_slice){ .group = g, .n = y->part[g].n, .count = l, .first = y->part[g].first,
                                           .column = block.columns };
        for (int64_t i = 0; i < l; i++) {
            system[block.columns++] = g * y->rank + i;
        }
        block.values += l * y->part[g].n;
        status = test_matrix(k, &rng, y->part[g].n, l, y->ut + y->part[g].first);
    }
    if (status >= 0) {
        status = a->apply(a->user, &block, y->ut, k->product);
        status = status < 0 ? w_fail(k->ctx, status, "the product with the matrix failed (%s)", weir_status_name(status))
                            : WEIR_OK;
    }
    w_free(k->ctx, system);
    w_free(k->ctx, slice);
    return status;
}

static weir_status build(sketch *k, const w_operator *a, const w_nystrom_options *o)
{
    W_BLAS_SERIAL;
    nystrom *y = k->y;
    int64_t first = 0;
    for (int64_t g = 0; g < y->groups; g++) {
        const int64_t width = w_min64(o->rank, a->n[g]);
        y->part[g] = (group_part){ .n = a->n[g], .width = width, .first = first };
        first += width * a->n[g];
    }
    weir_status status = draw(k, a, o);
    for (int64_t g = 0; g < y->groups && status >= 0; g++) {
        status = finish_group(k, &y->part[g]);
    }
    return status;
}

static weir_status allocate(sketch *k, const w_operator *a, const w_nystrom_options *o)
{
    weir_ctx *ctx = k->ctx;
    nystrom *y = k->y;
    const int64_t width = widest(a->groups, a->n, o->rank), values = stored(a->groups, a->n, o->rank);
    y->ctx = ctx;
    y->groups = a->groups;
    y->columns = o->columns;
    y->chunks = most_chunks(a->groups, a->n);
    y->rank = width;
    y->mu = o->mu;
    y->part = w_calloc(ctx, "preconditioner", (size_t)a->groups, sizeof *y->part);
    y->ut = w_alloc_array(ctx, "preconditioner", (size_t)values, sizeof(double));
    y->coefficient = w_alloc_array(ctx, "preconditioner", (size_t)w_mul64(a->groups, width), sizeof(double));
    y->scratch = w_alloc_array(ctx, "preconditioner", (size_t)w_mul64(y->chunks + 1, w_mul64(width, o->columns)),
                               sizeof(double));
    k->product = w_alloc_array(ctx, "preconditioner", (size_t)values, sizeof(double));
    k->small = w_alloc_array(ctx, "preconditioner", (size_t)(width * width), sizeof(double));
    k->eigen = w_alloc_array(ctx, "preconditioner", (size_t)(width * width), sizeof(double));
    k->value = w_alloc_array(ctx, "preconditioner", (size_t)width, sizeof(double));
    return y->part && y->ut && y->coefficient && y->scratch && k->product && k->small && k->eigen && k->value
               ? WEIR_OK : w_alloc_status(ctx);
}

weir_status w_preconditioner_nystrom(weir_ctx *ctx, const w_operator *a, const w_nystrom_options *o,
                                     w_nystrom_report *report, w_preconditioner *out)
{
    if (o->rank < 1 || o->columns < 1 || !(o->mu >= 0.0)) {
        return w_fail(ctx, WEIR_E_ARG, "a Nyström preconditioner needs a rank and columns of at least 1 and mu >= 0");
    }
    nystrom *y = w_calloc(ctx, "preconditioner", 1, sizeof *y);
    if (y == NULL) {
        return w_alloc_status(ctx);
    }
    sketch k = { .ctx = ctx, .y = y, .rank = INT64_MAX, .smallest = INFINITY };
    weir_status status = allocate(&k, a, o);
    status = status < 0 ? status : build(&k, a, o);
    w_free(ctx, k.value);
    w_free(ctx, k.eigen);
    w_free(ctx, k.small);
    w_free(ctx, k.product);
    if (status < 0) {
        destroy(ctx, y);
        return status;
    }
    if (report) {
        *report = (w_nystrom_report){ .rank = k.rank, .largest = k.largest, .shift = k.shift,
                                      .smallest = isfinite(k.smallest) ? k.smallest : 0.0 };
    }
    *out = (w_preconditioner){ .apply = apply, .root = root, .log_det = log_det, .destroy = destroy, .user = y };
    return WEIR_OK;
}
