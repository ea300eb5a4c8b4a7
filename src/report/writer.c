/* SPDX-License-Identifier: Apache-2.0 */
#include "report/writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void w_writer_init(w_writer *w, weir_ctx *ctx, weir_write_fn write, void *user)
{
    w->ctx = ctx;
    w->write = write;
    w->user = user;
    w->status = WEIR_OK;
    w->used = 0;
}

void w_writer_fail(w_writer *w, weir_status status)
{
    if (w->status == WEIR_OK) {
        w->status = status;
    }
}

static void deliver(w_writer *w, const char *bytes, size_t count)
{
    if (w->status == WEIR_OK && count > 0 && w->write(w->user, bytes, count) != 0) {
        w->status = w_fail(w->ctx, WEIR_E_IO, "cannot write the report: the output refused it (is the disk full?)");
    }
}

static void flush(w_writer *w)
{
    deliver(w, w->buffer, w->used);
    w->used = 0;
}

weir_status w_writer_finish(w_writer *w)
{
    flush(w);
    return w->status;
}

void w_put_bytes(w_writer *w, const char *bytes, size_t count)
{
    if (count > W_WRITER_BYTES - w->used) {
        flush(w);
    }
    if (count > W_WRITER_BYTES) {
        deliver(w, bytes, count);
        return;
    }
    memcpy(w->buffer + w->used, bytes, count);
    w->used += count;
}

void w_put(w_writer *w, const char *text)
{
    w_put_bytes(w, text, strlen(text));
}

void w_put_spaces(w_writer *w, int count)
{
    for (; count > 0; count--) {
        w_put_bytes(w, " ", 1);
    }
}

void w_putf(w_writer *w, const char *format, ...)
{
    char line[1024];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length >= (int)sizeof line) {
        char *longer = w_alloc(w->ctx, "report", (size_t)length + 1);
        if (longer) {
            vsnprintf(longer, (size_t)length + 1, format, again);
            w_put_bytes(w, longer, (size_t)length);
            w_free(w->ctx, longer);
        } else {
            w_writer_fail(w, w_alloc_status(w->ctx));
        }
    } else if (length > 0) {
        w_put_bytes(w, line, (size_t)length);
    }
    va_end(again);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

