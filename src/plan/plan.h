/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: pure functions from (shape, rows, budget, rates, options) to what will be done, its bytes and its seconds.
 * Nothing here reads data or allocates. Only solve/ and fit/ carry a plan out.
 *
 * Bytes. A fit has five phases, each bounded by its own sum; the prediction is the largest, plus what lives through all (the
 * design, the windows, decoded columns if kept):
 *   set-up   rows that choose knots, and the largest basis construction
 *   pass     accumulators of the shards in flight, tiles, scratch of the workers
 *   gram     what the pass leaves, root of the sums, gram
 *   solve    what the pass leaves, gram, system (factor, P, workspace), covariance and tables
 *   rows     diagnostics: model, tiles, values of the rows in flight
 * A generalised model passes several times over the rows with the last pass's gram and the search's workspace alive: pass, gram
 * and solve are added up. */
#ifndef W_PLAN_PLAN_H
#define W_PLAN_PLAN_H

#include "device/cost.h"
#include "model/design.h"
#include "weir/plan.h"

/* Measured rates of the executing device (device/cost.h fills them). */
typedef struct w_rates {
    double read_bytes_per_second;    /* of a binary file or memory */
    double parse_bytes_per_second;   /* of text, all threads together */
    double scratch_bytes_per_second; /* written to the scratch folder; read back as a binary file */
    double row_seconds;              /* one thread, beside bases and pairs */
    double basis_seconds;            /* one thread, row and margin */
    double pair_seconds;             /* one thread, row and pair of local terms, cells in the near caches */
    double far_pair_seconds;         /* the same beyond them */
    double dense_flops_per_second;   /* one thread, factorizations of p x p */
    double thread_efficiency;        /* speed-up per added thread, 0 … 1 */
    w_fit_cost fit;                  /* prices of what a fit does besides */
    bool measured;                   /* on this machine */
    const char *remark;              /* on measured ones that cannot be used; NULL or "": none */
} w_rates;

/* What kind of fit it is. All zero: a linear model with normal errors. */
typedef struct w_plan_work {
    bool generalised;
    int family;          /* place of its prices in w_fit_cost */
    int parameters;      /* of the family, to be estimated */
    bool canonical;      /* expected information is the observed one */
    bool scale_known;    /* so that the Laplace criterion has no scale to find */
    bool exact;          /* the Laplace criterion follows the working one */
    int criterion;       /* weir_criterion */
} w_plan_work;

/* A window size the source offers and all the bytes reading then takes. */
typedef struct w_window_choice {
    int64_t window_bytes, bytes;
    int64_t spool_bytes; /* more while rows are in the scratch folder */
} w_window_choice;

#define W_WINDOW_CHOICES 16

typedef struct w_plan_input {
    const w_design *design;     /* a skeleton (model/estimate.h) or the compiled design */
    int arrow_block;            /* from w_plan_arrow_block */
    int64_t setup_bytes;        /* of compiling the design; 0 when that is done */
    int64_t system_bytes;       /* of the penalised system and its results: the solver's own account */
    int64_t iteration_bytes;    /* generalised: what lives from one pass to the next beside gram and system */
    int64_t after_bytes;        /* of what follows the solution beside the model: fit/direct.h */
    int64_t rows_bytes;         /* diagnostics: tiles and values of the rows in flight, model's vectors; 0 without */
    int64_t matrix_free_bytes[4]; /* of that route with 8, 4, 2, 1 vectors per sweep; used when `matrix_free` */
    int64_t tile_row_bytes;     /* of an evaluated row that is kept */
    int64_t row_values;         /* values of X in a row */
    int64_t solves;             /* solves expected */
    w_plan_work work;
    bool matrix_free;
    const char *matrix_free_reason; /* why that route is taken */
    int iterations;             /* passes of a generalised model expected; 1: linear */
    int64_t rows;               /* -1 unknown */
    bool rows_exact;
    bool in_place;              /* columns already lie in memory: reading copies nothing */
    bool text;                  /* rows are parsed */
    bool scanned;               /* `kept` tells what the scan did; else it is to be chosen */
    bool kept;
    bool spooled;               /* `scanned`: the scan wrote them to the scratch folder */
    bool once;                  /* a pipe: rows cannot be read twice without keeping or spooling them */
    int64_t scratch_room;       /* bytes the scratch folder can take; 0: see scratch_reason */
    const char *scratch_reason; /* NULL: nothing to say */
    bool scratch_forbidden;     /* a stream that does not fit in memory cannot be read */
    int64_t file_bytes;         /* -1 unknown */
    double text_bytes;          /* of text, decompressed; 0 unknown */
    double decoded_share;       /* of the table's columns; 0 = all */
    int choice_count;           /* ascending window sizes; the first is the smallest possible */
    w_window_choice choice[W_WINDOW_CHOICES];
    int64_t budget, budget_free;
    int threads;
    const char *device;
    const char *device_reason;  /* NULL: nothing to say */
    bool diagnostics;
    bool exact_knots;
    w_rates rates;
} w_plan_input;

/* The block to eliminate by the arrowhead form, or -1: the largest fully penalised block with a block-diagonal cross-product, if
 * it has (unless design->arrow asks for it) at least W_ARROW_MIN_COLUMNS columns and at least half as many as all others together. */
#define W_ARROW_MIN_COLUMNS 64
int w_plan_arrow_block(const w_design *design);

/* WEIR_OK, or WEIR_E_BUDGET when even the smallest windows do not fit (out->bytes then says what would). */
weir_status w_plan_fit(const w_plan_input *input, weir_plan *out);

/* Are decoded columns of a text worth writing to the scratch folder, when `later` passes follow the scan? They are if the folder
 * can take them and writing once and reading `later` times is faster than parsing `later` times. */
typedef struct w_scratch_choice {
    bool pays;
    int64_t bytes;                 /* expected in the folder */
    double parse_seconds;          /* of one pass over the text */
    double write_seconds;
    double read_seconds;           /* of one pass over the folder's file */
} w_scratch_choice;
w_scratch_choice w_plan_scratch(const w_plan_input *input, int later);

/* Seconds to parse a text once; columns that are not wanted are passed over. */
double w_plan_parse_seconds(const w_plan_input *input);

/* Bytes a compiled or skeleton design holds. */
int64_t w_plan_design_bytes(const w_design *design);

#endif
