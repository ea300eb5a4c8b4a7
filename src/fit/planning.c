/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/planning.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/ar1.h"
#include "fit/diagnose.h"
#include "fit/direct.h"
#include "fit/generalised.h"
#include "fit/iterative.h"
#include "fit/model.h"
#include "fit/rows.h"
#include "fit/shape.h"
#include "normal/quadratic.h"
#include "plan/bytes.h"
#include "plan/rates.h"
#include "plan/route_choice.h"
#include "solve/system.h"

#define LEVEL_BYTES 256 /* of one level of a factor */
#define MATRIX_FREE_LEAST 1000 /* columns: a smaller dense system that does not fit says what would do, for its answers are exact */
#define GENERALISED_PASSES 8 /* usual: first one, about six steps, last one */

/* The system with its covariance, what inference takes beside it, and the search. */
static int64_t system_bytes(const w_design *design, int arrow_block)
{
    int64_t search = w_mul64(w_mul64(design->sp_count + 2, design->sp_count + 2), 16 * (int64_t)sizeof(double));
    search = w_add64(search, w_shape_bytes(design, arrow_block));
    return w_add64(w_system_bytes(design, arrow_block), w_add64(w_inference_bytes(design, arrow_block), search));
}

/* From one pass to the next: the last gram, coefficients and directions, the linear predictor's product. */
static int64_t iteration_bytes(const w_design *design, int arrow_block, int threads)
{
    int64_t vectors = w_mul64(w_mul64(design->p + design->sp_count + 64, 16 + 4 * (int64_t)design->sp_count), (int64_t)sizeof(double));
    int64_t tiles = w_mul64(threads, 16 * W_TILE_ROWS * (int64_t)sizeof(double));
    return w_add64(w_add64(w_gram_held_bytes(design, arrow_block), w_product_bytes(design, threads)), w_add64(vectors, tiles));
}

static bool is_linear(weir_ctx *ctx, const char *family)
{
    w_glm glm;
    return !family || (w_family_parse(ctx, family, &glm) >= 0 && glm.family->kind == W_FAMILY_GAUSSIAN &&
                       glm.link->kind == W_LINK_IDENTITY);
}

/* `taken`: bytes of the budget that others hold. */
static weir_status report_budget(weir_ctx *ctx, const weir_plan *plan, int64_t taken)
{
    char need[W_FORMAT_BYTES], have[W_FORMAT_BYTES];
    return w_fail(ctx, WEIR_E_BUDGET, "memory budget of %s is too small for p = %lld columns: %s would do",
                  w_format_bytes(have, plan->budget), (long long)plan->columns,
                  w_format_bytes_up(need, w_add64(plan->bytes, w_max64(0, taken))));
}

/* What reading costs at windows of one tile, two, four, … */
static void list_windows(weir_ctx *ctx, weir_table *table, const w_design *design, w_plan_input *input)
{
    int64_t window = w_mul64(w_max64(1, w_plan_row_bytes(design)), W_TILE_ROWS);
    input->choice_count = 1;
    if (!table) {
        input->choice[0] = (w_window_choice){ 0, 0, 0 };
        return;
    }
    w_scan_options scan = { .threads_hint = w_pool_workers(ctx) };
    if (input->in_place) {
        input->choice[0] = (w_window_choice){ 0, w_source_bytes(table, &scan), 0 };
        return;
    }
    int64_t rows = input->rows_exact ? input->rows : w_add64(input->rows, input->rows / 4);
    for (input->choice_count = 0; input->choice_count < W_WINDOW_CHOICES; input->choice_count++) {
        scan.window_bytes = window;
        input->choice[input->choice_count] =
            (w_window_choice){ window, w_source_bytes(table, &scan), w_source_spool_bytes(table, &scan, rows) };
        window = w_mul64(window, 2);
    }
}

/* `text` takes the reason against the scratch folder. */
static void describe_source(weir_ctx *ctx, weir_table *table, const w_design *design, char *text, size_t size,
                            w_plan_input *input)
{
    w_source_traits traits;
    w_source_traits_of(table, &traits);
    input->rows = w_source_row_count(table);
    input->rows_exact = input->rows >= 0;
    if (!input->rows_exact) {
        input->rows = w_source_row_estimate(table);
    }
    input->in_place = traits.in_place;
    input->text = traits.text;
    input->once = traits.once;
    input->file_bytes = traits.file_bytes;
    input->text_bytes = traits.text_bytes;
    input->decoded_share = (double)design->column_count / w_max64(1, w_source_column_count(table));
    input->scratch_forbidden = strcmp(ctx->scratch, "none") == 0;
    input->scratch_room = w_source_scratch_room(ctx, text, size, &input->scratch_reason);
}

