"""The charts of a page, as specifications of Vega-Lite. Their data have names; the page fills them in.

The parameter `config` of each chart is the configuration that is looked at. The page sets it.
"""

from typing import Any

import altair as alt

from softjax.drawing import BLACK, BLUE, GREEN, PURPLE, VERMILION

GREY = "#888888"  # readable on white and on black
LINES = [BLUE, GREEN, PURPLE, "#e69f00", "#56b4e9", GREY]  # told apart by their marks, too
GRID = "#88888840"  # faint on both
CHOSEN = "datum.config === config"
MOST_LABELS, LABEL_WIDTH = 200, 34  # cells that are labelled; pixels of a label
HEIGHT = 320
AXES = {"lr": "learning rate lr", "reg": "penalty strength reg"}


def describe_charts(page: dict[str, Any]) -> dict[str, Any]:
    """The specifications by name: those that the data of this page can fill."""
    charts = {"main": describe_search(page), "classes": _chart_classes(page)}
    if page["kind"] == "sweep":
        charts |= {f"by_{name}": _chart_against(page, name, title) for name, title in AXES.items()}
    if "weights" in page:
        charts["weights"] = _chart_weights(page)
    if "curves" in page:
        charts["curves"] = _chart_curves(page)
        if "share" in page["curves"]:
            charts["shares"] = _chart_shares(page)
    if page["confusion"]:
        charts["confusion"] = _chart_confusion(page)
    return charts


