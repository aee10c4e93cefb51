"""The autodiff frameworks that are compared: a file and a line of the registry for each.

A framework's file is imported only when the framework runs.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType


@dataclass(frozen=True)
class Framework:
    """An entry of the registry.

    **Fields:**

    - `name`: on the command line; its file beside this one has the same name with underscores.
    - `title`: in tables and pictures.
    - `distribution`: the package that has to be installed; `requires`: what pip is asked for, where that is more.
    - `compiles`: whether the first call takes tens of seconds, so that a quick comparison leaves the framework out.
    - `approximate`: whether the method is no better than u^⅔ (u the unit roundoff), so that it is judged by that.
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
        """Imports its file, a module with these names.

        - `prepare(Problem) -> Prepared`, and `DTYPES`, the types that the framework offers.
        - `SCRIPT`: a script in the framework alone, given X, y, W and reg; « » enclose the terms of the penalty.
        - `FORWARD`, where the framework has a forward mode: such a script for the derivatives along `basis`.
        - `count_operations(N, D, K)` and `count_numbers(N, D, K)`, where the framework may take too long or too
          much memory: the operations of a loss and gradient, and the numbers held at once.

        Raises `ImportError` where the framework is not installed.
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
