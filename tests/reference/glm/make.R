# SPDX-License-Identifier: Apache-2.0
# Writes the data files and cases.json of this folder: what mgcv finds for generalised models.
#   Rscript make.R        in this folder; needs mgcv alone
source("cases.R")

# ---- public data ------------------------------------------------------------------------------------------------
trees <- save_data("trees", trees)
cubic <- "Volume ~ s(Height, bs=\"cr\") + s(Girth, bs=\"cr\")"
add_case("trees-gamma-log", "trees", trees, cubic, "gamma:log", Gamma("log"))
add_case("trees-gamma-tp", "trees", trees, "Volume ~ s(Height) + s(Girth)", "gamma:log", Gamma("log"))
add_case("trees-gamma-inverse", "trees", trees, "Volume ~ s(Girth, bs=\"cr\", k=5)", "gamma:inverse", Gamma("inverse"))
add_case("trees-ig-log", "trees", trees, cubic, "inverse-gaussian:log", inverse.gaussian("log"))

air <- save_data("airquality", na.omit(airquality)[c("Ozone", "Solar.R", "Wind", "Temp")])
ozone <- "Ozone ~ s(Wind, bs=\"cr\") + s(Temp, bs=\"cr\")"
add_case("air-tweedie", "airquality", air, ozone, "tweedie:1.5", Tweedie(1.5))
add_case("air-tw", "airquality", air, ozone, "tweedie", tw(),
         function(theta) list(sprintf("tweedie:%g", theta), Tweedie(theta)))

discovery <- save_data("discoveries", data.frame(count = as.numeric(discoveries), year = 1860:1959))
add_case("discoveries-poisson", "discoveries", discovery, "count ~ s(year, bs=\"cr\", k=20)", "poisson", poisson())
add_case("discoveries-nb", "discoveries", discovery, "count ~ s(year, bs=\"cr\", k=20)", "nb", nb(),
         function(theta) list(sprintf("nb:%g", theta), negbin(theta)))
add_case("discoveries-quasi", "discoveries", discovery, "count ~ s(year, bs=\"cr\", k=20)", "quasipoisson", quasipoisson())
add_case("discoveries-sqrt", "discoveries", discovery, "count ~ s(year, bs=\"cr\", k=20)", "poisson:sqrt", poisson("sqrt"))

births <- save_data("infert", infert[c("case", "age", "spontaneous", "induced")])
add_case("infert", "infert", births, "case ~ s(age, bs=\"cr\") + spontaneous + induced", "binomial", binomial())

# Monthly casualties on roads, over-dispersed counts with a long trend and a season: in place of longer series that are not in R.
roads <- save_data("roads", data.frame(killed = as.numeric(Seatbelts[, "DriversKilled"]), time = seq_len(192),
                                       month = rep(1:12, 16), petrol = as.numeric(Seatbelts[, "PetrolPrice"]),
                                       law = as.numeric(Seatbelts[, "law"])))
add_case("roads", "roads", roads, "killed ~ s(time, bs=\"cr\", k=60) + s(month, bs=\"cr\", k=8) + petrol + law", "poisson",
         poisson())
add_case("roads-nb", "roads", roads, "killed ~ s(time, bs=\"cr\", k=60) + s(month, bs=\"cr\", k=8) + petrol + law", "nb", nb(),
         function(theta) list(sprintf("nb:%g", theta), negbin(theta)))

# ---- one simulated table for every family -----------------------------------------------------------------------
set.seed(20)
n <- 300
u <- function(x) round(x, 4)
x0 <- u(runif(n)); x1 <- u(runif(n)); g <- rep(1:12, length.out = n)[sample(n)]; f <- sample(3, n, TRUE)
eta <- sin(5 * x0) + 2 * (x1 - 0.4)^2
shift <- rnorm(12, 0, 0.5)[g]
h <- u(runif(n, 0.5, 4)); m <- sample(1:9, n, TRUE)
mu <- exp(0.6 + eta)
sim <- data.frame(x0, x1, f = factor(c("a", "b", "c")[f]), g = factor(sprintf("g%02d", g)), h, m,
    w = u(runif(n, 0.5, 3)), z = ifelse(runif(n) < 0.1, 0, sample(1:3, n, TRUE)),
    count = rpois(n, mu), exposed = rpois(n, h * exp(eta)), grouped = rpois(n, exp(0.5 + eta + shift)),
    slopes = rpois(n, exp(0.4 + c(0.8, -0.5, 0.1)[f] * sin(5 * x0) + 0.3 * f)),
    over = rnbinom(n, size = 2.5, mu = mu), yes = rbinom(n, 1, plogis(eta - 0.6)), cll = rbinom(n, 1, 1 - exp(-exp(eta - 1))),
    share = rbinom(n, m, plogis(eta - 0.5)) / m, size = u(rgamma(n, 4, rate = 4 / mu)) + 1e-3,
    inverse = u(rgamma(n, 5, rate = 5 * (1.2 + 0.5 * sin(5 * x0) + x1))) + 1e-3,
    part = pmin(pmax(u(rbeta(n, 6 * plogis(eta - 0.5), 6 * (1 - plogis(eta - 0.5)))), 1e-3), 1 - 1e-3),
    heavy = u(3 * eta + 0.7 * rt(n, 4)))
