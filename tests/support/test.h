/* SPDX-License-Identifier: Apache-2.0 */
/* What every test starts from: cmocka with its prerequisites, a context, seeded numbers and the memory fault driver. */
#ifndef WEIR_TESTS_SUPPORT_TEST_H
#define WEIR_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "weir/context.h"

/* A context with this many threads and bytes of budget (0 = 1 GiB); fails the test when it cannot be made.
 * `state` is unused: it lets a test pass its own. */
weir_ctx *test_ctx(void *state, int threads, int64_t budget);

/* Runs fn with the k-th allocation failing, for k = 1, 2, … until a run meets no failure. Every run that met one must
 * return WEIR_E_MEMORY or WEIR_E_BUDGET, or succeed by another route, with a message when it is an error, and bytes and
 * blocks in use back where they were. `fn` must free what it makes. Returns the number of allocations of fn. */
typedef weir_status (*test_fallible_fn)(weir_ctx *ctx, void *arg);
int64_t test_each_allocation_fails(weir_ctx *ctx, test_fallible_fn fn, void *arg);
/* The same for long computations: only k = first, first + stride, … */
int64_t test_some_allocations_fail(weir_ctx *ctx, test_fallible_fn fn, void *arg, int64_t first, int64_t stride);

#endif
