/* SPDX-License-Identifier: Apache-2.0 */
/* What every reader of the tree needs: messages with the place underlined, labels, constants. */
#include "model/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EXCERPT 72 /* characters of the formula shown around an error */

static bool is_continuation(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

static int32_t count_characters(const char *text, int32_t from, int32_t to)
{
    int32_t count = 0;
    for (int32_t i = from; i < to; i++) {
        count += !is_continuation(text[i]);
    }
    return count;
}

/* Moves `at` by up to `characters` characters towards 0 (negative) or the end. */
static int32_t move_characters(const w_formula *formula, int32_t at, int32_t characters)
{
    const char *text = formula->text;
    for (; characters < 0 && at > 0; characters++) {
        do {
            at--;
        } while (at > 0 && is_continuation(text[at]));
    }
    for (; characters > 0 && at < formula->length; characters--) {
        do {
            at++;
        } while (at < formula->length && is_continuation(text[at]));
    }
    return at;
}

static weir_status fail_at(const w_formula *formula, weir_status status, int32_t start, int32_t end,
                           const char *words)
{
    const char *text = formula->text;
    char shown[4 * EXCERPT + 8], marks[EXCERPT + 8];
    end = end > formula->length ? formula->length : end;
    start = start > end ? end : start;
    int32_t from = move_characters(formula, start, -EXCERPT / 2);
    int32_t to = move_characters(formula, from, EXCERPT);
    snprintf(shown, sizeof shown, "%s%.*s%s", from > 0 ? "..." : "", (int)(to - from), text + from,
             to < formula->length ? "..." : "");
    for (char *c = shown; *c; c++) {
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    }
    int32_t before = count_characters(text, from, start) + (from > 0 ? 3 : 0);
    int32_t width = count_characters(text, start, end < to ? end : to);
    int32_t room = (int32_t)sizeof marks - 1 - before;
    width = width < 1 ? 1 : width > room ? room : width;
    memset(marks, ' ', (size_t)before);
    memset(marks + before, '^', (size_t)width);
    marks[before + width] = '\0';
    return w_fail(formula->ctx, status, "formula, column %d: %s\n  %s\n  %s",
                  (int)count_characters(text, 0, start) + 1, words, shown, marks);
}

#define WORDS 512
#define FORMAT_WORDS(words, format)                                                                               \
    va_list args;                                                                                                 \
    va_start(args, format);                                                                                       \
    vsnprintf(words, sizeof words, format, args);                                                                 \
    va_end(args)

weir_status w_formula_fail_at(const w_formula *formula, int32_t start, int32_t end, const char *format, ...)
{
    char words[WORDS];
    FORMAT_WORDS(words, format);
    return fail_at(formula, WEIR_E_FORMULA, start, end, words);
}

weir_status w_formula_fail_as(const w_formula *formula, weir_status status, int32_t start, int32_t end,
                              const char *format, ...)
{
    char words[WORDS];
    FORMAT_WORDS(words, format);
    return fail_at(formula, status, start, end, words);
}

/* ---- labels ---- */

typedef struct writer {
    char *text;
    size_t used, capacity;
} writer; /* text NULL: only counts */

static void put(writer *w, const char *text)
{
    size_t length = strlen(text);
    if (w->text && w->used + length < w->capacity) {
        memcpy(w->text + w->used, text, length + 1);
    }
    w->used += length;
}

static void put_node(writer *w, const w_node *node);

static void put_items(writer *w, const w_node *node)
{
    for (const w_item *item = node->item; item; item = item->next) {
        if (node->kind == W_NODE_CALL) {
            put(w, item == node->item ? "" : ", ");
            if (item->name) {
                put(w, item->name);
                put(w, " = ");
            }
        } else if (item->op) {
            char op[4] = {item->op, 0, 0, 0};
            if (item->op != ':' && item->op != '^' && item->op != '/') {
                memcpy(op, (char[]){' ', item->op, ' ', 0}, 4);
            }
            put(w, op);
        }
        put_node(w, item->node);
    }
}

static bool is_plain_name(const char *text)
{
    for (const char *c = text; *c; c++) {
        bool digit = *c >= '0' && *c <= '9';
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (unsigned char)*c >= 0x80;
        if (!(letter || *c == '.' || (c > text && (digit || *c == '_')))) {
            return false;
        }
    }
    return true;
}

static void put_node(writer *w, const w_node *node)
{
    char number[40];
    switch (node->kind) {
    case W_NODE_NUMBER:
        snprintf(number, sizeof number, "%.15g", node->number);
        for (char *c = number; *c; c++) {
            *c = *c == ',' ? '.' : *c;
        }
        put(w, number);
        break;
    case W_NODE_STRING:
        put(w, "\"");
        put(w, node->text);
        put(w, "\"");
        break;
    case W_NODE_NAME:
        put(w, is_plain_name(node->text) ? "" : "`");
        put(w, node->text);
        put(w, is_plain_name(node->text) ? "" : "`");
        break;
    case W_NODE_CALL:
        put(w, node->text);
        put(w, "(");
        put_items(w, node);
        put(w, ")");
        break;
    case W_NODE_PAREN:
        put(w, "(");
        put_items(w, node);
        put(w, ")");
        break;
    case W_NODE_UNARY:
        put(w, node->op == '-' ? "-" : "+");
        put_items(w, node);
        break;
    default: put_items(w, node);
    }
}

const char *w_node_label(w_arena *arena, const w_node *node)
{
    writer count = {0};
    put_node(&count, node);
    writer w = {w_arena_alloc(arena, count.used + 1, 1), 0, count.used + 1};
    if (w.text) {
        w.text[0] = '\0';
        put_node(&w, node);
    }
    return w.text;
}

/* ---- small questions ---- */

const w_node *w_node_strip(const w_node *node)
{
    while (node->kind == W_NODE_PAREN) {
        node = node->item->node;
    }
    return node;
}

bool w_node_is_call(const w_node *node, const char *name)
{
    return node->kind == W_NODE_CALL && strcmp(node->text, name) == 0;
}

bool w_node_constant(const w_node *node, double *out)
{
    double sign = 1;
    node = w_node_strip(node);
    while (node->kind == W_NODE_UNARY) {
        sign = node->op == '-' ? -sign : sign;
        node = w_node_strip(node->item->node);
    }
    if (node->kind != W_NODE_NUMBER) {
        return false;
    }
    *out = sign * node->number;
    return true;
}

/* Edits that turn a into b: insertions, deletions, changes and swaps of neighbours (optimal string alignment). */
static int edit_distance(const char *a, const char *b)
{
    size_t la = strnlen(a, 33), lb = strnlen(b, 33);
    if (la > 32 || lb > 32) {
        return 33;
    }
    int rows[3][33];
    for (size_t j = 0; j <= lb; j++) {
        rows[0][j] = (int)j;
    }
    for (size_t i = 1; i <= la; i++) {
        const int *before = rows[(i - 1) % 3], *two_before = rows[(i + 1) % 3];
        int *row = rows[i % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int least = before[j - 1] + (a[i - 1] != b[j - 1]);
            least = before[j] + 1 < least ? before[j] + 1 : least;
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_before[j - 2] + 1 < least) {
                least = two_before[j - 2] + 1;
            }
            row[j] = least;
        }
    }
    return rows[la % 3][lb];
}

const char *w_nearest_name(const char *text, const char *const *names)
{
    const char *best = NULL;
    int limit = (int)strnlen(text, 33) <= 3 ? 1 : 2;
    int least = limit + 1;
    for (; *names; names++) {
        int distance = edit_distance(text, *names);
        if (distance < least && (distance < (int)strlen(*names) || distance < (int)strnlen(text, 33))) {
            least = distance;
            best = *names;
        }
    }
    return best;
}
