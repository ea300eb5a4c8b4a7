# SPDX-License-Identifier: Apache-2.0
# Design matrices of R's model.matrix for the parametric part of formulas. Writes data.csv and matrix.txt beside this script:
#   formula <text>
#   <column names, tab-separated>
#   <one line of numbers per row>
#   (empty line)
# Run: Rscript matrix.R
set.seed(11)
n <- 24
d <- data.frame(x = round(runif(n), 3), z = round(rnorm(n), 3), w = round(rexp(n), 3),
                f = sample(c("a", "b", "c"), n, TRUE), g = sample(c("p", "q"), n, TRUE), year = sample(2001:2004, n, TRUE))
d$y <- round(rnorm(n), 3)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d$f <- factor(d$f)
d$g <- factor(d$g)
formulas <- c("y ~ x", "y ~ 1", "y ~ 0 + x", "y ~ x - 1", "y ~ f", "y ~ f - 1", "y ~ f + g - 1", "y ~ x + f", "y ~ x:f", "y ~ x:f - 1",
              "y ~ x * f", "y ~ f * g", "y ~ f * g - 1", "y ~ f:g", "y ~ f:g - 1", "y ~ f + f:g", "y ~ f / g", "y ~ f:x + g:x",
              "y ~ f:g + f:x + g", "y ~ x:z * f", "y ~ (x + z + f)^2", "y ~ (f + g + x)^3 - f:g:x", "y ~ log(w) + I(x^2) + sqrt(w):z",
              "y ~ poly(x, 3)", "y ~ poly(x, 1) + poly(z, 2) * f", "y ~ factor(year)", "y ~ year + factor(year):x",
              "y ~ z + x + x:z + f:z", "y ~ I(x * z - 2) + exp(-x / 2) + abs(z)", "log(w) ~ x + offset(z)", "y ~ x + x + f + x:f - x",
              "y ~ g:f + x:g", "y ~ log1p(w) + expm1(x) + log2(w) + log10(w) + sin(x) + cos(z) + tan(x)", "y ~ f:poly(x, 2)")
out <- file("matrix.txt", "w")
for (text in formulas) {
    m <- model.matrix(as.formula(text), d)
    cat("formula ", text, "\n", sep = "", file = out)
    cat(paste(colnames(m), collapse = "\t"), "\n", sep = "", file = out)
    for (i in seq_len(n)) cat(paste(sprintf("%.17g", m[i, ]), collapse = "\t"), "\n", sep = "", file = out)
    cat("\n", file = out)
}
close(out)
