/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_REPORT_JSON_H
#define W_REPORT_JSON_H

#include "report/writer.h"
#include "weir/plan.h"

/* JSON members, one call per line: "key": value with a comma in front of all but the first of an object. */
typedef struct w_json {
    w_writer *w;
    int depth;
    bool first;
} w_json;

void w_json_open(w_json *j, const char *key, char bracket); /* key NULL: the root or an array's element */
void w_json_close(w_json *j, char bracket);
void w_json_text(w_json *j, const char *key, const char *value); /* NULL value: null */
void w_json_number(w_json *j, const char *key, double value);
void w_json_integer(w_json *j, const char *key, int64_t value);
void w_json_bool(w_json *j, const char *key, bool value);
void w_json_numbers(w_json *j, const char *key, int64_t count, const double *values);

/* The members of a plan, for a plan's own document and inside that of a fit. routes: all that were weighed, which a model file does not
 * keep. */
void w_json_plan(w_json *j, const weir_plan *plan, bool routes);
/* "recoveries": [...]; nothing where there are none. */
void w_json_recoveries(w_json *j, int count, const weir_recovery *recovery);

#endif
