/* SPDX-License-Identifier: Apache-2.0 */
#include "krylov/tridiagonal.h"

#include <float.h>
#include <math.h>

#define SWEEPS 60
#define BISECTIONS 60

static double diagonal_entry(const double *pair, int64_t i)
{
    return 1.0 / pair[2 * i] + (i > 0 ? pair[2 * i - 1] / pair[2 * i - 2] : 0.0);
}

/* Square of T_{i,i+1}. */
static double above_square(const double *pair, int64_t i)
{
    return pair[2 * i + 1] / (pair[2 * i] * pair[2 * i]);
}

void w_cg_tridiagonal(int64_t k, const double *pair, double *diagonal, double *above)
{
    for (int64_t i = 0; i < k; i++) {
        diagonal[i] = diagonal_entry(pair, i);
        above[i] = i + 1 < k ? sqrt(above_square(pair, i)) : 0.0;
    }
}

/* Eigenvalues of T below x: negative pivots of T - x I. */
static int64_t count_below(int64_t k, const double *pair, double x)
{
    int64_t count = 0;
    double pivot = 1.0;
    for (int64_t i = 0; i < k; i++) {
        pivot = diagonal_entry(pair, i) - x - (i > 0 ? above_square(pair, i - 1) / pivot : 0.0);
        if (pivot == 0.0) {
            pivot = DBL_MIN;
        }
        count += pivot < 0.0;
    }
    return count;
}

/* Eigenvalue number `index` (ascending) between 0 and `high`. */
static double bisect(int64_t k, const double *pair, int64_t index, double high)
{
    double low = 0.0;
    for (int i = 0; i < BISECTIONS || (low == 0.0 && i < 1000); i++) {
        /* geometric while the ends are far apart: relative accuracy of small eigenvalues */
        const double middle = low > 0.0 && high > 4.0 * low ? sqrt(low * high) : low > 0.0 ? 0.5 * (low + high) : high / 16.0;
        if (count_below(k, pair, middle) > index) {
            high = middle;
        } else {
            low = middle;
        }
        if (low > 0.0 && high - low <= 0x1p-40 * high) {
            break;
        }
    }
    return 0.5 * (low + high);
}

void w_cg_ritz(int64_t k, const double *pair, double *lowest, double *highest)
{
    double bound = 0.0;
    for (int64_t i = 0; i < k; i++) {
        const double left = i > 0 ? sqrt(above_square(pair, i - 1)) : 0.0;
        const double right = i + 1 < k ? sqrt(above_square(pair, i)) : 0.0;
        bound = fmax(bound, diagonal_entry(pair, i) + left + right);
    }
    bound *= 1.0 + 0x1p-40;
    *lowest = k > 0 ? bisect(k, pair, 0, bound) : 0.0;
    *highest = k > 0 ? bisect(k, pair, k - 1, bound) : 0.0;
}

/* One implicit QL sweep on rows first … last; z is the first row of the eigenvectors. */
static void sweep(double *d, double *e, double *z, int64_t first, int64_t last)
{
    double g = (d[first + 1] - d[first]) / (2.0 * e[first]), r = hypot(g, 1.0);
    g = d[last] - d[first] + e[first] / (g + copysign(r, g));
    double s = 1.0, c = 1.0, p = 0.0;
    for (int64_t i = last - 1; i >= first; i--) {
        double f = s * e[i], b = c * e[i];
        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0.0) { /* splits here */
            d[i + 1] -= p;
            e[last] = 0.0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2.0 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        f = z[i + 1];
        z[i + 1] = s * z[i] + c * f;
        z[i] = c * z[i] - s * f;
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0.0;
}

bool w_tridiagonal_gauss(int64_t k, double *d, double *e, double *weight)
{
    for (int64_t i = 0; i < k; i++) {
        weight[i] = i == 0 ? 1.0 : 0.0;
    }
    for (int64_t first = 0; first < k; first++) {
        for (int sweeps = 0;; sweeps++) {
            int64_t last = first;
            while (last + 1 < k && fabs(e[last]) > DBL_EPSILON * (fabs(d[last]) + fabs(d[last + 1]))) {
                last++;
            }
            if (last == first) {
                break;
            }
            if (sweeps == SWEEPS || !isfinite(d[first])) {
                return false;
            }
            sweep(d, e, weight, first, last);
        }
    }
    bool finite = true;
    for (int64_t i = 0; i < k; i++) {
        weight[i] *= weight[i];
        finite = finite && isfinite(d[i]);
    }
    return finite;
}
