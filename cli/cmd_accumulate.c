/* SPDX-License-Identifier: Apache-2.0 */
/* weir accumulate: one part of the data to a file of cross-products, or onto the end of one. */
#include "cli.h"
#include "groups.h"
#include "output.h"

static const cli_option options[] = {
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "PART.acc", "the sums to write"},
    {0, "like", CLI_TEXT, CLI_AT(like), 0, "PART0.acc", "take over knots and factor levels of another part: needed for merging"},
    {0, "first-row", CLI_COUNT, CLI_AT(first_row), CLI_AT(first_row_given), "N",
     "number of the first row in the whole data, counted from 0"},
    {0, "append", CLI_TEXT, CLI_AT(append), 0, "ALL.acc", "add the rows after those of ALL.acc (written back to it without -o)"},
};
static const cli_group outputs = {"Sums", CLI_COUNT_OF(options), options};
static const cli_group *const groups[] = {&outputs, &group_model, &group_table, &group_machine, &group_general, NULL};

static int save(cli_run *run, const weir_sums *sums, const char *name)
{
    cli_output out;
    int code = cli_output_reserve(run, name, &out);
    if (code)
        return code;
    weir_status status = weir_sums_save(run->ctx, sums, out.temporary);
    if (status < 0) {
        cli_output_discard(&out);
        return cli_report(run, status, EXIT_FAILED);
    }
    code = cli_output_commit(run, &out);
    if (code == EXIT_DONE)
        cli_say(run, "wrote %s; the next row is %lld", name, (long long)weir_sums_next_row(sums));
    return code;
}

static int add_rows(cli_run *run, weir_table *table, weir_sums *base)
{
    const cli_args *args = &run->args;
    weir_fit_options fit = cli_fit_options(run);
    weir_sums *sums = NULL;
    int64_t first = args->append ? weir_sums_next_row(base) : args->first_row;
    weir_status status = weir_sums_accumulate(run->ctx, table, args->formula, &fit, base, first, &sums);
    if (status >= 0 && args->append)
        status = weir_sums_merge(run->ctx, base, sums);
    int code;
    if (status < 0)
        code = cli_report(run, status, EXIT_DATA);
    else
        code = save(run, args->append ? base : sums, args->output ? args->output : args->append);
    weir_sums_free(sums);
    return code;
}

static int check(cli_run *run)
{
    const cli_args *args = &run->args;
    if (args->append && (args->like || args->first_row_given))
        return cli_fail(run, EXIT_USAGE, "--append takes knots and first row from %s; leave out %s", args->append,
                        args->like ? "--like" : "--first-row");
    if (!args->output && !args->append)
        return cli_fail(run, EXIT_USAGE, "an output is needed: -o PART.acc, or --append ALL.acc");
    int code = cli_need_formula(run);
    return code ? code : cli_output_check(run, args->output ? args->output : args->append);
}

static int accumulate(cli_run *run)
{
    const char *from = run->args.append ? run->args.append : run->args.like;
    weir_sums *base = NULL;
    weir_table *table = NULL;
    int code = check(run);
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE && from) {
        weir_status status = weir_sums_load(run->ctx, from, &base);
        code = status < 0 ? cli_report(run, status, EXIT_MODEL) : EXIT_DONE;
    }
    if (code == EXIT_DONE)
        code = cli_table(run, run->operand_count, run->operand, &table);
    if (code == EXIT_DONE)
        code = add_rows(run, table, base);
    weir_table_close(table);
    weir_sums_free(base);
    return code;
}

const cli_command cmd_accumulate = {
    .name = "accumulate",
    .brief = "sum up one part of the data, to be merged, appended to and fitted later",
    .operands = "DATA...",
    .about = "Reads DATA once and writes its cross-products. Parts summed on any machines in any order and merged give\n"
             "the same bits as one run over all rows: make the first part, then the others --like it, each with the\n"
             "--first-row it starts at in the whole data.",
    .examples = "  weir accumulate -f 'y ~ s(x)' -o p0.acc day0.csv\n"
                "  weir accumulate -f 'y ~ s(x)' --like p0.acc --first-row 1048576 -o p1.acc day1.csv\n"
                "  weir merge -o all.acc p0.acc p1.acc && weir fit --from all.acc -o m.weir\n"
                "  weir accumulate -f 'y ~ s(x)' --append all.acc day2.csv\n",
    .groups = groups,
    .least_operands = 1,
    .most_operands = -1,
    .run = accumulate,
};

/* ---- merge ----------------------------------------------------------------------------------------------------- */

static const cli_option merge_options[] = {
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "ALL.acc", "the sums to write; may be one of the parts"},
};
static const cli_group merge_outputs = {"Sums", CLI_COUNT_OF(merge_options), merge_options};
static const cli_group *const merge_groups[] = {&merge_outputs, &group_machine, &group_general, NULL};

static int merge(cli_run *run)
{
    weir_sums *all = NULL;
    if (!run->args.output)
        return cli_fail(run, EXIT_USAGE, "an output is needed: -o ALL.acc");
    int code = cli_output_check(run, run->args.output);
    if (code == EXIT_DONE)
        code = cli_context(run);
    for (int i = 0; i < run->operand_count && code == EXIT_DONE; i++) {
        weir_sums *part = NULL;
        weir_status status = weir_sums_load(run->ctx, run->operand[i], &part);
        if (status >= 0 && all)
            status = weir_sums_merge(run->ctx, all, part);
        if (status < 0)
            code = cli_report(run, status, EXIT_MODEL);
        else if (!all) {
            all = part;
            part = NULL;
        }
        weir_sums_free(part);
    }
    if (code == EXIT_DONE)
        code = save(run, all, run->args.output);
    weir_sums_free(all);
    return code;
}

const cli_command cmd_merge = {
    .name = "merge",
    .brief = "merge sums of several parts into one",
    .operands = "PART.acc...",
    .about = "Adds up the sums of parts of one data set. The order of the parts does not matter; two parts that hold\n"
             "the same rows, or that were not made --like one another, are refused.",
    .examples = "  weir merge -o all.acc p0.acc p1.acc p2.acc\n",
    .groups = merge_groups,
    .least_operands = 1,
    .most_operands = -1,
    .run = merge,
};
