"""The colours of pictures are told apart by readers who see red and green, or blue and yellow, alike; and they are seen on white."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE
from matplotlib.colors import to_rgb

from softjax.comparison.pictures import LOOKS
from softjax.drawing import COLOR_MAP, SERIES, VERMILION
from softjax.plots.classes import DIVERGING

KINDS = ("deuteranomaly", "protanomaly", "tritanomaly")
LEAST_DIFFERENCE = 10  # of CAM02-UCS, where 1 is just noticeable side by side
LINES = (VERMILION, *SERIES)


def see(color, kind):
    """A colour as it looks to a reader who lacks a kind of cones, after Machado et al. (2009)."""
    space = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
    return np.clip(cspace_convert(to_rgb(color), space, "sRGB1"), 0, 1)


def luminance(color):
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    """The ratio of WCAG 2.1: from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colors", [LINES, [look.color for look in LOOKS.values()]], ids=["lines", "levels"])
def test_colours_of_one_picture_differ(colors, kind):
    seen = {color: see(color, kind) for color in colors}
    near = {
        pair: round(float(deltaE(*(seen[color] for color in pair), input_space="sRGB1")), 1)
        for pair in combinations(colors, 2)
    }
    assert min(near.values()) > LEAST_DIFFERENCE, near


@pytest.mark.parametrize("color", LINES)
def test_lines_are_seen_on_white(color):
    assert contrast(color, "white") >= 3  # of graphics: WCAG 2.1, 1.4.11


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_signs_are_read_on_their_colour(look):
    assert contrast(look.color, look.ink) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_accuracy_is_lighter(kind):
    colors = matplotlib.colormaps[COLOR_MAP](np.linspace(0, 1, 32))[:, :3]
    lightness = [cspace_convert(see(color, kind), "sRGB1", "CAM02-UCS")[0] for color in colors]
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_positive_and_negative_weights_differ(kind):
    low, high = (see(color[:3], kind) for color in matplotlib.colormaps[DIVERGING]([0.1, 0.9]))
    assert deltaE(low, high, input_space="sRGB1") > 3 * LEAST_DIFFERENCE
