"""Searches for the best linear classifier of CIFAR-10's pixels: on the course's grid, on wide grids, and at the minimum.

    python experiments/wide_sweep.py --data-dir DIR --overwrite

Takes about ten minutes on two CPU cores. Except for the course's, every search chooses on --val-images of the training
images. The chosen configuration is trained again on all training images but the course's 1,000. No test image is used
before.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from harness import COURSE_GRID, DatasetOptions, Experiment, run_experiment
from matplotlib.figure import Figure

from softjax import Dataset, PathResult, SweepConfig, SweepResult, load_dataset, plots
from softjax.cli.console import say
from softjax.ranges import format_range, parse_range
from softjax.reports import markdown
from softjax.reports.environment import environment_rows

WIDE = SweepConfig(
    learning_rates=parse_range("log:3e-8:3e-6:7"),
    regs=parse_range("log:1:1e5:11"),
    num_iters=6000,
    schedule="cosine",
)
STANDARDIZED = replace(
    WIDE, standardize=True, learning_rates=parse_range("log:3e-4:3e-2:5"), regs=parse_range("log:1e-3:10:9")
)
# from too weak to too strong; standardized pixels have a variance of 1, pixels a variance of about 4,000
PATH = SweepConfig(regs=parse_range("log:1:1e4:17"))
PATH_STANDARDIZED = SweepConfig(regs=parse_range("log:1e-3:1:13"), standardize=True)

# name, file of the picture, and what is searched
GRIDS = (
    ("the course's grid", "course", COURSE_GRID),
    ("wide grid, pixels", "pixels", WIDE),
    ("wide grid, standardized pixels", "standardized", STANDARDIZED),
)
PATHS = (
    ("minimum, pixels", "path_pixels", PATH),
    ("minimum, standardized pixels", "path_standardized", PATH_STANDARDIZED),
)


@dataclass(frozen=True)
class WideSweepOptions(DatasetOptions):
    """The options: what is searched, and the folder of the report."""

    out: Path = Path("reports/wide_sweep")
    """Folder of the report."""
    dataset: str = "cifar10"
    """Data set: cifar10, or for a trial another one that softjax sweep takes."""
    num_seeds: int = 5
    """Runs of each configuration."""
    val_images: int = 10_000
    """Number of training images on which the searches choose, for cifar10."""
    num_iters: int | None = None
    """Steps of every run, for a trial. The default is 1,500 for the course's grid and 6,000 for the others."""

    def load(self) -> Dataset:
        """The data with the course's split, and all test images."""
        if self.dataset == "cifar10":
            return load_dataset(self.dataset, self.data_dir, test_images="all")
        return super().load()

    def load_held_out(self, course: Dataset) -> Dataset:
        """The data with more validation images, if there are enough."""
        if self.dataset == "cifar10":
            return load_dataset(self.dataset, self.data_dir, test_images="all", val_images=self.val_images)
        return course

    def limit(self, config: SweepConfig) -> SweepConfig:
        """A grid with the number of seeds and steps of these options."""
        num_iters = self.num_iters or config.num_iters
        return replace(config, num_seeds=self.num_seeds, num_iters=num_iters)


@dataclass(frozen=True)
class Search:
    """A search: its result on its own split, and the chosen configuration trained again on the course's split."""

    name: str
    file: str
    """of its picture"""
    num_val: int
    result: SweepResult | PathResult
    again: SweepResult | PathResult


@dataclass(frozen=True)
class Choice:
    """The configuration that a search chose, and its accuracy after it was trained again."""

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


@dataclass(frozen=True)
class Findings:
    """All searches, and their data sets."""

    course: Dataset
    held_out: Dataset
    searches: list[Search]

    @cached_property
    def choices(self) -> list[Choice]:
        """The choice of each search."""
        return [summarize(search) for search in self.searches]

    @property
    def best(self) -> int:
        """The number of the search with the highest validation accuracy, without the course's search."""
        return max(range(1, len(self.choices)), key=lambda k: self.choices[k].val_accuracy)


