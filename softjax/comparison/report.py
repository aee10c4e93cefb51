"""The report of a comparison: tables, pictures, and the figures as JSON and CSV."""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from softjax.comparison import pictures
from softjax.comparison.cases import ACCURACY, DTYPES, EDGE_CASES, MODES, numpy_dtype
from softjax.comparison.run import ROUNDINGS_ALLOWED, Comparison, Record
from softjax.comparison.speed import SIZES, Speed
from softjax.config import CompareConfig
from softjax.frameworks import FRAMEWORKS
from softjax.report import environment, report_folder

SCALES = ("scores-1e-4", "scores-1e-2", "development", "scores-1e2", "scores-1e4")
ABSENT = ("not installed", "not offered", "not run")


def write_comparison(
    comparison: Comparison, config: CompareConfig, out: Path, *, command: str, overwrite: bool = False
) -> None:
    """Writes README.md, results.json, results.csv, run.json and the pictures. All of it, or nothing.

    **Arguments:**

    - `comparison`, `config`: the records, and what was asked.
    - `out`: the folder, made with its parents; `overwrite` replaces an earlier report there.
    - `command`: the command line that regenerates it.

    Raises `InputError` where `out` is taken or cannot be written.
    """
    run = {"command": command, "config": asdict(config)} | environment()
    versions = run["versions"] | {
        FRAMEWORKS[name].distribution: version for name, version in comparison.versions.items()
    }
    with report_folder(out, overwrite) as folder:
        groups = {
            group: [_json(r) for r in comparison.of(group)] for group in ("accuracy", "edge_cases", "modes")
        }
        groups["speed"] = [
            {key: value for key, value in asdict(speed).items() if value is not None}
            for speed in comparison.speeds
        ]
        (folder / "results.json").write_text(json.dumps(groups | {"versions": versions}, indent=1) + "\n")
        (folder / "run.json").write_text(json.dumps(run | {"versions": versions}, indent=2) + "\n")
        with (folder / "results.csv").open("w", newline="") as file:
            names = [field.name for field in fields(Record)]
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(asdict(record) for record in comparison.records)
        if comparison.speeds:
            with (folder / "speed.csv").open("w", newline="") as file:
                speed_writer = csv.DictWriter(file, [field.name for field in fields(Speed)])
                speed_writer.writeheader()
                speed_writer.writerows(asdict(speed) for speed in comparison.speeds)
        names = _draw(comparison, folder)
        (folder / "README.md").write_text(_text(comparison, run, names))


def summary(comparison: Comparison) -> list[tuple[str, ...]]:
    """One row a framework: its edge cases by outcome, and the worst entry of its gradients in roundings."""
    rows: list[tuple[str, ...]] = [
        (
            "framework",
            "version",
            "edge cases right",
            "loud",
            "silently wrong",
            "died",
            "worst entry, roundings",
            "development, × fastest",
        )
    ]
    fastest = min(
        (s.seconds for s in comparison.speeds if s.case == "development" and s.seconds), default=math.nan
    )
    for name in _names((*comparison.records, *comparison.speeds)):
        records = [record for record in comparison.records if record.framework == name]
        if comparison.versions[name] is None:
            rows.append((name, "not installed", *[""] * 5, FRAMEWORKS[name].install))
            continue
        speed = next((s for s in comparison.speeds if (s.framework, s.case) == (name, "development")), None)
        levels = Counter(
            pictures.LEVEL_OF.get(record.status, "absent")
            for record in records
            if record.group == "edge_cases"
        )
        total = sum(levels.values()) - levels["absent"]
        worst = max(
            (r.roundings for r in records if r.status == "measured" and r.roundings is not None),
            default=math.nan,
        )
        rows.append(
            (
                name,
                str(comparison.versions[name]),
                f"{levels['right']} of {total}" if total else "",
                str(levels["loud"] or ""),
                str(levels["wrong"] or ""),
                str(levels["dead"] or ""),
                "" if math.isnan(worst) else f"{worst:.3g}",
                f"{speed.seconds / fastest:.2f}" if speed is not None and speed.seconds is not None else "",
            )
        )
    return rows


