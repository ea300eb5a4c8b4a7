/* SPDX-License-Identifier: Apache-2.0 */
/* Both element types' kernels and their table: included once by lu_portable.c, lu_avx2.c and lu_avx512.c, which define
 * W_LANES_TABLE (its name). */
#include <stdbool.h>
#include <string.h>

#include "dense/lu.h"

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
#include "dense/lu_kernels.h"
#undef PANEL_FLOAT
#undef PANEL

#define PANEL_FLOAT 1
#include "dense/lu_kernels.h"

const w_lu_kernels W_LANES_TABLE[2] = {
    { lu_column_f64, lu_scale_f64, lu_find_f64, lu_top_f64 },
    { lu_column_f32, lu_scale_f32, lu_find_f32, lu_top_f32 },
};
