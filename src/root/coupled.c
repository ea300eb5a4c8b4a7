/* SPDX-License-Identifier: Apache-2.0 */
#include "root/coupled.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/level3.h"

#define EXTRA_STEPS 60

typedef struct iteration {
    weir_ctx *ctx;
    const w_panel *k;
    int size, p;
    int64_t n;
    double products;
    void *spare[3];
} iteration;

/* to = a I + b from, lower triangle; from may be `to`. */
static void affine(const iteration *m, double a, double b, const void *from, void *to)
{
    for (int64_t j = 0; j < m->n; j++) {
        const int64_t first = j * m->n + j, count = m->n - j;
        if (m->size == 8) {
            const double *x = (const double *)from + first;
            double *y = (double *)to + first;
            for (int64_t i = 0; i < count; i++) {
                y[i] = b * x[i];
            }
            y[0] += a;
        } else {
            const float *x = (const float *)from + first;
            float *y = (float *)to + first;
            for (int64_t i = 0; i < count; i++) {
                y[i] = (float)(b * (double)x[i]);
            }
            y[0] = (float)(a + (double)y[0]);
        }
    }
}

/* to = base + alpha x y for commuting symmetric x, y; base: what `to` holds, or nothing. */
static weir_status multiply(iteration *m, double alpha, const void *x, const void *y, bool add, void *to)
{
    if (!add) {
        memset(to, 0, (size_t)(m->n * m->n * m->size));
    }
    m->products += 0.5;
    return w_symm_lower(m->ctx, m->k, m->n, alpha, x, m->n, y, m->n, to, m->n);
}

static void *swap(void **a, void *b)
{
    void *old = *a;
    *a = b;
    return old;
}

/* q^h, h >= 1, by squaring from the highest bit, into one of the first two spares; the result is q itself for h = 1. */
static weir_status power(iteration *m, void *q, int h, void **out)
{
    weir_status status = WEIR_OK;
    void *now = q;
    int bit = 0;
    while (h >> (bit + 1)) {
        bit++;
    }
    int place = 0;
    while (status >= 0 && bit-- > 0) {
        status = multiply(m, 1, now, now, false, m->spare[place]);
        now = m->spare[place];
        place = 1 - place;
        if (status >= 0 && (h >> bit & 1)) {
            status = multiply(m, 1, now, q, false, m->spare[place]);
            now = m->spare[place];
            place = 1 - place;
        }
    }
    *out = now;
    return status;
}

/* y := q^p y; the buffers of y and of a spare may change places. */
static weir_status update(iteration *m, void *q, void **y)
{
    const int p = m->p, half = p / 2;
    weir_status status = WEIR_OK;
    if (p % 2) { /* q y, in the last spare */
        status = multiply(m, 1, q, *y, false, m->spare[2]);
        m->spare[2] = swap(y, m->spare[2]);
    }
    if (half == 0 || status < 0) {
        return status;
    }
    void *h;
    status = power(m, q, half, &h);
    void **free_one = h == m->spare[0] ? &m->spare[1] : &m->spare[0];
    if (status >= 0) {
        status = multiply(m, 1, h, *y, false, m->spare[2]);
    }
    if (status >= 0) {
        status = multiply(m, 1, m->spare[2], h, false, *free_one);
        *free_one = swap(y, *free_one);
    }
    return status;
}

typedef struct facts {
    bool finite;
    double least, most; /* of the diagonal */
    double largest;     /* |y_ij| */
    double eta;         /* || Y - I ||_F */
} facts;

static double element(const iteration *m, const void *y, int64_t at)
{
    return m->size == 8 ? ((const double *)y)[at] : (double)((const float *)y)[at];
}

static facts look(const iteration *m, const void *y)
{
    facts f = { .finite = true, .least = INFINITY, .most = -INFINITY };
    double sum = 0;
    for (int64_t j = 0; j < m->n; j++) {
        const double d = element(m, y, j * m->n + j);
        double column = 0, largest = fabs(d);
        for (int64_t i = j + 1; i < m->n; i++) {
            const double v = element(m, y, j * m->n + i);
            column += v * v;
            largest = fmax(largest, fabs(v));
        }
        sum += 2 * column + (d - 1) * (d - 1);
        f.least = fmin(f.least, d);
        f.most = fmax(f.most, d);
        f.largest = fmax(f.largest, largest);
    }
    f.eta = sqrt(sum);
    f.finite = isfinite(f.eta);
    return f;
}

/* Whether Y can have its eigenvalues where the step puts them: x = y^(1/p) within 1 -+ error, or, where the lower bound need not
 * hold, in (0, 1 + error]. */
static bool plausible(const iteration *m, const facts *f, double error, bool trusted)
{
    const double u = m->size == 8 ? DBL_EPSILON : FLT_EPSILON, slack = 1e-3 + 10 * (double)m->n * u;
    const double top = pow(1 + error, m->p), width = fmax(top - 1, trusted && error < 1 ? 1 - pow(1 - error, m->p) : 1);
    return f->finite && f->least > 0 && f->most <= top * (1 + slack) && f->largest <= f->most * (1 + slack) &&
           f->eta <= sqrt((double)m->n) * (width * (1 + slack) + slack * 1e-3) + 10 * (double)m->n * u;
}

