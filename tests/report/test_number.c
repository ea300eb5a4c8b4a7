/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, columns as R prints them, ticks, colours and contours. The column cases are R 4.2.2's answers to
 * format(x, digits = 4) and format.pval(p, digits = 3, eps = .Machine$double.eps). */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/colour.h"
#include "report/column.h"
#include "report/contour.h"
#include "support/sink.h"

static void columns_are_formatted_as_r_does(void **state)
{
    (void)state;
    static const struct { int count; double x[3]; const char *text[3]; } set[] = {
        { 2, { 7.83328, 0.09878 }, { "7.83328", "0.09878" } },
        { 3, { 1.0, 22.25, 333.0 }, { "1.00", "22.25", "333.00" } },
        { 3, { 123456.0, 0.5, 2.0 }, { "123456.0", "0.5", "2.0" } },
        { 2, { 1e-10, 1.0 }, { "1e-10", "1e+00" } },
        { 2, { 1e6, 1.0 }, { "1e+06", "1e+00" } },
        { 1, { 100000.0 }, { "1e+05" } },
        { 1, { 123456.0 }, { "123456" } },
        { 2, { -1.5, 0.0 }, { "-1.5", "0.0" } },
        { 1, { 3.14159265 }, { "3.142" } },
    };
    char out[W_NUMBER_BYTES];
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        w_column_format format = w_column_common(set[i].count, set[i].x, 1, 4);
        for (int k = 0; k < set[i].count; k++) {
            assert_string_equal(w_column_text(out, format, set[i].x[k], 4), set[i].text[k]);
        }
    }
    w_column_format plain = { false, 2 };
    assert_string_equal(w_column_text(out, plain, 1.234e-5, 4), "1.23e-05");
    assert_string_equal(w_column_text(out, plain, 0.0, 4), "0.00");
    assert_string_equal(w_column_text(out, plain, NAN, 4), "NA");
}

static void p_values_are_formatted_as_r_does(void **state)
{
    (void)state;
    static const struct { int count; double p[3]; const char *text[3]; } set[] = {
        { 3, { 0.5, 0.0211, 1e-20 }, { "0.5000", "0.0211", "<2e-16" } },
        { 3, { 4.1e-12, 0.00014, 0.02 }, { "4.1e-12", "0.00014", "0.02000" } },
        { 2, { 0.00014, 0.9 }, { "0.00014", "0.90000" } },
        { 2, { 1e-9, 0.5 }, { "1e-09", "0.5" } },
        { 3, { 1e-11, 1e-13, 0.5 }, { "1e-11", "1e-13", "0.5" } },
        { 3, { 1.4e-5, 1.234e-9, 0.0014 }, { "1.40e-05", "1.23e-09", "0.0014" } },
        { 2, { 0.000999, 0.123456 }, { "0.000999", "0.123456" } },
    };
    char out[W_NUMBER_BYTES];
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        w_p_format format = w_p_common(set[i].count, set[i].p, 1);
        for (int k = 0; k < set[i].count; k++) {
            assert_string_equal(w_p_text(out, format, set[i].p[k]), set[i].text[k]);
        }
    }
    assert_string_equal(w_p_stars(0.001), "***");
    assert_string_equal(w_p_stars(0.0011), "**");
    assert_string_equal(w_p_stars(0.05), "*");
    assert_string_equal(w_p_stars(0.1), ".");
    assert_string_equal(w_p_stars(0.11), "");
    assert_string_equal(w_p_stars(NAN), "");
}

