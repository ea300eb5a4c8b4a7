/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of options that several commands share. */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include "options.h"

extern const cli_group group_model, group_table, group_machine, group_general;

#define CLI_COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define CLI_AT(field) offsetof(cli_args, field)

#endif
