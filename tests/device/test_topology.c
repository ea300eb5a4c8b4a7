/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "device/topology.h"

static void both_views_agree(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_topology quick, full;
    w_topology_quick(&quick);
    assert_int_equal(w_topology_read(ctx, &full), WEIR_OK);
    assert_true(full.processors >= 1 && full.cores <= full.processors && full.packages <= full.processors);
    assert_in_range(full.processors_allowed, 1, full.processors);
    assert_int_equal(quick.processors_allowed, full.processors_allowed);
    assert_string_equal(quick.cpu_model, full.cpu_model);
    assert_string_equal(quick.isa, full.isa);
    assert_int_equal(quick.kernels, full.kernels);
    assert_true(full.memory_total > (int64_t)16 << 20);
    assert_null(strchr(full.cpu_model, '\n'));
    weir_ctx_destroy(ctx);
}

static void kernels_need_every_part_of_their_set(void **state)
{
    (void)state;
    w_topology machine;
    w_topology_quick(&machine);
    char padded[200];
    snprintf(padded, sizeof padded, " %s ", machine.isa);
    if (machine.kernels == W_ISA_AVX512) {
        assert_true(strstr(padded, " avx512f ") && strstr(padded, " avx512dq ") && strstr(padded, " avx512vl ") &&
                    strstr(padded, " avx512bw "));
    }
    if (machine.kernels == W_ISA_AVX2) {
        assert_true(strstr(padded, " avx2 ") && strstr(padded, " fma "));
    }
    assert_string_equal(w_isa_name(W_ISA_GENERIC), "generic");
    assert_string_equal(w_isa_name(W_ISA_AVX2), "avx2");
    assert_string_equal(w_isa_name(W_ISA_AVX512), "avx512");
    assert_int_equal(w_isa_detect(), machine.kernels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_views_agree),
        cmocka_unit_test(kernels_need_every_part_of_their_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
