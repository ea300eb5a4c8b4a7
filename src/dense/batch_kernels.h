/* SPDX-License-Identifier: Apache-2.0 */
/* Factorizations of many small matrices side by side. A group is as many matrices as fill 64 bytes, 16 of float32 or 8 of
 * float64, for every instruction set; element e of lane l stands at [e * lanes + l], so that one instruction serves all lanes.
 * Which e belongs to (i, j) is said by strides counted in elements (negative ones run backwards). Column-major
 * matrices have ld elements from column to column; odd ones keep columns from meeting in the same place of the caches.
 *
 * Lanes never mix: every lane goes through the same IEEE operations in the same order whatever stands beside it, NaN and infinity
 * included, and whatever the instruction set, so that the bits of a result depend on the matrix and its shape alone. What one
 * lane needs more than another is selected, never branched to for that lane alone. info: one number per lane, as the element type.
 *
 * Buffers are aligned to 64 bytes. No allocation; thread-safe. */
#ifndef W_DENSE_BATCH_KERNELS_H
#define W_DENSE_BATCH_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#define W_GROUP_BYTES 64

typedef enum w_triangle { W_TRIANGLE_FULL = 0, W_TRIANGLE_LOWER = 1, W_TRIANGLE_UPPER = 2 } w_triangle;

/* The same rows x cols matrix in each lane: element (i, j) of lane l at lane[l][i row_stride + j col_stride]; `part`: of these
 * the triangle with its diagonal alone. Lanes from `count` on are not there. */
typedef struct w_lane_views {
    void *lane[16];
    int count;
    int64_t rows, cols, row_stride, col_stride;
    w_triangle part;
} w_lane_views;

typedef struct w_batched {
    const char *name;
    int lanes, size; /* lanes * size = W_GROUP_BYTES */
    /* Gathers to group[i gi + j gj]; lanes that are not there repeat the first. `scatter` writes what is there. */
    void (*gather)(const w_lane_views *from, void *group, int64_t gi, int64_t gj);
    void (*scatter)(const w_lane_views *to, const void *group, int64_t gi, int64_t gj);

    /* A = QR, m x n column-major: R on and above the diagonal, v_i below it; tau: k = min(m, n); gram: (k + 1) / 2 products
     * v_i'v_{i+1}, i even. */
    void (*qr)(int64_t m, int64_t n, void *a, int64_t ld, void *tau, void *gram);
    /* The first `cols` columns of Q = H_1 ... H_k (m x cols, cols <= m). */
    void (*qr_form)(int64_t m, int64_t k, const void *a, int64_t ld, const void *tau, const void *gram, void *q, int64_t ldq,
                    int64_t cols);
    /* gram again, from V. */
    void (*qr_grams)(int64_t m, int64_t k, const void *a, int64_t ld, void *gram);
    /* C := Q'C, or Q C (towards_q); C m x cols. */
    void (*qr_apply)(bool towards_q, int64_t m, int64_t k, const void *a, int64_t ld, const void *tau, const void *gram, void *c,
                     int64_t ldc, int64_t cols);

    /* A = LL' in the lower triangle, n x n column-major; info: 0 or 1 + the first pivot that is not positive and finite. */
    void (*chol)(int64_t n, void *a, int64_t ld, void *info);
    /* T X = B in place, T lower triangular n x n with strides ti, tj; B n x r with strides bi, bj. Divides by what is there. */
    void (*trsm)(int64_t n, int64_t r, const void *t, int64_t ti, int64_t tj, bool unit, void *b, int64_t bi, int64_t bj);
    /* PA = LU with partial pivoting, m x n column-major, and `extra` more columns behind A that undergo the same. pivot: min(m, n)
     * row numbers (0-based, as the element type) exchanged in turn. info: 0 or 1 + the first pivot that is zero or not finite.
     * settle: whether rows of L follow later exchanges (LAPACK's form); a solve does not need it. */
    void (*lu)(int64_t m, int64_t n, int64_t extra, void *a, int64_t ld, void *pivot, void *info, bool settle);
    /* B := PB, or P'B when `back`. B n x r column-major. */
    void (*exchange)(int64_t n, int64_t r, int64_t k, const void *pivot, void *b, int64_t ld, bool back);
    /* Eigenvalues ascending and, when vectors is not NULL, eigenvectors (n x n column-major) of the symmetric matrix whose lower
     * triangle `a` (w_batched_even(n) rows and columns, ld w_batched_lead of that) holds; `a` is overwritten. work: w_batched_eigh_work
     * elements. info: 0; 1: not finite, the results are NaN; 2: not converged. */
    void (*eigh)(int64_t n, void *a, void *values, void *vectors, int64_t ldv, void *work, void *info);
    /* A = L diag(values) R' for m x n, m >= n (n <= W_EIGH_MOST), column-major: values (n) descending and, where they are not NULL,
     * left (m x n) and right (n x n), column-major; `a` is overwritten. work: w_batched_svd_work elements. info as eigh. */
    void (*svd)(int64_t m, int64_t n, void *a, int64_t ld, void *values, void *left, int64_t ldl, void *right, int64_t ldr, void *work,
                void *info);
    /* C := A'B; A k x m and B k x n column-major with ld k, C m x n column-major. */
    void (*product)(int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c, int64_t ld);
    /* 2-norms of the columns of A (m x n column-major), safe from overflow and underflow: norms (n). */
    void (*norms)(int64_t m, int64_t n, const void *a, int64_t ld, void *norms);
} w_batched;

#define W_EIGH_MOST 128 /* rows of a matrix that eigh takes, even */
static inline int64_t w_batched_even(int64_t n) { return n + (n & 1); }
static inline int64_t w_batched_lead(int64_t rows) { return rows | 1; }
static inline int64_t w_batched_eigh_work(int64_t n)
{
    const int64_t even = w_batched_even(n);
    return even * w_batched_lead(even) + 2 * even * even + 2 * even;
}

static inline int64_t w_batched_svd_work(int64_t n) { return 3 * n * w_batched_lead(n) + 4 * n + 3; }

/* size: 4 or 8, bytes of an element. */
const w_batched *w_batched_choose(int size);
/* For tests: "portable", "neon", "avx2", "avx512"; NULL when the processor lacks it. */
const w_batched *w_batched_find(const char *name, int size);

extern const w_batched w_batched_f32_portable, w_batched_f64_portable;
#if defined __x86_64__
extern const w_batched w_batched_f32_avx2, w_batched_f64_avx2, w_batched_f32_avx512, w_batched_f64_avx512;
#elif defined __aarch64__
extern const w_batched w_batched_f32_neon, w_batched_f64_neon;
#endif

#endif
