"""The sweep against its floor and its peers: time of a training step, of a whole process, and memory.

    python experiments/benchmark_sweep.py --dataset cifar10 --overwrite

Needs an idle machine. The floor is the rate of the two matrix products of a step alone; the peers train the same
configurations on the same data in NumPy and PyTorch (shown as not installed without it).
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import benchmark_plots
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tqdm import tqdm

from softjax import Dataset, InputError, Split, SweepConfig, load_dataset, sweep
from softjax.objective.scores import matmul
from softjax.ranges import format_range, parse_range
from softjax.reports import markdown, run_folder
from softjax.reports.environment import describe_environment

GRID = SweepConfig(
    learning_rates=parse_range("1e-7:5e-7:10"),
    regs=parse_range("2.5e4:5e4:10"),
    num_iters=1500,
    batch_size=200,
)


@dataclass(frozen=True)
class Config:
    """What to measure, and where the report goes."""

    dataset: str = "cifar10"
    """As for softjax sweep."""
    data_dir: Path | None = None
    """Folder of cifar10."""
    num_rounds: int = 15
    """Rounds in which all take turns."""
    turn_seconds: float = 0.4
    """About how long a turn takes."""
    sizes: tuple[int, ...] = (1, 4, 16, 64, 256, 1024, 4096)
    """Numbers of configurations in the picture."""
    num_processes: int = 3
    """Whole processes, from start to report: the first compiles, the others find its programs in the cache."""
    out: Path = Path("reports/benchmark_sweep")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there."""


@dataclass(frozen=True)
class Work:
    """What everybody trains: C configurations on one data set."""

    dataset: Dataset
    config: SweepConfig

    @property
    def grid(self) -> np.ndarray:
        """The configurations' lr and reg, (2, C)."""
        return np.array([(lr, reg) for lr in self.config.learning_rates for reg in self.config.regs]).T

    def features(self, dtype: str) -> np.ndarray:
        """X (N, D), centred, with the bias: prepared once, as the exercise does."""
        X = self.dataset.train.X
        ready = np.empty((X.shape[0], X.shape[1] + 1), dtype)
        np.subtract(X, X.mean(axis=0), out=ready[:, :-1], casting="unsafe")
        ready[:, -1] = 1
        return ready


Steps = Callable[[int], float]  # takes a number of steps, returns the seconds they took


def timed(steps: Callable[[int], Any]) -> Steps:
    """`steps`, timed."""

    def run(num_steps: int) -> float:
        start = time.perf_counter()
        steps(num_steps)
        return time.perf_counter() - start

    return run


def softjax_sweep(work: Work, **options: Any) -> Steps:
    """softjax.sweep, its training part."""

    def run(num_steps: int) -> float:
        config = replace(work.config, num_iters=num_steps, **options)
        return sweep(work.dataset, config).seconds.train

    return run


def products(work: Work, rows: bool) -> Steps:
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

    return timed(lambda num_steps: loop(W, num_steps).block_until_ready())


def numpy_products(work: Work) -> Steps:
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

    return timed(steps)


def numpy_one(work: Work, dtype: str, replacement: bool = True) -> Steps:
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

    return timed(steps)


def numpy_all(work: Work) -> Steps:
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

    return timed(steps)


def torch_one(work: Work) -> Steps:
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

    return timed(steps)


def torch_vmap(work: Work) -> Steps:
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

    return timed(steps)


@dataclass(frozen=True)
class Peer:
    """Somebody who trains, or multiplies: `prepare(work)` gives the steps, of one configuration if `one`."""

    title: str
    prepare: Callable[[Work], Steps]
    one: bool = False
    package: str | None = None


SOFTJAX, EXERCISE, TORCH, VMAP = (
    "softjax.sweep",
    "NumPy, float64, one by one",
    "PyTorch eager, one by one",
    "torch.func.vmap",
)
FLOORS = ("the two products alone, JAX, W (C·K, D)", "the two products alone, JAX, W (D, C·K)")
PEERS = [
    Peer(FLOORS[0], partial(products, rows=True)),
    Peer(FLOORS[1], partial(products, rows=False)),
    Peer("the two products alone, NumPy", numpy_products),
    Peer(SOFTJAX, softjax_sweep),
    Peer("NumPy, all in one product", numpy_all),
    Peer(VMAP, torch_vmap, package="torch"),
    Peer("NumPy, float32, one by one", partial(numpy_one, dtype="float32"), one=True),
    Peer(TORCH, torch_one, one=True, package="torch"),
    Peer(EXERCISE, partial(numpy_one, dtype="float64"), one=True),
    Peer(
        f"{EXERCISE}, minibatches without replacement",
        partial(numpy_one, dtype="float64", replacement=False),
        one=True,
    ),
]
VARIANTS = [
    Peer("softjax.sweep, float64", partial(softjax_sweep, dtype="float64")),
    Peer("softjax.sweep, bfloat16", partial(softjax_sweep, dtype="bfloat16")),
]


