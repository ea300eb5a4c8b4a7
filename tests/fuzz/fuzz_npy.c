/* SPDX-License-Identifier: Apache-2.0 */
/* The input is an NPY file. Opening takes no more memory than its size warrants (where it has no rows, the number of
 * its columns too), every read ends in a status, and nothing is left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table/table.h"

#define MOST_BYTES 16384
#define MOST_COLUMNS 64
#define NAME_BYTES 512 /* of a column without data, beside its entry in the table */

static char folder[] = "/tmp/weir-fuzz-XXXXXX";
static char path[sizeof folder + 16];

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

/* NPY files are known by their name: a link leads from one to the bytes in memory. */
static int input_descriptor(void)
{
    static int descriptor = -1;
    if (descriptor < 0) {
        char target[64];
        descriptor = memfd_create("npy", MFD_CLOEXEC);
        snprintf(target, sizeof target, "/proc/self/fd/%d", descriptor);
        if (descriptor < 0 || !mkdtemp(folder)) {
            abort();
        }
        snprintf(path, sizeof path, "%s/input.npy", folder);
        if (symlink(target, path) != 0) {
            abort();
        }
        atexit(remove_folder);
    }
    return descriptor;
}

static weir_status read_table(weir_table *table)
{
    const char *names[MOST_COLUMNS];
    w_column_want want[MOST_COLUMNS];
    int32_t count = table->column_count < MOST_COLUMNS ? table->column_count : MOST_COLUMNS;
    for (int32_t c = 0; c < count; c++) {
        names[c] = table->names[c];
        want[c] = c % 3 == 2 ? W_WANT_FACTOR : W_WANT_EITHER;
    }
    weir_status status = w_source_select(table, count, names, want);
    const w_scan_options scan = { .window_bytes = 1 };
    if (status >= 0) {
        status = w_source_scan(table, &scan, NULL, NULL);
    }
    if (status >= 0) {
        status = w_source_rewind(table);
    }
    int64_t rows = 0;
    w_window window = { .rows = 1 };
    while (status >= 0 && window.rows > 0) {
        status = w_source_next(table, &window);
        rows += status >= 0 ? window.rows : 0;
    }
    if (status >= 0 && rows != w_source_row_count(table)) {
        abort();
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int descriptor = input_descriptor();
    if (size > MOST_BYTES || ftruncate(descriptor, 0) != 0 || pwrite(descriptor, data, size, 0) != (ssize_t)size) {
        return 0;
    }
    static weir_ctx *ctx;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.memory_budget = 64 << 20;
    if (!ctx && weir_ctx_create(&options, &ctx) < 0) {
        abort();
    }
    w_message_clear(ctx);
    w_ledger_reset_peak(ctx);
    int64_t blocks = atomic_load(&ctx->ledger.live_blocks), bytes = atomic_load(&ctx->ledger.in_use);
    const weir_table_options open = WEIR_TABLE_OPTIONS_INIT;
    const char *name = path;
    weir_table *table = NULL;
    weir_status status = w_table_open_files(ctx, 1, &name, &open, &table);
    int64_t empty_columns = status >= 0 && w_source_row_estimate(table) == 0 ? table->column_count : 0;
    if (atomic_load(&ctx->ledger.peak) - bytes > (int64_t)(65536 + 64 * size) + NAME_BYTES * empty_columns) {
        abort();
    }
    if (status >= 0) {
        status = read_table(table);
        w_table_free(table);
    }
    if (status < 0 && weir_ctx_message(ctx)[0] == '\0') {
        abort();
    }
    if (atomic_load(&ctx->ledger.live_blocks) != blocks) {
        abort();
    }
    return 0;
}
