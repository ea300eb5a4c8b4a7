/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <string.h>

#include "base/blas.h"

extern void omp_set_num_threads(int) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));

static void narrowing_refuses_what_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(w_narrow(0), 0);
    assert_int_equal(w_narrow(INT32_MAX), INT32_MAX);
    assert_int_equal(w_narrow((int64_t)INT32_MAX + 1), -1);
    assert_int_equal(w_narrow(-7), -1);
}

static void the_callers_threads_are_put_back(void **state)
{
    (void)state;
    if (!omp_set_num_threads || strcmp(w_blas_threading(), "OpenMP") != 0) {
        skip();
    }
    omp_set_num_threads(3);
    {
        W_BLAS_SERIAL;
        assert_int_equal(omp_get_max_threads(), 1);
        w_blas_threads inner;
        w_blas_serial_enter(&inner);
        w_blas_serial_leave(&inner);
        assert_int_equal(omp_get_max_threads(), 1);
    }
    assert_int_equal(omp_get_max_threads(), 3);
}

static void lapack_answers(void **state)
{
    (void)state;
    double a[] = { 4, 2, 2, 5 };
    w_blas_int n = 2, info = -1;
    dpotrf_("L", &n, a, &n, &info);
    assert_int_equal(info, 0);
    assert_true(a[0] == 2 && a[1] == 1 && a[3] == 2);
    float b[] = { 4, 2, 2, 5 };
    spotrf_("L", &n, b, &n, &info);
    assert_true(b[0] == 2 && b[1] == 1 && b[3] == 2);
    assert_non_null(w_blas_config());
    assert_non_null(w_blas_core());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrowing_refuses_what_does_not_fit),
        cmocka_unit_test(the_callers_threads_are_put_back),
        cmocka_unit_test(lapack_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
