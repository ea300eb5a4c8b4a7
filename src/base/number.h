/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers to binary64, correctly rounded (to nearest, ties to even), whatever the locale. */
#ifndef W_BASE_NUMBER_H
#define W_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that must be readable after the byte which ends a number. */
#define W_NUMBER_SLACK 8

/* [+-] digits [decimal digits] [e [+-] digits], at least one digit before the exponent. Reads from `text` as far as
 * that goes and returns the byte after it, or NULL when no number stands there. An exponent without digits is not
 * part of the number. Overflow gives infinity, underflow zero or a subnormal. The text needs no terminator but a byte
 * that cannot continue a number, and W_NUMBER_SLACK readable bytes after that. */
const char *w_number_parse(const char *text, char decimal, double *value);

/* The whole of text[0 … length-1] as a number, "inf", "infinity" or "nan" (any case, optional sign), blanks around it
 * ignored. text[length] must not continue a number; W_NUMBER_SLACK bytes after it are readable. False = not a number. */
bool w_number_field(const char *text, size_t length, char decimal, double *value);

#define W_NUMBER_TEXT_BYTES 32
/* The shortest text of at most 17 digits that reads back as `value`, integers below 1e15 without exponent:
 * "3", "-0.25", "1e+30". NaN gives "NaN". */
void w_number_text(double value, char text[W_NUMBER_TEXT_BYTES]);

/* 5^q for q = W_POWER_LEAST … W_POWER_MOST as the leading 128 bits (bit 127 set): [0] high, [1] low word. Rounded up
 * for -27 <= q < 0, else truncated. Written by tools/number_powers.py. */
#define W_POWER_LEAST (-342)
#define W_POWER_MOST 308
extern const uint64_t w_number_powers[W_POWER_MOST - W_POWER_LEAST + 1][2];

#endif
