"""What is seen of a rule: every call, under every transformation, with values; a few different points are kept."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from softjax.audit import jax_rules, scipy_pairs
from softjax.audit.accept import accept, read_intended
from softjax.audit.judge import Finding
from softjax.audit.processes import check_rules, conclude
from softjax.audit.record import Recorder, Scope
from softjax.audit.saved import NUM_POINTS, Recorded, Rule, load_point, load_recorded
from softjax.audit.scan import list_rules
from softjax.audit.worker import check

PROJECT = Path(__file__).with_name("project")


@pytest.fixture
def recorder(monkeypatch):
    """A recorder of the rules in this file and the project's, which sees the calls of this test only."""
    recorder = Recorder(Scope(PROJECT.parent))
    monkeypatch.setattr("softjax.audit.record.is_test", lambda file, module="": False)
    for kind in jax_rules.KINDS:
        monkeypatch.setattr(getattr(jax, kind), "__call__", getattr(jax, kind).__call__)
    for name in scipy_pairs.CALLERS:
        monkeypatch.setattr(optimize, name, getattr(optimize, name))
    jax_rules.watch(jax, recorder)
    scipy_pairs.watch(optimize, recorder)
    monkeypatch.syspath_prepend(PROJECT)
    yield recorder
    for name in [name for name in sys.modules if name.startswith("geometry")]:
        del sys.modules[name]


@jax.custom_jvp
def softplus(x):
    return jnp.log1p(jnp.exp(x))


softplus.defjvps(lambda t, value, x: t * jax.nn.sigmoid(x))


def list_values(recorder):
    """The numbers of all points of the one rule that was seen."""
    jax.effects_barrier()
    (seen,) = recorder.seen.values()
    return sorted({float(x) for point in seen.points.values() for x in np.ravel(point.arguments[0][0])})


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: softplus(0.5), [0.5]),
        (lambda: jax.jit(softplus)(0.5), [0.5]),
        (lambda: jax.grad(softplus)(0.5), [0.5]),
        (lambda: jax.jit(jax.grad(lambda x: softplus(2 * x)))(0.5), [1.0]),
        (lambda: jax.vmap(softplus)(jnp.array([1.0, 2.0, 4.0])), [1.0, 2.0, 4.0]),
        (
            lambda: jax.jit(jax.vmap(jax.vmap(softplus)))(jnp.array([[1.0, 2.0], [3.0, 4.0]])),
            [1.0, 2.0, 3.0, 4.0],
        ),
        (lambda: jax.vmap(jax.grad(softplus))(jnp.array([1.0, 2.0])), [1.0, 2.0]),
        (lambda: jax.lax.scan(lambda c, x: (c + softplus(x), None), 0.0, jnp.array([1.0, 3.0])), [1.0, 3.0]),
        (lambda: jax.grad(jax.checkpoint(lambda x: softplus(x) ** 2))(0.5), [0.5]),
        (lambda: jax.hessian(softplus)(0.5), [0.5]),
    ],
    ids=[
        "plain",
        "jit",
        "grad",
        "jit of grad",
        "vmap",
        "vmap twice",
        "vmap of grad",
        "scan",
        "checkpoint",
        "hessian",
    ],
)
def test_values_are_seen_under_every_transformation(recorder, call, expected):
    first = jax.tree.map(np.asarray, call())
    assert list_values(recorder) == expected
    recorder.paused = True
    jax.clear_caches()
    jax.tree.map(
        np.testing.assert_array_equal, first, jax.tree.map(np.asarray, call())
    )  # the results are the same


def test_the_order_of_derivative_is_seen(recorder):
    jax.grad(jax.grad(softplus))(0.5)
    assert next(iter(recorder.seen.values())).order == 2


def test_points_are_few_different_and_include_the_extremes(recorder):
    for value in [3.0, 3.0, *range(100, 150), 0.001, 1e6]:
        softplus(jnp.float32(value))
    (seen,) = recorder.seen.values()
    assert seen.calls == 54
    values = list_values(recorder)
    assert len(values) <= NUM_POINTS
    assert (values[0], values[-1]) == (pytest.approx(0.001), 1e6)


def test_large_and_infinite_arguments_give_no_point_and_the_reason_is_kept(recorder):
    softplus(jnp.zeros(2**19))
    softplus(jnp.array([np.inf]))
    (seen,) = recorder.seen.values()
    assert not seen.points
    assert seen.skipped == {"arrays of more than 1 MiB", "arguments that are not finite"}


def make_local():
    @jax.custom_vjp
    def double(x):
        return 2 * x

    double.defvjp(lambda x: (double(x), None), lambda _, g: (2 * g,))
    return double


