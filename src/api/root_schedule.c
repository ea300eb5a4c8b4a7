/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "root/root.h"

static const char *const mode_name[WEIR_COEFF_MODES] = { "minimax of degree 2", "minimax of degree 2", "minimax of degree 1", "Newton",
                                                         "precomputed" };

/* Four steps for p = 2 and l = 0.05 as published with a scheme that fixes value and slope of q at 1. */
static void precomputed(double low, w_root_schedule *out)
{
    static const double triple[4][3] = { { 3.9021, -7.5907, 4.8608 }, { 1.9378, -1.3493, 0.4110 }, { 1.8751, -1.2502, 0.3751 },
                                         { 1.875, -1.25, 0.375 } };
    double lo = sqrt(low), hi = 1;
    *out = (w_root_schedule){ .p = 2, .count = 4 };
    for (int i = 0; i < 4; i++) {
        w_root_step *step = &out->step[i];
        *step = (w_root_step){ triple[i][0], triple[i][1], triple[i][2], lo, hi, 0 };
        step->error = out->error = w_root_step_error(2, step, lo, hi);
        lo = 1 - step->error;
        hi = 1 + step->error;
    }
}

weir_status weir_build_schedule(weir_ctx *ctx, int32_t p, const weir_schedule_config *config, weir_schedule *out)
{
    static const w_root_family family[WEIR_COEFF_MODES] = { W_ROOT_QUADRATIC, W_ROOT_QUADRATIC, W_ROOT_AFFINE, W_ROOT_NEWTON,
                                                            W_ROOT_QUADRATIC };
    const weir_schedule_config defaults = WEIR_SCHEDULE_CONFIG_INIT, *c = config ? config : &defaults;
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (c->version > WEIR_ROOT_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "the schedule's options are of version %d; this library knows %d", c->version,
                      WEIR_ROOT_VERSION);
    }
    if (!out || c->coeff_mode < 0 || c->coeff_mode >= WEIR_COEFF_MODES) {
        return w_fail(ctx, WEIR_E_ARG, out ? "there is no mode %d of coefficients" : "weir_build_schedule: out is NULL (mode %d)",
                      c->coeff_mode);
    }
    w_root_schedule made;
    const w_root_goal goal = { p, c->l_target, c->tolerance, 0, c->coeff_safety, c->coeff_no_final_safety != 0,
                               family[c->coeff_mode] };
    weir_status status = w_root_schedule_build(ctx, &goal, &made);
    if (status >= 0 && c->coeff_mode == WEIR_COEFF_PRECOMPUTED) {
        if (p != 2) {
            return w_fail(ctx, WEIR_E_ARG, "the precomputed steps serve p = 2; p is %d", p);
        }
        precomputed(c->l_target, &made);
    }
    if (status < 0) {
        return status;
    }
    *out = (weir_schedule){ .p = p, .steps = made.count, .low = c->l_target, .error = made.error };
    for (int i = 0; i < made.count; i++) {
        out->a[i] = made.step[i].a;
        out->b[i] = made.step[i].b;
        out->c[i] = made.step[i].c;
    }
    snprintf(out->description, sizeof out->description, "%s, p = %d, l = %.3g: %d steps, error %.2g", mode_name[c->coeff_mode], p,
             c->l_target, made.count, made.error);
    return WEIR_OK;
}
