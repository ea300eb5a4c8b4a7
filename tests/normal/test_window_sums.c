/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of sliding windows: blocks cover the rows, windows equal fresh sums within the bound of a fresh sum however many came before,
 * ranges of entries change no bit. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "normal/window_blocks.h"

static const w_window_shape shapes[] = { { 1, 1 },     { 5, 5 },     { 6, 1 },     { 7, 3 },      { 10, 9 },    { 1000, 24 },
                                         { 600, 300 }, { 777, 777 }, { 2000, 700 }, { 1024, 512 }, { 513, 512 }, { 97, 13 } };
#define SHAPES (sizeof shapes / sizeof *shapes)

static void test_blocks(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        const w_window_shape *shape = &shapes[s];
        int64_t next = 0, rows = 6 * shape->length + 17;
        for (int64_t row = 0; row < rows;) {
            const w_window_block b = w_window_block_at(shape, row);
            assert_int_equal(b.row, row);
            assert_in_range(b.rows, 1, W_WINDOW_BLOCK_ROWS);
            assert_int_equal(b.step, row / shape->step);
            assert_int_equal(b.step, (row + b.rows - 1) / shape->step);
            assert_int_equal(b.starts_step, row % shape->step == 0);
            assert_int_equal(b.ends_step, (row + b.rows) % shape->step == 0);
            const int64_t behind = row + b.rows - shape->length;
            const bool ends = behind >= 0 && behind % shape->step == 0;
            assert_int_equal(b.window, ends ? behind / shape->step : -1);
            if (ends) {
                assert_int_equal(b.window, next++);
            }
            /* no window begins or ends within a block */
            for (int64_t r = row + 1; r < row + b.rows; r++) {
                assert_true(r % shape->step != 0 && (r < shape->length || (r - shape->length) % shape->step != 0));
            }
            row += b.rows;
            assert_int_equal(w_window_count(shape, row), next);
            assert_int_equal(w_window_before(shape, row), next - 1);
        }
    }
}

#define ENTRIES 8

typedef struct rolled {
    int64_t windows;
    double *sum;             /* windows x ENTRIES */
    w_group_stats *stats;
} rolled;

/* Values that cancel: what is left of a subtraction would show. */
static double *make_values(int64_t rows)
{
    w_rng rng;
    double *value = malloc((size_t)(rows * ENTRIES) * sizeof *value);
    assert_non_null(value);
    w_rng_seed(&rng, 12);
    for (int64_t i = 0; i < rows * ENTRIES; i++) {
        value[i] = w_rng_normal(&rng) * (i / ENTRIES % 1000 == 500 ? 1e9 : 1.0);
    }
    return value;
}

/* `cut`: entries of one range; blocks go in batches of `batch`. */
static rolled roll(weir_ctx *ctx, const w_window_shape *shape, const double *value, int64_t rows, int64_t cut, int64_t batch)
{
    w_rolling *rolling = NULL;
    const int64_t windows = w_window_count(shape, rows);
    rolled out = { windows, calloc((size_t)windows * ENTRIES, sizeof(double)), calloc((size_t)windows, sizeof(w_group_stats)) };
    w_window_block *block = calloc((size_t)batch, sizeof *block);
    double *sums = calloc((size_t)batch * ENTRIES, sizeof *sums);
    w_group_stats *stats = calloc((size_t)batch, sizeof *stats);
    assert_int_equal(w_rolling_create(ctx, shape, ENTRIES, &rolling), WEIR_OK);
    int64_t done = 0;
    for (int64_t row = 0; row < rows;) {
        int64_t count = 0, ended = 0;
        for (; count < batch && row < rows; count++) {
            block[count] = w_window_block_at(shape, row);
            if (row + block[count].rows > rows) {
                block[count].rows = rows - row;
                block[count].ends_step = false;
                block[count].window = -1;
            }
            stats[count] = (w_group_stats){ .n = block[count].rows, .least = INFINITY, .most = -INFINITY };
            memset(sums + count * ENTRIES, 0, ENTRIES * sizeof *sums);
            for (int64_t r = row; r < row + block[count].rows; r++) {
                for (int e = 0; e < ENTRIES; e++) {
                    sums[count * ENTRIES + e] += value[r * ENTRIES + e];
                }
                stats[count].least = fmin(stats[count].least, value[r * ENTRIES]);
                stats[count].most = fmax(stats[count].most, value[r * ENTRIES]);
            }
            ended += block[count].window >= 0;
            row += block[count].rows;
        }
        for (int64_t first = 0; first < ENTRIES; first += cut) {
            w_rolling_advance(rolling, block, count, sums, first, first + cut < ENTRIES ? first + cut : ENTRIES, out.sum + done * ENTRIES);
        }
        w_rolling_advance_stats(rolling, block, count, stats, out.stats + done);
        done += ended;
    }
    assert_int_equal(done, windows);
    w_rolling_free(rolling);
    free(block);
    free(sums);
    free(stats);
    return out;
}

