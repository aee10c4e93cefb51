"""Sacado, a part of Trilinos: Sacado::Rad::ADvar, recorded anew in each call, and Outvar_Gradcomp, in C++."""

from softjax.comparison.frameworks import programs
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_cpp import build_cpp, write_cpp, write_loss
from softjax.comparison.frameworks.shared_pipe import prepare_program

DTYPES = ("float64", "float32")

MAIN = """\
int main() {
  typedef Sacado::Rad::ADvar<«real»> Active;
  const std::vector<Active> w(W.begin(), W.end());
  Active result = loss(w);
  Active::Outvar_Gradcomp(result);
  std::cout << result.val();
  for (const Active& v : w) std::cout << " " << v.adj();
  std::cout << std::endl;
}
"""


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on the scalar operations of loops. The memory of a call is kept for the next."""
    version = programs.find_sacado()
    flags = (*programs.SACADO_FLAGS, f'-DSACADO="{version}"')
    return prepare_program(problem, str(build_cpp("sacado", *flags, version=version)))


def write_script(problem: Problem) -> str:
    """A program that its users would write."""
    return write_cpp(
        problem,
        write_loss(problem, "val") + MAIN,
        "#include <Sacado_trad.hpp>",
        *programs.SACADO_FLAGS,
        real="float" if problem.dtype == "float32" else "double",
    )


def count_operations(N: int, D: int, K: int) -> float:
    """Products that are recorded and read back. A call, and to ask for it, costs as much as 600 of them."""
    return N * K * (D + 10.0) + 600


def count_numbers(N: int, D: int, K: int) -> float:
    """The records, with about 130 bytes for each product."""
    return 31.0 * N * D * K
