"""What the libraries document about edge cases, where it differs from the mathematics.

An outcome is judged twice: by the formula, and by what the library says that it does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks.protocol import Problem

DocumentedOutcome = Literal["value", "undefined", "refused", "anything"]


@dataclass(frozen=True)
class Convention:
    """What a library documents about an edge case.

    **Fields:**

    - `library`: as in the registry; `case`: the name of the edge case.
    - `says`: the rule, in our words; `source`: the address of the page that documents it.
    - `outcome`: `"value"`: that of `problem`. `"undefined"`: not finite, or an error. `"refused"`: an error.
      `"anything"`: the library says that the result is undefined, or that it relies on its user and checks nothing.
    - `problem`: the problem whose value is the documented one.
    - `rows`: the names of the entries of the registry that it is about; all entries of the library by default.
    """

    library: str
    case: str
    says: str
    source: str
    outcome: DocumentedOutcome
    problem: Problem | None = None
    rows: tuple[str, ...] = ()

    def as_case(self) -> EdgeCase:
        """The edge case with the documented outcome in place of the right one.

        A rule that makes a loss NaN says nothing about the gradient, unless the problem itself is undefined.
        """
        case = EDGE_CASES[self.case]
        return replace(
            case,
            expected="undefined" if self.outcome == "anything" else self.outcome,
            problem=self.problem or case.problem,
            reason=self.says,
            judge_gradient=case.judge_gradient and case.expected == "undefined",
        )


def find_convention(row: str, library: str, case: str) -> Convention | None:
    """What the library of a row documents about a case; None if it is nothing, or what the mathematics say."""
    for convention in CONVENTIONS:
        if (convention.library, convention.case) == (library, case) and row in (convention.rows or (row,)):
            return convention
    return None


def _leave_out(problem: Problem) -> Problem:
    """The problem without the examples whose label is −100."""
    kept = problem.y != -100
    return replace(problem, X=problem.X[kept], y=problem.y[kept])


def _count_from_end(problem: Problem) -> Problem:
    """The label −1 is the last class."""
    return replace(problem, y=np.where(problem.y < 0, problem.y + problem.W.shape[1], problem.y))


def _clamp(problem: Problem) -> Problem:
    """A label is counted from the end if it is negative; the first or last class stands for one that is outside yet."""
    y = _count_from_end(problem).y
    return replace(problem, y=y.clip(0, problem.W.shape[1] - 1))


def _blank(problem: Problem) -> Problem:
    """A label outside 0..K − 1 is a row of zeros, whose loss is 0; it counts as an example."""
    return replace(problem, y=(problem.y[:, None] == np.arange(problem.W.shape[1])).astype(problem.W.dtype))


def _weigh_within(problem: Problem, *, over_labels: bool) -> Problem:
    """The loss of an example is −Σₖ w[k] t[k] log p[k]. The mean divides by Σ w[y] if `over_labels`, else by N.

    Ignored examples are left out of both.
    """
    assert problem.class_weight is not None
    weights, K = problem.class_weight.astype(np.float64), problem.W.shape[1]
    kept = np.ones(len(problem.X), bool)
    if problem.ignore_index is not None:
        kept = problem.y != problem.ignore_index
    labels = problem.labels[kept]
    rows = problem.y[kept] if problem.soft else np.eye(K)[labels]
    targets = ((1 - problem.label_smoothing) * rows + problem.label_smoothing / K) * weights
    if over_labels:
        targets *= len(labels) / weights[labels].sum()
    return replace(
        problem, X=problem.X[kept], y=targets, class_weight=None, label_smoothing=0.0, ignore_index=None
    )


def _weigh_by_targets(problem: Problem) -> Problem:
    """An example has the weight Σₖ w[k] t[k] of its smoothed target t."""
    assert problem.targets is not None
    assert problem.class_weight is not None
    return replace(problem, sample_weight=problem.targets @ problem.class_weight, class_weight=None)


def _state(
    library: str,
    source: str,
    says: str,
    outcome: DocumentedOutcome,
    *cases: str,
    change: Callable[[Problem], Problem] | None = None,
    rows: tuple[str, ...] = (),
) -> tuple[Convention, ...]:
    """One rule about several cases; `change` makes of a case's problem the one with the documented value."""

    def find_problem(case: str) -> Problem | None:
        return None if change is None else change(EDGE_CASES[case].problem)

    return tuple(Convention(library, case, says, source, outcome, find_problem(case), rows) for case in cases)


