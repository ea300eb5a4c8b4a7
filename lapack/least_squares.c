/* SPDX-License-Identifier: Apache-2.0 */
/* gels: least squares and least norm of full rank by A = Q R or, for fewer rows than columns, A = L Q, which is A' = Q'L'. */
#include <float.h>
#include <math.h>

#include "dense/linear.h"
#include "dense/qr.h"
#include "call.h"
#include "plain.h"

/* The power of two that brings a norm out of the range in which its square loses digits; 0 within it. */
static int power_for(double norm, double least, double eps)
{
    int exponent = 0;
    frexp(norm, &exponent);
    return norm > 0.0 && isfinite(norm) && (norm < least / eps || norm > eps / least) ? -exponent : 0;
}

#define real double
#define NAME(name) d##name##_
#define LETTER "D"
#define DTYPE WEIR_F64
#include "least_squares_names.h"
#undef real
#undef NAME
#undef LETTER
#undef DTYPE
#define real float
#define NAME(name) s##name##_
#define LETTER "S"
#define DTYPE WEIR_F32
#include "least_squares_names.h"
