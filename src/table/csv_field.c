/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "table/csv.h"

bool w_csv_missing(const w_csv_dialect *dialect, const char *text, size_t length)
{
    if (length == 0) {
        return true;
    }
    for (int32_t i = 0; i < dialect->word_count; i++) {
        const char *word = dialect->words[i];
        if (word[0] == text[0] && strlen(word) == length && memcmp(word, text, length) == 0) {
            return true;
        }
    }
    return false;
}

bool w_csv_number(const w_csv_dialect *dialect, const char *text, size_t length, double *value)
{
    if (w_csv_missing(dialect, text, length)) {
        *value = NAN;
        return true;
    }
    return w_number_field(text, length, dialect->decimal, value);
}
