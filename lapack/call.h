/* SPDX-License-Identifier: Apache-2.0 */
/* What the routines under LAPACK's names share. Their contract is LAPACK's (netlib 3.11): column-major, arguments by address, checked
 * in LAPACK's order, the first bad one k reported as info = -k and to xerbla_; lwork = -1 asks for the workspace. ilaenv_ and
 * xerbla_ are those of the process, so that its own are called. What LAPACK's workspace does not hold comes from the heap.
 *
 * One call at a time has the threads of the process, those beside it run on their own thread. */
#ifndef WEIR_LAPACK_CALL_H
#define WEIR_LAPACK_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blas.h"
#include "base/ctx.h"
#include "base/size.h"
#include "dense/strided.h"

#define EXPORT __attribute__((visibility("default")))

typedef w_blas_int integer;

/* Lengths of texts come last and by value in Fortran's calls; C may leave them out, and these routines do not ask for theirs. */
void xerbla_(const char *name, const integer *argument, size_t length);
integer ilaenv_(const integer *spec, const char *name, const char *options, const integer *n1, const integer *n2, const integer *n3,
                const integer *n4, size_t name_length, size_t options_length);

/* A context for the time of a call: `own` where another thread has the shared one. */
typedef struct call {
    weir_ctx *ctx;
    weir_ctx own;
    bool shared;
} call;

void call_begin(call *c);
void call_end(call *c);
/* 64-byte aligned; NULL when there is none left. */
void *call_room(call *c, int64_t bytes);
void call_room_free(call *c, void *room);

/* Tells xerbla_ of argument -*info of a routine of six letters. */
void call_refuse(const char *name, const integer *info);
/* Block size of a routine by ilaenv_. */
integer call_block(const char *name, const char *options, integer n1, integer n2, integer n3, integer n4);

/* The letter, whatever its case. */
static inline bool call_letter(const char *text, char letter) { return (text[0] & ~0x20) == letter; }
static inline integer call_least(integer a, integer b) { return a < b ? a : b; }
static inline integer call_most(integer a, integer b) { return a > b ? a : b; }

static inline weir_matrix call_view(const void *data, weir_dtype dtype, int64_t rows, int64_t cols, int64_t ld)
{
    return (weir_matrix){ (void *)data, dtype, rows, cols, 1, ld };
}

#endif
