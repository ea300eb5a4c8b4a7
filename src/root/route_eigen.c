/* SPDX-License-Identifier: Apache-2.0 */
/* A = V D V':  Z = V D^(-1/p) V' B. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"
#include "dense/level3.h"
#include "root/root.h"

static weir_status prepare(weir_ctx *ctx, w_root_state *s, w_scratch *kept, w_scratch *room)
{
    (void)room;
    const int64_t n = s->wish.n;
    s->value = w_scratch_take(kept, w_mul64(n, 8));
    if (!kept->base) {
        return WEIR_OK;
    }
    weir_status status = w_eigen_symmetric(ctx, n, s->a, s->value, true);
    if (status < 0) {
        return status;
    }
    s->vectors = s->a;
    s->least = s->value[0];
    s->most = s->value[n - 1];
    if (!(s->least > (double)n * s->unit * s->most)) {
        return w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite to working precision: eigenvalues from %.3g to %.3g; "
                      "a ridge would make it so", s->least, s->most);
    }
    s->products = 9;
    return WEIR_OK;
}

static weir_status apply(weir_ctx *ctx, const w_root_state *s, int64_t count, double *c, w_root_report *report, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used;
    double *turned = w_scratch_take(room, w_mul64(w_mul64(n, count), 8));
    if (!room->base) {
        return WEIR_OK;
    }
    const w_panel *k = w_panel_best(8);
    memset(turned, 0, (size_t)(n * count) * sizeof *turned);
    weir_status status = w_gemm(ctx, k, n, count, n, 1, (w_operand){ s->vectors, n, 1 }, (w_operand){ c, n, 1 }, turned, n);
    for (int64_t i = 0; i < n && status >= 0; i++) {
        const double root = pow(s->value[i], -1.0 / s->wish.p);
        for (int64_t j = 0; j < count; j++) {
            turned[i + j * n] *= root;
        }
    }
    memset(c, 0, (size_t)(n * count) * sizeof *c);
    if (status >= 0) {
        status = w_gemm(ctx, k, n, count, n, 1, (w_operand){ s->vectors, 1, n }, (w_operand){ turned, n, 1 }, c, n);
    }
    report->products = 2 * (double)count / (double)n;
    w_root_give_back(room, taken);
    return status;
}

const w_root_method w_root_eigen = { WEIR_ROOT_EIGEN, prepare, apply };
