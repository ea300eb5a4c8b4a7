/* SPDX-License-Identifier: Apache-2.0 */
/* Reads tests/reference/basis: the data and one reference case after another. */
#ifndef WEIR_TESTS_BASIS_CASES_H
#define WEIR_TESTS_BASIS_CASES_H

#include <stdio.h>
#include <string.h>
#include "basis/basis.h"
#include "support/test.h"

#define CASE_ROWS 200
#define CASE_POINTS 13
#define CASE_COLUMNS 64

typedef struct case_data {
    double column[3][CASE_ROWS], y[CASE_ROWS]; /* x, z, v */
    double point[3][CASE_POINTS];
} case_data;

typedef struct reference {
    char name[32];
    w_smooth_spec spec;
    int column[W_MAX_MARGINS];
    double knot[W_MAX_MARGINS][32];
    int exact, columns, null, penalties, points, knots, sp_count, matrices;
    double scale[W_MAX_PENALTIES], sp[W_MAX_PENALTIES], xp[64];
    int rank[W_MAX_PENALTIES];
    double x[CASE_POINTS * CASE_COLUMNS]; /* points x columns */
    double s[W_MAX_PENALTIES][CASE_COLUMNS * CASE_COLUMNS];
    double fitted[CASE_ROWS], predicted[CASE_POINTS], reml;
} reference;

static inline FILE *case_open(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, WEIR_SOURCE_DIR "/tests/reference/basis/%s", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

static inline void case_numbers(FILE *file, int count, double *out)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(fscanf(file, "%lf", out + i), 1);
}

static inline void case_read_data(case_data *data)
{
    FILE *file = case_open("data.txt");
    int rows;
    assert_int_equal(fscanf(file, "%d", &rows), 1);
    assert_int_equal(rows, CASE_ROWS);
    double low[3], high[3];
    for (int i = 0; i < rows; i++) {
        double row[4];
        case_numbers(file, 4, row);
        for (int c = 0; c < 3; c++) {
            data->column[c][i] = row[c];
            low[c] = i == 0 || row[c] < low[c] ? row[c] : low[c];
            high[c] = i == 0 || row[c] > high[c] ? row[c] : high[c];
        }
        data->y[i] = row[3];
    }
    fclose(file);
    const double start[3] = {0.02, -1.9, 0.05}, end[3] = {0.98, 1.8, 3.0}, below[3] = {-0.3, -5, -1},
                 above[3] = {1.4, 4, 9};
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 9; i++)
            data->point[c][i] = start[c] + i * ((end[c] - start[c]) / 8);
        data->point[c][9] = low[c];
        data->point[c][10] = high[c];
        data->point[c][11] = below[c];
        data->point[c][12] = above[c];
    }
}

static inline w_smooth_data case_smooth_data(const case_data *data, const reference *r)
{
    w_smooth_data out = {.rows = CASE_ROWS};
    for (int m = 0; m < r->spec.margin_count; m++) {
        const double *x = data->column[r->column[m]];
        out.x[m] = x;
        out.lower[m] = out.upper[m] = x[0];
        for (int i = 0; i < CASE_ROWS; i++) {
            out.lower[m] = x[i] < out.lower[m] ? x[i] : out.lower[m];
            out.upper[m] = x[i] > out.upper[m] ? x[i] : out.upper[m];
        }
    }
    return out;
}

static inline void case_read_margin(FILE *file, reference *r, int m)
{
    char basis[8];
    long long k;
    int knots;
    w_margin_spec *spec = &r->spec.margin[m];
    assert_int_equal(fscanf(file, " margin %7s %d %lld %d", basis, &r->column[m], &k, &spec->m_count), 4);
    assert_true(w_basis_parse(basis, &spec->basis));
    spec->k = k;
    if (spec->m_count == 2)
        assert_int_equal(fscanf(file, "%d %d", &spec->m[0], &spec->m[1]), 2);
    assert_int_equal(fscanf(file, "%d", &knots), 1);
    case_numbers(file, knots, r->knot[m]);
    spec->knot_count = knots;
    spec->knot = r->knot[m];
}

static inline void case_read_matrices(FILE *file, reference *r)
{
    char word[16];
    r->matrices = 0;
    while (fscanf(file, "%15s", word) == 1 && strcmp(word, "sp") != 0) {
        if (strcmp(word, "X") == 0) {
            case_numbers(file, r->points * r->columns, r->x);
            continue;
        }
        assert_string_equal(word, "S");
        double *s = r->s[r->matrices++];
        for (int j = 0; j < r->columns; j++) {
            for (int i = j; i < r->columns; i++) {
                case_numbers(file, 1, &s[i * r->columns + j]);
                s[j * r->columns + i] = s[i * r->columns + j];
            }
        }
    }
}

/* 1 while there are cases. */
static inline int case_next(FILE *file, reference *r)
{
    char type[8];
    int select;
    memset(r, 0, sizeof *r);
    if (fscanf(file, " case %31s %7s %d %d %d", r->name, type, &r->spec.margin_count, &select, &r->exact) != 5)
        return 0;
    r->spec.label = r->name;
    r->spec.type = strcmp(type, "te") == 0 ? W_SMOOTH_TE : strcmp(type, "ti") == 0 ? W_SMOOTH_TI : W_SMOOTH_S;
    r->spec.centre = true;
    r->spec.select = select;
    for (int m = 0; m < r->spec.margin_count; m++)
        case_read_margin(file, r, m);
    assert_int_equal(fscanf(file, " columns %d null %d penalties %d points %d", &r->columns, &r->null,
                            &r->penalties, &r->points),
                     4);
    assert_true(r->columns <= CASE_COLUMNS && r->points <= CASE_POINTS);
    assert_int_equal(fscanf(file, " scale"), 0);
    case_numbers(file, r->penalties, r->scale);
    assert_int_equal(fscanf(file, " rank"), 0);
    for (int p = 0; p < r->penalties; p++)
        assert_int_equal(fscanf(file, "%d", &r->rank[p]), 1);
    assert_int_equal(fscanf(file, " knots %d", &r->knots), 1);
    case_numbers(file, r->knots, r->xp);
    case_read_matrices(file, r);
    assert_int_equal(fscanf(file, "%d", &r->sp_count), 1);
    case_numbers(file, r->sp_count, r->sp);
    assert_int_equal(fscanf(file, " fitted"), 0);
    case_numbers(file, CASE_ROWS, r->fitted);
    assert_int_equal(fscanf(file, " predicted"), 0);
    case_numbers(file, r->points, r->predicted);
    assert_int_equal(fscanf(file, " reml"), 0);
    case_numbers(file, 1, &r->reml);
    return 1;
}

#endif
