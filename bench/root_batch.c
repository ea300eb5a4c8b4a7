/* SPDX-License-Identifier: Apache-2.0 */
/* Roots themselves, both triangles. Every side runs in turns seven times, and the least counts. */
#include "root_batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/root_peers.h"

enum { COUNT = 200, N = 64, P = 4, ELEMENTS = N * N, ROUTES = 4, ROUNDS = 7 };

typedef struct bed {
    float *a, *x, *identity;
    double *reference;
    root_peers peers;
    weir_root_stats stats[COUNT];
    weir_status each[COUNT];
} bed;

static bool fill(bed *d, double condition)
{
    root_peers wide;
    double a[ELEMENTS], identity[ELEMENTS] = {0};
    bool good = root_peers_make(&wide, N, N, false);
    for (int i = 0; i < N; i++)
        identity[i * (N + 1)] = d->identity[i * (N + 1)] = 1;
    for (int m = 0; m < COUNT && good; m++) {
        root_known known = {0};
        good = root_known_make(&known, ROOT_SPD, N, N, condition, (uint64_t)m + 1);
        for (int i = 0; i < ELEMENTS && good; i++)
            a[i] = d->a[m * ELEMENTS + i] = (float)known.matrix[i];
        good = good && root_peer_eigen(&wide, P, a, identity, d->reference + m * ELEMENTS);
        root_known_drop(&known);
    }
    root_peers_drop(&wide);
    return good;
}

static double worst_error(const bed *d)
{
    double worst = 0;
    for (int m = 0; m < COUNT; m++) {
        double apart = 0, size = 0;
        for (int i = m * ELEMENTS; i < (m + 1) * ELEMENTS; i++) {
            apart += ((double)d->x[i] - d->reference[i]) * ((double)d->x[i] - d->reference[i]);
            size += d->reference[i] * d->reference[i];
        }
        worst = fmax(worst, sqrt(apart / size));
    }
    return worst;
}

static double weir(bed *d, const root_measure *how, int32_t route, double *error)
{
    const weir_matrix a = {d->a, WEIR_F32, N, N, 1, N}, x = {d->x, WEIR_F32, N, N, 1, N};
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
    o.p = P;
    o.route = route;
    root_blas_threads(1);
    const double start = bench_seconds();
    const weir_status status = weir_materialize_batched(how->ctx, COUNT, &a, ELEMENTS, &x, ELEMENTS, &o, d->each, d->stats);
    const double seconds = bench_seconds() - start;
    *error = status < 0 ? NAN : worst_error(d);
    return status < 0 ? INFINITY : seconds;
}

static double peer(bed *d, double *error)
{
    root_blas_threads(1);
    const double start = bench_seconds();
    for (int m = 0; m < COUNT; m++)
        root_peer_eigen(&d->peers, P, d->a + m * ELEMENTS, d->identity, d->x + m * ELEMENTS);
    const double seconds = bench_seconds() - start;
    *error = worst_error(d);
    return seconds;
}

static json_t *rounds(bed *d, const root_measure *how, double condition)
{
    static const int32_t routes[ROUTES] = {WEIR_ROOT_AUTO, WEIR_ROOT_EIGEN, WEIR_ROOT_COUPLED, WEIR_ROOT_BAND};
    static const char *const keys[ROUTES] = {"auto_ms", "eigen_ms", "coupled_ms", "band_ms"};
    double least[ROUTES + 1] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY}, error[ROUTES + 1] = {0};
    const char *chosen = "";
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < ROUTES; i++) {
            least[i] = fmin(least[i], weir(d, how, routes[i], &error[i]));
            if (i == 0)
                chosen = weir_root_route_name(d->stats[0].route);
        }
        least[ROUTES] = fmin(least[ROUTES], peer(d, &error[ROUTES]));
    }
    json_t *o = json_pack("{s:f, s:s, s:f}", "condition", condition, "route", chosen, "peer_ms", least[ROUTES] * 1e3);
    json_object_set_new(o, "error", isfinite(error[0]) ? json_real(error[0]) : json_null());
    json_object_set_new(o, "peer_error", isfinite(error[ROUTES]) ? json_real(error[ROUTES]) : json_null());
    for (int i = 0; i < ROUTES; i++)
        json_object_set_new(o, keys[i], isfinite(least[i]) ? json_real(least[i] * 1e3) : json_null());
    return o;
}

json_t *root_batch_measure(const root_measure *how, double condition)
{
    bed d = {.a = malloc(sizeof(float) * COUNT * ELEMENTS), .x = malloc(sizeof(float) * COUNT * ELEMENTS),
             .identity = calloc(ELEMENTS, sizeof(float)), .reference = malloc(sizeof(double) * COUNT * ELEMENTS)};
    json_t *result = NULL;
    if (d.a && d.x && d.identity && d.reference && root_peers_make(&d.peers, N, N, true)) {
        result = fill(&d, condition) ? rounds(&d, how, condition) : NULL;
        root_peers_drop(&d.peers);
    }
    free(d.a);
    free(d.x);
    free(d.identity);
    free(d.reference);
    return result;
}
