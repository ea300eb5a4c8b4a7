/* SPDX-License-Identifier: Apache-2.0 */
/** For authors of device plug-ins: the table of functions a device answers with.
 *
 *  A plug-in is a shared library libweir_<name>.so that exports
 *      const weir_device_api *weir_device_plugin(void);
 *  It links nothing of libweir: memory, log and messages arrive as callbacks (weir_device_host). It is loaded by
 *  absolute path from the folder named by WEIR_DEVICE_PATH or the folder of libweir itself, and never unloaded. A wrong
 *  ABI number, a short table or a failing probe make the device "not available" with a reason; nothing is ever printed.
 *
 *  Matrices are column-major with a leading dimension, sizes int64_t, memory that of the device. Letters have their BLAS
 *  meaning. Every entry returns a status and leaves the outputs undefined on error; WEIR_DECLINED = "not this shape, take
 *  another route". An entry that is NULL is absent. Calls on one state come from one thread at a time. */
#ifndef WEIR_SYS_DEVICE_H
#define WEIR_SYS_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include "weir/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_DEVICE_ABI 1

typedef enum weir_device_dtype { WEIR_DEVICE_F64 = 0, WEIR_DEVICE_F32 = 1, WEIR_DEVICE_DTYPES = 2 } weir_device_dtype;

typedef enum weir_device_op {
    WEIR_DEVICE_COPY = 0, /**< m bytes between host and device */
    WEIR_DEVICE_GEMM = 1,
    WEIR_DEVICE_SYRK = 2,
    WEIR_DEVICE_TRSM = 3,
    WEIR_DEVICE_POTRF = 4,
    WEIR_DEVICE_GEQRF = 5,
    WEIR_DEVICE_SYEVD = 6,
    WEIR_DEVICE_GRAM = 7, /**< X'WX and X'Wz of a tile of m rows, n columns */
    WEIR_DEVICE_OPS = 8
} weir_device_op;

/** Dimensions in the order of the entry's arguments; unused ones 0; batch 0 or 1 = not batched. */
typedef struct weir_device_shape { int64_t m, n, k, batch; } weir_device_shape;

typedef enum weir_device_direction {
    WEIR_DEVICE_UP = 0,    /**< host to device */
    WEIR_DEVICE_DOWN = 1,  /**< device to host */
    WEIR_DEVICE_WITHIN = 2 /**< device to device */
} weir_device_direction;

/** What the library lends to a device. Valid until close returns. */
typedef struct weir_device_host {
    int32_t abi, struct_size;
    void *user;
    void *(*alloc)(void *user, const char *tag, size_t bytes); /**< host memory within the budget, 64-byte aligned; NULL */
    void (*free)(void *user, void *block);
    weir_status (*fail)(void *user, weir_status status, const char *line); /**< records the line, returns the status */
} weir_device_host;

typedef struct weir_device_api {
    int32_t abi;         /**< WEIR_DEVICE_ABI */
    int32_t struct_size; /**< sizeof(weir_device_api) of the plug-in; entries beyond it are absent */
    const char *name;    /**< "cuda" */

    /** Is there a device? WEIR_OK, or WEIR_E_DEVICE with one line in reason. Must be quick and touch nothing else. */
    weir_status (*probe)(char *reason, size_t reason_bytes);
    weir_status (*open)(const weir_device_host *host, void **state);
    void (*close)(void *state);
    /** Model, driver and library versions: the key under which measured costs are kept. */
    weir_status (*describe)(void *state, char *text, size_t text_bytes);
    weir_status (*memory)(void *state, int64_t *free_bytes, int64_t *total_bytes);

    weir_status (*alloc)(void *state, int64_t bytes, void **block); /**< WEIR_E_MEMORY when the device is full */
    void (*free)(void *state, void *block);
    weir_status (*copy)(void *state, void *to, const void *from, int64_t bytes, weir_device_direction direction);
    weir_status (*sync)(void *state);

    /** Non-zero: the operation exists for this type and shape. Never fails, touches no driver. */
    int (*supports)(void *state, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape);

    /** C = alpha op(A) op(B) + beta C;  C m x n, inner k */
    weir_status (*gemm)(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n, int64_t k,
                        double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c,
                        int64_t ldc);
    /** C = alpha op(A) op(A)' + beta C;  C n x n, one triangle, inner k */
    weir_status (*syrk)(void *state, weir_device_dtype dtype, char uplo, char trans, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t lda, double beta, void *c, int64_t ldc);
    /** B = alpha op(A)^-1 B (side L) or alpha B op(A)^-1 (side R);  B m x n */
    weir_status (*trsm)(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag, int64_t m,
                        int64_t n, double alpha, const void *a, int64_t lda, void *b, int64_t ldb);
    /** A = L L' or U'U in place. *info (host): 0, or the order of the first leading minor that is not positive. */
    weir_status (*potrf)(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda, int64_t *info);
    /** A = Q R in place, Householder vectors below the diagonal, tau: min(m, n) */
    weir_status (*geqrf)(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda, void *tau);
    /** A = V diag(w) V';  eigenvalues ascending in w (n), with vectors (non-zero) V overwrites A */
    weir_status (*syevd)(void *state, weir_device_dtype dtype, int vectors, char uplo, int64_t n, void *a, int64_t lda,
                         void *w);

    /** The same for `batch` matrices `stride` elements apart; info: batch numbers on the host. */
    weir_status (*gemm_batched)(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n,
                                int64_t k, double alpha, const void *a, int64_t lda, int64_t stride_a, const void *b,
                                int64_t ldb, int64_t stride_b, double beta, void *c, int64_t ldc, int64_t stride_c,
                                int64_t batch);
    weir_status (*trsm_batched)(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag, int64_t m,
                                int64_t n, double alpha, const void *a, int64_t lda, int64_t stride_a, void *b,
                                int64_t ldb, int64_t stride_b, int64_t batch);
    weir_status (*potrf_batched)(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda,
                                 int64_t stride, int64_t batch, int64_t *info);
    weir_status (*geqrf_batched)(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda,
                                 int64_t stride, void *tau, int64_t batch);

    /** G += X' diag(w) X (upper triangle, p x p), c += X' diag(w) z (p);  X m x p with leading dimension ldx;
     *  w may be NULL (all 1). Sums in a fixed order: the same bits on every call. */
    weir_status (*gram)(void *state, weir_device_dtype dtype, int64_t m, int64_t p, const void *x, int64_t ldx,
                        const void *w, const void *z, void *g, int64_t ldg, void *c);
} weir_device_api;

typedef const weir_device_api *(*weir_device_plugin_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
