"""Finds in the text of a compiled program what the devices exchange while it runs."""

import re

from jax.stages import Compiled

_EXCHANGES = re.compile(
    r"\s(all-reduce|all-gather|all-to-all|ragged-all-to-all|reduce-scatter|collective-permute|collective-broadcast|"
    r"send|recv)(?:-start|-done)?\("
)
_HEAD = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_CALLS = re.compile(
    r"\b(?:to_apply|calls|body|condition|true_computation|false_computation|branch_computations|called_computations)="
    r"(\{[^}]*\}|%?[\w.\-]+)"
)
_LOOPS = re.compile(r"\b(?:body|condition)=(%?[\w.\-]+)")


def exchanges(program: Compiled) -> tuple[list[str], list[str]]:
    """The operations of a compiled program that exchange data between devices: inside its loops, and elsewhere.

    They are read from the text of XLA's optimized program. Raises `ValueError` if the program has no loop.
    """
    bodies: dict[str, list[str]] = {}
    name = None
    for line in str(program.as_text()).splitlines():
        if head := _HEAD.match(line):
            name = head[1]
            bodies[name] = []
        elif line.startswith("}"):
            name = None
        elif name is not None:
            bodies[name].append(line)
    calls = {
        name: {
            called.strip().lstrip("%")
            for line in lines
            for match in _CALLS.finditer(line)
            for called in match[1].strip("{}").split(",")
        }
        for name, lines in bodies.items()
    }
    reached = [
        found.lstrip("%")
        for lines in bodies.values()
        for line in lines
        if re.search(r"\swhile\(", line)
        for found in _LOOPS.findall(line)
    ]
    if not reached:
        raise ValueError("the program has no loop")
    inside: set[str] = set()
    while reached:
        name = reached.pop()
        if name not in inside:
            inside.add(name)
            reached += calls[name]

    def found_in(names: set[str]) -> list[str]:
        return sorted(
            match[1] for name in names for line in bodies[name] if (match := _EXCHANGES.search(line))
        )

    return found_in(inside), found_in(set(bodies) - inside)
