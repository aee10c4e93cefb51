"""What a classifier has learnt of each class: its templates, and which classes it confuses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from softjax.drawing import (
    COLOR_MAP,
    SMALL,
    label_bar,
    make_drawable,
    start_picture,
    tidy_axes,
)

LONGEST_NAME = 24  # letters of a class name
DIVERGING = "RdBu_r"  # zero is white; red and blue differ for colour-blind readers


def templates(
    W: Float[np.ndarray, "D K"], class_names: Sequence[str], image_shape: tuple[int, ...], title: str
) -> Figure:
    """The weights of each class as an image, without the bias. All have the same scale.

    Grey images with weights of both signs are drawn in red and blue, with zero in white. Others range from the smallest value
    (black) to the largest.
    """
    images, colors = scale_templates(W, image_shape)
    columns = min(5, len(images))
    rows = -(-len(images) // columns)
    figure = start_picture(title, 1.75 * rows + 0.5, max(1.66 * columns, 4.0))
    for axes, image, name in zip(
        figure.subplots(rows, columns, squeeze=False).flat, images, class_names, strict=False
    ):
        axes.imshow(image, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(make_drawable(name, 18), fontsize=SMALL + 1, parse_math=False)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def scale_templates(
    W: Float[np.ndarray, "D K"], image_shape: Sequence[int]
) -> tuple[Float[np.ndarray, "K ..."], str]:
    """The weights of each class as an image with values from 0 to 1, and the colour map of those that are grey."""
    images = W[:-1].T.astype(np.float64).reshape(-1, *image_shape)
    low, high = images.min(), images.max()
    signed = (len(image_shape) == 2 or image_shape[-1] == 1) and low < 0 < high
    if signed:
        high = max(-low, high)
        low = -high
    return (images - low) / max(high - low, np.finfo(np.float64).tiny), DIVERGING if signed else "gray"


def confusion(counts: Int[np.ndarray, "K K"], class_names: Sequence[str], title: str) -> Figure:
    """A confusion matrix: the number of examples of each class (row) in each predicted class. The colour is the row share."""
    num_classes = len(class_names)
    size = min(max(4.5, 0.55 * num_classes + 1.5), 9.0)
    figure = start_picture(title, size, size + 1.3)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    top = shares.max() or 1.0
    image = axes.imshow(shares, cmap=COLOR_MAP, vmin=0, vmax=top)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    label_bar(bar, "share of the true class")
    axes.set(xlabel="predicted class", ylabel="true class")
    tidy_axes(axes)
    if num_classes <= 30:
        names = [make_drawable(name, LONGEST_NAME) for name in class_names]
        slant = 45 if max(map(len, names)) > 2 else 0
        plain: dict[str, Any] = {"parse_math": False, "fontsize": SMALL}
        axes.set_xticks(range(num_classes), names, rotation=slant, ha="right" if slant else "center", **plain)
        axes.set_yticks(range(num_classes), names, **plain)
        for i, j in np.argwhere(counts):
            color = "white" if shares[i, j] < 0.6 * top else "black"
            text = str(counts[i, j])
            axes.text(
                j, i, text, ha="center", va="center", fontsize=SMALL if num_classes <= 15 else 5, color=color
            )
    return figure
