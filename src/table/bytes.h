/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a file in order: a regular file, one compressed by gzip (told by its first two bytes; several members
 * one after another are one text), or a pipe ("-" is standard input). Memory for decompression is charged to the
 * ledger. */
#ifndef W_TABLE_BYTES_H
#define W_TABLE_BYTES_H

#include "base/ctx.h"

typedef struct w_bytes w_bytes;

/* WEIR_E_IO with the path and the cause. `path` must outlive the result. */
weir_status w_bytes_open(weir_ctx *ctx, const char *path, w_bytes **out);
void w_bytes_close(w_bytes *bytes);
/* Fills `to` with the next bytes; *got < want only at the end. */
weir_status w_bytes_read(w_bytes *bytes, char *to, int64_t want, int64_t *got);
/* Plain regular files: reads at an offset of the text, any thread; the position of w_bytes_read does not move. */
weir_status w_bytes_read_at(const w_bytes *bytes, int64_t offset, char *to, int64_t want, int64_t *got);
/* Bytes of text before the next w_bytes_read. Skipping is for plain regular files. */
int64_t w_bytes_position(const w_bytes *bytes);
void w_bytes_skip(w_bytes *bytes, int64_t count);
bool w_bytes_is_plain(const w_bytes *bytes);   /* regular and not compressed */
bool w_bytes_is_regular(const w_bytes *bytes); /* can be opened again */
int64_t w_bytes_file_size(const w_bytes *bytes); /* -1 for a pipe */
int64_t w_bytes_taken(const w_bytes *bytes);     /* used of the file, before decompression */
/* What w_bytes_open takes from the ledger at most. */
int64_t w_bytes_cost(bool compressed);

#endif
