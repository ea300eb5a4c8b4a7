/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a family:   name [ '(' item {',' item} ')' ] { ':' value }
 *   item   link=NAME | variance=NAME | PARAMETER=NUMBER | value        value   link name | power(NUMBER) | NUMBER
 * Numbers without a name are the parameters in their order. */
#include "model/family_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/format.h"
#include "model/tree.h"

static const struct { const char *alias; w_family_kind kind; } names[] = {
    { "gaussian", W_FAMILY_GAUSSIAN }, { "normal", W_FAMILY_GAUSSIAN }, { "binomial", W_FAMILY_BINOMIAL },
    { "poisson", W_FAMILY_POISSON }, { "gamma", W_FAMILY_GAMMA }, { "inverse-gaussian", W_FAMILY_INVERSE_GAUSSIAN },
    { "inverse.gaussian", W_FAMILY_INVERSE_GAUSSIAN }, { "nb", W_FAMILY_NB }, { "negbin", W_FAMILY_NB },
    { "tweedie", W_FAMILY_TWEEDIE }, { "tw", W_FAMILY_TWEEDIE }, { "quasi", W_FAMILY_QUASI },
    { "quasipoisson", W_FAMILY_QUASIPOISSON }, { "quasibinomial", W_FAMILY_QUASIBINOMIAL }, { "scat", W_FAMILY_SCAT },
    { "beta", W_FAMILY_BETA }, { "betar", W_FAMILY_BETA },
};
#define NAME_COUNT (sizeof names / sizeof *names)

static const char *const variance_names[] = { "constant", "mu", "mu^2", "mu^3", "mu(1-mu)", NULL };

const char *const *w_family_names(void)
{
    static const char *const list[] = { "gaussian", "normal", "binomial", "poisson", "gamma", "inverse-gaussian",
                                        "inverse.gaussian", "nb", "negbin", "tweedie", "tw", "quasi", "quasipoisson",
                                        "quasibinomial", "scat", "beta", "betar", NULL };
    return list;
}

/* Links that can serve a family: their means must lie where the family's may, or PIRLS can keep them there. */
static bool link_allowed(const w_glm *glm, w_link_kind kind)
{
    const w_family *range = w_family_range(glm);
    bool unit = w_link_of(kind)->mu_high == 1.0;
    if (range->mu_high == 1.0) {
        return unit || kind == W_LINK_LOG || kind == W_LINK_IDENTITY;
    }
    return !unit;
}

typedef struct reader {
    weir_ctx *ctx;
    const char *text; /* whole, for messages */
    w_glm *glm;
    int positional;   /* parameters given without a name so far */
    bool link_given;
} reader;

static weir_status unknown(reader *r, const char *what, const char *word, const char *const *known, const char *list)
{
    const char *near = w_nearest_name(word, known);
    return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': unknown %s '%.40s'%s%s%s; there are %s", r->text, what, word,
                  near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "", list);
}

static weir_status set_param(reader *r, int index, double value)
{
    const w_family *family = r->glm->family;
    if (!(value > family->param_low[index] && value < family->param_high[index])) {
        char high[40] = "";
        if (isfinite(family->param_high[index])) {
            snprintf(high, sizeof high, " and below %g", family->param_high[index]);
        }
        return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': %s = %g must be above %g%s", r->text, family->param_name[index], value,
                      family->param_low[index], high);
    }
    r->glm->param[index] = value;
    r->glm->estimate[index] = false;
    return WEIR_OK;
}

static weir_status set_link(reader *r, const char *word)
{
    double power;
    size_t length = strlen(word);
    const w_link *link = NULL;
    if (r->link_given) {
        return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': two links", r->text);
    }
    if (strncmp(word, "power(", 6) == 0 && word[length - 1] == ')' && w_parse_double(word + 6, length - 7, &power) == 0) {
        if (!(power >= 0.0 && isfinite(power))) {
            return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': the power of a link must not be negative", r->text);
        }
        link = w_link_of(power == 0.0 ? W_LINK_LOG : power == 1.0 ? W_LINK_IDENTITY : W_LINK_POWER);
        r->glm->power = power;
    } else {
        link = strcmp(word, "power") == 0 ? NULL : w_link_find(word);
    }
    if (!link) {
        return unknown(r, "link", word, w_link_names(),
                       "identity, log, logit, probit, cloglog, cauchit, inverse, 1/mu^2, sqrt, power(NUMBER)");
    }
    r->glm->link = link;
    r->link_given = true;
    return WEIR_OK;
}

