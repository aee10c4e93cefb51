"""A whole process ends as it may, whatever its arguments, its data, its locale, its streams, and the signals that it gets."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hypothesis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.damage import damaged_npz, pack, to_npy
from support.endings import HANG, End, judge, list_files, list_new, new_folder, tries

DATA = {"X.npy": to_npy(np.random.default_rng(0).normal(size=(60, 3))), "y.npy": to_npy(np.arange(60) % 3)}
SMALL = ("sweep", "--dataset", "own.npz", "--learning-rates", "0.1", "--regs", "0.1", "--num-iters", "3")
COMMANDS = (
    SMALL, SMALL, ("sweep", "--dataset", "own.npz", "--converge", "--regs", "0.1"), ("check", "--dataset", "own.npz"),
    ("--help",), ("sweep", "--help"), ("--version",), (), ("sweep", "--nonsense"), ("sweep", "--num-iters", "ü"),
    ("sweep", "--out", "\udcff"), (*SMALL, "--out", "ü"), (*SMALL, "--out", "x" * 300), ("check", "--regs", "-1"),
    ("compare", "--cases", "\udcff"), ("sweep", "--dataset", "\udce4.npz"),
)  # fmt: skip
LOCALES = ({}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, {"LC_ALL": "nonsense"}, {"PYTHONIOENCODING": "ascii"},
           {"LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"TERM": "dumb"}, {"COLUMNS": "1"})  # fmt: skip
# a shell closes a stream and becomes the command
CLOSE = {"closed": ("sh", "-c", 'exec "$0" "$@" >&-'), "no input": ("sh", "-c", 'exec "$0" "$@" <&-')}
STREAMS = ("whole", "whole", "whole", "closed", "full", "no reader", "no input")


@st.composite
def circumstances(draw):
    content = pack(DATA)
    return (
        draw(st.sampled_from(COMMANDS)),
        draw(damaged_npz(content)) if not draw(st.integers(0, 2)) else content,
        draw(st.sampled_from(LOCALES)),
        draw(st.sampled_from(STREAMS)),
        draw(st.sampled_from([None, None, signal.SIGINT, signal.SIGTERM])),
        draw(st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0])),
    )


@tries(24, phases=[hypothesis.Phase.generate])  # a process takes seconds; a failure is small as it is
@given(circumstances=circumstances())
def test_a_process_ends_as_it_may(tmp_path, circumstances):
    words, content, locale, streams, number, seconds = circumstances
    with new_folder(tmp_path) as folder:
        Path("own.npz").write_bytes(content)
        Path("tmp").mkdir()
        before = list_files(folder)
        environment = (
            os.environ | {"TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(tmp_path / "cache")} | locale
        )
        command = [*CLOSE.get(streams, ()), sys.executable, "-m", "softjax", *map(os.fsencode, words)]
        with open_streams(streams) as pipes, subprocess.Popen(command, env=environment, **pipes) as process:
            if number is not None:
                time.sleep(seconds)
                process.send_signal(number)
            try:
                out, err = process.communicate(timeout=HANG)
                code, hung = process.returncode, False
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                code, hung = None, True
        texts = ((text or b"").decode(errors="replace") for text in (out, err))
        end = End(
            (*words, *locale, streams, str(number)), folder, code, *texts, list_new(folder, before), (), hung
        )
        if code in (-signal.SIGINT, -signal.SIGTERM) and number is not None and not err:
            return  # it had not begun to handle signals
        if streams == "no reader" and code == 128 + signal.SIGPIPE:
            return  # as other programs end
        judge(end)


@contextmanager
def open_streams(kind: str):
    """The standard streams of a process, as `subprocess.Popen` takes them."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with ExitStack() as stack:
        if kind == "full":
            pipes["stdout"] = stack.enter_context(Path("/dev/full").open("wb"))
        elif kind == "no reader":
            reading, writing = os.pipe()
            os.close(reading)
            pipes["stdout"] = stack.enter_context(os.fdopen(writing, "wb", buffering=0))
        yield pipes