/* Texts of levels, their index, and the map to the model's. */
static int64_t level_bytes(weir_table *table, const w_design *design)
{
    int64_t bytes = 0;
    for (int s = 0; w_source_column(table, s); s++) {
        bytes = w_add64(bytes, w_mul64(w_source_level_estimate(table, s), LEVEL_BYTES));
    }
    return w_add64(bytes, w_mul64(design->column_count, 4096));
}

weir_status w_planning_rows(weir_ctx *ctx, weir_table *table, const w_design *design, const char *what, int later, int64_t beside,
                            w_scan_options *scan)
{
    char text[160], have[W_FORMAT_BYTES], need[W_FORMAT_BYTES];
    w_plan_input input = { .design = design };
    describe_source(ctx, table, design, text, sizeof text, &input);
    w_plan_rates(ctx, &input.rates);
    const int64_t rows = input.rows_exact ? input.rows : w_add64(input.rows, input.rows / 4);
    const int64_t room = w_ledger_free_bytes(ctx);
    const w_scan_options choice[] = {
        { .window_bytes = w_rows_window_bytes(design, w_pool_workers(ctx)), .threads_hint = w_pool_workers(ctx) },
        { .window_bytes = 1, .threads_hint = 1 },
    };
    beside = w_add64(beside, level_bytes(table, design));
    int64_t bytes = 0;
    for (int i = 0; i < 2 && (i == 0 || bytes > room); i++) {
        *scan = choice[i];
        bytes = w_add64(beside, w_add64(w_source_bytes(table, scan), w_source_spool_bytes(table, scan, rows)));
    }
    if (bytes > room) {
        return w_fail(ctx, WEIR_E_BUDGET, "memory budget of %s is too small to %s with p = %lld columns: %s would do",
                      w_format_bytes(have, ctx->ledger.budget), what, (long long)design->p,
                      w_format_bytes_up(need, w_add64(ctx->ledger.in_use, bytes)));
    }
    scan->keep_bytes = (room - bytes) / 2;
    scan->spool = w_plan_scratch(&input, later).pays ? W_SPOOL_CACHE : W_SPOOL_NEEDED;
    return WEIR_OK;
}

/* Columns of the dense matrix: all but the arrow block's. */
static int64_t core_columns(const w_design *design, int arrow_block)
{
    const w_block *block = arrow_block < 0 ? NULL : &design->block[arrow_block];
    return design->p - (block ? w_mul64(block->levels, block->level_columns) : 0);
}

static void describe_matrix_free(const w_design *design, const weir_fit_options *options, w_plan_input *input)
{
    for (int i = 0; i < 4; i++) {
        input->matrix_free_bytes[i] = w_iterative_bytes(design, options, W_MATRIX_FREE_VECTORS >> i, input->threads);
    }
    input->tile_row_bytes = w_matrix_free_row_bytes(design) + (input->iterations > 1 ? W_MATRIX_FREE_WORKING_BYTES : 0);
    input->row_values = w_matrix_free_row_values(design);
    input->solves = w_iterative_solves(design) * (design->sp_count == 0 ? input->iterations : 1);
}

/* What a plan is asked for. */
typedef struct asked {
    weir_ctx *ctx;
    weir_table *table;
    const weir_fit_options *options;
    int64_t budget;
    bool fall_back; /* a dense system that does not fit may be left to the matrix-free route: fewer threads do not help */
} asked;

