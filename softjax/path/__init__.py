"""The regularization path: the minimum of the objective for every penalty strength, by full-batch L-BFGS."""
