/* SPDX-License-Identifier: Apache-2.0 */
/* The evaluation of a margin in several instruction sets: same operations, same bits. The vector forms need
 * lookup_steps <= W_EVAL_STEP_LIMIT and exist on x86-64. */
#ifndef W_BASIS_MARGIN_EVAL_H
#define W_BASIS_MARGIN_EVAL_H

#include "basis/basis.h"

#define W_EVAL_STEP_LIMIT 4

void w_margin_eval_plain(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value);
void w_margin_eval_avx2(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value);
void w_margin_eval_avx512(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value);
/* What this machine has: 0 plain, 1 AVX2, 2 AVX-512 (F, DQ, VL). */
int w_margin_eval_level(void);

#endif
