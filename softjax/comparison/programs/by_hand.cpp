// Hands by_hand.c to the comparison, compiled for float and for double.

#include "pipe.hpp"

template <typename Real>
using Function = Real(std::size_t N, std::size_t D, std::size_t K, const Real* X, const std::int64_t* labels,
                      const Real* targets, const Real* weights, Real l1, Real l2, const Real* W, Real* grad, Real* scores);

extern "C" Function<float> loss_and_grad_float;
extern "C" Function<double> loss_and_grad_double;

template <typename Real, Function<Real> function>
static Real loss_and_grad(const softjax::Problem<Real>& problem, std::size_t K, const std::vector<Real>& W,
                          std::vector<Real>& grad) {
  static std::vector<Real> scores;
  scores.resize(problem.N * K);
  const bool soft = !problem.targets.empty();
  return function(problem.N, problem.D, K, problem.X.data(), soft ? nullptr : problem.labels.data(),
                  soft ? problem.targets.data() : nullptr, problem.weights.data(), problem.l1, problem.l2, W.data(),
                  grad.data(), scores.data());
}

int main() {
  return softjax::serve("C", __VERSION__,
                     {softjax::offer<float>(loss_and_grad<float, loss_and_grad_float>),
                      softjax::offer<double>(loss_and_grad<double, loss_and_grad_double>)});
}
