# SPDX-License-Identifier: Apache-2.0
# Writes shape.csv and cases.json of this folder: constrained penalised fits at given smoothing parameters.
#   Rscript make.R        in this folder; needs mgcv alone
# The basis is mgcv's "ps" over the data; the fits are those of its pcls() under A b >= 0, A first or second differences of the
# coefficients, repeated with working weights and responses until the linear predictor stands still. Numbers have 17 digits.
suppressMessages(library(mgcv))

number <- function(x) sprintf("%.17g", x)
numbers <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
text <- function(x) paste0("\"", gsub("\"", "\\\\\"", x), "\"")

set.seed(5)
n <- 150
x <- round(runif(n) * 6, 6)
z <- round(runif(n), 6)
rise <- 2 / (1 + exp(-3 * (x - 2.5)))
data <- data.frame(x, z, y = rise + 0.4 * sin(6 * z) + rnorm(n) * 0.4, bowl = 0.2 * (x - 2)^2 + rnorm(n) * 0.4,
                   count = rpois(n, exp(0.3 + 0.6 * rise)), hit = rbinom(n, 1, plogis(2 * rise - 2)),
                   time = exp(1 - 0.5 * rise) * rgamma(n, 3, 3), weight = round(runif(n, 0.5, 2), 3))
out <- as.data.frame(lapply(data, function(v) sprintf("%.17g", v)))
write.csv(out, "shape.csv", row.names = FALSE, quote = FALSE)
data <- read.csv("shape.csv")

# Rows of A for b of one smooth of k coefficients.
cone <- function(bs, k) {
    d1 <- diff(diag(k)); d2 <- diff(diag(k), differences = 2)
    switch(bs, mpi = d1, mpd = -d1, cx = d2, cv = -d2, micx = rbind(d1[1, ], d2), micv = rbind(d1[k - 1, ], -d2),
           mdcx = rbind(-d1[k - 1, ], d2), mdcv = rbind(-d1[1, ], -d2))
}

# response ~ intercept + s(x, bs) [+ z] at sp of the scaled penalty.
fit <- function(response, bs, k, sp, family, linear, weights) {
    sm <- smoothCon(s(x, bs = "ps", k = k), data, absorb.cons = FALSE, scale.penalty = TRUE)[[1]]
    X <- cbind(1, if (linear) data$z, sm$X)
    p <- ncol(X)
    first <- p - k + 1
    start <- if (linear) 2 else 1
    A <- cone(bs, k)
    Ain <- cbind(matrix(0, nrow(A), start), A)
    C <- matrix(c(rep(0, start), colSums(sm$X)), 1) # sum to zero
    y <- data[[response]]
    prior <- if (weights) data$weight else rep(1, n)
    mu <- if (family$family == "binomial") (y + 0.5) / 2 else if (family$family == "poisson") y + 0.1 else y
    eta <- family$linkfun(mu)
    if (family$link == "identity") eta <- y
    # strictly inside the cone: a curve of the shape, as splines reproduce polynomials of its control points
    u <- seq_len(k) / k
    inside <- switch(bs, mpi = u, mpd = -u, cx = u^2, cv = -u^2, micx = u + u^2, micv = 2 * u - u^2 / 2,
                     mdcx = -2 * u + u^2 / 2, mdcv = -u - u^2)
    inside <- inside - sum(colSums(sm$X) * inside) / n
    b <- c(rep(0, start), inside)
    for (i in 1:400) {
        m1 <- family$mu.eta(eta); mu <- family$linkinv(eta)
        w <- prior * m1^2 / family$variance(mu)
        M <- list(X = X, C = C, S = list(sm$S[[1]]), off = start, sp = sp, p = b, y = eta + (y - mu) / m1, w = w,
                  Ain = Ain, bin = rep(0, nrow(Ain)))
        if (i > 1) { # strictly feasible again: a little of the interior, which pcls forgets
            M$p <- c(b[seq_len(start)], 0.999 * b[-seq_len(start)] + 0.001 * inside)
        }
        b <- pcls(M)
        before <- eta
        eta <- drop(X %*% b)
        if (max(abs(eta - before)) < 1e-13 * max(abs(eta)) || family$family == "gaussian") break
    }
    list(eta = eta, active = sum(Ain %*% b < 1e-9 * max(abs(b))), scale = sm$S.scale, turns = i)
}

gaussian_id <- gaussian()
cases <- list(
    list("y", "mpi", 10, 0.05, "gaussian", gaussian_id, FALSE, FALSE), list("y", "mpi", 20, 2, "gaussian", gaussian_id, TRUE, TRUE),
    list("y", "mpd", 10, 1, "gaussian", gaussian_id, TRUE, FALSE), list("bowl", "cx", 12, 0.01, "gaussian", gaussian_id, FALSE, FALSE),
    list("y", "cv", 15, 0.1, "gaussian", gaussian_id, FALSE, TRUE), list("y", "micx", 10, 0.5, "gaussian", gaussian_id, FALSE, FALSE),
    list("y", "micv", 25, 0.02, "gaussian", gaussian_id, TRUE, FALSE), list("bowl", "mdcx", 10, 0.3, "gaussian", gaussian_id, FALSE, FALSE),
    list("bowl", "mdcv", 8, 1e-4, "gaussian", gaussian_id, FALSE, FALSE),
    list("count", "mpi", 12, 0.3, "poisson", poisson(), TRUE, FALSE), list("count", "micv", 10, 0.05, "poisson", poisson(), FALSE, TRUE),
    list("hit", "mpi", 10, 0.02, "binomial", binomial(), TRUE, FALSE), list("hit", "cv", 10, 0.02, "binomial", binomial(), FALSE, FALSE),
    list("time", "mpd", 15, 0.5, "gamma:log", Gamma("log"), TRUE, FALSE), list("time", "mdcx", 10, 0.01, "gamma:log", Gamma("log"), FALSE, TRUE))
lines <- character(0)
for (case in cases) {
    f <- fit(case[[1]], case[[2]], case[[3]], case[[4]], case[[6]], case[[7]], case[[8]])
    formula <- sprintf("%s ~ %ss(x, bs=\"%s\", k=%d)", case[[1]], if (case[[7]]) "z + " else "", case[[2]], case[[3]])
    lines <- c(lines, sprintf("  {\"name\": %s, \"data\": \"shape.csv\", \"formula\": %s, \"family\": %s, \"weights\": %s, \"sp\": [%s],\n   \"sp_scale\": %s, \"active\": %d, \"eta\": %s}",
        text(paste(case[[5]], gsub("\"", "", formula))), text(formula), text(case[[5]]), if (case[[8]]) "\"weight\"" else "null",
        number(case[[4]]), number(f$scale), f$active, numbers(f$eta)))
    cat(formula, case[[5]], "active", f$active, "turns", f$turns, "\n")
}
writeLines(c("[", paste(lines, collapse = ",\n"), "]"), "cases.json")
