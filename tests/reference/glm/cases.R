# SPDX-License-Identifier: Apache-2.0
# What the make.R of ../glm and ../links share: a data file, a case of cases.json, its writing.
# Every number is written with 17 significant digits, and the models are fitted to the data as read back from the CSV.
# Each case holds, under the name of the criterion its numbers belong to:
#   near, away   gam with smoothing parameters (and family parameters) given
#   laplace      gam(method = "REML"): the Laplace-approximate REML, family parameters estimated with it
#   working      bam(method = "fREML"): the REML of the working model at convergence, family parameters given
#   ml, gcv      ML, and GCV (UBRE where the scale is known), of the working model: gam with that method of the working response
#                and Fisher weights, which follow from its fitted values, until these stand still. (bam(method = "ML") ends
#                elsewhere.)
suppressMessages(library(mgcv))
options(warn = 1)
control <- gam.control(epsilon = 1e-11, maxit = 400, newton = list(conv.tol = 1e-9, maxNstep = 5,
                       maxSstep = 2, maxHalf = 30, use.svd = FALSE))

number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
text <- function(x) paste0("\"", gsub("\"", "\\\\\"", x), "\"")
numbers <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
texts <- function(x) paste0("[", paste(text(x), collapse = ", "), "]")
object <- function(fields, indent) {
    pad <- strrep(" ", indent)
    paste0("{", paste0("\n", pad, " ", text(names(fields)), ": ", unlist(fields), collapse = ","), "\n", pad, "}")
}

# Writes a data frame and returns it as a reader of the file sees it.
save_data <- function(name, data) {
    file <- paste0(name, ".csv")
    out <- as.data.frame(lapply(data, function(x) if (is.numeric(x)) sprintf("%.17g", x) else as.character(x)))
    write.csv(out, file, row.names = FALSE, quote = FALSE)
    back <- read.csv(file, stringsAsFactors = TRUE)
    for (column in names(data)) if (is.factor(data[[column]])) back[[column]] <- factor(back[[column]])
    back
}

# `kept`: places of the fitted rows in the file. Values are on the scale of the linear predictor.
describe <- function(b, data, kept, sp) {
    s <- summary(b)
    rows <- unique(round(seq(1, nrow(data), length.out = min(nrow(data), 25))))
    p <- predict(b, data[rows, , drop = FALSE], se.fit = TRUE)
    eta <- predict(b, data)
    theta <- tryCatch(b$family$getTheta(TRUE), error = function(e) numeric(0))
    if (is.null(theta)) theta <- numeric(0)
    list(
        n = nrow(data), criterion = number(unname(b$gcv.ubre)), scale = number(b$sig2),
        reml_scale = number(if (is.null(b$reml.scale)) NA else b$reml.scale), deviance = number(deviance(b)),
        null_deviance = number(b$null.deviance), deviance_explained = number(s$dev.expl),
        r_squared_adjusted = number(s$r.sq), edf_total = number(sum(b$edf)),
        log_likelihood = number(as.numeric(logLik(b))), sd_fit = number(sd(eta)), theta = numbers(theta),
        labels = texts(vapply(b$smooth, function(x) x$label, "")),
        edf = numbers(vapply(b$smooth, function(x) sum(b$edf[x$first.para:x$last.para]), 0)),
        null_dim = numbers(vapply(b$smooth, function(x) as.numeric(x$null.space.dim), 0)),
        columns = numbers(vapply(b$smooth, function(x) x$last.para - x$first.para + 1, 0)),
        penalties = numbers(vapply(b$smooth, function(x) as.numeric(length(x$S)), 0)),
        ref_df = numbers(s$s.table[, 2]), statistic = numbers(s$s.table[, 3]), p_value = numbers(s$s.table[, 4]),
        parametric_p = numbers(s$p.table[, 4]), aic = number(AIC(b)),
        sp = numbers(sp), sp_scale = numbers(unlist(lapply(b$smooth, function(x) x$S.scale))),
        parametric = texts(rownames(s$p.table)), estimate = numbers(s$p.table[, 1]), std_error = numbers(s$p.table[, 2]),
        rows = numbers(kept[rows]), fit = numbers(p$fit), se = numbers(p$se.fit))
}

