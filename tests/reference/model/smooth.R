# SPDX-License-Identifier: Apache-2.0
# How mgcv's gam sets up smooths: after constraints, side conditions and scaling. Writes smooth.csv and smooth.txt beside this
# script; smooth.txt has per formula a line "formula <text>" and per penalty "<label>\t<columns>\t<S.scale>\t<trace>\t<sum S^2>".
# Run: Rscript smooth.R
suppressMessages(library(mgcv))
set.seed(5)
n <- 200
d <- data.frame(x = round(runif(n), 4), z = round(runif(n, 1, 3), 4), w = round(runif(n), 4), f = sample(c("a", "b", "c"), n, TRUE),
                g = sample(LETTERS[1:4], n, TRUE))
d$y <- round(rnorm(n), 4)
write.csv(d, "smooth.csv", row.names = FALSE, quote = FALSE)
d$f <- factor(d$f)
d$g <- factor(d$g)
formulas <- c("y ~ s(x) + s(z, bs = 'cr', k = 7) + s(w, bs = 'ps')", "y ~ s(x, bs = 'cr') + s(z, bs = 'cr') + te(x, z)",
              "y ~ te(x, z) + s(x) + s(z)", "y ~ s(x, by = f, bs = 'cr', k = 5) + s(z, by = w, bs = 'cr')",
              "y ~ s(x, id = 1) + s(w, id = 1) + s(z, id = 2, bs = 'cc')", "y ~ s(x, bs = 'cr', k = 8) + s(x, bs = 'ps')",
              "y ~ s(g, bs = 're') + s(z, g, bs = 're') + s(f, g, bs = 're') + s(w, bs = 're')",
              "y ~ ti(x) + ti(z, bs = 'cr') + ti(x, z, k = c(4, 5), bs = c('cc', 'cr'))", "y ~ s(x) + s(z) + s(w) + te(x, z, k = 4)",
              "y ~ te(x, z, by = w, k = 4) + s(x, bs = 'ts') + s(w, bs = 'cs')")
out <- file("smooth.txt", "w")
for (text in formulas) {
    cat("formula ", text, "\n", sep = "", file = out)
    G <- gam(as.formula(text), data = d, fit = FALSE)
    for (s in G$smooth) for (j in seq_along(s$S)) {
        S <- s$S[[j]]
        cat(sprintf("%s\t%d\t%.15g\t%.15g\t%.15g\n", s$label, ncol(S), s$S.scale[j], sum(diag(S)), sum(S^2)), file = out)
    }
}
close(out)
