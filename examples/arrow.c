/* SPDX-License-Identifier: Apache-2.0 */
/* Many straight lines that share one curve: y = a_i + b_i t + c_1 sin(t) + … + c_4 sin(4 t) + noise for 20 000 items with 12 rows
 * each. The normal equations are an arrow: a 2 x 2 block per item, a border of 4. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/weir.h>

enum { ITEMS = 20000, ROWS = 12, SHARED = 4 };

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

int main(void)
{
    static double diagonal[ITEMS * 4], coupling[ITEMS * 2 * SHARED], corner[SHARED * SHARED];
    static double lines[ITEMS * 2], curve[SHARED];
    const double truth[SHARED] = { 1.0, -0.5, 0.25, 0.1 };
    uint64_t state = 1;
    for (int i = 0; i < ITEMS; i++) {
        const double a = uniform(&state), b = uniform(&state);
        for (int r = 0; r < ROWS; r++) {
            const double t = 6.0 * uniform(&state), x[2] = { 1.0, t };
            double y = a + b * t + 0.1 * (uniform(&state) - 0.5), z[SHARED];
            for (int j = 0; j < SHARED; j++) {
                z[j] = sin((j + 1) * t);
                y += truth[j] * z[j];
            }
            for (int c = 0; c < 2; c++) {
                lines[2 * i + c] += x[c] * y;
                for (int q = 0; q < 2; q++)
                    diagonal[4 * i + q + 2 * c] += x[q] * x[c];
                for (int j = 0; j < SHARED; j++)
                    coupling[(2 * i + c) * SHARED + j] += x[c] * z[j];
            }
            for (int j = 0; j < SHARED; j++) {
                curve[j] += z[j] * y;
                for (int q = 0; q < SHARED; q++)
                    corner[q + SHARED * j] += z[q] * z[j];
            }
        }
    }
    weir_ctx *ctx = NULL;
    if (weir_ctx_create(NULL, &ctx) < 0)
        return 1;
    const weir_arrow_system system = { WEIR_ARROW_VERSION, ITEMS, 2, SHARED, diagonal, coupling, corner };
    weir_arrow_result result;
    const weir_status status = weir_arrow_solve(ctx, &system, NULL, 1, lines, curve, &result);
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", weir_status_name(status), weir_ctx_message(ctx));
    } else {
        for (int j = 0; j < SHARED; j++)
            printf("c_%d = %7.4f   truth = %7.4f\n", j + 1, curve[j], truth[j]);
        printf("backward error %.1e, log-determinant %.6g\n", result.backward_error, result.log_det);
    }
    weir_ctx_destroy(ctx);
    return status < 0;
}
