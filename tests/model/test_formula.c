/* SPDX-License-Identifier: Apache-2.0 */
/* What parses, and every message with its column. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/terms.h"

typedef struct fault {
    const char *formula;
    int column;
    const char *part; /* of the message */
} fault;

static const fault faults[] = {
    {"", 1, "ends where a term is expected"},
    {"y", 2, "'~' is missing"},
    {"~ x", 1, "response is missing"},
    {"y ~", 4, "ends where a term is expected"},
    {"y ~ x +", 8, "ends where a term is expected"},
    {"y ~ + * x", 7, "'*' where a term is expected"},
    {"y ~ (x + z", 5, "parenthesis is never closed"},
    {"y ~ x)", 6, "')' without an opening parenthesis"},
    {"y ~ s(x", 6, "parenthesis of s( is never closed"},
    {"y ~ s(x;k=3)", 8, "';' has no meaning"},
    {"y ~ x z", 7, "expected an operator"},
    {"y x ~ z", 3, "expected '~'"},
    {"y ~ s(x,)", 9, "')' where a term is expected"},
    {"y ~ s(x k=3)", 9, "expected ',' or ')'"},
    {"y ~ 2x", 5, "neither a number nor a name"},
    {"y ~ 1e999", 5, "cannot be represented"},
    {"y ~ 'x", 5, "never closed"},
    {"y ~ `x", 5, "never closed"},
    {"y ~ ``", 5, "empty name"},
    {"y ~ x @ z", 7, "'@' has no meaning"},
    {"y ~ \x01", 5, "control character"},
    {"1 ~ x", 1, "response names no column"},
    {"s(y) ~ x", 1, "cannot stand inside an expression"},
    {"y ~ x + 2", 9, "a number among the terms"},
    {"y ~ x * 1", 9, "a number among the terms"},
    {"y ~ 'x'", 5, "a text cannot be a term"},
    {"y ~ (x + z)^1.5", 13, "exponent must be a whole number"},
    {"y ~ x^z", 7, "exponent must be a whole number"},
    {"y ~ lgo(x)", 5, "did you mean 'log'"},
    {"y ~ foo(x)", 5, "unknown function 'foo'"},
    {"y ~ log(x, 2)", 5, "takes one expression"},
    {"y ~ log('x')", 9, "a text cannot stand"},
    {"y ~ log(x:z)", 9, "':' has no meaning inside"},
    {"y ~ log(.)", 9, "'.' cannot stand inside"},
    {"y ~ I(s(x))", 7, "s() cannot stand inside"},
    {"y ~ poly(x, 0)", 13, "degree of poly()"},
    {"y ~ poly()", 5, "poly() takes"},
    {"y ~ factor(x + 1)", 5, "takes the name of one column"},
    {"y ~ bs(x)", 5, "not among weir's terms"},
    {"y ~ offset(x, z)", 5, "offset() takes one expression"},
    {"y ~ x:offset(z)", 7, "offset() can only be added"},
    {"y ~ x - offset(z)", 9, "cannot be subtracted"},
    {"y ~ f:s(x)", 7, "use by="},
    {"y ~ x - s(z)", 9, "cannot be subtracted"},
    {"y ~ x + y", 1, "is the response and a term at once"},
    {"y ~ s(y)", 1, "is the response and a term at once"},
    {"y ~ s()", 5, "needs a covariate"},
    {"y ~ s(k=5)", 5, "needs a covariate"},
    {"y ~ s(x, z, bs='cr')", 5, "write te("},
    {"y ~ s(a, b, c, d)", 5, "at most 3 covariates"},
    {"y ~ s(x, x, bs='re')", 10, "stands twice"},
    {"y ~ te(a, b, c, d)", 5, "at most 3 covariates"},
    {"y ~ s(x, bs='crr')", 13, "did you mean 'cr'"},
    {"y ~ s(x, bs='gauss')", 13, "unknown basis 'gauss'"},
    {"y ~ s(x, bs=cr)", 13, "in quotes"},
    {"y ~ te(x, z, bs=c('cr','xx'))", 24, "unknown basis 'xx'"},
    {"y ~ te(x, z, bs='re')", 17, "random effect cannot be a margin"},
    {"y ~ s(x, kk=5)", 10, "unknown argument 'kk' of s(); did you mean 'k'"},
    {"y ~ s(x, knots=5)", 10, "unknown argument 'knots'"},
    {"y ~ s(x, bs='fs')", 5, "x a number, g a category"},
    {"y ~ te(x, z, bs='fs')", 17, "x a number, g a category"},
    {"y ~ s(x, g, bs='fs', by=z)", 22, "does not go with bs=\"fs\""},
    {"y ~ s(x, g, bs='fs', xt='re')", 25, "basis of one curve"},
    {"y ~ s(x, poly(g, 2), bs='fs')", 10, "where a category may"},
    {"y ~ s(x, bs='sz')", 5, "x a number, g and h categories"},
    {"y ~ s(a, b, c, x, bs='sz')", 5, "x a number, g and h categories"},
    {"y ~ s(g, x, bs='sz', by=z)", 22, "does not go with bs=\"sz\""},
    {"y ~ s(g, x, bs='sz', xt=list(bs='re'))", 33, "basis of one curve"},
    {"y ~ te(x, z, bs='sz')", 17, "goes with s(g, x)"},
    {"y ~ t2(x, z, full=TRUE)", 19, "full= other than FALSE"},
    {"y ~ t2(x, z, fx=TRUE)", 14, "unknown argument 'fx' of t2()"},
    {"y ~ t2(x, z, bs='re')", 17, "random effect cannot be a margin of t2()"},
    {"y ~ s(x, xt=5)", 10, "'xt' of s() is not supported"},
    {"y ~ te(x, z, d=c(1,1))", 14, "'d' of te() is not supported"},
    {"y ~ s(x, mc=1)", 10, "unknown argument 'mc'"},
    {"y ~ ti(x, z, mc=c(1,0))", 21, "mc= other than TRUE"},
    {"y ~ s(x, k=5, k=6)", 15, "given twice"},
    {"y ~ s(x, k=2.5)", 12, "k= must be a whole number"},
    {"y ~ s(x, k=0)", 12, "k= must be a whole number"},
    {"y ~ s(x, k='5')", 12, "k= must be a whole number"},
    {"y ~ te(x, z, k=c(3,4,5))", 16, "one per covariate"},
    {"y ~ s(x, m=c(1,2,3))", 12, "m= takes one or two"},
    {"y ~ s(x, m=1.5)", 12, "m= takes whole numbers"},
    {"y ~ s(x, sp='a')", 13, "sp= takes numbers"},
    {"y ~ s(x, sp=c())", 13, "one number per penalty"},
    {"y ~ s(x, fx=2)", 13, "fx= must be TRUE or FALSE"},
    {"y ~ s(x, id=TRUE)", 13, "id= takes a number or a text"},
    {"y ~ s(x, by=poly(z,2))", 13, "by= takes one variable"},
    {"y ~ s(x, by=z+1)", 13, NULL},
    {"y ~ s(factor(g))", 7, "factor() cannot be smoothed"},
    {"y ~ s(.)", 7, "'.' cannot be a covariate"},
    {"y ~ \xc3\xa4\xc3\xb6 + lgo(x)", 10, "did you mean 'log'"}, /* columns count characters */
};

