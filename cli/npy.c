/* SPDX-License-Identifier: Apache-2.0 */
#include "npy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "output.h"

enum { HEAD_MAX = 65536, LINE_MAX_BYTES = 128 };

static bool little_endian(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* The text behind 'key': in a dict literal, NULL if there is none. */
static const char *value_of(const char *head, const char *key)
{
    char quoted[32];
    for (int q = 0; q < 2; q++) {
        snprintf(quoted, sizeof quoted, "%c%s%c", "'\""[q], key, "'\""[q]);
        const char *at = strstr(head, quoted);
        if (at) {
            at += strlen(quoted);
            at += strspn(at, " ");
            return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
        }
    }
    return NULL;
}

static bool parse_type(const char *at, npy_type *type, bool *swapped)
{
    if (!at || (*at != '\'' && *at != '"') || strlen(at) < 5 || at[4] != *at || at[2] != 'f' || (at[3] != '4' && at[3] != '8'))
        return false;
    if (!strchr("<>=|", at[1]))
        return false;
    *type = at[3] == '4' ? NPY_F32 : NPY_F64;
    *swapped = at[1] == (little_endian() ? '>' : '<');
    return true;
}

/* "(3, 4)", "(3,)": -1 when it is no tuple of numbers, else the number of them; no more than NPY_DIMS_MAX are kept. */
static int parse_shape(const char *at, int64_t *shape)
{
    int dims = 0;
    if (!at || *at++ != '(')
        return -1;
    for (;;) {
        char *end;
        at += strspn(at, " ,");
        if (*at == ')')
            return dims;
        errno = 0;
        const long long value = strtoll(at, &end, 10);
        if (end == at || value < 0 || errno)
            return -1;
        if (dims < NPY_DIMS_MAX)
            shape[dims] = value;
        dims++;
        at = end + (*end == 'L'); /* as Python 2 wrote it */
    }
}

/* Reads the header up to the first element. NULL or what is wrong. */
static const char *read_head(FILE *file, npy_array *out, bool *swapped)
{
    unsigned char start[12];
    char head[HEAD_MAX + 1];
    if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6))
        return "this is not an NPY file";
    size_t length = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] < 1 || start[6] > 3)
        return "this version of NPY is not known";
    if (start[6] > 1) {
        if (fread(start + 10, 1, 2, file) != 2)
            return "the header is cut short";
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (length > HEAD_MAX)
        return "the header is too long";
    if (fread(head, 1, length, file) != length)
        return "the header is cut short";
    head[length] = 0;
    const char *order = value_of(head, "fortran_order");
    if (!parse_type(value_of(head, "descr"), &out->type, swapped))
        return "the elements must be float32 or float64";
    out->dims = parse_shape(value_of(head, "shape"), out->shape);
    if (out->dims < 0 || !order || (strncmp(order, "True", 4) && strncmp(order, "False", 5)))
        return "the header does not say shape and order";
    out->fortran = *order == 'T';
    return NULL;
}

static void swap_bytes(unsigned char *at, int64_t count, int64_t size)
{
    for (int64_t i = 0; i < count; i++, at += size)
        for (int64_t b = 0; b < size / 2; b++) {
            const unsigned char keep = at[b];
            at[b] = at[size - 1 - b];
            at[size - 1 - b] = keep;
        }
}

static bool count_elements(npy_array *array)
{
    int64_t bytes = npy_size(array->type);
    array->count = 1;
    for (int d = 0; d < array->dims; d++)
        if (__builtin_mul_overflow(array->count, array->shape[d], &array->count))
            return false;
    return !__builtin_mul_overflow(array->count, bytes, &bytes);
}

static int read_elements(cli_run *run, const char *path, FILE *file, int64_t limit, bool swapped, npy_array *out)
{
    struct stat about;
    const int64_t size = npy_size(out->type);
    if (!count_elements(out))
        return cli_fail(run, EXIT_DATA, "%s: the shape is too large", path);
    const int64_t bytes = out->count * size, left = fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode)
                                                        ? (int64_t)about.st_size - (int64_t)ftell(file) : INT64_MAX;
    if (bytes > left)
        return cli_fail(run, EXIT_DATA, "%s: the file is cut short: %lld of %lld bytes of elements are there", path, (long long)left,
                        (long long)bytes);
    if (bytes > limit)
        return cli_fail(run, EXIT_BUDGET, "%s: the array takes %lld bytes, which the memory budget does not leave; raise --memory",
                        path, (long long)bytes);
    out->data = malloc((size_t)(bytes ? bytes : 1));
    if (!out->data)
        return cli_fail(run, EXIT_BUDGET, "%s: there is no memory for %lld bytes", path, (long long)bytes);
    if (fread(out->data, (size_t)size, (size_t)out->count, file) != (size_t)out->count)
        return cli_fail(run, EXIT_DATA, "%s: the file is cut short", path);
    if (swapped)
        swap_bytes(out->data, out->count, size);
    return EXIT_DONE;
}

int npy_read(cli_run *run, const char *path, int least, int most, int64_t limit, npy_array *out)
{
    bool swapped = false;
    *out = (npy_array){.data = NULL};
    FILE *file = fopen(path, "rb");
    if (!file)
        return cli_fail(run, EXIT_DATA, "%s: cannot open: %s", path, strerror(errno));
    const char *fault = read_head(file, out, &swapped);
    int code = fault ? cli_fail(run, EXIT_DATA, "%s: %s", path, fault) : EXIT_DONE;
    if (code == EXIT_DONE && (out->dims < least || out->dims > most))
        code = cli_fail(run, EXIT_DATA, "%s: the array has %d dimension%s, there must be %d or %d", path, out->dims,
                        out->dims == 1 ? "" : "s", least, most);
    if (code == EXIT_DONE)
        code = read_elements(run, path, file, limit, swapped, out);
    fclose(file);
    if (code)
        npy_free(out);
    return code;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

bool npy_make(npy_array *out, npy_type type, int dims, const int64_t *shape, bool fortran)
{
    *out = (npy_array){.type = type, .dims = dims, .fortran = fortran};
    memcpy(out->shape, shape, (size_t)dims * sizeof *shape);
    if (count_elements(out))
        out->data = calloc((size_t)(out->count ? out->count : 1), (size_t)npy_size(type));
    return out->data != NULL;
}

int npy_write(cli_run *run, const char *path, const npy_array *array)
{
    static const char *const codes[] = {"f8", "f4", "i8"};
    char shape[96] = "", line[256], start[10] = "\x93NUMPY\x01";
    for (int d = 0; d < array->dims; d++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", d ? ", " : "", (long long)array->shape[d]);
    int length = snprintf(line, sizeof line, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (%s%s), }", little_endian() ? '<' : '>',
                          codes[array->type], array->fortran ? "True" : "False", shape, array->dims == 1 ? "," : "");
    while ((length + 1 + 10) % 64)
        line[length++] = ' ';
    line[length++] = '\n';
    start[8] = (char)(length & 0xff);
    start[9] = (char)(length >> 8);
    cli_output out;
    int code = cli_output_open(run, path, &out);
    if (code)
        return code;
    cli_output_write(&out, start, sizeof start);
    cli_output_write(&out, line, (size_t)length);
    cli_output_write(&out, array->data, (size_t)(array->count * npy_size(array->type)));
    return cli_output_commit(run, &out);
}

void npy_free(npy_array *array)
{
    free(array->data);
    array->data = NULL;
}
