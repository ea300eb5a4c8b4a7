/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"
#include "support/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sink_write(void *user, const char *bytes, size_t size)
{
    sink *s = user;
    if (s->refuse_after > 0 && s->length + size > s->refuse_after) {
        return 1;
    }
    if (s->length + size + 1 > s->capacity) {
        s->capacity = 2 * (s->length + size + 1);
        s->text = realloc(s->text, s->capacity);
        assert_non_null(s->text);
    }
    memcpy(s->text + s->length, bytes, size);
    s->length += size;
    s->text[s->length] = '\0';
    return 0;
}

void sink_free(sink *s)
{
    free(s->text);
    *s = (sink){ 0 };
}

void sink_matches(const sink *s, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "tests/golden/%s", name); /* tests run in the source folder */
    FILE *f = fopen(path, "rb");
    char *wanted = calloc(1, s->length + 2);
    size_t got = f ? fread(wanted, 1, s->length + 1, f) : 0;
    if (f) {
        fclose(f);
    }
    size_t same = 0;
    while (same < got && same < s->length && wanted[same] == s->text[same]) {
        same++;
    }
    int equal = got == s->length && same == got && f;
    free(wanted);
    if (!equal) {
        char left[600];
        const char *folder = getenv("TMPDIR");
        snprintf(left, sizeof left, "%s/golden.%s", folder ? folder : "/tmp", name);
        FILE *out = fopen(left, "wb");
        if (out) {
            fwrite(s->text, 1, s->length, out);
            fclose(out);
        }
        fail_msg("the output differs from %s at byte %zu; see %s", path, same, left);
    }
}
