"""Subclasses of `torch.autograd.Function`: how their calls are seen, and how a rule is checked at a point."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from softjax.audit.judge import Finding, is_symmetric, judge, only
from softjax.audit.record import Recorder
from softjax.audit.saved import Point

KIND = "autograd.Function"
FORWARD_AT_MOST = 200  # entries that are differentiated by forward mode


def watch(torch: Any, recorder: Recorder) -> None:
    """Has `recorder` see every call of `apply` of a subclass."""
    base = torch.autograd.Function
    original = inspect.getattr_static(base, "apply")  # a class method, of Python or of C

    def see(function: Any, args: Any, kwargs: Any) -> None:
        code = getattr(function.forward, "__code__", None)
        if code is None:
            return
        name = f"{function.__module__}.{function.__qualname__}"
        seen = recorder.find_named(KIND, (code, name), name, function.__module__, code)
        if seen is None or not recorder.count(seen):
            return
        tensors = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, torch.Tensor)]
        if any(type(tensor) not in (torch.Tensor, torch.nn.Parameter) for tensor in tensors):
            seen.skipped.add("tensors of another class")
            return

        def copy() -> list[Any]:
            arrays = {id(tensor): _to_numpy(torch, tensor) for tensor in tensors}
            return [arrays.get(id(arg), arg) for arg in (*args, *kwargs.values())]

        def make() -> Point:
            frozen = tuple(Tensor.of(torch, arg) if isinstance(arg, torch.Tensor) else arg for arg in args)
            named = {k: Tensor.of(torch, v) if isinstance(v, torch.Tensor) else v for k, v in kwargs.items()}
            return Point(function, (frozen, named), {})

        recorder.keep(seen, copy, make)

    @functools.wraps(base.apply, updated=())
    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not torch.compiler.is_compiling():
            with contextlib.suppress(Exception):  # the call goes on, whatever is in its arguments
                see(cls, args, kwargs)
        return original.__get__(None, cls)(*args, **kwargs)

    base.apply = classmethod(apply)


class Tensor:
    """A tensor as a NumPy array, and whether the call was to be differentiated by it."""

    def __init__(self, array: np.ndarray, dtype: str, differentiated: bool) -> None:
        """`dtype` is PyTorch's; the array has it if NumPy has it."""
        self.array, self.dtype, self.differentiated = array, dtype, differentiated

    @classmethod
    def of(cls, torch: Any, tensor: Any) -> "Tensor":
        """A copy of a tensor."""
        name = str(tensor.dtype).removeprefix("torch.")
        return cls(np.array(_to_numpy(torch, tensor)), name, bool(tensor.requires_grad))

    def thaw(self, torch: Any) -> Any:
        """The tensor."""
        return torch.from_numpy(self.array.copy()).to(getattr(torch, self.dtype))


def _to_numpy(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).resolve_conj().numpy())


def choose_differentiated(given: list[Any]) -> list[Tensor]:
    """The tensors that required a gradient in the call, or all floating ones if none did."""
    tensors = [arg for arg in given if isinstance(arg, Tensor) and arg.array.dtype.kind == "f"]
    floating = [tensor for tensor in tensors if np.isfinite(tensor.array).all()]
    return [arg for arg in floating if arg.differentiated] or floating


def has_symmetric(point: Point) -> bool:
    """Whether an argument is a symmetric matrix."""
    args, kwargs = point.arguments
    return any(is_symmetric(tensor.array) for tensor in choose_differentiated([*args, *kwargs.values()]))


def _name_tensors(point: Point, by: list[Tensor]) -> list[str]:
    """The tensors as `forward` names them."""
    args, kwargs = point.arguments
    named = [name for name in inspect.signature(point.target.forward).parameters if name != "ctx"]
    names = [named[k] if k < len(named) else f"argument {k + 1}" for k in range(len(args))] + list(kwargs)
    given = [*args, *kwargs.values()]
    return [next(name for name, arg in zip(names, given, strict=True) if arg is tensor) for tensor in by]


