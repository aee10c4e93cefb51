"""A linear probe whose features are made on the device and stay there: the path of softjax, and torch.optim.LBFGS beside it.

A `Dataset` holds its features on the host. These examples are given to the path's solver as it has those of any data set.
"""

import contextlib
import importlib.util
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from softjax import PathConfig, PathResult, SweepConfig
from softjax.compilation import types_of
from softjax.datasets.dataset import Schema
from softjax.datasets.preprocess import Preprocessing
from softjax.objective.config import Objective
from softjax.path.passes import Data
from softjax.path.problem import Problem
from softjax.path.solve import solve_problem

NOISE = 20.0  # of the labels, beside scores with a standard deviation of √F
ROWS = 2**17  # of which PyTorch holds the scores at a time
HISTORY = 10  # pairs of steps and differences of gradients that L-BFGS keeps


def compare_probe(
    probe: tuple[int, int, int], held_out: int, regs: Sequence[float], peer_seconds: float
) -> dict[str, Any]:
    """The seconds of the path for these strengths, with all compiling, and of PyTorch's L-BFGS to the same objectives.

    **Arguments:**

    - `probe`: examples, features and classes; `held_out`: validation examples, and as many test examples.
    - `peer_seconds`: PyTorch is stopped after so long.
    """
    with types_of("float64"):
        splits = make_splits(probe, held_out)
        start = time.perf_counter()
        path = solve_problem(pose(splits, probe[2], regs))
        found = {
            "seconds": time.perf_counter() - start,
            **{name: getattr(path.seconds, name) for name in ("axes", "compile", "solve", "evaluate")},
            "passes": int(path.passes.sum()),
            "converged": int(path.converged.sum()),
            "strengths": len(regs),
            "best": float(path.val_accuracy.max()),
        }
        peer = None
        if importlib.util.find_spec("torch") is not None:
            peer = reach_with_torch(splits[0], path, peer_seconds)
    return found | {"peer": peer, "peer_seconds": peer_seconds}


def make_splits(probe: tuple[int, int, int], held_out: int) -> tuple[Data, Data, Data]:
    """Training, validation and test examples on the device: normal features, and noisy labels of a linear classifier."""
    num_examples, num_features, num_classes = probe
    key = jax.random.key(0)
    truth = jax.random.normal(jax.random.fold_in(key, 0), (num_features, num_classes), jnp.float32)
    drawn = [
        draw_examples(jax.random.fold_in(key, number), truth, size)
        for number, size in enumerate((num_examples, held_out, held_out), start=1)
    ]
    mean = jnp.mean(drawn[0][0], axis=0, dtype=jnp.float64)
    train, val, test = (Data(X, y, Preprocessing(mean, None)) for X, y in drawn)
    return train, val, test


@partial(jax.jit, static_argnames="size")
def draw_examples(key: Any, truth: Any, size: int) -> tuple[Any, Any]:
    """Features (size, F) in float32, and labels."""

    def label(example: tuple[Any, Any]) -> Any:
        x, key = example
        noise = jax.random.gumbel(key, (truth.shape[1],), jnp.float32)
        return jnp.argmax(x @ truth + NOISE * noise).astype(jnp.int32)

    X = jax.random.normal(key, (size, truth.shape[0]), jnp.float32)
    keys = jax.random.split(jax.random.fold_in(key, 1), size)
    return X, lax.map(label, (X, keys), batch_size=4096)


def pose(splits: tuple[Data, Data, Data], num_classes: int, regs: Sequence[float]) -> Problem:
    """The problem of a path with the default penalty."""
    config, fitted = SweepConfig(regs=tuple(regs)), splits[0].preprocessing
    assert fitted is not None
    return Problem(
        config,
        PathConfig(),
        Objective(config.kind, config.penalty, penalize_bias=config.penalize_bias),
        np.unique(np.asarray(regs, float))[::-1],
        Preprocessing(np.asarray(fitted.mean), None),
        splits,
        Schema(tuple(range(num_classes)), tuple(map(str, range(num_classes)))),
        int(splits[0].X.shape[1]),
    )


class _Ended(Exception):
    """The objective is reached, or the time is over."""


def reach_with_torch(train: Data, path: PathResult, limit: float) -> list[dict[str, Any]]:
    """torch.optim.LBFGS on the same device, from the largest strength on, each from the minimum of the one before.

    It is stopped when the objective is within the path's tolerance of the path's. **Returns:** for each strength its seconds,
    evaluations, how far the objective is above the path's, relatively, and whether it was reached.
    """
    import torch

    torch.set_float32_matmul_precision("highest")  # as the path multiplies
    assert train.preprocessing is not None
    mean = jnp.asarray(train.preprocessing.mean, jnp.float32)
    X, labels, mean = (torch.from_dlpack(each) for each in (train.X, jnp.asarray(train.y), mean))
    y, W = labels.long(), torch.zeros(X.shape[1] + 1, path.weights.shape[2], device=X.device)
    W.requires_grad_()
    optimize = partial(
        torch.optim.LBFGS,
        max_iter=10**9,
        max_eval=10**9,
        tolerance_grad=0,
        tolerance_change=0,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )
    optimize([W])  # what PyTorch imports only now is not timed,
    differentiate(W, X, y, mean, 1.0)  # nor a first evaluation
    end = time.perf_counter() + limit
    found = []
    for r in np.argsort(-path.reg):
        least, start, values = float(path.objective[r]), time.perf_counter(), [np.inf]
        reached = least * (1 + path.solver.tolerance)

        def evaluate(reg: float = float(path.reg[r]), values: Any = values, reached: float = reached) -> Any:
            values.append(differentiate(W, X, y, mean, reg))
            if values[-1] <= reached or time.perf_counter() > end:
                raise _Ended
            return values[-1]

        with contextlib.suppress(_Ended):
            if time.perf_counter() < end:
                optimize([W]).step(evaluate)
        found.append(
            {
                "reg": float(path.reg[r]),
                "seconds": time.perf_counter() - start,
                "evaluations": len(values) - 1,
                "above": min(values) / least - 1 if len(values) > 1 else None,
                "reached": min(values) <= reached,
            }
        )
    return found


def differentiate(W: Any, X: Any, y: Any, mean: Any, reg: float) -> float:
    """The objective in PyTorch, of weights (F + 1, K) with the bias last, for features that are centred. Sets their gradient."""
    import torch

    W.grad, value = None, torch.zeros((), dtype=torch.float64, device=X.device)
    for x, labels in zip(X.split(ROWS), y.split(ROWS), strict=True):
        scores = x @ W[:-1] + (W[-1] - mean @ W[:-1])
        loss = torch.nn.functional.cross_entropy(scores, labels, reduction="sum") / len(X)
        loss.backward()
        value += loss.detach()
    penalty = reg * (W**2).sum()
    penalty.backward()
    return float(value + penalty.detach())