static void rolled_free(rolled *r)
{
    free(r->sum);
    free(r->stats);
}

static void test_against_fresh(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t rows = 6011;
    double *value = make_values(rows);
    for (size_t s = 0; s < SHAPES; s++) {
        const w_window_shape *shape = &shapes[s];
        rolled a = roll(ctx, shape, value, rows, ENTRIES, 16), b = roll(ctx, shape, value, rows, 3, 5);
        assert_memory_equal(a.sum, b.sum, (size_t)a.windows * ENTRIES * sizeof(double));
        const double depth = fmin((double)shape->step, W_WINDOW_BLOCK_ROWS) + (double)(shape->step / W_WINDOW_BLOCK_ROWS) +
                             (double)(shape->length / shape->step) + 5;
        for (int64_t i = 0; i < a.windows; i++) {
            double least = INFINITY, most = -INFINITY;
            for (int64_t r = i * shape->step; r < i * shape->step + shape->length; r++) {
                least = fmin(least, value[r * ENTRIES]);
                most = fmax(most, value[r * ENTRIES]);
            }
            assert_int_equal(a.stats[i].n, shape->length);
            assert_true(a.stats[i].least == least && a.stats[i].most == most);
            for (int e = 0; e < ENTRIES; e++) {
                long double sum = 0, size = 0;
                for (int64_t r = i * shape->step; r < i * shape->step + shape->length; r++) {
                    sum += value[r * ENTRIES + e];
                    size += fabs(value[r * ENTRIES + e]);
                }
                const double unit = depth * DBL_EPSILON / 2, error = fabs((double)(a.sum[i * ENTRIES + e] - sum));
                assert_true(error <= unit / (1 - unit) * (double)size);
            }
        }
        rolled_free(&a);
        rolled_free(&b);
    }
    free(value);
    weir_ctx_destroy(ctx);
}

/* A hundred thousand windows on: the last has the bits of the first over the same values. */
static void test_no_drift(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const w_window_shape shape = { 50, 2 };
    const int64_t period = shape.length, periods = 4000, rows = period * periods;
    double *value = make_values(rows);
    for (int64_t i = period; i < rows; i++) {
        memcpy(value + i * ENTRIES, value + i % period * ENTRIES, ENTRIES * sizeof *value);
    }
    rolled r = roll(ctx, &shape, value, rows, ENTRIES, 64);
    assert_int_equal(r.windows, (periods - 1) * 25 + 1);
    assert_memory_equal(r.sum, r.sum + (r.windows - 1) * ENTRIES, ENTRIES * sizeof(double));
    rolled_free(&r);
    free(value);
    weir_ctx_destroy(ctx);
}

