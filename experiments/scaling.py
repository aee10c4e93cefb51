"""How a sweep scales with devices: what they exchange, what each holds, and how long it would take on many.

    python experiments/scaling.py --data-dir DIR --overwrite

A few minutes on two CPU cores. What devices exchange and hold is read off programs compiled for simulated ones; the rate of
one device is measured on the real one; times on many are predicted from it, and labelled so.
"""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from collectives import exchanges

from softjax import Dataset, InputError, SweepConfig, load_dataset, mesh_of, sweep
from softjax.cli.console import progress_bar
from softjax.ranges import format_range, parse_range
from softjax.reports import markdown, run_folder
from softjax.reports.environment import describe_environment, made_on
from softjax.training.sweep import compile_sweep

GRID = SweepConfig(
    learning_rates=parse_range("1e-7:5e-7:10"), regs=parse_range("2.5e4:5e4:10"), num_iters=1500
)


@dataclass(frozen=True)
class Peak:
    """A device's rate of float32 matrix products, as its data sheet has it."""

    name: str
    count: int
    unit: str
    teraflops: float
    source: str


PEAKS = (
    Peak("NVIDIA H100 SXM", 8, "GPUs", 67.0, "float32, without tensor cores"),
    Peak("TPU v4", 256, "cores", 137.5 / 6, "bfloat16 peak of a core by the six passes that float32 takes"),
)


@dataclass(frozen=True)
class Config:
    """What to measure, and where the report goes."""

    dataset: str = "cifar10"
    """As for softjax sweep."""
    data_dir: Path | None = None
    """Folder of cifar10."""
    devices: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of simulated devices."""
    configs: int = 100_000
    """Configurations of the predicted sweep."""
    rounds: int = 5
    """Times that the rate of the device is measured."""
    out: Path = Path("reports/scaling")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there."""
    simulate: int | None = None
    """Print what a program for so many devices exchanges and holds, as JSON, and end: what this script asks itself."""


def main(config: Config) -> None:
    if config.simulate is not None:
        print(json.dumps(simulated(config)))
        return
    run_folder.check_free(config.out, config.overwrite)
    dataset = load_dataset(config.dataset, config.data_dir)
    programs = []
    with progress_bar(len(config.devices) + config.rounds, unit="part", desc="measuring") as bar:
        for count in config.devices:
            programs.append(in_a_process(config, count))
            bar.update()
        rates = []
        for _ in range(config.rounds):
            rates.append(rate(dataset))
            bar.update()
    write(config, dataset, programs, np.array(rates))
    print(f"report: {config.out / 'README.md'}")


def in_a_process(config: Config, count: int) -> dict[str, Any]:
    options = ["--dataset", config.dataset, "--simulate", str(count)]
    if config.data_dir is not None:
        options += ["--data-dir", str(config.data_dir)]
    done = subprocess.run(
        [sys.executable, __file__, *options],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(count)},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def simulated(config: Config) -> dict[str, Any]:
    """Of the training program for all devices of this process: exchanges in its loop and elsewhere, bytes a device."""
    dataset = load_dataset(config.dataset, config.data_dir)
    found: dict[str, Any] = {"devices": jax.device_count()}
    for name, data_parallel in (("config", 1), ("data", jax.device_count())):
        whole = replace(GRID, chunk_size=GRID.num_configurations)
        segment = next(iter(compile_sweep(dataset, whole, mesh_of(data_parallel)).segments.values()))
        inside, outside = exchanges(segment)
        memory: Any = segment.memory_analysis()
        found[name] = {
            "inside": inside,
            "outside": outside,
            "bytes": memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes,
            "examples": dataset.train.X.nbytes,
        }  # fmt: skip
    return found


def rate(dataset: Dataset) -> float:
    """Configurations times steps a second of one device, on the course's grid."""
    config = replace(GRID, num_iters=60)
    return config.num_configurations * config.num_iters / sweep(dataset, config).seconds.train


