/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a fit by groups:
 *
 *   scan, compile   as for one model: bases, knots, centring and penalties come from the whole table
 *   sums            as many groups at a time as the budget holds, a pass over the rows for each such share
 *   solve           smoothing parameters fixed or chosen group by group: at the end of each share's pass;
 *                   shared: the shares' sums are kept (in memory, or in the scratch folder), searched, then solved
 *
 * Nothing grows with the rows. A group's sums are the same bits whichever share it is in. */
#include "fit/group.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/size.h"
#include "fit/gam.h"
#include "fit/pirls.h"
#include "fit/planning.h"
#include "fit/recovery.h"
#include "fit/shape.h"
#include "table/table.h"

#define TAG "group sums"
#define MOST_COVARIANCE (256 << 20)

typedef struct run {
    weir_ctx *ctx;
    weir_table *table;
    weir_groups *groups;
    w_dense_rows *rows;
    w_group_task task;
    w_group_pass pass;
    w_glm family;
    w_group_glm *glm;       /* NULL: linear */
    w_spool *spool;
    int64_t blocks, share;  /* blocks of all groups; at a time */
    w_group_stats *stats;   /* of all groups when they are shared, else of one share */
    int64_t spool_first;    /* offset of block 0 */
    bool keep;              /* sums of all shares are needed again */
    const double *rho;      /* NULL: each group searches */
    w_fit_recovery *recovery;
} run;

/* ---- checks ------------------------------------------------------------------------------------------------------ */

weir_status w_group_check_options(weir_ctx *ctx, const weir_fit_options *options, const weir_groups_options *how, w_glm *glm)
{
    weir_status status = w_family_parse(ctx, options->family ? options->family : "gaussian", glm);
    if (status < 0) {
        return status;
    }
    if (w_pirls_has_parameters(glm)) {
        return w_fail(ctx, WEIR_E_ARG, "a fit by groups does not estimate %s of family %s: give it, as in '%s:1.5', or fit the groups one "
                      "by one", glm->family->param_name[0], glm->family->name, glm->family->name);
    }
    if (options->ar1 != 0 || options->ar1_estimate || options->ar1_start) {
        return w_fail(ctx, WEIR_E_ARG, "groups cannot have AR(1) residuals: leave --ar1 out, or fit the groups one by one");
    }
    if (options->ridge != 0) {
        return w_fail(ctx, WEIR_E_ARG, "ridge does not go with a fit by groups: leave it out, or fit the groups one by one");
    }
    if (options->route != WEIR_FIT_AUTO) {
        return w_fail(ctx, WEIR_E_ARG, "groups are solved by Cholesky factors, many at once: leave --route out, or fit the groups one by one");
    }
    if (options->diagnostics) {
        return w_fail(ctx, WEIR_E_ARG, "a fit by groups keeps no residuals for an HTML report: write JSON, or fit one group");
    }
    if (options->gamma < 0 || options->scale < 0 || !isfinite(options->gamma) || !isfinite(options->scale)) {
        return w_fail(ctx, WEIR_E_ARG, "gamma and scale must be positive numbers");
    }
    if (options->criterion == WEIR_UBRE && !(options->scale > 0) && !glm->family->scale_known) {
        return w_fail(ctx, WEIR_E_ARG, "UBRE needs a known scale: give it, or use REML or GCV");
    }
    return how->column && *how->column ? WEIR_OK : w_fail(ctx, WEIR_E_ARG, "a fit by groups needs the name of their column");
}

static bool has_free(const w_design *design)
{
    for (int j = 0; j < design->sp_count; j++) {
        if (isnan(design->sp_fixed[j])) {
            return true;
        }
    }
    return false;
}

static weir_status check_design(weir_ctx *ctx, const w_design *design, const weir_fit_options *options, const weir_groups_options *how,
                                const w_glm *glm)
{
    const int c = design->start_column;
    if (c < 0 || design->column_kind[c] != W_FACTOR) {
        return w_fail(ctx, WEIR_E_DATA, "column '%s' cannot tell groups apart: it is not a column of categories", how->column);
    }
    if (design->trials && glm->family->kind != W_FAMILY_BINOMIAL && glm->family->kind != W_FAMILY_QUASIBINOMIAL) {
        return w_fail(ctx, WEIR_E_ARG, "the response %s counts successes and failures: it needs family binomial, not %s",
                      design->response_label, glm->family->name);
    }
    if (design->level_count[c] < 1) {
        return w_fail(ctx, WEIR_E_DATA, "column '%s' has no group with rows that count", how->column);
    }
    for (int t = 0; t < design->term_count; t++) {
        const w_smooth *smooth = design->term[t].smooth;
        for (int m = 0; smooth && m < smooth->margin_count; m++) {
            if (w_basis_shaped(smooth->margin[m].kind)) {
                return w_fail(ctx, WEIR_E_ARG, "%s has a shape constraint, which a fit by groups does not hold: fit the groups one by one, "
                              "or use an unconstrained basis", design->term[t].label);
            }
        }
    }
    if (!how->each && has_free(design) && options->criterion != WEIR_REML && options->criterion != WEIR_GCV) {
        return w_fail(ctx, WEIR_E_ARG, "smoothing parameters shared by all groups are chosen by REML or GCV");
    }
    return WEIR_OK;
}

