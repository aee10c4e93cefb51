"""Whatever a .npz file holds, it is read or refused in one line."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.damage import damaged_npz, data_arrays, pack, to_npy
from support.endings import judge, new_folder, run_here, tries

from softjax import Dataset, InputError, load_dataset

pytestmark = pytest.mark.usefixtures("own_messages")


@st.composite
def npz_files(draw) -> bytes:
    """A .npz file: most are damaged, or hold arrays that cannot be used."""
    members = {f"{name}.npy": to_npy(array) for name, array in draw(data_arrays()).items()}
    content = pack(members, draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
    return draw(damaged_npz(content)) if draw(st.integers(0, 2)) else content


@tries(500)
@given(content=npz_files(), seed=st.integers(0, 3))
def test_a_file_is_a_data_set_or_is_refused_in_one_line(tmp_path, content, seed):
    with new_folder(tmp_path):
        Path("own.npz").write_bytes(content)
        try:
            dataset = load_dataset("own.npz", split_seed=seed)
        except InputError as error:
            assert "own.npz" in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        else:
            assert isinstance(dataset, Dataset)
            for split in (dataset.train, dataset.val, dataset.test):
                assert np.isfinite(split.X).all()
                assert np.isin(split.y, np.arange(dataset.num_classes)).all()


COMMANDS = (
    ("check", "--num-checks", "1", "--regs", "1"),
    ("sweep", "--converge", "--regs", "0.1", "--max-passes", "9"),
    ("sweep", "--learning-rates", "0.1", "--regs", "0.1", "--num-iters", "3"),
)


@tries(80)
@given(content=npz_files(), command=st.sampled_from(COMMANDS))
def test_a_command_on_a_file_ends_as_it_may(tmp_path, content, command):
    with new_folder(tmp_path):
        Path("own.npz").write_bytes(content)
        judge(run_here([*command, "--dataset", "own.npz"]))


def loss(w, X, reg):
    return (X @ w).sum() + reg * (w**2).sum()


@tries(60)
@given(content=damaged_npz(pack({f"{name}.npy": to_npy(array) for name, array in
       {"w": np.arange(3.0), "X": np.eye(3), "reg": np.float64(0.5)}.items()})))  # fmt: skip
def test_the_check_on_inputs_of_one_s_own_ends_as_it_may(tmp_path, content):
    with new_folder(tmp_path):
        Path("inputs.npz").write_bytes(content)
        own = ("--function", f"{__name__}:loss", "--gradient", f"{__name__}:loss", "--inputs", "inputs.npz")
        judge(run_here(["check", *own]))
