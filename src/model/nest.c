/* SPDX-License-Identifier: Apache-2.0 */
/* Side conditions of smooths that share covariates: s(x) + s(z) + te(x,z), two smooths of one covariate, …
 *
 * Smooths are taken by their number of covariates, then in formula order. Let X_2 be the columns of one of them over the
 * set-up rows and X_1 those of all before it that share a covariate (and the by variable), with a column of ones if the
 * model has an intercept. With [X_1 X_2] = Q [R_11 R_12; 0 R_22] and a pivoted QR of R_22, columns of X_2 are dropped from the
 * end while the mean of |trailing block| is below eps^(1/2) times the largest column norm of X_1.
 *
 * Only directions that no penalty sees need to go. If the columns so found take rank from the penalties (two tensor products
 * with the same margin), they are sought again with both sides augmented by a root of each smooth's penalty in rows of its own,
 *     X <- [X; E],  E'E = sum_j alpha_j S_j,  alpha_j = mean|X|^2 / mean|S_j|.
 * The penalties of a t2 do not overlap: from it go the columns first found, whatever penalty they have.
 * A dropped direction otherwise lies in the null space of every penalty, so the restricted log-determinant differs from that of
 * the full smooth by a number free of lambda: only the constant is computed anew. Ti terms, random effects and curves per level
 * (fs, sz) take no part.
 *
 * Q is never formed: R is updated over runs of rows, O(n p^2) time and O(p^2) memory. Of very many rows a fixed sample of
 * max(4096, 16 p), one from each of as many equal stretches, is factorized: what is independent there is independent. What
 * is found dependent there, X_D = X_K B + E with B from the sample's R, is checked on all rows in O(n p |D|): accepted if
 * |E|_F / |D| is below the same limit, else everything is repeated with all rows.
 * Wood (2017), Generalized Additive Models, 5.6.3. */
#include "model/nest.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

#define TAG "side conditions"
#define RUN 2048
#define SAMPLE_ROWS 4096

typedef struct nesting {
    w_setup *s;
    int count; /* smooths that take part, in order */
    int *call;
    int *covered;        /* of `call`: how many of the earlier ones share a covariate with the present one */
    w_arena lists, work; /* for all smooths; for the present one */
    int64_t p;           /* columns of [X_1 X_2] */
    int64_t rows;        /* rows that take part: all set-up rows or a sample of them */
    double *stack;       /* column-major (p + RUN) x p: R above a run of rows */
    double *tau, *lapack;
    double *gathered;  /* (W_MAX_MARGINS + 1) x RUN */
    double *row_major; /* RUN x widest */
    w_blas_int lapack_count;
} nesting;

static weir_status no_memory(const nesting *n) { return w_alloc_status(n->work.ctx); }

static const w_smooth_call *call_at(const nesting *n, int i) { return &n->s->builder->terms.smooth[n->call[i]]; }
static w_smooth *smooth_at(const nesting *n, int i) { return n->s->smooth[n->call[i]]; }

static bool share(const w_smooth_call *a, const w_smooth_call *b)
{
    if (a->by != b->by) {
        return false;
    }
    for (int i = 0; i < a->covariate_count; i++) {
        for (int j = 0; j < b->covariate_count; j++) {
            if (a->covariate[i] == b->covariate[j]) {
                return true;
            }
        }
    }
    return false;
}

/* ---- [X_1 X_2] -> R ---- */

/* The set-up row that stands for row i of those that take part. */
static int64_t row_of(const nesting *n, int64_t i)
{
    int64_t total = n->s->scan->setup_rows, first = i * total / n->rows, stretch = (i + 1) * total / n->rows - first;
    uint64_t mixed = (uint64_t)i * 0x9E3779B97F4A7C15u;
    return first + (int64_t)((mixed >> 32) % (uint64_t)stretch);
}

