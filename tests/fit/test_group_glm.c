/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised models of groups: each is the solution of its own working model; bits; every allocation may fail. */
#include "group_sample.h"

/* ---- generalised ------------------------------------------------------------------------------------------------- */

enum { ALL_ZERO = 2 };

/* Responses of a family about a curve of its own for each group. */
static void make_counts(sample *s, const char *family)
{
    w_rng rng;
    w_rng_seed(&rng, 17);
    for (int i = 0; i < ROWS; i++) {
        const double eta = 0.5 * sin(5 * s->x[i] + 0.1 * s->g[i]) + 0.2 * s->z[i];
        const double u = w_rng_uniform(&rng);
        if (strncmp(family, "binomial", 8) == 0) {
            s->y[i] = u < 1 / (1 + exp(-eta));
        } else if (strncmp(family, "gamma", 5) == 0) {
            s->y[i] = exp(eta) * (0.1 - log(u)) + 1e-3;
        } else {
            double mean = exp(eta), term = exp(-mean), total = term;
            for (s->y[i] = 0; total < u && s->y[i] < 50; s->y[i]++) {
                term *= mean / (s->y[i] + 1);
                total += term;
            }
        }
        s->y[i] = s->g[i] == ALL_ZERO && strncmp(family, "gamma", 5) != 0 ? 0 : s->g[i] == CONSTANT ? 1 : s->y[i];
    }
}

/* At the result each group's working model has it as its solution, with that effective number, variance and deviance. */
static void test_generalised(void **state)
{
    static const char *const family[] = { "poisson", "binomial", "gamma:log", "nb:2", "quasipoisson" };
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample();
    static const double given[] = { 2.0 };
    for (size_t f = 0; f < sizeof family / sizeof *family; f++) {
        make_counts(s, family[f]);
        for (int how = 0; how < 3; how++) { /* fixed, of each, shared */
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            options.family = family[f];
            options.weights = "w";
            options.sp = how == 0 ? given : NULL;
            options.sp_count = how == 0;
            weir_groups *groups = fit(ctx, s, "y ~ s(x, k=7) + z", &options, how == 1);
            sums *all = sum_groups(ctx, groups, s);
            assert_true(groups->generalised);
            int fitted = 0;
            for (int64_t g = 0; g < groups->groups; g++) {
                weir_group group;
                w_groups_get(groups, g, &group);
                int32_t number = 0;
                for (; strcmp(level[number], group.name) != 0; number++) {
                }
                const bool zero = number == ALL_ZERO && f != 2;
                assert_int_equal(group.state == WEIR_GROUP_CONSTANT, zero || number == CONSTANT);
                assert_int_equal(group.state == WEIR_GROUP_FEW_ROWS, number == TINY);
                if (group.state != WEIR_GROUP_FITTED) {
                    assert_true(group.state != WEIR_GROUP_FAILED);
                    continue;
                }
                w_gram *gram = gram_of(ctx, groups->design, all, number);
                w_system *system = NULL;
                w_covariance *covariance = NULL;
                assert_int_equal(w_system_create(ctx, gram, groups->design, &system), WEIR_OK);
                assert_true(w_system_factor(system, groups->rho + (groups->each ? g * groups->sp_count : 0)) >= 0);
                assert_int_equal(w_system_covariance(system, &covariance), WEIR_OK);
                double edf[64], total = 0;
                assert_int_equal(w_system_leverage(system, edf, edf + 32), WEIR_OK);
                for (int64_t j = 0; j < groups->p; j++) {
                    double variance;
                    assert_int_equal(w_covariance_block(covariance, j, 1, j, 1, &variance), WEIR_OK);
                    const double se = sqrt(variance * group.scale);
                    if (!(fabs(group.beta[j] - w_system_beta(system)[j]) <= 1e-4 * se) || !(fabs(group.std_error[j] - se) <= 1e-4 * se)) {
                        fail_msg("%s how %d group %s: coefficient %d %.12g is not %.12g (se %g, %g)", family[f], how, group.name, (int)j,
                                 group.beta[j], w_system_beta(system)[j], group.std_error[j], se);
                    }
                    total += edf[j];
                }
                assert_true(fabs(group.edf - total) <= 1e-4 * total);
                assert_true(fabs(group.deviance - all->deviance[number]) <= 1e-6 * group.deviance);
                assert_true(group.null_deviance > group.deviance && isfinite(group.scale));
                w_covariance_free(covariance);
                w_system_free(system);
                w_gram_free(gram);
                fitted++;
            }
            assert_true(fitted >= GROUPS - 6);
            sums_free(all);
            w_groups_free(groups);
        }
    }
    free(s);
    weir_ctx_destroy(ctx);
}

static void test_generalised_bits(void **state)
{
    sample *s = make_sample();
    make_counts(s, "poisson");
    for (int how = 0; how < 2; how++) { /* of each, shared */
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = "poisson";
        weir_ctx *one = test_ctx(state, 1, 0), *three = test_ctx(state, 3, 20 << 20);
        weir_groups *a = fit(one, s, "y ~ s(x, k=6)", &options, how == 0), *b = fit(three, s, "y ~ s(x, k=6)", &options, how == 0);
        assert_same(a, b);
        assert_true(b->actual_bytes <= 20 << 20);
        w_groups_free(a);
        w_groups_free(b);
        weir_ctx_destroy(one);
        weir_ctx_destroy(three);
    }
    free(s);
}

static weir_status whole_fit(weir_ctx *ctx, void *arg)
{
    const sample *s = arg;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_groups *groups = NULL;
    weir_table *table = NULL;
    const weir_column column[] = {
        { .name = "x", .dtype = WEIR_F64, .data = s->x }, { .name = "y", .dtype = WEIR_F64, .data = s->y },
        { .name = "id", .dtype = WEIR_I32, .data = s->g, .level_count = GROUPS, .levels = level },
    };
    options.family = "poisson";
    weir_status status = w_table_from_columns(ctx, 1500, 3, column, &table);
    if (status >= 0) {
        status = w_fit_groups(ctx, table, "y ~ s(x, k=5)", &options, &by_id, &groups);
    }
    w_groups_free(groups);
    w_table_free(table);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    sample *s = make_sample();
    make_counts(s, "poisson");
    assert_true(whole_fit(ctx, s) >= 0); /* what the context makes on first use */
    assert_true(test_each_allocation_fails(ctx, whole_fit, s) > 50);
    free(s);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generalised), cmocka_unit_test(test_generalised_bits), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
