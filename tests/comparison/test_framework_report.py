"""The report of a comparison is short, says who is right by whose rule, and its pages and pictures show all that was seen."""

import csv
import itertools
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from support.once import compute_once
from support.pictures import watch_texts

from softjax import drawing
from softjax.comparison import conventions
from softjax.comparison.cases import ACCURACY, DTYPES, SIZES
from softjax.comparison.changes import RENAMED, find_changes, read_results
from softjax.comparison.config import CompareConfig
from softjax.comparison.conventions import Convention
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.modes import MODES
from softjax.comparison.outcomes import OWN_CODE, count, find_silent
from softjax.comparison.pictures import LOOKS
from softjax.comparison.records import Comparison, Record, Speed
from softjax.comparison.report import summary, write_comparison
from softjax.comparison.sections import upstream, verdict
from softjax.comparison.sections.cells import describe_outcome, format_time, join_names, make_file_name
from softjax.comparison.sections.edge_cases import KINDS, find_kind
from softjax.errors import InputError
from softjax.reports.page.write import read_page
from softjax.runs.run_folder import RunFolder

NAN = float("nan")
VERSIONS = dict.fromkeys(FRAMEWORKS, "1.2.3")
STATUSES = {"right": 0.8, "nan": 0.07, "wrong": 0.06, "error": 0.03, "crash": 0.01, "not offered": 0.03}


def write(comparison, tmp_path, **options):
    out = tmp_path / "report"
    write_comparison(
        comparison, CompareConfig(), RunFolder(out), command="softjax compare --overwrite", **options
    )
    return out


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def edge(row, case, status, **fields):
    return Record("edge_cases", row, case, "float32", status, **fields)


def invent_edge_case(rng, row, case):
    status = "right" if row == "softjax" else str(rng.choice(list(STATUSES), p=list(STATUSES.values())))
    shape = EDGE_CASES[case].problem.W.shape
    grad = rng.normal(size=shape).tolist() if status in ("right", "nan", "wrong") else None
    documented = (
        str(rng.choice(["right", "wrong"])) if status in ("nan", "wrong") and rng.random() < 0.3 else None
    )
    return edge(
        row,
        case,
        status,
        documented=documented,
        error="RuntimeError" if status == "error" else None,
        message="expected scalar type Long but found Float" if status == "error" else None,
        loss=NAN if status == "nan" else 1.25 if grad else None,
        grad=grad,
        script="import some_framework\n" * 10 if status != "right" else None,
    )


def invent_accuracy(rng, row, case, dtype):
    if rng.random() < 0.2:
        return Record("accuracy", row, case, dtype, "not offered")
    if dtype == "float16" and case == "scores-1e4":
        return Record("accuracy", row, case, dtype, "nan", loss=float("inf"))
    error = float(rng.lognormal(-1, 1))
    return Record(
        "accuracy", row, case, dtype, "measured", loss=1.0, relative_error=1e-7 * error, roundings=error
    )


def invent_speed(rng, row, case):
    seconds = float(rng.lognormal(-8, 2))
    return Speed(
        row,
        case,
        "measured" if rng.random() < 0.95 else "not run",
        import_seconds=float(rng.lognormal(-1, 1)),
        first_seconds=float(rng.lognormal(0, 2)),
        seconds=seconds,
        low_seconds=0.9 * seconds,
        high_seconds=1.2 * seconds,
        peak_bytes=int(rng.lognormal(15, 3)),
        floor_seconds=1e-5,
    )


def invent_comparison(rows=tuple(FRAMEWORKS)):
    """What no run saw: every case in these rows, some of them wrong in every way."""
    rng = np.random.default_rng(0)
    records = []
    for row in rows:
        records += [invent_edge_case(rng, row, case) for case in EDGE_CASES]
        records += [
            Record("modes", row, mode, "float64", "right", relative_error=1e-16, roundings=1.0)
            for mode in MODES
        ]
        records += [invent_accuracy(rng, row, case, dtype) for case in ACCURACY for dtype in DTYPES]
    speeds = tuple(invent_speed(rng, row, case) for row in rows for case in SIZES)
    return Comparison(tuple(records), VERSIONS, speeds, seconds=3600.0)


def write_full_report(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path, **_: path.touch())
        return write(invent_comparison(), folder)


@pytest.fixture(scope="module")
def full_report(tmp_path_factory):
    return compute_once(
        tmp_path_factory, "framework_report", lambda: write_full_report(tmp_path_factory.mktemp("full"))
    )


