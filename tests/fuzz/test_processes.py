"""A whole process ends as it may, whatever its arguments, its data, its locale, its streams, and the signals that it gets."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.damage import damaged_npz, pack, to_npy
from support.endings import End, judge, list_files, list_new, new_folder, tries
from support.processes import LIMIT

from softjax.cli import main  # noqa: F401  # compiled before the first process is timed

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


@tries(50, phases=[hypothesis.Phase.generate])
@given(circumstances())
def test_a_process_ends_as_it_may(tmp_path, given):
    words, content, locale, streams, number, seconds = given
    with new_folder(tmp_path) as folder:
        Path("own.npz").write_bytes(content)
        Path("tmp").mkdir()
        before = list_files(folder)
        command = [sys.executable, "-m", "softjax", *map(os.fsencode, words)]
        environment = {"PYTHONWARNINGS": "default"} | os.environ | {"TMPDIR": str(folder / "tmp")} | locale
        with open_output(streams) as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env=environment
            )
            if number is not None:
                time.sleep(seconds)
                process.send_signal(number)
