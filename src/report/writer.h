/* SPDX-License-Identifier: Apache-2.0 */
/* A buffered writer over the caller's callback, and numbers as text. Whatever the locale, the decimal point is a point.
 *
 * After a failure the writer drops everything and keeps the status, so that callers write without asking and look once at
 * the end (w_writer_finish). Formats given to w_putf hold integers and strings only: numbers go through w_text_*. */
#ifndef W_REPORT_WRITER_H
#define W_REPORT_WRITER_H

#include <stdbool.h>
#include "base/ctx.h"
#include "weir/report.h"

#define W_WRITER_BYTES 8192
#define W_NUMBER_BYTES 40

typedef struct w_writer {
    weir_ctx *ctx;
    weir_write_fn write;
    void *user;
    weir_status status;
    size_t used;
    char buffer[W_WRITER_BYTES];
} w_writer;

void w_writer_init(w_writer *w, weir_ctx *ctx, weir_write_fn write, void *user);
/* Hands over what is left; the status of everything written. */
weir_status w_writer_finish(w_writer *w);
/* Records a failure met while computing what should be written. */
void w_writer_fail(w_writer *w, weir_status status);

void w_put(w_writer *w, const char *text);
void w_put_bytes(w_writer *w, const char *bytes, size_t count);
void w_put_spaces(w_writer *w, int count);
void w_putf(w_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text with & < > " ' replaced by entities; control characters and bytes that are no UTF-8 become U+FFFD. */
void w_put_escaped(w_writer *w, const char *text);
/* The same as a JSON string with its quotes. */
void w_put_json_string(w_writer *w, const char *text);
/* Shortest decimal that reads back as the same double; null when not finite. */
void w_put_json_number(w_writer *w, double value);
/* Text padded with spaces to `width` columns, counted in characters: width > 0 pads on the left, < 0 on the right. */
void w_put_padded(w_writer *w, const char *text, int width);

/* Characters (code points) of UTF-8 text: its width on a terminal, wide and combining ones apart. */
int w_text_width(const char *text);
/* Length of the valid UTF-8 sequence at `text`, 0 when there is none. */
int w_utf8_length(const char *text);
/* Each writes into `out` and returns it. */
const char *w_text_fixed(char out[W_NUMBER_BYTES], double value, int decimals);
const char *w_text_general(char out[W_NUMBER_BYTES], double value, int digits);
const char *w_text_scientific(char out[W_NUMBER_BYTES], double value, int decimals);
const char *w_text_shortest(char out[W_NUMBER_BYTES], double value);
/* "12.3 ms", "4.56 s", "2 min 3 s". */
const char *w_text_seconds(char out[W_NUMBER_BYTES], double seconds);
/* "1234567" as "1 234 567" with thin grouping by a plain space. */
const char *w_text_count(char out[W_NUMBER_BYTES], int64_t count);

#endif
