// The loss of the comparison for any type of numbers: those of a library record the operations that are done with them.
#pragma once

#include <cmath>
#include <vector>

#include "pipe.hpp"

// Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ + l1 Σ|W| + l2 ΣW² with ℓᵢ = −Σₖ tᵢₖ log softmax(X[i] W)[k], W (D × K).
//
// `value` reads the value of a T: the largest score, which keeps exp from overflowing, is a constant.
template <typename T, typename Real, typename Value>
T compute_loss(const softjax::Problem<Real>& problem, std::size_t K, const std::vector<T>& W, Value value) {
  using std::exp, std::fabs, std::log;
  const std::size_t N = problem.N, D = problem.D;
  Real whole = 0;
  T loss = 0;
  std::vector<T> s(K);
  for (std::size_t i = 0; i < N; ++i) {
    for (std::size_t k = 0; k < K; ++k) s[k] = 0;
    for (std::size_t d = 0; d < D; ++d)
      for (std::size_t k = 0; k < K; ++k) s[k] += problem.X[i * D + d] * W[d * K + k];

    Real most = value(s[0]);
    for (std::size_t k = 1; k < K; ++k)
      if (value(s[k]) > most) most = value(s[k]);
    T total = 0;
    for (std::size_t k = 0; k < K; ++k) {
      s[k] -= most;
      total += exp(s[k]);
    }
    T log_total = log(total);
    T example = 0;
    if (problem.targets.empty()) {
      example = log_total - s[problem.labels[i]];
    } else {
      for (std::size_t k = 0; k < K; ++k) example += problem.targets[i * K + k] * (log_total - s[k]);
    }
    loss += problem.weights[i] * example;
    whole += problem.weights[i];
  }
  loss /= whole;

  if (problem.l1 != 0) {
    T sum = 0;
    for (const T& w : W) sum += fabs(w);
    loss += problem.l1 * sum;
  }
  if (problem.l2 != 0) {
    T sum = 0;
    for (const T& w : W) sum += w * w;
    loss += problem.l2 * sum;
  }
  return loss;
}
