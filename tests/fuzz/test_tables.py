"""Whatever a .csv or .parquet file holds, it is a data set or is refused in one line."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.damage import damaged
from support.endings import new_folder, tries

from softjax import Dataset, InputError, load_dataset
from softjax.datasets import tables

pytestmark = pytest.mark.usefixtures("own_messages")
CELLS = st.sampled_from(
    ["1", "0", "-2", "0.5", "1e400", "nan", "NaN", "inf", "", "NA", "cat", "True", "false", '"a,b"', '"', "9" * 30, "ü", " 3", "0x1"]
)  # fmt: skip


@st.composite
def csv_files(draw) -> bytes:
    """A table as text: some are data sets, others have odd fields or names, or are damaged."""
    names = draw(
        st.lists(st.sampled_from(["a", "b", "c", "label", "y", "", " d", "1"]), min_size=1, max_size=4)
    )
    columns = {position: draw(st.lists(CELLS, min_size=1, max_size=3)) for position in range(len(names))}
    rows = [
        [values[row % len(values)] for values in columns.values()]
        for row in range(draw(st.sampled_from([0, 1, 30])))
    ]
    content = "\n".join(",".join(row) for row in [names, *rows]).encode()
    return draw(damaged(content)) if draw(st.booleans()) else content


@st.composite
def parquet_files(draw) -> bytes:
    """A table that is damaged somewhere."""
    pytest.importorskip("pyarrow")
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    pd.DataFrame({"a": rng.normal(size=30), "b": np.arange(30), "y": ["u", "v", "w"] * 10}).to_parquet(buffer)
    return draw(damaged(buffer.getvalue()))


@pytest.mark.parametrize("library", ["polars", "pandas"])
@tries(600)
@given(data=st.data())
def test_a_table_is_a_data_set_or_is_refused_in_one_line(tmp_path, library, data):
    pytest.importorskip(library)
    suffix = data.draw(st.sampled_from([".csv", ".csv", ".parquet"]))
    content = data.draw(csv_files() if suffix == ".csv" else parquet_files())
    label = data.draw(st.sampled_from([None, None, "y", "a"]))
    installed = tables.find_spec
    with new_folder(tmp_path), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tables, "find_spec", lambda name: installed(name) if name in (library, "pyarrow") else None
        )
        patch.setattr(tables, "VALUES", 8)
        Path(f"own{suffix}").write_bytes(content)
        try:
            dataset = load_dataset(f"own{suffix}", label=label)
        except InputError as error:
            assert f"own{suffix}" in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        else:
            assert isinstance(dataset, Dataset)
            for split in (dataset.train, dataset.val, dataset.test):
                assert np.isfinite(split.X).all()
                assert np.isin(split.y, np.arange(dataset.num_classes)).all()
