/* SPDX-License-Identifier: Apache-2.0 */
/* Traces tr(P V_j), V_j = lambda_j S_j, of all penalties at once from fixed probes, as in krylov/probe.h but
 *   - the coarse space's part of each trace is exact, only the rest is sampled: with b = F xi,
 *         tr(P V_j) = tr(E^-1 Z'V_jZ) + E (P b - Z E^-1 Z'b)' V_j (M^-1 b),
 *     for the constants of factors, whose share of a trace is near 1 each, would else make its tails heavy;
 *   - a penalty costs its own columns alone;
 *   - a run at nearby smoothing parameters starts from the solutions of the last one (without a log-determinant). */
#ifndef W_FIT_ITERATIVE_PROBE_H
#define W_FIT_ITERATIVE_PROBE_H

#include "krylov/probe.h"
#include "normal/operator.h"

typedef struct w_trace_probes w_trace_probes;

weir_status w_trace_probes_create(weir_ctx *ctx, const w_design *design, int64_t probes, int vectors, w_trace_probes **out);
void w_trace_probes_free(w_trace_probes *probes);
int64_t w_trace_probes_bytes(const w_design *design, int64_t probes, int vectors);
/* trace: one per penalty, then their sum. log_det: of H, or NULL. *products: steps taken. WEIR_NOT_CONVERGED when a solve reached
 * its limit. */
weir_status w_trace_probes_run(w_trace_probes *probes, w_matrix_free *op, const w_preconditioner *m, w_estimate *trace,
                               w_estimate *log_det, int64_t *products);

/* Traces of GCV from signs of rows, b = X'W^(1/2)e: with A = X'WX, E bb' = A and x = P b,
 *     tr(P V_j P A) = E x'V_jx  (one per penalty),   tr(P A) = E b'x  (the last).
 * Solutions are kept apart from those of the other probes by a run of one kind after the other starting cold. */
weir_status w_trace_probes_rows(w_trace_probes *probes, w_matrix_free *op, const w_preconditioner *m, w_estimate *trace,
                                int64_t *products);

#endif
