/* SPDX-License-Identifier: Apache-2.0 */
#include "basis/basis.h"
#include <string.h>
#include "basis/features.h"

static const struct {
    const char *name;
    w_basis_kind kind;
} kinds[] = {
    {"cr", W_BASIS_CR}, {"cs", W_BASIS_CS}, {"cc", W_BASIS_CC}, {"ps", W_BASIS_PS},
    {"cp", W_BASIS_CP}, {"tp", W_BASIS_TP}, {"ts", W_BASIS_TS}, {"re", W_BASIS_RE},
    {"fs", W_BASIS_FS}, {"sz", W_BASIS_SZ},
    {"mpi", W_BASIS_MPI}, {"mpd", W_BASIS_MPD}, {"cx", W_BASIS_CX}, {"cv", W_BASIS_CV},
    {"micx", W_BASIS_MICX}, {"micv", W_BASIS_MICV}, {"mdcx", W_BASIS_MDCX}, {"mdcv", W_BASIS_MDCV},
    {"linear", W_BASIS_LINEAR}, {"fourier", W_BASIS_FOURIER}, {"cheb", W_BASIS_CHEB}, {"wavelet", W_BASIS_WAVELET},
    {"rbf", W_BASIS_RBF}, {"rff", W_BASIS_RFF}, {"nominal", W_BASIS_NOMINAL}, {"ordinal", W_BASIS_ORDINAL},
    {"catfourier", W_BASIS_CATFOURIER}, {"lintree", W_BASIS_LINTREE}, {"tree", W_BASIS_TREE},
};

bool w_basis_parse(const char *name, w_basis_kind *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *out = kinds[i].kind;
            return true;
        }
    }
    return false;
}

const char *w_basis_name(w_basis_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind == kind)
            return kinds[i].name;
    }
    return "?";
}

int64_t w_basis_null(const w_margin_spec *spec)
{
    if (w_basis_featured(spec->basis))
        return spec->basis == W_BASIS_ORDINAL ? (int64_t)w_feature_value(spec, W_OPTION_P_ORDER) : 0;
    switch (w_basis_shaped(spec->basis) ? W_BASIS_PS : spec->basis) {
    case W_BASIS_CS:
    case W_BASIS_TS: return 0;
    case W_BASIS_CC:
    case W_BASIS_CP: return 1;
    case W_BASIS_PS: return spec->m_count > 1 ? spec->m[1] : spec->m_count > 0 ? spec->m[0] : 2;
    default: return 2;
    }
}

int w_plate_order(const w_margin_spec *spec)
{
    int order = spec->m_count > 0 ? spec->m[0] : 0;
    return order > 0 ? order : (spec->covariates + 1) / 2 + 1;
}

/* Monomials of degree below `order`: C(order + d - 1, d). */
int64_t w_plate_polynomials(int covariates, int order)
{
    int64_t count = 1;
    for (int i = 1; i <= covariates; i++)
        count = count * (order + i - 1) / i;
    return count;
}

int64_t w_basis_default_k(const w_margin_spec *spec, bool tensor_margin)
{
    if (w_basis_featured(spec->basis))
        return w_feature_k(spec, 12);
    if (spec->covariates > 1)
        return w_plate_polynomials(spec->covariates, w_plate_order(spec)) + (spec->covariates == 2 ? 27 : 100);
    return tensor_margin ? 5 : 10;
}

int64_t w_basis_least_k(const w_margin_spec *spec)
{
    int64_t degree = (spec->m_count > 0 ? spec->m[0] : 2) + 1;
    int64_t order = spec->m_count > 1 ? spec->m[1] : spec->m_count > 0 ? spec->m[0] : 2;
    switch (w_basis_shaped(spec->basis) ? W_BASIS_PS : spec->basis) {
    case W_BASIS_PS: return degree + 1 > order + 1 ? degree + 1 : order + 1;
    case W_BASIS_CP: return degree > order + 1 ? degree : order + 1;
    case W_BASIS_CC: return 4;
    default: return 3;
    }
}
