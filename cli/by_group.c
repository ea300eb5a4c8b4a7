/* SPDX-License-Identifier: Apache-2.0 */
#include "by_group.h"
#include "results.h"

#include <string.h>

typedef weir_status (*report_fn)(weir_ctx *, const weir_groups *, weir_write_fn, void *);

static int write_report(cli_run *run, const weir_groups *groups, report_fn report, const char *name)
{
    cli_output out;
    int code = cli_output_open(run, name, &out);
    if (code)
        return code;
    weir_status status = report(run->ctx, groups, cli_output_write, &out);
    cli_output_flush(&out);
    code = out.error ? cli_output_failed(run, &out) : status < 0 ? cli_report(run, status, EXIT_FAILED) : EXIT_DONE;
    if (code)
        cli_output_discard(&out);
    else
        code = cli_output_commit(run, &out);
    return code;
}

static int save(cli_run *run, const weir_groups *groups)
{
    cli_output file = {0};
    int code = cli_output_reserve(run, run->args.output, &file);
    if (code)
        return code;
    weir_status status = weir_groups_save(run->ctx, groups, file.temporary);
    code = status < 0 ? cli_report(run, status, EXIT_FAILED) : cli_output_commit(run, &file);
    cli_output_discard(&file);
    return code;
}

static int write_all(cli_run *run, const weir_groups *groups, weir_status status)
{
    const cli_args *args = &run->args;
    int code = args->json_file ? write_report(run, groups, weir_groups_report_json, args->json_file) : EXIT_DONE;
    if (code == EXIT_DONE && args->output)
        code = save(run, groups);
    const bool json_on_stdout = args->json_file && !strcmp(args->json_file, "-");
    if (code == EXIT_DONE && !args->quiet && !json_on_stdout)
        code = write_report(run, groups, weir_groups_report_text, "-");
    if (code)
        return code;
    if (status == WEIR_NOT_CONVERGED)
        cli_fail(run, EXIT_NOT_CONVERGED, "smoothing parameters of some groups, or the shared ones, did not converge");
    if (args->output)
        cli_say(run, "wrote %s", args->output);
    return cli_exit_code(status, EXIT_FAILED);
}

int cli_group_fit(cli_run *run)
{
    weir_fit_options fit = cli_fit_options(run);
    weir_groups_options how = WEIR_GROUPS_OPTIONS_INIT;
    weir_groups *groups = NULL;
    weir_table *table = NULL;
    if (run->args.report)
        return cli_fail(run, EXIT_USAGE, "--report draws one model; with --by-group give --json FILE, or 'weir summary'");
    how.column = run->args.by_group;
    how.each = run->args.group_lambda == 1;
    how.covariance = run->args.group_covariance == 2 ? -1 : run->args.group_covariance;
    int code = cli_table(run, run->operand_count, run->operand, &table);
    if (code)
        return code;
    weir_status status = weir_fit_groups(run->ctx, table, run->args.formula, &fit, &how, &groups);
    code = status < 0 ? cli_report(run, status, EXIT_DATA) : write_all(run, groups, status);
    weir_table_close(table);
    weir_groups_free(groups);
    return code;
}

int cli_group_load(cli_run *run, const char *path, weir_groups **out)
{
    if (!weir_groups_file(run->ctx, path))
        return EXIT_DONE;
    weir_status status = weir_groups_load(run->ctx, path, out);
    return status < 0 ? cli_report(run, status, EXIT_MODEL) : EXIT_DONE;
}

int cli_group_summary(cli_run *run, const weir_groups *groups)
{
    if (run->args.report)
        return cli_fail(run, EXIT_USAGE, "--report draws one model; this file holds groups: use --json");
    return write_report(run, groups, run->args.json ? weir_groups_report_json : weir_groups_report_text, "-");
}