def check(point: Point, order: int, symmetric: bool = False, output: int | None = None) -> Iterator[Finding]:
    """Checks a rule at a point: backward, and forward mode if there is one. `symmetric`, `output`: as for `jax_rules.check`.

    It is differentiated by the tensors that required a gradient in the call, or by all floating ones if none did.
    Raises what the function raises, and `ValueError` if there is nothing to differentiate.
    """
    import torch

    from softjax.gradcheck.check import check_gradient

    args, kwargs = point.arguments
    by = choose_differentiated([*args, *kwargs.values()])
    if not by:
        raise ValueError("no argument that is differentiated holds floating numbers")
    params = [tensor.thaw(torch) for tensor in by]
    call = _make_call(point, by, symmetric)
    first = call(params)
    weights = _draw_weights(first)
    if all(weight is None for weight in weights):
        raise ValueError("the function returns no floating tensor, so there is nothing to differentiate")
    weights = only(weights, output)
    scalar = _weigh(call, weights)

    def value(params: list[Any]) -> Any:
        with torch.no_grad():
            return scalar(params)

    modes = [("reverse mode", _differentiate_backward)]
    small = sum(param.numel() for param in params) <= FORWARD_AT_MOST
    if point.target.jvp is not torch.autograd.Function.jvp and small:
        modes.append(("forward mode", _differentiate_forward))
    outputs = [np.asarray(each.detach()) if isinstance(each, torch.Tensor) else np.zeros(0) for each in first]
    arrays, names = [tensor.array for tensor in by], _name_tensors(point, by)
    for name, differentiate in modes:
        checked = check_gradient(value, partial(differentiate, scalar), params, num_entries=3, budget=2.0)
        # whether the function iterates cannot be seen
        yield judge(name, checked, arrays, outputs, weights, "iterates", names)


def _make_call(point: Point, by: list[Tensor], symmetric: bool) -> Callable[[list[Any]], list[Any]]:
    """The outputs of the rule as a function of the tensors `by`; other floating tensors are of their precision."""
    import torch

    args, kwargs = point.arguments

    def call(params: list[Any]) -> list[Any]:
        given = dict(zip(map(id, by), params, strict=True))
        exact = params[0].dtype == torch.float64

        def fill(arg: Any) -> Any:
            if id(arg) in given:
                param = given[id(arg)]
                return (param + param.mT) / 2 if symmetric and is_symmetric(arg.array) else param
            if not isinstance(arg, Tensor):
                return arg
            tensor = arg.thaw(torch)
            return tensor.double() if exact and tensor.is_floating_point() else tensor

        output = point.target.apply(*map(fill, args), **{name: fill(arg) for name, arg in kwargs.items()})
        return list(output) if isinstance(output, tuple | list) else [output]

    return call


def _draw_weights(outputs: list[Any]) -> list[np.ndarray | None]:
    """u, as `draw_weights` draws it for functions of JAX."""
    import torch

    from softjax.gradcheck.custom_rules import WEIGHTS

    rng = np.random.default_rng(0)
    return [
        rng.choice(WEIGHTS, tuple(each.shape))
        if isinstance(each, torch.Tensor) and each.is_floating_point()
        else None
        for each in outputs
    ]


def _weigh(
    call: Callable[[list[Any]], list[Any]], weights: list[np.ndarray | None]
) -> Callable[[list[Any]], Any]:
    """uᵀ call(params)."""
    import torch

    def scalar(params: list[Any]) -> Any:
        terms = [
            (output * torch.as_tensor(weight, dtype=output.dtype)).sum()
            for output, weight in zip(call(params), weights, strict=True)
            if weight is not None
        ]
        return sum(terms[1:], terms[0])

    return scalar


def _differentiate_backward(scalar: Callable[[list[Any]], Any], params: list[Any]) -> list[Any]:
    """The gradient by the rule's backward; zero where it gives none."""
    import torch

    leaves = [param.detach().clone().requires_grad_() for param in params]
    with torch.enable_grad():
        found = torch.autograd.grad(scalar(leaves), leaves, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, leaves, strict=True)]


def _differentiate_forward(scalar: Callable[[list[Any]], Any], params: list[Any]) -> list[Any]:
    """The gradient by the rule's forward mode, entry by entry."""
    import torch
    from torch.autograd import forward_ad

    found = [torch.zeros_like(param) for param in params]
    for number, param in enumerate(params):
        for place in np.ndindex(*param.shape):
            tangents = [torch.zeros_like(each) for each in params]
            tangents[number][place] = 1.0
            with forward_ad.dual_level():
                duals = [forward_ad.make_dual(*pair) for pair in zip(params, tangents, strict=True)]
                tangent = forward_ad.unpack_dual(scalar(duals)).tangent
            found[number][place] = 0.0 if tangent is None else tangent
    return found
