/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner of plain records. A selected number is read where it stands; the byte after it decides whether the field
 * is done with. Other fields are passed over by a search for delimiter, quote and line end, 16 bytes at a time. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "table/csv.h"

static bool is_blank(char c, char delimiter) { return (c == ' ' || c == '\t') && c != delimiter; }

/* The first delimiter, quote, carriage return or line feed from p on. One is always there. */
static const char *find_special(const char *p, char delimiter)
{
#ifdef __SSE2__
    const __m128i d = _mm_set1_epi8(delimiter), n = _mm_set1_epi8('\n'), r = _mm_set1_epi8('\r'),
                  q = _mm_set1_epi8('"');
    for (;; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, d), _mm_cmpeq_epi8(v, n)),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, r), _mm_cmpeq_epi8(v, q)));
        int mask = _mm_movemask_epi8(hit);
        if (mask) {
            return p + __builtin_ctz((unsigned)mask);
        }
    }
#else
    while (*p != delimiter && *p != '\n' && *p != '\r' && *p != '"') {
        p++;
    }
    return p;
#endif
}

/* The field at p: its text without quotes and surrounding blanks. Returns its terminator (delimiter, '\n', or the
 * '\r' of CRLF), or NULL when this is a matter for libcsv. */
static const char *locate_field(const char *p, char delimiter, const char **text, size_t *length)
{
    while (is_blank(*p, delimiter)) {
        p++;
    }
    const char *end;
    if (*p == '"') {
        *text = ++p;
        while (*p != '"' && *p != '\n') {
            p++;
        }
        if (*p == '\n') {
            return NULL;
        }
        *length = (size_t)(p - *text);
        do {
            p++;
        } while (is_blank(*p, delimiter));
        end = p;
        if (*end != delimiter && *end != '\n' && *end != '\r') {
            return NULL;
        }
    } else {
        end = find_special(p, delimiter);
        if (*end == '"') {
            return NULL;
        }
        *text = p;
        p = end;
        while (p > *text && is_blank(p[-1], delimiter)) {
            p--;
        }
        *length = (size_t)(p - *text);
    }
    return *end == '\r' && end[1] != '\n' ? NULL : end;
}

void w_csv_plain_field(const w_csv_dialect *dialect, const char *p, const char **text, size_t *length)
{
    locate_field(p, dialect->delimiter, text, length);
}

static const char *scan_number(const w_csv_dialect *dialect, const char *p, double *value)
{
    const char *end = w_number_parse(p, dialect->decimal, value);
    if (end && (*end == dialect->delimiter || *end == '\n' || (*end == '\r' && end[1] == '\n'))) {
        return end;
    }
    const char *text;
    size_t length;
    end = locate_field(p, dialect->delimiter, &text, &length);
    return end && w_csv_number(dialect, text, length, value) ? end : NULL;
}

static const char *scan_level(const w_csv_dialect *dialect, const w_dictionary *dictionary, const char *base,
                              const char *p, int32_t *code)
{
    const char *text;
    size_t length;
    const char *end = locate_field(p, dialect->delimiter, &text, &length);
    if (!end) {
        return NULL;
    }
    if (w_csv_missing(dialect, text, length)) {
        *code = -1;
    } else {
        *code = w_dictionary_find(dictionary, text, length);
        if (*code < 0) {
            *code = -2 - (int32_t)(p - base);
        }
    }
    return end;
}

static const char *scan_skip(char delimiter, const char *p)
{
    const char *end = find_special(p, delimiter);
    if (*end == delimiter || *end == '\n') {
        return end;
    }
    const char *text;
    size_t length;
    return locate_field(p, delimiter, &text, &length);
}

/* The rest of a blank line, or p. */
static const char *skip_blank_line(const char *p, char delimiter)
{
    const char *end = p;
    while (is_blank(*end, delimiter)) {
        end++;
    }
    if (*end == '\r' && end[1] == '\n') {
        end++;
    }
    return *end == '\n' ? end + 1 : p;
}

void w_csv_scan_block(const w_csv_dialect *dialect, const char *text, int32_t fields, const w_csv_target *targets,
                      w_csv_block *block)
{
    const char *base = text + block->begin, *p = base, *end = text + block->end;
    const char delimiter = dialect->delimiter;
    int64_t row = block->at;
    block->odd = true;
    block->new_levels = false;
    block->rows = 0;
    while (p < end) {
        if (*p <= ' ') {
            const char *next = skip_blank_line(p, delimiter);
            if (next != p) {
                p = next;
                continue;
            }
        }
        for (int32_t k = 0; k < fields; k++) {
            const w_csv_target *target = &targets[k];
            if (target->action == W_CSV_NUMBER) {
                p = scan_number(dialect, p, (double *)target->data + row);
            } else if (target->action == W_CSV_SKIP) {
                p = scan_skip(delimiter, p);
            } else {
                int32_t *code = (int32_t *)target->data + row;
                p = scan_level(dialect, target->dictionary, base, p, code);
                block->new_levels |= p && *code < -1;
            }
            if (!p || (*p == delimiter) != (k + 1 < fields)) {
                return;
            }
            p++;
        }
        if (p[-1] == '\r') {
            p++;
        }
        row++;
        block->rows++;
    }
    block->odd = false;
}

int64_t w_csv_count_lines(const char *text, int64_t bytes, int64_t *last)
{
    int64_t count = 0, i = 0;
#ifdef __SSE2__
    const __m128i n = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();
    __m128i total = zero;
    while (i + 16 <= bytes) {
        __m128i part = zero; /* at most 255 hits per byte */
        for (int k = 0; k < 255 && i + 16 <= bytes; k++, i += 16) {
            part =
                _mm_sub_epi8(part, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(text + i)), n));
        }
        total = _mm_add_epi64(total, _mm_sad_epu8(part, zero));
    }
    int64_t half[2];
    memcpy(half, &total, sizeof half);
    count = half[0] + half[1];
#endif
    for (; i < bytes; i++) {
        count += text[i] == '\n';
    }
    const char *end = count > 0 ? memrchr(text, '\n', (size_t)bytes) : NULL;
    *last = end ? end - text + 1 : 0;
    return count;
}
