/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the model, the table and the machine: one line each. */
#include "groups.h"

static const cli_option model_options[] = {
    {'f', "formula", CLI_TEXT, CLI_AT(formula), 0, "FORMULA",
     "the model, as in R's mgcv: 'y ~ s(x, k=20) + te(a, b) + f + offset(o)'"},
    {0, "family", CLI_TEXT, CLI_AT(family), 0, "NAME[:LINK]",
     "distribution of the response (default gaussian): gaussian, binomial, poisson, gamma, inverse-gaussian, nb[:THETA], "
     "tweedie[:P], quasi, quasipoisson, quasibinomial, scat, beta; links: identity, log, logit, probit, cloglog, cauchit, "
     "inverse, 1/mu^2, sqrt, power(K)"},
    {'w', "weights", CLI_TEXT, CLI_AT(weights), 0, "COL", "column of prior weights; rows of weight 0 do not count"},
    {0, "method", CLI_CHOICE, CLI_AT(method), 0, "REML|ML|GCV|UBRE",
     "how smoothing parameters are chosen (default REML); UBRE needs --scale"},
    {0, "criterion", CLI_CHOICE, CLI_AT(criterion), 0, "auto|laml|working",
     "families other than gaussian: exact Laplace criterion, that of the working model, or the first below a million rows "
     "(default)"},
    {0, "knots", CLI_KNOTS, CLI_AT(knots), 0, "exact|LIST",
     "'exact': knots from every row however many there are; or the knots themselves, 'x=0.5,12.5;z=0,1'"},
    {0, "sp", CLI_REALS, CLI_AT(sp), 0, "A,B,...",
     "fix the smoothing parameters, in the order of the summary; auto = estimate this one"},
    {0, "gamma", CLI_REAL, CLI_AT(gamma), 0, "G", "more than 1 smooths more (default 1)"},
    {0, "scale", CLI_REAL, CLI_AT(scale), 0, "PHI", "the scale is known to be PHI (default: estimate it)"},
    {0, "select", CLI_FLAG, CLI_AT(select), 0, NULL, "extra penalties that can remove whole terms"},
    {0, "ar1", CLI_SHARE, CLI_AT(ar1), 0, "RHO|auto",
     "residuals of neighbouring rows are correlated, as an AR(1) process with correlation RHO; auto = estimate it (gaussian only)"},
    {0, "ar1-start", CLI_TEXT, CLI_AT(ar1_start), 0, "COL",
     "where a series of such rows begins: COL is 1 or true there, else 0 or false; or a factor, at each change"},
    {0, "ridge", CLI_REAL, CLI_AT(ridge), 0, "R",
     "add R times the sum of squares of all coefficients, the intercept's too (gaussian only; default none)"},
    {0, "route", CLI_CHOICE, CLI_AT(route), 0, "auto|dense|cg|cholesky|arrow|qr|mixed|sparse|dual",
     "dense: factor the normal equations, whole (cholesky) or without the largest random effect (arrow); cg: never form them; qr, "
     "mixed, sparse, dual: solve for the coefficients from the rows in the end (gaussian only); default: what fits"},
    {0, "preconditioner", CLI_CHOICE, CLI_AT(preconditioner), 0, "auto|none|jacobi|block|nystrom",
     "of --route cg: blocks of the terms with a coarse space (auto) or without, the diagonal, 128 random vectors, or none"},
    {0, "max-iterations", CLI_COUNT, CLI_AT(iterations), 0, "N", "of the smoothing parameter search (default 100)"},
};
const cli_group group_model = {"Model", CLI_COUNT_OF(model_options), model_options};

static const cli_option table_options[] = {
    {0, "na", CLI_CHOICE, CLI_AT(drop), 0, "fail|drop",
     "rows with a missing value: refuse, naming column and row (default), or leave out and count"},
    {0, "factors", CLI_TEXT, CLI_AT(factors), 0, "A,B,...", "columns that are categories though they hold numbers"},
    {0, "columns", CLI_TEXT, CLI_AT(columns), 0, "A,B,...", "column names for a file that has none (default c0,c1,...)"},
    {0, "no-header", CLI_FLAG, CLI_AT(headerless), 0, NULL, "CSV: the first record holds data, not names"},
    {0, "delimiter", CLI_CHAR, CLI_AT(delimiter), 0, "CHAR", "CSV: default is what the header suggests among , ; tab |"},
    {0, "decimal", CLI_CHAR, CLI_AT(decimal), 0, "CHAR", "CSV: decimal mark (default .)"},
    {0, "missing", CLI_TEXT, CLI_AT(missing), 0, "A,B,...",
     "CSV: words for a missing value (default NA; the empty field always)"},
};
const cli_group group_table = {"Table", CLI_COUNT_OF(table_options), table_options};

static const cli_option machine_options[] = {
    {0, "memory", CLI_BYTES, CLI_AT(memory), 0, "SIZE",
     "memory budget, never exceeded: 512M, 2G (K, M, G, T are powers of 1024; default 80 % of what is free)"},
    {'t', "threads", CLI_COUNT, CLI_AT(threads), 0, "N", "threads (default: every processor); the result does not depend on it"},
    {0, "device", CLI_TEXT, CLI_AT(device), 0, "NAME", "auto (default), cpu, cuda, required:cuda"},
    {0, "scratch", CLI_TEXT, CLI_AT(scratch), 0, "DIR",
     "folder for decoded rows that do not fit in memory (default TMPDIR or /tmp); none: no row is written"},
    {0, "seed", CLI_COUNT, CLI_AT(seed), 0, "N", "seed of every random choice (default fixed)"},
};
const cli_group group_machine = {"Machine", CLI_COUNT_OF(machine_options), machine_options};

static const cli_option general_options[] = {
    {'q', "quiet", CLI_FLAG, CLI_AT(quiet), 0, NULL, "only errors, and what was asked for"},
    {'v', "verbose", CLI_FLAG, CLI_AT(verbose), 0, NULL, "say what is being done"},
    {0, "progress", CLI_CHOICE, CLI_AT(progress), 0, "auto|never|always",
     "pass, rows, criterion and time left; auto: on a terminal, after one second"},
    {0, "no-color", CLI_FLAG, CLI_AT(no_colour), 0, NULL, "no colours; so does the environment variable NO_COLOR"},
    {'h', "help", CLI_FLAG, CLI_AT(help), 0, NULL, "this text"},
};
const cli_group group_general = {"General", CLI_COUNT_OF(general_options), general_options};
