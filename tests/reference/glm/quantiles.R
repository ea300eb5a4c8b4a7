# SPDX-License-Identifier: Apache-2.0
# Writes quantiles.txt: quantiles of a new observation by R's own functions, and limits of means by its inverse links.
#   Rscript quantiles.R        in this folder
# Lines "quantile FAMILY probability mu omega phi value" and "limits FAMILY low high mu_low mu_high".
# phi/omega is the dispersion of an observation of weight omega; omega counts trials of a binomial share, whose quantile is a
# share. Inverse gaussian and Tweedie distribution functions are inverted by uniroot.
number <- function(x) sprintf("%.17g", x)
chance <- c(0.005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.999)
lines <- "# see quantiles.R"
add <- function(family, mu, omega, phi, quantile)
    for (p in chance) lines <<- c(lines, paste("quantile", family, number(p), number(mu), number(omega), number(phi),
                                               number(quantile(p))))
invert <- function(cdf, mu) function(p) {
    if (cdf(0) >= p) return(0)
    low <- 0; high <- mu
    while (cdf(high) < p) high <- 2 * high
    if (cdf(1e-12 * mu) < p) low <- 1e-12 * mu
    for (i in 1:200) { middle <- 0.5 * (low + high); if (cdf(middle) < p) low <- middle else high <- middle }
    0.5 * (low + high)
}
wald <- function(mu, shape) function(x) if (x <= 0) 0 else
    pnorm(sqrt(shape / x) * (x / mu - 1)) + exp(2 * shape / mu + pnorm(-sqrt(shape / x) * (x / mu + 1), log.p = TRUE))
compound <- function(mu, phi, p) { # a Poisson number of gamma variables
    rate <- mu^(2 - p) / (phi * (2 - p)); shape <- (2 - p) / (p - 1); scale <- phi * (p - 1) * mu^(p - 1)
    n <- 1:(qpois(1 - 1e-15, rate) + 20)
    function(x) dpois(0, rate) + sum(dpois(n, rate) * pgamma(x, n * shape, scale = scale))
}
for (omega in c(1, 2.5)) for (phi in c(0.3, 1.7)) {
    s <- phi / omega
    for (mu in c(0.2, 3, 40)) {
        add("gaussian", mu, omega, phi, function(p) qnorm(p, mu, sqrt(s)))
        add("gamma", mu, omega, phi, function(p) qgamma(p, 1 / s, scale = mu * s))
        add("inverse-gaussian", mu, omega, phi, invert(wald(mu, 1 / s), mu))
        add("tweedie:1.2", mu, omega, phi, invert(compound(mu, s, 1.2), mu))
        add("tweedie:1.7", mu, omega, phi, invert(compound(mu, s, 1.7), mu))
    }
}
for (mu in c(0.2, 3, 40, 2000)) {
    add("poisson", mu, 1, 1, function(p) qpois(p, mu))
    add("nb:0.4", mu, 1, 1, function(p) qnbinom(p, size = 0.4, mu = mu))
    add("nb:25", mu, 1, 1, function(p) qnbinom(p, size = 25, mu = mu))
    add("scat(nu=4.5,sigma=0.7)", mu, 1, 1, function(p) mu + 0.7 * qt(p, 4.5))
}
for (mu in c(0.03, 0.45, 0.8)) {
    for (trials in c(1, 12, 500)) add("binomial", mu, trials, 1, function(p) qbinom(p, trials, mu) / trials)
    add("beta:0.8", mu, 1, 1, function(p) qbeta(p, 0.8 * mu, 0.8 * (1 - mu)))
    add("beta:30", mu, 1, 1, function(p) qbeta(p, 30 * mu, 30 * (1 - mu)))
}
limits <- function(family, link, low, high) {
    mu <- make.link(link)$linkinv(c(low, high))
    lines <<- c(lines, paste("limits", family, number(low), number(high), number(min(mu)), number(max(mu))))
}
for (d in c(0.1, 1.5)) {
    limits("gaussian", "identity", -1 - d, -1 + d)
    limits("gaussian:log", "log", 0.3 - d, 0.3 + d)
    limits("poisson", "log", 2 - d, 2 + d)
    limits("poisson:sqrt", "sqrt", 2 - d, 2 + d)
    for (link in c("logit", "probit", "cloglog", "cauchit")) limits(paste0("binomial:", link), link, 0.4 - d, 0.4 + d)
    limits("gamma:inverse", "inverse", 2 - d, 2 + d)
    limits("gamma:log", "log", -2 - d, -2 + d)
    limits("inverse-gaussian", "1/mu^2", 2 - d, 2 + d)
    limits("beta", "logit", -d, d)
}
writeLines(lines, "quantiles.txt")
