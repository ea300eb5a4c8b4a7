# SPDX-License-Identifier: Apache-2.0
# Tails and quantiles for tests/fit/test_distribution.c: kind, arguments, value. Run in this folder: Rscript make_distribution.R
# Kinds: 0 chi-squared tail (x, df), 1 F tail (x, df1, df2), 2 two-sided t (t, df), 3 normal quantile (p), 4 t quantile (p, df)
con <- file("distribution.txt", "w")
row <- function(kind, a, b = 0, c = 0, value) cat(sprintf("%d %.17g %.17g %.17g %.17g\n", kind, a, b, c, value), file = con)
for (df in c(0.3, 1, 2, 3.7, 10, 150, 1e5)) for (r in c(0.01, 0.5, 0.99, 1.01, 2, 6))
  row(0, df * r, df, 0, pchisq(df * r, df, lower.tail = FALSE))
for (df1 in c(1, 2.5, 9, 40)) for (df2 in c(3, 36.2, 384, 1e6)) for (x in c(0.02, 0.9, 1.1, 4, 30))
  row(1, x, df1, df2, pf(x, df1, df2, lower.tail = FALSE))
for (df in c(1, 2, 7.5, 30, 1e3, 1e7)) for (t in c(0.01, 0.7, 2, 6, 25)) row(2, t, df, 0, 2 * pt(-t, df))
for (p in c(1e-300, 1e-20, 1e-5, 0.025, 0.4, 0.5, 0.7, 0.975, 0.9999)) row(3, p, 0, 0, qnorm(p))
for (df in c(1, 2, 4.5, 36, 1e4)) for (p in c(1e-6, 0.025, 0.3, 0.5, 0.9, 0.995)) row(4, p, df, 0, qt(p, df))
close(con)
