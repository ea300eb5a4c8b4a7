/* SPDX-License-Identifier: Apache-2.0 */
/* Panels in buffers: copies from and to views of any strides, factorization eight columns after eight, and the powers of two that
 * keep sums of squares within range.
 *
 * A D = Q (R D) for diagonal D: columns may be scaled before and R's after, exactly. Columns whose largest element lies within
 * [2^-400, 2^400] (float32: 2^-40, 2^40) are left alone: no sum of squares or products overflows, and what underflow takes from a
 * product of two columns is below u ||a_i|| ||a_j|| by a factor of 2^-100 (2^-20). */
#include "dense/qr.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define B W_REFLECTOR_BLOCK

w_qr_kernels w_qr_best(weir_dtype dtype)
{
    const int size = dtype == WEIR_F32 ? 4 : 8;
    return (w_qr_kernels){w_panel_best(size), w_reflector_best(size)};
}

double w_qr_get(int size, const void *a, int64_t i)
{
    return size == 4 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

void w_qr_put(int size, void *a, int64_t i, double value)
{
    if (size == 4) {
        ((float *)a)[i] = (float)value;
    } else {
        ((double *)a)[i] = value;
    }
}

/* ---- copies -------------------------------------------------------------------------------------------------------- */

/* An odd number of cache lines, so that columns do not share their places in the cache. */
int64_t w_qr_lead(int64_t rows)
{
    const int64_t lines = w_round_up64(w_add64(rows, W_REFLECTOR_PAD), W_REFLECTOR_PAD) / W_REFLECTOR_PAD;
    return w_mul64(lines | 1, W_REFLECTOR_PAD);
}

int64_t w_qr_buffer_bytes(int size, int64_t rows, int64_t columns)
{
    return w_mul64(w_mul64(w_qr_lead(rows), w_round_up64(columns, B)), size);
}

#define COPY_BLOCK 8
/* to[i ts + j tc] = from[i fs + j fc] in square blocks, so that whichever side is contiguous is met in lines. */
#define COPY(T)                                                                                                   \
    static void copy_##T(int64_t rows, int64_t cols, const T *from, int64_t fs, int64_t fc, T *to, int64_t ts,    \
                         int64_t tc)                                                                              \
    {                                                                                                             \
        if (fs == 1 && ts == 1) {                                                                                 \
            for (int64_t j = 0; j < cols; j++) {                                                                  \
                memcpy(to + j * tc, from + j * fc, (size_t)rows * sizeof *to);                                    \
            }                                                                                                     \
            return;                                                                                               \
        }                                                                                                         \
        for (int64_t i0 = 0; i0 < rows; i0 += COPY_BLOCK) {                                                       \
            const int64_t i1 = w_min64(rows, i0 + COPY_BLOCK);                                                    \
            for (int64_t j0 = 0; j0 < cols; j0 += COPY_BLOCK) {                                                   \
                if (i0 + COPY_BLOCK <= rows && j0 + COPY_BLOCK <= cols) {                                         \
                    T block[COPY_BLOCK][COPY_BLOCK];                                                              \
                    for (int i = 0; i < COPY_BLOCK; i++) {                                                        \
                        for (int j = 0; j < COPY_BLOCK; j++) {                                                    \
                            block[j][i] = from[(i0 + i) * fs + (j0 + j) * fc];                                    \
                        }                                                                                         \
                    }                                                                                             \
                    for (int j = 0; j < COPY_BLOCK; j++) {                                                        \
                        for (int i = 0; i < COPY_BLOCK; i++) {                                                    \
                            to[(i0 + i) * ts + (j0 + j) * tc] = block[j][i];                                      \
                        }                                                                                         \
                    }                                                                                             \
                    continue;                                                                                     \
                }                                                                                                 \
                for (int64_t j = j0; j < w_min64(cols, j0 + COPY_BLOCK); j++) {                                   \
                    for (int64_t i = i0; i < i1; i++) {                                                           \
                        to[i * ts + j * tc] = from[i * fs + j * fc];                                              \
                    }                                                                                             \
                }                                                                                                 \
            }                                                                                                     \
        }                                                                                                         \
    }
COPY(double)
COPY(float)

static void copy(int size, int64_t rows, int64_t cols, const void *from, int64_t fs, int64_t fc, void *to,
                 int64_t ts, int64_t tc)
{
    if (size == 4) {
        copy_float(rows, cols, from, fs, fc, to, ts, tc);
    } else {
        copy_double(rows, cols, from, fs, fc, to, ts, tc);
    }
}