def describe_search(page: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """The specification of the main chart alone, with one scale of colours for this and other pages."""
    return _chart_path(page) if page["kind"] == "path" else _chart_search(page, *others)


def named(name: str) -> alt.NamedData:
    """The data of this name, which the page fills in."""
    return alt.NamedData(name=name)


def fit(chart: Any, description: str, height: int = HEIGHT, *, inside: bool = False) -> dict[str, Any]:
    """The specification of a chart that is as wide as its place.

    **Arguments:**

    - `description`: is read aloud.
    - `height`: that of the whole chart, in pixels; with `inside` that of the marks, without axis and legend.
    """
    size = alt.AutoSizeParams(type="fit-x" if inside else "fit", contains="padding", resize=True)
    specification: dict[str, Any] = (
        chart.properties(width="container", height=height, description=description, background="transparent")
        .configure(autosize=size)
        .configure_axis(gridColor=GRID)
        .to_dict()
    )
    return specification


def _finish(chart: Any, page: dict[str, Any], description: str, height: int = HEIGHT) -> dict[str, Any]:
    return fit(chart.add_params(alt.param(name="config", value=page["best"])), description, height)


def _tooltip(page: dict[str, Any]) -> list[alt.Tooltip]:
    name = f"{page['validation']} accuracy"
    several = [alt.Tooltip("lr:Q", title="lr", format=".4~g")] if page["kind"] == "sweep" else []
    last = (
        [alt.Tooltip("diverged:Q", title="runs that diverged")]
        if page["kind"] == "sweep"
        else [alt.Tooltip("gap:Q", title="gap", format=".1e")]
    )
    return [
        *several,
        alt.Tooltip("reg:Q", title="reg", format=".4~g"),
        alt.Tooltip("val:Q", title=name, format=".4f"),
        alt.Tooltip("low:Q", title="95 % from", format=".4f"),
        alt.Tooltip("high:Q", title="to", format=".4f"),
        alt.Tooltip("tied:N", title="tied with the best"),
        *last,
    ]


def _find_range(*pages: dict[str, Any]) -> tuple[float, float]:
    """The ends of the colour scale: it covers the better half of the cells and those that are tied with the best; all that are
    far below have the darkest colour. Several pages have one scale.
    """
    rows = [row for page in pages for row in zip(page["rows"]["val"], page["rows"]["tied"], strict=True)]
    values = sorted(value for value, _ in rows if value is not None)
    top, median = values[-1], values[len(values) // 2]
    least = min((value for value, tied in rows if tied and value is not None), default=top)
    low = max(values[0], min(least, top - 3 * (top - median) - 0.02))
    return low, top if top > low else low + 1e-9


def _color(page: dict[str, Any], ends: tuple[float, float]) -> alt.Color:
    scale = alt.Scale(scheme="viridis", domain=list(ends), clamp=True)
    return alt.Color("val:Q", title=f"{page['validation']} accuracy", scale=scale)


def _chart_search(page: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    low, top = ends = _find_range(page, *others)
    if not page["grid"]:
        base = alt.Chart(named("rows")).encode(
            x=alt.X("reg:Q", title=AXES["reg"], scale=_scale_of(page["rows"]["reg"])),
            y=alt.Y("lr:Q", title=AXES["lr"], scale=_scale_of(page["rows"]["lr"])),
            color=_color(page, ends),
            tooltip=_tooltip(page),
        )
        tied = alt.when("datum.tied").then(alt.value(GREY)).otherwise(alt.value("transparent"))
        dots = base.mark_circle(size=120, opacity=1, strokeWidth=2.5).encode(stroke=tied)
        ring = base.transform_filter(CHOSEN).mark_point(size=260, strokeWidth=4, stroke=VERMILION)
        return _finish(alt.layer(dots, ring), page, "Accuracy of each configuration")
    number = "format(datum.value, '.3~g')"
    rows = page["rows"]
    base = alt.Chart(named("rows")).encode(
        x=alt.X(
            "reg:O",
            title="penalty strength reg",
            axis=alt.Axis(labelExpr=number, labelAngle=-45, labelOverlap=True),
        ),
        y=alt.Y("lr:O", title="learning rate lr", sort="descending", axis=alt.Axis(labelExpr=number)),
        tooltip=_tooltip(page),
    )
    valid = alt.when("isValid(datum.val)")
    layers = [
        base.mark_rect().encode(color=_color(page, ends)),
        base.transform_filter("!isValid(datum.val)").mark_rect(color=GREY),
    ]
    if len(rows["config"]) <= MOST_LABELS:
        dark = f"!isValid(datum.val) || datum.val < {low + 0.6 * (top - low)}"
        room = f"width >= {LABEL_WIDTH * len(set(rows['reg']))}"
        layers.append(
            base.mark_text(fontSize=10, clip=True, invalid=None).encode(
                text=valid.then(alt.Text("val:Q", format=".3f")).otherwise(alt.value("×")),
                color=alt.when(dark).then(alt.value("white")).otherwise(alt.value("black")),
                opacity=alt.when(room).then(alt.value(1)).otherwise(alt.value(0)),
            )
        )
    layers += [
        *_outline(page, base.encoding.x, base.encoding.y),
        _frame(base, CHOSEN, BLACK, 7),
        _frame(base, CHOSEN, "white", 4),
    ]
    height = max(HEIGHT, 26 * len(set(rows["lr"])))
    return _finish(alt.layer(*layers), page, "Accuracy of each configuration", height)


def _outline(page: dict[str, Any], x: alt.X, y: alt.Y) -> list[Any]:
    """A line around the cells that are tied with the best: their sides that are no side of another one. Black under white."""
    rows = page["rows"]
    lrs, regs = sorted(set(rows["lr"]), reverse=True), sorted(set(rows["reg"]))
    cells = zip(rows["lr"], rows["reg"], rows["tied"], strict=True)
    tied = {(lrs.index(lr), regs.index(reg)) for lr, reg, is_tied in cells if is_tied}
    layers = []
    for color, width in ((BLACK, 4), ("white", 2)):
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):  # where the other cell would be
            free = [(i, j) for i, j in sorted(tied) if (i + down, j + right) not in tied]
            values = [{"lr": lrs[i], "reg": regs[j]} for i, j in free]
            chart = alt.Chart(alt.InlineData(values=values))
            end = int(down + right > 0)  # of the cell, on the axis that leads to the other one
            along = {"x": x.bandPosition(0), "x2": alt.X2("reg", bandPosition=1), "y": y.bandPosition(end)}
            across = {"x": x.bandPosition(end), "y": y.bandPosition(0), "y2": alt.Y2("lr", bandPosition=1)}
            side = chart.mark_rule(color=color, strokeWidth=width, strokeCap="square")
            layers.append(side.encode(**(along if down else across)))
    return layers


def _frame(base: Any, which: str, color: str, width: int) -> Any:
    """Frames around cells. Black ones under white ones are seen on any colour."""
    return base.transform_filter(which).mark_rect(strokeWidth=width, fillOpacity=0, stroke=color)


def _scale_of(values: list[float]) -> alt.Scale:
    """Logarithmic; linear around 0 where a value is 0."""
    least = min((value for value in values if value > 0), default=1.0)
    if min(values) > 0:
        return alt.Scale(type="log", nice=False, padding=8)  # as wide as the values, and no mark is cut off
    return alt.Scale(type="symlog", constant=least)


def _chart_path(page: dict[str, Any]) -> dict[str, Any]:
    x = alt.X("reg:Q", title=AXES["reg"], scale=_scale_of(page["rows"]["reg"]))
    base = alt.Chart(named("rows")).encode(x=x)
    y = alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(zero=False))
    names: list[Any] = ["train", "val", "test"]
    titles = {"train": "training", "val": page["validation"], "test": "test"}
    label = "datum.split === 'train' ? 'training' : datum.split === 'val' ? '" + titles["val"] + "' : 'test'"
    band = base.mark_area(opacity=0.2, color=BLUE).encode(y=alt.Y("low:Q", title="accuracy"), y2="high:Q")
    folded = base.transform_fold(names, as_=["split", "accuracy"]).transform_calculate(name=label)
    encoding = {
        "y": y,
        "color": alt.Color(
            "name:N",
            title=None,
            scale=alt.Scale(domain=list(titles.values()), range=[GREY, BLUE, VERMILION]),
            legend=alt.Legend(orient="top", symbolType="stroke", symbolSize=400),
        ),
        "strokeDash": alt.StrokeDash(
            "name:N",
            title=None,
            scale=alt.Scale(domain=list(titles.values()), range=[[4, 2], [1, 0], [2, 2]]),
        ),
    }
    lines = folded.mark_line().encode(**encoding)
    points = folded.mark_point(size=60, filled=True).encode(
        y=y, color=encoding["color"], tooltip=_tooltip(page)
    )
    return _finish(alt.layer(band, _rule(x), lines, points), page, "Accuracy against the penalty strength")


def _rule(x: alt.X) -> Any:
    """A line at the chosen strength."""
    chosen = alt.Chart(named("rows")).transform_filter(CHOSEN)
    return chosen.mark_rule(color=VERMILION, strokeWidth=2).encode(x=x)


def _chart_weights(page: dict[str, Any]) -> dict[str, Any]:
    """The largest weights of a class against the penalty strength, over the quantiles of all its weights."""
    weights = page["weights"]
    numbers = list(range(len(weights["classes"])))  # names may be alike
    select = alt.binding_select(options=numbers, labels=weights["classes"], name="class ")
    shown = alt.param(name="shown", value=0, bind=select)
    x = alt.X("reg:Q", title=AXES["reg"], scale=_scale_of(page["rows"]["reg"]))
    y = f"weight, per {weights['unit']}"
    spread = alt.Chart(named("spread")).transform_filter("datum.class === shown").encode(x=x)
    wide = spread.mark_area(opacity=0.15, color=GREY).encode(y=alt.Y("q5:Q", title=y), y2="q95")
    middle = spread.mark_area(opacity=0.3, color=GREY).encode(y="q25:Q", y2="q75")
    one = alt.Chart(named("weights")).transform_filter("datum.class === shown").encode(x=x, y="weight:Q")
    longest = max(len(name) for names in weights["features"] for name in names)
    columns = 3 if longest <= 16 else 2 if longest <= 24 else 1
    legend = alt.Legend(orient="bottom", columns=columns, labelLimit=300 // columns)
    color = alt.Color("feature:N", sort=None, title="feature", scale=alt.Scale(range=LINES), legend=legend)
    shape = alt.Shape("feature:N", sort=None, title="feature", legend=legend)
    lines = one.mark_line(strokeWidth=2).encode(color=color.legend(None))
    tooltip = ["feature:N", alt.Tooltip("reg:Q", format=".4~g"), alt.Tooltip("weight:Q", format=".4~g")]
    points = one.mark_point(size=50, filled=True).encode(color=color, shape=shape, tooltip=tooltip)
    layers = alt.layer(wide, middle, _rule(x), lines, points).add_params(shown)
    # so that marks and colours of the points have one legend
    layers = layers.resolve_scale(color="independent", shape="independent")
    return _finish(layers, page, "The largest weights of a class against the penalty strength", 400)


def _chart_against(page: dict[str, Any], name: str, title: str) -> dict[str, Any]:
    """The accuracy against one of the two options, a dot for each configuration."""
    scale = _scale_of(page["rows"][name])
    base = alt.Chart(named("rows")).encode(
        x=alt.X(
            f"{name}:Q",
            title=title,
            scale=scale,
            axis=alt.Axis(format=".3~g", labelOverlap="greedy", labelSeparation=8),
        ),
        tooltip=_tooltip(page),
    )
    low, top = _find_range(page)
    highest = max(value for value in page["rows"]["high"] if value is not None)
    y = alt.Scale(domain=[low - 0.05 * (top - low), max(top, highest)], clamp=True, nice=False)
    base = base.encode(y=alt.Y("val:Q", title=f"{page['validation']} accuracy", scale=y))
    tied = alt.when("datum.tied").then(alt.value(VERMILION)).otherwise(alt.value(BLUE))
    dots = base.mark_circle(size=60, opacity=0.7).encode(color=tied)
    interval = (
        base.transform_filter(CHOSEN).mark_rule(color=VERMILION, strokeWidth=2).encode(y="low:Q", y2="high:Q")
    )
    ring = base.transform_filter(CHOSEN).mark_point(size=200, strokeWidth=3, stroke=VERMILION)
    return _finish(alt.layer(dots, interval, ring), page, f"Accuracy against the {title}", 220)


def _chart_curves(page: dict[str, Any]) -> dict[str, Any]:
    scale = alt.Scale(type="log", domain=page["curves"]["limits"], nice=False)
    bands = _layer_bands(page, "bands", "curve", page["curves"]["name"], scale, ".4f")
    return _finish(bands, page, "Loss curve of the chosen configuration, over the quantiles of all")


def _chart_shares(page: dict[str, Any]) -> dict[str, Any]:
    scale = alt.Scale(domain=[0, 1])
    bands = _layer_bands(page, "share_bands", "share_curve", "the penalty's share", scale, ".1%")
    return _finish(bands, page, "Share of the penalty in the objective, over the quantiles of all", 180)


def _layer_bands(
    page: dict[str, Any], quantiles: str, curve: str, title: str, scale: alt.Scale, form: str
) -> Any:
    """The chosen curve over the bands of all."""
    over = page["curves"]["over"]
    x = alt.X("step:Q", title=f"step (means over {over} steps)" if over > 1 else "step")

    def y(name: str) -> alt.Y:
        return alt.Y(
            f"{name}:Q", title=title, scale=scale, axis=alt.Axis(format="%") if "%" in form else alt.Axis()
        )

    bands = alt.Chart(named(quantiles)).encode(x=x)
    wide = bands.mark_area(opacity=0.15, color=BLUE, clip=True).encode(y=y("q5"), y2="q95")
    middle = bands.mark_area(opacity=0.3, color=BLUE, clip=True).encode(y=y("q25"), y2="q75")
    median = bands.mark_line(color=BLUE, strokeWidth=1, clip=True).encode(y=y("q50"))
    tooltip = [alt.Tooltip("step:Q", format=",.0f"), alt.Tooltip("value:Q", title=title, format=form)]
    one = alt.Chart(named(curve)).mark_line(color=VERMILION, strokeWidth=2.5, clip=True)
    return alt.layer(wide, middle, median, one.encode(x=x, y=y("value"), tooltip=tooltip))


def _chart_classes(page: dict[str, Any]) -> dict[str, Any]:
    base = alt.Chart(named("per_class")).encode(
        y=alt.Y("class:N", title=None, sort=page["classes"], axis=alt.Axis(labelLimit=140))
    )
    x = alt.X("accuracy:Q", title="test accuracy", scale=alt.Scale(domain=[0, 1]))
    tooltip = [
        "class:N",
        alt.Tooltip("accuracy:Q", format=".3f"),
        alt.Tooltip("best:Q", title="of the best", format=".3f"),
        alt.Tooltip("examples:Q", format=","),
    ]
    bars = base.mark_bar(color=BLUE).encode(x=x, tooltip=tooltip)
    ticks = base.mark_tick(color=VERMILION, thickness=3).encode(x=alt.X("best:Q"))
    height = max(160, 22 * len(page["classes"]))
    return _finish(
        alt.layer(bars, ticks), page, "Test accuracy of each class; the tick is that of the best", height
    )


def _chart_confusion(page: dict[str, Any]) -> dict[str, Any]:
    base = alt.Chart(named("confusion")).encode(
        x=alt.X(
            "predicted:N",
            title="predicted",
            sort=page["classes"],
            axis=alt.Axis(labelAngle=-45, labelLimit=90),
        ),
        y=alt.Y("true:N", title="true", sort=page["classes"], axis=alt.Axis(labelLimit=140)),
        tooltip=["true:N", "predicted:N", alt.Tooltip("count:Q", format=",")],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", title="share of the true class", scale=alt.Scale(scheme="viridis", domainMin=0))
    )  # fmt: skip
    layers = [cells]
    if len(page["classes"]) <= 20:
        most = max(max(row) / max(1, sum(row)) for counts in page["confusion"].values() for row in counts)
        color = alt.when(f"datum.share > {most / 2}").then(alt.value("black")).otherwise(alt.value("white"))
        filled = base.transform_filter("datum.count > 0")
        layers.append(filled.mark_text(fontSize=10, clip=True).encode(text="count:Q", color=color))
    return _finish(
        alt.layer(*layers), page, "Confusion matrix on the test examples", max(220, 24 * len(page["classes"]))
    )
