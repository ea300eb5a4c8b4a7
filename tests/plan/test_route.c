/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a route and the memory waterfall as tables of expected answers; every field of the policy changes one. */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "plan/route_choice.h"
#include "plan/route_memory.h"

#define MIB 1048576LL

static const w_memory_shares shares = W_MEMORY_SHARES;

static void dense_matrices_that_fit(void **state)
{
    (void)state;
    const struct { int64_t p, m, groups, free_mib, max_p; double seconds, most; bool device; int threads; int64_t blas_mib; bool fits; }
    table[] = {
        { 1000, 1, 1, 16, 7500, 1.0, 60.0, false, 1, 0, true },    /* 8 MB of 15.1 MB */
        { 1000, 1, 2, 16, 7500, 1.0, 60.0, false, 1, 0, false },   /* two Grams in flight: 16 MB */
        { 1000, 1, 1, 8, 7500, 1.0, 60.0, false, 1, 0, false },    /* 8.008 MB of 7.5 MB */
        { 1000, 1000, 1, 16, 7500, 1.0, 60.0, false, 1, 0, false },/* right-hand sides count */
        { 1000, 1, 1, 16, 7500, 1.0, 60.0, false, 4, 2, false },   /* and BLAS buffers of every thread */
        { 1000, 1, 1, 16, 7500, 1.0, 60.0, true, 1, 0, true },
        { 7500, 1, 1, 1024, 7500, 1e9, 60.0, false, 1, 0, true },  /* 450 MB, as wide as may be */
        { 7501, 1, 1, 1024, 7500, 61.0, 60.0, false, 1, 0, false },
        { 7501, 1, 1, 1024, 7500, 59.0, 60.0, false, 1, 0, true }, /* lifted by seconds */
        { 7501, 1, 1, 1024, 8000, 61.0, 60.0, false, 1, 0, true }, /* overridden */
        { 7501, 1, 1, 1024, 7500, NAN, 60.0, false, 1, 0, false },
        { 10, 1, 1, 0, 7500, 1.0, 60.0, false, 1, 0, false },
        { INT64_MAX / 4, 1, 1, 1024, INT64_MAX, 1.0, 60.0, false, 1, 0, false },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const w_memory_state memory = { table[i].free_mib * MIB, table[i].device, table[i].threads, table[i].blas_mib * MIB };
        assert_int_equal(w_can_fit_dense_matrix(table[i].p, table[i].m, table[i].groups, table[i].max_p, table[i].seconds,
                                                table[i].most, &shares, &memory), table[i].fits);
    }
    const w_memory_state edge = { 8000, false, 1, 0 }; /* 90 %: 7200 bytes; p = 29, m = 1: 6960; p = 30: 7440 */
    assert_true(w_can_fit_dense_matrix(29, 1, 1, 7500, 0, 1, &shares, &edge));
    assert_false(w_can_fit_dense_matrix(30, 1, 1, 7500, 0, 1, &shares, &edge));
    assert_int_equal(w_dense_system_bytes(10, 2, 3, false, &edge), 3 * (2 * 800 + 160));
}

