/* SPDX-License-Identifier: Apache-2.0 */
/* Views of any layout with a value between their elements that must stay, matrices of many kinds, and LAPACK's measures of an
 * orthogonal factorization,
 *     ||A - QR||_1 / (max(m, n) ||A||_1 eps),   ||I - Q'Q||_1 / (m eps),
 * whose threshold there is 30: the first column by column, both with sums in long double. */
#ifndef WEIR_TESTS_SUPPORT_ORTHOGONAL_H
#define WEIR_TESTS_SUPPORT_ORTHOGONAL_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/linalg.h"

#define POISON 12345.5 /* between the elements */

typedef struct matrix {
    weir_matrix view;
    char *block; /* free() it */
    int64_t elements;
} matrix;

enum { COLUMNS, ROWS, GAPS, BACKWARD, LAYOUTS };
enum { NORMAL, GRADED_ROWS, GRADED_COLUMNS, DEFICIENT, REPEATED, KAHAN, HILBERT, VANDERMONDE, COLLINEAR, ZERO, ZERO_COLUMNS,
       IDENTITY, TRIANGULAR, SINGLE, KINDS };

int test_size_of(weir_dtype dtype);
double test_epsilon(weir_dtype dtype);
double test_get(const weir_matrix *a, int64_t i, int64_t j);
void test_put(const weir_matrix *a, int64_t i, int64_t j, double value);
double test_vector_at(weir_dtype dtype, const void *x, int64_t i);

matrix test_matrix(weir_dtype dtype, int64_t rows, int64_t cols, int layout);
void test_fill(const matrix *m, double value);
void test_copy(const weir_matrix *from, const weir_matrix *to);
void test_generate(int kind, const weir_matrix *a, uint64_t seed);
/* Whether everything outside of the view is as it was. */
bool test_gaps_are_whole(const matrix *m);

/* Largest over the columns; not a number where one is not. */
double test_backward_error(const weir_matrix *a, const weir_matrix *q, const weir_matrix *r);
double test_orthogonality(const weir_matrix *q);
/* Fails beyond 4. */
void test_expect(double ratio, const char *what, const weir_matrix *a);

#endif
