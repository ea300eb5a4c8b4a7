/* SPDX-License-Identifier: Apache-2.0 */
/* Both element types' kernels and their table: included once by panel_portable.c, panel_avx2.c and panel_avx512.c, which
 * define W_LANES_TABLE (its name) and W_LANES_NAME. */
#include <math.h>
#include <string.h>

#include "dense/panel.h"

#if defined W_LANES_AVX512 || defined W_LANES_AVX2
#include <immintrin.h>
#endif

#define PANEL_INLINE static inline __attribute__((always_inline))
#if defined __clang__
#define PANEL_UNROLL _Pragma("clang loop unroll(full)")
#define PANEL_TWICE _Pragma("clang loop unroll_count(2)")
#else
#define PANEL_UNROLL _Pragma("GCC unroll 16")
#define PANEL_TWICE _Pragma("GCC unroll 2") /* counting and jumping cost the AVX-512 product a quarter of its rate */
#endif

#define PANEL_FLOAT 0
#define PANEL_SQRT sqrt
#include "dense/panel_kernels.h"
#undef PANEL_FLOAT
#undef PANEL_SQRT
#undef PANEL
#undef PANEL_STRIP

#define PANEL_FLOAT 1
#define PANEL_SQRT sqrtf
#include "dense/panel_kernels.h"

#define PANEL_ROW(bytes, type) \
    { W_LANES_NAME, bytes, strip_##type, PANEL_SLICE, count_##type, pack_##type, \
      pack_both_##type, unpack_##type, update_##type, update_loose_##type, solve_##type, \
      corner_##type }

const w_panel W_LANES_TABLE[2] = { PANEL_ROW(8, f64), PANEL_ROW(4, f32) };
