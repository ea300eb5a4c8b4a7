/* SPDX-License-Identifier: Apache-2.0 */
/** Types of the elements of arrays in the caller's memory. The numbers are part of the ABI. */
#ifndef WEIR_DTYPE_H
#define WEIR_DTYPE_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_dtype {
    WEIR_F64 = 1, WEIR_F32 = 2, WEIR_I64 = 3, WEIR_I32 = 4, WEIR_I16 = 5, WEIR_I8 = 6, WEIR_U8 = 7, WEIR_U16 = 8, WEIR_U32 = 9,
    WEIR_BOOL = 10
} weir_dtype;

#ifdef __cplusplus
}
#endif
#endif
