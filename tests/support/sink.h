/* SPDX-License-Identifier: Apache-2.0 */
/* A writer that keeps what it is given, and comparison with a committed file. */
#ifndef WEIR_TESTS_SUPPORT_SINK_H
#define WEIR_TESTS_SUPPORT_SINK_H

#include <stddef.h>

typedef struct sink {
    char *text; /* terminated */
    size_t length, capacity;
    size_t refuse_after; /* 0 = never; else non-zero is returned once more bytes than this came */
} sink;

int sink_write(void *user, const char *bytes, size_t size);
void sink_free(sink *s);
/* Fails the test when the text differs from tests/golden/NAME; what came is then left in TMPDIR or /tmp as
 * golden.NAME for a look and, if it is right, a copy. */
void sink_matches(const sink *s, const char *name);

#endif
