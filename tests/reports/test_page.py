"""The interactive page in a real browser: one file without a network, whose linked views show the numbers of the tables."""

import csv
import dataclasses
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from support.pages import open_page, point_at, read_facts, wait
from support.pictures import without_pictures

import softjax
from softjax import SweepConfig, cli, regularization_path, sweep
from softjax.datasets.dataset import Split, build_dataset
from softjax.errors import InputError
from softjax.reports.page import charts
from softjax.reports.page.data import describe_path_page, describe_sweep_page
from softjax.reports.page.write import read_page, write_page
from softjax.reports.path import write_path
from softjax.reports.sweep import write_sweep
from softjax.runs.run_folder import RunFolder

COMMAND = "softjax sweep --dataset digits --learning-rates log:1e-3:0.1:3 --regs 1e-3,1 --num-seeds 2 --out runs/mine"


@pytest.fixture(scope="module")
def swept(digits):
    grid = SweepConfig(learning_rates=(0.001, 0.01, 0.1), regs=(0.001, 1.0), num_iters=100, num_seeds=2)
    return sweep(digits, replace(grid, keep_weights="all"))


@pytest.fixture(scope="module")
def report(swept, digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("pages") / "sweep"
    with without_pictures():
        write_sweep(swept, digits, RunFolder(out), command=COMMAND)
    return out


@pytest.fixture(scope="module")
def path_report(digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("pages") / "path"
    path = regularization_path(digits, regs=(0.01, 0.1, 1.0))
    with without_pictures():
        write_path(path, digits, RunFolder(out), command="softjax sweep --converge --regs log:1e-2:1:3")
    return out


class _Addresses(HTMLParser):
    """The addresses that the tags of a page load or link."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]


def is_file_alone(text):
    parser = _Addresses()
    parser.feed(text)
    return not parser.found and "@import" not in text.partition("</style>")[0]


def test_the_page_is_one_file_that_holds_its_data(report, swept, digits):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert len(text) < 5e6
    assert is_file_alone(text)
    page = describe_sweep_page(swept, digits, COMMAND)
    assert read_page(report / "report.html") == json.loads(json.dumps(page))
    assert "report.html" in (report / "README.md").read_text(encoding="utf-8")


def test_the_data_are_those_of_the_tables(report):
    page = read_page(report / "report.html")
    with (report / "cells.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    rows = page["rows"]
    for i, cell in enumerate(cells):
        assert (rows["lr"][i], rows["reg"][i]) == (float(cell["lr"]), float(cell["reg"]))
        for name, column in (
            ("val", "val_accuracy_mean"),
            ("test", "test_accuracy_mean"),
            ("low", "val_low"),
            ("high", "val_high"),
        ):
            assert rows[name][i] == pytest.approx(float(cell[column]), abs=1e-6)
        assert rows["tied"][i] == (cell["tied"] == "True")
    assert [sum(map(sum, counts)) for counts in page["confusion"].values()] == [270] * len(cells)
    assert len(page["templates"]) == len(cells)


def test_the_accuracy_of_a_class_is_that_of_its_predictions(report, swept, digits):
    page = read_page(report / "report.html")
    scores = [swept.scores(digits.test, 3, seed).argmax(axis=1) for seed in range(2)]
    for k in range(10):
        rows = digits.test.y == k
        right = np.mean([(predicted[rows] == k).mean() for predicted in scores])
        assert page["per_class"][3][k] == pytest.approx(right, abs=1e-6)


def test_the_quantiles_of_the_loss_curves_are_numpy_s(swept, digits):
    curves = describe_sweep_page(swept, digits, COMMAND)["curves"]
    history = swept.data_loss_history.mean(axis=1)
    widths = np.diff(np.unique(np.linspace(0, 100, 61).astype(int)))
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    smooth = np.stack([history[:, a : a + w].mean(axis=1) for a, w in zip(starts, widths, strict=True)])
    np.testing.assert_allclose(
        curves["quantiles"][2], np.quantile(smooth, 0.5, axis=1, method="lower"), rtol=2e-3
    )


def test_the_share_of_the_penalty_is_what_the_objective_has_more_than_the_loss(swept, digits):
    curves = describe_sweep_page(swept, digits, COMMAND)["curves"]
    objective, loss = (each.mean(axis=1)[:, 0] for each in (swept.loss_history, swept.data_loss_history))
    np.testing.assert_allclose([share[0] for share in curves["share"]], 1 - loss / objective, atol=0.05)
    assert np.ravel(curves["share_quantiles"]).max() < 1
    none = describe_sweep_page(sweep(digits, SweepConfig((0.1,), (0.0,), num_iters=20)), digits, COMMAND)
    assert "share" not in none["curves"]


@pytest.mark.parametrize("standardize", [False, True])
def test_the_weights_of_a_path_are_the_largest_of_each_class_at_the_best_strength(digits, standardize):
    config = SweepConfig(regs=(0.1, 1.0, 0.01), standardize=standardize)
    path = regularization_path(digits, config)
    page = describe_path_page(path, digits, None)["weights"]
    W = path.weights[:, :-1].astype(np.float64)
    for k in range(10):
        numbers = [8 * int(a) + int(b) for a, b in (re.findall(r"\d+", name) for name in page["features"][k])]
        at_best = np.abs(W[path.best, :, k])
        assert sorted(at_best[numbers]) == sorted(at_best)[-len(numbers) :]
        np.testing.assert_allclose(page["values"][k], W[:, numbers, k].T, rtol=1e-3)
        expected = np.quantile(W[:, :, k], [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
        np.testing.assert_allclose(page["quantiles"][k], expected, rtol=1e-3, atol=1e-12)
    assert page["unit"].startswith("standard deviation" if standardize else "unit")


def test_features_are_named_and_of_many_classes_the_first_have_their_weights(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)), np.arange(80) % 4
    named = softjax.Dataset.from_arrays(X, y, feature_names=("age", "height", "a<b"))
    path = regularization_path(named, regs=(0.1, 1.0))
    page = describe_path_page(path, named, None)
    assert {name for names in page["weights"]["features"] for name in names} == {"age", "height", "a<b"}
    monkeypatch.setattr("softjax.reports.page.data.MOST_NUMBERS", 60)
    few = describe_path_page(path, named, None)
    assert few["weights"]["classes"] == ["0", "1"]
    assert "Only the first 2 of 4 classes are here." in write_page(few)
    assert "3 features whose weights for the class are largest" in write_page(page)
    unnamed = softjax.Dataset.from_arrays(X, y)
    names = describe_path_page(regularization_path(unnamed, regs=0.1), unnamed, None)["weights"]["features"][
        0
    ]
    assert sorted(names) == ["column 0", "column 1", "column 2"]
    colours = softjax.Dataset.from_arrays(rng.normal(size=(80, 2, 2, 3)), y % 2)
    of_pixels = describe_path_page(regularization_path(colours, regs=0.1), colours, None)["weights"][
        "features"
    ][0]
    assert {name.split()[-1] for name in of_pixels} <= {"red", "green", "blue"}


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_line_goes_around_the_ties_and_not_between_them(digits, share):
    config = SweepConfig(learning_rates=(1e-5, 1e-3, 1e-4, 1e-2), regs=(0.1, 0.001, 1.0), num_iters=2)
    page = describe_sweep_page(sweep(digits, config), digits, COMMAND)
    tied = np.random.default_rng(0).random((4, 3)) < share
    order = np.argsort(config.learning_rates)[:, None], np.argsort(config.regs)
    page["rows"]["tied"] = tied.ravel().tolist()
    chart = charts.describe_search(page)
    rules = [layer for layer in chart["layer"] if layer["mark"]["type"] == "rule"]
    sides = [chart["datasets"][rule["data"]["name"]] for rule in rules]
    padded = np.pad(tied[order], 1).astype(int)
    above, below = (np.maximum(sign * np.diff(padded, axis=0), 0).sum() for sign in (1, -1))
    left, right = (np.maximum(sign * np.diff(padded, axis=1), 0).sum() for sign in (1, -1))
    assert sorted(map(len, sides)) == sorted(2 * [above, below, left, right])


@pytest.mark.parametrize("minibatches", ["shared", "independent"])
def test_the_page_says_where_training_one_alone_is_not_the_same(digits, minibatches):
    config = SweepConfig(learning_rates=(0.01,), regs=(0.1, 1.0), num_iters=5, minibatches=minibatches)
    text = write_page(describe_sweep_page(sweep(digits, config), digits, COMMAND))
    assert ("Alone it draws others" in text) == (minibatches == "independent")


def test_one_configuration_is_not_compared_with_others(digits):
    path = regularization_path(digits, regs=0.1)
    verdict = describe_path_page(path, digits, None)["verdict"]
    assert not any("tied" in line for line in verdict)


def test_what_diverged_is_there_without_a_number(digits):
    result = sweep(digits, SweepConfig(learning_rates=(0.01, 1e9), regs=(0.001,), num_iters=50))
    page = describe_sweep_page(result, digits, "softjax sweep")
    text = write_page(page)
    assert "NaN" not in json.dumps(page, allow_nan=False)
    assert page["rows"]["val"][1] is None
    assert page["rows"]["diverged"] == [0, 1]
    assert "1 of 2 runs diverged" in text


def test_a_drawn_search_names_a_command_that_trains_one_and_curves_that_explode_do_not_flatten_the_others(
    digits, tmp_path, monkeypatch
):
    config = SweepConfig(
        (1e-3, 50.0), (1e-4, 10.0), search="log_uniform", num_configs=12, num_iters=40, halvings=1
    )
    result = sweep(digits, config)
    assert result.diverged.any()
    command = "softjax sweep --search log_uniform --num-configs 12 --learning-rates 1e-3,50 --halvings 1"
    page = describe_sweep_page(result, digits, command)
    low, top = page["curves"]["limits"]
    best = np.array(page["curves"]["loss"][page["best"]], float)
    assert low < best.min() < best.max() < top < 1000
    assert max(map(max, page["curves"]["quantiles"])) <= 10 * top
    survivors = result.steps == 40  # the curves of the others end in the middle
    ends = np.array(page["curves"]["loss"], float)[survivors, -1]
    median = page["curves"]["quantiles"][2][-1]
    assert median == pytest.approx(np.quantile(ends, 0.5, method="lower"), rel=1e-3)
    monkeypatch.chdir(tmp_path)
    words = page["alone"].replace("LR", "0.01").replace("REG", "0.1").split()
    assert cli.main([*words[1:], "--num-iters", "5", "--out", "one"]) == 0
    assert read_page(tmp_path / "one" / "report.html")["rows"]["lr"] == [0.01]


def test_names_of_classes_end_no_script(digits):
    names = ["</script><script>alert(1)</script>", *map(str, range(1, 10))]
    dataset = build_dataset(
        "mine", "<b>mine</b>", (digits.train, digits.val, digits.test), names, digits.image_shape
    )
    path = regularization_path(dataset, regs=(0.1, 1.0))
    text = write_page(describe_path_page(path, dataset, "softjax sweep --converge"))
    assert "<script>alert" not in text
    assert "<b>mine" not in text


def test_features_that_are_no_image_have_no_templates(digits):
    splits = [Split(part.X[:, :20], part.y) for part in (digits.train, digits.val, digits.test)]
    dataset = build_dataset("mine", "mine", tuple(splits))
    page = describe_path_page(regularization_path(dataset, regs=(0.1,)), dataset, "softjax sweep --converge")
    assert page["templates"] == {}
    assert page["alone"] == "softjax sweep --converge --regs REG"


def test_a_notebook_shows_the_page_and_it_can_be_saved(swept, digits, tmp_path):
    page = swept.show(digits)
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert is_file_alone(page.save(tmp_path / "mine.html").read_text(encoding="utf-8"))
    with pytest.raises(InputError, match=r"none.*cannot be written"):
        page.save(tmp_path / "none" / "mine.html")


def test_the_command_draws_the_page_of_a_finished_run_again(report, tmp_path, capsys, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(report, copy)
    before = (copy / "report.html").read_text(encoding="utf-8")
    (copy / "report.html").write_text(before.replace("<h2", "<h3"), encoding="utf-8")
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    assert cli.main(["report", str(copy), "--open"]) == 0
    assert (copy / "report.html").read_text(encoding="utf-8") == before
    assert opened == [(copy / "report.html").as_uri()]
    assert "page: " in capsys.readouterr().out
    for text in ("<p>mine</p>", '<script type="application/json" id="data">[]</script>', ""):
        (copy / "report.html").write_text(text, encoding="utf-8")
        assert cli.main(["report", str(copy)]) == 2
        assert "is no page of a sweep, a path or a comparison" in capsys.readouterr().err
    (copy / "report.html").unlink()
    (tmp_path / "begun.partial").mkdir()
    for folder, why in (
        (copy, "an earlier version: run its command again"),
        (tmp_path, "it is no report"),
        (tmp_path / "none", "it is no folder"),
        (tmp_path / "begun", "the run is not finished, and its command with --resume continues it"),
        (tmp_path / "begun.partial", "the run is not finished"),
    ):
        assert cli.main(["report", str(folder)]) == 2
        assert why in capsys.readouterr().err


def test_the_scale_of_colours_covers_what_is_tied_and_is_one_for_several_pages():
    def page(values, tied):
        return {"rows": {"val": values, "tied": tied}}

    first = page([0.9, 0.89, 0.6, 0.88, None], [True, False, True, False, False])
    assert charts._find_range(first) == (0.6, 0.9)
    assert charts._find_range(first, page([0.95, 0.95], [True, True])) == (0.6, 0.95)


@pytest.mark.parametrize("options", [{}, {"search": "log_uniform", "num_configs": 4}, {"halvings": 1}])
def test_the_call_that_trains_one_alone_is_one_training(digits, options):
    result = sweep(digits, SweepConfig(learning_rates=(0.01, 0.1), regs=(0.001,), num_iters=8, **options))
    call = describe_sweep_page(result, digits, None)["alone"].replace("LR", "0.01").replace("REG", "0.001")
    alone = eval(call, {"softjax": softjax, "dataclasses": dataclasses, "dataset": digits, "result": result})
    assert alone.loss_history.shape == (1, 1, 8)


# In a browser


def find_cell(browser, lr, reg):
    """The cell of the heat map: the mark that is read out with these numbers."""
    (cell,) = [
        mark
        for mark in browser.find_elements("css selector", "#main g.mark-rect.role-mark path")
        if f"learning rate lr: {lr}" in (label := mark.get_attribute("aria-label") or "")
        and f"penalty strength reg: {reg}" in label
        and "accuracy" in label
    ][:1]
    return cell


@pytest.mark.experiment
def test_hover_and_click_change_the_linked_views(browser, report):
    open_page(browser, report)
    page = read_page(report / "report.html")
    config = 1  # lr 0.001, reg 1
    before = browser.find_element("css selector", "#templates img").get_attribute("src")

    def find():
        return find_cell(browser, 0.001, 1)

    def reads_the_interval():
        tooltip = browser.find_element("css selector", "#vg-tooltip-element").text
        return all(f"{page['rows'][name][config]:.4f}" in tooltip for name in ("val", "low", "high"))

    point_at(browser, find, reads_the_interval, click=False)
    point_at(browser, find, lambda: read_facts(browser)["learning rate lr"] == "0.001")
    facts = read_facts(browser)
    assert facts["learning rate lr"] == "0.001"
    assert facts["penalty strength reg"] == "1"
    assert facts["validation accuracy"].startswith(f"{page['rows']['val'][config]:.4f} (95 %: ")
    assert (
        browser.find_element("id", "command").text
        == "softjax sweep --dataset digits --num-seeds 2 --learning-rates 0.001 --regs 1"
    )
    assert browser.find_element("css selector", "#templates img").get_attribute("src") != before
    (row,) = browser.find_elements("css selector", "tr[aria-selected='true']")
    assert row.get_attribute("data-config") == str(config)
    wait(browser, "return document.querySelectorAll('#curves .mark-line path').length >= 2")
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_what_diverged_is_drawn_chosen_and_named_and_what_was_not_kept_is_not_shown(
    browser, digits, tmp_path
):
    config = SweepConfig(learning_rates=(0.01, 0.1, 1e30), regs=(0.001, 0.1), num_iters=20)
    command = "softjax sweep --dataset 'a REG of LR.npz' --learning-rates 0.01,0.1,1e30 --regs 0.001,0.1 --tensorboard logs"
    with without_pictures():
        write_sweep(sweep(digits, config), digits, RunFolder(tmp_path / "run"), command=command)
    open_page(browser, tmp_path / "run")

    def find_diverged():
        (cell,) = [
            mark
            for mark in browser.find_elements("css selector", "#main g.mark-rect.role-mark path")
            if "penalty strength reg: 0.1; learning rate lr: 1e+30"
            in (mark.get_attribute("aria-label") or "")
        ][:1]
        return cell

    def is_chosen():
        return read_facts(browser)["learning rate lr"] == "1e+30"

    point_at(browser, find_diverged, is_chosen)
    assert read_facts(browser)["beside the best"] == "it diverged"
    assert browser.find_element("id", "command").text == (
        "softjax sweep --dataset 'a REG of LR.npz' --learning-rates 1e+30 --regs 0.1"
    )
    assert not browser.find_element("id", "confusion").is_displayed()
    assert browser.find_element("id", "confusion-note").is_displayed()
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_the_table_sorts_filters_and_is_used_with_the_keyboard(browser, report):
    open_page(browser, report)
    page = read_page(report / "report.html")
    heads = {head.text: head for head in browser.find_elements("css selector", "#table th button")}
    heads["test accuracy"].send_keys("\ue007")  # Enter
    shown = [float(row.text.split()[-2]) for row in browser.find_elements("css selector", "#table tbody tr")]
    tests = sorted(page["rows"]["test"], reverse=True)
    texts = [
        row.find_elements("css selector", "td")[7].text
        for row in browser.find_elements("css selector", "#table tbody tr")
    ]
    assert texts == [f"{value:.4f}" for value in tests]
    assert len(shown) == 6
    browser.find_element("id", "only-tied").click()
    assert len(browser.find_elements("css selector", "#table tbody tr")) == sum(page["rows"]["tied"])
    browser.find_element("id", "only-tied").click()
    button = browser.find_elements("css selector", "#table tbody button")[-1]
    button.send_keys(" ")
    assert button.get_attribute("aria-pressed") == "true"
    assert read_facts(browser)["test accuracy"].startswith(f"{tests[-1]:.4f}")
    assert not browser.get_log("browser")


@pytest.mark.experiment
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_a_dark_theme(browser, report, path_report, width, scheme):
    for folder in (report, path_report):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == 400},
        )
        open_page(browser, folder)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        colors = browser.execute_script(
            "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        )
        text, back = (sum(map(int, re.findall(r"\d+", color)[:3])) / 3 for color in colors)
        assert abs(text - back) > 180
        assert (back < 60) == (scheme == "dark")
        assert not browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.experiment
def test_the_slider_of_a_path_moves_along_the_strengths(browser, path_report):
    open_page(browser, path_report)
    slider = browser.find_element("id", "slider")
    slider.send_keys("\ue011")  # Home
    assert read_facts(browser)["penalty strength reg"] == "0.01"
    slider.send_keys("\ue014")  # right
    assert read_facts(browser)["penalty strength reg"] == "0.1"
    assert browser.find_element("id", "command").text == "softjax sweep --converge --regs 0.1"
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_the_weights_of_a_class_are_drawn_along_a_path(browser, path_report):
    open_page(browser, path_report)
    page = read_page(path_report / "report.html")["weights"]

    def names():
        texts = browser.find_elements("css selector", "#weights .role-legend-label text")
        return [text.text for text in texts]

    assert names() == page["features"][0]
    browser.find_element("css selector", "#weights select").send_keys("3")
    wait(
        browser,
        f"return document.querySelector('#weights .role-legend-label text').textContent === '{page['features'][3][0]}'",
    )
    assert names() == page["features"][3]
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    wait(
        browser, "return document.querySelector('#weights svg .background').getAttribute('fill') !== 'white'"
    )
    assert names() == page["features"][3]  # the class that was chosen
    assert not browser.get_log("browser")


@pytest.mark.experiment
@pytest.mark.parametrize("width", [400, 1280])
def test_long_names_of_features_and_equal_names_of_classes_are_read(browser, tmp_path, width):
    rng = np.random.default_rng(0)
    names = [f"mean radius of the cell nucleus, number {n}" for n in range(6)]
    dataset = softjax.Dataset.from_arrays(rng.normal(size=(60, 6)), np.arange(60) % 3, feature_names=names)
    dataset = replace(dataset, class_names=("it's [a.b]", "same", "same"))
    path = regularization_path(dataset, regs=(0.1, 1.0))
    (tmp_path / "report.html").write_text(
        write_page(describe_path_page(path, dataset, None)), encoding="utf-8"
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == 400},
    )
    open_page(browser, tmp_path)
    place = browser.find_element("id", "weights").rect
    lines = "[...document.querySelectorAll('#weights .mark-line path')].map((line) => line.getAttribute('d')).join()"
    drawn = []
    for number in range(3):
        if number:
            browser.find_element("css selector", "#weights select").send_keys(
                "\ue015"
            )  # down: the next class
            wait(browser, f"return {lines} !== {json.dumps(drawn[-1])}")
        drawn.append(browser.execute_script(f"return {lines}"))
        labels = browser.find_elements("css selector", "#weights .role-legend-label text")
        assert {label.text for label in labels} == set(names)
        assert all(label.rect["x"] + label.rect["width"] <= place["x"] + place["width"] for label in labels)
    assert len(set(drawn)) == 3  # also of two classes of one name
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_the_table_is_one_stop_of_the_tab_key_and_filters_by_conditions(browser, report):
    open_page(browser, report)

    def stops():
        return browser.execute_script(
            "return [...document.querySelectorAll('#table tbody button')].map((b) => b.tabIndex)"
        )

    assert sorted(stops()) == [-1] * 5 + [0]
    rows = browser.find_elements("css selector", "#table tbody button")
    rows[0].send_keys("\ue015")  # down
    assert browser.switch_to.active_element == rows[1]
    assert stops() == [-1, 0, -1, -1, -1, -1]  # so that the Tab key leaves the table from there
    field, page = browser.find_element("id", "filter"), read_page(report / "report.html")["rows"]
    for text, expected in {
        "lr > 0.001, reg <= 1e-3": sum(
            lr > 0.001 and reg <= 1e-3 for lr, reg in zip(page["lr"], page["reg"], strict=True)
        ),
        "1e-02": 2,
        f"val >= {max(page['val'])}": page["val"].count(max(page["val"])),
        f"Val = {max(page['val']):.4f}": page["val"].count(
            max(page["val"])
        ),  # as the table writes it, and a telephone
        "reg ≤ 0.001": 3,
        "val >": 6,  # while it is typed
        "nothing": 0,
    }.items():
        field.clear()
        field.send_keys(text)
        assert len(browser.find_elements("css selector", "#table tbody tr")) == expected, text
        assert stops().count(0) == min(expected, 1)
    menus = browser.find_elements("css selector", ".chart summary")
    assert {menu.get_attribute("aria-label") for menu in menus} == {"Save this chart"}
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_arrow_keys_move_on_the_heat_map(browser, report):
    open_page(browser, report)
    browser.execute_script("document.querySelector('#to-best').click()")
    chart = browser.find_element("id", "main")
    seen = []
    for key in ("\ue014", "\ue014", "\ue012", "\ue012", "\ue013"):  # right twice, left twice, up
        chart.send_keys(key)
        facts = read_facts(browser)
        seen.append((facts["learning rate lr"], facts["penalty strength reg"]))
    best = read_page(report / "report.html")["best"]
    lr = best // 2
    rates, regs = ("0.001", "0.01", "0.1"), ("0.001", "1")
    assert [reg for _, reg in seen] == ["1", "1", regs[0], regs[0], regs[0]]
    assert {lr for lr, _ in seen[:4]} == {rates[lr]}
    assert seen[4][0] == rates[min(lr + 1, 2)]
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_the_share_of_the_penalty_and_both_options_are_drawn(browser, report):
    open_page(browser, report)
    for name, marks in (("by_lr", "symbol"), ("by_reg", "symbol"), ("shares", "area")):
        found = browser.find_elements("css selector", f"#{name} .mark-{marks} path")
        assert found, name
    assert not browser.get_log("browser")
