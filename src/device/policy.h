/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch policy: thresholds above which work may leave the host, by name, as data, and the pure predicates that read
 * them. They come from the cost model (w_policy_derive) or are set by hand. W = flops of the work, counted in double.
 *
 *   iterative refinement   p >= refinement_min_p and mixed_precision is on
 *   gemv                   resident or 2 n p >= gemm_min_flops
 *   X'WX                   materialized and 2 n p^2 >= xtwx_flops_min and n >= xtwx_n_min
 *   X'WY                   materialized and 2 n p q >= xtwx_flops_min
 *   fused Gram             p < xtwx_use_fused_below_p and n >= fused_kernel_min_n
 *   Cholesky               resident and p >= potrf_min_p, or a resident chain p >= prefer_gpu_factorization_min_p
 *   batched tiny Cholesky  p <= small_dense_batched_potrf_max_p and batch >= small_dense_batched_potrf_min_batch
 *   eigen                  p >= syevd_min_p
 *   sparse                 nnz >= sparse_min_nnz
 *   row kernels            n >= row_kernel_min_n
 *   keep X on the device   bytes >= keep_design_resident_min_bytes and fits twice
 *   Schur products         iters n (4 d k + d^2) >= xtwx_flops_min, k >= 32
 *
 * A threshold of INFINITY says never: the device lost at every size the model covers. */
#ifndef W_DEVICE_POLICY_H
#define W_DEVICE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "device/cost.h"

typedef struct weir_policy {
    double xtwx_n_min;                          /* rows */
    double xtwx_flops_min;                      /* flop */
    double xtwx_use_fused_below_p;              /* columns */
    double gemm_min_flops;                      /* flop */
    double potrf_min_p;                         /* columns */
    double small_dense_batched_potrf_max_p;     /* columns */
    double small_dense_batched_potrf_min_batch; /* matrices */
    double syevd_min_p;                         /* columns */
    double sparse_min_nnz;                      /* entries */
    double fused_kernel_min_n;                  /* rows */
    double keep_design_resident_min_bytes;      /* bytes */
    double prefer_gpu_factorization_min_p;      /* columns */
    double row_kernel_min_n;                    /* rows */
    double mixed_precision;                     /* 1: float32 factor with float64 refinement may be tried; 0: never */
} weir_policy;

#define W_POLICY_FIELDS 14
#define W_POLICY_REFINEMENT_MIN_P 64
#define W_POLICY_SCHUR_MIN_K 32

/* Published defaults of the thresholds. */
void w_policy_defaults(weir_policy *policy);
/* Thresholds where `device` starts to win against the host, each by its own operation: the smallest size on a geometric
 * grid from which it wins at every larger size, one-shot with transfers; INFINITY = never. Of work that no operation of a device
 * speaks for (row kernels, sparse products) the host's price is set against launch and transfers alone: less can never pay.
 *     small_dense_batched_potrf_max_p   a factorization whose work takes as long as its fixed part
 *     keep_design_resident_min_bytes    what takes as long to move again as a launch
 *     mixed_precision                   the float32 factor is quicker by a fifth
 * xtwx_use_fused_below_p stays: both Gram kernels of a device are one operation here. Thresholds set by hand (cost->threshold)
 * come last. */
void w_policy_derive(const w_cost *cost, const w_device_cost *device, weir_policy *out);
/* The host's own: the defaults, and what was set by hand. */
void w_policy_of_host(const w_cost *cost, weir_policy *out);
const char *w_policy_field(int index, const char **unit, const char **meaning); /* NULL past the end */
double w_policy_get(const weir_policy *policy, int index);
bool w_policy_set(weir_policy *policy, const char *name, double value); /* false: no such field or negative */

bool w_policy_refine(const weir_policy *policy, int64_t p);
bool w_policy_gemv(const weir_policy *policy, int64_t n, int64_t p, bool resident);
bool w_policy_gemm(const weir_policy *policy, int64_t m, int64_t n, int64_t k);
bool w_policy_xtwx(const weir_policy *policy, int64_t n, int64_t p, bool materialized);
bool w_policy_xtwy(const weir_policy *policy, int64_t n, int64_t p, int64_t q, bool materialized);
bool w_policy_fused_gram(const weir_policy *policy, int64_t n, int64_t p);
bool w_policy_potrf(const weir_policy *policy, int64_t p, bool resident);
bool w_policy_factor_chain(const weir_policy *policy, int64_t p);
bool w_policy_potrf_batched(const weir_policy *policy, int64_t p, int64_t batch);
bool w_policy_syevd(const weir_policy *policy, int64_t p);
bool w_policy_sparse(const weir_policy *policy, int64_t nonzeros);
bool w_policy_row_kernel(const weir_policy *policy, int64_t n);
bool w_policy_keep_design(const weir_policy *policy, int64_t bytes, int64_t device_free);
bool w_policy_schur_matvec(const weir_policy *policy, int64_t n, int64_t k, int64_t d, int64_t iterations);

#endif
