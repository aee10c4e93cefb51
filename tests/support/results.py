"""Synthetic results of sweeps and paths: a real one, with other configurations and accuracies."""

from dataclasses import replace

import numpy as np


def with_grid(result, learning_rates, regs, accuracy):
    """A result of one seed with these cells."""
    C = len(learning_rates) * len(regs)
    grid = np.array([(lr, reg) for lr in learning_rates for reg in regs])
    accuracy = np.asarray(accuracy, float).reshape(C, 1)
    return replace(
        result,
        config=replace(result.config, learning_rates=tuple(learning_rates), regs=tuple(regs), num_seeds=1),
        learning_rate=grid[:, 0],
        reg=grid[:, 1],
        seed=np.array([0]),
        steps=np.full(C, 50),
        val_hits=np.zeros((C, 10), int),
        test_hits=np.zeros((C, 10), int),
        train_accuracy=accuracy,
        val_accuracy=accuracy,
        test_accuracy=accuracy,
        final_loss=np.where(np.isnan(accuracy), np.nan, 1.0),
        diverged=np.isnan(accuracy),
        fold_accuracy=np.empty((C, 1, 0)),
        weights=None,
        loss_history=np.linspace(2.0, 1.0, 50)[None, None].repeat(C, axis=0),
        data_loss_history=np.linspace(1.8, 0.9, 50)[None, None].repeat(C, axis=0),
        history_steps=np.arange(50),
        grid_shape=(len(learning_rates), len(regs)),
    )


def with_regs(result, regs, accuracy, converged=True, reason="rounding"):
    """A path with these penalty strengths and accuracies, of which some have `converged`, others not for this `reason`."""
    R = len(regs)
    accuracy, ones = np.asarray(accuracy, float), np.ones(R)
    return replace(
        result,
        config=replace(result.config, regs=tuple(regs)),
        reg=np.asarray(regs, float),
        train_accuracy=accuracy,
        val_accuracy=accuracy,
        test_accuracy=accuracy,
        val_hits=(np.arange(1000)[None] < 1000 * accuracy[:, None]).astype(np.uint8),
        test_hits=np.zeros((R, 10), np.uint8),
        objective=ones,
        gradient_norm=ones,
        gap=np.where(np.broadcast_to(converged, R), 1e-7, 1e-3),
        converged=np.broadcast_to(converged, R).copy(),
        reasons=tuple("" if each else reason for each in np.broadcast_to(converged, R)),
        solved_in=("float32",) * R,
        newton_steps=np.full(R, 3, np.int32),
        passes=np.full(R, 10, np.int32),
        fold_accuracy=np.empty((R, 0)),
        weights=np.zeros((R, *result.weights.shape[1:]), np.float32),
    )
