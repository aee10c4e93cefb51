"""With `progress=True` a bar moves as `on_progress` is told, and is gone at the end, whatever happens."""

import io
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
from tqdm.std import tqdm

from softjax import SweepConfig, regularization_path, sweep
from softjax.progress import progress_bar
from softjax.training import plan


@pytest.fixture
def bars(monkeypatch):
    """The bars that are opened, with what each shows whenever it is drawn anew. In a notebook `tqdm.auto` gives widgets."""
    opened = []

    class Recorded(tqdm):
        def __init__(self, *arguments, **options):
            self.shown = []
            super().__init__(*arguments, **options, file=io.StringIO())
            self.was_disabled = self.disable
            opened.append(self)

        def refresh(self, *arguments, **options):
            self.shown.append((self.n, self.total, self.postfix))
            return super().refresh(*arguments, **options)

    monkeypatch.setattr("tqdm.auto.tqdm", Recorded)
    return opened


def gone(bar):
    return bar.disable and not bar.was_disabled  # as `close` leaves it


def test_the_bar_of_a_sweep_shows_its_steps_segment_and_loss(digits, small_config, bars, monkeypatch):
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [10, 20])
    told = []
    sweep(digits, small_config, progress=True, on_progress=told.append)
    (bar,) = bars
    assert [progress.step for progress in told] == [0, 10, 30, 30]
    shown = [each for each in bar.shown if each[2]]
    assert list(dict.fromkeys(done for done, _, _ in shown)) == [0, 10, 30]
    assert {total for _, total, _ in shown} == {30}
    assert "segment 0 of 2" in shown[0][2]
    assert f"median loss {told[1].median_loss:.4g}, segment 1 of 2" in [text for _, _, text in shown]
    assert gone(bar)


def test_the_bar_shows_the_best_of_what_is_finished_and_what_diverged(digits, bars):
    told = []
    rates = (0.01, 1e9, 0.1)
    config = SweepConfig(learning_rates=rates, regs=(0.001,), num_iters=20, chunk_size=1)
    result = sweep(digits, config, progress=True, on_progress=told.append)
    accuracy = result.val_accuracy[:, 0]
    assert [progress.best and progress.best[0] for progress in told] == [
        None, None, accuracy[0], accuracy[0], max(accuracy[0], accuracy[2]),
    ]  # fmt: skip
    assert told[-1].best[1:] == (rates[result.best], 0.001)
    assert [progress.num_diverged for progress in told][-1] == 1
    assert np.isnan(told[2].median_loss)  # of a chunk in which nothing else was trained
    (bar,) = bars
    lr = f"{rates[result.best]:.3g}"
    assert f"best {max(accuracy[0], accuracy[2]):.3f} (lr {lr}, reg 0.001), 1 diverged" in bar.shown[-1][2]
    assert gone(bar)


@pytest.mark.parametrize("options", [{}, {"folds": 3}, {"num_seeds": 2}, {"minibatches": "independent"}])
def test_the_best_is_told_while_a_chunk_trains(digits, options, monkeypatch):
    """It is that of a sweep that ends there, and to look at it changes nothing."""
    monkeypatch.setattr(
        plan, "segment_lengths", lambda *_: [10, 150, 10]
    )  # the first and the last are too short for it
    config = SweepConfig(learning_rates=(0.01, 1e9, 0.03), regs=(0.001, 1.0), num_iters=170, **options)
    told = []
    result = sweep(digits, config, on_progress=told.append)
    monkeypatch.undo()
    earlier = sweep(digits, replace(config, num_iters=160))
    unwatched = sweep(digits, config)

    def best(result):
        row = result.best
        return result.val_accuracy[row].mean(), result.learning_rate[row], result.reg[row]

    expected = [None, None, best(earlier), best(earlier), best(result)]
    assert [progress.best for progress in told] == expected
    assert best(earlier) != best(result)
    assert told[2].num_diverged == 2 * config.num_seeds
    np.testing.assert_array_equal(result.val_accuracy, unwatched.val_accuracy)
    np.testing.assert_array_equal(result.best_weights, unwatched.best_weights)


