/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/remarks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void w_remarks_add(w_remarks *remarks, const char *format, ...)
{
    if (remarks->count == W_REMARK_LINES) {
        return;
    }
    char *line = remarks->line[remarks->count];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, W_REMARK_BYTES, format, arguments);
    va_end(arguments);
    for (int i = 0; i < remarks->count; i++) {
        if (strcmp(remarks->line[i], line) == 0) {
            return;
        }
    }
    remarks->count++;
}
