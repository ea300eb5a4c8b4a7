/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the dialect and the cut, the rest is the text. It is read whole by one thread and in small
 * blocks by two; both must end alike: the same status and message, or the same rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table/table.h"

#define MOST_BYTES 4096
#define MOST_COLUMNS 64

typedef struct outcome {
    weir_status status;
    int64_t rows;
    uint64_t hash;
    char message[W_MESSAGE_BYTES];
} outcome;

static void stir(uint64_t *hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) {
        *hash = (*hash ^ p[i]) * 0x100000001b3u;
    }
}

static void stir_window(uint64_t *hash, const w_window *window)
{
    static double number[W_TILE_ROWS];
    static int32_t code[W_TILE_ROWS];
    for (int32_t c = 0; c < window->column_count; c++) {
        for (int64_t start = 0; start < window->rows; start += W_TILE_ROWS) {
            int64_t n = window->rows - start < W_TILE_ROWS ? window->rows - start : W_TILE_ROWS;
            for (int64_t i = 0; window->column[c].kind == W_NUMERIC && i < n; i++) {
                double value = *w_window_numeric(window, c, start + i, 1, number);
                stir(hash, value == value ? &value : &(double){ 0.5 }, sizeof value);
            }
            if (window->column[c].kind == W_FACTOR) {
                stir(hash, w_window_codes(window, c, start, n, code), (size_t)n * sizeof *code);
            }
        }
    }
}

static weir_status read_table(weir_table *table, const w_scan_options *options, outcome *out)
{
    const char *names[MOST_COLUMNS];
    int32_t count = table->column_count < MOST_COLUMNS ? table->column_count : MOST_COLUMNS;
    for (int32_t c = 0; c < count; c++) {
        names[c] = table->names[c];
        stir(&out->hash, names[c], strlen(names[c]));
    }
    weir_status status = w_source_select(table, count, names, NULL);
    if (status >= 0) {
        status = w_source_scan(table, options, NULL, NULL);
    }
    if (status >= 0) {
        status = w_source_rewind(table);
    }
    for (int32_t c = 0; status >= 0 && c < count; c++) {
        const w_column_info *info = w_source_column(table, c);
        for (int64_t i = 0; i < info->level_count; i++) {
            stir(&out->hash, info->levels[i], strlen(info->levels[i]) + 1);
        }
    }
    while (status >= 0) {
        w_window window;
        status = w_source_next(table, &window);
        if (status < 0 || window.rows == 0) {
            break;
        }
        stir_window(&out->hash, &window);
        out->rows += window.rows;
    }
    return status;
}

/* Made once: starting threads takes longer than reading a text. */
static weir_ctx *context(int threads)
{
    static weir_ctx *made[2];
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = threads;
    options.memory_budget = 256 << 20;
    if (!made[threads - 1] && weir_ctx_create(&options, &made[threads - 1]) < 0) {
        abort();
    }
    w_message_clear(made[threads - 1]);
    return made[threads - 1];
}

static void run(const char *path, int threads, int64_t block_bytes, const weir_table_options *open,
                const w_scan_options *scan, outcome *out)
{
    weir_ctx *ctx = context(threads);
    int64_t blocks = atomic_load(&ctx->ledger.live_blocks);
    weir_table *table = NULL;
    *out = (outcome){ .rows = 0 };
    out->status = w_table_open_files(ctx, 1, &path, open, &table);
    if (out->status >= 0) {
        w_table_set_block_bytes(table, block_bytes);
        out->status = read_table(table, scan, out);
        w_table_free(table);
    }
    strcpy(out->message, weir_ctx_message(ctx));
    if (atomic_load(&ctx->ledger.live_blocks) != blocks) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MOST_BYTES) {
        return 0;
    }
    int descriptor = memfd_create("text", MFD_CLOEXEC);
    if (descriptor < 0 || write(descriptor, data + 1, size - 1) != (ssize_t)(size - 1)) {
        abort();
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    const unsigned choice = data[0];
    const weir_table_options open = { .version = WEIR_TABLE_OPTIONS_VERSION,
                                      .delimiter = choice & 1 ? ';' : '\0',
                                      .decimal = choice & 2 ? ',' : '\0',
                                      .headerless = (choice & 4) != 0,
                                      .missing_words = choice & 8 ? ".,x" : NULL };
    const w_scan_options kept = { .keep_bytes = 128 << 20, .window_bytes = 1 }, reread = { .window_bytes = 1 };
    outcome whole, cut;
    run(path, 1, 0, &open, &kept, &whole);
    run(path, 2, 1 + choice / 16 * 3, &open, choice & 1 ? &reread : &kept, &cut);
    close(descriptor);
    if (whole.status != cut.status || strcmp(whole.message, cut.message) != 0) {
        fprintf(stderr, "%d \"%s\"\n%d \"%s\"\n", whole.status, whole.message, cut.status, cut.message);
        abort();
    }
    if (whole.status >= 0 && (whole.rows != cut.rows || whole.hash != cut.hash)) {
        abort();
    }
    return 0;
}
