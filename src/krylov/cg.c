/* SPDX-License-Identifier: Apache-2.0 */
/* Per system, with z = M^-1 r and rho = r'z:
 *     q = A p;  alpha = rho / p'q;  x += alpha p;  r -= alpha q;  z = M^-1 r;  beta = rho_new / rho;  p = z + beta p.
 * phi(x) = x'Ax - 2 b'x falls by alpha rho per step, to -||x*||_A^2. Blocks: x, r, p and one that holds q, then z.
 *
 * Rounds: a round begins with r = b - A x for the undecided systems (which settles those that are done) and iterates
 * until each has left, by recurrence, at W_CG_SLACK times its tolerance or at the limit. Then the next round. */
#include "krylov/cg.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "krylov/columns.h"

#define W_CG_SLACK 0.9 /* leaves room for the gap between the recurrence and the true residual */

typedef struct cg_system {
    double reference;       /* b'M^-1 b */
    double norm2;           /* b'b */
    double rho;             /* r'M^-1 r */
    double verified;        /* the same at the last true residual */
    double energy;          /* -phi(x) */
    double window[W_CG_WINDOW];
    int64_t steps;          /* of this round */
    bool decided, energy_met;
} cg_system;

typedef struct cg_run {
    weir_ctx *ctx;
    const w_operator *a;
    const w_preconditioner *m;
    const w_cg_options *options;
    const double *b;
    double *x;
    w_cg_result *result;
    double tolerance;
    int64_t limit;
    w_columns columns;
    cg_system *system;
    double *block[4];             /* x, r, p, q = z */
    double *first, *second;       /* per column */
    uint8_t *mark;                /* per column or system */
    int64_t round;
} cg_run;

enum { X = 0, R = 1, P = 2, Q = 3 };

const char *w_cg_state_name(w_cg_state state)
{
    static const char *const name[] = { "converged", "iteration limit reached", "at the accuracy that rounding allows",
                                        "the matrix is not positive definite",
                                        "the preconditioner is not positive definite",
                                        "a product is not finite", "stopped" };
    return name[state];
}

int64_t w_cg_bytes(int64_t groups, const int64_t *n, int64_t right_hand_sides)
{
    const int64_t systems = w_mul64(groups, right_hand_sides);
    const int64_t block = w_alloc_bytes(w_mul64(w_mul64(w_operator_rows(groups, n), right_hand_sides), sizeof(double)));
    int64_t bytes = w_add64(w_columns_bytes(groups, n, right_hand_sides), w_mul64(4, block));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(systems, sizeof(cg_system))));
    bytes = w_add64(bytes, w_mul64(2, w_alloc_bytes(w_mul64(systems, sizeof(double)))));
    return w_add64(bytes, w_alloc_bytes(systems));
}

static weir_status allocate(cg_run *run)
{
    weir_ctx *ctx = run->ctx;
    const int64_t m = run->options->right_hand_sides;
    const weir_status status = w_columns_create(ctx, run->a->groups, run->a->n, m, &run->columns);
    if (status < 0) {
        return status;
    }
    const size_t systems = (size_t)run->columns.systems, values = (size_t)(run->columns.rows * m);
    bool made = true;
    for (int i = 0; i < 4; i++) {
        run->block[i] = w_alloc_array(ctx, "cg vectors", values, sizeof(double));
        made = made && run->block[i] != NULL;
    }
    run->system = w_calloc(ctx, "cg systems", systems, sizeof *run->system);
    run->first = w_alloc_array(ctx, "cg systems", systems, sizeof(double));
    run->second = w_alloc_array(ctx, "cg systems", systems, sizeof(double));
    run->mark = w_alloc_array(ctx, "cg systems", systems, 1);
    return made && run->system && run->first && run->second && run->mark ? WEIR_OK : w_alloc_status(ctx);
}

static void release(cg_run *run)
{
    weir_ctx *ctx = run->ctx;
    w_free(ctx, run->mark);
    w_free(ctx, run->second);
    w_free(ctx, run->first);
    w_free(ctx, run->system);
    for (int i = 3; i >= 0; i--) {
        w_free(ctx, run->block[i]);
    }
    w_columns_free(&run->columns);
}

static weir_status call(cg_run *run, w_operator_fn fn, void *user, const char *what, const double *x, double *y)
{
    weir_status status = w_check_cancel(run->ctx);
    if (status < 0) {
        return status;
    }
    status = fn(user, &run->columns.block, x, y);
    return status < 0 ? w_fail(run->ctx, status, "%s failed (%s)", what, weir_status_name(status)) : WEIR_OK;
}