static void chunks_that_are_safe(void **state)
{
    (void)state;
    const struct { int64_t rows, row_bytes, tiles, fixed, multiple, free_bytes; bool device; int threads; int64_t expected; } table[] = {
        { 1000000, 100, 1, 0, 1, 100000, false, 1, 700 },  /* 70 % of the host's */
        { 1000000, 100, 1, 0, 1, 100000, true, 1, 900 },   /* 90 % of a device's */
        { 1000000, 100, 3, 0, 1, 100000, true, 1, 300 },   /* three tiles at once */
        { 1000000, 100, 1, 0, 1, 100000, true, 2, 450 },   /* two threads */
        { 1000000, 100, 1, 50000, 1, 100000, true, 1, 400 },
        { 1000000, 100, 1, 0, 256, 100000, true, 1, 768 },
        { 1000000, 100, 1, 0, 1024, 100000, true, 1, 900 },/* fewer than a multiple: what fits */
        { 500, 100, 1, 0, 256, 100000, true, 1, 500 },     /* never above the rows there are */
        { 1000, 100, 1, 90000, 1, 100000, true, 1, 0 },    /* nothing is left */
        { 1000, 100, 1, 0, 1, 0, false, 1, 0 },            { 1000, 200000, 1, 0, 1, 100000, true, 1, 0 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const w_memory_state memory = { table[i].free_bytes, table[i].device, table[i].threads, 0 };
        assert_int_equal(w_safe_chunk_size(table[i].rows, table[i].row_bytes, table[i].tiles, table[i].fixed, table[i].multiple,
                                           &shares, &memory), table[i].expected);
    }
}

static void groups_and_windows_that_are_safe(void **state)
{
    (void)state;
    const w_memory_state host = { 1000000, false, 1, 0 }, device = { 1000000, true, 1, 0 }, buffers = { 1000000, true, 2, 100000 };
    assert_int_equal(w_safe_group_batch(1000, 10000, 0, &shares, &host), 70);
    assert_int_equal(w_safe_group_batch(1000, 10000, 0, &shares, &device), 90);
    assert_int_equal(w_safe_group_batch(1000, 10000, 0, &shares, &buffers), 70);
    assert_int_equal(w_safe_group_batch(50, 10000, 0, &shares, &device), 50);
    assert_int_equal(w_safe_group_batch(1000, 1000000, 0, &shares, &device), 0);
    /* L = 100, p = 10: 8000 bytes of rows, 1600 of Gram and factor */
    assert_int_equal(w_safe_window_batch(1000, 100, 10, 0, &shares, &host), 62);   /* 60 % */
    assert_int_equal(w_safe_window_batch(1000, 100, 10, 0, &shares, &device), 83); /* 80 % */
    assert_int_equal(w_safe_window_batch(1000, 100, 10, 504000, &shares, &host), 10);
    /* T = 50 rows and D = 3000 columns: the Grams, 144 MB a group, are what counts */
    const w_memory_state large = { 23 * 1024 * MIB, false, 1, 0 };
    const int64_t group = w_dense_system_bytes(3000, 1, 1, false, &large) + 50 * 3000 * 8;
    assert_int_equal(w_safe_group_batch(500, group, 0, &shares, &large), 119);
}

/* ---- choice -------------------------------------------------------------------------------------------------------- */

static const w_route_limits roomy = { 1000 * MIB, 7500, 60.0, true, true, NULL };

static w_route_offer offer(int32_t route, bool dense, int64_t width, int64_t mib, double seconds, const char *unfit)
{
    return (w_route_offer){ .route = route, .dense = dense, .width = width, .bytes = mib * MIB, .in_flight = 1,
                            .serial = seconds, .seconds = seconds, .unfit = unfit };
}

static void the_quickest_that_fits_is_taken(void **state)
{
    (void)state;
    w_route_offer offers[3] = { offer(WEIR_ROUTE_CHOLESKY, true, 1000, 100, 1.0, NULL),
                                offer(WEIR_ROUTE_QR, true, 1000, 300, 3.0, NULL),
                                offer(WEIR_ROUTE_CG, false, 1000, 10, 2.0, NULL) };
    const struct { int64_t free_mib, width; double dense_seconds; int32_t asked; int best; int64_t needed_mib; } table[] = {
        { 1000, 1000, 60.0, WEIR_ROUTE_AUTO, 0, 10 },   { 1000, 1000, 60.0, WEIR_ROUTE_QR, 1, 333 },
        { 112, 1000, 60.0, WEIR_ROUTE_AUTO, 0, 10 },    { 111, 1000, 60.0, WEIR_ROUTE_AUTO, 2, 10 }, /* 100 MiB are 90 % of 111.2 */
        { 10, 1000, 60.0, WEIR_ROUTE_AUTO, 2, 10 },     { 9, 1000, 60.0, WEIR_ROUTE_AUTO, -1, 10 },
        { 1000, 8000, 0.5, WEIR_ROUTE_AUTO, 2, 10 },    { 1000, 8000, 60.0, WEIR_ROUTE_AUTO, 0, 10 }, /* seconds lift the width */
        { 1000, 8000, 0.5, WEIR_ROUTE_CHOLESKY, 0, 111 },{ 50, 1000, 60.0, WEIR_ROUTE_CHOLESKY, -1, 111 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        w_route_limits limits = roomy;
        weir_route_candidate candidate[3];
        int64_t needed;
        limits.free_bytes = table[i].free_mib * MIB;
        limits.dense_seconds = table[i].dense_seconds;
        offers[0].width = offers[1].width = table[i].width;
        assert_int_equal(w_route_choose(3, offers, &limits, table[i].asked, candidate, &needed), table[i].best);
        assert_int_equal(needed / MIB, table[i].needed_mib);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(candidate[k].taken, k == table[i].best);
            assert_true(candidate[k].reason[0] != 0 || table[i].best < 0);
        }
    }
    offers[0].unfit = offers[2].unfit = "no";
    weir_route_candidate candidate[3];
    int64_t needed;
    assert_int_equal(w_route_choose(3, offers, &roomy, WEIR_ROUTE_CG, candidate, &needed), -1);
    assert_true(needed == INT64_MAX && strcmp(candidate[2].reason, "no") == 0 && isnan(candidate[2].seconds));
}

/* ---- policy -------------------------------------------------------------------------------------------------------- */

typedef bool (*decision)(const weir_policy *policy);
static bool refine(const weir_policy *p) { return w_policy_refine(p, 64); }
static bool gemv(const weir_policy *p) { return w_policy_gemv(p, 5000, 10000, false); }
static bool gram_rows(const weir_policy *p) { return w_policy_xtwx(p, 50000, 100, true); }
static bool gram_work(const weir_policy *p) { return w_policy_xtwx(p, 60000, 29, true); }
static bool fused_width(const weir_policy *p) { return w_policy_fused_gram(p, 200000, 255); }
static bool fused_rows(const weir_policy *p) { return w_policy_fused_gram(p, 100000, 10); }
static bool factor(const weir_policy *p) { return w_policy_potrf(p, 512, true); }
static bool chain(const weir_policy *p) { return w_policy_factor_chain(p, 512); }
static bool batch_width(const weir_policy *p) { return w_policy_potrf_batched(p, 32, 100); }
static bool batch_count(const weir_policy *p) { return w_policy_potrf_batched(p, 8, 8); }
static bool eigen(const weir_policy *p) { return w_policy_syevd(p, 256); }
static bool sparse(const weir_policy *p) { return w_policy_sparse(p, 1000000); }
static bool rows(const weir_policy *p) { return w_policy_row_kernel(p, 50000); }
static bool resident(const weir_policy *p) { return w_policy_keep_design(p, 33554432, 67108864); }

/* At its default each field lets just this work through, and the next value up (or down) does not. */
static void every_field_is_at_an_edge(void **state)
{
    (void)state;
    const struct { const char *field; decision ask; double refuses; } table[W_POLICY_FIELDS] = {
        { "xtwx_n_min", gram_rows, 50001 }, { "xtwx_flops_min", gram_work, 100920001 }, { "xtwx_use_fused_below_p", fused_width, 255 },
        { "gemm_min_flops", gemv, 100000001 }, { "potrf_min_p", factor, 513 }, { "small_dense_batched_potrf_max_p", batch_width, 31 },
        { "small_dense_batched_potrf_min_batch", batch_count, 9 }, { "syevd_min_p", eigen, 257 }, { "sparse_min_nnz", sparse, 1000001 },
        { "fused_kernel_min_n", fused_rows, 100001 }, { "keep_design_resident_min_bytes", resident, 33554433 },
        { "prefer_gpu_factorization_min_p", chain, 513 }, { "row_kernel_min_n", rows, 50001 }, { "mixed_precision", refine, 0 },
    };
    const char *unit, *meaning;
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        weir_policy policy;
        w_policy_defaults(&policy);
        assert_string_equal(w_policy_field(i, &unit, &meaning), table[i].field);
        assert_true(table[i].ask(&policy));
        assert_true(w_policy_set(&policy, table[i].field, table[i].refuses));
        assert_false(table[i].ask(&policy));
    }
}

