# SPDX-License-Identifier: Apache-2.0
# Writes sim.csv and cases.json of this folder: what mgcv finds for the families and links that ../glm does not have.
#   Rscript make.R        in this folder; needs mgcv alone
# Means lie well inside the range of every link, so that no row ends at an edge.
source("../glm/cases.R")

set.seed(31)
n <- 400
u <- function(x) round(x, 4)
x0 <- u(runif(n)); x1 <- u(runif(n))
eta <- sin(5 * x0) + 2 * (x1 - 0.4)^2 # -1 ... 1.7
m <- sample(5:15, n, TRUE)
wald <- function(mu, shape) {
    nu <- rnorm(n)^2
    small <- mu + mu^2 * nu / (2 * shape) - mu / (2 * shape) * sqrt(4 * mu * shape * nu + mu^2 * nu^2)
    ifelse(runif(n) <= mu / (mu + small), small, mu^2 / small)
}
beta <- function(mu) pmin(pmax(u(rbeta(n, 8 * mu, 8 * (1 - mu))), 1e-3), 1 - 1e-3)
sim <- data.frame(x0, x1, m,
    count = rpois(n, 7 + 2.5 * eta), over = rnbinom(n, size = 5, mu = 12 + 5 * eta),
    share = rbinom(n, m, exp(-1.2 + 0.4 * eta)) / m, spread = rbinom(n, m, rbeta(n, 6 * plogis(eta), 6 * plogis(-eta))) / m,
    level = u(1 / (0.5 + 0.12 * eta) + rnorm(n, 0, 0.3)), wald = u(wald(1 / sqrt(0.5 + 0.15 * eta), 12)) + 1e-3,
    size = u(rgamma(n, 6, rate = 6 / (3 + eta))) + 1e-3, part = beta(plogis(eta - 0.4)),
    heavy = u(4 + 1.2 * eta + 0.4 * rt(n, 4)), zeros = u(rTweedie(3 + 1.2 * eta, p = 1.5, phi = 0.8)))
sim <- save_data("sim", sim)
two <- function(response) paste0(response, " ~ s(x0, bs=\"cr\") + s(x1, bs=\"cr\", k=8)")
case <- function(response, family, free, ...) add_case(gsub("[:(),]", "-", family), "sim", sim, two(response), family, free, ...)

case("count", "poisson:identity", poisson("identity"))
case("count", "quasipoisson:identity", quasipoisson("identity"))
case("over", "quasipoisson:sqrt", quasipoisson("sqrt"))
case("share", "binomial:log", binomial("log"), weights = "m")
case("spread", "quasibinomial", quasibinomial(), weights = "m")
case("spread", "quasibinomial:probit", quasibinomial("probit"), weights = "m")
case("spread", "quasibinomial:cloglog", quasibinomial("cloglog"), weights = "m")
case("spread", "quasibinomial:cauchit", quasibinomial("cauchit"), weights = "m")
case("share", "quasibinomial:log", quasibinomial("log"), weights = "m")
case("level", "gaussian:inverse", gaussian("inverse"))
case("wald", "inverse-gaussian:1/mu^2", inverse.gaussian())
case("wald", "inverse-gaussian:inverse", inverse.gaussian("inverse"))
case("wald", "inverse-gaussian:identity", inverse.gaussian("identity"))
case("level", "quasi(variance=constant,link=log)", quasi(link = "log", variance = "constant"))
case("over", "quasi(variance=mu,link=log)", quasi(link = "log", variance = "mu"))
case("over", "quasi(variance=mu,link=sqrt)", quasi(link = "sqrt", variance = "mu"))
case("size", "quasi(variance=mu^2,link=log)", quasi(link = "log", variance = "mu^2"))
case("size", "quasi(variance=mu^2,link=identity)", quasi(link = "identity", variance = "mu^2"))
case("wald", "quasi(variance=mu^3,link=inverse)", quasi(link = "inverse", variance = "mu^3"))
case("wald", "quasi(variance=mu^3,link=1/mu^2)", quasi(link = "1/mu^2", variance = "mu^3"))
case("part", "quasi(variance=mu(1-mu),link=logit)", quasi(link = "logit", variance = "mu(1-mu)"))
case("size", "quasi(variance=mu^2,link=power(0.3))", quasi(link = power(0.3), variance = "mu^2"))
case("over", "nb:sqrt", nb(link = "sqrt"), function(theta) list(sprintf("nb:%g:sqrt", theta), negbin(theta, link = "sqrt")))
case("over", "nb:identity", nb(link = "identity"),
     function(theta) list(sprintf("nb:%g:identity", theta), negbin(theta, link = "identity")))
case("zeros", "tweedie:1.5:power(0.3)", Tweedie(1.5, link = power(0.3)))
case("zeros", "tweedie:sqrt", tw(link = "sqrt"),
     function(theta) list(sprintf("tweedie:%g:sqrt", theta), Tweedie(theta, link = power(0.5))))
case("part", "beta:probit", betar(link = "probit"),
     function(theta) list(sprintf("beta:%g:probit", theta), betar(theta = theta, link = "probit")), working = FALSE)
case("part", "beta:cloglog", betar(link = "cloglog"),
     function(theta) list(sprintf("beta:%g:cloglog", theta), betar(theta = theta, link = "cloglog")), working = FALSE)
beta_cauchit <- function(...) { # fix.family.link of 1.8-41 gives the cauchit link of extended families half its derivatives
    family <- fix.family.link(betar(..., link = "cauchit"))
    for (name in c("g2g", "g3g", "g4g"))
        local({ half <- family[[name]]; family[[name]] <<- function(mu) 2 * half(mu) })
    eta <- family$linkfun(0.2)
    stopifnot(abs(family$g2g(0.2) - 2 * eta / (1 + eta^2)) < 1e-12)
    family
}
case("part", "beta:cauchit", beta_cauchit(),
     function(theta) list(sprintf("beta:%g:cauchit", theta), beta_cauchit(theta = theta)), working = FALSE)
scaled_t <- function(link) function(theta)
    list(sprintf("scat(nu=%g,sigma=%g,link=%s)", theta[1], theta[2], link), do.call(scat, list(theta = theta, link = link)))
case("heavy", "scat:log", scat(link = "log"), scaled_t("log"), working = FALSE)
case("heavy", "scat:inverse", scat(link = "inverse"), scaled_t("inverse"), working = FALSE)

write_cases()
