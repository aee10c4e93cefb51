"""A page for each silent wrong value of a library, as a report of a fault that could be sent to its authors."""

from collections.abc import Sequence
from pathlib import Path

from softjax.comparison.conventions import THREADS
from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.outcomes import OWN_CODE, find_level
from softjax.comparison.records import Comparison, Record
from softjax.comparison.sections.cells import find_version, join_rows, make_file_name
from softjax.comparison.sections.libraries import (
    DERIVATIVES,
    describe_right,
    describe_seen,
    group_outcomes,
    write_rule,
    write_script,
)
from softjax.reports.markdown import render, table

FOLDER = "upstream"
HERE = Path(__file__).parent


def write_pages(comparison: Comparison) -> dict[str, str]:
    """The page of each fault, and a README.md that lists them, by the name of the file; none if there is no fault."""
    faults: dict[tuple[str, str], list[Record]] = {}
    for record in comparison.of("edge_cases"):
        library = FRAMEWORKS[record.framework].library
        if find_level(record) == "wrong" and library not in OWN_CODE:
            faults.setdefault((library, record.case), []).append(record)
    lines, pages = [("fault", "rows", "known")], {}
    for (library, case), records in faults.items():
        name = f"{make_file_name(library)}-{case}.md"
        version = find_version(comparison.versions, [record.framework for record in records])
        title = f"{library} {version}: {_title(EDGE_CASES[case])}"
        thread = THREADS.get((library, case))
        pages[f"{FOLDER}/{name}"] = _write_page(title, EDGE_CASES[case], thread, records)
        rows = join_rows([record.framework for record in records], most=9)
        lines.append((f"[{title}]({name})", rows, f"[thread]({thread})" if thread else "no thread was found"))
    listed = table(lines, align="left") if pages else "No library is silently wrong in any case."
    return {f"{FOLDER}/README.md": render(HERE / "upstream.md", table=listed), **pages}


def _write_page(title: str, case: EdgeCase, thread: str | None, records: Sequence[Record]) -> str:
    parts = []
    for group in group_outcomes(case, records):
        rows = join_rows([record.framework for record in group], most=len(group))
        ways = "; ".join(FRAMEWORKS[record.framework].title for record in group)
        parts.append(f"## {rows}\n\n{ways}.\n\nSeen: {describe_seen(case, group[0])}.")
        if group[0].script:
            parts.append(write_script(group[0].script))
    rules = dict.fromkeys(rule for record in records if (rule := write_rule(record)))
    return render(
        HERE / "fault.md",
        title=title,
        right=describe_right(case),
        reason=case.reason,
        known=f"Known: <{thread}>" if thread else "No thread was found.",
        outcomes="\n\n".join([*rules, *parts]),
    )


def _title(case: EdgeCase) -> str:
    """A fault in words."""
    match case.expected:
        case "refused":
            return f"{case.what}: a finite loss instead of an error"
        case "undefined":
            return f"{case.what}: finite numbers, where the formula has no value"
        case _:
            return f"{case.what}: a wrong loss or {DERIVATIVES[case.derivative]}"
