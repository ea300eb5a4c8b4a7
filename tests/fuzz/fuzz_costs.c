/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a file of measured costs. What is accepted lies within the bounds of every cost, and predictions from it are
 * finite; what is refused leaves the costs as they were. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/cost.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    w_cost cost, before;
    char why[120];
    w_cost_defaults(&cost);
    before = cost;
    if (w_cost_parse((const char *)data, size, NULL, &cost, why, sizeof why) < 0) {
        if (memcmp(&before, &cost, sizeof cost) != 0) {
            abort();
        }
        return 0;
    }
    for (int i = 0; w_cost_field_at(i); i++) {
        const w_cost_field *field = w_cost_field_at(i);
        const double value = w_cost_get(&cost, field);
        if (!(value >= field->low && value <= field->high)) {
            abort();
        }
    }
    for (double p = 1; p < 1e6; p *= 3) {
        if (!isfinite(w_curve_at(&cost.route.gram, p, 0.0)) || !isfinite(w_curve_at(&cost.route.spd, p, 3.0))) {
            abort();
        }
    }
    return 0;
}