def run_searches(options: WideSweepOptions, experiment: Experiment) -> None:
    """Runs all searches, saves each when it ends, and writes the report."""
    course = experiment.dataset
    assert course is not None
    held_out = options.load_held_out(course)
    searches = []
    for name, file, grid in GRIDS:
        data, config = course if grid is COURSE_GRID else held_out, options.limit(grid)
        result = again = experiment.sweep(file, data, config)
        if data is not course:
            lr, reg = float(result.learning_rate[result.best]), float(result.reg[result.best])
            chosen = replace(config, learning_rates=(lr,), regs=(reg,))
            again = experiment.sweep(f"{file}-again", course, chosen)
        searches.append(Search(name, file, len(data.val), result, again))
    for name, file, config in PATHS:
        stage = file.replace("_", "-")
        minima = experiment.path(stage, held_out, config)
        chosen = replace(config, regs=(config.regs[minima.best],))
        trained = experiment.path(f"{stage}-again", course, chosen)
        searches.append(Search(name, file, len(held_out.val), minima, trained))
    findings = Findings(course, held_out, searches)
    write(options, experiment, findings)
    for choice in findings.choices:
        say(f"{choice.name}: test accuracy {choice.test_accuracy:.4f}")


def summarize(search: Search) -> Choice:
    """The choice of a search."""
    result, again = search.result, search.again
    best, best_again = result.best, again.best
    return Choice(
        search.name,
        float(result.learning_rate[best]) if isinstance(result, SweepResult) else None,
        float(result.reg[best]),
        len(result.reg),
        int(result.tied.sum()),
        search.num_val,
        float(np.mean(result.val_accuracy[best])),
        (float(result.val_interval[best, 0]), float(result.val_interval[best, 1])),
        float(np.mean(again.test_accuracy[best_again])),
        (float(again.test_interval[best_again, 0]), float(again.test_interval[best_again, 1])),
        add_seconds(result),
    )


def add_seconds(result: SweepResult | PathResult) -> float:
    """The seconds of a search."""
    return float(sum(asdict(result.seconds).values()))


def write(options: WideSweepOptions, experiment: Experiment, findings: Findings) -> None:
    """Writes the report."""
    pictures = draw(findings)
    captions = {file: caption for file, (caption, _) in pictures.items()}
    results = {id(each): each for search in findings.searches for each in (search.result, search.again)}
    experiment.write(
        lambda about: write_readme(options, findings, captions, about),
        run={
            "seconds": round(sum(map(add_seconds, results.values())), 1),
            "found": [asdict(choice) for choice in findings.choices],
        },
        tables={"searches": list_configurations(findings.searches)},
        figures={file: figure for file, (_, figure) in pictures.items()},
        curves=[file for _, file, _ in PATHS],
    )


def draw(findings: Findings) -> dict[str, tuple[str, Figure]]:
    """By file name, each picture and its caption."""
    course, searches = findings.course, findings.searches
    pictures: dict[str, tuple[str, Figure]] = {}
    for search in searches:
        caption = f"{course.title}: {search.name}, validation accuracy"
        figure = (
            plots.heat_map(search.result, caption)
            if isinstance(search.result, SweepResult)
            else plots.path(
                search.result, f"{course.title}: accuracy at the {search.name}, by penalty strength"
            )
        )
        pictures[search.file] = caption, figure
    if course.image_shape is not None:
        for file, number in (("templates_course", 0), ("templates_best", findings.best)):
            # in the pixels' own units, whether they were standardized or not
            again = searches[number].again
            scale, W = again.preprocessing.scale, again.best_weights.copy()
            W[:-1] *= 1 if scale is None else np.asarray(scale)[:, None]
            caption = f"{course.title}: class templates, {searches[number].name}"
            pictures[file] = caption, plots.templates(W, course.class_names, course.image_shape, caption)
    return pictures


def list_configurations(searches: list[Search]) -> Iterator[tuple[Any, ...]]:
    """searches.csv: every configuration of every search."""
    yield "search", "lr", "reg", "val_accuracy", "val_low", "val_high", "test_accuracy", "tied"
    for search in searches:
        result = search.result
        for c in range(len(result.reg)):
            yield (
                search.name,
                f"{result.learning_rate[c]:.6g}" if isinstance(result, SweepResult) else "",
                f"{result.reg[c]:.6g}",
                f"{np.mean(result.val_accuracy[c]):.6f}",
                *(f"{end:.6f}" for end in result.val_interval[c]),
                f"{np.mean(result.test_accuracy[c]):.6f}",
                bool(result.tied[c]),
            )


