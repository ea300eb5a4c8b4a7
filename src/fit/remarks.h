/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that a fit wants among the notes of its summary, in the order they came up; none takes another's place. */
#ifndef W_FIT_REMARKS_H
#define W_FIT_REMARKS_H

#define W_REMARK_LINES 8
#define W_REMARK_BYTES 320

typedef struct w_remarks {
    int count;
    char line[W_REMARK_LINES][W_REMARK_BYTES];
} w_remarks;

/* printf format; a line that is there already, or a ninth one, is left out. */
void w_remarks_add(w_remarks *remarks, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
