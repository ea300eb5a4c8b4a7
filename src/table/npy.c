/* SPDX-License-Identifier: Apache-2.0 */
/* NPY files: workers read runs of rows with pread into their own piece of memory and convert from there, so that what
 * is resident does not grow with the file, and a file that shrinks meanwhile is an error instead of a signal. A
 * column of doubles in Fortran order, or a table of one, goes straight into the table's buffer. */
#include "table/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"
#include "table/table.h"

#define TAG "npy rows"
#define HEAD_BYTES 4096
#define RAW_BYTES 262144
#define HEAD_ROWS 4096

typedef struct npy {
    w_part part; /* first */
    weir_ctx *ctx;
    const char *path;
    int descriptor; /* -1 between passes */
    w_npy_header header;
    int64_t row; /* next of this pass */
    int64_t run; /* rows read at once */
    char *raw;   /* RAW_BYTES or one row per worker */
    int64_t raw_bytes;
    _Atomic int64_t bytes_read;
} npy;

static weir_status io_failure(const npy *file, const char *what)
{
    return w_fail(file->ctx, WEIR_E_IO, "%s: cannot %s: %s", file->path, what, strerror(errno));
}

static weir_status read_at(npy *file, int64_t offset, void *to, int64_t bytes)
{
    for (int64_t done = 0; done < bytes;) {
        ssize_t count = pread(file->descriptor, (char *)to + done, (size_t)(bytes - done), (off_t)(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return io_failure(file, "read");
        }
        if (count == 0) {
            return w_fail(file->ctx, WEIR_E_DATA, "%s became shorter while it was read: %lld bytes are missing",
                          file->path, (long long)(bytes - done));
        }
        done += count;
    }
    atomic_fetch_add(&file->bytes_read, bytes);
    return WEIR_OK;
}

static weir_status open_file(npy *file, int64_t *size)
{
    struct stat info;
    file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0) {
        return io_failure(file, "open");
    }
    if (!S_ISREG(info.st_mode)) {
        return w_fail(file->ctx, WEIR_E_IO, "%s is not a regular file: NPY cannot be read from a pipe",
                      file->path);
    }
    *size = (int64_t)info.st_size;
    return WEIR_OK;
}

static void npy_stop(w_part *part)
{
    npy *file = (npy *)part;
    if (file->descriptor >= 0) {
        close(file->descriptor);
    }
    w_free(file->ctx, file->raw);
    file->descriptor = -1;
    file->raw = NULL;
}

static int64_t raw_bytes(const npy *file) { return w_max64(RAW_BYTES, file->header.row_bytes); }

static weir_status npy_start(w_part *part, weir_table *table)
{
    npy *file = (npy *)part;
    const w_npy_header *h = &file->header;
    for (int32_t s = 0; s < table->selected_count; s++) {
        w_selected *selected = &table->selected[s];
        if (w_npy_column_of(h, part->column_of[selected->column]).dtype == 0) {
            return w_fail(file->ctx, WEIR_E_DATA, "%s: column '%s' has a type that is not read", part->label,
                          selected->info.name);
        }
    }
    int64_t size;
    weir_status status = open_file(file, &size);
    if (status < 0) {
        return status;
    }
    int64_t need = h->data_begin + h->rows * h->row_bytes;
    if (size < need) {
        return w_fail(file->ctx, WEIR_E_DATA, "%s became shorter while it was read: %lld bytes are missing",
                      part->label, (long long)(need - size));
    }
    posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    file->row = 0;
    file->raw_bytes = raw_bytes(file);
    file->run = w_max64(1, file->raw_bytes / h->stride);
    file->raw = w_alloc_array(file->ctx, TAG, (size_t)w_pool_workers(file->ctx), (size_t)file->raw_bytes);
    return file->raw ? WEIR_OK : w_alloc_status(file->ctx);
}

static void swap_bytes(char *data, int64_t stride, int64_t size, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++, data += stride) {
        for (int64_t a = 0, b = size - 1; a < b; a++, b--) {
            char keep = data[a];
            data[a] = data[b];
            data[b] = keep;
        }
    }
}

typedef struct npy_job {
    npy *file;
    weir_table *table;
    int64_t at, rows; /* rows of the buffer */
} npy_job;

