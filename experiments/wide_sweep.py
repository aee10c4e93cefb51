"""Where the best linear classifier of CIFAR-10's pixels lies: the course's grid, wide ones, and the minimum itself.

    python experiments/wide_sweep.py --data-dir DIR --overwrite

About ten minutes on two CPU cores. Every search but the course's is chosen on --val-images of the training images, and
the chosen one trained again on all but the course's 1,000; no test image is looked at before.
"""

import csv
import json
import shlex
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from softjax import (
    Dataset,
    InputError,
    PathResult,
    SweepConfig,
    SweepResult,
    load_dataset,
    plots,
    regularization_path,
    sweep,
)
from softjax.cli.console import progress_bar, say
from softjax.ranges import format_range, parse_range
from softjax.reports import markdown, run_folder
from softjax.reports.environment import describe_environment, made_on

SEEDS_GRID = SweepConfig(
    learning_rates=parse_range("1e-7:5e-7:10"), regs=parse_range("2.5e4:5e4:10"), num_iters=1500
)
WIDE = SweepConfig(
    learning_rates=parse_range("log:3e-8:3e-6:7"),
    regs=parse_range("log:1:1e5:11"),
    num_iters=6000,
    schedule="cosine",
)
STANDARDIZED = replace(
    WIDE, standardize=True, learning_rates=parse_range("log:3e-4:3e-2:5"), regs=parse_range("log:1e-3:10:9")
)
# from too weak to too strong: standardized pixels have a variance of 1, pixels one of about 4,000
PATH = SweepConfig(regs=parse_range("log:1:1e4:17"))
PATH_STANDARDIZED = SweepConfig(regs=parse_range("log:1e-3:1:13"), standardize=True)


