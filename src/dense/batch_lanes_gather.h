/* SPDX-License-Identifier: Apache-2.0 */
/* Between matrices that lie one after the other and a group of lanes. Where elements follow one another in memory (rows of a
 * row-major, columns of a column-major matrix) 16 bytes of every lane are read at a time: a register holds those of every
 * 16 / size-th lane, and transposing within its quarters gives one vector per element. */
#include "dense/batch_kernels.h"
#include "dense/batch_lanes.h"

#define CHUNK (16 / (int)sizeof(real)) /* elements */

#if defined W_LANES_AVX512 && W_LANES_FLOAT
LANES_INLINE __m512 chunk_load(real *const *p, int64_t at, int a, __mmask8 m)
{
#define PIECE(t) _mm_maskz_loadu_ps(m, p[a + 4 * (t)] + at)
    __m512 r = _mm512_castps128_ps512(PIECE(0));
    r = _mm512_insertf32x4(r, PIECE(1), 1);
    r = _mm512_insertf32x4(r, PIECE(2), 2);
    return _mm512_insertf32x4(r, PIECE(3), 3);
#undef PIECE
}
LANES_INLINE void chunk_store(real *const *p, int64_t at, int a, __mmask8 m, int count, __m512 r)
{
#define PIECE(t)                                                                         \
    if (a + 4 * (t) < count) {                                                           \
        _mm_mask_storeu_ps(p[a + 4 * (t)] + at, m, _mm512_extractf32x4_ps(r, t));        \
    }
    PIECE(0) PIECE(1) PIECE(2) PIECE(3)
#undef PIECE
}
typedef __mmask8 few;
LANES_INLINE few few_of(int64_t count) { return (few)((1u << count) - 1u); }
LANES_INLINE void turn(vec *x)
{
    __m512 a = _mm512_unpacklo_ps(x[0], x[1]), b = _mm512_unpackhi_ps(x[0], x[1]);
    __m512 c = _mm512_unpacklo_ps(x[2], x[3]), d = _mm512_unpackhi_ps(x[2], x[3]);
    x[0] = _mm512_shuffle_ps(a, c, 0x44);
    x[1] = _mm512_shuffle_ps(a, c, 0xee);
    x[2] = _mm512_shuffle_ps(b, d, 0x44);
    x[3] = _mm512_shuffle_ps(b, d, 0xee);
}
#elif defined W_LANES_AVX512
LANES_INLINE __m512d chunk_load(real *const *p, int64_t at, int a, __mmask8 m)
{
#define PIECE(t) _mm_maskz_loadu_pd(m, p[a + 2 * (t)] + at)
    __m512d r = _mm512_castpd128_pd512(PIECE(0));
    r = _mm512_insertf64x2(r, PIECE(1), 1);
    r = _mm512_insertf64x2(r, PIECE(2), 2);
    return _mm512_insertf64x2(r, PIECE(3), 3);
#undef PIECE
}
LANES_INLINE void chunk_store(real *const *p, int64_t at, int a, __mmask8 m, int count, __m512d r)
{
#define PIECE(t)                                                                         \
    if (a + 2 * (t) < count) {                                                           \
        _mm_mask_storeu_pd(p[a + 2 * (t)] + at, m, _mm512_extractf64x2_pd(r, t));        \
    }
    PIECE(0) PIECE(1) PIECE(2) PIECE(3)
#undef PIECE
}
typedef __mmask8 few;
LANES_INLINE few few_of(int64_t count) { return (few)((1u << count) - 1u); }
LANES_INLINE void turn(vec *x)
{
    __m512d a = _mm512_unpacklo_pd(x[0], x[1]);
    x[1] = _mm512_unpackhi_pd(x[0], x[1]);
    x[0] = a;
}
#elif defined W_LANES_AVX2 && W_LANES_FLOAT
typedef __m128i few;
LANES_INLINE few few_of(int64_t count)
{
    return _mm_cmpgt_epi32(_mm_set1_epi32((int)count), _mm_setr_epi32(0, 1, 2, 3));
}
LANES_INLINE __m256 chunk_load(real *const *p, int64_t at, int a, few m)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_maskload_ps(p[a] + at, m)), _mm_maskload_ps(p[a + 4] + at, m), 1);
}
LANES_INLINE void chunk_store(real *const *p, int64_t at, int a, few m, int count, __m256 r)
{
    if (a < count) {
        _mm_maskstore_ps(p[a] + at, m, _mm256_castps256_ps128(r));
    }
    if (a + 4 < count) {
        _mm_maskstore_ps(p[a + 4] + at, m, _mm256_extractf128_ps(r, 1));
    }
}
LANES_INLINE void turn(vec *x)
{
    __m256 a = _mm256_unpacklo_ps(x[0], x[1]), b = _mm256_unpackhi_ps(x[0], x[1]);
    __m256 c = _mm256_unpacklo_ps(x[2], x[3]), d = _mm256_unpackhi_ps(x[2], x[3]);
    x[0] = _mm256_shuffle_ps(a, c, 0x44);
    x[1] = _mm256_shuffle_ps(a, c, 0xee);
    x[2] = _mm256_shuffle_ps(b, d, 0x44);
    x[3] = _mm256_shuffle_ps(b, d, 0xee);
}
#elif defined W_LANES_AVX2
typedef __m128i few;
LANES_INLINE few few_of(int64_t count) { return _mm_cmpgt_epi64(_mm_set1_epi64x(count), _mm_set_epi64x(1, 0)); }
LANES_INLINE __m256d chunk_load(real *const *p, int64_t at, int a, few m)
{
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_maskload_pd(p[a] + at, m)), _mm_maskload_pd(p[a + 2] + at, m), 1);
}
LANES_INLINE void chunk_store(real *const *p, int64_t at, int a, few m, int count, __m256d r)
{
    if (a < count) {
        _mm_maskstore_pd(p[a] + at, m, _mm256_castpd256_pd128(r));
    }
    if (a + 2 < count) {
        _mm_maskstore_pd(p[a + 2] + at, m, _mm256_extractf128_pd(r, 1));
    }
}
LANES_INLINE void turn(vec *x)
{
    __m256d a = _mm256_unpacklo_pd(x[0], x[1]);
    x[1] = _mm256_unpackhi_pd(x[0], x[1]);
    x[0] = a;
}
#else
typedef int64_t few;
LANES_INLINE few few_of(int64_t count) { return count; }
LANES_INLINE vec chunk_load(real *const *p, int64_t at, int a, few m)
{
    vec r = v_set(0);
    for (int64_t e = 0; e < m; e++) {
        r[e] = p[a][at + e];
    }
    return r;
}
LANES_INLINE void chunk_store(real *const *p, int64_t at, int a, few m, int count, vec r)
{
    for (int64_t e = 0; a < count && e < m; e++) {
        p[a][at + e] = r[e];
    }
}
LANES_INLINE void turn(vec *x)
{
    vec y[CHUNK];
    for (int e = 0; e < CHUNK; e++) {
        for (int a = 0; a < CHUNK; a++) {
            y[e][a] = x[a][e];
        }
    }
    memcpy(x, y, sizeof y);
}
#endif

