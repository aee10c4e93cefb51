"""Compares autodiff frameworks: `cases` holds the problems, `run` runs them, `report` writes the results."""
