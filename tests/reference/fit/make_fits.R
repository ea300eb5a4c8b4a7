# SPDX-License-Identifier: Apache-2.0
# Cross-products, penalties and fits of small models by mgcv, for tests/fit. Run in this folder: Rscript make_fits.R
# Each file is a list of "key count" lines followed by that many numbers. Written with mgcv 1.8-41, R 4.2.2.
suppressMessages({ library(mgcv); library(nlme) })

put <- function(con, key, x) {
  x <- as.numeric(x)
  cat(key, length(x), "\n", file = con)
  if (length(x)) writeLines(sprintf("%.17g", x), con)
}

logdet <- function(S, rank) { e <- eigen(S, symmetric = TRUE, only.values = TRUE)$values; sum(log(e[seq_len(rank)])) }

put_model <- function(con, b) {
  X <- model.matrix(b); w <- b$prior.weights
  z <- b$y - if (is.null(b$offset)) 0 else b$offset
  put(con, "p", ncol(X)); put(con, "n", nrow(X))
  put(con, "matrix", crossprod(X, w * X)); put(con, "rhs", crossprod(X, w * z)); put(con, "zz", sum(w * z^2))
  put(con, "weights", c(sum(w), sum(w * z), sum(log(w)))); put(con, "column_sum", colSums(w * X))
  put(con, "parametric", b$nsdf); put(con, "intercept", attr(b$pterms, "intercept"))
  put(con, "terms", length(b$smooth))
  for (i in seq_along(b$smooth)) {
    s <- b$smooth[[i]]
    put(con, paste0("term", i), c(s$first.para, s$last.para, length(s$S), s$null.space.dim, inherits(s, "random.effect")))
    for (j in seq_along(s$S)) {
      put(con, paste0("S", i, ".", j), s$S[[j]])
      put(con, paste0("Sinfo", i, ".", j), c(s$rank[j], s$S.scale[j], logdet(s$S[[j]], s$rank[j])))
    }
  }
}

# Kronecker form of a tensor term: eigenvalues of the scaled marginal penalties and the additive constant.
put_tensor <- function(con, i, s) {
  e <- lapply(seq_along(s$margin), function(m) {
    v <- eigen(s$margin[[m]]$S[[1]], symmetric = TRUE)$values; v <- v / v[1]; v[abs(v) < 1e-9] <- 0; v / s$S.scale[m] })
  for (m in seq_along(e)) put(con, paste0("eigen", i, ".", m), e[[m]])
  o <- outer(e[[1]], e[[2]], "+")
  full <- eigen(s$S[[1]] + s$S[[2]], symmetric = TRUE)$values
  rank <- ncol(s$S[[1]]) - s$null.space.dim
  put(con, paste0("constant", i), sum(log(full[seq_len(rank)])) - sum(log(o[o > 0])))
}

put_fit <- function(con, key, b) {
  s <- summary(b)
  put(con, paste0(key, ".score"), b$gcv.ubre); put(con, paste0(key, ".sp"), b$sp)
  put(con, paste0(key, ".scale"), c(b$sig2, if (is.null(b$reml.scale)) NA else b$reml.scale))
  put(con, paste0(key, ".beta"), coef(b)); put(con, paste0(key, ".edf"), b$edf); put(con, paste0(key, ".edf1"), b$edf1)
  put(con, paste0(key, ".se"), sqrt(diag(b$Vp))); put(con, paste0(key, ".ve"), sqrt(diag(b$Ve)))
  put(con, paste0(key, ".ptable"), if (is.null(s$p.table)) numeric(0) else t(s$p.table))
  put(con, paste0(key, ".stable"), t(s$s.table))
  put(con, paste0(key, ".summary"), c(s$r.sq, s$dev.expl, deviance(b), b$null.deviance, s$residual.df, s$scale, s$rank))
  put(con, paste0(key, ".likelihood"), c(logLik(b), AIC(b), attr(logLik(b), "df"), sum(b$edf2)))
}

write_case <- function(file, fits, tensor = integer(0)) {
  con <- file(file, "w"); put_model(con, fits[[1]])
  for (i in tensor) put_tensor(con, i, fits[[1]]$smooth[[i]])
  for (k in names(fits)) put_fit(con, k, fits[[k]])
  close(con)
}

set.seed(2); d <- gamSim(1, n = 400, dist = "normal", scale = 2, verbose = FALSE)
f <- y ~ s(x0, bs = "cr") + s(x1, bs = "cr") + s(x2, bs = "cr") + s(x3, bs = "cr")
write_case("gamsim_cr.txt", list(
  reml = gam(f, data = d, method = "REML"), ml = gam(f, data = d, method = "ML"), gcv = gam(f, data = d),
  ubre = gam(f, data = d, method = "GCV.Cp", scale = 4), reml_scale = gam(f, data = d, method = "REML", scale = 4),
  gamma = gam(f, data = d, method = "REML", gamma = 1.4), gcv_gamma = gam(f, data = d, gamma = 1.4),
  fixed = gam(f, data = d, method = "REML", sp = c(0.5, 3, 0.01, 100))))
write_case("gamsim_te.txt", list(
  reml = gam(y ~ te(x0, x1) + s(x2, bs = "cr"), data = d, method = "REML"),
  ml = gam(y ~ te(x0, x1) + s(x2, bs = "cr"), data = d, method = "ML"),
  gcv = gam(y ~ te(x0, x1) + s(x2, bs = "cr"), data = d)), tensor = 1)
write_case("gamsim_select.txt", list(reml = gam(f, data = d, method = "REML", select = TRUE)))
d$w <- round(runif(400, 0.25, 3), 2)
write_case("gamsim_weights.txt", list(
  reml = gam(y ~ x3 + s(x0, bs = "cr") + s(x2, bs = "cr", k = 12), data = d, weights = w, method = "REML")))

data(Machines); class(Machines) <- "data.frame"; Machines$Worker <- factor(as.character(Machines$Worker))
fm <- score ~ Machine + s(Worker, bs = "re") + s(Worker, Machine, bs = "re")
write_case("machines.txt", list(reml = gam(fm, data = Machines, method = "REML"), ml = gam(fm, data = Machines, method = "ML"),
                                gcv = gam(fm, data = Machines)))
data(Rail); class(Rail) <- "data.frame"; Rail$Rail <- factor(as.character(Rail$Rail))
write_case("rail.txt", list(reml = gam(travel ~ s(Rail, bs = "re"), data = Rail, method = "REML")))
