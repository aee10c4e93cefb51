"""Compares the sweep with its matrix products and with other implementations: time of a step and of a process, and memory.

    python experiments/benchmark_sweep.py --dataset cifar10 --overwrite

The machine must be idle. The floor is the rate of the two matrix products of a step alone. The peers train the same
configurations on the same data in NumPy and PyTorch. Without torch, the report shows PyTorch as not installed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import benchmark_plots
import jax
import jax.numpy as jnp
import numpy as np
from harness import COURSE_GRID, DatasetOptions, Experiment, run_experiment
from jaxtyping import Float
from matplotlib.figure import Figure

from softjax import Dataset, Split, SweepConfig, sweep
from softjax.cli.console import print_table
from softjax.objective.scores import matmul
from softjax.progress import progress_bar
from softjax.ranges import format_range
from softjax.reports import markdown
from softjax.runs.files import read_text


@dataclass(frozen=True)
class BenchmarkOptions(DatasetOptions):
    """The options: what is measured, and the folder of the report."""

    out: Path = Path("reports/benchmark_sweep")
    """Folder of the report."""
    num_rounds: int = 15
    """Number of rounds. In each round, all implementations take turns."""
    turn_seconds: float = 0.4
    """Approximate length of a turn, in seconds."""
    sizes: tuple[int, ...] = (1, 4, 16, 64, 256, 1024, 4096)
    """Numbers of configurations in the picture."""
    num_processes: int = 3
    """Number of whole processes to time, from start to report. The first compiles, the others use its cached programs."""


@dataclass(frozen=True)
class Work:
    """The task of all implementations: to train C configurations on one data set."""

    dataset: Dataset
    config: SweepConfig

    @property
    def grid(self) -> np.ndarray:
        """The configurations' lr and reg, (2, C)."""
        return np.array([(lr, reg) for lr in self.config.learning_rates for reg in self.config.regs]).T

    def features(self, dtype: str) -> np.ndarray:
        """X (N, D), centred, with the bias column. Computed once, as in the course."""
        X = self.dataset.train.X
        ready = np.empty((X.shape[0], X.shape[1] + 1), dtype)
        np.subtract(X, X.mean(axis=0), out=ready[:, :-1], casting="unsafe")
        ready[:, -1] = 1
        return ready


Steps = Callable[[int], float]  # takes a number of steps, returns the seconds they took


def time_steps(steps: Callable[[int], Any]) -> Steps:
    """Returns a function that runs `steps` and returns the seconds they took."""

    def run(num_steps: int) -> float:
        start = time.perf_counter()
        steps(num_steps)
        return time.perf_counter() - start

    return run


def prepare_softjax(work: Work, **options: Any) -> Steps:
    """The training part of softjax.sweep."""

    def run(num_steps: int) -> float:
        config = replace(work.config, num_iters=num_steps, **options)
        return sweep(work.dataset, config).seconds.train

    return run


def prepare_products(work: Work, rows: bool) -> Steps:
    """The two matrix products of a step alone, in JAX: W @ X.T and Q @ X with W (C·K, D), or X @ W and X.T @ Q.

    A power iteration: with X of norm 1 the weights neither vanish nor overflow, and no product can be left out.
    """
    D, B = work.dataset.num_features + 1, work.config.batch_size
    rng = np.random.default_rng(0)
    features = rng.normal(size=(B, D))
    X = jnp.asarray(features / np.linalg.norm(features, 2), jnp.float32)
    CK = work.grid.shape[1] * work.dataset.num_classes
    W = jnp.asarray(rng.normal(size=(CK, D) if rows else (D, CK)), jnp.float32)

    @partial(jax.jit, static_argnums=1)
    def loop(W: Any, num_steps: int) -> Any:
        def step(W: Any, _: None) -> tuple[Any, None]:
            return matmul(matmul(W, X.T), X) if rows else matmul(X.T, matmul(X, W)), None

        return jax.lax.scan(step, W, None, length=num_steps)[0]

    return time_steps(lambda num_steps: loop(W, num_steps).block_until_ready())