/* A whole line of 64 bytes of every lane at a time, where there is one: matrices a power of two apart share a set of the first
 * cache, which has fewer ways than there are lanes. x[l] holds line l, and element l of all lines afterwards. */
#if defined W_LANES_AVX512 && W_LANES_FLOAT
#define LINE 16
LANES_INLINE void turn_line(vec *x)
{
    for (int a = 0; a < 16; a += 4) {
        turn(x + a);
    }
    for (int e = 0; e < 4; e++) { /* quarter q of x[4 b + e] is the place of element 4 q + e of lanes 4 b … */
        const vec a = _mm512_shuffle_f32x4(x[e], x[4 + e], 0x44), b = _mm512_shuffle_f32x4(x[8 + e], x[12 + e], 0x44);
        const vec c = _mm512_shuffle_f32x4(x[e], x[4 + e], 0xee), d = _mm512_shuffle_f32x4(x[8 + e], x[12 + e], 0xee);
        x[e] = _mm512_shuffle_f32x4(a, b, 0x88);
        x[4 + e] = _mm512_shuffle_f32x4(a, b, 0xdd);
        x[8 + e] = _mm512_shuffle_f32x4(c, d, 0x88);
        x[12 + e] = _mm512_shuffle_f32x4(c, d, 0xdd);
    }
}
#elif defined W_LANES_AVX512
#define LINE 8
LANES_INLINE void turn_line(vec *x)
{
    for (int a = 0; a < 8; a += 2) {
        turn(x + a);
    }
    for (int e = 0; e < 2; e++) {
        const vec a = _mm512_shuffle_f64x2(x[e], x[2 + e], 0x44), b = _mm512_shuffle_f64x2(x[4 + e], x[6 + e], 0x44);
        const vec c = _mm512_shuffle_f64x2(x[e], x[2 + e], 0xee), d = _mm512_shuffle_f64x2(x[4 + e], x[6 + e], 0xee);
        x[e] = _mm512_shuffle_f64x2(a, b, 0x88);
        x[2 + e] = _mm512_shuffle_f64x2(a, b, 0xdd);
        x[4 + e] = _mm512_shuffle_f64x2(c, d, 0x88);
        x[6 + e] = _mm512_shuffle_f64x2(c, d, 0xdd);
    }
}
#endif

/* Elements first … last - 1 of a run of neighbours. */
typedef struct span { int64_t first, last; } span;

LANES_INLINE span span_of(const w_lane_views *v, bool by_rows, int64_t run, int64_t length)
{
    if (v->part == W_TRIANGLE_FULL) {
        return (span){ 0, length };
    }
    if ((v->part == W_TRIANGLE_LOWER) == by_rows) { /* up to the diagonal */
        return (span){ 0, run + 1 < length ? run + 1 : length };
    }
    return (span){ run < length ? run : length, length };
}

