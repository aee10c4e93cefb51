"""How a sweep scales with devices: what they exchange, how much memory each uses, and predicted times on many devices.

    python experiments/scaling.py --data-dir DIR --overwrite

It takes a few minutes on two CPU cores. Exchanges and memory are read from programs that are compiled for simulated devices.
The rate of one device is measured on this machine. Times on many devices are predicted from this rate, and labelled as
predictions.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from compiled_programs import exchanges
from harness import COURSE_GRID, FLAGS, DatasetOptions, Experiment, run_experiment
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from softjax import Dataset, mesh_of, sweep
from softjax.drawing import BLUE, GREY, VERMILION, label_ends, start_picture, tidy_axes
from softjax.progress import progress_bar
from softjax.ranges import format_range
from softjax.reports import markdown
from softjax.reports.environment import environment_rows
from softjax.training.sweep import compile_sweep

UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))  # of time, in seconds


@dataclass(frozen=True)
class Peak:
    """A device's rate of float32 matrix products, by its data sheet."""

    name: str
    count: int
    unit: str
    teraflops: float
    source: str


PEAKS = (
    Peak("NVIDIA H100 SXM", 8, "GPUs", 67.0, "float32, without tensor cores"),
    Peak(
        "TPU v4",
        256,
        "cores",
        137.5 / 6,
        "bfloat16 peak of a core, divided by the six passes of a float32 product",
    ),
)


@dataclass(frozen=True)
class ScalingOptions(DatasetOptions):
    """The options: what is measured, and the folder of the report."""

    out: Path = Path("reports/scaling")
    """Folder of the report."""
    devices: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of simulated devices."""
    configs: int = 100_000
    """Configurations of the predicted sweep."""
    rounds: int = 5
    """How many times the rate of the device is measured."""
    simulate: int | None = None
    """Print the exchanges and the memory of a program for this many devices, as JSON, and exit. The script calls itself with it."""


def measure(options: ScalingOptions, experiment: Experiment) -> None:
    """Reads the programs for all numbers of devices, measures the rate of one device, and writes the report."""
    dataset = experiment.dataset
    assert dataset is not None
    programs = []
    with progress_bar(len(options.devices) + options.rounds, unit="part", desc="measuring") as bar:
        for count in options.devices:
            compute = partial(read_in_a_process, options, count)
            programs.append(experiment.keep(f"devices-{count}", compute))
            bar.update()

        def measure_rates() -> list[float]:
            rates = []
            for _ in range(options.rounds):
                rates.append(measure_rate(dataset))
                bar.update()
            return rates

        rates = experiment.keep("rates", measure_rates)
    experiment.write(
        partial(write_readme, options, dataset, programs, np.array(rates)),
        run={"programs": programs, "rates": rates},
        figures={"memory": draw_memory(programs, dataset.title)},
        curves=["memory"],
    )


def read_in_a_process(options: ScalingOptions, count: int) -> dict[str, Any]:
    """The result of `read_programs` with `count` devices."""
    arguments = ["--dataset", options.dataset, "--simulate", str(count)]
    if options.data_dir is not None:
        arguments += ["--data-dir", str(options.data_dir)]
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(count)},
    )
    programs: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return programs


def read_programs(dataset: Dataset) -> dict[str, Any]:
    """The exchanges of the training program on all devices, inside and outside its loop, and the bytes of each device."""
    programs: dict[str, Any] = {"devices": jax.device_count()}
    for axis, data_parallel in (("config", 1), ("data", jax.device_count())):
        whole = replace(COURSE_GRID, chunk_size=COURSE_GRID.num_configurations)
        segment = next(iter(compile_sweep(dataset, whole, mesh_of(data_parallel)).segments.values()))
        inside, outside = exchanges(segment)
        memory: Any = segment.memory_analysis()
        programs[axis] = {
            "inside": inside,
            "outside": outside,
            "bytes": memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes,
            "examples": dataset.train.X.nbytes,
        }  # fmt: skip
    return programs


def measure_rate(dataset: Dataset) -> float:
    """Configurations × steps per second of one device, on the course's grid."""
    config = replace(COURSE_GRID, num_iters=60)
    return config.num_configurations * config.num_iters / sweep(dataset, config).seconds.train


def recall(folder: Path, finished: dict[str, Any]) -> dict[str, Any]:
    """The stages of a finished report."""
    programs = {f"devices-{program['devices']}": program for program in finished["programs"]}
    return {**programs, "rates": finished["rates"]}


