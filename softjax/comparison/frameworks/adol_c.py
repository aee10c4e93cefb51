"""ADOL-C: adouble, a tape that is recorded anew in each call, and fos_reverse, in C++."""

from softjax.comparison.frameworks import programs
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_cpp import build_cpp, write_cpp, write_loss
from softjax.comparison.frameworks.shared_pipe import prepare_program

DTYPES = ("float64",)

MAIN = """\
int main() {
  trace_on(1, 1);
  std::vector<adouble> w(D * K);
  for (int j = 0; j < D * K; ++j) w[j] <<= W[j];
  adouble result = loss(w);
  double value, one = 1;
  result >>= value;
  trace_off();
  std::vector<double> grad(D * K);
  fos_reverse(1, 1, D * K, &one, grad.data());
  std::cout << value;
  for (double g : grad) std::cout << " " << g;
  std::cout << std::endl;
}
"""


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on the scalar operations of loops, in float64 whatever the type of W: it has no other type."""
    version = programs.find_adol_c()
    flags = ("-ladolc", f'-DVERSION="{version}"')
    return prepare_program(problem, str(build_cpp("adol_c", *flags, version=version)))


def write_script(problem: Problem) -> str:
    """A program that its users would write."""
    return write_cpp(problem, write_loss(problem, "value") + MAIN, "#include <adolc/adolc.h>", "-ladolc")


def count_operations(N: int, D: int, K: int) -> float:
    """Products that are recorded and read back. A call, and to ask for it, costs as much as 600 of them."""
    return N * K * (D + 10.0) + 600


def count_numbers(N: int, D: int, K: int) -> float:
    """The tape, with about six numbers for each product. It goes to files, in a folder for temporary files."""
    return 6.0 * N * D * K
