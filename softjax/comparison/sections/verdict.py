"""The verdict of a comparison, in three lines: who is right most often, who is fastest, and what to beware of."""

from collections.abc import Sequence

from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.outcomes import Tally, count, find_leaders, find_silent, list_libraries_run
from softjax.comparison.records import Comparison, Record, Speed
from softjax.comparison.sections.cells import (
    choose_sizes,
    format_time,
    join_names,
    join_rows,
    name_row,
    title_size,
)
from softjax.comparison.sections.speed import list_tied, rank
from softjax.reports.markdown import count_of

SHOWN_CASES = 2


def write(comparison: Comparison) -> str:
    """The lines as a list; empty where nothing was compared."""
    records = comparison.of("edge_cases")
    tallies = list(count(records).values())
    lines = []
    if tallies:
        lines.append(f"**Right most often:** {_describe_right(tallies)}")
    if any(speed.seconds is not None for speed in comparison.speeds):
        lines.append(f"**Fastest:** {_describe_fastest(comparison.speeds)}")
    if tallies:
        lines.append(f"**Beware:** {_describe_silent(records)}")
    return "\n".join(f"- {line}" for line in lines)


def _describe_right(tallies: Sequence[Tally]) -> str:
    leaders = find_leaders(tallies, lambda tally: tally.right)
    names = name_row(leaders[0].row) if len(leaders) == 1 else join_rows([tally.row for tally in leaders])
    text = f"{names}, in {leaders[0].right} of {leaders[0].offered} edge cases"
    libraries = {FRAMEWORKS[tally.row].library for tally in leaders}
    others = [tally for tally in tallies if FRAMEWORKS[tally.row].library not in libraries]
    if others:
        text += f"; of the other libraries, {_count(find_leaders(others, lambda tally: tally.right))}"
    faultless = [tally for tally in tallies if tally.right == tally.offered and tally not in leaders]
    if faultless:
        most = max(tally.right for tally in faultless)
        rows = join_rows([tally.row for tally in faultless if tally.right == most])
        text += f"; right in every case that it can state: {rows} ({most})"
    ours = [tally for tally in tallies if FRAMEWORKS[tally.row].library == "softjax"]
    if len(ours) > 1:
        scores = [f"{tally.right} of {tally.offered} as `{tally.row}`" for tally in ours]
        text += f". softjax is right in {join_names(scores)}"
    documented = find_leaders(tallies, lambda tally: tally.by_rule)
    score = f"{documented[0].by_rule} of {documented[0].offered}"
    return f"{text}. By what each library documents: {join_rows([tally.row for tally in documented])}, in {score}."


def _count(tallies: Sequence[Tally]) -> str:
    return f"{join_rows([tally.row for tally in tallies])} in {tallies[0].right} of {tallies[0].offered}"


def _describe_fastest(speeds: Sequence[Speed]) -> str:
    parts, ours = [], []
    for case in choose_sizes(speeds):
        ranked = rank(speeds, case)
        if not ranked:
            continue
        tied = list_tied(ranked)
        also = f", not told apart from {join_rows(tied, most=3)}" if tied else ""
        best = ranked[0].seconds or 0.0
        parts.append(f"at {title_size(case)} `{ranked[0].framework}` ({format_time(best)}{also})")
        softjax = [speed for speed in ranked if FRAMEWORKS[speed.framework].library == "softjax"]
        if softjax:
            ours.append(f"{(softjax[0].seconds or 0.0) / best:.3g} (`{softjax[0].framework}`)")
    text = "; ".join(parts)
    if ours:
        text += f". The fastest way of softjax takes {join_names(ours, most=len(ours))} times as long"
    return f"{text}."


def _describe_silent(records: Sequence[Record]) -> str:
    """Which silent wrong values most libraries give, and which rows crash or hang."""
    silent = find_silent(records)
    libraries = list_libraries_run(records)
    guilty = {library for found in silent.values() for library in found}
    if guilty:
        worst = sorted(silent, key=lambda case: -len(silent[case]))[:SHOWN_CASES]
        shown = []
        for case in worst:
            documented = sum(silent[case].values())
            share = "all" if documented == len(silent[case]) else documented
            also = f", {share} as documented" if documented else ""
            shown.append(
                f"{EDGE_CASES[case].what} ({count_of(len(silent[case]), 'library', 'libraries')}{also})"
            )
        ours = ", softjax among them," if "softjax" in guilty else ""
        text = f"{len(guilty)} of {len(libraries)} libraries{ours} give finite wrong values without an error in some cases"
        text += f", most often for {' and for '.join(shown)}; NumPy and C by hand are not counted."
    else:
        text = f"no library of {len(libraries)} gives a finite wrong value without an error."
    dead = list(dict.fromkeys(record.framework for record in records if record.status in ("crash", "hang")))
    return text + (f" The process of {join_rows(dead)} crashes or hangs in some case." if dead else "")
