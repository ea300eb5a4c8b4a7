/* SPDX-License-Identifier: Apache-2.0 */
/* weir predict: a model and a table to a CSV of predictions, row for row. */
#include "by_group.h"
#include "cli.h"
#include "groups.h"
#include "results.h"

#include <string.h>

static const cli_option options[] = {
    {'m', "model", CLI_TEXT, CLI_AT(model), 0, "MODEL", "the model file"},
    {'o', "output", CLI_TEXT, CLI_AT(output), 0, "OUT.csv", "the predictions (default -, standard output)"},
    {0, "type", CLI_CHOICE, CLI_AT(type), 0, "link|response|terms",
     "scale of the linear predictor (default), of the response, or each term's share"},
    {0, "se", CLI_FLAG, CLI_AT(se), 0, NULL, "standard errors too, in column se"},
    {0, "interval", CLI_REAL, CLI_AT(interval), 0, "LEVEL",
     "columns confidence_lower and _upper (of the mean), prediction_lower and _upper (of an observation); 0.95"},
    {0, "simultaneous", CLI_FLAG, CLI_AT(simultaneous), 0, NULL,
     "with --type terms --interval: limits that hold over the whole range of a term at once"},
    {0, "unseen", CLI_CHOICE, CLI_AT(unseen), 0, "fail|missing", "a factor level the model has not seen: error (default) or NA"},
};
static const cli_group outputs = {"Prediction", CLI_COUNT_OF(options), options};

static const cli_option table[] = {
    {0, "na", CLI_CHOICE, CLI_AT(drop), 0, "fail|drop", "rows with a missing value: refuse (default), or give NA"},
    {0, "columns", CLI_TEXT, CLI_AT(columns), 0, "A,B,...", "column names for a file that has none (default c0,c1,...)"},
    {0, "no-header", CLI_FLAG, CLI_AT(headerless), 0, NULL, "CSV: the first record holds data, not names"},
    {0, "delimiter", CLI_CHAR, CLI_AT(delimiter), 0, "CHAR", "CSV: default is what the header suggests among , ; tab |"},
    {0, "decimal", CLI_CHAR, CLI_AT(decimal), 0, "CHAR", "CSV: decimal mark (default .)"},
    {0, "missing", CLI_TEXT, CLI_AT(missing), 0, "A,B,...",
     "CSV: words for a missing value (default NA; the empty field always)"},
};
static const cli_group table_group = {"Table", CLI_COUNT_OF(table), table};
static const cli_group *const groups[] = {&outputs, &table_group, &group_machine, &group_general, NULL};

typedef struct delivery {
    cli_output out;
    int32_t columns;
} delivery;

static int deliver(void *user, int64_t first_row, int64_t rows, const double *values)
{
    delivery *to = user;
    char line[32];
    (void)first_row;
    for (int64_t i = 0; i < rows; i++)
        for (int32_t j = 0; j < to->columns; j++) {
            int length = cli_format_number(values[j * rows + i], line);
            line[length++] = j + 1 < to->columns ? ',' : '\n';
            if (cli_output_write(&to->out, line, (size_t)length))
                return 1;
        }
    return 0;
}

static int write_header(delivery *to, const char *const *names)
{
    for (int32_t j = 0; j < to->columns; j++) {
        cli_write_field(&to->out, names[j]);
        cli_output_write(&to->out, j + 1 < to->columns ? "," : "\n", 1);
    }
    return to->out.error;
}

static weir_predict_options predict_options(const cli_args *args)
{
    weir_predict_options predict = WEIR_PREDICT_OPTIONS_INIT;
    predict.type = (weir_predict_type)args->type;
    predict.se = args->se;
    predict.interval = args->interval;
    predict.simultaneous = args->simultaneous;
    predict.missing = (weir_missing)args->drop;
    predict.unseen_missing = args->unseen;
    return predict;
}

static int deliver_none(void *user, int64_t first_row, int64_t rows, const double *values)
{
    (void)user, (void)first_row, (void)rows, (void)values;
    return 1;
}

static weir_status attempt(const cli_run *run, weir_ctx *ctx, const weir_table_options *options)
{
    weir_model *model = NULL;
    weir_table *rows = NULL;
    weir_predict_options how = predict_options(&run->args);
    weir_status status = weir_model_load(ctx, run->args.model, &model);
    if (status >= 0)
        status = weir_table_open(ctx, run->operand_count, (const char *const *)run->operand, options, &rows);
    if (status >= 0)
        status = weir_predict(ctx, model, rows, &how, deliver_none, NULL);
    weir_table_close(rows);
    weir_model_free(model);
    return status;
}

/* One of model and several is not NULL. */
static int predict_rows(cli_run *run, const weir_model *model, const weir_groups *several, weir_table *rows)
{
    const cli_args *args = &run->args;
    weir_predict_options predict = predict_options(args);
    delivery to = {.columns = 0};
    const char *const *names = NULL;
    weir_status status = several ? weir_groups_predict_columns(several, &predict, &to.columns, &names)
                                 : weir_predict_columns(model, &predict, &to.columns, &names);
    if (status < 0)
        return cli_report(run, status, EXIT_FAILED);
    int code = cli_output_open(run, args->output ? args->output : "-", &to.out);
    if (code)
        return code;
    if (!write_header(&to, names))
        status = several ? weir_groups_predict(run->ctx, several, rows, &predict, deliver, &to)
                         : weir_predict(run->ctx, model, rows, &predict, deliver, &to);
    if (to.out.error)
        code = cli_output_failed(run, &to.out);
    else if (status < 0)
        code = cli_report(run, status, EXIT_DATA);
    if (code == EXIT_DONE)
        return cli_output_commit(run, &to.out);
    cli_output_discard(&to.out);
    return code;
}

static int predict(cli_run *run)
{
    const cli_args *args = &run->args;
    weir_model *model = NULL;
    weir_groups *several = NULL;
    weir_table *rows = NULL;
    if (!args->model)
        return cli_fail(run, EXIT_USAGE, "a model is needed: -m MODEL; 'weir fit' makes one");
    if (args->interval >= 1)
        return cli_fail(run, EXIT_USAGE, "--interval %g is not between 0 and 1; 0.95 is usual", args->interval);
    if (args->simultaneous && (args->type != WEIR_PREDICT_TERMS || !(args->interval > 0)))
        return cli_fail(run, EXIT_USAGE, "--simultaneous limits are those of single terms: add --type terms --interval 0.95");
    run->attempt = attempt;
    int code = args->output ? cli_output_check(run, args->output) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE)
        code = cli_group_load(run, args->model, &several);
    if (code == EXIT_DONE && !several)
        code = cli_load_model(run, args->model, &model);
    if (code == EXIT_DONE)
        code = cli_table(run, run->operand_count, run->operand, &rows);
    if (code == EXIT_DONE)
        code = predict_rows(run, model, several, rows);
    weir_table_close(rows);
    weir_model_free(model);
    weir_groups_free(several);
    return code;
}

const cli_command cmd_predict = {
    .name = "predict",
    .brief = "predict from a model, row for row",
    .operands = "DATA...",
    .about = "Writes a CSV with one row for each row of DATA and the columns fit and, if asked for, se and limits.\n"
             "Rows stream; numbers are written with as many digits as it takes to read them back exactly.",
    .examples = "  weir predict -m co2.weir --se --interval 0.95 -o out.csv new.csv\n"
                "  weir predict -m m.weir --type terms --interval 0.95 --simultaneous - < new.csv\n",
    .groups = groups,
    .least_operands = 1,
    .most_operands = -1,
    .run = predict,
};
