/* SPDX-License-Identifier: Apache-2.0 */
/* The closed form of log|sum lambda_j S_j|_+ against eigenvalues and, where penalties differ by so much that
 * eigenvalues in double precision no longer resolve it, against a Cholesky factorization in extended
 * precision. */
#include <stdlib.h>
#include <string.h>
#include "basis/build.h"
#include "base/blas.h"

#define N 300

static double columns[3][N];

static void eigenvalues(int64_t k, double *a, double *w)
{
    w_blas_int n = (w_blas_int)k, info, length = (w_blas_int)(1 + 6 * k + 2 * k * k),
               integers = (w_blas_int)(3 + 5 * k);
    double *space = malloc(sizeof *space * (size_t)length);
    w_blas_int *integer = malloc(sizeof *integer * (size_t)integers);
    dsyevd_("V", "L", &n, a, &n, w, space, &length, integer, &integers, &info);
    assert_int_equal(info, 0);
    free(space);
    free(integer);
}

static double by_eigenvalues(const w_smooth *s, const double *rho)
{
    int64_t k = s->columns;
    double *sum = calloc((size_t)(k * k), sizeof *sum), *w = malloc(sizeof *w * (size_t)k), value = 0;
    for (int p = 0; p < s->penalty_count; p++) {
        for (int64_t i = 0; i < k * k; i++)
            sum[i] += exp(rho[p]) * s->penalty[p].matrix[i];
    }
    eigenvalues(k, sum, w);
    for (int64_t i = s->null_dimension; i < k; i++)
        value += log(w[i]);
    free(sum);
    free(w);
    return value;
}

static void build(w_arena *arena, w_smooth_spec *spec, w_smooth *out)
{
    const double *x[3] = {columns[0], columns[1], columns[2]};
    w_smooth_data data = build_data(spec->margin_count, N, x);
    if (w_smooth_build(arena, spec, &data, out) != WEIR_OK)
        fail_msg("%s", weir_ctx_message(arena->ctx));
}

static void check_derivatives(const w_smooth *s, const double *rho)
{
    const double h = 1e-5;
    int q = s->penalty_count;
    double value, g[W_MAX_PENALTIES], hessian[W_MAX_PENALTIES * W_MAX_PENALTIES], up, down, gu[W_MAX_PENALTIES],
        gd[W_MAX_PENALTIES];
    w_smooth_logdet(s, rho, &value, g, hessian);
    for (int j = 0; j < q; j++) {
        double moved[W_MAX_PENALTIES];
        memcpy(moved, rho, sizeof *moved * (size_t)q);
        moved[j] += h;
        w_smooth_logdet(s, moved, &up, gu, NULL);
        moved[j] = rho[j] - h;
        w_smooth_logdet(s, moved, &down, gd, NULL);
        double size = (double)s->columns;
        assert_near((up - down) / (2 * h), g[j], 1e-7 * size); /* eps size 1e2 / h plus h^2 */
        for (int i = 0; i < q; i++) {
            assert_near((gu[i] - gd[i]) / (2 * h), hessian[i * q + j], 1e-8 * size);
            assert_true(hessian[i * q + j] == hessian[j * q + i]);
        }
    }
}

static void test_against_eigenvalues(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const double steps[][4] = {{0, 0, 0, 0}, {3, -3, 1, 2}, {-4, 2, 0, -1}, {10, 9, 11, 8}, {-12, -11, -13, -9}};
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        for (int margins = 1; margins <= 3; margins++) {
            for (int type = margins == 1 ? 0 : 1; type < 3; type++) {
                for (int option = 0; option < 4; option++) {
                    w_arena arena;
                    w_arena_init(&arena, ctx, "test");
                    w_smooth_spec spec =
                        build_spec((w_smooth_type)type, margins, build_kinds[q], margins == 1 ? 10 : 4);
                    spec.margin[1].basis = margins > 1 && option == 3 ? W_BASIS_CR : spec.margin[1].basis;
                    spec.centre = option > 0;
                    spec.select = option == 2;
                    w_smooth s;
                    build(&arena, &spec, &s);
                    for (int64_t t = 0; t < LENGTH(steps); t++) {
                        double value, exact = by_eigenvalues(&s, steps[t]);
                        w_smooth_logdet(&s, steps[t], &value, NULL, NULL);
                        if (fabs(value - exact) > 1e-8 * (1 + fabs(exact)))
                            fail_msg("%s, type %d, %d margins, option %d, step %d: %.15g, eigenvalues give %.15g",
                                     w_basis_name(build_kinds[q]), type, margins, option, (int)t, value, exact);
                        check_derivatives(&s, steps[t]);
                    }
                    w_arena_free(&arena);
                }
            }
        }
    }
    weir_ctx_destroy(ctx);
}

