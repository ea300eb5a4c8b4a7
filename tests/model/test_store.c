/* SPDX-License-Identifier: Apache-2.0 */
/* A design in a model file and on another table: bit for bit the same tiles, levels by name, unseen levels, damage. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/designs.h"
#include "support/folder.h"
#include "table/table.h"

static const char *const formulas[] = {
    "y ~ f * x + s(x, bs='cr') + te(z, w, k=4) + s(g, bs='re', sp=3)",
    "log(y + 9) ~ 0 + factor(year) + poly(v, 3) + s(x, by=f, bs='tp') + s(z, by=v) + offset(w)",
    "y ~ . + s(x, bs='cc') + ti(z, bs='ps') + ti(z, w, bs=c('ts','cs')) + s(v, g, bs='re')",
    "y ~ s(x) + s(z) + te(x, z) + s(w, fx=TRUE)",
    "y ~ s(x) + s(x, g, bs='fs', k=6, sp=c(1,2,3)) + s(log(z + 1), factor(year), bs='fs', xt='ps', m=c(2,1), k=7)",
    "y ~ s(x) + s(f, x, bs='sz', k=5) + s(factor(year), log(z + 1), bs='sz', xt='cr', k=4, id=2) + s(w, g, f, bs='sz', k=4)",
    "y ~ s(x) + s(z) + t2(x, z) + t2(x, z, w, k=4, bs=c('cr','cs','ps')) + t2(v, w, by=f, bs='tp', k=4, sp=c(1,2,3))",
    "y ~ s(x, z, k=12) + s(log(x + 1), w, by=f, bs='ts', k=11) + s(x, z, w, m=2, k=15)",
};

/* Saves and loads through the bytes of a file. */
static w_design *again(weir_ctx *ctx, const w_design *design, char **bytes, size_t *size)
{
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    w_archive *archive = NULL;
    w_design *out = NULL;
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/design", folder);
    assert_int_equal(w_archive_create(ctx, "model", 1, &archive), WEIR_OK);
    assert_int_equal(w_design_save(design, archive), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    w_archive_free(archive);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *bytes = malloc(1 << 24);
    assert_non_null(*bytes);
    *size = fread(*bytes, 1, 1 << 24, file);
    fclose(file);
    test_folder_remove(folder);
    assert_int_equal(w_archive_parse(ctx, *bytes, *size, "model", 1, &archive), WEIR_OK);
    w_message_clear(ctx);
    if (w_design_load(ctx, archive, &out) != WEIR_OK) {
        fail_msg("%s: %s", design->formula, weir_ctx_message(ctx));
    }
    w_archive_free(archive);
    return out;
}

static void same_design(const w_design *a, const w_design *b)
{
    assert_int_equal(a->p, b->p);
    assert_int_equal(a->term_count, b->term_count);
    assert_int_equal(a->penalty_count, b->penalty_count);
    assert_int_equal(a->block_count, b->block_count);
    assert_true(a->response_shift == b->response_shift && a->has_intercept == b->has_intercept);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->note_count, b->note_count);
    for (int64_t j = 0; j < a->p; j++) {
        assert_string_equal(a->column_label[j], b->column_label[j]);
    }
    for (int c = 0; c < a->column_count; c++) {
        assert_string_equal(a->column[c], b->column[c]);
        assert_true(a->column_lower[c] == b->column_lower[c] && a->column_upper[c] == b->column_upper[c] &&
                    a->column_typical[c] == b->column_typical[c]);
    }
    for (int j = 0; j < a->sp_count; j++) {
        assert_true(a->sp_fixed[j] == b->sp_fixed[j] || (isnan(a->sp_fixed[j]) && isnan(b->sp_fixed[j])));
        assert_string_equal(a->sp_label[j], b->sp_label[j]);
    }
    for (int j = 0; j < a->penalty_count; j++) {
        const w_design_penalty *p = &a->penalty[j], *q = &b->penalty[j];
        assert_true(p->first == q->first && p->k == q->k && p->repeat == q->repeat && p->rank == q->rank &&
                    p->scale == q->scale && p->log_det == q->log_det && p->sp == q->sp && p->term == q->term &&
                    !p->matrix == !q->matrix);
        if (p->matrix) {
            assert_memory_equal(p->matrix, q->matrix, (size_t)(p->k * p->k) * sizeof(double));
        }
    }
    for (int j = 0; j < a->logdet_count; j++) {
        double rho[W_MAX_PENALTIES] = {1, -2, 3}, u = 0, v = 0;
        if (a->logdet[j].smooth) {
            w_smooth_logdet(a->logdet[j].smooth, rho, &u, NULL, NULL);
            w_smooth_logdet(b->logdet[j].smooth, rho, &v, NULL, NULL);
        }
        assert_true(u == v);
    }
}

