/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H

#include "weir/status.h"

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0
#define WEIR_VERSION_STRING "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the library that is running, as WEIR_VERSION_STRING was when it was built. */
WEIR_API const char *weir_version(void);

#ifdef __cplusplus
}
#endif
#endif
