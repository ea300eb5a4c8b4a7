/* SPDX-License-Identifier: Apache-2.0 */
/* A table of three columns as text and as values, for tests of the ways in and the routes of later passes. */
#ifndef TEST_SAMPLE_TABLE_H
#define TEST_SAMPLE_TABLE_H

#include "support/tables.h"
#include "table/table.h"

#define ROWS 50000

/* x: numbers; g: a factor of four levels; z: numbers. Some values of g and z are missing. */
typedef struct sample {
    char *csv;
    size_t size, header;
    double x[ROWS], z[ROWS];
    int32_t g[ROWS];
} sample;

extern const char *const level_names[4];

sample *make_sample(void);
void free_sample(sample *s);
void is_sample(const test_rows *got, const sample *s);
weir_table *open_files(weir_ctx *ctx, int32_t count, const char *const *paths);
/* Scans, reads again and compares with the sample; the route must be this one. */
void goes_by(weir_ctx *ctx, weir_table *table, const w_scan_options *options, w_source_route route, const sample *s);

#endif
