"""What the README and the page of results claim of checkers, audits and paths is what the committed runs say."""

import csv
import json
import re
from pathlib import Path

import convergence
import cross_validation
import pytest

from softjax.reports.page.write import read_page

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"
PAGES = ["README.md", "docs/results.md"]


@pytest.fixture(scope="module")
def rows():
    with (ROOT / "reports" / "gradient_checkers" / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def accepted_and_caught(rows, checker):
    """(right gradients accepted, taken, large faults caught, taken); caught only where the right gradient is accepted."""

    def point(row):
        return row["library"], row["function"], row["dtype"]

    right = [row for row in rows if row["claim"] == "right" and row[checker] != "not applicable"]
    accepted = {point(row) for row in right if row[checker] == "accepted"}
    faults = [
        row
        for row in rows
        if row["claim"] != "right" and row["large"] == "True" and row[checker] != "not applicable"
    ]
    caught = [row for row in faults if row[checker] == "rejected" and point(row) in accepted]
    return len(accepted), len(right), len(caught), len(faults)


def claimed_in(page):
    return re.sub(r"\s+", " ", (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_the_rates_of_our_checker_are_those_of_the_run(rows, page):
    real = [row for row in rows if row["library"] != "softmax problems"]
    accepted, right, caught, faults = accepted_and_caught(real, "softjax")
    functions = len({row["function"] for row in real})
    text = claimed_in(page)
    assert f"accepted {accepted:,} of {right:,} right gradients of {functions:,} functions" in text
    assert f"caught {caught:,} of {faults:,} " in text


def test_of_small_faults_it_catches_some(rows):
    small = [
        row
        for row in rows
        if row["library"] != "softmax problems" and row["claim"] != "right" and row["large"] == "False"
    ]
    caught = sum(row["softjax"] == "rejected" for row in small)
    assert (
        f"Of {len(small)} small faults, whose error is hardly more than rounding, it caught {caught}"
        in claimed_in(PAGES[1])
    )


@pytest.mark.parametrize("checker", ["jax check_grads", "torch gradcheck"])
def test_the_rates_of_the_others_are_those_of_the_run(rows, checker):
    real = [row for row in rows if row["library"] != "softmax problems" and row["dtype"] == "float64"]
    accepted, right, caught, faults = accepted_and_caught(real, checker)
    assert f"{100 * accepted / right:.1f} % and {100 * caught / faults:.1f} %" in claimed_in("README.md")


def test_the_numbers_of_the_audit_are_those_of_the_run():
    with (ROOT / "reports" / "audit" / "packages.csv").open(newline="") as file:
        *packages, total = csv.DictReader(file)
    called = int(total["rules"]) - int(total["never called"])
    text = claimed_in(PAGES[1])
    assert f"the tests of {len(packages)} packages, and saw {called} of the {total['rules']} rules" in text
    assert (
        f"{total['right']} are right, {total['wrong']} wrong, {total['differs']} differ from the derivative in a way that people mean, "
        f"{total['undecided']} are undecided. Recording made the tests take {total['ratio']} times as long"
        in text
    )
    assert float(total["ratio"]) <= 1.5


def test_every_rule_that_the_audit_calls_wrong_was_looked_at():
    report = (ROOT / "reports" / "audit" / "README.md").read_text()
    assert "Not yet looked at by hand" not in report


def test_times_to_convergence_are_those_of_the_run():
    run = json.loads((ROOT / "reports" / "convergence" / "run.json").read_text())
    measured = run["measured"]
    tables = {name: convergence.read_timings(found) for name, found in measured.items()}
    _, *rows = convergence.summarize(measured, tables, run["config"]["limit"])
    assert len(rows) == len(measured)
    page = claimed_in(PAGES[1])
    for row in rows:
        assert f"| {row[0]} | {row[1]} | {row[7]} | {row[8]} | {row[9]} |" in page
    reasons = [reason for found in measured.values() for reason in found["softjax"]["reasons"]]
    assert f"All {len(reasons)} minima" in page
    assert set(reasons) == {""}
    gaps = [found["softjax"]["gap"] for found in measured.values()]
    assert max(gaps) <= 1.1e-6  # in float64, of weights that were rounded to float32 on the two largest


def test_times_of_cross_validation_are_those_of_the_run():
    run = json.loads((ROOT / "reports" / "cross_validation" / "run.json").read_text())
    rows = cross_validation.summarize(run["measured"], run["config"]["limit"])
    assert len(rows) == 1 + len(run["measured"])
    for page in ("docs/results.md", "reports/cross_validation/README.md"):
        for row in rows:
            assert f"| {' | '.join(row)} |" in claimed_in(page), page


@pytest.fixture(scope="module")
def compared():
    return json.loads((ROOT / "reports" / "frameworks" / "results.json").read_text())


def count_cases(compared, row):
    """How many edge cases a row has right, can state, has right as documented, and has silently wrong."""
    records = [record for record in compared["edge_cases"] if record["framework"] == row]
    ran = [r for r in records if r["status"] in ("right", "wrong", "nan", "error", "crash", "hang")]
    documented = [record.get("documented") or record["status"] for record in ran]
    status = [record["status"] for record in ran]
    return status.count("right"), len(ran), documented.count("right"), status.count("wrong")


def test_the_edge_cases_of_the_frameworks_are_those_of_the_run(compared):
    page = claimed_in("docs/results.md")
    shown = re.findall(r"\| `([\w-]+)` \| (\d+) of (\d+) \| (\d+) \| (\d+) \|", page)
    assert len(shown) > 10
    for row, *numbers in shown:
        assert tuple(map(int, numbers)) == count_cases(compared, row), row
    ran = {
        r["library"] for r in compared["edge_cases"] if r["status"] not in ("not installed", "not offered")
    }
    assert len(ran) >= 26
    assert f"{len(ran)} libraries" in page
    bare, jitted, grad = (count_cases(compared, row) for row in ("softjax", "softjax-jit", "jax-grad-jit"))
    assert f"it is right in {bare[0]} of the {bare[1]} cases that it can state" in page
    assert f"right in {jitted[0]} of {jitted[1]}: there" in page
    readme = claimed_in("README.md")
    assert f"right in {bare[0]} of the {bare[1]} edge cases that it can state**" in readme
    assert f"comparison of {len(ran)} libraries; inside `jax.jit` in {jitted[0]}" in readme
    assert f"`jax.grad` under `jit` in {grad[0]} of {grad[1]}" in readme


def test_the_times_of_the_frameworks_are_those_of_the_run(compared):
    page, readme = claimed_in("docs/results.md"), claimed_in("README.md")
    for case, size in {
        "tiny": "4 × 5 × 3",
        "minibatch": "200 × 3073 × 10",
        "development": "500 × 3073 × 10",
        "vocabulary": "256 × 512 × 50000",
    }.items():
        times = {
            s["framework"]: 1e3 * s["seconds"]
            for s in compared["speed"]
            if s["case"] == case and "seconds" in s
        }
        fastest = min(times, key=times.get)
        shown = [f"{times[row]:.3g}" for row in ("softjax", "softjax-jit", "jax-grad-jit", "torch-eager")]
        assert f"| {size} | {' | '.join(shown)} | `{fastest}` {times[fastest]:.3g} |" in page
        if case in ("minibatch", "development"):
            assert f"`{fastest}`" in readme
            for row in ("softjax-jit", "jax-grad-jit", fastest):
                assert f"{times[row]:.3g}" in readme


def test_the_verdict_on_the_frameworks_is_that_of_its_results(compared):
    """Each sentence about softjax names the row, and counts what results.json has."""
    report = claimed_in("reports/frameworks/README.md")
    for row in ("softjax", "softjax-jit", "softjax-jvp", "softjax-jvp-jit"):
        right, offered, _, _ = count_cases(compared, row)
        assert f"{right} of {offered} as `{row}`" in report
    assert len(report.split()) < 3000


def test_the_course_s_grid_is_that_of_the_run():
    run = json.loads((REPORTS / "cifar10" / "run.json").read_text(encoding="utf-8"))
    best, seconds = run["best"], f"{run['seconds']['train']:.1f} s"
    low, high = best["val_interval"]
    readme, results, guide = map(claimed_in, ("README.md", "docs/results.md", "docs/guide/intervals.md"))
    assert f"100 classifiers, trained together in {seconds}" in readme
    assert f"around the {best['tied']} that are statistically tied" in readme
    assert f"| training time of all 100 configurations | not said | {seconds} |" in results
    assert f"| best validation accuracy of the grid | 0.350 | {best['val_accuracy']:.3f} |" in results
    assert f"| 0.341 | {best['test_accuracy']:.3f} |" in results
    assert f"is {low:.3f} to {high:.3f}, for its 1,000 images alone, and {best['tied']} of the 100" in guide


def test_the_committed_pages_show_the_tables_beside_them():
    names = {"cifar10": "cells", "digits": "cells", "path": "path"}
    for report, name in names.items():
        rows = read_page(REPORTS / report / "report.html")["rows"]
        with (REPORTS / report / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        column = "val_accuracy_mean" if name == "cells" else "val_accuracy"
        assert rows["val"] == pytest.approx([float(row[column]) for row in table], abs=1e-6)
        assert rows["tied"] == [row["tied"] == "True" for row in table]
    pages = [REPORTS / report / "report.html" for report in (*names, "frameworks")]
    assert sum(page.stat().st_size for page in pages) < 5e6