def _json(record: Record) -> dict[str, Any]:
    """A record without what it has not; JSON has no NaN and no ∞, so they are texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return [plain(part) for part in value] if isinstance(value, list) else value

    return {
        key: plain(value) for key, value in asdict(record).items() if value is not None and key != "group"
    }


def _draw(comparison: Comparison, folder: Path) -> list[str]:
    drawn = []
    edge = _by_cell(comparison.of("edge_cases"))
    if edge:
        frameworks, cases = _present(edge)
        figure = pictures.conformance(
            [[edge[case, name].status for name in frameworks] for case in cases],
            [[_short(edge[case, name]) for name in frameworks] for case in cases],
            [f"{EDGE_CASES[case].what}  ({EDGE_CASES[case].expected})" for case in cases],
            [FRAMEWORKS[name].title for name in frameworks],
            "Edge cases of the softmax cross-entropy, float32",
        )
        figure.savefig(folder / "conformance.png", dpi=150)
        drawn.append("conformance")
    measured = [record for record in comparison.of("accuracy") if record.status in ("measured", "nan")]
    if measured:
        names = _names(measured)
        cases = [case for case in ACCURACY if any(record.case == case for record in measured)]
        dtypes = [dtype for dtype in DTYPES if any(record.dtype == dtype for record in measured)]
        errors = {dtype: np.full((len(names), len(cases)), np.nan) for dtype in dtypes}
        for record in measured:
            error = record.relative_error or 0.0
            # An error of 0 has no place on a logarithmic axis.
            error = max(error, 1e-3 * _roundoff(record.dtype))
            errors[record.dtype][names.index(record.framework), cases.index(record.case)] = (
                error if math.isfinite(error) else np.nan
            )
        figure = pictures.accuracy(
            errors,
            {dtype: _roundoff(dtype) for dtype in dtypes},
            [FRAMEWORKS[name].title for name in names],
            cases,
            "Accuracy of the gradient",
        )
        figure.savefig(folder / "accuracy.png", dpi=150)
        drawn.append("accuracy")
    if any(speed.status == "measured" for speed in comparison.speeds):
        _draw_speeds(comparison.speeds, folder)
    return drawn


def _draw_speeds(speeds: Sequence[Speed], folder: Path) -> None:
    names = _names(speed for speed in speeds if speed.status == "measured")
    cases = [case for case in SIZES if any(speed.case == case for speed in speeds)]
    found = {(speed.case, speed.framework): speed for speed in speeds if speed.status == "measured"}

    def of(figure: str, scale: float) -> dict[str, Any]:
        return {
            _size(case): np.array(
                [
                    scale * (getattr(found[case, n], figure) or np.nan) if (case, n) in found else np.nan
                    for n in names
                ]
            )
            for case in cases
        }

    low, high = of("low_seconds", 1e3), of("high_seconds", 1e3)
    titles = [FRAMEWORKS[name].title for name in names]
    floors = {
        _size(case): 1e3
        * next((s.floor_seconds or math.nan for (c, _), s in found.items() if c == case), math.nan)
        for case in cases
    }
    for name, figure in {
        "speed": pictures.dots(
            of("seconds", 1e3),
            {size: np.stack([low[size], high[size]]) for size in low},
            floors,
            titles,
            "ms a call",
            "Loss and gradient in steady state, float32 (dashed: what must be computed and moved)",
        ),
        "first_call": pictures.dots(
            of("first_seconds", 1.0), None, None, titles, "s", "The first call, with tracing and compiling"
        ),
        "memory": pictures.dots(
            of("peak_bytes", 1e-6), None, None, titles, "MB", "Peak memory above that before the first call"
        ),
    }.items():
        figure.savefig(folder / f"{name}.png", dpi=150)


def _text(comparison: Comparison, run: dict[str, Any], drawn: Sequence[str]) -> str:
    device = run["device"]
    parts = [
        "# Autodiff frameworks side by side: the softmax cross-entropy of a linear classifier",
        "The loss L(W) = 1/N Σᵢ −log softmax(X[i] @ W)[y[i]] + reg ΣW² and its gradient, by each framework as its users "
        "would write it, each in a process of its own.",
        f"    {run['command']}",
        f"{run['date']}, {device['machine']}, {device['cpu_cores']} cores, {device['platform']}, Python "
        f"{run['versions']['python']}. The data are random numbers (`softjax/comparison/cases.py`), the same for all.",
        "## Frameworks",
        _versions(comparison),
    ]
    edge = _by_cell(comparison.of("edge_cases"))
    if edge:
        parts += ["## Edge cases", _edge_intro()]
        if "conformance" in drawn:
            parts.append("![Edge cases by framework, coloured by outcome](conformance.png)")
        parts += [_edge_table(edge), "### Where they disagree", _disagreements(edge)]
    accuracy = comparison.of("accuracy")
    if accuracy:
        parts += ["## Accuracy", _accuracy_intro()]
        if "accuracy" in drawn:
            parts.append("![Relative error of each framework's gradient](accuracy.png)")
        parts += _accuracy_tables(accuracy)
    if comparison.speeds:
        parts += _speed_text(comparison.speeds)
    modes = comparison.of("modes")
    if modes:
        parts += [
            "## Derivative modes",
            "Relative error of each against the formulas in float64, on six examples, four features, three classes; "
            "in float64. "
            + "; ".join(f"`{case.name}`: {case.what}" for case in MODES.values())
            + ". A dash: not offered by that framework, or not by that interface of it.",
            _table(("framework", *MODES), _rows(modes, list(MODES), _mode_cell)),
        ]
    return "\n\n".join(parts) + "\n"


def _versions(comparison: Comparison) -> str:
    rows = []
    for name in _names((*comparison.records, *comparison.speeds)):
        framework = FRAMEWORKS[name]
        version = comparison.versions[name]
        rows.append(
            (
                f"`{name}`",
                framework.title,
                framework.distribution,
                version or f"not installed: `{framework.install}`",
            )
        )
    return _table(("name", "framework", "package", "version"), rows)


def _edge_intro() -> str:
    return (
        "In float32. What is right was decided from the mathematics, before any framework was run: **value**, the loss "
        f"and gradient of the formula, to {ROUNDINGS_ALLOWED:.0f} roundings (of u^⅔ for differences); **undefined**, the formula has no value, so "
        "nothing finite may come out; **refused**, there is no such problem, so an error has to be raised. Cells: *right* (with the "
        "error's name where refusing is right); *NaN* or *∞*, loud but no answer; an error's name alone, raised where there is "
        "a value; **wrong**, a finite value that is not right, or that hides what is undefined. "
        "`softjax compare --show CASE FRAMEWORK` prints a script that reproduces a cell in that framework alone."
    )


def _edge_table(edge: dict[tuple[str, str], Record]) -> str:
    frameworks, cases = _present(edge)
    rows = [
        (
            f"`{case}`: {EDGE_CASES[case].what}",
            f"{EDGE_CASES[case].expected}: {EDGE_CASES[case].reason}",
            *(_cell(edge[case, name]) for name in frameworks),
        )
        for case in cases
    ]
    return _table(("case", "right", *(FRAMEWORKS[name].title for name in frameworks)), rows)


def _disagreements(edge: dict[tuple[str, str], Record]) -> str:
    frameworks, cases = _present(edge)
    lines = []
    for case in cases:
        odd = [
            edge[case, name]
            for name in frameworks
            if edge[case, name].status in ("wrong", "nan", "crash", "hang")
        ]
        if odd:
            lines.append(
                f"- **{EDGE_CASES[case].what}** (`{case}`; {EDGE_CASES[case].expected}: {EDGE_CASES[case].reason})"
            )
            lines += [f"  - {FRAMEWORKS[r.framework].title}: {_story(r)}" for r in odd]
    return "\n".join(lines) if lines else "Nowhere, in these cases."


def _story(record: Record) -> str:
    if record.status in ("crash", "hang"):
        return f"{record.status}: {record.message}"
    text = f"{'**wrong**' if record.status == 'wrong' else 'loud'}: loss {_number(record.loss)}"
    if record.grad is not None and len(record.grad) == 1:
        text += f", gradient [{', '.join(map(_number, record.grad[0]))}]"
    elif record.grad is not None:
        finite = all(math.isfinite(v) for row in record.grad for v in row)
        text += ", a finite gradient" if finite else ", a gradient with NaN or ∞"
    return text + (f" ({record.message})" if record.message else "")


def _accuracy_intro() -> str:
    return (
        "Against mpmath at 50 digits (small problems) or extended precision (large ones; `softjax/oracle.py`), for inputs as "
        "each type rounds them. Cells: relative error of the gradient in norm / error of its worst entry in roundings, "
        "one rounding of an entry being the type's unit roundoff times Σ|terms| that are added up for it. About 1 is what the "
        "type allows. *not run*: with the time or memory that it would take, from the case before."
    )


def _accuracy_tables(records: Sequence[Record]) -> list[str]:
    parts = []
    for title, cases in (("Sizes", SIZES), ("Score scales, N = 500, D = 3073, K = 10", SCALES)):
        chosen = [case for case in cases if any(record.case == case for record in records)]
        if title != "Sizes" and chosen in ([], ["development"]):
            continue
        parts.append(f"### {title}")
        for dtype in DTYPES:
            mine = [r for r in records if r.dtype == dtype and r.case in chosen]
            mine = [r for r in mine if r.status not in ("not offered", "not installed")]
            if mine:
                heads = [
                    f"{case} ({ACCURACY[case].N} × {ACCURACY[case].D} × {ACCURACY[case].K})"
                    for case in chosen
                ]
                if title != "Sizes":
                    heads = [f"scores ~ {ACCURACY[case].scale:g}" for case in chosen]
                parts += [
                    f"**{dtype}** (unit roundoff {_roundoff(dtype):.1e})",
                    _table(("framework", *heads), _rows(mine, chosen, _accuracy_cell)),
                ]
    return parts


def _accuracy_cell(record: Record) -> str:
    if record.status == "measured":
        return f"{record.relative_error:.1e} / {record.roundings:.2g}"
    return (
        record.status
        if record.status != "nan"
        else f"not finite (loss {_number(record.loss)})"
        if record.message is None
        else record.message
    )


def _speed_text(speeds: Sequence[Speed]) -> list[str]:
    found = {(speed.framework, speed.case): speed for speed in speeds}
    names, cases = _names(speeds), [case for case in SIZES if any(speed.case == case for speed in speeds)]
    fastest = {
        case: min((s.seconds for s in speeds if s.case == case and s.seconds is not None), default=math.nan)
        for case in cases
    }

    def table(cell: Callable[[Speed], str]) -> str:
        rows = []
        for name in names:
            cells = []
            for case in cases:
                speed = found[name, case]
                why = f" ({speed.message})" if speed.status == "not run" else ""
                cells.append(cell(speed) if speed.status == "measured" else speed.status + why)
            rows.append((FRAMEWORKS[name].title, *cells))
        return _table(("framework", *map(_size, cases)), rows)

    def steady(speed: Speed) -> str:
        assert speed.seconds is not None
        assert speed.low_seconds is not None
        assert speed.high_seconds is not None
        assert speed.floor_seconds is not None
        return (
            f"{_milliseconds(speed.seconds)} ({_milliseconds(speed.low_seconds)} to {_milliseconds(speed.high_seconds)}); "
            f"{speed.seconds / fastest[speed.case]:.2f} × fastest, {speed.seconds / speed.floor_seconds:.1f} × floor"
        )

    floors = ", ".join(
        f"{case} {_milliseconds(next((s.floor_seconds for s in speeds if s.case == case and s.floor_seconds), math.nan))}"
        for case in cases
    )
    return [
        "## Speed and memory",
        "In float32, on the CPU, each framework in a process of its own with as many threads as the machine has cores. "
        "GPU: not measured.",
        "### Steady state",
        "The frameworks take turns, round after round; the weights change from call to call, among sets placed beforehand, and the loss is read. "
        "Milliseconds: the median over the rounds of each round's median, and the quartiles over the rounds. *Floor*: the "
        "larger of the time of 4 N D K operations at the rate of a large matrix product, and that of reading X and W and "
        f"writing the gradient at the rate of a copy, both by NumPy in the same rounds ({floors}). X is the same in all calls, and "
        "where it stays in the cache a framework may come below. The figures of JAX by hand include the checks of "
        "`softjax.loss_and_grad`, of labels and shapes, made in Python.",
        _by_hand(speeds, fastest),
        "![Time of a loss and gradient by framework and size](speed.png)",
        table(steady),
        "### First call",
        "Seconds of the first loss and gradient, with all tracing and compiling, in a fresh process; in brackets those of "
        "importing the framework before it.",
        "![Time of the first call](first_call.png)",
        table(lambda speed: f"{speed.first_seconds:.2f} ({speed.import_seconds:.1f})"),
        "### Memory",
        "Peak resident memory of the process in the first two calls, above what it was with the framework imported and the problem "
        "in NumPy's arrays; megabytes.",
        "![Peak memory](memory.png)",
        table(lambda speed: "not measured" if speed.peak_bytes is None else f"{speed.peak_bytes / 1e6:,.0f}"),
    ]


def _by_hand(speeds: Sequence[Speed], fastest: dict[str, float]) -> str:
    """How JAX by hand compares with the fastest."""
    parts = [
        f"{speed.seconds / fastest[speed.case]:.2f} times the fastest at {speed.case}"
        for speed in speeds
        if speed.framework == "jax-by-hand" and speed.seconds is not None
    ]
    return f"JAX by hand takes {', '.join(parts)}." if parts else "JAX by hand was not timed."


def _size(case: str) -> str:
    size = ACCURACY[case]
    return f"{case} ({size.N} × {size.D} × {size.K})"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def _mode_cell(record: Record) -> str:
    if record.relative_error is not None and record.status in ("right", "wrong"):
        return f"{'**wrong** ' if record.status == 'wrong' else ''}{record.relative_error:.1e}"
    return "–" if record.status == "not offered" else _cell(record)


def _cell(record: Record) -> str:
    match record.status:
        case "right":
            return "right" if record.error is None else f"right ({record.error})"
        case "wrong" | "crash" | "hang":
            return f"**{record.status}**"
        case "nan":
            return _not_finite(record)
        case "error":
            return str(record.error)
        case _:
            return record.status


def _short(record: Record) -> str:
    match record.status:
        case "right":
            return "refuses" if record.error else "right"
        case "nan":
            return _not_finite(record) + ("*" if EDGE_CASES[record.case].expected == "refused" else "")
        case "not installed" | "not offered":
            return "–"
        case _:
            return record.status


def _not_finite(record: Record) -> str:
    values = [record.loss, *(v for row in record.grad or [] for v in row)]
    return "NaN" if any(v is not None and math.isnan(v) for v in values) else "∞"


def _rows(
    records: Sequence[Record], cases: Sequence[str], cell: Callable[[Record], str]
) -> list[tuple[str, ...]]:
    found = {(record.framework, record.case): record for record in records}
    rows = []
    for name in _names(records):
        cells = []
        for case in cases:
            record = found.get((name, case))
            if record is None:
                cells.append("")
            elif record.status == "not run":
                cells.append(f"not run ({record.message})")
            elif record.status in ("error", "crash", "hang"):
                cells.append(f"{record.error or record.status}: {record.message}"[:60])
            else:
                cells.append(cell(record))
        rows.append((FRAMEWORKS[name].title, *cells))
    return rows


def _by_cell(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    return {(record.case, record.framework): record for record in records}


def _present(edge: dict[tuple[str, str], Record]) -> tuple[list[str], list[str]]:
    """The frameworks that ran, and the cases."""
    frameworks = [
        n for n in FRAMEWORKS if any(k[1] == n and r.status != "not installed" for k, r in edge.items())
    ]
    cases = [case for case in EDGE_CASES if any(key[0] == case for key in edge)]
    return frameworks or _names(edge.values()), cases


def _names(records: Iterable[Record | Speed]) -> list[str]:
    present = {record.framework for record in records}
    return [name for name in FRAMEWORKS if name in present]


def _number(value: float | None) -> str:
    return (
        "none"
        if value is None
        else f"{value:.4g}".replace("inf", "∞").replace("nan", "NaN").replace("-", "−")
    )


def _roundoff(dtype: str) -> float:
    return float(jnp.finfo(numpy_dtype(dtype)).eps) / 2  # type: ignore[no-untyped-call]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(
        lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    )