def write(config: Config, dataset: Dataset, programs: list[dict[str, Any]], rates: np.ndarray) -> None:
    environment = describe_environment()
    run = {
        "command": shlex.join(["python", "experiments/scaling.py", *sys.argv[1:]]),
        "config": asdict(config) | {"data_dir": None, "out": str(config.out)},
        "dataset": {"title": dataset.title, "fingerprint": dataset.fingerprint},
        "programs": programs,
        "rates": rates.tolist(),
        **environment,
    }
    with run_folder.report_folder(config.out, config.overwrite) as folder:
        (folder / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        (folder / "README.md").write_text(readme(config, dataset, programs, rates, run))


def readme(
    config: Config, dataset: Dataset, programs: list[dict[str, Any]], rates: np.ndarray, run: dict[str, Any]
) -> str:
    held: list[tuple[str, ...]] = [
        (
            "devices",
            "exchanged in the loop, axis config",
            "MB a device",
            "of them for configurations",
            "exchanged in the loop, axis data",
            "MB a device",
        )
    ]
    for each in programs:
        along, across = each["config"], each["data"]
        held.append(
            (
                str(each["devices"]),
                ", ".join(along["inside"]) or "nothing",
                f"{along['bytes'] / 1e6:,.0f}",
                f"{(along['bytes'] - along['examples']) / 1e6:,.1f}",
                ", ".join(across["inside"]) or "nothing",
                f"{across['bytes'] / 1e6:,.0f}",
            )
        )
    D, K, B, T = dataset.num_features + 1, dataset.num_classes, GRID.batch_size, GRID.num_iters
    flops = 4 * D * K * B  # of the two products, for one configuration's step
    middle = float(np.median(rates))
    work = config.configs * T
    predicted: list[tuple[str, ...]] = [("devices", "predicted time", "from")]

    def row(name: str, count: int, each: float, source: str) -> None:
        seconds = work / (count * each)
        size, unit = next(
            (s, u)
            for s, u in ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
            if seconds >= 2 * s or s == 1
        )
        predicted.append((name, f"{seconds / size:,.1f} {unit}", source))

    kind = run["device"]["kind"]
    for count in (1, 8, 256):
        row(f"{count} × this {kind} ({run['device']['cpu_cores']} cores)", count, middle, "the measured rate")
    for peak in PEAKS:
        for share in (0.25, 0.5):
            row(
                f"{peak.count} {peak.unit}, {peak.name}",
                peak.count,
                share * peak.teraflops * 1e12 / flops,
                f"{share:.0%} of {peak.teraflops:.1f} TFLOP/s ({peak.source}): not measured",
            )
    how = [
        ("", ""),
        ("data", f"{dataset.title}: {len(dataset.train):,} training examples, D = {D:,}, K = {K}"),
        ("grid", f"lr {format_range(GRID.learning_rates)} × reg {format_range(GRID.regs)}, {T:,} steps of {B}, float32"),
        *made_on(run),
    ]  # fmt: skip
    return f"""# How a sweep scales with devices

Along the axis of configurations devices exchange nothing while they train: the compiled training loop holds no collective
operation. Along the axis of data they average the gradient at every step, which the same reading of the program finds.

{markdown.table(held)}

Read off XLA's programs of the course's {
        GRID.num_configurations
    } configurations for simulated devices. Each device holds the
training examples ({programs[0]["config"]["examples"] / 1e6:,.0f} MB) and its share of the configurations.

## The rate of one device, measured

{middle:,.0f} configurations × steps a second (quartiles {np.quantile(rates, 0.25):,.0f} to {
        np.quantile(rates, 0.75):,.0f}, {len(rates)} runs), {
        middle * flops / 1e9:,.0f} GFLOP/s of matrix products.

## Predictions

**Predicted, not measured**: {config.configs:,} configurations of {
        T:,} steps, training alone, as the work over the rate of all
devices: nothing is exchanged, so that the rates add up as long as each device has configurations enough to be busy.

{markdown.table(predicted)}

## How it was made

    {run["command"]}

{markdown.table(how)}
"""


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except InputError as error:
        sys.exit(f"error: {error}")
