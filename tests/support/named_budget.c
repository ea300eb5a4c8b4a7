/* SPDX-License-Identifier: Apache-2.0 */
#include "support/named_budget.h"

#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "support/test.h"

int64_t test_named_budget(const char *message)
{
    const char *end = strstr(message, " would do");
    if (!end) {
        return 0;
    }
    const char *start = end;
    for (int blanks = 0; start > message && blanks < 2; start--) {
        blanks += start[-1] == ' ';
    }
    char number[64];
    int64_t bytes = 0;
    start += *start == ' ' || start > message;
    snprintf(number, sizeof number, "%.*s", (int)(end - start), start);
    assert_int_equal(w_parse_bytes(number, &bytes), 0);
    return bytes;
}
