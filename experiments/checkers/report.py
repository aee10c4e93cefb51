"""The report: tables of right gradients accepted and of faults caught, and the text around them."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from checkers import softmax
from checkers.faults import FAULTS, OFF
from checkers.judge import BEYOND_ROUNDING, LINE, RIGHT
from checkers.peers import CHECKERS, COURSE_RELATIVE, ENTRIES, RELATIVE, STEP, TIMES_ITS_ERROR
from checkers.registry import ALL_TYPES, LIBRARIES
from softjax.reports import markdown

Rows = list[dict[str, Any]]
WORDS = ("accepted", "rejected", "undecided", "crashed", "not applicable")
SUMMARY = ("right gradients accepted", "large faults rejected")
ABOUT = ("library", "function", "dtype", "claim")
HERE = Path(__file__).parents[1]
SOFTMAX_CSV = "\n- [softmax.csv](softmax.csv): the faults of softmax problems, by type and kind."


def is_right(row: dict[str, Any]) -> bool:
    """Whether the claim is a right gradient."""
    return bool(row["claim"].split(",")[0] == RIGHT)


def select(rows: Rows, **wanted: str) -> Rows:
    """The rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def count_words(rows: Rows, checker: str) -> Counter[str]:
    """How often a checker said what about right gradients."""
    return Counter(row["verdicts"][checker] for row in rows if is_right(row))


def count_caught(rows: Rows, checker: str, large: bool = True) -> tuple[int, int]:
    """How many of the faults a checker catches, and of how many that it takes.

    A fault is caught if the checker rejects it, and accepts the right gradient of the same function.
    """
    accepted = {
        (row["function"], row["dtype"])
        for row in rows
        if row["claim"] in (RIGHT, "right, l2") and row["verdicts"][checker] == "accepted"
    }
    faults = [row for row in rows if not is_right(row) and row["large"] == large]
    taken = [row for row in faults if row["verdicts"][checker] != "not applicable"]
    caught = [
        row
        for row in taken
        if row["verdicts"][checker] == "rejected" and (row["function"], row["dtype"]) in accepted
    ]
    return len(caught), len(taken)


def measure_rates(rows: Rows, checkers: Sequence[str]) -> dict[str, dict[str, tuple[float, float]]]:
    """For each checker, in all types and in float64 only: the share of right gradients accepted, and that of large faults caught."""
    return {
        where: {
            checker: (_share_accepted(chosen, checker), _divide(*count_caught(chosen, checker)))
            for checker in checkers
        }
        for where, chosen in (("all types", rows), ("float64 only", select(rows, dtype="float64")))
    }


def measure_shares(problems: Rows, dtype: str, checkers: Sequence[str]) -> Float[np.ndarray, "F P"]:
    """Shares in a type, by checker: those of `SUMMARY`, then of each fault where it is large, how often it is caught."""
    rows = select(problems, dtype=dtype)
    large = [row for row in rows if not is_right(row) and row["large"]]
    shares = [
        [_share_accepted(rows, checker) for checker in checkers],
        [
            _divide(sum(row["verdicts"][checker] == "rejected" for row in large), len(large))
            for checker in checkers
        ],
    ]
    for fault in softmax.FAULTS:
        chosen = [row for row in rows if is_right(row) or row["claim"] == fault]
        shares.append([_divide(*count_caught(chosen, checker)) for checker in checkers])
    return np.array(shares)


def list_results(rows: Rows, checkers: Sequence[str]) -> Iterator[list[Any]]:
    """The lines of results.csv."""
    yield [*ABOUT, "bounds", "large", *checkers, "relative", "why"]
    for row in rows:
        words = [row["verdicts"].get(checker, "") for checker in checkers]
        relative = row.get("relative", float("nan"))  # not measured of softmax problems
        sizes = f"{relative:.3g}", row.get("why", {}).get("softjax", "")
        yield [*(row[name] for name in ABOUT), f"{row['bounds']:.3g}", row["large"], *words, *sizes]


