/* SPDX-License-Identifier: Apache-2.0 */
#include "table/source.h"

#include "table/dictionary.h"
#include "table/table.h"

/* Columns in memory have their levels before the scan's windows are shown. */
const int32_t *w_source_scan_remap(const weir_table *table, int32_t selected)
{
    const w_dictionary *dictionary = table->selected[selected].dictionary;
    return !table->memory && dictionary && w_dictionary_finished(dictionary) ? w_dictionary_remap(dictionary)
                                                                             : NULL;
}

int32_t w_source_column_count(const weir_table *table) { return table->column_count; }

const char *w_source_column_name(const weir_table *table, int32_t index) { return table->names[index]; }
