// Sacado: each operation on a Sacado::Rad::ADvar is recorded, and reverse mode goes through the records backwards.

#include <Sacado_trad.hpp>

#include "loss.hpp"

template <typename Real>
static Real loss_and_grad(const softjax::Problem<Real>& problem, std::size_t K, const std::vector<Real>& W,
                          std::vector<Real>& grad) {
  using Active = Sacado::Rad::ADvar<Real>;
  const std::vector<Active> w(W.begin(), W.end());
  Active loss = compute_loss(problem, K, w, [](const Active& x) { return x.val(); });
  Active::Outvar_Gradcomp(loss);
  for (std::size_t j = 0; j < W.size(); ++j) grad[j] = w[j].adj();
  return loss.val();
}

int main() {
  return softjax::serve("Sacado", SACADO, {softjax::offer<double>(loss_and_grad<double>), softjax::offer<float>(loss_and_grad<float>)});
}