# Labels that are no index, not even counted from the end; and one that is, counted from the end.
BEYOND = ("label-K", "label-minus-100", "label-minus-100-batch")
LAST = "label-minus-1"
NUMPY_INDEX = "https://numpy.org/doc/stable/user/basics.indexing.html"
TORCH_LOSS = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
TORCH_REFERENCE = "https://github.com/pytorch/pytorch/blob/main/torch/testing/_internal/common_nn.py"
MINDSPORE_LOSS = "https://mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html"
MINDSPORE_PRODUCT = "https://mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.matmul.html"
PADDLE_LOSS = (
    "https://paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/functional/cross_entropy_en.html"
)
TENSORFLOW_LOSS = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"
TENSORFLOW_PRODUCT = "https://www.tensorflow.org/api_docs/python/tf/linalg/matmul"
JAX_TAKE = "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.take_along_axis.html"
JAX_INDEX = "https://docs.jax.dev/en/latest/notebooks/Common_Gotchas_in_JAX.html#out-of-bounds-indexing"
JAX_NEGATIVE = "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html"
JAX_ONE_HOT = "https://docs.jax.dev/en/latest/_autosummary/jax.nn.one_hot.html"
OPTAX_LOSSES = "https://optax.readthedocs.io/en/latest/api/losses.html"
MLX_INDEX = "https://ml-explore.github.io/mlx/build/html/usage/indexing.html"
PYTENSOR_INDEX = "https://pytensor.readthedocs.io/en/latest/library/tensor/basic.html#indexing"
PYTENSOR_UNSAFE = "https://pytensor.readthedocs.io/en/latest/faq.html#unsafe-rewrites"
CASADI_INDEX = "https://github.com/casadi/casadi/blob/main/docs/users_guide/source/symbolic.rst"
DRJIT_DEBUGGING = "https://drjit.readthedocs.io/en/latest/debug.html"
TAICHI_DEBUGGING = "https://docs.taichi-lang.org/docs/debugging"
WARP_DEBUGGING = "https://nvidia.github.io/warp/stable/user_guide/debugging.html"
WARP_CHANGES = "https://github.com/NVIDIA/warp/blob/main/CHANGELOG.md"
SCIKIT_LEARN_LOSS = "https://github.com/scikit-learn/scikit-learn/blob/main/sklearn/_loss/loss.py"

FROM_THE_END = "a negative index is counted from the end"
ONLY_OTHERS = "labels of −100 are ignored by default, and the mean is over the other examples"

