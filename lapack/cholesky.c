/* SPDX-License-Identifier: Apache-2.0 */
/* potrf, potrs, trtrs. */
#include "dense/chol.h"
#include "dense/linear.h"
#include "call.h"

#define real double
#define NAME(name) d##name##_
#define LETTER "D"
#define DTYPE WEIR_F64
#include "cholesky_names.h"
#undef real
#undef NAME
#undef LETTER
#undef DTYPE
#define real float
#define NAME(name) s##name##_
#define LETTER "S"
#define DTYPE WEIR_F32
#include "cholesky_names.h"
