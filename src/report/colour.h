/* SPDX-License-Identifier: Apache-2.0 */
/* Colour maps computed in OKLab (Ottosson 2020), where equal steps look equal. */
#ifndef W_REPORT_COLOUR_H
#define W_REPORT_COLOUR_H

typedef enum w_colour_map {
    W_MAP_DIVERGING,  /* -1 blue … 0 near white … 1 red: effects around zero */
    W_MAP_SEQUENTIAL, /* 0 light … 1 dark: sizes such as standard errors and counts */
    W_MAP_LEVELS      /* 0 … 1 round the hues: lines of levels */
} w_colour_map;

/* "#rrggbb". The position is clamped. */
const char *w_colour(char out[8], w_colour_map map, double position);

#endif