/* Values of an atom in the rows start … start+rows-1 that take part; `gathered` has room for a run. */
static weir_status run_values(nesting *n, int atom, int64_t start, int64_t rows, double *gathered, const double **out)
{
    const double *all;
    weir_status status = w_setup_values(n->s, atom, &all);
    if (status == WEIR_OK && n->rows == n->s->scan->setup_rows) {
        *out = all + start;
    } else if (status == WEIR_OK) {
        for (int64_t r = 0; r < rows; r++) {
            gathered[r] = all[row_of(n, start + r)];
        }
        *out = gathered;
    }
    return status;
}

/* Rows start … start+rows-1 of one smooth's columns, times a numeric by variable, into column `at` of the run. */
static weir_status smooth_rows(nesting *n, int i, int64_t start, int64_t rows, int64_t at, double *row_major)
{
    const w_smooth_call *call = call_at(n, i);
    const w_smooth *smooth = smooth_at(n, i);
    const double *x[W_MAX_MARGINS], *by = NULL;
    weir_status status = WEIR_OK;
    for (int m = 0; m < call->covariate_count && status == WEIR_OK; m++) {
        status = run_values(n, call->covariate[m], start, rows, n->gathered + m * RUN, &x[m]);
    }
    if (status == WEIR_OK && call->by >= 0 && !n->s->builder->program->atom[call->by].category) {
        status = run_values(n, call->by, start, rows, n->gathered + W_MAX_MARGINS * RUN, &by);
    }
    if (status == WEIR_OK) {
        status = w_smooth_rows(n->s->builder->ctx, smooth, rows, x, row_major);
    }
    for (int64_t j = 0; j < smooth->columns && status == WEIR_OK; j++) {
        double *out = n->stack + (at + j) * (n->p + RUN) + n->p;
        for (int64_t r = 0; r < rows; r++) {
            out[r] = row_major[r * smooth->columns + j] * (by ? by[r] : 1);
        }
    }
    return status;
}

/* Replaces R by that of [R; the first `rows` rows of the run]. */
static weir_status update(nesting *n, int64_t rows)
{
    w_blas_int m = w_narrow(n->p + rows), p = w_narrow(n->p), lead = w_narrow(n->p + RUN), info;
    dgeqrf_(&m, &p, n->stack, &lead, n->tau, n->lapack, &n->lapack_count, &info);
    for (int64_t j = 0; j < n->p; j++) {
        memset(n->stack + j * lead + j + 1, 0, (size_t)(lead - j - 1) * sizeof(double));
    }
    return info == 0 ? WEIR_OK
                     : w_fail(n->work.ctx, WEIR_E_INTERNAL, "QR of the side conditions failed (%d)", (int)info);
}

/* Rows start … start+rows-1 of [1 X_1 X_2] into the run. */
static weir_status fill_run(nesting *n, int target, int64_t start, int64_t rows, double *sum_of_magnitudes)
{
    int64_t at = n->s->builder->terms.intercept, lead = n->p + RUN;
    for (int64_t r = 0; at && r < rows; r++) {
        n->stack[n->p + r] = 1;
    }
    for (int i = 0; i <= target; i++) {
        if (i < target && !n->covered[i]) {
            continue;
        }
        weir_status status = smooth_rows(n, i, start, rows, at, n->row_major);
        if (status != WEIR_OK) {
            return status;
        }
        for (int64_t j = 0; j < smooth_at(n, i)->columns; j++, at++) {
            for (int64_t r = 0; r < rows; r++) {
                sum_of_magnitudes[i] += fabs(n->stack[at * lead + n->p + r]);
            }
        }
    }
    return WEIR_OK;
}

/* A sampled row stands for as many as it was drawn from. */
static void weight_run(nesting *n, int64_t rows)
{
    double root = sqrt((double)n->s->scan->setup_rows / (double)n->rows);
    for (int64_t j = 0; j < n->p && root != 1; j++) {
        double *column = n->stack + j * (n->p + RUN) + n->p;
        for (int64_t r = 0; r < rows; r++) {
            column[r] *= root;
        }
    }
}

