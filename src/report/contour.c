/* SPDX-License-Identifier: Apache-2.0 */
/* Marching squares on the grid with a border of -infinity around it, so that every contour of z = level is a closed loop.
 * Cells are numbered with the border: cell (i, j), 0 <= i <= nx, 0 <= j <= ny, has the corners (i-1 … i, j-1 … j) of the
 * grid. A contour crosses the horizontal edges H(i, j) between nodes (i-1, j) and (i, j), and the vertical edges
 * V(i, j) between (i, j-1) and (i, j). Where one node is border, the crossing is put on the other node: the loop follows
 * the edge of the grid. Loops keep the region z >= level on their left. Saddles are split by the mean of the corners. */
#include "report/contour.h"

#include <math.h>
#include <string.h>

enum { BOTTOM, RIGHT, TOP, LEFT, SIDES };

typedef struct tracer {
    const w_plot *plot;
    const w_grid *grid;
    double level;
    unsigned char *done; /* per cell: bit s = the segment that leaves through side s has been drawn */
} tracer;

static double node(const tracer *t, int i, int j)
{
    const w_grid *g = t->grid;
    return i < 0 || j < 0 || i >= g->nx || j >= g->ny ? -INFINITY : g->z[j * g->nx + i];
}

static bool above(const tracer *t, int i, int j)
{
    return node(t, i, j) >= t->level;
}

static int clamp(int value, int count)
{
    return value < 0 ? 0 : value >= count ? count - 1 : value;
}

/* Where the contour crosses between nodes (i0, j0) and (i1, j1). */
static void put_crossing(const tracer *t, char command, int i0, int j0, int i1, int j1)
{
    const w_grid *g = t->grid;
    double a = node(t, i0, j0), b = node(t, i1, j1);
    double share = isinf(a) ? 1.0 : isinf(b) ? 0.0 : (t->level - a) / (b - a);
    double x0 = g->x[clamp(i0, g->nx)], x1 = g->x[clamp(i1, g->nx)];
    double y0 = g->y[clamp(j0, g->ny)], y1 = g->y[clamp(j1, g->ny)];
    w_put_bytes(t->plot->w, &command, 1);
    w_put_coordinate(t->plot->w, w_plot_x(t->plot, x0 + share * (x1 - x0)));
    w_put(t->plot->w, " ");
    w_put_coordinate(t->plot->w, w_plot_y(t->plot, y0 + share * (y1 - y0)));
}

static void put_side(const tracer *t, char command, int i, int j, int side)
{
    switch (side) {
    case BOTTOM:
        put_crossing(t, command, i - 1, j - 1, i, j - 1);
        break;
    case RIGHT:
        put_crossing(t, command, i, j - 1, i, j);
        break;
    case TOP:
        put_crossing(t, command, i - 1, j, i, j);
        break;
    default:
        put_crossing(t, command, i - 1, j - 1, i - 1, j);
        break;
    }
}

/* Side through which the contour that entered cell (i, j) at `side` leaves. With corners numbered anticlockwise from the lower
 * left, side s joins corners s and s+1; entering with the region on the left means that corner s is above and s+1 not. */
static int leaving_side(const tracer *t, int i, int j, int side)
{
    const bool corner[4] = { above(t, i - 1, j - 1), above(t, i, j - 1), above(t, i, j), above(t, i - 1, j) };
    int next = (side + 1) % SIDES, opposite = (side + 2) % SIDES, last = (side + 3) % SIDES;
    bool far = corner[opposite], farther = corner[last]; /* the two corners not on the entered side */
    if (!far && !farther) {
        return last;
    }
    if (far && farther) {
        return next;
    }
    if (!far && farther) {
        return opposite;
    }
    double mean = 0.25 * (node(t, i - 1, j - 1) + node(t, i, j - 1) + node(t, i, j) + node(t, i - 1, j));
    return mean >= t->level ? next : last;
}

static void step(int *i, int *j, int side)
{
    *i += side == RIGHT ? 1 : side == LEFT ? -1 : 0;
    *j += side == TOP ? 1 : side == BOTTOM ? -1 : 0;
}

/* Follows the loop that enters cell (i, j) through `side`. */
static void trace(tracer *t, int i, int j, int side)
{
    int stride = t->grid->nx + 1;
    char command = 'M';
    while (!(t->done[j * stride + i] & (1u << side))) {
        t->done[j * stride + i] |= (unsigned char)(1u << side);
        put_side(t, command, i, j, side);
        command = 'L';
        int out = leaving_side(t, i, j, side);
        step(&i, &j, out);
        side = (out + 2) % SIDES;
    }
    w_put(t->plot->w, "Z");
}

/* Is side `s` of cell (i, j) crossed with its first corner above and its second not? */
static bool enters(const tracer *t, int i, int j, int s)
{
    static const int di[4] = { -1, 0, 0, -1 }, dj[4] = { -1, -1, 0, 0 };
    int e = (s + 1) % SIDES;
    return above(t, i + di[s], j + dj[s]) && !above(t, i + di[e], j + dj[e]);
}

weir_status w_contour_region(const w_plot *plot, const w_grid *grid, double level)
{
    weir_ctx *ctx = plot->w->ctx;
    size_t cells = (size_t)(grid->nx + 1) * (size_t)(grid->ny + 1);
    tracer t = { plot, grid, level, w_calloc(ctx, "report", cells, 1) };
    if (!t.done) {
        return w_alloc_status(ctx);
    }
    for (int j = 0; j <= grid->ny; j++) {
        for (int i = 0; i <= grid->nx; i++) {
            for (int s = 0; s < SIDES; s++) {
                if (enters(&t, i, j, s) && !(t.done[j * (grid->nx + 1) + i] & (1u << s))) {
                    trace(&t, i, j, s);
                }
            }
        }
    }
    w_free(ctx, t.done);
    return WEIR_OK;
}
