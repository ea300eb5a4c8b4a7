/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/face.h"

#include <string.h>

#include "base/ctx.h"
#include "base/ledger.h"
#include "base/size.h"

#define TAG "face"

/* The first column of a term that has a sign, or the column after its last. */
static int64_t first_signed(const w_term *term)
{
    const bool smooth = term->kind == W_TERM_SMOOTH && term->smooth != NULL;
    return smooth && term->columns == term->smooth->columns ? term->first + w_smooth_signed(term->smooth)
                                                            : term->first + term->columns;
}

int64_t w_face_signed(const w_design *design, int64_t *column)
{
    int64_t count = 0;
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        for (int64_t c = first_signed(term); c < term->first + term->columns; c++, count++) {
            if (column != NULL) {
                column[count] = c;
            }
        }
    }
    return count;
}

static weir_status measure(w_face *face, const w_design *design)
{
    weir_status status = WEIR_OK;
    for (int j = 0; j < design->penalty_count; j++) {
        face->rank[j] = -1;
    }
    for (int t = 0; t < design->term_count && status >= 0; t++) {
        const w_term *term = &design->term[t];
        const int j = term->penalty_first;
        if (term->penalty_count == 1 && first_signed(term) < term->first + term->columns) {
            status = w_smooth_face(face->ctx, term->smooth, face->fixed + term->first, &face->rank[j], &face->log_det[j]);
        }
    }
    return status;
}

weir_status w_face_create(weir_ctx *ctx, const w_design *design, const uint8_t *fixed, w_face **out)
{
    const size_t p = (size_t)design->p, count = (size_t)design->penalty_count;
    w_face *face = w_calloc(ctx, TAG, 1, sizeof *face);
    if (face == NULL) {
        return w_alloc_status(ctx);
    }
    face->ctx = ctx;
    face->fixed = w_alloc_array(ctx, TAG, p + 1, 1);
    face->rank = w_alloc_array(ctx, TAG, count + 1, sizeof *face->rank);
    face->log_det = w_calloc(ctx, TAG, count + 1, sizeof *face->log_det);
    weir_status status = face->fixed && face->rank && face->log_det ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        memcpy(face->fixed, fixed, p);
        for (size_t i = 0; i < p; i++) {
            face->fixed_count += fixed[i] != 0;
        }
        status = measure(face, design);
    }
    if (status < 0) {
        w_face_free(face);
        return status;
    }
    *out = face;
    return WEIR_OK;
}

void w_face_free(w_face *face)
{
    if (face != NULL) {
        weir_ctx *ctx = face->ctx;
        w_free(ctx, face->fixed);
        w_free(ctx, face->rank);
        w_free(ctx, face->log_det);
        w_free(ctx, face);
    }
}

int64_t w_face_bytes(const w_design *design)
{
    int64_t widest = 0;
    for (int t = 0; t < design->term_count; t++) {
        if (first_signed(&design->term[t]) < design->term[t].first + design->term[t].columns) {
            widest = w_max64(widest, design->term[t].columns + 1);
        }
    }
    /* the arrays, and the largest face measured: a basis, its penalty, eigenvalues with their workspace */
    int64_t arrays = w_add64(w_mul64(design->p, 1), w_mul64(design->penalty_count + 1, 16));
    return w_add64(w_add64(arrays, 8192), w_mul64(w_add64(w_mul64(4 * widest, widest), 64 * widest), sizeof(double)));
}
