/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled design: what a formula becomes once the columns' kinds, levels, ranges and knots are known.
 *
 * Columns of X (p of them) are grouped in *blocks* in local form: for each row a block yields a cell number and `width`
 * values, and the row's entries in X are  v' M_cell  (see basis/basis.h).
 *   DENSE   one cell; values are the numeric parametric columns (intercept 1, x, log(x), poly, products …) and, last,
 *           the working response z. One block 0 of every design. M = identity.
 *   FACTOR  a factor or an interaction of factors, possibly times a numeric variable: cell = level, one value (1 or the
 *           numeric variable). One column per level that has one (the reference level of a contrast has none).
 *   SMOOTH  a smooth, optionally per level of a factor (by=): cell = level*cells + cell of the smooth, values of the
 *           smooth, times the numeric by variable if there is one. Columns level after level.
 * A row's cell is always valid; rows that do not count (weight 0, dropped) carry weight 0 and finite values.
 *
 * Order of the columns of X: parametric terms as R's model.matrix orders them (treatment contrasts), then the smooths in
 * formula order. */
#ifndef W_MODEL_DESIGN_H
#define W_MODEL_DESIGN_H

#include "base/archive.h"
#include "basis/basis.h"
#include "model/formula.h"
#include "table/source.h"

typedef enum w_block_kind { W_BLOCK_DENSE = 0, W_BLOCK_FACTOR = 1, W_BLOCK_SMOOTH = 2 } w_block_kind;

typedef struct w_block {
    w_block_kind kind;
    int width;
    int64_t levels;             /* 1 without a factor */
    int64_t cells;              /* per level: 1 for DENSE and FACTOR, product of the margins' cells for SMOOTH */
    int code;                   /* blocks with equal code >= 0 have the same level in every row; -1 = no factor */
    const w_smooth *smooth;     /* SMOOTH */
    int64_t level_columns;      /* columns of X per level that has columns: 1 for FACTOR, smooth->columns */
    const int64_t *level_first; /* FACTOR, SMOOTH: levels entries; first column of X of the level, -1 = none */
    const int64_t *dense_column; /* DENSE: width entries; column of X of each value, -1 for the response */
} w_block;

/* One term as the report names it. */
typedef enum w_term_kind { W_TERM_PARAMETRIC, W_TERM_SMOOTH, W_TERM_RANDOM } w_term_kind;

typedef struct w_term {
    w_term_kind kind;
    const char *label;          /* "x1", "f", "s(x0)", "te(a,b)", "s(x):fB" (one term per by level), "s(g)" */
    int64_t first, columns;     /* its columns of X; a parametric factor: all its contrast columns */
    int block;                  /* its block, -1 for a parametric term spread over several */
    int64_t level;              /* by-factor smooth: which level; else -1 */
    int penalty_first, penalty_count; /* its penalties in w_design.penalty */
    int64_t null_dimension;     /* unpenalised directions among its columns (0 for re) */
    const w_smooth *smooth;     /* NULL for parametric and re */
    int variable_count;
    const char *const *variable; /* covariates, for plots and reports */
    const char *by;             /* by variable or NULL */
    const char *basis;          /* "cr", "te(cr,cr)", "re", "" for parametric */
} w_term;

/* A penalty on columns first … first+k-1 of X, repeated for `repeat` consecutive groups of k columns. */
typedef struct w_design_penalty {
    int64_t first, k, repeat;
    const double *matrix;       /* k x k; NULL = identity */
    int64_t rank;               /* of one repetition */
    double scale;               /* S.scale */
    double log_det;             /* of one repetition */
    int sp;                     /* index of its smoothing parameter (shared through id= ) */
    int term;                   /* owner */
} w_design_penalty;

/* log|S_lambda|_+ = sum of the terms' parts; a part covers consecutive penalties. */
typedef struct w_design_logdet {
    int penalty_first, penalty_count;
    const w_smooth *smooth;     /* evaluated by w_smooth_logdet; NULL = separate (re): rank*repeat*rho */
} w_design_logdet;

