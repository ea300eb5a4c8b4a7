/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of fits by groups. */
#include "weir/groups.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"
#include "fit/group.h"
#include "report/groups.h"

#define GROUPS_FILE_VERSION 1

static weir_status check_fit_options(weir_ctx *ctx, const weir_fit_options *options)
{
    if (options->version != WEIR_FIT_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "fit options have version %d, a fit by groups takes %d: use WEIR_FIT_OPTIONS_INIT",
                      (int)options->version, WEIR_FIT_OPTIONS_VERSION);
    }
    if ((int)options->criterion < 0 || options->criterion > WEIR_UBRE) {
        return w_fail(ctx, WEIR_E_ARG, "criterion %d is none of REML, ML, GCV, UBRE", (int)options->criterion);
    }
    if (options->sp_count < 0 || (options->sp_count > 0 && !options->sp)) {
        return w_fail(ctx, WEIR_E_ARG, "sp_count is %d but sp is NULL", (int)options->sp_count);
    }
    return WEIR_OK;
}

weir_status weir_fit_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                            const weir_groups_options *how, weir_groups **out)
{
    static const weir_fit_options defaults = WEIR_FIT_OPTIONS_INIT;
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!table || !formula || !how || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_fit_groups needs a table, a formula, the column of groups and out");
    }
    if (how->version != WEIR_GROUPS_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "options of groups have version %d, this library knows %d: use WEIR_GROUPS_OPTIONS_INIT",
                      (int)how->version, WEIR_GROUPS_OPTIONS_VERSION);
    }
    weir_status status = check_fit_options(ctx, options ? options : &defaults);
    if (status >= 0) {
        w_progress_begin(ctx, 0);
        status = w_fit_groups(ctx, table, formula, options ? options : &defaults, how, out);
        w_progress_end(ctx);
    }
    return status;
}

weir_status weir_plan_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                             const weir_groups_options *how, weir_plan *out)
{
    static const weir_fit_options defaults = WEIR_FIT_OPTIONS_INIT;
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!table || !formula || !how || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_plan_groups needs a table, a formula, the column of groups and out");
    }
    if (how->version != WEIR_GROUPS_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "options of groups have version %d, this library knows %d: use WEIR_GROUPS_OPTIONS_INIT",
                      (int)how->version, WEIR_GROUPS_OPTIONS_VERSION);
    }
    weir_status status = check_fit_options(ctx, options ? options : &defaults);
    return status < 0 ? status : w_plan_groups(ctx, table, formula, options ? options : &defaults, how, out);
}

void weir_groups_free(weir_groups *groups)
{
    w_groups_free(groups);
}

weir_status weir_groups_save(weir_ctx *ctx, const weir_groups *groups, const char *path)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!groups || !path) {
        return w_fail(ctx, WEIR_E_ARG, "weir_groups_save needs groups and a path");
    }
    w_archive *archive = NULL;
    weir_status status = w_archive_create(ctx, "groups", GROUPS_FILE_VERSION, &archive);
    if (status >= 0) {
        status = w_groups_save(groups, archive);
    }
    if (status >= 0) {
        status = w_archive_write(archive, path);
    }
    w_archive_free(archive);
    return status;
}

weir_status weir_groups_load(weir_ctx *ctx, const char *path, weir_groups **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!path || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_groups_load needs a path and out");
    }
    w_archive *archive = NULL;
    weir_status status = w_archive_read(ctx, path, "groups", GROUPS_FILE_VERSION, &archive);
    if (status >= 0) {
        status = w_groups_load(ctx, archive, out);
    }
    w_archive_free(archive);
    return status;
}

/* The kind is named near the head of the description. */
int weir_groups_file(weir_ctx *ctx, const char *path)
{
    static const char *const mark[] = { "\\\"kind\\\":\\\"groups\\\"", "\\\"kind\\\": \\\"groups\\\"" };
    int found = 0;
    int64_t size = 0;
    const int file = ctx && path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    unsigned char length[8] = { 0 };
    if (file >= 0 && read(file, length, sizeof length) == (ssize_t)sizeof length) {
        for (int i = 7; i >= 0; i--) {
            size = size > (int64_t)64 << 20 ? size : size * 256 + length[i];
        }
        size = w_min64(size, (int64_t)64 << 20);
    }
    char *text = size > 0 ? w_alloc(ctx, "groups", (size_t)size) : NULL;
    int64_t held = 0;
    while (text && held < size) {
        const ssize_t count = read(file, text + held, (size_t)(size - held));
        if (count <= 0) {
            break;
        }
        held += count;
    }
    for (int i = 0; text && i < 2; i++) {
        found |= memmem(text, (size_t)held, mark[i], strlen(mark[i])) != NULL;
    }
    if (text) {
        w_free(ctx, text);
    }
    if (file >= 0) {
        close(file);
    }
    return found;
}

const char *weir_group_state_name(weir_group_state state)
{
    return w_group_state_name(state);
}

weir_status weir_groups_summarise(const weir_groups *groups, weir_groups_summary *out)
{
    if (!groups || !out) {
        return WEIR_E_ARG;
    }
    w_groups_summarise(groups, out);
    return WEIR_OK;
}

weir_status weir_groups_get(const weir_groups *groups, int64_t index, weir_group *out)
{
    if (!groups || !out || index < 0 || index >= groups->groups) {
        return WEIR_E_ARG;
    }
    w_groups_get(groups, index, out);
    return WEIR_OK;
}

int64_t weir_groups_find(const weir_groups *groups, const char *name)
{
    for (int64_t g = 0; groups && name && g < groups->groups; g++) {
        if (strcmp(groups->design->level[groups->design->start_column][g], name) == 0) {
            return g;
        }
    }
    return -1;
}

weir_status weir_groups_predict_columns(const weir_groups *groups, const weir_predict_options *options, int32_t *count,
                                        const char *const **names)
{
    static const weir_predict_options defaults = WEIR_PREDICT_OPTIONS_INIT;
    if (!groups || !count || !names) {
        return WEIR_E_ARG;
    }
    w_groups_predict_columns(groups, options ? options : &defaults, count, names);
    return WEIR_OK;
}

weir_status weir_groups_predict(weir_ctx *ctx, const weir_groups *groups, weir_table *table, const weir_predict_options *options,
                                weir_rows_fn deliver, void *user)
{
    static const weir_predict_options defaults = WEIR_PREDICT_OPTIONS_INIT;
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!groups || !table || !deliver) {
        return w_fail(ctx, WEIR_E_ARG, "weir_groups_predict needs groups, a table and a function that takes the rows");
    }
    const weir_predict_options *how = options ? options : &defaults;
    if (how->version < 1 || how->version > WEIR_PREDICT_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "predict options have version %d, this library knows %d: use WEIR_PREDICT_OPTIONS_INIT",
                      (int)how->version, WEIR_PREDICT_OPTIONS_VERSION);
    }
    w_progress_begin(ctx, 2);
    weir_status status = w_groups_predict(ctx, groups, table, how, deliver, user);
    w_progress_end(ctx);
    return status;
}

static weir_status report(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user,
                          weir_status (*how)(weir_ctx *, const weir_groups *, weir_write_fn, void *))
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    return groups && write ? how(ctx, groups, write, user) : w_fail(ctx, WEIR_E_ARG, "a report needs groups and a writer");
}

weir_status weir_groups_report_text(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user)
{
    return report(ctx, groups, write, user, w_report_groups_text);
}

weir_status weir_groups_report_json(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user)
{
    return report(ctx, groups, write, user, w_report_groups_json);
}