# The fixed point of: working response and weights at the fitted values, smoothing parameters of that linear model by `method`.
turns <- function(b, data, kept, formula, family, method) {
    eta <- as.numeric(b$linear.predictors)
    known <- family$family %in% c("poisson", "binomial") || grepl("^negative", family$family, ignore.case = TRUE)
    y <- as.numeric(b$y)
    data$turn_z <- data$turn_w <- 0
    for (turn in 1:200) {
        slope <- family$mu.eta(eta)
        mu <- family$linkinv(eta)
        data$turn_z <- eta + (y - mu) / slope
        data$turn_w <- b$prior.weights * slope^2 / family$variance(mu)
        fit <- gam(update(as.formula(formula), turn_z ~ .), data = data, weights = turn_w, method = method,
                   scale = if (known) 1 else -1, control = control)
        change <- max(abs(fit$fitted.values - eta))
        eta <- as.numeric(fit$fitted.values)
        if (change < 1e-9 * sd(eta)) break
    }
    if (change > 1e-6 * sd(eta)) warning(formula, " ", family$family, " ", method, ": turns end with a change of ", change)
    out <- describe(fit, data, kept, fit$sp)
    out$deviance <- number(sum(family$dev.resids(y, family$linkinv(eta), b$prior.weights)))
    out
}

cases <- character(0)
# family: text for weir with parameters to be estimated; R family `free`. fixed(theta): list(text, R family) with parameters
# given, rounded from the estimates; without parameters the same as `free`.
add_case <- function(name, file, data, formula, family, free, fixed = NULL, factors = NULL, weights = NULL, working = TRUE,
                     keep = rep(TRUE, nrow(data))) {
    kept <- which(keep)
    data <- data[keep, , drop = FALSE]
    arguments <- list(formula = as.formula(formula), data = data, family = free, method = "REML", control = control)
    if (!is.null(weights)) arguments$weights <- data[[weights]]
    b <- do.call(gam, arguments)
    given <- if (is.null(fixed)) list(family, free) else fixed(signif(b$family$getTheta(TRUE), 3))
    laplace <- describe(b, data, kept, b$sp)
    near <- signif(pmin(pmax(b$sp, 1e-4), 1e4), 3)
    away <- signif(near * rep(c(7, 0.2, 3), length.out = length(near)), 3)
    at <- lapply(list(near, away), function(sp) {
        arguments$sp <- sp
        arguments$family <- given[[2]]
        describe(do.call(gam, arguments), data, kept, sp)
    })
    head <- list(name = text(name), data = text(paste0(file, ".csv")), formula = text(formula), family = text(family),
                 family_given = text(given[[1]]), factors = if (is.null(factors)) "null" else text(factors),
                 weights = if (is.null(weights)) "null" else text(weights))
    head$near <- object(at[[1]], 3)
    head$away <- object(at[[2]], 3)
    head$laplace <- object(laplace, 3)
    if (working) {
        arguments$family <- given[[2]]
        arguments$method <- "fREML"
        if (grepl("^negative", given[[2]]$family, ignore.case = TRUE)) arguments$scale <- 1 # else bam estimates one
        w <- do.call(bam, arguments)
        head$working <- object(describe(w, data, kept, w$sp), 3)
        head$ml <- object(turns(b, data, kept, formula, given[[2]], "ML"), 3)
        arguments$method <- "GCV.Cp" # which may have several minima: left out where bam ends in another one
        gcv <- turns(b, data, kept, formula, given[[2]], "GCV.Cp")
        if (abs(as.numeric(gcv$edf_total) - sum(do.call(bam, arguments)$edf)) < 0.1) head$gcv <- object(gcv, 3)
    }
    cases <<- c(cases, object(head, 2))
    cat(sprintf("%-22s %14.7f  edf %s  sp %s\n", name, b$gcv.ubre,
                paste(format(vapply(b$smooth, function(x) sum(b$edf[x$first.para:x$last.para]), 0), digits = 6), collapse = " "),
                paste(format(b$sp, digits = 4), collapse = " ")))
}

write_cases <- function()
    cat("{\n \"made_with\": ", text(paste("mgcv", packageVersion("mgcv"), "in", R.version.string)), ",\n \"cases\": [\n  ",
        paste(cases, collapse = ",\n  "), "\n ]\n}\n", sep = "", file = "cases.json")
