/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of fit/iterative*.c. */
#ifndef W_FIT_ITERATIVE_PARTS_H
#define W_FIT_ITERATIVE_PARTS_H

#include "fit/iterative.h"
#include "fit/iterative_probe.h"
#include "fit/working.h"
#include "krylov/cg.h"

#define W_ITERATIVE_CG_STEPS 2000
#define W_ITERATIVE_HISTORY 512 /* residuals kept of the last solve */
#define W_ITERATIVE_PROBE_TOLERANCE 1e-6

typedef struct w_search {
    weir_ctx *ctx;
    const w_design *design;
    const weir_fit_options *options;
    w_matrix_free *op;
    w_preconditioner preconditioner;
    w_block_report blocks;
    int vectors;
    double *rho, *origin, *step, *last, *pull, *range, *trace_sp, *error_sp; /* sp_count each */
    double *rate;
    double *beta;             /* coordinates of the operator */
    int part_count;           /* traces: one per penalty, then the total */
    w_estimate *trace, log_det;
    w_trace_probes *probes;
    double scale;             /* known or given; else 0 */
    double rss, residual_sum, phi, edf, penalty, gradient, largest_share;
    int iterations;
    w_cg_result solve;
    int64_t products;
    double solve_seconds;
    double history[W_ITERATIVE_HISTORY];
    weir_status status;
    double *memory;
    /* of a generalised model */
    double gamma;
    bool prediction_error;    /* GCV or UBRE: another equation for lambda */
    double *left, *left_error; /* sp_count each: what a step compares `pull` with, and the error of half of it */
    double *image2;           /* p */
    const w_glm *glm;         /* NULL: linear */
    w_working working;        /* what the operator's rows are made by */
    double *old, *image;      /* p each: coefficients before a step, a product */
    double null_mean, fractional;
} w_search;

/* iterative.c */
int64_t w_iterative_probes(const w_design *design);
double w_search_unpenalised(const w_search *search); /* directions; sets search->range */
bool w_search_is_free(const w_search *search, int j); /* smoothing parameter number j is sought */
/* Preconditioner, coefficients, traces (log_det: at the end) and what follows from them at search->rho. */
weir_status w_search_visit(w_search *search, double tolerance, bool log_det, bool traces);
/* Steps of log lambda; true when every gradient drowns in its error. */
bool w_search_is_stationary(w_search *search);
void w_search_advance(w_search *search);

/* iterative_glm.c */
weir_status w_search_working(void *arg, int64_t first_row, int64_t rows, const double *eta, const double *y, const double *prior,
                             const double *offset, double *w, double *z, double *extra);
weir_status w_search_generalised(w_search *search, bool any_free);
/* Scale, deviances and likelihood in the place of the linear model's. */
void w_search_describe(const w_search *search, weir_model *model);

/* iterative_model.c */
weir_status w_search_fill(w_search *search, weir_model *model);

#endif
