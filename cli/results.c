/* SPDX-License-Identifier: Apache-2.0 */
#include "advice.h"
#include "results.h"

#include <stdio.h>
#include <string.h>

int cli_results_check(cli_run *run)
{
    const char *names[] = {run->args.output, run->args.json_file, run->args.report};
    int code = EXIT_DONE;
    for (int i = 0; i < 3 && code == EXIT_DONE; i++) {
        for (int j = 0; j < i && names[i]; j++)
            if (names[j] && !strcmp(names[i], names[j]))
                return cli_fail(run, EXIT_USAGE, "'%s' is given for two outputs; give each its own file", names[i]);
        if (names[i])
            code = cli_output_check(run, names[i]);
    }
    return code;
}

/* Turns a failed report into an exit code: of the output when writing failed, else of the library's status. */
static int report_into(cli_run *run, const weir_model *model, cli_report_fn report, cli_output *out)
{
    weir_status status = report(run->ctx, model, cli_output_write, out);
    cli_output_flush(out);
    if (out->error)
        return cli_output_failed(run, out);
    return status < 0 ? cli_report(run, status, EXIT_FAILED) : EXIT_DONE;
}

int cli_write_report(cli_run *run, const weir_model *model, cli_report_fn report, const char *name)
{
    cli_output out;
    int code = cli_output_open(run, name, &out);
    if (code)
        return code;
    code = report_into(run, model, report, &out);
    if (code)
        cli_output_discard(&out);
    else
        code = cli_output_commit(run, &out);
    return code;
}

/* Every file is complete before the first takes its name. */
static int write_files(cli_run *run, const weir_model *model)
{
    const cli_args *args = &run->args;
    cli_output json = {0}, html = {0}, file = {0};
    int code = EXIT_DONE;
    if (args->json_file) {
        code = cli_output_open(run, args->json_file, &json);
        if (code == EXIT_DONE)
            code = report_into(run, model, args->explain ? weir_report_explain_json : weir_report_json, &json);
    }
    if (code == EXIT_DONE && args->report) {
        code = cli_output_open(run, args->report, &html);
        if (code == EXIT_DONE)
            code = report_into(run, model, weir_report_html, &html);
    }
    if (code == EXIT_DONE && args->output) {
        code = cli_output_reserve(run, args->output, &file);
        if (code == EXIT_DONE) {
            weir_status status = weir_model_save(run->ctx, model, file.temporary);
            code = status < 0 ? cli_report(run, status, EXIT_FAILED) : EXIT_DONE;
        }
        if (code == EXIT_DONE)
            code = cli_output_commit(run, &file);
    }
    if (code == EXIT_DONE && html.name)
        code = cli_output_commit(run, &html);
    if (code == EXIT_DONE && json.name)
        code = cli_output_commit(run, &json);
    cli_output_discard(&json);
    cli_output_discard(&html);
    cli_output_discard(&file);
    return code;
}

static void say_rank(cli_run *run, const weir_model *model)
{
    weir_summary summary;
    if (weir_model_summary(model, &summary) >= 0)
        cli_say(run, "rank %lld of %lld: dependent columns have coefficient 0", (long long)summary.rank,
                (long long)summary.columns);
}

int cli_results_write(cli_run *run, const weir_model *model, weir_status status)
{
    const cli_args *args = &run->args;
    char remark[1024];
    snprintf(remark, sizeof remark, "%s", weir_ctx_message(run->ctx));
    int code = write_files(run, model);
    if (code)
        return code;
    bool json_on_stdout = args->json_file && !strcmp(args->json_file, "-");
    if (!args->quiet && !json_on_stdout) {
        code = cli_write_report(run, model, weir_report_text, "-");
        if (code)
            return code;
    }
    if (args->explain && !json_on_stdout) {
        code = cli_write_report(run, model, weir_report_explain, "-");
        if (code)
            return code;
    }
    if (status == WEIR_RANK_DEFICIENT)
        say_rank(run, model);
    else if (status == WEIR_NOT_CONVERGED) /* even under --quiet: the exit status says that something is wrong */
        cli_fail(run, EXIT_NOT_CONVERGED, "%s", *remark ? remark : weir_status_name(status));
    if (args->output)
        cli_say(run, "wrote %s", args->output);
    if (args->report && strcmp(args->report, "-"))
        cli_say(run, "report: %s", args->report);
    return cli_exit_code(status, EXIT_FAILED);
}

int cli_load_model(cli_run *run, const char *path, weir_model **out)
{
    weir_status status = weir_model_load(run->ctx, path, out);
    if (status == WEIR_E_BUDGET && run->attempt)
        return cli_advise_budget(run);
    return status < 0 ? cli_report(run, status, EXIT_MODEL) : EXIT_DONE;
}