static weir_status factor_data(nesting *n, int target, double *sum_of_magnitudes)
{
    weir_status status = WEIR_OK;
    memset(sum_of_magnitudes, 0, (size_t)(target + 1) * sizeof *sum_of_magnitudes);
    for (int64_t start = 0; start < n->rows && status == WEIR_OK; start += RUN) {
        int64_t rows = w_min64(RUN, n->rows - start);
        status = fill_run(n, target, start, rows, sum_of_magnitudes);
        if (status == WEIR_OK) {
            weight_run(n, rows);
            status = update(n, rows);
        }
    }
    return status;
}

/* Adds the rows of smooth i's penalty root: E = diag(sqrt(value)) U' from the eigenvectors of sum alpha_j S_j. */
static weir_status factor_penalty(nesting *n, int i, int64_t at, double magnitudes)
{
    const w_smooth *smooth = smooth_at(n, i);
    int64_t k = smooth->columns;
    double *sum = w_arena_calloc(&n->work, w_mul_size((size_t)k, (size_t)k), sizeof *sum);
    double *value = w_arena_alloc(&n->work, (size_t)k, sizeof *value);
    if (!sum || !value) {
        return no_memory(n);
    }
    double mean = magnitudes / ((double)n->rows * (double)k);
    for (int j = 0; j < smooth->penalty_count; j++) {
        double penalty = 0;
        for (int64_t e = 0; e < k * k; e++) {
            penalty += fabs(smooth->penalty[j].matrix[e]);
        }
        double alpha = penalty > 0 ? mean * mean / (penalty / (double)(k * k)) : 0;
        for (int64_t e = 0; e < k * k; e++) {
            sum[e] += alpha * smooth->penalty[j].matrix[e];
        }
    }
    weir_status status = w_small_eigen(&n->work, k, sum, value);
    for (int64_t first = 0; first < k && status == WEIR_OK; first += RUN) {
        int64_t rows = w_min64(RUN, k - first);
        for (int64_t r = 0; r < rows; r++) {
            double root = sqrt(fmax(value[first + r], 0));
            for (int64_t j = 0; j < k; j++) {
                n->stack[(at + j) * (n->p + RUN) + n->p + r] = root * sum[(first + r) * k + j];
            }
        }
        status = update(n, rows);
    }
    return status;
}

static weir_status allocate(nesting *n, int target)
{
    w_blas_int rows = w_narrow(n->p + RUN), p = w_narrow(n->p), query = -1, info, pivot = 0;
    double size = 1, size_pivoted = 1;
    int64_t widest = 1;
    for (int i = 0; i <= target; i++) {
        widest = w_max64(widest, smooth_at(n, i)->columns);
    }
    n->stack = w_arena_calloc(&n->work, w_mul_size((size_t)n->p + RUN, (size_t)n->p), sizeof(double));
    n->tau = w_arena_alloc(&n->work, (size_t)n->p, sizeof(double));
    n->gathered = w_arena_alloc(&n->work, (W_MAX_MARGINS + 1) * RUN, sizeof(double));
    n->row_major = w_arena_alloc(&n->work, w_mul_size((size_t)widest, RUN), sizeof(double));
    if (!n->stack || !n->tau || !n->gathered || !n->row_major || rows < 0) {
        return no_memory(n);
    }
    dgeqrf_(&rows, &p, n->stack, &rows, n->tau, &size, &query, &info);
    dgeqp3_(&p, &p, n->stack, &rows, &pivot, n->tau, &size_pivoted, &query, &info);
    n->lapack_count = w_narrow((int64_t)fmax(size, size_pivoted) + 3 * n->p + 1);
    n->lapack = w_arena_alloc(&n->work, (size_t)n->lapack_count, sizeof(double));
    return n->lapack ? WEIR_OK : no_memory(n);
}

/* ---- R_22 -> dependent columns ---- */

/* sqrt(eps) times the largest column norm of X_1 */
static double norm_limit(const nesting *n, int64_t before)
{
    double largest = 0;
    for (int64_t j = 0; j < before; j++) {
        double square = 0;
        for (int64_t r = 0; r <= j; r++) {
            square += n->stack[j * (n->p + RUN) + r] * n->stack[j * (n->p + RUN) + r];
        }
        largest = fmax(largest, sqrt(square));
    }
    return largest * sqrt(DBL_EPSILON);
}

