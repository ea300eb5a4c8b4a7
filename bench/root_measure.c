/* SPDX-License-Identifier: Apache-2.0 */
/* Seconds are the least of all trials, errors their median and ninetieth percentile. A side three times slower than the quickest one is run in the
 * first trial alone. Errors are relative, in the Frobenius norm: of float64 against the known root, of float32 against the root of
 * the matrix as rounded, by eigenvalues in float64. A failure is a refusal, or an answer without its tolerance; a silent one is an
 * answer whose error is above its bound, or above the tolerance with the status OK. */
#include "root_measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/root_peers.h"

enum { SIDES_MAX = 12, TRIALS_MAX = 32 };

typedef enum what { WEIR, EIGEN_N, EIGEN_1, NEWTON, SEED } what;

typedef struct side {
    what what;
    char name[24];
    root_variant variant;
    weir_ctx *ctx;
    weir_root_workspace *workspace;
    weir_root_stats stats;
    double seconds, prepare, apply, errors[TRIALS_MAX];
    int runs, failures, silent, chosen;
    bool dropped;
} side;

typedef struct bed {
    const root_cell *cell;
    root_known known;
    root_peers peers;
    bool with_peers;
    int64_t in, a_rows, a_cols;
    void *a, *b, *z; /* in the cell's type */
    double *wide_b, *reference, *result;
    double tolerance;
    bool referenced;
    side sides[SIDES_MAX];
    int count;
} bed;

void root_cell_name(const root_cell *c, char *name, size_t bytes)
{
    static const char *const kinds[] = {"spd", "nonspd", "gram", "dual"};
    char rows[24] = "";
    if (c->rows != c->n)
        snprintf(rows, sizeof rows, " m=%lld", (long long)c->rows);
    snprintf(name, bytes, "%s p=%d%s n=%lld k=%lld cond=1e%d %s", kinds[c->kind], c->p, rows, (long long)c->n, (long long)c->k,
             (int)lround(log10(c->condition)), c->single ? "f32" : "f64");
}

