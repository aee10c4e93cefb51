"""PyTorch: losses, activations, layers, linear algebra, special functions and distributions, with the gradient by its autograd."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import torch
from torch import distributions as dist
from torch import linalg, special
from torch.nn import functional

from checkers.registry import TWO_TYPES, RealFunction, in_types

RNG = np.random.default_rng(7)
X = np.array([[-2.3, -0.7, 0.2, 1.4], [0.6, -1.1, 3.2, 0.9]])
W = np.array([[0.2, -1.0, 0.7, 0.4], [1.3, 0.1, -0.8, 0.5]])
POSITIVE = np.array([0.3, 0.8, 1.7, 2.6, 5.5])
UNIT = np.array([0.08, 0.25, 0.4, 0.7, 0.93])
REAL = np.array([-1.7, -0.6, 0.3, 0.9, 2.4])
COUNTS = np.array([0.0, 1, 3, 2, 6])
A = np.array([[3.0, 0.5, -0.4], [0.2, 2.5, 0.7], [-0.3, 0.6, 4.0]])
B = np.array([[0.3, -1.2, 0.8], [0.9, 0.4, -0.5], [1.1, -0.7, 0.2]])
S = A @ A.T / 4
TALL = np.vstack([A, B])
b = np.array([1.0, -2.0, 0.5])
SCORES = RNG.normal(size=(5, 4))
LABELS = np.array([0, 2, 3, 1, 1])
INEXACT = {
    "special.digamma": "its derivative, trigamma, is right to ten digits only",
    "special.polygamma(1, x)": "the same",
    "distributions.kl_divergence of Gamma": "the same",
    "nn.functional.hardsigmoid": "its derivative, 1/6, is that of float32 also in float64",
}
"""functions whose derivative by PyTorch is not right in float64, so that they are listed in float32 only, and why"""


def to_torch(x: Any, dtype: str) -> Any:
    """`x` as a tensor, in a type if it is floating."""
    if not isinstance(x, np.ndarray):
        return x
    tensor = torch.from_numpy(np.array(x))
    return tensor.to(getattr(torch, dtype)) if tensor.is_floating_point() else tensor


def differentiate(fun: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of `fun(params, *args)` by torch.autograd."""

    def gradient(params: Any, *args: Any) -> Any:
        leaves, structure = jax.tree.flatten(params)
        leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        with torch.enable_grad():  # also where a checker calls it while PyTorch goes backward
            value = fun(jax.tree.unflatten(structure, leaves), *args)
            return jax.tree.unflatten(structure, list(torch.autograd.grad(value, leaves)))

    return gradient


def list_functions(library: str) -> Iterator[RealFunction]:
    """The functions of each module of PyTorch."""
    for listed in (
        list_activations,
        list_losses,
        list_layers,
        list_linalg,
        list_special,
        list_distributions,
    ):
        for name, fun, params, *args in listed():
            dtypes = ("float32",) if name in INEXACT else TWO_TYPES
            yield from in_types(
                library, f"torch.{name}", fun, differentiate(fun), params, *args, dtypes=dtypes, convert=to_torch
            )  # fmt: skip


def list_activations() -> Iterator[tuple[Any, ...]]:
    """Σ f(x), Σ w f(x) where the sum alone is constant."""
    names = (
        "relu", "gelu", "silu", "mish", "softplus", "elu", "selu", "celu", "logsigmoid", "tanhshrink", "softsign", "hardtanh",
        "hardswish", "hardsigmoid", "leaky_relu", "relu6", "softshrink", "hardshrink", "glu",
    )  # fmt: skip
    for name in names:
        f = getattr(functional, name)
        yield f"nn.functional.{name}", lambda x, f=f: f(x).sum(), X
    for name in ("softmax", "log_softmax", "softmin", "normalize"):
        f = getattr(functional, name)
        yield f"nn.functional.{name}", lambda x, w, f=f: (w * f(x, dim=1)).sum(), X, W
    yield "nn.functional.softplus of large scores", lambda x: functional.softplus(x).sum(), 20 * X
    yield "logsumexp with large gaps", lambda x: torch.logsumexp(x, 0), np.array([800.0, 797.0, 0.0, -900.0])
    yield "logsumexp of large scores", lambda x: torch.logsumexp(x, 1).sum(), 1e4 * X


