"""The report's sections on what is not 003's grid: one function each."""

import numpy as np
from jaxtyping import Float

from seeds import published, training
from seeds.examples import CLIP, LAMBDA, LARGE
from seeds.figures import YES, Findings, ends, quoted, spread
from seeds.measurements import NUM_CHECKS, NUM_DEVELOPMENT, SCALE, STEP
from softjax.evaluation.intervals import prediction_intervals
from softjax.objective.config import Kind, PenaltyName
from softjax.reports.markdown import table

PENALTIES: dict[PenaltyName, str] = {"l2": "reg ΣW²", "half_l2": "½ reg ΣW²"}
KINDS: dict[Kind, str] = {"softmax": "softmax", "hinge": "SVM"}


def checks(findings: Findings) -> str:
    """Gradient checks, naive against vectorized."""
    measured, versus = findings.measurements, findings.measurements.versus
    parts = []
    for check in measured.checks:
        lines = [
            ("003: analytic", "relative error", "ours: analytic", "relative error"),
            *(
                (f"{theirs[1]:.6f}", f"{theirs[2]:.6e}", f"{own[1]:.6f}", f"{own[2]:.6e}")
                for theirs, own in zip(quoted(check), check.naive, strict=True)
            ),
        ]
        title = f"reg {check.reg:g}" if check.reg else "without penalty"
        parts.append(
            f"### {title[0].upper()}{title[1:]}\n\n{table(lines)}\n\n"
            f"Median relative error of {check.errors.size:,} entries: {np.median(check.errors):.1e}; with a tenth of the step "
            f"{check.smaller_step:.1e}."
        )
    data = findings.dataset
    N, D, K = min(NUM_DEVELOPMENT, len(data.train)), data.num_features + 1, data.num_classes
    smaller = [float(np.median(check.errors[0])) / check.smaller_step for check in measured.checks]
    medians = {name: 1e3 * float(np.median(getattr(versus, name))) for name in ("naive", "vectorized", "jax")}
    times = [
        ("", "003, ms", "ours, ms", "naive ÷ it, 003", "naive ÷ it, ours", "loss off by", "gradient off by"),
        ("naive, loops", f"{1e3 * published.NAIVE_SECONDS:.1f}", f"{medians['naive']:.2f}", "1", "1", "", ""),
        (
            "vectorized, NumPy", f"{1e3 * published.VECTORIZED_SECONDS:.1f}", f"{medians['vectorized']:.2f}",
            f"{published.NAIVE_SECONDS / published.VECTORIZED_SECONDS:.1f}", f"{versus.ratio:.1f}",
            f"{versus.loss_difference:.1e}", f"{versus.gradient_difference:.1e}",
        ),
        (
            "softjax.loss_and_grad, float32", "", f"{medians['jax']:.2f}", "", f"{versus.jax_ratio:.1f}",
            f"{versus.jax_loss_difference:.1e}", f"{versus.jax_gradient_difference:.1e}",
        ),
    ]  # fmt: skip
    return f"""## 003's gradient checks

`softjax.cs231n.grad_check_sparse` on W = {SCALE:g} · normal and {N} development examples, {NUM_CHECKS} random entries, step {STEP:g}, the loss in loops;
the entries, like W and the examples, are other ones than the notebook's.

{(2 * chr(10)).join(parts)}

The error is the central difference's own, h²/6 of a third derivative that is as large as pixels cubed: a tenth of the step divides it
by {min(smaller):.0f} or more. A right gradient need not have a relative error of 1e-7, and the largest errors are those of the smallest derivatives.

### Naive, vectorized, JAX

{table(times)}

Medians of {len(versus.vectorized)} turns ({len(versus.naive)} of the loops), N × D × K = {N} × {D:,} × {K}; differences from the vectorized loss and gradient,
the latter in the Frobenius norm. In the loops a class at a time is a vector operation over all D entries."""


