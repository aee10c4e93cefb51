"""report.html of a comparison: every outcome with its script on click, and the speeds by size."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import altair as alt

from softjax.comparison.cases import ACCURACY, SIZES
from softjax.comparison.changes import Earlier
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.outcomes import LEVELS, find_level, list_rows
from softjax.comparison.pictures import LOOKS
from softjax.comparison.records import Comparison, Record, Speed
from softjax.comparison.sections.cells import describe_outcome, join_names, title_size
from softjax.reports.page.charts import fit, named
from softjax.reports.page.write import write_linked_page

FOLDER = Path(__file__).parent
ROW_HEIGHT = 15  # pixels
FIGURES = {"time of a call, ms": "ms", "first call, s": "first", "memory, MB": "memory"}
MAIN_SIZE = "500 × 3,073 × 10"
DUE = {"value": "a value", "undefined": "no finite value", "refused": "an error"}
CHOSEN = "datum.row === row && datum.case === case_name"


def describe_page(comparison: Comparison, verdict: str, earlier: Earlier | None = None) -> dict[str, Any]:
    """The data of the page: rows, cases, outcomes, roundings by type, and speeds.

    Scripts share most of their lines, so `lines` has each once, and the script of an outcome is the numbers of its lines.

    **Arguments:**

    - `verdict`: the lines that README.md begins with.
    - `earlier`: another comparison, whose times are shown too if they are of another device.
    """
    edge_cases, accuracy = comparison.of("edge_cases"), comparison.of("accuracy")
    rows = list_rows((*comparison.records, *comparison.speeds))
    lines: dict[str, int] = {}
    return {
        "version": 1,
        "kind": "comparison",
        "title": "Autodiff frameworks side by side",
        "verdict": [re.sub(r"^- |\*\*|`", "", line) for line in verdict.split("\n")],
        "rows": {
            row: {
                "title": FRAMEWORKS[row].title,
                "library": FRAMEWORKS[row].library,
                "way": FRAMEWORKS[row].way,
                "version": comparison.versions[row],
                "install": FRAMEWORKS[row].install,
            }
            for row in rows
        },
        "cases": {
            name: {"what": case.what, "due": DUE[case.expected], "reason": case.reason}
            for name, case in EDGE_CASES.items()
        },
        "outcomes": [_describe_outcome(record, lines) for record in edge_cases],
        "lines": list(lines),
        "speeds": _list_speeds(comparison, earlier),
        "types": list(dict.fromkeys(record.dtype for record in accuracy)),
        "roundings": _list_roundings(accuracy),
    }


def write_page(page: dict[str, Any]) -> str:
    """The HTML of such a page."""
    charts = {}
    if page["outcomes"]:
        charts["outcomes"] = _chart_outcomes(page)
    if page["speeds"]:
        charts["speed"] = _chart_speeds(page)
    if page["roundings"]:
        charts["accuracy"] = _chart_roundings(page)
    sections = (FOLDER / "page.html").read_text(encoding="utf-8")
    for name in ("outcomes", "speed", "accuracy"):
        if name not in charts:
            sections = re.sub(rf"<!-- {name} -->.*?<!-- end -->", "", sections, flags=re.DOTALL)
    for name, field in (("types", "type"), ("devices", "device")):
        values = list(dict.fromkeys(speed[field] for speed in page["speeds"]))
        sections = sections.replace(f"${name}", escape(join_names(values)))
    return write_linked_page(page, sections, charts, (FOLDER / "page.js").read_text(encoding="utf-8"))


def _describe_outcome(record: Record, lines: dict[str, int]) -> dict[str, Any]:
    """What the page shows of a record. Lines of its script that are new are added to `lines`, with their numbers."""
    found: dict[str, Any] = {
        "row": record.framework,
        "case": record.case,
        "level": find_level(record),
        "outcome": describe_outcome(record),
    }
    if record.message:
        found["message"] = record.message
    if record.script:
        found["script"] = [lines.setdefault(line, len(lines)) for line in record.script.split("\n")]
    return found


def _list_speeds(comparison: Comparison, earlier: Earlier | None) -> list[dict[str, Any]]:
    timed = [speed for speed in (*comparison.speeds, *comparison.other_speeds) if speed.seconds is not None]
    speeds = [{"device": comparison.device} | _describe_speed(speed) for speed in timed]
    if earlier is None or earlier.device == comparison.device:
        return speeds
    for (row, case, dtype), (low, middle, high) in earlier.seconds.items():
        if case in SIZES:
            speed = Speed(
                row, case, "measured", seconds=middle, low_seconds=low, high_seconds=high, dtype=dtype
            )
            speeds.append({"device": earlier.device} | _describe_speed(speed))
    return speeds


def _describe_speed(speed: Speed) -> dict[str, Any]:
    assert speed.seconds is not None
    return {
        "row": speed.framework,
        "size": title_size(speed.case),
        "type": speed.dtype,
        "ms": _round(1e3 * speed.seconds),
        "ms_low": _round(1e3 * (speed.low_seconds or speed.seconds)),
        "ms_high": _round(1e3 * (speed.high_seconds or speed.seconds)),
        "first": _round(speed.first_seconds),
        "memory": _round(None if speed.peak_bytes is None else speed.peak_bytes / 1e6),
    }


def _list_roundings(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The worst entry of each gradient, in roundings: the largest over the cases, by row and type."""
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    for record in records:
        if record.status == "measured" and record.roundings is not None:
            key = record.framework, record.dtype
            worst[key] = max(worst.get(key, (0.0, "")), (record.roundings, record.case))
    return [
        {"row": row, "type": dtype, "roundings": _round(max(value, 1e-3)), "worst_at": _name(case)}
        for (row, dtype), (value, case) in worst.items()
    ]


