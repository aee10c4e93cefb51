"""The pictures of sweeps and paths. Each function returns a matplotlib `Figure`, and does not use pyplot.

A notebook shows such a figure where it is the value of a cell.
"""

from softjax.plots.classes import confusion, templates
from softjax.plots.curves import loss_curves
from softjax.plots.grid import heat_map
from softjax.plots.strengths import path

__all__ = ["confusion", "heat_map", "loss_curves", "path", "templates"]
