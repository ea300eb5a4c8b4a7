/* SPDX-License-Identifier: Apache-2.0 */
/* Iterations on the normal equations of additive models of many kinds of terms, each centred, with a ridge of 1e-6 per row:
 * the terms' blocks as preconditioner take what makes them ill-conditioned away. */
#include "krylov/matrix.h"

#include <float.h>

#include "krylov/cg.h"

#define ROWS 1500

typedef struct design {
    int64_t columns, terms, first[32], size[32];
    double *x;       /* ROWS x columns */
    double *penalty; /* diagonal of the penalties, times the smoothing parameter */
    w_rng rng;
} design;

static void open_design(design *d, uint64_t seed)
{
    *d = (design){ .columns = 1, .terms = 1, .size = { 1 } };
    d->x = calloc(ROWS * 1000, sizeof(double));
    d->penalty = calloc(1000, sizeof(double));
    w_rng_seed(&d->rng, seed);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = 1.0;
    }
}

static void draw(design *d, double *u)
{
    for (int i = 0; i < ROWS; i++) {
        u[i] = 2.0 * w_rng_uniform(&d->rng) - 1.0;
    }
}

/* The columns from the last term's end on become a centred term; lambda multiplies their penalties. */
static void close_term(design *d, int64_t size, double lambda)
{
    d->first[d->terms] = d->columns;
    d->size[d->terms++] = size;
    for (int64_t c = d->columns; c < d->columns + size; c++) {
        double mean = 0.0;
        for (int i = 0; i < ROWS; i++) {
            mean += d->x[i + c * ROWS] / ROWS;
        }
        for (int i = 0; i < ROWS; i++) {
            d->x[i + c * ROWS] -= mean;
        }
        d->penalty[c] *= lambda;
    }
    d->columns += size;
}

/* Uniform cubic B-splines on `k` intervals: value of number b at u in [-1, 1]. */
static double spline(double u, int64_t k, int64_t b)
{
    const double t = fabs((u + 1.0) * 0.5 * (double)k - (double)(b - 1));
    return t >= 2.0 ? 0.0 : t >= 1.0 ? pow(2.0 - t, 3) / 6.0 : 2.0 / 3.0 - t * t + 0.5 * t * t * t;
}

static void add_splines(design *d, int64_t k, double lambda)
{
    double u[ROWS];
    draw(d, u);
    for (int64_t b = 0; b < k + 3; b++) {
        for (int i = 0; i < ROWS; i++) {
            d->x[i + (d->columns + b) * ROWS] = spline(u[i], k, b);
        }
        d->penalty[d->columns + b] = 6.0; /* of second differences */
    }
    close_term(d, k + 3, lambda);
}

static void add_tensor(design *d, int64_t k)
{
    double u[ROWS], v[ROWS];
    draw(d, u);
    draw(d, v);
    for (int64_t b = 0; b < (k + 3) * (k + 3); b++) {
        for (int i = 0; i < ROWS; i++) {
            d->x[i + (d->columns + b) * ROWS] = spline(u[i], k, b / (k + 3)) * spline(v[i], k, b % (k + 3));
        }
    }
    close_term(d, (k + 3) * (k + 3), 0.0);
}

static void add_fourier(design *d, int64_t m, double lambda)
{
    double u[ROWS];
    draw(d, u);
    for (int64_t b = 0; b < 2 * m; b++) {
        const double frequency = (double)(b / 2 + 1) * 1.5707963267948966;
        for (int i = 0; i < ROWS; i++) {
            d->x[i + (d->columns + b) * ROWS] = b % 2 ? sin(frequency * u[i]) : cos(frequency * u[i]);
        }
        d->penalty[d->columns + b] = 1.0 + frequency * frequency;
    }
    close_term(d, 2 * m, lambda);
}

/* Gaussian bumps at random rows of two covariates. */
static void add_bumps(design *d, int64_t count)
{
    double u[ROWS], v[ROWS];
    draw(d, u);
    draw(d, v);
    for (int64_t b = 0; b < count; b++) {
        const int64_t at = w_rng_below(&d->rng, ROWS);
        for (int i = 0; i < ROWS; i++) {
            const double square = (u[i] - u[at]) * (u[i] - u[at]) + (v[i] - v[at]) * (v[i] - v[at]);
            d->x[i + (d->columns + b) * ROWS] = exp(-1.2 * square);
        }
    }
    close_term(d, count, 0.0);
}

static void add_wavelets(design *d)
{
    double u[ROWS];
    draw(d, u);
    for (int64_t b = 0; b < 100; b++) {
        const double scale = 0.4 * pow(0.5, (double)(b / 20));
        for (int i = 0; i < ROWS; i++) {
            const double z = (u[i] + 1.0 - (double)(b % 20) / 9.5) / scale;
            d->x[i + (d->columns + b) * ROWS] = (1.0 - z * z) * exp(-0.5 * z * z) / sqrt(scale);
        }
    }
    close_term(d, 100, 0.0);
}

/* `count` oblivious trees of 2^depth leaves over two covariates, in one term. */
static void add_trees(design *d, int64_t count, int depth)
{
    double u[ROWS], v[ROWS];
    draw(d, u);
    draw(d, v);
    for (int64_t tree = 0; tree < count; tree++) {
        int leaf[ROWS] = { 0 };
        for (int level = 0; level < depth; level++) {
            const double *w = w_rng_below(&d->rng, 2) ? u : v, cut = 2.0 * w_rng_uniform(&d->rng) - 1.0;
            for (int i = 0; i < ROWS; i++) {
                leaf[i] += (w[i] > cut) << level;
            }
        }
        for (int i = 0; i < ROWS; i++) {
            d->x[i + (d->columns + (tree << depth) + leaf[i]) * ROWS] = 1.0 / sqrt((double)count);
        }
    }
    close_term(d, count << depth, 0.0);
}