LANES_INLINE void run_in(real *const *p, int64_t at, span part, real *out, int64_t step)
{
    int64_t f = part.first;
#if defined LINE
    for (; f + LINE <= part.last; f += LINE) {
        vec x[LINE];
        for (int l = 0; l < LINE; l++) {
            x[l] = v_load(p[l] + at + f);
        }
        turn_line(x);
        for (int e = 0; e < LINE; e++) {
            v_store(AT(out, (f + e) * step), x[e]);
        }
    }
#endif
    for (; f < part.last; f += CHUNK) {
        const int64_t count = part.last - f < CHUNK ? part.last - f : CHUNK;
        const few m = few_of(count);
        vec x[CHUNK];
        for (int a = 0; a < CHUNK; a++) {
            x[a] = chunk_load(p, at + f, a, m);
        }
        turn(x);
        for (int e = 0; e < CHUNK; e++) {
            if (e < count) {
                v_store(AT(out, (f + e) * step), x[e]);
            }
        }
    }
}

/* Whether lanes lie so that their lines share a few sets of the first cache. Pieces of 16 bytes are quicker where they do not. */
static bool crowded(const w_lane_views *to)
{
    if (!W_LANES_FLOAT || to->count < 2) {
        return true;
    }
    const uintptr_t apart = (uintptr_t)to->lane[1] - (uintptr_t)to->lane[0];
    return apart % 2048 == 0;
}

LANES_INLINE void run_out(real *const *p, int count, int64_t at, span part, const real *in, int64_t step, bool lines)
{
    int64_t f = part.first;
    (void)lines;
#if defined LINE
    for (; lines && f + LINE <= part.last; f += LINE) {
        vec x[LINE];
        for (int e = 0; e < LINE; e++) {
            x[e] = v_load(AT(in, (f + e) * step));
        }
        turn_line(x);
        for (int l = 0; l < LINE && l < count; l++) {
            v_store(p[l] + at + f, x[l]);
        }
    }
#endif
    for (; f < part.last; f += CHUNK) {
        const int64_t left = part.last - f < CHUNK ? part.last - f : CHUNK;
        vec x[CHUNK];
        for (int e = 0; e < CHUNK; e++) {
            x[e] = v_load(AT(in, (f + (e < left ? e : 0)) * step));
        }
        turn(x);
        const few m = few_of(left);
        for (int a = 0; a < CHUNK; a++) {
            chunk_store(p, at + f, a, m, count, x[a]);
        }
    }
}

static bool in_part(const w_lane_views *v, int64_t i, int64_t j)
{
    return v->part == W_TRIANGLE_FULL || (v->part == W_TRIANGLE_LOWER ? i >= j : i <= j);
}

static void gather(const w_lane_views *from, void *group, int64_t gi, int64_t gj)
{
    real *out = group, *lane[GROUP];
    const bool by_rows = from->col_stride == 1, runs = by_rows || from->row_stride == 1;
    const int64_t outer = by_rows ? from->rows : from->cols, length = by_rows ? from->cols : from->rows;
    const int64_t stride = by_rows ? from->row_stride : from->col_stride;
    for (int l = 0; l < GROUP; l++) {
        lane[l] = from->lane[l < from->count ? l : 0];
    }
    if (runs) {
        for (int64_t s = 0; s < outer; s++) {
            const span part = span_of(from, by_rows, s, length);
            EACH_PART(l) {
                run_in(lane + l, s * stride, part, AT(out, s * (by_rows ? gi : gj)) + l, by_rows ? gj : gi);
            }
        }
        return;
    }
    for (int64_t j = 0; j < from->cols; j++) {
        for (int64_t i = 0; i < from->rows; i++) {
            for (int l = 0; l < GROUP && in_part(from, i, j); l++) {
                AT(out, i * gi + j * gj)[l] = lane[l][i * from->row_stride + j * from->col_stride];
            }
        }
    }
}

static void scatter(const w_lane_views *to, const void *group, int64_t gi, int64_t gj)
{
    const real *in = group;
    const bool by_rows = to->col_stride == 1, runs = by_rows || to->row_stride == 1;
    const int64_t outer = by_rows ? to->rows : to->cols, length = by_rows ? to->cols : to->rows;
    const int64_t stride = by_rows ? to->row_stride : to->col_stride;
    const bool lines = crowded(to);
    real *lane[GROUP];
    for (int l = 0; l < GROUP; l++) {
        lane[l] = to->lane[l < to->count ? l : 0];
    }
    if (runs) {
        for (int64_t s = 0; s < outer; s++) {
            const span part = span_of(to, by_rows, s, length);
            EACH_PART(l) {
                run_out(lane + l, to->count - l, s * stride, part, AT(in, s * (by_rows ? gi : gj)) + l, by_rows ? gj : gi,
                        lines);
            }
        }
        return;
    }
    for (int64_t j = 0; j < to->cols; j++) {
        for (int64_t i = 0; i < to->rows; i++) {
            for (int l = 0; l < to->count && in_part(to, i, j); l++) {
                lane[l][i * to->row_stride + j * to->col_stride] = AT(in, i * gi + j * gj)[l];
            }
        }
    }
}
