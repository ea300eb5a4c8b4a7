/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices whose roots are known: G = U S V' with U and V three random reflections each, in O(rows cols), and functions of it in
 * O((rows + cols) k), all in long double. Condition numbers are what they say, but for the rounding of the elements. */
#ifndef BENCH_ROOT_KNOWN_H
#define BENCH_ROOT_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

typedef enum root_kind { ROOT_SPD, ROOT_GENERAL, ROOT_GRAM, ROOT_DUAL } root_kind;

typedef struct root_known {
    root_kind kind;
    int64_t rows, cols;
    double condition, ridge;   /* of A + ridge I (SPD, Gram), of G (general); dual: of G G' */
    long double *value;        /* min(rows, cols): eigenvalues, or singular values */
    long double *left, *right; /* 3 x rows, 3 x cols: unit vectors */
    double *matrix;            /* rows x cols, column-major, rounded */
} root_known;

/* Values from 1 to 1 / condition, evenly spaced in their logarithm. False: no memory. */
bool root_known_make(root_known *out, root_kind kind, int64_t rows, int64_t cols, double condition, uint64_t seed);
void root_known_drop(root_known *known);
/* z := A^(-1/p) b (SPD), G^-1 b (general), (G'G + ridge I)^(-1/p) b (Gram), G'(GG')^(-1/p) b (dual); column-major. */
bool root_known_apply(const root_known *known, int p, int64_t k, const double *b, double *z);
/* Standard normal, from a linear congruence. */
double root_known_normal(uint64_t *state);

#endif