nu <- rnorm(n)^2; wald <- mu + mu^2 * nu / 20 - mu / 20 * sqrt(40 * mu * nu + mu^2 * nu^2) # inverse gaussian, shape 10
sim$wald <- u(ifelse(runif(n) <= mu / (mu + wald), wald, mu^2 / wald)) + 1e-3
sim$zeros <- u(rTweedie(mu, p = 1.4, phi = 0.7))
sim <- save_data("sim", sim)
two <- function(response, more = "") paste0(response, " ~ s(x0, bs=\"cr\") + s(x1, bs=\"cr\", k=8)", more)

add_case("poisson-log", "sim", sim, two("count"), "poisson", poisson())
add_case("poisson-sqrt", "sim", sim, two("count"), "poisson:sqrt", poisson("sqrt"))
add_case("poisson-weights", "sim", sim, two("count"), "poisson", poisson(), weights = "w")
add_case("poisson-zero-weights", "sim", sim, two("count"), "poisson", poisson(), weights = "z", keep = sim$z > 0)
add_case("poisson-offset", "sim", sim, two("exposed", " + offset(log(h))"), "poisson", poisson())
add_case("poisson-random", "sim", sim, two("grouped", " + s(g, bs=\"re\")"), "poisson", poisson(), factors = "g")
add_case("poisson-by", "sim", sim, "slopes ~ f + s(x0, bs=\"cr\", by=f) + s(x1, bs=\"cr\", k=8)", "poisson", poisson(),
         factors = "f")
add_case("poisson-te", "sim", sim, "count ~ te(x0, x1)", "poisson", poisson())
add_case("poisson-sz", "sim", sim, "slopes ~ s(x0) + s(f, x0, bs=\"sz\", k=6)", "poisson", poisson(), factors = "f")
add_case("binomial-sz", "sim", sim, "yes ~ s(x0) + s(f, x0, bs=\"sz\", k=5, id=1)", "binomial", binomial(), factors = "f")
add_case("quasipoisson", "sim", sim, two("over"), "quasipoisson", quasipoisson())
add_case("binomial-logit", "sim", sim, two("yes"), "binomial", binomial())
add_case("binomial-probit", "sim", sim, two("yes"), "binomial:probit", binomial("probit"))
add_case("binomial-cloglog", "sim", sim, two("cll"), "binomial:cloglog", binomial("cloglog"))
add_case("binomial-cauchit", "sim", sim, two("yes"), "binomial:cauchit", binomial("cauchit"))
add_case("binomial-trials", "sim", sim, two("share"), "binomial", binomial(), weights = "m")
add_case("binomial-trials-probit", "sim", sim, two("share"), "binomial:probit", binomial("probit"), weights = "m")
add_case("gamma-log", "sim", sim, two("size"), "gamma:log", Gamma("log"))
add_case("gamma-weights", "sim", sim, two("size"), "gamma:log", Gamma("log"), weights = "w")
add_case("gamma-inverse", "sim", sim, two("inverse"), "gamma:inverse", Gamma("inverse"))
add_case("gamma-identity", "sim", sim, two("size"), "gamma:identity", Gamma("identity"))
add_case("inverse-gaussian-log", "sim", sim, two("wald"), "inverse-gaussian:log", inverse.gaussian("log"))
add_case("gaussian-log", "sim", sim, two("size"), "gaussian:log", gaussian("log"))
add_case("tweedie-given", "sim", sim, two("zeros"), "tweedie:1.5", Tweedie(1.5))
add_case("tweedie", "sim", sim, two("zeros"), "tweedie", tw(), function(theta) list(sprintf("tweedie:%g", theta), Tweedie(theta)))
add_case("nb-given", "sim", sim, two("over"), "nb:2.5", negbin(2.5))
add_case("nb", "sim", sim, two("over"), "nb", nb(), function(theta) list(sprintf("nb:%g", theta), negbin(theta)))
add_case("beta", "sim", sim, two("part"), "beta", betar(),
         function(theta) list(sprintf("beta:%g", theta), betar(theta = theta)), working = FALSE)
add_case("scat", "sim", sim, two("heavy"), "scat", scat(),
         function(theta) list(sprintf("scat(nu=%g,sigma=%g)", theta[1], theta[2]), scat(theta = theta)), working = FALSE)

write_cases()