void w_qr_load(const weir_matrix *from, void *buffer, int64_t ld)
{
    const int size = w_qr_size(from);
    copy(size, from->rows, from->cols, from->data, from->row_stride, from->col_stride, buffer, 1, ld);
    for (int64_t j = 0; j < w_round_up64(from->cols, B); j++) {
        const int64_t rows = j < from->cols ? from->rows : 0;
        memset((char *)buffer + (j * ld + rows) * size, 0, (size_t)((ld - rows) * size));
    }
}

void w_qr_store(const void *buffer, int64_t ld, const weir_matrix *to)
{
    copy(w_qr_size(to), to->rows, to->cols, buffer, 1, ld, to->data, to->row_stride, to->col_stride);
}

void w_qr_store_upper(const void *buffer, int64_t ld, const weir_matrix *to, bool zeros)
{
    const int size = w_qr_size(to);
    for (int64_t j = 0; j < to->cols; j++) {
        for (int64_t i = 0; i < to->rows && (zeros || i <= j); i++) {
            w_qr_put(size, to->data, i * to->row_stride + j * to->col_stride,
                     i <= j ? w_qr_get(size, buffer, i + j * ld) : 0.0);
        }
    }
}

void w_qr_ask(const weir_matrix *next, int64_t from, int64_t to, int64_t of)
{
    const int64_t size = w_qr_size(next);
    const bool by_rows = next->col_stride == 1;
    const int64_t outer = by_rows ? next->rows : next->cols, length = (by_rows ? next->cols : next->rows) * size;
    const int64_t step = (by_rows ? next->row_stride : next->col_stride) * size;
    if (!by_rows && next->row_stride != 1) {
        return;
    }
    for (int64_t o = outer * from / of; o < w_min64(outer, outer * to / of); o++) {
        const char *line = (const char *)next->data + o * step;
        for (int64_t i = 0; i < length; i += 64) {
            __builtin_prefetch(line + i, 0, 2);
        }
    }
}

/* ---- the panel ----------------------------------------------------------------------------------------------------- */

void w_qr_panel_factor(const w_reflector *k, int64_t rows, int64_t columns, void *a, int64_t ld, void *tau,
                       void *t8, void *vh8)
{
    const int64_t padded = w_round_up64(rows, B), wide = w_round_up64(columns, B);
    char *base = a;
    for (int64_t j = 0; j < wide && j < padded; j += B) {
        char *head = base + (j + j * ld) * k->size, *below = head + (int64_t)B * k->size;
        char *t = (char *)t8 + j * B * k->size, *vh = (char *)vh8 + j * B * k->size;
        char *next = head + B * ld * k->size;
        w_reflector_factor(k, padded - j - B, head, ld, below, ld, (char *)tau + j * k->size, t, vh);
        w_reflector_apply(k, true, t, vh, padded - j - B, below, ld, wide - j - B, next, ld,
                          next + (int64_t)B * k->size, ld);
    }
}

/* ---- powers of two ------------------------------------------------------------------------------------------------- */

bool w_qr_moderate(int size, double largest)
{
    return largest == 0.0 || !isfinite(largest) ||
           (size == 4 ? largest >= 0x1p-40 && largest <= 0x1p40 : largest >= 0x1p-400 && largest <= 0x1p400);
}

bool w_qr_powers(const w_reflector *k, int64_t rows, int64_t columns, const void *buffer, int64_t ld,
                 int32_t *power)
{
    bool any = false;
    for (int64_t j = 0; j < columns; j++) {
        const double largest = k->largest(rows, (const char *)buffer + j * ld * k->size);
        int exponent = 0;
        if (!w_qr_moderate(k->size, largest)) {
            frexp(largest, &exponent);
            any = true;
        }
        power[j] = -exponent;
    }
    return any;
}

void w_qr_scale(int size, int64_t rows, int64_t columns, void *buffer, int64_t ld, const int32_t *power, int sign,
                bool upper)
{
    for (int64_t j = 0; j < columns; j++) {
        const int64_t end = upper ? w_min64(rows, j + 1) : rows;
        for (int64_t i = 0; power[j] != 0 && i < end; i++) {
            w_qr_put(size, buffer, i + j * ld, ldexp(w_qr_get(size, buffer, i + j * ld), sign * power[j]));
        }
    }
}
