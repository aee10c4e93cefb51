"""The figures that the four seeds report, quoted as they print them. Nothing else in the report is typed in."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

GRID_FILE = Path(__file__).with_name("grid.csv")  # 003's hundred lines, what the scan misread put right
GRID_SHAPE = (10, 10)
SHAPES = "(49000, 3073), (49000,), (1000, 3073), (1000,), (1000, 3073), (1000,), (500, 3073), (500,)"


@dataclass(frozen=True)
class Grid:
    """003's table, in the order of its lines: learning rates outside."""

    lr: Float[np.ndarray, " C"]
    reg: Float[np.ndarray, " C"]
    train: Float[np.ndarray, " C"]
    val: Float[np.ndarray, " C"]


@cache
def grid() -> Grid:
    """003's table, read from beside this file."""
    with GRID_FILE.open(newline="") as file:
        rows = [[float(value) for value in row] for row in list(csv.reader(file))[1:]]
    return Grid(*np.array(rows).T)


LEARNING_RATES = tuple(np.linspace(1e-7, 5e-7, 10).tolist())  # 003's, as its cell has them
REGS = tuple(np.linspace(2.5e4, 5e4, 10).tolist())

# What grad_check_sparse printed in 003: numerical, analytic, relative error; the loss without penalty and with 50 ΣW².
CHECK_WITHOUT = """
numerical: -0.711033 analytic: -0.711033, relative error: 1.303974e-08
numerical: -3.158884 analytic: -3.158884, relative error: 3.100573e-09
numerical: -0.406902 analytic: -0.406902, relative error: 1.164239e-08
numerical: 0.127734 analytic: 0.127734, relative error: 3.702577e-07
numerical: -0.496821 analytic: -0.496821, relative error: 1.294383e-09
numerical: -2.450904 analytic: -2.450904, relative error: 6.845806e-09
numerical: -0.234934 analytic: -0.234934, relative error: 1.253162e-07
numerical: -1.027032 analytic: -1.027032, relative error: 3.483086e-08
numerical: -1.015511 analytic: -1.015511, relative error: 6.767749e-09
numerical: 1.702807 analytic: 1.702807, relative error: 2.837227e-08
"""
CHECK_WITH = """
numerical: -5.392010 analytic: -5.392010, relative error: 1.373987e-09
numerical: -1.420173 analytic: -1.420173, relative error: 8.539408e-09
numerical: -0.698757 analytic: -0.698757, relative error: 8.411294e-09
numerical: -1.136044 analytic: -1.136043, relative error: 1.923557e-08
numerical: -1.541982 analytic: -1.541982, relative error: 1.417534e-08
numerical: -3.104776 analytic: -3.104776, relative error: 3.706835e-09
numerical: -1.549034 analytic: -1.549034, relative error: 5.662460e-09
numerical: -2.426142 analytic: -2.426142, relative error: 4.382836e-09
numerical: 0.223683 analytic: 0.223683, relative error: 1.130738e-07
numerical: 4.385243 analytic: 4.385243, relative error: 1.604212e-08
"""

INITIAL_LOSS, SANITY_CHECK = 2.358625, 2.302585
NAIVE_SECONDS, VECTORIZED_SECONDS = 0.150684, 0.011194
LOSS_DIFFERENCE = GRADIENT_DIFFERENCE = 0.0  # printed as 0.000000
BEST_VALIDATION, BEST_TEST = 0.350, 0.341
HINT = 0.35  # the course's, in 000 and 003: a validation accuracy above it can be had

SOFTMAX_VALIDATION, SVM_VALIDATION, NOTEBOOK_VALIDATION = (
    0.344,
    0.365,
    0.341,
)  # 000, the last from its notebook
ASSIGNMENT_LEARNING_RATES, ASSIGNMENT_REGS, ASSIGNMENT_STEPS = (
    (1e-7, 5e-7),
    (2.5e4, 5e4),
    1600,
)  # 000's notebook

TUTORIAL_VALIDATION = 0.39  # 001, "about"
TUTORIAL_HOPE = 0.4  # 001: "pretty close to"


@dataclass(frozen=True)
class Figure:
    """One figure of a seed, or a formula, as it prints it."""

    key: str
    seed: str
    what: str
    printed: str


