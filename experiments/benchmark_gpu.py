"""Times softjax on a GPU: its ceilings, the sweep by precision and by size, its start, the path, and single calls.

    python experiments/benchmark_gpu.py --data-dir DIR --overwrite

Needs JAX for the GPU, `pip install "jax[cuda13]"`, and for the peers PyTorch for CUDA, `pip install torch`. Their wheels: jaxlib,
jax-cuda13-plugin and jax-cuda13-pjrt, torch (those of Linux are for CUDA 13), and NVIDIA's, of which both take nvidia-cublas,
nvidia-cudnn-cu13, nvidia-cufft, nvidia-cusolver, nvidia-cusparse, nvidia-nccl-cu13, nvidia-nvjitlink, nvidia-nvshmem-cu13 and
nvidia-cuda-runtime, -nvrtc and -cupti; JAX also nvidia-cuda-nvcc and nvidia-nvvm.

A stage that would begin after --minutes is left out, so that the whole takes about six minutes on an H100. A run that is cut off keeps
its finished stages: --resume goes on with it, and --resume --minutes 0 writes the report of what there is. A stage that fails says so in
its place. Without a GPU nothing is timed, and the report says so; what is compiled for a step is shown in any case.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from compiled_programs import count_step
from harness import COURSE_GRID, DatasetOptions, Experiment, run_experiment
from jax import lax
from large_probe import compare_probe

import softjax
from softjax import Dataset, SweepConfig, mesh_of, regularization_path, sweep
from softjax.ranges import parse_range
from softjax.reports import markdown
from softjax.reports.environment import environment_rows
from softjax.training import step
from softjax.training.sweep import compile_sweep

PRECISIONS: dict[str, Any] = {
    "float32": {"dtype": "float32", "precision": "highest"},
    "TF32": {"dtype": "float32", "precision": "default"},
    "bfloat16": {"dtype": "bfloat16", "precision": "default"},
}
TORCH_PRECISIONS = {"float32": "highest", "TF32": "high"}
FLOAT32: dict[str, Any] = {"TF32": "default", "float32": "highest"}
SHAPES = ((4, 5, 3), (64, 500, 10), (3073, 500, 10), (512, 256, 50_000))  # D, N, K of single calls
LARGE_STRENGTHS = parse_range("log:1e-4:1:8")
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class GpuOptions(DatasetOptions):
    """What is timed, and the folder of the report."""

    out: Path = Path("reports/benchmark_gpu")
    """Folder of the report."""
    sizes: tuple[int, ...] = (1, 10, 100, 1000, 10_000)
    """Numbers of configurations."""
    num_iters: int = 1500
    """Steps of every sweep."""
    probe: tuple[int, int, int] = (100_000, 768, 1000)
    """Examples, features and classes of the linear probe, whose features come from the host."""
    large_probe: tuple[int, int, int] = (1_281_167, 768, 1000)
    """The same of the probe of ImageNet's size, whose features are made on the device and stay there."""
    large_held_out: int = 50_000
    """Its validation examples, and as many test examples."""
    peer_seconds: float = 60.0
    """PyTorch is stopped in the large probe after so long."""
    product: int = 8192
    """Rows and columns of the products whose rate is the ceiling."""
    minutes: float = 5.0
    """No stage begins later than this."""
    any_device: bool = False
    """Time the CPU where there is no GPU, to try the script."""


def run_benchmark(options: GpuOptions, experiment: Experiment) -> None:
    """Runs the stages, as far as there is time, and writes the report."""
    dataset = experiment.dataset
    assert dataset is not None
    started = time.monotonic()
    timed = jax.default_backend() == "gpu" or options.any_device
    config = replace(COURSE_GRID, num_iters=options.num_iters)
    stages = list_stages(dataset, config, options)
    found: dict[str, Any] = {"program": experiment.keep("program", partial(read_program, dataset, config))}
    for name, measure in stages.items():
        if timed and (experiment.has(name) or time.monotonic() - started < 60 * options.minutes):
            try:
                found[name] = experiment.keep(name, measure)
            except Exception as error:  # of a driver or another library: the other stages go on
                found[name] = {
                    "failed": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:150]}"
                }
    found |= {group: gather(found, group, options.sizes) for group in BY_SIZE}
    experiment.write(partial(write_readme, dataset, found, timed), run={"found": found})


