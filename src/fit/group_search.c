/* SPDX-License-Identifier: Apache-2.0 */
/* Shared smoothing parameters: rho minimises the sum over the groups of
 *   REML  2V_g = q/(gamma phi) + (n/gamma - M_p) log(2 pi phi) + M_p log gamma + log|H| - log|S|_+,   phi_g = q/(n - gamma M_p) or known,
 *         2V_g,j = b_j/(gamma phi) + tr(PV_j) - d_j log|S|_+
 *   GCV   V_g = n r/(n - gamma tau)^2,   r_j = 2 (S beta)'P V_j beta,   tau_j = -tr(PV_j) + tr(PSP V_j)
 * (fit/smoothing_criterion.c; every group has a scale of its own) by BFGS steps with exact gradients. Each evaluation is one walk
 * over the blocks, whose parts are added in their order: the result does not depend on threads.
 *
 * Groups that are rank deficient at the start, constant, or too small have no part in the choice. */
#include "fit/group.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/criterion.h"

#define TAG "group search"
#define TWO_PI 6.283185307179586476925
#define LONGEST_STEP 4.0
#define FARTHEST 30.0      /* from the start, in log lambda: e^30 either way is a limit */
#define DEFAULT_STEPS 100

typedef struct search {
    w_group_task *task;
    w_group_read_fn read;
    void *arg;
    int count;             /* sp_count */
    int64_t blocks;
    uint8_t *taking;       /* per block: lanes that take part */
    double *part;          /* per block: V, gradient */
    double *room;          /* per worker: one block */
    int64_t groups;        /* that take part */
    bool choosing;         /* this walk finds out who does */
    double *logdet_gradient;
} search;

static int64_t part_size(const search *s) { return 2 + 3 * (int64_t)s->count; }

/* Derivatives of one block's residual sums and traces: lanes x 1 each. */
typedef struct slopes {
    double pull[W_BATCH], trace[W_BATCH], rss[W_BATCH], edf[W_BATCH];
} slopes;

static void slope_of(const search *s, w_group_solution *at, int j, double lambda, slopes *out)
{
    const w_group_task *task = s->task;
    const w_batch_kernels *k = task->kernels;
    const int64_t p = task->groups->p, values = p * W_BATCH;
    double *image = at->vector, *pull = image + values, *direction = pull + values;
    k->times_shared(p, task->penalty[j], at->beta, image);
    k->dot(p, at->beta, image, out->pull);
    k->trace_shared(p, at->inverse, task->penalty[j], out->trace);
    if (task->groups->criterion == WEIR_GCV) {
        k->times_shared(p, task->total, at->beta, pull);
        k->solve(p, at->factor, at->scale, image, direction);
        k->dot(p, pull, direction, out->rss);
        k->trace_shared(p, at->spare, task->penalty[j], out->edf); /* of PSP */
    }
    for (int l = 0; l < W_BATCH; l++) {
        out->pull[l] *= lambda;
        out->trace[l] *= lambda;
        out->rss[l] *= 2.0 * lambda;
        out->edf[l] = lambda * out->edf[l] - out->trace[l];
    }
}

static void add_value(const search *s, const w_group_solution *at, int l, const w_group_stats *stats, double zz, double *part)
{
    const w_group_task *task = s->task;
    const double n = (double)stats->n, gamma = task->gamma, null = (double)task->null_dimension;
    if (task->groups->criterion == WEIR_GCV) {
        const double rest = n - gamma * at->edf[l];
        part[0] += rest > 0 ? n * at->rss[l] / (rest * rest) : INFINITY;
        return;
    }
    const double q = fmax(at->rss[l] + at->pull[l], fmax(zz * DBL_EPSILON * DBL_EPSILON, 1e-280));
    const double phi = task->known_scale > 0 ? task->known_scale : q / (n - gamma * null);
    part[0] += 0.5 * (q / (gamma * phi) + (n / gamma - null) * log(TWO_PI * phi) + null * log(gamma) + at->log_det[l] -
                      stats->log_weight / gamma);
}

