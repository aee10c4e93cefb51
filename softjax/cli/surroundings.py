"""What a command finds around it: its streams, the terminal, the environment, JAX's devices, and how it was called.

Only programs call these functions: a library leaves all this as it is.
"""

import codecs
import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from softjax.cache import LEAST_SECONDS, find_folder
from softjax.cli.interrupt import handle_signals
from softjax.errors import InputError, in_one_line

NARROWEST = 40  # columns in which the help can be laid out
# what a terminal without these characters gets
PLAIN = {
    "×": "x", "·": "*", "•": "*", "−": "-", "–": "-", "±": "+-", "≤": "<=", "≥": ">=", "→": "->", "←": "<-", "…": "...",
    "²": "^2", "½": "1/2", "¼": "1/4", "ʰ": "^h", "√": "sqrt", "∞": "inf", "Σ": "sum ", "∇": "grad ", "‖": "||", "∂": "d",
    "β": "beta", "ε": "eps", "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma",
    "│": "|", "─": "-", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "├": "+", "┤": "+", "█": "#",
}  # fmt: skip


def prepare() -> None:
    """Makes standard streams, terminal and environment such that no command fails because of them."""
    _open_streams()
    if shutil.get_terminal_size().columns < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)
    os.environ["MPLBACKEND"] = "agg"  # pictures are only saved


def keep_compiled() -> None:
    """Has JAX, which is not imported yet, keep compiled programs in the user's cache, if that can be written.

    So do the processes that this one starts.
    """
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(LEAST_SECONDS))
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        with suppress(InputError):
            os.environ["JAX_COMPILATION_CACHE_DIR"] = str(find_folder(None))


def start_jax(join: Callable[[], None] = lambda: None) -> None:
    """Imports JAX, joins other processes if there are any, and starts its devices.

    Raises `InputError` if that fails, with the variables of the environment that it may be due to.
    """
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if flags and not flags.startswith("-") and not Path(flags).is_file():  # XLA would end the process
        raise InputError(f"XLA_FLAGS must be flags such as --xla_..., or a file of them, got {flags!r}")
    try:
        import jax

        join()
        jax.devices()
        with handle_signals() as stop:
            stop.catch()  # joining gives SIGTERM to JAX
    except InputError:
        raise
    except Exception as error:
        ours = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
        names = sorted(name for name in os.environ if name.startswith(("JAX_", "XLA_")) and name not in ours)
        given = ", ".join(f"{name}={os.environ[name]}" for name in names)
        reason = str(error).strip().split("\n")[0] or "there is no such device"
        raise InputError(f"JAX cannot start{f' with {given}' if given else ''}: {reason}") from error


def describe_program() -> list[str]:
    """The words with which this process was called, before its arguments."""
    program = Path(sys.argv[0])
    if program.suffix != ".py" and os.access(program, os.X_OK):
        found = shutil.which(program.name)
        return [program.name if found and Path(found).absolute() == program.absolute() else str(program)]
    return list(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv[1:])])


def silence_output() -> None:
    """Sends what is still in standard output's buffer to nowhere, so that the end of the process says nothing of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def explain(error: OSError) -> str:
    """What an error of the operating system is about, in one line: a file, or else standard output, which is silenced."""
    if error.filename is None:
        silence_output()
    return in_one_line(f"{error.filename or 'standard output cannot be written'}: {error.strerror or error}")


def _open_streams() -> None:
    """Opens closed standard streams on /dev/null, and has all of them write what they can of any text."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # else a file would be opened in its place
        pass
    os.close(descriptor)
    codecs.register_error("softjax", _replace)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="softjax")


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: another spelling of a character; the byte of a name that is no text."""
    assert isinstance(error, UnicodeEncodeError)
    character, end = error.object[error.start], error.start + 1
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return bytes([ord(character) - 0xDC00]), end
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return PLAIN.get(character, plain or "?"), end
