# SPDX-License-Identifier: Apache-2.0
# Writes band.json: how many standard errors hold a whole curve at once, by simulation from mgcv's posterior.
#   Rscript band.R        in this folder, after make.R; needs mgcv alone
# For each smooth of one covariate of some cases of cases.json, at the smoothing parameters of `near`: DRAWS draws of the
# coefficients from N(beta, V_p), over sqrt(chi2/df) where the scale is estimated, give the largest |error|/se over POINTS places.
# `lower` and `upper` are the quantile of these maxima at `level` less and plus four standard deviations of an empirical share.
# `tube` solves  kappa/pi (1 + c^2/df)^(-df/2) + P(|t| > c) = 1 - level  (exp(-c^2/2) and the normal for a known scale) with kappa
# the length of the polygon of unit vectors V^(1/2)' row, T and -T being one; or, where that is less,
# (kappa + delta)/pi (1 + c^2/df)^(-df/2) = 1 - level, delta the arc from the last T, reached with the nearer sign each time, to
# the first with the other sign.
suppressMessages(library(mgcv))
set.seed(11)
DRAWS <- 100000
POINTS <- 2049
model <- function(file, formula, family, sp, factors = NULL, weights = NULL) {
    data <- read.csv(paste0(file, ".csv"), stringsAsFactors = TRUE)
    arguments <- list(formula = as.formula(formula), data = data, family = family, method = "REML", sp = sp,
                      control = gam.control(epsilon = 1e-11, maxit = 400))
    if (!is.null(weights)) arguments$weights <- data[[weights]]
    list(b = do.call(gam, arguments), data = data)
}
two <- function(response) paste0(response, " ~ s(x0, bs=\"cr\") + s(x1, bs=\"cr\", k=8)")
runs <- list(
    list("trees-gamma-log", "trees", "Volume ~ s(Height, bs=\"cr\") + s(Girth, bs=\"cr\")", Gamma("log")),
    list("discoveries-poisson", "discoveries", "count ~ s(year, bs=\"cr\", k=20)", poisson()),
    list("poisson-log", "sim", two("count"), poisson()),
    list("binomial-logit", "sim", two("yes"), binomial()),
    list("poisson-by", "sim", "slopes ~ f + s(x0, bs=\"cr\", by=f) + s(x1, bs=\"cr\", k=8)", poisson()),
    list("gamma-weights", "sim", two("size"), Gamma("log"), "w"),
    list("gaussian-log", "sim", two("size"), gaussian("log")))

# The smoothing parameters of `near`, as cases.json has them: the first "sp" after the case's name.
cases <- readLines("cases.json")
near_sp <- function(name) {
    at <- grep(paste0("\"name\": \"", name, "\""), cases, fixed = TRUE)
    line <- cases[at + grep("\"sp\":", cases[at:length(cases)])[1] - 1]
    as.numeric(strsplit(gsub(".*\\[|\\].*", "", line), ",")[[1]])
}
lines <- character(0)
for (run in runs) {
    m <- model(run[[2]], run[[3]], run[[4]], near_sp(run[[1]]), weights = if (length(run) > 4) run[[5]])
    b <- m$b
    df <- nrow(m$data) - sum(b$edf)
    estimated <- !(b$family$family %in% c("poisson", "binomial"))
    for (s in b$smooth) {
        columns <- s$first.para:s$last.para
        x <- m$data[[s$term]]
        at <- setNames(data.frame(seq(min(x), max(x), length.out = POINTS)), s$term)
        if (s$by != "NA") at[[s$by]] <- factor(s$by.level, levels(m$data[[s$by]]))
        rows <- PredictMat(s, at)
        V <- b$Vp[columns, columns]
        scaled <- rows / sqrt(rowSums((rows %*% V) * rows))
        e <- eigen(V, symmetric = TRUE)
        unit <- scaled %*% (e$vectors %*% diag(sqrt(pmax(e$values, 0))))
        steps <- rowSums(unit[-1, ] * unit[-POINTS, ])
        kappa <- sum(acos(pmin(1, abs(steps))))
        delta <- acos(max(-1, min(1, -prod(sign(steps)) * sum(unit[1, ] * unit[POINTS, ]))))
        crossings <- function(c) if (estimated) (1 + c^2 / df)^(-df / 2) / pi else exp(-c^2 / 2) / pi
        tail <- function(c) min(kappa * crossings(c) + 2 * if (estimated) pt(-c, df) else pnorm(-c),
                                (kappa + delta) * crossings(c))
        largest <- numeric(0)
        for (part in 1:20) {
            u <- rmvn(DRAWS / 20, rep(0, ncol(V)), V)
            if (estimated) u <- u / sqrt(rchisq(DRAWS / 20, df) / df)
            z <- abs(u %*% t(scaled))
            largest <- c(largest, do.call(pmax, as.data.frame(z)))
        }
        largest <- sort(largest)
        quantile_at <- function(p, side) largest[min(DRAWS, max(1, round(DRAWS * (p + side * 4 * sqrt(p * (1 - p) / DRAWS)))))]
        for (level in c(0.8, 0.95, 0.99)) {
            tube <- uniroot(function(c) tail(c) - 1 + level, c(0.5, 10), tol = 1e-10)$root
            lines <- c(lines, sprintf(paste(" {\"case\": \"%s\", \"term\": \"%s\", \"level\": %g, \"lower\": %.6f,",
                                            "\"upper\": %.6f, \"tube\": %.8f}"), run[[1]], s$label, level,
                                      quantile_at(level, -1), quantile_at(level, 1), tube))
        }
    }
}
cat("[\n", paste(lines, collapse = ",\n"), "\n]\n", sep = "", file = "band.json")