@pytest.mark.slow
def test_the_report_of_all_is_read_in_a_minute(full_report):
    text = (full_report / "README.md").read_text()
    assert len(text.split()) < 3000
    head = text.split("![")[0].split()
    assert len(head) < 250
    for row in FRAMEWORKS:
        assert f"`{row}`" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert max(len(re.sub(r"\]\(.*?\)", "", cell)) for cell in re.split(r"\||<br>", line)) < 100


@pytest.mark.slow
def test_no_text_of_a_picture_leaves_its_canvas(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "DPI", 100)  # quicker
    longest = sorted(FRAMEWORKS, key=len)[-9:]
    with watch_texts() as drawn:
        out = write(invent_comparison((*longest, "softjax")), tmp_path)
    names = {path.stem for path in out.glob("*.png")}
    assert names == {
        "accuracy",
        "conformance",
        "first_call",
        "speed",
        *(f"edge_cases-{kind.name}" for kind in KINDS),
    }
    assert not [each.text for each in drawn if each.outside]
    assert {*longest, "softjax"} <= {each.text for each in drawn}
    assert len(drawn) > 500


@pytest.mark.slow
def test_every_link_of_every_page_leads_somewhere(full_report):
    pages = list(full_report.rglob("*.md"))
    assert len(pages) > 40
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\((?!https?:)([^)]*)\)", text):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


@pytest.mark.slow
def test_each_library_has_a_page_and_each_silent_wrong_value_a_report_of_a_fault(full_report):
    libraries = {framework.library for framework in FRAMEWORKS.values()}
    assert {page.stem for page in (full_report / "libraries").iterdir()} == set(
        map(make_file_name, libraries)
    )
    records = invent_comparison().of("edge_cases")
    silent = {
        f"{make_file_name(FRAMEWORKS[record.framework].library)}-{record.case}"
        for record in records
        if record.status == "wrong"
        and record.documented != "right"
        and FRAMEWORKS[record.framework].library not in OWN_CODE
    }
    assert {page.stem for page in (full_report / "upstream").iterdir()} == {*silent, "README"}
    listed = (full_report / "upstream" / "README.md").read_text()
    assert all(f"({name}.md)" in listed for name in silent)


# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency, 2009.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def to_lab(color, sight):
    """A colour as seen, in CIELAB, where a distance of 2.3 is just noticeable."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(sight @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", [np.eye(3), DEUTERANOPIA], ids=["all cones", "deuteranopia"])
def test_the_colours_of_outcomes_are_told_apart_and_each_has_its_sign(sight):
    for one, other in itertools.combinations(LOOKS.values(), 2):
        assert np.linalg.norm(to_lab(one.color, sight) - to_lab(other.color, sight)) > 20, (one, other)
        assert one.sign != other.sign
    for look in LOOKS.values():
        assert abs(to_lab(look.color, sight)[0] - to_lab(look.ink, sight)[0]) > 40, look


def test_every_edge_case_is_of_one_kind():
    found = Counter(find_kind(case).name for case in EDGE_CASES.values())
    assert set(found) == {kind.name for kind in KINDS}
    assert find_kind(EDGE_CASES["label-K"]).name == "no-problem"
    assert find_kind(EDGE_CASES["minus-inf-hvp"]).name == "derivatives"
    assert find_kind(EDGE_CASES["ignored-overflow"]).name == "weights"
    assert find_kind(EDGE_CASES["denormal-X"]).name == "limits"
    assert find_kind(EDGE_CASES["label-uint8"]).name == "ordinary"


def test_the_verdict_names_the_way_of_calling_and_both_ways_of_counting():
    records = (
        edge("softjax", "label-K", "right", error="ValueError"),
        edge("softjax", "label-minus-100", "right", error="ValueError"),
        edge("softjax-jit", "label-K", "nan"),
        edge("softjax-jit", "label-minus-100", "right", error="ValueError"),
        edge("torch-eager", "label-K", "right", error="IndexError"),
        edge("torch-eager", "label-minus-100", "wrong", documented="right"),
        edge("mlx", "label-K", "wrong"),
        edge("mlx", "label-minus-100", "wrong"),
    )
    right, beware = verdict.write(Comparison(records, VERSIONS)).splitlines()
    assert "`softjax` (softjax, loss_and_grad, eager), in 2 of 2" in right
    assert "of the other libraries, `torch-eager` in 1 of 2" in right
    assert "2 of 2 as `softjax` and 1 of 2 as `softjax-jit`" in right
    assert "documents: `softjax` and `torch-eager`, in 2 of 2" in right
    assert "2 of 3 libraries" in beware
    assert "a label of −100 (2 libraries, 1 as documented)" in beware


def test_the_verdict_says_who_is_right_in_all_that_it_can_state():
    records = (
        edge("jax-grad", "label-K", "nan"),
        edge("jax-grad", "soft", "right"),
        edge("jax-grad", "ties", "right"),
        edge("softjax", "label-K", "right", error="ValueError"),
        edge("softjax", "soft", "not offered"),
        edge("softjax", "ties", "not offered"),
    )
    right = verdict.write(Comparison(records, VERSIONS)).splitlines()[0]
    assert "`jax-grad` (JAX, jax.grad, eager), in 2 of 3 edge cases" in right
    assert "right in every case that it can state: `softjax` (1)" in right


def test_the_verdict_does_not_tell_apart_what_the_quartiles_do_not():
    def time(row, seconds, low, high):
        return Speed(row, "development", "measured", seconds=seconds, low_seconds=low, high_seconds=high)

    speeds = (
        time("torch-eager", 1e-3, 0.9e-3, 1.1e-3),
        time("mlx", 1.2e-3, 1.05e-3, 1.3e-3),
        time("softjax", 2e-3, 1.5e-3, 2.1e-3),
    )
    (fastest,) = verdict.write(Comparison((), VERSIONS, speeds)).splitlines()
    assert "at 500 × 3,073 × 10 `torch-eager` (1 ms, not told apart from `mlx`)" in fastest
    assert "The fastest way of softjax takes 2 (`softjax`) times as long" in fastest


def test_what_is_not_offered_is_no_fault_and_ties_are_named_up_to_a_few():
    tallies = count((edge("mlx", "label-K", "right"), edge("mlx", "soft", "not offered")))
    assert (tallies["mlx"].right, tallies["mlx"].offered) == (1, 1)
    assert join_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 others"
    rows = list(FRAMEWORKS)[:6]
    line = verdict.write(
        Comparison(tuple(edge(row, "ties", "right") for row in rows), VERSIONS)
    ).splitlines()[0]
    assert f"`{rows[0]}`, `{rows[1]}`, `{rows[2]}` and 3 others, in 1 of 1" in line


def test_a_cell_says_both_what_the_formula_and_what_the_library_says():
    assert describe_outcome(edge("mlx", "label-K", "wrong")) == "wrong"
    assert describe_outcome(edge("mlx", "label-K", "wrong", documented="right")) == "wrong; as documented"
    assert describe_outcome(edge("mlx", "label-K", "nan", loss=NAN, documented="wrong")).startswith(
        "NaN; not"
    )
    assert describe_outcome(edge("mlx", "label-K", "right", error="ValueError")) == "right (ValueError)"


def test_our_own_code_is_no_library_that_is_silently_wrong():
    records = [edge(row, "label-minus-1", "wrong") for row in ("numpy-loops", "c", "autograd", "softjax-jit")]
    assert find_silent(records) == {"label-minus-1": {"autograd": False, "softjax": False}}
    pages = upstream.write_pages(Comparison(tuple(records), VERSIONS))
    assert set(pages) == {
        f"upstream/{n}.md" for n in ("README", "autograd-label-minus-1", "softjax-label-minus-1")
    }


def test_a_page_shows_what_was_seen_what_is_right_the_rule_and_one_script_for_each_outcome(
    tmp_path, monkeypatch
):
    rule = Convention(
        "PyTorch",
        "label-minus-100",
        "a label of −100 is ignored",
        "https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
        "undefined",
    )
    monkeypatch.setattr(conventions, "CONVENTIONS", (rule,))
    monkeypatch.setitem(conventions.THREADS, ("PyTorch", "label-K"), "https://example.org/thread/1")
    absent = [edge(row, "label-minus-100", "not offered") for row in ("torch-func", "torch-compile")]
    seen = {"loss": 0.5, "grad": [[0.0, 0.25, -0.25]], "script": "import torch\nprint(0.5)"}
    records = (
        *absent,
        edge("torch-eager", "label-minus-100", "nan", documented="right", loss=NAN, grad=[[0.0, 0.0, 0.0]]),
        edge("torch-eager", "label-K", "wrong", **seen),
        edge("torch-func", "label-K", "wrong", **seen),
        edge(
            "torch-compile",
            "label-K",
            "error",
            error="RuntimeError",
            message="no",
            script="import torch\n1/0",
        ),
    )
    out = write(Comparison(records, VERSIONS), tmp_path)
    page = (out / "libraries" / "pytorch.md").read_text()
    assert "# PyTorch 1.2.3" in page
    assert "`torch-eager` (PyTorch, eager): right in 0 of 2 edge cases; by what it documents in 1" in page
    assert (
        f"Documented: a label of −100 is ignored ([source]({rule.source})). By that, right is no finite value"
        in page
    )
    assert "`torch-eager`: **NaN; as documented**. Seen: loss NaN, gradient [[0, 0, 0]]." in page
    assert "`torch-eager` and `torch-func`: **wrong**. Seen: loss 0.5, gradient [[0, 0.25, −0.25]]." in page
    assert "`torch-compile`: **RuntimeError**. Seen: `RuntimeError: no`." in page
    assert page.count("print(0.5)") == page.count("1/0") == 1
    fault = (out / "upstream" / "pytorch-label-K.md").read_text()
    assert "Expected: an error" in fault
    assert "Known: <https://example.org/thread/1>" in fault
    assert "print(0.5)" in fault
    assert not (out / "upstream" / "pytorch-label-minus-100.md").exists()


def test_the_report_holds_every_record(tmp_path):
    records = (
        edge("jax-grad", "label-K", "nan", loss=NAN, grad=[[0.0, 0.0, 1.0]], script="import jax"),
        edge("optax-safe", "label-K", "wrong", documented="right", loss=0.0, grad=[[0.0, 0.0, 0.0]]),
        edge("mlx", "label-K", "not installed"),
        Record(
            "accuracy",
            "jax-grad",
            "tiny",
            "float32",
            "measured",
            loss=1.0,
            relative_error=1e-7,
            roundings=0.5,
        ),
        Record("modes", "jax-grad", "hvp", "float64", "right", relative_error=1e-16, roundings=1.0),
    )
    out = write(Comparison(records, VERSIONS | {"mlx": None}, seconds=60.0, resumed=True), tmp_path)
    results = json.loads((out / "results.json").read_text())
    assert set(results) == {"accuracy", "edge_cases", "modes", "speed", "versions", "device"}
    assert results["accuracy"][0]["roundings"] == 0.5
    first, second, absent = results["edge_cases"]
    assert first["loss"] == "nan"  # JSON has no NaN
    assert (first["library"], first["way"], first["documented"]) == ("JAX", "eager", None)
    assert (second["framework"], second["case"], second["documented"]) == ("optax-safe", "label-K", "right")
    assert absent["status"] == "not installed"
    assert first["script"] == "import jax"
    table = read_csv(out / "results.csv")
    assert len(table) == len(records)
    assert "script" not in table[0]
    assert table[1]["documented"] == "right"
    text = (out / "README.md").read_text()
    assert "softjax compare --overwrite" in text
    assert "of a run that was resumed" in text
    assert 'not installed: `pip install "mlx[cpu]"`' in text
    assert "`optax-safe` 0/1 (1)" in text
    assert not (out / "libraries" / "mlx.md").exists()


def test_the_console_s_table_has_a_line_for_each_row():
    comparison = Comparison((edge("mlx", "label-K", "wrong", documented="right"),), VERSIONS)
    header, line = summary(comparison)
    cells = dict(zip(header, line, strict=True))
    counts = [cells[name] for name in ("edge cases right", "else as documented", "silently wrong")]
    assert counts == ["0 of 1", "1", ""]


def results_of(comparison, tmp_path):
    return write(comparison, tmp_path) / "results.json"


def timed(row, seconds):
    return Speed(
        row, "tiny", "measured", seconds=seconds, low_seconds=0.9 * seconds, high_seconds=1.1 * seconds
    )


def test_changes_are_outcomes_of_both_and_times_beyond_the_quartiles(tmp_path):
    before = Comparison(
        (
            edge("mlx", "label-K", "wrong"),
            edge("mlx", "soft", "not installed"),
            edge("mlx-compile", "label-K", "wrong"),
            edge("tinygrad", "label-K", "wrong"),
            edge("autograd", "label-K", "right"),
        ),
        VERSIONS | {"mlx": "1.0", "mlx-compile": "1.0"},
        (timed("mlx", 1.0), timed("autograd", 1.0)),
    )
    after = Comparison(
        (
            edge("mlx", "label-K", "right", error="ValueError"),
            edge("mlx", "soft", "right"),
            edge("mlx-compile", "label-K", "right"),
            edge("tinygrad", "label-K", "wrong"),
            edge("gvar", "label-K", "wrong"),
        ),
        VERSIONS,
        (timed("mlx", 0.5), timed("autograd", 1.15)),
    )
    earlier = read_results(results_of(before, tmp_path / "old"))
    out = write(after, tmp_path / "new", earlier=earlier)
    text = (out / "README.md").read_text()
    section = text[text.index("## Changes since") : text.index("## Edge cases")]
    assert "mlx 1.0 → 1.2.3" in section
    assert "| a label of K | `mlx` and `mlx-compile` | wrong → right |" in section
    assert "2 outcomes changed" in section
    assert "1 time changed by more than the quartiles tell, 0 of them to slower" in section
    assert "| `mlx` | 4 × 5 × 3 | float32 | 1 s → 500 ms | 0.50 × |" in section
    assert "Rows that are new: `gvar`." in section
    lines = read_csv(out / "changes.csv")
    assert len(lines) == 3
    assert lines[-1]["ratio"] == "0.5"
    same = find_changes(read_results(out), after, {})
    assert (same.outcomes, same.speeds, same.new, same.gone) == ((), (), (), ())


def test_times_of_another_device_are_not_compared_and_the_page_has_both(tmp_path):
    rows, rng = ("softjax-jit", "torch-eager"), np.random.default_rng(0)
    speeds = tuple(replace(invent_speed(rng, row, "tiny"), status="measured") for row in rows)
    others = tuple(replace(speed, dtype="float64", seconds=2 * speed.seconds) for speed in speeds)
    on_cpu = Comparison((), VERSIONS, speeds, other_speeds=others)
    on_gpu = replace(on_cpu, gpu="GPU 9000", speeds=tuple(replace(speed, seconds=1e-9) for speed in speeds))
    before = write(on_cpu, tmp_path / "before")
    out = write(on_gpu, tmp_path / "after", earlier=read_results(before))
    section = (out / "README.md").read_text(encoding="utf-8")
    assert "Times are not compared: they are of another device." in section
    assert "changed by more than the quartiles tell" not in section
    assert "also in float64; [the page](report.html)" in section
    page = read_page(out / "report.html")["speeds"]
    assert [(each["device"], each["type"]) for each in page[::2]] == [
        ("GPU 9000", "float32"), ("GPU 9000", "float64"), ("a CPU", "float32"), ("a CPU", "float64"),
    ]  # fmt: skip
    assert page[4]["ms"] == pytest.approx(1e3 * speeds[0].seconds, rel=1e-3)
    assert {line["dtype"] for line in read_csv(out / "speed.csv")} == {"float32", "float64"}


def test_the_rows_of_an_old_report_are_those_that_they_became(tmp_path):
    entry = {"case": "label-K", "dtype": "float32", "status": "wrong"}
    old = {
        "accuracy": [],
        "edge_cases": [{"framework": row} | entry for row in ("jax-by-hand", "jax-grad", "torch-eager")],
        "modes": [],
        "speed": [
            {
                "framework": "mlx",
                "case": "tiny",
                "status": "measured",
                "seconds": 1.0,
                "low_seconds": 0.9,
                "high_seconds": 1.1,
            },
            {"framework": "mlx", "case": "vocabulary", "status": "not run"},
        ],
        "versions": {"jax": "0.10.2"},
    }
    (tmp_path / "results.json").write_text(json.dumps(old))
    for path in (tmp_path, tmp_path / "results.json"):
        earlier = read_results(path)
        assert {key.row for key in earlier.statuses} == {"softjax", "jax-grad-jit", "torch-eager"}
        assert set(earlier.seconds) == {("mlx-compile", "tiny", "float32")}
    assert set(RENAMED.values()) <= set(FRAMEWORKS)


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"edge_cases": 3}', '{"edge_cases": [{"status": 1}]}']
)
def test_what_is_no_report_is_refused_with_what_is_expected(text, tmp_path):
    file = tmp_path / "results.json"
    if text is not None:
        file.write_text(text)
    for path in (file, tmp_path):
        with pytest.raises(
            InputError, match=r"expected the results\.json of a report of softjax compare, or its"
        ):
            read_results(path)


def test_times_are_read_at_a_glance():
    assert [format_time(value) for value in (1234.5, 0.9996, 0.0123, 8.81e-6, 9.57e-9)] == [
        "1,230 s",
        "1 s",
        "12.3 ms",
        "8.81 µs",
        "0.0096 µs",
    ]
