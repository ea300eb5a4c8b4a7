/* SPDX-License-Identifier: Apache-2.0 */
/* Block elimination of an arrow system H, H = [D B; B' C], D = blockdiag(D_i), in place on (g, h):
 *     g := D^-1 g;   h := h - B'g;   h := S^-1 h = x;   g := g - D^-1 (B x) = t.
 * Elimination of a positive definite H is backward stable whatever the condition of the D_i; r = (g, h) - H (t, x) is formed
 * at the end to certify it.
 * Damping: Gershgorin's theorem puts every eigenvalue of a symmetric A at or above min_r (a_rr - sum_{c != r} |a_rc|). */
#include "solve/block_arrow.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

#define W_AUTO_STEPS 50.0 /* of PCG, when the route is chosen */
#define W_AUTO_RATE 8.0   /* multiplications of the direct route in the time of one of PCG, which reads memory */

typedef struct job {
    w_block_arrow *run;
    double *x, *r;
    double *absolute; /* tasks x p: column sums of |B|; NULL: not asked */
    double norm[W_BLOCK_ARROW_TASKS];
} job;

int64_t w_block_arrow_first(const w_block_arrow *run, int64_t task)
{
    return run->n * task / run->tasks;
}

int64_t w_block_arrow_batch(const w_block_arrow *run, int64_t width)
{
    return w_max64(1, run->scratch_size / (run->d * w_max64(width, 1)));
}

void w_block_arrow_block_solve(int64_t d, const double *r, double *x, int64_t step, int64_t lead, int64_t count)
{
    for (int64_t k = 0; k < count; k++, x += lead) {
        for (int64_t i = 0; i < d; i++) {
            double sum = x[i * step];
            for (int64_t m = 0; m < i; m++) {
                sum -= r[m + i * d] * x[m * step];
            }
            x[i * step] = sum / r[i * (d + 1)];
        }
        for (int64_t i = d - 1; i >= 0; i--) {
            double sum = x[i * step];
            for (int64_t m = i + 1; m < d; m++) {
                sum -= r[i + m * d] * x[m * step];
            }
            x[i * step] = sum / r[i * (d + 1)];
        }
    }
}

double w_gershgorin(int64_t n, const double *a, double *norm)
{
    double lowest = INFINITY, largest = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double radius = 0.0;
        for (int64_t j = 0; j < n; j++) {
            radius += i == j ? 0.0 : fabs(i < j ? a[i + j * n] : a[j + i * n]);
        }
        lowest = fmin(lowest, a[i * (n + 1)] - radius);
        largest = fmax(largest, fabs(a[i * (n + 1)]) + radius);
    }
    *norm = largest;
    return lowest;
}

double w_gershgorin_damping(int64_t n, const double *a)
{
    double norm;
    const double edge = w_gershgorin(n, a, &norm);
    return norm > 0.0 ? fmax(0.0, -edge) + 0x1p-26 * norm : 1.0;
}

/* ---- the blocks ---------------------------------------------------------------------------------------------------- */

/* `count` may be 0 and the pointers NULL then. */
static void copy(double *to, const double *from, int64_t count)
{
    if (count > 0) {
        memcpy(to, from, (size_t)count * sizeof *to);
    }
}

/* R'R = D_i + shift; whether it exists. `finite`: whether the entries are. */
static bool factor_block(const w_block_arrow *run, int64_t i, double shift, double *log_det, bool *finite)
{
    const int64_t d = run->d;
    const double *a = run->a->diagonal + i * d * d;
    double *r = run->factor + i * d * d, sum = 0.0;
    *finite = true;
    for (int64_t c = 0; c < d; c++) {
        for (int64_t row = 0; row <= c; row++) {
            r[row + c * d] = a[row + c * d] + (row == c ? shift : 0.0);
            *finite = *finite && isfinite(r[row + c * d]);
        }
    }
    *log_det = 0.0;
    const bool full = *finite && w_small_chol(d, r, (double)d * DBL_EPSILON, r, &sum) == d;
    *log_det = sum;
    return full;
}

