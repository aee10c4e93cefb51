"""Progress bars: a widget in a notebook, a line elsewhere."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class Reported(Protocol):
    """A moment of a run, as a bar shows it."""

    def describe(self) -> tuple[int, int, str]:
        """What is done, of how much, and a text that stands beside the bar."""
        ...


Moment = TypeVar("Moment", bound=Reported)


def progress_bar(total: int, unit: str = "step", desc: str = "training", *, always: bool = False) -> Any:
    """A bar of tqdm. Outside of a terminal it is shown only with `always`; in a notebook it is then a widget."""
    from tqdm.auto import tqdm

    disable = False if always else None
    return tqdm(total=total, unit=unit, desc=desc, disable=disable, leave=False, **_find_width())


def _find_width() -> dict[str, Any]:
    """The bar is as wide as the terminal; in one that does not tell its size, as in some containers, 80 letters wide."""
    if sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns == 0:
        return {"ncols": 80, "nrows": 24}
    return {"dynamic_ncols": True}


def move_bar(bar: Any, moment: Reported) -> None:
    """Moves a bar to where a run stands. The first time, what was done before does not count for its speed."""
    done, total, text = moment.describe()
    if bar.total != total:
        bar.reset(total)
        bar.initial = bar.n = done
    bar.set_postfix_str(text, refresh=False)
    bar.update(done - bar.n)
    bar.refresh()


@contextmanager
def watched(
    on_progress: Callable[[Moment], None] | None, shown: bool, unit: str, desc: str
) -> Iterator[Callable[[Moment], None] | None]:
    """`on_progress` for the block; if `shown`, it moves a bar too."""
    if not shown:
        yield on_progress
        return
    with progress_bar(0, unit, desc, always=True) as bar:

        def tell(moment: Moment) -> None:
            move_bar(bar, moment)
            if on_progress is not None:
                on_progress(moment)

        yield tell
