# glmnet's path of ridge penalties for the comparison in convergence.py: FOLDER THRESHOLD N F K R. The intercept is not penalized.
suppressMessages(library(glmnet))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
threshold <- as.numeric(arguments[2])
size <- as.integer(arguments[-(1:2)])
read <- function(name, what, n, bytes) readBin(file.path(folder, name), what, n, size = bytes)
X <- matrix(read("X.bin", "double", size[1] * size[2], 8), size[1])
y <- factor(read("y.bin", "integer", size[1], 4))
regs <- read("regs.bin", "double", size[4], 8)
# Without larger strengths before it, the path can start far from the minimum, and stay there.
before <- exp(seq(log(1000 * regs[1]), log(1.2 * regs[1]), length.out = 20))
invisible(glmnet.control(fdev = 0, devmax = 1)) # otherwise it leaves out the smallest strengths
seconds <- system.time(
  fit <- glmnet(X, y, family = "multinomial", alpha = 0, lambda = c(before, regs), standardize = FALSE, thresh = threshold, maxit = 1e8)
)[["elapsed"]]
coefficients <- coef(fit, s = regs)
weights <- sapply(seq_along(regs), function(r) sapply(coefficients, function(W) as.numeric(W[, r])))
writeBin(as.numeric(weights), file.path(folder, "weights.bin"))
writeLines(format(seconds, digits = 6), file.path(folder, "seconds.txt"))