def questions(findings: Findings) -> str:
    """003's two inline questions."""
    initial, point = findings.measurements.initial, findings.point
    K = findings.dataset.num_classes
    is_as = "as it is" if point.factor == 1 else f"its features multiplied by {point.factor:.2g}"
    n = point.num_examples
    return f"""## 003's two questions

**Why do we expect the loss to be close to −log(0.1)?** With weights near 0 all scores are near 0, every one of the {
        K
    } classes gets
a probability near 1/{K}, and −log(1/{K}) = {
        np.log(K):.6f}, whatever the labels are; at W = 0 the loss is exactly that, {
        initial.zero:.6f}. At random W
it is not: with {SCALE:g} · normal the scores have a standard deviation of {initial.score_sd:.3f}, p[y] is {
        initial.label_probability:.4f} on average, and
since −log is convex the loss is larger, by ½ (1 − 1/{K}) · variance to second order: {
        initial.predicted:.4f} expected. In {len(initial.losses):,} draws it was
{spread(initial.losses)}, 95 % prediction interval {ends(prediction_intervals(initial.losses))}; 003 had {
        published.INITIAL_LOSS:.6f}. (The notebook
answers with the derivation of the gradient instead.)

**Can a new data point leave the SVM's loss, summed over the points, as it is, and is that impossible for softmax?** True. The SVM
adds 0 for a point whose score exceeds all others by the margin of 1; softmax adds −log p[y] > 0 always, as p[y] < 1. Under the SVM's W of 000's grid, the
training example of which it is surest ({is_as}) has a margin of {point.margin:.3f}. Added to {n} others:

{
        table(
            [
                ("loss, summed", f"{n} points", f"{n + 1} points", "change"),
                *(
                    (
                        name,
                        f"{before:.6f}",
                        f"{after:.6f}",
                        f"{after - before:.6f}" if abs(after - before) > 1e-9 else "0",
                    )
                    for name, (before, after) in (("SVM", point.svm), ("softmax", point.softmax))
                ),
            ]
        )
    }

It is the sum that stays. The notebook's formula has 1/n before it, and the mean falls from {
        point.svm[0] / n:.6f} to {point.svm[1] / (n + 1):.6f}."""


def assignment(findings: Findings) -> str:
    """000."""
    kinds: tuple[Kind, ...] = ("softmax", "hinge")
    theirs = {"softmax": published.SOFTMAX_VALIDATION, "hinge": published.SVM_VALIDATION}
    lines = [("", "penalty", "000", "ours, best of 4", "95 % prediction interval", "inside")]
    for kind in kinds:
        for penalty, name in PENALTIES.items():
            val = findings.assignment(kind, penalty).val
            low, high = prediction_intervals(val)
            held = YES if low <= theirs[kind] <= high else "no"
            lines.append(
                (KINDS[kind], name, f"{theirs[kind]:.3f}", spread(val), f"{low:.4f} to {high:.4f}", held)
            )
    result = findings.results[training.FAITHFUL]
    N, reg = len(findings.dataset.train), published.REGS[0]
    sd = float(np.sqrt((result.best_weights.astype(np.float64) ** 2).mean()))
    config = findings.results[training.assignment("softmax", "l2")].config
    return f"""## 000: softmax and SVM, and what the penalty means

lr {", ".join(f"{lr:g}" for lr in config.learning_rates)} × reg {", ".join(f"{each:g}" for each in config.regs)}, {config.num_iters:,} steps of {config.batch_size}, the best of the four by validation accuracy, {config.num_seeds} seeds each.
The post does not say which penalty; the course's is reg ΣW², assumed in the table of all figures.

{table(lines)}

**MLE and MAP.** The post says, rightly, that the loss is a maximum likelihood estimate without regularization and a maximum a posteriori one with it; here is
why. The mean cross-entropy is −1/N times the log-likelihood of the labels, so at reg = 0 minimizing it is maximizing the likelihood (MLE). Put a normal prior
of variance σ² on every weight: −log of it is ΣW²/2σ² and a constant, and −1/N · log posterior is the mean cross-entropy + ΣW²/(2Nσ²). So reg ΣW² is
the MAP estimate with σ² = 1/(2 N reg), and ½ reg ΣW² with σ² = 1/(N reg); on the SVM's loss, which is no likelihood, it is not. With N = {N:,} and reg {reg:g} the
prior's σ is {1 / np.sqrt(2 * N * reg):.1e} ({1 / np.sqrt(N * reg):.1e} with the ½), a narrow one: the best classifier of 003's grid has weights of root mean square {sd:.1e}."""