/* A route that was asked for and does not serve this model. */
static weir_status check_route(const asked *a, const w_design *design, w_plan_input *input, const char *not_iterative)
{
    const weir_fit_options *options = a->options;
    const int32_t direct = w_direct_route(options->route);
    if (options->route == WEIR_FIT_MATRIX_FREE && not_iterative) {
        return w_fail(a->ctx, WEIR_E_ARG, "the matrix-free route %s", not_iterative);
    }
    if (options->route == WEIR_FIT_ARROW && input->arrow_block < 0) {
        return w_fail(a->ctx, WEIR_E_ARG, "the route arrow eliminates the levels of a random effect, s(g, bs=\"re\") or a smooth of each level "
                      "with a penalty on all of it: this model has none");
    }
    if (direct == WEIR_ROUTE_AUTO) {
        return WEIR_OK;
    }
    double seconds;
    const char *unfit = w_direct_unfit(design, input->iterations == 1);
    unfit = unfit ? unfit : w_direct_weigh(a->ctx, design, input->rows, options->ridge, direct, &input->after_bytes, &seconds);
    return unfit ? w_fail(a->ctx, WEIR_E_ARG, "the route %s does not serve this model: %s", weir_route_name(direct), unfit) : WEIR_OK;
}

/* The dense system where it fits and is not too wide; else, or when asked, the matrix-free route if it serves. */
static weir_status choose_route(const asked *a, const w_design *design, w_plan_input *input, weir_plan *out)
{
    const weir_fit_options *options = a->options;
    const char *unfit = w_iterative_unfit(design, options, input->iterations == 1);
    weir_status fault = check_route(a, design, input, unfit);
    if (fault < 0) {
        return fault;
    }
    weir_status status = options->route == WEIR_FIT_MATRIX_FREE ? WEIR_OK : w_plan_fit(input, out);
    const bool wide = core_columns(design, input->arrow_block) > W_DENSE_MAX_P;
    const bool misfit = a->fall_back && status == WEIR_E_BUDGET && core_columns(design, input->arrow_block) >= MATRIX_FREE_LEAST;
    if ((options->route != WEIR_FIT_AUTO && options->route != WEIR_FIT_MATRIX_FREE) || unfit || (options->route == WEIR_FIT_AUTO && !wide && !misfit)) {
        return status;
    }
    w_plan_input other = *input;
    weir_plan plan;
    other.matrix_free = true;
    other.system_bytes = 0;
    other.matrix_free_reason = options->route == WEIR_FIT_MATRIX_FREE ? "asked for"
                               : wide ? "the dense system has too many columns" : "the dense system does not fit in the budget";
    describe_matrix_free(design, options, &other);
    const weir_status found = w_plan_fit(&other, &plan);
    if (found >= 0 || options->route == WEIR_FIT_MATRIX_FREE || (status < 0 && plan.bytes < out->bytes)) {
        *out = plan;
        return found;
    }
    return status;
}

bool w_planning_may_iterate(const w_design *design, const weir_fit_options *options, bool linear, const weir_plan *plan)
{
    return options->route == WEIR_FIT_AUTO && strcmp(plan->route, W_ROUTE_MATRIX_FREE) != 0 &&
           !w_iterative_unfit(design, options, linear) &&
           core_columns(design, w_plan_arrow_block(design)) >= MATRIX_FREE_LEAST;
}

/* One route as if it were the one taken: bytes, seconds, whether it fits. */
static void weigh_route(const w_plan_input *input, weir_plan_route *route)
{
    char have[W_FORMAT_BYTES], need[W_FORMAT_BYTES];
    weir_plan plan;
    route->admissible = w_plan_fit(input, &plan) >= 0;
    route->bytes = plan.bytes;
    route->seconds = plan.seconds;
    if (!route->admissible) {
        snprintf(route->reason, sizeof route->reason, "takes %s of %s free", w_format_bytes_up(need, plan.bytes),
                 w_format_bytes(have, input->budget_free));
    }
}

