"""The page of a comparison in a real browser: every outcome with its script, and the speeds by size."""

import itertools
import json

import pytest
from support.pages import open_page, point_at, read_facts, wait

from softjax import cli
from softjax.comparison.changes import Earlier
from softjax.comparison.config import CompareConfig
from softjax.comparison.pictures import LOOKS
from softjax.comparison.records import Comparison, Speed
from softjax.comparison.report import write_comparison
from softjax.comparison.run import compare
from softjax.comparison.script import show
from softjax.comparison.sections.page import describe_page, write_page
from softjax.reports.page.write import read_page
from softjax.runs.run_folder import RunFolder

pytestmark = pytest.mark.experiment  # a comparison is run


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison") / "out"
    config = CompareConfig(
        frameworks=("numpy-vectorized", "numpy-loops"),
        cases=("label-*", "ordinary", "tiny", "minibatch", "speed"),
        quick=True,
    )
    write_comparison(compare(config), config, RunFolder(out), command="softjax compare --quick")
    return out


def test_the_page_holds_what_the_tables_do(report):
    page = read_page(report / "report.html")
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    kept = {(each["framework"], each["case"]): each for each in results["edge_cases"]}
    assert len(page["outcomes"]) == len(kept)
    for outcome in page["outcomes"]:
        record = kept[outcome["row"], outcome["case"]]
        script = [page["lines"][number] for number in outcome.get("script", [])]
        assert "\n".join(script) == record.get("script", "")
        assert (outcome["level"] == "right") == (record["status"] == "right")
    times = {(each["row"], each["size"]): each["ms"] for each in page["speeds"]}
    for speed in results["speed"]:
        assert times[speed["framework"], "500 × 3,073 × 10"] == pytest.approx(
            1e3 * speed["seconds"], rel=1e-3
        )
    text = (report / "README.md").read_text(encoding="utf-8")
    assert all(line.split(":")[0] in text for line in page["verdict"])


def test_the_command_draws_it_again(report, capsys):
    before = (report / "report.html").read_text(encoding="utf-8")
    assert cli.main(["report", str(report)]) == 0
    assert (report / "report.html").read_text(encoding="utf-8") == before


def test_a_click_or_a_row_and_a_case_show_the_outcome_and_its_script(browser, report):
    open_page(browser, report)
    for name, value in (("row", "numpy-vectorized"), ("case", "label-minus-1")):
        browser.find_element("css selector", f"#{name} option[value='{value}']").click()
    facts = read_facts(browser)
    assert facts["case"] == "a label of −1"
    assert facts["outcome"].startswith("wrong")
    script = browser.find_element("id", "script")
    assert script.text.strip() == show("label-minus-1", "numpy-vectorized").strip()
    browser.find_element("css selector", "#case option[value='ordinary']").click()
    assert read_facts(browser)["outcome"] == "right"
    assert not script.is_displayed()

    def find():
        return next(
            mark
            for mark in browser.find_elements("css selector", "#outcomes g.mark-rect.role-mark path")
            if "case: label-minus-1;" in (label := f"{mark.get_attribute('aria-label')};")
            and "row: numpy-vectorized;" in label
        )

    assert find().get_attribute("fill") == LOOKS["documented"].color
    point_at(browser, find, lambda: read_facts(browser)["case"] == "a label of −1")
    assert read_facts(browser)["row"].startswith("NumPy, vectorized")
    wait(browser, "return document.querySelectorAll('#speed .mark-symbol path').length === 2")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280
    assert not browser.get_log("browser")


@pytest.mark.experiment
def test_the_times_of_one_size_type_and_device_are_drawn(browser, tmp_path):
    seconds = {  # of a row at two sizes, in two types, here on a GPU
        (case, dtype): 10.0**-power
        for power, (case, dtype) in enumerate(
            itertools.product(("tiny", "development"), ("float32", "float64")), 1
        )
    }
    timed = [
        Speed("softjax-jit", case, "measured", seconds=time, low_seconds=time, high_seconds=time, dtype=dtype)
        for (case, dtype), time in seconds.items()
    ]
    here = Comparison(
        (), {"softjax-jit": "1.0"}, tuple(timed[::2]), gpu="GPU 9000", other_speeds=tuple(timed[1::2])
    )
    earlier = Earlier(tmp_path, {}, {}, {("softjax-jit", "tiny", "float32"): (5.0, 5.0, 5.0)}, "a CPU")
    page = write_page(describe_page(here, "", earlier))
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    open_page(browser, tmp_path)

    def choose(name, value):
        browser.find_element("css selector", f"#speed select[name='one_{name}']").send_keys(value)

    def shows(milliseconds):
        wait(
            browser,
            "const dots = [...document.querySelectorAll('#speed .mark-symbol path')].map((dot) => dot.getAttribute('aria-label'));"
            f"return dots.length === 1 && dots[0].includes('ms: {milliseconds:g};')",
        )

    shows(1e3 * seconds["development", "float32"])  # the size that is chosen first
    choose("type", "float64")
    shows(1e3 * seconds["development", "float64"])
    choose("size", "4 × 5")
    shows(1e3 * seconds["tiny", "float64"])
    choose("type", "float32")
    choose("device", "a CPU")
    shows(5000)
    assert "in float32 and float64, on GPU 9000 and a CPU." in browser.find_element("tag name", "main").text
    assert not browser.get_log("browser")
