/* SPDX-License-Identifier: Apache-2.0 */
#include "windows.h"
#include "results.h"

#include <math.h>
#include <string.h>

typedef struct delivery {
    cli_run *run;
    cli_output rows, windows;  /* file NULL: not asked for */
    bool rows_open, windows_open;
    weir_windows *result;
} delivery;

static int put_text(cli_output *out, const char *text)
{
    return cli_output_write(out, text, strlen(text));
}

static int put_number(cli_output *out, double value, char after)
{
    char line[40];
    int length = cli_format_number(value, line);
    line[length++] = after;
    return cli_output_write(out, line, (size_t)length);
}

static int put_whole(cli_output *out, int64_t value)
{
    char line[32];
    return cli_output_write(out, line, (size_t)snprintf(line, sizeof line, "%lld,", (long long)value));
}

static int deliver_rows(void *user, int64_t first_row, int64_t rows, const int64_t *window, const double *fit, const double *response)
{
    delivery *to = user;
    if (!to->rows_open)
        return 0;
    for (int64_t i = 0; i < rows; i++) {
        put_whole(&to->rows, first_row + i + 1);
        put_whole(&to->rows, window[i] + 1);
        put_number(&to->rows, fit[i], ',');
        put_number(&to->rows, response[i], ',');
        put_number(&to->rows, response[i] - fit[i], '\n');
        if (to->rows.error)
            return 1;
    }
    return 0;
}

static int deliver_window(void *user, const weir_window *w)
{
    delivery *to = user;
    cli_output *out = &to->windows;
    if (!to->windows_open)
        return 0;
    if (w->index == 0) {
        put_text(out, "window,first_row,last_row,n,state,edf,scale,rss,test_rows,test_rmse,test_mae");
        for (int32_t j = 0; j < w->sp_count; j++) {
            char name[32];
            snprintf(name, sizeof name, ",sp.%d", (int)j + 1);
            put_text(out, name);
        }
        for (int64_t j = 0; j < w->columns; j++) {
            put_text(out, ",");
            cli_write_field(out, w->label[j]);
        }
        put_text(out, "\n");
    }
    const double rows = (double)w->test_rows;
    put_whole(out, w->index + 1);
    put_whole(out, w->first_row + 1);
    put_whole(out, w->last_row + 1);
    put_whole(out, w->n);
    put_text(out, weir_group_state_name(w->state));
    put_text(out, ",");
    put_number(out, w->edf, ',');
    put_number(out, w->scale, ',');
    put_number(out, w->rss, ',');
    put_whole(out, w->test_rows);
    put_number(out, w->test_rows > 0 ? sqrt(w->test_square / rows) : NAN, ',');
    put_number(out, w->test_rows > 0 ? w->test_absolute / rows : NAN, w->sp_count + w->columns > 0 ? ',' : '\n');
    for (int32_t j = 0; j < w->sp_count; j++)
        put_number(out, w->sp[j], j + 1 < w->sp_count || w->columns > 0 ? ',' : '\n');
    for (int64_t j = 0; j < w->columns; j++)
        put_number(out, w->beta[j], j + 1 < w->columns ? ',' : '\n');
    return out->error != 0;
}

weir_windows_options cli_windows_options(const cli_run *run)
{
    weir_windows_options how = WEIR_WINDOWS_OPTIONS_INIT;
    how.length = run->args.window;
    how.step = run->args.step_given ? run->args.step : run->args.window;
    how.each = run->args.window_lambda == 1;
    return how;
}