def test_rules_are_saved_by_name_or_with_what_they_close_over(recorder, tmp_path):
    from geometry import right

    right.make_power(3)(2.0)
    right.solve({"A": jnp.eye(2), "b": jnp.ones(2), "name": None}, scale=2.0)
    optimize.minimize(right.rosenbrock, [0.5, 0.5], jac=right.rosenbrock_slope)
    recorder.save(tmp_path / "one")
    recorder.save(tmp_path / "two")
    local = make_local()
    local(jnp.ones(2))
    recorder.save(tmp_path / "three")
    *_, own = sorted(load_recorded(tmp_path), key=lambda each: each.rule.file.endswith("test_record.py"))
    assert load_point(own.points[0]).target(jnp.ones(2)).tolist() == [2.0, 2.0]
    solve, power, rosenbrock, _ = load_recorded(tmp_path)  # as they stand in the file
    assert [each.rule.kind for each in (power, solve, rosenbrock)] == [
        "custom_jvp",
        "custom_vjp",
        "scipy jac",
    ]
    assert power.calls == 3  # of three processes
    assert load_point(power.points[0]).target(2.0) == 8.0
    point = load_point(solve.points[0])
    assert point.target is right.solve
    assert point.arguments[1] == {"scale": 2.0}
    assert load_point(rosenbrock.points[0]).arguments[0].tolist() == [0.5, 0.5]


def check_at(point, module=jax_rules, order=1):
    return list(check(module, point, order))


def find(recorder, name):
    (seen,) = (seen for seen in recorder.seen.values() if seen.rule.name.endswith(name))
    return next(iter(seen.points.values()))


def test_every_mode_is_checked_and_arguments_are_named(recorder):
    from geometry import meant, right, wrong

    right.log1pexp(jnp.array([-1.0, 2.0]))
    wrong.transposed(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([1.0, -2.0]))
    meant.reverse(jnp.array([1.0, 2.0]), 0.5)
    meant.straight_through(jnp.array([1.2, -0.7]))
    assert [each.mode for each in check_at(find(recorder, "log1pexp"))] == [
        f"{mode}{under}"
        for mode in ("reverse mode", "forward mode")
        for under in ("", " under jit", " under vmap")
    ]
    transposed = check_at(find(recorder, "transposed"))
    assert {each.word for each in transposed} == {"wrong"}
    assert "only in x" in transposed[0].text
    assert {each.word for each in check_at(find(recorder, "reverse"))} == {"differs"}
    assert "-0.5" in check_at(find(recorder, "reverse"))[0].text
    assert "straight-through" in check_at(find(recorder, "straight_through"))[0].text


def test_a_rule_that_ignores_its_cotangent_is_wrong_for_one_output_too(recorder, own_messages):
    from geometry import wrong

    wrong.unweighted(jnp.float32(1.5))
    assert check_at(find(recorder, "unweighted"))[0].word == "wrong"


def test_second_order_is_checked_where_it_is_used(recorder):
    from geometry import wrong

    wrong.second(jnp.array([0.3, 0.4]))
    point = find(recorder, "second")
    assert {each.word for each in check_at(point)} == {"right"}
    assert [(each.mode, each.word) for each in check_at(point, order=2)][-1] == ("second order", "wrong")


@jax.custom_vjp
def log_determinant(A):
    """Of a symmetric matrix, from its lower triangle."""
    return 2 * jnp.log(jnp.diag(jax.lax.linalg.cholesky(A, symmetrize_input=False))).sum()


log_determinant.defvjp(lambda A: (log_determinant(A), A), lambda A, g: (g * jnp.linalg.inv(A),))


def test_a_rule_for_symmetric_matrices_is_right_at_symmetric_matrices(recorder):
    log_determinant(jnp.array([[2.0, 0.3], [0.3, 1.0]]))
    found = check_at(find(recorder, "log_determinant"))
    assert {each.word for each in found} == {"right"}
    assert "symmetric" in found[0].text


def test_the_optimizers_of_scipy_are_seen_in_all_their_forms(recorder, own_messages):
    def both(x):
        return (x**2).sum(), 2 * x

    def value(x):
        return (x**2).sum()

    def slope(x):
        return 2 * x

    def residuals(x):
        return x**2 - 1

    def jacobian(x):
        return np.diag(2 * x)

    x = np.array([1.5, 2.0])
    optimize.minimize(both, x, jac=True)
    optimize.fmin_bfgs(value, x, slope, disp=False)
    optimize.fmin_l_bfgs_b(both, x)
    optimize.least_squares(residuals, x, jacobian)
    optimize.root(fun=residuals, x0=x, jac=jacobian)
    optimize.newton(lambda x: x**2 - 2, 1.0, fprime=lambda x: 2 * x)
    optimize.minimize(value, x)  # no derivative
    names = sorted(name.rpartition(".")[2] for *_, name in recorder.seen)
    assert names == ["<lambda>", "both", "jacobian", "slope"]
    for seen in recorder.seen.values():
        for point in seen.points.values():
            assert next(check(scipy_pairs, point, 1)).word == "right"


