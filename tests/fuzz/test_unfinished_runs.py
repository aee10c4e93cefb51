"""Whatever has become of the files of an unfinished run, it is gone on from or refused in one line."""

import itertools
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.damage import damaged, damaged_npz
from support.endings import judge, new_folder, run_here, tries

from softjax.path import solve
from softjax.training import devices, plan

pytestmark = pytest.mark.usefixtures("own_messages", "without_pictures")
OUT = ("--dataset", "own.npz", "--out", "out", "--checkpoint-every", "0")
RUNS = {
    "sweep": (
        "sweep",
        *OUT,
        "--learning-rates",
        "0.1,1",
        "--regs",
        "0.1",
        "--num-iters",
        "3",
        "--chunk-size",
        "1",
    ),
    "path": ("sweep", *OUT, "--converge", "--regs", "0.001,0.01"),
}
# at which look for signals a run is interrupted: in the second chunk of the sweep, in the second strength of the path
INTERRUPTED = {"sweep": 4, "path": 10}


@pytest.fixture(scope="module", autouse=True)
def small_pieces():
    """Runs are cut into pieces as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "segment_lengths", lambda *_: [1, 2])
        patch.setattr(solve, "passes_per_call", lambda *_: 1)
        yield


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    """Folders with a sweep and a path that were interrupted after a checkpoint."""
    folders = {}
    for kind, words in RUNS.items():
        with pytest.MonkeyPatch.context() as patch:
            looks, last = itertools.count(1), INTERRUPTED[kind]
            folders[kind] = tmp_path_factory.mktemp(kind)

            def look(*_, looks=looks, last=last):
                return np.array([[signal.SIGINT if next(looks) == last else 0, 0]])

            patch.setattr(devices, "share_numbers", look)
            patch.chdir(folders[kind])
            rng = np.random.default_rng(0)
            np.savez("own.npz", X=rng.normal(size=(60, 3)), y=np.arange(60) % 3)
            end = run_here(words)
            assert end.code == 130, end
            with np.load("out.partial/state.npz") as state:
                assert state["parts" if kind == "sweep" else "minima"] == 1
    return folders


@st.composite
def changed_json(draw, content: bytes) -> bytes:
    """A JSON file in which a value is another, or its bytes are damaged."""
    if draw(st.booleans()):
        return draw(damaged(content))
    value = draw(st.sampled_from([None, [], {}, 0, -1, 1e999, "", "ü", [[]], {"config": None}, True]))
    changed = json.loads(content)
    if draw(st.booleans()):
        changed = value
    else:
        part = draw(st.sampled_from(sorted(changed)))
        if isinstance(changed[part], dict) and draw(st.booleans()):
            changed[part][draw(st.sampled_from(sorted(changed[part])))] = value
        else:
            changed[part] = value
    return json.dumps(changed).encode()


@tries(160)
@given(data=st.data(), kind=st.sampled_from(sorted(RUNS)))
def test_a_damaged_run_is_gone_on_from_or_refused(tmp_path, unfinished, data, kind):
    with new_folder(tmp_path):
        shutil.copytree(unfinished[kind], ".", dirs_exist_ok=True)
        partial = Path("out.partial")
        file = data.draw(st.sampled_from(sorted(partial.iterdir())))
        content = file.read_bytes()
        match data.draw(st.sampled_from(["damage"] * 6 + ["missing", "foreign", "folder", "link", "report"])):
            case "damage":
                change = damaged_npz if file.suffix == ".npz" else changed_json
                file.write_bytes(data.draw(change(content)))
            case "missing":
                file.unlink()
            case "foreign":
                name = data.draw(
                    st.sampled_from(["thesis.tex", ".hidden", "part-1.txt", "stage-", "ü", "a\nb"])
                )
                (partial / name).write_bytes(content)
            case "folder":
                file.unlink()
                file.mkdir()
            case "link":
                file.unlink()
                file.symlink_to(data.draw(st.sampled_from(["nowhere", file.name, "/dev/null", "."])))
            case "report":
                (partial / "report").mkdir()
        judge(run_here([*RUNS[kind], "--resume"]))