static side *add(bed *d, what what, const char *name, weir_ctx *ctx, int32_t route)
{
    side *s = &d->sides[d->count++];
    *s = (side){.what = what, .ctx = ctx, .variant = {.route = route, .reuse = 1}, .seconds = INFINITY};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void list_sides(bed *d, const root_measure *how)
{
    static const int32_t roots[] = {WEIR_ROOT_EIGEN, WEIR_ROOT_BAND, WEIR_ROOT_POLES, WEIR_ROOT_COUPLED, WEIR_ROOT_CHEBYSHEV};
    static const int32_t inverses[] = {WEIR_ROOT_CHOLESKY, WEIR_ROOT_EIGEN, WEIR_ROOT_COUPLED};
    const root_cell *c = d->cell;
    for (int i = 0; how->ab && i < 2; i++)
        add(d, WEIR, i ? "b" : "a", how->ab_ctx[i], how->ab[i].route)->variant = how->ab[i];
    if (how->ab)
        return;
    add(d, WEIR, "auto", how->ctx, WEIR_ROOT_AUTO);
    const bool general = c->kind == ROOT_GENERAL, wide = c->kind == ROOT_GRAM;
    const int32_t *routes = c->p == 1 ? inverses : roots;
    const int count = general || wide ? 0 : c->p == 1 ? 3 : 5;
    for (int i = 0; i < count; i++)
        if (routes[i] != WEIR_ROOT_CHEBYSHEV || c->condition <= 300)
            add(d, WEIR, weir_root_route_name(routes[i]), how->ctx, routes[i]);
    if (!how->peers || c->kind != ROOT_SPD)
        return;
    add(d, EIGEN_N, "LAPACK eigen", NULL, 0);
    add(d, EIGEN_1, "LAPACK eigen 1", NULL, 0);
    if (!c->single && c->n <= 1024 && c->p > 1)
        add(d, NEWTON, "coupled Newton", NULL, 0);
    if (!c->single && c->p == 2)
        add(d, SEED, "four fixed steps", NULL, 0);
}

/* Numbers of a trial in the cell's type, and the root they are held against. */
static bool fill(bed *d, uint64_t seed)
{
    const root_cell *c = d->cell;
    root_known_drop(&d->known);
    if (!root_known_make(&d->known, c->kind, c->rows, c->n, c->condition, seed))
        return false;
    uint64_t state = seed + 77;
    for (int64_t i = 0; i < d->in * c->k; i++)
        d->wide_b[i] = root_known_normal(&state);
    d->referenced = true;
    if (!c->single) {
        memcpy(d->a, d->known.matrix, (size_t)(c->rows * c->n) * 8);
        memcpy(d->b, d->wide_b, (size_t)(d->in * c->k) * 8);
        return root_known_apply(&d->known, c->p, c->k, d->wide_b, d->reference);
    }
    for (int64_t i = 0; i < c->rows * c->n; i++) {
        ((float *)d->a)[i] = (float)d->known.matrix[i];
        d->known.matrix[i] = ((float *)d->a)[i];
    }
    for (int64_t i = 0; i < d->in * c->k; i++)
        d->wide_b[i] = ((float *)d->b)[i] = (float)d->wide_b[i];
    root_peers wide;
    if (!root_peers_make(&wide, c->n, c->k, false))
        return false;
    root_blas_threads(bench_processors());
    d->referenced = root_peer_eigen(&wide, c->p, d->known.matrix, d->wide_b, d->reference);
    root_peers_drop(&wide);
    return true;
}

static double error(const bed *d)
{
    double apart = 0, size = 0;
    for (int64_t i = 0; i < d->cell->n * d->cell->k; i++) {
        const double z = d->cell->single ? (double)((const float *)d->z)[i] : ((const double *)d->z)[i];
        apart += (z - d->reference[i]) * (z - d->reference[i]);
        size += d->reference[i] * d->reference[i];
    }
    return d->referenced ? sqrt(apart / size) : NAN;
}

static weir_status weir(const bed *d, side *s)
{
    const root_cell *c = d->cell;
    const weir_dtype type = c->single ? WEIR_F32 : WEIR_F64;
    const weir_matrix a = {d->a, type, c->rows, c->n, 1, c->rows}, b = {d->b, type, d->in, c->k, 1, d->in};
    const weir_matrix z = {d->z, type, c->n, c->k, 1, c->n};
    weir_precond_config precond = WEIR_PRECOND_CONFIG_INIT;
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
    precond.ridge = d->known.ridge;
    o.p = c->p;
    o.route = s->variant.route;
    o.tolerance = s->variant.tolerance;
    o.expected_reuse = s->variant.reuse;
    o.precond = d->known.ridge > 0 ? &precond : NULL;
    switch (c->kind) {
    case ROOT_SPD:
        return weir_solve_spd(s->ctx, &a, &b, &z, &o, s->workspace, &s->stats);
    case ROOT_GENERAL:
        return weir_solve_nonspd(s->ctx, &a, &b, &z, &o, s->workspace, &s->stats);
    case ROOT_GRAM:
        return weir_solve_gram_spd(s->ctx, &a, &b, &z, &o, s->workspace, &s->stats);
    default:
        return weir_solve_gram_dual(s->ctx, &a, &b, &z, &o, s->workspace, &s->stats);
    }
}

static weir_status run(const bed *d, side *s, const root_measure *how)
{
    bool done = true;
    root_blas_threads(s->what == WEIR || s->what == EIGEN_1 ? 1 : how->threads);
    switch (s->what) {
    case WEIR:
        return weir(d, s);
    case EIGEN_N:
    case EIGEN_1:
        done = root_peer_eigen(&d->peers, d->cell->p, d->a, d->b, d->z);
        break;
    case NEWTON:
        done = root_peer_newton(&d->peers, d->cell->p, d->a, d->b, d->z, &s->stats.products);
        break;
    case SEED:
        done = root_peer_seed(&d->peers, d->a, d->b, d->z);
    }
    return done ? WEIR_OK : WEIR_E_NUMERIC;
}

static void measure(bed *d, side *s, const root_measure *how)
{
    const int64_t n = d->cell->n;
    const int inner = n <= 256 ? 4 : n <= 512 ? 2 : 1, warm = s->runs == 0 && n <= 1024 && s->what != NEWTON;
    weir_status status = WEIR_OK;
    for (int i = -warm; i < inner; i++) {
        const double start = bench_seconds();
        status = run(d, s, how);
        const double seconds = bench_seconds() - start;
        if (i >= 0 && seconds < s->seconds) {
            s->seconds = seconds;
            s->prepare = s->stats.seconds_prepare;
            s->apply = s->stats.seconds_apply;
        }
        if (s->what == NEWTON)
            break;
    }
    const double missed = status < 0 ? NAN : error(d), wanted = s->variant.tolerance > 0 ? s->variant.tolerance : d->tolerance;
    s->chosen = s->stats.route;
    s->errors[s->runs++] = missed;
    s->failures += status < 0 || missed > wanted;
    s->silent += s->what == WEIR && status >= 0 && (missed > s->stats.bound || (status == WEIR_OK && missed > wanted));
}

static json_t *number_of(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *describe(side *s)
{
    int known = 0;
    double p90 = NAN, middle = NAN;
    for (int i = 0; i < s->runs; i++)
        if (isfinite(s->errors[i]))
            s->errors[known++] = s->errors[i];
    if (known > 0) {
        middle = bench_median(s->errors, known);
        p90 = s->errors[(known * 9 - 1) / 10];
    }
    json_t *o = json_pack("{s:s, s:i, s:i, s:f, s:b}", "side", s->name, "runs", s->runs, "silent", s->silent, "failure_rate",
                          (double)s->failures / s->runs, "weir", s->what == WEIR);
    json_object_set_new(o, "total_ms", number_of(s->seconds * 1e3));
    json_object_set_new(o, "prepare_ms", number_of(s->prepare * 1e3));
    json_object_set_new(o, "apply_ms", number_of(s->apply * 1e3));
    json_object_set_new(o, "error", number_of(middle));
    json_object_set_new(o, "error_p90", number_of(p90));
    json_object_set_new(o, "quality_per_ms", number_of(-log10(middle) / (s->seconds * 1e3)));
    json_object_set_new(o, "products", number_of(s->stats.products));
    if (s->what == WEIR) {
        json_object_set_new(o, "route", json_string(weir_root_route_name(s->chosen)));
        json_object_set_new(o, "bound", number_of(s->stats.bound));
        json_object_set_new(o, "residual", number_of(s->stats.residual));
        json_object_set_new(o, "steps", json_integer(s->stats.steps));
        json_object_set_new(o, "precision_limited", json_boolean(s->stats.precision_limited));
        json_object_set_new(o, "reason", json_string(s->stats.reason));
    }
    return o;
}

/* The route that weir chose has two sides that run the same code: the quicker one counts. */
static json_t *summary(bed *d)
{
    char name[96];
    root_cell_name(d->cell, name, sizeof name);
    const root_cell *c = d->cell;
    json_t *sides = json_array(), *cell = json_pack("{s:s, s:i, s:i, s:I, s:I, s:f, s:s}", "cell", name, "kind", (int)c->kind,
        "p", c->p, "n", (json_int_t)c->n, "k", (json_int_t)c->k, "condition", c->condition, "dtype", c->single ? "f32" : "f64");
    double own = INFINITY, best = INFINITY, eigen = INFINITY;
    for (int i = 0; i < d->count; i++) {
        side *s = &d->sides[i];
        const bool same = s->what == WEIR && s->chosen == d->sides[0].chosen, answered = s->failures < s->runs || i == 0;
        own = same ? fmin(own, s->seconds) : own;
        best = s->what == WEIR && answered ? fmin(best, s->seconds) : best;
        eigen = s->what == EIGEN_N || s->what == EIGEN_1 ? fmin(eigen, s->seconds) : eigen;
        json_array_append_new(sides, describe(s));
    }
    json_object_set_new(cell, "sides", sides);
    json_object_set_new(cell, "regret", number_of(own / fmin(own, best)));
    json_object_set_new(cell, "over_eigen", number_of(eigen / own));
    return cell;
}

static bool make(bed *d, const root_measure *how)
{
    const root_cell *c = d->cell;
    const size_t size = c->single ? 4 : 8;
    d->in = c->kind == ROOT_DUAL || c->kind == ROOT_GENERAL ? c->rows : c->n;
    d->tolerance = c->single ? 1e-4 : 1e-8;
    d->a = malloc((size_t)(c->rows * c->n) * size);
    d->b = malloc((size_t)(d->in * c->k) * size);
    d->z = malloc((size_t)(c->n * c->k) * size);
    d->wide_b = malloc((size_t)(d->in * c->k) * 8);
    d->reference = malloc((size_t)(c->n * c->k) * 8);
    list_sides(d, how);
    bool made = d->a && d->b && d->z && d->wide_b && d->reference && root_peers_make(&d->peers, c->n, c->k, c->single);
    for (int i = 0; i < d->count && made; i++)
        made = d->sides[i].what != WEIR || !weir_root_workspace_create(d->sides[i].ctx, &d->sides[i].workspace);
    return made;
}

static void drop(bed *d)
{
    for (int i = 0; i < d->count; i++)
        weir_root_workspace_destroy(d->sides[i].workspace);
    root_known_drop(&d->known);
    root_peers_drop(&d->peers);
    free(d->a);
    free(d->b);
    free(d->z);
    free(d->wide_b);
    free(d->reference);
}

json_t *root_measure_cell(const root_measure *how, const root_cell *cell)
{
    bed d = {.cell = cell};
    int trials = how->trials > 0 ? how->trials : cell->n <= 512 ? 5 : 3;
    trials = trials > TRIALS_MAX ? TRIALS_MAX : trials;
    bool good = make(&d, how);
    for (int t = 0; t < trials && good; t++) {
        good = fill(&d, 1000 + (uint64_t)t);
        double best = INFINITY;
        for (int i = 0; i < d.count && good; i++)
            if (!d.sides[i].dropped)
                measure(&d, &d.sides[i], how);
        for (int i = 0; i < d.count; i++)
            best = fmin(best, d.sides[i].what == WEIR ? d.sides[i].seconds : INFINITY);
        for (int i = 0; i < d.count; i++)
            d.sides[i].dropped = i > 0 && (d.sides[i].what == WEIR || d.sides[i].what == NEWTON) && d.sides[i].seconds > 3 * best;
    }
    json_t *result = good ? summary(&d) : NULL;
    if (result)
        json_object_set_new(result, "trials", json_integer(trials));
    drop(&d);
    return result;
}
