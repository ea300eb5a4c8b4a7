/* SPDX-License-Identifier: Apache-2.0 */
/* What the set-up rows decide: polynomials, smooths, typical values. */
#ifndef W_MODEL_SETUP_H
#define W_MODEL_SETUP_H

#include "model/build.h"
#include "model/scan.h"

typedef struct w_setup {
    w_builder *builder;
    const w_scan_result *scan;
    const w_design_options *options;
    const int *watch; /* per atom: number of its watched expression, -1 = none */
    double **value;   /* per atom: computed values over the set-up rows; NULL = plain column or not yet */
    double *stack;
    w_smooth **smooth;    /* per call, NULL for random effects */
    double *random_scale; /* per call */
    bool *knots_used;
} w_setup;

weir_status w_setup_init(w_setup *setup, w_builder *builder, const w_scan_result *scan,
                         const w_design_options *options, const int *watch);
void w_setup_free(w_setup *setup);
/* Values of a numeric atom over the set-up rows. */
weir_status w_setup_values(w_setup *setup, int atom, const double **out);
weir_status w_setup_polynomials(w_setup *setup);
weir_status w_setup_smooths(w_setup *setup);
weir_status w_setup_typical(w_setup *setup);
/* Adds a remark to the design. */
weir_status w_setup_note(w_builder *builder, const char *note);

#endif
