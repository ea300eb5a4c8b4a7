/* SPDX-License-Identifier: Apache-2.0 */
#include "basis/basis.h"
#include <string.h>
#include "basis/parts.h"

static const struct {
    const char *name;
    w_basis_kind kind;
} kinds[] = {
    {"cr", W_BASIS_CR}, {"cs", W_BASIS_CS}, {"cc", W_BASIS_CC}, {"ps", W_BASIS_PS},
    {"cp", W_BASIS_CP}, {"tp", W_BASIS_TP}, {"ts", W_BASIS_TS}, {"re", W_BASIS_RE},
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

int64_t w_basis_default_k(w_basis_kind kind, bool tensor_margin)
{
    (void)kind;
    return tensor_margin ? 5 : 10;
}

int64_t w_basis_least_k(const w_margin_spec *spec)
{
    int64_t degree = (spec->m_count > 0 ? spec->m[0] : 2) + 1;
    int64_t order = spec->m_count > 1 ? spec->m[1] : spec->m_count > 0 ? spec->m[0] : 2;
    switch (spec->basis) {
    case W_BASIS_PS: return degree + 1 > order + 1 ? degree + 1 : order + 1;
    case W_BASIS_CP: return degree > order + 1 ? degree : order + 1;
    case W_BASIS_CC: return 4;
    default: return 3;
    }
}
