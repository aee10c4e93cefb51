"""How good a classifier is: metrics, intervals, whole splits on the device."""