/* R_22 is overwritten by its pivoted triangle; the last *count pivots are dependent. */
static weir_status find_dependent(nesting *n, int64_t before, int64_t k, double limit, w_blas_int *pivot,
                                  int64_t *count)
{
    int64_t lead = n->p + RUN;
    w_blas_int order = w_narrow(k), ld = w_narrow(lead), info;
    double *block = n->stack + before * lead + before, sum = 0;
    memset(pivot, 0, (size_t)k * sizeof *pivot);
    dgeqp3_(&order, &order, block, &ld, pivot, n->tau, n->lapack, &n->lapack_count, &info);
    if (info != 0) {
        return w_fail(n->work.ctx, WEIR_E_INTERNAL, "pivoted QR of the side conditions failed (%d)", (int)info);
    }
    *count = 0;
    for (int64_t r = k - 1; r >= 0; r--) {
        for (int64_t j = r; j < k; j++) {
            sum += fabs(block[j * lead + r]);
        }
        double size = (double)(k - r);
        if (!(sum / (size * size) < limit)) {
            break;
        }
        ++*count;
    }
    return WEIR_OK;
}

/* C (p x count) with [X_1 X_2] C = X_D - X_K B from the triangle; false if that is singular. */
static bool combination(nesting *n, int64_t before, int64_t k, const w_blas_int *pivot, int64_t count, double *triangle,
                        double *c)
{
    int64_t p = n->p, lead = p + RUN, kept = p - count;
    for (int64_t j = 0; j < p; j++) {
        const double *top = n->stack + (j < before ? j : before + pivot[j - before] - 1) * lead;
        memcpy(triangle + j * p, top, (size_t)w_min64(before, p) * sizeof *top);
        for (int64_t r = before; r < p; r++) {
            triangle[j * p + r] = j >= before && r <= j ? n->stack[j * lead + r] : 0;
        }
    }
    const double one = 1;
    w_blas_int order = w_narrow(kept), columns = w_narrow(count), ld = w_narrow(p);
    for (int64_t j = 0; j < kept; j++) {
        if (triangle[j * p + j] == 0) {
            return false;
        }
    }
    dtrsm_("L", "U", "N", "N", &order, &columns, &one, triangle, &ld, triangle + kept * p, &ld);
    memset(c, 0, (size_t)(p * count) * sizeof *c);
    for (int64_t d = 0; d < count; d++) {
        for (int64_t j = 0; j < kept; j++) {
            c[d * p + (j < before ? j : before + pivot[j - before] - 1)] = -triangle[(kept + d) * p + j];
        }
        c[d * p + before + pivot[k - count + d] - 1] = 1;
    }
    return true;
}

/* Whether the dependence found in the sample holds in all rows: |X_D - X_K B|_F < limit count. */
static weir_status holds_everywhere(nesting *n, int target, int64_t before, const w_blas_int *pivot, int64_t count,
                                    double limit, bool *out)
{
    int64_t k = smooth_at(n, target)->columns, p = n->p;
    double *triangle = w_arena_alloc(&n->work, w_mul_size((size_t)p, (size_t)p), sizeof *triangle);
    double *c = w_arena_alloc(&n->work, w_mul_size((size_t)p, (size_t)count), sizeof *c);
    double *rest = w_arena_alloc(&n->work, w_mul_size(RUN, (size_t)count), sizeof *rest);
    double *ignored = w_arena_calloc(&n->work, (size_t)target + 1, sizeof *ignored);
    if (!triangle || !c || !rest || !ignored) {
        return no_memory(n);
    }
    *out = false;
    if (!combination(n, before, k, pivot, count, triangle, c)) {
        return WEIR_OK;
    }
    const double one = 1, zero = 0;
    double squares = 0;
    int64_t total = n->s->scan->setup_rows;
    w_blas_int columns = w_narrow(count), inner = w_narrow(p), lead = w_narrow(p + RUN), run = RUN;
    weir_status status = WEIR_OK;
    n->rows = total;
    for (int64_t start = 0; start < total && status == WEIR_OK; start += RUN) {
        w_blas_int rows = w_narrow(w_min64(RUN, total - start));
        status = fill_run(n, target, start, rows, ignored);
        if (status == WEIR_OK) {
            dgemm_("N", "N", &rows, &columns, &inner, &one, n->stack + p, &lead, c, &inner, &zero, rest, &run);
        }
        for (int64_t d = 0; d < count && status == WEIR_OK; d++) {
            for (int64_t r = 0; r < rows; r++) {
                squares += rest[d * RUN + r] * rest[d * RUN + r];
            }
        }
    }
    *out = sqrt(squares) < limit * (double)count;
    return status;
}

