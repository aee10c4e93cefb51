"""Short scripts that reproduce a finding with the saved arguments. They need neither the tests nor softjax."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from softjax.audit.judge import Finding
from softjax.audit.saved import Point, Recorded, dump, find_name, load_point

JAX = '''"""{name}: {what}

{mode}. It needs the package, JAX and NumPy{more}.
"""
import pickle
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
{load}
leaves, tree = jax.tree.flatten((args, kwargs))
leaves = [jax.numpy.asarray(x, "float64" if k in {places} else None) if hasattr(x, "dtype") else x for k, x in enumerate(leaves)]


def f(t):
    """The outputs, weighed by u, where entry {index} of leaf {leaf} is moved by t."""
    args, kwargs = jax.tree.unflatten(tree, [x.at[{index}].add(t) if k == {leaf} else x for k, x in enumerate(leaves)])
    outputs, rng = jax.tree.leaves(rule(*args, **kwargs)), np.random.default_rng(0)
    return sum((rng.choice({weights}, y.shape) * y).sum() for y in outputs if jax.numpy.issubdtype(y.dtype, jax.numpy.floating))


h = 1e-3 * (abs(leaves[{leaf}][{index}]) or 1.0)
{print}
'''
FIRST = """print("by the rule:      ", {derivative}(f)(0.0))
print("by its own values:", (8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h))"""
SECOND = """g = jax.grad(f)
print("by the rule:      ", jax.grad(g)(0.0))
print("by its own values:", (8 * (g(h) - g(-h)) - g(2 * h) + g(-2 * h)) / (12 * h))"""
TORCH = '''"""{name}: {what}

{mode}. It needs the package, PyTorch and NumPy{more}.
"""
import pickle
from pathlib import Path

import numpy as np
import torch

{load}
args = [torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in args]
args = [x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args]
t = torch.zeros((), dtype=torch.float64, requires_grad=True)


def f(t):
    """The outputs, weighed by u, where entry {index} of argument {leaf} is moved by t."""
    step = torch.zeros_like(args[{leaf}])
    step[{index}] = 1.0
    outputs = rule.apply(*(x + t * step if k == {leaf} else x for k, x in enumerate(args)))
    rng = np.random.default_rng(0)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return sum((torch.as_tensor(rng.choice({weights}, tuple(y.shape))) * y).sum() for y in outputs if y.is_floating_point())


h = 1e-3 * (args[{leaf}][{index}].abs().item() or 1.0)
print("by the rule:      ", torch.autograd.grad(f(t), t, allow_unused=True)[0])
print("by its own values:", ((8 * (f(t + h) - f(t - h)) - f(t + 2 * h) + f(t - 2 * h)) / (12 * h)).item())
'''
SCIPY = '''"""{name}: {what}

It needs NumPy, SciPy{more}.
"""
import pickle
from pathlib import Path

from scipy.optimize import approx_fprime

(function, derivative), (x, *args) = pickle.loads(Path(__file__).with_suffix(".pkl").read_bytes())
value = function if derivative else lambda x, *args: function(x, *args)[0]
slope = derivative or (lambda x, *args: function(x, *args)[1])
print("by the rule:      ", slope(x, *args))
print("by its own values:", approx_fprime(x, value, 1e-7, *args))
'''


def write_script(recorded: Recorded, finding: Finding, folder: Path) -> Path | None:
    """Writes a script and its arguments; None if the point cannot be loaded."""
    try:
        point = load_point(recorded.points[finding.point])
    except Exception:  # loading imports the package
        return None
    name = recorded.rule.name.replace("<locals>", "locals").replace("<lambda>", "lambda")
    file = folder / f"{name}.py"
    if recorded.rule.kind.startswith("scipy"):
        data, more = _dump((point.target, point.arguments))
        text = SCIPY.format(name=recorded.rule.name, what=finding.text, more=more)
    else:
        text, data = _write(recorded, finding, point)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.with_suffix(".pkl").write_bytes(data)
    return file


def _write(recorded: Recorded, finding: Finding, point: Point) -> tuple[str, bytes]:
    """The script and what it loads."""
    from softjax.gradcheck.custom_rules import WEIGHTS  # imports JAX

    kind, (args, kwargs) = recorded.rule.kind, point.arguments
    words = {"name": recorded.rule.name, "what": finding.text, "mode": finding.mode.capitalize()}
    words["index"] = repr(tuple(finding.index)) if finding.index else "..."
    saved: tuple[Any, ...]
    if kind == "autograd.Function":
        template = TORCH
        args, leaf = _place_in_torch(args, kwargs, finding.leaf)
        saved = (args, {})
    else:
        from softjax.audit.jax_rules import find_floating

        template, saved = JAX, (args, kwargs)
        places = find_floating(point)
        leaf, words["places"] = places[finding.leaf], str(places)
        derivative = "jax.jacfwd" if finding.mode.startswith("forward") else "jax.grad"
        words["print"] = SECOND if finding.mode == "second order" else FIRST.format(derivative=derivative)
    named = find_name(point.target)
    data, more = _dump(saved if named else (point.target, *saved))
    read = 'pickle.loads(Path(__file__).with_suffix(".pkl").read_bytes())'
    load = f"rule, args, kwargs = {read}"
    if named:
        outer, *attributes = named[1].split(".")
        load = f"from {named[0]} import {outer}\n\nrule = {'.'.join([outer, *attributes])}\nargs, kwargs = {read}"
    return template.format(**words, weights=WEIGHTS, leaf=leaf, load=load, more=more), data


def _dump(saved: Any) -> tuple[bytes, str]:
    """The saved objects, and what loading them needs beside the package."""
    try:
        return pickle.dumps(saved), ""
    except Exception:  # a function that is defined inside another
        return dump(saved), ", and cloudpickle"


def _place_in_torch(args: tuple[Any, ...], kwargs: dict[str, Any], leaf: int) -> tuple[list[Any], int]:
    """The arguments with arrays for tensors, and the place of the one that is differentiated."""
    from softjax.audit.torch_functions import Tensor, choose_differentiated

    given = [*args, *kwargs.values()]
    chosen = choose_differentiated(given)[leaf]
    place = next(k for k, arg in enumerate(given) if arg is chosen)
    plain: list[Any] = [np.array(arg.array) if isinstance(arg, Tensor) else arg for arg in given]
    return plain, place