static weir_status factor_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    w_block_arrow *run = arg;
    const int64_t last = w_block_arrow_first(run, task + 1);
    for (int64_t i = w_block_arrow_first(run, task); i < last; i++) {
        double log_det, shift = 0.0;
        bool finite, good = factor_block(run, i, run->options.ridge_blocks, &log_det, &finite);
        if (!good && finite && run->damping) {
            const double *a = run->a->diagonal + i * run->d * run->d;
            shift = w_gershgorin_damping(run->d, a);
            good = factor_block(run, i, run->options.ridge_blocks + shift, &log_det, &finite);
            run->damped[task]++;
            run->damping_most[task] = fmax(run->damping_most[task], shift);
        }
        if (!good) {
            return w_fail(run->ctx, WEIR_E_NUMERIC, "arrow system: block %lld is not %s", (long long)i,
                          finite ? "positive definite; ask for damping or a ridge" : "finite");
        }
        if (run->damping) {
            run->damping[i] = shift;
        }
        run->log_det[task] += log_det;
    }
    return WEIR_OK;
}

/* ---- products with the coupling, columns of `count` vectors `lead` apart ------------------------------------------ */

/* out (rows x count) := beta out + alpha B x for the rows from `first` on. */
static void times_coupling(const w_block_arrow *run, int64_t first, int64_t rows, double alpha, const double *x, double beta,
                           double *out, int64_t lead)
{
    const double *b = run->a->coupling + first * run->p;
    const w_blas_int p = (w_blas_int)run->p, k = (w_blas_int)rows, m = (w_blas_int)run->count, ld = (w_blas_int)lead, inc = 1;
    if (run->count == 1) {
        dgemv_("T", &p, &k, &alpha, b, &p, x, &inc, &beta, out, &inc);
    } else {
        dgemm_("T", "N", &k, &m, &p, &alpha, b, &p, x, &p, &beta, out, &ld);
    }
}

/* out (p x count) := B'x over the rows from `first` on; x is `run->rows` apart. */
static void times_coupling_transposed(const w_block_arrow *run, int64_t first, int64_t rows, const double *x, double *out)
{
    const double *b = run->a->coupling + first * run->p, one = 1.0, zero = 0.0;
    const w_blas_int p = (w_blas_int)run->p, k = (w_blas_int)rows, m = (w_blas_int)run->count, ld = (w_blas_int)run->rows;
    const w_blas_int inc = 1;
    memset(out, 0, (size_t)(run->p * run->count) * sizeof *out);
    if (rows == 0 || run->p == 0) {
        return;
    }
    if (run->count == 1) {
        dgemv_("N", &p, &k, &one, b, &p, x, &inc, &zero, out, &inc);
    } else {
        dgemm_("N", "N", &p, &m, &k, &one, b, &p, x, &ld, &zero, out, &p);
    }
}

/* ---- elimination and substitution ---------------------------------------------------------------------------------- */

static weir_status eliminate_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    const w_block_arrow *run = j->run;
    const int64_t first = w_block_arrow_first(run, task), last = w_block_arrow_first(run, task + 1), d = run->d;
    for (int64_t i = first; i < last; i++) {
        w_block_arrow_block_solve(d, run->factor + i * d * d, j->x + i * d, 1, run->rows, run->count);
    }
    times_coupling_transposed(run, first * d, (last - first) * d, j->x + first * d, run->partial + task * run->p * run->count);
    return WEIR_OK;
}

static weir_status substitute_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    const w_block_arrow *run = j->run;
    const int64_t last = w_block_arrow_first(run, task + 1), d = run->d, batch = w_block_arrow_batch(run, run->count);
    double *v = run->scratch + task * run->scratch_size;
    for (int64_t first = w_block_arrow_first(run, task); first < last && run->p > 0; first += batch) {
        const int64_t blocks = w_min64(batch, last - first), rows = blocks * d;
        times_coupling(run, first * d, rows, 1.0, j->x + run->rows * run->count, 0.0, v, rows);
        for (int64_t i = 0; i < blocks; i++) {
            w_block_arrow_block_solve(d, run->factor + (first + i) * d * d, v + i * d, 1, rows, run->count);
        }
        for (int64_t c = 0; c < run->count; c++) {
            for (int64_t i = 0; i < rows; i++) {
                j->x[c * run->rows + first * d + i] -= v[c * rows + i];
            }
        }
    }
    return WEIR_OK;
}

