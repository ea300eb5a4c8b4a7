/* SPDX-License-Identifier: Apache-2.0 */
/* Fits of many families, sizes and kinds of smooths: the seconds that weir_plan_fit predicts beside those the fit takes. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct plan_options {
    int threads, repetitions;
    bool processor;    /* processor seconds instead of those of the clock */
    const char *json;  /* file, or NULL */
    const char *data;  /* CSV with the columns of the bicycle models, or NULL */
    int64_t largest;   /* rows; 0 = all */
    const char *only;  /* cases whose name begins so, or NULL */
} plan_options;

/* 0, or 1 when a fit failed. */
int plan_run(const plan_options *options);

#endif
