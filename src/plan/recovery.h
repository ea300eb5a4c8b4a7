/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery from running out of memory as a state machine: a pure function
 *
 *     (state, point of failure, status)  ->  (step, next state)  or give up.
 *
 * The steps, in the order in which they are tried; each is taken only where it lowers what is held:
 *   tiles      evaluated rows of the matrix-free route are not kept
 *   windows    windows of rows in flight: a quarter, down to one tile        the rows are scanned again
 *   groups     half as many groups in flight
 *   packed     all threads add to one accumulator in place
 *   threads    half as many threads with tiles of their own
 *   iterative  conjugate gradients, which hold no p x p system
 *   spill      decoded columns leave memory for the scratch folder, or are read again in each pass      scanned again
 *   device     the next device
 *   again      the same once more after a refusal by the system, which may have been another process's doing
 *
 * `tiles` and `iterative` are steps of the stage: a pass that could take a later step gives up in their favour.
 *
 * Every state has finitely many successors, so that giving up is reached. fit/recovery.c carries the steps out. None of them
 * changes bits but `iterative` and `device`, which change the route and are recorded as such. */
#ifndef W_PLAN_RECOVERY_H
#define W_PLAN_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/ctx.h"

typedef enum w_recovery_step {
    W_RECOVERY_TILES, W_RECOVERY_WINDOWS, W_RECOVERY_GROUPS, W_RECOVERY_PACKED, W_RECOVERY_THREADS, W_RECOVERY_ITERATIVE,
    W_RECOVERY_SPILL, W_RECOVERY_DEVICE, W_RECOVERY_AGAIN, W_RECOVERY_GIVE_UP
} w_recovery_step;

typedef struct w_recovery_state {
    int64_t window_bytes, window_least; /* of one window, and the smallest there is; window_bytes 0: no windows to shrink */
    bool rescan;                        /* the rows can be read from their beginning */
    bool kept;                          /* decoded columns are held in memory: windows are parts of them */
    bool spilled;
    int64_t tile_bytes;                 /* of evaluated rows that are kept */
    int groups, groups_least, threads;  /* groups in flight: they are solved so many at a time at least; 0 is 1 */
    bool packed;
    bool iterative, iterative_ready;    /* taken; there is such a route for the problem */
    int device, devices;                /* number of the one that executes, and how many there are */
    int again;                          /* tries left without a change */
} w_recovery_state;

/* The first step that applies; *next is the state after it (unchanged for W_RECOVERY_GIVE_UP). `next` may be `state`. */
w_recovery_step w_recovery_next(const w_recovery_state *state, w_recover_point point, weir_status status,
                                w_recovery_state *next);
const char *w_recovery_name(w_recovery_step step);
/* Must the rows be scanned again before the step takes effect? */
bool w_recovery_rescans(w_recovery_step step);
/* What the step changes, as in "4 threads": of `state`. */
void w_recovery_text(w_recovery_step step, const w_recovery_state *state, char *text, size_t bytes);

#endif