static void same_tile(const w_design *d, const w_tile *a, const w_tile *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->counted, b->counted);
    assert_memory_equal(a->weight, b->weight, (size_t)a->rows * sizeof(double));
    assert_memory_equal(a->offset, b->offset, (size_t)a->rows * sizeof(double));
    for (int k = 0; k < d->block_count; k++) {
        if (a->block[k].cell) {
            assert_memory_equal(a->block[k].cell, b->block[k].cell, (size_t)a->rows * sizeof(int32_t));
        }
        if (a->block[k].value) {
            size_t width = (size_t)d->block[k].width;
            assert_memory_equal(a->block[k].value, b->block[k].value, (size_t)a->rows * width * sizeof(double));
        }
    }
}

static void first_tile(weir_ctx *ctx, const w_design *design, weir_table *table, const w_tile_request *request,
                       w_tile **tile)
{
    w_window window;
    assert_int_equal(w_tile_create(ctx, design, tile), WEIR_OK);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    assert_int_equal(w_source_next(table, &window), WEIR_OK);
    w_message_clear(ctx);
    if (w_tile_eval(design, &window, 0, window.rows, request, *tile) != WEIR_OK) {
        fail_msg("%s: %s", design->formula, weir_ctx_message(ctx));
    }
}

static void round_trip(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(2000, 21);
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        weir_table *table = test_data_table(ctx, data), *other = test_data_table(ctx, data);
        w_tile *a = NULL, *b = NULL;
        char *bytes = NULL, *bytes_again = NULL;
        size_t size, size_again;
        w_design *design = test_design(ctx, formulas[k], table, NULL);
        w_design *loaded = again(ctx, design, &bytes, &size),
                 *twice = again(ctx, loaded, &bytes_again, &size_again);
        same_design(design, loaded);
        assert_int_equal(size, size_again);
        assert_memory_equal(bytes, bytes_again, size);
        w_binding *binding = NULL;
        assert_int_equal(w_design_bind(loaded, other, false, false, &binding), WEIR_OK);
        assert_int_equal(w_source_scan(other, &(w_scan_options){0}, NULL, NULL), WEIR_OK);
        assert_int_equal(w_binding_ready(binding), WEIR_OK);
        first_tile(ctx, design, table, NULL, &a);
        first_tile(ctx, loaded, other, w_binding_request(binding), &b);
        same_tile(design, a, b);
        w_tile_free(ctx, a);
        w_tile_free(ctx, b);
        w_binding_free(binding);
        w_design_free(design);
        w_design_free(loaded);
        w_design_free(twice);
        free(bytes);
        free(bytes_again);
        w_table_free(table);
        w_table_free(other);
    }
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

/* Prediction on a table with columns and levels in another order, without response. */
static void bound(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const char *const text = "u,f,x\n1,c,0.25\n2,a,0.5\n3,q,0.75\n4,b,\n";
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/new.csv", folder);
    test_folder_write(folder, "/new.csv", text, strlen(text));
    test_data *data = test_data_make(500, 2);
    weir_table *table = test_data_table(ctx, data), *other = NULL;
    w_design *design =
        test_design(ctx, "y ~ f + s(x, by=f, bs='cr')", table, &(w_design_options){.weights = "weight"});
    const char *const paths[] = {path};
    const weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    assert_int_equal(w_table_open_files(ctx, 1, paths, &options, &other), WEIR_OK);
    for (int unseen_missing = 0; unseen_missing < 2; unseen_missing++) {
        w_binding *binding = NULL;
        w_tile *tile = NULL;
        w_window window;
        assert_int_equal(w_design_bind(design, other, true, unseen_missing, &binding), WEIR_OK);
        assert_int_equal(w_source_scan(other, &(w_scan_options){0}, NULL, NULL), WEIR_OK);
        assert_int_equal(w_binding_ready(binding), WEIR_OK);
        assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
        assert_int_equal(w_source_rewind(other), WEIR_OK);
        assert_int_equal(w_source_next(other, &window), WEIR_OK);
        w_message_clear(ctx);
        weir_status status = w_tile_eval(design, &window, 0, 4, w_binding_request(binding), tile);
        if (!unseen_missing) {
            assert_int_equal(status, WEIR_E_DATA);
            assert_non_null(strstr(weir_ctx_message(ctx), "column 'f' has in row 3 the level 'q'"));
        } else {
            assert_int_equal(status, WEIR_OK);
            const int32_t codes[] = {2, 0, 0, 0};
            const uint8_t missing[] = {0, 0, 1, 1};
            assert_memory_equal(tile->block[1].cell, codes, sizeof codes);
            assert_memory_equal(tile->missing, missing, sizeof missing);
            assert_true(isnan(tile->response[0]) && tile->weight[0] == 1 && tile->weight[2] == 0);
            assert_int_equal(tile->counted, 2);
        }
        w_tile_free(ctx, tile);
        w_binding_free(binding);
    }
    w_binding *binding = NULL;
    w_message_clear(ctx);
    assert_int_equal(w_design_bind(design, other, false, false, &binding), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "no column 'y'"));
    w_table_free(other);
    test_folder_write(folder, "/new.csv", "f,x\na,1\nb,zz\n", 13);
    assert_int_equal(w_table_open_files(ctx, 1, paths, &options, &other), WEIR_OK);
    assert_int_equal(w_design_bind(design, other, true, false, &binding), WEIR_OK);
    assert_int_equal(w_source_scan(other, &(w_scan_options){0}, NULL, NULL), WEIR_E_DATA);
    w_binding_free(binding);
    w_table_free(other);
    test_folder_remove(folder);
    w_design_free(design);
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

