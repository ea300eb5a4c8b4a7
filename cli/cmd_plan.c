/* SPDX-License-Identifier: Apache-2.0 */
/* weir plan: what `weir fit` with the same arguments would do. */
#include "cli.h"
#include "groups.h"
#include "output.h"
#include "windows.h"

static const cli_option options[] = {
    {0, "json", CLI_FLAG, CLI_AT(json), 0, NULL, "as JSON"},
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "MODEL", "accepted, so that a fit's arguments can be kept; not written"},
    {0, "report", CLI_TEXT, CLI_AT(report), 0, "FILE.html", "plan for the extra pass of a report; not written"},
};
static const cli_group outputs = {"Result", CLI_COUNT_OF(options), options};

static const cli_option window_options[] = {
    {0, "window", CLI_COUNT, CLI_AT(window), CLI_AT(window_given), "ROWS", "plan for a fit of sliding windows"},
    {0, "step", CLI_COUNT, CLI_AT(step), CLI_AT(step_given), "ROWS", "from one window to the next (default: as long as the window)"},
    {0, "window-lambda", CLI_CHOICE, CLI_AT(window_lambda), 0, "first|each", "accepted"},
    {0, "windows", CLI_TEXT, CLI_AT(window_table), 0, "FILE.csv", "accepted; not written"},
};
static const cli_option apart_options[] = {
    {0, "by-group", CLI_TEXT, CLI_AT(by_group), 0, "COL", "plan for a fit of the rows of each level of COL apart"},
    {0, "group-lambda", CLI_CHOICE, CLI_AT(group_lambda), 0, "shared|each", "accepted"},
    {0, "group-covariance", CLI_CHOICE, CLI_AT(group_covariance), 0, "auto|yes|no", "accepted"},
};
static const cli_group apart = {"Groups", CLI_COUNT_OF(apart_options), apart_options};
static const cli_group windows = {"Sliding windows", CLI_COUNT_OF(window_options), window_options};
static const cli_group *const groups[] = {&outputs, &group_model, &apart, &windows, &group_table, &group_machine, &group_general, NULL};

static int print_plan(cli_run *run, const weir_plan *found)
{
    cli_output out;
    int code = cli_output_open(run, "-", &out);
    if (code)
        return code;
    weir_status status = run->args.json ? weir_report_plan_json(run->ctx, found, cli_output_write, &out)
                                        : weir_report_plan_text(run->ctx, found, cli_output_write, &out);
    if (!out.error && status < 0) {
        cli_output_discard(&out);
        return cli_report(run, status, EXIT_FAILED);
    }
    return cli_output_commit(run, &out);
}

static int plan(cli_run *run)
{
    weir_table *table = NULL;
    weir_plan found;
    int code = cli_need_formula(run);
    if (code == EXIT_DONE)
        code = cli_windows_check(run);
    run->attempt = cli_attempt_fit;
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE)
        code = cli_table(run, run->operand_count, run->operand, &table);
    if (code)
        return code;
    weir_fit_options fit = cli_fit_options(run);
    const weir_windows_options how = cli_windows_options(run);
    weir_groups_options groups_how = WEIR_GROUPS_OPTIONS_INIT;
    groups_how.column = run->args.by_group;
    groups_how.each = run->args.group_lambda == 1;
    weir_status status = run->args.by_group ? weir_plan_groups(run->ctx, table, run->args.formula, &fit, &groups_how, &found)
                         : run->args.window_given ? weir_plan_windows(run->ctx, table, run->args.formula, &fit, &how, &found)
                                                : weir_plan_fit(run->ctx, table, run->args.formula, &fit, &found);
    code = status < 0 ? cli_report(run, status, EXIT_DATA) : print_plan(run, &found);
    weir_table_close(table);
    return code;
}

const cli_command cmd_plan = {
    .name = "plan",
    .brief = "say what a fit would do, how many bytes and seconds it takes, and why",
    .operands = "DATA...",
    .about = "Takes the arguments of 'weir fit' and prints the plan before a row is read: route, device, precision,\n"
             "passes, predicted bytes and seconds, and the reasons. Only the head of a text file is looked at.",
    .examples = "  weir plan -f 'y ~ s(x0) + s(x1)' --memory 64M big.npy\n"
                "  weir plan --json -f 'y ~ s(x0)' data.csv\n",
    .groups = groups,
    .least_operands = 1,
    .most_operands = -1,
    .run = plan,
};
