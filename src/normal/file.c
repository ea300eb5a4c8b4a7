/* SPDX-License-Identifier: Apache-2.0 */
/* Sums in an archive. The description holds under "sums": {"fingerprint": "16 hex digits", "extra": count, "runs": n}; run r
 * keeps the arrays
 *   sums.r.span          i64: first, last, kept rows
 *   sums.r.node          f64: nodes x accumulator,   sums.r.place  i64: level, index of each
 *   sums.r.tail          f64: accumulator
 *   sums.r.weight, sums.r.prior, sums.r.value.b f64, sums.r.cell.b i64: kept rows
 * Everything is checked against the design before it is used: a file never decides an address. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "normal/runs.h"

#define NAME_BYTES 64

static const char *array_name(char name[NAME_BYTES], int run, const char *what, int block)
{
    if (block < 0) {
        snprintf(name, NAME_BYTES, "sums.%d.%s", run, what);
    } else {
        snprintf(name, NAME_BYTES, "sums.%d.%s.%d", run, what, block);
    }
    return name;
}

/* ---- save ------------------------------------------------------------------------------------------------------- */

static weir_status save_nodes(const w_sums *sums, w_archive *archive, int r)
{
    const w_run *run = &sums->run[r];
    size_t count = (size_t)run->node_count, doubles = (size_t)sums->plan->total_count;
    char name[NAME_BYTES];
    double *value = w_alloc_array(sums->ctx, "gram file", w_mul_size(count, doubles), sizeof *value);
    int64_t *place = w_alloc_array(sums->ctx, "gram file", count, 2 * sizeof *place);
    weir_status status = value && place ? WEIR_OK : w_alloc_status(sums->ctx);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        memcpy(value + i * doubles, run->node[i].value, doubles * sizeof *value);
        place[2 * i] = run->node[i].level;
        place[2 * i + 1] = run->node[i].index;
    }
    if (status == WEIR_OK) {
        status = w_archive_put_f64(archive, array_name(name, r, "node", -1), (int64_t)count, (int64_t)doubles, value);
    }
    if (status == WEIR_OK) {
        status = w_archive_put_i64(archive, array_name(name, r, "place", -1), 2 * (int64_t)count, place);
    }
    w_free(sums->ctx, value);
    w_free(sums->ctx, place);
    return status;
}

static weir_status save_cells(const w_sums *sums, w_archive *archive, int r, int b)
{
    const w_raw *head = &sums->run[r].head;
    char name[NAME_BYTES];
    int64_t *wide = w_alloc_array(sums->ctx, "gram file", (size_t)head->rows, sizeof *wide);
    if (!wide) {
        return w_alloc_status(sums->ctx);
    }
    for (int64_t i = 0; i < head->rows; i++) {
        wide[i] = head->cell[b][i];
    }
    weir_status status = w_archive_put_i64(archive, array_name(name, r, "cell", b), head->rows, wide);
    w_free(sums->ctx, wide);
    return status;
}

static weir_status save_head(const w_sums *sums, w_archive *archive, int r)
{
    const w_raw *head = &sums->run[r].head;
    char name[NAME_BYTES];
    weir_status status = w_archive_put_f64(archive, array_name(name, r, "weight", -1), head->rows, 0, head->weight);
    if (status == WEIR_OK) {
        status = w_archive_put_f64(archive, array_name(name, r, "prior", -1), head->rows, 0, head->prior);
    }
    for (int b = 0; status == WEIR_OK && b < sums->design->block_count; b++) {
        status = w_archive_put_f64(archive, array_name(name, r, "value", b), head->rows, sums->design->block[b].width,
                                   head->value[b]);
        if (status == WEIR_OK && head->cell[b]) {
            status = save_cells(sums, archive, r, b);
        }
    }
    return status;
}

weir_status w_sums_save(const w_sums *sums, w_archive *archive)
{
    char text[NAME_BYTES];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sums->fingerprint);
    json_t *about = json_pack("{s:s, s:i, s:i}", "fingerprint", text, "extra", sums->plan->extra_count, "runs",
                              sums->run_count);
    if (!about || json_object_set_new(w_archive_json(archive), "sums", about) != 0) {
        return w_fail(sums->ctx, WEIR_E_MEMORY, "no memory to describe the sums");
    }
    weir_status status = WEIR_OK;
    for (int r = 0; status == WEIR_OK && r < sums->run_count; r++) {
        const w_run *run = &sums->run[r];
        int64_t span[3] = { run->first, run->last, run->head.rows };
        status = w_archive_put_i64(archive, array_name(text, r, "span", -1), 3, span);
        if (status == WEIR_OK && run->node_count > 0) {
            status = save_nodes(sums, archive, r);
        }
        if (status == WEIR_OK && run->tail) {
            status = w_archive_put_f64(archive, array_name(text, r, "tail", -1), sums->plan->total_count, 0, run->tail);
        }
        if (status == WEIR_OK && run->head.rows > 0) {
            status = save_head(sums, archive, r);
        }
    }
    return status;
}