def list_stages(dataset: Dataset, config: SweepConfig, options: GpuOptions) -> dict[str, Callable[[], Any]]:
    """The stages, the most important first. The largest sizes come first, as they take longest."""
    sizes = sorted(options.sizes, reverse=True)
    return {
        "ceilings": partial(time_ceilings, options.product),
        "grid": partial(time_grid, dataset, config),
        "calls": time_calls,
        "path": partial(time_paths, dataset, options.probe),
        "large": partial(
            compare_probe, options.large_probe, options.large_held_out, LARGE_STRENGTHS, options.peer_seconds
        ),
        "start": partial(time_start, options),
        **{
            f"{group}-{size}": partial(measure, dataset, config, size)
            for group, measure in BY_SIZE.items()
            for size in sizes
        },
        "ways": partial(time_other_ways, dataset, config),
    }


def gather(found: dict[str, Any], group: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    """The rows of the sizes that were measured; or why the last one that failed did."""
    rows = {str(size): found.get(f"{group}-{size}") for size in sizes}
    failed = {size: row for size, row in rows.items() if row and "failed" in row}
    measured = {size: row for size, row in rows.items() if row and size not in failed}
    return measured or next(iter(failed.values()), {})


def read_program(dataset: Dataset, config: SweepConfig) -> dict[str, dict[str, int]]:
    """The instructions of a step of the grid, and of a block of each split in its evaluation, as wide as they are and aligned."""
    choose = step.choose_alignment
    counts = {}
    for name, align in (("as they are", 1), ("aligned", 128)):
        step.choose_alignment = partial(lambda align, *_: align, align)
        try:
            programs = compile_sweep(dataset, config, mesh_of(1))
        finally:
            step.choose_alignment = choose
        (training,) = set(programs.segments.values())
        counts[f"training, {name}"] = count_step(training)
        evaluation: Counter[str] = Counter()
        for program in (programs.validate, programs.evaluate):
            with contextlib.suppress(ValueError):  # so few examples that they are no blocks
                evaluation += Counter(count_step(program))
        if evaluation:
            counts[f"evaluation, {name}"] = dict(evaluation.most_common())
    return dict(sorted(counts.items(), reverse=True))


def time_calls_of(call: Callable[[], Any], seconds: float = 0.3, at_least: int = 5) -> float:
    """The median seconds of a call, after one that is not counted."""
    wait: Any = jax.block_until_ready
    wait(call())
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < at_least or time.perf_counter() < end:
        start = time.perf_counter()
        wait(call())
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def time_ceilings(size: int) -> dict[str, float]:
    """FLOP/s of square products by precision, and bytes/s of a copy."""
    found = {}
    for name, how in PRECISIONS.items():
        a = jnp.ones((size, size), how["dtype"])
        multiply = jax.jit(partial(jnp.matmul, precision=how["precision"]))
        found[name] = 2 * size**3 / time_calls_of(partial(multiply, a, a))
    numbers = jnp.zeros(size * size * 4, jnp.float32)
    found["copy"] = 2 * numbers.nbytes / time_calls_of(partial(jax.jit(lambda a: a + 1), numbers))
    return found


def time_sweep(dataset: Dataset, config: SweepConfig) -> dict[str, float]:
    """The seconds of the second sweep of these options, by phase, and of the first one's compilation."""
    first = sweep(dataset, config)
    seconds = sweep(dataset, config).seconds
    return {
        "compile": first.seconds.compile,
        "train": seconds.train,
        "evaluate": seconds.evaluate,
        "step": seconds.train / config.num_iters,
        "best": float(first.val_accuracy.mean(axis=1).max()),
    }


def time_grid(dataset: Dataset, config: SweepConfig) -> dict[str, dict[str, float]]:
    """The grid by precision; and with minibatches of each configuration's own, and with Adam, in TF32."""
    found = {name: time_sweep(dataset, replace(config, **how)) for name, how in PRECISIONS.items()}
    fast = replace(config, precision="default")
    found["TF32, independent minibatches"] = time_sweep(dataset, replace(fast, minibatches="independent"))
    found["TF32, Adam"] = time_sweep(dataset, replace(fast, optimizer="adam"))
    return found


def time_products(dataset: Dataset, config: SweepConfig, size: int) -> dict[str, float]:
    """Seconds of the two products of a step alone, by precision and width."""
    D, K, B = dataset.num_features + 1, dataset.num_classes, config.batch_size
    widths = {"as they are": D, "aligned": D + -D % step.choose_alignment("gpu", D)}
    return {
        f"{precision}, {name}": time_two_products(size * K, width, B, how["dtype"], how["precision"])
        for precision, how in PRECISIONS.items()
        for name, width in widths.items()
    }


def time_two_products(rows: int, D: int, B: int, dtype: str, precision: Any, repeats: int = 50) -> float:
    """Seconds of W Xᵀ and Q X, W (rows, D), X (B, D), Q (rows, B). They are repeated in one program, each needs the one before."""
    X = jnp.ones((B, D), dtype)

    @jax.jit
    def repeat(W: Any) -> Any:
        def both(_: Any, W: Any) -> Any:
            Q = jnp.matmul(W, X.T, precision=precision)
            return jnp.matmul(Q, X, precision=precision)

        return lax.fori_loop(0, repeats, both, W)

    W = jnp.zeros((rows, D), dtype)
    return time_calls_of(partial(repeat, W), 0.1, 2) / repeats


def time_sizes(dataset: Dataset, config: SweepConfig, size: int) -> dict[str, dict[str, float]]:
    """A sweep of so many configurations, in TF32 and in full float32, in one chunk."""
    grid = make_grid(config, size)
    return {
        name: time_sweep(dataset, replace(grid, precision=precision)) for name, precision in FLOAT32.items()
    }


def make_grid(config: SweepConfig, size: int) -> SweepConfig:
    """A grid of so many configurations, in one chunk."""
    rates = tuple(float(lr) for lr in np.geomspace(1e-8, 5e-7, size))
    return replace(config, learning_rates=rates, regs=(2.5e4,), chunk_size=size)


def time_peers(dataset: Dataset, config: SweepConfig, size: int) -> dict[str, float]:
    """Seconds of a step of PyTorch: all configurations in one product, eager and in a CUDA graph, by precision."""
    if not has_torch():
        return {}
    import torch

    found = {}
    for name, precision in TORCH_PRECISIONS.items():
        torch.set_float32_matmul_precision(precision)
        advance = prepare_torch(dataset, make_grid(config, size))
        found[f"eager, {name}"] = time_torch(advance)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            advance()
        found[f"CUDA graph, {name}"] = time_torch(graph.replay)
    return found


def time_other_ways(dataset: Dataset, config: SweepConfig) -> dict[str, dict[str, float]]:
    """Seconds of a step of the grid in PyTorch by torch.func.vmap, and by autograd for one configuration after another."""
    if not has_torch():
        return {}
    import torch

    found: dict[str, dict[str, float]] = {"torch.func.vmap": {}, "autograd, one after another": {}}
    for name, precision in TORCH_PRECISIONS.items():
        torch.set_float32_matmul_precision(precision)
        together, one = prepare_torch_autograd(dataset, config)
        found["torch.func.vmap"][name] = time_torch(together, 20)
        found["autograd, one after another"][name] = time_torch(one, 50) * len(config.configurations())
    return found


def has_torch() -> bool:
    """Whether PyTorch is installed and sees a GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def place_in_torch(dataset: Dataset, config: SweepConfig, device: str = "cuda") -> tuple[Any, ...]:
    """Features (N, D), labels, rates (C, 1, 1), strengths (C, 1, 1) and weights (C, K, D) as tensors."""
    import torch

    K = dataset.num_classes
    pixels = np.hstack([dataset.train.X - dataset.train.X.mean(axis=0), np.ones((len(dataset.train), 1))])
    X = torch.tensor(pixels, dtype=torch.float32, device=device)
    y = torch.tensor(dataset.train.y.astype(np.int64), device=device)
    lr, reg = (
        torch.tensor(row, dtype=torch.float32, device=device)[:, None, None]
        for row in np.array(config.configurations())
    )
    return X, y, lr, reg, 1e-3 * torch.randn(len(lr), K, X.shape[1], device=device)


def prepare_torch(dataset: Dataset, config: SweepConfig, device: str = "cuda") -> Callable[[], None]:
    """A step of all configurations by the formula, W as (C K, D), on the GPU. The rows of the minibatch are drawn there."""
    import torch

    K, B = dataset.num_classes, config.batch_size
    X, y, lr, reg, W = place_in_torch(dataset, config, device)

    def advance() -> None:
        rows = torch.randint(len(y), (B,), device=device)
        x, label = X[rows], torch.nn.functional.one_hot(y[rows], K).T
        p = torch.softmax((W.view(-1, X.shape[1]) @ x.T).view(len(lr), K, B), dim=1)
        grad = (((p - label) / B).view(-1, B) @ x).view_as(W)
        W.sub_(lr * (grad + 2 * reg * W))

    return advance


def prepare_torch_autograd(
    dataset: Dataset, config: SweepConfig, device: str = "cuda"
) -> tuple[Callable[[], None], Callable[[], None]]:
    """A step of all configurations by torch.func.vmap of the gradient, and a step of the first one by backward()."""
    import torch

    X, y, lr, reg, W = place_in_torch(dataset, config, device)

    def objective(W: Any, reg: Any, x: Any, label: Any) -> Any:
        return torch.nn.functional.cross_entropy(x @ W.T, label) + reg * (W**2).sum()

    differentiate = torch.func.vmap(torch.func.grad(objective), (0, 0, None, None))

    def draw() -> tuple[Any, Any]:
        rows = torch.randint(len(y), (config.batch_size,), device=device)
        return X[rows], y[rows]

    def together() -> None:
        W.sub_(lr * differentiate(W, reg[:, 0, 0], *draw()))

    first = W[0].clone().requires_grad_()

    def one() -> None:
        first.grad = None
        objective(first, reg[0, 0, 0], *draw()).backward()
        with torch.no_grad():
            first.sub_(lr[0, 0, 0] * first.grad)

    return together, one


def time_torch(advance: Callable[[], None], steps: int = 200) -> float:
    """Seconds of a step on the GPU, by its events."""
    import torch

    for _ in range(20):
        advance()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(steps):
        advance()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000 / steps


def time_calls() -> dict[str, dict[str, float]]:
    """Seconds of a loss and gradient of arrays on the device: by hand, and by jit(value_and_grad(loss))."""
    found = {}
    rng = np.random.default_rng(0)
    for D, N, K in SHAPES:
        W, X = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((D, K), (N, D)))
        y = jnp.asarray(rng.integers(0, K, N))
        by_autodiff = jax.jit(jax.value_and_grad(softjax.loss))
        calls = {
            "softjax.loss_and_grad": partial(softjax.loss_and_grad, W, X, y, 0.1),
            "the same in jit": partial(jax.jit(softjax.loss_and_grad), W, X, y, 0.1),
            "jit(value_and_grad(softjax.loss))": partial(by_autodiff, W, X, y, 0.1),
        }
        found[f"{N} × {D} × {K}"] = {name: time_calls_of(call) for name, call in calls.items()}
    return found


def time_paths(dataset: Dataset, probe: tuple[int, int, int]) -> dict[str, dict[str, Any]]:
    """The first and the second call of two paths: 20 strengths of the data set, and 8 of the linear probe."""
    N, F, K = probe
    key = jax.random.key(0)
    X = np.asarray(jax.random.normal(key, (N, F), jnp.float32))
    scores = X @ np.asarray(jax.random.normal(jax.random.fold_in(key, 1), (F, K), jnp.float32))
    y = np.asarray(
        jnp.argmax(scores + 20 * jax.random.gumbel(jax.random.fold_in(key, 2), scores.shape), axis=1)
    )
    data = Dataset.from_arrays(X, y)
    problems = {
        f"{dataset.title}, 20 strengths": (dataset, parse_range("log:1:1e4:20")),
        f"linear probe, {N:,} × {F} × {K:,}, 8 strengths": (data, parse_range("log:1e-4:1:8")),
    }
    found = {}
    for name, (examples, regs) in problems.items():
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            path = regularization_path(examples, regs=regs)
            seconds.append(time.perf_counter() - start)
        found[name] = {
            "first": seconds[0],
            "second": seconds[1],
            "converged": int(path.converged.sum()),
            "strengths": len(regs),
        }
    return found


def time_start(options: GpuOptions) -> dict[str, float]:
    """Seconds of the command, from the start of its process to its report: with nothing compiled before, and again."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "softjax", "sweep", "--dataset", options.dataset, "--overwrite"]
        command += ["--num-iters", str(options.num_iters), "--out", f"{folder}/out"]
        if options.data_dir is not None:
            command += ["--data-dir", str(options.data_dir)]
        found = {}
        for name in ("nothing compiled before", "compiled before"):
            start = time.perf_counter()
            environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
            found[name] = time.perf_counter() - start
    return found


def write_readme(dataset: Dataset, found: dict[str, Any], timed: bool, about: dict[str, Any]) -> str:
    """The text of README.md. A table of what was not measured says so."""
    device = ", ".join(sorted({each.device_kind for each in jax.devices()}))
    verdict = (
        f"Measured on {device}."
        if timed
        else f"**Not measured: this machine has no GPU** (JAX sees: {device}). Only what is compiled for a step is shown."
    )
    tables = {name: tabulate(found.get(name), rows) for name, rows in TABLES.items()}
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        title=dataset.title,
        verdict=verdict,
        width=f"{dataset.num_features + 1:,}",
        num_iters=f"{about['config']['num_iters']:,}",
        large_shape=" × ".join(f"{size:,}" for size in about["config"]["large_probe"]),
        large_strengths=str(len(LARGE_STRENGTHS)),
        peer_seconds=f"{about['config']['peer_seconds']:.0f}",
        backend=jax.default_backend(),
        command=about["command"],
        how=markdown.table([("", ""), *environment_rows(about)]),
        **tables,
    )


