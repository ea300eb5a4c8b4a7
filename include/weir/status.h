/* SPDX-License-Identifier: Apache-2.0 */
/** Status codes. Zero is success, a negative value is an error (outputs untouched), a positive value is a result
 *  with a remark. The numbers are part of the ABI and never change meaning. */
#ifndef WEIR_STATUS_H
#define WEIR_STATUS_H

#if defined _WIN32
#define WEIR_API
#elif defined __GNUC__
#define WEIR_API __attribute__((visibility("default")))
#else
#define WEIR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_status {
    WEIR_OK = 0,

    WEIR_RANK_DEFICIENT = 1, /**< solved; dependent columns have coefficient 0, the rank is in the result */
    WEIR_NOT_CONVERGED = 2,  /**< iteration limit reached; the result is the last iterate */
    WEIR_REFINED = 3,        /**< a float32 solve was finished in float64 */
    WEIR_DECLINED = 4,       /**< a kernel does not serve this shape; the caller takes another route */

    WEIR_E_ARG = -1,       /**< an argument is NULL, negative or contradictory */
    WEIR_E_VERSION = -2,   /**< an option struct is newer than this library */
    WEIR_E_MEMORY = -3,    /**< the system refused memory that the budget allows */
    WEIR_E_BUDGET = -4,    /**< the memory budget is too small; the message says how much would do */
    WEIR_E_IO = -5,        /**< a file cannot be opened, read or written */
    WEIR_E_DATA = -6,      /**< the data are not what was asked for: column, type, value, shape */
    WEIR_E_FORMULA = -7,   /**< the formula does not parse or names an unknown basis, argument or function */
    WEIR_E_MODEL = -8,     /**< a model or sums file is damaged, or of a newer format */
    WEIR_E_DEVICE = -9,    /**< the required device is missing or has failed */
    WEIR_E_NUMERIC = -10,  /**< no finite answer exists: indefinite, singular or overflowing system */
    WEIR_E_CANCELLED = -11, /**< the cancel callback asked to stop */
    WEIR_E_INTERNAL = -12  /**< an invariant of the library does not hold: please report */
} weir_status;

/** Fixed English name of a status ("ok", "rank deficient", …); never NULL. Thread-safe. */
WEIR_API const char *weir_status_name(weir_status status);

#ifdef __cplusplus
}
#endif
#endif
