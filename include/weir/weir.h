/* SPDX-License-Identifier: Apache-2.0 */
/** weir: penalised additive models and the linear systems behind them. Includes every public header. */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include "weir/arrow.h"
#include "weir/batch.h"
#include "weir/context.h"
#include "weir/device.h"
#include "weir/dtype.h"
#include "weir/gam.h"
#include "weir/linalg.h"
#include "weir/linear.h"
#include "weir/groups.h"
#include "weir/windows.h"
#include "weir/plan.h"
#include "weir/report.h"
#include "weir/root.h"
#include "weir/status.h"
#include "weir/table.h"
#include "weir/version.h"

#endif
