# SPDX-License-Identifier: Apache-2.0
# Writes series.csv and cases.json of this folder: what mgcv's bam finds with rho= and AR.start=.
#   Rscript make.R        in this folder; needs mgcv alone
# Numbers have 17 significant digits; models are fitted to the data as read back. `fixed` cases have their smoothing parameters
# given, `chosen` ones have bam choose them.
suppressMessages(library(mgcv))
number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
text <- function(x) paste0("\"", gsub("\"", "\\\\\"", x), "\"")
numbers <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
object <- function(fields) paste0("{", paste0("\n ", text(names(fields)), ": ", unlist(fields), collapse = ","), "\n}")

set.seed(20)
n <- 600
subject <- factor(rep(paste0("u", 1:6), times = c(40, 160, 100, 150, 100, 50)))
time <- unlist(lapply(table(subject), function(m) seq_len(m) / m))
x <- runif(n)
z <- rnorm(n)
e <- unlist(lapply(table(subject), function(m) as.numeric(arima.sim(list(ar = 0.6), m, n.start = 200))))
w <- round(runif(n, 0.5, 2), 3)
y <- sin(6 * x) + 2 * time^2 + 0.3 * z + rnorm(6, sd = 0.5)[subject] + 0.4 * e / sqrt(w)
first <- as.integer(!duplicated(subject))
x_gaps <- x
x_gaps[c(7, 8, 9, 111, 350, 351, 480)] <- NA # the first rows of the series stay
series <- data.frame(y, x, z, time, subject, w, first, x_gaps)
out <- as.data.frame(lapply(series, function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else as.character(v)))
write.csv(out, "series.csv", row.names = FALSE, quote = FALSE)
data <- read.csv("series.csv", stringsAsFactors = TRUE)
data$start <- data$first == 1
data$one <- c(TRUE, rep(FALSE, n - 1))

cases <- character(0)
add <- function(name, formula, rho, starts, weights = NULL, method = "REML", sp = NULL) {
    used <- all.vars(formula)
    kept <- which(complete.cases(data[, used]))
    call <- list(formula = formula, data = data, rho = rho, AR.start = data[[if (starts) "start" else "one"]], sp = sp,
                 method = c(REML = "fREML", ML = "ML", GCV = "GCV.Cp")[[method]], discrete = FALSE)
    if (!is.null(weights)) call$weights <- data[[weights]]
    b <- do.call(bam, call)
    s <- summary(b)
    std <- b$std.rsd
    begins <- which(call$AR.start[kept])
    pairs <- setdiff(seq_along(kept), begins)
    rows <- unique(round(seq(1, length(kept), length.out = 25)))
    p <- predict(b, data[kept[rows], ], se.fit = TRUE)
    cases <<- c(cases, object(list(
        name = text(name), data = text("series.csv"), formula = text(gsub(" +", " ", paste(deparse(formula, width.cutoff = 500), collapse = ""))),
        rho = number(rho), start = if (starts) text("subject") else "null",
        weights = if (is.null(weights)) "null" else text(weights), method = text(method),
        fixed = if (is.null(sp)) "false" else "true", sp = numbers(if (is.null(sp)) b$sp else sp),
        n = length(kept), criterion = number(unname(b$gcv.ubre)), scale = number(b$sig2), deviance = number(deviance(b)),
        null_deviance = number(b$null.deviance), r_squared_adjusted = number(s$r.sq), aic = number(AIC(b)),
        edf = numbers(vapply(b$smooth, function(x) sum(b$edf[x$first.para:x$last.para]), 0)),
        p_value = numbers(s$s.table[, 4]), statistic = numbers(s$s.table[, 3]),
        estimate = numbers(s$p.table[, 1]), std_error = numbers(s$p.table[, 2]),
        standardised = number(sum(std[pairs] * std[pairs - 1]) / sum(std^2)),
        rows = numbers(kept[rows]), fit = numbers(p$fit), se = numbers(p$se.fit), sd_fit = number(sd(fitted(b))))))
}
both <- y ~ z + s(x, bs = "cr", k = 8) + s(time, bs = "cr", k = 9)
gaps <- y ~ z + s(x_gaps, bs = "cr", k = 8) + s(time, bs = "cr", k = 9)
nested <- y ~ z + s(x, bs = "cr", k = 8) + s(time, by = subject, bs = "cr", k = 5) + subject
random <- y ~ z + s(x, bs = "ps", k = 9) + s(subject, bs = "re")
surface <- y ~ te(x, time, bs = "cr", k = 5) + s(z, bs = "cr", k = 6)
add("one series", both, 0.6, FALSE, sp = c(0.5, 0.02))
add("series by subject", both, 0.6, TRUE, sp = c(0.5, 0.02))
add("weights", both, 0.45, TRUE, weights = "w", sp = c(0.5, 0.02))
add("negative", both, -0.3, TRUE, weights = "w", sp = c(3, 7))
add("strong", both, 0.95, TRUE, sp = c(0.5, 0.02))
add("missing values", gaps, 0.6, TRUE, weights = "w", sp = c(0.5, 0.02))
add("smooth by factor", nested, 0.5, TRUE, sp = c(0.5, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
add("random effect", random, 0.5, TRUE, weights = "w", sp = c(0.5, 2))
add("surface", surface, 0.5, TRUE, sp = c(0.5, 2, 1))
add("chosen REML", both, 0.6, TRUE, weights = "w")
add("chosen ML", both, 0.6, TRUE, weights = "w", method = "ML")
add("chosen GCV", both, 0.6, TRUE, weights = "w", method = "GCV")
add("chosen random effect", random, 0.5, TRUE)
add("chosen missing values", gaps, 0.5, TRUE)
writeLines(paste0("[", paste(cases, collapse = ",\n"), "]"), "cases.json")
