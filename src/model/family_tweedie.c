/* SPDX-License-Identifier: Apache-2.0 */
/* Saturated log-likelihood of the Tweedie family, 1 < p < 2, for y > 0 (0 for y = 0). A Tweedie variable is a Poisson number
 * of gamma variables; Dunn & Smyth (Statistics and Computing 15, 2005) sum its density over that number j. With
 *     a = (2-p)/(p-1),  J = y^(2-p)/(phi (2-p)),  r = j/J,  kappa(r) = r log r - r + 1,
 *     d(x) = log G(x) - Stirling(x)   (w_stirling_rest),
 * the terms become exact in a form that nothing large cancels in:
 *     l_s = -log y + log(a)/2 - log 2 pi + log sum_{j>=1} exp E_j,   E_j = -(1+a) J kappa(j/J) - d(j) - d(ja).
 * The term is a bell of width sigma = sqrt(J/(1+a)) about J: where sigma is large, every h-th term times h gives the sum
 * (trapezoidal rule): with h = sigma/3 the error is below exp(-sigma^2 (1 - cos(2 pi/h))) <= e^-72, and 60 terms or so do at
 * any phi. Derivatives are moments of the E's
 * derivatives under the weights exp E_j. Where N = y^(2-p)/phi is large these moments cancel, and the asymptotic expansion
 *     l_s = -log y + log(N/2pi)/2 + sum_{k=1}^5 c_k(u)/N^k,  u = p (p-3),  c_1 = u/24,  c_2 = -u (u+2)/48,  ...
 * (Laplace's method, the next term below 1e-15 there) serves for value and derivatives. */
#include "model/family_parts.h"

#include <math.h>

#define EXPANSION_FROM 150.0
#define NEGLIGIBLE 38.0 /* exp(-38) of the largest term */

/* Derivatives of a term are in psi = (p, log phi). */
typedef struct series {
    double a, a1, a2;            /* a and its derivatives in p */
    double J, J1, J2;            /* J and its derivatives in p */
    double top;                  /* E of the largest term */
    double sum, first[2], second[3], square[3]; /* moments: pp, p rho, rho rho */
} series;

typedef struct term {
    double j, kappa, e, rest_a[3]; /* kappa(j/J), E_j, d(ja) */
} term;

static term term_of(const series *s, double j)
{
    term t = { .j = j, .kappa = w_kappa((j - s->J) / s->J) };
    double rest[3];
    w_stirling_rest(j, rest);
    w_stirling_rest(j * s->a, t.rest_a);
    t.e = -(1.0 + s->a) * s->J * t.kappa - rest[0] - t.rest_a[0];
    return t;
}

/* Adds a term: with b = 1 + a, K = J kappa, dK/dJ = 1 - r:
 *   E_p   = -b' K - b J'(1-r) - d'(ja) j a'            E_rho = b J (1-r)
 *   E_pp  = -b'' K - 2 b' J'(1-r) - b (J''(1-r) + J'^2 r/J) - d'' (j a')^2 - d' j a''
 *   E_prho = b' J (1-r) + b J' ((1-r) + r)             E_rhorho = -b J */
static void add_term(series *s, const term *t)
{
    double j = t->j, r = j / s->J, gap = (s->J - j) / s->J, b = 1.0 + s->a, weight = exp(t->e - s->top);
    double K = s->J * t->kappa, slope = t->rest_a[1] * j;
    double ep = -s->a1 * K - b * s->J1 * gap - slope * s->a1, er = b * s->J * gap;
    double epp = -s->a2 * K - 2.0 * s->a1 * s->J1 * gap - b * (s->J2 * gap + s->J1 * s->J1 * r / s->J) -
                 t->rest_a[2] * (j * s->a1) * (j * s->a1) - slope * s->a2;
    double epr = s->a1 * s->J * gap + b * s->J1, err = -b * s->J;
    s->sum += weight;
    s->first[0] += weight * ep;
    s->first[1] += weight * er;
    s->second[0] += weight * epp;
    s->second[1] += weight * epr;
    s->second[2] += weight * err;
    s->square[0] += weight * ep * ep;
    s->square[1] += weight * ep * er;
    s->square[2] += weight * er * er;
}