def list_losses() -> Iterator[tuple[Any, ...]]:
    """Mean losses by the prediction; the targets are tensors in args."""
    onehot = np.eye(4)[LABELS]
    p = np.abs(RNG.normal(size=(5, 4))) + 0.1
    p /= p.sum(axis=1, keepdims=True)
    of_two = {
        "cross_entropy": (SCORES, LABELS),
        "cross_entropy of probabilities": (SCORES, p),
        "cross_entropy of large scores": (100 * SCORES, LABELS),
        "nll_loss": (SCORES, LABELS),
        "binary_cross_entropy": (p, onehot),
        "binary_cross_entropy_with_logits": (SCORES, onehot),
        "mse_loss": (SCORES, p),
        "l1_loss": (SCORES, p),
        "smooth_l1_loss": (SCORES, p),
        "huber_loss": (SCORES, p),
        "kl_div": (np.log(p), np.roll(p, 1, axis=0)),
        "poisson_nll_loss": (SCORES, np.round(3 * p)),
        "soft_margin_loss": (SCORES, 2 * onehot - 1),
        "multilabel_soft_margin_loss": (SCORES, onehot),
        "multi_margin_loss": (SCORES, LABELS),
        "hinge_embedding_loss": (SCORES, 2 * onehot - 1),
    }
    for name, (prediction, target) in of_two.items():
        f = getattr(functional, name.split()[0])
        options = {"reduction": "batchmean"} if name == "kl_div" else {}
        yield f"nn.functional.{name}", lambda x, t, f=f, o=options: f(x, t, **o), prediction, target
    variance = np.abs(SCORES) + 0.3
    yield (
        "nn.functional.gaussian_nll_loss",
        lambda q, t: functional.gaussian_nll_loss(q["mean"], t, q["var"]),
        {"mean": SCORES, "var": variance},
        p,
    )
    yield "nn.functional.cosine_similarity", lambda x, y: functional.cosine_similarity(x, y).sum(), X, W
    yield "nn.functional.pairwise_distance", lambda x, y: functional.pairwise_distance(x, y).sum(), X, W
    yield (
        "nn.functional.cosine_embedding_loss",
        lambda x, y: functional.cosine_embedding_loss(x, y, torch.tensor([1, -1])),
        X,
        W,
    )
    yield "nn.functional.triplet_margin_loss", functional.triplet_margin_loss, X, W, X + 0.5
    yield (
        "nn.functional.margin_ranking_loss",
        lambda x, y: functional.margin_ranking_loss(x, y, torch.ones_like(y), margin=0.5),
        X,
        W,
    )
    yield (
        "nn.functional.ctc_loss",
        lambda s, labels: functional.ctc_loss(functional.log_softmax(s, 2), labels, (6, 6), (2, 2)),
        RNG.normal(size=(6, 2, 4)),
        np.array([[1, 2], [3, 1]]),
    )


