/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of inverse roots: cells, two variants side by side, and the figures. */
#ifndef BENCH_ROOT_REPORT_H
#define BENCH_ROOT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

void root_report_cells(FILE *out, const json_t *cells);
/* Two sides a cell: b over a. */
void root_report_ab(FILE *out, const json_t *cells);
void root_report_figures(FILE *out, const json_t *cells, const json_t *batches);

/* ---- root_manifest.c ------------------------------------------------------------------------------------------------- */

/* Arguments, commit where there is one, machine, versions, SHA-256 of the outputs (NULL ones are left out). */
int root_manifest_write(const char *path, int argc, char **argv, const char *const *outputs, int count);

#endif