/* A single model with the column of groups among those that are read. */
static weir_fit_options sketch_options(const weir_fit_options *options, const weir_groups_options *how)
{
    weir_fit_options sketch = *options;
    sketch.ar1_start = how->column;
    return sketch;
}

static weir_status compile(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                           const weir_groups_options *how, const w_glm *glm, w_fit_recovery *recovery, w_design **out)
{
    w_formula *parsed = NULL;
    weir_plan plan;
    const weir_fit_options sketch = sketch_options(options, how);
    if (w_source_find(table, how->column) < 0) {
        return w_fail(ctx, WEIR_E_DATA, "%s has no column '%s' for the groups", w_source_label(table), how->column);
    }
    weir_status status = w_formula_parse(ctx, formula, &parsed);
    if (status >= 0) {
        status = w_planning_estimate(ctx, table, parsed, &sketch, &plan);
    }
    if (status >= 0) {
        w_design_options choice;
        plan.keep_bytes /= 2; /* the rest is for sums */
        w_recovery_adapt(recovery, NULL, &plan);
        w_planning_design_options(&sketch, &plan, &choice);
        choice.grouped = true;
        choice.spool = recovery->scan.spool;
        w_progress_expect(ctx, 2);
        status = w_design_compile(ctx, parsed, table, &choice, out);
    }
    w_formula_free(parsed);
    if (status >= 0) {
        w_recovery_adapt(recovery, *out, &plan);
        status = check_design(ctx, *out, options, how, glm);
    }
    return status;
}

