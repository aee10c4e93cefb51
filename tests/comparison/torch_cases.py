"""The edge cases of cases.json in PyTorch, as a framework's own test suite would hold them. It imports only NumPy and torch.

CASES=cases.json pytest torch_cases.py
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

CASES = json.loads(Path(os.environ["CASES"]).read_text(encoding="utf-8"))["cases"]


def read(array):
    if array is None:
        return None
    values = np.array([float(v) if isinstance(v, str) else v for v in array["values"]], array["dtype"])
    return torch.from_numpy(values.reshape(array["shape"]))


def compute(case):
    X, y, W = (read(case[name]) for name in ("X", "y", "W"))
    W.requires_grad_()
    options = {"weight": read(case["class_weight"]), "label_smoothing": case["label_smoothing"]}
    if case["ignore_index"] is not None:
        options["ignore_index"] = case["ignore_index"]
    weights = read(case["sample_weight"])
    losses = torch.nn.functional.cross_entropy(
        X @ W, y, **options, reduction="mean" if weights is None else "none"
    )
    loss = losses if weights is None else (weights * losses).sum() / weights.sum()
    if case["reg"]:
        loss = loss + float(case["reg"]) * (W * W).sum()
    loss.backward()
    return loss.detach().numpy(), W.grad.numpy()


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"]) for case in CASES if case["derivative"] == "gradient"]
)
def test_the_outcome_is_the_right_one(case):
    if case["expected"] == "refused":
        with pytest.raises(Exception):  # noqa: B017, PT011 - any error refuses
            compute(case)
        return
    if case["expected"] == "undefined":
        loss, grad = compute(case)
        assert not np.isfinite(loss)
        assert not case["judge_gradient"] or not np.isfinite(grad).all()
        return
    for expected, value in zip(case["values"], compute(case), strict=True):
        true, tolerance = (np.array(expected[name], dtype=float) for name in ("value", "tolerance"))
        assert value.shape == true.shape
        assert ((value == true) | (np.abs(value - true) <= tolerance)).all()