def tutorial(findings: Findings) -> str:
    """001."""
    result, svm = (findings.results[training.wide(kind)] for kind in KINDS)
    means, choice = result.val_accuracy.mean(axis=1), findings.choice(training.wide("softmax"))
    near, config = findings.near, result.config
    cells = [f"**{mean:.3f}**" if held else f"{mean:.3f}" for mean, held in zip(means, near, strict=True)]
    R = len(config.regs)
    lines = [
        ("lr \\ reg", *(f"{reg:.3g}" for reg in config.regs)),
        *((f"{lr:.2g}", *cells[k * R : (k + 1) * R]) for k, lr in enumerate(config.learning_rates)),
    ]
    where = (
        f"They lie at lr {result.learning_rate[near].min():.2g} to {result.learning_rate[near].max():.2g} and reg "
        f"{result.reg[near].min():.3g} to {result.reg[near].max():.3g}."
        if near.any()
        else ""
    )
    first = findings.results[training.curve("softmax")]
    lr, reg = float(first.learning_rate[0]), float(first.reg[0])
    D, K, scale = findings.dataset.num_features + 1, findings.dataset.num_classes, first.config.init_scale
    softmax, hinge = (findings.curves[kind] for kind in KINDS)
    pictures = (
        "\n\n![Softmax's class templates](templates_softmax.png)\n\n![The SVM's class templates](templates_svm.png)"
        if findings.dataset.image_shape is not None
        else ""
    )
    return f"""## 001: "about 0.39", and the loss curve

The tutorial does not give its grid. Its penalty is ½ λ ΣW², and everybody's grid, reg from 2.5e4 on, is too strong for 0.39. On a wider one, lr {config.learning_rates[0]:.1g} to
{config.learning_rates[-1]:.2g} × reg {config.regs[0]:g} to {config.regs[-1]:g} ({len(means)} cells, {config.num_iters:,} steps of {config.batch_size}, {config.num_seeds} seeds), {near.sum()} {"cell has" if near.sum() == 1 else "cells have"} a mean validation accuracy that rounds to {published.TUTORIAL_VALIDATION} (**bold**). {where}

{table(lines)}

The best cell by its mean has {means.max():.4f}; the best of each seed's grid {spread(choice.val)}, with a test accuracy of {spread(choice.test)}.

**The loss curve that is "remarkably similar to SVM".** At the first cell of everybody's grid, lr {lr:g} and reg {reg:g}, it is not the loss that one sees fall: ½ λ ΣW² of
the initial weights is ½ · {reg:g} · {scale:g}² · {D:,} · {K} = {0.5 * reg * scale**2 * D * K:.1f}, of {softmax[0]:.1f} (softmax) and {hinge[0]:.1f} (SVM) in all, and halves every ln 2 / (2 lr λ) = {np.log(2) / (2 * lr * reg):.0f} steps
whatever the loss. The correlation of the two curves is {findings.curve_correlation:.4f}. On the right the best cell of the wider grid of each.

![Loss curves of softmax and SVM](loss_curves.png)

**The weights, "somewhat similar".** Class by class, the weights of the best softmax classifier of the wider grid and of the best SVM (lr {svm.learning_rate[svm.best]:.3g}, reg {svm.reg[svm.best]:.3g}; {svm.val_accuracy[svm.best].mean():.4f}) correlate by
{findings.template_correlation.mean():.2f} on average, {findings.template_correlation.min():.2f} to {findings.template_correlation.max():.2f}.{pictures}"""


