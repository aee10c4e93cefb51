"""What the text of a compiled program tells: what its loops do at every step, and what devices exchange."""

import re
from collections import Counter
from typing import NamedTuple

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
_BODIES = re.compile(r"\bbody=%?([\w.\-]+)")
_GRAPH = re.compile(r"\scall\(.*to_apply=%?(command_buffer[\w.\-]*)")
_PRODUCT = re.compile(r"\sdot\(|gemm|matmul")
_WHILE = re.compile(r"\swhile\(")
_INSTRUCTION = re.compile(r"= (?P<shape>\S+) (?P<operation>[a-z][\w\-]*)\(")
# what takes no time: names for parts of memory, and what is known before
_FREE = {
    "parameter",
    "tuple",
    "get-tuple-element",
    "constant",
    "bitcast",
    "iota",
    "opt-barrier",
    "partition-id",
}


class Instruction(NamedTuple):
    """An instruction of a step: its operation, such as `"fusion"`, and the shape of its result, such as `"f32[5,10,65]{2,1,0}"`."""

    operation: str
    shape: str


def exchanges(program: Compiled) -> tuple[list[str], list[str]]:
    """The operations of a compiled program that exchange data between devices: inside its loops, and elsewhere.

    They are read from the text of XLA's optimized program. Raises `ValueError` if the program has no loop.
    """
    bodies = _read(program)
    inside = _reach(bodies, {found.lstrip("%") for line in _whiles(bodies) for found in _LOOPS.findall(line)})

    def find(names: set[str]) -> list[str]:
        return sorted(
            match[1] for name in names for line in bodies[name] if (match := _EXCHANGES.search(line))
        )

    return find(inside), find(set(bodies) - inside)


def list_step(program: Compiled) -> list[Instruction]:
    """The instructions of a step that take time, each about one kernel on a GPU. Raises `ValueError` as `read_step` does."""
    bodies = _read(program)
    lines = [line for name in _find_steps(bodies) for line in _unfold(bodies, name)]
    found = [match for line in lines if (match := _INSTRUCTION.search(line))]
    return [
        Instruction(match["operation"], match["shape"]) for match in found if match["operation"] not in _FREE
    ]


def read_step(program: Compiled) -> list[str]:
    """The lines of the program's text that a step reaches, those inside its fusions too.

    A step is that of the innermost loop with a matrix product. Raises `ValueError` if the program has no loop.
    """
    bodies = _read(program)
    return [line for name in sorted(_reach(bodies, _find_steps(bodies))) for line in bodies[name]]


def count_step(program: Compiled) -> dict[str, int]:
    """How many instructions of each kind a step has, the most frequent first."""
    return dict(Counter(each.operation for each in list_step(program)).most_common())


def _read(program: Compiled) -> dict[str, list[str]]:
    """The lines of each computation of the program, by its name."""
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
    return bodies


def _unfold(bodies: dict[str, list[str]], name: str) -> list[str]:
    """The lines of a computation, and those of the CUDA graphs that it calls in place of their call."""
    lines: list[str] = []
    for line in bodies[name]:
        graph = _GRAPH.search(line)
        lines += [line] if graph is None else _unfold(bodies, graph[1])
    return lines


def _find_steps(bodies: dict[str, list[str]]) -> set[str]:
    """The names of the innermost loops' bodies that reach a matrix product."""
    reach = {name: _reach(bodies, {name}) for line in _whiles(bodies) for name in _BODIES.findall(line)}
    steps = {
        name for name in reach if any(_PRODUCT.search(line) for each in reach[name] for line in bodies[each])
    }
    return {name for name in steps if not reach[name] & steps - {name}}


def _reach(bodies: dict[str, list[str]], names: set[str]) -> set[str]:
    """The computations of these names, and all that they call."""
    left, reached = list(names), set()
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left += [
                called.strip().lstrip("%")
                for line in bodies[name]
                for match in _CALLS.finditer(line)
                for called in match[1].strip("{}").split(",")
            ]
    return reached


def _whiles(bodies: dict[str, list[str]]) -> list[str]:
    found = [line for lines in bodies.values() for line in lines if _WHILE.search(line)]
    if not found:
        raise ValueError("the program has no loop")
    return found
