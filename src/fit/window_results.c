/* SPDX-License-Identifier: Apache-2.0 */
/* What windows and rows deliver, in order: rows as they come, a window when the rows that it predicts are through. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/window_parts.h"

static void tell(double value, double *least, double *sum, double *most)
{
    *least = !(*least <= value) ? value : *least;
    *most = !(*most >= value) ? value : *most;
    *sum += value;
}

static weir_status emit(w_window_job *j, const weir_window *window)
{
    weir_windows *out = j->result;
    out->state_count[window->state]++;
    out->test_rows += window->test_rows;
    out->test_square += window->test_square;
    out->test_absolute += window->test_absolute;
    if (isfinite(window->scale) && isfinite(window->edf)) {
        out->fitted++;
        tell(window->edf, &out->edf_least, &out->edf_sum, &out->edf_most);
        tell(sqrt(window->scale), &out->sigma_least, &out->sigma_sum, &out->sigma_most);
    }
    if (window->state == WEIR_GROUP_NOT_CONVERGED) {
        out->status = WEIR_NOT_CONVERGED;
    }
    const w_window_sink *sink = &j->pass->sink;
    return !sink->window || sink->window(sink->user, window) == 0
               ? WEIR_OK
               : w_fail(j->ctx, WEIR_E_IO, "window %lld could not be written", (long long)window->index + 1);
}

/* Window number i of the batch. */
static weir_window window_of(const w_window_job *j, int64_t i, double *sp)
{
    const weir_groups *fits = j->fits;
    const int64_t index = j->first_window + i;
    for (int m = 0; m < fits->sp_count; m++) {
        sp[m] = fits->each ? exp(fits->rho[i * fits->sp_count + m]) : j->result->sp[m];
    }
    return (weir_window){
        .index = index, .first_row = index * j->shape.step, .last_row = index * j->shape.step + j->shape.length - 1,
        .state = (weir_group_state)fits->state[i], .n = fits->n[i], .edf = fits->edf[i], .scale = fits->scale[i],
        .rss = fits->deviance[i], .null_rss = fits->null_deviance[i], .columns = j->p, .label = j->design->column_label,
        .beta = fits->beta + i * j->p,
        .std_error = j->pass->how->std_errors ? fits->se + i * j->p : NULL, .sp_count = fits->sp_count, .sp = sp,
        .test_rows = j->test[i].rows, .test_square = j->test[i].square, .test_absolute = j->test[i].absolute,
    };
}

static void add_tests(w_window_job *j)
{
    for (int64_t i = 0; i < j->window_count; i++) {
        j->test[i] = (w_window_test){ 0 };
    }
    for (int64_t i = 0; i < j->row_count; i++) {
        const double error = j->at.response[i] - j->fit[i];
        if (j->by[i] < 0 || !(j->at.weight[i] > 0) || !isfinite(error)) {
            continue;
        }
        weir_window *last = &j->last.window;
        const bool before = j->by[i] < j->first_window;
        w_window_test *test = before ? NULL : &j->test[j->by[i] - j->first_window];
        *(before ? &last->test_rows : &test->rows) += 1;
        *(before ? &last->test_square : &test->square) += error * error;
        *(before ? &last->test_absolute : &test->absolute) += fabs(error);
    }
}

static weir_status deliver_rows(w_window_job *j)
{
    const w_window_sink *sink = &j->pass->sink;
    const int64_t skip = w_min64(w_max64(0, j->shape.length - j->first_row), j->row_count);
    if (!sink->rows || skip == j->row_count) {
        return WEIR_OK;
    }
    return sink->rows(sink->user, j->first_row + skip, j->row_count - skip, j->by + skip, j->fit + skip, j->at.response + skip) == 0
               ? WEIR_OK
               : w_fail(j->ctx, WEIR_E_IO, "the predictions from row %lld on could not be written",
                        (long long)(j->first_row + skip) + 1);
}

/* Windows whose rows are all predicted go out; the last waits. */
static weir_status deliver_windows(w_window_job *j)
{
    weir_status status = WEIR_OK;
    if (j->window_count == 0) {
        return status;
    }
    if (j->last.window.index >= 0) {
        status = emit(j, &j->last.window);
    }
    for (int64_t i = 0; status >= 0 && i + 1 < j->window_count; i++) {
        const weir_window window = window_of(j, i, j->last.sp);
        status = emit(j, &window);
    }
    w_window_ended *last = &j->last;
    const int64_t i = j->window_count - 1;
    last->window = window_of(j, i, last->sp);
    memcpy(last->beta, j->fits->beta + i * j->p, (size_t)j->p * sizeof *last->beta);
    memcpy(last->std_error, j->fits->se + i * j->p, (size_t)j->p * sizeof *last->std_error);
    last->window.beta = last->beta;
    last->window.std_error = last->window.std_error ? last->std_error : NULL;
    return status;
}

weir_status w_window_deliver(w_window_job *j)
{
    add_tests(j);
    weir_status status = deliver_rows(j);
    return status < 0 ? status : deliver_windows(j);
}

weir_status w_window_deliver_last(w_window_job *j)
{
    return j->last.window.index >= 0 ? emit(j, &j->last.window) : WEIR_OK;
}
