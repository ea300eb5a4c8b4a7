/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEIR_TESTS_SUPPORT_NAMED_BUDGET_H
#define WEIR_TESTS_SUPPORT_NAMED_BUDGET_H

#include <stdint.h>

/* The size before "would do" in a message; 0 when none is named. */
int64_t test_named_budget(const char *message);

#endif
