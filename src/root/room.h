/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a scratch that are not needed any more. */
#ifndef W_ROOT_ROOM_H
#define W_ROOT_ROOM_H

#include "dense/strided.h"

/* Back to `used`; where bytes are counted they stay counted. */
static inline void w_root_give_back(w_scratch *s, int64_t used)
{
    if (s->base) {
        s->used = used;
    }
}

#endif
