# SPDX-License-Identifier: Apache-2.0
# Writes the data files and cases.json of this folder: what mgcv finds for generalised models.
#   Rscript make.R        in this folder; needs mgcv alone
# Every number is written with 17 significant digits, and the models are fitted to the data as read back from the CSV.
# Each case holds, under the name of the criterion its numbers belong to:
#   near, away   gam with smoothing parameters (and family parameters) given
#   laplace      gam(method = "REML"): the Laplace-approximate REML, family parameters estimated with it
#   working      bam(method = "fREML"): the REML of the working model at convergence, family parameters given
#   ml, gcv      ML, and GCV (UBRE where the scale is known), of the working model: gam with that method of the working response
#                and Fisher weights, which follow from its fitted values, until these stand still. (bam(method = "ML") ends
#                elsewhere.)
suppressMessages(library(mgcv))
options(warn = 1)
control <- gam.control(epsilon = 1e-11, maxit = 400, newton = list(conv.tol = 1e-9, maxNstep = 5,
                       maxSstep = 2, maxHalf = 30, use.svd = FALSE))

number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
text <- function(x) paste0("\"", gsub("\"", "\\\\\"", x), "\"")
numbers <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
texts <- function(x) paste0("[", paste(text(x), collapse = ", "), "]")
object <- function(fields, indent) {
    pad <- strrep(" ", indent)
    paste0("{", paste0("\n", pad, " ", text(names(fields)), ": ", unlist(fields), collapse = ","), "\n", pad, "}")
}

# Writes a data frame and returns it as a reader of the file sees it.
save_data <- function(name, data) {
    file <- paste0(name, ".csv")
    out <- as.data.frame(lapply(data, function(x) if (is.numeric(x)) sprintf("%.17g", x) else as.character(x)))
    write.csv(out, file, row.names = FALSE, quote = FALSE)
    back <- read.csv(file, stringsAsFactors = TRUE)
    for (column in names(data)) if (is.factor(data[[column]])) back[[column]] <- factor(back[[column]])
    back
}

# `kept`: places of the fitted rows in the file. Values are on the scale of the linear predictor.
describe <- function(b, data, kept, sp) {
    s <- summary(b)
    rows <- unique(round(seq(1, nrow(data), length.out = min(nrow(data), 25))))
    p <- predict(b, data[rows, , drop = FALSE], se.fit = TRUE)
    eta <- predict(b, data)
    theta <- tryCatch(b$family$getTheta(TRUE), error = function(e) numeric(0))
    if (is.null(theta)) theta <- numeric(0)
    list(
        n = nrow(data), criterion = number(unname(b$gcv.ubre)), scale = number(b$sig2),
        reml_scale = number(if (is.null(b$reml.scale)) NA else b$reml.scale), deviance = number(deviance(b)),
        null_deviance = number(b$null.deviance), deviance_explained = number(s$dev.expl),
        r_squared_adjusted = number(s$r.sq), edf_total = number(sum(b$edf)),
        log_likelihood = number(as.numeric(logLik(b))), sd_fit = number(sd(eta)), theta = numbers(theta),
        labels = texts(vapply(b$smooth, function(x) x$label, "")),
        edf = numbers(vapply(b$smooth, function(x) sum(b$edf[x$first.para:x$last.para]), 0)),
        null_dim = numbers(vapply(b$smooth, function(x) as.numeric(x$null.space.dim), 0)),
        columns = numbers(vapply(b$smooth, function(x) x$last.para - x$first.para + 1, 0)),
        penalties = numbers(vapply(b$smooth, function(x) as.numeric(length(x$S)), 0)),
        ref_df = numbers(s$s.table[, 2]), statistic = numbers(s$s.table[, 3]), p_value = numbers(s$s.table[, 4]),
        parametric_p = numbers(s$p.table[, 4]), aic = number(AIC(b)),
        sp = numbers(sp), sp_scale = numbers(unlist(lapply(b$smooth, function(x) x$S.scale))),
        parametric = texts(rownames(s$p.table)), estimate = numbers(s$p.table[, 1]), std_error = numbers(s$p.table[, 2]),
        rows = numbers(kept[rows]), fit = numbers(p$fit), se = numbers(p$se.fit))
}

