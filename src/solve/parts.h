/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a penalised system, shared by the files of this room.
 *
 * Coordinates. Columns of X outside the arrow block are the core, p0 of them. Groups of core columns that share their
 * penalties are rotated by an orthogonal U (b = U b') in which the penalties are diagonal, when they commute: then
 * lambda -> infinity only makes some diagonal entries of H large, which unit-diagonal scaling takes out again, and
 * every trace is a weighted sum over entries of P. Penalties that do not commute stay dense in their unrotated group.
 * Rotated quantities carry no mark below; "original" is said where X's own columns are meant. */
#ifndef W_SOLVE_PARTS_H
#define W_SOLVE_PARTS_H

#include "solve/system.h"

/* A group of consecutive core coordinates and its rotation (column-major, columns are eigenvectors). */
typedef struct w_rotation {
    int64_t first, count;
    const double *basis;
} w_rotation;

/* One penalty. Core: coordinates first … first+count-1. Arrow: levels first … first+levels-1, count = columns of a level. */
typedef struct w_piece {
    int sp;
    bool arrow;
    int64_t first, count, levels;
    const double *diagonal;   /* count entries; NULL with matrix NULL: identity */
    const double *matrix;     /* count x count; NULL: diagonal */
    double *image;            /* derivative workspace: V P_00 restricted (count x p0) for dense core pieces,
                               * T P_00 (p0 x p0) for arrow pieces; NULL for diagonal core pieces. Column-major. */
} w_piece;

/* A factorization of H with some coordinates left out (their rows and columns are those of the identity). */
typedef struct w_factor {
    double *scale;            /* p0: 1 / sqrt(H_ii) */
    double *chol;             /* p0 x p0, upper: factor of the scaled core (Schur complement) */
    double *inverse;          /* p0 x p0: P_00, unscaled, when has_inverse */
    uint8_t *dropped;         /* p0 */
    double log_det, norm;     /* log|H| of the kept; 1-norm of the scaled core */
    int64_t kept;             /* coordinates kept, arrow included */
    bool has_inverse;
    double *level_chol;       /* L x k x k, upper */
    double *level_inverse;    /* L x k x k: H_l^-1 */
    double *level_map;        /* p0 x (L k), column-major: W_l = R_l'^-1 B_l, then G_l = H_l^-1 B_l when map_is_g */
    double *level_product;    /* L x k x k: K_l = G_l P_00 G_l', when has_inverse */
    bool map_is_g;
} w_factor;

struct w_system {
    weir_ctx *ctx;
    const w_gram *gram;
    const w_design *design;
    const w_face *face;       /* or NULL */
    w_arena arena;
    int64_t p, core, levels, k, arrow_first;
    int sp_count, piece_count, rotation_count;
    w_piece *piece;
    w_rotation *rotation;
    double *matrix, *rhs;     /* rotated core of A and X'Wz */
    double *border;           /* p0 x (L k), column-major, rotated; NULL without an arrow */
    uint8_t *penalised;       /* p0: coordinate in the range of some penalty (exact for diagonal groups) */
    bool range_known;         /* every group is diagonal or of full rank: `penalised` marks the range space */
    double *lambda;           /* sp_count */
    w_factor full, range;     /* of H; of H restricted to the penalised coordinates (ML), made on first use */
    uint8_t *fixed;           /* p0: held at 0 by the face; NULL without one */
    uint8_t *without;         /* p0 workspace */
    int64_t penalised_count;  /* dimension of the range of the total penalty, arrow included */
    double *beta;             /* p, original */
    double *core_beta, *level_beta; /* p0 rotated; L k */
    double *core_fit, *level_fit;   /* A beta */
    double *core_pull, *level_pull; /* S_lambda beta */
    double rss, backward_error;
    bool refined;
    double *work;             /* p0 x p0 */
    double *vector;           /* 4 (p0 + L k) */
    double *chunk;            /* partial sums of arrow passes: w_arrow_chunks() x p0 x max(p0, k), or NULL */
    double *gradient_map;     /* p0 x sp_count, twice: v_j and P v_j */
};

#define W_ARROW_CHUNKS 16
#define W_ARROW_CHUNK_ROWS 512 /* fewest rows of the map in one chunk */

/* system.c: core coordinates that a penalty with lambda > 0 acts on (p0). */
void w_range_mask(const w_system *system, uint8_t *mask);

/* pieces.c */
weir_status w_pieces_compile(w_system *system);
/* y = U'x and y = U x on the core (y may be x). */
void w_core_rotate(const w_system *system, const double *x, double *y, bool back);
/* M = U'MU, or U M U' when `back`, in place, p0 x p0. */
void w_core_rotate_matrix(const w_system *system, double *matrix, bool back);
/* Columns of a p0 x count matrix: X = U'X or U X. */
void w_core_rotate_columns(const w_system *system, double *x, int64_t count, bool back);

/* factor.c */
weir_status w_factor_allocate(w_system *system, w_factor *factor);
weir_status w_factor_compute(w_system *system, w_factor *factor, const uint8_t *without);
weir_status w_factor_invert(w_system *system, w_factor *factor);
/* Solves H x = b in place: core part then level part (level may be NULL without an arrow). */
void w_factor_solve(const w_system *system, const w_factor *factor, double *core, double *level);

/* arrow.c: level part of a factorization */
int64_t w_arrow_chunks(int64_t levels, int64_t k); /* partial sums of p0 x max(p0, k) in system->chunk */
weir_status w_arrow_eliminate(w_system *system, w_factor *factor, double *schur);
weir_status w_arrow_invert(w_system *system, w_factor *factor);
/* x -= B y (levels) and x -= B'y (core). */
void w_arrow_border_times(const w_system *system, const double *core, double *level, double sign);
void w_arrow_border_transposed(const w_system *system, const double *level, double *core, double sign);
/* H_l^-1 applied to each level part, in place. */
void w_arrow_level_solve(const w_system *system, const w_factor *factor, double *level);
/* T = lambda sum_l G_l' S G_l over the piece's levels, p0 x p0 both triangles. */
weir_status w_arrow_gather(w_system *system, const w_factor *factor, const w_piece *piece, double *out);
/* V_l of a piece: lambda times its k x k matrix, written out. */
void w_piece_block(const w_system *system, const w_piece *piece, double *out);

/* derivatives.c */
/* y += V_j x for one piece: x and y over the whole coordinates. */
void w_piece_times(const w_system *system, const w_piece *piece, const double *core, const double *level, double *core_out,
                   double *level_out);
/* Images of the pieces at the factor's P (see w_piece). */
weir_status w_pieces_image(w_system *system, const w_factor *factor);
/* Z = P_00 (S_0 + T) P_00, p0 x p0: the core of P S P. Overwrites system->work and the pieces' images. */
weir_status w_system_psp(w_system *system, double *out);

#endif
