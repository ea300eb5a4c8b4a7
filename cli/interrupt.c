/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and friends. A handler may only set a flag, unlink and leave. */
#include "cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { WATCHED = 8 };
static volatile sig_atomic_t asked;
static const char *volatile watched[WATCHED];

static void on_signal(int number)
{
    if (asked) {
        for (int i = 0; i < WATCHED; i++)
            if (watched[i])
                unlink(watched[i]);
        _exit(128 + number);
    }
    asked = number;
}

void cli_interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; /* a closed pipe is a failed write, so that unfinished files are removed */
    sigaction(SIGPIPE, &action, NULL);
}

bool cli_interrupted(void) { return asked != 0; }

void cli_interrupt_watch(const char *path)
{
    for (int i = 0; i < WATCHED; i++)
        if (!watched[i]) {
            watched[i] = path;
            return;
        }
}

void cli_interrupt_forget(const char *path)
{
    for (int i = 0; i < WATCHED; i++)
        if (watched[i] == path)
            watched[i] = NULL;
}
