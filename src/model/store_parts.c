/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/size.h"
#include "model/store.h"

weir_status w_store_damaged(weir_ctx *ctx, const char *what)
{
    return w_fail(ctx, WEIR_E_MODEL, "the model file is damaged: %s", what);
}

json_t *w_store_text(const char *text)
{
    json_t *string = json_string(text);
    if (string) {
        return string;
    }
    static const char digits[] = "0123456789abcdef";
    json_t *object = json_object(), *hex = json_string("");
    for (const char *c = text; *c && hex; c++) {
        const unsigned char byte = (unsigned char)*c;
        json_t *longer = json_sprintf("%s%c%c", json_string_value(hex), digits[byte >> 4], digits[byte & 15]);
        json_decref(hex);
        hex = longer;
    }
    if (!object || !hex || json_object_set_new(object, "hex", hex) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

weir_status w_store_read_text(w_arena *arena, const json_t *json, const char **out)
{
    if (json_is_string(json)) {
        *out = w_arena_strdup(arena, json_string_value(json));
        return *out ? WEIR_OK : w_alloc_status(arena->ctx);
    }
    const char *hex = json_string_value(json_object_get(json, "hex"));
    if (!hex || strlen(hex) % 2) {
        return w_store_damaged(arena->ctx, "a name is missing");
    }
    size_t length = strlen(hex) / 2;
    char *text = w_arena_calloc(arena, length + 1, 1);
    if (!text) {
        return w_alloc_status(arena->ctx);
    }
    for (size_t i = 0; i < length; i++) {
        int high = digit_value(hex[2 * i]), low = digit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0 || high + low == 0) {
            return w_store_damaged(arena->ctx, "a name is not hexadecimal");
        }
        text[i] = (char)(16 * high + low);
    }
    *out = text;
    return WEIR_OK;
}

weir_status w_store_set(weir_ctx *ctx, json_t *object, const char *key, json_t *value)
{
    if (!object || !value || json_object_set_new(object, key, value) != 0) {
        return w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
    }
    return WEIR_OK;
}

weir_status w_store_integer(weir_ctx *ctx, const json_t *object, const char *key, int64_t least, int64_t most,
                            int64_t *out)
{
    const json_t *json = json_object_get(object, key);
    if (!json_is_integer(json) || json_integer_value(json) < least || json_integer_value(json) > most) {
        return w_fail(ctx, WEIR_E_MODEL, "the model file is damaged: '%s' is not a number from %lld to %lld", key,
                      (long long)least, (long long)most);
    }
    *out = json_integer_value(json);
    return WEIR_OK;
}

weir_status w_store_array(w_arena *arena, const w_archive *archive, const char *name, int64_t rows, int64_t cols,
                          double **out)
{
    int64_t have_rows, have_cols;
    const double *data = w_archive_f64(archive, name, &have_rows, &have_cols);
    if (!data || have_rows != rows || have_cols != cols) {
        return w_fail(arena->ctx, WEIR_E_MODEL,
                      "the model file is damaged: the array '%s' is missing or not %lld x %lld", name,
                      (long long)rows, (long long)(cols ? cols : 1));
    }
    size_t count = (size_t)w_mul64(rows, cols ? cols : 1);
    double *copy = w_arena_alloc(arena, count, sizeof *copy);
    if (!copy) {
        return w_alloc_status(arena->ctx);
    }
    memcpy(copy, data, count * sizeof *copy);
    *out = copy;
    return WEIR_OK;
}
