/* SPDX-License-Identifier: Apache-2.0 */
/* Models of tests/reference/fit: cross-products, penalties and mgcv's results, read into a design and a gram. */
#ifndef TESTS_FIT_REFERENCE_H
#define TESTS_FIT_REFERENCE_H

#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fit/model.h"
#include "fit/smoothing.h"

#define REFERENCE_KEYS 160
#define REFERENCE_TERMS 8

typedef struct reference {
    int keys;
    char name[REFERENCE_KEYS][32];
    int count[REFERENCE_KEYS];
    double *value[REFERENCE_KEYS];
    w_design design;
    w_gram gram;
    w_term term[REFERENCE_TERMS];
    w_design_penalty penalty[3 * REFERENCE_TERMS];
    w_design_logdet logdet[2 * REFERENCE_TERMS];
    w_smooth smooth[REFERENCE_TERMS];
    double sp_fixed[3 * REFERENCE_TERMS];
    int64_t *core_column;
    const char *labels[256];
    double *blocks; /* arrow: diag, border, rhs */
} reference;

static inline const double *reference_get(const reference *ref, const char *key, int *count)
{
    for (int i = 0; i < ref->keys; i++) {
        if (strcmp(ref->name[i], key) == 0) {
            if (count) {
                *count = ref->count[i];
            }
            return ref->value[i];
        }
    }
    fail_msg("the reference has no entry '%s'", key);
    return NULL;
}

