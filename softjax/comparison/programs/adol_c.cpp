// ADOL-C: the operations of the loss are recorded on a tape, which reverse mode then reads backwards.

#include <adolc/adolc.h>

#include "loss.hpp"

static double loss_and_grad(const pipe::Problem<double>& problem, std::size_t K, const std::vector<double>& W,
                            std::vector<double>& grad) {
  const short tape = 1;
  // Buffers of operations, locations, constants and values that hold the whole tape: otherwise it goes to files.
  const unsigned products = static_cast<unsigned>((problem.N + 2) * (problem.D + 4) * K + 1000);
  trace_on(tape, 1, 3 * products, 9 * products, 3 * products, 3 * products);  // 1: reverse mode will follow
  std::vector<adouble> w(W.size());
  for (std::size_t j = 0; j < W.size(); ++j) w[j] <<= W[j];
  adouble loss = compute_loss(problem, K, w);
  double value;
  loss >>= value;
  trace_off();
  double one = 1;
  if (fos_reverse(tape, 1, static_cast<int>(W.size()), &one, grad.data()) < 0)
    throw std::runtime_error("fos_reverse failed");
  return value;
}

int main() { return pipe::serve("ADOL-C", VERSION, {pipe::offer<double>(loss_and_grad)}); }
