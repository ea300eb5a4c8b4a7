/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive reader of just the Python literals that numpy writes here: strings, integers, booleans, tuples, lists. */
#include "table/npy.h"

#include <string.h>

#include "base/size.h"

#define MOST_HEADER ((int64_t)16 << 20)

/* Columns of an array without rows: no data vouch for their number, and each takes a name. */
#define MOST_EMPTY_COLUMNS 65536

typedef struct reader {
    weir_ctx *ctx;
    w_arena *arena;
    const char *label;
    const char *p, *end;
    weir_status status;
} reader;

static bool wrong(reader *r, const char *what)
{
    if (r->status >= 0) {
        r->status = w_fail(r->ctx, WEIR_E_DATA, "%s: damaged NPY header: %s", r->label, what);
    }
    return false;
}

static void skip_space(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')) {
        r->p++;
    }
}

static bool next_is(reader *r, char c)
{
    skip_space(r);
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

static bool expect(reader *r, char c)
{
    char what[] = "' ' is missing";
    what[1] = c;
    return next_is(r, c) || wrong(r, what);
}

/* A string literal in an arena copy; \\, \' and \" are the escapes that repr() writes in names it leaves readable. */
static bool read_string(reader *r, const char **out, int64_t *length)
{
    skip_space(r);
    if (r->p < r->end && (*r->p == 'u' || *r->p == 'b')) {
        r->p++;
    }
    if (r->p >= r->end || (*r->p != '\'' && *r->p != '"')) {
        return wrong(r, "a string is missing");
    }
    char quote = *r->p++;
    const char *start = r->p;
    while (r->p < r->end && *r->p != quote) {
        r->p += *r->p == '\\' ? 2 : 1;
    }
    if (r->p >= r->end) {
        return wrong(r, "a string is not closed");
    }
    char *copy = w_arena_alloc(r->arena, (size_t)(r->p - start) + 1, 1);
    if (!copy) {
        r->status = w_alloc_status(r->ctx);
        return false;
    }
    char *to = copy;
    for (const char *from = start; from < r->p; from++) {
        from += *from == '\\';
        *to++ = *from;
    }
    *to = '\0';
    r->p++;
    *out = copy;
    *length = to - copy;
    return true;
}

static bool read_integer(reader *r, int64_t *out)
{
    skip_space(r);
    const char *start = r->p;
    int64_t value = 0;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        value = w_add64(w_mul64(value, 10), *r->p - '0');
    }
    if (r->p == start) {
        return wrong(r, "a number is missing");
    }
    if (r->p < r->end && *r->p == 'L') { /* Python 2 */
        r->p++;
    }
    *out = value;
    return value != INT64_MAX || wrong(r, "a number is too large");
}

/* "<f8": byte order, kind, bytes. Kinds that are not read still have a known size, so that others can be. */
static bool read_type(reader *r, const char *text, w_npy_column *column)
{
    static const struct {
        char kind, size;
        weir_dtype dtype;
    } known[] = { { 'f', 8, WEIR_F64 }, { 'f', 4, WEIR_F32 }, { 'i', 8, WEIR_I64 }, { 'i', 4, WEIR_I32 },
                  { 'i', 2, WEIR_I16 }, { 'i', 1, WEIR_I8 },  { 'u', 4, WEIR_U32 }, { 'u', 2, WEIR_U16 },
                  { 'u', 1, WEIR_U8 },  { 'b', 1, WEIR_BOOL } };
    char order = *text && strchr("<>=|", *text) ? *text++ : '=';
    char kind = *text ? *text++ : '\0';
    int64_t size = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        size = w_add64(w_mul64(size, 10), *text - '0');
    }
    bool dated = (kind == 'm' || kind == 'M') && *text == '[';
    if (kind == '\0' || !strchr("fiubcSUVmMa?", kind) || (*text && !dated)) {
        return wrong(r, "an unknown type of element");
    }
    if (kind == '?') {
        kind = 'b';
        size = 1;
    }
    if (kind == 'U') {
        size = w_mul64(size, 4);
    }
    if (size > INT32_MAX) {
        return wrong(r, "an element is too large");
    }
    bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    column->size = size;
    column->swapped = size > 1 && order == (little ? '>' : '<');
    column->dtype = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].kind == kind && known[i].size == size) {
            column->dtype = known[i].dtype;
        }
    }
    return true;
}