CONVENTIONS: tuple[Convention, ...] = (
    *_state(
        "NumPy",
        NUMPY_INDEX,
        FROM_THE_END,
        "value",
        LAST,
        change=_count_from_end,
        rows=("numpy-vectorized", "differences"),
    ),
    # These put their numbers into arrays of NumPy, or hand indices on to it.
    *(
        convention
        for library in ("autograd", "XAD", "ALGOPY", "gvar", "ad")
        for convention in _state(
            library, NUMPY_INDEX, f"of NumPy's arrays, {FROM_THE_END}", "value", LAST, change=_count_from_end
        )
    ),
    *_state(
        "PyTorch",
        TORCH_LOSS,
        f"{ONLY_OTHERS}: 0/0 if there is none",
        "undefined",
        "label-minus-100",
    ),
    *_state("PyTorch", TORCH_LOSS, ONLY_OTHERS, "value", "label-minus-100-batch", change=_leave_out),
    *_state(
        "PyTorch",
        TORCH_LOSS,
        "with class probabilities, the loss is −Σₖ w[k] t[k] log p[k], and the mean divides by N",
        "value",
        "soft-one-hot-class-weight",
        change=lambda problem: _weigh_within(problem, over_labels=False),
    ),
    *_state(
        "PyTorch",
        TORCH_REFERENCE,
        "with smoothing, the loss is −Σₖ w[k] t[k] log p[k], and the mean divides by Σ w[y] (reference for its tests)",
        "value",
        "smoothing-class-weight",
        "ignored-smoothing-class-weight",
        change=lambda problem: _weigh_within(problem, over_labels=True),
    ),
    *_state(
        "PyTorch",
        TORCH_LOSS,
        "labels are required to be int64",
        "refused",
        "label-int32",
        rows=("torch-eager", "torch-func"),  # torch.compile computes the value
    ),
    *_state(
        "MindSpore",
        MINDSPORE_LOSS,
        f"{ONLY_OTHERS}: 0/0 if there is none",
        "undefined",
        "label-minus-100",
    ),
    *_state("MindSpore", MINDSPORE_LOSS, ONLY_OTHERS, "value", "label-minus-100-batch", change=_leave_out),
    *_state(
        "MindSpore",
        MINDSPORE_LOSS,
        "with class probabilities, the loss is −Σₖ w[k] t[k] log p[k], and the mean divides by N",
        "value",
        "soft-one-hot-class-weight",
        change=lambda problem: _weigh_within(problem, over_labels=False),
    ),
    *_state("MindSpore", MINDSPORE_LOSS, "labels must be int32", "refused", "label-uint8"),
    *_state(
        "MindSpore",
        MINDSPORE_PRODUCT,
        "both factors of a matrix product must have the same type",
        "refused",
        "X-integer",
        "X-half",
    ),
    *_state(
        "PaddlePaddle",
        PADDLE_LOSS,
        "a negative ignore_index means that no label is ignored, and labels are 0..C − 1",
        "refused",
        "ignored",
        "ignored-all",
        "ignored-overflow",
        "ignored-smoothing",
        "ignored-smoothing-class-weight",
    ),
    *_state(
        "PaddlePaddle",
        PADDLE_LOSS,
        "a soft or smoothed label has the weight Σₖ w[k] t[k], and the mean divides by the sum of these",
        "value",
        "smoothing-class-weight",
        change=_weigh_by_targets,
    ),
    *_state(
        "PaddlePaddle",
        PADDLE_LOSS,
        "labels are int32, int64, float32 or float64",
        "refused",
        "label-uint8",
        rows=("paddle",),  # to_static computes the value
    ),
    *_state("TensorFlow", TENSORFLOW_LOSS, "labels must be int32 or int64", "refused", "label-uint8"),
    *_state(
        "TensorFlow",
        TENSORFLOW_PRODUCT,
        "both factors of a matrix product must have the same type",
        "refused",
        "X-integer",
        "X-half",
    ),
    *(
        convention
        for library, rows in (("JAX", ("jax-grad", "jax-grad-jit")), ("Enzyme", ()))
        for convention in (
            *_state(
                library,
                JAX_TAKE,
                "take_along_axis returns NaN for an index out of bounds",
                "undefined",
                *BEYOND,
                rows=rows,
            ),
            *_state(
                library,
                JAX_TAKE,
                f"of take_along_axis, {FROM_THE_END}",
                "value",
                LAST,
                change=_count_from_end,
                rows=rows,
            ),
        )
    ),
    *_state(
        "JAX",
        JAX_INDEX,
        f"{FROM_THE_END}, and then clamped to the bounds of the array",
        "value",
        *BEYOND,
        change=_clamp,
        rows=("jax-forward", "jax-forward-jit"),
    ),
    *_state(
        "JAX",
        JAX_NEGATIVE,
        FROM_THE_END,
        "value",
        LAST,
        change=_count_from_end,
        rows=("jax-forward", "jax-forward-jit"),
    ),
    *_state(
        "Optax",
        f"{OPTAX_LOSSES}#optax.losses.softmax_cross_entropy_with_integer_labels",
        "labels are assumed to lie in 0..K − 1",
        "anything",
        *BEYOND,
        LAST,
        rows=("optax-integer", "optax-integer-jit"),
    ),
    *_state(
        "Optax",
        JAX_ONE_HOT,
        "jax.nn.one_hot encodes a label outside 0..K − 1 as zeros",
        "value",
        *BEYOND,
        LAST,
        change=_blank,
        rows=("optax-safe", "optax-safe-jit"),
    ),
    *_state(
        "MLX", MLX_INDEX, "indices are not checked: out of bounds is undefined behaviour", "anything", *BEYOND
    ),
    *_state("MLX", MLX_INDEX, f"as in NumPy, {FROM_THE_END}", "value", LAST, change=_count_from_end),
    *_state(
        "PyTensor",
        PYTENSOR_UNSAFE,
        "rewrites assume valid inputs: the error of an index out of bounds or of shapes that do not fit may get lost",
        "anything",
        *BEYOND,
        "label-count",
    ),
    *_state(
        "PyTensor", PYTENSOR_INDEX, f"as in NumPy, {FROM_THE_END}", "value", LAST, change=_count_from_end
    ),
    *_state("CasADi", CASADI_INDEX, FROM_THE_END, "value", LAST, change=_count_from_end),
    *_state(
        "Dr.Jit",
        DRJIT_DEBUGGING,
        "gather does not check indices outside of debug mode: a wrong one is undefined behaviour",
        "anything",
        *BEYOND,
        LAST,
        "label-count",
    ),
    *_state(
        "Taichi",
        TAICHI_DEBUGGING,
        "bounds are checked in debug mode only: else results may be wrong",
        "anything",
        *BEYOND,
        LAST,
    ),
    *_state(
        "Warp",
        WARP_DEBUGGING,
        "accesses outside an array's shape are found in debug mode only",
        "anything",
        *BEYOND,
    ),
    *_state("Warp", WARP_CHANGES, FROM_THE_END, "value", LAST, change=_count_from_end),
    *_state(
        "scikit-learn",
        SCIKIT_LEARN_LOSS,
        "labels are assumed to be encoded as 0..K − 1 already",
        "anything",
        *BEYOND,
        LAST,
        "label-float",
    ),
)