/* iterations n (4 d k + d^2) >= xtwx_flops_min: the whole solve's work, not one product's. */
static void reduced_schur_products(void **state)
{
    (void)state;
    const struct { int64_t n, k, d, iterations; bool offload; } table[] = {
        { 1000, 64, 3, 100, false },  /* 7.77e7 */ { 1000, 64, 3, 129, true },   /* 1.002e8 */
        { 1000, 64, 3, 128, false },  /* 9.95e7 */ { 100000, 64, 3, 1, false },  { 100000, 64, 3, 2, true },
        { 1000000, 31, 6, 50, false },/* a border too narrow */ { 1000000, 32, 6, 50, true },
        { 0, 64, 3, 100, false }, { 1000, 64, 0, 100, false }, { 1000, 64, 3, 0, false },
        { 1000000, 64, 1, 1, true },  /* 2.57e8 */
    };
    weir_policy policy;
    w_policy_defaults(&policy);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(w_policy_schur_matvec(&policy, table[i].n, table[i].k, table[i].d, table[i].iterations), table[i].offload);
    }
}

/* What the published defaults mean: X'WX of p = 100 from 5000 rows' work on, p = 500 from 200, and X'WY by q. */
static void gram_work_thresholds(void **state)
{
    (void)state;
    weir_policy policy;
    w_policy_defaults(&policy);
    assert_true(w_policy_set(&policy, "xtwx_n_min", 1));
    const struct { int64_t n, p; bool away; } gram[] = {
        { 48829, 32, true }, { 48828, 32, false }, { 5000, 100, true }, { 4999, 100, false }, { 200, 500, true }, { 199, 500, false },
        { 0, 500, false }, { 1000000, 0, false },
    };
    for (size_t i = 0; i < sizeof gram / sizeof gram[0]; i++) {
        assert_int_equal(w_policy_xtwx(&policy, gram[i].n, gram[i].p, true), gram[i].away);
        assert_false(w_policy_xtwx(&policy, gram[i].n, gram[i].p, false));
    }
    const struct { int64_t n, p, q; bool away; } response[] = {
        { 50000, 100, 10, true }, { 50000, 100, 9, false }, { 50000, 0, 10, false }, { 50000, 100, 0, false },
    };
    for (size_t i = 0; i < sizeof response / sizeof response[0]; i++) {
        assert_int_equal(w_policy_xtwy(&policy, response[i].n, response[i].p, response[i].q, true), response[i].away);
        assert_false(w_policy_xtwy(&policy, response[i].n, response[i].p, response[i].q, false));
    }
    assert_true(w_policy_gemm(&policy, 500, 1000, 100) && !w_policy_gemm(&policy, 499, 1000, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_matrices_that_fit), cmocka_unit_test(chunks_that_are_safe),
        cmocka_unit_test(groups_and_windows_that_are_safe), cmocka_unit_test(the_quickest_that_fits_is_taken),
        cmocka_unit_test(every_field_is_at_an_edge), cmocka_unit_test(reduced_schur_products),
        cmocka_unit_test(gram_work_thresholds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
