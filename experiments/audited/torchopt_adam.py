"""torchopt's rule for the updates of Adam against mpmath, away from ν = 0: python experiments/audited/torchopt_adam.py.

û = (μ / (1 − β₁ᵗ)) / (√(ν / (1 − β₂ᵗ) + eps_root) + eps).
"""

from typing import Any

import mpmath
import torch
from torchopt.accelerated_op.adam_op import AdamOp

MU, NU, B1, B2 = 0.3, 0.001, 0.9, 0.999
CASES = ((1e-8, 0.0, 3), (0.1, 0.0, 3), (1e-8, 1e-8, 1), (1e-8, 1e-2, 1))  # eps, eps_root, t


def update(nu: Any, eps: float, eps_root: float, t: int) -> Any:
    """û as a function of ν."""
    first, second = (1 - mpmath.mpf(beta) ** t for beta in (B1, B2))
    return mpmath.mpf(MU) / first / (mpmath.sqrt(nu / second + eps_root) + eps)


def main() -> None:
    """Prints û and its derivative by ν for some eps, eps_root and t."""
    mpmath.mp.dps = 40
    for eps, eps_root, t in CASES:
        mu = torch.tensor([MU], dtype=torch.float64)
        nu = torch.tensor([NU], dtype=torch.float64, requires_grad=True)
        value = AdamOp.UpdatesOp.apply(mu.requires_grad_(), nu, (B1, B2, eps, eps_root, t))
        rule = torch.autograd.grad(value.sum(), nu)[0].item()
        true = mpmath.diff(lambda x, e=eps, r=eps_root, t=t: update(x, e, r, t), mpmath.mpf(NU), h=1e-15)
        expected = update(mpmath.mpf(NU), eps, eps_root, t)
        print(
            f"eps {eps:g}, eps_root {eps_root:g}, t {t}: û {value.item():.6g} (mpmath {float(expected):.6g})"
        )
        print(f"  dû/dν by the rule {rule:.6g}, by mpmath {float(true):.6g}")


if __name__ == "__main__":
    main()
