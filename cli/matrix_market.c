/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix_market.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_BYTES = 1025 + 1 }; /* the format's limit */

typedef struct reader {
    cli_run *run;
    const char *path;
    FILE *file;
    int64_t line; /* last one read, counted from 1 */
    char text[LINE_BYTES];
    bool coordinate, symmetric;
} reader;

static int wrong(reader *r, const char *what) { return cli_fail(r->run, EXIT_DATA, "%s:%lld: %s", r->path, (long long)r->line, what); }

/* The next line that says something; false at the end of the file. */
static bool next_line(reader *r)
{
    while (fgets(r->text, sizeof r->text, r->file)) {
        r->line++;
        const char *at = r->text + strspn(r->text, " \t\r\n");
        if (*at && *at != '%')
            return true;
    }
    return false;
}

static int read_banner(reader *r)
{
    char object[32] = "", format[32] = "", field[32] = "", symmetry[32] = "";
    r->line = 1;
    if (!fgets(r->text, sizeof r->text, r->file) ||
        sscanf(r->text, "%%%%MatrixMarket %31s %31s %31s %31s", object, format, field, symmetry) != 4 || strcasecmp(object, "matrix"))
        return wrong(r, "a Matrix Market file begins with '%%MatrixMarket matrix coordinate real symmetric' or the like");
    r->coordinate = strcasecmp(format, "coordinate") == 0;
    r->symmetric = strcasecmp(symmetry, "symmetric") == 0;
    if (!r->coordinate && strcasecmp(format, "array"))
        return wrong(r, "the format is neither 'coordinate' nor 'array'");
    if (strcasecmp(field, "real") && strcasecmp(field, "integer") && strcasecmp(field, "double"))
        return wrong(r, "the entries are neither 'real' nor 'integer'");
    if (!r->symmetric && strcasecmp(symmetry, "general"))
        return wrong(r, "the matrix is neither 'general' nor 'symmetric'");
    return EXIT_DONE;
}

/* `count` whole numbers >= 0 at the head of the line; the rest of it in *rest. */
static bool whole_numbers(reader *r, int count, long long *value, char **rest)
{
    char *at = r->text;
    for (int i = 0; i < count; i++) {
        char *end;
        errno = 0;
        value[i] = strtoll(at, &end, 10);
        if (end == at || errno || value[i] < 0 || (*end && !isspace((unsigned char)*end)))
            return false;
        at = end;
    }
    *rest = at;
    return true;
}

static bool number(char *at, double *value)
{
    char *end;
    *value = strtod(at, &end);
    return end != at && end[strspn(end, " \t\r\n")] == 0;
}

static void add(const reader *r, const npy_array *a, int64_t i, int64_t j, double value)
{
    double *data = a->data;
    const int64_t rows = a->shape[0];
    data[i + j * rows] += value;
    if (r->symmetric && i != j)
        data[j + i * rows] += value;
}

static int read_coordinates(reader *r, long long entries, npy_array *a)
{
    for (long long e = 0; e < entries; e++) {
        long long place[2];
        char *rest;
        double value;
        if (!next_line(r))
            return cli_fail(r->run, EXIT_DATA, "%s: the file ends after %lld of %lld entries", r->path, e, entries);
        if (!whole_numbers(r, 2, place, &rest) || !number(rest, &value))
            return wrong(r, "an entry is 'row column value'");
        if (place[0] < 1 || place[0] > a->shape[0] || place[1] < 1 || place[1] > a->shape[1])
            return wrong(r, "the entry lies outside of the matrix");
        if (r->symmetric && place[0] < place[1])
            return wrong(r, "a symmetric matrix has its entries on and below the diagonal");
        add(r, a, place[0] - 1, place[1] - 1, value);
    }
    return next_line(r) ? wrong(r, "there are more entries than the head says") : EXIT_DONE;
}

static int read_array(reader *r, npy_array *a)
{
    for (int64_t j = 0; j < a->shape[1]; j++)
        for (int64_t i = r->symmetric ? j : 0; i < a->shape[0]; i++) {
            double value;
            if (!next_line(r))
                return cli_fail(r->run, EXIT_DATA, "%s: the file ends before row %lld, column %lld", r->path, (long long)i + 1,
                                (long long)j + 1);
            if (!number(r->text, &value))
                return wrong(r, "a line holds one number");
            add(r, a, i, j, value);
        }
    return next_line(r) ? wrong(r, "there are more entries than the head says") : EXIT_DONE;
}

static int read_matrix(reader *r, int64_t limit, npy_array *out)
{
    long long size[3] = {0, 0, 0};
    char *rest;
    int code = read_banner(r);
    if (code)
        return code;
    if (!next_line(r) || !whole_numbers(r, r->coordinate ? 3 : 2, size, &rest))
        return wrong(r, r->coordinate ? "the size is 'rows columns entries'" : "the size is 'rows columns'");
    if (r->symmetric && size[0] != size[1])
        return wrong(r, "a symmetric matrix is square");
    if (size[1] > 0 && size[0] > limit / 8 / size[1])
        return cli_fail(r->run, EXIT_BUDGET, "%s: the matrix is %lld x %lld, more than fits the memory", r->path, size[0], size[1]);
    const int64_t shape[2] = {size[0], size[1]};
    if (!npy_make(out, NPY_F64, 2, shape, true))
        return cli_fail(r->run, EXIT_BUDGET, "%s: there is no memory for a matrix of %lld x %lld", r->path, size[0], size[1]);
    memset(out->data, 0, (size_t)out->count * sizeof(double));
    return r->coordinate ? read_coordinates(r, size[2], out) : read_array(r, out);
}

bool matrix_market_named(const char *path)
{
    const size_t length = strlen(path);
    return length >= 4 && strcasecmp(path + length - 4, ".mtx") == 0;
}

int matrix_market_read(cli_run *run, const char *path, int64_t limit, npy_array *out)
{
    reader r = {.run = run, .path = path, .file = fopen(path, "r")};
    if (!r.file)
        return cli_fail(run, EXIT_DATA, "cannot read %s: %s", path, strerror(errno));
    npy_array read = {.data = NULL};
    const int code = read_matrix(&r, limit, &read);
    fclose(r.file);
    if (code) {
        npy_free(&read);
        return code;
    }
    *out = read;
    return EXIT_DONE;
}
