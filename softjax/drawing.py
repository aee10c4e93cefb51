"""What all pictures have in common: their colours, their size on a page, and how they are saved. pyplot is not used.

A page shows a picture 830 pixels wide, so at WIDTH inches a point of type is 1.4 pixels.
"""

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

WIDTH = 8.3  # inches
DPI = 200  # two pixels for each of the page, for screens that have them
SHOWN_DPI = 100  # of a picture in a notebook
SMALL, MEDIUM, LARGE = 8, 9, 10  # points
# of Okabe and Ito's palette, whose colours differ for colour-blind readers too (Color Universal Design, 2008)
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
BLACK, GREY = "#000000", "#5f5f5f"
SERIES = (BLUE, GREEN, PURPLE, BLACK, GREY)  # of lines beside the one that is spoken of, which is VERMILION
MARKERS = "osD^v<>P"
COLOR_MAP = "viridis"  # lightness increases monotonically: readable in grey, and for colour-blind readers
LONGEST_TITLE = 120  # letters
TITLE: dict[str, Any] = {"fontsize": LARGE, "fontweight": "bold"}


class Picture(Figure):
    """A figure that a notebook shows by itself: those of pyplot are shown by its inline backend."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=SHOWN_DPI)
        return stream.getvalue()


def start_picture(title: str, height: float, width: float = WIDTH) -> Picture:
    """An empty picture with its title, in inches. Whatever is drawn is kept inside of it."""
    layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.06, hspace=0.06)
    picture = Picture(figsize=(width, height), layout=layout)
    picture.suptitle(
        _cut_title(make_drawable(title, LONGEST_TITLE), 72 * (width - 0.4)),
        x=0.01,
        ha="left",
        parse_math=False,
        **TITLE,
    )
    return picture


def _cut_title(text: str, most: float) -> str:
    """`text`, or its beginning, so that it is at most so many points wide."""
    font = FontProperties(size=LARGE, weight="bold")
    while text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] > most:
        text = text[:-2] + "…"
    return text


def tidy_axes(axes: Axes, *, grid: str = "") -> Axes:
    """Small type, no frame at the top and right; lines of a grid along "x", "y" or "both", behind what is drawn."""
    axes.tick_params(labelsize=SMALL)
    axes.xaxis.label.set_fontsize(SMALL + 0.5)
    axes.yaxis.label.set_fontsize(SMALL + 0.5)
    axes.title.set_fontsize(MEDIUM)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color="0.92")  # type: ignore[arg-type]
    return axes


def label_logarithms(axis: Axis) -> None:
    """Labels 1, 2, 5, 10, 20, … on a logarithmic axis; over more than two decades and a half the powers of ten alone.

    The limits of the axis are those that it keeps.
    """
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def label_bar(bar: Colorbar, label: str) -> None:
    """Names a colour bar, in the type of an axis."""
    bar.set_label(label, fontsize=SMALL + 0.5)
    bar.ax.tick_params(labelsize=SMALL)


def save_picture(figure: Figure, folder: Path, name: str, *, vector: bool = False) -> None:
    """Writes NAME.png, and with `vector` NAME.svg beside it. The same picture gives the same files."""
    figure.savefig(folder / f"{name}.png", dpi=DPI)
    if vector:
        with rc_context({"svg.hashsalt": name}):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def make_drawable(text: str, most: int) -> str:
    """`text` in one line of at most `most` letters. � stands for letters that the font lacks."""
    drawable: Any = get_font(findfont(FontProperties())).get_charmap()
    line = "".join(letter if ord(letter) in drawable else "�" for letter in " ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, float, str, str]], height: float, *, bold: Collection[str] = ()
) -> None:
    """Names lines at their right ends, beside the axes, one below the other: in place of a legend.

    **Arguments:**

    - `ends`: (x, y, text, colour) of each line. The limits and scales of the axes are those that they keep.
    - `height`: of the axes, in inches, about: the labels are a line apart.
    - `bold`: the texts in bold type, which have the colour of their lines.
    """
    if not ends:
        return
    to_share = axes.transData + axes.transAxes.inverted()
    shares = [float(to_share.transform((x, y))[1]) for x, y, _, _ in ends]
    for (x, y, text, color), at in zip(ends, spread(shares, 1.35 * SMALL / 72 / height), strict=True):
        axes.annotate(
            text, (x, y), (1.05, at), textcoords="axes fraction", va="center", fontsize=SMALL,
            color=color if text in bold else "0.15", fontweight="bold" if text in bold else "normal",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 1.2, "shrinkA": 1, "shrinkB": 3},
            annotation_clip=False, parse_math=False,
        )  # fmt: skip


def spread(values: Sequence[float], gap: float) -> list[float]:
    """The numbers nearest to `values`, in their order, that are at least `gap` apart.

    Examples:
        >>> spread([1.0, 5.0, 1.0], 1.0)
        [0.5, 5.0, 1.5]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    blocks: list[tuple[float, int]] = []  # of numbers that touch: the first one, and how many
    for index in order:
        first, number = values[index], 1
        while blocks and blocks[-1][0] + gap * blocks[-1][1] > first:
            before, more = blocks.pop()
            first = (before * more + (first - gap * more) * number) / (more + number)
            number += more
        blocks.append((first, number))
    places = [first + gap * k for first, number in blocks for k in range(number)]
    return [places[order.index(index)] for index in range(len(values))]