def installed(peer: Peer) -> bool:
    """Whether what `peer` needs is there."""
    try:
        return peer.package is None or bool(version(peer.package))
    except PackageNotFoundError:
        return False


def in_turns(
    work: Work, peers: list[Peer], num_rounds: int, turn_seconds: float, count: Callable[[str], None]
) -> dict[str, np.ndarray]:
    """Milliseconds of a step of all configurations, (rounds,) for each peer; in each round in another order."""
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
            time.sleep(0.05)  # the threads of the one before may still be spinning
            runs[title](1)
            times[title].append(1e3 * factor[title] * runs[title](lengths[title]) / lengths[title])
    return {title: np.array(values) for title, values in times.items()}


def whole_processes(config: Config) -> list[dict[str, float]]:
    """The command line's sweep of the grid, each in a process of its own: seconds, and peak memory in MB."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        data = ["--data-dir", str(config.data_dir)] if config.data_dir else []
        command = [
            *(sys.executable, "-m", "softjax", "sweep", "--dataset", config.dataset, *data),
            *("--learning-rates", format_range(GRID.learning_rates), "--regs", format_range(GRID.regs)),
            *("--num-iters", str(GRID.num_iters), "--batch-size", str(GRID.batch_size)),
        ]
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{scratch}/cache"}
        for k in range(config.num_processes):
            out = Path(scratch) / f"report{k}"
            start = time.perf_counter()
            subprocess.run([*command, "--out", str(out)], check=True, env=environment, capture_output=True)
            seconds = time.perf_counter() - start
            run = json.loads((out / "run.json").read_text())
            found.append({"process": seconds, **run["seconds"], "peak_memory_mb": run["peak_memory_mb"]})
    return found


def main(config: Config) -> None:
    """Measures everything, prints the ratios, writes the report."""
    run_folder.check_free(config.out, config.overwrite)
    dataset = load_dataset(config.dataset, config.data_dir)
    peers = [peer for peer in PEERS if installed(peer)]
    batched = [p for p in peers if not p.one and p.title not in (FLOORS[1], "the two products alone, NumPy")]
    total = (len(peers) + len(VARIANTS)) * config.num_rounds + 3 * len(batched) * len(config.sizes)
    processes = whole_processes(config)
    with tqdm(total=total, desc="measuring", unit="turn", disable=None) as bar:

        def count(title: str) -> None:
            bar.set_postfix_str(title, refresh=False)
            bar.update()

        times = in_turns(
            Work(dataset, GRID), [*peers, *VARIANTS], config.num_rounds, config.turn_seconds, count
        )
        # every sweep ends with an evaluation, which would take most of the time
        few = replace(dataset, train=first(dataset.train), val=first(dataset.val), test=first(dataset.test))
        by_size: dict[int, dict[str, float]] = {}
        for size in config.sizes:
            rates = tuple(np.linspace(1e-7, 5e-7, size).tolist())
            work = Work(few, replace(GRID, learning_rates=rates, regs=(2.5e4,)))
            medians = {
                t: float(np.median(v))
                for t, v in in_turns(work, batched, 3, config.turn_seconds, count).items()
            }
            one = {peer.title: float(np.median(times[peer.title])) / 100 * size for peer in peers if peer.one}
            by_size[size] = medians | one
    write(config, dataset, times, by_size, processes)


def first(split: Split, num_examples: int = 1000) -> Split:
    """The first examples of a split."""
    return Split(split.X[:num_examples], split.y[:num_examples])


def ratio(times: dict[str, np.ndarray], of: str, to: str) -> str:
    """The median over the rounds of one's time in units of another's, and its quartiles."""
    low, middle, high = np.quantile(times[of] / times[to], (0.25, 0.5, 0.75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def write(
    config: Config,
    dataset: Dataset,
    times: dict[str, np.ndarray],
    by_size: dict[int, dict[str, float]],
    processes: list[dict[str, float]],
) -> None:
    """The report: README.md, results.json, run.json, pictures."""
    floor = min(FLOORS, key=lambda title: float(np.median(times[title])))
    C, D, K = 100, dataset.num_features + 1, dataset.num_classes
    flops = 4 * C * K * D * GRID.batch_size
    rate = flops / np.median(times[floor]) / 1e6
    share = times[floor] / times[SOFTJAX]
    best = min(processes, key=lambda run: run["process"] / run["train"])
    examples = len(dataset.train) + len(dataset.val) + len(dataset.test)
    evaluation = 2 * C * K * D * examples / 1e9 / np.median([run["evaluate"] for run in processes])
    rows = [
        ("", "a step of all 100, ms", "quartiles", "× softjax.sweep", "the grid of 1,500 steps, s"),
        *(
            (
                title,
                f"{np.median(values):.1f}",
                "{:.1f} to {:.1f}".format(*np.quantile(values, (0.25, 0.75))),
                ratio(times, title, SOFTJAX),
                f"{1.5 * np.median(values):.0f}",
            )
            for title, values in times.items()
        ),
        *((peer.title, "not installed", "", "", "") for peer in PEERS if not installed(peer)),
    ]
    sizes = [
        ("configurations", *(next(iter(by_size.values())))),
        *((f"{size:,}", *(f"{ms:.3g}" for ms in line.values())) for size, line in by_size.items()),
    ]
    wholes = [
        (
            "",
            "process, s",
            "training, s",
            "process ÷ training",
            "load, s",
            "compile, s",
            "evaluate, s",
            "peak memory, MB",
        ),
        *(
            (
                "compiles" if k == 0 else "compiled before",
                f"{run['process']:.1f}",
                f"{run['train']:.1f}",
                f"{run['process'] / run['train']:.2f}",
                *(f"{run[name]:.2f}" for name in ("load", "compile", "evaluate")),
                f"{run['peak_memory_mb']:,.0f}",
            )
            for k, run in enumerate(processes)
        ),
    ]
    low, middle, high = np.quantile(share, (0.25, 0.5, 0.75))
    environment = describe_environment()
    versions = environment["versions"] | {
        peer.package: version(peer.package) for peer in PEERS if peer.package and installed(peer)
    }
    device = environment["device"]
    command = shlex.join(["python", *sys.argv])
    text = f"""# The sweep against its floor and its peers