static void messages(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        w_formula *formula = NULL;
        w_message_clear(ctx);
        weir_status status = w_formula_parse(ctx, f->formula, &formula);
        if (!f->part) {
            assert_int_equal(status, WEIR_OK);
            w_formula_free(formula);
            continue;
        }
        char start[64];
        snprintf(start, sizeof start, "formula, column %d: ", f->column);
        const char *message = weir_ctx_message(ctx);
        if (status != WEIR_E_FORMULA || formula || strncmp(message, start, strlen(start)) != 0 ||
            !strstr(message, f->part)) {
            fail_msg("'%s' gives status %d and\n%s\nexpected '%s…%s'", f->formula, (int)status, message, start,
                     f->part);
        }
        const char *marks = strrchr(message, '\n');
        assert_non_null(marks);
        assert_int_equal(strcspn(marks + 1, "^"), (size_t)f->column + 1); /* two blanks in front */
    }
    weir_ctx_destroy(ctx);
}

static void long_formula_shows_the_place(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    char text[4000] = "y ~ x";
    for (int i = 0; i < 300; i++) {
        strcat(text, " + abc");
    }
    strcat(text, " + lgo(x)");
    for (int i = 0; i < 300; i++) {
        strcat(text, " + abc");
    }
    w_formula *formula = NULL;
    assert_int_equal(w_formula_parse(ctx, text, &formula), WEIR_E_FORMULA);
    const char *first = strchr(weir_ctx_message(ctx), '\n');
    const char *marks = strrchr(weir_ctx_message(ctx), '\n');
    assert_non_null(first);
    size_t at = strcspn(marks + 1, "^");
    assert_int_equal(strncmp(first + 1 + at, "lgo(x)", 6), 0);
    assert_int_equal(strspn(marks + 1 + at, "^"), 6);
    weir_ctx_destroy(ctx);
}

