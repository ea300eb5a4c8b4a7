# SPDX-License-Identifier: Apache-2.0
# Writes the data files and cases.json of this folder: what mgcv finds on public data sets.
#   Rscript make.R        in this folder; needs mgcv, nlme, MASS, lme4 (data sets only from the last three)
# Every number is written with 17 significant digits, and the models are fitted to the data as read back from the CSV.
suppressMessages({library(mgcv); library(nlme)})
options(warn = 1)
control <- gam.control(epsilon = 1e-10, newton = list(conv.tol = 1e-9))

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

rows_of <- function(n) unique(round(seq(1, n, length.out = min(n, 25))))

# What a test compares.
describe <- function(b, data, fixed) {
    s <- summary(b)
    rows <- rows_of(nrow(data))
    p <- predict(b, data[rows, , drop = FALSE], se.fit = TRUE)
    scales <- unlist(lapply(b$smooth, function(x) x$S.scale))
    if (fixed) sp <- b$full.sp else sp <- b$sp
    if (is.null(sp)) sp <- b$sp
    fields <- list(
        n = nrow(data), criterion = number(unname(b$gcv.ubre)), scale = number(b$sig2), deviance = number(deviance(b)),
        deviance_explained = number(s$dev.expl), r_squared_adjusted = number(s$r.sq), edf_total = number(sum(b$edf)),
        log_likelihood = number(as.numeric(logLik(b))), sd_fit = number(sd(fitted(b))),
        labels = texts(vapply(b$smooth, function(x) x$label, "")),
        edf = numbers(s$s.table[, 1]), ref_df = numbers(s$s.table[, 2]), statistic = numbers(s$s.table[, 3]),
        p_value = numbers(s$s.table[, 4]),
        null_dim = numbers(vapply(b$smooth, function(x) as.numeric(x$null.space.dim), 0)),
        columns = numbers(vapply(b$smooth, function(x) x$last.para - x$first.para + 1, 0)),
        penalties = numbers(vapply(b$smooth, function(x) as.numeric(length(x$S)), 0)),
        sp = numbers(sp), sp_scale = numbers(scales),
        parametric = texts(rownames(s$p.table)), estimate = numbers(s$p.table[, 1]), std_error = numbers(s$p.table[, 2]),
        parametric_p = numbers(s$p.table[, 4]),
        rows = numbers(rows), fit = numbers(p$fit), se = numbers(p$se.fit))
    fields
}

cases <- character(0)
add_case <- function(name, file, data, formula, method = "REML", knots = NULL, knots_text = NULL, factors = NULL,
                     select = FALSE, gamma = 1, scale = 0, weights = NULL, sd = NULL) {
    arguments <- list(formula = as.formula(formula), data = data, method = method, select = select, gamma = gamma,
                      control = control)
    if (method == "GCV") arguments$method <- "GCV.Cp"
    if (method == "UBRE") { arguments$method <- "GCV.Cp"; arguments$scale <- scale }
    if (!is.null(knots)) arguments$knots <- knots
    if (!is.null(weights)) arguments$weights <- data[[weights]]
    b <- do.call(gam, arguments)
    chosen <- describe(b, data, FALSE)
    # Two fixed smoothing parameter vectors: rounded values near the optimum, and others away from it.
    near <- signif(pmin(pmax(b$sp, 1e-4), 1e4), 3)
    away <- signif(near * rep(c(7, 0.2, 3), length.out = length(near)), 3)
    fixed <- lapply(list(near, away), function(sp) {
        arguments$sp <- sp
        f <- do.call(gam, arguments)
        f$full.sp <- sp
        describe(f, data, TRUE)
    })
    head <- list(name = text(name), data = text(paste0(file, ".csv")), formula = text(formula), method = text(method),
                 knots = if (is.null(knots_text)) "null" else text(knots_text),
                 factors = if (is.null(factors)) "null" else text(factors), select = tolower(select), gamma = number(gamma),
                 known_scale = number(scale), weights = if (is.null(weights)) "null" else text(weights))
    if (!is.null(sd)) {
        capture.output(v <- gam.vcomp(b))
        if (is.matrix(v)) v <- v[, 1] else if (is.list(v)) v <- v$all
        head$std_dev <- numbers(unname(v))
    }
    head$chosen <- object(chosen, 3)
    head$near <- object(fixed[[1]], 3)
    head$away <- object(fixed[[2]], 3)
    cases <<- c(cases, object(head, 2))
    cat(sprintf("%-22s %-5s %14.7f  edf %s\n", name, method, b$gcv.ubre, paste(format(summary(b)$s.table[, 1], digits = 6),
                                                                             collapse = " ")))
}