def write_readme(
    options: WideSweepOptions, findings: Findings, captions: dict[str, str], about: dict[str, Any]
) -> str:
    """The text of README.md."""
    course, held_out, choices = findings.course, findings.held_out, findings.choices
    shown = {file: f"![{caption}]({file}.png)" for file, caption in captions.items()}
    first = shown.pop(findings.searches[findings.best].file)
    how = [
        ("", ""),
        ("data", f"{course.title}: all {len(course.test):,} test images; {len(held_out.train):,} training images and "
         f"{len(held_out.val):,} validation images in the searches; {len(course.train):,} training images when trained again "
         "and in the course's grid"),
        ("course's grid", describe_grid(COURSE_GRID)),
        ("wide grid, pixels", describe_grid(WIDE)),
        ("wide grid, standardized", describe_grid(STANDARDIZED)),
        ("minimum", f"Newton's method to a gap of 1e-6: reg {format_range(PATH.regs)}; standardized {format_range(PATH_STANDARDIZED.regs)}"),
        ("seeds", f"{options.num_seeds} for each configuration of a grid; accuracies are means over them"),
        ("time", f"{about['seconds'] / 60:.1f} minutes in all"),
        *environment_rows(about),
    ]  # fmt: skip
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        title=course.title,
        choices=markdown.table(tabulate(choices, findings.best)),
        best_accuracy=f"{choices[findings.best].test_accuracy:.1%}",
        num_test=f"{len(course.test):,}",
        course_accuracy=f"{choices[0].test_accuracy:.1%}",
        where=compare_with_course(findings.searches[1].result),
        num_tied=choices[0].num_tied,
        num_configs=choices[0].num_configs,
        num_val=f"{len(held_out.val):,}",
        num_train=f"{len(course.train):,}",
        num_seeds=options.num_seeds,
        best_name=choices[findings.best].name,
        first_picture=first,
        pictures="\n\n".join(shown.values()),
        command=about["command"],
        how=markdown.table(how),
    )


def tabulate(choices: list[Choice], best: int) -> list[tuple[str, ...]]:
    """A row for each choice, the best one's name in bold."""
    header = (
        "search", "lr", "reg", "configurations", "tied with the best", "chosen on", "validation accuracy (95 %)",
        "test accuracy, trained again (95 %)", "search, s",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [header]
    for k, choice in enumerate(choices):
        (val_low, val_high), (test_low, test_high) = choice.val_interval, choice.test_interval
        rows.append(
            (
                f"**{choice.name}**" if k == best else choice.name,
                "–" if choice.lr is None else f"{choice.lr:.3g}",
                f"{choice.reg:.3g}",
                str(choice.num_configs),
                str(choice.num_tied),
                f"{choice.num_chosen_on:,} images",
                f"{choice.val_accuracy:.4f} ({val_low:.4f} to {val_high:.4f})",
                f"{choice.test_accuracy:.4f} ({test_low:.4f} to {test_high:.4f})",
                f"{choice.seconds:.0f}",
            )
        )
    return rows


def compare_with_course(wide: SweepResult | PathResult) -> str:
    """The accuracies of the wide grid's configurations that lie inside the course's grid."""
    assert isinstance(wide, SweepResult)
    rates, regs = COURSE_GRID.learning_rates, COURSE_GRID.regs
    inside = (wide.learning_rate >= min(rates)) & (wide.learning_rate <= max(rates))
    inside &= (wide.reg >= min(regs)) & (wide.reg <= max(regs))
    if not inside.any():
        return "None of the wide grid's configurations lies inside the course's grid."
    return (
        f"Of the wide grid's {len(wide.reg)} configurations, {int(inside.sum())} lie inside the course's grid. Their validation "
        f"accuracies are at most {wide.val_accuracy[inside].mean(axis=1).max():.3f}. The best configuration of the wide grid has "
        f"{wide.val_accuracy[wide.best].mean():.3f}. The smallest penalty strength of the course's grid is "
        f"{min(regs) / wide.reg[wide.best]:,.3g} times that of this configuration."
    )


def describe_grid(config: SweepConfig) -> str:
    """The values and the training of a grid, in one line."""
    return (
        f"lr {format_range(config.learning_rates)} × reg {format_range(config.regs)}, penalty reg ΣW², "
        f"{config.num_iters:,} steps of {config.batch_size}, {config.schedule} lr"
    )


if __name__ == "__main__":
    run_experiment(WideSweepOptions, run_searches, load=WideSweepOptions.load, description=__doc__)