def prepare_numpy_products(work: Work) -> Steps:
    """The same two products in NumPy's BLAS, W (C·K, D)."""
    D, B = work.dataset.num_features + 1, work.config.batch_size
    rng = np.random.default_rng(0)
    X = rng.normal(size=(B, D)).astype("float32")
    X /= np.linalg.norm(X, 2)
    W = rng.normal(size=(work.grid.shape[1] * work.dataset.num_classes, D)).astype("float32")

    def steps(num_steps: int) -> None:
        nonlocal W
        for _ in range(num_steps):
            W = (W @ X.T) @ X

    return time_steps(steps)


def prepare_numpy_one(work: Work, dtype: str, replacement: bool = True) -> Steps:
    """NumPy, one configuration: the exercise's vectorized gradient and training loop."""
    X, y = work.features(dtype), work.dataset.train.y
    rng = np.random.default_rng(0)
    W = (1e-3 * rng.normal(size=(X.shape[1], work.dataset.num_classes))).astype(dtype)
    lr, reg = work.grid[:, 0].tolist()
    batch = np.arange(work.config.batch_size)

    def steps(num_steps: int) -> None:
        nonlocal W
        losses = []
        for _ in range(num_steps):
            if replacement:
                rows = rng.integers(0, len(y), len(batch))
            else:
                rows = rng.choice(len(y), len(batch), replace=False)
            x, label = X[rows], y[rows]
            p = x @ W
            p -= p.max(axis=1, keepdims=True)
            np.exp(p, out=p)
            p /= p.sum(axis=1, keepdims=True)
            losses.append(-np.log(p[batch, label]).mean() + reg * np.sum(W * W))
            p[batch, label] -= 1
            W -= lr * (x.T @ p / len(batch) + 2 * reg * W)

    return time_steps(steps)


def prepare_numpy_all(work: Work) -> Steps:
    """NumPy, all configurations in one matrix product: W (C·K, D), the minibatch shared."""
    X, y = work.features("float32"), work.dataset.train.y
    rng = np.random.default_rng(0)
    K, (lr, reg) = work.dataset.num_classes, work.grid.astype("float32")
    start = 1e-3 * rng.normal(size=(K, X.shape[1])).astype("float32")
    W = np.tile(start, (len(lr), 1))
    batch, (rate, decay) = np.arange(work.config.batch_size), (np.repeat(v, K)[:, None] for v in (lr, reg))

    def steps(num_steps: int) -> None:
        nonlocal W
        losses = []
        for _ in range(num_steps):
            rows = rng.integers(0, len(y), len(batch))
            x, label = X[rows], y[rows]
            p = (W @ x.T).reshape(len(lr), K, -1)
            p -= p.max(axis=1, keepdims=True)
            np.exp(p, out=p)
            p /= p.sum(axis=1, keepdims=True)
            norms = np.einsum("ij,ij->i", W, W).reshape(-1, K).sum(axis=1)
            losses.append(-np.log(p[:, label, batch]).mean(axis=1) + reg * norms)
            p[:, label, batch] -= 1
            gradient = p.reshape(len(W), -1) @ x
            gradient /= len(batch)
            gradient += 2 * decay * W
            gradient *= rate
            W -= gradient

    return time_steps(steps)


def prepare_torch_one(work: Work) -> Steps:
    """PyTorch eager, one configuration."""
    import torch

    X, y = torch.from_numpy(work.features("float32")), torch.from_numpy(work.dataset.train.y).long()
    W = (1e-3 * torch.randn(X.shape[1], work.dataset.num_classes)).requires_grad_()
    lr, reg = work.grid[:, 0].tolist()

    def steps(num_steps: int) -> None:
        losses = []
        for _ in range(num_steps):
            rows = torch.randint(len(y), (work.config.batch_size,))
            loss = torch.nn.functional.cross_entropy(X[rows] @ W, y[rows]) + reg * (W * W).sum()
            (gradient,) = torch.autograd.grad(loss, W)
            with torch.no_grad():
                W.sub_(lr * gradient)
            losses.append(loss.detach())

    return time_steps(steps)


