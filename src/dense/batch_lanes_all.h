/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of dense/batch_kernels.h for one element type and one instruction set: see batch_lanes.h for what the file that
 * includes this defines, beside W_LANES_TABLE and W_LANES_NAME. */
#include "dense/batch_lanes_chol.h"
#include "dense/batch_lanes_eigh.h"
#include "dense/batch_lanes_gather.h"
#include "dense/batch_lanes_lu.h"
#include "dense/batch_lanes_qr.h"
#include "dense/batch_lanes_svd.h"

const w_batched W_LANES_TABLE = {
    .name = W_LANES_NAME, .lanes = GROUP, .size = (int)sizeof(real), .gather = gather, .scatter = scatter, .qr = qr,
    .qr_form = qr_form, .qr_grams = qr_grams, .qr_apply = qr_apply, .chol = chol, .trsm = trsm, .lu = lu, .exchange = exchange, .eigh = eigh,
    .svd = svd, .product = product, .norms = norms,
};
