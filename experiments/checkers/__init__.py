"""Gradient checkers side by side, on real functions of many libraries with right gradients and planted faults."""
