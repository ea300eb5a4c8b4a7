/* SPDX-License-Identifier: Apache-2.0 */
/* Which block to eliminate. Dense Cholesky and inverse cost p^3 flops per step of the smoothing search; with block r (L groups of k
 * columns) eliminated the cost is L k (k^2 + k p0 + p0^2) + p0^3, p0 = p - L k. */
#include "base/size.h"
#include "plan/plan.h"

static bool fully_penalised(const w_design *design, const w_block *block, int64_t columns)
{
    int64_t first = block->level_first ? block->level_first[0] : -1;
    const w_smooth *smooth = block->smooth;
    if (first < 0 || (smooth && smooth->margin_count > 1)) { /* penalties of a tensor product overlap: ranks do not add up */
        return false;
    }
    if (smooth && w_basis_shaped(smooth->margin[0].kind)) { /* constrained coefficients stay in the core */
        return false;
    }
    int64_t penalised = 0;
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        int64_t last = penalty->first + penalty->k * penalty->repeat;
        if (penalty->first >= first && last <= first + columns) {
            penalised += penalty->rank * penalty->repeat;
        }
    }
    return penalised == columns;
}

static int64_t block_columns(const w_block *block)
{
    int64_t columns = 0;
    for (int64_t level = 0; level < block->levels; level++) {
        if (!block->level_first || block->level_first[level] >= 0) {
            columns += block->level_columns;
        }
    }
    return columns;
}

int w_plan_arrow_block(const w_design *design)
{
    int best = -1;
    int64_t most = 0;
    for (int b = 0; b < design->block_count && design->arrow >= 0; b++) {
        const w_block *block = &design->block[b];
        bool joined = design->ar1 && (block->code < 0 || block->code != design->start_code); /* rows of a series join its levels */
        if (block->kind == W_BLOCK_DENSE || block->levels < 2 || joined) {
            continue;
        }
        int64_t columns = block_columns(block);
        bool complete = columns == w_mul64(block->levels, block->level_columns);
        bool pays = design->arrow > 0 || (columns >= W_ARROW_MIN_COLUMNS && 3 * columns >= design->p);
        bool eligible = complete && pays && columns > 0 && fully_penalised(design, block, columns);
        if (eligible && columns > most) {
            most = columns;
            best = b;
        }
    }
    return best;
}
