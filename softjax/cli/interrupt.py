"""Handles Ctrl-C and SIGTERM, which end a run between two segments."""

import os
import signal
import sys
import threading
from typing import Any


class Stop:
    """Handles signals: during a segment the first signal stops the run after the segment; any other stops it at once.

    The signal is also stored in `requested`. This is needed because Python ignores exceptions in callbacks of its garbage
    collector, and JAX has such callbacks; without it the run would go on.
    """

    requested = 0
    """the signal's number"""
    in_segment = False

    def __enter__(self) -> "Stop":
        self._earlier = {}
        if threading.current_thread() is threading.main_thread():
            self._earlier = {
                number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)
            }
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._report
        return self

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._hook
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _report(self, ignored: Any) -> None:
        """An ignored interruption is not printed: it is stored."""
        if not isinstance(ignored.exc_value, KeyboardInterrupt):
            self._hook(ignored)

    def __call__(self, number: int, _: Any) -> None:
        again, self.requested = self.requested, number
        if again or not self.in_segment:
            raise KeyboardInterrupt(number)
        # not print, which the signal may have interrupted
        os.write(2, b"\nstopping after this segment\n")
