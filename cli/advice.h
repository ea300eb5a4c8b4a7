/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ADVICE_H
#define CLI_ADVICE_H

#include "cli.h"

/* Prints the context's message with a budget that would do, as far as one can be found, and returns EXIT_BUDGET. */
int cli_advise_budget(cli_run *run);

#endif