@dataclass(frozen=True)
class Config:
    """What to search, and where the report goes."""

    dataset: str = "cifar10"
    """cifar10, or another that softjax sweep takes, for a trial."""
    data_dir: Path | None = None
    """Folder of cifar10; as for softjax sweep."""
    num_seeds: int = 5
    """Runs of each configuration."""
    val_images: int = 10_000
    """cifar10: training images on which the searches choose."""
    num_iters: int | None = None
    """Steps of every run, for a trial; 1,500 of the course's grid and 6,000 of the others by default."""
    out: Path = Path("reports/wide_sweep")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there."""


@dataclass(frozen=True)
class Found:
    """What a search chose, and how good it is, trained again."""

    name: str
    lr: float | None
    reg: float
    num_configs: int
    num_tied: int
    num_chosen_on: int
    val_accuracy: float
    val_interval: tuple[float, float]
    test_accuracy: float
    test_interval: tuple[float, float]
    seconds: float


def main(config: Config) -> None:
    run_folder.check_free(config.out, config.overwrite)
    start = time.perf_counter()
    cifar: dict[str, Any] = {"test_images": "all"} if config.dataset == "cifar10" else {}
    course: Dataset = load_dataset(config.dataset, config.data_dir, **cifar)
    held_out = course
    if cifar:
        held_out = load_dataset(config.dataset, config.data_dir, val_images=config.val_images, **cifar)
    seeds: dict[str, Any] = {"num_seeds": config.num_seeds}
    if config.num_iters:
        seeds["num_iters"] = config.num_iters
    grids = {
        "the course's grid": (course, replace(SEEDS_GRID, **seeds)),
        "wide grid, pixels": (held_out, replace(WIDE, **seeds)),
        "wide grid, standardized pixels": (held_out, replace(STANDARDIZED, **seeds)),
    }
    paths = {"minimum, pixels": PATH, "minimum, standardized pixels": PATH_STANDARDIZED}
    results: dict[str, SweepResult | PathResult] = {}
    final: dict[str, SweepResult | PathResult] = {}
    found: list[Found] = []
    with progress_bar(len(grids) + len(paths), unit="search", desc="searching") as bar:
        for name, (data, searched) in grids.items():
            bar.set_postfix_str(name)
            results[name], final[name] = grid_search(data, course, searched)
            found.append(summary(name, data, results[name], final[name]))
            bar.update()
        for name, searched in paths.items():
            bar.set_postfix_str(name)
            path = regularization_path(held_out, searched)
            again = regularization_path(course, replace(searched, regs=(searched.regs[path.best],)))
            results[name], final[name] = path, again
            found.append(summary(name, held_out, path, again))
            bar.update()
    write(config, course, held_out, results, final, found, time.perf_counter() - start)
    for each in found:
        say(f"{each.name}: test accuracy {each.test_accuracy:.4f}")
    print(f"report: {config.out / 'README.md'}")


def grid_search(data: Dataset, course: Dataset, config: SweepConfig) -> tuple[SweepResult, SweepResult]:
    """The sweep on `data`, and its best configuration trained again on `course`, where that is not the same."""
    result = sweep(data, config)
    if data is course:
        return result, result
    lr, reg = float(result.learning_rate[result.best]), float(result.reg[result.best])
    return result, sweep(course, replace(config, learning_rates=(lr,), regs=(reg,)))


def summary(
    name: str, data: Dataset, result: SweepResult | PathResult, final: SweepResult | PathResult
) -> Found:
    best, again = result.best, final.best
    return Found(
        name,
        float(result.learning_rate[best]) if isinstance(result, SweepResult) else None,
        float(result.reg[best]),
        len(result.reg),
        int(result.tied.sum()),
        len(data.val),
        float(np.mean(result.val_accuracy[best])),
        (float(result.val_interval[best, 0]), float(result.val_interval[best, 1])),
        float(np.mean(final.test_accuracy[again])),
        (float(final.test_interval[again, 0]), float(final.test_interval[again, 1])),
        sum(asdict(result.seconds).values()),
    )


def write(
    config: Config,
    course: Dataset,
    held_out: Dataset,
    results: dict[str, SweepResult | PathResult],
    final: dict[str, SweepResult | PathResult],
    found: list[Found],
    seconds: float,
) -> None:
    command = shlex.join(["python", "experiments/wide_sweep.py", *sys.argv[1:]])
    environment = describe_environment()
    run = {
        "command": command,
        "config": asdict(config) | {"data_dir": None, "out": str(config.out)},
        "dataset": {"title": course.title, "fingerprint": course.fingerprint},
        "seconds": round(seconds, 1),
        "found": [asdict(each) for each in found],
        **environment,
    }
    chosen = max(found[1:], key=lambda each: each.val_accuracy)
    with run_folder.report_folder(config.out, config.overwrite) as folder:
        (folder / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        with (folder / "searches.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ("search", "lr", "reg", "val_accuracy", "val_low", "val_high", "test_accuracy", "tied")
            )
            for name, result in results.items():
                writer.writerows(_rows(name, result))
        pictures = drawn(course, results, final, (found[0].name, chosen.name))
        for name, (_, figure) in pictures.items():
            figure.savefig(folder / f"{name}.png", dpi=150)
        captions = {name: caption for name, (caption, _) in pictures.items()}
        (folder / "README.md").write_text(
            readme(config, course, held_out, results, found, chosen, captions, run)
        )


def drawn(
    course: Dataset,
    results: dict[str, SweepResult | PathResult],
    final: dict[str, SweepResult | PathResult],
    templates_of: tuple[str, str],
) -> dict[str, tuple[str, Figure]]:
    """By file name, each picture and its caption."""
    pictures: dict[str, tuple[str, Figure]] = {}
    files = ("course", "pixels", "standardized", "path_pixels", "path_standardized")
    for file, (name, result) in zip(files, results.items(), strict=True):
        caption = f"{course.title}: {name}, validation accuracy"
        figure = (
            plots.heat_map(result, caption)
            if isinstance(result, SweepResult)
            else plots.path(result, f"{course.title}: {name}")
        )
        pictures[file] = caption, figure
    if course.image_shape is not None:
        for file, name in zip(("templates_course", "templates_best"), templates_of, strict=True):
            # in the pixels' own units, whether they were standardized or not
            scale, W = final[name].preprocessing.scale, final[name].best_weights.copy()
            W[:-1] *= 1 if scale is None else np.asarray(scale)[:, None]
            caption = f"{course.title}: class templates, {name}"
            pictures[file] = (
                caption,
                plots.templates(W, course.class_names, course.image_shape, caption),
            )
    return pictures


def _rows(name: str, result: SweepResult | PathResult) -> list[tuple[Any, ...]]:
    return [
        (
            name,
            f"{result.learning_rate[c]:.6g}" if isinstance(result, SweepResult) else "",
            f"{result.reg[c]:.6g}",
            f"{np.mean(result.val_accuracy[c]):.6f}",
            *(f"{end:.6f}" for end in result.val_interval[c]),
            f"{np.mean(result.test_accuracy[c]):.6f}",
            bool(result.tied[c]),
        )
        for c in range(len(result.reg))
    ]


def readme(
    config: Config,
    course: Dataset,
    held_out: Dataset,
    results: dict[str, SweepResult | PathResult],
    found: list[Found],
    chosen: Found,
    pictures: dict[str, str],
    run: dict[str, Any],
) -> str:
    header = (
        "search", "lr", "reg", "configurations", "tied with the best", "chosen on", "validation accuracy (95 %)",
        "test accuracy, trained again (95 %)", "search, s",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [header]
    for each in found:
        name = f"**{each.name}**" if each is chosen else each.name
        rows.append(
            (
                name,
                "–" if each.lr is None else f"{each.lr:.3g}",
                f"{each.reg:.3g}",
                str(each.num_configs),
                str(each.num_tied),
                f"{each.num_chosen_on:,} images",
                f"{each.val_accuracy:.4f} ({each.val_interval[0]:.4f} to {each.val_interval[1]:.4f})",
                f"{each.test_accuracy:.4f} ({each.test_interval[0]:.4f} to {each.test_interval[1]:.4f})",
                f"{each.seconds:.0f}",
            )
        )
    first = found[0]
    wide = results[found[1].name]
    assert isinstance(wide, SweepResult)
    inside = (wide.learning_rate >= min(SEEDS_GRID.learning_rates)) & (wide.reg >= min(SEEDS_GRID.regs))
    inside &= (wide.learning_rate <= max(SEEDS_GRID.learning_rates)) & (wide.reg <= max(SEEDS_GRID.regs))
    shown = "\n\n".join(f"![{caption}]({file}.png)" for file, caption in pictures.items())
    how = [
        ("", ""),
        ("data", f"{course.title}: all {len(course.test):,} test images; {len(held_out.train):,} training images and "
         f"{len(held_out.val):,} for validation in the searches, {len(course.train):,} when trained again and in the "
         "course's grid"),
        ("course's grid", _grid(SEEDS_GRID)),
        ("wide grid, pixels", _grid(WIDE)),
        ("wide grid, standardized", _grid(STANDARDIZED)),
        ("minimum", f"L-BFGS to a gap of 1e-6: reg {format_range(PATH.regs)}; standardized {format_range(PATH_STANDARDIZED.regs)}"),
        ("seeds", f"{config.num_seeds} for each configuration of a grid; accuracies are means over them"),
        ("time", f"{run['seconds'] / 60:.1f} minutes in all"),
        *made_on(run),
    ]  # fmt: skip
    where = (
        f"Of the wide grid's {len(wide.reg)} configurations {int(inside.sum())} lie in the course's, with validation accuracies "
        f"up to {wide.val_accuracy[inside].mean(axis=1).max():.3f}; the best of all has "
        f"{wide.val_accuracy[wide.best].mean():.3f}, at {min(SEEDS_GRID.regs) / found[1].reg:,.3g} times less penalty than the "
        "course's least."
        if inside.any()
        else "None of the wide grid's configurations lie in the course's."
    )
    return f"""# Where the best linear classifier lies: {course.title}

{markdown.table(rows)}

The search in bold has the highest validation accuracy but for the course's, and is the answer: its classifier is right about
{chosen.test_accuracy:.1%} of the {len(course.test):,} test images, that of the course's grid about {
        first.test_accuracy:.1%}. {where}

The course chooses on 1,000 images, which leave {first.num_tied} of {
        first.num_configs
    } configurations of its own grid tied. The
other searches choose on {
        len(held_out.val):,}, and the chosen configuration is trained again on the course's {
        len(course.train):,} training images. Intervals count the finite split, and the {
        config.num_seeds
    } seeds where there
are seeds; the minimum has none.

{shown}

Templates are weights in the pixels' own units, on one scale each. Every configuration is in [searches.csv](searches.csv).

## How it was made

    {run["command"]}

{markdown.table(how)}
"""


def _grid(config: SweepConfig) -> str:
    return (
        f"lr {format_range(config.learning_rates)} × reg {format_range(config.regs)}, penalty reg ΣW², "
        f"{config.num_iters:,} steps of {config.batch_size}, {config.schedule} lr"
    )


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except InputError as error:
        sys.exit(f"error: {error}")
