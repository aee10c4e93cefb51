"""What a type checker says of a user's file: wrong names and types are found, right ones are accepted."""

import re
from pathlib import Path

import pytest
from support.processes import run

ROOT = Path(__file__).parents[2]
RIGHT = """
import numpy as np

import softjax

config = softjax.SweepConfig(learning_rates=np.geomspace(0.01, 1.0, 3), regs=0.1, num_iters=10)
rates: tuple[float, ...] = softjax.SweepConfig(learning_rates=[0.1, 1.0], regs=(0.1,)).learning_rates
result = softjax.sweep(softjax.load_dataset("digits"), config, progress=True)
softjax.testing.assert_gradient
softjax.plots.heat_map
softjax.cs231n.grade
version: str = softjax.__version__
softjax.keep_compiled()
"""
WRONG = {
    "softjax.swep": "attr-defined",
    "softjax.testing_": "attr-defined",
    "softjax.SweepConfig(num_iters='10')": "arg-type",
    "softjax.SweepConfig(learning_rate=0.1)": "call-arg",
    "softjax.PathConfig(tolerance=1e-4).tol": "attr-defined",
}
# Only these are read, so that it takes seconds: other modules, and JAX, are of any type.
READ = "softjax,softjax.errors,softjax.objective.config,softjax.path.config,softjax.ranges,softjax.training.config,numpy.*"
SETTINGS = f"[mypy]\nstrict = true\nfollow_imports = skip\n[mypy-{READ}]\nfollow_imports = silent\n"


@pytest.mark.slow
def test_mypy_finds_wrong_names_and_types_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text("import softjax\n" + "\n".join(WRONG) + "\n")
    done = run("-m", "mypy", "--config-file=mypy.ini", "right.py", "wrong.py", cwd=tmp_path)
    found = re.findall(r"^(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    expected = [("wrong", str(line), code) for line, code in enumerate(WRONG.values(), start=2)]
    assert found == expected, done.stdout + done.stderr
