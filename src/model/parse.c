/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent over the grammar of tree.h with one token of look-ahead. */
#include <string.h>

#include "model/terms.h"
#include "model/token.h"

typedef struct parser {
    w_formula *formula;
    w_token token;
    int32_t at;   /* byte behind `token` */
    int32_t last; /* end of the token before `token` */
    int depth;
    weir_status status;
} parser;

static w_node *parse_sum(parser *p);
static w_node *parse_unary(parser *p);

static bool advance(parser *p)
{
    p->last = p->token.end;
    p->status = w_token_next(p->formula, &p->at, &p->token);
    return p->status == WEIR_OK;
}

static bool is_op(const parser *p, char op) { return p->token.kind == W_TOKEN_OPERATOR && p->token.op == op; }

static w_node *node_new(parser *p, w_node_kind kind, int32_t start)
{
    w_node *node = w_arena_calloc(&p->formula->arena, 1, sizeof *node);
    if (!node) {
        p->status = w_alloc_status(p->formula->ctx);
        return NULL;
    }
    node->kind = kind;
    node->start = node->end = start;
    return node;
}

/* Appends behind *tail, which starts as &node->item. */
static w_item *item_add(parser *p, w_node *node, w_item ***tail, char op, w_node *child)
{
    w_item *item = w_arena_calloc(&p->formula->arena, 1, sizeof *item);
    if (!item) {
        p->status = w_alloc_status(p->formula->ctx);
        return NULL;
    }
    item->op = op;
    item->node = child;
    **tail = item;
    *tail = &item->next;
    node->count++;
    if (child) {
        node->end = child->end;
    }
    return item;
}

static bool enter(parser *p)
{
    if (++p->depth <= W_FORMULA_DEPTH) {
        return true;
    }
    p->status = w_formula_fail_at(p->formula, p->token.start, p->token.end, "nested deeper than %d levels",
                                  W_FORMULA_DEPTH);
    return false;
}

static void unexpected(parser *p)
{
    const w_token *t = &p->token;
    if (t->kind == W_TOKEN_END) {
        p->status = w_formula_fail_at(p->formula, t->start, t->end, "the formula ends where a term is expected");
    } else {
        p->status =
            w_formula_fail_at(p->formula, t->start, t->end, "'%.*s' where a term is expected",
                              (int)(t->end - t->start < 40 ? t->end - t->start : 40), p->formula->text + t->start);
    }
}

static bool parse_argument(parser *p, w_node *call, w_item ***tail)
{
    const char *name = NULL;
    int32_t start = p->token.start, end = p->token.end;
    if (p->token.kind == W_TOKEN_NAME) {
        int32_t ahead = p->at;
        w_token next;
        p->status = w_token_next(p->formula, &ahead, &next);
        if (p->status != WEIR_OK) {
            return false;
        }
        if (next.kind == W_TOKEN_OPERATOR && next.op == '=') {
            name = p->token.text;
            if (!advance(p) || !advance(p)) {
                return false;
            }
        }
    }
    w_node *value = parse_sum(p);
    w_item *item = value ? item_add(p, call, tail, 0, value) : NULL;
    if (item) {
        item->name = name;
        item->start = name ? start : value->start;
        item->end = name ? end : value->end;
    }
    return item != NULL;
}

/* The token is "(" behind the function's name. */
static w_node *parse_call(parser *p, w_node *call)
{
    call->kind = W_NODE_CALL;
    int32_t open = p->token.start;
    if (!advance(p)) {
        return NULL;
    }
    w_item **tail = &call->item;
    while (!is_op(p, ')')) {
        if (!parse_argument(p, call, &tail)) {
            return NULL;
        }
        if (is_op(p, ',')) {
            if (!advance(p)) {
                return NULL;
            }
            if (is_op(p, ')')) {
                unexpected(p);
                return NULL;
            }
        } else if (!is_op(p, ')')) {
            p->status = p->token.kind == W_TOKEN_END
                            ? w_formula_fail_at(p->formula, open, open + 1,
                                                "the parenthesis of %.60s( is never closed", call->text)
                            : w_formula_fail_at(p->formula, p->token.start, p->token.end,
                                                "expected ',' or ')' inside %.60s()", call->text);
            return NULL;
        }
    }
    call->end = p->token.end;
    return advance(p) ? call : NULL;
}

static w_node *parse_paren(parser *p)
{
    int32_t open = p->token.start;
    w_node *node = node_new(p, W_NODE_PAREN, open);
    if (!node || !advance(p)) {
        return NULL;
    }
    w_item **tail = &node->item;
    w_node *inner = parse_sum(p);
    if (!inner || !item_add(p, node, &tail, 0, inner)) {
        return NULL;
    }
    if (!is_op(p, ')')) {
        p->status =
            p->token.kind == W_TOKEN_END
                ? w_formula_fail_at(p->formula, open, open + 1, "this parenthesis is never closed")
                : w_formula_fail_at(p->formula, p->token.start, p->token.end, "expected an operator or ')'");
        return NULL;
    }
    node->end = p->token.end;
    return advance(p) ? node : NULL;
}