static weir_status multiply(cg_run *run, const double *x, double *y)
{
    return call(run, run->a->apply, run->a->user, "the product with the matrix", x, y);
}

static weir_status precondition(cg_run *run, const double *r, double *z)
{
    if (run->m == NULL) {
        memcpy(z, r, (size_t)run->columns.block.values * sizeof *z);
        return WEIR_OK;
    }
    return call(run, run->m->apply, run->m->user, "the preconditioner", r, z);
}

static int64_t system_of(const cg_run *run, int64_t column)
{
    return run->columns.system[column];
}

static void decide(cg_run *run, int64_t s, w_cg_state state)
{
    run->system[s].decided = true;
    run->result[s].state = state;
}

static void note_history(cg_run *run, int64_t s)
{
    const w_cg_options *o = run->options;
    const cg_system *system = &run->system[s];
    const int64_t row = run->result[s].iterations;
    if (o->history && row < o->history_rows && system->reference > 0.0) {
        o->history[s * o->history_rows + row] = sqrt(fmax(system->rho, 0.0) / system->reference);
    }
}

static bool residual_met(const cg_run *run, const cg_system *system, double slack)
{
    const double bound = slack * run->tolerance;
    return run->tolerance <= 0.0 || system->rho <= bound * bound * system->reference;
}

/* Criterion (2) after a step that lowered phi by `fall`. */
static void note_energy(cg_run *run, int64_t s, double fall)
{
    const w_cg_options *o = run->options;
    cg_system *system = &run->system[s];
    system->energy += fall;
    system->window[system->steps % W_CG_WINDOW] = fall;
    system->steps++;
    if (system->steps < W_CG_WINDOW) {
        return;
    }
    double sum = 0.0;
    for (int i = 0; i < W_CG_WINDOW; i++) {
        sum += system->window[i];
    }
    const double scale = o->energy_scale ? o->energy_scale[s] : system->energy;
    run->result[s].energy_change = sum == 0.0 ? 0.0 : scale > 0.0 ? sqrt(sum / scale) : INFINITY;
    system->energy_met = run->result[s].energy_change <= o->energy_tolerance;
}

static bool finished(const cg_run *run, const cg_system *system, double slack)
{
    return system->rho == 0.0 ||
           (residual_met(run, system, slack) && (system->energy_met || run->options->energy_tolerance <= 0.0));
}

/* ---- beginning of a round ------------------------------------------------------------------------------------------ */

/* b'b, and for a warm start b'M^-1 b, of the systems in R = b. */
static weir_status measure_start(cg_run *run)
{
    w_columns *c = &run->columns;
    w_columns_dot(c, run->block[R], run->block[R], run->first);
    for (int64_t k = 0; k < c->block.columns; k++) {
        run->system[system_of(run, k)].norm2 = run->first[k];
    }
    if (!run->options->warm) {
        return WEIR_OK;
    }
    const weir_status status = precondition(run, run->block[R], run->block[Q]);
    if (status < 0) {
        return status;
    }
    w_columns_dot(c, run->block[R], run->block[Q], run->first);
    for (int64_t k = 0; k < c->block.columns; k++) {
        run->system[system_of(run, k)].reference = run->first[k];
    }
    return WEIR_OK;
}

/* X = x, R = b - A x, energies. A cold first round has no product. */
static weir_status form_residual(cg_run *run)
{
    w_columns *c = &run->columns;
    const bool cold = run->round == 0 && !run->options->warm;
    weir_status status = WEIR_OK;
    w_columns_pack(c, run->b, run->block[R]);
    if (run->round == 0) {
        status = measure_start(run);
    }
    if (cold || status < 0) {
        memset(run->block[X], 0, (size_t)c->block.values * sizeof(double));
        return status;
    }
    w_columns_pack(c, run->x, run->block[X]);
    w_columns_dot(c, run->block[X], run->block[R], run->first);
    status = multiply(run, run->block[X], run->block[Q]);
    if (status < 0) {
        return status;
    }
    w_columns_add(c, -1.0, NULL, run->block[Q], run->block[R]);
    w_columns_dot(c, run->block[X], run->block[R], run->second);
    for (int64_t k = 0; k < c->block.columns; k++) {
        run->system[system_of(run, k)].energy = run->first[k] + run->second[k];
    }
    return WEIR_OK;
}

