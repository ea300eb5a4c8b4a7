/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options drives getopt_long, the conversion of values, the help and the suggestions. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64, LETTERS_MAX = 3 * OPTIONS_MAX, FIRST_CODE = 1000, WORD_MAX = 63, HELP_COLUMN = 30, HELP_WIDTH = 96 };

typedef struct option_set {
    int count;
    const cli_option *option[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    char letters[LETTERS_MAX + 3];
} option_set;

static void set_build(option_set *set, const cli_group *const *groups)
{
    int letters = 0;
    memset(set, 0, sizeof *set);
    set->letters[letters++] = ':'; /* a missing argument is told apart from an unknown option */
    for (; *groups; groups++)
        for (int i = 0; i < (*groups)->count && set->count < OPTIONS_MAX; i++) {
            const cli_option *option = &(*groups)->option[i];
            int has_arg = option->kind == CLI_FLAG ? no_argument : required_argument;
            set->longs[set->count] = (struct option){option->name, has_arg, NULL, FIRST_CODE + set->count};
            set->option[set->count++] = option;
            if (option->letter) {
                set->letters[letters++] = option->letter;
                if (has_arg == required_argument)
                    set->letters[letters++] = ':';
            }
        }
}

static const cli_option *set_find(const option_set *set, int code)
{
    if (code >= FIRST_CODE)
        return set->option[code - FIRST_CODE];
    for (int i = 0; i < set->count; i++)
        if (set->option[i]->letter == code)
            return set->option[i];
    return NULL;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

bool cli_bytes(const char *text, int64_t *out)
{
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(text, &end), factor = 1;
    if (end == text || !isfinite(value) || value < 0)
        return false;
    const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 32 : *end) : NULL;
    if (unit) {
        factor = ldexp(1, 10 * (int)(unit - units + 1));
        end++;
        if (*end == 'i')
            end++;
    }
    if (*end == 'B' || *end == 'b')
        end++;
    if (*end || value * factor >= 0x1p62)
        return false;
    *out = (int64_t)(value * factor);
    return true;
}

static bool parse_count(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < 0)
        return false;
    *out = value;
    return true;
}

static bool parse_real(const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value <= 0)
        return false;
    *out = value;
    return true;
}

static bool parse_share(const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);
    if (!strcmp(text, "auto")) {
        *out = NAN;
        return true;
    }
    if (end == text || *end || !(fabs(value) < 1))
        return false;
    *out = value;
    return true;
}

static bool parse_char(const char *text, char *out)
{
    if (!strcmp(text, "tab") || !strcmp(text, "\\t"))
        *out = '\t';
    else if (strlen(text) == 1)
        *out = text[0];
    else
        return false;
    return true;
}

static bool parse_choice(const char *text, const char *choices, int *out)
{
    size_t length = strlen(text);
    for (int i = 0; *choices; i++) {
        size_t size = strcspn(choices, "|");
        if (size == length) {
            size_t k = 0;
            while (k < size && (choices[k] | 32) == (text[k] | 32))
                k++;
            if (k == size) {
                *out = i;
                return true;
            }
        }
        choices += size + (choices[size] == '|');
    }
    return false;
}

/* "1.5,auto,0.2": non-negative numbers, or the word auto for one that is to be estimated. */
static bool parse_reals(const char *text, double **values, int32_t *count)
{
    int32_t commas = 0;
    for (const char *c = text; *c; c++)
        commas += *c == ',';
    double *list = malloc((size_t)(commas + 1) * sizeof *list);
    if (!list)
        return false;
    for (int32_t i = 0; i <= commas; i++) {
        size_t size = strcspn(text, ",");
        char *end = (char *)text + size;
        if (size == 4 && !strncmp(text, "auto", 4))
            list[i] = NAN;
        else
            list[i] = strtod(text, &end);
        if (size == 0 || end != text + size || isinf(list[i]) || list[i] < 0) {
            free(list);
            return false;
        }
        text += size + 1;
    }
    free(*values);
    *values = list;
    *count = commas + 1;
    return true;
}

static bool parse_knots(const char *text, cli_args *args)
{
    if (!strcmp(text, "exact")) {
        args->knots_exact = true;
        return true;
    }
    if (!strchr(text, '='))
        return false;
    size_t before = args->knots ? strlen(args->knots) + 1 : 0, size = strlen(text);
    char *joined = malloc(before + size + 1);
    if (!joined)
        return false;
    if (before) {
        memcpy(joined, args->knots, before - 1);
        joined[before - 1] = ';';
    }
    memcpy(joined + before, text, size + 1);
    free((char *)args->knots);
    args->knots = joined;
    return true;
}