static weir_status set_variance(reader *r, const char *word)
{
    if (r->glm->family->kind != W_FAMILY_QUASI) {
        return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': only quasi takes a variance", r->text);
    }
    for (int i = 0; i < W_VARIANCE_COUNT; i++) {
        if (strcmp(word, variance_names[i]) == 0) {
            r->glm->variance = (w_quasi_variance)i;
            return WEIR_OK;
        }
    }
    return unknown(r, "variance", word, variance_names, "constant, mu, mu^2, mu^3, mu(1-mu)");
}

static weir_status set_value(reader *r, const char *word)
{
    double number;
    if (w_parse_double(word, strlen(word), &number) == 0) {
        if (r->positional >= r->glm->family->param_count) {
            return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': %s takes %d parameter%s", r->text, r->glm->family->name,
                          r->glm->family->param_count, r->glm->family->param_count == 1 ? "" : "s");
        }
        return set_param(r, r->positional++, number);
    }
    return set_link(r, word);
}

static weir_status set_item(reader *r, char *item)
{
    const w_family *family = r->glm->family;
    char *equals = strchr(item, '=');
    if (!equals) {
        return set_value(r, item);
    }
    *equals = '\0';
    const char *value = equals + 1;
    if (strcmp(item, "link") == 0) {
        return set_link(r, value);
    }
    if (strcmp(item, "variance") == 0) {
        return set_variance(r, value);
    }
    for (int i = 0; i < family->param_count; i++) {
        double number;
        if (strcmp(item, family->param_name[i]) == 0) {
            return w_parse_double(value, strlen(value), &number) == 0
                       ? set_param(r, i, number)
                       : w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': '%.40s' is not a number", r->text, value);
        }
    }
    const char *const known[] = { "link", family->kind == W_FAMILY_QUASI ? "variance" : "link",
                                  family->param_count > 0 ? family->param_name[0] : "link",
                                  family->param_count > 1 ? family->param_name[1] : "link", NULL };
    char list[80];
    snprintf(list, sizeof list, "link%s%s%s%s%s", family->kind == W_FAMILY_QUASI ? ", variance" : "",
             family->param_count > 0 ? ", " : "", family->param_count > 0 ? family->param_name[0] : "",
             family->param_count > 1 ? ", " : "", family->param_count > 1 ? family->param_name[1] : "");
    return unknown(r, "argument", item, known, list);
}

/* The next piece of *rest up to `stop` outside brackets, ended with a zero; *rest moves behind it or becomes NULL. */
static char *next_piece(char **rest, char stop)
{
    char *start = *rest, *at = start;
    int depth = 0;
    for (; *at && !(*at == stop && depth == 0); at++) {
        depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
    }
    *rest = *at ? at + 1 : NULL;
    *at = '\0';
    return start;
}

static weir_status read_items(reader *r, char *items)
{
    char *open = strchr(items, '('), *rest = NULL;
    weir_status status = WEIR_OK;
    if (open) {
        size_t length = strlen(open);
        if (open[length - 1] != ')') {
            return w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': brackets do not match", r->text);
        }
        open[length - 1] = '\0';
        *open = '\0';
        rest = open + 1;
    }
    int64_t kind = -1;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        kind = strcmp(items, names[i].alias) == 0 ? (int64_t)names[i].kind : kind;
    }
    if (kind < 0) {
        return unknown(r, "name", items, w_family_names(),
                       "gaussian, binomial, poisson, gamma, inverse-gaussian, nb, tweedie, quasi, quasipoisson, quasibinomial, "
                       "scat, beta");
    }
    const w_family *family = w_family_of((w_family_kind)kind);
    *r->glm = (w_glm){ .family = family, .link = w_link_of(family->default_link), .power = 1.0 };
    for (int i = 0; i < family->param_count; i++) {
        r->glm->param[i] = family->param_start[i];
        r->glm->estimate[i] = true;
    }
    while (rest && status == WEIR_OK) {
        char *item = next_piece(&rest, ',');
        status = *item ? set_item(r, item) : w_fail(r->ctx, WEIR_E_ARG, "family '%.60s': an empty argument", r->text);
    }
    return status;
}

