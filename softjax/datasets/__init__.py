"""Data sets: CIFAR-10, the digits, synthetic examples, and arrays of the user."""