static w_node *parse_primary(parser *p)
{
    const w_token t = p->token;
    if (is_op(p, '(')) {
        return parse_paren(p);
    }
    if (t.kind != W_TOKEN_NUMBER && t.kind != W_TOKEN_NAME && t.kind != W_TOKEN_STRING) {
        unexpected(p);
        return NULL;
    }
    w_node *node = node_new(p,
                            t.kind == W_TOKEN_NUMBER ? W_NODE_NUMBER
                            : t.kind == W_TOKEN_NAME ? W_NODE_NAME
                                                     : W_NODE_STRING,
                            t.start);
    if (!node) {
        return NULL;
    }
    node->end = t.end;
    node->number = t.number;
    node->text = t.text;
    node->quoted = t.quoted;
    if (!advance(p)) {
        return NULL;
    }
    return t.kind == W_TOKEN_NAME && !t.quoted && is_op(p, '(') ? parse_call(p, node) : node;
}

static w_node *parse_power(parser *p)
{
    w_node *base = parse_primary(p);
    if (!base || !is_op(p, '^')) {
        return base;
    }
    w_node *node = node_new(p, W_NODE_POWER, base->start);
    if (!node || !advance(p)) {
        return NULL;
    }
    w_item **tail = &node->item;
    w_node *exponent = parse_unary(p);
    if (!exponent || !item_add(p, node, &tail, 0, base) || !item_add(p, node, &tail, '^', exponent)) {
        return NULL;
    }
    return node;
}

static w_node *parse_unary(parser *p)
{
    if (!enter(p)) {
        return NULL;
    }
    w_node *node;
    if (is_op(p, '+') || is_op(p, '-')) {
        node = node_new(p, W_NODE_UNARY, p->token.start);
        if (node) {
            w_item **tail = &node->item;
            node->op = p->token.op;
            w_node *inner = advance(p) ? parse_unary(p) : NULL;
            node = inner && item_add(p, node, &tail, 0, inner) ? node : NULL;
        }
    } else {
        node = parse_power(p);
    }
    p->depth--;
    return node;
}

/* One level of left-associative operators: `ops` over operands read by `operand`. */
static w_node *parse_chain(parser *p, w_node_kind kind, const char *ops, w_node *(*operand)(parser *))
{
    w_node *first = operand(p);
    if (!first || p->token.kind != W_TOKEN_OPERATOR || !strchr(ops, p->token.op)) {
        return first;
    }
    w_node *node = node_new(p, kind, first->start);
    w_item **tail = node ? &node->item : NULL;
    if (!node || !item_add(p, node, &tail, 0, first)) {
        return NULL;
    }
    while (p->token.kind == W_TOKEN_OPERATOR && strchr(ops, p->token.op)) {
        char op = p->token.op;
        w_node *next = advance(p) ? operand(p) : NULL;
        if (!next || !item_add(p, node, &tail, op, next)) {
            return NULL;
        }
    }
    return node;
}

static w_node *parse_colon(parser *p) { return parse_chain(p, W_NODE_COLON, ":", parse_unary); }
static w_node *parse_product(parser *p) { return parse_chain(p, W_NODE_PRODUCT, "*/", parse_colon); }
static w_node *parse_sum(parser *p) { return parse_chain(p, W_NODE_SUM, "+-", parse_product); }

static weir_status parse_formula(w_formula *formula)
{
    parser p = {.formula = formula};
    if (!advance(&p)) {
        return p.status;
    }
    if (is_op(&p, '~')) {
        return w_formula_fail_at(formula, p.token.start, p.token.end, "the response is missing: write  y ~ …");
    }
    formula->response = parse_sum(&p);
    if (!formula->response) {
        return p.status;
    }
    if (!is_op(&p, '~')) {
        return p.token.kind == W_TOKEN_END
                   ? w_formula_fail_at(formula, p.token.start, p.token.end,
                                       "'~' is missing: write  response ~ terms")
                   : w_formula_fail_at(formula, p.token.start, p.token.end, "expected '~' behind the response");
    }
    if (!advance(&p)) {
        return p.status;
    }
    formula->right = parse_sum(&p);
    if (!formula->right) {
        return p.status;
    }
    if (p.token.kind != W_TOKEN_END) {
        return is_op(&p, ')')
                   ? w_formula_fail_at(formula, p.token.start, p.token.end, "')' without an opening parenthesis")
                   : w_formula_fail_at(formula, p.token.start, p.token.end, "expected an operator between terms");
    }
    return WEIR_OK;
}

weir_status w_formula_parse(weir_ctx *ctx, const char *text, w_formula **out)
{
    if (!text) {
        return w_fail(ctx, WEIR_E_ARG, "no formula given");
    }
    size_t length = strlen(text);
    if (length > W_FORMULA_LENGTH) {
        return w_fail(ctx, WEIR_E_FORMULA, "the formula has %zu bytes; at most %d are read", length,
                      W_FORMULA_LENGTH);
    }
    w_formula *formula = w_calloc(ctx, "formula", 1, sizeof *formula);
    if (!formula) {
        return w_alloc_status(ctx);
    }
    formula->ctx = ctx;
    formula->length = (int32_t)length;
    w_arena_init(&formula->arena, ctx, "formula");
    formula->text = w_arena_strdup(&formula->arena, text);
    weir_status status = formula->text ? parse_formula(formula) : w_alloc_status(ctx);
    if (status == WEIR_OK) {
        status = w_terms_check(formula);
    }
    if (status != WEIR_OK) {
        w_formula_free(formula);
        return status;
    }
    *out = formula;
    return WEIR_OK;
}

void w_formula_free(w_formula *formula)
{
    if (formula) {
        w_arena_free(&formula->arena);
        w_free(formula->ctx, formula);
    }
}

const char *w_formula_text(const w_formula *formula) { return formula->text; }