def test_the_source_tells_of_rules_that_were_not_called():
    names = {rule.name for rule in list_rules(Scope(PROJECT))}
    assert names == {
        f"geometry.{name}"
        for name in (
            *(
                "right.log1pexp",
                "right.norm",
                "right.logsumexp",
                "right.solve",
                "right.make_power.<locals>.power",
            ),
            *(
                "wrong.twice",
                "wrong.sign",
                "wrong.transposed",
                "wrong.unweighted",
                "wrong.half_line",
                "wrong.mean",
            ),
            *("wrong.second", "meant.straight_through", "meant.reverse", "meant.smoothed", "meant.damped"),
            *("meant.forgotten", "meant._plain"),
        )
    }


def test_a_rule_that_takes_too_long_or_ends_its_process_is_undecided(tmp_path):
    rule = Rule("custom_jvp", "mine.slow", str(tmp_path / "mine.py"), 1)
    for body, reason in (("import time; time.sleep(600)", "2 s"), ("import os; os._exit(7)", "exit code 7")):
        (tmp_path / "mine.py").write_text(body)
        named = (("mine", "slow", type(softplus)), True, ((1.0,), {}), {"x64": False})
        recorded = Recorded(rule, 1, 1, (pickle.dumps(named),), ())
        (outcome,) = check_rules(
            [recorded], tmp_path, [str(tmp_path)], limit=2.0 if "sleep" in body else 100.0
        )
        assert outcome.verdict == "undecided"
        assert reason in outcome.text


def test_one_right_point_is_enough_and_one_wrong_point_too():
    recorded = Recorded(Rule("custom_jvp", "a.b", "a.py", 1), 3, 1, (b"1", b"2"), ())
    right, undecided, wrong = (
        Finding("reverse mode", word, word, 1.0) for word in ("right", "undecided", "wrong")
    )

    def at(finding, point):
        return Finding(finding.mode, finding.word, finding.text, 1.0, point=point)

    assert conclude(recorded, [at(right, 0), at(undecided, 1)], "", 1.0).verdict == "right"
    assert conclude(recorded, [at(undecided, 0), at(undecided, 1)], "", 1.0).verdict == "undecided"
    assert conclude(recorded, [at(right, 0), at(wrong, 1)], "", 1.0).verdict == "wrong"


def test_a_comment_or_a_list_accepts_a_rule(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.softjax.audit]\nintended = ["mine.by_list*"]\n')
    (tmp_path / "mine.py").write_text(
        "@jax.custom_jvp\ndef by_comment(x):  # softjax: intended\n    return x\n\n\ndef other(x):\n    x\n"
    )
    recorded = Recorded(Rule("custom_jvp", "", "", 1), 1, 1, (b"1",), ())
    wrong = conclude(recorded, [Finding("reverse mode", "wrong", "twice", 9.0)], "", 1.0)

    def accepted(name, line):
        rule = Rule("custom_jvp", name, str(tmp_path / "mine.py"), line)
        return accept(replace(wrong, rule=rule), read_intended(tmp_path))

    assert accepted("mine.by_comment", 1).verdict == "differs"
    assert accepted("mine.by_list_too", 6).verdict == "differs"
    assert accepted("mine.other", 6).verdict == "wrong"


class FilterCustomJvp:
    """A decorator as other packages have them: the rule is that of a function inside of it."""

    def __init__(self, fn):
        self.fn = fn

        def call(x):
            return self.fn(x)

        self.rule = jax.custom_jvp(call)
        self.rule.defjvps(lambda t, value, x: 2 * x * t)


def test_a_rule_made_by_another_package_has_the_name_of_what_it_wraps(recorder, monkeypatch):
    def square(x):
        return x**2

    square.__code__ = square.__code__.replace(co_filename=str(PROJECT / "geometry" / "squares.py"))
    recorder.scope = Scope(PROJECT)  # the decorator is outside
    FilterCustomJvp(square).rule(jnp.array([2.0, 3.0]))
    (seen,) = recorder.seen.values()
    assert seen.rule.name.endswith("square")
    assert check_at(find(recorder, "square"))[0].word == "right"


@jax.custom_jvp
def truncate(x):
    """X without its last bits: the derivative of the operations on bits is zero."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32 if x.dtype == jnp.float32 else jnp.uint64)
    return jax.lax.bitcast_convert_type(bits, x.dtype) ** 2


truncate.defjvps(lambda t, value, x: 2 * x * t)


@jax.custom_jvp
def draw(scale):
    uniform = jax.random.uniform(jax.random.key(0), scale.shape, scale.dtype)
    return jnp.floor(scale * uniform) + scale


draw.defjvps(lambda t, value, scale: 3 * t)


def test_a_rule_for_operations_on_bits_is_judged_by_values(recorder):
    truncate(jnp.array([1.5, 2.5]))
    assert {each.word for each in check_at(find(recorder, "truncate"))} == {"right"}


def test_a_rule_of_random_draws_is_undecided(recorder):
    draw(jnp.array([1.5, 2.5]))
    found = check_at(find(recorder, "draw"))
    assert {each.word for each in found} == {"undecided"}
    assert "random" in found[0].text
