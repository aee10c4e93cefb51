"""The parser of the command line: which command it is, and its options."""

import io
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import Annotated, Any, Union, get_type_hints

import tyro

from softjax.cli.audit import Audit
from softjax.cli.check import Check
from softjax.cli.compare import Compare
from softjax.cli.diff import Diff
from softjax.cli.grade import Grade
from softjax.cli.options import describe_command, read_values, show_defaults, summarize_command, wrap
from softjax.cli.predict import Predict
from softjax.cli.report import Report
from softjax.cli.sweep import Sweep
from softjax.datasets.config import DataConfig
from softjax.errors import InputError

DESCRIPTION = (
    "Trains linear classifiers for many learning rates, penalty strengths and seeds at once; checks gradients; compares "
    "autodiff frameworks."
)

COMMANDS: dict[str, type] = {
    "sweep": Sweep,
    "report": Report,
    "diff": Diff,
    "predict": Predict,
    "check": Check,
    "audit": Audit,
    "compare": Compare,
    "grade": Grade,
}


def parse(arguments: list[str]) -> Any:
    """The command. Raises `InputError` for invalid values, and `SystemExit` after the help and after usage errors."""
    read = partial(
        tyro.cli,
        description="",  # printed below, because the parser does not wrap it
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
        registry=read_values(),
    )
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is not None:
        text = describe_command(command)
        read = partial(read, show_defaults(command), prog=f"softjax {arguments[0]}", args=arguments[1:])
    else:
        text = wrap(DESCRIPTION)
        read = partial(read, _overview(), prog="softjax", args=arguments)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return read()
    except SystemExit as ending:
        # The parser turns our errors into its own usage errors. Our message is clearer.
        reason: BaseException | None = ending
        while reason is not None:
            if isinstance(reason, InputError):
                raise reason from None
            reason = reason.__context__
        word = arguments[1] if command is not None and len(arguments) > 1 else "-"
        if ending.code and not word.startswith("-") and DataConfig in get_type_hints(command).values():
            raise InputError(f"{word!r} is no option: a data set is given as --dataset {word}") from None
    if {"-h", "--help"} & set(arguments):
        print(f"{text}\n")
    return read()  # an error of the parser's own: parse again, with its output


def _overview() -> Any:
    """All commands, with one line for each."""
    union: Any = Union
    return union[
        tuple(
            Annotated[command, tyro.conf.subcommand(name, description=summarize_command(command))]
            for name, command in COMMANDS.items()
        )
    ]