/* ---- the smaller smooth ---- */

static weir_status restrict_transform(nesting *n, w_smooth *smooth, const bool *dropped, int64_t kept)
{
    int64_t raw = smooth->raw_columns, k = smooth->columns;
    double *transform =
        w_arena_alloc(n->s->builder->arena, w_mul_size((size_t)raw, (size_t)kept), sizeof *transform);
    if (!transform) {
        return no_memory(n);
    }
    for (int64_t r = 0; r < raw; r++) {
        for (int64_t j = 0, to = 0; j < k; j++) {
            if (!dropped[j]) {
                transform[r * kept + to++] = smooth->transform ? smooth->transform[r * k + j] : r == j;
            }
        }
    }
    smooth->transform = transform;
    for (int64_t j = 0, to = 0; j < k; j++) {
        if (!dropped[j]) {
            smooth->column_mean[to++] = smooth->column_mean[j];
        }
    }
    return WEIR_OK;
}

static void restrict_matrix(double *matrix, int64_t k, const bool *dropped)
{
    double *out = matrix;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++) {
            if (!dropped[i] && !dropped[j]) {
                *out++ = matrix[i * k + j];
            }
        }
    }
}

/* Rank and log of the product of the eigenvalues above eps^(2/3) of the largest, or of the `rank` largest if rank >= 0. */
static weir_status measure(nesting *n, int64_t k, const double *matrix, int64_t *rank, double *log_det)
{
    double *copy = w_arena_alloc(&n->work, w_mul_size((size_t)k, (size_t)k), sizeof *copy);
    double *value = w_arena_alloc(&n->work, (size_t)k, sizeof *value);
    if (!copy || !value) {
        return no_memory(n);
    }
    memcpy(copy, matrix, (size_t)(k * k) * sizeof *copy);
    weir_status status = w_small_eigen(&n->work, k, copy, value);
    if (status != WEIR_OK) {
        return status;
    }
    if (*rank < 0) {
        for (*rank = 0; *rank < k && value[k - 1 - *rank] > value[k - 1] * pow(DBL_EPSILON, 2.0 / 3); ++*rank) {
        }
    }
    *log_det = 0;
    for (int64_t r = k - *rank; r < k; r++) {
        *log_det += log(value[r]);
    }
    return WEIR_OK;
}

static weir_status restrict_logdet(nesting *n, w_smooth *smooth)
{
    int64_t k = smooth->columns, rank = k - smooth->null_dimension;
    double *sum = w_arena_calloc(&n->work, w_mul_size((size_t)k, (size_t)k), sizeof *sum), exact, formula;
    const double rho[W_MAX_PENALTIES] = {0};
    if (!sum) {
        return no_memory(n);
    }
    for (int j = 0; j < smooth->penalty_count; j++) {
        for (int64_t e = 0; e < k * k; e++) {
            sum[e] += smooth->penalty[j].matrix[e];
        }
    }
    weir_status status = measure(n, k, sum, &rank, &exact);
    smooth->logdet_constant = 0;
    w_smooth_logdet(smooth, rho, &formula, NULL, NULL);
    smooth->logdet_constant = smooth->logdet_form == W_LOGDET_NONE ? 0 : exact - formula;
    return status;
}

