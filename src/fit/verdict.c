/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOVES 1e-3    /* share of itself by which a coefficient's next step makes a pass worth while */
#define SMALL 1e-2    /* … or of the largest coefficient, for those near 0 */
#define THETA_LARGE 1e5
#define NU_LARGE 1e3
#define TAG "working model"

/* Responses may lie at an end of the range of mu. */
static bool can_separate(const w_glm *glm)
{
    const w_family_kind kind = glm->family->kind;
    bool quasi = kind == W_FAMILY_QUASI && (glm->variance == W_VARIANCE_MU || glm->variance == W_VARIANCE_BINOMIAL);
    return quasi || kind == W_FAMILY_BINOMIAL || kind == W_FAMILY_QUASIBINOMIAL || kind == W_FAMILY_POISSON ||
           kind == W_FAMILY_QUASIPOISSON || kind == W_FAMILY_NB || kind == W_FAMILY_TWEEDIE;
}

/* Place among the core columns, -1 = in the arrow block. */
static int64_t core_place(const w_gram *gram, int64_t column)
{
    int64_t arrow = gram->arrow_levels * gram->arrow_k;
    if (arrow == 0 || column < gram->arrow_first) {
        return column;
    }
    return column < gram->arrow_first + arrow ? -1 : column - arrow;
}

typedef struct level_count {
    double rows, zeros_less_ones; /* of those that run away */
} level_count;

static level_count count_level(const w_gram *gram, const w_block *block, int64_t level, int64_t intercept)
{
    int64_t column = block->level_first[level], place = column < 0 ? -1 : core_place(gram, column);
    level_count count = { 0, 0 };
    if (place >= 0) {
        count.rows = gram->matrix[place * gram->core + place];
        count.zeros_less_ones = gram->rhs[place];
    } else if (column < 0 && intercept >= 0) { /* the reference level: what the others leave */
        place = core_place(gram, intercept);
        count.rows = gram->matrix[place * gram->core + place];
        count.zeros_less_ones = gram->rhs[place];
        for (int64_t l = 0; l < block->levels; l++) {
            if (block->level_first[l] >= 0) {
                level_count other = count_level(gram, block, l, -1);
                count.rows -= other.rows;
                count.zeros_less_ones -= other.zeros_less_ones;
            }
        }
    }
    return count;
}

/* A level of a factor whose responses are all at the same end of the range. */
static bool find_level(const w_design *design, const w_gram *gram, char *told)
{
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        const w_block *block = term->block >= 0 ? &design->block[term->block] : NULL;
        if (!block || block->kind != W_BLOCK_FACTOR || term->penalty_count > 0) {
            continue;
        }
        int column = 0;
        while (column < design->column_count && strcmp(design->column[column], term->label) != 0) {
            column++;
        }
        if (column == design->column_count || design->level_count[column] != block->levels) {
            continue; /* an interaction: its columns are named by the term */
        }
        for (int64_t l = 0; l < block->levels; l++) {
            level_count count = count_level(gram, block, l, design->intercept_column);
            if (count.rows > 0.5 && fabs(count.zeros_less_ones) > count.rows - 0.5) {
                snprintf(told, W_MESSAGE_BYTES,
                         "every response at level '%.100s' of %.100s is %s (%.0f row%s): its coefficient runs to infinity and its "
                         "standard error says nothing; leave the level out, merge it, or use s(%.100s, bs=\"re\")",
                         design->level[column][l], term->label,
                         count.zeros_less_ones > 0 ? "0" : "1", count.rows, count.rows > 1.5 ? "s" : "", term->label);
                return true;
            }
        }
    }
    return false;
}

/* The term whose part of the step moves eta most. */
static const char *find_term(const w_design *design, const w_gram *gram, const double *step)
{
    const char *label = NULL;
    double most = 0;
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        double square = 0;
        for (int64_t i = term->first; i < term->first + term->columns; i++) {
            for (int64_t j = term->first; j < term->first + term->columns; j++) {
                int64_t a = core_place(gram, i), b = core_place(gram, j);
                square += a >= 0 && b >= 0 ? step[i] * step[j] * gram->matrix[a * gram->core + b] : 0;
            }
        }
        if (square > most) {
            most = square;
            label = term->label;
        }
    }
    return label;
}

/* step = solution of the working model less beta. *moves: it is no rounding. */
static weir_status next_step(w_pirls *pirls, double *step, bool *moves)
{
    const int64_t p = pirls->design->p;
    w_system *system = NULL;
    double largest = 0;
    *moves = false;
    weir_status status = WEIR_OK;
    if (pirls->shape) {
        status = w_shape_solve(pirls->shape, pirls->gram, NULL, pirls->rho, NULL, &system);
    } else {
        status = w_system_create(pirls->ctx, pirls->gram, pirls->design, &system);
        status = status < 0 ? status : w_system_factor(system, pirls->rho);
    }
    for (int64_t i = 0; status >= 0 && i < p; i++) {
        step[i] = w_system_beta(system)[i] - pirls->beta[i];
        largest = fmax(largest, fabs(pirls->beta[i]));
    }
    for (int64_t i = 0; status >= 0 && i < p; i++) {
        *moves |= fabs(step[i]) > MOVES * (fabs(pirls->beta[i]) + SMALL * largest);
    }
    w_system_free(system);
    return status;
}