/* ---- load ------------------------------------------------------------------------------------------------------- */

static weir_status damaged(const w_sums *sums, const char *what)
{
    return w_fail(sums->ctx, WEIR_E_MODEL, "the sums in this file are damaged (%s): accumulate them again", what);
}

static weir_status load_accumulator(w_sums *sums, const double *from, double **out)
{
    double *acc = w_bank_take(&sums->bank);
    if (!acc) {
        return w_alloc_status(sums->ctx);
    }
    memcpy(acc, from, (size_t)sums->plan->total_count * sizeof *acc);
    *out = acc;
    return WEIR_OK;
}

/* Complete shards of the run, which its nodes must cover without overlap: their sizes add up and none meets another. */
static bool nodes_cover(const int64_t *place, int64_t count, int64_t first, int64_t last)
{
    int64_t covered = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t level = place[2 * i], index = place[2 * i + 1];
        if (level < 0 || level > 40 || index < 0 || index > (int64_t)1 << 50 >> level) {
            return false;
        }
        int64_t from = index << level, to = (index + 1) << level;
        if (from < first || to > last) {
            return false;
        }
        for (int64_t k = 0; k < i; k++) {
            if (from < (place[2 * k + 1] + 1) << place[2 * k] && place[2 * k + 1] << place[2 * k] < to) {
                return false;
            }
        }
        covered += to - from;
    }
    return covered == last - first;
}

static weir_status load_nodes(w_sums *sums, const w_archive *archive, int r, w_run *run)
{
    char name[NAME_BYTES];
    int64_t rows, cols, entries, shard = sums->plan->shard_rows;
    const double *value = w_archive_f64(archive, array_name(name, r, "node", -1), &rows, &cols);
    const int64_t *place = w_archive_i64(archive, array_name(name, r, "place", -1), &entries);
    int64_t first = (run->first + shard - 1) / shard, last = w_max64(run->last / shard, first);
    if (rows > 64 * 64 || entries != 2 * rows || (rows > 0 && cols != sums->plan->total_count) ||
        !nodes_cover(place, rows, first, last)) {
        return damaged(sums, "tree");
    }
    weir_status status = w_run_reserve_nodes(sums->ctx, run, (int)rows);
    for (int64_t i = 0; status == WEIR_OK && i < rows; i++) {
        w_node node = { (int)place[2 * i], place[2 * i + 1], NULL };
        status = load_accumulator(sums, value + i * cols, &node.value);
        if (status == WEIR_OK) {
            run->node[run->node_count++] = node;
        }
    }
    return status;
}

static weir_status load_column(w_sums *sums, const w_archive *archive, int r, const char *what, int b, int64_t rows,
                               int64_t width, double *to)
{
    char name[NAME_BYTES];
    int64_t have_rows, have_cols;
    const double *from = w_archive_f64(archive, array_name(name, r, what, b), &have_rows, &have_cols);
    if (!from || have_rows != rows || have_cols != width) {
        return damaged(sums, what);
    }
    memcpy(to, from, (size_t)(rows * w_max64(width, 1)) * sizeof *to);
    return WEIR_OK;
}

static weir_status load_cells(w_sums *sums, const w_archive *archive, int r, int b, w_raw *head, int64_t rows)
{
    char name[NAME_BYTES];
    int64_t count;
    const w_block *block = &sums->design->block[b];
    const int64_t *cell = w_archive_i64(archive, array_name(name, r, "cell", b), &count);
    if (!cell || count != rows) {
        return damaged(sums, "cells");
    }
    for (int64_t i = 0; i < rows; i++) {
        if (cell[i] < 0 || cell[i] >= block->levels * block->cells) {
            return damaged(sums, "cells");
        }
        head->cell[b][i] = (int32_t)cell[i];
    }
    return WEIR_OK;
}

