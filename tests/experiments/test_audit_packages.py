"""The report on real packages: which are listed, what is asked for where one is missing, and how results are counted."""

import importlib.metadata

import audit_packages
import pytest
from audit_packages import (
    AuditOptions,
    Package,
    apply_reviews,
    choose,
    list_packages,
    list_rules,
    read_packages,
    say_unchanged,
    write_readme,
)

from softjax import InputError
from softjax.reports.environment import describe_environment

PACKAGE = Package(
    "numpy", "numpy", importlib.metadata.version("numpy"), "example.org/numpy at v1", ("tests",)
)


def make_rule(name, verdict, text=""):
    rule = {"name": name, "kind": "custom_jvp", "file": "a.py", "line": 3}
    return {"rule": rule, "calls": 2, "num_points": 1, "verdict": verdict, "text": text, "seconds": 1.0}


RESULT = {
    "plain": {"results": "3 passed", "seconds": 10.0},
    "audited": {"results": "3 passed", "seconds": 12.0},
    "seconds": {"tests": 12.0, "checks": 30.0},
    "scripts": {"numpy.f": {"text": "print(1)", "output": "by the rule: 2\nby its own values: 1\n"}},
    "rules": [
        make_rule("numpy.f", "wrong", "the claim is twice the gradient"),
        make_rule("numpy.g", "right"),
        make_rule("numpy.h", "never called"),
    ],
}


def test_every_listed_package_has_a_version_tests_and_arguments():
    packages = read_packages()
    assert len(packages) >= 10
    assert len({package.name for package in packages}) == len(packages)
    for package in packages:
        assert package.version
        assert package.tests
        assert package.arguments


@pytest.mark.parametrize(
    ("package", "said"),
    [(None, "must be among"), ("0.0", "pip install numpy==0.0"), ("here", "put the tests there")],
)
def test_what_is_missing_is_said_with_what_to_do(monkeypatch, tmp_path, package, said):
    version = PACKAGE.version if package == "here" else "0.0"
    listed = [Package("numpy", "numpy", version, "example.org", ("tests",))]
    monkeypatch.setattr(audit_packages, "read_packages", lambda: listed)
    asked = () if package else ("nothing",)
    with pytest.raises(InputError, match=said):
        choose(AuditOptions(sources=tmp_path, packages=asked))


def test_verdicts_and_times_are_counted():
    header, row, total = list_packages([PACKAGE], {"numpy": RESULT})
    found = dict(zip(header, row, strict=True))
    assert (found["ratio"], found["rules"], found["wrong"], found["never called"]) == ("1.20", "3", "1", "1")
    assert dict(zip(header, total, strict=True))["right"] == "1"
    assert len(list_rules([PACKAGE], {"numpy": RESULT})) == 4


def test_a_review_by_hand_moves_a_rule_that_is_meant():
    reviewed = apply_reviews(RESULT, {"numpy.f": {"meant": "an adjoint in continuous time"}})
    assert [rule["verdict"] for rule in reviewed["rules"]] == ["differs", "right", "never called"]
    assert apply_reviews(RESULT, {"numpy.f": {"review": "a fault"}}) == RESULT


def test_a_test_whose_result_changes_is_named():
    changed = RESULT | {"audited": {"results": "2 passed, 1 failed", "seconds": 12.0}}
    assert say_unchanged([PACKAGE], {"numpy": RESULT}) == "the same in all packages"
    assert "numpy" in say_unchanged([PACKAGE], {"numpy": changed})


def test_the_report_shows_what_the_script_of_a_wrong_rule_prints():
    about = {"command": "python experiments/audit_packages.py"} | describe_environment()
    text = write_readme([PACKAGE], {"numpy": RESULT}, {}, about)
    assert "by its own values: 1" in text
    assert "Not yet looked at by hand." in text
