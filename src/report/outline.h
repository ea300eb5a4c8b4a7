/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of text that several reports share: certificate, plan beside what happened, row counts. */
#ifndef W_REPORT_OUTLINE_H
#define W_REPORT_OUTLINE_H

#include "report/writer.h"
#include "weir/gam.h"

/* "Rows: 468 read, 3 dropped for missing values, 2 of weight 0"; nothing when every row counts. */
void w_put_rows_line(w_writer *w, const weir_summary *summary);
/* "Certificate: converged in 6 iterations; …" with two newlines. */
void w_put_certificate(w_writer *w, const weir_summary *summary);
/* Route, device and reading, then predicted beside actual bytes and seconds. */
void w_put_plan_block(w_writer *w, const weir_summary *summary);
/* Steps taken after memory ran out; nothing where there were none. */
void w_put_recoveries(w_writer *w, int count, const weir_recovery *recovery);

/* One line of "predicted beside actual". */
typedef struct w_plan_line {
    const char *label;
    char predicted[W_NUMBER_BYTES], actual[W_NUMBER_BYTES];
} w_plan_line;
#define W_PLAN_LINES 5
/* Fills the lines: memory, reading, normal equations, smoothing, total. */
void w_plan_compare(const weir_summary *summary, w_plan_line line[W_PLAN_LINES]);
/* "normal-equations/cholesky on cpu in float64, 2 threads, 1 pass" — into the writer, escaped for HTML if asked. */
void w_put_plan_route(w_writer *w, const weir_plan *plan);
/* "converged", "iteration limit reached", "rank deficient": of a summary. */
const char *w_status_words(const weir_summary *summary);

#endif
