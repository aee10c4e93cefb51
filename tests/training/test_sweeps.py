"""A sweep gives what a plain loop over its configurations would, for each of them, and faster."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import softjax
from softjax import InputError, SweepConfig, load_dataset, sweep
from softjax.datasets import preprocess
from softjax.training import plan, prepare


def by_loop(dataset, config, lr, reg, seed, number=0):
    """Run number `number` in plain NumPy, float64: the weights (D, K) before each step and after the last, and the loss of
    every step.
    """
    fitted = preprocess.fit(dataset.train.X, config.standardize)
    X = (dataset.train.X - fitted.mean) * (1 if fitted.scale is None else fitted.scale)
    X = np.hstack([X, np.ones((len(X), 1))])
    y, num_classes, T = dataset.train.y, dataset.num_classes, config.num_iters
    init_key, batch_key = (jax.random.fold_in(jax.random.key(seed), stream) for stream in (0, 1))
    if config.minibatches == "independent":
        init_key, batch_key = (jax.random.fold_in(key, number) for key in (init_key, batch_key))
    W = (
        config.init_scale
        * np.asarray(jax.random.normal(init_key, (num_classes, X.shape[1]), jnp.float32), np.float64).T
    )
    penalized = np.ones_like(W)
    penalized[-1] = config.penalize_bias
    v, m, n = np.zeros_like(W), np.zeros_like(W), np.zeros_like(W)
    weights, losses = [W], []
    for t in range(T):
        rows = np.asarray(
            jax.random.randint(jax.random.fold_in(batch_key, t), (config.batch_size,), 0, len(y), jnp.int32)
        )
        x, label = X[rows], np.eye(num_classes)[y[rows]]
        s = x @ W
        if config.kind == "softmax":
            p = np.exp(s - s.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            loss, Q = -np.log((p * label).sum(axis=1)).mean(), p - label
        else:
            margins = (s - (s * label).sum(axis=1, keepdims=True) + 1) * (1 - label)
            loss, Q = np.maximum(margins, 0).sum(axis=1).mean(), (margins > 0).astype(float)
            Q -= label * Q.sum(axis=1, keepdims=True)
        V = W * penalized
        l1, l2 = np.abs(V).sum(), (V**2).sum()
        r = config.l1_ratio
        value, slope = {
            "l2": (l2, 2 * V),
            "half_l2": (l2 / 2, V),
            "l1": (l1, np.sign(V)),
            "elastic_net": (r * l1 + (1 - r) * l2 / 2, r * np.sign(V) + (1 - r) * V),
            "none": (0, 0 * V),
        }["none" if config.optimizer == "adamw" else config.penalty]
        losses.append((loss + reg * value, loss))
        g = x.T @ Q / len(x) + reg * slope
        match config.schedule:
            case "constant":
                rate = lr
            case "cosine":
                rate = lr * (1 + np.cos(np.pi * t / T)) / 2
            case "step":
                rate = lr * config.decay_rate ** (t // (config.decay_every or -(-T // 3)))
        mu, b2 = config.momentum, config.beta2
        match config.optimizer:
            case "sgd":
                W = W - rate * g
            case "momentum":
                v = mu * v + g
                W = W - rate * v
            case "nesterov":
                v = mu * v + g
                W = W - rate * (g + mu * v)
            case _:
                m, n = mu * m + (1 - mu) * g, b2 * n + (1 - b2) * g**2
                adam = m / (1 - mu ** (t + 1)) / (np.sqrt(n / (1 - b2 ** (t + 1))) + config.eps)
                decay = reg * V if config.optimizer == "adamw" else 0
                W = W - rate * (adam + decay)
        if not np.isfinite(losses[-1]).all():  # such a run is over
            W = np.full_like(W, np.nan)
        weights.append(W)
    return weights, np.array(losses)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": "hinge", "penalty": "half_l2"},
        {"penalty": "elastic_net", "l1_ratio": 0.2, "penalize_bias": False},
        {"penalty": "l1", "standardize": True},
        {"penalty": "none", "num_seeds": 2, "seed": 5},
        {"optimizer": "momentum", "momentum": 0.8},
        {"optimizer": "nesterov", "schedule": "cosine"},
        {"optimizer": "adam", "momentum": 0.7, "beta2": 0.95, "eps": 1e-3, "schedule": "step"},
        {"optimizer": "adamw", "schedule": "step", "decay_every": 7, "decay_rate": 0.3},
        {"optimizer": "adamw", "penalize_bias": False},
        {"minibatches": "independent", "num_seeds": 2},
        {"minibatches": "independent", "optimizer": "momentum", "chunk_size": 3},
        {"search": "log_uniform", "num_configs": 3, "regs": (0.01, 0.1)},
    ],
)
def test_every_run_is_what_a_plain_loop_gives(digits, options):
    config = SweepConfig(
        **{
            "learning_rates": (0.001, 0.02),
            "regs": (0.0, 0.1),
            "num_iters": 25,
            "batch_size": 20,
            "dtype": "float64",
            "keep_weights": "all",
        }
        | options
    )
    result = sweep(digits, config)
    for c, (lr, reg) in enumerate(zip(result.learning_rate, result.reg, strict=True)):
        for s, seed in enumerate(result.seed):
            weights, losses = by_loop(digits, config, lr, reg, int(seed), c)
            rtol = TOLERANCE[config.schedule]
            np.testing.assert_allclose(result.weights[c, s], weights[-1], rtol=rtol, atol=1e-3 * rtol)
            np.testing.assert_allclose(result.loss_history[c, s], losses[:, 0], rtol=rtol)
            np.testing.assert_allclose(result.data_loss_history[c, s], losses[:, 1], rtol=rtol)


# learning rates on a schedule are rounded to float32
TOLERANCE = {"constant": 1e-9, "cosine": 1e-5, "step": 1e-5}


@pytest.mark.parametrize(("optimizer", "chunk_size"), [("sgd", 3), ("adam", None)])
def test_successive_halving_keeps_the_better_half_and_stops_the_others(digits, x64, optimizer, chunk_size):
    """Against plain loops that train every configuration to the end and look at the rungs."""
    config = SweepConfig(
        learning_rates=(1e-4, 1e-3, 0.01, 0.1, 1e300),
        regs=(0.01, 1.0),
        num_iters=21,
        halvings=2,
        batch_size=20,
        num_seeds=2,
        dtype="float64",
        optimizer=optimizer,
        keep_weights="all",
        chunk_size=chunk_size,
    )
    result = sweep(digits, config)
    X = np.asarray(preprocess.apply(result.preprocessing, digits.val.X, np.float64))
    with np.errstate(all="ignore"):
        loops = [
            [by_loop(digits, config, lr, reg, int(seed)) for seed in result.seed]
            for lr, reg in zip(result.learning_rate, result.reg, strict=True)
        ]

    def accuracy(c, step):
        right = [((X @ weights[step]).argmax(axis=1) == digits.val.y).mean() for weights, _ in loops[c]]
        finite = all(np.isfinite(weights[step]).all() for weights, _ in loops[c])
        return np.mean(right) if finite else -1

    alive, steps = list(range(10)), np.zeros(10, int)
    for end, left in ((6, 10), (11, 5), (21, 3)):
        alive = sorted(sorted(alive, key=lambda c: -accuracy(c, steps[c]))[:left]) if end > 6 else alive
        steps[alive] = end
    np.testing.assert_array_equal(result.steps, steps)
    for c, step in enumerate(steps):
        assert np.isnan(result.loss_history[c, :, step:]).all()
        for s, (weights, losses) in enumerate(loops[c]):
            if np.isfinite(weights[step]).all():
                np.testing.assert_allclose(result.weights[c, s], weights[step], rtol=1e-8, atol=1e-12)
                np.testing.assert_allclose(result.loss_history[c, s, :step], losses[:step, 0], rtol=1e-8)
    assert result.steps[result.best] == 21
    assert result.best == max(alive, key=lambda c: accuracy(c, 21))
    assert not result.tied[result.steps < 21].any()
    np.testing.assert_array_equal(result.best_weights, result.weights[result.best, result.best_seed])


def test_a_drawn_search_lies_between_the_ends_and_follows_the_seed(digits):
    config = SweepConfig(learning_rates=(1e-4, 1.0), regs=(0.5, 0.001), search="log_uniform", num_configs=500)
    lr, reg = config.configurations()
    assert ((lr > 1e-4) & (lr < 1)).all()
    assert ((reg > 0.001) & (reg < 0.5)).all()
    even = scipy.stats.uniform(-4, 4).cdf
    assert scipy.stats.kstest(np.log10(lr), even).pvalue > 1e-3
    uniform, _ = replace(config, search="random").configurations()
    assert scipy.stats.kstest(uniform, scipy.stats.uniform(1e-4, 1 - 1e-4).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(config.configurations(), (lr, reg))
    assert not np.isin(replace(config, seed=1).configurations()[0], lr).any()
    result = sweep(digits, replace(config, num_configs=3, num_iters=2))
    np.testing.assert_array_equal(result.learning_rate, replace(config, num_configs=3).configurations()[0])
    assert result.grid_shape is None
    with pytest.raises(InputError, match="a log_uniform search is no grid"):
        result.grid("val_accuracy")


@pytest.mark.parametrize("name", ["val", "test"])
def test_hits_count_the_seeds_that_are_right_about_each_example(digits, small_result, name):
    split, hits = getattr(digits, name), getattr(small_result, f"{name}_hits")
    for c in range(6):
        right = sum(
            (small_result.scores(split, c, s).argmax(axis=1) == split.y).astype(int) for s in range(2)
        )
        np.testing.assert_array_equal(hits[c], right)


def test_the_result_has_named_axes_and_a_grid_view(small_result, small_config):
    C, S, T, D, K = 6, 2, 30, 65, 10
    assert small_result.learning_rate.shape == small_result.reg.shape == (C,)
    for name in ("train_accuracy", "val_accuracy", "test_accuracy", "final_loss", "diverged"):
        assert getattr(small_result, name).shape == (C, S), name
    assert small_result.loss_history.shape == (C, S, T)
    assert small_result.weights.shape == (C, S, D, K)
    assert small_result.grid("val_accuracy").shape == (3, 2, S)
    np.testing.assert_array_equal(small_result.grid("learning_rate")[:, 0], small_config.learning_rates)
    np.testing.assert_array_equal(small_result.grid("reg")[0], small_config.regs)


def test_accuracies_and_final_loss_are_those_of_the_weights(digits, small_result):
    X = preprocess.apply(small_result.preprocessing, digits.train.X, np.float32)
    for c, s in np.ndindex(*small_result.val_accuracy.shape):
        for name in ("train", "val", "test"):
            part = getattr(digits, name)
            accuracy = softjax.accuracy(small_result.scores(part, c, s), part.y)
            assert getattr(small_result, f"{name}_accuracy")[c, s] == pytest.approx(float(accuracy), abs=1e-6)
        objective = softjax.loss(small_result.weights[c, s], X, digits.train.y, small_result.reg[c])
        assert small_result.final_loss[c, s] == pytest.approx(float(objective), rel=1e-5)


def test_the_best_is_chosen_on_validation_data_averaged_over_the_seeds(small_result):
    assert small_result.best == small_result.val_accuracy.mean(axis=1).argmax()


def test_configurations_share_initial_weights_and_minibatches(digits):
    config = SweepConfig(learning_rates=(1e-9, 2e-9), regs=(0.0, 1e-12), num_iters=10, num_seeds=2)
    history = sweep(digits, config).loss_history
    np.testing.assert_allclose(history, np.broadcast_to(history[:1], history.shape), rtol=1e-5)
    assert not np.allclose(history[:, 0], history[:, 1], rtol=1e-5)


def test_the_same_seed_gives_the_same_bits_however_the_run_is_cut(
    digits, small_config, small_result, monkeypatch
):
    again = sweep(digits, small_config)
    np.testing.assert_array_equal(again.weights, small_result.weights)
    np.testing.assert_array_equal(again.loss_history, small_result.loss_history)
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [7, 7, 7, 7, 2])
    cut = sweep(digits, small_config)
    np.testing.assert_array_equal(cut.weights, small_result.weights)
    np.testing.assert_array_equal(cut.loss_history, small_result.loss_history)


def test_a_seed_is_the_same_run_alone_and_among_others(digits, small_result, small_config):
    alone = sweep(digits, replace(small_config, seed=1, num_seeds=1))
    np.testing.assert_allclose(alone.weights[:, 0], small_result.weights[:, 1], rtol=1e-5, atol=1e-7)


def test_seeds_side_by_side_are_the_seeds_one_after_another(digits, small_config, small_result, monkeypatch):
    """Accelerators train all seeds at once, CPUs one by one."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    together = sweep(digits, small_config)
    np.testing.assert_allclose(together.weights, small_result.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(together.val_accuracy, small_result.val_accuracy, atol=0.01)


def test_a_diverging_configuration_is_marked_and_harms_no_other(digits):
    config = SweepConfig(learning_rates=(0.01, 1e30), regs=(0.01, 1.0), num_iters=20, keep_weights="all")
    result = sweep(digits, config)
    np.testing.assert_array_equal(result.diverged[:, 0], [False, False, True, True])
    assert np.isnan(result.val_accuracy[2:]).all()
    assert np.isnan(result.final_loss[2:]).all()
    assert result.best in (0, 1)
    good = sweep(digits, replace(config, learning_rates=(0.01,)))
    np.testing.assert_allclose(result.weights[:2], good.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(result.val_accuracy[:2], good.val_accuracy)


def test_where_all_diverge_the_learning_rates_are_blamed(digits):
    result = sweep(digits, SweepConfig(learning_rates=(1e30,), regs=(0.1,), num_iters=20))
    with pytest.raises(InputError, match=r"every configuration diverged: the learning rates \(1e\+30"):
        _ = result.best


def test_new_values_of_the_numbers_do_not_compile_anew(digits):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    try:
        sweep(digits, SweepConfig(learning_rates=(0.01, 0.02), regs=(0.1,), num_iters=11))
        assert compiled
        compiled.clear()
        sweep(digits, SweepConfig(learning_rates=(0.03, 0.04), regs=(0.2,), num_iters=11, seed=3))
        assert not compiled
        for optimizer in ("momentum", "adamw"):
            config = SweepConfig(
                learning_rates=(0.01, 0.02),
                regs=(0.1,),
                num_iters=11,
                optimizer=optimizer,
                penalty="l2" if optimizer == "adamw" else "elastic_net",
                schedule="step",
            )
            for schedule in ("step", "cosine"):
                sweep(digits, replace(config, schedule=schedule))
            compiled.clear()
            other = replace(config, momentum=0.5, init_scale=0.1)
            used = {"beta2": 0.9, "eps": 1e-4} if optimizer == "adamw" else {"l1_ratio": 0.3}
            other = replace(other, **used)
            sweep(digits, replace(other, decay_every=2, decay_rate=0.7))
            sweep(digits, replace(other, schedule="cosine"))
            assert not compiled, optimizer
    finally:
        jax.monitoring.clear_event_listeners()


def test_progress_is_told_before_the_first_segment_after_each_and_at_the_end(
    digits, small_config, monkeypatch
):
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [10, 10, 10])
    told = []
    result = sweep(digits, replace(small_config, chunk_size=3), on_progress=told.append)
    assert [progress.step for progress in told] == [0, 10, 20, 30, 40, 50, 60, 60]
    assert [progress.segment for progress in told] == [*range(7), 6]
    assert [len(progress.state().parts) for progress in told[-2:]] == [1, 2]
    assert {(progress.num_steps, progress.num_segments) for progress in told} == {(60, 6)}
    assert np.isnan(told[0].median_loss)
    assert told[-2].median_loss == pytest.approx(np.median(result.loss_history[3:, :, -1]), rel=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 5, 100])
