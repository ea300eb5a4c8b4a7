/* SPDX-License-Identifier: Apache-2.0 */
/* A model with every kind of array through its file: what comes back is the same, bit by bit; what is damaged is refused. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "fit/model.h"
#include "support/sample_model.h"
#include "table/table.h"

#define ROWS 300

static char path[] = "/tmp/weir-model-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static double *numbers(w_arena *arena, int64_t count, uint64_t seed)
{
    w_rng rng;
    double *values = w_arena_alloc(arena, (size_t)count, sizeof *values);
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; values && i < count; i++) {
        values[i] = w_rng_normal(&rng);
    }
    return values;
}

static weir_status compile(weir_ctx *ctx, w_design **out)
{
    static const char *const level[] = { "a", "\xff not UTF-8", "c" };
    double y[ROWS], x[ROWS], z[ROWS];
    int32_t f[ROWS], g[ROWS];
    w_rng rng;
    w_rng_seed(&rng, 3);
    for (int i = 0; i < ROWS; i++) {
        y[i] = w_rng_normal(&rng);
        x[i] = w_rng_uniform(&rng);
        z[i] = w_rng_uniform(&rng);
        f[i] = i % 3;
        g[i] = i % 20;
    }
    const weir_column column[] = {
        { "y", WEIR_F64, y, 0, 0, NULL },       { "x", WEIR_F64, x, 0, 0, NULL },   { "z", WEIR_F64, z, 0, 0, NULL },
        { "f", WEIR_I32, f, 0, 3, level },      { "g", WEIR_I32, g, 0, 20, NULL },
    };
    w_design_options options = { .keep_bytes = 1 << 20, .window_bytes = 1 << 20 };
    weir_table *table = NULL;
    w_formula *formula = NULL;
    weir_status status = w_formula_parse(ctx, "y ~ f + poly(z,2) + s(x,k=8) + te(x,z,k=4) + s(g,bs=\"re\")", &formula);
    if (status >= 0) {
        status = w_table_from_columns(ctx, ROWS, 5, column, &table);
    }
    if (status >= 0) {
        status = w_design_compile(ctx, formula, table, &options, out);
    }
    w_formula_free(formula);
    w_table_free(table);
    return status;
}

static weir_status fill_covariance(weir_model *m)
{
    int64_t p = m->design->p, levels = 20, core = p - levels;
    w_covariance *c = m->covariance = w_calloc(m->ctx, "covariance", 1, sizeof *c);
    if (!c) {
        return w_alloc_status(m->ctx);
    }
    *c = (w_covariance){ .ctx = m->ctx, .p = p, .core = core, .arrow_levels = levels, .arrow_k = 1, .arrow_first = core };
    const double *random = numbers(&m->arena, p * p, 11);
    c->core_column = w_alloc_array(m->ctx, "covariance", (size_t)core, sizeof(int64_t));
    c->core_matrix = w_alloc_array(m->ctx, "covariance", (size_t)(core * core), sizeof(double));
    c->arrow_map = w_alloc_array(m->ctx, "covariance", (size_t)(levels * core), sizeof(double));
    c->arrow_inverse = w_alloc_array(m->ctx, "covariance", (size_t)levels, sizeof(double));
    if (!random || !c->core_column || !c->core_matrix || !c->arrow_map || !c->arrow_inverse) {
        return w_alloc_status(m->ctx);
    }
    for (int64_t i = 0; i < core; i++) {
        c->core_column[i] = i;
    }
    memcpy(c->core_matrix, random, (size_t)(core * core) * sizeof(double));
    memcpy(c->arrow_map, random, (size_t)(levels * core) * sizeof(double));
    memcpy(c->arrow_inverse, random + 7, (size_t)levels * sizeof(double));
    return WEIR_OK;
}

static weir_status fill_diagnostics(weir_model *m)
{
    w_diagnostics *d = w_arena_calloc(&m->arena, 1, sizeof *d);
    if (!d) {
        return w_alloc_status(m->ctx);
    }
    *d = (w_diagnostics){ .sample = 50, .bins = 6, .bin_lower = -3, .bin_width = 1, .residual_mean = 1e-17,
                          .residual_square = 299.5, .rug_count = 30 };
    d->fitted = numbers(&m->arena, 50, 21);
    d->residual = numbers(&m->arena, 50, 22);
    d->response = numbers(&m->arena, 50, 23);
    d->bin_count = w_arena_calloc(&m->arena, 6, sizeof(int64_t));
    d->rug = w_arena_calloc(&m->arena, (size_t)m->design->column_count, sizeof *d->rug);
    if (!d->fitted || !d->residual || !d->response || !d->bin_count || !d->rug) {
        return w_alloc_status(m->ctx);
    }
    for (int i = 0; i < 6; i++) {
        d->bin_count[i] = i * i;
    }
    d->rug[1] = numbers(&m->arena, 30, 24);
    m->diagnostics = d;
    return d->rug[1] ? WEIR_OK : w_alloc_status(m->ctx);
}

static weir_status model_fill(weir_model *m)
{
    weir_status status = compile(m->ctx, &m->design);
    if (status < 0) {
        return status;
    }
    int64_t p = m->design->p;
    sample_summary(&m->summary, &m->plan);
    m->summary.columns = p;
    m->summary.formula = "y ~ \xff\xfe";
    m->summary.plan = &m->plan;
    m->summary.aic = NAN;
    m->beta = numbers(&m->arena, p, 1);
    m->edf = numbers(&m->arena, p, 2);
    m->edf1 = numbers(&m->arena, p, 3);
    m->rho = numbers(&m->arena, m->design->sp_count, 4);
    if (!m->beta || !m->edf || !m->edf1 || !m->rho) {
        return w_alloc_status(m->ctx);
    }
    m->rho[1] = -INFINITY;
    status = fill_covariance(m);
    return status < 0 ? status : fill_diagnostics(m);
}

static weir_status make(weir_ctx *ctx, weir_model **out)
{
    weir_model *m = w_calloc(ctx, "model", 1, sizeof *m);
    if (!m) {
        return w_alloc_status(ctx);
    }
    m->ctx = ctx;
    w_arena_init(&m->arena, ctx, "model");
    weir_status status = model_fill(m);
    if (status < 0) {
        w_model_free(m);
        return status;
    }
    *out = m;
    return WEIR_OK;
}

static weir_status save(weir_ctx *ctx, const weir_model *model)
{
    w_archive *archive = NULL;
    weir_status status = w_archive_create(ctx, "model", 1, &archive);
    if (status >= 0) {
        status = w_model_save(model, archive);
    }
    if (status >= 0) {
        status = w_archive_write(archive, path);
    }
    w_archive_free(archive);
    return status;
}

static weir_status load(weir_ctx *ctx, weir_model **out)
{
    w_archive *archive = NULL;
    weir_status status = w_archive_read(ctx, path, "model", 1, &archive);
    if (status >= 0) {
        status = w_model_load(ctx, archive, out);
    }
    w_archive_free(archive);
    return status;
}

static void same_doubles(const double *a, const double *b, int64_t count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

static void check_same(const weir_model *a, const weir_model *b)
{
    const w_covariance *c = a->covariance, *d = b->covariance;
    int64_t p = a->design->p, core = c->core;
    assert_int_equal(b->design->p, p);
    same_doubles(a->beta, b->beta, p);
    same_doubles(a->edf, b->edf, p);
    same_doubles(a->edf1, b->edf1, p);
    same_doubles(a->rho, b->rho, a->design->sp_count);
    assert_int_equal(d->core, core);
    assert_int_equal(d->arrow_levels, c->arrow_levels);
    assert_int_equal(d->arrow_first, c->arrow_first);
    assert_memory_equal(c->core_column, d->core_column, (size_t)core * sizeof(int64_t));
    same_doubles(c->core_matrix, d->core_matrix, core * core);
    same_doubles(c->arrow_map, d->arrow_map, c->arrow_levels * core);
    same_doubles(c->arrow_inverse, d->arrow_inverse, c->arrow_levels);
    same_doubles(a->diagnostics->fitted, b->diagnostics->fitted, 50);
    same_doubles(a->diagnostics->response, b->diagnostics->response, 50);
    assert_memory_equal(a->diagnostics->bin_count, b->diagnostics->bin_count, 6 * sizeof(int64_t));
    assert_null(b->diagnostics->rug[0]);
    same_doubles(a->diagnostics->rug[1], b->diagnostics->rug[1], 30);
    assert_true(b->scale == a->summary.scale);
}

static void check_summary(const weir_summary *a, const weir_summary *b)
{
    assert_string_equal(a->formula, b->formula);
    assert_string_equal(a->criterion_name, b->criterion_name);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->status, b->status);
    assert_true(a->deviance_explained == b->deviance_explained && a->backward_error == b->backward_error);
    assert_true(isnan(b->aic));
    assert_int_equal(b->coefficient_count, 4);
    assert_string_equal(a->coefficient[2].label, b->coefficient[2].label);
    assert_true(a->coefficient[2].estimate == b->coefficient[2].estimate && isnan(b->coefficient[3].p_value));
    assert_int_equal(b->term_count, 4);
    assert_int_equal(b->term[1].sp_count, 2);
    assert_true(b->term[1].sp[1] == a->term[1].sp[1] && b->term[1].sp_scale[1] == 2.5 && isnan(b->term[0].std_dev));
    assert_int_equal(b->note_count, 1);
    assert_string_equal(a->note[0], b->note[0]);
    assert_string_equal(a->plan->route, b->plan->route);
    assert_int_equal(b->plan->reason_count, 2);
    assert_string_equal(a->plan->reason[1], b->plan->reason[1]);
    assert_true(a->plan->seconds_smooth == b->plan->seconds_smooth && a->plan->bytes == b->plan->bytes);
}

static void what_is_saved_comes_back(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    weir_model *model = NULL, *again = NULL;
    weir_status status = make(ctx, &model);
    if (status < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    assert_int_equal(save(ctx, model), WEIR_OK);
    status = load(ctx, &again);
    if (status < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    check_same(model, again);
    check_summary(&model->summary, &again->summary);
    w_model_free(model);
    w_model_free(again);
    w_model_free(NULL);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    weir_ctx_destroy(ctx);
}

static char *slurp(size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static weir_status load_bytes(weir_ctx *ctx, const char *bytes, size_t size)
{
    w_archive *archive = NULL;
    weir_model *model = NULL;
    w_message_clear(ctx);
    weir_status status = w_archive_parse(ctx, bytes, size, "model", 1, &archive);
    if (status >= 0) {
        status = w_model_load(ctx, archive, &model);
    }
    w_model_free(model);
    w_archive_free(archive);
    return status;
}

static void every_missing_part_is_named(void **state)
{
    static const char *const part[] = { "fit/beta", "fit/edf1", "fit/covariance/core", "fit/covariance/map",
                                        "fit/covariance/core_column", "fit/sample/fitted", "fit/histogram",
                                        "\\\"summary\\\"", "\\\"terms\\\"", "\\\"rho\\\"", "\\\"reasons\\\"",
                                        "\\\"null_deviance\\\"" };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model *model = NULL;
    assert_int_equal(make(ctx, &model), WEIR_OK);
    assert_int_equal(save(ctx, model), WEIR_OK);
    w_model_free(model);
    size_t size;
    char *bytes = slurp(&size);
    assert_int_equal(load_bytes(ctx, bytes, size), WEIR_OK);
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        char *at = memmem(bytes, size, part[i], strlen(part[i]));
        if (!at) {
            fail_msg("%s is not in the file", part[i]);
        }
        char *letter = at + (part[i][0] == '\\' ? 2 : 0), kept = *letter;
        *letter = 'Q'; /* another name: the part is gone */
        weir_status status = load_bytes(ctx, bytes, size);
        if (status != WEIR_E_MODEL || !strstr(weir_ctx_message(ctx), "damaged")) {
            fail_msg("without %s: %s: %s", part[i], weir_status_name(status), weir_ctx_message(ctx));
        }
        *letter = kept;
    }
    free(bytes);
    weir_ctx_destroy(ctx);
}