static weir_status load_head(w_sums *sums, const w_archive *archive, int r, w_run *run, int64_t rows)
{
    w_raw *head = &run->head;
    char name[NAME_BYTES];
    int64_t have, cols;
    w_archive_f64(archive, array_name(name, r, "weight", -1), &have, &cols);
    if (have != rows) {
        return damaged(sums, "kept rows");
    }
    weir_status status = w_raw_reserve(sums->ctx, sums->design, head, rows);
    if (status == WEIR_OK) {
        status = load_column(sums, archive, r, "weight", -1, rows, 0, head->weight);
    }
    if (status == WEIR_OK) {
        status = load_column(sums, archive, r, "prior", -1, rows, 0, head->prior);
    }
    for (int b = 0; status == WEIR_OK && b < sums->design->block_count; b++) {
        status = load_column(sums, archive, r, "value", b, rows, sums->design->block[b].width, head->value[b]);
        if (status == WEIR_OK && head->cell[b]) {
            status = load_cells(sums, archive, r, b, head, rows);
        }
    }
    head->rows = status == WEIR_OK ? rows : 0;
    return status;
}

static weir_status load_run(w_sums *sums, const w_archive *archive, int r, w_run *run)
{
    char name[NAME_BYTES];
    int64_t count, rows, cols, shard = sums->plan->shard_rows;
    const int64_t *span = w_archive_i64(archive, array_name(name, r, "span", -1), &count);
    if (!span || count != 3 || span[0] < 0 || span[1] <= span[0] || span[1] > (int64_t)1 << 50) {
        return damaged(sums, "rows");
    }
    run->first = span[0];
    run->last = span[1];
    int64_t head = w_min64(w_round_up64(run->first, shard), run->last) - run->first;
    if (span[2] != head) {
        return damaged(sums, "kept rows");
    }
    weir_status status = load_nodes(sums, archive, r, run);
    const double *tail = w_archive_f64(archive, array_name(name, r, "tail", -1), &rows, &cols);
    if (status == WEIR_OK && (run->last % shard != 0 && run->last > run->first + head) != (tail != NULL)) {
        return damaged(sums, "last shard");
    }
    if (status == WEIR_OK && tail) {
        status = rows == sums->plan->total_count && cols == 0 ? load_accumulator(sums, tail, &run->tail)
                                                              : damaged(sums, "last shard");
    }
    return status == WEIR_OK && head > 0 ? load_head(sums, archive, r, run, head) : status;
}

static weir_status load_runs(w_sums *sums, const w_archive *archive, int count)
{
    w_run *run = w_calloc(sums->ctx, "gram runs", (size_t)count, sizeof *run);
    weir_status status = run ? WEIR_OK : w_alloc_status(sums->ctx);
    for (int r = 0; status == WEIR_OK && r < count; r++) {
        status = load_run(sums, archive, r, &run[r]);
        if (status == WEIR_OK && r > 0 && run[r].first <= run[r - 1].last) {
            status = damaged(sums, "order of rows");
        }
    }
    if (status == WEIR_OK) {
        status = w_sums_take(sums, run, count);
    }
    for (int r = 0; run && r < count; r++) {
        w_run_free(sums, &run[r]);
    }
    w_free(sums->ctx, run);
    return status;
}

weir_status w_sums_load(weir_ctx *ctx, const w_design *design, const w_archive *archive, w_sums **out)
{
    json_t *about = json_object_get(w_archive_json(archive), "sums");
    json_int_t extra = json_integer_value(json_object_get(about, "extra"));
    json_int_t runs = json_integer_value(json_object_get(about, "runs"));
    const char *fingerprint = json_string_value(json_object_get(about, "fingerprint"));
    if (!fingerprint || extra < 0 || extra > 1 << 20 || runs < 0 || runs > 1 << 20) {
        return w_fail(ctx, WEIR_E_MODEL, "this file holds no sums: give the result of weir accumulate");
    }
    w_sums *sums = NULL;
    weir_status status = w_sums_create(ctx, design, (int)extra, &sums);
    if (status != WEIR_OK) {
        return status;
    }
    char text[NAME_BYTES];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sums->fingerprint);
    if (strcmp(text, fingerprint) != 0) {
        status = w_fail(ctx, WEIR_E_MODEL, "the sums in this file belong to another model than the one beside them");
    } else {
        status = load_runs(sums, archive, (int)runs);
    }
    if (status == WEIR_OK) {
        *out = sums;
    } else {
        w_sums_free(sums);
    }
    return status;
}
