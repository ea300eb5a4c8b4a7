/* SPDX-License-Identifier: Apache-2.0 */
/* The levels of one factor: texts -> codes. Codes are provisional (order of appearance) until w_dictionary_finish sorts
 * the texts and makes every code its rank. Looking up is safe from many threads while nobody adds. */
#ifndef W_TABLE_DICTIONARY_H
#define W_TABLE_DICTIONARY_H

#include "base/ctx.h"
#include "weir/table.h"

typedef struct w_dictionary w_dictionary;

weir_status w_dictionary_create(weir_ctx *ctx, w_dictionary **out);
void w_dictionary_free(w_dictionary *dictionary);
/* The code of the text, or -1 when it is not there. */
int32_t w_dictionary_find(const w_dictionary *dictionary, const char *text, size_t length);
/* The code of the text, added when it is new; -1 when memory is refused (w_alloc_status). */
int32_t w_dictionary_add(w_dictionary *dictionary, const char *text, size_t length);
/* The code of a number as a level ("3", "0.5"), -1 for NaN. A new level is added until the dictionary is finished, then
 * it is WEIR_E_DATA without a message. Numbers met before the finish are found without being written as text. */
weir_status w_dictionary_number(w_dictionary *dictionary, double value, int32_t *code);
/* Codes of `rows` values of a column, `stride` bytes apart. On a failure *row is the value's. */
weir_status w_dictionary_numbers(w_dictionary *dictionary, weir_dtype dtype, const void *data, int64_t stride, int64_t rows,
                                 int32_t *codes, int64_t *row);
int64_t w_dictionary_count(const w_dictionary *dictionary);
/* Sorts: numerically when every text is a number (equal numbers by bytes), else by bytes. Adding ends here. */
weir_status w_dictionary_finish(w_dictionary *dictionary, char decimal);
bool w_dictionary_finished(const w_dictionary *dictionary);
/* After the finish: count texts in order, and final[provisional]. */
const char *const *w_dictionary_levels(const w_dictionary *dictionary);
const int32_t *w_dictionary_remap(const w_dictionary *dictionary);

#endif
