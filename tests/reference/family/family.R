# SPDX-License-Identifier: Apache-2.0
# Reference values of links and families by R's stats and mgcv: Rscript family.R, run in this folder, writes the .txt beside it.
suppressMessages(library(mgcv))
number <- function(values) paste(ifelse(is.finite(values), sprintf("%.17g", values), "nan"), collapse = " ")
table_of <- function(name, head, rows) writeLines(c(paste("#", head), rows), name)

# link: eta mu dmu/deta g''(mu) g'''(mu)
rows <- character()
for (link in c("identity", "log", "logit", "probit", "cloglog", "cauchit", "inverse", "1/mu^2", "sqrt")) {
    family <- if (link %in% c("logit", "probit", "cloglog", "cauchit")) binomial(link) else
        eval(substitute(quasi(link = L), list(L = link)))
    family <- fix.family.link(family)
    eta <- if (link %in% c("inverse", "1/mu^2", "sqrt")) c(0.01, 0.3, 1, 2.5, 17) else c(-3, -1.2, -0.4, 0.1, 0.7, 1.3)
    mu <- family$linkinv(eta)
    for (i in seq_along(eta))
        rows <- c(rows, paste(link, number(c(eta[i], mu[i], family$mu.eta(eta[i]), family$d2link(mu[i]), family$d3link(mu[i])))))
}
table_of("links.txt", "link eta mu dmu/deta g'' g'''", rows)

# family text, y mu omega: V V' omega*d
rows <- character()
add <- function(text, family, y, mu, omega) {
    if (is.null(family$dvar)) family <- fix.family.var(family)
    v <- family$variance(mu)
    d <- family$dev.resids(y, mu, omega)
    for (i in seq_along(y))
        rows <<- c(rows, paste(text, number(c(y[i], mu[i], omega[i], v[i], family$dvar(mu)[i], d[i]))))
}
omega <- c(1, 2, 0.5, 3, 10)
counts <- c(0, 1, 3, 12, 150)
positive <- c(0.02, 0.7, 2.5, 9, 400)
means <- c(0.4, 2.3, 1.1, 20, 90)
shares <- c(0, 1, 0.25, 2 / 3, 0.9)
chances <- c(0.1, 0.35, 0.6, 0.02, 0.999)
add("gaussian", gaussian(), c(-1, 0, 2, 5, 1e3), c(1, -2, 2.5, 4, 990), omega)
add("binomial", binomial(), shares, chances, omega)
add("quasibinomial", quasibinomial(), shares, chances, omega)
add("poisson", poisson(), counts, means, omega)
add("quasipoisson", quasipoisson(), counts, means, omega)
add("gamma", Gamma(), positive, means, omega)
add("inverse-gaussian", inverse.gaussian(), positive, means, omega)
add("nb:2.5", negbin(2.5), counts, means, omega)
add("nb:0.3", negbin(0.3), counts, means, omega)
add("tweedie:1.1", Tweedie(1.1), c(0, positive[-1]), means, omega)
add("tweedie:1.5", Tweedie(1.5), c(0, positive[-1]), means, omega)
add("tweedie:1.9", Tweedie(1.9), c(0, positive[-1]), means, omega)
table_of("deviance.txt", "family y mu omega V V' omega*d", rows)

# family text, y omega phi: l_s, its first and second derivative in phi
rows <- character()
add <- function(text, family, y, omega, phi) {
    family <- fix.family.ls(family)
    for (i in seq_along(y))
        for (scale in phi)
            rows <<- c(rows, paste(text, number(c(y[i], omega[i], scale, family$ls(y[i], omega[i], 1, scale)))))
}
add("gaussian", gaussian(), c(-1, 0, 2, 5, 1e3), omega, c(0.01, 1, 30))
add("gamma", Gamma(), positive, omega, c(0.003, 0.4, 20))
add("inverse-gaussian", inverse.gaussian(), positive, omega, c(0.01, 1, 30))
add("poisson", poisson(), counts, omega, 1)
# Densities at the saturated mean, trials given.
trials <- c(1, 4, 20, 300)
events <- c(0, 1, 7, 299)
for (i in seq_along(trials))
    rows <- c(rows, paste("binomial", number(c(events[i] / trials[i], trials[i], 1,
                                               dbinom(events[i], trials[i], events[i] / trials[i], log = TRUE), 0, 0))))
table_of("saturated.txt", "family y omega phi l_s dl_s/dphi d2l_s/dphi2", rows)