/* Any one byte of the header changed to any of a few: a status, and nothing left behind (and under the sanitizers nothing
 * worse). */
static void changed_bytes_do_no_harm(void **state)
{
    static const char with[] = { '0', '9', '-', '"', '}', ']', ',', '\0' };
    weir_ctx *ctx = test_ctx(*state, 1, (int64_t)256 << 20);
    weir_model *model = NULL;
    assert_int_equal(make(ctx, &model), WEIR_OK);
    assert_int_equal(save(ctx, model), WEIR_OK);
    w_model_free(model);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    size_t size, accepted = 0;
    char *bytes = slurp(&size);
    uint64_t header;
    memcpy(&header, bytes, 8);
    for (size_t i = 8; i < 8 + header; i += 13) {
        char kept = bytes[i];
        bytes[i] = with[i / 13 % sizeof with];
        weir_status status = load_bytes(ctx, bytes, size);
        accepted += status >= 0;
        assert_true(status >= 0 || weir_ctx_message(ctx)[0] != '\0');
        assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
        bytes[i] = kept;
    }
    assert_true(accepted < header / 13 / 2);
    free(bytes);
    weir_ctx_destroy(ctx);
}

static weir_status make_save_load(weir_ctx *ctx, void *arg)
{
    (void)arg;
    weir_model *model = NULL, *again = NULL;
    weir_status status = make(ctx, &model);
    if (status >= 0) {
        status = save(ctx, model);
    }
    w_model_free(model);
    if (status >= 0) {
        status = load(ctx, &again);
    }
    w_model_free(again);
    return status;
}

static void failing_memory_is_survived(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    assert_true(test_each_allocation_fails(ctx, make_save_load, NULL) > 60);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(every_missing_part_is_named),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(failing_memory_is_survived),
    };
    return cmocka_run_group_tests_name("model file", tests, make_path, remove_path);
}
