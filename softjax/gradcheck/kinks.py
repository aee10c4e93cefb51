"""Claims at a kink: whether they are a subgradient.

Where a function has a kink, its derivatives along v and −v are no longer opposite. If it is convex there, a vector g is a
subgradient if −f'(x; −v) ≤ ⟨g, v⟩ ≤ f'(x; v) for every direction v; if it is concave, with both signs reversed. The two
ends are the central difference ± half the bend f'(x; v) + f'(x; −v).

Source: Rockafellar, *Convex Analysis*, 1970, section 23.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from softjax.gradcheck.differences import Difference, take_central_difference
from softjax.gradcheck.evidence import Evidence
from softjax.gradcheck.function import ScalarFunction
from softjax.gradcheck.leaves import Leaves, Place, dot, make_unit, take_sizes
from softjax.gradcheck.references import References, look_along

Word = Literal["right", "wrong", "undecided"]
LOOKED_AT_MOST = 20  # entries that differ from autodiff; of more, a sample
RANDOM = 16  # further directions
PAIRS_AT_MOST = 30  # of entries with a kink


def judge_at_kink(
    function: ScalarFunction, references: References, evidence: Evidence, unit: float
) -> tuple[Word, str] | None:
    """The verdict on a claim and its reason, None if the function has no kink here. Call it with 64-bit types enabled."""
    taken = {each.entry: each for each in references.derivatives}
    looked: list[tuple[Leaves, Difference]] = [
        (
            each.direction,
            Difference(each.values.get("central differences", np.nan), each.difference_error, bend=each.bend),
        )
        for each in references.derivatives
    ]
    suspects = [place for place in _list_suspects(evidence) if place not in taken]
    sampled = len(suspects) > LOOKED_AT_MOST
    if sampled:
        suspects = suspects[:: -(-len(suspects) // LOOKED_AT_MOST)]
    kinked = [each.entry for each in references.derivatives if each.bend and each.entry is not None]
    for along in (look_along(function, place) for place in suspects):
        looked.append((along.direction, along.difference))
        if along.difference.bend and along.entry is not None:
            kinked.append(along.entry)
        elif sampled:
            return None
    if not any(difference.bend for _, difference in looked):
        return None
    looked += [
        (v, take_central_difference(function, v, 1.0)) for v in _list_directions(function.leaves, kinked)
    ]
    bends = np.array([difference.bend for _, difference in looked])
    if bends.min() < 0 < bends.max():
        return (
            "undecided",
            "the function has kinks here, convex along some directions and concave along others",
        )
    for direction, difference in looked:
        if np.isnan(difference.value):
            return (
                "undecided",
                "the function has a kink here, and differences do not converge along some directions",
            )
        off = abs(dot(evidence.claimed, direction) - difference.value) - abs(difference.bend) / 2
        scale = (
            dot(take_sizes(evidence.claimed), take_sizes(direction))
            + abs(difference.value)
            + abs(difference.bend)
        )
        excused = min(dot(evidence.allowed, take_sizes(direction)), 1000 * unit * scale)
        if off > 1e-7 * scale + 10 * difference.error + excused:
            return "wrong", "the function has a kink here, and the claim is no subgradient"
    if sampled:
        return (
            "undecided",
            "the function has kinks here in many entries. Where they were looked at, the claim is a subgradient",
        )
    return "right", "the function has a kink here, and the claim is a subgradient"


def _list_suspects(evidence: Evidence) -> list[Place]:
    """The entries in which the claim differs from the reference."""
    return [
        (leaf, tuple(int(k) for k in index))
        for leaf, mask in enumerate(evidence.wrong)
        for index in np.argwhere(mask)
    ]


def _list_directions(leaves: Leaves, kinked: Sequence[Place]) -> list[Leaves]:
    """Directions that tell the corners of a kink apart: sums and differences of its entries, and random ones."""
    rng = np.random.default_rng(0)
    pairs = [(a, b) for k, a in enumerate(kinked) for b in kinked[:k]][:PAIRS_AT_MOST]
    directions = []
    for a, b in pairs:
        for sign in (1.0, -1.0):
            direction = make_unit(leaves, a)
            direction[b[0]][b[1]] = sign
            directions.append(direction)
    together = [np.zeros_like(leaf) for leaf in leaves]
    for leaf, index in kinked:
        together[leaf][index] = 1.0
    return (
        directions
        + [together] * bool(kinked)
        + [
            [rng.normal(size=leaf.shape) * (np.abs(leaf).max(initial=0) or 1.0) for leaf in leaves]
            for _ in range(RANDOM)
        ]
    )