def list_layers() -> Iterator[tuple[Any, ...]]:
    """Σ of squares of layers."""
    image = RNG.normal(size=(1, 2, 4, 4))
    yield (
        "nn.functional.linear",
        lambda q, x: (functional.linear(x, q["W"], q["b"]) ** 2).sum(),
        {"W": B, "b": b},
        A,
    )
    yield (
        "nn.functional.layer_norm",
        lambda q, x: (functional.layer_norm(x, (4,), q["w"], q["b"]) ** 3).sum(),
        {"w": W[0], "b": W[1]},
        X,
    )
    yield "nn.functional.layer_norm by x", lambda x, w: (w * functional.layer_norm(x, (4,))).sum(), X, W
    yield "nn.functional.rms_norm", lambda x, w: (w * functional.rms_norm(x, (4,))).sum(), X, W
    yield (
        "nn.functional.group_norm",
        lambda x: (functional.group_norm(x, 2) ** 3).sum(),
        image,
    )
    yield (
        "nn.functional.batch_norm",
        lambda x, w: (w * functional.batch_norm(x, None, None, training=True)).sum(),
        TALL,
        np.cos(TALL),
    )
    yield (
        "nn.functional.conv1d",
        lambda k, x: (functional.conv1d(x[None], k) ** 2).sum(),
        RNG.normal(size=(3, 2, 2)),
        X,
    )
    yield (
        "nn.functional.conv2d",
        lambda k, x: (functional.conv2d(x, k) ** 2).sum(),
        RNG.normal(size=(2, 2, 2, 2)),
        image,
    )
    yield (
        "nn.functional.conv_transpose2d",
        lambda k, x: (functional.conv_transpose2d(x, k) ** 2).sum(),
        RNG.normal(size=(2, 2, 2, 2)),
        image,
    )
    yield "nn.functional.avg_pool2d", lambda x: (functional.avg_pool2d(x, 2) ** 2).sum(), image
    yield "nn.functional.max_pool2d", lambda x: (functional.max_pool2d(x, 2) ** 2).sum(), image
    yield (
        "nn.functional.interpolate",
        lambda x: (functional.interpolate(x, scale_factor=1.5, mode="bilinear") ** 2).sum(),
        image,
    )
    yield (
        "nn.functional.bilinear",
        lambda q, x, y: (functional.bilinear(x, y, q) ** 2).sum(),
        RNG.normal(size=(2, 3, 3)),
        A,
        B,
    )
    yield (
        "nn.functional.embedding",
        lambda q, i: (functional.embedding(i, q) ** 3).sum(),
        SCORES,
        np.array([0, 2, 2, 4]),
    )
    yield (
        "nn.functional.scaled_dot_product_attention",
        lambda q: (functional.scaled_dot_product_attention(q["q"], q["k"], q["v"]) ** 2).sum(),
        dict(zip("qkv", RNG.normal(size=(3, 1, 4, 3)), strict=True)),
    )


def list_linalg() -> Iterator[tuple[Any, ...]]:
    """Matrices."""
    yield "linalg.det", linalg.det, A
    yield "linalg.det of a large matrix", linalg.det, 1e4 * A
    yield "linalg.slogdet", lambda A: linalg.slogdet(A)[1], A
    yield "linalg.inv", lambda A, B: torch.trace(linalg.inv(A) @ B), A, B
    yield "linalg.solve", lambda q: linalg.solve(q["A"], q["b"]).sum(), {"A": A, "b": b}
    yield "linalg.solve_triangular", lambda B, A: (linalg.solve_triangular(A, B, upper=True) ** 2).sum(), B, A
    yield "linalg.norm", linalg.norm, A
    yield "linalg.matrix_norm, nuclear", lambda A: linalg.matrix_norm(A, "nuc"), A
    yield "linalg.matrix_norm, the largest singular value", lambda A: linalg.matrix_norm(A, 2), A
    yield "linalg.eigvalsh", lambda S: torch.log(linalg.eigvalsh((S + S.T) / 2)).sum(), S
    yield "linalg.svdvals", lambda A: (linalg.svdvals(A) ** 3).sum(), TALL
    yield "linalg.cholesky", lambda S: linalg.cholesky((S + S.T) / 2).sum(), S
    yield "linalg.qr", lambda A: (linalg.qr(A)[1] ** 4).sum(), TALL
    yield "linalg.matrix_exp", lambda A: (linalg.matrix_exp(A) ** 2).sum(), A / 4
    yield "linalg.pinv", lambda A: linalg.pinv(A).sum(), TALL
    yield "linalg.lstsq", lambda A, y: linalg.lstsq(A, y[:, None])[0].sum(), TALL, np.arange(6.0)
    yield "linalg.matrix_power", lambda A: torch.trace(linalg.matrix_power(A, 3)), A
    yield "linalg.cond", linalg.cond, A
    yield "cdist", lambda x, y: torch.cdist(x, y).sum(), X, W
    yield "var", torch.var, X
    yield "prod", torch.prod, X
    yield "fft.rfft", lambda x: (torch.fft.rfft(x).abs() ** 3).sum(), X


