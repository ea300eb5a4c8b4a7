/* SPDX-License-Identifier: Apache-2.0 */
/* The run of one command: words on stderr, progress, the context and the table. */
#include "advice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

void cli_progress_end(cli_run *run)
{
    if (run->line_open)
        fputs("\r\033[K", stderr);
    run->line_open = false;
}

static void say(cli_run *run, const char *colour, const char *format, va_list list)
{
    cli_progress_end(run);
    if (run->colour)
        fprintf(stderr, "\033[%smweir %s:\033[0m ", colour, run->command->name);
    else
        fprintf(stderr, "weir %s: ", run->command->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

int cli_fail(cli_run *run, int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(run, "1;31", format, list);
    va_end(list);
    return code;
}

void cli_say(cli_run *run, const char *format, ...)
{
    if (run->args.quiet)
        return;
    va_list list;
    va_start(list, format);
    say(run, "1", format, list);
    va_end(list);
}

int cli_exit_code(weir_status status, int input)
{
    if (status >= 0)
        return status == WEIR_NOT_CONVERGED ? EXIT_NOT_CONVERGED : EXIT_DONE;
    switch (status) {
    case WEIR_E_ARG:
    case WEIR_E_FORMULA: return EXIT_USAGE;
    case WEIR_E_DATA: return EXIT_DATA;
    case WEIR_E_IO: return input;
    case WEIR_E_BUDGET: return EXIT_BUDGET;
    case WEIR_E_DEVICE: return EXIT_DEVICE;
    case WEIR_E_MODEL: return EXIT_MODEL;
    case WEIR_E_CANCELLED: return EXIT_INTERRUPTED;
    default: return EXIT_FAILED;
    }
}

int cli_report(cli_run *run, weir_status status, int input)
{
    const char *message = run->ctx ? weir_ctx_message(run->ctx) : "";
    if (status == WEIR_E_CANCELLED)
        return cli_fail(run, EXIT_INTERRUPTED, "interrupted; nothing was written");
    return cli_fail(run, cli_exit_code(status, input), "%s", *message ? message : weir_status_name(status));
}

/* ---- progress -------------------------------------------------------------------------------------------------- */

static void on_log(void *user, weir_log_level level, const char *message)
{
    cli_run *run = user;
    if (level == WEIR_LOG_ERROR) /* arrives as a status too */
        return;
    if (level == WEIR_LOG_WARNING || (level == WEIR_LOG_INFO && run->args.verbose))
        cli_say(run, "%s", message);
}

static void print_rows(int64_t done, int64_t total)
{
    int64_t rows = total > 0 ? total : done;
    if (total > 0)
        fprintf(stderr, ": %.0f %% of", 100.0 * (double)done / (double)total);
    else
        fputc(':', stderr);
    if (rows >= 1000000)
        fprintf(stderr, " %.2f million rows", 1e-6 * (double)rows);
    else
        fprintf(stderr, " %lld rows", (long long)rows);
}

/* "scan, pass 1 of about 10: 40 % of 1.00 million rows, 3 s left" */
static int on_progress(void *user, const weir_progress *progress)
{
    cli_run *run = user;
    if (run->args.progress != 2 && cli_seconds() - run->started < 1)
        return 0;
    fprintf(stderr, "%sweir %s: %s, %spass %d", run->terminal ? "\r\033[K" : "", run->command->name, progress->phase,
            strcmp(progress->phase, "smoothing") ? "" : "after ", progress->pass);
    if (progress->passes > 0)
        fprintf(stderr, " of about %d", progress->passes);
    if (strcmp(progress->phase, "smoothing"))
        print_rows(progress->done, progress->total);
    if (isfinite(progress->criterion))
        fprintf(stderr, ", criterion %.8g", progress->criterion);
    if (isfinite(progress->seconds_left))
        fprintf(stderr, ", %.0f s left", progress->seconds_left);
    if (!run->terminal)
        fputc('\n', stderr);
    run->line_open = run->terminal;
    fflush(stderr);
    return 0;
}

static int on_cancel(void *user)
{
    (void)user;
    return cli_interrupted();
}

/* ---- context and table ----------------------------------------------------------------------------------------- */

int cli_context(cli_run *run)
{
    const cli_args *args = &run->args;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    if (args->threads > 4096)
        return cli_fail(run, EXIT_USAGE, "--threads %lld is more than 4096", (long long)args->threads);
    options.threads = (int32_t)args->threads;
    options.memory_budget = args->memory;
    options.device = args->device;
    options.scratch = args->scratch;
    options.seed = (uint64_t)args->seed;
    options.log = on_log;
    options.progress = run->progress ? on_progress : NULL;
    options.cancel = on_cancel;
    options.user = run;
    weir_status status = weir_ctx_create(&options, &run->ctx);
    if (status >= 0)
        return EXIT_DONE;
    if (status == WEIR_E_DEVICE)
        return cli_fail(run, EXIT_DEVICE, "device '%s' is not there; 'weir devices' lists what is and why",
                        args->device ? args->device : "auto");
    if (status == WEIR_E_BUDGET)
        return cli_fail(run, EXIT_BUDGET, "--memory %lld bytes is too small even to start; give at least 8M",
                        (long long)args->memory);
    if (status == WEIR_E_MEMORY)
        return cli_fail(run, EXIT_BUDGET, "cannot start: the system has no memory left, or its limit of address space (ulimit -v) no "
                                          "room for one thread");
    if (status == WEIR_E_ARG)
        return cli_fail(run, EXIT_USAGE, "--threads, --memory, --device or --scratch has a value that cannot be used");
    return cli_fail(run, cli_exit_code(status, EXIT_FAILED), "cannot start: %s", weir_status_name(status));
}

weir_table_options cli_table_options(const cli_run *run)
{
    const cli_args *args = &run->args;
    weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    options.delimiter = args->delimiter;
    options.decimal = args->decimal;
    options.columns = args->columns;
    options.headerless = args->headerless;
    options.missing_words = args->missing;
    options.factors = args->factors;
    return options;
}

int cli_table(cli_run *run, int count, char **paths, weir_table **out)
{
    int pipes = 0;
    for (int i = 0; i < count; i++)
        pipes += !strcmp(paths[i], "-");
    if (pipes > 1)
        return cli_fail(run, EXIT_USAGE, "'-' (standard input) can be read once; it is given %d times", pipes);
    if (pipes && isatty(STDIN_FILENO))
        cli_say(run, "reading CSV from the terminal; end with Ctrl-D");
    const weir_table_options options = cli_table_options(run);
    weir_status status = weir_table_open(run->ctx, count, (const char *const *)paths, &options, out);
    if (status == WEIR_E_BUDGET)
        return cli_advise_budget(run);
    return status < 0 ? cli_report(run, status, EXIT_DATA) : EXIT_DONE;
}

weir_fit_options cli_fit_options(const cli_run *run)
{
    const cli_args *args = &run->args;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.criterion = (weir_criterion)args->method;
    options.family = args->family;
    options.weights = args->weights;
    options.missing = (weir_missing)args->drop;
    options.gamma = args->gamma;
    options.scale = args->scale;
    options.sp = args->sp;
    options.sp_count = args->sp_count;
    options.knots = args->knots;
    options.exact_knots = args->knots_exact;
    options.select = args->select;
    options.diagnostics = args->report != NULL;
    options.max_iterations = args->iterations > INT32_MAX ? INT32_MAX : (int32_t)args->iterations;
    options.laplace = args->criterion == 1 ? 1 : args->criterion == 2 ? -1 : 0;
    options.ar1 = isnan(args->ar1) ? 0 : args->ar1;
    options.ar1_estimate = isnan(args->ar1);
    options.ar1_start = args->ar1_start;
    options.ridge = args->ridge;
    options.route = (weir_fit_route)args->route;
    options.preconditioner = (weir_preconditioner)args->preconditioner;
    return options;
}

weir_status cli_attempt_fit(const cli_run *run, weir_ctx *ctx, const weir_table_options *options)
{
    weir_table *table = NULL;
    weir_plan found;
    weir_fit_options fit = cli_fit_options(run);
    weir_status status = weir_table_open(ctx, run->operand_count, (const char *const *)run->operand, options, &table);
    if (status >= 0)
        status = weir_plan_fit(ctx, table, run->args.formula, &fit, &found);
    weir_table_close(table);
    return status;
}

int cli_need_formula(cli_run *run)
{
    if (run->args.formula)
        return EXIT_DONE;
    return cli_fail(run, EXIT_USAGE, "a formula is needed: -f 'y ~ s(x)'; see 'weir %s --help'", run->command->name);
}
