/* SPDX-License-Identifier: Apache-2.0 */
/* weir COMMAND [options] …: finds the command, parses its options by its table, runs it. */
#include "cli.h"
#include "groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_command *const commands[] = {
    &cmd_fit, &cmd_predict, &cmd_check, &cmd_plan, &cmd_summary, &cmd_accumulate, &cmd_merge, &cmd_factor, &cmd_solve,
    &cmd_devices,
};
enum { COMMAND_COUNT = CLI_COUNT_OF(commands) };

static const cli_command *find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (int i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *nearest = cli_nearest(name, COMMAND_COUNT, names);
    fprintf(stderr, "weir: unknown command '%s'", name);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?\n", nearest);
    else
        fprintf(stderr, "; 'weir help' lists the commands\n");
    return EXIT_USAGE;
}

static void print_overview(FILE *file)
{
    fputs("weir fits penalised additive models to tables of any length within a memory budget.\n\n"
          "Usage: weir COMMAND [options] ...\n\nCommands:\n", file);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-12s%s\n", commands[i]->name, commands[i]->brief);
    fputs("\nA first fit:\n"
          "  weir fit -f 'y ~ s(x) + group' -o model.weir data.csv\n"
          "  weir predict -m model.weir --se new.csv\n\n"
          "'weir help COMMAND' explains a command; 'weir --version' tells the version.\n", file);
}

static void print_help(FILE *file, const cli_command *command)
{
    fprintf(file, "Usage: weir %s [options]%s%s\n\n%s\n", command->name, *command->operands ? " " : "",
            command->operands, command->about);
    cli_print_options(file, command->groups);
    fprintf(file, "\nExamples:\n%s\n"
                  "Exit status: 0 done, 1 failed, 2 usage, 3 bad data, 4 not converged (result written),\n"
                  "  5 memory budget too small, 6 device missing, 7 bad model file, 130 interrupted.\n",
            command->examples);
}

static int help(int count, char **names)
{
    if (count == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const cli_command *command = find_command(names[0]);
    if (!command)
        return unknown_command(names[0]);
    print_help(stdout, command);
    return EXIT_DONE;
}

static int check_operands(cli_run *run)
{
    const cli_command *command = run->command;
    if (run->operand_count < command->least_operands)
        return cli_fail(run, EXIT_USAGE, "%s is missing; usage: weir %s [options] %s", command->operands, command->name,
                        command->operands);
    if (command->most_operands >= 0 && run->operand_count > command->most_operands)
        return cli_fail(run, EXIT_USAGE, "'%s' is one argument too many; usage: weir %s [options] %s",
                        run->operand[command->most_operands], command->name, command->operands);
    return EXIT_DONE;
}

/* Colours and progress are for terminals that want them. */
static void look_at_terminal(cli_run *run)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    run->colour = terminal && !(no_colour && *no_colour) && !run->args.no_colour;
    run->terminal = terminal;
    run->progress = run->args.progress == 2 || (terminal && !run->args.quiet && run->args.progress == 0);
}

static int run_command(const cli_command *command, int argc, char **argv)
{
    char message[512];
    int first = 0, code;
    cli_run run = {.command = command, .started = cli_seconds()};
    if (!cli_parse(argc, argv, command->groups, &run.args, &first, message, sizeof message)) {
        code = cli_fail(&run, EXIT_USAGE, "%s; see 'weir %s --help'", message, command->name);
    } else if (run.args.help) {
        print_help(stdout, command);
        code = EXIT_DONE;
    } else {
        run.operand = argv + first;
        run.operand_count = argc - first;
        look_at_terminal(&run);
        code = check_operands(&run);
        if (code == EXIT_DONE)
            code = command->run(&run);
        cli_progress_end(&run);
        weir_ctx_destroy(run.ctx);
    }
    cli_args_free(&run.args);
    return code;
}

int main(int argc, char **argv)
{
    int code;
    cli_interrupt_install();
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("weir %s\n", weir_version());
        code = EXIT_DONE;
    } else if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        code = help(argc - 2, argv + 2);
    } else {
        const cli_command *command = find_command(argv[1]);
        code = command ? run_command(command, argc - 1, argv + 1) : unknown_command(argv[1]);
    }
    if (fflush(stdout) && code == EXIT_DONE) {
        fputs("weir: cannot write standard output\n", stderr);
        code = EXIT_FAILED;
    }
    return code;
}
