/* SPDX-License-Identifier: Apache-2.0 */
/* Formula text -> tokens. */
#ifndef W_MODEL_TOKEN_H
#define W_MODEL_TOKEN_H

#include "model/tree.h"

typedef enum w_token_kind {
    W_TOKEN_END,
    W_TOKEN_NUMBER,
    W_TOKEN_NAME,
    W_TOKEN_STRING,
    W_TOKEN_OPERATOR /* one of ~ + - * / ^ : ( ) , = */
} w_token_kind;

typedef struct w_token {
    w_token_kind kind;
    char op;
    bool quoted;
    int32_t start, end;
    double number;
    const char *text; /* names and strings, without quotes; in the formula's arena */
} w_token;

/* The token at or after byte *at; moves *at behind it. */
weir_status w_token_next(w_formula *formula, int32_t *at, w_token *out);

#endif