/* Every route beside the one that `out` takes. */
static void list_routes(const w_design *design, const weir_fit_options *options, const w_plan_input *input, weir_plan *out)
{
    static const char *const name[] = { "normal-equations/cholesky", "normal-equations/arrow", W_ROUTE_MATRIX_FREE };
    const char *const unfit[] = { NULL, input->arrow_block < 0 ? "no random effect is large enough to be eliminated" : NULL,
                                  w_iterative_unfit(design, options, input->iterations == 1) };
    out->route_count = (int32_t)(sizeof name / sizeof name[0]);
    for (int i = 0; i < out->route_count; i++) {
        weir_plan_route *route = &out->routes[i];
        *route = (weir_plan_route){ .route = name[i], .taken = strcmp(out->route, name[i]) == 0, .seconds = NAN };
        if (unfit[i]) {
            snprintf(route->reason, sizeof route->reason, "%s", unfit[i]);
            continue;
        }
        w_plan_input other = *input;
        if (i == 0 && input->arrow_block >= 0) {
            other.arrow_block = -1;
            other.system_bytes = system_bytes(design, -1);
            other.iteration_bytes = iteration_bytes(design, -1, input->threads);
        } else if (i == 2) {
            other.matrix_free = true;
            other.system_bytes = 0;
            describe_matrix_free(design, options, &other);
        }
        weigh_route(&other, route);
    }
    for (int i = 0; i < out->route_count; i++) {
        weir_plan_route *route = &out->routes[i];
        if (route->taken) {
            snprintf(route->reason, sizeof route->reason, "%s", options->route != WEIR_FIT_AUTO ? "asked for" : "taken");
        } else if (route->reason[0] == 0) {
            snprintf(route->reason, sizeof route->reason, "%s", options->route != WEIR_FIT_AUTO ? "another was asked for"
                     : i == 2 ? "the dense system fits" : "eliminating the largest random effect is quicker");
        }
    }
}

_Static_assert(W_COST_FAMILIES == W_FAMILY_COUNT + 1, "a price for each family, and one for other links");

/* What the seconds go by. */
static w_plan_work describe_work(weir_ctx *ctx, const weir_fit_options *options, int arrow_block, int64_t rows)
{
    w_plan_work work = { .criterion = (int)options->criterion };
    w_glm glm;
    if (!options->family || w_family_parse(ctx, options->family, &glm) < 0) {
        return work;
    }
    const bool own = glm.link->kind == glm.family->default_link;
    work.generalised = glm.family->kind != W_FAMILY_GAUSSIAN || glm.link->kind != W_LINK_IDENTITY;
    work.family = own || (glm.family->kind == W_FAMILY_GAMMA && glm.link->kind == W_LINK_LOG) ? (int)glm.family->kind : W_FAMILY_COUNT;
    for (int a = 0; a < glm.family->param_count; a++) {
        work.parameters += glm.estimate[a];
    }
    work.canonical = w_generalised_canonical(&glm);
    work.scale_known = glm.family->scale_known || options->scale > 0;
    work.exact = work.generalised && arrow_block < 0 && w_generalised_exact(options, rows);
    return work;
}

/* Those that solve for the coefficients once more, from the rows: what they take is added to that of the normal equations. */
static void list_direct(const asked *a, const w_design *design, const w_plan_input *input, weir_plan *out)
{
    static const weir_fit_route route[] = { WEIR_FIT_QR, WEIR_FIT_MIXED, WEIR_FIT_SPARSE, WEIR_FIT_DUAL };
    char have[W_FORMAT_BYTES], need[W_FORMAT_BYTES];
    const weir_plan_route normal = out->routes[out->routes[1].taken ? 1 : 0];
    for (size_t i = 0; i < sizeof route / sizeof route[0] && out->route_count < WEIR_PLAN_ROUTES; i++) {
        weir_plan_route *line = &out->routes[out->route_count++];
        const int32_t direct = w_direct_route(route[i]);
        int64_t bytes = 0;
        double seconds = NAN;
        *line = (weir_plan_route){ .route = weir_route_name(direct), .taken = a->options->route == route[i], .seconds = NAN };
        const char *unfit = w_direct_unfit(design, input->iterations == 1);
        unfit = unfit ? unfit : w_direct_weigh(a->ctx, design, input->rows, a->options->ridge, direct, &bytes, &seconds);
        if (unfit) {
            snprintf(line->reason, sizeof line->reason, "%s", unfit);
            continue;
        }
        line->bytes = line->taken ? out->bytes : w_add64(normal.bytes, bytes);
        line->seconds = normal.seconds + seconds;
        line->admissible = line->bytes <= input->budget_free;
        if (!line->admissible) {
            snprintf(line->reason, sizeof line->reason, "takes %s of %s free", w_format_bytes_up(need, line->bytes),
                     w_format_bytes(have, input->budget_free));
            continue;
        }
        snprintf(line->reason, sizeof line->reason, "%s", line->taken ? "asked for"
                 : a->options->route != WEIR_FIT_AUTO ? "another was asked for"
                 : direct == WEIR_ROUTE_QR ? "the condition decides after the fit" : "solves for coefficients alone: only if asked for");
    }
}