/* A = X'X + n (S + 1e-6 I). */
static double *normal_matrix(const design *d)
{
    const int64_t p = d->columns;
    double *a = malloc((size_t)(p * p) * sizeof *a);
    for (int64_t c = 0; c < p; c++) {
        for (int64_t r = 0; r <= c; r++) {
            a[r + c * p] = w_dot(ROWS, d->x + r * ROWS, d->x + c * ROWS);
        }
        a[c * (p + 1)] += ROWS * (d->penalty[c] + (c > 0 ? 1e-6 : 0.0));
    }
    w_mirror_upper(p, a);
    return a;
}

/* Solves for a response of all terms; iterations to 1e-10 and the largest error of a prediction. */
static void check_model(design *d, int64_t most)
{
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    const int64_t p = d->columns;
    matrix m = { .ctx = ctx, .groups = 1, .n = { p }, .a = { normal_matrix(d) } };
    const w_operator a = matrix_operator(&m);
    double *truth = random_vector(p, 3), *b = malloc((size_t)p * sizeof *b), *x = malloc((size_t)p * sizeof *x);
    double response[ROWS], *copy[32];
    for (int i = 0; i < ROWS; i++) {
        response[i] = 10.0 + 0.1 * w_rng_normal(&d->rng);
        for (int64_t c = 0; c < p; c++) {
            response[i] += d->x[i + c * ROWS] * truth[c];
        }
    }
    for (int64_t c = 0; c < p; c++) {
        b[c] = w_dot(ROWS, d->x + c * ROWS, response);
    }
    w_term_block block[32];
    for (int64_t e = 0; e < d->terms; e++) {
        copy[e] = malloc((size_t)(d->size[e] * d->size[e]) * sizeof(double));
        for (int64_t c = 0; c < d->size[e]; c++) {
            memcpy(copy[e] + c * d->size[e], m.a[0] + d->first[e] + (d->first[e] + c) * p, (size_t)d->size[e] * sizeof(double));
        }
        block[e] = (w_term_block){ .size = d->size[e], .matrix = copy[e] };
    }
    w_preconditioner blocks;
    w_block_report report;
    w_cg_result result;
    const w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-10 };
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &p, d->terms, block, &report, &blocks), WEIR_OK);
    assert_int_equal(w_cg_solve(ctx, &a, &blocks, &options, b, x, &result), WEIR_OK);
    assert_true(result.iterations <= most);
    double *exact = dense_solution(&m, 1, b), worst = 0.0;
    for (int i = 0; i < ROWS; i++) {
        double difference = 0.0;
        for (int64_t c = 0; c < p; c++) {
            difference += d->x[i + c * ROWS] * (x[c] - exact[c]);
        }
        worst = fmax(worst, fabs(difference));
    }
    assert_true(worst <= 1e-7);
    w_preconditioner_free(ctx, &blocks);
    for (int64_t e = 0; e < d->terms; e++) {
        free(copy[e]);
    }
    free(exact);
    free(x);
    free(b);
    free(truth);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
    free(d->x);
    free(d->penalty);
}

static void test_splines_and_fourier(void **state)
{
    (void)state;
    for (int weak = 0; weak < 2; weak++) {
        design d;
        open_design(&d, 1);
        for (int pair = 0; pair < 2; pair++) {
            add_splines(&d, 20, weak ? 1e-9 : 1e-5);
            add_fourier(&d, 10, weak ? 1e-9 : 1e-5);
        }
        check_model(&d, 30);
    }
}

static void test_many_splines(void **state)
{
    (void)state;
    design d;
    open_design(&d, 2);
    for (int term = 0; term < 6; term++) {
        add_splines(&d, 40, 1e-9);
    }
    check_model(&d, 30);
}

static void test_tensor(void **state)
{
    (void)state;
    design d;
    open_design(&d, 3);
    add_splines(&d, 20, 1e-9);
    add_tensor(&d, 12);
    check_model(&d, 30);
}

static void test_mixed_smoothing(void **state)
{
    (void)state;
    design d;
    open_design(&d, 4);
    add_splines(&d, 40, 1e2);
    add_splines(&d, 40, 1e-3);
    add_fourier(&d, 20, 1e-8);
    check_model(&d, 30);
}

static void test_bumps_and_wavelets(void **state)
{
    (void)state;
    design d;
    open_design(&d, 5);
    add_bumps(&d, 100);
    add_splines(&d, 20, 1e-9);
    check_model(&d, 30);
    open_design(&d, 6);
    add_wavelets(&d);
    add_fourier(&d, 8, 1e-9);
    check_model(&d, 30);
}

static void test_trees(void **state)
{
    (void)state;
    design d;
    open_design(&d, 7);
    add_trees(&d, 20, 5);
    add_splines(&d, 20, 1e-9);
    check_model(&d, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splines_and_fourier), cmocka_unit_test(test_many_splines), cmocka_unit_test(test_tensor),
        cmocka_unit_test(test_mixed_smoothing), cmocka_unit_test(test_bumps_and_wavelets), cmocka_unit_test(test_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
