/* SPDX-License-Identifier: Apache-2.0 */
/* Each exported routine with odd sizes, gaps below the columns, lwork = -1 and bad arguments; sums in long double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int integer;

static char refused[16];
static integer refused_argument;

/* The program's own, as that of LAPACK's testers. */
__attribute__((visibility("default"))) void xerbla_(const char *name, const integer *argument, size_t length);
void xerbla_(const char *name, const integer *argument, size_t length)
{
    memset(refused, 0, sizeof refused);
    memcpy(refused, name, length < 15 ? length : 15);
    refused_argument = *argument;
}

static void is_refused(const char *name, integer info, integer argument)
{
    assert_int_equal(info, -argument);
    assert_string_equal(refused, name);
    assert_int_equal(refused_argument, argument);
    refused_argument = 0;
}

#define DECLARE(p, real) \
    void p##geqrf_(const integer *, const integer *, real *, const integer *, real *, real *, const integer *, integer *); \
    void p##geqr2_(const integer *, const integer *, real *, const integer *, real *, real *, integer *); \
    void p##larft_(const char *, const char *, const integer *, const integer *, const real *, const integer *, const real *, real *, \
                   const integer *, size_t, size_t); \
    void p##larfb_(const char *, const char *, const char *, const char *, const integer *, const integer *, const integer *, \
                   const real *, const integer *, const real *, const integer *, real *, const integer *, real *, const integer *, \
                   size_t, size_t, size_t, size_t); \
    void p##orgqr_(const integer *, const integer *, const integer *, real *, const integer *, const real *, real *, \
                   const integer *, integer *); \
    void p##ormqr_(const char *, const char *, const integer *, const integer *, const integer *, const real *, const integer *, \
                   const real *, real *, const integer *, real *, const integer *, integer *, size_t, size_t); \
    void p##gels_(const char *, const integer *, const integer *, const integer *, real *, const integer *, real *, \
                  const integer *, real *, const integer *, integer *, size_t); \
    void p##trtrs_(const char *, const char *, const char *, const integer *, const integer *, const real *, const integer *, real *, \
                   const integer *, integer *, size_t, size_t, size_t); \
    void p##potrf_(const char *, const integer *, real *, const integer *, integer *, size_t); \
    void p##potrs_(const char *, const integer *, const integer *, const real *, const integer *, real *, const integer *, \
                   integer *, size_t)
DECLARE(d, double);
DECLARE(s, float);

static uint64_t state = 1;
static double next_number(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-52 - 1.0;
}

#define real double
#define NAME(x) d##x##_
#define TEST(x) x##_f64
#define LETTER "D"
#define EPS DBL_EPSILON
#include "names_cases.h"
#undef real
#undef NAME
#undef TEST
#undef LETTER
#undef EPS
#define real float
#define NAME(x) s##x##_
#define TEST(x) x##_f32
#define LETTER "S"
#define EPS FLT_EPSILON
#include "names_cases.h"

static void test_ours(void **unused)
{
    (void)unused;
    const char *const names[] = { "geqrf_", "geqr2_", "larft_", "larfb_", "orgqr_", "ormqr_", "gels_", "trtrs_", "potrf_", "potrs_" };
    for (int i = 0; i < 20; i++) {
        char name[16] = { i % 2 ? 's' : 'd' };
        Dl_info info;
        strcat(name, names[i / 2]);
        void *at = dlsym(RTLD_DEFAULT, name);
        assert_non_null(at);
        assert_true(dladdr(at, &info) != 0);
        assert_non_null(strstr(info.dli_fname, "libweir_lapack"));
    }
}

/* Several threads at once, and a child after fork, get the bits of one. */
static double shared_a[200 * 120], shared_qr[200 * 120], shared_tau[120];

static void *factor_again(void *result)
{
    double *a = malloc(sizeof shared_a), tau[120], work[120];
    const integer m = 200, n = 120;
    integer info;
    bool same = true;
    for (int i = 0; i < 20; i++) {
        memcpy(a, shared_a, sizeof shared_a);
        dgeqrf_(&m, &n, a, &m, tau, work, &n, &info);
        same = same && info == 0 && memcmp(a, shared_qr, sizeof shared_qr) == 0 && memcmp(tau, shared_tau, sizeof tau) == 0;
    }
    free(a);
    *(bool *)result = same;
    return NULL;
}

static void test_threads(void **unused)
{
    (void)unused;
    const integer m = 200, n = 120;
    integer info;
    double work[120];
    pthread_t thread[4];
    bool same[5] = { false };
    for (int i = 0; i < m * n; i++) {
        shared_a[i] = next_number();
    }
    memcpy(shared_qr, shared_a, sizeof shared_a);
    dgeqrf_(&m, &n, shared_qr, &m, shared_tau, work, &n, &info);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, factor_again, &same[i]), 0);
    }
    factor_again(&same[4]);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    for (int i = 0; i < 5; i++) {
        assert_true(same[i]);
    }
    const pid_t child = fork();
    if (child == 0) {
        bool good = false;
        factor_again(&good);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours),       cmocka_unit_test(orthogonal_f64), cmocka_unit_test(orthogonal_f32),
        cmocka_unit_test(blocks_f64),      cmocka_unit_test(blocks_f32),     cmocka_unit_test(solves_f64),
        cmocka_unit_test(solves_f32),      cmocka_unit_test(least_f64),      cmocka_unit_test(least_f32),
        cmocka_unit_test(arguments_f64),   cmocka_unit_test(arguments_f32),  cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
