/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of `weir` share: the run, its context, and how failures leave the program. The program sees the
 * public headers alone. Data go to stdout, words to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include "options.h"
#include "weir/weir.h"

/* Exit codes; part of the interface. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_DATA = 3,
    EXIT_NOT_CONVERGED = 4,
    EXIT_BUDGET = 5,
    EXIT_DEVICE = 6,
    EXIT_MODEL = 7,
    EXIT_INTERRUPTED = 130,
    EXIT_PIPE = 141
};

typedef struct cli_run cli_run;

typedef struct cli_command {
    const char *name;
    const char *brief;    /* one line in the list of commands */
    const char *operands; /* "DATA...", "MODEL", "" */
    const char *about;    /* paragraph(s) at the head of the help */
    const char *examples; /* lines at its end */
    const cli_group *const *groups; /* ends with NULL */
    int least_operands, most_operands; /* most < 0: any number */
    int (*run)(cli_run *run);          /* returns the exit code */
} cli_command;

struct cli_run {
    const cli_command *command;
    cli_args args;
    int operand_count;
    char **operand;
    weir_ctx *ctx; /* made by cli_context */
    /* Does what the command does up to where rows would be read, under another context: cli_advise_budget asks. NULL: cannot. */
    weir_status (*attempt)(const cli_run *run, weir_ctx *ctx, const weir_table_options *options);
    bool colour;   /* of stderr */
    bool progress; /* stderr is a terminal that wants it, or it was asked for */
    bool terminal; /* progress lines replace one another */
    double started; /* seconds */
    bool line_open; /* a progress line stands on the terminal */
};

extern const cli_command cmd_fit, cmd_predict, cmd_plan, cmd_summary, cmd_check, cmd_devices, cmd_accumulate, cmd_merge, cmd_factor,
    cmd_solve;

/* Prints "weir CMD: message" and returns `code`. */
int cli_fail(cli_run *run, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A line of narration on stderr; silent under --quiet. */
void cli_say(cli_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The exit code of a status. `input` is the code of an input that cannot be read: EXIT_DATA or EXIT_MODEL;
 * EXIT_FAILED for outputs. */
int cli_exit_code(weir_status status, int input);
/* Prints the message of the context and returns the exit code of `status`. */
int cli_report(cli_run *run, weir_status status, int input);

/* Makes the context from the options; 0 or an exit code. */
int cli_context(cli_run *run);
weir_table_options cli_table_options(const cli_run *run);
/* Opens `count` files as one table. */
int cli_table(cli_run *run, int count, char **paths, weir_table **out);
/* The options of weir_fit and its relatives, pointing into run->args. */
weir_fit_options cli_fit_options(const cli_run *run);
/* cli_run.attempt of commands that fit. */
weir_status cli_attempt_fit(const cli_run *run, weir_ctx *ctx, const weir_table_options *options);
/* Refuses a missing formula in one line. */
int cli_need_formula(cli_run *run);

/* Seconds of a clock that never goes back. */
double cli_seconds(void);
/* Wipes the progress line, if there is one. */
void cli_progress_end(cli_run *run);

/* Ctrl-C: the first asks the library to stop at the next tile, the second removes unfinished files and leaves. */
void cli_interrupt_install(void);
bool cli_interrupted(void);
/* Files to remove when the program is forced to leave; `path` must live until cli_interrupt_forget. */
void cli_interrupt_watch(const char *path);
void cli_interrupt_forget(const char *path);

#endif
