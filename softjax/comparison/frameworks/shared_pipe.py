"""Libraries of other languages: programs that are built on first use, and asked over a pipe.

The protocol is documented in docs/guide/comparison_protocol.md.
"""

import atexit
import contextlib
import hashlib
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from softjax.cache import find_folder
from softjax.comparison.frameworks.protocol import NotOffered, Prepared, Problem

SOURCES = Path(__file__).parents[1] / "programs"
SECONDS_TO_END = 2.0

Arrays = Mapping[str, np.ndarray]


class CompileError(RuntimeError):
    """A program cannot be built. The message is a line of the compiler."""


class ProgramEnded(SystemExit):
    """A program ended instead of answering. It takes this process with it, as a crash of a library inside it would.

    The code is that of shells: 128 + the number of the signal, or the program's own.
    """


def build(name: str, *steps: tuple[str, ...], version: str | None = None) -> Path:
    """Compiles a program, or finds it in the user's cache.

    **Arguments:**

    - `steps`: commands of compilers, which run one after the other in an empty folder; the last one writes `program`.
    - `version`: that of the library; like the sources, the steps and the compiler it tells which programs are the same.

    Raises `CompileError`.
    """
    key = hashlib.sha256(repr((steps, version)).encode())
    for compiler in sorted({step[0] for step in steps}):
        # the compiler's version, and the processor that "native" stands for
        told = _run((compiler, "-march=native", "-v", "-E", "-x", "c", os.devnull), os.curdir)
        key.update(told.stderr.encode())
    for source in sorted(path for path in SOURCES.iterdir() if path.is_file()):
        key.update(source.name.encode() + source.read_bytes())
    program = find_folder(None) / "programs" / f"{name}-{key.hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent, prefix=f"{name}-") as scratch:
            for step in steps:
                done = _run(step, scratch)
                if done.returncode != 0:
                    raise CompileError(_find_error(done.stderr) or f"{step[0]}: exit code {done.returncode}")
            os.replace(Path(scratch) / "program", program)  # whole, whoever else builds it
    return program


def _find_error(text: str) -> str:
    """The first line of a compiler or linker that says what is wrong, or the last one."""
    lines = text.strip().split("\n")
    return next(
        (line for line in lines if re.search("error:|cannot find|undefined reference", line)), lines[-1]
    )


def _run(command: tuple[str, ...], folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False
    )


