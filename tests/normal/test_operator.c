/* SPDX-License-Identifier: Apache-2.0 */
/* The operator against the formed normal equations. Both add n products per entry, in different orders: they differ by at most
 * (n + maps) eps times the sum of absolute values, of which 1e-12 of the largest entry is a generous bound for these shapes. */
#include "normal/operator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "krylov/cg.h"
#include "normal/normal.h"
#include "support/designs.h"
#include "support/folder.h"
#include "table/table.h"

#define ROWS 9000

typedef struct model {
    const char *formula;
    bool weights;
} model;

static const model models[] = {
    { "y ~ s(x,bs='cr',k=12) + s(z,bs='cr',k=9)", false },
    { "y ~ v + s(x,bs='ps',k=12) + te(z,w,k=5)", true },
    { "y ~ f + v + s(x,k=8) + s(g,bs='re')", false },
    { "y ~ f*v + s(x,by=f,k=8) + s(g,bs='re') + s(g,v,bs='re')", true },
    { "y ~ x - 1", false },
    { "y ~ s(x,z,bs='tp',k=30) + s(f,bs='re') + s(g,bs='re')", true },
    { "y ~ s(g,bs='re') + s(x,g,bs='fs',k=5)", false },
    { "y ~ s(x,bs='tree',n_trees=6,max_leaves=20) + s(g,bs='re')", false },
    { "y ~ v + s(x,z,bs='tree',n_trees=9,max_leaves=12,sp_alpha=0.7)", true },
    { "y ~ s(x,bs='tree',n_trees=3,max_depth=4) + s(x,z,bs='tree',n_trees=3,max_depth=3)", true },
};
#define MODELS (sizeof models / sizeof *models)

typedef struct fixture {
    weir_ctx *ctx;
    test_data *data;
    weir_table *table;
    w_design *design;
} fixture;

static void fixture_open(fixture *f, const model *m, int threads)
{
    w_design_options options = { .weights = m->weights ? "weight" : NULL };
    f->ctx = test_ctx(NULL, threads, 0);
    f->data = test_data_make(ROWS, 7);
    f->table = test_data_table(f->ctx, f->data);
    f->design = test_design(f->ctx, m->formula, f->table, &options);
}

static void fixture_close(fixture *f)
{
    w_design_free(f->design);
    w_table_free(f->table);
    test_data_free(f->data);
    weir_ctx_destroy(f->ctx);
}

static w_matrix_free *make(fixture *f, int64_t cache, int vectors)
{
    w_matrix_free *op = NULL;
    w_matrix_free_options options = { .cache_bytes = cache, .vectors = vectors };
    static const w_tile_request request = { 0 };
    options.request = &request;
    assert_int_equal(w_matrix_free_create(f->ctx, f->design, f->table, &options, &op), WEIR_OK);
    return op;
}

static w_gram *form(fixture *f)
{
    w_sums *sums = NULL;
    w_gram *gram = NULL;
    w_tile_request request = { 0 };
    w_pass_options pass = { .request = &request };
    assert_int_equal(w_sums_create(f->ctx, f->design, 0, &sums), WEIR_OK);
    assert_int_equal(w_sums_accumulate(sums, f->table, &pass), WEIR_OK);
    assert_int_equal(w_sums_gram(sums, -1, &gram), WEIR_OK);
    w_sums_free(sums);
    return gram;
}

/* rho of test: different per parameter, one of them 0 = no shrinkage of note. */
static void set_penalty(w_matrix_free *op, const w_design *design, double shift)
{
    double rho[32];
    assert_true(design->sp_count <= 32);
    for (int j = 0; j < design->sp_count; j++) {
        rho[j] = shift - 1.5 * j;
    }
    w_matrix_free_penalise(op, rho);
}