static void bounds(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_formula *formula = NULL;
    char *text = malloc(70000);
    assert_non_null(text);
    strcpy(text, "y ~ ");
    for (int i = 0; i < 20000; i++) {
        memcpy(text + 4 + 2 * i, "x+", 3);
    }
    strcat(text, "x");
    assert_int_equal(w_formula_parse(ctx, text, &formula), WEIR_OK); /* long chains do not nest */
    w_formula_free(formula);
    for (int depth = 60; depth <= 70; depth += 10) {
        strcpy(text, "y ~ I(");
        for (int i = 0; i < depth; i++) {
            strcat(text, "(");
        }
        strcat(text, "x");
        for (int i = 0; i <= depth; i++) {
            strcat(text, ")");
        }
        formula = NULL;
        w_message_clear(ctx);
        weir_status status = w_formula_parse(ctx, text, &formula);
        assert_int_equal(status, depth == 60 ? WEIR_OK : WEIR_E_FORMULA);
        w_formula_free(formula);
    }
    assert_non_null(strstr(weir_ctx_message(ctx), "nested deeper than 64"));
    memset(text, ' ', 69999);
    text[69999] = '\0';
    w_message_clear(ctx);
    assert_int_equal(w_formula_parse(ctx, text, &formula), WEIR_E_FORMULA);
    assert_non_null(strstr(weir_ctx_message(ctx), "69999 bytes"));
    free(text);
    weir_ctx_destroy(ctx);
}

typedef struct expansion {
    const char *formula;
    bool intercept;
    const char *terms;
} expansion;

static const expansion expansions[] = {
    {"y ~ a*b + a", true, "a b a:b"},
    {"y ~ (a+b+c)^2 - a:b", true, "a b c a:c b:c"},
    {"y ~ b + a:b + a", true, "b a b:a"},
    {"y ~ a/b", true, "a a:b"},
    {"y ~ (a+b)/c", true, "a b a:b:c"},
    {"y ~ a:a + (a)", true, "a"},
    {"y ~ 0 + a", false, "a"},
    {"y ~ -1 + a", false, "a"},
    {"y ~ a - 1 + 1", true, "a"},
    {"y ~ a + b - a", true, "b"},
    {"y ~ 0", false, ""},
    {"y ~ log( x ) + log(x) + I(x ^ 2) + I( x^2 )", true, "log(x) I(x^2)"},
    {"y ~ `odd name` + .x_1", true, "`odd name` .x_1"},
    {"y ~ s(x) + a + te(x, z, k = c(4, 5)) + offset(log(h))", true, "a"},
    {"y ~ a**2 + a %", true, NULL},
};

