/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_REPORT_CONTOUR_H
#define W_REPORT_CONTOUR_H

#include "report/svg.h"

/* A grid of values z[j*nx + i] at (x[i], y[j]), axes ascending. */
typedef struct w_grid {
    int nx, ny;
    const double *x, *y, *z;
} w_grid;

/* Path data (for the attribute d, even-odd fill) of the region z >= level: closed loops along the contour and, where
 * the region reaches the edge of the grid, along that edge. Memory: 4 bytes per cell edge. */
weir_status w_contour_region(const w_plot *plot, const w_grid *grid, double level);

#endif