def read_results(path: Path) -> tuple[Rows, list[str]]:
    """The rows of results.csv, as far as it holds them, and the checkers. Earlier ones have no "relative" and no "why"."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    checkers = [name for name in lines[0] if name in CHECKERS]
    rows = [
        {
            **{name: line[name] for name in ABOUT},
            "bounds": float(line["bounds"]),
            "large": line["large"] == "True",
            "verdicts": {checker: line[checker] for checker in checkers if line[checker]},
            "relative": float(line.get("relative", "nan")),
            "why": {"softjax": line.get("why", "")},
        }
        for line in lines
    ]
    return rows, checkers


def list_faults(problems: Rows, asked: Sequence[str]) -> Iterator[list[Any]]:
    """The lines of softmax.csv: for each type and fault the problems in which it is large, and the shares that are caught."""
    yield ["type", "planted fault", "problems in which it is large", *asked]
    for dtype in ALL_TYPES:
        rows = select(problems, dtype=dtype)
        for kind, number, *shares in _list_shares(rows, list(softmax.FAULTS), asked):
            yield [dtype, kind, number, *("" if np.isnan(share) else f"{share:.3f}" for share in shares)]


def describe(
    options: Any,
    rows: Rows,
    problems: Rows,
    checkers: Sequence[str],
    asked: Sequence[str],
    missing: Sequence[str],
) -> dict[str, Any]:
    """The values and tables that the two pages of the report refer to by name."""
    float64 = select(rows, dtype="float64")
    names = {row["function"] for row in rows}
    return {
        "verdict": describe_verdict(rows, problems, checkers, asked),
        "num_functions": f"{len(names):,}",
        "num_right": f"{sum(map(is_right, rows)):,}",
        "num_kinds": len(FAULTS),
        "faults_per_function": options.faults_per_function,
        "off": f"{OFF:g}",
        "line": LINE,
        "beyond": ", ".join(f"{100 * share:g} % in {dtype}" for dtype, share in BEYOND_ROUNDING.items()),
        "relative": f"{RELATIVE:g}",
        "times": TIMES_ITS_ERROR,
        "step": f"{STEP:g}",
        "course_relative": f"{COURSE_RELATIVE:g}",
        "entries": ENTRIES,
        "limit": f"{options.limit_seconds:g}",
        "missing": f"Not installed here, and left out: {', '.join(missing)}." if missing else "None was left out.",
        "all_types": tabulate_checkers(rows, checkers),
        "float64": tabulate_checkers(float64, checkers),
        "own": tabulate_own(float64, checkers),
        "by_type": tabulate_parts(rows, "dtype", ALL_TYPES),
        "by_library": tabulate_parts(rows, "library", tuple(LIBRARIES)),
        "by_kind": tabulate_kinds(rows, checkers),
        "small": tabulate_small(rows, checkers),
        "not_accepted": list_lines([row for row in rows if is_right(row) and row["verdicts"]["softjax"] != "accepted"]),
        "missed": list_lines([row for row in rows if not is_right(row) and row["large"] and row["verdicts"]["softjax"] != "rejected"]),
        "num_softmax": len(softmax.FAULTS),
        "shapes": ", ".join(map(str, softmax.SHAPES)),
        "reg": softmax.REG,
        "softmax": write_softmax(problems, asked) if problems else "Not run: --num-problems 0.",
        "softmax_csv": SOFTMAX_CSV if problems else "",
    }  # fmt: skip


def write_readme(values: dict[str, Any], about: dict[str, Any]) -> str:
    """The text of README.md."""
    device = about["device"]
    how = [
        ("", ""),
        ("versions", ", ".join(f"{name} {number}" for name, number in about["versions"].items())),
        ("device", f"{device['kind']}, {device['cpu_cores']} CPU cores, {device['machine']}"),
        ("date", about["date"]),
    ]
    return markdown.render(
        HERE / "gradient_checkers.md",
        command=about["command"],
        how=markdown.table(how, align="left"),
        **values,
    )


def write_details(values: dict[str, Any]) -> str:
    """The text of details.md, the second page."""
    return markdown.render(HERE / "gradient_checkers_details.md", **values)


def describe_verdict(rows: Rows, problems: Rows, checkers: Sequence[str], asked: Sequence[str]) -> str:
    """The report in three lines: softjax, the others in all types and in float64, and what narrower types do to them."""
    words, (caught, taken) = count_words(rows, "softjax"), count_caught(rows, "softjax")
    lines = [
        f"**softjax** accepts **{words['accepted']:,} of {words.total():,}** right gradients, and catches **{caught:,} of {taken:,}** large faults."
    ]
    others = [checker for checker in checkers if checker != "softjax"]
    parts = []
    for where, rates in measure_rates(rows, others).items():
        if others and rates:
            best = max(rates, key=lambda checker: float(np.nan_to_num(rates[checker]).sum()))
            accepted, of_faults = rates[best]
            parts.append(
                f"in {where.removesuffix(' only')}, {best} with {_percent(accepted)} accepted and {_percent(of_faults)} caught"
            )
    if parts:
        lines.append(f"The best of the others, by the sum of both shares: {'; '.join(parts)}.")
    narrow = select(problems, dtype="float32")
    if narrow:
        *shares, last = (f"{checker} {_percent(_share_accepted(narrow, checker))}" for checker in asked)
        lines.append(
            "Most of the others are made for float64. Right gradients of softmax problems in float32 that each accepts: "
            f"{', '.join((*shares, last))}. A checker that rejects the right gradient of a function catches no fault in it."
        )
    return "\n".join(f"- {line}" for line in lines)


def tabulate_checkers(rows: Rows, checkers: Sequence[str]) -> str:
    """A row for each checker: what it says about right gradients, and how many large faults it catches."""
    header = (
        "checker",
        "right: accepted",
        "accused",
        "undecided",
        "crashed",
        "not applicable",
        "large faults caught",
        "of",
    )
    body = []
    for checker in checkers:
        words, (caught, taken) = count_words(rows, checker), count_caught(rows, checker)
        counts = [f"{words[word]:,}" for word in WORDS[1:]]
        accepted = f"{words['accepted']:,} ({_percent(_share_accepted(rows, checker))})"
        body.append(
            (checker, accepted, *counts, f"{caught:,} ({_percent(_divide(caught, taken))})", f"{taken:,}")
        )
    return markdown.table([header, *body], align="names")


def tabulate_own(rows: Rows, checkers: Sequence[str]) -> str:
    """The same on the functions that each checker is made for: those of its own library, or all."""
    header = ("checker", "made for", "right: accepted", "of", "large faults caught", "of")
    body = []
    for checker in checkers:
        own = CHECKERS[checker].made_for
        chosen = [row for row in rows if not own or row["library"] in own]
        if not chosen:
            continue
        words, (caught, taken) = count_words(chosen, checker), count_caught(chosen, checker)
        accepted = f"{words['accepted']:,} ({_percent(_share_accepted(chosen, checker))})"
        total = words.total() - words["not applicable"]
        body.append(
            (
                checker,
                ", ".join(own) or "any",
                accepted,
                f"{total:,}",
                f"{caught:,} ({_percent(_divide(caught, taken))})",
                f"{taken:,}",
            )
        )
    return markdown.table([header, *body], align="names")


def tabulate_parts(rows: Rows, column: str, values: Sequence[str]) -> str:
    """The verdicts of softjax by library or type."""
    header = (
        column.replace("dtype", "type"),
        "right gradients",
        *("accused" if w == "rejected" else w for w in WORDS[:4]),
        "large faults",
        "caught",
        "small faults",
        "caught",
    )
    body = []
    for value in values:
        chosen = select(rows, **{column: value})
        if chosen:
            words = count_words(chosen, "softjax")
            caught, small = count_caught(chosen, "softjax"), count_caught(chosen, "softjax", large=False)
            counts = [
                words.total(),
                *(words[word] for word in WORDS[:4]),
                caught[1],
                caught[0],
                small[1],
                small[0],
            ]
            body.append((value, *(f"{count:,}" for count in counts)))
    return markdown.table([header, *body], align="names")


def tabulate_kinds(rows: Rows, checkers: Sequence[str]) -> str:
    """The share of the large faults of each kind that each checker catches."""
    body = [
        (kind, f"{number:,}", *map(_percent, shares))
        for kind, number, *shares in _list_shares(rows, list(FAULTS), checkers)
    ]
    return markdown.table([("planted fault", "how many are large", *checkers), *body], align="names")


def tabulate_small(rows: Rows, checkers: Sequence[str]) -> str:
    """The share of the small faults of each type that each checker catches."""
    header = ("type", "small faults", *checkers)
    body = []
    for dtype in ALL_TYPES:
        chosen = select(rows, dtype=dtype)
        number = sum(not is_right(row) and not row["large"] for row in chosen)
        if number:
            shares = [_percent(_divide(*count_caught(chosen, checker, large=False))) for checker in checkers]
            body.append((dtype, f"{number:,}", *shares))
    return markdown.table([header, *body], align="names")


def list_lines(rows: Rows) -> str:
    """A line for each of these claims: what softjax said, and why."""
    lines = []
    for row in rows:
        size = "" if is_right(row) else f" (off by {row['relative']:.1g} of the largest entry)"
        claim = f"{row['library']}, `{row['function']}`, {row['dtype']}, {row['claim']}{size}"
        lines.append(f"- {claim}: **{row['verdicts']['softjax']}**. {row['why'].get('softjax', '')}")
    return "\n".join(lines) or "None."


def write_softmax(problems: Rows, asked: Sequence[str]) -> str:
    """The tables of the softmax problems."""
    header = ("type", "right gradients", *(f"{checker}: accepted" for checker in asked))
    accepted = []
    for dtype in ALL_TYPES:
        words = [count_words(select(problems, dtype=dtype), checker) for checker in asked]
        accepted.append((dtype, str(words[0].total()), *(f"{each['accepted']:,}" for each in words)))
    caught = []
    for dtype in ALL_TYPES:
        counts = [count_caught(select(problems, dtype=dtype), checker) for checker in asked]
        caught.append((dtype, f"{counts[0][1]:,}", *(_percent(_divide(*count)) for count in counts)))
    refusals = "".join(
        f"; {checker} accepts fewer than a tenth of the right gradients in {', '.join(types)}"
        for checker in asked
        if (types := [d for d in ALL_TYPES if _share_accepted(select(problems, dtype=d), checker) < 0.1])
    )
    parts = [
        "Right gradients:",
        markdown.table([header, *accepted], align="names"),
        "Large faults caught:",
        markdown.table([("type", "large faults", *asked), *caught], align="names"),
        "![Right gradients accepted and faults caught on softmax problems](detection.png)",
        "The first row counts right gradients that are accepted, the second faults that are rejected, whatever else the checker says. "
        "In the rows below, a fault is caught only where the right gradient of the same problem is accepted, so a checker that rejects "
        f"everything has 0 there{refusals}. “–” is a fault that is large in no problem of the type. [softmax.csv](softmax.csv) has the same figures, with the numbers of problems.",
    ]
    return "\n\n".join(parts)


def _list_shares(rows: Rows, kinds: Sequence[str], checkers: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """For each kind of fault: how many are large, and the share of these that each checker catches."""
    for kind in kinds:
        chosen = [row for row in rows if is_right(row) or (row["claim"] == kind and row["large"])]
        number = sum(not is_right(row) for row in chosen)
        yield kind, number, *(_divide(*count_caught(chosen, checker)) for checker in checkers)


def _share_accepted(rows: Rows, checker: str) -> float:
    words = count_words(rows, checker)
    return _divide(words["accepted"], words.total() - words["not applicable"])


def _divide(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f} %"