/* Penalties of a t2 have columns of their own: what is dropped is taken from one rank or from the null space. */
static void drop_empty_penalties(w_smooth *smooth)
{
    int count = 0;
    smooth->null_dimension = smooth->columns;
    for (int j = 0; j < smooth->penalty_count; j++) {
        smooth->null_dimension -= smooth->penalty[j].rank;
        if (smooth->penalty[j].rank > 0) {
            smooth->penalty[count++] = smooth->penalty[j];
        }
    }
    smooth->penalty_count = count;
    smooth->logdet_form = count ? smooth->logdet_form : W_LOGDET_NONE;
}

static weir_status restrict_smooth(nesting *n, int i, const bool *dropped, int64_t count)
{
    w_smooth *smooth = smooth_at(n, i);
    int64_t k = smooth->columns, kept = k - count;
    w_builder *b = n->s->builder;
    if (kept == 0) {
        return w_formula_fail(b->terms.formula, call_at(n, i)->node,
                              "%s is wholly contained in the smooths before it", smooth->label);
    }
    weir_status status = restrict_transform(n, smooth, dropped, kept);
    for (int j = 0; j < smooth->penalty_count && status == WEIR_OK; j++) {
        w_penalty *penalty = &smooth->penalty[j];
        restrict_matrix(penalty->matrix, k, dropped);
        penalty->rank = -1;
        status = measure(n, kept, penalty->matrix, &penalty->rank, &penalty->log_det);
    }
    smooth->columns = kept;
    smooth->null_dimension = smooth->penalty_count ? w_max64(0, smooth->null_dimension - count) : kept;
    if (smooth->type == W_SMOOTH_T2) {
        drop_empty_penalties(smooth);
    }
    if (status == WEIR_OK && smooth->logdet_form == W_LOGDET_KRONECKER) {
        status = restrict_logdet(n, smooth);
    }
    return status != WEIR_OK
               ? status
               : w_setup_note(b,
                              w_arena_printf(b->arena,
                                             "%s: %lld column%s dropped, which the smooths before it hold already",
                                             smooth->label, (long long)count, count == 1 ? "" : "s"));
}

/* Whether the dropped directions take nothing from the rank of sum_j S_j. */
static weir_status is_unpenalised(nesting *n, const w_smooth *smooth, const bool *dropped, int64_t count,
                                  bool *out)
{
    int64_t k = smooth->columns, rank = -1;
    double *sum = w_arena_calloc(&n->work, w_mul_size((size_t)k, (size_t)k), sizeof *sum), ignored;
    if (!sum) {
        return no_memory(n);
    }
    for (int j = 0; j < smooth->penalty_count; j++) {
        for (int64_t e = 0; e < k * k; e++) {
            sum[e] += smooth->penalty[j].matrix[e];
        }
    }
    restrict_matrix(sum, k, dropped);
    weir_status status =
        count < k && smooth->penalty_count ? measure(n, k - count, sum, &rank, &ignored) : WEIR_OK;
    *out = smooth->penalty_count == 0 || (count < k && rank == k - smooth->null_dimension);
    return status;
}

/* One factorization over n->rows rows. */
static weir_status factor(nesting *n, int target, int64_t before, bool penalised, double *limit, w_blas_int *pivot,
                          int64_t *count)
{
    int64_t at = n->s->builder->terms.intercept;
    double *magnitudes = w_arena_alloc(&n->work, (size_t)target + 1, sizeof *magnitudes);
    if (!magnitudes) {
        return no_memory(n);
    }
    memset(n->stack, 0, (size_t)((n->p + RUN) * n->p) * sizeof *n->stack);
    weir_status status = factor_data(n, target, magnitudes);
    for (int i = 0; penalised && i <= target && status == WEIR_OK; i++) {
        if (i == target || n->covered[i]) {
            status = factor_penalty(n, i, at, magnitudes[i]);
            at += smooth_at(n, i)->columns;
        }
    }
    *limit = norm_limit(n, before);
    return status == WEIR_OK ? find_dependent(n, before, smooth_at(n, target)->columns, *limit, pivot, count) : status;
}

