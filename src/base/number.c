/* SPDX-License-Identifier: Apache-2.0 */
/* A decimal text is w * 10^q with an integer w of at most 19 digits, or starts with such a w.
 *
 *   1. w <= 2^53 and |q| <= 22: w and 10^|q| are exact doubles, so one multiplication or division rounds once
 *      (Clinger 1990).
 *   2. Otherwise w, shifted so that its top bit is set, times the leading 128 bits of 5^q gives the top of the product;
 *      55 bits of it decide the rounding unless they lie too near a tie (Eisel & Lemire; Lemire, "Number parsing at a
 *      gigabyte per second", 2021).
 *   3. More than 19 digits: w <= value < w+1 (units of 10^q); when both ends round alike, that is the answer.
 *   4. What is left goes to strtod as digits and exponent without a decimal point, so the locale has no say. 768
 *      digits decide every binary64; a non-zero digit after them is kept as one sticky digit. */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DIGITS 19
#define EXPONENT_CLAMP 100000
#define STRTOD_DIGITS 770

__extension__ typedef unsigned __int128 uint128;

static bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

static double from_bits(uint64_t mantissa, int32_t exponent)
{
    uint64_t bits = mantissa | (uint64_t)exponent << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Steps 1 and 2 for a positive value; false = undecided. */
static bool round_product(uint64_t w, int64_t q, double *value)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (w <= (uint64_t)1 << 53 && q >= -22 && q <= 22) {
        *value = q < 0 ? (double)w / exact[-q] : (double)w * exact[q];
        return true;
    }
    if (w == 0 || q < W_POWER_LEAST) {
        *value = 0.0;
        return true;
    }
    if (q > W_POWER_MOST) {
        *value = HUGE_VAL;
        return true;
    }
    int leading = __builtin_clzll(w);
    w <<= leading;
    const uint64_t *power = w_number_powers[q - W_POWER_LEAST];
    uint128 first = (uint128)w * power[0];
    uint64_t high = (uint64_t)(first >> 64), low = (uint64_t)first;
    if ((high & 0x1ff) == 0x1ff) { /* the bits below the 55 wanted are all ones: a carry may come */
        uint64_t carry = (uint64_t)((uint128)w * power[1] >> 64);
        low += carry;
        high += low < carry;
        if (low == UINT64_MAX && (q < -27 || q > 55)) {
            return false;
        }
    }
    int upper = (int)(high >> 63);
    int shift = upper + 64 - 52 - 3;
    uint64_t mantissa = high >> shift;
    int32_t exponent = (int32_t)((217706 * q) >> 16) + 63 + upper - leading + 1023;
    if (exponent <= 0) {
        if (-exponent + 1 >= 64) {
            *value = 0.0;
            return true;
        }
        mantissa >>= -exponent + 1;
        mantissa += mantissa & 1;
        mantissa >>= 1;
        *value = from_bits(mantissa, 0); /* 2^52 carries into the exponent field by itself */
        return true;
    }
    /* An exact tie is possible only for small |q|: then round to even, not up. */
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high) {
        mantissa &= ~(uint64_t)1;
    }
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)2 << 52) {
        mantissa = (uint64_t)1 << 52;
        exponent++;
    }
    mantissa &= ~((uint64_t)1 << 52);
    *value = exponent >= 0x7ff ? HUGE_VAL : from_bits(mantissa, exponent);
    return true;
}

/* Step 4: the significant digits between `text` and `end`, with the value (digits) * 10^q. */
static double round_long(const char *text, const char *end, int64_t q)
{
    char copy[STRTOD_DIGITS + 32];
    size_t length = 0;
    bool sticky = false, started = false;
    for (; text < end; text++) {
        if (!is_digit(*text)) {
            continue;
        }
        started |= *text != '0';
        if (!started) {
            continue;
        }
        if (length < STRTOD_DIGITS) {
            copy[length++] = *text;
        } else {
            sticky |= *text != '0';
            q++;
        }
    }
    if (sticky) {
        copy[length++] = '1';
        q--;
    }
    snprintf(copy + length, sizeof copy - length, "e%lld", (long long)q);
    return strtod(copy, NULL);
}

/* Steps 3 and 4: more than 19 digits stand between text and end. q is the exponent of the last of them. */
static double parse_long(const char *text, const char *end, int64_t q)
{
    uint64_t w = 0;
    int significant = 0;
    int64_t dropped = 0;
    for (const char *p = text; p < end; p++) {
        if (!is_digit(*p)) {
            continue;
        }
        if (significant == MOST_DIGITS) {
            dropped++;
        } else if (significant > 0 || *p != '0') {
            w = 10 * w + (uint64_t)(*p - '0');
            significant++;
        }
    }
    double low, high;
    bool decided = round_product(w, q + dropped, &low);
    if (dropped == 0 && decided) {
        return low;
    }
    if (decided && round_product(w + 1, q + dropped, &high) && low == high) {
        return low;
    }
    return round_long(text, end, q);
}