_THINC = "https://github.com/explosion/thinc/pull/647"
_STATSMODELS = "https://github.com/statsmodels/statsmodels/issues/3635"
_PADDLE = "https://github.com/PaddlePaddle/Paddle/issues/47418"  # the mean counts ignored examples
_PADDLE_CLIP = (
    "https://github.com/PaddlePaddle/Paddle/issues/20994"  # scores 64 below the largest are cut off
)
_PADDLE_CLIPS = (
    "large-scores",
    "scores-3e38",
    "minus-inf-other",
    "minus-inf-label",
    "K-2",
    "smoothing-minus-inf",
    "soft-0-minus-inf",
    "inputs-large-scores",
)
_OPTAX = "https://github.com/google-deepmind/optax/pull/1762"
_JAX = "https://github.com/jax-ml/jax/issues/278"

# The addresses of public threads that report a fault, by library and case.
THREADS: dict[tuple[str, str], str] = {
    **{("thinc", case.name): _THINC for case in EDGE_CASES.values() if case.expected == "value"},
    **{("JAX", case): _JAX for case in BEYOND},
    **{("PaddlePaddle", case): _PADDLE_CLIP for case in _PADDLE_CLIPS},
    ("MLX", "float64"): "https://github.com/ml-explore/mlx/issues/3047",
    ("Optax", "label-K"): "https://github.com/google-deepmind/optax/issues/1185",
    ("Optax", "minus-inf-forward"): _OPTAX,
    ("Optax", "scores-3e38-forward"): _OPTAX,
    ("Optax", "soft-0-minus-inf"): "https://github.com/google-deepmind/optax/issues/896",
    ("PaddlePaddle", "ignored"): _PADDLE,
    ("PaddlePaddle", "ignored-all"): _PADDLE,
    ("PaddlePaddle", "ignored-overflow"): _PADDLE,
    ("PaddlePaddle", "label-minus-100"): _PADDLE,
    ("PaddlePaddle", "label-minus-100-batch"): _PADDLE,
    ("PyTorch", "ignored-overflow"): "https://github.com/pytorch/pytorch/issues/11551",
    ("PyTorch", "ignored-smoothing"): "https://github.com/pytorch/pytorch/issues/73205",
    ("PyTorch", "ignored-smoothing-class-weight"): "https://github.com/pytorch/pytorch/issues/104776",
    ("PyTorch", "label-int32"): "https://github.com/pytorch/pytorch/issues/45540",
    ("PyTorch", "smoothing-class-weight"): "https://github.com/pytorch/pytorch/issues/104776",
    ("PyTorch", "soft-one-hot-class-weight"): "https://github.com/pytorch/pytorch/issues/107680",
    ("statsmodels", "large-scores"): _STATSMODELS,
    ("statsmodels", "scores-3e38"): _STATSMODELS,
    ("tinygrad", "ignored-smoothing"): "https://github.com/tinygrad/tinygrad/pull/3570",
}
