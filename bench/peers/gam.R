# SPDX-License-Identifier: Apache-2.0
# Fits with mgcv what weir-bench fits, on the same numbers, and prints lines "key value".
#   Rscript gam.R FOLDER SOURCE ENGINE N SMOOTHS K LEVELS THREADS REPETITIONS FAMILY
# SOURCE: memory (columns from FOLDER/*.f64, not timed) or the path of a CSV (reading timed).
# ENGINE: discrete = bam(discrete=TRUE), bam = exact bam, gam.
a <- commandArgs(TRUE)
folder <- a[1]; source <- a[2]; engine <- a[3]
n <- as.numeric(a[4]); smooths <- as.integer(a[5]); k <- as.integer(a[6]); levels <- as.integer(a[7])
threads <- as.integer(a[8]); repetitions <- as.integer(a[9])
family <- get(a[10])()
suppressMessages(library(mgcv))
terms <- sprintf("s(x%d, bs=\"cr\", k=%d)", seq_len(smooths) - 1, k)
if (levels > 0) terms <- c(terms, "s(g, bs=\"re\")")
formula <- as.formula(paste("y ~", paste(terms, collapse = " + ")))

read_rows <- function() {
    if (source == "memory") {
        column <- function(name) readBin(file.path(folder, paste0(name, ".f64")), "double", n)
        d <- data.frame(y = column("y"))
        for (j in seq_len(smooths) - 1) d[[paste0("x", j)]] <- column(paste0("x", j))
        if (levels > 0) d$g <- factor(readBin(file.path(folder, "g.i32"), "integer", n))
        return(d)
    }
    if (requireNamespace("data.table", quietly = TRUE))
        data.table::fread(source, nThread = threads, data.table = FALSE, stringsAsFactors = TRUE)
    else read.csv(source, stringsAsFactors = TRUE)
}
fit <- function(d) switch(engine,
    discrete = bam(formula, family = family, data = d, discrete = TRUE, nthreads = threads),
    bam = bam(formula, family = family, data = d),
    gam = gam(formula, family = family, data = d, method = "REML"))

peak_kib <- function() {
    status <- readLines("/proc/self/status")
    as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE)))
}
d <- if (source == "memory") read_rows() else NULL
if (repetitions > 1) b <- fit(if (is.null(d)) read_rows() else d)
seconds <- numeric(0); reading <- numeric(0)
for (i in seq_len(repetitions)) {
    gc()
    t0 <- proc.time()[3]
    rows <- if (is.null(d)) read_rows() else d
    t1 <- proc.time()[3]
    b <- fit(rows)
    t2 <- proc.time()[3]
    seconds <- c(seconds, t2 - t0); reading <- c(reading, t1 - t0)
}
# Smoothing parameters of the penalties as integrals, free of mgcv's internal scaling.
raw <- b$sp / unlist(lapply(b$smooth, function(x) x$S.scale))
cat("seconds ", format(median(seconds), digits = 6), "\n", sep = "")
cat("reading ", format(median(reading), digits = 6), "\n", sep = "")
cat("criterion ", sprintf("%.12g", b$gcv.ubre), "\n", sep = "")
cat("edf ", sprintf("%.9g", sum(b$edf)), "\n", sep = "")
cat("scale ", sprintf("%.12g", b$sig2), "\n", sep = "")
cat("lambda ", paste(sprintf("%.15g", raw), collapse = ","), if (length(raw) == 1) ",", "\n", sep = "")
cat("peak_bytes ", sprintf("%.0f", peak_kib() * 1024), "\n", sep = "")
cat("engine ", paste(engine, packageVersion("mgcv")), "\n", sep = "")
