"""Features are centred in float64, whatever their offset and scale, and refused where the type of a run cannot hold them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from softjax import InputError, Split, SweepConfig, load_dataset, regularization_path, sweep
from softjax.cli import main
from softjax.datasets import preprocess
from softjax.evaluation.examples import prepare

CONFIG = SweepConfig(learning_rates=(0.1,), regs=(0.001,), num_iters=200, batch_size=50)


@pytest.fixture
def own(tmp_path):
    """A data set of arrays that go through a file, as a user's do."""

    def load(**arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        return load_dataset(str(tmp_path / "own.npz"))

    return load


def separable(num_examples=300):
    """Three classes that a line tells apart, with spread 1."""
    rng = np.random.default_rng(0)
    y = np.arange(num_examples) % 3
    return 10 * np.eye(3)[y][:, :2] + rng.normal(size=(num_examples, 2)), y


def both_ways(dataset, config=CONFIG):
    """The results of a sweep and of a path."""
    return sweep(dataset, config), regularization_path(dataset, config)


# Constant features


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e-7, 1 / 3, 1e9 + 0.1, 5e-324])
@pytest.mark.parametrize("num_examples", [1, 7, 300, 4321])
def test_a_constant_feature_is_not_scaled(value, dtype, num_examples):
    X = np.full((num_examples, 2), value, dtype)
    fitted = preprocess.fit(X, standardize=True)
    np.testing.assert_array_equal(fitted.mean, X[0].astype(np.float64))
    np.testing.assert_array_equal(fitted.scale, 1)
    assert preprocess.constant_features(X, fitted).tolist() == [0, 1]


def test_a_constant_feature_does_not_decide_where_it_differs_in_the_test_split(own):
    X, y = separable()
    parts = {f"y_{part}": y for part in ("train", "val", "test")}
    for part, value in (("train", 0.1), ("val", 0.1), ("test", 0.2)):
        parts[f"X_{part}"] = np.column_stack([X, np.full(len(X), value)])
    for result in both_ways(own(**parts), replace(CONFIG, standardize=True)):
        assert result.test_accuracy.max() > 0.98


def test_what_differs_by_rounding_alone_is_constant():
    noise = 0.1 * (1 + np.finfo(float).eps * np.random.default_rng(0).integers(-3, 4, (500, 1)))
    assert len(np.unique(noise)) > 3
    np.testing.assert_array_equal(preprocess.fit(noise, standardize=True).scale, 1)


def test_the_scale_is_scikit_learn_s_on_columns_of_all_scales():
    rng = np.random.default_rng(1)
    N, D = 2500, 400
    spread = 10.0 ** rng.uniform(-140, 140, D)
    offset = spread * rng.choice([-1, 0, 1], D) * 10.0 ** rng.uniform(-3, 8, D)
    X = offset + spread * rng.normal(size=(N, D))
    X[:, :40] = offset[:40]
    theirs = StandardScaler().fit(X)
    ours = preprocess.fit(X, standardize=True)
    np.testing.assert_array_equal(np.flatnonzero(theirs.scale_ == 1), np.arange(40))
    np.testing.assert_array_equal(preprocess.constant_features(X, ours), np.arange(40))
    np.testing.assert_allclose(ours.scale * theirs.scale_, 1, rtol=1e-6)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12, atol=1e-15 * np.abs(X).max())
    exact = X.astype(np.longdouble)
    np.testing.assert_allclose((ours.scale * exact.std(axis=0))[40:].astype(float), 1, rtol=1e-12)


@pytest.mark.parametrize("spread", [1e-300, 1e-180, 1e180, 1e300])
def test_a_spread_whose_square_float64_cannot_hold_is_found(spread):
    X = spread * np.random.default_rng(0).normal(size=(100, 3))
    fitted = preprocess.fit(X, standardize=True)
    np.testing.assert_allclose(fitted.scale * spread, 1, rtol=0.5)
    np.testing.assert_allclose(((X - fitted.mean) * fitted.scale).std(axis=0), 1)


@pytest.mark.parametrize(
    ("column", "message"),
    [([-1.5e308, 1.5e308, 0], "column 1.*float64"), ([0, 5e-324, 1e-323], "column 1.*standard deviation")],
)
def test_a_spread_that_float64_cannot_hold_is_refused_by_name(column, message):
    with pytest.raises(InputError, match=message):
        preprocess.fit(np.column_stack([[1.0, 2.0, 3.0], column]), standardize=True)


@pytest.mark.usefixtures("without_pictures")
def test_the_report_says_which_features_are_constant(own, tmp_path):
    X, y = separable()
    X = np.insert(X, [0, 0, 1, 2], 0.1, axis=1)
    np.savez(tmp_path / "own.npz", X=X, y=y)
    command = [
        "sweep",
        "--dataset",
        str(tmp_path / "own.npz"),
        "--num-iters",
        "20",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*command, "--standardize"]) == 0
    assert "4 are constant in training (0, 1, 3, 5)" in (tmp_path / "out" / "README.md").read_text()


# Offsets


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("offset", [1e9, -1e12])
def test_an_offset_changes_nothing(own, offset, standardize):
    X, y = separable()
    X = np.round(X * 2**10) / 2**10  # so that adding the offset does not round
    config = replace(CONFIG, standardize=standardize)
    near, far = own(X=X, y=y), own(X=X + offset, y=y)
    for there, here in zip(both_ways(near, config), both_ways(far, config), strict=True):
        assert here.test_accuracy.max() > 0.98
        np.testing.assert_allclose(here.best_weights, there.best_weights, rtol=2e-3, atol=1e-5)
        np.testing.assert_allclose(here.scores(far.test), there.scores(near.test), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, ">f8", np.longdouble])
