/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "harness.h"
#include "kernels/root_peers.h"
#include "root_report.h"
#include "weir/version.h"

static json_t *machine(void)
{
    struct utsname u;
    char line[512], model[256] = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %255[^\n]", model) == 1)
            break;
    if (file)
        fclose(file);
    const bool known = uname(&u) == 0;
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "system", known ? u.sysname : "", "release", known ? u.release : "", "architecture",
                     known ? u.machine : "", "processor", model, "processors", bench_processors());
}

static json_t *hashes(const char *const *outputs, int count)
{
    json_t *all = json_object();
    for (int i = 0; i < count; i++) {
        const char *const arguments[] = {"sha256sum", "--", outputs[i], NULL};
        json_t *said = outputs[i] ? bench_peer(arguments) : NULL; /* one line: hash, file */
        if (said && json_object_iter(said))
            json_object_set_new(all, outputs[i], json_string(json_object_iter_key(json_object_iter(said))));
        json_decref(said);
    }
    return all;
}

int root_manifest_write(const char *path, int argc, char **argv, const char *const *outputs, int count)
{
    static const char *const log[] = {"git", "log", "-1", "--format=commit %H", NULL};
    char when[32];
    const time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    json_t *arguments = json_array(), *git = bench_peer(log);
    for (int i = 0; i < argc; i++)
        json_array_append_new(arguments, json_string(argv[i]));
    json_t *root = json_pack("{s:s, s:s, s:o, s:o, s:{s:s, s:s, s:s, s:s}, s:o}", "schema", "weir.bench.root.manifest/1", "generated_at", when,
                             "arguments", arguments, "machine", machine(), "versions", "weir", weir_version(), "blas", root_blas_name(),
                             "jansson", JANSSON_VERSION, "compiler", __VERSION__, "outputs", hashes(outputs, count));
    if (git && json_object_get(git, "commit"))
        json_object_set(root, "commit", json_object_get(git, "commit"));
    json_decref(git);
    const int failed = json_dump_file(root, path, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(root);
    return failed ? 1 : 0;
}