# 3. Motorcycle impact: one smooth, every 1-d basis.
mcycle <- save_data("mcycle", MASS::mcycle)
for (bs in c("tp", "cr", "ps", "cs", "ts"))
    add_case(paste0("mcycle-", bs), "mcycle", mcycle, sprintf("accel ~ s(times, bs=\"%s\", k=20)", bs))
add_case("mcycle-cp", "mcycle", mcycle, "accel ~ s(times, bs=\"cp\", k=15)")
add_case("mcycle-cr-gcv", "mcycle", mcycle, "accel ~ s(times, bs=\"cr\", k=20)", method = "GCV")
add_case("mcycle-cr-gamma", "mcycle", mcycle, "accel ~ s(times, bs=\"cr\", k=20)", gamma = 1.4)

# 4, 5. Gu and Wahba's four functions.
set.seed(2)
gu <- save_data("gu", gamSim(1, n = 400, dist = "normal", scale = 2, verbose = FALSE)[c("y", "x0", "x1", "x2", "x3")])
plain <- "y ~ s(x0) + s(x1) + s(x2) + s(x3)"
cubic <- "y ~ s(x0, bs=\"cr\") + s(x1, bs=\"cr\") + s(x2, bs=\"cr\") + s(x3, bs=\"cr\")"
add_case("gu-tp-gcv", "gu", gu, plain, method = "GCV")
add_case("gu-tp", "gu", gu, plain)
add_case("gu-cr", "gu", gu, cubic)
add_case("gu-cr-ml", "gu", gu, cubic, method = "ML")
add_case("gu-cr-ubre", "gu", gu, cubic, method = "UBRE", scale = 4)
add_case("gu-cr-select", "gu", gu, cubic, select = TRUE)
add_case("gu-te", "gu", gu, "y ~ te(x0, x1) + s(x2, bs=\"cr\")")
add_case("gu-ti", "gu", gu, "y ~ ti(x0) + ti(x1) + ti(x0, x1) + s(x2, bs=\"cr\")")

# Varying coefficients, factor-by smooths and prior weights.
set.seed(3)
by <- gamSim(4, n = 400, verbose = FALSE)[c("y", "x0", "x1", "x2", "fac")]
by$w <- round(runif(400, 0.5, 3), 2)
by <- save_data("by", by)
add_case("by-factor", "by", by, "y ~ fac + s(x2, bs=\"cr\", by=fac) + s(x0, bs=\"cr\")",
         factors = "fac")
add_case("by-numeric", "by", by, "y ~ s(x2, bs=\"cr\", by=x1) + s(x0, bs=\"cr\")")
add_case("by-weights", "by", by, "y ~ fac + s(x2, bs=\"cr\") + s(x0, bs=\"ps\")", weights = "w",
         factors = "fac")

# 6, 7. Random effects.
if (requireNamespace("lme4", quietly = TRUE)) {
    data("sleepstudy", package = "lme4")
    sleep <- sleepstudy
    sleep$Subject <- factor(paste0("S", sleep$Subject))
    sleep <- save_data("sleepstudy", sleep)
    add_case("sleepstudy", "sleepstudy", sleep, "Reaction ~ Days + s(Subject, bs=\"re\") + s(Days, Subject, bs=\"re\")",
             factors = "Subject", sd = TRUE)
}
machines <- as.data.frame(Machines)
machines$Worker <- factor(paste0("W", as.character(machines$Worker)))
machines <- save_data("machines", machines)
add_case("machines", "machines", machines, "score ~ Machine + s(Worker, bs=\"re\") + s(Worker, Machine, bs=\"re\")",
         factors = "Worker", sd = TRUE)