class Session:
    """A program that runs beside this process until this one ends, and holds one problem at a time.

    **Fields:**

    - `dtypes`: the types of its arithmetic, the first one for problems of another type.
    - `problem`: stands for the problem that it holds.
    """

    def __init__(self, command: tuple[str, ...], variables: Mapping[str, str]) -> None:
        """Starts it in an empty folder, with these variables in its environment."""
        self.folder = tempfile.TemporaryDirectory(prefix="softjax-program-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self.folder.name,
            env=os.environ | dict(variables),
        )
        atexit.register(self.end)
        self.problem: object = None
        self.dtypes: list[str] = self.ask({"do": "hello"})[0]["dtypes"]

    def ask(self, question: dict[str, Any], arrays: Arrays | None = None) -> tuple[Any, list[np.ndarray]]:
        """The answer to a question, and the arrays that come with it.

        Raises an exception whose type has the name that the program says; `NotOffered`; `ProgramEnded`.
        """
        assert self.process.stdin is not None
        parts = [_to_little_endian(a) for a in (arrays or {}).values()]
        declared = [
            {"name": name, "dtype": part.dtype.name, "shape": list(part.shape)}
            for name, part in zip(arrays or {}, parts, strict=True)
        ]
        line = json.dumps(question | ({"arrays": declared} if declared else {}), allow_nan=False)
        try:
            self.process.stdin.write(line.encode() + b"\n")
            for part in parts:
                self.process.stdin.write(part.tobytes())
            self.process.stdin.flush()
        except BrokenPipeError:
            self._say_how_it_ended()
        answer = self._read_answer()
        found = [self._read_array(np.dtype(a["dtype"]), a["shape"]) for a in answer.get("arrays", ())]
        if "error" in answer:
            raise type(answer["error"], (RuntimeError,), {})(answer.get("message", ""))
        if "not offered" in answer:
            raise NotOffered(answer["not offered"])
        return answer, found

    def _read_answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            self._say_how_it_ended()
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RuntimeError(f"expected a line with an object of JSON, got {line[:80]!r}")
        return answer

    def _read_array(self, dtype: np.dtype, shape: list[int]) -> np.ndarray:
        assert self.process.stdout is not None
        size = math.prod(shape) * dtype.itemsize
        held = self.process.stdout.read(size)
        if len(held) < size:
            self._say_how_it_ended()
        return np.frombuffer(held, dtype.newbyteorder("<")).astype(dtype).reshape(shape)

    def _say_how_it_ended(self) -> NoReturn:
        code = self.process.wait()
        raise ProgramEnded(128 - code if code < 0 else code)

    def end(self) -> None:
        """Lets the program end, as it does when its input ends; kills it if it does not."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


_sessions: dict[tuple[str, ...], Session] = {}


def find_session(command: tuple[str, ...], variables: Mapping[str, str]) -> Session:
    """The program that this command started in this process; it is started if it does not run."""
    session = _sessions.get(command)
    if session is None or session.process.poll() is not None:
        session = _sessions[command] = Session(command, variables)
    return session


def prepare_program(problem: Problem, *command: str, variables: Mapping[str, str] | None = None) -> Prepared:
    """The problem in the program that `command` starts, with `variables` in its environment.

    A result must be read before the next is computed, and before the next problem is prepared.
    """
    session = find_session(command, variables or {})
    dtype = np.dtype(problem.dtype if problem.dtype in session.dtypes else session.dtypes[0])
    session.problem = None
    session.ask(_describe(problem), _collect(problem, dtype))
    held = session.problem = object()
    computed, seconds = 0, math.nan

    def ask(question: dict[str, Any], arrays: Arrays | None = None) -> tuple[Any, list[np.ndarray]]:
        if session.problem is not held:
            raise RuntimeError("the program holds another problem by now")
        return session.ask(question, arrays)

    def loss_and_grad(place: int) -> tuple[int, int]:
        nonlocal computed, seconds
        seconds = ask({"do": "loss_and_grad", "id": place})[0]["seconds"]
        computed += 1
        return computed, computed

    def read(result: tuple[int, int]) -> tuple[Any, np.ndarray]:
        if result[0] != computed:
            raise RuntimeError("the program holds another result by now")
        loss, grad = ask({"do": "read"})[1]
        return loss[()], grad

    return Prepared(
        place=lambda W: ask({"do": "place"}, {"W": W.astype(dtype)})[0]["id"],
        loss_and_grad=loss_and_grad,
        to_numpy=read,
        read_loss=lambda result: float(read((result, result))[0]),
        read_clock=lambda: seconds,
    )


def _describe(problem: Problem) -> dict[str, Any]:
    """The numbers of a problem. JSON has no infinity and no NaN: these are texts."""
    numbers = {"l1": problem.l1, "l2": problem.l2, "label_smoothing": float(problem.label_smoothing)}
    return {
        "do": "prepare",
        "ignore_index": problem.ignore_index,
        **{name: value if math.isfinite(value) else json.dumps(value) for name, value in numbers.items()},
    }


def _collect(problem: Problem, dtype: np.dtype) -> Arrays:
    """The arrays of a problem: all in `dtype`, except for integer labels."""
    integers = problem.y.dtype.kind in "iu"
    arrays = {"X": problem.X.astype(dtype), "y": problem.y.astype(np.int64 if integers else dtype)}
    if problem.ignore_index is not None and not problem.soft:
        arrays["labels"] = problem.labels.astype(np.int64)
    if problem.weights is not None:
        arrays["w"] = problem.weights.astype(dtype)
    if problem.targets is not None:
        arrays["T"] = problem.targets.astype(dtype)
    return arrays


def _to_little_endian(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(a.shape)
