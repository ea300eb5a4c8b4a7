/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/recovery.h"

#include <stdio.h>

#include "base/format.h"
#include "base/size.h"

#define WINDOW_SHRINK 4

typedef const w_recovery_state *before;
typedef w_recovery_state *after;

static bool any(before s) { (void)s; return true; }

static bool windows_shrink(before s)
{
    return s->rescan && !s->kept && s->window_bytes > s->window_least && s->window_least > 0;
}
static void shrink_windows(after s) { s->window_bytes = w_max64(s->window_least, s->window_bytes / WINDOW_SHRINK); }

static bool tiles_kept(before s) { return s->tile_bytes > 0; }
static void drop_tiles(after s) { s->tile_bytes = 0; }

static int least_groups(before s) { return s->groups_least > 1 ? s->groups_least : 1; }
static bool groups_shrink(before s) { return s->groups > least_groups(s); }
static void shrink_groups(after s)
{
    const int half = s->groups / 2;
    s->groups = half > least_groups(s) ? half : least_groups(s);
}

static bool threads_shrink(before s) { return s->threads > 1; }
static void shrink_threads(after s) { s->threads /= 2; }

static bool not_packed(before s) { return s->threads > 1 && !s->packed; }
static void pack(after s) { s->packed = true; }

static bool not_iterative(before s) { return s->iterative_ready && !s->iterative; }
static void iterate(after s) { s->iterative = true; }

static bool not_spilled(before s) { return s->kept && s->rescan; }
static void spill(after s)
{
    s->kept = false;
    s->spilled = true;
}

static bool devices_left(before s) { return s->device + 1 < s->devices; }
static void next_device(after s) { s->device++; }

static bool tries_left(before s) { return s->again > 0; }
static void try_again(after s) { s->again--; }

#define PASS_OR_FIT (W_RECOVER_PASS | W_RECOVER_FIT)
#define EVERYWHERE (W_RECOVER_RESUME | PASS_OR_FIT)

/* The order of the rows is the order of the steps. */
static const struct rule {
    w_recovery_step step;
    const char *name;
    int points;       /* where it can be taken */
    bool waits;       /* at other points nothing behind it is tried: it is left to the stage */
    bool refusal;     /* only after the system refused, not after the budget did */
    bool rescans;
    bool (*applies)(before s);
    void (*apply)(after s);
} rules[] = {
    { W_RECOVERY_TILES, "tiles", W_RECOVER_FIT, true, false, false, tiles_kept, drop_tiles },
    { W_RECOVERY_WINDOWS, "windows", PASS_OR_FIT, false, false, true, windows_shrink, shrink_windows },
    { W_RECOVERY_GROUPS, "groups", EVERYWHERE, false, false, false, groups_shrink, shrink_groups },
    { W_RECOVERY_PACKED, "packed", EVERYWHERE, false, false, false, not_packed, pack },
    { W_RECOVERY_THREADS, "threads", EVERYWHERE, false, false, false, threads_shrink, shrink_threads },
    { W_RECOVERY_ITERATIVE, "iterative", W_RECOVER_FIT, true, false, false, not_iterative, iterate },
    { W_RECOVERY_SPILL, "spill", PASS_OR_FIT, false, false, true, not_spilled, spill },
    { W_RECOVERY_DEVICE, "device", W_RECOVER_FIT, false, false, false, devices_left, next_device },
    { W_RECOVERY_AGAIN, "again", PASS_OR_FIT, false, true, false, tries_left, try_again },
    { W_RECOVERY_GIVE_UP, "give up", EVERYWHERE, false, false, false, any, NULL },
};
#define RULES ((int)(sizeof rules / sizeof rules[0]))

w_recovery_step w_recovery_next(const w_recovery_state *state, w_recover_point point, weir_status status,
                                w_recovery_state *next)
{
    const w_recovery_state from = *state;
    *next = from;
    if (status != WEIR_E_MEMORY && status != WEIR_E_BUDGET) {
        return W_RECOVERY_GIVE_UP;
    }
    for (int i = 0; i < RULES; i++) {
        const struct rule *rule = &rules[i];
        if ((rule->refusal && status != WEIR_E_MEMORY) || !rule->applies(&from)) {
            continue;
        }
        if (rule->waits && !(rule->points & (int)point)) {
            return W_RECOVERY_GIVE_UP;
        }
        if (rule->points & (int)point) {
            if (rule->apply) {
                rule->apply(next);
            }
            return rule->step;
        }
    }
    return W_RECOVERY_GIVE_UP;
}

const char *w_recovery_name(w_recovery_step step) { return rules[step].name; }

bool w_recovery_rescans(w_recovery_step step) { return rules[step].rescans; }

void w_recovery_text(w_recovery_step step, const w_recovery_state *s, char *text, size_t bytes)
{
    char size[W_FORMAT_BYTES];
    switch (step) {
    case W_RECOVERY_WINDOWS:
        snprintf(text, bytes, "windows of %s", w_format_bytes(size, s->window_bytes));
        break;
    case W_RECOVERY_TILES:
        snprintf(text, bytes, s->tile_bytes > 0 ? "evaluated rows in memory" : "rows evaluated in each product");
        break;
    case W_RECOVERY_GROUPS:
        snprintf(text, bytes, "%d group%s in flight", s->groups, s->groups == 1 ? "" : "s");
        break;
    case W_RECOVERY_THREADS:
        snprintf(text, bytes, "%d thread%s", s->threads, s->threads == 1 ? "" : "s");
        break;
    case W_RECOVERY_PACKED:
        snprintf(text, bytes, "%s", s->packed ? "one sum for all threads" : "sums of each thread");
        break;
    case W_RECOVERY_ITERATIVE:
        snprintf(text, bytes, "%s", s->iterative ? "conjugate gradients" : "normal equations");
        break;
    case W_RECOVERY_SPILL:
        snprintf(text, bytes, "%s", s->kept ? "columns in memory" : "columns outside memory");
        break;
    case W_RECOVERY_DEVICE:
        snprintf(text, bytes, "device %d of %d", s->device + 1, s->devices);
        break;
    default:
        snprintf(text, bytes, "as planned");
    }
}
