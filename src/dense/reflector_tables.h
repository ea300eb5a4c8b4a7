/* SPDX-License-Identifier: Apache-2.0 */
/* Both element types' kernels and their table: included once by reflector_portable.c, reflector_avx2.c and reflector_avx512.c,
 * which define W_LANES_TABLE (its name) and W_LANES_NAME. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "dense/reflector.h"

#if defined W_LANES_AVX512 || defined W_LANES_AVX2
#include <immintrin.h>
#endif

#define PANEL_INLINE static inline __attribute__((always_inline, unused))
#if defined __clang__
#define PANEL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PANEL_UNROLL _Pragma("GCC unroll 16")
#endif

#define PANEL_FLOAT 0
#include "dense/reflector_kernels.h"
#undef PANEL_FLOAT
#undef PANEL
#undef REFLECTOR_SUMS
#undef REFLECTOR_PART
#undef REFLECTOR_GROUP
#undef PANEL_BITS
#undef PANEL_BITS_ABS

#define PANEL_FLOAT 1
#include "dense/reflector_kernels.h"

#define REFLECTOR_ROW(bytes, type) \
    { W_LANES_NAME, bytes, first_##type, step_##type, products_##type, subtract_##type, head_##type, \
      largest_##type }

const w_reflector W_LANES_TABLE[2] = { REFLECTOR_ROW(8, f64), REFLECTOR_ROW(4, f32) };
