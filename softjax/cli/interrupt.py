"""Ctrl-C and SIGTERM. A request to stop is never lost, and waits where work would be lost."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

RETRY_SECONDS = 0.02
INTERRUPTED_TEXT = b"softjax: interrupted; no report was written\n"


class Stop:
    """What signals have asked of a command. What a signal does depends on what there is to lose:

    - nothing (`at_once`): it ends the process. An exception in the middle of an import can crash it instead.
    - files that have to be cleared away: it raises `KeyboardInterrupt` with its number.
    - a result (`deferred`): the first signal is only stored, for the command to look at; a second one raises.

    Python ignores exceptions in some callbacks, such as those of the garbage collector, which JAX uses. An interruption
    that is ignored there is raised again, shortly afterwards.
    """

    def __init__(self) -> None:
        self.requested = 0
        """the signal's number, 0 before"""
        self.at_once = False
        self.deferred = False
        self._earlier: dict[int, Any] = {}

    def install(self) -> None:
        """Handles the signals from now on, if this is the main thread."""
        self._earlier = self.catch()
        self._hook, sys.unraisablehook = sys.unraisablehook, self._report

    def catch(self) -> dict[int, Any]:
        """Sets the handlers, also again after a library has set its own, and returns the earlier ones."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        handlers = {
            signal.SIGINT: self._note,
            signal.SIGTERM: self._note,
            signal.SIGALRM: self._raise_again,
        }
        return {number: signal.signal(number, each) for number, each in handlers.items()}

    def remove(self) -> None:
        """Puts the earlier handlers back."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = self._hook
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """Ignores the signals from now on: the command ends, and nothing is left to stop."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in self._earlier:
            signal.signal(number, signal.SIG_IGN)
        self._earlier = {}  # which are not put back

    def raise_request(self) -> None:
        """Raises `KeyboardInterrupt` for the signal that is stored."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt(self.requested)

    def _note(self, number: int, _: Any) -> None:
        if self.at_once:
            with suppress(Exception):  # what the signal may have interrupted
                sys.stdout.flush()
            with suppress(OSError):
                os.write(2, INTERRUPTED_TEXT)
            os._exit(128 + number)
        again, self.requested = self.requested, number
        if again or not self.deferred:
            raise KeyboardInterrupt(number)
        with suppress(OSError):  # not print, which the signal may have interrupted
            os.write(2, b"\nstopping as soon as nothing is lost; again stops at once\n")

    def _raise_again(self, *_: Any) -> None:
        if self.requested and not self.deferred:
            raise KeyboardInterrupt(self.requested)

    def _report(self, ignored: Any) -> None:
        if isinstance(ignored.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)  # by then the callback has returned
        else:
            self._hook(ignored)


_active: list[Stop] = []  # signals belong to the process


@contextmanager
def handle_signals() -> Iterator[Stop]:
    """Handles the signals in the block. Within such a block, it is the `Stop` of the outer one."""
    if _active:
        yield _active[-1]
        return
    stop = Stop()
    _active.append(stop)
    stop.install()
    try:
        yield stop
    finally:
        _active.remove(stop)
        stop.remove()


@contextmanager
def unwind() -> Iterator[Stop]:
    """In the block a signal raises, so that the blocks within it can clear away what they wrote."""
    with handle_signals() as stop:
        earlier, stop.at_once = stop.at_once, False
        try:
            yield stop
        finally:
            stop.at_once = earlier
