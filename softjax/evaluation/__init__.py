"""Metrics of a classifier, their confidence intervals, and the evaluation of whole splits on the device."""
