/* SPDX-License-Identifier: Apache-2.0 */
/* Heapsorts: no memory of their own, and the same order everywhere. No NaN among the values. */
#ifndef W_BASE_SORT_H
#define W_BASE_SORT_H

#include <stdint.h>

/* Values ascending, in place. */
void w_sort_doubles(int64_t count, double *values);

typedef struct w_keyed {
    double key;
    int64_t place;
} w_keyed;

/* By key, equal keys by place. */
void w_sort_keyed(int64_t count, w_keyed *items);

#endif
