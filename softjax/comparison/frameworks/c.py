"""C, by hand, on one core: the floor that the libraries of other languages are compared with."""

from softjax.comparison.frameworks import programs
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_cpp import FLAGS
from softjax.comparison.frameworks.shared_pipe import SOURCES, build, prepare_program

DTYPES = ("float64", "float32")

SCRIPT = """\
import subprocess
def write(a): return "{" + ", ".join(map(str, a.ravel().tolist())) + "}"
program = '''
#include <stdio.h>
#include <tgmath.h>
#define nan NAN
#define inf INFINITY
enum { N = %d, D = %d, K = %d };
«real» X[] = %s, W[] = %s, grad[D * K], s[K];
long y[] = %s;
«data»int main(void) {
  «real» loss = 0, whole = 0;
  for (int i = 0; i < N; i++) whole += «weight»;
  for (int i = 0; i < N; i++) {
    «real» most = -INFINITY, total = 0, example = 0;
    for (int k = 0; k < K; k++) {
      s[k] = 0;
      for (int d = 0; d < D; d++) s[k] += X[i * D + d] * W[d * K + k];
      if (s[k] > most) most = s[k];
    }
    for (int k = 0; k < K; k++) total += exp(s[k] -= most);
    «check»for (int k = 0; k < K; k++) {
      «example»
      for (int d = 0; d < D; d++) grad[d * K + k] += X[i * D + d] * «weight» / whole * (exp(s[k]) / total - «target»);
    }
    loss += «weight» * example;
  }
  loss /= whole;
«penalty»  printf("%%.9g", loss);
  for (int j = 0; j < D * K; j++) printf(" %%.9g", grad[j]);
}
''' % (X.size // len(W), *W.shape, write(X), write(W), write(«labels»)«arrays»)
subprocess.run(["gcc", "-O3", "-march=native", "-x", "c", "-", "-lm"], input=program, text=True, check=True)
subprocess.run("./a.out", check=True)
"""
PENALTY = "  for (int j = 0; j < D * K; j++) loss += reg * W[j] * W[j], grad[j] += 2 * reg * W[j];\n"


def prepare(problem: Problem) -> Prepared:
    """The two matrix products by blocks, in `programs/by_hand.c`, which is compiled for both types."""
    source = str(SOURCES / "by_hand")
    compile_c = [
        ("gcc", *FLAGS, f"-DREAL={real}", "-c", f"{source}.c", "-o", f"{real}.o")
        for real in ("float", "double")
    ]
    link = ("g++", "-std=c++17", *FLAGS, f"{source}.cpp", "float.o", "double.o", "-o", "program", "-lm")
    return prepare_program(problem, str(build("by_hand", *compile_c, link, version=programs.find_gcc())))


def write_script(problem: Problem) -> str:
    """A program in plain loops, without the blocks."""
    parts = {
        "weight": "1",
        "check": "if (y[i] < 0 || y[i] >= K) return 1;\n    ",
        "example": "if (k == y[i]) example = log(total) - s[k];",
        "target": "(k == y[i])",
        "penalty": PENALTY if problem.reg else "",
        "labels": "y" if problem.ignore_index is None and not problem.soft else "labels",
    }
    data, arrays = "", ""
    if problem.weights is not None:
        data, arrays = "«real» weights[] = %s;\n", ", write(w)"
        parts["weight"] = "weights[i]"
    if problem.targets is not None:
        data, arrays = data + "«real» targets[] = %s;\n", arrays + ", write(T)"
        parts |= {
            "check": "",
            "example": "example += targets[i * K + k] * (log(total) - s[k]);",
            "target": "targets[i * K + k]",
        }
    if problem.reg:
        data, arrays = data + "const «real» reg = %s;\n", arrays + ", reg"
    parts |= {"data": data, "arrays": arrays, "real": "float" if problem.dtype == "float32" else "double"}
    script = SCRIPT
    for name, part in parts.items():
        script = script.replace(f"«{name}»", part)
    return script
