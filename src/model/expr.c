/* SPDX-License-Identifier: Apache-2.0 */
#include "model/expr.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

typedef enum op {
    OP_LOG,
    OP_EXP,
    OP_SQRT,
    OP_ABS,
    OP_LOG10,
    OP_LOG2,
    OP_LOG1P,
    OP_EXPM1,
    OP_SIN,
    OP_COS,
    OP_TAN,
    OP_IDENTITY,
    FUNCTIONS = OP_IDENTITY + 1,
    OP_COLUMN = FUNCTIONS,
    OP_CONSTANT,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_SHARE,
    OP_POWER,
    OP_NEGATE
} op;

static const char *const function_names[] = {"log",   "exp", "sqrt", "abs", "log10", "log2", "log1p",
                                             "expm1", "sin", "cos",  "tan", "I",     NULL};

typedef struct instruction {
    op op;
    int column;
    double constant;
} instruction;

struct w_expr {
    int count, depth;
    const instruction *code;
};

const char *const *w_expr_functions(void) { return function_names; }

static int function_number(const char *name)
{
    for (int i = 0; function_names[i]; i++) {
        if (strcmp(function_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

bool w_expr_is_function(const char *name) { return function_number(name) >= 0; }

/* ---- compiling: the first walk counts (code NULL), the second writes ---- */

typedef struct compiler {
    instruction *code;
    int count, level, depth;
    w_expr_find_fn find;
    const void *arg;
} compiler;

static void emit(compiler *c, op op, int column, double constant, int level_change)
{
    if (c->code) {
        c->code[c->count] = (instruction){op, column, constant};
    }
    c->count++;
    c->level += level_change;
    c->depth = c->level > c->depth ? c->level : c->depth;
}

static op binary_op(char symbol)
{
    return symbol == '+'   ? OP_ADD
           : symbol == '-' ? OP_SUBTRACT
           : symbol == '*' ? OP_MULTIPLY
           : symbol == '/' ? OP_DIVIDE
           : symbol == W_SYMBOL_SHARE
               ? OP_SHARE
               : OP_POWER;
}

static void compile(compiler *c, const w_node *node)
{
    switch (node->kind) {
    case W_NODE_NUMBER: emit(c, OP_CONSTANT, -1, node->number, 1); return;
    case W_NODE_NAME: emit(c, OP_COLUMN, c->find(c->arg, node->text), 0, 1); return;
    case W_NODE_PAREN: compile(c, node->item->node); return;
    case W_NODE_CALL: {
        int function = function_number(node->text);
        compile(c, node->item->node);
        if (function != OP_IDENTITY) {
            emit(c, (op)function, -1, 0, 0);
        }
        return;
    }
    case W_NODE_UNARY:
        compile(c, node->item->node);
        if (node->op == '-') {
            emit(c, OP_NEGATE, -1, 0, 0);
        }
        return;
    default: break;
    }
    compile(c, node->item->node);
    for (const w_item *item = node->item->next; item; item = item->next) {
        compile(c, item->node);
        emit(c, binary_op(item->op), -1, 0, -1);
    }
}

weir_status w_expr_compile(w_arena *arena, const w_node *node, w_expr_find_fn find, const void *arg,
                           const w_expr **out)
{
    compiler c = {.find = find, .arg = arg};
    compile(&c, node);
    w_expr *expr = w_arena_alloc(arena, 1, sizeof *expr);
    instruction *code = w_arena_alloc(arena, (size_t)c.count, sizeof *code);
    if (!expr || !code) {
        return w_alloc_status(arena->ctx);
    }
    *expr = (w_expr){c.count, c.depth, code};
    c = (compiler){.code = code, .find = find, .arg = arg};
    compile(&c, node);
    *out = expr;
    return WEIR_OK;
}

int w_expr_column(const w_expr *expr)
{
    return expr->count == 1 && expr->code[0].op == OP_COLUMN ? expr->code[0].column : -1;
}

int w_expr_depth(const w_expr *expr) { return expr->depth; }

/* ---- evaluation ---- */

#define EACH(statement)                                                                                           \
    for (int64_t i = 0; i < rows; i++) {                                                                          \
        statement;                                                                                                \
    }                                                                                                             \
    break

static void apply_function(op f, double *restrict a, int64_t rows)
{
    switch (f) {
    case OP_LOG: EACH(a[i] = log(a[i]));
    case OP_EXP: EACH(a[i] = exp(a[i]));
    case OP_SQRT: EACH(a[i] = sqrt(a[i]));
    case OP_ABS: EACH(a[i] = fabs(a[i]));
    case OP_LOG10: EACH(a[i] = log10(a[i]));
    case OP_LOG2: EACH(a[i] = log2(a[i]));
    case OP_LOG1P: EACH(a[i] = log1p(a[i]));
    case OP_EXPM1: EACH(a[i] = expm1(a[i]));
    case OP_SIN: EACH(a[i] = sin(a[i]));
    case OP_COS: EACH(a[i] = cos(a[i]));
    case OP_TAN: EACH(a[i] = tan(a[i]));
    case OP_NEGATE: EACH(a[i] = -a[i]);
    default: break;
    }
}

/* x^2 as x*x, which is also what pow gives (correctly rounded squares). */
static void power(double *restrict a, const double *restrict b, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        a[i] = b[i] == 2 ? a[i] * a[i] : pow(a[i], b[i]);
    }
}

static void apply_binary(op f, double *restrict a, const double *restrict b, int64_t rows)
{
    switch (f) {
    case OP_ADD: EACH(a[i] += b[i]);
    case OP_SUBTRACT: EACH(a[i] -= b[i]);
    case OP_MULTIPLY: EACH(a[i] *= b[i]);
    case OP_DIVIDE: EACH(a[i] /= b[i]);
    case OP_SHARE: EACH(a[i] = a[i] == 0 && b[i] == 0 ? 0 : a[i] / b[i]);
    default: power(a, b, rows);
    }
}

static void eval_run(const w_expr *expr, const double *const *column, int64_t start, int64_t rows, double *stack)
{
    double *top = stack - W_EXPR_RUN;
    for (int k = 0; k < expr->count; k++) {
        const instruction *in = &expr->code[k];
        if (in->op == OP_COLUMN) {
            top += W_EXPR_RUN;
            memcpy(top, column[in->column] + start, (size_t)rows * sizeof *top);
        } else if (in->op == OP_CONSTANT) {
            top += W_EXPR_RUN;
            for (int64_t i = 0; i < rows; i++) {
                top[i] = in->constant;
            }
        } else if (in->op < FUNCTIONS || in->op == OP_NEGATE) {
            apply_function(in->op, top, rows);
        } else {
            top -= W_EXPR_RUN;
            apply_binary(in->op, top, top + W_EXPR_RUN, rows);
        }
    }
}

void w_expr_eval(const w_expr *expr, const double *const *column, int64_t rows, double *stack, double *out)
{
    if (w_expr_column(expr) >= 0) {
        memcpy(out, column[w_expr_column(expr)], (size_t)rows * sizeof *out);
        return;
    }
    for (int64_t start = 0; start < rows; start += W_EXPR_RUN) {
        int64_t run = w_min64(W_EXPR_RUN, rows - start);
        eval_run(expr, column, start, run, stack);
        memcpy(out + start, stack, (size_t)run * sizeof *out);
    }
}
