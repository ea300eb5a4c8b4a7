/* SPDX-License-Identifier: Apache-2.0 */
/* Thread settings of whichever OpenBLAS is loaded. The OpenMP build follows omp_set_num_threads, which is kept per
 * calling thread; the pthread build has one number for the process. The entries are weak: a sequential or foreign
 * BLAS lacks them and needs nothing. */
#include "base/blas.h"

#include <stddef.h>

extern void omp_set_num_threads(int) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));
extern int openblas_get_parallel(void) __attribute__((weak));
extern void openblas_set_num_threads(int) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));
extern char *openblas_get_corename(void) __attribute__((weak));

enum { SEQUENTIAL = 0, PTHREADS = 1, OPENMP = 2, UNKNOWN = 3 };

static int threading(void)
{
    return openblas_get_parallel ? openblas_get_parallel() : UNKNOWN;
}

void w_blas_serial_enter(w_blas_threads *before)
{
    int kind = threading();
    before->threads = 0;
    if ((kind == OPENMP || kind == UNKNOWN) && omp_set_num_threads && omp_get_max_threads) {
        int threads = omp_get_max_threads();
        if (threads > 1) {
            before->threads = threads;
            omp_set_num_threads(1);
        }
    } else if (kind == PTHREADS && openblas_set_num_threads && openblas_get_num_threads) {
        int threads = openblas_get_num_threads();
        if (threads > 1) {
            before->threads = threads;
            openblas_set_num_threads(1);
        }
    }
}

void w_blas_serial_leave(w_blas_threads *before)
{
    if (before->threads == 0) {
        return;
    }
    if (threading() == PTHREADS) {
        openblas_set_num_threads(before->threads);
    } else {
        omp_set_num_threads(before->threads);
    }
    before->threads = 0;
}

const char *w_blas_config(void)
{
    return openblas_get_config ? openblas_get_config() : "";
}

const char *w_blas_core(void)
{
    return openblas_get_corename ? openblas_get_corename() : "";
}

const char *w_blas_threading(void)
{
    static const char *const name[] = { "sequential", "pthreads", "OpenMP", "unknown" };
    int kind = threading();
    return name[kind < 0 || kind > UNKNOWN ? UNKNOWN : kind];
}
