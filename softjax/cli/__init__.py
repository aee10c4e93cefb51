"""The command line: softjax sweep | check | compare."""

import io
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import Annotated, Any, NoReturn, Union

import platformdirs
import tyro

from softjax.cli.advice import add_advice
from softjax.cli.check import Check
from softjax.cli.compare import Compare
from softjax.cli.console import say
from softjax.cli.options import describe_command, read_ranges, show_defaults, summarize_command, wrap
from softjax.cli.sweep import Sweep
from softjax.errors import InputError

INTERRUPTED = 128  # plus the number of the signal, as in shells
DESCRIPTION = (
    "Trains linear classifiers for many learning rates, penalty strengths and seeds at once, checks gradients, and "
    "compares autodiff frameworks."
)

COMMANDS: dict[str, type] = {"sweep": Sweep, "check": Check, "compare": Compare}


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `main` as the program of this process, and ends the process.

    Compiled programs are kept in the user's cache, so the next run with these shapes does not compile.
    """
    os.environ.setdefault(
        "JAX_COMPILATION_CACHE_DIR", str(platformdirs.user_cache_path("softjax") / "compiled")
    )
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    one_of_several = "--distributed" in (sys.argv[1:] if arguments is None else arguments)
    try:
        code = main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe, as in `softjax --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except BaseException as error:
        if not one_of_several:
            raise
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    if code > INTERRUPTED or (code and one_of_several):
        sys.stdout.flush()
        sys.stderr.flush()
        # XLA may still compile in another thread, and then Python's ordinary exit would crash. It would also wait for
        # the other processes, which may be waiting for this one.
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process by default) and returns its exit code.

    0: done; 1: a check failed; 2: an error in the input, printed in one line on stderr; 130: interrupted (143: by SIGTERM).
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        import softjax

        print(f"softjax {softjax.__version__}")
        return 0
    try:
        command = _parse(arguments)
        code: int = command.run(shlex.join(["softjax", *arguments]))
        return code
    except InputError as error:
        say(f"softjax: error: {add_advice(error)}")
        return 2
    except KeyboardInterrupt as interruption:
        say("softjax: interrupted; no report was written")
        return INTERRUPTED + (interruption.args[0] if interruption.args else signal.SIGINT)


def _parse(arguments: list[str]) -> Any:
    """The command. Raises `InputError` for invalid values, and `SystemExit` after the help and after usage errors."""
    parse = partial(
        tyro.cli,
        description="",  # printed below, because the parser does not wrap it
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
        registry=read_ranges(),
    )
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is not None:
        text = describe_command(command)
        parse = partial(parse, show_defaults(command), prog=f"softjax {arguments[0]}", args=arguments[1:])
    else:
        text = wrap(DESCRIPTION)
        parse = partial(parse, _overview(), prog="softjax", args=arguments)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return parse()
    except SystemExit as ending:
        # The parser turns our errors into its own usage errors. Our message is clearer.
        reason: BaseException | None = ending
        while reason is not None:
            if isinstance(reason, InputError):
                raise reason from None
            reason = reason.__context__
    if {"-h", "--help"} & set(arguments):
        print(f"{text}\n")
    return parse()  # an error of the parser's own: parse again, with its output


def _overview() -> Any:
    """All commands, with one line for each."""
    union: Any = Union
    return union[
        tuple(
            Annotated[command, tyro.conf.subcommand(name, description=summarize_command(command))]
            for name, command in COMMANDS.items()
        )
    ]
