/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out what plan/recovery.h decides while a fit runs: between w_recovery_begin and w_recovery_end every w_recover of the
 * context comes here. A step is recorded with what it changed and the refusal that led to it. */
#ifndef W_FIT_RECOVERY_H
#define W_FIT_RECOVERY_H

#include "fit/planning.h"
#include "plan/recovery.h"

typedef struct w_fit_recovery {
    weir_ctx *ctx;
    weir_table *table;      /* NULL: its rows are not read again (a table whose codes are bound to those of a design) */
    w_recovery_state state; /* of the plan, once there is one */
    w_scan_options scan;    /* as the rows were scanned */
    int64_t rows;           /* as they were counted */
    bool once;              /* a stage that scans the rows cannot begin again */
    bool planned;           /* refused before that, a budget is refused for good */
    int count;
    weir_recovery step[WEIR_PLAN_RECOVERIES];
} w_fit_recovery;

void w_recovery_begin(w_fit_recovery *recovery, weir_ctx *ctx, weir_table *table);
/* The same for a pass over the rows of a model that is done: fewer threads and smaller batches are all there is to give up. A stream
 * (a stage that read of it cannot begin again) resumes only within its pass. */
void w_recovery_rows_begin(w_fit_recovery *recovery, weir_ctx *ctx, weir_table *table);
/* Lowers the plan to what is left of it after the steps so far, and takes it as the state that the next ones start from. */
void w_recovery_adapt(w_fit_recovery *recovery, const w_design *design, weir_plan *plan);
/* After a step: the plan that the stage begins again with. */
weir_status w_recovery_replan(w_fit_recovery *recovery, const w_design *design, const weir_fit_options *options, weir_plan *plan);
/* Threads as before; the steps are noted in the plan (may be NULL). */
void w_recovery_end(w_fit_recovery *recovery, weir_plan *plan);
/* Steps so far into `out` (WEIR_PLAN_RECOVERIES of them at most); their number. */
int32_t w_recovery_list(const w_fit_recovery *recovery, weir_recovery *out);
/* The least budget for a fit of one model; the message of the failure is left as it was. */
weir_status w_recovery_least(w_fit_recovery *recovery, const char *formula, const weir_fit_options *options, int64_t *bytes);
/* After giving up: the message says what was tried and, `bytes` > 0, that so many would do. */
weir_status w_recovery_refuse(w_fit_recovery *recovery, weir_status status, int64_t bytes);
/* After giving up: the message says what was tried, and the smallest budget that would do where that can be told. */
weir_status w_recovery_give_up(w_fit_recovery *recovery, const char *formula, const weir_fit_options *options, weir_status status);

#endif
