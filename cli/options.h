/* SPDX-License-Identifier: Apache-2.0 */
/* Options as data: one table entry gives an option's names, where its value goes and its line of help. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The value of every option of every command; zero means not given. */
typedef struct cli_args {
    const char *formula, *family, *weights, *from;
    double ar1; /* NaN = estimate */
    const char *ar1_start;
    int method;      /* weir_criterion */
    int criterion;   /* 0 auto, 1 laml, 2 working */
    const char *knots; /* owned, joined with ';' */
    bool knots_exact;
    double *sp; /* owned; NaN = estimate */
    int32_t sp_count;
    double gamma, scale, ridge;
    int route; /* weir_fit_route */
    int preconditioner; /* weir_preconditioner */
    bool select;
    int64_t iterations;

    const char *columns, *factors, *missing;
    char delimiter, decimal;
    bool headerless;
    int drop; /* weir_missing */

    int64_t memory, threads, seed;
    const char *device, *scratch;

    const char *by_group;
    int group_covariance; /* auto, yes, no */
    int group_lambda; /* 1 = each */
    int64_t window, step;
    bool window_given, step_given;
    int window_lambda; /* 1 = each */
    const char *window_table;

    const char *output, *report, *json_file;
    bool json, explain;

    const char *model;
    bool se;
    int type; /* weir_predict_type */
    double interval;
    bool simultaneous;
    int unseen; /* 1 = missing */

    const char *like, *append;
    int64_t first_row;
    bool first_row_given;

    int64_t root; /* order p of weir solve */
    bool root_given, gram, general;
    double tolerance;
    int root_route; /* weir_root_route */

    bool calibrate;
    const char *export_to, *import_from;

    bool quiet, verbose, no_colour, help;
    int progress; /* 0 auto, 1 never, 2 always */
} cli_args;

typedef enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char * */
    CLI_CHAR,   /* char; "tab" or \t is the tabulator */
    CLI_COUNT,  /* int64_t >= 0 */
    CLI_REAL,   /* double > 0 */
    CLI_BYTES,  /* int64_t: 512M, 2GiB */
    CLI_CHOICE, /* int: position in `choices` */
    CLI_SHARE,  /* double between -1 and 1; NaN = auto */
    CLI_REALS,  /* double *, count in the int32_t that follows */
    CLI_KNOTS   /* knots and knots_exact */
} cli_kind;

typedef struct cli_option {
    char letter; /* 0 = none */
    const char *name;
    cli_kind kind;
    size_t offset;        /* into cli_args */
    size_t given;         /* offset of a bool set when the option is given; 0 = none */
    const char *argument; /* its name in the help; for CLI_CHOICE the choices "a|b|c" */
    const char *help;
} cli_option;

typedef struct cli_group {
    const char *title;
    int count;
    const cli_option *option;
} cli_group;

/* Parses argv[1…] (argv[0] is the command). Operands are moved to the end; *first is their place. On failure writes one
 * line without the program's name to `message` and returns false. */
bool cli_parse(int argc, char **argv, const cli_group *const *groups, cli_args *args, int *first, char *message, size_t size);
void cli_args_free(cli_args *args);

/* The options of `groups` as lines of help. */
void cli_print_options(FILE *file, const cli_group *const *groups);

/* The candidate nearest to `word` in edit distance if it is near enough to be meant, else NULL. */
const char *cli_nearest(const char *word, int count, const char *const *candidates);

/* "512M", "2GiB", "1e9" -> bytes (K, M, G, T are powers of 1024). */
bool cli_bytes(const char *text, int64_t *out);

#endif
