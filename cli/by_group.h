/* SPDX-License-Identifier: Apache-2.0 */
/* Fits by groups on the command line: what fit, predict and summary do instead. */
#ifndef CLI_BY_GROUP_H
#define CLI_BY_GROUP_H

#include "cli.h"

/* weir fit --by-group: fits, writes what was asked for; the exit code. */
int cli_group_fit(cli_run *run);
/* Loads a file of groups; *out stays NULL where the file holds something else. */
int cli_group_load(cli_run *run, const char *path, weir_groups **out);
int cli_group_summary(cli_run *run, const weir_groups *groups);

#endif
