"""What all pictures have in common: their colours, their size on a page, and how they are saved. pyplot is not used.

A page shows a picture 830 pixels wide, so at WIDTH inches a point of type is 1.4 pixels.
"""

import io
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path

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
        _cut_title(make_drawable(title, LONGEST_TITLE), 72 * (width - 0.2)),
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