static bool read_field(reader *r, w_npy_column *column)
{
    const char *type;
    int64_t length;
    if (!expect(r, '(')) {
        return false;
    }
    bool titled = next_is(r, '(');
    if (!read_string(r, &column->name, &length)) {
        return false;
    }
    if (titled && (!expect(r, ',') || !read_string(r, &column->name, &length) || !expect(r, ')'))) {
        return false;
    }
    if (strlen(column->name) != (size_t)length || length == 0) {
        return wrong(r, "a column has no usable name");
    }
    if (!expect(r, ',')) {
        return false;
    }
    skip_space(r);
    if (r->p < r->end && *r->p == '[') {
        return wrong(r, "records inside records are not read");
    }
    if (!read_string(r, &type, &length) || !read_type(r, type, column)) {
        return false;
    }
    if (next_is(r, ',')) {
        skip_space(r);
        if (r->p < r->end && *r->p == '(') {
            return wrong(r, "arrays inside records are not read");
        }
    }
    return expect(r, ')');
}

static int64_t count_fields(const reader *r)
{
    int64_t count = 0;
    for (const char *p = r->p; p < r->end; p++) {
        count += *p == '(';
    }
    return count;
}

static bool read_descr(reader *r, w_npy_header *h)
{
    h->structured = next_is(r, '[');
    int64_t most = h->structured ? count_fields(r) : 1;
    h->column = w_arena_calloc(r->arena, (size_t)most, sizeof *h->column);
    if (!h->column) {
        r->status = w_alloc_status(r->ctx);
        return false;
    }
    h->row_bytes = 0;
    if (!h->structured) {
        const char *type;
        int64_t length;
        if (!read_string(r, &type, &length) || !read_type(r, type, h->column)) {
            return false;
        }
        h->row_bytes = h->column->size;
        return h->column->dtype != 0 ||
               wrong(r, "elements of this type are not read (f8 f4 i8 i4 i2 i1 u4 u2 u1 b1 are)");
    }
    h->columns = 0;
    while (!next_is(r, ']')) {
        if (h->columns == most) {
            return wrong(r, "']' is missing");
        }
        w_npy_column *column = &h->column[h->columns];
        if (!read_field(r, column)) {
            return false;
        }
        column->offset = h->row_bytes;
        h->row_bytes = w_add64(h->row_bytes, column->size);
        h->columns++;
        if (!next_is(r, ',')) {
            if (!expect(r, ']')) {
                return false;
            }
            break;
        }
    }
    return h->columns > 0 || wrong(r, "no columns");
}

static bool read_shape(reader *r, int64_t shape[2], int *dimensions)
{
    *dimensions = 0;
    if (!expect(r, '(')) {
        return false;
    }
    while (!next_is(r, ')')) {
        int64_t extent = 0;
        if (!read_integer(r, &extent)) {
            return false;
        }
        if (*dimensions == 2) {
            return wrong(r, "more than two dimensions are not a table");
        }
        shape[(*dimensions)++] = extent;
        if (!next_is(r, ',')) {
            return expect(r, ')');
        }
    }
    return true;
}

static bool read_bool(reader *r, bool *out)
{
    skip_space(r);
    int64_t left = r->end - r->p;
    if (left >= 4 && memcmp(r->p, "True", 4) == 0) {
        *out = true;
        r->p += 4;
        return true;
    }
    if (left >= 5 && memcmp(r->p, "False", 5) == 0) {
        *out = false;
        r->p += 5;
        return true;
    }
    return wrong(r, "fortran_order is neither True nor False");
}

static bool read_dict(reader *r, w_npy_header *h, int64_t shape[2], int *dimensions)
{
    unsigned seen = 0;
    if (!expect(r, '{')) {
        return false;
    }
    while (!next_is(r, '}')) {
        const char *key;
        int64_t length;
        if (!read_string(r, &key, &length) || !expect(r, ':')) {
            return false;
        }
        unsigned bit = strcmp(key, "descr") == 0           ? 1
                       : strcmp(key, "fortran_order") == 0 ? 2
                       : strcmp(key, "shape") == 0         ? 4
                                                           : 0;
        if (bit == 0 || (seen & bit)) {
            return wrong(r, "an unknown or repeated key");
        }
        seen |= bit;
        bool fine = bit == 1   ? read_descr(r, h)
                    : bit == 2 ? read_bool(r, &h->fortran_order)
                               : read_shape(r, shape, dimensions);
        if (!fine) {
            return false;
        }
        if (!next_is(r, ',')) {
            if (!expect(r, '}')) {
                return false;
            }
            break;
        }
    }
    return seen == 7 || wrong(r, "descr, fortran_order or shape is missing");
}