/* Subtracts the tasks' partial sums, p x count each, in order. */
static void subtract_partials(const w_block_arrow *run, double *border)
{
    const int64_t values = run->p * run->count;
    for (int64_t task = 0; task < run->tasks; task++) {
        for (int64_t i = 0; i < values; i++) {
            border[i] -= run->partial[task * values + i];
        }
    }
}

static weir_status solve_in_place(w_block_arrow *run, double *x)
{
    job j = { .run = run, .x = x };
    double *border = x + run->rows * run->count;
    weir_status status = w_pool_run(run->ctx, run->tasks, eliminate_task, &j);
    if (status < 0) {
        return status;
    }
    subtract_partials(run, border);
    if (run->iterative) {
        status = w_block_arrow_reduced(run, border);
    } else {
        w_chol_solve(run->p, run->schur, border, run->count);
    }
    return status < 0 ? status : w_pool_run(run->ctx, run->tasks, substitute_task, &j);
}

/* ---- certificate --------------------------------------------------------------------------------------------------- */

/* r_i -= (D_i + shift) t_i; returns the largest row sum of |D_i + shift|. */
static double block_residual(const w_block_arrow *run, int64_t i, const double *x, double *r)
{
    const int64_t d = run->d;
    const double *a = run->a->diagonal + i * d * d, shift = run->options.ridge_blocks + (run->damping ? run->damping[i] : 0.0);
    double largest = 0.0;
    for (int64_t row = 0; row < d; row++) {
        double sum = 0.0;
        for (int64_t c = 0; c < d; c++) {
            const double entry = (row <= c ? a[row + c * d] : a[c + row * d]) + (row == c ? shift : 0.0);
            sum += fabs(entry);
            for (int64_t k = 0; k < run->count; k++) {
                r[k * run->rows + i * d + row] -= entry * x[k * run->rows + i * d + c];
            }
        }
        largest = fmax(largest, sum);
    }
    return largest;
}

static weir_status residual_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    job *j = arg;
    const w_block_arrow *run = j->run;
    const int64_t first = w_block_arrow_first(run, task), last = w_block_arrow_first(run, task + 1), d = run->d, p = run->p;
    const double *b = run->a->coupling + first * d * p;
    double *absolute = j->absolute + task * p, largest = 0.0;
    memset(absolute, 0, (size_t)p * sizeof *absolute);
    if (p > 0 && last > first && run->count > 0) {
        times_coupling(run, first * d, (last - first) * d, -1.0, j->x + run->rows * run->count, 1.0, j->r + first * d, run->rows);
    }
    times_coupling_transposed(run, first * d, (last - first) * d, j->x + first * d, run->partial + task * p * run->count);
    for (int64_t i = first; i < last; i++) {
        double across = 0.0;
        for (int64_t row = 0; row < d; row++) {
            double sum = 0.0;
            for (int64_t c = 0; c < p; c++) {
                const double size = fabs(b[((i - first) * d + row) * p + c]);
                sum += size;
                absolute[c] += size;
            }
            across = fmax(across, sum);
        }
        largest = fmax(largest, across + block_residual(run, i, j->x, j->r));
    }
    j->norm[task] = largest;
    return WEIR_OK;
}

/* Border's part of r, and the largest row sum of H. */
static double border_residual(const w_block_arrow *run, job *j)
{
    W_BLAS_SERIAL;
    const int64_t p = run->p;
    const double minus = -1.0, one = 1.0, shift = run->options.ridge_border + run->border_damping;
    const w_blas_int n = (w_blas_int)p, m = (w_blas_int)run->count;
    double *r = j->r + run->rows * run->count, norm = 0.0;
    const double *x = j->x + run->rows * run->count;
    subtract_partials(run, r);
    if (p > 0) {
        dsymm_("L", "U", &n, &m, &minus, run->a->corner, &n, x, &n, &one, r, &n);
    }
    for (int64_t i = 0; i < p * run->count; i++) {
        r[i] -= shift * x[i];
    }
    for (int64_t task = 0; task < run->tasks; task++) {
        norm = fmax(norm, j->norm[task]);
        for (int64_t c = 0; c < p && task > 0; c++) {
            j->absolute[c] += j->absolute[task * p + c];
        }
    }
    for (int64_t c = 0; c < p; c++) {
        double sum = j->absolute[c] + shift;
        for (int64_t i = 0; i < p; i++) {
            sum += fabs(i <= c ? run->a->corner[i + c * p] : run->a->corner[c + i * p]);
        }
        norm = fmax(norm, sum);
    }
    return norm;
}