def tabulate(found: Any, rows: Callable[[Any], Iterator[tuple[str, ...]]]) -> str:
    """The table of a stage; or that it was not measured, or how it failed."""
    if not found:
        return f"{NOT_MEASURED.capitalize()}."
    return (
        f"{NOT_MEASURED.capitalize()}: {found['failed']}."
        if "failed" in found
        else markdown.table(list(rows(found)))
    )


def tabulate_ceilings(found: dict[str, float]) -> Iterator[tuple[str, ...]]:
    """Rates of products and of a copy."""
    yield "operation", "rate"
    for name, rate in found.items():
        yield name, f"{rate / 1e9:,.0f} GB/s" if name == "copy" else f"{rate / 1e12:,.2f} TFLOP/s"


def tabulate_grid(found: dict[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    """The grid by precision."""
    yield (
        "",
        "µs a step",
        "training, s",
        "evaluation, s",
        "compilation in the first call, s",
        "best validation accuracy",
    )
    for name, row in found.items():
        yield (
            name,
            f"{1e6 * row['step']:,.0f}",
            f"{row['train']:.3f}",
            f"{row['evaluate']:.3f}",
            f"{row['compile']:.1f}",
            f"{row['best']:.3f}",
        )


def tabulate_products(found: dict[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    """The products alone, a column for each precision and width."""
    yield "configurations", *(f"{name}, µs" for name in next(iter(found.values())))
    for size, row in found.items():
        yield f"{int(size):,}", *(f"{1e6 * seconds:,.0f}" for seconds in row.values())


def tabulate_sizes(found: dict[str, dict[str, dict[str, float]]]) -> Iterator[tuple[str, ...]]:
    """The sweeps by size."""
    yield "configurations", "TF32, µs a step", "training, s", "float32, µs a step", "training, s"
    for size, row in found.items():
        cells = [
            cell for each in row.values() for cell in (f"{1e6 * each['step']:,.0f}", f"{each['train']:.2f}")
        ]
        yield f"{int(size):,}", *cells


def tabulate_ways(found: dict[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    """PyTorch's other ways."""
    yield "", *(f"{name}, µs" for name in next(iter(found.values())))
    for way, row in found.items():
        yield way, *(f"{1e6 * seconds:,.0f}" for seconds in row.values())


def tabulate_calls(found: dict[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    """Single calls."""
    yield "N × D × K", *(f"{name}, µs" for name in next(iter(found.values())))
    for shape, row in found.items():
        yield shape, *(f"{1e6 * seconds:,.0f}" for seconds in row.values())


def tabulate_paths(found: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Paths."""
    yield "path", "first call, s", "second call, s", "converged"
    for name, row in found.items():
        yield name, f"{row['first']:.1f}", f"{row['second']:.1f}", f"{row['converged']} of {row['strengths']}"


def tabulate_large(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The large probe, beside PyTorch."""
    yield "", "whole, s", "compiling", "solving", "evaluating", "strengths"
    phases = [f"{found[name]:.1f}" for name in ("compile", "solve", "evaluate")]
    converged = f"{found['converged']} of {found['strengths']} converged, {found['passes']} passes"
    yield "softjax, the first call", f"{found['seconds']:.1f}", *phases, converged
    if found["peer"] is None:
        return
    seconds = sum(each["seconds"] for each in found["peer"])
    reached = sum(each["reached"] for each in found["peer"])
    evaluations = sum(each["evaluations"] for each in found["peer"])
    said = f"{reached} of {found['strengths']} reached, {evaluations} evaluations"
    if reached < found["strengths"]:
        left = next(each for each in found["peer"] if not each["reached"])
        above = "" if left["above"] is None else f", there {left['above']:.1e} above"
        said += f"; reg {left['reg']:.0e} not reached in {found['peer_seconds']:.0f} s in all{above}"
    yield "torch.optim.LBFGS", f"{seconds:.1f}", "", "", "", said


def tabulate_start(found: dict[str, float]) -> Iterator[tuple[str, ...]]:
    """The command as a whole."""
    yield "softjax sweep, process start to report", "s"
    for name, seconds in found.items():
        yield name, f"{seconds:.1f}"


def tabulate_program(found: dict[str, dict[str, int]]) -> Iterator[tuple[str, ...]]:
    """The instructions of a step."""
    yield "weights", "instructions", "of these"
    for name, counts in found.items():
        yield name, str(sum(counts.values())), ", ".join(f"{count} {each}" for each, count in counts.items())


BY_SIZE: dict[str, Callable[[Dataset, SweepConfig, int], dict[str, Any]]] = {
    "sizes": time_sizes,
    "peers": time_peers,
    "products": time_products,
}
TABLES: dict[str, Callable[[Any], Iterator[tuple[str, ...]]]] = {
    "ceilings": tabulate_ceilings,
    "grid": tabulate_grid,
    "products": tabulate_products,
    "sizes": tabulate_sizes,
    "peers": tabulate_products,
    "ways": tabulate_ways,
    "calls": tabulate_calls,
    "path": tabulate_paths,
    "large": tabulate_large,
    "start": tabulate_start,
    "program": tabulate_program,
}


if __name__ == "__main__":
    os.environ.setdefault(
        "XLA_PYTHON_CLIENT_PREALLOCATE", "false"
    )  # PyTorch and the started commands need memory too
    run_experiment(GpuOptions, run_benchmark, load=GpuOptions.load, description=__doc__)
