/* SPDX-License-Identifier: Apache-2.0 */
/* A fitted model: the design (how to make a row of X), the coefficients, their covariance and what the summary shows.
 * Immutable after the fit; may be shared by threads. No training rows are kept. */
#ifndef W_FIT_MODEL_H
#define W_FIT_MODEL_H

#include "dense/elementary.h" /* w_normal_quantile */
#include "model/design.h"
#include "model/family.h"
#include "solve/system.h"
#include "weir/gam.h"

/* Residual summaries from one extra pass, for the report's pictures. All arrays in the model's arena. */
typedef struct w_diagnostics {
    int64_t sample;             /* rows drawn with a fixed seed */
    double *fitted, *residual, *response; /* sample each; deviance residuals, fitted means */
    double *predictor;          /* sample: eta; NULL in files of old: that is `fitted` */
    int64_t quantiles;          /* points of the quantile plot; 0 in files of old */
    double *quantile_residual;  /* quantiles each: of the sample's residuals; … */
    double *quantile_reference, *quantile_lower, *quantile_upper; /* … of residuals simulated from the model: fit/envelope.h */
    int64_t check_count;        /* smooths looked at: fit/check.h */
    weir_smooth_check *check;
    int64_t bins;
    double bin_lower, bin_width;
    int64_t *bin_count;         /* histogram of all residuals */
    double residual_mean, residual_square; /* exact, all rows: certificate of the deviance */
    int64_t rug_count;          /* sampled covariate values per design column, for rugs */
    double **rug;               /* per design column: rug_count values, NULL for factors */
} w_diagnostics;

struct weir_model {
    weir_ctx *ctx;              /* the context it was made with */
    w_design *design;           /* owned */
    w_arena arena;              /* owns the arrays below */
    double *beta;               /* p; the intercept includes the response shift */
    double *edf, *edf1;         /* p: diag F; 2 diag F - diag FF */
    double *rho;                /* sp_count, log lambda */
    double *hessian;            /* (sp_count + 1)^2 of the REML or ML criterion in (rho, log phi); NULL: none, or GCV, UBRE */
    w_covariance *covariance;   /* P; V_p = scale * P */
    double scale;
    weir_summary summary;       /* its pointers lead into the arena */
    weir_ar1_summary *ar1;      /* what summary.ar1 shows; NULL with independent residuals */
    weir_plan plan;
    w_diagnostics *diagnostics; /* NULL unless asked for */
    const char *family;         /* as w_family_parse reads it: what a model file keeps */
    const char *link;
    w_glm glm;                  /* the same, to compute with; nothing in it is left to estimate */
    const char **predict_names; /* names of every column a prediction can deliver: see fit/predict.c */
};

/* Term tests and parametric table (docs/numerics/inference.md), written into model->summary. System factored at the optimum; design,
 * arena, beta, rho, scale, covariance and summary.scale_estimated set before. */
weir_status w_inference_fill(weir_ctx *ctx, weir_model *model, w_system *system, const w_gram *gram);
int64_t w_inference_bytes(const w_design *design, int arrow_block); /* upper bound of what it takes, results included */

/* Upper tail of a weighted sum of chi-squared variables, P(sum_j weight_j X_j > q), X_j ~ chi2(df_j): Davies (1980), with
 * Liu, Tang & Zhang (2009) when it fails. */
double w_chi_square_mixture_tail(weir_ctx *ctx, int count, const double *weight, const double *df, double q);
/* Tails and quantiles of the distributions the tables need. */
double w_chi_square_tail(double x, double df);
double w_f_tail(double x, double df1, double df2);
double w_t_two_sided(double t, double df);
double w_t_quantile(double probability, double df);

/* Sets glm, family and link of the model, and their names in the summary. */
weir_status w_model_name_family(weir_model *model, const w_glm *glm);

/* Model <-> archive. */
weir_status w_model_save(const weir_model *model, w_archive *archive);
weir_status w_model_load(weir_ctx *ctx, const w_archive *archive, weir_model **out);
void w_model_free(weir_model *model);

#endif
