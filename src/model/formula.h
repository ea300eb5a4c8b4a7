/* SPDX-License-Identifier: Apache-2.0 */
/* Formula text -> syntax tree -> terms. The grammar is mgcv's:
 *     response ~ term + term - 1 …,  term := variable | f(expr) | a:b | a*b | (a + b)^2 | offset(e) | s(…) | te(…) | ti(…) | .
 * Errors are WEIR_E_FORMULA with the formula's column (1-based) and, on further lines of the message, the formula with the
 * place underlined. Nothing is evaluated here. */
#ifndef W_MODEL_FORMULA_H
#define W_MODEL_FORMULA_H

#include "base/arena.h"
#include "basis/basis.h"

typedef struct w_formula w_formula;

/* Parses; the text is copied. */
weir_status w_formula_parse(weir_ctx *ctx, const char *text, w_formula **out);
void w_formula_free(w_formula *formula);
const char *w_formula_text(const w_formula *formula);

#endif
