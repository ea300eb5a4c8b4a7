/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a window as contiguous doubles or codes. */
#include <string.h>

#include "table/table.h"

int64_t w_dtype_size(weir_dtype dtype)
{
    switch (dtype) {
    case WEIR_F64:
    case WEIR_I64: return 8;
    case WEIR_F32:
    case WEIR_I32:
    case WEIR_U32: return 4;
    case WEIR_I16:
    case WEIR_U16: return 2;
    case WEIR_I8:
    case WEIR_U8:
    case WEIR_BOOL: return 1;
    }
    return 0;
}

#define ELEMENT(type)                   \
    {                                   \
        type value;                     \
        memcpy(&value, element, sizeof value); \
        return value;                   \
    }

double w_element_number(weir_dtype dtype, const void *element)
{
    switch (dtype) {
    case WEIR_F64: ELEMENT(double)
    case WEIR_F32: ELEMENT(float)
    default: return (double)w_element_integer(dtype, element);
    }
}

int64_t w_element_integer(weir_dtype dtype, const void *element)
{
    switch (dtype) {
    case WEIR_I64: ELEMENT(int64_t)
    case WEIR_I32: ELEMENT(int32_t)
    case WEIR_I16: ELEMENT(int16_t)
    case WEIR_I8: ELEMENT(int8_t)
    case WEIR_U32: ELEMENT(uint32_t)
    case WEIR_U16: ELEMENT(uint16_t)
    case WEIR_U8: ELEMENT(uint8_t)
    case WEIR_BOOL: return *(const uint8_t *)element != 0;
    default: return 0;
    }
}

#define CONVERT(type)                                       \
    for (int64_t i = 0; i < rows; i++, p += stride) {       \
        type value;                                         \
        memcpy(&value, p, sizeof value);                    \
        out[i] = (double)value;                             \
    }                                                       \
    break;

void w_convert_numeric(weir_dtype dtype, const void *data, int64_t stride, int64_t rows, double *out)
{
    const char *p = data;
    switch (dtype) {
    case WEIR_F64: CONVERT(double)
    case WEIR_F32: CONVERT(float)
    case WEIR_I64: CONVERT(int64_t)
    case WEIR_I32: CONVERT(int32_t)
    case WEIR_I16: CONVERT(int16_t)
    case WEIR_I8: CONVERT(int8_t)
    case WEIR_U32: CONVERT(uint32_t)
    case WEIR_U16: CONVERT(uint16_t)
    case WEIR_U8: CONVERT(uint8_t)
    case WEIR_BOOL:
        for (int64_t i = 0; i < rows; i++, p += stride) {
            out[i] = *p != 0;
        }
        break;
    }
}

const double *w_window_numeric(const w_window *window, int32_t column, int64_t start, int64_t rows, double *buffer)
{
    const w_column_view *view = &window->column[column];
    const char *first = (const char *)view->data + start * view->stride;
    if (view->dtype == WEIR_F64 && view->stride == (int64_t)sizeof(double) &&
        (uintptr_t)first % sizeof(double) == 0) {
        return (const double *)(const void *)first;
    }
    w_convert_numeric(view->dtype, first, view->stride, rows, buffer);
    return buffer;
}

const int32_t *w_window_codes(const w_window *window, int32_t column, int64_t start, int64_t rows, int32_t *buffer)
{
    const w_column_view *view = &window->column[column];
    const char *p = (const char *)view->data + start * view->stride;
    if (view->dtype == WEIR_I32 && view->stride == (int64_t)sizeof(int32_t) && !view->remap &&
        (uintptr_t)p % sizeof(int32_t) == 0) {
        return (const int32_t *)(const void *)p;
    }
    for (int64_t i = 0; i < rows; i++, p += view->stride) {
        int32_t code = (int32_t)w_element_integer(view->dtype, p);
        buffer[i] = view->remap && code >= 0 ? view->remap[code] : code;
    }
    return buffer;
}
