/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(cli_run *run, const char *name, int error)
{
    if (error == EPIPE)
        return EXIT_PIPE; /* the reader has left: nobody to tell */
    return cli_fail(run, EXIT_FAILED, "cannot write %s: %s", strcmp(name, "-") ? name : "standard output", strerror(error));
}

int cli_output_failed(cli_run *run, const cli_output *out) { return cannot_write(run, out->name, out->error); }

/* The folder of `path`, in `folder` of PATH_MAX bytes. */
static bool folder_of(const char *path, char *folder)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return false;
    strcpy(copy, path);
    strcpy(folder, dirname(copy));
    return true;
}

static bool is_special(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode);
}

int cli_output_check(cli_run *run, const char *name)
{
    struct stat about;
    char folder[PATH_MAX];
    if (!strcmp(name, "-"))
        return 0;
    if (stat(name, &about) == 0) {
        if (S_ISDIR(about.st_mode))
            return cannot_write(run, name, EISDIR);
        if (access(name, W_OK))
            return cannot_write(run, name, errno);
        if (!S_ISREG(about.st_mode))
            return 0;
    }
    if (!folder_of(name, folder))
        return cannot_write(run, name, ENAMETOOLONG);
    if (access(folder, W_OK))
        return cannot_write(run, name, errno);
    return 0;
}

/* Makes the temporary file: beside the target, or in the scratch folder when the target is special. */
static int make_temporary(cli_run *run, cli_output *out)
{
    char folder[PATH_MAX], resolved[PATH_MAX];
    const char *target = realpath(out->name, resolved) ? resolved : out->name;
    out->spooled = is_special(target);
    if (out->spooled) {
        const char *named = run->args.scratch, *scratch = named && strcmp(named, "none") ? named : getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s", scratch && *scratch ? scratch : "/tmp");
    } else if (!folder_of(target, folder)) {
        return cannot_write(run, out->name, ENAMETOOLONG);
    }
    out->target = strdup(target);
    if (!out->target || asprintf(&out->temporary, "%s/.weir-XXXXXX", folder) < 0) {
        out->temporary = NULL;
        return cannot_write(run, out->name, ENOMEM);
    }
    int descriptor = mkstemp(out->temporary);
    if (descriptor < 0) {
        int error = errno;
        free(out->temporary);
        out->temporary = NULL;
        return cannot_write(run, out->name, error);
    }
    cli_interrupt_watch(out->temporary);
    out->file = fdopen(descriptor, "w");
    if (!out->file) {
        close(descriptor);
        return cannot_write(run, out->name, ENOMEM);
    }
    return 0;
}

int cli_output_open(cli_run *run, const char *name, cli_output *out)
{
    *out = (cli_output){.name = name};
    int code = 0;
    if (!strcmp(name, "-")) {
        out->file = stdout;
    } else if (is_special(name)) {
        code = cli_output_check(run, name);
        if (code == 0 && !(out->file = fopen(name, "w")))
            code = cannot_write(run, name, errno);
    } else {
        code = make_temporary(run, out);
    }
    if (code)
        cli_output_discard(out);
    return code;
}

int cli_output_reserve(cli_run *run, const char *name, cli_output *out)
{
    *out = (cli_output){.name = name};
    int code = strcmp(name, "-") ? make_temporary(run, out)
                                 : cli_fail(run, EXIT_USAGE, "-o - cannot hold a binary file; give a file name");
    if (code == 0) {
        fclose(out->file);
        out->file = NULL;
    } else {
        cli_output_discard(out);
    }
    return code;
}

int cli_output_write(void *output, const char *bytes, size_t size)
{
    cli_output *out = output;
    if (!out->error && fwrite(bytes, 1, size, out->file) != size)
        out->error = errno ? errno : EIO;
    return out->error;
}

void cli_output_flush(cli_output *out)
{
    if (out->file && fflush(out->file) && !out->error)
        out->error = errno;
}

/* Copies the temporary file into the special target. */
static int copy_into_target(cli_output *out)
{
    char buffer[1 << 16];
    FILE *from = fopen(out->temporary, "r"), *to = fopen(out->target, "w");
    int error = from && to ? 0 : errno;
    while (!error) {
        size_t got = fread(buffer, 1, sizeof buffer, from);
        if (got == 0)
            break;
        if (fwrite(buffer, 1, got, to) != got)
            error = errno ? errno : EIO;
    }
    if (!error && ferror(from))
        error = EIO;
    if (from)
        fclose(from);
    if (to && fclose(to) && !error)
        error = errno;
    return error;
}

/* Rights of a new file, or those the replaced one had. */
static void take_rights(const cli_output *out)
{
    struct stat about;
    mode_t mask = umask(0);
    umask(mask);
    mode_t rights = stat(out->target, &about) == 0 ? (about.st_mode & 0777) : (0666 & ~mask);
    if (chmod(out->temporary, rights))
        return; /* the file keeps the owner's rights */
}

int cli_output_commit(cli_run *run, cli_output *out)
{
    cli_output_flush(out);
    int error = out->error;
    if (out->file == stdout) {
        out->file = NULL;
    } else if (out->file) {
        if (out->temporary && !error && fsync(fileno(out->file)) && errno != EINVAL && errno != EROFS)
            error = errno;
        if (fclose(out->file) && !error)
            error = errno;
        out->file = NULL;
    }
    if (!error && out->temporary && out->spooled)
        error = copy_into_target(out);
    if (!error && out->temporary && !out->spooled) {
        take_rights(out);
        if (rename(out->temporary, out->target))
            error = errno;
        else {
            cli_interrupt_forget(out->temporary);
            free(out->temporary);
            out->temporary = NULL;
        }
    }
    cli_output_discard(out);
    return error ? cannot_write(run, out->name, error) : 0;
}

void cli_output_discard(cli_output *out)
{
    if (out->file && out->file != stdout)
        fclose(out->file);
    out->file = NULL;
    if (out->temporary) {
        unlink(out->temporary);
        cli_interrupt_forget(out->temporary);
        free(out->temporary);
    }
    free(out->target);
    out->temporary = out->target = NULL;
}

int cli_format_number(double value, char *text)
{
    int length = 0;
    if (isnan(value)) {
        memcpy(text, "NA", 3);
        return 2;
    }
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return length;
}

int cli_write_field(cli_output *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n"))
        return cli_output_write(out, text, strlen(text));
    cli_output_write(out, "\"", 1);
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            cli_output_write(out, "\"", 1);
        cli_output_write(out, c, 1);
    }
    return cli_output_write(out, "\"", 1);
}