# Tweedie densities at mu = y: value, d/dphi, d2/dphi2, d/dp, d2/dp2, d2/dphi dp
rows <- character()
for (p in c(1.05, 1.2, 1.5, 1.8, 1.95))
    for (phi in c(0.05, 0.7, 5))
        for (y in c(0.001, 0.3, 1, 6, 80)) {
            l <- ldTweedie(y, mu = y, p = p, phi = phi)
            rows <- c(rows, paste(number(c(p, phi, y, l[1, 1], l[1, 2], l[1, 3], l[1, 4], l[1, 5], l[1, 6]))))
        }
table_of("tweedie.txt", "p phi y l_s d/dphi d2/dphi2 d/dp d2/dp2 d2/dphidp", rows)

# Extended families: derivatives of omega*d. Parameters: log theta (nb, beta); (log(nu - 3), log sigma) for scat.
rows <- character()
add <- function(text, family, y, mu, omega, theta) {
    D <- family$Dd(y, mu, theta, omega, level = 2)
    first <- function(x, i, j) if (is.matrix(x)) x[i, j] else x[i]
    for (i in seq_along(y)) {
        value <- family$dev.resids(y, mu, omega, theta)[i]
        count <- length(theta)
        parts <- c(value, D$Dmu[i], D$Dmu2[i], D$Dmu3[i], D$EDmu2[i])
        for (j in seq_len(count)) parts <- c(parts, first(D$Dth, i, j), first(D$Dmuth, i, j), first(D$Dmu2th, i, j))
        second <- if (count == 2) D$Dth2[i, c(1, 3, 2)] else D$Dth2[i]
        rows <<- c(rows, paste(text, count, number(c(y[i], mu[i], omega[i], parts, second))))
    }
}
add("nb:2.5", nb(), counts, means, omega, log(2.5))
add("nb:40", nb(), counts, means, omega, log(40))
add("scat:5:1.3", scat(), c(-1, 0, 2, 5, 30), c(1, -2, 2.5, 4, 12), omega, c(log(5 - 3), log(1.3)))
add("beta:7", betar(), c(0.01, 0.2, 0.5, 0.77, 0.999), chances, omega, log(7))
table_of("extended.txt", "family count y mu omega d d1 d2 d3 Ed2 {dth d1th d2th} dth2[11 22 12]", rows)

rows <- character()
for (theta in c(0.2, 2.5, 1000)) {
    l <- nb()$ls(counts, omega, log(theta), 1)
    rows <- c(rows, paste(sprintf("nb:%g", theta), number(c(l$ls, l$lsth1[1], l$lsth2[1]))))
}
l <- scat()$ls(counts, omega, c(log(2), log(1.3)), 1)
rows <- c(rows, paste("scat:5:1.3", number(c(l$ls, l$lsth1[1:2]))))
table_of("extended_saturated.txt", "family sum of l_s over the counts with omega 1 2 .5 3 10; first and second derivatives", rows)

# Distribution functions and quantiles: family y mu omega phi P(Y<=y); then probability and quantile
rows <- character()
put <- function(text, y, mu, omega, phi, value) rows <<- c(rows, paste(text, number(c(y, mu, omega, phi, value))))
for (y in c(0, 1, 3, 20)) {
    put("poisson", y, 4.2, 1, 1, ppois(y, 4.2))
    put("nb:2.5", y, 4.2, 1, 1, pnbinom(y, size = 2.5, mu = 4.2))
    put("binomial", y / 40, 0.3, 40, 1, pbinom(y, 40, 0.3))
    put("gaussian", y, 4.2, 2, 3, pnorm(y, 4.2, sqrt(1.5)))
}
for (y in c(0.05, 1, 3, 20)) {
    put("gamma", y, 4.2, 2, 0.6, pgamma(y, 1 / 0.3, scale = 4.2 * 0.3))
    put("scat:5:1.3", y, 4.2, 1, 1, pt((y - 4.2) / 1.3, 5))
    put("beta:7", y / 21, 0.3, 1, 1, pbeta(y / 21, 2.1, 4.9))
}
put("poisson", 100300, 1e5, 1, 1, ppois(100300, 1e5))
put("gamma", 1.001, 1, 1, 1e-6, pgamma(1.001, 1e6, scale = 1e-6))
table_of("cdf.txt", "family y mu omega phi P(Y<=y)", rows)
x <- c(0.001, 0.1, 0.7, 1, 1.5, 2, 5, 9.9, 10, 33, 1e5)
table_of("gamma.txt", "x lgamma digamma trigamma psigamma(2)",
         sapply(x, function(v) number(c(v, lgamma(v), digamma(v), trigamma(v), psigamma(v, 2)))))
q <- c(1e-300, 1e-20, 1e-5, 0.02, 0.3, 0.5, 0.9, 0.9999)
table_of("normal.txt", "p quantile", sapply(q, function(v) number(c(v, qnorm(v)))))
