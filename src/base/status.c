/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/status.h"

const char *weir_status_name(weir_status status)
{
    switch (status) {
    case WEIR_OK: return "ok";
    case WEIR_RANK_DEFICIENT: return "rank deficient";
    case WEIR_NOT_CONVERGED: return "not converged";
    case WEIR_REFINED: return "refined in float64";
    case WEIR_DECLINED: return "declined";
    case WEIR_E_ARG: return "invalid argument";
    case WEIR_E_VERSION: return "options newer than the library";
    case WEIR_E_MEMORY: return "out of memory";
    case WEIR_E_BUDGET: return "memory budget too small";
    case WEIR_E_IO: return "input or output failed";
    case WEIR_E_DATA: return "unsuitable data";
    case WEIR_E_FORMULA: return "invalid formula";
    case WEIR_E_MODEL: return "invalid model file";
    case WEIR_E_DEVICE: return "device missing or failed";
    case WEIR_E_NUMERIC: return "no finite answer";
    case WEIR_E_CANCELLED: return "cancelled";
    case WEIR_E_INTERNAL: return "internal error";
    }
    return "unknown status";
}
