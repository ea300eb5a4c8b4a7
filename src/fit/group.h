/* SPDX-License-Identifier: Apache-2.0 */
/* Models of many groups of rows with shared bases and penalties (docs/groups.md). */
#ifndef W_FIT_GROUP_H
#define W_FIT_GROUP_H

#include "fit/model.h"
#include "model/family.h"
#include "normal/group.h"
#include "weir/groups.h"

struct weir_groups {
    weir_ctx *ctx;
    w_design *design;          /* owned; grouped */
    w_arena arena;             /* owns the arrays below */
    bool generalised;          /* not gaussian with identity link */
    w_glm glm;
    int32_t scale_known;
    const char **predict_names; /* of terms: labels, then these after "se.", "lower.", "upper."; then without those after "se." */
    int64_t groups, p;
    int32_t sp_count, each, estimated, criterion;
    int64_t *n, *state;        /* groups each */
    double *beta, *se;         /* groups x p; the intercept includes the response shift */
    double *covariance;        /* groups x packed p: P, without the scale; NULL where it is not kept */
    double *edf, *scale, *deviance, *null_deviance, *value; /* groups each; value: the criterion */
    double *rho;               /* sp_count, or groups x sp_count with `each` */
    double *sp;                /* exp(rho); NULL with `each` */
    double criterion_sum;
    int32_t iterations, passes;
    int64_t in_flight;
    weir_status status;
    int64_t actual_bytes, budget;
    double seconds_accumulate, seconds_solve, seconds_total;
    int32_t recovery_count;
    weir_recovery recovery[WEIR_PLAN_RECOVERIES];
};

/* Makes the arrays; takes over `design` on success. */
weir_status w_groups_create(weir_ctx *ctx, w_design *design, bool each, weir_groups **out);
/* As many groups as given, whatever the design says of them; the design stays the caller's: set ->design to NULL before w_groups_free. */
weir_status w_groups_create_count(weir_ctx *ctx, w_design *design, int64_t groups, bool each, weir_groups **out);
int64_t w_groups_bytes(int64_t groups, int64_t p, int sp_count, bool each);
/* Makes room for covariances. */
weir_status w_groups_keep_covariance(weir_groups *groups);
void w_groups_free(weir_groups *groups);
weir_status w_groups_save(const weir_groups *groups, w_archive *archive);
weir_status w_groups_load(weir_ctx *ctx, const w_archive *archive, weir_groups **out);

const char *w_group_state_name(weir_group_state state);
void w_groups_summarise(const weir_groups *groups, weir_groups_summary *out);
void w_groups_get(const weir_groups *groups, int64_t index, weir_group *out);

/* What solving needs beside sums: the same for all groups. */
typedef struct w_group_task {
    weir_groups *groups;
    const weir_fit_options *options;
    const w_batch_kernels *kernels;
    double gamma, known_scale;  /* 0: estimated */
    int64_t null_dimension;     /* M_p */
    double **penalty;           /* per smoothing parameter: packed */
    double *total;              /* packed: sum of lambda_j S_j */
    int workers;
    double **work;              /* per worker: w_group_work_doubles */
    const w_group_stats *stats; /* of the blocks at hand, from block `first_block` on */
    int64_t first_block;
    const uint8_t *skip;        /* of the same groups: left as they are, with no part in a search; or NULL */
    bool alone;                 /* too many columns for lanes: every group as a single system */
    bool coefficients_only;     /* no standard errors, no criterion at given parameters, no refinement: models without penalties need
                                   no inverse then */
} w_group_task;

weir_status w_group_task_create(weir_ctx *ctx, weir_groups *groups, const weir_fit_options *options, w_group_task *out);
void w_group_task_free(w_group_task *task);
int64_t w_group_task_bytes(int64_t p, int sp_count, int workers);
/* Puts sum exp(rho_j) S_j into task->total. */
void w_group_task_at(w_group_task *task, const double *rho);
/* Whether a group's coefficients can be looked for. */
bool w_group_counts(const w_group_task *task, const w_group_stats *stats);
bool w_group_constant(const w_group_task *task, const w_group_stats *stats);

/* A group without coefficients: NaN everywhere. */
void w_group_not_fitted(weir_groups *out, int64_t g, const w_group_stats *stats, weir_group_state state);

/* Everything a block's lanes have at the task's lambda; arrays in the worker's room. */
typedef struct w_group_solution {
    double *beta, *inverse;                 /* p, packed: interleaved */
    double rss[W_BATCH], pull[W_BATCH], edf[W_BATCH], log_det[W_BATCH]; /* pull: beta'S beta; log_det: NaN when the lane failed */
    double *factor, *scale, *spare, *vector; /* packed, p, packed, 3 p */
} w_group_solution;
void w_group_solve(const w_group_task *task, const double *block, int worker, w_group_solution *out);

/* Chooses shared smoothing parameters: rho (sp_count). `read` gives the block of that number, in `room` (one block's doubles) or
 * where it lies. */
typedef weir_status (*w_group_read_fn)(void *arg, int64_t block, double *room, const double **out);
weir_status w_group_search(w_group_task *task, w_group_read_fn read, void *arg, double *rho);

/* Fits the groups of one block into the result, at task->total, or by a search for each group. */
weir_status w_group_finish(const w_group_task *task, const double *block, int64_t number, int worker, const double *rho);

/* Generalised models of the groups of one pass (fit/group_glm.c). */
typedef struct w_group_glm w_group_glm;
/* Of at most `blocks` blocks. */
weir_status w_group_glm_create(weir_ctx *ctx, w_group_task *task, w_group_pass *pass, int64_t blocks, w_group_glm **out);
void w_group_glm_free(w_group_glm *glm);
int64_t w_group_glm_block_bytes(int64_t p);
/* All groups of the pass, to the end; rho: NULL = each group searches. With `shared` the pass has all groups, and rho is rewritten.
 * *passes counts those over the rows. */
weir_status w_group_glm_run(w_group_glm *glm, double *rho, bool shared, int32_t *passes);

weir_status w_fit_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                         const weir_groups_options *how, weir_groups **out);
weir_status w_group_check_options(weir_ctx *ctx, const weir_fit_options *options, const weir_groups_options *how, w_glm *glm);
/* Of the covariances that are kept with so many bytes free: unless asked for where they are few beside those; else 0. */
int64_t w_group_covariance_bytes(int64_t groups, int64_t p, int64_t room, const weir_groups_options *how);
weir_status w_plan_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                          const weir_groups_options *how, weir_plan *out);
weir_status w_groups_name_terms(weir_groups *groups);
void w_groups_predict_columns(const weir_groups *groups, const weir_predict_options *options, int32_t *count, const char *const **names);
weir_status w_groups_predict(weir_ctx *ctx, const weir_groups *groups, weir_table *table, const weir_predict_options *options,
                             weir_rows_fn deliver, void *user);

#endif
