/* SPDX-License-Identifier: Apache-2.0 */
/* What budget would do, when the one given ends a command before its own check could say so: the command is tried under larger ones
 * up to the point where rows would be read. */
#include "advice.h"

#include <stdio.h>
#include <string.h>

#define LEAST_TRIED ((int64_t)1 << 20)
#define MOST_TRIED ((int64_t)1 << 30)

static int stop_at_rows(void *user)
{
    (void)user;
    return 1;
}

static weir_status attempt_under(cli_run *run, int64_t budget, const weir_table_options *table_options, char *message, size_t size)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = (int32_t)run->args.threads;
    options.memory_budget = budget;
    options.scratch = run->args.scratch;
    options.cancel = stop_at_rows;
    weir_ctx *ctx = NULL;
    message[0] = 0;
    weir_status status = weir_ctx_create(&options, &ctx);
    if (status >= 0) {
        status = run->attempt(run, ctx, table_options);
        snprintf(message, size, "%s", weir_ctx_message(ctx));
    }
    weir_ctx_destroy(ctx);
    return status;
}

int cli_advise_budget(cli_run *run)
{
    char first[512], message[512];
    snprintf(first, sizeof first, "%s", weir_ctx_message(run->ctx));
    const weir_table_options options = cli_table_options(run);
    for (int i = 0; i < run->operand_count; i++)
        if (!strcmp(run->operand[i], "-"))
            return cli_fail(run, EXIT_BUDGET, "%s", first);
    weir_status status = WEIR_E_BUDGET;
    for (int64_t budget = LEAST_TRIED; run->attempt && status == WEIR_E_BUDGET && budget <= MOST_TRIED; budget *= 2) {
        if (budget <= run->args.memory)
            continue;
        status = attempt_under(run, budget, &options, message, sizeof message);
        const char *named = strstr(message, " would do"), *number = named;
        if (status == WEIR_E_BUDGET && named && !strstr(message, " would do to load")) {
            for (int blanks = 0; number > message && blanks < 2; number--)
                blanks += number[-1] == ' ';
            return cli_fail(run, EXIT_BUDGET, "%s:%.*s would do", first, (int)(named - number), number);
        }
        if (status >= 0 || status == WEIR_E_CANCELLED)
            return cli_fail(run, EXIT_BUDGET, "%s: %lld MiB would do", first, (long long)(budget >> 20));
    }
    return cli_fail(run, EXIT_BUDGET, "%s", first);
}
