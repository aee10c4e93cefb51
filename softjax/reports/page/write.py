"""A page as one HTML file, which needs no network: its data, its charts, and the libraries that draw them.

The charts are Vega-Lite's, by Altair: declarative, checked, drawn as SVG that can be read aloud and printed, and with a third of
the size of Plotly's scripts. vl-convert has the scripts of Vega inside, so that no network is needed.
"""

import json
import os
import re
from contextlib import suppress
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

from softjax.cache import find_folder
from softjax.errors import InputError
from softjax.reports.markdown import count_of
from softjax.reports.page.charts import describe_charts
from softjax.runs.files import read_text

KINDS = ("sweep", "path", "comparison")
PAGE = "report.html"  # its name in the folder of a report
FOLDER = Path(__file__).parent
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
_FIELD = re.compile(r"\$([a-z_]+)")
SLIDER = '<label>Penalty strength <input type="range" id="slider" min="0" max="{last}" step="1"></label>'
PAIRS = """<section aria-labelledby="pairs-title">
<h2 id="pairs-title">Accuracy against each option</h2>
<div id="by_lr" class="chart"></div>
<div id="by_reg" class="chart"></div>
<p class="note">A dot for each configuration: vermilion where it is statistically tied with the best. Ring: the chosen one, with its 95 % interval. Accuracies that are far below
the others are at the lower edge.</p>
</section>"""
CURVES = """<section aria-labelledby="curves-title">
<h2 id="curves-title">Loss curve</h2>
<div id="curves" class="chart"></div>
{shares}<p class="note">Line: the chosen configuration{seeds}. Bands: the middle half and nine tenths of all; thin line: their median.{halving}</p>
</section>"""
WEIGHTS = """<section aria-labelledby="weights-title">
<h2 id="weights-title">Weights against the penalty strength</h2>
<div id="weights" class="chart"></div>
<p class="note">Lines: the {features} whose weights for the class are largest in size at the best strength. Bands: the middle half and nine tenths of all its
weights. The bias is not among them.{classes}</p>
</section>"""
INDEPENDENT = (
    '<p class="note">Each configuration of this search has minibatches of its own. Alone it draws others, so its accuracy '
    "differs a little.</p>"
)
CONFUSION = '<div id="confusion" class="chart"></div>'
WIDE_CONFUSION = (
    f'<div class="scroll-x" tabindex="0" role="region" aria-labelledby="confusion-title">{CONFUSION}</div>'
)
MOST_CLASSES = 15  # whose counts are read on the screen of a telephone


def write_page(page: dict[str, Any]) -> str:
    """The HTML of the page of a sweep or path, of data as `describe_sweep_page` or `describe_path_page` returns them."""
    is_path = page["kind"] == "path"
    fields = {
        "all_title": escape(page["validation"].capitalize())
        + (
            " accuracy against the penalty strength"
            if is_path
            else " accuracy by learning rate and penalty strength"
        ),
        "slider": SLIDER.format(last=len(page["rows"]["config"]) - 1) if is_path else "",
        "how_to_choose": _explain_choice(page),
        "filter_example": "val > 0.3, reg &lt;= 0.01" if is_path else "val > 0.3, lr &lt;= 1e-3",
        "filter_names": _name_columns(page),
        "alone_note": INDEPENDENT if page.get("independent") else "",
        "pairs": "" if is_path else PAIRS,
        "curves": _place_curves(page) if "curves" in page else "",
        "confusion": CONFUSION if len(page["classes"]) <= MOST_CLASSES else WIDE_CONFUSION,
        "weights": _place_weights(page) if "weights" in page else "",
    }
    return write_linked_page(page, _fill("run.html", fields), describe_charts(page), _read("run.js"))


def _name_columns(page: dict[str, Any]) -> str:
    """What the conditions of the table may be about, each with the title of its column."""
    objective = "loss (the objective)" if page["kind"] == "path" else "loss (the training objective)"
    names = ["reg", "train", f"val ({page['validation']})", "test", objective]
    return ", ".join([*names, "gap"] if page["kind"] == "path" else ["lr", *names])