/* The interval of x that || Y - I ||_F proves. */
static void proven(int p, double eta, double *lo, double *hi)
{
    *lo = eta < 1 ? pow(1 - eta, 1.0 / p) : 0;
    *hi = pow(1 + eta, 1.0 / p);
}

/* X <- X q or Z <- q Z. */
static weir_status take(iteration *m, bool first, const void *q, void **x, int64_t count, void *z, int64_t ldz, void *narrow)
{
    const size_t bytes = (size_t)(m->n * m->n * m->size);
    if (x) {
        if (first) {
            memcpy(*x, q, bytes);
            return WEIR_OK;
        }
        weir_status status = multiply(m, 1, *x, q, false, m->spare[0]);
        m->spare[0] = swap(x, m->spare[0]);
        return status;
    }
    m->products += (double)count / (double)m->n;
    memset(narrow, 0, (size_t)(m->n * count * m->size));
    weir_status status = w_symm(m->ctx, m->k, m->n, count, 1, q, m->n, (w_operand){ z, ldz, 1 }, narrow, m->n);
    for (int64_t j = 0; j < count; j++) {
        memcpy(w_panel_at(m->k, z, j * ldz), w_panel_at(m->k, narrow, j * m->n), (size_t)(m->n * m->size));
    }
    return status;
}

/* Step `number` of the schedule; beyond its end, or where || Y - I ||_F proves a narrower interval, the best step for that. */
static w_root_step choose(const w_root_coupled *how, const iteration *m, int number, double eta)
{
    const w_root_schedule *schedule = how->schedule;
    double lo, hi;
    proven(m->p, eta, &lo, &hi);
    w_root_step step = number < schedule->count ? schedule->step[number] : schedule->step[schedule->count - 1];
    if (number < schedule->count && (how->trusted || !(lo > step.lo))) {
        return step;
    }
    if (lo < 0.1 || lo > 1 - W_ROOT_TAYLOR) {
        step = w_root_expansion(m->p);
        step.lo = lo;
        step.hi = hi;
        step.error = 1e-3;
    } else {
        w_root_minimax_quadratic(m->p, lo, hi, &step);
    }
    return step;
}

weir_status w_root_coupled_run(weir_ctx *ctx, const w_root_coupled *how, int size, int64_t n, void *y, void *x, int64_t count,
                               void *z, int64_t ldz, w_root_outcome *out, w_scratch *s)
{
    iteration m = { .ctx = ctx, .k = w_panel_best(size), .size = size, .p = how->schedule->p, .n = n };
    const int64_t square = w_mul64(w_mul64(n, n), size), kept = s->used;
    void *q = w_scratch_take(s, square), *narrow = x ? NULL : w_scratch_take(s, w_mul64(w_mul64(n, count), size));
    void *given_x = x;
    for (int i = 0; i < 3; i++) {
        m.spare[i] = w_scratch_take(s, square);
    }
    if (!s->base) {
        return WEIR_OK;
    }
    *out = (w_root_outcome){ .error = how->schedule->error };
    facts f = look(&m, y);
    weir_status status = WEIR_OK;
    const int most = how->schedule->count + (how->trusted ? 0 : EXTRA_STEPS);
    bool last = how->schedule->count == 0;
    if (last && x) {
        memset(x, 0, (size_t)square);
        affine(&m, 1, 0, y, x);
    }
    for (int step = 0; status >= 0 && !last; step++) {
        const w_root_step t = choose(how, &m, step, f.eta);
        double lo, hi;
        proven(m.p, f.eta, &lo, &hi);
        const double certain = lo > 0 ? w_root_step_error(m.p, &t, lo, hi) : INFINITY;
        last = how->trusted ? step + 1 == how->schedule->count || certain <= how->tolerance : certain <= how->tolerance;
        out->error = how->trusted && step + 1 == how->schedule->count ? fmin(certain, how->schedule->error) : certain;
        out->eta = f.eta;
        out->steps = step + 1;
        affine(&m, t.a, t.b, y, q);
        status = t.c != 0 ? multiply(&m, t.c, y, y, true, q) : WEIR_OK;
        status = status < 0 ? status : take(&m, step == 0, q, x ? &x : NULL, count, z, ldz, narrow);
        if (status >= 0 && !last) {
            status = update(&m, q, &y);
            f = look(&m, y);
            if (!plausible(&m, &f, how->trusted || step < how->schedule->count ? t.error : 1, how->trusted) || step + 1 >= most) {
                out->guard = step + 1;
                break;
            }
        }
        if (status >= 0) {
            status = w_check_cancel(ctx);
        }
    }
    if (status >= 0 && x && x != given_x) {
        memcpy(given_x, x, (size_t)square);
    }
    out->products = m.products;
    w_root_give_back(s, kept);
    return status;
}
