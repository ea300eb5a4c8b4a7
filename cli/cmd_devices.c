/* SPDX-License-Identifier: Apache-2.0 */
/* weir devices: the machine as the planner sees it. */
#include "cli.h"
#include "groups.h"
#include "output.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {0, "calibrate", CLI_FLAG, CLI_AT(calibrate), 0, NULL, "measure the cost constants of this machine and keep them"},
    {0, "json", CLI_FLAG, CLI_AT(json), 0, NULL, "as JSON"},
    {0, "export", CLI_TEXT, CLI_AT(export_to), 0, "FILE", "write the cost constants in use to FILE"},
    {0, "import", CLI_TEXT, CLI_AT(import_from), 0, "FILE", "show the constants of FILE in place of this machine's"},
};
static const cli_group outputs = {"Devices", CLI_COUNT_OF(options), options};
static const cli_group *const groups[] = {&outputs, &group_machine, &group_general, NULL};

/* "7.8 GiB", "no limit"; `text` holds 32 bytes. */
static const char *size_text(int64_t bytes, char *text)
{
    static const char units[] = "KMGTP";
    double value = (double)bytes;
    int unit = -1;
    if (bytes == INT64_MAX)
        return strcpy(text, "no limit");
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(text, 32, "%lld B", (long long)bytes);
    else
        snprintf(text, 32, "%.*f %ciB", value < 100 ? 1 : 0, value, units[unit]);
    return text;
}

static void print_values(const char *title, int32_t count, const weir_named_value *value)
{
    printf("\n%s\n", title);
    for (int32_t i = 0; i < count; i++)
        printf("  %-36s %12.4g %-8s %s%s\n", value[i].name, value[i].value, value[i].unit, value[i].meaning,
               value[i].measured ? " (measured)" : "");
}

static void print_text(const weir_devices *d)
{
    char a[32], b[32], c[32];
    printf("processor   %s, %d cores, %d threads in %d package%s\n", *d->cpu_model ? d->cpu_model : "unknown", d->cores,
           d->processors, d->packages, d->packages == 1 ? "" : "s");
    printf("            this process may use %d; weir uses %d\n", d->processors_allowed, d->threads);
    printf("caches      L1 %s, L2 %s, L3 %s; %d NUMA node%s\n", size_text(d->l1_bytes, a), size_text(d->l2_bytes, b),
           size_text(d->l3_bytes, c), d->numa_nodes, d->numa_nodes == 1 ? "" : "s");
    printf("kernels     %s (found: %s)\n", d->isa_used, d->isa);
    printf("BLAS        %s, %s\n", d->blas, d->blas_threading);
    printf("memory      %s in all, %s available; cgroup %s, rlimit %s\n", size_text(d->memory_total, a),
           size_text(d->memory_available, b), d->cgroup_version ? size_text(d->cgroup_free, c) : "none",
           d->rlimit_free == INT64_MAX ? "none" : "set");
    printf("budget      %s, set by %s\n", size_text(d->budget, a), d->memory_binding);
    printf("\ndevice   use  memory      free        why (request: %s)\n", d->request);
    for (int32_t i = 0; i < d->device_count; i++) {
        const weir_device_info *device = &d->device[i];
        printf("%-8s %-4s %-11s %-11s %s\n", device->name, !device->available ? "no" : device->selected ? "yes" : "-",
               device->available ? size_text(device->total_bytes, a) : "-",
               device->available ? size_text(device->free_bytes, b) : "-", device->reason);
    }
    char title[512];
    snprintf(title, sizeof title, "cost model (%s%s)", d->cost_source,
             d->calibrated ? "" : "; 'weir devices --calibrate' measures it");
    print_values(title, d->cost_count, d->cost);
    print_values("policy", d->policy_count, d->policy);
}

static json_t *values_json(int32_t count, const weir_named_value *value)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s, s:b}", "name", value[i].name, "value",
                                              isfinite(value[i].value) ? json_real(value[i].value) : json_null(),
                                              "unit", value[i].unit, "meaning", value[i].meaning, "measured",
                                              value[i].measured));
    return list;
}

/* A size that may be unbounded. */
static json_t *limit_json(int64_t bytes) { return bytes == INT64_MAX ? json_null() : json_integer(bytes); }

