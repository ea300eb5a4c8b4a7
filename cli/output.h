/* SPDX-License-Identifier: Apache-2.0 */
/* Output files that appear whole or not at all: bytes go to a temporary file beside the target, which takes the target's
 * name on commit. Standard output, pipes and devices are written directly. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

typedef struct cli_output {
    const char *name; /* as the user gave it */
    char *target;     /* resolved path */
    char *temporary;  /* NULL when written directly */
    FILE *file;       /* NULL after cli_output_reserve */
    bool spooled;     /* the target is no regular file: copied on commit */
    int error;        /* errno of the first failed write */
} cli_output;

/* 0 if `name` can be made or replaced, else an exit code with the message printed. Looks, writes nothing. */
int cli_output_check(cli_run *run, const char *name);
/* Opens `name` ("-" is standard output) for cli_output_write. 0 or an exit code. */
int cli_output_open(cli_run *run, const char *name, cli_output *out);
/* A path that the library may write itself; cli_output_commit moves it to its place. */
int cli_output_reserve(cli_run *run, const char *name, cli_output *out);
/* A weir_write_fn; `output` is a cli_output. */
int cli_output_write(void *output, const char *bytes, size_t size);
/* Hands what is buffered to the system, so that a full disk shows now; see `error`. */
void cli_output_flush(cli_output *out);
/* Flushes to disk and renames; on failure removes everything and returns an exit code. */
int cli_output_commit(cli_run *run, cli_output *out);
/* Removes what was written. Harmless after commit. */
void cli_output_discard(cli_output *out);
/* One line about the failed write; the exit code. */
int cli_output_failed(cli_run *run, const cli_output *out);

/* Shortest decimal that reads back as `value`; NaN is NA. `text` holds 32 bytes; returns the length. */
int cli_format_number(double value, char *text);
/* A CSV field, quoted when it must be. */
int cli_write_field(cli_output *out, const char *text);

#endif