/* log det of a positive definite matrix (overwritten) by Cholesky in extended precision. */
static long double logdet_extended(int64_t n, long double *a)
{
    long double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t r = 0; r < j; r++) {
            for (int64_t i = j; i < n; i++)
                a[i * n + j] -= a[i * n + r] * a[j * n + r];
        }
        assert_true(a[j * n + j] > 0);
        long double root = sqrtl(a[j * n + j]);
        sum += 2 * logl(root);
        for (int64_t i = j; i < n; i++)
            a[i * n + j] /= root;
    }
    return sum;
}

/* Rows of v made orthonormal in extended precision. */
static void orthonormalize(int64_t k, const double *v, long double *out)
{
    for (int64_t r = 0; r < k; r++) {
        long double *row = out + r * k, norm = 0;
        for (int64_t i = 0; i < k; i++)
            row[i] = v[r * k + i];
        for (int64_t p = 0; p < r; p++) {
            long double dot = 0;
            for (int64_t i = 0; i < k; i++)
                dot += row[i] * out[p * k + i];
            for (int64_t i = 0; i < k; i++)
                row[i] -= dot * out[p * k + i];
        }
        for (int64_t i = 0; i < k; i++)
            norm += row[i] * row[i];
        for (int64_t i = 0; i < k; i++)
            row[i] /= sqrtl(norm);
    }
}

/* log|Z'(l_1 A x I + l_2 I x B)Z|_+ with the marginal penalties' exact null spaces, Z orthogonal to the
 * smooth's constraint. M = sum + projector on the null space (uncentred, n null vectors). Restricting to the
 * complement of c keeps the positive spectrum when c is not orthogonal to the null space; then |Z'MZ| with M
 * lacking the null vector along N'c equals |M + cc'|. */