static void sets(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (size_t i = 0; i < sizeof expansions / sizeof *expansions; i++) {
        const expansion *e = &expansions[i];
        w_formula *formula = NULL;
        w_message_clear(ctx);
        weir_status status = w_formula_parse(ctx, e->formula, &formula);
        if (!e->terms) {
            assert_int_equal(status, WEIR_E_FORMULA);
            continue;
        }
        assert_int_equal(status, WEIR_OK);
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_terms terms;
        assert_int_equal(w_terms_build(formula, &arena, NULL, 0, &terms), WEIR_OK);
        char text[256] = "";
        for (int t = 0; t < terms.parametric_count; t++) {
            strcat(text, t ? " " : "");
            for (int k = 0; k < terms.parametric[t].count; k++) {
                strcat(text, k ? ":" : "");
                strcat(text, terms.atom[terms.parametric[t].atom[k]].label);
            }
        }
        assert_string_equal(text, e->terms);
        assert_int_equal(terms.intercept, e->intercept);
        w_arena_free(&arena);
        w_formula_free(formula);
    }
    weir_ctx_destroy(ctx);
}

static void smooth_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_formula *formula = NULL;
    w_terms terms;
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    assert_int_equal(
        w_formula_parse(
            ctx,
            "y ~ s(log(x), k=7, m=c(2,1), bs='ps', sp=-1) + te(a, b, k=c(4,-1), bs=c(\"cc\",'cr'), id=3, "
            "sp=c(0.5, 2), by=g) + ti(a) + s(g, h, bs='re', fx=T) + s(z)",
            &formula),
        WEIR_OK);
    assert_int_equal(w_terms_build(formula, &arena, NULL, 0, &terms), WEIR_OK);
    assert_int_equal(terms.smooth_count, 5);
    const w_smooth_call *s = terms.smooth;
    assert_string_equal(s[0].label, "s(log(x))");
    assert_int_equal(s[0].margin[0].basis, W_BASIS_PS);
    assert_int_equal(s[0].margin[0].k, 7);
    assert_int_equal(s[0].margin[0].m_count, 2);
    assert_int_equal(s[0].margin[0].m[1], 1);
    assert_true(s[0].sp[0] != s[0].sp[0]); /* negative: to be estimated */
    assert_string_equal(s[1].label, "te(a,b)");
    assert_int_equal(s[1].margin[0].basis, W_BASIS_CC);
    assert_int_equal(s[1].margin[1].k, 0);
    assert_string_equal(s[1].id, "3");
    assert_int_equal(s[1].sp_count, 2);
    assert_string_equal(terms.atom[s[1].by].label, "g");
    assert_int_equal(s[2].margin[0].basis, W_BASIS_CR);
    assert_true(s[3].random && s[3].fixed && s[3].margin_count == 0);
    assert_string_equal(s[3].label, "s(g,h)");
    assert_int_equal(s[4].margin[0].basis, W_BASIS_TP);
    w_arena_free(&arena);
    w_formula_free(formula);
    weir_ctx_destroy(ctx);
}

static weir_status parse_and_free(weir_ctx *ctx, void *arg)
{
    w_formula *formula = NULL;
    weir_status status = w_formula_parse(ctx, arg, &formula);
    w_formula_free(formula);
    return status;
}

static void no_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    char text[] = "log(y) ~ (a + b)^2 + s(x, k=5, sp=2) + te(x, z, id='q') + offset(w) + poly(v, 2):f + factor(g)";
    assert_true(test_each_allocation_fails(ctx, parse_and_free, text) > 2);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),         cmocka_unit_test(long_formula_shows_the_place),
        cmocka_unit_test(bounds),           cmocka_unit_test(sets),
        cmocka_unit_test(smooth_arguments), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