def figures() -> tuple[Figure, ...]:
    """All of them, those of 003's grid last, a cell each."""
    table = grid()
    return (
        Figure("softmax", "000", "softmax, validation accuracy", f"{SOFTMAX_VALIDATION:.3f}"),
        Figure("svm", "000", "SVM, validation accuracy, the same hyperparameters", f"{SVM_VALIDATION:.3f}"),
        Figure(
            "marginally-worse",
            "000",
            "softmax less SVM, validation accuracy",
            f"{SOFTMAX_VALIDATION - SVM_VALIDATION:.3f}",
        ),
        Figure(
            "notebook",
            "000",
            "softmax, validation accuracy printed in its notebook",
            f"{NOTEBOOK_VALIDATION:.3f}",
        ),
        Figure(
            "just-above", "000", "validation accuracy with better hyperparameters", f"just above {HINT:.2f}"
        ),
        Figure("same-gradient", "000", "cross-entropy's gradient is that of the squared error", "the same"),
        Figure("gradient-001", "001", "gradient of class k for one example", "(pₖ − 1{y = k}) x"),
        Figure("vectorized-001", "001", "gradient of the objective with ½ λ ΣW²", "1/m XᵀQ + λ ΣW"),
        Figure("curve", "001", "loss curve", "remarkably similar to SVM"),
        Figure("tutorial", "001", "validation accuracy", f"about {TUTORIAL_VALIDATION:.2f}"),
        Figure(
            "hope",
            "001",
            "validation accuracy you should be able to get",
            f"pretty close to {TUTORIAL_HOPE:.1f}",
        ),
        Figure("templates", "001", "visualized weights", "somewhat similar to the SVM"),
        Figure("equation-2", "002", "(2): loss of one example", "−f_y + log Σ exp f = −log P(y)"),
        Figure("equation-4", "002", "(4): ∂L/∂w₁, the right class", "−x + exp f₁ / Σ exp f · x"),
        Figure("equation-5", "002", "(5): ∂L/∂w₂, another class", "exp f₂ / Σ exp f · x"),
        Figure("shapes", "003", "shapes of training, validation, test and development data", SHAPES),
        Figure("sanity", "003", "sanity check −log(0.1)", f"{SANITY_CHECK:.6f}"),
        Figure("initial", "003", "loss at W ~ 1e-4 · normal", f"{INITIAL_LOSS:.6f}"),
        Figure("check-0", "003", "gradient check without penalty, relative errors", "1.3e-09 to 3.7e-07"),
        Figure("sizes-0", "003", "its ten derivatives, root mean square", "see below"),
        Figure("check-50", "003", "gradient check with reg 50, relative errors", "1.4e-09 to 1.1e-07"),
        Figure("sizes-50", "003", "its ten derivatives, root mean square", "see below"),
        Figure("same-loss", "003", "naive and vectorized loss", "2.358625e+00, 2.358625e+00"),
        Figure("loss-difference", "003", "their difference", f"{LOSS_DIFFERENCE:.6f}"),
        Figure(
            "gradient-difference",
            "003",
            "difference of the gradients, Frobenius",
            f"{GRADIENT_DIFFERENCE:.6f}",
        ),
        Figure("naive-time", "003", "naive, seconds", f"{NAIVE_SECONDS:.6f}"),
        Figure("vectorized-time", "003", "vectorized, seconds", f"{VECTORIZED_SECONDS:.6f}"),
        Figure(
            "grid-train",
            "003",
            "the grid's 100 train accuracies",
            f"{table.train.min():.4f} to {table.train.max():.4f}",
        ),
        Figure(
            "grid-val",
            "003",
            "the grid's 100 validation accuracies",
            f"{table.val.min():.3f} to {table.val.max():.3f}",
        ),
        Figure("best", "003", "best validation accuracy of the grid", f"{BEST_VALIDATION:.6f}"),
        Figure("where", "003", "penalty strength of the best", f"{table.reg[table.val.argmax()]:.0f}"),
        Figure("test", "003", "its test accuracy, first 1,000 images", f"{BEST_TEST:.6f}"),
        Figure("over", "003", "the course: if you are careful, validation accuracy", f"over {HINT:.2f}"),
        *(
            Figure(
                f"cell-{c}",
                "003",
                f"lr {table.lr[c]:.6e}, reg {table.reg[c]:.6e}: train, validation accuracy",
                f"{table.train[c]:.6f}, {table.val[c]:.3f}",
            )
            for c in range(len(table.lr))
        ),
    )