static long double exact_tensor(const w_smooth *s, const double *lambda)
{
    int64_t k0 = s->margin[0].k, k1 = s->margin[1].k, raw = k0 * k1;
    int64_t null[2] = {k0 - s->margin[0].rank, k1 - s->margin[1].rank};
    long double *vectors[2], *m = calloc((size_t)(raw * raw), sizeof *m), *c = calloc((size_t)raw, sizeof *c);
    for (int side = 0; side < 2; side++) {
        int64_t k = s->margin[side].k;
        double *copy = malloc(sizeof *copy * (size_t)(k * k)), w[64];
        memcpy(copy, s->margin[side].penalty, sizeof *copy * (size_t)(k * k));
        eigenvalues(k, copy, w);
        vectors[side] = malloc(sizeof(long double) * (size_t)(k * k));
        orthonormalize(k, copy, vectors[side]);
        free(copy);
    }
    /* c: the direction the transform leaves out. */
    long double norm = 0;
    for (int64_t i = 0; i < raw; i++) {
        c[i] = i == 0;
        for (int64_t j = 0; j < s->columns; j++)
            c[i] -= (long double)s->transform[j] * s->transform[i * s->columns + j];
        norm += c[i] * c[i];
    }
    long double shift = fmaxl(lambda[0], lambda[1]), projection[16], length = 0;
    int64_t tuples = null[0] * null[1];
    for (int64_t t = 0; t < tuples; t++) {
        projection[t] = 0;
        for (int64_t i = 0; i < raw; i++)
            projection[t] += vectors[0][t / null[1] * k0 + i / k1] * vectors[1][t % null[1] * k1 + i % k1] * c[i];
        length += projection[t] * projection[t];
    }
    for (int64_t i = 0; i < raw; i++) {
        for (int64_t j = 0; j < raw; j++) {
            long double sum = shift * c[i] * c[j] / norm;
            for (int64_t a = 0; a < k0; a++) {
                for (int64_t b = 0; b < k1; b++) {
                    long double value =
                        lambda[0] * (long double)s->eigen[0][a] + lambda[1] * (long double)s->eigen[1][b];
                    if (a < null[0] && b < null[1])
                        value = shift;
                    sum += value * vectors[0][a * k0 + i / k1] * vectors[0][a * k0 + j / k1]
                           * vectors[1][b * k1 + i % k1] * vectors[1][b * k1 + j % k1];
                }
            }
            /* Take the null vector along N'c out again: the constraint removes it. */
            long double u = 0, v = 0;
            for (int64_t t = 0; t < tuples; t++) {
                u += vectors[0][t / null[1] * k0 + i / k1] * vectors[1][t % null[1] * k1 + i % k1] * projection[t];
                v += vectors[0][t / null[1] * k0 + j / k1] * vectors[1][t % null[1] * k1 + j % k1] * projection[t];
            }
            m[i * raw + j] = sum - shift * u * v / length;
        }
    }
    long double value = logdet_extended(raw, m) - (long double)tuples * logl(shift);
    free(m);
    free(c);
    free(vectors[0]);
    free(vectors[1]);
    return value;
}

static void test_extreme_ratios(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const w_basis_kind kinds[] = {W_BASIS_CR, W_BASIS_PS, W_BASIS_TP, W_BASIS_CC};
    for (int64_t q = 0; q < LENGTH(kinds); q++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth_spec spec = build_spec(W_SMOOTH_TE, 2, kinds[q], 5);
        spec.margin[1].k = 4;
        w_smooth s;
        build(&arena, &spec, &s);
        for (double ratio = -8; ratio <= 8; ratio += 2) {
            double rho[2] = {0, ratio * log(10)}, lambda[2] = {1, exp(rho[1])}, value;
            w_smooth_logdet(&s, rho, &value, NULL, NULL);
            double exact = (double)exact_tensor(&s, lambda);
            if (fabs(value - exact) > 1e-8 * (1 + fabs(exact)))
                fail_msg("%s, ratio 1e%g: %.15g, extended precision gives %.15g", w_basis_name(kinds[q]), ratio,
                         value, exact);
            check_derivatives(&s, rho);
        }
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

/* No lambda over- or underflows, and moving all by t moves the value by rank t. */
static void test_far_away(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = build_spec(W_SMOOTH_TE, 2, W_BASIS_TS, 5);
    w_smooth s;
    build(&arena, &spec, &s);
    assert_non_null(s.constraint_weight);
    const double here[2] = {0.3, -0.2}, there[2] = {900.3, 899.8}, apart[2] = {700, -700};
    double a, b, c, g[2], h[4];
    w_smooth_logdet(&s, here, &a, NULL, NULL);
    w_smooth_logdet(&s, there, &b, NULL, NULL);
    assert_near(b - a, 900 * (double)(s.columns - s.null_dimension), 1e-8);
    w_smooth_logdet(&s, apart, &c, g, h);
    assert_true(isfinite(c) && isfinite(g[0]) && isfinite(g[1]) && isfinite(h[0]) && isfinite(h[1])
                && isfinite(h[3]));
    assert_near(g[0] + g[1], (double)(s.columns - s.null_dimension), 1e-10);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    build_uniform(21, N, 0, 1, columns[0]);
    build_uniform(22, N, -3, 4, columns[1]);
    build_uniform(23, N, 100, 101, columns[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_eigenvalues),
        cmocka_unit_test(test_extreme_ratios),
        cmocka_unit_test(test_far_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
