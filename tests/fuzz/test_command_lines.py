"""Whatever is typed, a command ends as it may: `support.endings`."""

import signal
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.classifiers import make_classifier
from support.endings import judge, new_folder, run_here, tries

from softjax.cli import sweep as sweep_command
from softjax.cli.parse import COMMANDS
from softjax.comparison import run as comparison
from softjax.datasets import cifar10
from softjax.gradcheck import check as gradcheck

pytestmark = pytest.mark.usefixtures("own_messages")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), max_size=8)
NUMBERS = ("0", "1", "2", "3", "-1", "1.5", "1e3", "1e10", "1e400", "-1e400", "nan", "inf", "-inf", "1e-320", "0x10", "1_0",
           "+3", " 3", "٣", "9" * 30, "9" * 5000, "2147483647", "2147483648", "-0", "1e", "--1", "True", "None")  # fmt: skip
RANGES = ("0.1", "0.1,1", "1:2:3", "log:1e-3:1:4", "log:0:1:3", "1:2", "1:2:1", "1:2:1e5", "1:1e308:100000", ":", "::", ",", "1,",
          "1,1", "nan,1", "log:1:2", "1:2:3:4:5", "1:inf:3", "1;2", "1 2", "2:1:3", "-1:1:3", "0:0:1", "log:1e-300:1e300:9")  # fmt: skip
NAMES = ("out", "a/b/c", "own.npz", "own", "ü", "a b", "-x", "~", "~nobody/x.npz", ".", "", " ", "x" * 300, "x" * 5000, "taken",
         "taken/", "file", "file/x", "a\nb", "\udcff", "$HOME", "%s", "{}", "'\"", "none.npz", "own.npz/", "foreign", "*")  # fmt: skip
OBJECTS = ("nowhere:loss", "math:sin", "math:", ":sin", ":", "math", "math:pi", "numpy:sum", "a:b:c", "", "mine:loss", "mine:grad",
           "mine:exit", "mine:inputs", "mine.x:y", ".:x", "mine:loss.x", "own.npz", "inputs.npz")  # fmt: skip
WRONG = st.one_of(TEXT, st.sampled_from(NUMBERS), st.sampled_from(RANGES), st.sampled_from(NAMES))


def list_options(record: type) -> dict[str, st.SearchStrategy[str] | None]:
    """The options of a command, by their words, each with what may be meant by it; None for a flag. Words without one are left out."""
    hints, found = get_type_hints(record), {}
    for field in fields(record):
        hint = hints[field.name]
        if is_dataclass(hint):
            found |= list_options(hint)
        else:
            word = "--" + field.name.replace("_", "-")
            flag = hint is bool
            if flag and field.default is True:
                word = word.replace("--", "--no-", 1)
            if field.default is not MISSING or field.default_factory is not MISSING:
                found[word] = None if flag else values_of(field.name, hint)
    return found


def values_of(name: str, hint: object) -> st.SearchStrategy[str]:
    if name == "dataset":
        return st.sampled_from(["digits", "own.npz", "own.npz", "cifar10", "synthetic", "mnist", *NAMES])
    if name in ("function", "gradient", "inputs"):
        return st.sampled_from(OBJECTS)
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([values_of(name, each) for each in get_args(hint) if each is not NoneType])
    if hint == tuple[float, ...]:
        return st.sampled_from(RANGES)
    return st.sampled_from({int: NUMBERS, float: NUMBERS, Path: NAMES}.get(hint, NAMES))


OPTIONS = {name: list_options(record) for name, record in COMMANDS.items()}


@st.composite
def command_lines(draw) -> list[str]:
    """A command with options, most of them known, most values of the right kind."""
    command = draw(
        st.sampled_from(["sweep"] * 5 + ["check"] * 2 + ["compare", "", "train", "--help", "--version"])
    )
    words = [command] * bool(command)
    if command == "sweep" and not draw(st.integers(0, 3)):
        words += ["--converge"]
    options = OPTIONS.get(command, OPTIONS["sweep"])
    for name in draw(st.lists(st.sampled_from(sorted(options)), max_size=4)):
        values, kind = options[name], draw(st.integers(0, 19))
        word = (
            name
            if kind
            else draw(
                st.sampled_from([name[1:], name + "x", name.upper(), name.replace("-", "_"), name[:-1]])
            )
        )
        value = draw(WRONG if values is None or kind in (1, 2, 3) else values)
        if values is None and kind > 3:
            words += [word]
        elif kind == 4:
            words += [word]  # its value is missing
        elif kind == 5:
            words += [f"{word}={value}"]
        else:
            words += [word, value]
    if not draw(st.integers(0, 9)):
        words.insert(
            draw(st.integers(0, len(words))),
            draw(st.one_of(WRONG, st.sampled_from(["-h", "--help", "--", "--version"]))),
        )
    return words


