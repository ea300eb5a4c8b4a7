/* SPDX-License-Identifier: Apache-2.0 */
/* weir fit: data and a formula, or saved sums, to a model. */
#include "by_group.h"
#include "cli.h"
#include "groups.h"
#include "results.h"
#include "windows.h"

static const cli_option options[] = {
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "MODEL", "the model file to write; with --window the CSV of predictions"},
    {0, "json", CLI_TEXT, CLI_AT(json_file), 0, "FILE", "the fit as JSON; - is standard output"},
    {0, "report", CLI_TEXT, CLI_AT(report), 0, "FILE.html", "one HTML file with every effect drawn, residuals and the plan"},
    {0, "explain", CLI_FLAG, CLI_AT(explain), 0, NULL,
     "say after the fit what was planned beside what happened: every route, bytes, seconds, and what gave way to fit"},
    {0, "from", CLI_TEXT, CLI_AT(from), 0, "SUMS.acc", "fit from sums of 'weir accumulate' or 'weir merge' instead of DATA"},
};
static const cli_group outputs = {"Result", CLI_COUNT_OF(options), options};

static const cli_option apart_options[] = {
    {0, "by-group", CLI_TEXT, CLI_AT(by_group), 0, "COL",
     "fit the rows of each level of COL apart, with bases and penalties that all share"},
    {0, "group-lambda", CLI_CHOICE, CLI_AT(group_lambda), 0, "shared|each",
     "with --by-group: one smoothing parameter per term for all groups (default), or for each group its own"},
    {0, "group-covariance", CLI_CHOICE, CLI_AT(group_covariance), 0, "auto|yes|no",
     "with --by-group: keep covariances, so that predictions have standard errors (default: where they are few beside the budget)"},
};
static const cli_group apart = {"Groups", CLI_COUNT_OF(apart_options), apart_options};

static const cli_option window_options[] = {
    {0, "window", CLI_COUNT, CLI_AT(window), CLI_AT(window_given), "ROWS",
     "fit every run of ROWS rows, each --step rows further on, and predict the rows behind it (gaussian only)"},
    {0, "step", CLI_COUNT, CLI_AT(step), CLI_AT(step_given), "ROWS", "from one window to the next (default: as long as the window)"},
    {0, "window-lambda", CLI_CHOICE, CLI_AT(window_lambda), 0, "first|each",
     "smoothing parameters of the first window for all (default), or of each window its own"},
    {0, "windows", CLI_TEXT, CLI_AT(window_table), 0, "FILE.csv", "a row for each window: rows, edf, scale, errors, coefficients"},
};
static const cli_group windows = {"Sliding windows", CLI_COUNT_OF(window_options), window_options};
static const cli_group *const groups[] = {&outputs, &group_model, &apart, &windows, &group_table, &group_machine, &group_general, NULL};

static int fit_table(cli_run *run, weir_model **model, weir_status *status)
{
    weir_fit_options fit = cli_fit_options(run);
    weir_table *table = NULL;
    int code = cli_table(run, run->operand_count, run->operand, &table);
    if (code)
        return code;
    *status = weir_fit(run->ctx, table, run->args.formula, &fit, model);
    if (*status < 0)
        code = cli_report(run, *status, EXIT_DATA);
    weir_table_close(table);
    return code;
}

static int fit_sums(cli_run *run, weir_model **model, weir_status *status)
{
    weir_fit_options fit = cli_fit_options(run);
    weir_sums *sums = NULL;
    *status = weir_sums_load(run->ctx, run->args.from, &sums);
    if (*status >= 0)
        *status = weir_sums_fit(run->ctx, sums, &fit, model);
    int code = *status < 0 ? cli_report(run, *status, EXIT_MODEL) : EXIT_DONE;
    weir_sums_free(sums);
    return code;
}

