/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sort.h"

#include <stdbool.h>

static void sift(double *values, int64_t root, int64_t count)
{
    for (;;) {
        int64_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        child += child + 1 < count && values[child + 1] > values[child];
        if (values[root] >= values[child]) {
            return;
        }
        double swap = values[root];
        values[root] = values[child];
        values[child] = swap;
        root = child;
    }
}

void w_sort_doubles(int64_t count, double *values)
{
    for (int64_t i = count / 2 - 1; i >= 0; i--) {
        sift(values, i, count);
    }
    for (int64_t i = count - 1; i > 0; i--) {
        double swap = values[0];
        values[0] = values[i];
        values[i] = swap;
        sift(values, 0, i);
    }
}

static bool before(const w_keyed *a, const w_keyed *b)
{
    return a->key < b->key || (a->key == b->key && a->place < b->place);
}

static void sift_keyed(w_keyed *items, int64_t root, int64_t count)
{
    for (;;) {
        int64_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        child += child + 1 < count && before(&items[child], &items[child + 1]);
        if (!before(&items[root], &items[child])) {
            return;
        }
        w_keyed swap = items[root];
        items[root] = items[child];
        items[child] = swap;
        root = child;
    }
}

void w_sort_keyed(int64_t count, w_keyed *items)
{
    for (int64_t i = count / 2 - 1; i >= 0; i--) {
        sift_keyed(items, i, count);
    }
    for (int64_t i = count - 1; i > 0; i--) {
        w_keyed swap = items[0];
        items[0] = items[i];
        items[i] = swap;
        sift_keyed(items, 0, i);
    }
}
