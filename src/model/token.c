/* SPDX-License-Identifier: Apache-2.0 */
#include "model/token.h"

#include <math.h>
#include <string.h>

#include "base/format.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Bytes of UTF-8 sequences count as letters. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_name_byte(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_'; }

static int32_t number_end(const char *text, int32_t at)
{
    while (is_digit(text[at])) {
        at++;
    }
    if (text[at] == '.') {
        at++;
        while (is_digit(text[at])) {
            at++;
        }
    }
    if (text[at] == 'e' || text[at] == 'E') {
        int32_t exponent = at + 1;
        if (text[exponent] == '+' || text[exponent] == '-') {
            exponent++;
        }
        if (is_digit(text[exponent])) {
            at = exponent;
            while (is_digit(text[at])) {
                at++;
            }
        }
    }
    return at;
}

static weir_status take_text(w_formula *formula, int32_t start, int32_t end, w_token *out)
{
    char *copy = w_arena_alloc(&formula->arena, (size_t)(end - start) + 1, 1);
    if (!copy) {
        return w_alloc_status(formula->ctx);
    }
    memcpy(copy, formula->text + start, (size_t)(end - start));
    copy[end - start] = '\0';
    out->text = copy;
    return WEIR_OK;
}

static weir_status take_number(w_formula *formula, int32_t start, w_token *out)
{
    const char *text = formula->text;
    int32_t end = number_end(text, start);
    if (is_name_byte(text[end])) {
        while (is_name_byte(text[end])) {
            end++;
        }
        return w_formula_fail_at(formula, start, end,
                                 "'%.*s' is neither a number nor a name; put names like it in "
                                 "backquotes",
                                 (int)(end - start < 40 ? end - start : 40), text + start);
    }
    if (w_parse_double(text + start, (size_t)(end - start), &out->number) != 0 || !isfinite(out->number)) {
        return w_formula_fail_at(formula, start, end, "this number cannot be represented");
    }
    out->kind = W_TOKEN_NUMBER;
    out->end = end;
    return WEIR_OK;
}

static weir_status take_quoted(w_formula *formula, int32_t start, w_token *out)
{
    const char quote = formula->text[start];
    int32_t end = start + 1;
    while (end < formula->length && formula->text[end] != quote) {
        end++;
    }
    if (end == formula->length) {
        return w_formula_fail_at(formula, start, start + 1, "the quote %c is never closed", quote);
    }
    if (quote == '`' && end == start + 1) {
        return w_formula_fail_at(formula, start, end + 1, "empty name");
    }
    out->kind = quote == '`' ? W_TOKEN_NAME : W_TOKEN_STRING;
    out->quoted = quote == '`';
    out->end = end + 1;
    return take_text(formula, start + 1, end, out);
}

weir_status w_token_next(w_formula *formula, int32_t *at, w_token *out)
{
    const char *text = formula->text;
    int32_t start = *at;
    while (text[start] == ' ' || text[start] == '\t' || text[start] == '\n' || text[start] == '\r') {
        start++;
    }
    *out = (w_token){.kind = W_TOKEN_END, .start = start, .end = start};
    const char c = text[start];
    weir_status status = WEIR_OK;
    if (start >= formula->length) {
        out->start = out->end = formula->length;
    } else if (is_digit(c) || (c == '.' && is_digit(text[start + 1]))) {
        status = take_number(formula, start, out);
    } else if (is_letter(c) || c == '.') {
        int32_t end = start;
        while (is_name_byte(text[end])) {
            end++;
        }
        out->kind = W_TOKEN_NAME;
        out->end = end;
        status = take_text(formula, start, end, out);
    } else if (c == '"' || c == '\'' || c == '`') {
        status = take_quoted(formula, start, out);
    } else if (strchr("~+-*/^:(),=", c)) {
        out->kind = W_TOKEN_OPERATOR;
        out->op = c;
        out->end = start + 1;
        if (c == '*' && text[start + 1] == '*') {
            out->op = '^';
            out->end++;
        }
    } else if (c > ' ' && c < 0x7f) {
        status = w_formula_fail_at(formula, start, start + 1, "'%c' has no meaning in a formula", c);
    } else {
        status = w_formula_fail_at(formula, start, start + 1,
                                   "a control character (code %d) has no meaning in a formula", (unsigned char)c);
    }
    *at = out->end;
    return status;
}