/* Cross-products of blocks, whichever stand beside each other, in all instruction sets. */
static void test_block_sums(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static const char *const names[] = { "portable", "avx2", "avx512" };
    enum { ROWS = 400, P = 13, STRIDE = 16 };
    const int64_t entries = w_window_entries(P);
    double *x = calloc(ROWS * STRIDE, sizeof *x), *weight = malloc(ROWS * sizeof *weight);
    double *room = malloc((size_t)w_window_block_room(P) * sizeof *room), *sums = malloc((size_t)(11 * entries) * sizeof *sums);
    double *first = NULL;
    w_group_stats stats[11];
    w_window_block block[11];
    w_rng rng;
    w_rng_seed(&rng, 3);
    for (int i = 0; i < ROWS; i++) {
        weight[i] = i % 7 == 3 ? 0.0 : i % 3 ? 1.0 : 0.25 + w_rng_uniform(&rng);
        for (int c = 0; c <= P; c++) {
            x[i * STRIDE + c] = w_rng_normal(&rng);
        }
    }
    for (int b = 0, row = 0; b < 11; b++) {
        block[b] = (w_window_block){ .row = 100 + row, .rows = 1 + 5 * b };
        row += 1 + 5 * b;
    }
    const w_window_rows rows = { .first_row = 100, .stride = STRIDE, .p = P, .x = x, .weight = weight };
    for (int n = 0; n < 6; n++) {
        const w_batch_kernels *kernels = w_batch_find(names[n % 3]);
        if (!kernels) {
            continue;
        }
        for (int at = 0, width = n < 3 ? 8 : 3; at < 11; at += width) {
            int32_t lane[8];
            const int count = at + width > 11 ? 11 - at : width;
            for (int l = 0; l < count; l++) {
                lane[l] = n < 3 ? at + l : 10 - at - l;
            }
            w_window_sum_blocks(kernels, &rows, block, lane, count, room, sums, stats);
        }
        for (int b = 0; b < 11; b++) {
            int64_t counted = 0;
            for (int i = 0; i <= P; i++) {
                for (int j = i; j <= P; j++) {
                    double sum = 0, size = 0;
                    for (int64_t r = block[b].row - 100; r < block[b].row - 100 + block[b].rows; r++) {
                        sum += weight[r] * x[r * STRIDE + i] * x[r * STRIDE + j];
                        size += fabs(weight[r] * x[r * STRIDE + i] * x[r * STRIDE + j]);
                    }
                    assert_true(fabs(sum - sums[b * entries + w_packed(j) + i]) <= (double)(block[b].rows + 4) * DBL_EPSILON * size);
                }
            }
            for (int64_t r = block[b].row - 100; r < block[b].row - 100 + block[b].rows; r++) {
                counted += weight[r] > 0;
            }
            assert_int_equal(stats[b].n, counted);
        }
        if (n % 3 == 0) { /* the portable set may round products first */
            continue;
        }
        if (first) {
            assert_memory_equal(first, sums, (size_t)(11 * entries) * sizeof *sums);
        } else {
            first = malloc((size_t)(11 * entries) * sizeof *sums);
            memcpy(first, sums, (size_t)(11 * entries) * sizeof *sums);
        }
    }
    free(first);
    free(x);
    free(weight);
    free(room);
    free(sums);
    weir_ctx_destroy(ctx);
}

static weir_status create(weir_ctx *ctx, void *arg)
{
    w_rolling *rolling = NULL;
    weir_status status = w_rolling_create(ctx, arg, 64, &rolling);
    w_rolling_free(rolling);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_window_shape shape = { 1000, 24 };
    assert_true(test_each_allocation_fails(ctx, create, &shape) >= 4);
    const int64_t before = ctx->ledger.in_use;
    w_rolling *rolling = NULL;
    assert_int_equal(w_rolling_create(ctx, &shape, 64, &rolling), WEIR_OK);
    assert_true(ctx->ledger.in_use - before <= w_rolling_bytes(&shape, 64));
    w_rolling_free(rolling);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),     cmocka_unit_test(test_against_fresh), cmocka_unit_test(test_no_drift),
        cmocka_unit_test(test_block_sums), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