static json_t *devices_json(const weir_devices *d)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < d->device_count; i++) {
        const weir_device_info *device = &d->device[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:s}", "name", device->name, "kind", device->kind,
                            "description", device->description, "total_bytes", (json_int_t)device->total_bytes,
                            "free_bytes", (json_int_t)device->free_bytes, "available", device->available, "selected",
                            device->selected, "reason", device->reason));
    }
    return json_pack(
        "{s:s, s:s, s:s, s:o,"
        " s:{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:s, s:s},"
        " s:{s:s, s:s, s:s}, s:{s:I, s:o, s:o, s:o, s:i, s:s, s:I},"
        " s:{s:b, s:s, s:o}, s:o}",
        "schema", "weir.devices/1", "version", weir_version(), "request", d->request, "devices", list,
        "processor", "model", d->cpu_model, "packages", d->packages, "cores", d->cores, "processors", d->processors,
        "allowed", d->processors_allowed, "threads", d->threads, "numa_nodes", d->numa_nodes, "l1_bytes",
        (json_int_t)d->l1_bytes, "l2_bytes", (json_int_t)d->l2_bytes, "l3_bytes", (json_int_t)d->l3_bytes, "isa", d->isa,
        "isa_used", d->isa_used, "blas", "name", d->blas, "config", d->blas_config, "threading", d->blas_threading,
        "memory", "total", (json_int_t)d->memory_total, "available", limit_json(d->memory_available), "cgroup_free",
        limit_json(d->cgroup_free), "rlimit_free", limit_json(d->rlimit_free), "cgroup_version", d->cgroup_version,
        "binding", d->memory_binding, "budget", (json_int_t)d->budget, "cost", "calibrated", d->calibrated, "source",
        d->cost_source, "values", values_json(d->cost_count, d->cost), "policy", values_json(d->policy_count, d->policy));
}

static int print_json(cli_run *run, const weir_devices *found)
{
    json_t *root = devices_json(found);
    if (!root)
        return cli_fail(run, EXIT_FAILED, "cannot write the devices as JSON: a text is not UTF-8 or memory ran out");
    int failed = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(root);
    putchar('\n');
    return failed ? cli_fail(run, EXIT_FAILED, "cannot write standard output") : EXIT_DONE;
}

static int measure(cli_run *run)
{
    weir_status status = weir_devices_calibrate(run->ctx);
    if (status == WEIR_E_IO) {
        cli_say(run, "%s", weir_ctx_message(run->ctx));
        return EXIT_DONE;
    }
    return status < 0 ? cli_report(run, status, EXIT_FAILED) : EXIT_DONE;
}

static int devices(cli_run *run)
{
    const cli_args *args = &run->args;
    if (args->calibrate && args->import_from)
        return cli_fail(run, EXIT_USAGE, "--calibrate and --import contradict each other; give one");
    int code = args->export_to ? cli_output_check(run, args->export_to) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = cli_context(run);
    if (code == EXIT_DONE && args->calibrate)
        code = measure(run);
    if (code == EXIT_DONE && args->import_from) {
        weir_status status = weir_devices_import(run->ctx, args->import_from);
        code = status < 0 ? cli_report(run, status, EXIT_DATA) : EXIT_DONE;
    }
    if (code == EXIT_DONE && args->export_to) {
        weir_status status = weir_devices_export(run->ctx, args->export_to);
        code = status < 0 ? cli_report(run, status, EXIT_FAILED) : EXIT_DONE;
    }
    if (code)
        return code;
    weir_devices *found = NULL;
    weir_status status = weir_devices_query(run->ctx, &found);
    if (status < 0)
        return cli_report(run, status, EXIT_FAILED);
    if (args->json)
        code = print_json(run, found);
    else
        print_text(found);
    weir_devices_free(run->ctx, found);
    return code;
}

const cli_command cmd_devices = {
    .name = "devices",
    .brief = "show processors, devices, memory limits and the cost model",
    .operands = "",
    .about = "Shows what there is to compute with, why a device is or is not used, what sets the memory budget, and\n"
             "the figures that plans reckon with.",
    .examples = "  weir devices\n  weir devices --calibrate\n  weir devices --json | jq .memory.budget\n",
    .groups = groups,
    .least_operands = 0,
    .most_operands = 0,
    .run = devices,
};
