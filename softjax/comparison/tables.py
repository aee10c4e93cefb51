"""The tables of a comparison's report, in Markdown."""

import math
from collections.abc import Callable, Iterable, Sequence

import jax.numpy as jnp

from softjax.comparison.cases import ACCURACY, DTYPES, EDGE_CASES, MODES, numpy_dtype
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import ROUNDINGS_ALLOWED, Record
from softjax.comparison.run import Comparison
from softjax.comparison.speed import SIZES, Speed

SCALES = ("scores-1e-4", "scores-1e-2", "development", "scores-1e2", "scores-1e4")


def versions(comparison: Comparison) -> str:
    """The frameworks and their versions."""
    rows = []
    for name in names_of((*comparison.records, *comparison.speeds)):
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
    return table(("name", "framework", "package", "version"), rows)


def edge_sections(records: Sequence[Record]) -> list[str]:
    """The edge cases: what each framework made of them, and where they disagree."""
    edge = by_cell(records)
    return [
        "## Edge cases",
        _edge_intro(),
        "![Edge cases by framework, coloured by outcome](conformance.png)",
        _edge_table(edge),
        "### Where they disagree",
        _disagreements(edge),
    ]


def _edge_intro() -> str:
    return (
        "In float32, unless the case says otherwise. What is right was decided from the mathematics, before any framework was run: **value**, the loss "
        f"and gradient of the formula, to {ROUNDINGS_ALLOWED:.0f} roundings (of u^⅔ for differences); **undefined**, the formula has no value, so "
        "nothing finite may come out; **refused**, there is no such problem, so an error has to be raised. Cells: *right* (with the "
        "error's name where refusing is right); *NaN* or *∞*, loud but no answer; an error's name alone, raised where there is "
        "a value; **wrong**, a finite value that is not right, or that hides what is undefined. "
        "`softjax compare --show CASE FRAMEWORK` prints a script that reproduces a cell in that framework alone."
    )


def _edge_table(edge: dict[tuple[str, str], Record]) -> str:
    frameworks, cases = present(edge)
    rows = [
        (
            f"`{case}`: {EDGE_CASES[case].what}",
            f"{EDGE_CASES[case].expected}: {EDGE_CASES[case].reason}",
            *(_cell(edge[case, name]) for name in frameworks),
        )
        for case in cases
    ]
    return table(("case", "right", *(FRAMEWORKS[name].title for name in frameworks)), rows)


def _disagreements(edge: dict[tuple[str, str], Record]) -> str:
    frameworks, cases = present(edge)
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


def accuracy_sections(records: Sequence[Record]) -> list[str]:
    """The accuracy by size, score scale and type."""
    picture = []
    if any(record.status in ("measured", "nan") for record in records):
        picture = ["![Relative error of each framework's gradient](accuracy.png)"]
    return ["## Accuracy", _accuracy_intro(), *picture, *_accuracy_tables(records)]


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
                    f"**{dtype}** (unit roundoff {roundoff(dtype):.1e})",
                    table(("framework", *heads), rows_of(mine, chosen, _accuracy_cell)),
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


def speed_sections(speeds: Sequence[Speed]) -> list[str]:
    """Steady state, first call and memory."""
    found = {(speed.framework, speed.case): speed for speed in speeds}
    names, cases = names_of(speeds), [case for case in SIZES if any(speed.case == case for speed in speeds)]
    fastest = {
        case: min((s.seconds for s in speeds if s.case == case and s.seconds is not None), default=math.nan)
        for case in cases
    }

    def of_sizes(cell: Callable[[Speed], str]) -> str:
        rows = []
        for name in names:
            cells = []
            for case in cases:
                speed = found[name, case]
                why = f" ({speed.message})" if speed.status == "not run" else ""
                cells.append(cell(speed) if speed.status == "measured" else speed.status + why)
            rows.append((FRAMEWORKS[name].title, *cells))
        return table(("framework", *map(sized, cases)), rows)

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
        of_sizes(steady),
        "### First call",
        "Seconds of the first loss and gradient, with all tracing and compiling, in a fresh process; in brackets those of "
        "importing the framework before it; NumPy's are not counted, as the process imports it anyway. Caches of compiled "
        "code are empty.",
        "![Time of the first call](first_call.png)",
        of_sizes(lambda speed: f"{speed.first_seconds:.2f} ({speed.import_seconds:.1f})"),
        "### Memory",
        "Peak resident memory of the process in the first two calls, above what it was with the framework imported and the problem "
        "in NumPy's arrays; megabytes.",
        "![Peak memory](memory.png)",
        of_sizes(lambda speed: "not measured" if speed.peak_bytes is None else _megabytes(speed.peak_bytes)),
    ]


