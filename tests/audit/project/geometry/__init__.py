"""A made-up package with twenty derivative rules."""
