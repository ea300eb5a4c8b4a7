/* SPDX-License-Identifier: Apache-2.0 */
/* weir check: residuals of a table under a model, and whether its bases are large enough. */
#include "cli.h"
#include "groups.h"
#include "results.h"

static const cli_option options[] = {
    {0, "json", CLI_FLAG, CLI_AT(json), 0, NULL, "the model as JSON, with the key checks"},
    {0, "report", CLI_TEXT, CLI_AT(report), 0, "FILE.html", "one HTML file with the pictures of the residuals"},
};
static const cli_group outputs = {"Result", CLI_COUNT_OF(options), options};
static const cli_group *const groups[] = {&outputs, &group_table, &group_machine, &group_general, NULL};

static int check_rows(cli_run *run, weir_model *model, weir_table *rows)
{
    const cli_args *args = &run->args;
    const weir_smooth_check *checks;
    int64_t count;
    weir_status status = weir_check(run->ctx, model, rows, (weir_missing)args->drop, &count, &checks);
    if (status < 0)
        return cli_report(run, status, EXIT_DATA);
    int code = args->report ? cli_write_report(run, model, weir_report_html, args->report) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = cli_write_report(run, model, args->json ? weir_report_json : weir_report_check, "-");
    if (code == EXIT_DONE && args->report)
        cli_say(run, "report: %s", args->report);
    return code;
}

static weir_status attempt(const cli_run *run, weir_ctx *ctx, const weir_table_options *options)
{
    weir_model *model = NULL;
    weir_table *rows = NULL;
    const weir_smooth_check *checks;
    int64_t count;
    weir_status status = weir_model_load(ctx, run->operand[0], &model);
    if (status >= 0)
        status = weir_table_open(ctx, run->operand_count - 1, (const char *const *)run->operand + 1, options, &rows);
    if (status >= 0)
        status = weir_check(ctx, model, rows, (weir_missing)run->args.drop, &count, &checks);
    weir_table_close(rows);
    weir_model_free(model);
    return status;
}

static int check(cli_run *run)
{
    const cli_args *args = &run->args;
    weir_model *model = NULL;
    weir_table *rows = NULL;
    run->attempt = attempt;
    int code = args->report ? cli_output_check(run, args->report) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE)
        code = cli_load_model(run, run->operand[0], &model);
    if (code == EXIT_DONE)
        code = cli_table(run, run->operand_count - 1, run->operand + 1, &rows);
    if (code == EXIT_DONE)
        code = check_rows(run, model, rows);
    weir_table_close(rows);
    weir_model_free(model);
    return code;
}

const cli_command cmd_check = {
    .name = "check",
    .brief = "check a model: residuals and basis dimensions",
    .operands = "MODEL DATA...",
    .about = "Prints whether the fit converged and, for every smooth, whether its basis is large enough: k-index compares\n"
             "the residuals of neighbours with those of any rows. DATA are usually those of the fit. The report shows\n"
             "deviance residuals against simulated ones, over the linear predictor, and the response over fitted values.",
    .examples = "  weir check m.weir data.csv\n  weir check --report check.html m.weir data.csv\n",
    .groups = groups,
    .least_operands = 2,
    .most_operands = -1,
    .run = check,
};