weir_status w_family_parse(weir_ctx *ctx, const char *text, w_glm *out)
{
    char copy[W_FAMILY_TEXT];
    size_t length = 0;
    for (const char *c = text; *c; c++) {
        if (isspace((unsigned char)*c)) {
            continue;
        }
        if (length + 1 >= sizeof copy) {
            return w_fail(ctx, WEIR_E_ARG, "family '%.60s…' is too long", text);
        }
        copy[length++] = (char)tolower((unsigned char)*c);
    }
    copy[length] = '\0';
    w_glm glm;
    reader r = { .ctx = ctx, .text = text, .glm = &glm };
    char *rest = copy;
    weir_status status = read_items(&r, next_piece(&rest, ':'));
    while (rest && status == WEIR_OK) {
        char *value = next_piece(&rest, ':');
        status = *value ? set_value(&r, value) : w_fail(ctx, WEIR_E_ARG, "family '%.60s': nothing after ':'", text);
    }
    if (status == WEIR_OK && !link_allowed(&glm, glm.link->kind)) {
        bool unit = w_family_range(&glm)->mu_high == 1.0;
        status = w_fail(ctx, WEIR_E_ARG, "family '%.60s': link %s does not serve %s; %s", text, glm.link->name, glm.family->name,
                        unit ? "there are logit, probit, cloglog, cauchit, log and identity"
                             : "there are identity, log, inverse, 1/mu^2, sqrt and power(NUMBER)");
    }
    if (status == WEIR_OK) {
        *out = glm;
    }
    return status;
}

/* Appends format with one number, whose decimal comma of some locales becomes a point. */
static size_t put_number(char *text, size_t used, size_t size, const char *format, int digits, double value)
{
    char number[48];
    snprintf(number, sizeof number, "%.*g", digits, value);
    for (char *c = number; *c; c++) {
        *c = *c == ',' ? '.' : *c;
    }
    int more = snprintf(text + used, size - used, format, number);
    return used + (more > 0 && (size_t)more < size - used ? (size_t)more : 0);
}

void w_family_text(const w_glm *glm, char *text, size_t size)
{
    const w_family *family = glm->family;
    bool power = glm->link->kind == W_LINK_POWER;
    size_t used = (size_t)snprintf(text, size, "%s(link=%s%s%s", family->name, power ? "power" : glm->link->name,
                                   family->kind == W_FAMILY_QUASI ? ",variance=" : "",
                                   family->kind == W_FAMILY_QUASI ? variance_names[glm->variance] : "");
    if (power) {
        used = (size_t)snprintf(text, size, "%s(", family->name);
        if (family->kind == W_FAMILY_QUASI) {
            used += (size_t)snprintf(text + used, size - used, "variance=%s,", variance_names[glm->variance]);
        }
        used = put_number(text, used, size, "link=power(%s)", 17, glm->power);
    }
    for (int i = 0; i < family->param_count; i++) {
        if (!glm->estimate[i]) {
            used += (size_t)snprintf(text + used, size - used, ",%s", family->param_name[i]);
            used = put_number(text, used, size, "=%s", 17, glm->param[i]);
        }
    }
    snprintf(text + used, size - used, ")");
}

void w_family_label(const w_glm *glm, char *text, size_t size)
{
    const w_family *family = glm->family;
    size_t used = (size_t)snprintf(text, size, "%s", family->name);
    if (family->kind == W_FAMILY_QUASI) {
        used += (size_t)snprintf(text + used, size - used, "(variance=%s)", variance_names[glm->variance]);
    }
    for (int i = 0; i < family->param_count; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "(" : ", ", family->param_name[i]);
        used = put_number(text, used, size, "=%s", 4, glm->param[i]);
    }
    if (family->param_count > 0) {
        snprintf(text + used, size - used, ")");
    }
}

void w_family_link_label(const w_glm *glm, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", glm->link->name);
    if (glm->link->kind == W_LINK_POWER) {
        put_number(text, used, size, "(%s)", 4, glm->power);
    }
}