/* Shape and type against the bytes that are there. */
static bool lay_out(reader *r, w_npy_header *h, const int64_t shape[2], int dimensions, int64_t file_size)
{
    if (dimensions == 0) {
        return wrong(r, "a single number is not a table");
    }
    if (h->structured && dimensions == 2) {
        return wrong(r, "a two-dimensional array of records is not a table");
    }
    int64_t columns = dimensions == 2 ? shape[1] : 1, element = h->row_bytes;
    h->rows = shape[0];
    if (!h->structured) {
        if (columns < 1 || columns > INT32_MAX) {
            return wrong(r, "the number of columns is out of range");
        }
        if (h->rows == 0 && columns > MOST_EMPTY_COLUMNS) {
            return wrong(r, "no rows, and more than 65536 columns");
        }
        h->columns = (int32_t)columns;
        h->row_bytes = w_mul64(columns, element);
        h->fortran_order = h->fortran_order && columns > 1;
    } else {
        h->fortran_order = false;
    }
    if (h->row_bytes < 1) {
        return wrong(r, "a row has no bytes");
    }
    h->stride = h->fortran_order ? element : h->row_bytes;
    int64_t need = w_add64(w_mul64(h->rows, h->row_bytes), h->data_begin);
    if (need == INT64_MAX) {
        return wrong(r, "the shape is too large");
    }
    if (need > file_size) {
        r->status = w_fail(r->ctx, WEIR_E_DATA,
                           "%s is cut short: %lld bytes are missing (%lld rows of %lld bytes are announced)",
                           r->label, (long long)(need - file_size), (long long)h->rows, (long long)h->row_bytes);
        return false;
    }
    return true;
}

weir_status w_npy_parse(w_arena *arena, const char *label, const unsigned char *bytes, int64_t size,
                        int64_t file_size, int64_t *need, w_npy_header *out)
{
    reader r = { arena->ctx, arena, label, NULL, NULL, WEIR_OK };
    w_npy_header h = { 0 };
    static const unsigned char magic[] = { 0x93, 'N', 'U', 'M', 'P', 'Y' };
    int64_t compared = w_min64(size, (int64_t)sizeof magic);
    if (memcmp(bytes, magic, (size_t)compared) != 0) {
        wrong(&r, "it does not begin with \\x93NUMPY");
        return r.status;
    }
    int64_t preamble = size > 6 && bytes[6] >= 2 ? 12 : 10;
    if (file_size < preamble) {
        return w_fail(r.ctx, WEIR_E_DATA, "%s is cut short: at least %lld bytes are missing", label,
                      (long long)(preamble - file_size));
    }
    if (size < preamble) {
        *need = preamble;
        return WEIR_DECLINED;
    }
    if (bytes[6] < 1 || bytes[6] > 3) {
        wrong(&r, "a version other than 1, 2 or 3");
        return r.status;
    }
    int64_t length = bytes[8] | bytes[9] << 8;
    if (bytes[6] >= 2) {
        length |= (int64_t)bytes[10] << 16 | (int64_t)bytes[11] << 24;
    }
    h.data_begin = preamble + length;
    if (h.data_begin > file_size) {
        return w_fail(r.ctx, WEIR_E_DATA, "%s is cut short: %lld bytes of its header are missing", label,
                      (long long)(h.data_begin - file_size));
    }
    if (length > MOST_HEADER) {
        wrong(&r, "it is longer than 16 MiB");
        return r.status;
    }
    if (size < h.data_begin) {
        *need = h.data_begin;
        return WEIR_DECLINED;
    }
    int64_t shape[2] = { 0, 1 };
    int dimensions = 0;
    r.p = (const char *)bytes + preamble;
    r.end = (const char *)bytes + h.data_begin;
    if (read_dict(&r, &h, shape, &dimensions) && lay_out(&r, &h, shape, dimensions, file_size)) {
        *out = h;
    }
    return r.status;
}

w_npy_column w_npy_column_of(const w_npy_header *header, int32_t k)
{
    if (header->structured) {
        return header->column[k];
    }
    w_npy_column column = header->column[0];
    column.offset = k * (header->fortran_order ? header->rows * column.size : column.size);
    return column;
}