static void add_slope(const search *s, const w_group_solution *at, int l, const w_group_stats *stats, double zz, const slopes *d,
                      double *out)
{
    const w_group_task *task = s->task;
    const double n = (double)stats->n, gamma = task->gamma, null = (double)task->null_dimension;
    if (task->groups->criterion == WEIR_GCV) {
        const double rest = n - gamma * at->edf[l];
        *out += n / (rest * rest) * d->rss[l] + 2.0 * gamma * n * at->rss[l] / (rest * rest * rest) * d->edf[l];
        return;
    }
    const double q = fmax(at->rss[l] + at->pull[l], fmax(zz * DBL_EPSILON * DBL_EPSILON, 1e-280));
    const double phi = task->known_scale > 0 ? task->known_scale : q / (n - gamma * null);
    *out += 0.5 * (d->pull[l] / (gamma * phi) + d->trace[l]);
}

typedef struct walk {
    search *search;
    const double *rho;
} walk;

static bool may_take_part(const w_group_task *task, const w_group_stats *stats)
{
    return w_group_counts(task, stats) && stats->least < stats->most;
}

static weir_status block_task(void *arg, int64_t number, int worker)
{
    const walk *w = arg;
    search *s = w->search;
    const w_group_task *task = s->task;
    const int64_t p = task->groups->p;
    const double *block;
    double *part = s->part + number * part_size(s);
    weir_status status = s->read(s->arg, number, s->room + worker * w_group_block_doubles(p), &block);
    if (status < 0) {
        return status;
    }
    w_group_solution at;
    memset(part, 0, (size_t)part_size(s) * sizeof *part);
    w_group_solve(task, block, worker, &at);
    const double *zz = block + (w_packed(p) + p) * W_BATCH;
    const w_group_stats *stats = task->stats + number * W_BATCH;
    for (int l = 0; l < W_BATCH; l++) {
        const bool sound = isfinite(at.log_det[l]);
        if (s->choosing) {
            const bool left_out = task->skip && task->skip[number * W_BATCH + l];
            const bool takes = number * W_BATCH + l < task->groups->groups && sound && !left_out && may_take_part(task, &stats[l]);
            s->taking[number] = (uint8_t)(s->taking[number] | (takes ? 1u << l : 0u));
            for (int j = 0; takes && j < s->count; j++) { /* tr A over the columns of penalty j, for the start */
                for (int64_t i = 0; i < p; i++) {
                    const bool penalised = task->penalty[j][w_packed(i) + i] > 0;
                    part[2 + 2 * s->count + j] += penalised ? block[(w_packed(i) + i) * W_BATCH + l] : 0.0;
                }
            }
        } else if ((s->taking[number] >> l & 1) != 0 && !sound) {
            part[0] = INFINITY;
        }
        if ((s->taking[number] >> l & 1) != 0) {
            part[1] += 1;
            add_value(s, &at, l, &stats[l], zz[l], part);
        }
    }
    if (task->groups->criterion == WEIR_GCV) {
        task->kernels->sandwich(p, at.inverse, task->total, at.spare, at.vector);
    }
    for (int j = 0; j < s->count; j++) {
        slopes d = { { 0 }, { 0 }, { 0 }, { 0 } };
        slope_of(s, &at, j, exp(w->rho[j]), &d);
        for (int l = 0; l < W_BATCH; l++) {
            if ((s->taking[number] >> l & 1) != 0) {
                add_slope(s, &at, l, &stats[l], zz[l], &d, &part[2 + j]);
            }
        }
    }
    return WEIR_OK;
}

/* V and its gradient (count) at rho; +infinity where it does not exist. */
static weir_status evaluate(search *s, const double *rho, double *value, double *gradient)
{
    walk w = { s, rho };
    w_group_task_at(s->task, rho);
    weir_status status = w_pool_run(s->task->groups->ctx, s->blocks, block_task, &w);
    *value = 0;
    memset(gradient, 0, (size_t)s->count * sizeof *gradient);
    s->groups = 0;
    for (int64_t b = 0; status >= 0 && b < s->blocks; b++) {
        const double *part = s->part + b * part_size(s);
        *value += part[0];
        s->groups += (int64_t)part[1];
        for (int j = 0; j < s->count; j++) {
            gradient[j] += part[2 + j];
        }
    }
    if (status >= 0 && s->task->groups->criterion == WEIR_REML) {
        const double half = 0.5 * (double)s->groups;
        *value -= half * w_criterion_penalty_logdet(s->task->groups->design, NULL, rho, s->logdet_gradient, NULL);
        for (int j = 0; j < s->count; j++) {
            gradient[j] -= half * s->logdet_gradient[j];
        }
    }
    *value = isfinite(*value) ? *value : INFINITY;
    w_progress_criterion(s->task->groups->ctx, *value);
    return status;
}