/* Marks the columns of `target` that depend on the covered smooths; `penalised`: with the penalties' rows. */
static weir_status dependent_columns(nesting *n, int target, int64_t before, bool penalised, bool *dropped,
                                     int64_t *count)
{
    int64_t k = smooth_at(n, target)->columns, total = n->s->scan->setup_rows;
    int64_t sample = w_max64(SAMPLE_ROWS, 16 * n->p);
    w_blas_int *pivot = w_arena_alloc(&n->work, (size_t)k, sizeof *pivot);
    double limit;
    bool settled = true;
    if (!pivot) {
        return no_memory(n);
    }
    n->rows = sample <= total / 2 ? sample : total;
    bool sampled = n->rows < total;
    weir_status status = factor(n, target, before, penalised, &limit, pivot, count);
    if (status == WEIR_OK && sampled && *count) {
        status = holds_everywhere(n, target, before, pivot, *count, limit, &settled);
    }
    if (status == WEIR_OK && !settled) {
        n->rows = total;
        status = factor(n, target, before, penalised, &limit, pivot, count);
    }
    for (int64_t r = k - *count; status == WEIR_OK && r < k; r++) {
        dropped[pivot[r] - 1] = true;
    }
    return status;
}

static weir_status resolve_one(nesting *n, int target)
{
    bool intercept = n->s->builder->terms.intercept;
    int64_t before = intercept, k = smooth_at(n, target)->columns, count = 0;
    int earlier = 0;
    for (int i = 0; i < target; i++) {
        n->covered[i] = share(call_at(n, i), call_at(n, target));
        before += n->covered[i] ? smooth_at(n, i)->columns : 0;
        earlier += n->covered[i];
    }
    if (earlier == 0) {
        return WEIR_OK;
    }
    n->p = before + k;
    bool *dropped = w_arena_calloc(&n->work, (size_t)k, sizeof *dropped), free_only = true;
    weir_status status = dropped ? allocate(n, target) : no_memory(n);
    if (status == WEIR_OK) {
        status = dependent_columns(n, target, before, false, dropped, &count);
    }
    bool separated = smooth_at(n, target)->type == W_SMOOTH_T2;
    if (status == WEIR_OK && count && !separated) {
        status = is_unpenalised(n, smooth_at(n, target), dropped, count, &free_only);
    }
    if (status == WEIR_OK && !free_only) {
        memset(dropped, 0, (size_t)k * sizeof *dropped);
        status = dependent_columns(n, target, before, true, dropped, &count);
    }
    return status == WEIR_OK && count ? restrict_smooth(n, target, dropped, count) : status;
}

weir_status w_nest_resolve(w_setup *s)
{
    const w_terms *terms = &s->builder->terms;
    nesting n = {.s = s};
    w_arena_init(&n.work, s->builder->ctx, TAG);
    w_arena_init(&n.lists, s->builder->ctx, TAG);
    n.call = w_arena_alloc(&n.lists, (size_t)terms->smooth_count + 1, sizeof *n.call);
    n.covered = w_arena_calloc(&n.lists, (size_t)terms->smooth_count + 1, sizeof *n.covered);
    weir_status status = n.call && n.covered ? WEIR_OK : no_memory(&n);
    for (int d = 1; d <= W_MAX_MARGINS && status == WEIR_OK; d++) {
        for (int i = 0; i < terms->smooth_count; i++) {
            bool apart = terms->smooth[i].type == W_SMOOTH_TI || terms->smooth[i].type == W_SMOOTH_SZ ||
                         terms->smooth[i].margin[0].basis == W_BASIS_TREE;
            if (!terms->smooth[i].random && !terms->smooth[i].per_level && !apart &&
                terms->smooth[i].covariate_count == d) {
                n.call[n.count++] = i;
            }
        }
    }
    W_BLAS_SERIAL;
    for (int i = 1; i < n.count && status == WEIR_OK; i++) {
        status = resolve_one(&n, i);
        w_arena_free(&n.work);
    }
    w_arena_free(&n.lists);
    return status;
}