int w_utf8_length(const char *text)
{
    const unsigned char *u = (const unsigned char *)text;
    if (u[0] < 0x80) {
        return u[0] != 0;
    }
    int length = u[0] >= 0xf0 && u[0] <= 0xf4 ? 4 : u[0] >= 0xe0 && u[0] < 0xf0 ? 3 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : 0;
    for (int i = 1; i < length; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    bool surrogate = (u[0] == 0xed && u[1] >= 0xa0) || (u[0] == 0xf4 && u[1] >= 0x90);
    return length > 0 && (overlong || surrogate) ? 0 : length;
}

int w_text_width(const char *text)
{
    int width = 0;
    while (*text) {
        int length = w_utf8_length(text);
        text += length > 0 ? length : 1;
        width++;
    }
    return width;
}

void w_put_padded(w_writer *w, const char *text, int width)
{
    int gap = abs(width) - w_text_width(text);
    if (width > 0) {
        w_put_spaces(w, gap);
    }
    w_put(w, text);
    if (width < 0) {
        w_put_spaces(w, gap);
    }
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void w_put_escaped(w_writer *w, const char *text)
{
    while (*text) {
        unsigned char c = (unsigned char)*text;
        int length = w_utf8_length(text);
        const char *replaced = entity(c);
        if (replaced) {
            w_put(w, replaced);
        } else if (length == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            w_put(w, "\xef\xbf\xbd");
            length = 1;
        } else {
            w_put_bytes(w, text, (size_t)length);
        }
        text += length;
    }
}

void w_put_json_string(w_writer *w, const char *text)
{
    w_put(w, "\"");
    while (*text) {
        unsigned char c = (unsigned char)*text;
        int length = w_utf8_length(text);
        if (c == '"' || c == '\\') {
            w_putf(w, "\\%c", c);
        } else if (c == '\n') {
            w_put(w, "\\n");
        } else if (c < 0x20) {
            w_putf(w, "\\u%04x", c);
        } else if (length == 0) {
            w_put(w, "\\ufffd");
            length = 1;
        } else {
            w_put_bytes(w, text, (size_t)length);
        }
        text += length;
    }
    w_put(w, "\"");
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* snprintf obeys the locale's decimal separator, which may be several bytes: whatever is no digit, sign or letter is it. */
static void point_restore(char *text)
{
    char *to = text;
    bool separator = false;
    for (const char *from = text; *from; from++) {
        char c = *from;
        bool plain = (c >= '0' && c <= '9') || c == '-' || c == '+' || (c >= 'a' && c <= 'z');
        if (plain) {
            *to++ = c;
        } else if (!separator) {
            *to++ = '.';
            separator = true;
        }
    }
    *to = '\0';
}

static const char *number(char *out, const char *format, int digits, double value)
{
    if (isnan(value)) {
        return strcpy(out, "NA");
    }
    if (isinf(value)) {
        return strcpy(out, value > 0 ? "Inf" : "-Inf");
    }
    snprintf(out, W_NUMBER_BYTES, format, digits, value);
    point_restore(out);
    return out;
}

const char *w_text_fixed(char out[W_NUMBER_BYTES], double value, int decimals)
{
    return fabs(value) < 1e20 ? number(out, "%.*f", decimals > 15 ? 15 : decimals, value)
                              : number(out, "%.*e", 6, value);
}

const char *w_text_general(char out[W_NUMBER_BYTES], double value, int digits)
{
    return number(out, "%.*g", digits > 17 ? 17 : digits, value);
}

const char *w_text_scientific(char out[W_NUMBER_BYTES], double value, int decimals)
{
    return number(out, "%.*e", decimals > 16 ? 16 : decimals, value);
}

/* The fewest digits that read back as the value. strtod reads in the same locale that snprintf wrote in. */
const char *w_text_shortest(char out[W_NUMBER_BYTES], double value)
{
    if (!isfinite(value)) {
        return number(out, "%.*g", 17, value);
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, W_NUMBER_BYTES, "%.*g", digits, value);
        if (digits == 17 || strtod(out, NULL) == value) {
            break;
        }
    }
    point_restore(out);
    return out;
}

void w_put_json_number(w_writer *w, double value)
{
    char text[W_NUMBER_BYTES];
    w_put(w, isfinite(value) ? w_text_shortest(text, value) : "null");
}

const char *w_text_seconds(char out[W_NUMBER_BYTES], double seconds)
{
    char digits[W_NUMBER_BYTES];
    if (!isfinite(seconds) || seconds < 0) {
        return strcpy(out, "unknown");
    }
    if (seconds >= 119.5) {
        int64_t whole = (int64_t)(fmin(seconds, 1e15) + 0.5);
        snprintf(out, W_NUMBER_BYTES, "%" PRId64 " min %d s", whole / 60, (int)(whole % 60));
    } else if (seconds >= 0.9995) {
        snprintf(out, W_NUMBER_BYTES, "%s s", w_text_fixed(digits, seconds, seconds < 9.995 ? 2 : 1));
    } else if (seconds >= 0.9995e-3) {
        snprintf(out, W_NUMBER_BYTES, "%s ms", w_text_fixed(digits, 1e3 * seconds, seconds < 0.09995 ? 1 : 0));
    } else {
        snprintf(out, W_NUMBER_BYTES, "%s \xc2\xb5s", w_text_fixed(digits, 1e6 * seconds, 0));
    }
    return out;
}

const char *w_text_count(char out[W_NUMBER_BYTES], int64_t count)
{
    char digits[W_NUMBER_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRId64, count);
    int sign = digits[0] == '-', used = 0;
    for (int i = 0; i < length; i++) {
        if (i > sign && (length - i) % 3 == 0 && length - sign > 4) {
            out[used++] = ' ';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}