def prepare_torch_vmap(work: Work) -> Steps:
    """torch.func.vmap over all configurations, the minibatch shared."""
    import torch

    X, y = torch.from_numpy(work.features("float32")), torch.from_numpy(work.dataset.train.y).long()
    lr, reg = torch.from_numpy(work.grid.astype("float32"))
    W = (1e-3 * torch.randn(X.shape[1], work.dataset.num_classes)).expand(len(lr), -1, -1).clone()

    def loss(W: Any, reg: Any, x: Any, label: Any) -> Any:
        return torch.nn.functional.cross_entropy(x @ W, label) + reg * (W * W).sum()

    gradients = torch.func.vmap(torch.func.grad_and_value(loss), in_dims=(0, 0, None, None))

    def steps(num_steps: int) -> None:
        losses = []
        for _ in range(num_steps):
            rows = torch.randint(len(y), (work.config.batch_size,))
            gradient, value = gradients(W, reg, X[rows], y[rows])
            W.sub_(lr[:, None, None] * gradient)
            losses.append(value)

    return time_steps(steps)


@dataclass(frozen=True)
class Peer:
    """An implementation that is timed. `prepare(work)` returns its steps, of a single configuration if `one`."""

    title: str
    prepare: Callable[[Work], Steps]
    one: bool = False
    package: str | None = None

    @property
    def in_sizes(self) -> bool:
        """Whether it is timed for other numbers of configurations too."""
        return not self.one and self.title not in (FLOORS[1], NUMPY_PRODUCTS)


SOFTJAX, EXERCISE, TORCH, VMAP = (
    "softjax.sweep",
    "NumPy, float64, one by one",
    "PyTorch eager, one by one",
    "torch.func.vmap",
)
FLOORS = ("the two products alone, JAX, W (C·K, D)", "the two products alone, JAX, W (D, C·K)")
NUMPY_PRODUCTS = "the two products alone, NumPy"
WITHOUT_REPLACEMENT = f"{EXERCISE}, minibatches without replacement"
OTHER_TYPES = ("float64", "bfloat16")
PEERS = [
    Peer(FLOORS[0], partial(prepare_products, rows=True)),
    Peer(FLOORS[1], partial(prepare_products, rows=False)),
    Peer(NUMPY_PRODUCTS, prepare_numpy_products),
    Peer(SOFTJAX, prepare_softjax),
    Peer("NumPy, all in one product", prepare_numpy_all),
    Peer(VMAP, prepare_torch_vmap, package="torch"),
    Peer("NumPy, float32, one by one", partial(prepare_numpy_one, dtype="float32"), one=True),
    Peer(TORCH, prepare_torch_one, one=True, package="torch"),
    Peer(EXERCISE, partial(prepare_numpy_one, dtype="float64"), one=True),
    Peer(
        WITHOUT_REPLACEMENT,
        partial(prepare_numpy_one, dtype="float64", replacement=False),
        one=True,
    ),
]
VARIANTS = [
    Peer("softjax.sweep, float64", partial(prepare_softjax, dtype="float64")),
    Peer("softjax.sweep, bfloat16", partial(prepare_softjax, dtype="bfloat16")),
]


def is_installed(peer: Peer) -> bool:
    """Whether the package that `peer` needs is installed."""
    try:
        return peer.package is None or bool(version(peer.package))
    except PackageNotFoundError:
        return False