@pytest.fixture
def surroundings(monkeypatch):
    """No network, no other processes, the memory of a small machine; and what would take long is interrupted at its start."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt(signal.SIGINT)

    def fail(*_, **__):
        raise RuntimeError("there are no other processes")

    def refuse(*_):
        raise cifar10.DownloadError("no network")

    for module, name in (
        (sweep_command, "run_sweep"), (sweep_command, "run_path"), (gradcheck, "check_gradient"), (comparison, "compare")
    ):  # fmt: skip
        monkeypatch.setattr(module, name, interrupt)
    monkeypatch.setattr(cifar10, "_download", refuse)
    monkeypatch.setattr(jax.distributed, "initialize", fail)
    monkeypatch.setattr("softjax.memory.machine_memory", lambda: 2 * 10**9)
    monkeypatch.delenv("SOFTJAX_DATA_DIR", raising=False)


def furnish() -> None:
    """Files and folders that command lines name."""
    rng = np.random.default_rng(0)
    np.savez("own.npz", X=rng.normal(size=(60, 3)), y=np.arange(60) % 3)
    np.savez("inputs.npz", w=np.arange(3.0), X=np.eye(3), reg=0.5)
    Path("file").write_text("text")
    Path("mine.py").write_text(
        "import numpy as np\n"
        "def loss(w, X, reg): return np.sum(np.sin(X @ w)) + reg * np.sum(w ** 2)\n"
        "def grad(w, X, reg): return X.T @ np.cos(X @ w) + 2 * reg * w\n"
        "def inputs(): return np.arange(3.0), np.eye(3), 0.5\n"
        "def exit(*_): raise SystemExit(7)\n"
    )
    make_classifier(named=True).save("known.npz")
    make_classifier((1, 2, 3), 3, kind="hinge").save("hinge.npz")
    np.save("rows.npy", rng.normal(size=(20, 3)).astype(np.float32))
    Path("rows.csv").write_text("f0,f1,f2,f3,f4,label,name\n1,2,3,4,5,ant,a\n6,7,8,9,,bee,b\n")
    Path("right.csv").write_text("f4,f3,f1,f2,f0,label\n1,2,3,4,5,ant\n6,7,8,9,10,bee\n")
    for folder, name in (("taken", "run.json"), ("foreign", "thesis.tex")):
        Path(folder).mkdir()
        Path(folder, name).touch()


@pytest.mark.usefixtures("surroundings")
@tries(600)
@given(words=command_lines())
def test_what_is_typed_is_taken_or_refused(tmp_path, words):
    with new_folder(tmp_path):
        furnish()
        judge(run_here(words))


CLASSIFIERS = ["known.npz", "hinge.npz", *NAMES]
DATA = ["rows.npy", "rows.csv", "right.csv", "own.npz", "own.npz", *NAMES]


@st.composite
def predictions(draw) -> list[str]:
    """A prediction, most of its words of the right kind."""
    words = [
        "predict",
        draw(st.sampled_from(CLASSIFIERS[:2] * 20 + CLASSIFIERS)),
        draw(st.sampled_from(DATA[:5] * 8 + DATA)),
    ]
    for name in ("--label", "--id"):
        if draw(st.booleans()):
            words += [name, draw(st.sampled_from(["label", "name", "y", "f0", "X", *NUMBERS, *NAMES]))]
    flags = ("--proba", "--ignore-extra", "--overwrite")
    words += draw(st.lists(st.sampled_from(flags), max_size=3))
    return words + draw(st.sampled_from([[], ["--out", "-"], ["--out", draw(st.sampled_from(NAMES))]]))


@pytest.mark.usefixtures("surroundings")
@tries(400)
@given(words=predictions())
def test_what_is_predicted_ends_as_it_may(tmp_path, words):
    with new_folder(tmp_path):
        furnish()
        end = run_here(words)
        judge(replace(end, new=end.new if end.code else ()))  # one file, where all went well


QUICK = {
    "--learning-rates": ["1e-300", "0.1", "1,1e3", "1e30,1", "1e300", "1e308"],
    "--regs": ["0", "1e-300", "1", "1e30", "1e308"],
    "--num-iters": ["1", "3"],
    "--batch-size": ["1", "7"],
    "--init-scale": ["0", "1", "1e30", "1e-320", "1e308"],
    "--kind": ["softmax", "hinge"],
    "--optimizer": ["sgd", "momentum", "adam", "adamw"],
    "--schedule": ["cosine", "step"],
    "--penalty": ["half_l2", "l1", "elastic_net", "none"],
    "--dtype": ["float64", "bfloat16"],
    "--standardize": [None],
    "--keep-weights": ["all"],
    "--tolerance": ["1e-300", "0.999"],
    "--max-passes": ["1", "20"],
    "--halvings": ["1"],
}


@st.composite
def quick_sweeps(draw) -> list[str]:
    """A sweep or a path of a few steps on 60 examples, with values as odd as are accepted."""
    words = ["sweep", "--dataset", "own.npz", *draw(st.sampled_from([[], [], ["--converge"]]))]
    given_to_all = [] if "--converge" in words else ["--num-iters", "3"]
    chosen = {
        name: draw(st.sampled_from(QUICK[name]))
        for name in draw(st.sets(st.sampled_from(sorted(QUICK)), max_size=4))
    }
    chosen.setdefault("--regs", "0.1")
    if given_to_all:
        chosen.setdefault("--learning-rates", "0.1,1")
        chosen.setdefault("--num-iters", "3")
    return words + [word for name, value in chosen.items() for word in (name, value) if word is not None]


@tries(40, phases=[hypothesis.Phase.generate])  # a failure is small as it is
@given(words=quick_sweeps())
def test_what_is_trained_ends_as_it_may(tmp_path, words):
    with new_folder(tmp_path):
        furnish()
        judge(run_here(words))