/* rows elements of one column at `data` (writable, swapped in place when need be) into the buffer at row `at`. */
static weir_status convert_column(const npy_job *job, int32_t s, char *data, int64_t rows, int64_t at)
{
    const w_selected *selected = &job->table->selected[s];
    const w_npy_header *h = &job->file->header;
    w_npy_column column = w_npy_column_of(h, job->file->part.column_of[selected->column]);
    if (column.swapped) {
        swap_bytes(data, h->stride, column.size, rows);
    }
    if (selected->info.kind == W_NUMERIC) {
        w_convert_numeric(column.dtype, data, h->stride, rows, (double *)job->table->buffer.data[s] + at);
        return WEIR_OK;
    }
    int32_t *code = (int32_t *)job->table->buffer.data[s] + at;
    int64_t row = 0;
    weir_status status = w_dictionary_numbers(selected->dictionary, column.dtype, data, h->stride, rows, code, &row);
    return status != WEIR_E_DATA ? status
                                 : w_fail(job->file->ctx, status, "%s changed while it was read: row %lld of column '%s' has a new level",
                                          job->file->path, (long long)(job->file->row + at - job->at + row + 1), selected->info.name);
}

static weir_status read_rows(const npy_job *job, int64_t first, int64_t rows, char *raw)
{
    npy *file = job->file;
    const w_npy_header *h = &file->header;
    int64_t row = file->row + first, at = job->at + first;
    weir_status status = WEIR_OK;
    if (!h->fortran_order) {
        status = read_at(file, h->data_begin + row * h->row_bytes, raw, rows * h->row_bytes);
    }
    for (int32_t s = 0; status >= 0 && s < job->table->selected_count; s++) {
        const w_selected *selected = &job->table->selected[s];
        w_npy_column column = w_npy_column_of(h, file->part.column_of[selected->column]);
        char *data = raw + (h->fortran_order ? 0 : column.offset);
        if (h->fortran_order) {
            status = read_at(file, h->data_begin + column.offset + row * h->stride, raw, rows * h->stride);
        }
        if (status >= 0) {
            status = convert_column(job, s, data, rows, at);
        }
    }
    return status;
}

static weir_status read_task(void *arg, int64_t task, int worker)
{
    const npy_job *job = arg;
    int64_t first = task * job->file->run, rows = w_min64(job->file->run, job->rows - first);
    return read_rows(job, first, rows, job->file->raw + worker * job->file->raw_bytes);
}

static weir_status npy_decode(w_part *part, weir_table *table, int64_t at, int64_t capacity, int64_t *rows)
{
    npy *file = (npy *)part;
    int64_t count = w_min64(capacity, file->header.rows - file->row);
    *rows = count;
    bool serial = false; /* new levels are added in the order of rows */
    for (int32_t s = 0; s < table->selected_count; s++) {
        if (!table->selected[s].decided) {
            weir_status status = w_table_decide(table, s, W_NUMERIC);
            if (status < 0) {
                return status;
            }
        }
        serial |= table->selected[s].dictionary && !w_dictionary_finished(table->selected[s].dictionary);
    }
    npy_job job = { file, table, at, count };
    int64_t tasks = (count + file->run - 1) / file->run;
    weir_status status = WEIR_OK;
    if (serial) {
        for (int64_t task = 0; status >= 0 && task < tasks; task++) {
            status = read_task(&job, task, 0);
        }
    } else if (tasks > 0) {
        status = w_pool_run(file->ctx, tasks, read_task, &job);
    }
    file->row += count;
    return status;
}

static int64_t npy_row_estimate(w_part *part) { return part->rows; }