def _explain_choice(page: dict[str, Any]) -> str:
    if page["kind"] == "path":
        return "Click a point or a row of the table to choose it, or move along the strengths with the arrow keys."
    if page["grid"]:
        return (
            "Click a cell or a row of the table to choose it, or move with the arrow keys. Thick frame: the chosen one. Thin line: around "
            "those that are statistically tied with the best."
        )
    return (
        "Click a dot or a row of the table to choose it, or move with the arrow keys. Ring: the chosen one. Grey edges: statistically "
        "tied with the best."
    )


def _place_curves(page: dict[str, Any]) -> str:
    seeds = ", mean over the seeds" if page["several_seeds"] else ""
    shares = '<div id="shares" class="chart"></div>\n' if "share" in page["curves"] else ""
    halved = len(set(page["rows"]["steps"])) > 1
    halving = (
        " Where a round of successive halving ends, the worse half stops: the bands are of those that go on."
        if halved
        else ""
    )
    return CURVES.format(seeds=seeds, shares=shares, halving=halving)


def _place_weights(page: dict[str, Any]) -> str:
    weights = page["weights"]
    features, shown = len(weights["features"][0]), len(weights["classes"])
    classes = (
        ""
        if shown == len(page["classes"])
        else f" Only the first {shown:,} of {len(page['classes']):,} classes are here."
    )
    return WEIGHTS.format(features=count_of(features, "feature"), classes=classes)


def write_linked_page(
    page: dict[str, Any],
    sections: str,
    charts: dict[str, Any],
    script: str | None = None,
    made_by: str = "softjax",
) -> str:
    """The HTML of a page.

    **Arguments:**

    - `page`: its data; `title` and `verdict`, a list of lines, are shown on top.
    - `sections`: HTML.
    - `charts`: specifications of Vega-Lite by name.
    - `script`: draws each chart into the element whose id is its name, and links them. By default they are only drawn.
    - `made_by`: the command.
    """
    fields = {
        "title": escape(page["title"]),
        "made_by": made_by,
        "style": _read("page.css"),
        "verdict": "".join(f"<li>{escape(line)}</li>" for line in page["verdict"]),
        "sections": sections,
        "data": _embed(page),
        "charts": _embed(charts),
        "libraries": _bundle(),
        "script": _read("plain.js") if script is None else script,
    }
    return _fill("page.html", fields)


def read_page(path: Path) -> dict[str, Any]:
    """The data of the page of a sweep, a path or a comparison. Raises `InputError` if the file is none."""
    found = _DATA.search(read_text(path))
    try:
        page: dict[str, Any] = json.loads(found[1] if found else "")
        if page["kind"] in KINDS:
            return page
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path} is no page of a sweep, a path or a comparison by softjax")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _fill(template: str, fields: dict[str, str]) -> str:
    return _FIELD.sub(
        lambda match: fields[match[1]], _read(template)
    )  # once: no field is looked for in a value


def _embed(value: Any) -> str:
    """JSON that a script element can hold: no `<` begins a tag there."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace(
        "<", "\\u003c"
    )


def _bundle() -> str:
    """The scripts of Vega, Vega-Lite and Vega-Embed. Putting them together takes a second, so they are kept."""
    with suppress(InputError, OSError):  # there is no home, or it is full
        path = find_folder(None).parent / f"vega-{version('vl-convert-python')}.js"
        if not path.is_file():
            new = path.with_name(f"{path.name}.{os.getpid()}")  # another process may write it, too
            new.write_text(_put_together(), encoding="utf-8")
            new.replace(path)
        return path.read_text(encoding="utf-8")
    return _put_together()


def _put_together() -> str:
    bundle: Any = vl_convert.javascript_bundle
    return str(bundle()).replace("</script", "<\\/script")
