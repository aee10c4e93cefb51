"""The regularization path: the minimum itself, for every penalty strength."""
