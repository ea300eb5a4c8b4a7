/* SPDX-License-Identifier: Apache-2.0 */
/* The syntax tree of a formula. Nodes live in the formula's arena; positions are byte offsets into its text.
 *
 *     formula  := sum "~" sum
 *     sum      := product { ("+" | "-") product }
 *     product  := colon { ("*" | "/") colon }
 *     colon    := unary { ":" unary }
 *     unary    := ("+" | "-") unary | power
 *     power    := primary [ ("^" | "**") unary ]                     right to left
 *     primary  := number | string | name | name "(" [arg {"," arg}] ")" | "(" sum ")"
 *     arg      := [ name "=" ] sum
 *
 * Chains of one precedence are one node with many items, so that the height of the tree is bounded by the nesting of the
 * text (at most W_FORMULA_DEPTH), not by its length. */
#ifndef W_MODEL_TREE_H
#define W_MODEL_TREE_H

#include "model/formula.h"

#define W_FORMULA_DEPTH 64
#define W_FORMULA_LENGTH 65536

typedef enum w_node_kind {
    W_NODE_NUMBER,
    W_NODE_STRING,
    W_NODE_NAME,
    W_NODE_CALL,
    W_NODE_PAREN,
    W_NODE_UNARY, /* op item[0] */
    W_NODE_POWER, /* item[0] ^ item[1] */
    W_NODE_SUM,
    W_NODE_PRODUCT,
    W_NODE_COLON
} w_node_kind;

typedef struct w_node w_node;

/* Operand of a chain (op: '+', '-', '*', '/', ':'; 0 for the first) or argument of a call (name or NULL). */
typedef struct w_item {
    struct w_item *next;
    w_node *node;
    const char *name;
    int32_t start, end; /* of the name */
    char op;
} w_item;

struct w_node {
    w_node_kind kind;
    char op;
    bool quoted; /* a name written in backquotes */
    int32_t start, end;
    double number;
    const char *text; /* name, function or string */
    w_item *item;
    int count;
};

struct w_formula {
    weir_ctx *ctx;
    w_arena arena;
    const char *text;
    int32_t length;
    w_node *response, *right;
};

/* WEIR_E_FORMULA: "formula, column N: …", then the formula (or the part around the place) and a line of carets under
 * bytes start … end-1. */
weir_status w_formula_fail_at(const w_formula *formula, int32_t start, int32_t end, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with another status. */
weir_status w_formula_fail_as(const w_formula *formula, weir_status status, int32_t start, int32_t end,
                              const char *format, ...) __attribute__((format(printf, 5, 6)));
#define w_formula_fail(formula, node, ...) w_formula_fail_at(formula, (node)->start, (node)->end, __VA_ARGS__)

/* The expression as R prints it: "log(x + 1)", "I(x^2)", "poly(x, 2)". NULL when memory is short. */
const char *w_node_label(w_arena *arena, const w_node *node);
const w_node *w_node_strip(const w_node *node); /* without parentheses around it */
bool w_node_is_call(const w_node *node, const char *name);
/* A number, possibly signed. */
bool w_node_constant(const w_node *node, double *out);

/* The entry of `names` (NULL-terminated) nearest to `text` by edit distance; NULL when none is near. */
const char *w_nearest_name(const char *text, const char *const *names);

#endif