def benchmark(options: BenchmarkOptions, experiment: Experiment) -> None:
    """Times whole processes, steps of all 100 configurations, and steps of other numbers; saves each stage; writes the report."""
    dataset = experiment.dataset
    assert dataset is not None
    peers = [peer for peer in PEERS if is_installed(peer)]
    batched = [peer for peer in peers if peer.in_sizes]
    processes = experiment.keep("processes", partial(run_processes, options))
    total = (len(peers) + len(VARIANTS)) * options.num_rounds + 3 * len(batched) * len(options.sizes)
    with progress_bar(total, unit="turn", desc="measuring") as bar:

        def count(title: str) -> None:
            bar.set_postfix_str(title, refresh=False)
            bar.update()

        def keep_turns(
            stage: str, work: Work, taking_part: list[Peer], num_rounds: int
        ) -> dict[str, np.ndarray]:
            compute = partial(take_turns, work, taking_part, num_rounds, options.turn_seconds, count)
            return {title: np.array(times) for title, times in experiment.keep(stage, compute).items()}

        times = keep_turns("turns", Work(dataset, COURSE_GRID), [*peers, *VARIANTS], options.num_rounds)
        # every sweep ends with an evaluation, which would take most of the time
        train, val, test = (take_first(split) for split in (dataset.train, dataset.val, dataset.test))
        few = replace(dataset, train=train, val=val, test=test)
        by_size: dict[int, dict[str, float]] = {}
        for size in options.sizes:
            rates = tuple(np.linspace(1e-7, 5e-7, size).tolist())
            work = Work(few, replace(COURSE_GRID, learning_rates=rates, regs=(2.5e4,)))
            turns = keep_turns(f"size-{size}", work, batched, 3)
            medians = {title: float(np.median(values)) for title, values in turns.items()}
            alone = [peer.title for peer in PEERS if peer.one and peer.title in times]
            one = {title: float(np.median(times[title])) / 100 * size for title in alone}
            by_size[size] = medians | one
    write(options, experiment, Measurements(dataset, times, by_size, processes))


def take_turns(
    work: Work, peers: list[Peer], num_rounds: int, turn_seconds: float, count: Callable[[str], None]
) -> dict[str, list[float]]:
    """The milliseconds of a step of all configurations, for each peer and round. Each round has another order."""
    C = work.grid.shape[1]
    runs, lengths = {}, {}
    for peer in peers:
        run = runs[peer.title] = peer.prepare(work)
        run(1)  # compiles
        lengths[peer.title] = min(max(1, round(turn_seconds / max(run(1), 1e-5))), 1500)
        run(lengths[peer.title])
    factor = {peer.title: C if peer.one else 1 for peer in peers}
    times: dict[str, list[float]] = {peer.title: [] for peer in peers}
    rng = np.random.default_rng(0)
    for _ in range(num_rounds):
        for title in rng.permutation(list(runs)):
            count(title)
            time.sleep(0.05)  # threads of the implementation before may still run
            runs[title](1)
            times[title].append(1e3 * factor[title] * runs[title](lengths[title]) / lengths[title])
    return times


def run_processes(options: BenchmarkOptions) -> list[dict[str, float]]:
    """Runs the command line's sweep of the grid in new processes: seconds, and peak memory in MB."""
    processes = []
    with tempfile.TemporaryDirectory() as scratch:
        data = ["--data-dir", str(options.data_dir)] if options.data_dir else []
        lr, reg = format_range(COURSE_GRID.learning_rates), format_range(COURSE_GRID.regs)
        command = [
            *(sys.executable, "-m", "softjax", "sweep", "--dataset", options.dataset, *data),
            *("--learning-rates", lr, "--regs", reg),
            *("--num-iters", str(COURSE_GRID.num_iters), "--batch-size", str(COURSE_GRID.batch_size)),
        ]
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{scratch}/cache"}
        for k in range(options.num_processes):
            out = Path(scratch) / f"report{k}"
            start = time.perf_counter()
            subprocess.run([*command, "--out", str(out)], check=True, env=environment, capture_output=True)
            seconds = time.perf_counter() - start
            run = json.loads((out / "run.json").read_text(encoding="utf-8"))
            processes.append({"process": seconds, **run["seconds"], "peak_memory_mb": run["peak_memory_mb"]})
    return processes


def take_first(split: Split, num_examples: int = 1000) -> Split:
    """The first examples of a split."""
    return Split(split.X[:num_examples], split.y[:num_examples])