static void product(w_matrix_free *op, int64_t p, int64_t count, const double *x, double *y)
{
    const w_operator *a = w_matrix_free_operator(op);
    w_slice slice = { .n = p, .count = count };
    int64_t system[64];
    for (int64_t k = 0; k < count; k++) {
        system[k] = k;
    }
    w_vectors block = { .slices = 1, .columns = count, .values = p * count, .slice = &slice, .system = system };
    assert_int_equal(a->apply(a->user, &block, x, y), WEIR_OK);
}

/* H in X's columns, p x p. */
static double *dense(const fixture *f, const w_gram *gram, const w_matrix_free *op)
{
    const w_design *d = f->design;
    double *h = calloc((size_t)(d->p * d->p), sizeof *h);
    memcpy(h, gram->matrix, (size_t)(d->p * d->p) * sizeof *h);
    for (int j = 0; j < d->penalty_count; j++) {
        const w_design_penalty *s = &d->penalty[j];
        for (int64_t r = 0; r < s->repeat; r++) {
            for (int64_t a = 0; a < s->k; a++) {
                for (int64_t b = 0; b < s->k; b++) {
                    double value = s->matrix ? s->matrix[a * s->k + b] : a == b;
                    int64_t first = s->first + r * s->k;
                    h[(first + a) * d->p + first + b] += w_matrix_free_lambda(op)[s->sp] * value;
                }
            }
        }
    }
    return h;
}

static double largest(const double *x, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        most = fmax(most, fabs(x[i]));
    }
    return most;
}

static void products_are_those_of_the_formed_matrix(void **state)
{
    for (size_t t = 0; t < MODELS; t++) {
        fixture f;
        fixture_open(&f, &models[t], 2);
        (void)state;
        const int64_t p = f.design->p;
        w_gram *gram = form(&f);
        for (int kept = 0; kept < 2; kept++) {
            w_matrix_free *op = make(&f, kept ? INT64_MAX : 0, 8);
            set_penalty(op, f.design, 1.0);
            double *h = dense(&f, gram, op), *x = calloc((size_t)(11 * p), sizeof *x), *y = calloc((size_t)(11 * p), sizeof *y);
            const int64_t *column = w_matrix_free_column(op);
            w_rng rng;
            w_rng_seed(&rng, 3);
            for (int64_t i = 0; i < 11 * p; i++) {
                x[i] = w_rng_normal(&rng);
            }
            assert_int_equal(w_matrix_free_sums_of(op)->cached, kept);
            assert_int_equal(w_matrix_free_sums_of(op)->n, gram->n);
            assert_true(fabs(w_matrix_free_sums_of(op)->zz - gram->zz) <= 1e-12 * gram->zz);
            product(op, p, 11, x, y);
            double scale = largest(h, p * p) * sqrt((double)p), off = 0, rhs = largest(gram->rhs, p);
            for (int64_t i = 0; i < p; i++) {
                for (int k = 0; k < 11; k++) {
                    double sum = 0;
                    for (int64_t j = 0; j < p; j++) {
                        sum += h[column[i] * p + column[j]] * x[j * 11 + k];
                    }
                    off = fmax(off, fabs(sum - y[i * 11 + k]));
                }
                assert_true(fabs(w_matrix_free_rhs(op)[i] - gram->rhs[column[i]]) <= 1e-12 * (rhs + gram->zz));
            }
            if (!(off <= 1e-12 * scale)) {
                fail_msg("%s: off by %g of %g", models[t].formula, off, scale);
            }
            free(h);
            free(x);
            free(y);
            w_matrix_free_free(op);
        }
        w_gram_free(gram);
        fixture_close(&f);
    }
}

/* log det of a dense symmetric positive definite matrix in place. */
static double dense_log_det(double *a, int64_t n)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t k = 0; k < j; k++) {
            for (int64_t i = j; i < n; i++) {
                a[i * n + j] -= a[i * n + k] * a[j * n + k];
            }
        }
        assert_true(a[j * n + j] > 0);
        double root = sqrt(a[j * n + j]);
        sum += 2 * log(root);
        for (int64_t i = j; i < n; i++) {
            a[i * n + j] /= root;
        }
    }
    return sum;
}

