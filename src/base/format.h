/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_BASE_FORMAT_H
#define W_BASE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Large enough for every result of w_format_bytes. */
#define W_FORMAT_BYTES 32

/* "512 B", "1.5 MiB", "unlimited" (INT64_MAX), always with a decimal point. Returns `text`. */
const char *w_format_bytes(char text[W_FORMAT_BYTES], int64_t bytes);
/* The same rounded up: w_parse_bytes of the result is at least `bytes`. */
const char *w_format_bytes_up(char text[W_FORMAT_BYTES], int64_t bytes);
/* Reads "64M", "1.5G", "800 KiB", "123456": factor 1024, K M G T with optional iB or B in either case.
 * Locale-independent. 0 on success; -1 when the text is not a size or does not fit. */
int w_parse_bytes(const char *text, int64_t *out);
/* Reads a plain decimal number ("-1.5e3"), correctly rounded, with a point whatever the locale; the whole text must be used,
 * of at most 400 bytes. 0 on success, else -1. */
int w_parse_double(const char *text, size_t length, double *out);

#endif
