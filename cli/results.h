/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what a fitted model says: summary, JSON, HTML, the model itself. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "output.h"

/* Refuses at once outputs that cannot be written at the end. */
int cli_results_check(cli_run *run);
/* Writes --json FILE, --report FILE and -o MODEL, each whole or not at all, then the summary to standard output unless
 * that holds the JSON or --quiet is given. `status` is that of the fit; returns the exit code of the command. */
int cli_results_write(cli_run *run, const weir_model *model, weir_status status);
/* A report written to `name`. */
typedef weir_status (*cli_report_fn)(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
int cli_write_report(cli_run *run, const weir_model *model, cli_report_fn report, const char *name);
/* Loads a model file. */
int cli_load_model(cli_run *run, const char *path, weir_model **out);

#endif