/* Columns of the identity through the preconditioner: M^-1 is symmetric, M^-1 F F' = I, and log det M that of F F'. */
static void preconditioners_are_consistent(void **state)
{
    (void)state;
    for (size_t t = 0; t < MODELS; t++) {
        fixture f;
        fixture_open(&f, &models[t], 2);
        const int64_t p = f.design->p;
        w_matrix_free *op = make(&f, INT64_MAX, 0);
        w_preconditioner m = { 0 };
        set_penalty(op, f.design, 0.5);
        assert_int_equal(w_matrix_free_preconditioner(op, NULL, &m), WEIR_OK);
        double *eye = calloc((size_t)(p * p), sizeof *eye), *inverse = calloc((size_t)(p * p), sizeof *eye);
        double *root = calloc((size_t)(p * p), sizeof *eye), *full = calloc((size_t)(p * p), sizeof *eye);
        int64_t *system = calloc((size_t)p, sizeof *system);
        w_slice slice = { .n = p, .count = p };
        w_vectors block = { .slices = 1, .columns = p, .values = p * p, .slice = &slice, .system = system };
        for (int64_t i = 0; i < p; i++) {
            eye[i * (p + 1)] = 1;
            system[i] = i;
        }
        assert_int_equal(m.apply(m.user, &block, eye, inverse), WEIR_OK);
        assert_int_equal(m.root(m.user, &block, eye, root), WEIR_OK);
        for (int64_t i = 0; i < p; i++) {
            for (int64_t j = 0; j < p; j++) {
                for (int64_t k = 0; k < p; k++) {
                    full[i * p + j] += root[i * p + k] * root[j * p + k];
                }
            }
        }
        double off = 0;
        for (int64_t i = 0; i < p; i++) {
            for (int64_t j = 0; j < p; j++) {
                double sum = -(i == j);
                for (int64_t k = 0; k < p; k++) {
                    sum += inverse[i * p + k] * full[k * p + j];
                }
                off = fmax(off, fabs(sum));
            }
        }
        double expected = dense_log_det(full, p);
        if (!(off <= 1e-7 && fabs(expected - m.log_det(m.user, 0)) <= 1e-7 * (fabs(expected) + 1))) {
            fail_msg("%s: M^-1 F F' - I is %g, log det %.10g for %.10g", models[t].formula, off, m.log_det(m.user, 0), expected);
        }
        free(eye);
        free(inverse);
        free(root);
        free(full);
        free(system);
        w_preconditioner_free(f.ctx, &m);
        w_matrix_free_free(op);
        fixture_close(&f);
    }
}

/* Products of the same vectors by other threads, windows, caches and sweeps. */
static void bits_do_not_depend_on_the_way(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/rows.csv", folder);
    const model *m = &models[3];
    double *reference = NULL, *x = NULL;
    int64_t p = 0;
    for (int way = 0; way < 8; way++) {
        fixture f;
        fixture_open(&f, m, way & 1 ? 4 : 1);
        if (way == 0) {
            test_data_csv(f.data, path);
        }
        if (way & 2) {
            w_design_options options = { .weights = "weight", .window_bytes = 1 };
            w_design_free(f.design);
            w_table_free(f.table);
            const char *const paths[] = { path };
            const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
            assert_int_equal(w_table_open_files(f.ctx, 1, paths, &usual, &f.table), WEIR_OK);
            f.design = test_design(f.ctx, m->formula, f.table, &options);
        }
        w_matrix_free *op = make(&f, way & 4 ? 0 : INT64_MAX, way & 1 ? 8 : 1);
        set_penalty(op, f.design, 1.0);
        p = f.design->p;
        if (!x) {
            w_rng rng;
            w_rng_seed(&rng, 5);
            x = calloc((size_t)(5 * p), sizeof *x);
            for (int64_t i = 0; i < 5 * p; i++) {
                x[i] = w_rng_normal(&rng);
            }
        }
        double *y = calloc((size_t)(6 * p), sizeof *y);
        product(op, p, 5, x, y);
        memcpy(y + 5 * p, w_matrix_free_rhs(op), (size_t)p * sizeof *y);
        if (!reference) {
            reference = y;
        } else {
            assert_memory_equal(reference, y, (size_t)(6 * p) * sizeof *y);
            free(y);
        }
        w_matrix_free_free(op);
        fixture_close(&f);
    }
    free(reference);
    free(x);
    test_folder_remove(folder);
}

