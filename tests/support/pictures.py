"""What is drawn on a picture: its texts, those that leave the canvas, and those that lie on one another."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


@contextmanager
def without_pictures() -> Iterator[None]:
    """Reports whose pictures are laid out and empty: to draw them takes most of a report's time. tests/reports draws them."""
    with patch.object(Figure, "savefig", lambda _, file, **__: Path(file).touch()):
        yield


class Drawn(NamedTuple):
    """A text as it was drawn: its box and its canvas in pixels, its size in points."""

    text: str
    box: Bbox
    canvas: Bbox
    size: float

    @property
    def outside(self) -> bool:
        """Whether a part of it is off the canvas."""
        box, canvas = self.box, self.canvas
        return min(box.x0, box.y0, canvas.x1 - box.x1, canvas.y1 - box.y1) < 0


@contextmanager
def watch_texts() -> Iterator[list[Drawn]]:
    """The texts of all pictures that are drawn in the block, as they are drawn. What is drawn twice is there twice."""
    draw, drawn = Text.draw, []

    def draw_and_measure(self, renderer, *args, **kwargs):
        draw(self, renderer, *args, **kwargs)
        if self.get_visible() and self.get_text().strip():
            box, canvas = Text.get_window_extent(self, renderer), self.get_figure(root=True).bbox
            drawn.append(Drawn(self.get_text(), box, canvas.frozen(), self.get_fontsize()))

    with patch.object(Text, "draw", draw_and_measure):
        yield drawn


def list_texts(figure: Figure) -> list[Drawn]:
    """The texts of a picture."""
    with watch_texts() as drawn:
        FigureCanvasAgg(figure).draw()
    return drawn


def texts_outside(figure: Figure) -> list[str]:
    """The texts of a picture that leave its canvas."""
    return [each.text for each in list_texts(figure) if each.outside]


def texts_overlapping(figure: Figure) -> list[tuple[str, str]]:
    """The pairs of texts of a picture that lie on one another, by more than a pixel."""
    return [
        (one.text, other.text)
        for one, other in combinations(list_texts(figure), 2)
        if one.box.padded(-0.5).overlaps(other.box.padded(-0.5))
    ]
