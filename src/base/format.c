/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and numbers as text and back. strtod and printf("%f") obey the locale, so digits are handled here and in number.c. */
#include "base/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"

#define NUMBER_BYTES 400 /* longest text of a number: more than any binary64 has digits before its point */

const char *w_format_bytes(char text[W_FORMAT_BYTES], int64_t bytes)
{
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (bytes == INT64_MAX) {
        return strcpy(text, "unlimited");
    }
    const char *sign = bytes < 0 ? "-" : "";
    uint64_t size = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
    int step = 0;
    uint64_t scale = 1;
    while (step < 6 && size / scale >= 1024) {
        scale *= 1024;
        step++;
    }
    uint64_t whole = size / scale;
    uint64_t tenth = scale >= 10 ? (size % scale) / (scale / 10) : 0;
    if (tenth > 9) {
        tenth = 9;
    }
    if (step == 0) {
        snprintf(text, W_FORMAT_BYTES, "%s%" PRIu64 " B", sign, whole);
    } else {
        snprintf(text, W_FORMAT_BYTES, "%s%" PRIu64 ".%" PRIu64 " %s", sign, whole, tenth, unit[step]);
    }
    return text;
}

const char *w_format_bytes_up(char text[W_FORMAT_BYTES], int64_t bytes)
{
    int64_t scale = 1;
    while (scale < (int64_t)1 << 40 && bytes / scale >= 1024) {
        scale *= 1024;
    }
    int64_t whole = bytes / scale, rest = bytes % scale, tenths = (rest * 10 + scale - 1) / scale;
    if (scale == 1 || bytes == INT64_MAX) {
        return w_format_bytes(text, bytes);
    }
    static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB" };
    int step = scale == 1024 ? 0 : scale == 1048576 ? 1 : scale == 1073741824 ? 2 : 3;
    snprintf(text, W_FORMAT_BYTES, "%" PRId64 ".%" PRId64 " %s", whole + tenths / 10, tenths % 10, unit[step]);
    return text;
}

int w_parse_double(const char *text, size_t length, double *out)
{
    char copy[NUMBER_BYTES + 1 + W_NUMBER_SLACK] = { 0 };
    double value;
    if (length == 0 || length > NUMBER_BYTES) {
        return -1;
    }
    memcpy(copy, text, length);
    if (w_number_parse(copy, '.', &value) != copy + length) {
        return -1;
    }
    *out = value;
    return 0;
}

int w_parse_bytes(const char *text, int64_t *out)
{
    size_t used = strspn(text, "0123456789.");
    double value;
    if (used == 0 || w_parse_double(text, used, &value) != 0) {
        return -1;
    }
    const char *unit = text + used;
    while (*unit == ' ') {
        unit++;
    }
    static const char letters[] = "KMGT";
    double scale = 1.0;
    if (*unit != '\0' && strcasecmp(unit, "B") != 0) {
        const char *letter = strchr(letters, *unit >= 'a' && *unit <= 'z' ? *unit - 'a' + 'A' : *unit);
        if (!letter || (unit[1] != '\0' && strcasecmp(unit + 1, "B") != 0 && strcasecmp(unit + 1, "iB") != 0)) {
            return -1;
        }
        scale = ldexp(1.0, 10 * (int)(letter - letters + 1));
    }
    if (!(value * scale < 9.2e18)) {
        return -1;
    }
    *out = (int64_t)(value * scale);
    return 0;
}
