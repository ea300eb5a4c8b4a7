/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of operator_parts.h's w_lane_kernels, compiled once per instruction set; no reduction is reordered, so all give the same
 * bits. Included with LANE_KERNELS defined as the table's name. */
#include "normal/operator_parts.h"

#define INLINE static inline __attribute__((always_inline))

INLINE int64_t lane_cell(const uint16_t *narrow, const int32_t *wide, int64_t i)
{
    return narrow ? narrow[i] : wide ? wide[i] : 0;
}

INLINE void forward_rows(const uint16_t *restrict narrow, const int32_t *restrict wide, const double *restrict value, int width,
                         int64_t rows, int m, const double *restrict gamma, double *restrict eta)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *g = gamma + lane_cell(narrow, wide, i) * width * m;
        double sum[W_MATRIX_FREE_VECTORS];
        for (int k = 0; k < m; k++) {
            sum[k] = value ? value[i * width] * g[k] : g[k];
        }
        for (int r = 1; r < width; r++) {
            for (int k = 0; k < m; k++) {
                sum[k] += value[i * width + r] * g[r * m + k];
            }
        }
        for (int k = 0; k < m; k++) {
            eta[i * m + k] += sum[k];
        }
    }
}

INLINE void backward_rows(const uint16_t *restrict narrow, const int32_t *restrict wide, const double *restrict value, int width,
                          int64_t rows, int m, const double *restrict u, double *restrict table)
{
    for (int64_t i = 0; i < rows; i++) {
        double *g = table + lane_cell(narrow, wide, i) * width * m;
        for (int r = 0; r < width; r++) {
            for (int k = 0; k < m; k++) {
                g[r * m + k] += value ? value[i * width + r] * u[i * m + k] : u[i * m + k];
            }
        }
    }
}

/* Constant arguments make a loop of each shape. */
#define BY_CELLS(rows_fn, width, value, m, a, b)                                                   \
    (lane->narrow ? rows_fn(lane->narrow + start, NULL, value, width, rows, m, a, b)               \
     : lane->wide ? rows_fn(NULL, lane->wide + start, value, width, rows, m, a, b)                 \
                  : rows_fn(NULL, NULL, value, width, rows, m, a, b))

#define BY_VECTORS(rows_fn, width, value, a, b)                  \
    switch (m) {                                                 \
    case 1: BY_CELLS(rows_fn, width, value, 1, a, b); break;     \
    case 2: BY_CELLS(rows_fn, width, value, 2, a, b); break;     \
    case 4: BY_CELLS(rows_fn, width, value, 4, a, b); break;     \
    default: BY_CELLS(rows_fn, width, value, 8, a, b); break;    \
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
