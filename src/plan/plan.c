/* SPDX-License-Identifier: Apache-2.0 */
/* Decision of a fit. The order of the questions:
 *   1. What does everything but reading need? If that alone exceeds the budget, stop: no window size helps.
 *   2. Are decoded columns worth keeping? Only if they fit beside 1 and the source would otherwise be parsed, or cannot be
 *      read, twice. A text that does not fit goes to the scratch folder where that is faster than parsing it in each pass.
 *   3. Of the window sizes the source offers: the largest that helps (a few shards per thread) in half of what is left.
 * The seconds of each part are added up in plan/seconds.c: reading and adding overlap only within a window. */
#include "plan/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "normal/normal.h"
#include "plan/bytes.h"
#include "plan/seconds.h"

#define WINDOW_MAX_BYTES ((int64_t)32 << 20)
#define SKIPPED_COST 0.3 /* of passing over a field against decoding it */
#define MATRIX_FREE_STEPS 30 /* of a solve by conjugate gradients */

static void add_reason(weir_plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_reason(weir_plan *plan, const char *format, ...)
{
    if (plan->reason_count >= WEIR_PLAN_REASONS) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(plan->reason[plan->reason_count++], sizeof plan->reason[0], format, arguments);
    va_end(arguments);
}

static void choose_system(const w_plan_input *input, weir_plan *plan)
{
    const w_design *design = input->design;
    if (input->matrix_free) {
        plan->route = "matrix-free/cg";
        add_reason(plan, "conjugate gradients on products with the rows: %s", input->matrix_free_reason);
    } else if (input->arrow_block >= 0) {
        const w_block *block = &design->block[input->arrow_block];
        plan->route = "normal-equations/arrow";
        add_reason(plan, "arrowhead: %lld levels of %lld columns are eliminated one by one, the core is dense",
                   (long long)block->levels, (long long)block->level_columns);
    } else {
        plan->route = "normal-equations/cholesky";
        add_reason(plan, "dense Cholesky: p = %lld, the rest is p x p", (long long)design->p);
    }
    if (input->iterations > 1) {
        add_reason(plan, "generalised model: about %d passes over the rows, one per working response", input->iterations);
    } else if (!input->matrix_free) {
        add_reason(plan, "linear model: one pass over the rows once knots are known");
    }
    plan->precision = "float64";
}

/* The largest window that a few shards per thread can use and that leaves the smaller half of what is free to reading. */
static const w_window_choice *choose_window(const w_plan_input *input, const weir_plan *plan, int64_t available)
{
    int64_t tile = w_mul64(w_plan_row_bytes(input->design), W_TILE_ROWS);
    int64_t useful = w_mul64(w_mul64(tile, plan->shard_tiles), 4 * (int64_t)input->threads);
    if (input->rows >= 0) {
        useful = w_min64(useful, w_mul64(input->rows + W_TILE_ROWS, w_plan_row_bytes(input->design)));
    }
    useful = w_min64(useful, WINDOW_MAX_BYTES);
    const w_window_choice *best = &input->choice[0];
    for (int i = 1; i < input->choice_count; i++) {
        if (input->choice[i].window_bytes <= useful && input->choice[i].bytes <= available / 2) {
            best = &input->choice[i];
        }
    }
    return best;
}

static void choose_reading(const w_plan_input *input, weir_plan *plan, int64_t available)
{
    char text[W_FORMAT_BYTES];
    const w_window_choice *window = choose_window(input, plan, available);
    plan->window_bytes = window->window_bytes;
    plan->bytes_read = window->bytes;
    const w_scratch_choice scratch = w_plan_scratch(input, plan->passes - 1);
    bool caches = input->scanned ? input->spooled : scratch.pays;
    if (input->in_place) {
        plan->reading = "in place";
        add_reason(plan, "columns lie in memory and are read where they are");
        return;
    }
    /* kept windows: their heads and the last one's unused rows beside the values themselves */
    int64_t decoded = input->rows < 0 ? INT64_MAX : w_mul64(input->rows, w_plan_row_bytes(input->design));
    int64_t kept = w_add64(w_add64(decoded, decoded / (input->rows_exact ? 32 : 4)), (int64_t)256 << 10);
    bool fits = (input->text || input->once) && kept <= available - window->bytes;
    if (caches && !input->once && !input->in_place) {
        plan->scratch_bytes = scratch.bytes;
    }
    if (input->scanned ? input->kept : fits) {
        plan->reading = "kept in memory";
        plan->keep_bytes = kept;
        plan->bytes_read = w_add64(window->bytes, kept);
        add_reason(plan, "decoded columns (about %s) are kept: they fit, and the rows are %s", w_format_bytes(text, decoded),
                   input->once ? "a stream that passes once" : "not parsed twice");
    } else if (input->once && input->scratch_forbidden) {
        plan->reading = "kept in memory";
        plan->keep_bytes = w_max64(0, available - window->bytes);
        plan->bytes_read = w_add64(window->bytes, plan->keep_bytes);
        add_reason(plan, "the stream passes once and no scratch folder is allowed: its decoded columns must fit in %s",
                   w_format_bytes(text, plan->keep_bytes));
    } else if (caches && !input->once) {
        char room[W_FORMAT_BYTES];
        plan->reading = "cached in scratch";
        plan->bytes_read = w_add64(window->bytes, window->spool_bytes);
        add_reason(plan, "decoded columns (about %s; the scratch folder has room for %s) are written once: %.2g s, and %.2g s a pass "
                   "to read, against %.2g s to parse", w_format_bytes(text, scratch.bytes), w_format_bytes(room, input->scratch_room),
                   scratch.write_seconds, scratch.read_seconds, scratch.parse_seconds);
    } else if (input->once) {
        plan->reading = "spooled to scratch";
        plan->bytes_read = w_add64(window->bytes, window->spool_bytes);
        add_reason(plan, "the stream passes once and its decoded columns may not fit: they go to the scratch folder");
    } else {
        plan->reading = "read again each pass";
        add_reason(plan, "rows are read in windows of %s, again in each pass", w_format_bytes(text, plan->window_bytes));
        if (input->text && input->scratch_reason) {
            add_reason(plan, "%s", input->scratch_reason);
        }
    }
}

/* Text is passed over in columns that are not wanted. */
double w_plan_parse_seconds(const w_plan_input *input)
{
    double decoded = (double)w_max64(input->rows, 0) * (double)w_plan_row_bytes(input->design);
    double text = input->text_bytes > 0 ? input->text_bytes : input->file_bytes > 0 ? (double)input->file_bytes : decoded;
    double share = input->decoded_share > 0 ? SKIPPED_COST + (1.0 - SKIPPED_COST) * input->decoded_share : 1.0;
    return share * text / input->rates.parse_bytes_per_second;
}

w_scratch_choice w_plan_scratch(const w_plan_input *input, int later)
{
    w_scratch_choice choice = { 0 };
    if (!input->text || input->rows < 0) {
        return choice;
    }
    int64_t decoded = w_mul64(input->rows, w_plan_row_bytes(input->design));
    choice.bytes = w_add64(decoded, input->rows_exact ? 0 : decoded / 4);
    choice.parse_seconds = w_plan_parse_seconds(input);
    choice.write_seconds = (double)decoded / input->rates.scratch_bytes_per_second;
    choice.read_seconds = (double)decoded / input->rates.read_bytes_per_second;
    choice.pays = choice.bytes <= input->scratch_room &&
                  choice.write_seconds + later * choice.read_seconds < later * choice.parse_seconds;
    return choice;
}

/* Evaluated tiles are kept where they fit beside the smallest windows. */
static void choose_tiles(const w_plan_input *input, weir_plan *plan, int64_t available)
{
    char text[W_FORMAT_BYTES];
    int64_t rows = input->rows < 0 ? INT64_MAX : input->rows_exact ? input->rows : w_add64(input->rows, input->rows / 4);
    int64_t tiles = w_add64(w_mul64(rows, input->tile_row_bytes), w_mul64(rows / W_TILE_ROWS + 16, 4096));
    if (tiles <= available - input->choice[0].bytes) {
        plan->tile_bytes = tiles;
        add_reason(plan, "evaluated rows (about %s) are kept", w_format_bytes(text, tiles));
    } else {
        plan->passes = MATRIX_FREE_STEPS * (int32_t)w_min64(input->solves, 100);
        add_reason(plan, "evaluated rows (about %s) do not fit: they are evaluated again in every product", w_format_bytes(text, tiles));
    }
}

static weir_status check_budget(const w_plan_input *input, weir_plan *plan)
{
    plan->budget = input->budget;
    if (input->budget > 0 && plan->bytes > input->budget_free) {
        return WEIR_E_BUDGET;
    }
    return WEIR_OK;
}

/* Fills the parts; bytes of the phase that needs most. */
static int64_t busiest_phase(const w_plan_input *input, weir_plan *plan)
{
    const w_design *design = input->design;
    if (input->matrix_free) {
        int choice = 0;
        while (choice < 3 && input->budget > 0 && w_mul64(4, input->matrix_free_bytes[choice]) > w_mul64(3, input->budget_free)) {
            choice++;
        }
        plan->bytes_sums = input->matrix_free_bytes[choice];
        plan->bytes_result = w_add64(w_plan_design_bytes(design), w_mul64(design->p, 256));
        return w_max64(w_max64(plan->bytes_sums, input->diagnostics ? input->rows_bytes : 0), input->setup_bytes);
    }
    int64_t rest = w_sums_rest_bytes(design), held = w_gram_held_bytes(design, input->arrow_block);
    int64_t gram = w_add64(rest, w_gram_bytes(design, input->arrow_block));
    plan->bytes_sums = w_sums_bytes(design, input->threads);
    plan->bytes_system = w_add64(held, input->system_bytes);
    plan->bytes_result = w_add64(w_plan_design_bytes(design), w_mul64(design->p, 256));
    int64_t busiest = w_max64(plan->bytes_sums, w_max64(gram, w_add64(rest, plan->bytes_system)));
    if (input->iterations > 1) {
        int64_t pass = w_add64(plan->bytes_sums, w_gram_bytes(design, input->arrow_block));
        busiest = w_add64(w_add64(pass, plan->bytes_system), input->iteration_bytes);
    }
    if (input->diagnostics) {
        busiest = w_max64(busiest, w_add64(input->rows_bytes, plan->bytes_system));
    }
    return w_max64(busiest, w_max64(input->setup_bytes, w_add64(input->after_bytes, plan->bytes_system)));
}

weir_status w_plan_fit(const w_plan_input *input, weir_plan *out)
{
    weir_plan plan;
    memset(&plan, 0, sizeof plan);
    plan.device = input->device;
    plan.rows = input->rows;
    plan.rows_exact = input->rows_exact;
    plan.columns = input->design->p;
    plan.smoothing_parameters = input->design->sp_count;
    plan.threads = input->threads;
    plan.tile_rows = W_TILE_ROWS;
    plan.passes = 1 + input->iterations + (input->diagnostics ? 1 : 0);
    double near, far;
    w_sums_cost(input->design, &near, &far, &plan.shard_tiles);
    choose_system(input, &plan);
    if (input->device_reason) {
        add_reason(&plan, "%s", input->device_reason);
    }
    bool all_rows = input->exact_knots || (input->rows >= 0 && input->rows <= W_SETUP_ROWS);
    plan.knots = all_rows ? "from all rows" : "from a sample of whole tiles";
    if (!all_rows) {
        add_reason(&plan, "more than %d rows: knots come from a fixed-seed sample of whole tiles and the true range", W_SETUP_ROWS);
    }

    int64_t busiest = busiest_phase(input, &plan);
    int64_t fixed = w_add64(plan.bytes_result, busiest);
    int64_t available = input->budget > 0 ? w_max64(0, input->budget_free - fixed) : INT64_MAX / 4;
    if (input->matrix_free) {
        choose_tiles(input, &plan, available);
        fixed = w_add64(fixed, plan.tile_bytes);
        available -= plan.tile_bytes;
    }
    choose_reading(input, &plan, available);
    plan.bytes = w_add64(fixed, plan.bytes_read);
    w_plan_seconds(input, &plan);
    plan.calibrated = input->rates.measured;
    if (input->rates.remark && input->rates.remark[0]) {
        add_reason(&plan, "%s", input->rates.remark);
    }
    weir_status status = check_budget(input, &plan);
    *out = plan;
    return status;
}
