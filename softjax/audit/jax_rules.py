"""Functions with `jax.custom_jvp` or `jax.custom_vjp`: how their calls are seen, and how a rule is checked at a point.

A call under `jit`, `vmap`, `grad` or `scan` has no values yet. There an operation is added to the program that hands them
out when it runs. It has no result, so it changes none.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from softjax.audit.judge import Finding, Trait, is_symmetric, judge, only
from softjax.audit.record import MAX_BYTES, Recorder
from softjax.audit.saved import Point

KINDS = ("custom_jvp", "custom_vjp")
ITERATES = {"while", "pure_callback", "io_callback"}  # what these compute may be exact to a tolerance only
DRAWS = {"random_bits", "random_gamma", "threefry2x32", "rng_bit_generator", "rng_uniform"}
NUM_TRACES = 10  # programs in which a rule's calls are looked at; in later ones they are only counted


def watch(jax: Any, recorder: Recorder) -> None:
    """Has `recorder` see every call of a function with a derivative rule of JAX."""
    record = _make_operation(jax)
    traces: dict[int, int] = {}

    def see(kind: str, target: Any, args: Any, kwargs: Any) -> None:
        seen = recorder.find(kind, target.fun)
        if seen is None:
            return
        leaves, tree = jax.tree.flatten((args, kwargs))
        traced = [k for k, leaf in enumerate(leaves) if isinstance(leaf, jax.core.Tracer)]
        if not recorder.count(seen, _find_order(leaves)):
            return
        settings = {"x64": bool(jax.config.jax_enable_x64)}

        def store(*values: Any) -> None:
            filled = list(leaves)
            for k, value in zip(traced, values, strict=True):
                filled[k] = value
            recorder.keep(seen, lambda: filled, lambda: _make_point(jax, target, tree, filled, settings))

        if not traced:
            store()
            return
        size = sum(leaves[k].size * leaves[k].dtype.itemsize for k in traced)
        traces[id(seen)] = traces.get(id(seen), 0) + 1
        if size <= MAX_BYTES and traces[id(seen)] <= NUM_TRACES:
            if any(jax.numpy.issubdtype(leaves[k].dtype, jax.dtypes.extended) for k in traced):
                seen.skipped.add("random keys in a compiled program")
                return
            record.bind(*(leaves[k] for k in traced), store=_Store(store))

    for kind in KINDS:
        _wrap_call(getattr(jax, kind), functools.partial(see, kind))
    recorder.wait.append(jax.effects_barrier)


def _wrap_call(kind: Any, see: Callable[..., None]) -> None:
    original = kind.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with contextlib.suppress(Exception):  # the call goes on, whatever is in its arguments
            see(self, args, kwargs)
        return original(self, *args, **kwargs)

    kind.__call__ = __call__


class _Store:
    """A callback that is never equal to another and never raises."""

    def __init__(self, store: Callable[..., None]) -> None:
        self.store = store

    def __call__(self, *values: Any) -> None:
        with contextlib.suppress(Exception):  # as above
            self.store(*map(np.asarray, values))


def _make_operation(jax: Any) -> Any:
    """An operation without results that calls `store` with its inputs when the program runs.

    For a batch it is called with three of its elements: `jax.debug.callback` would be called with every one.
    """
    from jax.extend import core
    from jax.interpreters import ad, batching, mlir

    primitives: Any = core  # its methods have no types
    record = primitives.Primitive("softjax_record")
    record.multiple_results = True
    effects = jax.make_jaxpr(lambda: jax.debug.callback(lambda: None))().effects

    def run(*values: Any, store: Any) -> list[Any]:
        store(*values)
        return []

    def call_back(*values: Any, store: Any) -> list[Any]:
        jax.debug.callback(store, *values)
        return []

    def differentiate(primals: Any, tangents: Any, store: Any) -> Any:
        return record.bind(*primals, store=store), []

    def batch(values: Any, axes: Any, store: Any) -> Any:
        size = next(value.shape[axis] for value, axis in zip(values, axes, strict=True) if axis is not None)
        for place in sorted({0, size // 2, size - 1} if size else ()):
            record.bind(
                *(_take(jax, value, axis, place) for value, axis in zip(values, axes, strict=True)),
                store=store,
            )
        return [], []

    record.def_impl(run)
    record.def_effectful_abstract_eval(lambda *avals, store: ([], effects))
    ad.primitive_jvps[record] = differentiate
    batching.primitive_batchers[record] = batch
    mlir.register_lowering(record, mlir.lower_fun(call_back, multiple_results=True))
    return record


def _take(jax: Any, value: Any, axis: int | None, place: int) -> Any:
    return value if axis is None else jax.lax.index_in_dim(value, place, axis, keepdims=False)


def _find_order(leaves: list[Any]) -> int:
    """How often the call is differentiated: how many of the tracers around its arguments carry a tangent."""

    def count(leaf: Any) -> int:
        inner = getattr(leaf, "primal", None)
        if inner is not None:
            return 1 + count(inner)
        inner = getattr(leaf, "val", None)  # of a batch
        return 0 if inner is None else count(inner)

    return max(map(count, leaves), default=0)


def _make_point(jax: Any, target: Any, tree: Any, leaves: list[Any], settings: dict[str, Any]) -> Point:
    plain = [np.array(leaf) if isinstance(leaf, jax.Array | np.ndarray) else leaf for leaf in leaves]
    return Point(target, jax.tree.unflatten(tree, plain), settings)


def check(point: Point, order: int, symmetric: bool = False, output: int | None = None) -> Iterator[Finding]:
    """Checks a rule at a point in every mode that it has; in second order too if `order` is at least 2.

    With `symmetric`, as a function of the symmetric part of those arguments that are symmetric matrices. With `output`, one of its
    outputs alone.

    Raises what the function raises, and `ValueError` if there is nothing to differentiate.
    """
    import jax

    with jax.enable_x64(point.settings["x64"]):
        yield from _check(point, order, symmetric, output)


def _check(point: Point, order: int, symmetric: bool, output: int | None) -> Iterator[Finding]:
    import jax
    import jax.numpy as jnp

    from softjax.gradcheck.check import check_gradient
    from softjax.gradcheck.custom_rules import draw_weights, list_modes, second_order, weigh_outputs
    from softjax.gradcheck.rewrite import has_operation

    leaves, tree = jax.tree.flatten(point.arguments)
    places = find_floating(point)
    if not places:
        raise ValueError("no argument that is differentiated holds floating numbers")
    fixed = [jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
    params = [jnp.asarray(leaves[k]) for k in places]

    def call(params: list[Any]) -> Any:
        filled = list(fixed)
        for k, param in zip(places, params, strict=True):
            filled[k] = (param + param.mT) / 2 if symmetric and is_symmetric(np.asarray(leaves[k])) else param
        args, kwargs = jax.tree.unflatten(tree, filled)
        return point.target(*args, **kwargs)

    weights = only(draw_weights(call, params, 0), output)
    scalar = weigh_outputs(call, weights)
    program = jax.make_jaxpr(scalar)(params)
    trait: Trait = "random" if has_operation(program, DRAWS) else None
    trait = "iterates" if trait is None and has_operation(program, ITERATES) else trait
    outputs = [np.asarray(leaf) for leaf in jax.tree.leaves(call(params))]
    names = _name_leaves(point, places)
    modes = list(list_modes(scalar, params))
    if order >= 2:
        found = second_order(scalar, params, 0)
        modes += [found] if found is not None else []
    known: dict[str, Any] = {}
    for mode in modes:
        kind = mode.name.split(" under ")[0]
        checked = known.get(kind)
        if checked is None or not _agrees(checked, mode.claim(params)):
            checked = check_gradient(mode.fun, mode.claim, params, num_entries=3, budget=2.0)
        if checked.verdict == "undecided":
            # the derivative without the rule may be wrong, as that of operations on bits: the rule may be there for that reason
            by_values = check_gradient(_hide(mode.fun), mode.claim, params, num_entries=10, budget=10.0)
            checked = by_values if by_values.ok else checked
        known.setdefault(kind, checked)
        given = ([], []) if kind == "second order" else (outputs, weights)
        yield judge(mode.name, checked, [np.asarray(p) for p in params], *given, trait, names)


def _hide(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that JAX cannot trace, so that only its values count."""
    import jax
    import jax.numpy as jnp

    def call(params: list[Any]) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(function([jnp.asarray(np.asarray(param)) for param in params]))

    return call