/* Decides systems at their true residual, r2 = r'r; false when the system goes on. */
static bool settle(cg_run *run, int64_t s, double r2)
{
    cg_system *system = &run->system[s];
    w_cg_result *result = &run->result[s];
    const bool cold = run->round == 0 && !run->options->warm;
    if (cold) {
        system->reference = system->rho;
    }
    result->residual = system->norm2 > 0.0 ? sqrt(r2 / system->norm2) : 0.0;
    result->preconditioned = system->reference > 0.0 ? sqrt(fmax(system->rho, 0.0) / system->reference) : 0.0;
    result->rounds += cold ? 0 : 1;
    if (!isfinite(system->norm2) || !isfinite(r2) || !isfinite(system->rho) || !isfinite(system->reference)) {
        decide(run, s, W_CG_NOT_FINITE);
    } else if (r2 == 0.0) {
        decide(run, s, W_CG_CONVERGED);
    } else if (system->rho <= 0.0 || (system->norm2 > 0.0 && system->reference <= 0.0)) {
        decide(run, s, W_CG_PRECONDITIONER);
    } else if (finished(run, system, 1.0)) {
        decide(run, s, W_CG_CONVERGED);
    } else if (result->iterations >= run->limit) {
        decide(run, s, W_CG_LIMIT);
    } else if (run->round > 0 && !(system->rho <= 0.25 * system->verified)) {
        decide(run, s, W_CG_STAGNATED);
    }
    system->verified = system->rho;
    return system->decided;
}

/* b = 0 has the solution 0 whatever the start. */
static void solve_zero(cg_run *run, int64_t s)
{
    memset(run->x + w_columns_offset(&run->columns, s), 0, (size_t)w_columns_rows(&run->columns, s) * sizeof *run->x);
    run->result[s].residual = run->result[s].preconditioned = 0.0;
    decide(run, s, W_CG_CONVERGED);
}

/* Loads the undecided systems, decides those that are done, and sets P = Z for the others. */
static weir_status begin_round(cg_run *run)
{
    w_columns *c = &run->columns;
    for (int64_t s = 0; s < c->systems; s++) {
        run->mark[s] = !run->system[s].decided;
    }
    w_columns_choose(c, run->mark);
    if (c->block.columns == 0) {
        return WEIR_OK;
    }
    weir_status status = form_residual(run);
    status = status < 0 ? status : precondition(run, run->block[R], run->block[Q]);
    if (status < 0) {
        return status;
    }
    w_columns_dot(c, run->block[R], run->block[R], run->first);
    w_columns_dot(c, run->block[R], run->block[Q], run->second);
    for (int64_t k = 0; k < c->block.columns; k++) {
        const int64_t s = system_of(run, k);
        cg_system *system = &run->system[s];
        system->rho = run->second[k];
        system->steps = 0;
        if (system->norm2 == 0.0) {
            solve_zero(run, s);
        } else if (settle(run, s, run->first[k]) && run->round == 0 && !run->options->warm &&
                   run->result[s].state == W_CG_CONVERGED) {
            w_columns_unpack_one(c, run->block[X], k, run->x);
        }
        if (run->round == 0) {
            note_history(run, s);
        }
        run->mark[k] = !system->decided;
    }
    w_columns_keep(c, run->mark, run->block, 4);
    memcpy(run->block[P], run->block[Q], (size_t)c->block.values * sizeof(double));
    return WEIR_OK;
}

/* ---- one iteration ------------------------------------------------------------------------------------------------- */

/* alpha in run->first; drops the systems in which A is seen not to be positive definite. */
static weir_status step_length(cg_run *run)
{
    w_columns *c = &run->columns;
    const weir_status status = multiply(run, run->block[P], run->block[Q]);
    if (status < 0) {
        return status;
    }
    w_columns_dot(c, run->block[P], run->block[Q], run->first);
    int64_t kept = 0;
    for (int64_t k = 0; k < c->block.columns; k++) {
        const int64_t s = system_of(run, k);
        const double curvature = run->first[k], alpha = run->system[s].rho / curvature;
        run->mark[k] = isfinite(curvature) && curvature > 0.0 && isfinite(alpha);
        if (run->mark[k]) {
            run->first[kept++] = alpha;
        } else {
            decide(run, s, isfinite(curvature) ? W_CG_INDEFINITE : W_CG_NOT_FINITE);
        }
    }
    if (kept < c->block.columns) {
        w_columns_keep(c, run->mark, run->block, 4);
    }
    return WEIR_OK;
}

static void note_coefficients(cg_run *run, int64_t s, double alpha, double beta)
{
    const w_cg_options *o = run->options;
    w_cg_result *result = &run->result[s];
    if (o->coefficient && run->round == 0 && result->coefficients < o->coefficient_rows) {
        double *pair = o->coefficient + 2 * (s * o->coefficient_rows + result->coefficients);
        pair[0] = alpha;
        pair[1] = beta;
        result->coefficients++;
    }
}

