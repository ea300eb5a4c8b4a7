# SPDX-License-Identifier: Apache-2.0
# Prints the REML scores that tests/cli/cases/levels_minima.case is compared with. Run in tests/cli/data.
library(mgcv)
d <- read.csv("levels.csv", stringsAsFactors = TRUE); e <- read.csv("levels_two.csv", stringsAsFactors = TRUE)
show <- function(f, data) print(as.numeric(gam(f, data = data, method = "REML")$gcv.ubre), digits = 12)
show(y1 ~ s(x1) + s(g1, x1, bs = "sz", k = 7, xt = list(bs = "ps")), d)
show(y2 ~ s(x2, bs = "cr", k = 7) + s(g2, x2, bs = "sz", k = 7, xt = list(bs = "cr")), d)
show(y ~ s(x) + s(g, h, x, bs = "sz", k = 5, xt = list(bs = "cr")) + s(w, bs = "tp"), e)