# The fixed point of: working response and weights at the fitted values, smoothing parameters of that linear model by `method`.
turns <- function(b, data, kept, formula, family, method) {
    eta <- as.numeric(b$linear.predictors)
    known <- family$family %in% c("poisson", "binomial") || grepl("^negative", family$family, ignore.case = TRUE)
    y <- as.numeric(b$y)
    data$turn_z <- data$turn_w <- 0
    for (turn in 1:200) {
        slope <- family$mu.eta(eta)
        mu <- family$linkinv(eta)
        data$turn_z <- eta + (y - mu) / slope
        data$turn_w <- b$prior.weights * slope^2 / family$variance(mu)
        fit <- gam(update(as.formula(formula), turn_z ~ .), data = data, weights = turn_w, method = method,
                   scale = if (known) 1 else -1, control = control)
        change <- max(abs(fit$fitted.values - eta))
        eta <- as.numeric(fit$fitted.values)
        if (change < 1e-9 * sd(eta)) break
    }
    if (change > 1e-6 * sd(eta)) warning(formula, " ", family$family, " ", method, ": turns end with a change of ", change)
    out <- describe(fit, data, kept, fit$sp)
    out$deviance <- number(sum(family$dev.resids(y, family$linkinv(eta), b$prior.weights)))
    out
}

cases <- character(0)
# family: text for weir with parameters to be estimated; R family `free`. fixed(theta): list(text, R family) with parameters
# given, rounded from the estimates; without parameters the same as `free`.
add_case <- function(name, file, data, formula, family, free, fixed = NULL, factors = NULL, weights = NULL, working = TRUE,
                     keep = rep(TRUE, nrow(data))) {
    kept <- which(keep)
    data <- data[keep, , drop = FALSE]
    arguments <- list(formula = as.formula(formula), data = data, family = free, method = "REML", control = control)
    if (!is.null(weights)) arguments$weights <- data[[weights]]
    b <- do.call(gam, arguments)
    given <- if (is.null(fixed)) list(family, free) else fixed(signif(b$family$getTheta(TRUE), 3))
    laplace <- describe(b, data, kept, b$sp)
    near <- signif(pmin(pmax(b$sp, 1e-4), 1e4), 3)
    away <- signif(near * rep(c(7, 0.2, 3), length.out = length(near)), 3)
    at <- lapply(list(near, away), function(sp) {
        arguments$sp <- sp
        arguments$family <- given[[2]]
        describe(do.call(gam, arguments), data, kept, sp)
    })
    head <- list(name = text(name), data = text(paste0(file, ".csv")), formula = text(formula), family = text(family),
                 family_given = text(given[[1]]), factors = if (is.null(factors)) "null" else text(factors),
                 weights = if (is.null(weights)) "null" else text(weights))
    head$near <- object(at[[1]], 3)
    head$away <- object(at[[2]], 3)
    head$laplace <- object(laplace, 3)
    if (working) {
        arguments$family <- given[[2]]
        arguments$method <- "fREML"
        if (grepl("^negative", given[[2]]$family, ignore.case = TRUE)) arguments$scale <- 1 # else bam estimates one
        w <- do.call(bam, arguments)
        head$working <- object(describe(w, data, kept, w$sp), 3)
        head$ml <- object(turns(b, data, kept, formula, given[[2]], "ML"), 3)
        arguments$method <- "GCV.Cp" # which may have several minima: left out where bam ends in another one
        gcv <- turns(b, data, kept, formula, given[[2]], "GCV.Cp")
        if (abs(as.numeric(gcv$edf_total) - sum(do.call(bam, arguments)$edf)) < 0.1) head$gcv <- object(gcv, 3)
    }
    cases <<- c(cases, object(head, 2))
    cat(sprintf("%-22s %14.7f  edf %s  sp %s\n", name, b$gcv.ubre,
                paste(format(vapply(b$smooth, function(x) sum(b$edf[x$first.para:x$last.para]), 0), digits = 6), collapse = " "),
                paste(format(b$sp, digits = 4), collapse = " ")))
}

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

cat("{\n \"made_with\": ", text(paste("mgcv", packageVersion("mgcv"), "in", R.version.string)), ",\n \"cases\": [\n  ",
    paste(cases, collapse = ",\n  "), "\n ]\n}\n", sep = "", file = "cases.json")