static weir_status npy_head_levels(w_part *part, weir_table *table, int32_t s, int64_t *levels, int64_t *rows)
{
    npy *file = (npy *)part;
    const w_npy_header *h = &file->header;
    w_npy_column column = w_npy_column_of(h, part->column_of[table->selected[s].column]);
    w_dictionary *dictionary = NULL;
    *rows = *levels = 0;
    if (!table->selected[s].decided || column.dtype == 0) {
        return WEIR_OK;
    }
    int64_t size, count = w_min64(h->rows, HEAD_ROWS);
    weir_status status = open_file(file, &size);
    if (status >= 0) {
        status = w_dictionary_create(file->ctx, &dictionary);
    }
    for (int64_t i = 0; status >= 0 && i < count; i++) {
        char element[8];
        int32_t code;
        status = read_at(file, h->data_begin + column.offset + i * h->stride, element, column.size);
        if (status >= 0 && column.swapped) {
            swap_bytes(element, 0, column.size, 1);
        }
        if (status >= 0) {
            status = w_dictionary_number(dictionary, w_element_number(column.dtype, element), &code);
        }
    }
    *rows = count;
    *levels = dictionary ? w_dictionary_count(dictionary) : 0;
    w_dictionary_free(dictionary);
    npy_stop(part);
    return status;
}

static int64_t npy_pass_bytes(const w_part *part, const weir_table *table)
{
    const npy *file = (const npy *)part;
    return w_alloc_bytes(w_mul64(raw_bytes(file), w_pool_workers(table->ctx)));
}

static int64_t npy_bytes_read(const w_part *part) { return atomic_load(&((const npy *)part)->bytes_read); }

static const w_part_ops npy_ops = { npy_start,       npy_decode,      npy_stop,       npy_stop,
                                    npy_row_estimate, npy_head_levels, npy_pass_bytes, npy_bytes_read };

static weir_status read_header(npy *file, w_arena *arena, int64_t size)
{
    weir_ctx *ctx = file->ctx;
    int64_t room = w_min64(size, HEAD_BYTES), need = 0;
    for (;;) {
        unsigned char *head = w_alloc(ctx, TAG, (size_t)w_max64(room, 16));
        if (!head) {
            return w_alloc_status(ctx);
        }
        memset(head, 0, 16);
        weir_status status = read_at(file, 0, head, room);
        if (status >= 0) {
            status = w_npy_parse(arena, file->path, head, room, size, &need, &file->header);
        }
        w_free(ctx, head);
        if (status != WEIR_DECLINED) {
            return status;
        }
        room = need;
    }
}

static weir_status name_columns(npy *file, weir_table *table, int32_t column_count, const char *const *columns,
                                const char ***names)
{
    const w_npy_header *h = &file->header;
    if (!h->structured && !columns) {
        return w_table_number_names(table, h->columns, names);
    }
    if (h->structured && columns) {
        return w_fail(file->ctx, WEIR_E_ARG, "%s is a structured array, which names its columns ('%s', ...): leave the column names "
                      "out", file->path, h->columns > 0 ? h->column[0].name : "");
    }
    if (!h->structured) {
        if (column_count != h->columns) {
            return w_fail(file->ctx, WEIR_E_DATA, "%s has %d columns, but %d names are given", file->path,
                          h->columns, column_count);
        }
        *names = (const char **)columns;
        return WEIR_OK;
    }
    const char **name = w_arena_alloc(&table->arena, (size_t)h->columns, sizeof *name);
    if (!name) {
        return w_alloc_status(file->ctx);
    }
    for (int32_t k = 0; k < h->columns; k++) {
        name[k] = h->column[k].name;
    }
    *names = name;
    return WEIR_OK;
}

weir_status w_npy_open(weir_table *table, const char *path, int32_t column_count, const char *const *columns,
                       w_part **out, int32_t *count, const char ***names)
{
    weir_ctx *ctx = table->ctx;
    npy *file = w_arena_calloc(&table->arena, 1, sizeof *file);
    char *copy = w_arena_strdup(&table->arena, path);
    if (!file || !copy) {
        return w_alloc_status(ctx);
    }
    file->ctx = ctx;
    file->path = copy;
    file->part = (w_part){ .ops = &npy_ops, .label = copy, .can_restart = true, .rows = -1 };
    file->descriptor = -1;
    int64_t size;
    weir_status status = open_file(file, &size);
    if (status >= 0) {
        status = read_header(file, &table->arena, size);
    }
    if (status >= 0) {
        status = name_columns(file, table, column_count, columns, names);
    }
    npy_stop(&file->part);
    if (status < 0) {
        return status;
    }
    file->part.rows = file->header.rows;
    file->part.file_bytes = size;
    *count = file->header.columns;
    *out = &file->part;
    return WEIR_OK;
}