int cli_windows_check(cli_run *run)
{
    const cli_args *args = &run->args;
    if (!args->window_given) {
        const char *alone = args->window_table ? "--windows" : NULL;
        alone = args->window_lambda ? "--window-lambda" : alone;
        alone = args->step_given ? "--step" : alone;
        return alone ? cli_fail(run, EXIT_USAGE, "%s needs --window ROWS", alone) : EXIT_DONE;
    }
    if (args->window < 1 || (args->step_given && args->step < 1))
        return cli_fail(run, EXIT_USAGE, "--window and --step count rows: at least 1");
    if (args->step_given && args->step > args->window)
        return cli_fail(run, EXIT_USAGE, "--step %lld leaves rows out between windows of %lld rows; at most --window", (long long)args->step,
                        (long long)args->window);
    if (args->by_group)
        return cli_fail(run, EXIT_USAGE, "--window and --by-group do not go together: filter the rows of a group first");
    if (args->from)
        return cli_fail(run, EXIT_USAGE, "--window needs the rows, which sums do not hold; give DATA instead of --from");
    if (args->report)
        return cli_fail(run, EXIT_USAGE, "--report draws one model; with --window give -o PREDICTIONS.csv, --windows FILE.csv or --json FILE");
    return EXIT_DONE;
}

static int open_outputs(cli_run *run, delivery *to)
{
    int code = EXIT_DONE;
    if (run->args.output) {
        code = cli_output_open(run, run->args.output, &to->rows);
        to->rows_open = code == EXIT_DONE;
    }
    if (code == EXIT_DONE && run->args.window_table) {
        code = cli_output_open(run, run->args.window_table, &to->windows);
        to->windows_open = code == EXIT_DONE;
    }
    if (to->rows_open)
        put_text(&to->rows, "row,window,fit,response,error\n");
    return code;
}

static int write_report(cli_run *run, const weir_windows *windows, bool json, const char *name)
{
    cli_output out;
    int code = cli_output_open(run, name, &out);
    if (code)
        return code;
    weir_status status = json ? weir_windows_report_json(run->ctx, windows, cli_output_write, &out)
                              : weir_windows_report_text(run->ctx, windows, cli_output_write, &out);
    cli_output_flush(&out);
    code = out.error ? cli_output_failed(run, &out) : status < 0 ? cli_report(run, status, EXIT_FAILED) : EXIT_DONE;
    if (code)
        cli_output_discard(&out);
    return code ? code : cli_output_commit(run, &out);
}

static bool on_stdout(const char *name)
{
    return name && !strcmp(name, "-");
}

/* Everything is there: files take their names, then words. */
static int finish(cli_run *run, delivery *to, weir_status status)
{
    const cli_args *args = &run->args;
    int code = to->rows_open ? cli_output_commit(run, &to->rows) : EXIT_DONE;
    to->rows_open = false;
    if (code == EXIT_DONE && to->windows_open)
        code = cli_output_commit(run, &to->windows);
    to->windows_open = false;
    if (code == EXIT_DONE && args->json_file)
        code = write_report(run, to->result, true, args->json_file);
    if (code == EXIT_DONE && !args->quiet && !on_stdout(args->json_file) && !on_stdout(args->output) && !on_stdout(args->window_table))
        code = write_report(run, to->result, false, "-");
    if (code)
        return code;
    if (status == WEIR_NOT_CONVERGED)
        cli_fail(run, EXIT_NOT_CONVERGED, "smoothing parameters of some windows did not converge");
    if (args->output)
        cli_say(run, "wrote %s", args->output);
    return cli_exit_code(status, EXIT_FAILED);
}

int cli_windows_fit(cli_run *run)
{
    const weir_fit_options fit = cli_fit_options(run);
    const weir_windows_options how = cli_windows_options(run);
    delivery to = {.run = run};
    weir_table *table = NULL;
    int code = cli_table(run, run->operand_count, run->operand, &table);
    if (code)
        return code;
    weir_status status = WEIR_OK;
    code = open_outputs(run, &to);
    if (code == EXIT_DONE) {
        status = weir_fit_windows(run->ctx, table, run->args.formula, &fit, &how, deliver_rows, deliver_window, &to, &to.result);
        if (to.rows_open && to.rows.error)
            code = cli_output_failed(run, &to.rows);
        else if (to.windows_open && to.windows.error)
            code = cli_output_failed(run, &to.windows);
        else if (status < 0)
            code = cli_report(run, status, EXIT_DATA);
    }
    if (code == EXIT_DONE)
        code = finish(run, &to, status);
    if (to.rows_open)
        cli_output_discard(&to.rows);
    if (to.windows_open)
        cli_output_discard(&to.windows);
    weir_table_close(table);
    weir_windows_free(to.result);
    return code;
}
