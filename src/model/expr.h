/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of a formula as a small program over columns: constants, columns, + - * / ^, sign and the functions
 * log exp sqrt abs log10 log2 log1p expm1 sin cos tan; I(e) is e. A stack machine whose cells are runs of rows. */
#ifndef W_MODEL_EXPR_H
#define W_MODEL_EXPR_H

#include "model/tree.h"

#define W_EXPR_RUN 256 /* rows per step: the stack stays in cache */
#define W_SYMBOL_SHARE '%' /* a share of trials, no formula writes it: a/b, but 0 of 0 is 0 */

typedef struct w_expr w_expr;

/* Names of the functions, NULL-terminated. */
const char *const *w_expr_functions(void);
bool w_expr_is_function(const char *name);

/* `find` gives the number of a column by name (never fails: the caller has registered all of them). */
typedef int (*w_expr_find_fn)(const void *arg, const char *name);
weir_status w_expr_compile(w_arena *arena, const w_node *node, w_expr_find_fn find, const void *arg,
                           const w_expr **out);
/* The column when the expression is nothing but one; else -1. */
int w_expr_column(const w_expr *expr);
/* Runs of stack the evaluation needs: stack has depth * W_EXPR_RUN doubles. */
int w_expr_depth(const w_expr *expr);
/* out[i] for i < rows. column[c] points at `rows` values of column c (read only where the expression names c). */
void w_expr_eval(const w_expr *expr, const double *const *column, int64_t rows, double *stack, double *out);

#endif