def test_numbers_that_float32_cannot_hold_are_kept(own, dtype):
    X, y = separable()
    X = (np.round(100 * X) + 2e9).astype(dtype)
    dataset = own(X=X, y=y)
    assert dataset.train.X.dtype == np.float64
    assert set(dataset.train.X.ravel()) <= set(X.ravel().astype(np.float64))
    for result in both_ways(dataset, replace(CONFIG, standardize=True)):
        assert result.test_accuracy.max() > 0.98


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.float16, ">f4"])
def test_numbers_that_float32_holds_become_float32(own, dtype):
    X, y = separable()
    X = np.round(X).astype(dtype)
    dataset = own(X=X, y=y)
    assert dataset.train.X.dtype == np.float32
    assert set(dataset.train.X.ravel()) <= set(X.ravel().astype(np.float32))


def test_integers_that_no_float_holds_are_refused(own):
    X, y = separable()
    with pytest.raises(InputError, match=r"X holds integers up to 9\.22.*2\*\*53.*subtract"):
        own(X=np.round(X).astype(np.int64) + (2**63 - 100), y=y)


def test_pixels_and_float32_are_not_copied(digits):
    for X in (digits.train.X, digits.train.X.astype(np.float32)):
        dataset = replace(digits, **{part: Split(X, digits.train.y) for part in ("train", "val", "test")})
        fitted = preprocess.fit(X, standardize=True)
        placed, *examples = prepare(dataset, fitted, "float32")
        assert all(each.X is X for each in examples)
        np.testing.assert_array_equal(placed.mean, fitted.mean.astype(np.float32))


# Scales


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e60, "float32"), (1e-60, "float32"), (1e150, "float64"), (1e-150, "float64")]
)
def test_features_of_any_scale_can_be_standardized(own, scale, dtype):
    X, y = separable()
    dataset = own(X=scale * X, y=y)
    for result in both_ways(dataset, replace(CONFIG, standardize=True, dtype=dtype)):
        assert result.test_accuracy.max() > 0.98
        assert np.mean(result.scores(dataset.test).argmax(axis=1) == dataset.test.y) > 0.98


def test_float32_features_of_any_scale_can_be_standardized(own):
    X, y = separable()
    for scale in (1e-41, 1e37):
        dataset = own(X=(scale * X).astype(np.float32), y=y)
        for result in both_ways(dataset, replace(CONFIG, standardize=True)):
            assert result.test_accuracy.max() > 0.98


@pytest.mark.parametrize(
    ("scale", "dtype", "message"),
    [
        (
            1e60,
            np.float64,
            r"column 1 of the training features lies up to .*e\+6.* from its training mean.*float32",
        ),
        (1e30, np.float32, r"column 1 .*e\+3.*float32"),
        (1e-60, np.float64, r"the training features lie at most .*e-.* from their means.*float32"),
        (1e-30, np.float32, r"the training features lie at most .*e-.*float32"),
    ],
)
def test_features_out_of_range_are_refused_by_name(own, scale, dtype, message):
    X, y = separable()
    X[:, 1 if scale > 1 else slice(None)] *= scale
    dataset = own(X=X.astype(dtype), y=y)
    for run in (sweep, regularization_path):
        with pytest.raises(InputError, match=message):
            run(dataset, CONFIG)


def test_a_held_out_split_out_of_range_is_refused_by_name(own):
    X, y = separable()
    parts = {f"y_{part}": y for part in ("train", "val", "test")}
    parts |= {"X_train": X, "X_val": X, "X_test": 1e60 * X}
    for standardize in (False, True):
        with pytest.raises(InputError, match=r"column [01] of the test features"):
            sweep(own(**parts), replace(CONFIG, standardize=standardize))


def test_the_command_line_says_what_to_do_about_the_range(tmp_path, capsys):
    X, y = separable()
    np.savez(tmp_path / "own.npz", X=1e60 * X, y=y)
    for converge in ([], ["--converge"]):
        command = ["sweep", "--dataset", str(tmp_path / "own.npz"), "--out", str(tmp_path / "out"), *converge]
        assert main(command) == 2
        assert "set standardize, or set dtype float64" in capsys.readouterr().err


def test_a_check_on_features_that_float64_cannot_square_is_refused(tmp_path, capsys):
    X, y = separable()
    for scale, code in ((1e60, 0), (1e-60, 0), (1e300, 2)):
        np.savez(tmp_path / "own.npz", X=scale * X, y=y)
        assert (
            main(["check", "--dataset", str(tmp_path / "own.npz"), "--num-checks", "2", "--regs", "0"])
            == code
        )
    error = capsys.readouterr().err
    assert "column" in error
    assert "rescale the features" in error


def test_the_largest_features_within_the_range_converge(own):
    X, y = separable()
    dataset = own(X=1e15 * X / np.abs(X).max(), y=y)
    result = regularization_path(dataset, replace(CONFIG, regs=(1e28,)))
    assert result.converged.all()
    assert result.test_accuracy[0] > 0.98


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_features_that_are_all_constant_leave_the_bias(own, dtype):
    y = np.repeat([0, 1, 0, 0], 25)
    dataset = own(X=np.full((100, 3), 7, dtype), y=y)
    for standardize in (False, True):
        for result in both_ways(dataset, replace(CONFIG, standardize=standardize)):
            assert result.test_accuracy.max() == np.mean(dataset.test.y == 0)
