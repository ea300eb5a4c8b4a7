# SPDX-License-Identifier: Apache-2.0
# Writes kcheck.txt: k-indices of mgcv's k.check with 5000 permutations, for cases of cases.json, after make.R.
#   Rscript kcheck.R        in this folder; needs mgcv alone
# Ties of a covariate fall in random order: `sd` is the standard deviation over orders of the index of differences of neighbouring
# deviance residuals over twice their variance, 0 without ties. For smooths with a factor as by variable k.check orders the
# rows of all levels; there `k_index` is the mean of that index over orders of the level's rows.
suppressMessages(library(mgcv))
set.seed(1)
d <- read.csv("sim.csv", stringsAsFactors = TRUE)
years <- read.csv("discoveries.csv")
two <- function(response) as.formula(paste0(response, " ~ s(x0, bs=\"cr\") + s(x1, bs=\"cr\", k=8)"))
lines <- "# case term k edf k_index sd"
orders <- function(r, x) replicate(2000, mean(diff(r[order(x, runif(length(x)))])^2) / 2 / var(r))
add <- function(name, b) {
    k <- k.check(b, n.rep = 5000)
    for (i in seq_len(nrow(k)))
        lines <<- c(lines, sprintf("%s %s %d %.6f %.6f %.6f", name, rownames(k)[i], k[i, 1], k[i, 2], k[i, 3],
            if (b$smooth[[i]]$dim > 1) 0 else sd(orders(residuals(b), b$model[[b$smooth[[i]]$term]]))))
}
add("poisson-log", gam(two("count"), data = d, family = poisson(), method = "REML"))
add("gamma-log", gam(two("size"), data = d, family = Gamma("log"), method = "REML"))
add("binomial-trials", gam(two("share"), data = d, family = binomial(), weights = m, method = "REML"))
add("poisson-te", gam(count ~ te(x0, x1), data = d, family = poisson(), method = "REML"))
add("discoveries-poisson", gam(count ~ s(year, bs = "cr", k = 20), data = years, family = poisson(), method = "REML"))
b <- gam(slopes ~ f + s(x0, bs = "cr", by = f) + s(x1, bs = "cr", k = 8), data = d, family = poisson(), method = "REML")
for (i in 1:3) {
    at <- d$f == levels(d$f)[i]
    index <- orders(residuals(b)[at], d$x0[at])
    lines <- c(lines, sprintf("poisson-by %s %d %.6f %.6f %.6f", b$smooth[[i]]$label, 9L,
                              sum(b$edf[b$smooth[[i]]$first.para:b$smooth[[i]]$last.para]), mean(index), sd(index)))
}
writeLines(lines, "kcheck.txt")
