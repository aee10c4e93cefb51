"""What the libraries of C and C++ share: how their programs are built, and the script that a user would write."""

from pathlib import Path

from softjax.comparison.frameworks.protocol import Problem
from softjax.comparison.frameworks.shared_pipe import SOURCES, build

FLAGS = ("-O3", "-march=native", "-w")  # the libraries' headers warn

SCRIPT = """\
import subprocess
def write(a): return "{" + ", ".join(map(str, a.ravel().tolist())) + "}"
program = '''
#include <cmath>
#include <iostream>
#include <vector>
«include»
using std::exp, std::log;
#define inf INFINITY
#define nan NAN
const std::vector<«real»> X = %s, W = %s«names»;
const std::vector<long> y = %s;
const int N = %d, D = %d, K = %d;
«program»
''' % (write(X), write(W)«arrays», write(«labels»), X.size // len(W), *W.shape)
subprocess.run(["g++", "-x", "c++", "-"«flags»], input=program, text=True, check=True)
subprocess.run("./a.out", check=True)
"""

LOSS = """\
template <typename T> T loss(const std::vector<T>& W) {
  T sum = 0;
  for (int i = 0; i < N; ++i) {
    std::vector<T> s(K);
    for (int k = 0; k < K; ++k) s[k] = 0;
    for (int d = 0; d < D; ++d) for (int k = 0; k < K; ++k) s[k] += X[i * D + d] * W[d * K + k];
    «real» most = s[0].«value»();
    for (int k = 1; k < K; ++k) if (s[k].«value»() > most) most = s[k].«value»();
    T total = 0;
    for (int k = 0; k < K; ++k) { s[k] -= most; total += exp(s[k]); }
    const T log_total = log(total);
    T example = 0;
    «example»
    sum += «weight»example;
  }
«whole»«penalty»  return sum;
}
"""


def build_cpp(name: str, *flags: str, version: str | None) -> Path:
    """The program of `programs/NAME.cpp`, built with these flags beside `FLAGS`."""
    source = str(SOURCES / f"{name}.cpp")
    return build(name, ("g++", "-std=c++17", *FLAGS, source, "-o", "program", *flags), version=version)


def write_loss(problem: Problem, value: str) -> str:
    """A function template of C++ that computes the objective at W, in the words of `SCRIPT`.

    `value` is the name of the method that reads the value of a number of the library.
    """
    weighted = problem.weights is not None
    parts = {
        "example": "example = log_total - s.at(y[i]);",
        "weight": "weights[i] * " if weighted else "",
        "whole": "  sum /= N;\n",
        "penalty": "",
        "value": value,
    }
    if problem.targets is not None:
        parts["example"] = "for (int k = 0; k < K; ++k) example += targets[i * K + k] * (log_total - s[k]);"
    if weighted:
        parts["whole"] = (
            "  «real» whole = 0;\n  for («real» weight : weights) whole += weight;\n  sum /= whole;\n"
        )
    if problem.reg:
        parts["penalty"] = "  for (const T& w : W) sum += reg * (w * w);\n"
    return _fill(LOSS, parts)


def write_cpp(problem: Problem, program: str, include: str, *flags: str, real: str = "double") -> str:
    """A script in Python that compiles and runs a program, which prints the loss and then the gradient.

    **Arguments:**

    - `program`: what follows the constants N, D, K, and the vectors X, W, and y or targets, and weights.
    - `include`: the line that includes the library; `flags`: those that the compiler needs for it.
    - `real`: the type of the numbers.
    """
    names, arrays = "", ""
    for name, variable, array in (("weights", "w", problem.weights), ("targets", "T", problem.targets)):
        if array is not None:
            names, arrays = f"{names}, {name} = %s", f"{arrays}, write({variable})"
    if problem.reg:
        names, arrays = f"{names};\nconst «real» reg = %s", f"{arrays}, reg"
    parts = {
        "include": include,
        "names": names,
        "arrays": arrays,
        "labels": "y" if problem.ignore_index is None and not problem.soft else "labels",
        "flags": "".join(f", {flag!r}" for flag in flags),
        "program": program.strip("\n"),
    }
    return _fill(_fill(SCRIPT, parts), {"real": real})


def _fill(text: str, parts: dict[str, str]) -> str:
    for name, part in parts.items():
        text = text.replace(f"«{name}»", part)
    return text