static weir_status plan_design(const asked *a, const w_design *design, bool estimated, weir_plan *out)
{
    weir_ctx *ctx = a->ctx;
    weir_table *table = a->table;
    const weir_fit_options *options = a->options;
    const int64_t budget = a->budget;
    char text[160], scratch[160];
    w_plan_input input = { .design = design, .threads = w_pool_workers(ctx) };
    weir_status status = w_plan_device(ctx, &input.device, text, sizeof text, &input.device_reason);
    if (status < 0) {
        return status;
    }
    input.arrow_block = w_plan_arrow_block(design);
    input.setup_bytes = estimated ? design->setup_bytes : 0;
    input.system_bytes = system_bytes(design, input.arrow_block);
    input.iterations = is_linear(ctx, options->family) ? 1 : GENERALISED_PASSES;
    input.iteration_bytes = iteration_bytes(design, input.arrow_block, input.threads);
    input.budget = budget;
    input.budget_free = budget > 0 ? w_max64(0, budget - ctx->ledger.in_use) : INT64_MAX;
    if (!estimated) { /* what the design holds is on the ledger already */
        input.budget_free = w_add64(input.budget_free, w_min64(ctx->ledger.in_use, w_plan_design_bytes(design)));
    }
    input.diagnostics = options->diagnostics != 0 || design->ar1; /* which passes once more for its residuals */
    input.rows_bytes = input.diagnostics ? w_diagnose_bytes(design, input.threads) : 0;
    input.exact_knots = options->exact_knots != 0;
    input.file_bytes = -1;
    if (table) {
        describe_source(ctx, table, design, scratch, sizeof scratch, &input);
        input.scanned = !estimated && w_source_scanned(table);
        input.kept = input.scanned && w_source_chosen_route(table) == W_ROUTE_KEPT;
        input.spooled = input.scanned && w_source_chosen_route(table) == W_ROUTE_SPOOLED;
    } else {
        input.rows = design->rows;
        input.rows_exact = true;
        input.in_place = true;
    }
    if (input.iterations > 1 && input.arrow_block < 0 && w_generalised_exact(options, input.rows_exact ? input.rows : 0)) {
        const w_quadratic_form form = { .order = design->p };
        input.iteration_bytes = w_add64(input.iteration_bytes, w_quadratic_bytes(design, &form, input.threads));
    }
    input.work = describe_work(ctx, options, input.arrow_block, input.rows < 0 ? 0 : input.rows);
    list_windows(ctx, table, design, &input);
    w_plan_rates(ctx, &input.rates);
    status = choose_route(a, design, &input, out);
    if (status >= 0) {
        const int32_t direct = w_direct_route(options->route);
        list_routes(design, options, &input, out);
        list_direct(a, design, &input, out);
        out->coefficients = direct == WEIR_ROUTE_AUTO ? NULL : weir_route_name(direct);
    }
    if (!estimated && table) { /* set-up is over: what it took is known */
        out->bytes = w_max64(out->bytes, ctx->ledger.peak);
    }
    return status == WEIR_E_BUDGET ? report_budget(ctx, out, input.budget - input.budget_free) : status;
}

void w_planning_design_options(const weir_fit_options *options, const weir_plan *plan, w_design_options *out)
{
    memset(out, 0, sizeof *out);
    out->missing = options->missing;
    out->weights = options->weights;
    out->ar1 = w_ar1_wanted(options);
    out->start = options->ar1_start;
    out->exact_knots = options->exact_knots != 0;
    out->select = options->select != 0;
    out->arrow = options->route == WEIR_FIT_ARROW ? 1 : options->route == WEIR_FIT_CHOLESKY ? -1 : 0;
    out->gamma = options->gamma;
    out->knots = options->knots;
    out->sp = options->sp;
    out->sp_given = options->sp_count;
    if (plan) {
        out->keep_bytes = plan->keep_bytes;
        out->window_bytes = plan->window_bytes;
        out->spool = plan->scratch_bytes > 0 ? W_SPOOL_CACHE : W_SPOOL_NEEDED;
    }
}

