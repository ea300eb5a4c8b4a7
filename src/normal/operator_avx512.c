/* SPDX-License-Identifier: Apache-2.0 */
#define LANE_KERNELS w_lane_avx512
#include "normal/operator_lanes.h"