static void shortest_text_reads_back(void **state)
{
    (void)state;
    char out[W_NUMBER_BYTES];
    assert_string_equal(w_text_shortest(out, 0.1), "0.1");
    assert_string_equal(w_text_shortest(out, 0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(w_text_shortest(out, 1e22), "1e+22");
    assert_string_equal(w_text_shortest(out, -5e-324), "-5e-324");
    assert_string_equal(w_text_seconds(out, 0.00035), "350 \xc2\xb5s");
    assert_string_equal(w_text_seconds(out, 0.0234), "23.4 ms");
    assert_string_equal(w_text_seconds(out, 0.9999), "1.00 s");
    assert_string_equal(w_text_seconds(out, 12.34), "12.3 s");
    assert_string_equal(w_text_seconds(out, 3725), "62 min 5 s");
    assert_string_equal(w_text_seconds(out, NAN), "unknown");
    assert_string_equal(w_text_count(out, 1234567), "1 234 567");
    assert_string_equal(w_text_count(out, -1000), "-1000");
    assert_string_equal(w_text_count(out, 12345), "12 345");
}

static void ticks_are_round_and_inside(void **state)
{
    (void)state;
    static const double range[][2] = { { 0, 1 },         { -3.1, 2.9 },   { 1958.2, 2001.9 }, { 1e-9, 2e-9 },
                                       { 0, 1.5e7 },     { -1e-300, 1e-300 }, { 99.999, 100.001 }, { -7, -6.5 } };
    char out[W_NUMBER_BYTES], before[W_NUMBER_BYTES];
    for (size_t r = 0; r < sizeof range / sizeof range[0]; r++) {
        double lower = range[r][0], upper = range[r][1], width = upper - lower;
        for (int wanted = 2; wanted <= 10; wanted++) {
            w_ticks t = w_ticks_nice(lower, upper, wanted);
            assert_in_range(t.count, 1, W_TICK_LIMIT);
            assert_true(t.count >= wanted / 2 && t.count <= 2 * wanted + 1);
            before[0] = '\0';
            for (int i = 0; i < t.count; i++) {
                assert_true(t.at[i] >= lower - 1e-6 * width && t.at[i] <= upper + 1e-6 * width);
                w_tick_text(out, &t, t.at[i]);
                assert_string_not_equal(out, before); /* neighbours never look the same */
                strcpy(before, out);
            }
        }
    }
    w_ticks t = w_ticks_nice(-1, 1, 5);
    assert_string_equal(w_tick_text(out, &t, t.at[0]), "\xe2\x88\x92" "1.0");
    assert_int_equal(w_ticks_nice(1, 1, 5).count, 0);
    assert_int_equal(w_ticks_nice(0, INFINITY, 5).count, 0);
}

static void colours_reach_from_end_to_end(void **state)
{
    (void)state;
    char low[8], mid[8], high[8], again[8];
    w_colour(low, W_MAP_DIVERGING, -1);
    w_colour(mid, W_MAP_DIVERGING, 0);
    w_colour(high, W_MAP_DIVERGING, 1);
    assert_string_equal(w_colour(again, W_MAP_DIVERGING, 7), high);
    assert_string_not_equal(low, high);
    long m = strtol(mid + 1, NULL, 16), l = strtol(low + 1, NULL, 16), h = strtol(high + 1, NULL, 16);
    assert_true((m >> 16) > 230 && (m >> 8 & 255) > 230 && (m & 255) > 230); /* near white */
    assert_true((l & 255) > (l >> 16) && (h >> 16) > (h & 255));             /* blue below, red above */
}

/* Signed area of the loops of path data "Mx yLx y…Z…", positive for counter-clockwise in data axes. */
static double path_area(const char *d, int *loops)
{
    double area = 0, x0 = 0, y0 = 0, xs = 0, ys = 0;
    *loops = 0;
    while (*d) {
        char command = *d++;
        if (command == 'Z') {
            area += x0 * ys - xs * y0;
            ++*loops;
            continue;
        }
        char *end;
        double x = strtod(d, &end), y = -strtod(end, &end); /* the page's y runs down */
        d = end;
        if (command == 'M') {
            xs = x;
            ys = y;
        } else {
            area += x0 * y - x * y0;
        }
        x0 = x;
        y0 = y;
    }
    return 0.5 * area;
}

enum { SIDE = 41 };

static double region_area(weir_ctx *ctx, double (*f)(double, double), double level, int *loops)
{
    double x[SIDE], z[SIDE * SIDE];
    for (int i = 0; i < SIDE; i++) {
        x[i] = -1 + 2.0 * i / (SIDE - 1);
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        z[i] = f(x[i % SIDE], x[i / SIDE]);
    }
    sink s = { 0 };
    w_writer w;
    w_writer_init(&w, ctx, sink_write, &s);
    w_plot plot = { .w = &w, .left = 0, .right = 200, .top = 0, .bottom = 200, .x_lower = -1, .x_upper = 1, .y_lower = -1,
                    .y_upper = 1 }; /* 100 units = 1 */
    w_grid grid = { SIDE, SIDE, x, x, z };
    assert_int_equal(w_contour_region(&plot, &grid, level), WEIR_OK);
    assert_int_equal(w_writer_finish(&w), WEIR_OK);
    double area = s.text ? path_area(s.text, loops) / 1e4 : 0;
    sink_free(&s);
    return area;
}

static double bowl(double x, double y) { return -(x * x + y * y); }
static double ring(double x, double y) { return -fabs(x * x + y * y - 0.36); }
static double plane(double x, double y) { return x + 0.001 * y; }
static double saddle(double x, double y) { return x * y; }

static void contours_enclose_the_right_area(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    int loops;
    /* a chord between grid lines h = 0.05 apart cuts at most h^2 / (8 r) off an arc: relative area error h^2 / (4 r^2) */
    double area = region_area(ctx, bowl, -0.49, &loops), pi = acos(-1.0);
    assert_int_equal(loops, 1);
    assert_true(fabs(area - pi * 0.49) < pi * 0.49 * 0.05 * 0.05 / (4 * 0.49) + 1e-3);
    area = region_area(ctx, ring, -0.11, &loops); /* 0.25 < r^2 < 0.47: the hole runs clockwise */
    assert_int_equal(loops, 2);
    assert_true(fabs(area - pi * 0.22) < 6e-3);
    area = region_area(ctx, plane, 0.5, &loops); /* cut by the edge */
    assert_int_equal(loops, 1);
    assert_true(fabs(area - 1.0) < 2e-3);
    area = region_area(ctx, bowl, -5, &loops); /* everywhere */
    assert_int_equal(loops, 1);
    assert_true(fabs(area - 4.0) < 1e-3);
    area = region_area(ctx, saddle, 0.013, &loops);
    assert_int_equal(loops, 2);
    area = region_area(ctx, bowl, 1, &loops); /* nowhere */
    assert_true(area == 0);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_formatted_as_r_does), cmocka_unit_test(p_values_are_formatted_as_r_does),
        cmocka_unit_test(shortest_text_reads_back),        cmocka_unit_test(ticks_are_round_and_inside),
        cmocka_unit_test(colours_reach_from_end_to_end),   cmocka_unit_test(contours_enclose_the_right_area),
    };
    return cmocka_run_group_tests_name("report numbers", tests, NULL, NULL);
}
