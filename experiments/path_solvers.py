"""The solvers of the comparison in convergence.py, each in a process of its own.

    python experiments/path_solvers.py NAME FOLDER

FOLDER has the problem: X.npy (N, D) with a last column of ones, y.npy, regs.npy from the largest to the smallest, and
tolerances.npy. The objective is 1/N Σ ℓ + ½ reg ΣW². A line is printed for each penalty strength that is solved: its number and
the seconds that it took. Its weights are in FOLDER/weights-NUMBER.npy (D, K), those of softjax in FOLDER/weights.npy (R, D, K).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Minimum = tuple[float, np.ndarray]
"""seconds and weights (D, K) for one penalty strength"""


def solve_sklearn(
    X: Any, y: Any, regs: Any, tolerances: Any, *, solver: str, warm: bool
) -> Iterator[Minimum]:
    """LogisticRegression, each strength from 0 or from the minimum before. It minimizes C Σ ℓ + ½ Σw²."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    warnings.simplefilter("ignore", ConvergenceWarning)  # the report has the gap
    # Of two classes it has the weights w = W[:, 1] − W[:, 0] alone, and ½ ΣW² is ¼ Σw².
    binary = y.max() == 1
    model = None
    for reg, tolerance in zip(regs, tolerances, strict=True):
        if model is None or not warm:
            model = LogisticRegression(
                solver=solver, fit_intercept=False, max_iter=100_000, warm_start=warm, random_state=0
            )
        # a NumPy number: with a Python number scikit-learn rounds to float32 more often
        model.set_params(C=np.float64((2 if binary else 1) / (len(y) * reg)), tol=tolerance or 1e-4)
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
        W = model.coef_.T.astype(np.float64)
        yield seconds, np.hstack([-W / 2, W / 2]) if binary else W


def solve_torch(X: Any, y: Any, regs: Any, tolerances: Any) -> Iterator[Minimum]:
    """torch.optim.LBFGS with strong Wolfe line search on all examples, each strength from the minimum before."""
    import torch

    features, labels = torch.from_numpy(X), torch.from_numpy(y.astype(np.int64))
    W = torch.zeros((X.shape[1], int(y.max()) + 1), dtype=features.dtype, requires_grad=True)
    for reg, tolerance in zip(regs, tolerances, strict=True):
        stop = {"tolerance_grad": float(tolerance), "tolerance_change": 0.0} if tolerance else {}
        optimizer = torch.optim.LBFGS([W], max_iter=100_000, line_search_fn="strong_wolfe", **stop)

        def closure(optimizer: Any = optimizer, reg: float = float(reg)) -> Any:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(features @ W, labels) + reg / 2 * (W**2).sum()
            loss.backward()
            return loss

        start = time.perf_counter()
        optimizer.step(closure)
        seconds = time.perf_counter() - start
        yield seconds, W.detach().numpy().astype(np.float64)


def solve_glmnet(X: Any, y: Any, regs: Any, tolerances: Any) -> Iterator[Minimum]:
    """Glmnet's path of ridge penalties, by R. Its penalty never includes the bias."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _run_glmnet(X, y, regs, tolerances, Path(folder))


def _run_glmnet(X: Any, y: Any, regs: Any, tolerances: Any, folder: Path) -> Iterator[Minimum]:
    K = int(y.max()) + 1
    np.ascontiguousarray(X[:, :-1].T, np.float64).tofile(folder / "X.bin")
    y.astype(np.int32).tofile(folder / "y.bin")
    np.asarray(regs, np.float64).tofile(folder / "regs.bin")
    script = Path(__file__).with_name("path_glmnet.R")
    sizes = [str(size) for size in (len(X), X.shape[1] - 1, K, len(regs))]
    command = [
        "Rscript",
        "--vanilla",
        str(script),
        str(folder),
        "1e-10" if tolerances.any() else "1e-7",
        *sizes,
    ]
    subprocess.run(command, check=True, capture_output=True)
    seconds = float((folder / "seconds.txt").read_text())
    weights = np.fromfile(folder / "weights.bin").reshape(len(regs), K, X.shape[1])
    for W in weights:  # the bias is first
        yield seconds / len(regs), np.roll(W, -1, axis=1).T


def solve_softjax(X: Any, y: Any, regs: Any, folder: Path) -> list[dict[str, Any]]:
    """Two calls of `softjax.regularization_path`: seconds of the call and of its phases, and of each strength."""
    from softjax import Split, SweepConfig, regularization_path
    from softjax.datasets.dataset import build_dataset

    split, few = Split(X[:, :-1], y), Split(X[:200, :-1], y[:200])
    dataset = build_dataset("problem", "problem", (split, few, few))
    calls = []
    for _ in range(2):
        start = time.perf_counter()
        ends: list[float] = []

        def note(progress: Any, ends: list[float] = ends) -> None:
            if progress.converged > len(ends):
                ends.append(time.perf_counter())

        config = SweepConfig(regs=tuple(regs.tolist()), penalty="half_l2", dtype=str(X.dtype))  # type: ignore[arg-type]
        path = regularization_path(dataset, config, on_progress=note)
        call = time.perf_counter() - start
        before = ends[0] - (path.seconds.solve - (ends[-1] - ends[0]))
        calls.append(
            {"call": call, "phases": asdict(path.seconds), "each": np.diff([before, *ends]).tolist()}
            | {"passes": path.passes.tolist(), "newton_steps": path.newton_steps.tolist()}
            | {"solved_in": path.solved_in, "reasons": path.reasons, "gap": path.gap.tolist()}
        )
    np.save(folder / "weights.npy", path.weights)
    return calls


SOLVERS: dict[str, Callable[..., Iterator[Minimum]]] = {
    f"{solver} {start}": partial(solve_sklearn, solver=solver, warm=start == "warm")
    for solver in ("lbfgs", "newton-cg", "newton-cholesky", "saga")
    for start in ("cold", "warm")
} | {"torch": solve_torch, "glmnet": solve_glmnet}


def has_glmnet() -> bool:
    """Whether R and its package glmnet are installed."""
    if shutil.which("Rscript") is None:
        return False
    asked = subprocess.run(["Rscript", "--vanilla", "-e", "library(glmnet)"], capture_output=True)
    return asked.returncode == 0


def main(name: str, folder: Path) -> None:
    """Solves the problem in `folder`."""
    X, y, regs, tolerances = (np.load(folder / f"{part}.npy") for part in ("X", "y", "regs", "tolerances"))
    if name == "softjax":
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        print(json.dumps(solve_softjax(X, y, regs, folder)), flush=True)
        return
    for number, (seconds, W) in enumerate(SOLVERS[name](X, y, regs, tolerances)):
        np.save(folder / f"weights-{number}.npy", W)
        print(number, seconds, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