def draw_memory(programs: list[dict[str, Any]], title: str) -> Figure:
    """MB of each device besides the examples, against the number of devices, for the two ways to share a sweep."""
    figure = start_picture(f"{title}: memory of each device that shares a sweep, besides the examples", 3.0)
    axes = figure.subplots()
    counts = np.array([program["devices"] for program in programs])
    held = {
        axis: np.array([program[axis]["bytes"] - program[axis]["examples"] for program in programs]) / 1e6
        for axis in ("config", "data")
    }
    names = {"config": "devices share the configurations", "data": "devices share the data"}
    looks = {"config": (VERMILION, "D"), "data": (BLUE, "o")}
    even = held["config"][0] * counts[0] / counts
    axes.plot(counts, even, color=GREY, linestyle=":", linewidth=1.2)
    for axis, (color, marker) in looks.items():
        axes.plot(counts, held[axis], color=color, marker=marker, markersize=5, linewidth=1.8)
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel="devices (simulated)", ylabel="MB per device", ylim=(0, 1.1 * max(map(max, held.values())))
    )
    tidy_axes(axes, grid="y")
    last = float(counts[-1])
    ends = [(last, float(held[axis][-1]), names[axis], looks[axis][0]) for axis in names]
    ends.append((last, float(even[-1]), "an even share of one device's", GREY))
    label_ends(axes, ends, 2.3)
    return figure


def describe_verdict(programs: list[dict[str, Any]], rates: np.ndarray) -> str:
    """The report in three lines: what is exchanged, what a device does, and what is only predicted."""
    first, last = programs[0], programs[-1]
    silent = not any(program["config"]["inside"] for program in programs)
    alone, shared = ((each["config"]["bytes"] - each["config"]["examples"]) / 1e6 for each in (first, last))
    lines = (
        f"Devices that share the configurations exchange **{'nothing' if silent else 'data'}** while they train, by the compiled "
        f"programs. With {last['devices']} devices each needs {shared:.1f} MB, not {alone:.1f} MB, besides the examples.",
        f"One device of this machine trains **{np.median(rates):,.0f} configurations × steps per second** (measured).",
        "Times on more devices, GPUs and TPUs are predicted, **not measured**.",
    )
    return "\n".join(f"- {line}" for line in lines)


def write_readme(
    options: ScalingOptions,
    dataset: Dataset,
    programs: list[dict[str, Any]],
    rates: np.ndarray,
    about: dict[str, Any],
) -> str:
    """The text of README.md."""
    D, K, B, T = dataset.num_features + 1, dataset.num_classes, COURSE_GRID.batch_size, COURSE_GRID.num_iters
    flops = 4 * D * K * B  # of the two products, for one configuration's step
    rate = float(np.median(rates))
    lr, reg = format_range(COURSE_GRID.learning_rates), format_range(COURSE_GRID.regs)
    how = [
        ("", ""),
        ("data", f"{dataset.title}: {len(dataset.train):,} training examples, D = {D:,}, K = {K}"),
        ("grid", f"lr {lr} × reg {reg}, {T:,} steps of {B}, float32"),
        *environment_rows(about),
    ]
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        verdict=describe_verdict(programs, rates),
        held=markdown.table(tabulate_programs(programs)),
        num_configs=COURSE_GRID.num_configurations,
        examples=f"{programs[0]['config']['examples'] / 1e6:,.0f}",
        rate=f"{rate:,.0f}",
        low=f"{np.quantile(rates, 0.25):,.0f}",
        high=f"{np.quantile(rates, 0.75):,.0f}",
        rounds=len(rates),
        gflops=f"{rate * flops / 1e9:,.0f}",
        predicted_configs=f"{options.configs:,}",
        num_iters=f"{T:,}",
        predicted=markdown.table(predict_times(options.configs * T, rate, flops, about["device"])),
        command=about["command"],
        how=markdown.table(how),
    )


def tabulate_programs(programs: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each number of devices."""
    header = (
        "devices", "exchanged in the loop, axis config", "MB per device", "of which for configurations",
        "exchanged in the loop, axis data", "MB per device",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [header]
    for program in programs:
        along, across = program["config"], program["data"]
        rows.append(
            (
                str(program["devices"]),
                ", ".join(along["inside"]) or "nothing",
                f"{along['bytes'] / 1e6:,.0f}",
                f"{(along['bytes'] - along['examples']) / 1e6:,.1f}",
                ", ".join(across["inside"]) or "nothing",
                f"{across['bytes'] / 1e6:,.0f}",
            )
        )
    return rows


def predict_times(work: int, rate: float, flops: int, device: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each machine: the time of `work` configurations times steps, each of `flops`."""
    rows: list[tuple[str, ...]] = [("devices", "predicted time", "from")]
    for count in (1, 8, 256):
        name = f"{count} × this {device['kind']} ({device['cpu_cores']} cores)"
        rows.append((name, format_time(work / (count * rate)), "the measured rate"))
    for peak in PEAKS:
        for share in (0.25, 0.5):
            seconds = work / (peak.count * share * peak.teraflops * 1e12 / flops)
            source = f"{share:.0%} of {peak.teraflops:.1f} TFLOP/s ({peak.source}): not measured"
            rows.append((f"{peak.count} {peak.unit}, {peak.name}", format_time(seconds), source))
    return rows


def format_time(seconds: float) -> str:
    """The time in the largest unit in which it is at least 2."""
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"


if __name__ == "__main__":
    options = tyro.cli(ScalingOptions, description=__doc__, config=FLAGS)
    if options.simulate is not None:
        print(json.dumps(read_programs(options.load())))
    else:
        run_experiment(ScalingOptions, measure, load=ScalingOptions.load, recall=recall, description=__doc__)
