/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of operator_parts.h's w_lane_kernels, compiled once per instruction set; no reduction is reordered, so all give the same
 * bits. The m values of a row, cell or coefficient are one vector. Included with LANE_KERNELS defined as the table's name. */
#include "normal/operator_parts.h"

#define INLINE static inline __attribute__((always_inline))

typedef double row1;
typedef double row2 __attribute__((vector_size(16), aligned(8), may_alias));
typedef double row4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double row8 __attribute__((vector_size(64), aligned(8), may_alias));

INLINE int64_t lane_cell(const uint16_t *narrow, const int32_t *wide, int64_t i)
{
    return narrow ? narrow[i] : wide ? wide[i] : 0;
}

#define ROWS_OF(m)                                                                                                             \
    INLINE void forward_rows##m(const uint16_t *restrict narrow, const int32_t *restrict wide, const double *restrict value,   \
                                int width, int64_t rows, const double *restrict gamma, double *restrict eta)                   \
    {                                                                                                                          \
        row##m *to = (row##m *)eta;                                                                                            \
        for (int64_t i = 0; i < rows; i++) {                                                                                   \
            const row##m *g = (const row##m *)gamma + lane_cell(narrow, wide, i) * width;                                      \
            row##m sum = g[0];                                                                                                 \
            if (value) {                                                                                                       \
                sum *= value[i * width];                                                                                       \
            }                                                                                                                  \
            for (int r = 1; r < width; r++) {                                                                                  \
                sum += value[i * width + r] * g[r];                                                                            \
            }                                                                                                                  \
            to[i] += sum;                                                                                                      \
        }                                                                                                                      \
    }                                                                                                                          \
    INLINE void backward_rows##m(const uint16_t *restrict narrow, const int32_t *restrict wide, const double *restrict value,  \
                                 int width, int64_t rows, const double *restrict u, double *restrict table)                    \
    {                                                                                                                          \
        const row##m *from = (const row##m *)u;                                                                                \
        for (int64_t i = 0; i < rows; i++) {                                                                                   \
            row##m *g = (row##m *)table + lane_cell(narrow, wide, i) * width;                                                  \
            const row##m own = from[i];                                                                                        \
            for (int r = 0; r < width && value; r++) {                                                                         \
                g[r] += value[i * width + r] * own;                                                                            \
            }                                                                                                                  \
            if (!value) {                                                                                                      \
                g[0] += own;                                                                                                   \
            }                                                                                                                  \
        }                                                                                                                      \
    }

ROWS_OF(1)
ROWS_OF(2)
ROWS_OF(4)
ROWS_OF(8)

/* Constant arguments make a loop of each shape. */
#define BY_CELLS(rows_fn, width, value, a, b)                                                   \
    (lane->narrow ? rows_fn(lane->narrow + start, NULL, value, width, rows, a, b)               \
     : lane->wide ? rows_fn(NULL, lane->wide + start, value, width, rows, a, b)                 \
                  : rows_fn(NULL, NULL, value, width, rows, a, b))

#define BY_VECTORS(rows_fn, width, value, a, b)                  \
    switch (m) {                                                 \
    case 1: BY_CELLS(rows_fn##1, width, value, a, b); break;     \
    case 2: BY_CELLS(rows_fn##2, width, value, a, b); break;     \
    case 4: BY_CELLS(rows_fn##4, width, value, a, b); break;     \
    default: BY_CELLS(rows_fn##8, width, value, a, b); break;    \
    }

static void lane_forward(const w_lane *lane, int64_t start, int64_t rows, int m, const double *gamma, double *eta)
{
    const int width = lane->width;
    const double *value = lane->value ? lane->value + start * width : NULL;
    if (!value) {
        BY_VECTORS(forward_rows, 1, NULL, gamma, eta)
    } else if (width == 4) {
        BY_VECTORS(forward_rows, 4, value, gamma, eta)
    } else {
        BY_VECTORS(forward_rows, width, value, gamma, eta)
    }
}

static void lane_backward(const w_lane *lane, int64_t start, int64_t rows, int m, const double *u, double *g)
{
    const int width = lane->width;
    const double *value = lane->value ? lane->value + start * width : NULL;
    if (!value) {
        BY_VECTORS(backward_rows, 1, NULL, u, g)
    } else if (width == 4) {
        BY_VECTORS(backward_rows, 4, value, u, g)
    } else {
        BY_VECTORS(backward_rows, width, value, u, g)
    }
}

const w_lane_kernels LANE_KERNELS = { lane_forward, lane_backward };