static weir_status look(w_pirls *pirls, const double *step, int64_t *rows, char *told)
{
    const w_design *design = pirls->design;
    w_product *product = NULL, *drift = NULL;
    w_gram *gram = NULL;
    weir_status status = w_product_create(pirls->ctx, design, pirls->beta, &product);
    if (status >= 0) {
        status = w_product_create(pirls->ctx, design, step, &drift);
    }
    if (status >= 0) {
        w_working working = { .glm = &pirls->glm, .product = product, .phi = pirls->phi, .null_mean = NAN, .null_eta = NAN,
                              .cross_parameter = -1, .drift = drift, .typical = w_pirls_typical_weight(pirls) };
        status = w_working_pass(pirls->ctx, design, pirls->table, pirls->options->missing, &working, pirls->arrow_block, &gram);
        pirls->passes++;
    }
    w_product_free(product);
    w_product_free(drift);
    if (status < 0) {
        return status;
    }
    *rows = (int64_t)gram->extra[W_SUM_EXTREME];
    if (*rows > 0 && !find_level(design, gram, told)) {
        const char *term = find_term(design, gram, step);
        snprintf(told, W_MESSAGE_BYTES,
                 "separation: fitted values of %lld row%s run to the end of their range%s%.100s: coefficients are not determined "
                 "there; drop the term that tells these rows from the others, or penalise it",
                 (long long)*rows, *rows > 1 ? "s" : "", term ? ", most by " : "", term ? term : "");
    }
    w_gram_free(gram);
    return WEIR_OK;
}

weir_status w_verdict_separation(w_pirls *pirls, int64_t *rows, char *told)
{
    bool moves = false;
    *rows = 0;
    if (!can_separate(&pirls->glm)) {
        return WEIR_OK;
    }
    double *step = w_alloc_array(pirls->ctx, TAG, (size_t)pirls->design->p, sizeof *step);
    weir_status status = step ? next_step(pirls, step, &moves) : w_alloc_status(pirls->ctx);
    if (status >= 0 && moves) {
        status = look(pirls, step, rows, told);
    }
    w_free(pirls->ctx, step);
    if (status == WEIR_E_NUMERIC) {
        w_message_clear(pirls->ctx);
        return WEIR_OK;
    }
    return status < 0 ? status : WEIR_OK;
}

static void remark_on_counts(w_pirls *pirls)
{
    const w_family *family = pirls->glm.family;
    const long long rows = (long long)pirls->fractional;
    if (rows == 0) {
        return;
    }
    if (family->kind == W_FAMILY_BINOMIAL) {
        w_remarks_add(&pirls->remarks,
                      "%s: in %lld row%s the successes (response times weight) are no whole number, so that the likelihood is that "
                      "of no binomial model; family quasibinomial takes any share", pirls->design->response_label, rows,
                      rows > 1 ? "s" : "");
    } else {
        w_remarks_add(&pirls->remarks,
                      "%s: %lld response%s no whole number, so that the likelihood is that of no %s model; family quasipoisson "
                      "takes any number of 0 and more", pirls->design->response_label, rows, rows > 1 ? "s are" : " is",
                      family->name);
    }
}

static void remark_on_parameters(w_pirls *pirls)
{
    const w_glm *glm = &pirls->glm;
    const double value = glm->param[0];
    if (!glm->estimate[0]) {
        return;
    }
    if (glm->family->kind == W_FAMILY_NB && value > THETA_LARGE) {
        w_remarks_add(&pirls->remarks, "theta grew to %.3g: the counts vary no more than poisson counts; family poisson says the "
                      "same with a parameter less", value);
    } else if (glm->family->kind == W_FAMILY_SCAT && value > NU_LARGE) {
        w_remarks_add(&pirls->remarks, "nu grew to %.3g: the tails are no heavier than the normal distribution's; family gaussian "
                      "says the same with a parameter less", value);
    } else if (w_pirls_parameter_bound(glm, 0) != 0) {
        bool low = w_pirls_parameter_bound(glm, 0) < 0;
        const char *instead = glm->family->kind != W_FAMILY_TWEEDIE ? "the model may not suit the response"
                              : low ? "family quasipoisson is near" : "family gamma is near, if no response is 0";
        w_remarks_add(&pirls->remarks, "%s is at the %s end of its range, %.4g: %s", glm->family->param_name[0],
                      low ? "lower" : "upper", value, instead);
    }
}

weir_status w_verdict(w_pirls *pirls, weir_status status)
{
    const double *sum = pirls->gram->extra;
    char told[W_MESSAGE_BYTES];
    int64_t rows = 0;
    remark_on_counts(pirls);
    remark_on_parameters(pirls);
    if (pirls->glm.family->kind != W_FAMILY_BETA && pirls->glm.family->kind != W_FAMILY_SCAT &&
        sum[W_SUM_DEVIANCE] <= W_EXACT_FIT * sum[W_SUM_NULL_DEVIANCE]) {
        w_remarks_add(&pirls->remarks, "%s", W_EXACT_REMARK);
        return status == WEIR_NOT_CONVERGED ? WEIR_OK : status;
    }
    weir_status looked = w_verdict_separation(pirls, &rows, told);
    if (looked < 0) {
        return looked;
    }
    if (rows > 0) {
        return w_remark(pirls->ctx, WEIR_NOT_CONVERGED, "%s", told);
    }
    if (status == WEIR_NOT_CONVERGED && pirls->edge) {
        return w_remark(pirls->ctx, status, "the best fit lies where fitted values leave the range of link %s: the result is the last "
                        "iterate inside; try another link (log, logit)", pirls->glm.link->name);
    }
    if (status == WEIR_NOT_CONVERGED) {
        return w_remark(pirls->ctx, status, "not converged after %d passes: the result is the last iterate", pirls->passes);
    }
    return status;
}