/* Names that are not UTF-8 survive. */
static void odd_names(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static const char *const level[] = {"caf\xe9", "\xc3\xa4", "plain"};
    double y[30];
    int32_t f[30];
    for (int i = 0; i < 30; i++) {
        y[i] = i * i % 7;
        f[i] = i % 3;
    }
    const weir_column column[] = {{"y", WEIR_F64, y, 0, 0, NULL}, {"gr\xfcn", WEIR_I32, f, 0, 3, level}};
    weir_table *table = NULL;
    assert_int_equal(w_table_from_columns(ctx, 30, 2, column, &table), WEIR_OK);
    w_design *design = test_design(ctx, "y ~ gr\xfcn", table, NULL);
    char *bytes;
    size_t size;
    w_design *loaded = again(ctx, design, &bytes, &size);
    same_design(design, loaded);
    assert_string_equal(loaded->level[1][0], "caf\xe9");
    free(bytes);
    w_design_free(loaded);
    w_design_free(design);
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

/* Every digit of the description changed in turn: the file is refused or gives a design that can be evaluated. */
static void damaged(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    test_data *data = test_data_make(300, 2);
    weir_table *table = test_data_table(ctx, data);
    w_design *design =
        test_design(ctx, "y ~ f + factor(year) + poly(x, 2) + s(x, k=4, bs='cr') + te(z, w, k=3) + s(g, bs='re')",
                    table, NULL);
    char *bytes;
    size_t size, refused = 0, tried = 0;
    w_design_free(again(ctx, design, &bytes, &size));
    uint64_t header;
    memcpy(&header, bytes, 8);
    for (size_t i = 8; i < 8 + header; i++) {
        char before = bytes[i];
        if (before < '0' || before > '9') {
            continue;
        }
        bytes[i] = before == '9' ? '0' : (char)(before + 1);
        w_archive *archive = NULL;
        w_design *loaded = NULL;
        w_message_clear(ctx);
        if (w_archive_parse(ctx, bytes, size, "model", 1, &archive) == WEIR_OK) {
            weir_status status = w_design_load(ctx, archive, &loaded);
            assert_true(status == WEIR_OK || status == WEIR_E_MODEL || status == WEIR_E_BUDGET);
            refused += status != WEIR_OK;
            tried++;
            if (status == WEIR_OK) {
                w_tile *tile = NULL;
                assert_int_equal(w_tile_create(ctx, loaded, &tile), WEIR_OK);
                w_tile_free(ctx, tile);
                w_design_free(loaded);
            }
        }
        w_archive_free(archive);
        bytes[i] = before;
    }
    assert_true(tried > 50 && refused > 10);
    free(bytes);
    w_design_free(design);
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

typedef struct stored {
    const void *bytes;
    size_t size;
} stored;

static weir_status load_and_free(weir_ctx *ctx, void *arg)
{
    const stored *s = arg;
    w_archive *archive = NULL;
    w_design *design = NULL;
    weir_status status = w_archive_parse(ctx, s->bytes, s->size, "model", 1, &archive);
    if (status == WEIR_OK) {
        status = w_design_load(ctx, archive, &design);
    }
    w_design_free(design);
    w_archive_free(archive);
    return status;
}

static void no_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    test_data *data = test_data_make(300, 2);
    weir_table *table = test_data_table(ctx, data);
    w_design *design =
        test_design(ctx, "y ~ f + factor(year) + poly(x, 2) + te(z, w, k=3) + s(x, z, k=6) + s(g, bs='re')", table,
                    NULL);
    stored s;
    char *bytes;
    w_design_free(again(ctx, design, &bytes, &s.size));
    s.bytes = bytes;
    assert_true(test_each_allocation_fails(ctx, load_and_free, &s) > 5);
    free(bytes);
    w_design_free(design);
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(bound),
                                       cmocka_unit_test(odd_names), cmocka_unit_test(damaged),
                                       cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
