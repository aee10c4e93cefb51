"""The regularization path: the minimum of the objective for every penalty strength, by Newton's method."""