typedef struct w_design {
    weir_ctx *ctx;
    w_arena arena;              /* owns everything below */
    const char *formula;        /* as given */
    const char *response_label; /* "y", "log(y)" */
    bool trials;                /* cbind(a, b): the response is a/(a + b), weights are multiplied by a + b */
    int64_t p;
    int64_t parametric_columns; /* the first of the p */
    bool has_intercept;         /* a column of ones is in the span of the parametric columns */
    int64_t intercept_column;   /* -1 = none */
    double response_shift;      /* z = y - offset - shift; subtracted only if there is an explicit intercept column */
    int block_count;
    w_block *block;
    int term_count;
    w_term *term;
    int penalty_count;
    w_design_penalty *penalty;
    int logdet_count;
    w_design_logdet *logdet;
    int sp_count;               /* smoothing parameters, including fixed ones */
    double *sp_fixed;           /* sp_count; fixed lambda of the scaled penalty (the scale of gam(sp=)); NaN = to be estimated */
    const char **sp_label;
    const char **column_label;  /* p names: "(Intercept)", "x1", "fB", "s(x0).1" */
    int column_count;           /* table columns used */
    const char **column;        /* their names, as selected from the table */
    w_column_want *column_want;
    w_column_kind *column_kind;
    int64_t *level_count;       /* per table column; 0 for numeric */
    const char *const **level;  /* level names per table column */
    double *column_lower, *column_upper; /* range of numeric columns over the data (plots) */
    double *column_typical;     /* median over the set-up rows (plots, predictions at fixed others); factor: mode level */
    int weight_column;          /* index in `column`, -1 = none */
    bool ar1;                   /* neighbouring rows are correlated: sums keep their products too (normal/ar1.h) */
    int arrow;                  /* elimination of a random effect: 0 where it pays, 1 wherever it can be, -1 never; not saved */
    bool grouped;               /* start_column is the group of each row instead: its level in w_tile.series, for predictions too */
    int start_column;           /* tells where a series of them begins; index in `column`, -1 = at the first row alone */
    int start_code;             /* code of the blocks whose level is that of start_column, so that it never changes within a series; -1 = none */
    int offset_count;
    int64_t setup_rows;         /* rows that chose knots and constraints */
    bool setup_exact;           /* those were all rows */
    int64_t rows, rows_missing, rows_zero_weight; /* of the training table: total, dropped for missing values, weight 0 */
    int64_t setup_bytes;        /* of a skeleton: what compiling takes at most beside the design itself; else 0 */
    int note_count;
    const char **note;          /* remarks for the report: "s(x): k reduced …" */
    struct w_design_program *program; /* how a tile is evaluated; private to model/ */
} w_design;

typedef struct w_design_options {
    weir_missing missing;
    const char *weights;        /* column name or NULL */
    bool ar1;                   /* neighbouring rows are correlated */
    const char *start;          /* column of their series, or NULL */
    bool grouped;               /* `start` is the column of groups that are fitted apart (fit/group.h) */
    int arrow;                  /* w_design.arrow */
    bool exact_knots;           /* knots from all rows whatever their number */
    bool select;
    bool undrawn;               /* nobody draws the design's terms: column_typical is left at the lower end */
    double gamma;               /* unused here; kept by fit */
    int64_t keep_bytes, window_bytes; /* these and `spool` are handed to w_source_scan */
    w_spool_use spool;
    const char *knots;          /* "x=0.5,12.5;z=0,1": knots per covariate, NULL = none */
    const double *sp;           /* sp=: values per smoothing parameter on mgcv's scale, NULL; NaN entries are estimated */
    int sp_given;
} w_design_options;

/* Selects the columns, scans the table once (range, missing and non-finite values, levels, set-up rows: all of them up to
 * 1e5 rows, above a fixed-seed sample of 16 whole tiles) and compiles. Errors carry the column of the formula or the
 * name of the table column and its row. */
weir_status w_design_compile(weir_ctx *ctx, const w_formula *formula, weir_table *table, const w_design_options *options,
                             w_design **out);
void w_design_free(w_design *design);
/* Puts the design into a model archive / rebuilds it without a table (levels, knots, maps come from the file). */
weir_status w_design_save(const w_design *design, w_archive *archive);
weir_status w_design_load(weir_ctx *ctx, const w_archive *archive, w_design **out);

/* ---- tiles ---------------------------------------------------------------------------------------------------- */