def _agrees(checked: Any, claimed: list[Any]) -> bool:
    """Whether a claim is right by the references of a check that found another right."""
    return checked.ok and all(
        bool((np.abs(np.asarray(a, np.float64) - true) <= checked.allowed_bounds * bound).all())
        for a, true, bound in zip(claimed, checked.true, checked.bound, strict=True)
    )


def _name_leaves(point: Point, places: list[int]) -> list[str]:
    """The arguments by which the rule is differentiated, as its user calls them: x, params['w']."""
    import jax

    try:
        names = list(inspect.signature(point.target.fun).parameters)
    except (TypeError, ValueError):
        names = []
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(point.arguments)[0]]
    found = []
    for k in places:
        kind, key, *rest = paths[k]
        name = key.key if kind.idx else names[key.idx] if key.idx < len(names) else f"argument {key.idx + 1}"
        found.append(f"{name}{jax.tree_util.keystr(tuple(rest))}")
    return found


def find_floating(point: Point) -> list[int]:
    """The leaves of a point's arguments by which the rule is differentiated: those that are finite."""
    import jax

    args, kwargs = point.arguments
    static = set(getattr(point.target, "nondiff_argnums", ()))
    marks = jax.tree.leaves(
        (
            tuple(
                jax.tree.map(lambda leaf, k=k: k not in static and _is_number(leaf), arg)
                for k, arg in enumerate(args)
            ),
            jax.tree.map(_is_number, kwargs),
        )
    )
    return [k for k, mark in enumerate(marks) if mark]


def has_symmetric(point: Point) -> bool:
    """Whether an argument is a symmetric matrix."""
    import jax

    leaves = jax.tree.leaves(point.arguments)
    return any(is_symmetric(np.asarray(leaves[k], np.float64)) for k in find_floating(point))


def _is_number(leaf: Any) -> bool:
    import jax.numpy as jnp

    if isinstance(leaf, float):
        return bool(np.isfinite(leaf))
    floating = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    return bool(floating and np.isfinite(np.asarray(leaf, np.float64)).all())