@dataclass(frozen=True)
class Measurements:
    """All measurements.

    - `times`: of each peer, milliseconds of a step of the 100 configurations, (rounds,).
    - `by_size`: for each number of configurations, the medians of each peer.
    - `processes`: seconds and memory of each.
    """

    dataset: Dataset
    times: dict[str, Float[np.ndarray, " rounds"]]
    by_size: dict[int, dict[str, float]]
    processes: list[dict[str, float]]

    @cached_property
    def floor(self) -> str:
        """The faster layout of the products."""
        return min(FLOORS, key=lambda title: float(np.median(self.times[title])))

    @cached_property
    def share(self) -> Float[np.ndarray, " rounds"]:
        """The speed of the sweep, as a share of the speed of its matrix products alone."""
        share: np.ndarray = self.times[self.floor] / self.times[SOFTJAX]
        return share

    @property
    def products_gflops(self) -> float:
        """The rate of the products."""
        C, D, K = COURSE_GRID.num_configurations, self.dataset.num_features + 1, self.dataset.num_classes
        return float(4 * C * K * D * COURSE_GRID.batch_size / np.median(self.times[self.floor]) / 1e6)

    @property
    def evaluation_gflops(self) -> float:
        """The rate of the evaluation."""
        C, D, K = COURSE_GRID.num_configurations, self.dataset.num_features + 1, self.dataset.num_classes
        examples = sum(len(split) for split in (self.dataset.train, self.dataset.val, self.dataset.test))
        seconds = np.median([process["evaluate"] for process in self.processes])
        return float(2 * C * K * D * examples / 1e9 / seconds)


def write(options: BenchmarkOptions, experiment: Experiment, measured: Measurements) -> None:
    """Writes the report: README.md, results.json, run.json, pictures."""
    results = {
        "milliseconds_a_step": {title: values.tolist() for title, values in measured.times.items()},
        "milliseconds_by_configurations": measured.by_size,
        "processes": measured.processes,
        "share_of_the_products_rate": measured.share.tolist(),
        "products_gflops": measured.products_gflops,
        "evaluation_gflops": measured.evaluation_gflops,
    }
    packages = {peer.package for peer in PEERS if peer.package and is_installed(peer)}
    experiment.write(
        partial(write_readme, options, measured),
        versions={package: version(package) for package in packages},
        files={"results.json": json.dumps(results, indent=1) + "\n"},
        figures=draw(measured),
        curves=["sizes"],
    )
    print_table(tabulate_times(measured.times))
    print(f"\n{100 * np.median(measured.share):.0f} % of the rate of the products")


def draw(measured: Measurements) -> dict[str, Figure]:
    """The pictures: the steps of 100 configurations, and the time of one configuration by how many are trained at once."""
    data, C = measured.dataset.title, COURSE_GRID.num_configurations
    other = {title for title in measured.times if any(word in title for word in OTHER_TYPES)}
    groups = {
        "in float32:": {title: times for title, times in measured.times.items() if title not in other},
        "in another type, which is other work:": {
            title: measured.times[title] for title in measured.times if title in other
        },
    }
    ours = [title for title in measured.times if title.startswith(SOFTJAX)]
    lines = {
        size: {title: ms for title, ms in line.items() if title != WITHOUT_REPLACEMENT}
        for size, line in measured.by_size.items()
    }
    return {
        "peers": benchmark_plots.step_times(
            groups, ours, measured.floor, f"{data}: one training step of {C} softmax classifiers"
        ),
        "sizes": benchmark_plots.scaling(
            lines,
            SOFTJAX,
            {peer.title for peer in PEERS if peer.one},
            f"{data}: time of a training step, for each of the classifiers trained at once",
        ),
    }


def recall(folder: Path, finished: dict[str, Any]) -> dict[str, Any]:
    """The stages of a finished report. Of the times by the number of configurations it holds the medians."""
    results = json.loads(read_text(folder / "results.json"))
    timed = {peer.title for peer in PEERS if peer.in_sizes}
    sizes = {
        f"size-{size}": {title: [ms] for title, ms in line.items() if title in timed}
        for size, line in results["milliseconds_by_configurations"].items()
    }
    return sizes | {"turns": results["milliseconds_a_step"], "processes": results["processes"]}