/* With the threads that share jobs now; budget 0: that of the context. */
static weir_status estimate(const asked *wanted, const w_formula *formula, weir_plan *out)
{
    weir_ctx *ctx = wanted->ctx;
    asked a = *wanted;
    w_design *skeleton = NULL;
    w_design_options how;
    w_planning_design_options(a.options, NULL, &how);
    weir_status status = w_design_estimate(ctx, formula, a.table, &how, &skeleton);
    const int64_t before = ctx->ledger.budget;
    a.budget = a.budget > 0 ? a.budget : before;
    if (status == WEIR_E_BUDGET) { /* too small even for a sketch of the model: lifted for that alone, to say what would do */
        w_message_clear(ctx);
        ctx->ledger.budget = 0;
        status = w_design_estimate(ctx, formula, a.table, &how, &skeleton);
    }
    if (status >= 0) {
        status = plan_design(&a, skeleton, true, out);
    }
    w_design_free(skeleton);
    ctx->ledger.budget = before;
    return status;
}

/* Half as many threads; false: there is but one. */
static bool fewer_threads(weir_ctx *ctx)
{
    const int workers = w_pool_workers(ctx);
    if (workers > 1) {
        w_message_clear(ctx);
        w_pool_limit(ctx, workers / 2);
    }
    return workers > 1;
}

static void note_threads(weir_ctx *ctx, int before, weir_plan *plan)
{
    const int workers = w_pool_workers(ctx);
    if (workers < before && plan->reason_count < WEIR_PLAN_REASONS) {
        snprintf(plan->reason[plan->reason_count++], sizeof plan->reason[0],
                 "%d of %d threads: tiles and sums of more do not fit in the budget", workers, before);
    }
}

/* From `design`, or where that is NULL from the formula. */
static weir_status plan_once(const asked *a, const w_formula *formula, const w_design *design, weir_plan *out)
{
    return design ? plan_design(a, design, false, out) : estimate(a, formula, out);
}

/* The routes as they are with all threads, with half of them, and so on; then those for which a dense system does not fit. */
static weir_status plan_with_threads(asked *a, const w_formula *formula, const w_design *design, weir_plan *out)
{
    const int before = w_pool_workers(a->ctx);
    weir_status status;
    do {
        status = plan_once(a, formula, design, out);
    } while (status == WEIR_E_BUDGET && fewer_threads(a->ctx));
    if (status == WEIR_E_BUDGET && a->options->route == WEIR_FIT_AUTO) {
        w_message_clear(a->ctx);
        w_pool_limit(a->ctx, before);
        a->fall_back = true;
        do {
            status = plan_once(a, formula, design, out);
        } while (status == WEIR_E_BUDGET && fewer_threads(a->ctx));
    }
    if (status >= 0) {
        note_threads(a->ctx, before, out);
    }
    return status;
}

weir_status w_planning_estimate(weir_ctx *ctx, weir_table *table, const w_formula *formula, const weir_fit_options *options,
                                weir_plan *out)
{
    asked a = { .ctx = ctx, .table = table, .options = options };
    return plan_with_threads(&a, formula, NULL, out);
}

weir_status w_planning_exact(weir_ctx *ctx, weir_table *table, const w_design *design, const weir_fit_options *options,
                             weir_plan *out)
{
    asked a = { .ctx = ctx, .table = table, .options = options, .budget = ctx->ledger.budget };
    return plan_with_threads(&a, NULL, design, out);
}

weir_status w_planning_least(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options, int64_t *bytes)
{
    const int64_t budget = ctx->ledger.budget, taken = ctx->ledger.in_use;
    w_formula *parsed = NULL;
    weir_plan plan = { 0 };
    w_pool_limit(ctx, 1);
    ctx->ledger.budget = 0;
    weir_status status = w_formula_parse(ctx, formula, &parsed);
    if (status >= 0) {
        const asked least = { .ctx = ctx, .table = table, .options = options, .budget = 1, .fall_back = true };
        status = estimate(&least, parsed, &plan);
    }
    w_formula_free(parsed);
    ctx->ledger.budget = budget;
    w_message_clear(ctx);
    if (status != WEIR_E_BUDGET || plan.bytes <= 0) {
        return status < 0 ? status : WEIR_E_INTERNAL;
    }
    *bytes = w_add64(plan.bytes, taken);
    return WEIR_OK;
}