static weir_status make_and_solve(weir_ctx *ctx, void *arg)
{
    fixture *f = arg;
    w_matrix_free *op = NULL;
    w_tile_request request = { 0 };
    w_matrix_free_options options = { .request = &request, .cache_bytes = INT64_MAX };
    weir_status status = w_matrix_free_create(ctx, f->design, f->table, &options, &op);
    w_preconditioner m = { 0 };
    if (status >= 0) {
        set_penalty(op, f->design, 0.0);
        status = w_matrix_free_preconditioner(op, NULL, &m);
    }
    w_preconditioner_free(ctx, &m);
    w_matrix_free_free(op);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, &models[3], 2);
    assert_true(test_each_allocation_fails(f.ctx, make_and_solve, &f) > 10);
    fixture_close(&f);
}

/* Where factors stand beside an intercept, the coarse space keeps the number of steps small however weak the penalty. */
static void constants_of_factors_are_taken_away(void **state)
{
    (void)state;
    fixture f;
    const model m = { "y ~ s(f,bs='re') + s(g,bs='re')", false };
    fixture_open(&f, &m, 2);
    w_matrix_free *op = make(&f, INT64_MAX, 0);
    w_preconditioner two = { 0 };
    set_penalty(op, f.design, -12.0);
    assert_int_equal(w_matrix_free_coarse(op), 3);
    assert_int_equal(w_matrix_free_preconditioner(op, NULL, &two), WEIR_OK);
    double x[32] = { 0 };
    w_cg_result result;
    const w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-10 };
    assert_int_equal(w_cg_solve(f.ctx, w_matrix_free_operator(op), &two, &options, w_matrix_free_rhs(op), x, &result), WEIR_OK);
    assert_true(result.iterations <= 9); /* 13 columns, all but 3 constants in a cluster around 1 */
    w_preconditioner_free(f.ctx, &two);
    w_matrix_free_free(op);
    fixture_close(&f);
}

/* Trees that cut one line are solved exactly together: without an intercept M = H. Intervals that no row reaches and thresholds
 * outside the data are among them. */
static void trees_of_one_line_are_one_block(void **state)
{
    (void)state;
    fixture f;
    const model m = { "y ~ s(x,bs='tree',n_trees=30,max_leaves=40,sp_alpha=0.3) - 1", true };
    fixture_open(&f, &m, 2);
    w_matrix_free *op = make(&f, INT64_MAX, 0);
    w_preconditioner one = { 0 };
    set_penalty(op, f.design, -3.0);
    assert_int_equal(w_matrix_free_row_values(f.design), 1);
    assert_int_equal(w_matrix_free_row_bytes(f.design), 18);
    assert_int_equal(w_matrix_free_preconditioner(op, NULL, &one), WEIR_OK);
    double *x = calloc((size_t)f.design->p, sizeof *x);
    w_cg_result result;
    const w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-8 };
    assert_int_equal(w_cg_solve(f.ctx, w_matrix_free_operator(op), &one, &options, w_matrix_free_rhs(op), x, &result), WEIR_OK);
    if (result.iterations > 2) {
        fail_msg("%d steps", (int)result.iterations);
    }
    free(x);
    w_preconditioner_free(f.ctx, &one);
    w_matrix_free_free(op);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_the_formed_matrix),
        cmocka_unit_test(preconditioners_are_consistent),
        cmocka_unit_test(bits_do_not_depend_on_the_way),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(constants_of_factors_are_taken_away),
        cmocka_unit_test(trees_of_one_line_are_one_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
