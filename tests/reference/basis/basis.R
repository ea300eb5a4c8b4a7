# SPDX-License-Identifier: Apache-2.0
# Reference values of smooth terms by R's mgcv: Rscript basis.R, run in this folder, writes data.txt and cases.txt.
suppressMessages(library(mgcv))
set.seed(20)
n <- 200
data <- data.frame(x = runif(n), z = rnorm(n), v = round(rexp(n), 1))
data$y <- with(data, sin(7 * x) + cos(z) * x + 0.3 * v) + rnorm(n) * 0.3
number <- function(values) paste(sprintf("%.16g", as.numeric(values)), collapse = " ")
writeLines(c(paste(n), apply(data, 1, function(row) paste(sprintf("%.17g", row), collapse = " "))), "data.txt")

# Rows to predict at: inside, at the ends, outside.
points <- data.frame(x = c(seq(0.02, 0.98, length = 9), range(data$x), -0.3, 1.4),
                     z = c(seq(-1.9, 1.8, length = 9), range(data$z), -5, 4),
                     v = c(seq(0.05, 3.0, length = 9), range(data$v), -1, 9))
# Cyclic terms are predicted inside their range only: there the wrapped value is no matter of convention.
inside <- function(term) any(grepl("c[cp]", term))

out <- file("cases.txt", "w")
put <- function(...) cat(..., "\n", file = out)
case <- function(name, term, type, margins, sp, exact, select = FALSE, knots = NULL) {
    spec <- eval(parse(text = term))
    s <- smoothCon(spec, data, knots = knots, absorb.cons = TRUE)[[1]]
    # Above the range a spline of degree 1 is predicted with the slope of an interval that holds no data: left out.
    at <- if (inside(term)) points[1:9, ] else if (grepl("m = c[(]0", term)) points[1:11, ] else points
    fit <- gam(as.formula(paste("y ~", term)), data = data, sp = sp, method = "REML", knots = knots, select = select)
    put("case", name, type, length(margins), as.integer(select), as.integer(exact))
    for (m in margins)
        put("margin", m)
    put("columns", ncol(s$X), "null", s$null.space.dim, "penalties", length(s$S), "points", nrow(at))
    put("scale", number(s$S.scale))
    put("rank", s$rank)
    marginal <- if (type == "s") list(s) else s$margin
    put("knots", length(marginal[[1]]$xp), number(marginal[[1]]$xp))
    if (exact) {
        put("X", number(t(PredictMat(s, at))))
        for (S in s$S[type == "s" | name %in% c("te_cr", "ti_ps")])
            put("S", number(S[lower.tri(S, diag = TRUE)]))
    }
    put("sp", length(sp), number(sp))
    put("fitted", number(fitted(fit)))
    put("predicted", number(predict(fit, at)))
    put("reml", number(fit$gcv.ubre))
}
# margin: basis, column (0 x, 1 z, 2 v), k, number of values of m, these values, number of knots, the knots
case("cr", "s(x, bs = 'cr')", "s", "cr 0 10 0 0", 0.5, TRUE)
case("cr3", "s(x, bs = 'cr', k = 3)", "s", "cr 0 3 0 0", 0.01, TRUE)
case("cr30", "s(z, bs = 'cr', k = 30)", "s", "cr 1 30 0 0", 0.02, TRUE)
case("cr_ties", "s(v, bs = 'cr', k = 8)", "s", "cr 2 8 0 0", 3, TRUE)
knots <- c(0, 0.1, 0.3, 0.6, 1.1)
case("cr_knots", "s(x, bs = 'cr', k = 5)", "s", paste("cr 0 5 0 5", number(knots)), 0.5, TRUE, knots = list(x = knots))
case("cr_select", "s(x, bs = 'cr', k = 8)", "s", "cr 0 8 0 0", c(0.5, 2), FALSE, select = TRUE)
# Which of the two null vectors of a cs penalty gets the smaller eigenvalue is decided by rounding in eigen(); weir gives it to the
# line that vanishes at the first knot. The first k where rounding agrees is taken.
for (k in 6:20) {
    S <- smoothCon(s(x, bs = 'cs', k = k), data, scale.penalty = FALSE)[[1]]$S[[1]]
    if (abs(eigen(S)$vectors[1, k]) < 1e-8) break
}
case("cs", sprintf("s(x, bs = 'cs', k = %d)", k), "s", sprintf("cs 0 %d 0 0", k), 0.5, FALSE)
case("cc", "s(x, bs = 'cc')", "s", "cc 0 10 0 0", 0.5, TRUE)
case("cc4", "s(x, bs = 'cc', k = 4)", "s", "cc 0 4 0 0", 0.5, TRUE)
case("cc_ends", "s(x, bs = 'cc', k = 7)", "s", "cc 0 7 0 2 -0.1 1.2", 0.5, TRUE, knots = list(x = c(-0.1, 1.2)))
case("ps", "s(x, bs = 'ps')", "s", "ps 0 10 0 0", 0.5, TRUE)
case("ps_m12", "s(z, bs = 'ps', m = c(1, 2), k = 9)", "s", "ps 1 9 2 1 2 0", 0.5, TRUE)
case("ps_m01", "s(z, bs = 'ps', m = c(0, 1), k = 9)", "s", "ps 1 9 2 0 1 0", 0.5, TRUE)
case("ps_m23", "s(v, bs = 'ps', m = c(2, 3), k = 9)", "s", "ps 2 9 2 2 3 0", 0.5, TRUE)
case("ps_ends", "s(x, bs = 'ps', k = 8)", "s", "ps 0 8 0 2 -0.2 1.3", 0.5, TRUE, knots = list(x = c(-0.2, 1.3)))
case("cp", "s(x, bs = 'cp')", "s", "cp 0 10 0 0", 0.5, TRUE)
case("cp_m11", "s(x, bs = 'cp', m = c(1, 1), k = 6)", "s", "cp 0 6 2 1 1 0", 0.5, TRUE)
case("tp", "s(x, k = 10)", "s", "tp 0 10 0 0", 0.05, FALSE)
case("tp3", "s(x, k = 3)", "s", "tp 0 3 0 0", 0.05, FALSE)
case("tp25", "s(z, k = 25)", "s", "tp 1 25 0 0", 0.3, FALSE)
case("tp_ties", "s(v, k = 12)", "s", "tp 2 12 0 0", 1, FALSE)
case("tp_select", "s(x, k = 9)", "s", "tp 0 9 0 0", c(0.05, 2), FALSE, select = TRUE)
knots <- seq(0.01, 0.99, length = 14)
case("tp_knots", "s(x, k = 6)", "s", paste("tp 0 6 0 14", number(knots)), 0.05, FALSE, knots = list(x = knots))
case("ts", "s(z, bs = 'ts', k = 10)", "s", "ts 1 10 0 0", 0.05, FALSE)
case("te_cr", "te(x, z)", "te", c("cr 0 5 0 0", "cr 1 5 0 0"), c(0.3, 2), TRUE)
case("te_ps_cr", "te(x, z, bs = c('ps', 'cr'), k = c(7, 4))", "te", c("ps 0 7 0 0", "cr 1 4 0 0"), c(3, 0.2), TRUE)
case("te_cc_cr", "te(x, z, bs = c('cc', 'cr'), k = c(6, 4))", "te", c("cc 0 6 0 0", "cr 1 4 0 0"), c(0.3, 2), TRUE)
case("te_cp_ps", "te(x, z, bs = c('cp', 'ps'), k = 5)", "te", c("cp 0 5 0 0", "ps 1 5 0 0"), c(0.3, 2), TRUE)
case("te_tp", "te(x, z, bs = 'tp', k = 5)", "te", c("tp 0 5 0 0", "tp 1 5 0 0"), c(0.3, 2), TRUE)
case("te_ts_cr", "te(x, z, bs = c('ts', 'cr'), k = c(5, 4))", "te", c("ts 0 5 0 0", "cr 1 4 0 0"), c(0.3, 2), TRUE)
case("te_3", "te(x, z, v, k = c(3, 4, 3))", "te", c("cr 0 3 0 0", "cr 1 4 0 0", "cr 2 3 0 0"), c(0.3, 2, 1), TRUE)
case("te_select", "te(x, z, k = 4)", "te", c("cr 0 4 0 0", "cr 1 4 0 0"), c(0.3, 2, 1), FALSE, select = TRUE)
case("ti_cr", "ti(x, z)", "ti", c("cr 0 5 0 0", "cr 1 5 0 0"), c(0.3, 2), TRUE)
case("ti_ps", "ti(x, z, bs = 'ps', k = c(6, 5))", "ti", c("ps 0 6 0 0", "ps 1 5 0 0"), c(0.3, 2), TRUE)
case("ti_tp", "ti(x, z, bs = 'tp', k = 5)", "ti", c("tp 0 5 0 0", "tp 1 5 0 0"), c(0.3, 2), TRUE)
case("ti_cc_cr", "ti(x, z, bs = c('cc', 'cr'), k = 5)", "ti", c("cc 0 5 0 0", "cr 1 5 0 0"), c(0.3, 2), TRUE)
case("ti_single", "ti(x)", "ti", "cr 0 5 0 0", 0.4, TRUE)
close(out)
