/* SPDX-License-Identifier: Apache-2.0 */
/* Penalised iteratively re-weighted least squares of many groups at once. A round is one pass over the rows of the groups that still
 * move: with eta = X beta_g + offset, working weights w and responses z (Fisher: model/family.h),
 *     C_g = X'WX, X'Wz, z'Wz,    D_g = sum omega d(y, mu),
 * and then, for each group on its own,
 *     D_g + beta'S beta has not risen      take beta; the next trial is the solution of its working model
 *     it has, or eta left its range        the next trial is half-way back
 *     it stands still                      the group is done: its rows are passed over from now on, its last sums stay
 * Smoothing parameters: fixed; of each group by the criterion of its working model at every step; shared: the sum of the criteria of
 * all working models is minimised after each pass, and no group is done before all are (as in Wood, Goude & Shaw 2015).
 *
 * The first pass is at the family's start and finds the means, the second finds the deviances about them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "fit/group.h"
#include "fit/pirls.h"

#define TAG "group models"
#define PASSES 60
#define HALVINGS 12
#define RISE 1e-7
#define STILL 1e-10        /* change of the penalised deviance at which a group is done … */
#define STILL_SHARED 1e-8  /* … while lambda moves */
#define NO_SPREAD 1e-14    /* null deviance per row below which all responses are equal: rounding leaves some 1e-16 */

typedef enum progress {
    MOVING, HALVING, STANDING, DONE
} progress;

typedef struct one {
    uint8_t progress;
    bool accepted;             /* some step was */
    bool lost;                 /* no halving helped */
    bool constant;
    int halvings;
    double deviance, null_deviance, mean, fletcher;
} one;

struct w_group_glm {
    weir_ctx *ctx;
    w_group_task *task;
    w_group_pass *pass;
    const w_glm *glm;
    int64_t p, room;           /* groups there is room for */
    int64_t first, count;      /* of this pass */
    double *beta, *trial;      /* room x p */
    one *one;
    uint8_t *skip;             /* passed over */
    uint8_t *out;              /* not solved in this round */
    const double *rho;
    int round;
    bool shared;
    weir_status found;         /* of the last search for shared parameters */
    char response[256];
};

int64_t w_group_glm_block_bytes(int64_t p)
{
    return w_mul64(W_BATCH, w_add64(w_mul64(16, p), (int64_t)sizeof(one) + 2));
}

weir_status w_group_glm_create(weir_ctx *ctx, w_group_task *task, w_group_pass *pass, int64_t blocks, w_group_glm **out)
{
    const weir_groups *groups = task->groups;
    w_group_glm *g = w_calloc(ctx, TAG, 1, sizeof *g);
    if (!g) {
        return w_alloc_status(ctx);
    }
    *g = (w_group_glm){ .ctx = ctx, .task = task, .pass = pass, .glm = &groups->glm, .p = groups->p, .room = blocks * W_BATCH };
    const size_t room = (size_t)g->room, p = (size_t)g->p;
    g->beta = w_alloc_array(ctx, TAG, w_mul_size(room, p), sizeof *g->beta);
    g->trial = w_alloc_array(ctx, TAG, w_mul_size(room, p), sizeof *g->trial);
    g->one = w_alloc_array(ctx, TAG, room, sizeof *g->one);
    g->skip = w_alloc_array(ctx, TAG, room, 1);
    g->out = w_alloc_array(ctx, TAG, room, 1);
    if (!g->beta || !g->trial || !g->one || !g->skip || !g->out) {
        w_group_glm_free(g);
        return w_alloc_status(ctx);
    }
    snprintf(g->response, sizeof g->response, "%.100s: response '%.100s'", w_source_label(pass->table), groups->design->response_label);
    *out = g;
    return WEIR_OK;
}

