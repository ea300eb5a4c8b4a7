/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a design in an archive. Numbers stand in arrays (exact), names and counts in the JSON description under "design". */
#ifndef W_MODEL_STORE_H
#define W_MODEL_STORE_H

#include "base/archive.h"
#include "model/build.h"

/* A text as JSON: a string, or {"hex": "…"} when it is not UTF-8. NULL when memory is short. */
json_t *w_store_text(const char *text);
/* The text, in the arena; WEIR_E_MODEL when `json` is not one. */
weir_status w_store_read_text(w_arena *arena, const json_t *json, const char **out);
/* WEIR_E_MODEL "… : what". */
weir_status w_store_damaged(weir_ctx *ctx, const char *what);
/* Adds value (reference stolen) under key; WEIR_E_MEMORY when either is NULL or refused. */
weir_status w_store_set(weir_ctx *ctx, json_t *object, const char *key, json_t *value);
/* A whole number in [least, most]; WEIR_E_MODEL otherwise. */
weir_status w_store_integer(weir_ctx *ctx, const json_t *object, const char *key, int64_t least, int64_t most,
                            int64_t *out);
/* The array `name` of exactly rows x cols numbers (cols 0 = one-dimensional), copied into the arena. */
weir_status w_store_array(w_arena *arena, const w_archive *archive, const char *name, int64_t rows, int64_t cols,
                          double **out);

weir_status w_store_put_smooth(weir_ctx *ctx, w_archive *archive, int number, const w_smooth *smooth,
                               json_t *list);
weir_status w_store_get_smooth(w_arena *arena, const w_archive *archive, int number, const json_t *json,
                               const w_smooth_call *call, w_smooth *out);

#endif
