/* SPDX-License-Identifier: Apache-2.0 */
/* What archive.c, archive_read.c and archive_write.c share; nobody else includes it. */
#ifndef W_BASE_ARCHIVE_PARTS_H
#define W_BASE_ARCHIVE_PARTS_H

#include "base/archive.h"

#define W_ARCHIVE_HEADER_LIMIT ((int64_t)64 << 20)
#define W_ARCHIVE_DEPTH_LIMIT 64

typedef enum w_archive_dtype { W_ARCHIVE_F64, W_ARCHIVE_I64, W_ARCHIVE_I32, W_ARCHIVE_U8, W_ARCHIVE_DTYPES } w_archive_dtype;

typedef struct w_archive_entry {
    char *name;             /* owned */
    w_archive_dtype dtype;
    int64_t rows, cols;     /* cols 0 = one-dimensional */
    int64_t bytes;
    void *data;             /* owned when written, inside `data` of the archive when read */
} w_archive_entry;

struct w_archive {
    weir_ctx *ctx;
    json_t *json;           /* the description */
    int version;
    int64_t charged;        /* what the description's tree is entered with in the ledger */
    int64_t count, capacity;
    w_archive_entry *entry;
    char *data;             /* all arrays of an archive that was read; NULL otherwise */
};

extern const char *const w_archive_dtype_name[W_ARCHIVE_DTYPES];
extern const int w_archive_dtype_bytes[W_ARCHIVE_DTYPES];

weir_status w_archive_new(weir_ctx *ctx, w_archive **out);
/* Appends an entry whose data the caller sets; NULL when memory fails (status: w_alloc_status). */
w_archive_entry *w_archive_entry_add(w_archive *archive, const char *name);

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays in files are little-endian and read as they lie");

#endif