static weir_status compile_surely(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                  const weir_groups_options *how, const w_glm *glm, w_fit_recovery *recovery, w_design **out)
{
    w_source_traits traits;
    w_source_traits_of(table, &traits);
    weir_status status;
    do {
        w_design_free(*out);
        *out = NULL;
        status = compile(ctx, table, formula, options, how, glm, recovery, out);
    } while (status < 0 && !(traits.once && recovery->planned) && w_recover(ctx, W_RECOVER_FIT, status));
    return status;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int64_t block_bytes(const weir_groups *groups)
{
    const int64_t own = groups->generalised ? w_group_glm_block_bytes(groups->p) : 0;
    return w_add64(own, w_mul64(w_group_block_doubles(groups->p), 8) + W_BATCH * (int64_t)sizeof(w_group_stats));
}

/* What the pass and the solver take beside the sums in flight. */
static int64_t beside_bytes(const run *r, int workers)
{
    const w_design *design = r->groups->design;
    const int64_t p = r->groups->p;
    int64_t beside = w_add64(w_group_pass_bytes(design, workers), w_group_task_bytes(p, design->sp_count, workers));
    if (r->keep) { /* the search's parts, statistics and room for a block of each worker */
        beside = w_add64(beside, w_mul64(r->blocks, 8 * (2 + 3 * (int64_t)design->sp_count) + 1 + W_BATCH * (int64_t)sizeof(w_group_stats)));
        beside = w_add64(beside, w_mul64(workers, w_group_block_doubles(p) * 8));
    }
    return w_add64(beside, 65536 + w_mul64(r->blocks, 8));
}

/* How many blocks at a time: those that leave room for what is beside them. */
static weir_status choose_share(run *r)
{
    const int64_t p = r->groups->p, room = w_ledger_free_bytes(r->ctx), beside = beside_bytes(r, w_pool_workers(r->ctx));
    const int64_t usable = room == INT64_MAX ? INT64_MAX : (room - beside) / 10 * 9;
    w_recovery_state *state = &r->recovery->state;
    const bool together = r->keep && r->groups->generalised; /* the sums of all are searched after every pass */
    if (usable < block_bytes(r->groups) || (together && usable / block_bytes(r->groups) < r->blocks)) {
        char have[W_FORMAT_BYTES];
        state->groups = together ? (int)w_min64(INT_MAX, r->blocks * W_BATCH) : W_BATCH;
        return w_fail(r->ctx, WEIR_E_BUDGET, "memory budget of %s is too small for %lld groups of p = %lld columns",
                      w_format_bytes(have, r->ctx->ledger.budget), (long long)r->groups->groups, (long long)p);
    }
    const int64_t most = state->groups > 0 ? w_max64(1, state->groups / W_BATCH) : INT64_MAX;
    r->share = w_min64(w_min64(r->blocks, usable / block_bytes(r->groups)), together ? INT64_MAX : most);
    if (r->share < r->blocks) { /* equal shares */
        const int64_t passes = (r->blocks + r->share - 1) / r->share;
        r->share = (r->blocks + passes - 1) / passes;
    }
    state->groups = (int)w_min64(INT_MAX, r->share * W_BATCH);
    r->groups->in_flight = w_min64(r->groups->groups, r->share * W_BATCH);
    return WEIR_OK;
}

/* ---- sums and solutions ------------------------------------------------------------------------------------------ */

static weir_status read_block(void *arg, int64_t block, double *room, const double **out)
{
    const run *r = arg;
    const int64_t doubles = w_group_block_doubles(r->groups->p);
    if (!r->spool) {
        *out = r->pass.sums + block * doubles;
        return WEIR_OK;
    }
    *out = room;
    return w_spool_read(r->spool, r->spool_first + block * doubles * 8, room, doubles * 8);
}

typedef struct finishing {
    run *r;
    double *room; /* a block per worker; NULL: the share's sums are at hand */
} finishing;

static weir_status finish_task(void *arg, int64_t task, int worker)
{
    const finishing *f = arg;
    run *r = f->r;
    const int64_t doubles = w_group_block_doubles(r->groups->p), number = r->task.first_block + task;
    const double *block = r->pass.sums + task * doubles;
    weir_status status = WEIR_OK;
    if (f->room) {
        status = read_block(r, number, f->room + worker * doubles, &block);
    }
    return status < 0 ? status : w_group_finish(&r->task, block, number, worker, r->rho);
}

static weir_status finish_blocks(run *r, int64_t first, int64_t count)
{
    finishing f = { .r = r };
    const double begin = w_clock_seconds();
    r->task.first_block = first;
    r->task.stats = r->stats;
    if (r->rho) {
        w_group_task_at(&r->task, r->rho);
    }
    if (r->spool) {
        f.room = w_alloc_array(r->ctx, TAG, (size_t)(r->task.workers * w_group_block_doubles(r->groups->p)), sizeof *f.room);
        if (!f.room) {
            return w_alloc_status(r->ctx);
        }
    }
    weir_status status = w_pool_run(r->ctx, count, finish_task, &f);
    w_free(r->ctx, f.room);
    r->groups->seconds_solve += w_clock_seconds() - begin;
    return status;
}

static weir_status accumulate_share(run *r, int64_t first, int64_t count)
{
    const double begin = w_clock_seconds();
    r->pass.first_block = first;
    r->pass.block_count = count;
    r->pass.stats = r->stats + (r->keep ? first * W_BATCH : 0);
    weir_status status;
    if (r->glm) {
        status = w_group_glm_run(r->glm, r->groups->each && r->groups->estimated ? NULL : r->groups->rho, r->keep, &r->groups->passes);
        r->groups->status = status > 0 ? status : r->groups->status;
        r->groups->seconds_accumulate += w_clock_seconds() - begin;
        return status;
    }
    do { /* whole passes: no row counts twice */
        w_group_clear(&r->pass);
        status = w_group_accumulate(r->ctx, &r->pass);
    } while (status < 0 && w_recover(r->ctx, W_RECOVER_PASS, status));
    const int64_t bytes = count * w_group_block_doubles(r->groups->p) * 8;
    int64_t offset = 0;
    if (status >= 0 && r->spool) {
        status = w_spool_append(r->spool, r->pass.sums, bytes, &offset);
        r->spool_first = first == 0 ? offset : r->spool_first;
    }
    r->groups->passes++;
    r->groups->seconds_accumulate += w_clock_seconds() - begin;
    return status;
}

static weir_status run_shares(run *r)
{
    weir_status status = WEIR_OK;
    for (int64_t first = 0; status >= 0 && first < r->blocks; first += r->share) {
        const int64_t count = w_min64(r->share, r->blocks - first);
        status = accumulate_share(r, first, count);
        if (status >= 0 && !r->keep && !r->glm) {
            status = finish_blocks(r, first, count);
        }
    }
    return status;
}

static weir_status search_and_finish(run *r)
{
    const double begin = w_clock_seconds();
    r->task.stats = r->stats;
    weir_status status = w_group_search(&r->task, read_block, r, r->groups->rho);
    r->groups->seconds_solve += w_clock_seconds() - begin;
    r->rho = r->groups->rho;
    if (status >= 0) {
        r->groups->status = status;
        status = finish_blocks(r, 0, r->blocks);
    }
    return status;
}

static weir_status run_fit(run *r, const weir_fit_options *options)
{
    weir_groups *groups = r->groups;
    const w_design *design = groups->design;
    w_tile_request request = { .missing = options->missing, .training = true };
    r->keep = !groups->each && groups->estimated;
    r->blocks = w_group_blocks(groups->groups);
    for (int64_t j = 0; !groups->estimated && j < groups->sp_count * (groups->each ? groups->groups : 1); j++) {
        groups->rho[j] = log(design->sp_fixed[j % groups->sp_count]);
    }
    r->rho = groups->each && groups->estimated ? NULL : groups->rho;
    weir_status status = w_dense_rows_create(r->ctx, design, &r->rows);
    if (status >= 0) {
        status = choose_share(r);
    }
    if (status >= 0) {
        status = w_group_task_create(r->ctx, groups, options, &r->task);
    }
    if (status >= 0 && r->keep && r->share < r->blocks) {
        status = w_spool_create(r->ctx, &r->spool);
    }
    if (status >= 0) {
        r->pass = (w_group_pass){ .design = design, .rows = r->rows, .request = &request, .table = r->table };
        r->stats = w_calloc(r->ctx, TAG, (size_t)((r->keep ? r->blocks : r->share) * W_BATCH), sizeof *r->stats);
        r->pass.sums = w_alloc_array(r->ctx, TAG, w_mul_size((size_t)r->share, (size_t)w_group_block_doubles(groups->p)), sizeof(double));
        status = r->stats && r->pass.sums ? WEIR_OK : w_alloc_status(r->ctx);
    }
    if (status >= 0 && groups->generalised) {
        status = w_group_glm_create(r->ctx, &r->task, &r->pass, r->share, &r->glm);
    }
    w_progress_phase(r->ctx, "accumulate");
    if (status >= 0) {
        w_progress_expect(r->ctx, 1 + (int)((r->blocks + r->share - 1) / r->share));
        status = run_shares(r);
    }
    return status >= 0 && r->keep && !r->glm ? search_and_finish(r) : status;
}

static void run_close(run *r)
{
    w_group_glm_free(r->glm);
    w_group_task_free(&r->task);
    w_dense_rows_free(r->rows);
    if (r->spool) {
        w_spool_free(r->spool);
    }
    w_free(r->ctx, r->stats);
    w_free(r->ctx, r->pass.sums);
    *r = (run){ .ctx = r->ctx, .table = r->table, .groups = r->groups, .recovery = r->recovery, .family = r->family };
}

int64_t w_group_covariance_bytes(int64_t groups, int64_t p, int64_t room, const weir_groups_options *how)
{
    const int64_t bytes = w_mul64(w_mul64(groups, w_packed(p)), 8);
    const bool few = bytes <= MOST_COVARIANCE && bytes <= room / 8;
    return how->covariance > 0 || (how->covariance == 0 && few) ? bytes : 0;
}

/* The family, and room for covariances. */
static weir_status describe(run *r, const weir_fit_options *options, const weir_groups_options *how)
{
    weir_groups *groups = r->groups;
    groups->glm = r->family;
    groups->scale_known = r->family.family->scale_known || options->scale > 0;
    groups->generalised = r->family.family->kind != W_FAMILY_GAUSSIAN || r->family.link->kind != W_LINK_IDENTITY;
    if (groups->generalised) {
        groups->design->response_shift = 0.0; /* the linear predictor's zero matters */
    }
    const bool kept = w_group_covariance_bytes(groups->groups, groups->p, w_ledger_free_bytes(r->ctx), how) > 0;
    return kept ? w_groups_keep_covariance(groups) : WEIR_OK;
}

/* From the compiled design on, again with less where memory ran out. *design is taken over with the groups. */
static weir_status run_surely(run *r, w_design **design, const weir_fit_options *options, const weir_groups_options *how)
{
    weir_status status;
    r->recovery->state.groups = 0; /* not chosen yet */
    r->recovery->state.groups_least = W_BATCH;
    do {
        status = WEIR_OK;
        if (!r->groups) {
            status = w_groups_create(r->ctx, *design, how->each != 0, &r->groups);
            *design = status < 0 ? *design : NULL;
            status = status < 0 ? status : describe(r, options, how);
        }
        if (status >= 0) {
            r->groups->criterion = (int32_t)options->criterion;
            r->groups->estimated = has_free(r->groups->design);
            r->groups->passes = r->groups->iterations = 0;
            status = run_fit(r, options);
        }
        run_close(r);
    } while (status < 0 && w_recover(r->ctx, W_RECOVER_FIT, status));
    return status;
}

/* The budget that would do: of set-up, or of one thread with a block of groups in flight. */
static weir_status give_up(run *r, const char *formula, const weir_fit_options *options, const weir_groups_options *how, weir_status status)
{
    const weir_fit_options sketch = sketch_options(options, how);
    int64_t bytes = 0, flight = 0;
    if (!r->recovery->planned || (status != WEIR_E_MEMORY && status != WEIR_E_BUDGET)) {
        return status;
    }
    if (r->groups) {
        const w_design *design = r->groups->design;
        const w_scan_options least = { .window_bytes = r->recovery->state.window_least, .threads_hint = 1 };
        const int64_t p = r->groups->p;
        r->keep = !r->groups->each && r->groups->estimated;
        r->blocks = w_group_blocks(r->groups->groups);
        flight = w_add64(beside_bytes(r, 1), w_add64(w_mul64(r->keep && r->groups->generalised ? w_add64(r->blocks + 2, r->blocks / 9) : 3, block_bytes(r->groups)), w_plan_design_bytes(design)));
        flight = w_add64(flight, w_groups_bytes(r->groups->groups, p, design->sp_count, how->each != 0));
        flight = w_add64(flight, w_add64(w_source_bytes(r->table, &least), w_dense_rows_bytes(design)));
        w_groups_free(r->groups);
        r->groups = NULL;
    }
    if (w_recovery_least(r->recovery, formula, &sketch, &bytes) < 0) {
        return w_recovery_refuse(r->recovery, status, 0);
    }
    return w_recovery_refuse(r->recovery, status, w_max64(bytes, w_add64(flight, r->ctx->ledger.in_use)));
}

static void finish_summary(weir_ctx *ctx, weir_groups *groups, double start)
{
    weir_memory_info memory;
    weir_ctx_memory(ctx, &memory);
    groups->actual_bytes = memory.peak;
    groups->budget = memory.budget;
    for (int64_t g = 0; g < groups->groups; g++) {
        groups->criterion_sum += isfinite(groups->value[g]) ? groups->value[g] : 0.0;
        if (groups->state[g] == WEIR_GROUP_NOT_CONVERGED) {
            groups->status = WEIR_NOT_CONVERGED;
        }
    }
    for (int j = 0; !groups->each && j < groups->sp_count; j++) {
        groups->sp[j] = exp(groups->rho[j]);
    }
    groups->seconds_total = w_clock_seconds() - start;
}

weir_status w_fit_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                         const weir_groups_options *how, weir_groups **out)
{
    const double start = w_clock_seconds();
    w_design *design = NULL;
    w_fit_recovery recovery;
    run r = { .ctx = ctx, .table = table, .recovery = &recovery };
    w_ledger_reset_peak(ctx);
    w_recovery_begin(&recovery, ctx, table);
    weir_status status = w_group_check_options(ctx, options, how, &r.family);
    if (status >= 0) {
        status = compile_surely(ctx, table, formula, options, how, &r.family, &recovery, &design);
    }
    if (status >= 0) {
        status = run_surely(&r, &design, options, how);
    }
    w_design_free(design);
    if (status < 0) {
        status = give_up(&r, formula, options, how, status);
        w_groups_free(r.groups);
        w_recovery_end(&recovery, NULL);
        return status;
    }
    r.groups->recovery_count = w_recovery_list(&recovery, r.groups->recovery);
    w_recovery_end(&recovery, NULL);
    w_message_clear(ctx); /* remarks of single groups are in their states */
    finish_summary(ctx, r.groups, start);
    *out = r.groups;
    return r.groups->status == WEIR_NOT_CONVERGED
               ? w_remark(ctx, WEIR_NOT_CONVERGED, "smoothing parameters did not converge: the result is the last step of the search")
               : WEIR_OK;
}