void w_group_glm_free(w_group_glm *g)
{
    if (g) {
        void *block[] = { g->beta, g->trial, g->one, g->skip, g->out };
        for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
            w_free(g->ctx, block[i]);
        }
        w_free(g->ctx, g);
    }
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Four partial sums. */
static double linear_predictor(int64_t p, const double *x, const double *beta)
{
    double sum[4] = { 0, 0, 0, 0 };
    int64_t j = 0;
    for (; j + 4 <= p; j += 4) {
        for (int k = 0; k < 4; k++) {
            sum[k] += x[j + k] * beta[j + k];
        }
    }
    for (; j < p; j++) {
        sum[0] += x[j] * beta[j];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

typedef struct chunk {
    double eta[W_FAMILY_CHUNK], prior[W_FAMILY_CHUNK], mu[W_FAMILY_CHUNK], dev[W_FAMILY_CHUNK], mean[W_FAMILY_CHUNK];
    double v[3][W_FAMILY_CHUNK];
} chunk;

/* Rows outside the range of link or family have an infinite deviance: their group goes back. */
static void mark_invalid(const w_group_glm *g, int64_t count, const w_glm_rows *rows, double *value)
{
    for (int64_t i = 0; i < count; i++) {
        double mu, w, z, dev;
        w_glm_total total;
        const w_glm_rows single = { .rows = 1, .eta = rows->eta + i, .y = rows->y + i, .prior = rows->prior + i, .mu = &mu, .w = &w,
                                    .z = &z, .dev = &dev };
        w_family_rows(g->glm, &single, &total);
        if (total.invalid > 0) {
            value[i * W_ROW_VALUES] = INFINITY;
        }
    }
}

static void put_second(const w_group_glm *g, int64_t count, const w_glm_rows *rows, chunk *c, double *value)
{
    if (g->round == 1) { /* about the mean */
        g->glm->family->deviance(w_elementary_find(w_isa_best()), g->glm, count, rows->y, c->mean, c->v[0]);
    } else if (!g->glm->family->scale_known) { /* Fletcher's sum */
        g->glm->family->variance(g->glm, count, c->mu, c->v[0], c->v[1], c->v[2]);
    }
    for (int64_t i = 0; i < count; i++) {
        double second = 0;
        if (rows->prior[i] > 0) {
            second = g->round == 1                     ? rows->prior[i] * c->v[0][i]
                     : !g->glm->family->scale_known ? c->v[1][i] * (rows->y[i] - c->mu[i]) / c->v[0][i]
                                                    : 0.0;
        }
        value[i * W_ROW_VALUES + 1] = second;
    }
}

static weir_status working_rows(void *arg, const w_tile *tile, int64_t start, int64_t count, const double *x, double *weight, double *z,
                                double *value)
{
    const w_group_glm *g = arg;
    const int64_t stride = w_dense_rows_stride(g->task->groups->design);
    const double *y = tile->response + start, *offset = tile->offset + start;
    chunk c;
    if (g->round == 0) {
        int64_t fractional = 0;
        weir_status status = w_family_check(g->ctx, g->glm, g->response, count, y, tile->weight + start, tile->first_row + start + 1,
                                            &fractional);
        if (status < 0) {
            return status;
        }
        w_family_start(g->glm, count, y, tile->weight + start, c.eta);
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t group = tile->series[start + i] - g->first;
        const bool here = group >= 0 && group < g->count && !g->skip[group];
        c.prior[i] = here ? tile->weight[start + i] : 0.0;
        c.mean[i] = here ? g->one[group].mean : 0.5;
        if (g->round > 0) {
            c.eta[i] = here && c.prior[i] > 0 ? linear_predictor(g->p, x + i * stride, g->trial + group * g->p) + offset[i] : 0.0;
        }
    }
    const w_glm_rows rows = { .rows = count, .eta = c.eta, .y = y, .prior = c.prior, .mu = c.mu, .w = weight, .z = z, .dev = c.dev };
    w_glm_total total;
    w_family_rows(g->glm, &rows, &total);
    for (int64_t i = 0; i < count; i++) {
        z[i] -= offset[i];
        value[i * W_ROW_VALUES] = g->round == 0 ? (c.prior[i] > 0 ? c.prior[i] * y[i] : 0.0) : c.dev[i];
        value[i * W_ROW_VALUES + 1] = c.prior[i];
    }
    if (g->round > 0) {
        put_second(g, count, &rows, &c, value);
    }
    if (g->round > 0 && total.invalid > 0) {
        mark_invalid(g, count, &rows, value);
    }
    return WEIR_OK;
}

/* ---- one group --------------------------------------------------------------------------------------------------- */

static double penalty(const w_group_glm *g, int64_t i, const double *beta)
{
    const weir_groups *groups = g->task->groups;
    const double *rho = g->rho ? g->rho : groups->rho + (groups->each ? (g->first + i) * groups->sp_count : 0);
    return groups->sp_count > 0 ? w_pirls_penalty(groups->design, beta, rho) : 0.0;
}

/* Means, and the null model to go back to. */
static void begin(w_group_glm *g, int64_t i)
{
    const w_group_stats *stats = &g->pass->stats[i];
    const w_design *design = g->task->groups->design;
    one *o = &g->one[i];
    double *beta = g->beta + i * g->p;
    memset(beta, 0, (size_t)g->p * sizeof *beta);
    o->mean = stats->value[0] / stats->value[1];
    if (stats->n == 0 || !w_group_counts(g->task, stats)) {
        o->progress = DONE;
        return;
    }
    if (design->intercept_column >= 0) {
        const double eta = g->glm->link->link(g->glm->power, o->mean);
        beta[design->intercept_column] = isfinite(eta) ? eta : 0.0;
    }
    o->progress = MOVING;
}

static void go_back(w_group_glm *g, int64_t i)
{
    one *o = &g->one[i];
    double *beta = g->beta + i * g->p, *trial = g->trial + i * g->p;
    o->progress = HALVING;
    o->lost |= ++o->halvings > HALVINGS;
    for (int64_t j = 0; j < g->p; j++) {
        trial[j] = o->lost ? beta[j] : 0.5 * (trial[j] + beta[j]);
    }
}

static void judge(w_group_glm *g, int64_t i)
{
    const w_group_stats *stats = &g->pass->stats[i];
    const w_design *design = g->task->groups->design;
    one *o = &g->one[i];
    double *beta = g->beta + i * g->p, *trial = g->trial + i * g->p;
    if (g->round == 1) {
        o->null_deviance = design->offset_count > 0 ? NAN : stats->value[1];
        const bool end = o->mean <= g->glm->family->mu_low || o->mean >= g->glm->family->mu_high;
        o->constant = design->intercept_column >= 0 && design->offset_count == 0 &&
                      (end || o->null_deviance <= NO_SPREAD * (double)stats->n * (1.0 + fabs(o->mean)));
        if (o->constant) {
            o->progress = DONE;
            return;
        }
    }
    const double now = stats->value[0] + penalty(g, i, trial);
    const double before = o->accepted ? o->deviance + penalty(g, i, beta) : INFINITY, size = 0.1 + fabs(now);
    const bool still = fabs(now - before) < (g->shared ? STILL_SHARED : STILL) * size;
    if (!isfinite(now) || !(still || o->lost || now <= before + RISE * (0.1 + fabs(before)))) {
        if (o->lost && !o->accepted) { /* not even the null model serves */
            o->progress = DONE;
            return;
        }
        go_back(g, i);
        return;
    }
    memcpy(beta, trial, (size_t)g->p * sizeof *beta);
    o->deviance = stats->value[0];
    o->fletcher = stats->value[1];
    o->halvings = 0;
    o->progress = g->round > 1 && o->accepted && (still || o->lost) ? (g->shared ? STANDING : DONE) : MOVING;
    o->accepted = true;
}

/* ---- rounds ------------------------------------------------------------------------------------------------------ */

static weir_status solve_task(void *arg, int64_t task, int worker)
{
    w_group_glm *g = arg;
    const int64_t number = g->pass->first_block + task, doubles = w_group_block_doubles(g->p);
    weir_status status = w_group_finish(g->task, g->pass->sums + task * doubles, number, worker, g->rho);
    const weir_groups *groups = g->task->groups;
    for (int64_t i = task * W_BATCH; status >= 0 && i < (task + 1) * W_BATCH && i < g->count; i++) {
        if (g->out[i]) {
            continue;
        }
        const int64_t state = groups->state[g->first + i];
        if (state == WEIR_GROUP_FEW_ROWS || state == WEIR_GROUP_FAILED) {
            g->one[i].progress = DONE;
            g->one[i].lost = state == WEIR_GROUP_FAILED;
        } else {
            memcpy(g->trial + i * g->p, groups->beta + (g->first + i) * g->p, (size_t)g->p * sizeof(double));
        }
    }
    return status;
}

static weir_status read_sums(void *arg, int64_t block, double *room, const double **out)
{
    const w_group_glm *g = arg;
    (void)room;
    *out = g->pass->sums + block * w_group_block_doubles(g->p);
    return WEIR_OK;
}

/* Groups that take part in this round's solutions: those whose sums are at an accepted beta. */
static weir_status solve_round(w_group_glm *g, double *rho, bool last)
{
    int64_t taking = 0;
    for (int64_t i = 0; i < g->room; i++) {
        const bool done = i >= g->count || g->one[i].progress == DONE;
        g->out[i] = done ? !last || i >= g->count : g->one[i].progress == HALVING;
        g->out[i] |= i < g->count && last && (g->one[i].constant || !g->one[i].accepted);
        taking += !g->out[i];
    }
    g->task->skip = g->out;
    g->task->stats = g->pass->stats;
    g->task->first_block = g->pass->first_block;
    weir_status status = WEIR_OK;
    if (g->shared && !last && taking > 0) {
        status = w_group_search(g->task, read_sums, g, rho);
        g->found = status;
    }
    if (status >= 0 && g->rho) {
        w_group_task_at(g->task, g->rho);
    }
    if (status >= 0) {
        status = w_pool_run(g->ctx, g->pass->block_count, solve_task, g);
    }
    g->task->skip = NULL;
    return status;
}

static weir_status make_pass(w_group_glm *g)
{
    for (int64_t i = 0; i < g->count; i++) {
        g->skip[i] = g->one[i].progress == DONE;
        if (!g->skip[i]) {
            w_group_clear_one(g->pass, i);
        }
    }
    return w_group_accumulate(g->ctx, g->pass);
}

static int64_t judge_all(w_group_glm *g)
{
    int64_t moving = 0;
    bool standing = g->shared;
    for (int64_t i = 0; i < g->count; i++) {
        if (g->one[i].progress != DONE) {
            g->round == 0 ? begin(g, i) : judge(g, i);
        }
        standing &= g->one[i].progress == STANDING || g->one[i].progress == DONE;
    }
    for (int64_t i = 0; i < g->count; i++) {
        g->one[i].progress = standing ? DONE : g->one[i].progress;
        moving += g->one[i].progress != DONE;
    }
    return moving;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void put_constant(const w_group_glm *g, int64_t i)
{
    weir_groups *out = g->task->groups;
    const int64_t group = g->first + i, intercept = out->design->intercept_column;
    const double eta = g->glm->link->link(g->glm->power, g->one[i].mean);
    for (int64_t j = 0; j < g->p; j++) {
        out->beta[group * g->p + j] = !isfinite(eta) ? NAN : j == intercept ? eta : 0.0;
        out->se[group * g->p + j] = isfinite(eta) ? 0.0 : NAN;
    }
    out->n[group] = g->pass->stats[i].n;
    out->state[group] = WEIR_GROUP_CONSTANT;
    out->deviance[group] = out->null_deviance[group] = 0.0;
    out->edf[group] = (double)g->task->null_dimension;
    out->scale[group] = g->task->known_scale;
    out->value[group] = NAN;
}

/* What the working model's account is replaced by. */
static void put_result(const w_group_glm *g, int64_t i)
{
    weir_groups *out = g->task->groups;
    const one *o = &g->one[i];
    const int64_t group = g->first + i;
    if (o->constant) {
        put_constant(g, i);
        return;
    }
    if (!o->accepted) { /* too few rows, or no coefficients with a finite deviance */
        const bool few = !w_group_counts(g->task, &g->pass->stats[i]);
        w_group_not_fitted(out, group, &g->pass->stats[i], few ? WEIR_GROUP_FEW_ROWS : WEIR_GROUP_FAILED);
        return;
    }
    if (out->state[group] == WEIR_GROUP_FAILED) {
        return;
    }
    out->deviance[group] = o->deviance;
    out->null_deviance[group] = o->null_deviance;
    if (g->task->known_scale <= 0) {
        const double bias = fmax(o->fletcher / (double)g->pass->stats[i].n, -0.9), root = sqrt(1.0 / (1.0 + bias));
        out->scale[group] *= root * root;
        for (int64_t j = 0; j < g->p; j++) {
            out->se[group * g->p + j] *= root;
        }
    }
    if (o->lost) {
        memcpy(out->beta + group * g->p, g->beta + i * g->p, (size_t)g->p * sizeof(double));
        out->state[group] = WEIR_GROUP_NOT_CONVERGED;
    }
}

weir_status w_group_glm_run(w_group_glm *g, double *rho, bool shared, int32_t *passes)
{
    weir_groups *out = g->task->groups;
    g->first = g->pass->first_block * W_BATCH;
    g->count = w_min64(g->pass->block_count * W_BATCH, out->groups - g->first);
    g->shared = shared;
    g->rho = rho;
    g->pass->working = working_rows;
    g->pass->working_arg = g;
    g->pass->skip = g->skip;
    memset(g->one, 0, (size_t)g->room * sizeof *g->one);
    memset(g->skip, 1, (size_t)g->room);
    weir_status status = WEIR_OK;
    int64_t moving = g->count;
    for (g->round = 0; status >= 0 && moving > 0 && g->round < PASSES; g->round++) {
        status = make_pass(g);
        ++*passes;
        moving = status >= 0 ? judge_all(g) : 0;
        if (status >= 0 && moving > 0) {
            status = solve_round(g, rho, false);
        }
    }
    if (status >= 0) {
        for (int64_t i = 0; i < g->count; i++) { /* the last pass was elsewhere */
            g->one[i].lost |= g->one[i].progress != DONE;
        }
        status = solve_round(g, rho, true);
    }
    for (int64_t i = 0; status >= 0 && i < g->count; i++) {
        put_result(g, i);
    }
    return status < 0 ? status : shared ? g->found : WEIR_OK;
}