typedef struct w_tile_block {
    int32_t *cell;   /* rows; NULL for DENSE (always cell 0) */
    double *value;   /* rows x width, row-major; NULL for a FACTOR without numeric multiplier: all ones */
} w_tile_block;

/* One tile's local form plus what a pass needs per row. Made once per worker, reused. */
typedef struct w_tile {
    int64_t first_row, rows;   /* absolute number of the first row; rows <= W_TILE_ROWS */
    double *weight;            /* prior weight; 0 = row does not count */
    double *response;          /* y (untransformed shift), NaN when absent (prediction) */
    double *offset;            /* sum of the offsets, zeros if none */
    uint8_t *missing;          /* 1 = a used value is missing (weight is 0 then) */
    int32_t *series;           /* of a design with start_column: its level (grouped: always that), or for a logical one 1 where a series begins; else NULL */
    bool unit_weight;          /* every weight is 1 */
    w_tile_block *block;       /* block_count */
    const double **column;     /* width of block 0: where its values lie, column by column, when the request asked so; else all NULL */
    int64_t counted;           /* rows with weight > 0 */
    double log_weight_sum;     /* sum of log weight over them */
    void *scratch;             /* private to model/ */
} w_tile;

weir_status w_tile_create(weir_ctx *ctx, const w_design *design, w_tile **out);
void w_tile_free(weir_ctx *ctx, w_tile *tile);
int64_t w_tile_bytes(const w_design *design);

typedef struct w_tile_request {
    bool predict;              /* the response and weights are not needed; their columns may be absent from the table */
    bool training;             /* the rows are those the design was made of: what its scan found finite is not looked at again */
    bool unseen_missing;       /* an unseen factor level makes the row missing instead of failing */
    bool by_columns;           /* the values of block 0 in `column`, where they lie if need be, instead of in rows; those of rows that
                                * do not count may be anything */
    weir_missing missing;      /* FAIL: a missing value is WEIR_E_DATA naming column and row */
    const int *selected;       /* position in the window of each design column; NULL = same order as design->column */
    const int32_t *const *recode; /* per design column: level of the table -> level of the design, -1 unseen; NULL = same */
    const char *const *const *level_name; /* per design column: the table's level names, for messages; may be NULL */
} w_tile_request;

/* Evaluates rows start … start+rows-1 of the window. Thread-safe for different tiles. In the DENSE block the last
 * value of each row is set to z = response - offset - shift. */
weir_status w_tile_eval(const w_design *design, const w_window *window, int64_t start, int64_t rows,
                        const w_tile_request *request, w_tile *tile);

/* A FACTOR block whose level is the leaf of tree number `*tree` of a smooth of trees, and what each leaf's column holds (NULL: 1). */
bool w_design_tree(const w_design *design, int block, const w_smooth **trees, int64_t *tree, const double **leaf_value);
/* A FACTOR block whose tiles have no values: all ones. */
bool w_design_plain_factor(const w_design *design, int block);

/* Values of one variable of a term, by its label (w_term.variable, .by), at rows whose columns are given: column[c] numbers, or
 * numbers of levels of a factor; NULL = not read. Of a category level numbers, -1 = none. WEIR_DECLINED: no single variable has
 * the label, or a column it may take is not there. */
weir_status w_design_variable(const w_design *design, const char *label, const double *const *column, int64_t rows, double *out);

/* Connects a table to a design for prediction or another pass: selects the design's columns (without response and
 * weights if `predict`), and fills `request` with position and recode maps owned by `binding`. */
typedef struct w_binding w_binding;
weir_status w_design_bind(const w_design *design, weir_table *table, bool predict, bool unseen_missing, w_binding **out);
const w_tile_request *w_binding_request(const w_binding *binding); /* after the scan of the table has fixed its levels: call w_binding_ready first */
weir_status w_binding_ready(w_binding *binding);
void w_binding_free(w_binding *binding);

/* Whether tile->series marks where a series begins; otherwise a series lasts while its value does. Series of rows with
 * correlated neighbours; false without start_column. */
bool w_design_series_logical(const w_design *design);

/* Dense row of X for row `i` of a tile, p doubles: the slow reference. */
void w_tile_dense_row(const w_design *design, const w_tile *tile, int64_t i, double *x);

#endif
