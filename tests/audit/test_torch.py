"""Subclasses of `torch.autograd.Function`: their calls are seen, and backward, forward mode and surrogates are judged."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from softjax.audit import torch_functions
from softjax.audit.record import Recorder, Scope
from softjax.audit.saved import load_point, load_recorded
from softjax.audit.worker import check

torch = pytest.importorskip("torch")


class Right(torch.autograd.Function):
    """x² y, with forward mode."""

    @staticmethod
    def forward(ctx, x, y, name):
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        return x**2 * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return 2 * g * x * y, g * x**2, None

    @staticmethod
    def jvp(ctx, x_tangent, y_tangent, _):
        x, y = ctx.saved_tensors
        return 2 * x * y * x_tangent + x**2 * y_tangent


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * torch.cos(x)


class Spike(torch.autograd.Function):
    """A decay, and a step with a surrogate for its derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 0.9 * x, (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, decay, step):
        (x,) = ctx.saved_tensors
        return 0.9 * decay + step / (1 + x.abs()) ** 2


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return -g


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder(Scope(Path(__file__).parent))
    monkeypatch.setattr("softjax.audit.record.is_test", lambda file, module="": False)
    base = torch.autograd.Function
    monkeypatch.setattr(base, "apply", inspect.getattr_static(base, "apply"))  # undone after the test
    torch_functions.watch(torch, recorder)
    return recorder


def judge(recorder):
    """The findings of the one rule that was called."""
    (seen,) = recorder.seen.values()
    return list(check(torch_functions, next(iter(seen.points.values())), 1))


def test_results_are_the_same_and_arguments_are_kept(recorder, tmp_path):
    x = torch.linspace(-1, 2, 4, requires_grad=True)
    Right.apply(x, torch.tensor(3.0), "name").sum().backward()
    assert torch.equal(x.grad, 6 * x.detach())
    recorder.save(tmp_path)
    (recorded,) = load_recorded(tmp_path)
    point = load_point(recorded.points[0])
    assert point.target is Right
    kept, _, name = point.arguments[0]
    np.testing.assert_array_equal(kept.array, x.detach())
    assert (kept.differentiated, name) == (True, "name")


@pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)  # PyTorch's own use of it
def test_backward_and_forward_mode_are_checked(recorder):
    Right.apply(
        torch.tensor([0.5, -1.5], requires_grad=True), torch.tensor([2.0, 3.0], requires_grad=True), ""
    )
    found = judge(recorder)
    assert [(each.mode, each.word) for each in found] == [
        ("reverse mode", "right"),
        ("forward mode", "right"),
    ]


@pytest.mark.parametrize(
    ("function", "word", "text"),
    [(Twice, "wrong", "twice"), (Spike, "differs", "output 2"), (Reverse, "differs", "reversal")],
)
def test_faults_and_surrogates_are_told_apart(recorder, function, word, text):
    function.apply(torch.tensor([0.5, -1.5, 2.0], requires_grad=True))
    (found,) = judge(recorder)
    assert found.word == word
    assert text in found.text
