/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated device: the host's table behind separate allocations with a settable capacity, speed and failures, so that
 * residency, exhaustion and fall-back can be tested on any machine. Script, fields separated by commas:
 *   capacity=8M      bytes it can hold (default 1G)
 *   speed=4          the cost model takes it for this many times as fast as the host (default 1)
 *   launch=1e-5      seconds per call in the cost model (default 1e-5)
 *   bandwidth=10G    bytes/s of copies in the cost model (default 10G)
 *   fail=3           the 3rd allocation fails
 *   fail_op=2        the 2nd numerical operation fails with WEIR_E_DEVICE
 *   fail_for_ever=1  all after it too
 *   absent=1         the probe says there is no such device
 * Device memory is the host's, outside the budget of the ledger, and filled with a pattern that shows uninitialised use;
 * a pointer that is not the device's own is refused by copy. */
#ifndef W_DEVICE_SIM_H
#define W_DEVICE_SIM_H

#include "device/device.h"

/* WEIR_E_ARG with a message that names the field. */
weir_status w_sim_open(weir_ctx *ctx, const weir_device_host *lend, const char *script, const w_cost *cost,
                       w_device *device);
/* Allocations living on the device, and their bytes. */
int64_t w_sim_live(const w_device *device, int64_t *bytes);

#endif