rail <- as.data.frame(Rail)
rail$Rail <- factor(paste0("R", as.character(rail$Rail)))
rail <- save_data("rail", rail)
add_case("rail", "rail", rail, "travel ~ s(Rail, bs=\"re\")", factors = "Rail", sd = TRUE)

# 9. Nottingham temperatures: season and trend.
nottem <- save_data("nottem", data.frame(y = as.numeric(nottem), month = rep(1:12, 20), year = rep(1920:1939, each = 12)))
add_case("nottem", "nottem", nottem, "y ~ s(month, bs=\"cc\", k=12) + s(year, bs=\"cr\")",
         knots = list(month = c(0.5, 12.5)), knots_text = "month=0.5,12.5")

# 12. Earthquakes: a tensor product.
quakes <- save_data("quakes", quakes[c("mag", "long", "lat", "depth")])
add_case("quakes-te", "quakes", quakes, "mag ~ te(long, lat) + s(depth, bs=\"cr\")")
add_case("quakes-tp", "quakes", quakes, "mag ~ s(long, lat, k=30) + s(depth, bs=\"cr\")")

# 8. New York air: three smooths.
air <- save_data("air", na.omit(airquality)[c("Ozone", "Solar.R", "Wind", "Temp")])
add_case("air", "air", air, "Ozone ~ s(Solar.R, bs=\"cr\") + s(Wind, bs=\"cr\") + s(Temp, bs=\"cr\")")

# 13. Growth of chicks: a curve per diet, then a curve per chick (of ps with first differences, for tp of first derivatives).
chicks <- as.data.frame(ChickWeight)[c("weight", "Time", "Chick", "Diet")]
chicks$Chick <- factor(paste0("c", as.character(chicks$Chick)))
chicks$Diet <- factor(paste0("d", as.character(chicks$Diet)))
chicks <- save_data("chicks", chicks)
add_case("chicks", "chicks", chicks, "weight ~ Diet + s(Time, by=Diet, k=8, bs=\"cr\") + s(Chick, bs=\"re\")",
         factors = "Diet,Chick")
add_case("chicks-curves", "chicks", chicks, "weight ~ Diet + s(Time, k=6, bs=\"cr\") + s(Time, Chick, bs=\"fs\", xt=\"ps\", k=5, m=c(2,1))",
         factors = "Diet,Chick")

# Thin plate splines of two and three covariates: higher derivatives, shrinkage, per level, beside their own margins.
add_case("gu-plate", "gu", gu, "y ~ s(x1, x2, m=3, k=40) + s(x0, bs=\"cr\")")
add_case("gu-plate-3", "gu", gu, "y ~ s(x0, x1, x2, bs=\"ts\", k=40)")
add_case("gu-plate-nested", "gu", gu, "y ~ s(x1) + s(x2) + s(x1, x2)")
add_case("by-plate", "by", by, "y ~ fac + s(x0, x2, by=fac, k=20)", factors = "fac")

# A curve for each level of a factor. The bases leave at most the constant unpenalised: of two or more directions mgcv takes whatever
# axes rounding gives.
add_case("by-curves", "by", by, "y ~ s(x0, bs=\"cr\") + s(x2, fac, bs=\"fs\", xt=\"ps\", m=c(2,1), k=8)", factors = "fac")
set.seed(4)
curves <- data.frame(g = rep(1:30, each = 20), x = round(runif(600), 3))
curves$y <- with(curves, round(sin(6 * x) + rnorm(30)[g] + rnorm(30)[g] * cos(4 * x + g) + rnorm(600, sd = 0.4), 3))
curves$g <- factor(paste0("g", curves$g))
curves <- save_data("curves", curves)
add_case("curves-cc", "curves", curves, "y ~ s(x, bs=\"cr\") + s(x, g, bs=\"fs\", xt=\"cc\", k=7)")
add_case("curves-ps", "curves", curves, "y ~ s(x, g, bs=\"fs\", xt=\"ps\", m=c(2,1), k=6)")

# Deviations per level that sum to zero: a smoothing parameter each or one for all, of two factors, beside one another.
set.seed(7)
contrasts <- data.frame(x = round(runif(400), 3), z = round(runif(400) * 3 - 1, 3), g = factor(sample(c("a", "b", "c"), 400, TRUE)),
                        h = factor(sample(c("u", "v"), 400, TRUE)))
