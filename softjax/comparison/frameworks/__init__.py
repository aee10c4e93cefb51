"""The autodiff frameworks that are compared: one file each, imported only when asked for."""

import importlib
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType


@dataclass(frozen=True)
class Framework:
    """An entry of the registry.

    **Fields:**

    - `name`: on the command line; `softjax/frameworks/` has its file, of the same name with underscores.
    - `title`: in tables and pictures.
    - `distribution`: what has to be installed; `requires` is what pip is told, where that is more.
    - `compiles`: whether its first call takes tens of seconds, so that a quick comparison leaves it out.
    - `approximate`: whether its method is no better than u^⅔ (u the unit roundoff), so that it is judged by that.
    """

    name: str
    title: str
    distribution: str
    requires: str = ""
    compiles: bool = False
    approximate: bool = False

    @property
    def install(self) -> str:
        """The line that installs it."""
        return f'pip install "{self.requires or self.distribution}"'

    @property
    def version(self) -> str | None:
        """The version installed, None where there is none."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None

    def load(self) -> ModuleType:
        """Its module: `prepare(Problem) -> Prepared`, the `DTYPES` it offers, and a `SCRIPT` of its own for X, y, W
        and reg, in which « » enclose the penalty; `FORWARD`, such a script for each V of a basis, where it has a
        forward mode; `work` and `memory` of (N, D, K), operations and numbers held, where these are unusual.

        Raises `ImportError` where it is not installed.
        """
        return importlib.import_module(f"softjax.comparison.frameworks.{self.name.replace('-', '_')}")


FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework("numpy-loops", "NumPy, loops", "numpy"),
        Framework("numpy-vectorized", "NumPy, vectorized", "numpy"),
        Framework("differences", "central differences", "numpy", approximate=True),
        Framework("jax-by-hand", "JAX, by hand", "jax"),
        Framework("jax-grad", "JAX, jax.grad", "jax"),
        Framework("jax-forward", "JAX, forward mode", "jax"),
        Framework("jax-custom-jvp", "JAX, custom JVP", "jax"),
        Framework("optax-integer", "Optax, integer labels", "optax"),
        Framework("optax-safe", "Optax, safe", "optax"),
        Framework("torch-eager", "PyTorch, eager", "torch"),
        Framework("torch-func", "PyTorch, torch.func", "torch"),
        Framework("torch-compile", "PyTorch, torch.compile", "torch", compiles=True),
        Framework("tensorflow", "TensorFlow", "tensorflow-cpu"),
        Framework("autograd", "HIPS autograd", "autograd"),
        Framework("tinygrad", "tinygrad", "tinygrad"),
        Framework("mlx", "MLX", "mlx", requires="mlx[cpu]"),
        Framework("pytensor", "PyTensor", "pytensor", compiles=True),
    )
}