def list_special() -> Iterator[tuple[Any, ...]]:
    """Σ of special functions."""
    of_one = {
        "gammaln": POSITIVE, "digamma": POSITIVE, "erf": REAL, "erfc": REAL, "erfcx": REAL, "erfinv": REAL / 3, "expit": REAL,
        "logit": UNIT, "ndtr": REAL, "ndtri": UNIT, "log_ndtr": REAL, "entr": POSITIVE, "i0": REAL, "i0e": REAL, "i1": REAL,
        "i1e": REAL, "sinc": REAL, "expm1": REAL, "log1p": UNIT, "exp2": REAL,
    }  # fmt: skip
    for name, x in of_one.items():
        f = getattr(special, name)
        yield f"special.{name}", lambda x, f=f: f(x).sum(), x
    yield "special.log_ndtr at −30", lambda x: special.log_ndtr(x).sum(), np.array([-30.0, -28.5, -12.0])
    yield (
        "special.gammaln at large values",
        lambda x: special.gammaln(x).sum(),
        np.array([12.0, 45.0, 300.0, 1e4]),
    )
    yield "special.polygamma(1, x)", lambda x: special.polygamma(1, x).sum(), POSITIVE
    yield "special.multigammaln(a, 3)", lambda a: special.multigammaln(a, 3).sum(), np.array([2.2, 3.7, 9.0])
    pair = {"x": POSITIVE, "y": POSITIVE[::-1] + 0.1}
    for name in ("xlogy", "xlog1py"):
        f = getattr(special, name)
        yield f"special.{name}", lambda q, f=f: f(q["x"], q["y"]).sum(), pair


def list_distributions() -> Iterator[tuple[Any, ...]]:
    """Σ log densities by the distribution's parameters."""
    place = {"a": np.array(0.35), "b": np.array(1.4)}
    shapes = {"a": np.array(1.7), "b": np.array(2.6)}
    of_two = {
        "Normal": (dist.Normal, place, REAL),
        "Cauchy": (dist.Cauchy, place, REAL),
        "Laplace": (dist.Laplace, place, REAL),
        "Gumbel": (dist.Gumbel, place, REAL),
        "LogNormal": (dist.LogNormal, place, POSITIVE),
        "Gamma": (dist.Gamma, shapes, POSITIVE),
        "InverseGamma": (dist.InverseGamma, shapes, POSITIVE),
        "Beta": (dist.Beta, shapes, UNIT),
        "Weibull": (dist.Weibull, shapes, POSITIVE),
        "VonMises": (dist.VonMises, place, REAL),
        "Kumaraswamy": (dist.Kumaraswamy, shapes, UNIT),
        "FisherSnedecor": (dist.FisherSnedecor, shapes, POSITIVE),
    }
    for name, (kind, params, x) in of_two.items():
        yield (
            f"distributions.{name}",
            lambda q, x, kind=kind: kind(q["a"], q["b"], validate_args=False).log_prob(x).sum(),
            params,
            x,
        )
    yield (
        "distributions.StudentT",
        lambda q, x: dist.StudentT(q, validate_args=False).log_prob(x).sum(),
        POSITIVE,
        REAL,
    )
    yield "distributions.Poisson", lambda q, k: dist.Poisson(q).log_prob(k).sum(), POSITIVE, COUNTS
    yield (
        "distributions.Bernoulli",
        lambda q, k: dist.Bernoulli(logits=q).log_prob(k).sum(),
        REAL,
        np.minimum(COUNTS, 1),
    )
    yield "distributions.Binomial", lambda q, k: dist.Binomial(8, logits=q).log_prob(k).sum(), REAL, COUNTS
    yield (
        "distributions.NegativeBinomial",
        lambda q, k: dist.NegativeBinomial(3, logits=q).log_prob(k).sum(),
        REAL,
        COUNTS,
    )
    yield (
        "distributions.Categorical",
        lambda q, k: dist.Categorical(logits=q).log_prob(k).sum(),
        SCORES,
        LABELS,
    )
    yield (
        "distributions.Dirichlet",
        lambda q, x: dist.Dirichlet(q, validate_args=False).log_prob(x).sum(),
        np.array([1.5, 2.5, 0.7]),
        np.array([0.2, 0.5, 0.3]),
    )
    yield (
        "distributions.MultivariateNormal",
        lambda q, x, S: dist.MultivariateNormal(q, S, validate_args=False).log_prob(x),
        b,
        np.array([0.2, 0.1, -0.4]),
        S,
    )
    yield (
        "distributions.kl_divergence of Gamma",
        lambda q: dist.kl_divergence(dist.Gamma(q["a"], q["b"]), dist.Gamma(1.2, 0.7)),
        shapes,
    )
