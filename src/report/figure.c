/* SPDX-License-Identifier: Apache-2.0 */
#include "report/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/effect.h"

const char *w_figure_label(char out[W_LABEL_BYTES], const char *label, double edf)
{
    char number[W_NUMBER_BYTES];
    size_t length = strlen(label), close = length;
    for (size_t i = 0; i < length; i++) {
        if (label[i] == ')' && (label[i + 1] == '\0' || label[i + 1] == ':')) {
            close = i;
            break;
        }
    }
    if (close == length || length > W_LABEL_BYTES - 64) {
        snprintf(out, W_LABEL_BYTES, "%.*s", W_LABEL_BYTES - 1, label);
        return out;
    }
    snprintf(out, W_LABEL_BYTES, "%.*s, %s%s", (int)close, label, w_text_fixed(number, edf, 2), label + close);
    return out;
}

double w_figure_edf(const weir_model *model, const w_term *term)
{
    double sum = 0.0;
    for (int64_t i = 0; i < term->columns; i++) {
        sum += model->edf[term->first + i];
    }
    return sum;
}

const double *w_figure_rug(const weir_model *model, const w_term *term, int v, int64_t *count)
{
    const w_diagnostics *d = model->diagnostics;
    int column = v < term->variable_count ? w_effect_column(model->design, term, v) : -1;
    *count = d ? d->rug_count : 0;
    return d && d->rug && column >= 0 ? d->rug[column] : NULL;
}

void w_figure_open(w_writer *w, bool wide)
{
    w_put(w, wide ? "<figure class=\"wide\">\n" : "<figure>\n");
}

void w_figure_close(w_writer *w, const char *caption)
{
    w_put(w, "<figcaption>");
    w_put_escaped(w, caption);
    w_put(w, "</figcaption>\n</figure>\n");
}
