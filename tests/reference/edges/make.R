# SPDX-License-Identifier: Apache-2.0
# Families and links with prior weights and offsets, and parameters at the ends of their range, by gam(method = "REML") of mgcv
# (printed below). Writes edges.csv and cases.json beside itself. usage: Rscript make.R
suppressMessages(library(mgcv))
cat(R.version.string, "mgcv", as.character(packageVersion("mgcv")), "\n")
set.seed(20)
n <- 80
x <- runif(n); z <- runif(n); g <- factor(sample(letters[1:4], n, TRUE)); o <- runif(n, -0.4, 0.4); w <- sample(1:4, n, TRUE)
signal <- sin(2 * pi * x) + z - 0.5 + 0.2 * (g == "b")
mu <- 3 * exp(0.5 * signal + o)
p <- plogis(signal + o)
d <- data.frame(x, z, g, o, w,
  counts = rpois(n, mu), shares = rbinom(n, w, p) / w, waits = rgamma(n, 3 * w, 3 * w / mu), more = rnbinom(n, mu = 2 * mu, size = 2),
  level = rnorm(n, mu, 0.5 / sqrt(w)), passage = mu * exp(rnorm(n, 0, 0.3)), rain = rTweedie(mu, p = 1.5, phi = 0.8),
  plain = rpois(n, 3 * exp(0.5 * signal)), under = round(3 * exp(0.5 * signal)), heavy = signal + 0.3 * rt(n, 3), normal = signal + rnorm(n, 0, 0.4),
  even = rgamma(n, 4, 4 / 3), ones = rbinom(n, 1, plogis(2 * signal)), ratio = rbeta(n, 8 * p, 8 * (1 - p)))
write.csv(as.data.frame(lapply(d, function(v) if (is.numeric(v)) sprintf("%.17g", v) else as.character(v))), "edges.csv",
          row.names = FALSE, quote = FALSE)
all <- function(name, formula, family, R, weighted, data = "edges.csv", rows = c(1, 20, 60))
  list(name = name, formula = formula, family = family, R = R, weighted = weighted, data = data, rows = rows)
cases <- list(
  all("poisson", 'counts ~ s(x, bs="cr", k=6) + g + offset(o)', "poisson", poisson(), TRUE),
  all("binomial", 'shares ~ s(x, bs="cr", k=6) + z + offset(o)', "binomial", binomial(), TRUE),
  all("gamma", 'waits ~ s(x, bs="cr", k=6) + z + offset(o)', "gamma:log", Gamma("log"), TRUE),
  all("nb", 'more ~ s(x, bs="cr", k=6) + z + offset(o)', "nb", nb(), TRUE),
  all("gaussian-log", 'level ~ s(x, bs="cr", k=6) + z + offset(o)', "gaussian:log", gaussian("log"), TRUE),
  all("gaussian", 'level ~ s(x, bs="cr", k=6) + z + offset(o)', "gaussian", gaussian(), TRUE),
  all("inverse-gaussian", 'passage ~ s(x, bs="cr", k=6) + z + offset(o)', "inverse-gaussian:log", inverse.gaussian("log"), TRUE),
  all("tweedie", 'rain ~ s(x, bs="cr", k=6) + z + offset(o)', "tweedie", tw(), FALSE),
  all("quasipoisson", 'counts ~ s(x, bs="cr", k=6) + z + offset(o)', "quasipoisson", quasipoisson(), TRUE),
  all("probit", 'ones ~ s(x, bs="cr", k=6) + offset(o)', "binomial:probit", binomial("probit"), FALSE),
  all("cloglog", 'shares ~ s(x, bs="cr", k=6) + offset(o)', "binomial:cloglog", binomial("cloglog"), TRUE),
  all("cauchit", 'shares ~ s(x, bs="cr", k=6) + z', "binomial:cauchit", binomial("cauchit"), TRUE),
  all("sqrt", 'plain ~ s(x, bs="cr", k=6) + z', "poisson:sqrt", poisson("sqrt"), TRUE),
  all("beta", 'ratio ~ s(x, bs="cr", k=6) + z + offset(o)', "beta", betar(), TRUE),
  all("scat", 'heavy ~ s(x, bs="cr", k=6) + z + offset(o)', "scat", scat(), FALSE),
  all("lambda-infinite", 'even ~ s(x, bs="cr", k=6) + s(z, bs="cr", k=5)', "gamma:inverse", Gamma("inverse"), FALSE),
  all("theta-infinite", 'under ~ s(x, bs="cr", k=6) + z', "nb", nb(), FALSE),
  all("nu-infinite", 'normal ~ s(x, bs="cr", k=6) + z', "scat", scat(), FALSE),
  # twenty.csv: simulated rows on which Newton's weights leave the penalised Hessian indefinite during the search
  all("indefinite", 'y ~ s(x, bs="cr") + s(z, bs="ps")', "inverse-gaussian:identity", inverse.gaussian("identity"), TRUE, "twenty.csv", c(1, 10, 20)))
number <- function(v) paste0("[", paste(sprintf("%.17g", v), collapse = ", "), "]")
text <- vapply(cases, function(q) {
  d <- read.csv(q$data, stringsAsFactors = TRUE)
  d$by <- if (q$weighted) d$w else 1
  b <- gam(as.formula(q$formula), family = q$R, weights = by, data = d, method = "REML", control = gam.control(epsilon = 1e-10, newton = list(conv.tol = 1e-9)))
  head <- d[q$rows, ]
  link <- predict(b, head, se.fit = TRUE); response <- predict(b, head, type = "response", se.fit = TRUE)
  terms <- predict(b, head, type = "terms", se.fit = TRUE)
  smooth <- grep("^s\\(x", colnames(terms$fit))
  th <- if (is.null(b$family$getTheta)) numeric() else b$family$getTheta(TRUE)
  sprintf(paste0('  {"name": "%s", "data": "%s", "formula": "%s", "family": "%s", "weights": %s, "factors": null,\n   "criterion": %.17g, ',
    '"deviance": %.17g, "edf": %.17g, "scale": %.17g, "theta": %s,\n   "rows": %s, "fit": %s, "se": %s, "response": %s,\n   ',
    '"response_se": %s, "term": %s, "term_se": %s}'),
    q$name, q$data, gsub('"', '\\\\"', q$formula), q$family, if (q$weighted) '"w"' else "null", b$gcv.ubre, deviance(b), sum(b$edf), b$sig2,
    number(th), number(q$rows), number(link$fit), number(link$se.fit), number(response$fit), number(response$se.fit), number(terms$fit[, smooth]),
    number(terms$se.fit[, smooth]))
}, "")
writeLines(c('{"cases": [', paste(text, collapse = ",\n"), "]}"), "cases.json")