/* ---- the iteration ----------------------------------------------------------------------------------------------- */

typedef struct point {
    double value, *rho, *gradient;
} point;

static bool is_free(const search *s, int j) { return isnan(s->task->groups->design->sp_fixed[j]); }

static double steepest(const search *s, const point *at)
{
    double most = 0;
    for (int j = 0; j < s->count; j++) {
        most = is_free(s, j) ? fmax(most, fabs(at->gradient[j])) : most;
    }
    return most;
}

/* The unit in which slopes are small: a group's worth of the criterion. */
static double unit(const search *s, double value)
{
    return s->task->groups->criterion == WEIR_GCV ? fabs(value) : (double)s->groups;
}

/* direction = -B gradient, turned into steepest descent where it does not go down; no component above LONGEST_STEP. */
static void choose_direction(const search *s, const point *at, double *inverse, double *direction)
{
    const int m = s->count;
    for (int attempt = 0; attempt < 2; attempt++) {
        double slope = 0, longest = 0;
        for (int i = 0; i < m; i++) {
            direction[i] = 0;
            for (int j = 0; j < m && is_free(s, i); j++) {
                direction[i] -= is_free(s, j) ? inverse[i * m + j] * at->gradient[j] : 0.0;
            }
            slope += direction[i] * at->gradient[i];
            longest = fmax(longest, fabs(direction[i]));
        }
        for (int i = 0; longest > LONGEST_STEP && i < m; i++) {
            direction[i] *= LONGEST_STEP / longest;
        }
        if (slope < 0) {
            return;
        }
        for (int i = 0; i < m * m; i++) {
            inverse[i] = i % (m + 1) == 0 ? 1.0 / unit(s, at->value) : 0.0;
        }
    }
}

/* B <- (I - rho s y')B(I - rho y s') + rho s s', rho = 1/(s'y), where the slope grew. */
static void update(const search *s, const point *from, const point *to, double *inverse, double *image)
{
    const int m = s->count;
    double along = 0, curvature = 0;
    for (int i = 0; i < m; i++) {
        image[i] = 0;
        for (int j = 0; j < m; j++) {
            image[i] += inverse[i * m + j] * (is_free(s, j) ? to->gradient[j] - from->gradient[j] : 0.0);
        }
    }
    for (int i = 0; i < m; i++) {
        const double y = is_free(s, i) ? to->gradient[i] - from->gradient[i] : 0.0;
        along += (to->rho[i] > -INFINITY ? to->rho[i] - from->rho[i] : 0.0) * y;
        curvature += image[i] * y;
    }
    if (!(along > 1e-14 * unit(s, to->value))) {
        return;
    }
    for (int i = 0; i < m; i++) {
        const double si = is_free(s, i) ? to->rho[i] - from->rho[i] : 0.0;
        for (int j = 0; j < m; j++) {
            const double sj = is_free(s, j) ? to->rho[j] - from->rho[j] : 0.0;
            inverse[i * m + j] += (1.0 + curvature / along) * si * sj / along - (image[i] * sj + si * image[j]) / along;
        }
    }
}

static weir_status line_search(search *s, const point *from, const double *origin, const double *direction, point *to, bool *moved)
{
    double step = 1.0, slope = 0;
    for (int j = 0; j < s->count; j++) {
        slope += direction[j] * from->gradient[j];
    }
    *moved = false;
    for (int halving = 0; halving < 30 && !*moved; halving++, step *= 0.5) {
        for (int j = 0; j < s->count; j++) {
            const double rho = from->rho[j] + step * direction[j];
            to->rho[j] = !is_free(s, j) ? from->rho[j] : fmin(fmax(rho, origin[j] - FARTHEST), origin[j] + FARTHEST);
        }
        weir_status status = evaluate(s, to->rho, &to->value, to->gradient);
        if (status < 0) {
            return status;
        }
        /* Where values differ by rounding alone the slopes decide. */
        const double gain = -step * slope;
        *moved = gain > 1e-9 * fabs(from->value)
                     ? to->value <= from->value - 1e-4 * gain
                     : to->value <= from->value + 1e-10 * fabs(from->value) && steepest(s, to) < 0.5 * steepest(s, from);
    }
    return WEIR_OK;
}