static double largest_entry(int64_t n, const double *x)
{
    double largest = 0.0;
    for (int64_t i = 0; i < n; i++) {
        largest = isfinite(x[i]) ? fmax(largest, fabs(x[i])) : INFINITY;
    }
    return largest;
}

static double largest_of(const w_block_arrow *run, const double *rows, const double *border, int64_t k)
{
    return fmax(largest_entry(run->rows, rows + k * run->rows), largest_entry(run->p, border + k * run->p));
}

/* r = b - H x into run->r; the largest backward error of a right-hand side. */
static weir_status certify(w_block_arrow *run, const double *rows, const double *border, double *error)
{
    const int64_t tail = run->rows * run->count;
    job j = { .run = run, .x = run->x, .r = run->r };
    copy(run->r, rows, tail);
    copy(run->r + tail, border, run->p * run->count);
    j.absolute = w_alloc_array(run->ctx, "arrow system", (size_t)(run->tasks * run->p), sizeof *j.absolute);
    if (j.absolute == NULL) {
        return w_alloc_status(run->ctx);
    }
    const weir_status status = w_pool_run(run->ctx, run->tasks, residual_task, &j);
    const double norm = status < 0 ? 0.0 : border_residual(run, &j);
    *error = 0.0;
    for (int64_t k = 0; k < run->count; k++) {
        const double r = largest_of(run, run->r, run->r + tail, k), x = largest_of(run, run->x, run->x + tail, k);
        const double b = largest_of(run, rows, border, k);
        *error = fmax(*error, r == 0.0 ? 0.0 : isfinite(r) && isfinite(x) ? r / (norm * x + b) : INFINITY);
    }
    w_free(run->ctx, j.absolute);
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static int64_t task_count(int64_t n, int64_t d)
{
    return w_max64(1, w_min64(w_min64(W_BLOCK_ARROW_TASKS, n), w_mul64(n, d) / W_BLOCK_ARROW_TASK_ROWS));
}

static int64_t scratch_values(int64_t d, int64_t count) { return w_max64(W_BLOCK_ARROW_SLAB, w_mul64(d, count)); }

static int64_t doubles(int64_t count) { return w_alloc_bytes(w_mul64(count, sizeof(double))); }

static int64_t route_bytes(const weir_arrow_system *a, const weir_arrow_options *o, int64_t count, bool iterative)
{
    const int64_t rows = w_mul64(a->blocks, a->d), p = a->border, tasks = task_count(a->blocks, a->d);
    int64_t bytes = w_add64(doubles(w_mul64(rows, a->d)), o->damping ? doubles(a->blocks) : 0);
    bytes = w_add64(bytes, w_mul64(2, doubles(w_mul64(w_add64(rows, p), count))));
    bytes = w_add64(bytes, doubles(w_mul64(tasks, w_mul64(p, count))));
    bytes = w_add64(bytes, doubles(w_mul64(tasks, scratch_values(a->d, count))));
    const int64_t solve = iterative ? w_block_arrow_reduced_bytes(rows, a->d, p, w_block_arrow_width(o, p), count)
                                    : w_block_arrow_schur_bytes(rows, a->d, p);
    return w_add64(bytes, w_add64(doubles(w_mul64(tasks, p)), solve));
}

int64_t w_block_arrow_bytes(const weir_arrow_system *a, const weir_arrow_options *options, int64_t count)
{
    return route_bytes(a, options, count, options->mode == WEIR_ARROW_PCG);
}

static bool choose_iterative(weir_ctx *ctx, const weir_arrow_system *a, const weir_arrow_options *o, int64_t count)
{
    if (o->mode != WEIR_ARROW_AUTO) {
        return o->mode == WEIR_ARROW_PCG;
    }
    const double rows = (double)a->blocks * (double)a->d, p = (double)a->border;
    const double m = (double)w_max64(count, 1);
    const double direct = rows * p * (p + (double)a->d) + p * p * p / 3.0;
    const double steps = W_AUTO_STEPS * m * (2.0 * rows * p + p * p);
    return route_bytes(a, o, count, false) > w_ledger_free_bytes(ctx) || direct > W_AUTO_RATE * steps;
}

static weir_status allocate(w_block_arrow *run)
{
    weir_ctx *ctx = run->ctx;
    const size_t all = (size_t)w_mul64(w_add64(run->rows, run->p), run->count);
    run->factor = w_alloc_array(ctx, "arrow system", (size_t)w_mul64(run->rows, run->d), sizeof(double));
    run->damping = run->options.damping ? w_alloc_array(ctx, "arrow system", (size_t)run->n, sizeof(double)) : NULL;
    run->x = w_alloc_array(ctx, "arrow system", all, sizeof(double));
    run->r = w_alloc_array(ctx, "arrow system", all, sizeof(double));
    run->partial = w_alloc_array(ctx, "arrow system", (size_t)w_mul64(run->tasks, w_mul64(run->p, run->count)), sizeof(double));
    run->scratch = w_alloc_array(ctx, "arrow system", (size_t)w_mul64(run->tasks, run->scratch_size), sizeof(double));
    return run->factor && (run->damping || !run->options.damping) && run->x && run->r && run->partial && run->scratch
               ? WEIR_OK : w_alloc_status(ctx);
}

static void release(w_block_arrow *run)
{
    weir_ctx *ctx = run->ctx;
    w_free(ctx, run->schur);
    w_free(ctx, run->scratch);
    w_free(ctx, run->partial);
    w_free(ctx, run->r);
    w_free(ctx, run->x);
    w_free(ctx, run->damping);
    w_free(ctx, run->factor);
}

static weir_status solve(w_block_arrow *run, const double *rows, const double *border, weir_arrow_result *result)
{
    const int64_t tail = run->rows * run->count;
    double schur_log_det = NAN;
    weir_status status = w_pool_run(run->ctx, run->tasks, factor_task, run);
    if (status >= 0 && !run->iterative) {
        status = w_block_arrow_schur(run, &schur_log_det);
    }
    if (status < 0) {
        return status;
    }
    copy(run->x, rows, tail);
    copy(run->x + tail, border, run->p * run->count);
    status = solve_in_place(run, run->x);
    double error = 0.0;
    status = status < 0 ? status : certify(run, rows, border, &error);
    if (status < 0) {
        return status;
    }
    if (!isfinite(error)) {
        return w_fail(run->ctx, WEIR_E_NUMERIC, "arrow system: the right-hand side or the solution is not finite");
    }
    *result = (weir_arrow_result){ .mode = run->iterative ? WEIR_ARROW_PCG : WEIR_ARROW_DIRECT, .log_det = schur_log_det,
                                   .backward_error = error, .iterations = run->iterations,
                                   .damping_border = run->border_damping };
    for (int64_t task = 0; task < run->tasks; task++) {
        result->log_det += run->log_det[task];
        result->damped_blocks += run->damped[task];
        result->damping_blocks = fmax(result->damping_blocks, run->damping_most[task]);
    }
    return run->unfinished ? WEIR_NOT_CONVERGED : WEIR_OK;
}

weir_status w_block_arrow_solve(weir_ctx *ctx, const weir_arrow_system *a, const weir_arrow_options *options, int64_t count,
                                double *rows, double *border, weir_arrow_result *result)
{
    w_block_arrow run = { .ctx = ctx, .a = a, .options = *options, .n = a->blocks, .d = a->d, .p = a->border, .count = count,
                          .rows = w_mul64(a->blocks, a->d), .tasks = task_count(a->blocks, a->d),
                          .scratch_size = scratch_values(a->d, count),
                          .iterative = choose_iterative(ctx, a, options, count) };
    if (w_narrow(w_max64(run.rows, 1)) < 0 || w_narrow(run.p) < 0 || w_narrow(count) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "an arrow system of %lld rows and a border of %lld is too large",
                      (long long)run.rows, (long long)run.p);
    }
    weir_status status = allocate(&run);
    status = status < 0 ? status : solve(&run, rows, border, result);
    if (status >= 0) {
        copy(rows, run.x, run.rows * count);
        copy(border, run.x + run.rows * count, run.p * count);
    }
    release(&run);
    return status;
}
