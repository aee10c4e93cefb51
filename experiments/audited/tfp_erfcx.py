"""TensorFlow Probability's rule for erfcx, 2x erfcx(x) − 2/√π, against mpmath: python experiments/audited/tfp_erfcx.py."""

import jax
import jax.numpy as jnp
import mpmath
from tensorflow_probability.substrates import jax as tfp


def main() -> None:
    """Prints the derivative by the rule in float32, by mpmath, and how many roundings they differ by."""
    mpmath.mp.dps = 60
    for x in (1.0, 3.0, 10.0, 100.0):
        rule = float(jax.grad(tfp.math.erfcx)(jnp.float32(x)))
        exact = mpmath.mpf(x)
        true = 2 * exact * mpmath.exp(exact**2) * mpmath.erfc(exact) - 2 / mpmath.sqrt(mpmath.pi)
        roundings = abs(rule - float(true)) / abs(float(true)) / 2**-24
        print(
            f"x {x:g}: by the rule {rule:.7g}, by mpmath {float(true):.7g}, {roundings:.3g} roundings apart"
        )


if __name__ == "__main__":
    main()