static bool eight_digits(const char *p, uint64_t *word)
{
    memcpy(word, p, 8);
    uint64_t v = *word;
    return (((v + 0x4646464646464646u) | (v - 0x3030303030303030u)) & 0x8080808080808080u) == 0;
}

/* Eight digits, first in the lowest byte: pairs, then fours, then eight. */
static uint32_t eight_digits_value(uint64_t v)
{
    v -= 0x3030303030303030u;
    v = v * 10 + (v >> 8);
    v = ((v & 0x000000ff000000ffu) * 0x000f424000000064u +
         ((v >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
        32;
    return (uint32_t)v;
}

static const char *parse_exponent(const char *p, int64_t *exponent)
{
    const char *digit = p + 1;
    bool negative = *digit == '-';
    if (negative || *digit == '+') {
        digit++;
    }
    if (!is_digit(*digit)) {
        return p;
    }
    int64_t value = 0;
    for (; is_digit(*digit); digit++) {
        if (value < EXPONENT_CLAMP) {
            value = 10 * value + (*digit - '0');
        }
    }
    *exponent += negative ? -value : value;
    return digit;
}

static const char *scan_digits(const char *p, uint64_t *w)
{
    uint64_t value = *w;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    while (eight_digits(p, &word)) {
        value = value * 100000000u + eight_digits_value(word);
        p += 8;
    }
#endif
    for (; is_digit(*p); p++) {
        value = 10 * value + (uint64_t)(*p - '0');
    }
    *w = value;
    return p;
}

const char *w_number_parse(const char *text, char decimal, double *value)
{
    const char *p = text;
    bool negative = *p == '-';
    if (negative || *p == '+') {
        p++;
    }
    const char *start = p;
    uint64_t w = 0;
    for (; is_digit(*p); p++) {
        w = 10 * w + (uint64_t)(*p - '0');
    }
    int64_t digits = p - start, exponent = 0;
    if (*p == decimal) {
        const char *fraction = ++p;
        p = scan_digits(p, &w);
        exponent = fraction - p;
        digits += p - fraction;
    }
    if (digits == 0) {
        return NULL;
    }
    const char *end = p;
    if (*p == 'e' || *p == 'E') {
        p = parse_exponent(p, &exponent);
    }
    double magnitude;
    if (digits > MOST_DIGITS) {
        magnitude = parse_long(start, end, exponent);
    } else if (!round_product(w, exponent, &magnitude)) {
        magnitude = round_long(start, end, exponent);
    }
    *value = negative ? -magnitude : magnitude;
    return p;
}

static bool same_word(const char *text, size_t length, const char *word)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] == 0 || (text[i] | 0x20) != word[i]) {
                return false;
            }
    }
    return word[length] == 0;
}

bool w_number_field(const char *text, size_t length, char decimal, double *value)
{
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    if (length == 0) {
        return false;
    }
    const char *end = w_number_parse(text, decimal, value);
    if (end) {
        return end == text + length;
    }
    bool negative = *text == '-';
    if (negative || *text == '+') {
        text++;
        length--;
    }
    if (same_word(text, length, "inf") || same_word(text, length, "infinity")) {
        *value = negative ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (!same_word(text, length, "nan")) {
        return false;
    }
    *value = NAN;
    return true;
}

/* "%e" of printf writes the locale's decimal point: only its digits and exponent are used. */
void w_number_text(double value, char text[W_NUMBER_TEXT_BYTES])
{
    if (isnan(value) || isinf(value)) {
        strcpy(text, isnan(value) ? "NaN" : value < 0 ? "-Inf" : "Inf");
        return;
    }
    if (value == (double)(int64_t)fmax(fmin(value, 1e15), -1e15)) {
        snprintf(text, W_NUMBER_TEXT_BYTES, "%lld", (long long)value);
        return;
    }
    char digit[24], printed[64], *out = text;
    int exponent = 0, count = 0;
    for (int precision = 14; precision <= 16; precision++) {
        double back;
        snprintf(printed, sizeof printed, "%.*e", precision, fabs(value));
        count = 0;
        const char *p = printed;
        for (; *p && *p != 'e'; p++) {
            if (is_digit(*p) && count < 17) {
                    digit[count++] = *p;
                }
        }
        exponent = *p ? atoi(p + 1) : 0;
        memcpy(printed, digit, (size_t)count);
        snprintf(printed + count, sizeof printed - (size_t)count, "e%d", exponent - count + 1);
        if (w_number_parse(printed, '.', &back) && back == fabs(value)) {
            break;
        }
    }
    while (count > 1 && digit[count - 1] == '0') {
        count--;
    }
    if (value < 0) {
        *out++ = '-';
    }
    bool plain = exponent >= -5 && exponent < 15;
    int before = plain && exponent >= 0 ? exponent + 1 : plain ? 0 : 1;
    if (before == 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = -1; i > exponent; i--) {
            *out++ = '0';
        }
    }
    for (int i = 0; i < count || i < before; i++) {
        if (i == before && i > 0) {
            *out++ = '.';
        }
        *out++ = i < count ? digit[i] : '0';
    }
    *out = 0;
    if (!plain) {
        snprintf(out, 8, "e%+03d", exponent);
    }
}
