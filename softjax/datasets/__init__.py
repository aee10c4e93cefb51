"""Data sets: CIFAR-10, the digits, synthetic ones, and the user's own arrays."""