contrasts$y <- with(contrasts, round(sin(6 * x) + c(1, -1, 0.5)[g] * cos(5 * x) + c(1, -0.5)[h] * x^2 * (1 + as.numeric(g)) +
                                     sin(9 * x) * c(0.5, -0.5)[h] * c(1, 2, -1)[g] + rnorm(400) * 0.3, 4))
contrasts$v <- with(contrasts, round(sin(6 * x) + cos(2 * z) + 2 * x * z * (g == "b") + rnorm(400) * 0.4, 4))
contrasts <- save_data("contrasts", contrasts)
add_case("sz", "contrasts", contrasts, "y ~ s(x) + s(g, x, bs=\"sz\")", factors = "g,h")
add_case("sz-cr-id", "contrasts", contrasts, "y ~ s(x, bs=\"cr\") + s(x, g, bs=\"sz\", xt=list(bs=\"cr\"), k=8, id=1)", factors = "g,h")
add_case("sz-two", "contrasts", contrasts, "y ~ s(x) + s(g, h, x, bs=\"sz\", k=6)", factors = "g,h")
add_case("sz-three", "contrasts", contrasts,
         "y ~ s(x) + s(g, x, bs=\"sz\", k=6) + s(h, x, bs=\"sz\", k=6) + s(g, h, x, bs=\"sz\", k=6, id=1)", factors = "g,h")

# Separated tensor products. The bases determine their null spaces: one dimension, or the two columns that tp has for them.
add_case("t2", "contrasts", contrasts, "v ~ t2(x, z, bs=\"tp\")", factors = "g,h")
add_case("t2-margins", "contrasts", contrasts, "v ~ t2(x, z, bs=c(\"cc\", \"tp\"), k=c(7, 4))", factors = "g,h")
add_case("t2-ts", "contrasts", contrasts, "v ~ t2(x, z, bs=c(\"ts\", \"tp\"))", factors = "g,h")
add_case("t2-nested", "contrasts", contrasts, "v ~ s(x) + s(z) + t2(x, z, bs=\"tp\")", factors = "g,h")
add_case("t2-by", "contrasts", contrasts, "v ~ g + t2(x, z, bs=\"tp\", k=4, by=g)", factors = "g,h")

# Terms whose order or number of levels decides how they are solved: surfaces per level, random effects before other terms.
set.seed(12)
mixed <- data.frame(x0 = runif(600), x1 = runif(600) * 10 - 5, x2 = rnorm(600), fac = factor(sample(c("a", "b", "c"), 600, TRUE)),
                    g = factor(sprintf("g%02d", rep(1:80, length.out = 600))))
mixed$y <- 10 + sin(6 * mixed$x0) + 0.1 * mixed$x1^2 * (mixed$fac == "b") + 0.5 * mixed$x2 + as.numeric(mixed$fac) +
    (rnorm(80) * 0.3)[mixed$g] + mixed$x2 * (rnorm(80) * 0.2)[mixed$g] + rnorm(600) * 0.4
mixed <- save_data("mixed", mixed)
add_case("mixed-te-by", "mixed", mixed, "y ~ te(x0, x1, by=fac) + fac", factors = "fac,g")
add_case("mixed-re-first", "mixed", mixed, "y ~ s(g, bs=\"re\") + s(x0, bs=\"cr\") + x2 + fac", factors = "fac,g")
add_case("mixed-re-twice", "mixed", mixed, "y ~ s(x0, bs=\"cr\") + s(g, bs=\"re\") + s(g, x2, bs=\"re\") + fac", factors = "fac,g")

# 14. A factor beside two smooths of different sizes.
boston <- MASS::Boston[c("medv", "rm", "lstat")]
boston$rad <- factor(paste0("r", MASS::Boston$rad))
boston <- save_data("boston", boston)
add_case("boston", "boston", boston, "medv ~ s(rm, k=5, bs=\"cr\") + s(lstat, k=20, bs=\"cr\") + rad")

cat("{\n \"made_with\": ", text(paste("mgcv", packageVersion("mgcv"), "in", R.version.string)), ",\n \"cases\": [\n  ",
    paste(cases, collapse = ",\n  "), "\n ]\n}\n", sep = "", file = "cases.json")
