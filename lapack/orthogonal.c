/* SPDX-License-Identifier: Apache-2.0 */
/* geqrf, geqr2, orgqr, ormqr, larft, larfb. Reflectors kept backward or by rows are the forward, columnwise ones of a view with rows
 * and columns counted from their end, or exchanged. */
#include <string.h>

#include "dense/qr.h"
#include "call.h"
#include "plain.h"

#define real double
#define NAME(name) d##name##_
#define LETTER "D"
#define DTYPE WEIR_F64
#include "orthogonal_names.h"
#undef real
#undef NAME
#undef LETTER
#undef DTYPE
#define real float
#define NAME(name) s##name##_
#define LETTER "S"
#define DTYPE WEIR_F32
#include "orthogonal_names.h"
