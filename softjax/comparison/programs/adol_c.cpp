// ADOL-C: the operations of the loss are recorded on a tape, which reverse mode then reads backwards.

#include <adolc/adolc.h>

#include "loss.hpp"

static double loss_and_grad(const softjax::Problem<double>& problem, std::size_t K, const std::vector<double>& W,
                            std::vector<double>& grad) {
  const short tape = 1;
  trace_on(tape, 1);  // 1: reverse mode will follow. A tape that is larger than its buffers goes to files.
  std::vector<adouble> w(W.size());
  for (std::size_t j = 0; j < W.size(); ++j) w[j] <<= W[j];
  adouble loss = compute_loss(problem, K, w, [](const adouble& x) { return x.value(); });
  double value;
  loss >>= value;
  trace_off();
  double one = 1;
  if (fos_reverse(tape, 1, static_cast<int>(W.size()), &one, grad.data()) < 0)
    throw std::runtime_error("fos_reverse failed");
  return value;
}

int main() { return softjax::serve("ADOL-C", VERSION, {softjax::offer<double>(loss_and_grad)}); }