def test_the_best_of_halving_is_of_the_last_rung(digits, monkeypatch):
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [100])
    rates = (0.001, 0.01, 0.0001, 0.0002)  # the second is better after 100 steps than the first after 200
    config = SweepConfig(learning_rates=rates, regs=(0.001,), num_iters=200, halvings=1, chunk_size=1)
    told = []
    result = sweep(digits, config, on_progress=told.append)
    after = {progress.segment: progress.best for progress in told}
    accuracy = result.val_accuracy.mean(axis=1)
    first, second = np.flatnonzero(result.steps == 200)
    assert list(after) == list(range(7))  # four chunks in the first rung, then two
    assert after[5] == (accuracy[first], result.learning_rate[first], result.reg[first])
    assert after[6][0] == max(accuracy[first], accuracy[second])


def test_diverging_runs_do_not_drown_the_loss_of_the_others(digits):
    told = []
    config = SweepConfig(learning_rates=(0.001, 0.01, 1e9, 1e10, 1e11), regs=(0.001,), num_iters=20)
    result = sweep(digits, config, on_progress=told.append)
    assert told[1].num_diverged == 3
    assert told[1].median_loss == pytest.approx(np.median(result.loss_history[:2, 0, -1]), rel=1e-6)


def test_the_bar_of_a_path_shows_its_strengths_passes_and_gradient(digits, bars):
    told = []
    regularization_path(digits, regs=(0.1, 1.0), progress=True, on_progress=told.append)
    (bar,) = bars
    assert bar.shown[-1][:2] == (2, 2)
    accuracy, reg = told[-1].best
    end = f"best {accuracy:.3f} (reg {reg:g}), pass {told[-1].passes:,}, gradient norm {told[-1].gradient_norm:.1e}"
    assert bar.shown[-1][2] == end
    assert "nan" not in "".join(text or "" for _, _, text in bar.shown)
    assert gone(bar)


@pytest.mark.parametrize("options", [{}, {"folds": 3}])
def test_the_best_strength_is_told_while_a_path_is_solved(digits, options):
    told, states, regs = [], [], (1e-4, 1e-2, 1.0)

    def keep(progress):
        told.append(progress)
        states.append(progress.state())

    path = regularization_path(digits, regs=regs, on_progress=keep, **options)
    first = next(
        progress.best for progress in told if progress.converged == 1
    )  # from the largest strength on
    accuracy = path.fold_accuracy[2, 0] if options else path.val_accuracy[2]
    assert first == (pytest.approx(accuracy), 1.0)
    assert told[0].best is None
    if options:  # in the second fold all are compared on the first one
        second = next(progress.best for progress in told if progress.converged == 5)
        assert second[0] == pytest.approx(path.fold_accuracy[:, 0].max())
    assert told[-1].best == (pytest.approx(path.val_accuracy.max()), path.reg[path.best])
    middle = next(number for number, progress in enumerate(told) if progress.converged == 2)
    again = []
    regularization_path(digits, regs=regs, on_progress=again.append, state=states[middle], **options)
    assert again[0].best == told[middle].best  # as if it had not been interrupted


def test_a_bar_goes_on_where_a_state_stands(digits, small_config, bars, monkeypatch):
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [10, 20])
    states = []
    sweep(digits, small_config, on_progress=lambda progress: states.append(progress.state()))
    sweep(digits, small_config, state=states[1], progress=True)
    (bar,) = bars
    assert bar.initial == 10  # what was done before does not count for the speed
    assert bar.n == 30


def test_there_is_no_bar_unless_it_is_asked_for(digits, small_config, bars, capfd):
    sweep(digits, replace(small_config, num_iters=2))
    regularization_path(digits, regs=0.1)
    assert bars == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("run", [sweep, regularization_path])
def test_a_bar_is_closed_where_the_run_is_stopped(digits, bars, run):
    class Stop(Exception):
        pass

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        run(digits, progress=True, on_progress=stop)
    assert gone(bars[0])


def test_a_bar_is_shown_where_there_is_no_terminal_too(digits, capsys):
    """As in a notebook, and in a file to which a job's output goes."""
    regularization_path(digits, regs=0.1, progress=True)
    assert "finished" in capsys.readouterr().err


def test_a_terminal_that_does_not_tell_its_size_shows_the_bar(monkeypatch):
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    with open(terminal, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        with progress_bar(10) as bar:
            bar.set_postfix_str("best 0.9")
        os.set_blocking(master, False)  # what is not there is not waited for
        shown = os.read(master, 10_000).decode()
    os.close(master)
    assert "training:   0%" in shown
    assert "best 0.9" in shown
