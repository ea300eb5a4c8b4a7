/* SPDX-License-Identifier: Apache-2.0 */
/* weir summary: what a model file says. */
#include "by_group.h"
#include "cli.h"
#include "groups.h"
#include "results.h"

static const cli_option options[] = {
    {0, "json", CLI_FLAG, CLI_AT(json), 0, NULL, "as JSON"},
    {0, "report", CLI_TEXT, CLI_AT(report), 0, "FILE.html", "write the HTML report instead"},
};
static const cli_group outputs = {"Result", CLI_COUNT_OF(options), options};
static const cli_group *const groups[] = {&outputs, &group_machine, &group_general, NULL};

static int summary(cli_run *run)
{
    const cli_args *args = &run->args;
    weir_model *model = NULL;
    weir_groups *several = NULL;
    int code = args->report ? cli_output_check(run, args->report) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE)
        code = cli_group_load(run, run->operand[0], &several);
    if (several) {
        code = cli_group_summary(run, several);
        weir_groups_free(several);
        return code;
    }
    if (code == EXIT_DONE)
        code = cli_load_model(run, run->operand[0], &model);
    if (code == EXIT_DONE && args->report)
        code = cli_write_report(run, model, weir_report_html, args->report);
    if (code == EXIT_DONE && (args->json || !args->report))
        code = cli_write_report(run, model, args->json ? weir_report_json : weir_report_text, "-");
    weir_model_free(model);
    return code;
}

const cli_command cmd_summary = {
    .name = "summary",
    .brief = "print what a model file holds",
    .operands = "MODEL",
    .about = "Prints the summary of a fitted model: coefficients, smooth terms with their effective degrees of\n"
             "freedom and p-values, the criterion, and what the fit took.",
    .examples = "  weir summary co2.weir\n  weir summary --json co2.weir | jq .terms\n",
    .groups = groups,
    .least_operands = 1,
    .most_operands = 1,
    .run = summary,
};
