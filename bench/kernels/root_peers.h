/* SPDX-License-Identifier: Apache-2.0 */
/* What weir is set against, on the BLAS in use: an eigendecomposition by LAPACK, coupled Newton as Shampoo runs it, and four fixed
 * steps on a matrix that is normalised and shifted first. */
#ifndef BENCH_ROOT_PEERS_H
#define BENCH_ROOT_PEERS_H

#include <stdbool.h>
#include <stdint.h>

/* Room for n x n matrices and k right-hand sides, taken before the clock starts. */
typedef struct root_peers {
    int64_t n, k;
    bool single;
    char *room;
    int work_size, integer_size;
    void *integer;
} root_peers;

void root_blas_threads(int threads);
/* As the BLAS calls itself. */
const char *root_blas_name(void);
bool root_peers_make(root_peers *out, int64_t n, int64_t k, bool single);
void root_peers_drop(root_peers *peers);
/* z := A^(-1/p) b by syevd and two gemm; all column-major, in the type of `peers`; false when an eigenvalue is not positive. */
bool root_peer_eigen(const root_peers *peers, int p, const void *a, const void *b, void *z);
/* Coupled Newton: z0 = (p + 1) / (2 ||A||_F), X = z0^(1/p) I, M = z0 A; M' = (1 + 1/p) I - M / p, X <- X M', M <- M'^p M until
 * max |M - I| <= 1e-6 or 100 steps. float64. *products: n x n x n. */
bool root_peer_newton(const root_peers *peers, int p, const double *a, const double *b, double *z, double *products);
/* p = 2: four fixed steps on A / (largest row sum) shifted so that Gershgorin's bound is 0.05; neither is undone. float64. */
bool root_peer_seed(const root_peers *peers, const double *a, const double *b, double *z);

#endif