static bool option_store(const cli_option *option, const char *text, cli_args *args)
{
    void *place = (char *)args + option->offset;
    if (option->given)
        *(bool *)((char *)args + option->given) = true;
    switch (option->kind) {
    case CLI_FLAG: *(bool *)place = true; return true;
    case CLI_TEXT: *(const char **)place = text; return *text != 0;
    case CLI_CHAR: return parse_char(text, place);
    case CLI_COUNT: return parse_count(text, place);
    case CLI_REAL: return parse_real(text, place);
    case CLI_BYTES: return cli_bytes(text, place) && *(int64_t *)place > 0;
    case CLI_CHOICE: return parse_choice(text, option->argument, place);
    case CLI_SHARE: return parse_share(text, place);
    case CLI_REALS: return parse_reals(text, place, &args->sp_count);
    case CLI_KNOTS: return parse_knots(text, args);
    }
    return false;
}

static const char *kind_wants(const cli_option *option)
{
    switch (option->kind) {
    case CLI_CHAR: return "one character";
    case CLI_COUNT: return "a whole number, 0 or more";
    case CLI_REAL: return "a number above 0";
    case CLI_BYTES: return "a size such as 512M or 2G";
    case CLI_CHOICE: return option->argument;
    case CLI_SHARE: return "a number between -1 and 1, or the word auto to estimate it";
    case CLI_REALS: return "numbers separated by commas, or the word auto for one to estimate";
    case CLI_KNOTS: return "'exact', or knots such as 'month=0.5,12.5;year=1960,1980,2000'";
    default: return "a value";
    }
}

/* ---- suggestions ----------------------------------------------------------------------------------------------- */

/* Edits (insert, delete, replace, swap of neighbours) between two words. */
static int edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int row[3][WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX)
        return INT_MAX;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *cli_nearest(const char *word, int count, const char *const *candidates)
{
    const char *nearest = NULL;
    int least = (int)strlen(word) <= 3 ? 2 : 3;
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (distance < least) {
            least = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* ---- parsing --------------------------------------------------------------------------------------------------- */

static void describe_unknown(const option_set *set, const char *word, int letter, char *message, size_t size)
{
    const char *names[OPTIONS_MAX];
    char name[WORD_MAX + 1];
    if (strncmp(word, "--", 2) != 0) {
        snprintf(message, size, "unknown option '-%c'", letter);
        return;
    }
    size_t length = strcspn(word + 2, "=");
    if (length > WORD_MAX)
        length = WORD_MAX;
    memcpy(name, word + 2, length);
    name[length] = 0;
    int alike = 0;
    for (int i = 0; i < set->count; i++) {
        names[i] = set->option[i]->name;
        if (!strcmp(names[i], name)) {
            snprintf(message, size, "option '--%s' takes no value", name);
            return;
        }
        alike += !strncmp(names[i], name, length);
    }
    const char *nearest = cli_nearest(name, set->count, names);
    if (alike > 1)
        snprintf(message, size, "option '--%s' is short for several; write it out", name);
    else if (nearest)
        snprintf(message, size, "unknown option '--%s'; did you mean '--%s'?", name, nearest);
    else
        snprintf(message, size, "unknown option '--%s'", name);
}

bool cli_parse(int argc, char **argv, const cli_group *const *groups, cli_args *args, int *first, char *message, size_t size)
{
    option_set set;
    set_build(&set, groups);
    opterr = 0;
    optind = 1;
    for (;;) {
        int place = optind;
        int code = getopt_long(argc, argv, set.letters, set.longs, NULL);
        if (code == -1)
            break;
        const char *word = argv[optind > place ? optind - 1 : place];
        if (code == ':') {
            const cli_option *option = set_find(&set, optopt);
            snprintf(message, size, "option '%s' needs %s", word, option ? kind_wants(option) : "a value");
            return false;
        }
        const cli_option *option = code == '?' ? NULL : set_find(&set, code);
        if (!option) {
            describe_unknown(&set, word, optopt, message, size);
            return false;
        }
        if (!option_store(option, optarg, args)) {
            snprintf(message, size, "option '--%s' got '%s'; it needs %s", option->name, optarg, kind_wants(option));
            return false;
        }
    }
    *first = optind;
    return true;
}

void cli_args_free(cli_args *args)
{
    free(args->sp);
    free((char *)args->knots);
}

/* ---- help ------------------------------------------------------------------------------------------------------ */

static void print_wrapped(FILE *file, const char *text, int column)
{
    int at = column;
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (at > column && at + 1 + word > HELP_WIDTH) {
            fprintf(file, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(file, "%s%.*s", at > column ? " " : "", word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

void cli_print_options(FILE *file, const cli_group *const *groups)
{
    for (; *groups; groups++) {
        fprintf(file, "\n%s:\n", (*groups)->title);
        for (int i = 0; i < (*groups)->count; i++) {
            const cli_option *option = &(*groups)->option[i];
            int at = option->letter ? fprintf(file, "  -%c, --%s", option->letter, option->name)
                                    : fprintf(file, "      --%s", option->name);
            if (option->argument)
                at += fprintf(file, " %s", option->argument);
            if (at >= HELP_COLUMN)
                fprintf(file, "\n%*s", HELP_COLUMN, "");
            else
                fprintf(file, "%*s", HELP_COLUMN - at, "");
            print_wrapped(file, option->help, HELP_COLUMN);
        }
    }
}