def worked_example(findings: Findings) -> str:
    """002."""
    found = findings.derivation
    D = found.equations.shape[1]
    name = findings.dataset.class_names[0]

    def number(values: Float[np.ndarray, "3 D"], k: int, i: int) -> str:
        return f"{values[k, i]:.6f}"

    entries = [
        ("", "formula", "j = 1: by hand", "jax.grad", f"j = {D:,} (bias): by hand", "jax.grad"),
        *(
            (
                f"∂L/∂w{k + 1}ⱼ",
                f"(4): −x + {found.p[0]:.4f} x" if k == 0 else f"(5): {found.p[k]:.4f} x",
                number(found.equations, k, 0), number(found.autodiff, k, 0),
                number(found.equations, k, -1), number(found.autodiff, k, -1),
            )
            for k in range(3)
        ),
    ]  # fmt: skip
    return f"""## 002: three classes, one example

As in the note, W is 3 × {D:,} ({SCALE:g} · normal), x one training example, and class 1 ({name}) the right one. The scores f = Wx are
({", ".join(f"{each:.4f}" for each in found.f)}); exp f / Σ exp f = ({", ".join(f"{each:.4f}" for each in found.p)}). By (1) the loss is −log {found.p[0]:.4f} = {found.loss:.6f}; by (2) it is
{-found.f[0]:.4f} + log Σ exp f = {found.expanded:.6f}. The gradient by its (4) and (5), and by autodiff of (2) in float64:

{table(entries)}

All {found.equations.size:,} entries agree to {found.difference:.0e} of the largest. The three rows add up to 0: what the right class gains, the others lose."""


def corrections(findings: Findings) -> str:
    """What the seeds say that is not quite right."""
    slips, found = findings.slips, findings.derivation
    p, jacobian = found.p, found.jacobian
    rule = [
        ("", "the comment", "the quotient rule", "autodiff"),
        ("i = j: ∂p₁/∂f₁", f"du/v + u dv/v² = {p[0] * (1 + p[0]):.6f}", f"du/v − u dv/v² = {p[0] * (1 - p[0]):.6f}", f"{jacobian[0, 0]:.6f}"),
        ("i ≠ j: ∂p₁/∂f₂", f"u dv/v² = {p[0] * p[1]:.6f}", f"−u dv/v² = {-p[0] * p[1]:.6f}", f"{jacobian[0, 1]:.6f}"),
    ]  # fmt: skip
    large = ", ".join(f"{each:g}" for each in LARGE)
    return f"""## Small corrections

These accounts taught many, and their results stand. What a reader might trip over:

- **001, "+ λ ΣW"** in the gradient: the derivative of ½ λ ΣW² is λW, entry by entry; ΣW would be one number for all. At random W and λ = {LAMBDA} autodiff is off
  λW by {slips.penalty_right:.0e}, and off λ ΣW by {slips.penalty_wrong:.0f} times its norm. Its snippet ends at `X.T.dot(Q)`: 1/m and λW are still to come.
- **001's comment**, on how the two derivatives of the softmax come about, has the sign of the quotient rule turned: d(u/v) = du/v − u dv/v². At 002's example above:

{table(rule)}

  And these are the derivatives of the softmax, not yet of the loss, which was the question: −log p_y divides by p_y, so that −(1/p₁) · {jacobian[0, 0]:.4f} = {-jacobian[0, 0] / p[0]:.4f} = p₁ − 1 and −(1/p₁) · ({jacobian[0, 1]:.4f}) = {-jacobian[0, 1] / p[0]:.4f} = p₂.
- **002, "clipping"** for numerical stability: what is meant is subtracting the largest score, which changes nothing in p. Clipping does. For the scores {large} with the first
  class right, the loss is {slips.true_large:.6e}; as they are, exp overflows and it comes out as {slips.naive_large}; less their maximum {slips.shifted_large:.6e}; clipped at {CLIP:g}, {slips.clipped_large:.6f}.
- **002, (2) to (5)**: the sums are over exp(f_j), not exp(f_yj); and a score is a log-probability up to a constant, log Σ exp f, which is the same for all classes.
- **000, "the gradient of the cross-entropy loss for logistic regression is the same as the gradient of the squared error loss for linear regression"**: true of its form, Xᵀ(prediction − target)/N
  ({slips.cross_entropy_form:.0e} and {slips.squared_error_form:.0e} off autodiff). The predictions are softmax(XW) in the one and XW in the other: at the same W the two gradients differ by {slips.two_gradients:.1f} times the norm of the first.
- **003, inline question 1**: in ∂L/∂w_j = −x[j] + …, x[j] is to be the whole example x, not its jth entry. **Inline question 2**: the sum over the data, not 1/n of it (above)."""
