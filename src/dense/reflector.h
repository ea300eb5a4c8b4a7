/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of Householder's factorization, eight columns at a time: W_REFLECTOR_BLOCK reflectors with their 8 x 8 head and the
 * rows below it, which are whole vectors.
 *
 * Arrays are column-major. `rows` is rounded up to the lanes of a vector by the kernels: what lies in a column beyond its last
 * row must be zero, and there be room, up to W_REFLECTOR_PAD elements. Sums over rows are taken over as many partial sums as
 * a vector has lanes; callers cut rows into W_REFLECTOR_ROWS and add up in float64. w, heads and T are 8 x columns and 8 x 8,
 * contiguous. Kernels allocate nothing, keep nothing and may run on any thread. */
#ifndef W_DENSE_REFLECTOR_H
#define W_DENSE_REFLECTOR_H

#include <stdint.h>

#include "device/topology.h"

#define W_REFLECTOR_BLOCK 8
#define W_REFLECTOR_PAD 16
#define W_REFLECTOR_ROWS 512

typedef struct w_reflector {
    const char *name; /* "portable", "avx2", "avx512" */
    int size;         /* bytes of an element */
    /* dots[k] = a_0' a_k, k < width <= 8. */
    void (*first)(int64_t rows, int width, const void *a, int64_t ld, void *dots);
    /* One reflector, one pass: v := f_0 v;  a_k -= f_{k+1} v;  dots[k] = a_0' a_k of what has become of them, k < width < 8. */
    void (*step)(int64_t rows, int width, void *v, const void *f, void *a, int64_t ld, void *dots);
    /* w = V' C for V of 8 columns. */
    void (*products)(int64_t rows, const void *v, int64_t ldv, int64_t columns, const void *c, int64_t ldc, void *w);
    /* C -= V w. */
    void (*subtract)(int64_t rows, const void *v, int64_t ldv, int64_t columns, void *c, int64_t ldc, const void *w);
    /* What the head adds: w := op(T) (w + Vh' C_h);  C_h -= Vh w.  Vh, T: dense 8 x 8; op(T) = T' when `trans`; Vh NULL: I. */
    void (*head)(int trans, const void *t, const void *vh, int64_t columns, void *ch, int64_t ldh, void *w);
    /* Largest absolute value of `rows` contiguous elements; NaN where there is one. */
    double (*largest)(int64_t rows, const void *column);
} w_reflector;

/* The kernels of an instruction set for elements of `size` bytes (8 or 4); NULL where the processor has it not. */
const w_reflector *w_reflector_find(w_isa isa, int size);
const w_reflector *w_reflector_best(int size);

extern const w_reflector w_reflector_portable[2]; /* float64, float32 */
#if defined __x86_64__
extern const w_reflector w_reflector_avx2[2], w_reflector_avx512[2];
#endif

#endif