{dataset.title}: {len(dataset.train):,} training examples, D = {D:,}, K = {K}; lr {
        format_range(GRID.learning_rates)
    } × reg
{format_range(GRID.regs)}, {C} configurations, minibatches of {GRID.batch_size}, float32 unless said.

`softjax.sweep` trains at **{
        100 * middle:.0f} %** of the rate of its two matrix products alone (quartiles over the rounds
{100 * low:.0f} % to {100 * high:.0f} %; the products: {rate:.0f} GFLOP/s), and evaluates at {
        evaluation:.0f} GFLOP/s.
From the start of the process to the report on disk it takes {
        best["process"] / best["train"]:.2f} times the training time.

## A step of all {C} configurations

{markdown.table(rows)}

All took turns, {
        config.num_rounds
    } rounds in another order each; medians, and ratios within a round. "One by one": the time of
one configuration, times {
        C
    }. The products: W @ X.T and Q @ X with W (C·K, D), or X @ W and X.T @ Q with W (D, C·K), in JAX, in
a loop of their own; in NumPy its BLAS. `softjax.sweep` draws, gathers and centres the minibatch from uint8 pixels and records every loss; the
peers' features were centred beforehand.

![A step of all configurations](peers.png)

## From the start of the process to the report

{markdown.table(wholes)}

`softjax sweep` on the same grid, {
        GRID.num_iters:,} steps, checkpoints included, each in a process of its own.

## By the number of configurations

Milliseconds of a step of all of them, with minibatches from the first 1,000 training examples; those that go one by one are one
configuration's time, times their number.

{markdown.table(sizes)}

![Time of a step by the number of configurations](sizes.png)

{"" if device["platform"] != "cpu" else "GPU: not measured."}

## How it was made

    {command}

{environment["date"]}, {device["count"]} × {device["kind"]}, {device["cpu_cores"]} CPU cores, {
        device["machine"]
    }; {", ".join(f"{name} {number}" for name, number in versions.items())}; data fingerprint {
        dataset.fingerprint
    }.
"""
    results = {
        "milliseconds_a_step": {title: values.tolist() for title, values in times.items()},
        "milliseconds_by_configurations": by_size,
        "processes": processes,
        "share_of_the_products_rate": share.tolist(),
        "products_gflops": rate,
        "evaluation_gflops": evaluation,
    }
    run = {"command": command, "config": asdict(config)} | environment | {"versions": versions}
    with run_folder.report_folder(config.out, config.overwrite) as folder:
        (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (folder / "run.json").write_text(json.dumps(run, indent=2, default=str) + "\n")
        title = f"{dataset.title}: a step of {C} configurations"
        benchmark_plots.step_times(times, SOFTJAX, floor, title).savefig(folder / "peers.png", dpi=150)
        title = f"{dataset.title}: a step by the number of configurations"
        benchmark_plots.scaling(by_size, SOFTJAX, title).savefig(folder / "sizes.png", dpi=150)
        (folder / "README.md").write_text(text)
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, (62, 22, 18, 24, 26), strict=True)))
    print(f"\n{100 * middle:.0f} % of the rate of the products\nreport: {config.out / 'README.md'}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__, config=(tyro.conf.OmitArgPrefixes,)))
    except InputError as error:
        sys.exit(f"benchmark_sweep: error: {error}")
