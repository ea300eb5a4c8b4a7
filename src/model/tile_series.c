/* SPDX-License-Identifier: Apache-2.0 */
/* Where a series of correlated rows begins. The column says it in one of two ways: 1 or a word for true in the first row of
 * each series (numbers 0 and 1, or a factor whose levels are all words of logic), or a factor that changes there. */
#include <math.h>
#include <string.h>

#include "model/tile.h"

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

/* The level that stands for true, where every level is a word of logic; -1 = another factor, -2 = never true. */
static int32_t true_level(const w_design *design, int column)
{
    static const char *const yes[] = {"TRUE", "True", "true", "T", NULL}, *const no[] = {"FALSE", "False", "false", "F", NULL};
    int32_t found = -2;
    for (int64_t l = 0; l < design->level_count[column]; l++) {
        bool affirmed = is_word(design->level[column][l], yes);
        if (!affirmed && !is_word(design->level[column][l], no)) {
            return -1;
        }
        found = affirmed ? (int32_t)l : found;
    }
    return found;
}

bool w_design_series_logical(const w_design *design)
{
    int column = design->start_column;
    return column >= 0 && (design->column_kind[column] == W_NUMERIC || true_level(design, column) != -1);
}

weir_status w_tile_read_series(const w_design *design, const double *number, const int32_t *code, int64_t rows,
                               int64_t first_row, int32_t *series)
{
    const int column = design->start_column;
    if (design->column_kind[column] == W_FACTOR) {
        const int32_t truth = design->grouped ? -1 : true_level(design, column);
        for (int64_t i = 0; i < rows; i++) {
            series[i] = truth == -1 ? code[i] : code[i] == truth;
        }
        return WEIR_OK;
    }
    for (int64_t i = 0; i < rows; i++) {
        if (number[i] != 0 && number[i] != 1 && !isnan(number[i])) {
            return w_fail(design->ctx, WEIR_E_DATA, "column '%s' is %.15g in row %lld: where a series begins it must be 1, "
                          "elsewhere 0, or the column must hold categories", design->column[column], number[i],
                          (long long)(first_row + i) + 1);
        }
        series[i] = number[i] == 1;
    }
    return WEIR_OK;
}