static inline bool reference_has(const reference *ref, const char *key)
{
    for (int i = 0; i < ref->keys; i++) {
        if (strcmp(ref->name[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static inline void reference_terms(reference *ref)
{
    w_design *design = &ref->design;
    char key[32];
    const int terms = (int)reference_get(ref, "terms", NULL)[0];
    assert_true(terms <= REFERENCE_TERMS);
    for (int t = 0; t < terms; t++) {
        snprintf(key, sizeof key, "term%d", t + 1);
        const double *head = reference_get(ref, key, NULL);
        const int penalties = (int)head[2];
        ref->term[t] = (w_term){ .kind = head[4] != 0 ? W_TERM_RANDOM : W_TERM_SMOOTH, .label = "term", .basis = "",
                                 .first = (int64_t)head[0] - 1, .columns = (int64_t)(head[1] - head[0]) + 1,
                                 .penalty_first = design->penalty_count, .penalty_count = penalties,
                                 .null_dimension = (int64_t)head[3], .level = -1 };
        w_design_logdet *part = &ref->logdet[design->logdet_count++];
        *part = (w_design_logdet){ .penalty_first = design->penalty_count, .penalty_count = penalties };
        for (int j = 0; j < penalties; j++) {
            snprintf(key, sizeof key, "S%d.%d", t + 1, j + 1);
            const double *matrix = reference_get(ref, key, NULL);
            snprintf(key, sizeof key, "Sinfo%d.%d", t + 1, j + 1);
            const double *info = reference_get(ref, key, NULL);
            const int index = design->penalty_count++;
            ref->penalty[index] = (w_design_penalty){ .first = ref->term[t].first, .k = ref->term[t].columns, .repeat = 1,
                                                      .matrix = head[4] != 0 ? NULL : matrix, .rank = (int64_t)info[0],
                                                      .scale = info[1], .log_det = info[2], .sp = index, .term = t };
            ref->sp_fixed[index] = NAN;
        }
        snprintf(key, sizeof key, "eigen%d.1", t + 1);
        if (reference_has(ref, key)) {
            w_smooth *smooth = &ref->smooth[t];
            smooth->penalty_count = penalties;
            smooth->columns = ref->term[t].columns;
            smooth->raw_columns = 1;
            smooth->margin_count = 2;
            smooth->logdet_form = W_LOGDET_KRONECKER;
            for (int m = 0; m < 2; m++) {
                int count = 0;
                snprintf(key, sizeof key, "eigen%d.%d", t + 1, m + 1);
                smooth->eigen[m] = (double *)(uintptr_t)reference_get(ref, key, &count);
                smooth->eigen_count[m] = count;
                smooth->raw_columns *= count;
            }
            snprintf(key, sizeof key, "constant%d", t + 1);
            smooth->logdet_constant = reference_get(ref, key, NULL)[0];
            part->smooth = smooth;
        }
    }
    design->term_count = terms;
}

/* Reads tests/reference/fit/<file>. */
static inline void reference_read(reference *ref, const char *file)
{
    char path[512];
    memset(ref, 0, sizeof *ref);
    snprintf(path, sizeof path, "%s/tests/reference/fit/%s", WEIR_SOURCE_DIR, file);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    while (fscanf(stream, "%31s %d", ref->name[ref->keys], &ref->count[ref->keys]) == 2) {
        const int i = ref->keys++;
        assert_true(i < REFERENCE_KEYS - 1);
        ref->value[i] = calloc((size_t)ref->count[i] + 1, sizeof(double));
        for (int v = 0; v < ref->count[i]; v++) {
            char word[64];
            assert_int_equal(fscanf(stream, "%63s", word), 1);
            ref->value[i][v] = strcmp(word, "NA") == 0 ? NAN : strtod(word, NULL);
        }
    }
    fclose(stream);
    const double *weights = reference_get(ref, "weights", NULL);
    w_gram *gram = &ref->gram;
    gram->p = gram->core = (int64_t)reference_get(ref, "p", NULL)[0];
    gram->n = (int64_t)reference_get(ref, "n", NULL)[0];
    gram->matrix = (double *)(uintptr_t)reference_get(ref, "matrix", NULL);
    gram->rhs = (double *)(uintptr_t)reference_get(ref, "rhs", NULL);
    gram->zz = reference_get(ref, "zz", NULL)[0];
    gram->weight_sum = weights[0];
    gram->weight_z_sum = weights[1];
    gram->log_weight_sum = weights[2];
    gram->column_sum = (double *)(uintptr_t)reference_get(ref, "column_sum", NULL);
    ref->core_column = calloc((size_t)gram->p, sizeof(int64_t));
    for (int64_t i = 0; i < gram->p; i++) {
        ref->core_column[i] = i;
        ref->labels[i] = "column";
    }
    gram->core_column = ref->core_column;
    w_design *design = &ref->design;
    design->p = gram->p;
    design->parametric_columns = (int64_t)reference_get(ref, "parametric", NULL)[0];
    design->has_intercept = reference_get(ref, "intercept", NULL)[0] != 0;
    design->intercept_column = design->has_intercept ? 0 : -1;
    design->term = ref->term;
    design->penalty = ref->penalty;
    design->logdet = ref->logdet;
    design->sp_fixed = ref->sp_fixed;
    design->column_label = ref->labels;
    reference_terms(ref);
    design->sp_count = design->penalty_count;
}

/* Keeps the columns first … first+levels*k-1, whose cross-product is block-diagonal, apart as an arrow block. */
static inline void reference_make_arrow(reference *ref, weir_ctx *ctx, int64_t first, int64_t levels, int64_t k)
{
    w_gram *gram = &ref->gram;
    const int64_t p = gram->p, rows = levels * k, core = p - rows;
    const double *full = gram->matrix, *rhs = gram->rhs;
    ref->blocks = calloc((size_t)(rows * k + rows * core + rows + core * core + core), sizeof(double));
    gram->ctx = ctx;
    gram->arrow_diag = ref->blocks;
    gram->arrow_border = gram->arrow_diag + rows * k;
    gram->arrow_rhs = gram->arrow_border + rows * core;
    gram->matrix = gram->arrow_rhs + rows;
    gram->rhs = gram->matrix + core * core;
    gram->core = core;
    gram->arrow_levels = levels;
    gram->arrow_k = k;
    gram->arrow_first = first;
    for (int64_t i = 0; i < core; i++) {
        const int64_t column = i < first ? i : i + rows;
        ref->core_column[i] = column;
        gram->rhs[i] = rhs[column];
        for (int64_t j = 0; j < core; j++) {
            gram->matrix[i * core + j] = full[column * p + (j < first ? j : j + rows)];
        }
        for (int64_t r = 0; r < rows; r++) {
            gram->arrow_border[r * core + i] = full[(first + r) * p + column];
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        gram->arrow_rhs[r] = rhs[first + r];
        for (int64_t c = 0; c < k; c++) {
            gram->arrow_diag[r * k + c] = full[(first + r) * p + first + r / k * k + c];
        }
    }
}

static inline void reference_free(reference *ref)
{
    for (int i = 0; i < ref->keys; i++) {
        free(ref->value[i]);
    }
    free(ref->core_column);
    free(ref->blocks);
}

#define assert_near(actual, expected, tolerance)                                                                       \
    do {                                                                                                               \
        const double assert_a = (actual), assert_e = (expected), assert_t = (tolerance);                               \
        if (!(fabs(assert_a - assert_e) <= assert_t)) {                                                                \
            fail_msg("%s:%d: %s = %.15g, expected %.15g within %.3g (off by %.3g)", __FILE__, __LINE__, #actual, assert_a, \
                     assert_e, assert_t, fabs(assert_a - assert_e));                                                   \
        }                                                                                                              \
    } while (0)

#endif