def test_the_result_does_not_depend_on_the_chunk(digits, small_config, small_result, chunk_size):
    chunked = sweep(digits, replace(small_config, chunk_size=chunk_size))
    np.testing.assert_allclose(chunked.weights, small_result.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(chunked.loss_history, small_result.loss_history, rtol=1e-5)
    np.testing.assert_allclose(chunked.val_accuracy, small_result.val_accuracy, atol=0.01)
    assert chunked.best == small_result.best


def test_chunks_are_alike_and_fit_the_memory(digits, monkeypatch):
    config = SweepConfig(learning_rates=tuple(map(float, range(1, 102))), regs=(0.1,))
    assert plan.chunk_size(replace(config, chunk_size=100), digits) == 51
    assert plan.chunk_size(replace(config, chunk_size=1000), digits) == 101
    monkeypatch.setattr(plan, "_memory", lambda: 20_000_000)
    assert 1 < plan.chunk_size(config, digits) < 101
    monkeypatch.setattr(plan, "_memory", lambda: 1)
    assert plan.chunk_size(config, digits) == 1


def test_on_accelerators_the_scores_of_all_seeds_count(digits, monkeypatch):
    """There the seeds train side by side."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(plan, "_memory", lambda: 10**9)
    config = SweepConfig(num_seeds=100, batch_size=2000, num_iters=10)
    scores = 100 * 10 * 2000 * 4
    assert plan.chunk_size(config, digits) * scores < 10**9 / 4


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_the_best_weights_are_there_whatever_is_kept(digits, small_config, small_result, chunk_size):
    few = sweep(digits, replace(small_config, keep_weights="best", chunk_size=chunk_size))
    assert few.weights is None
    best, seed = small_result.best, small_result.best_seed
    np.testing.assert_allclose(few.best_weights, small_result.weights[best, seed], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(small_result.best_weights, small_result.weights[best, seed])
    np.testing.assert_allclose(
        few.scores(digits.test), small_result.scores(digits.test), rtol=1e-3, atol=1e-3
    )
    with pytest.raises(InputError, match=r"were not kept.*keep_weights='all' keeps all"):
        few.scores(digits.test, (best + 1) % 6, seed)


def test_of_a_long_sweep_not_every_step_is_kept(digits, small_config, small_result, monkeypatch):
    monkeypatch.setattr(prepare, "MOST_LOSSES", 2 * 6 * 2 * 8)
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [7, 7, 7, 7, 2])
    result = sweep(digits, small_config)
    np.testing.assert_array_equal(result.history_steps, [0, 4, 8, 12, 16, 20, 24, 28])
    np.testing.assert_array_equal(result.loss_history, small_result.loss_history[..., ::4])


def test_bfloat16_takes_the_products_factors_in_it_and_keeps_the_weights(digits, small_config, small_result):
    result = sweep(digits, replace(small_config, dtype="bfloat16"))
    assert result.weights.dtype == np.float32
    np.testing.assert_allclose(result.val_accuracy[:4], small_result.val_accuracy[:4], atol=0.05)
    assert not np.allclose(result.weights, small_result.weights, rtol=1e-5)


@pytest.mark.parametrize("num_iters", [1, 7, 997, 1000, 1500, 10_007])
def test_segments_cover_the_run_and_are_alike(digits, num_iters):
    config = SweepConfig(num_iters=num_iters)
    lengths = plan.segment_lengths(config, digits, 100, num_iters)
    assert sum(lengths) == num_iters
    assert len(set(lengths[:-1])) <= 1
    assert lengths[-1] <= lengths[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("enabled", [False, True])
def test_the_caller_s_setting_for_64_bit_types_neither_matters_nor_changes(digits, dtype, enabled):
    config = SweepConfig(learning_rates=(0.01,), regs=(0.1,), num_iters=5, dtype=dtype)
    with jax.enable_x64(enabled):
        result = sweep(digits, config)
        assert jax.config.jax_enable_x64 == enabled
        assert result.best_weights.dtype == dtype
        assert result.scores(digits.test).dtype == dtype


def test_pixels_and_floats_give_the_same(digits):
    config = SweepConfig(learning_rates=(0.01,), regs=(0.1,), num_iters=20)
    floats = softjax.Dataset(
        **{
            field: getattr(digits, field)
            for field in ("name", "title", "class_names", "image_shape", "fingerprint")
        },
        **{
            name: softjax.Split(getattr(digits, name).X.astype(np.float32), getattr(digits, name).y)
            for name in ("train", "val", "test")
        },
    )
    np.testing.assert_array_equal(sweep(floats, config).best_weights, sweep(digits, config).best_weights)


@pytest.mark.slow
def test_the_seeds_first_cell_on_cifar10(cifar10_dir):
    """Seed 003 printed 0.329265 train and 0.345 validation accuracy at lr 1e-7, reg 2.5e4."""
    dataset = load_dataset("cifar10", cifar10_dir)
    result = sweep(dataset, SweepConfig(learning_rates=(1e-7,), regs=(2.5e4,), num_iters=1500))
    assert result.train_accuracy[0, 0] == pytest.approx(0.329, abs=0.01)
    assert result.val_accuracy[0, 0] == pytest.approx(0.345, abs=0.02)