/* From the largest term to both sides until terms are negligible. */
static void add_terms(series *s, double step)
{
    term middle = term_of(s, fmax(1.0, floor(s->J))), next = term_of(s, middle.j + 1.0);
    middle = next.e > middle.e ? next : middle;
    s->top = middle.e;
    add_term(s, &middle);
    for (int side = -1; side <= 1; side += 2) {
        for (double j = middle.j + side * step; j >= 1.0; j += side * step) {
            next = term_of(s, j);
            if (!(next.e >= s->top - NEGLIGIBLE)) {
                break;
            }
            add_term(s, &next);
        }
    }
}

#define ORDERS 5

/* The expansion: l = -log y + log(N/2pi)/2 + sum c_k(u)/N^k; u = p (p-3), N_p = -N log y, N_rho = -N. */
static void expand(double p, double log_y, double N, w_saturated *out)
{
    static const double c[ORDERS][ORDERS + 1] = {
        { 0.0, 1.0 / 24 },
        { 0.0, -2.0 / 48, -1.0 / 48 },
        { 0.0, 600.0 / 5760, 626.0 / 5760, 161.0 / 5760 },
        { 0.0, -2520.0 / 5760, -4024.0 / 5760, -2116.0 / 5760, -367.0 / 5760 },
        { 0.0, 7620480.0 / 2903040, 16388784.0 / 2903040, 13082092.0 / 2903040, 4598836.0 / 2903040, 601285.0 / 2903040 },
    };
    double u = p * (p - 3.0), u1 = 2.0 * p - 3.0, power = 1.0;
    out->value = -log_y + 0.5 * log(N / (2.0 * M_PI));
    out->grad[0] = -0.5 * log_y;
    out->grad[2] = -0.5;
    for (int k = 1; k <= ORDERS; k++) {
        double v = 0.0, first = 0.0, second = 0.0; /* c_k and its derivatives in u, by Horner's rule */
        for (int i = k; i >= 0; i--) {
            second = second * u + 2.0 * first;
            first = first * u + v;
            v = v * u + c[k - 1][i];
        }
        power /= N;
        v *= power;
        double vp = first * u1 * power, vpp = (second * u1 * u1 + 2.0 * first) * power;
        out->value += v;
        out->grad[0] += vp + k * log_y * v;
        out->grad[2] += k * v;
        out->hess[0][0] += vpp + 2.0 * k * log_y * vp + (k * log_y) * (k * log_y) * v;
        out->hess[0][2] += k * vp + k * k * log_y * v;
        out->hess[2][2] += k * k * v;
    }
    out->hess[2][0] = out->hess[0][2];
}

void w_saturated_tweedie(W_SATURATED_ARGUMENTS)
{
    *out = (w_saturated){ 0 };
    if (!(y > 0.0)) {
        return;
    }
    double p = glm->param[0], q = 2.0 - p, log_y = log(y), N = exp(q * log_y) * omega / phi;
    double J = N / q, sigma2 = J * (p - 1.0);
    if (N >= EXPANSION_FROM && sigma2 >= 4.0) {
        expand(p, log_y, N, out);
        return;
    }
    double g = p - 1.0, t = 1.0 / q - log_y; /* J' = J t, J'' = J (t^2 + 1/q^2) */
    series s = { .a = q / g, .a1 = -1.0 / (g * g), .a2 = 2.0 / (g * g * g), .J = J, .J1 = J * t,
                 .J2 = J * (t * t + 1.0 / (q * q)) };
    double step = J / g > 60.0 ? fmax(1.0, floor(sqrt(sigma2) / 3.0)) : 1.0;
    add_terms(&s, step);
    out->value = -log_y + 0.5 * log(s.a) - log(2.0 * M_PI) + s.top + log(s.sum * step);
    double mp = s.first[0] / s.sum, mr = s.first[1] / s.sum;
    out->grad[0] = mp + 0.5 * s.a1 / s.a;
    out->grad[2] = mr;
    out->hess[0][0] = (s.second[0] + s.square[0]) / s.sum - mp * mp + 0.5 * (s.a2 / s.a - (s.a1 / s.a) * (s.a1 / s.a));
    out->hess[0][2] = out->hess[2][0] = (s.second[1] + s.square[1]) / s.sum - mp * mr;
    out->hess[2][2] = (s.second[2] + s.square[2]) / s.sum - mr * mr;
}
