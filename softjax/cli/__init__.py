"""The command line: softjax sweep | report | diff | predict | check | audit | compare | grade."""

# Little is imported before signals are handled: Ctrl-C may come while all the rest is imported.
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from softjax.cli.interrupt import handle_signals

INTERRUPTED = 128  # plus the number of the signal, as in shells


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `main` as the program of this process, and ends the process.

    Compiled programs are kept in the user's cache, so the next run with these shapes does not compile.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    one_of_several = "--distributed" in given
    with handle_signals() as stop:
        stop.at_once = True
        try:
            code = _run(given)
        except BaseException:
            if stop.requested:  # twice
                code = INTERRUPTED + stop.requested
            elif one_of_several:
                sys.excepthook(*sys.exc_info())
                code = 1
            else:
                raise
        stop.ignore()
        if code > INTERRUPTED or (code and one_of_several):
            # XLA may still compile in another thread, and then Python's ordinary exit would crash. It would also wait
            # for the other processes, which may be waiting for this one.
            os._exit(code)
        sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Runs `main` in surroundings in which it does not fail, and returns the exit code of the process."""
    from softjax.cli import surroundings
    from softjax.cli.console import say

    surroundings.prepare()
    surroundings.keep_compiled()
    try:
        try:
            code = main(arguments, surroundings.describe_program())
        except SystemExit as ending:  # after the help and after usage errors
            code = ending.code if isinstance(ending.code, int) else 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader closed the pipe, as in `softjax --help | head`
        surroundings.silence_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        say(f"softjax: error: {surroundings.explain(error)}")
        return 2


def main(arguments: Sequence[str] | None = None, program: Sequence[str] = ("softjax",)) -> int:
    """Runs a command line (that of the process by default) and returns its exit code.

    0: done; 1: a check failed; 2: an error in the input, printed in one line on stderr; 130: interrupted (143: by SIGTERM).

    **Arguments:**

    - `arguments`: the words after the program.
    - `program`: the words with which it is called; printed where it is to be called again.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with handle_signals() as stop:
        try:
            code = _execute(arguments, program)
            what = "all was done"
        except BaseException as error:
            # An interruption may come out of an import or a callback as another error.
            if not stop.requested and not isinstance(error, KeyboardInterrupt):
                raise
            stop.requested = stop.requested or signal.SIGINT
            what = "no report was written"
        if not stop.requested:
            return code
        from softjax.cli.console import say

        say(f"softjax: interrupted; {what}")
        return INTERRUPTED + stop.requested


def _execute(arguments: list[str], program: Sequence[str]) -> int:
    """Runs a command line, and prints an error in the input in one line. Returns the exit code."""
    from softjax.cli.advice import add_advice
    from softjax.cli.console import say
    from softjax.cli.parse import parse
    from softjax.errors import InputError

    if arguments == ["--version"]:
        import softjax

        print(f"softjax {softjax.__version__}")
        return 0
    try:
        command = parse(arguments)
        words = [word for word in arguments if word != "--resume"]
        code: int = command.run(shlex.join(["softjax", *words]), shlex.join([*program, *words]))
        return code
    except InputError as error:
        say(f"softjax: error: {add_advice(error)}")
        return 2