def write_readme(options: BenchmarkOptions, measured: Measurements, about: dict[str, Any]) -> str:
    """The text of README.md."""
    dataset, device = measured.dataset, about["device"]
    low, middle, high = np.quantile(measured.share, (0.25, 0.5, 0.75))
    least = min(process["process"] / process["train"] for process in measured.processes)
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        title=dataset.title,
        num_train=f"{len(dataset.train):,}",
        D=f"{dataset.num_features + 1:,}",
        K=dataset.num_classes,
        lr=format_range(COURSE_GRID.learning_rates),
        reg=format_range(COURSE_GRID.regs),
        num_configs=COURSE_GRID.num_configurations,
        batch_size=COURSE_GRID.batch_size,
        share=f"{100 * middle:.0f}",
        verdict=describe_sizes(measured.by_size),
        share_low=f"{100 * low:.0f}",
        share_high=f"{100 * high:.0f}",
        products_rate=f"{measured.products_gflops:.0f}",
        evaluation_rate=f"{measured.evaluation_gflops:.0f}",
        process_ratio=f"{least:.2f}",
        times=markdown.table(tabulate_times(measured.times)),
        num_rounds=options.num_rounds,
        processes=markdown.table(tabulate_processes(measured.processes)),
        num_iters=f"{COURSE_GRID.num_iters:,}",
        sizes=markdown.table(tabulate_sizes(measured.by_size)),
        gpu="" if device["platform"] != "cpu" else "GPU: not measured.",
        command=about["command"],
        date=about["date"],
        device=f"{device['count']} × {device['kind']}, {device['cpu_cores']} CPU cores, {device['machine']}",
        versions=", ".join(f"{name} {number}" for name, number in about["versions"].items()),
        fingerprint=about["dataset"]["fingerprint"],
    )


def describe_sizes(by_size: dict[int, dict[str, float]]) -> str:
    """What more configurations cost: softjax's least time of one, that of the most, and who is faster where."""
    each = {size: 1e3 * line[SOFTJAX] / size for size, line in by_size.items()}
    least, most = min(each, key=each.__getitem__), max(each)
    text = (
        f"One configuration of {least:,} trained at once takes {each[least]:,.0f} µs a step; one of {most:,} takes "
        f"{each[most] / each[least]:.1f} times as long."
    )
    faster: dict[str, list[str]] = {}
    for size, line in by_size.items():
        for title in set(line) - set(FLOORS):
            if line[title] < line[SOFTJAX]:
                faster.setdefault(title, []).append(f"{size:,}")
    return text + "".join(
        f" “{title}” is faster than `softjax.sweep` with {' and '.join(sizes)} configurations."
        for title, sizes in sorted(faster.items())
    )


def tabulate_times(times: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    """A row for each peer: the times of its step of all 100 configurations."""
    header = (
        "", "a step of all 100, ms", "quartiles", "× softjax.sweep", "the grid of 1,500 steps, s",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [header]
    for title, values in times.items():
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        ratio = format_ratio(values, times[SOFTJAX])
        rows.append((title, f"{middle:.1f}", f"{low:.1f} to {high:.1f}", ratio, f"{1.5 * middle:.0f}"))
    missing = [peer.title for peer in PEERS if peer.title not in times]
    return rows + [(title, "not installed", "", "", "") for title in missing]


def format_ratio(of: np.ndarray, to: np.ndarray) -> str:
    """The ratio of two times in the same round: its median and quartiles over the rounds."""
    low, middle, high = np.quantile(of / to, (0.25, 0.5, 0.75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def tabulate_processes(processes: list[dict[str, float]]) -> list[tuple[str, ...]]:
    """A row for each process."""
    header = (
        "", "process, s", "training, s", "process ÷ training", "load, s", "compile, s", "evaluate, s", "peak memory, MB",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            "compiles" if k == 0 else "compiled before",
            f"{process['process']:.1f}",
            f"{process['train']:.1f}",
            f"{process['process'] / process['train']:.2f}",
            *(f"{process[name]:.2f}" for name in ("load", "compile", "evaluate")),
            f"{process['peak_memory_mb']:,.0f}",
        )
        for k, process in enumerate(processes)
    ]
    return [header, *rows]


def tabulate_sizes(by_size: dict[int, dict[str, float]]) -> list[tuple[str, ...]]:
    """A row for each number of configurations."""
    header = ("configurations", *next(iter(by_size.values())))
    return [
        header,
        *((f"{size:,}", *(f"{ms:.3g}" for ms in line.values())) for size, line in by_size.items()),
    ]


if __name__ == "__main__":
    run_experiment(
        BenchmarkOptions, benchmark, load=BenchmarkOptions.load, recall=recall, description=__doc__
    )
