# SPDX-License-Identifier: Apache-2.0
# Writes the table of tests/cli/cases/plates*.case (tests/cli/data/plates.csv) and prints the numbers they are compared with.
library(mgcv)
set.seed(5)
n <- 300
x <- round(runif(n), 6); z <- round(runif(n), 6); w <- round(runif(n), 6)
f <- sin(4 * x) + 2 * z * x - z^2
y <- rpois(n, exp(0.5 + f)); g <- round(f + rnorm(n) * 0.3, 6)
d <- data.frame(x, z, w, y, g)
write.csv(d, "plates.csv", row.names = FALSE, quote = FALSE)
show <- function(m) {
    print(m$gcv.ubre, digits = 15)
    print(sum(m$edf), digits = 12)
    p <- predict(m, d[1:3, ], se.fit = TRUE)
    print(cbind(p$fit, p$se.fit), digits = 14)
}
show(gam(y ~ te(x, z, bs = "tp"), family = poisson, method = "REML", sp = c(0.1, 2), data = d))
show(gam(y ~ te(x, z, bs = "tp"), family = poisson, method = "REML", data = d))
show(gam(g ~ te(x, z, w, bs = "tp", k = 4), method = "REML", sp = c(0.1, 2, 1), data = d))
show(gam(y ~ t2(x, z, bs = "tp"), family = poisson, method = "REML", data = d))