static weir_status iterate(search *s, point *now, point *next, const double *origin, double *work, int *steps, bool *converged)
{
    const int m = s->count, limit = s->task->options->max_iterations > 0 ? s->task->options->max_iterations : DEFAULT_STEPS;
    double *inverse = work, *direction = work + m * m, *image = direction + m;
    for (int i = 0; i < m * m; i++) {
        inverse[i] = i % (m + 1) == 0 ? 1.0 / unit(s, now->value) : 0.0;
    }
    weir_status status = WEIR_OK;
    bool moved = true;
    *converged = steepest(s, now) <= 1e-9 * unit(s, now->value);
    for (*steps = 0; status >= 0 && !*converged && moved && *steps < limit; ++*steps) {
        choose_direction(s, now, inverse, direction);
        status = line_search(s, now, origin, direction, next, &moved);
        if (status >= 0 && moved) {
            update(s, now, next, inverse, image);
            const point last = *now;
            *now = *next;
            *next = last;
            *converged = steepest(s, now) <= 1e-9 * unit(s, now->value);
        }
    }
    /* No better point in sight: what is left of the slope is rounding, unless it is large. */
    *converged = *converged || steepest(s, now) <= 1e-6 * unit(s, now->value);
    return status;
}

/* Where data and penalty weigh alike: log(tr A / tr S), means over the groups. */
static weir_status find_start(search *s, point *now, double *origin)
{
    const w_design *design = s->task->groups->design;
    const int64_t p = s->task->groups->p;
    for (int j = 0; j < s->count; j++) {
        now->rho[j] = is_free(s, j) ? 0.0 : log(design->sp_fixed[j]);
    }
    s->choosing = true;
    weir_status status = evaluate(s, now->rho, &now->value, now->gradient);
    s->choosing = false;
    for (int j = 0; status >= 0 && j < s->count; j++) {
        double data = 0, penalty = 0;
        for (int64_t b = 0; b < s->blocks; b++) {
            data += s->part[b * part_size(s) + 2 + 2 * s->count + j];
        }
        for (int64_t i = 0; i < p; i++) {
            penalty += s->task->penalty[j][w_packed(i) + i];
        }
        origin[j] = is_free(s, j) && data > 0 && s->groups > 0 ? log(data / (double)s->groups / penalty) : now->rho[j];
    }
    if (status >= 0 && s->groups == 0) {
        return w_fail(s->task->groups->ctx, WEIR_E_DATA, "no group has rows enough, of full rank and with responses that differ, to "
                      "choose smoothing parameters: give --sp");
    }
    if (status >= 0) {
        memcpy(now->rho, origin, (size_t)s->count * sizeof *origin);
        status = evaluate(s, now->rho, &now->value, now->gradient);
    }
    return status;
}

weir_status w_group_search(w_group_task *task, w_group_read_fn read, void *arg, double *rho)
{
    weir_groups *out = task->groups;
    weir_ctx *ctx = out->ctx;
    const size_t m = (size_t)out->sp_count;
    search s = { .task = task, .read = read, .arg = arg, .count = out->sp_count, .blocks = w_group_blocks(out->groups) };
    double *work = w_calloc(ctx, TAG, m * m + 8 * m + 1, sizeof *work);
    s.taking = w_calloc(ctx, TAG, (size_t)s.blocks, 1);
    s.part = w_calloc(ctx, TAG, w_mul_size((size_t)s.blocks, (size_t)part_size(&s)), sizeof *s.part);
    s.room = w_alloc_array(ctx, TAG, w_mul_size((size_t)task->workers, (size_t)w_group_block_doubles(out->p)), sizeof *s.room);
    weir_status status = work && s.taking && s.part && s.room ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        double *vector = work + m * m + 2 * m;
        point now = { .rho = vector, .gradient = vector + m }, next = { .rho = vector + 2 * m, .gradient = vector + 3 * m };
        double *origin = vector + 4 * m;
        bool converged = false;
        s.logdet_gradient = vector + 5 * m;
        status = find_start(&s, &now, origin);
        if (status >= 0) {
            status = iterate(&s, &now, &next, origin, work, &out->iterations, &converged);
        }
        if (status >= 0) {
            memcpy(rho, now.rho, m * sizeof *rho);
            if (!converged) {
                status = w_remark(ctx, WEIR_NOT_CONVERGED, "the search for shared smoothing parameters stopped after %d steps with a "
                                  "gradient of %.2g: the result is its last step", (int)out->iterations, steepest(&s, &now));
            }
        }
    }
    w_free(ctx, work);
    w_free(ctx, s.taking);
    w_free(ctx, s.part);
    w_free(ctx, s.room);
    return status;
}