def _name(case: str) -> str:
    return f"{case} ({ACCURACY[case].N} × {ACCURACY[case].D} × {ACCURACY[case].K})" if case else ""


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _chart_outcomes(page: dict[str, Any]) -> dict[str, Any]:
    levels = {level: LOOKS[level] for level in LEVELS}
    rows = list(dict.fromkeys(outcome["row"] for outcome in page["outcomes"]))
    labels = [{"level": level, "label": look.label} for level, look in levels.items()]
    base = (
        alt.Chart(named("outcomes"))
        .transform_lookup(
            lookup="level",
            from_=alt.LookupData(alt.InlineData(values=labels), key="level", fields=["label"]),
        )
        .encode(
            x=alt.X(
                "case:N", title=None, sort=list(page["cases"]), axis=alt.Axis(labelAngle=-90, labelFontSize=9)
            ),
            y=alt.Y("row:N", title=None, sort=rows, axis=alt.Axis(labelLimit=150)),
            tooltip=["row:N", "case:N", "outcome:N", "message:N"],
        )
    )
    scale = alt.Scale(
        domain=[look.label for look in levels.values()], range=[look.color for look in levels.values()]
    )
    legend = alt.Legend(orient="bottom", columns=2, labelLimit=0)
    cells = base.mark_rect(stroke="white", strokeWidth=0.5).encode(
        color=alt.Color("label:N", title=None, scale=scale, legend=legend)
    )
    frame = base.transform_filter(CHOSEN).mark_rect(fillOpacity=0, stroke="black", strokeWidth=2.5)
    chart = alt.layer(cells, frame).add_params(
        alt.param(name="row", value=rows[0] if rows else ""),
        alt.param(name="case_name", value=next(iter(page["cases"]))),
    )
    return fit(chart, "Outcome of each edge case in each row", ROW_HEIGHT * len(rows), inside=True)


def _chart_speeds(page: dict[str, Any]) -> dict[str, Any]:
    """A dot for each row, with a choice of the figure, the size, the type and the device, of those there are."""
    options = {
        name: list(dict.fromkeys(each[name] for each in page["speeds"]))
        for name in ("size", "type", "device")
    }
    first = {name: values[0] for name, values in options.items()}
    if MAIN_SIZE in options["size"]:
        first["size"] = MAIN_SIZE
    figure = alt.param(
        name="figure",
        value="ms",
        bind=alt.binding_select(options=list(FIGURES.values()), labels=list(FIGURES), name="figure "),
    )
    base = alt.Chart(named("speeds")).add_params(figure)
    for name, values in options.items():
        choice = alt.binding_select(options=values, name=f"{name} ") if len(values) > 1 else alt.Undefined
        base = base.add_params(alt.param(name=f"one_{name}", value=first[name], bind=choice))
        base = base.transform_filter(f"datum.{name} === one_{name}")
    tooltip = ["row:N", "device:N", "type:N", "ms:Q", "ms_low:Q", "ms_high:Q", "first:Q", "memory:Q"]
    return _draw_dots(
        base.transform_calculate(value="datum[figure]"), page["speeds"], "smaller is better", tooltip
    )


def _chart_roundings(page: dict[str, Any]) -> dict[str, Any]:
    """A dot for each row, with a choice of the type."""
    types = page["types"]
    chosen = alt.param(name="chosen", value=types[0], bind=alt.binding_select(options=types, name="type "))
    base = alt.Chart(named("roundings")).add_params(chosen).transform_filter("datum.type === chosen")
    title = "error of the worst entry, in roundings of the type"
    tooltip = ["row:N", "roundings:Q", "worst_at:N"]
    return _draw_dots(base.transform_calculate(value="datum.roundings"), page["roundings"], title, tooltip)


def _draw_dots(base: Any, rows: list[dict[str, Any]], title: str, tooltip: list[str]) -> dict[str, Any]:
    """The values of `base`, sorted."""
    dots = base.transform_filter("isValid(datum.value)").mark_point(filled=True, size=70).encode(
        x=alt.X("value:Q", title=title, scale=alt.Scale(type="log")),
        y=alt.Y("row:N", title=None, sort=alt.EncodingSortField("value"), axis=alt.Axis(labelLimit=150, grid=True)),
        color=alt.when("indexof(datum.row, 'softjax') === 0").then(alt.value("#d55e00")).otherwise(alt.value("#0072b2")),
        tooltip=tooltip,
    )  # fmt: skip
    count = len({each["row"] for each in rows})
    return fit(dots, f"{title}, by row", ROW_HEIGHT * count, inside=True)