def _by_hand(speeds: Sequence[Speed], fastest: dict[str, float]) -> str:
    """How JAX by hand compares with the fastest, and what of it are the matrix products."""
    numpy = {speed.case: speed.products_seconds for speed in speeds if speed.framework == "numpy-vectorized"}
    ratios, products = [], []
    for speed in speeds:
        if speed.framework != "jax-by-hand" or speed.seconds is None:
            continue
        ratios.append(f"{speed.seconds / fastest[speed.case]:.2f} times the fastest at {speed.case}")
        if speed.products_seconds is not None:
            beside = numpy.get(speed.case)
            products.append(
                f"{_milliseconds(speed.products_seconds)} at {speed.case}"
                + (f" (NumPy's {_milliseconds(beside)})" if beside is not None else "")
            )
    if not ratios:
        return "JAX by hand was not timed."
    text = f"JAX by hand takes {', '.join(ratios)}."
    if products:
        text += f" Its two matrix products alone, in the same process and rounds, take {', '.join(products)}."
    return text


def sized(case: str) -> str:
    """A case with its N × D × K."""
    size = ACCURACY[case]
    return f"{case} ({size.N} × {size.D} × {size.K})"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def _megabytes(size: int) -> str:
    return "below 0.1" if size < 1e5 else f"{size / 1e6:,.{1 if size < 1e7 else 0}f}"


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


def short(record: Record) -> str:
    """A cell of the picture; a star where NaN stands for a refusal."""
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


def rows_of(
    records: Sequence[Record], cases: Sequence[str], cell: Callable[[Record], str]
) -> list[tuple[str, ...]]:
    """One row a framework, one cell a case."""
    found = {(record.framework, record.case): record for record in records}
    rows = []
    for name in names_of(records):
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


def by_cell(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """The records by case and framework."""
    return {(record.case, record.framework): record for record in records}


def present(edge: dict[tuple[str, str], Record]) -> tuple[list[str], list[str]]:
    """The frameworks that ran, and the cases."""
    frameworks = [
        n for n in FRAMEWORKS if any(k[1] == n and r.status != "not installed" for k, r in edge.items())
    ]
    cases = [case for case in EDGE_CASES if any(key[0] == case for key in edge)]
    return frameworks or names_of(edge.values()), cases


def names_of(records: Iterable[Record | Speed]) -> list[str]:
    """The frameworks among them, in the order of the registry."""
    present = {record.framework for record in records}
    return [name for name in FRAMEWORKS if name in present]


def _number(value: float | None) -> str:
    return (
        "none"
        if value is None
        else f"{value:.4g}".replace("inf", "∞").replace("nan", "NaN").replace("-", "−")
    )


def roundoff(dtype: str) -> float:
    """The unit roundoff of a type."""
    return float(jnp.finfo(numpy_dtype(dtype)).eps) / 2  # type: ignore[no-untyped-call]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(
        lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    )


def mode_sections(records: Sequence[Record]) -> list[str]:
    """The derivative modes: relative errors."""
    return [
        "## Derivative modes",
        "Relative error of each against the formulas, in float64, on six examples, four features, three classes. "
        + "; ".join(f"`{case.name}`: {case.what}" for case in MODES.values())
        + ". A dash: not offered by that framework, or not by that interface of it.",
        table(("framework", *MODES), rows_of(records, list(MODES), _mode_cell)),
    ]
