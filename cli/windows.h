/* SPDX-License-Identifier: Apache-2.0 */
/* weir fit --window ROWS --step ROWS: a model of each window of rows, predictions of the rows behind it. */
#ifndef CLI_WINDOWS_H
#define CLI_WINDOWS_H

#include "cli.h"

/* Refuses options that do not go together with windows, or need them; 0 or an exit code. */
int cli_windows_check(cli_run *run);
int cli_windows_fit(cli_run *run);
/* The options of the library. */
weir_windows_options cli_windows_options(const cli_run *run);

#endif