/* What the rows were summed with cannot be changed afterwards. */
static const char *fixed_in_sums(const cli_args *args)
{
    return args->weights ? "--weights" : args->knots || args->knots_exact ? "--knots" : args->sp ? "--sp" :
           args->select ? "--select" : args->ar1 != 0 ? "--ar1" : args->ar1_start ? "--ar1-start" : args->factors ? "--factors" : args->drop ? "--na" : NULL;
}

static int check(cli_run *run)
{
    const cli_args *args = &run->args;
    int windowed = cli_windows_check(run);
    if (windowed)
        return windowed;
    if (args->group_lambda && !args->by_group)
        return cli_fail(run, EXIT_USAGE, "--group-lambda needs --by-group COL");
    if (args->group_covariance && !args->by_group)
        return cli_fail(run, EXIT_USAGE, "--group-covariance needs --by-group COL");
    if (args->from && args->by_group)
        return cli_fail(run, EXIT_USAGE, "--by-group needs the rows, which sums do not hold; give DATA instead of --from");
    if (args->from) {
        const char *fixed = fixed_in_sums(args);
        if (fixed)
            return cli_fail(run, EXIT_USAGE, "%s was settled when %s was made; leave it out here", fixed, args->from);
        if (run->operand_count)
            return cli_fail(run, EXIT_USAGE, "--from takes the place of DATA; leave out '%s'", run->operand[0]);
        if (args->formula)
            return cli_fail(run, EXIT_USAGE, "the formula is in %s already; leave out -f", args->from);
        if (args->report)
            return cli_fail(run, EXIT_USAGE, "--report needs the rows, which sums do not hold; fit from DATA, or use "
                                             "'weir summary MODEL --report'");
    } else {
        int code = cli_need_formula(run);
        if (code)
            return code;
        if (!run->operand_count)
            return cli_fail(run, EXIT_USAGE, "DATA is missing; give files, or - for standard input");
    }
    if (!args->output && !args->json_file && !args->report && !args->window_table)
        return cli_fail(run, EXIT_USAGE, "nothing would be kept; give -o MODEL, --json FILE or --report FILE.html");
    return cli_results_check(run);
}

static int fit(cli_run *run)
{
    weir_model *model = NULL;
    weir_status status = WEIR_OK;
    int code = check(run);
    run->attempt = run->args.from ? NULL : cli_attempt_fit;
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE && run->args.by_group)
        return cli_group_fit(run);
    if (code == EXIT_DONE && run->args.window_given)
        return cli_windows_fit(run);
    if (code == EXIT_DONE)
        code = run->args.from ? fit_sums(run, &model, &status) : fit_table(run, &model, &status);
    if (code == EXIT_DONE)
        code = cli_results_write(run, model, status);
    weir_model_free(model);
    return code;
}

const cli_command cmd_fit = {
    .name = "fit",
    .brief = "fit a model to data",
    .operands = "DATA...",
    .about = "Fits a penalised additive model and writes it to a file; the summary goes to standard output.\n"
             "DATA: .csv, .csv.gz, .npy, or - for CSV on standard input; several files of the same columns are\n"
             "read one after another. Rows stream: the data may be larger than memory.",
    .examples = "  weir fit -f 'co2 ~ s(decimal_year, bs=\"cr\", k=40) + s(month, bs=\"cc\", k=12)' \\\n"
                "           --knots 'month=0.5,12.5' -o co2.weir --report co2.html co2.csv\n"
                "  weir fit -f 'y ~ s(x) + s(id, bs=\"re\")' --factors id --memory 512M -o m.weir part-*.csv.gz\n"
                "  weir fit -f 'load ~ s(hour) + s(temp)' --by-group meter -o meters.weir readings.csv\n"
                "  weir fit -f 'load ~ s(hour) + s(temp)' --window 1440 --step 24 -o forecasts.csv --windows w.csv hours.csv\n"
                "  weir fit --from all.acc -o m.weir\n",
    .groups = groups,
    .least_operands = 0,
    .most_operands = -1,
    .run = fit,
};