/* Accounts for a step of column k with the new rho; false when its system leaves the block. */
static bool after_step(cg_run *run, int64_t k, double alpha, double rho, double *beta)
{
    const int64_t s = system_of(run, k);
    cg_system *system = &run->system[s];
    run->result[s].iterations++;
    if (!isfinite(rho) || rho < 0.0) {
        decide(run, s, isfinite(rho) ? W_CG_PRECONDITIONER : W_CG_NOT_FINITE);
        return false;
    }
    *beta = rho / system->rho;
    note_coefficients(run, s, alpha, *beta);
    note_energy(run, s, alpha * system->rho);
    system->rho = rho;
    note_history(run, s);
    if (finished(run, system, W_CG_SLACK) || run->result[s].iterations >= run->limit) {
        w_columns_unpack_one(&run->columns, run->block[X], k, run->x);
        return false;
    }
    return true;
}

static weir_status iterate(cg_run *run)
{
    w_columns *c = &run->columns;
    weir_status status = step_length(run);
    if (status < 0 || c->block.columns == 0) {
        return status;
    }
    w_columns_add(c, 1.0, run->first, run->block[P], run->block[X]);
    w_columns_add(c, -1.0, run->first, run->block[Q], run->block[R]);
    status = precondition(run, run->block[R], run->block[Q]);
    if (status < 0) {
        return status;
    }
    w_columns_dot(c, run->block[R], run->block[Q], run->second);
    int64_t kept = 0;
    for (int64_t k = 0; k < c->block.columns; k++) {
        double beta = 0.0;
        run->mark[k] = after_step(run, k, run->first[k], run->second[k], &beta);
        if (run->mark[k]) {
            run->second[kept++] = beta;
        }
    }
    if (kept < c->block.columns) {
        w_columns_keep(c, run->mark, run->block, 4);
    }
    w_columns_turn(c, run->second, run->block[Q], run->block[P]);
    return WEIR_OK;
}

static weir_status run_rounds(cg_run *run)
{
    for (run->round = 0;; run->round++) {
        weir_status status = begin_round(run);
        if (status < 0 || run->columns.block.columns == 0) { /* no column left: all systems are decided */
            return status;
        }
        while (run->columns.block.columns > 0) {
            status = iterate(run);
            if (status < 0) {
                return status;
            }
        }
    }
}

/* The worst state as a status; the message names the first system that has it. */
static weir_status verdict(cg_run *run)
{
    int64_t worst = 0;
    for (int64_t s = 1; s < run->columns.systems; s++) {
        worst = run->result[s].state > run->result[worst].state ? s : worst;
    }
    if (run->columns.systems == 0 || run->result[worst].state == W_CG_CONVERGED) {
        return WEIR_OK;
    }
    const w_cg_result *result = &run->result[worst];
    if (result->state <= W_CG_STAGNATED) {
        return w_remark(run->ctx, WEIR_NOT_CONVERGED,
                        "conjugate gradients, system %lld: %s after %lld iterations, relative residual %.2e",
                        (long long)worst, w_cg_state_name(result->state), (long long)result->iterations,
                        result->preconditioned);
    }
    return w_fail(run->ctx, WEIR_E_NUMERIC, "conjugate gradients, system %lld: %s (iteration %lld)", (long long)worst,
                  w_cg_state_name(result->state), (long long)result->iterations);
}

weir_status w_cg_solve(weir_ctx *ctx, const w_operator *a, const w_preconditioner *m, const w_cg_options *options,
                       const double *b, double *x, w_cg_result *result)
{
    const double tolerance = options->tolerance == 0.0 ? W_CG_TOLERANCE : options->tolerance;
    cg_run run = { .ctx = ctx, .a = a, .m = m, .options = options, .b = b, .x = x, .result = result,
                   .tolerance = tolerance > 0.0 ? tolerance : 0.0,
                   .limit = options->max_iterations > 0 ? options->max_iterations : W_CG_ITERATIONS,
                   .columns = { .ctx = ctx } };
    if (options->right_hand_sides < 1 || (!(tolerance > 0.0) && !(options->energy_tolerance > 0.0))) {
        return w_fail(ctx, WEIR_E_ARG, "conjugate gradients need a right-hand side and a tolerance above 0");
    }
    weir_status status = allocate(&run);
    const int64_t systems = w_mul64(a->groups, options->right_hand_sides);
    for (int64_t s = 0; s < systems; s++) {
        result[s] = (w_cg_result){ .state = W_CG_STOPPED };
    }
    status = status < 0 ? status : run_rounds(&run);
    status = status < 0 ? status : verdict(&run);
    release(&run);
    return status;
}
