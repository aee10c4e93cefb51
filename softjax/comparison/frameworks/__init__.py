"""The autodiff frameworks that are compared. Each has one file and one line in the registry.

A framework's file is imported only when the framework runs.
"""

import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType


@dataclass(frozen=True)
class Framework:
    """An entry of the registry.

    **Fields:**

    - `name`: the name on the command line. The framework's file in this folder has the same name, with underscores.
    - `title`: the name in tables and pictures.
    - `distribution`: the package that must be installed; `requires`: what to pass to pip, if it is not that name.
    - `compiles`: whether the first call takes tens of seconds. A quick comparison leaves such frameworks out.
    - `approximate`: whether the method is only accurate to u^⅔ (u is the unit roundoff), and is judged by that.
    """

    name: str
    title: str
    distribution: str
    requires: str = ""
    compiles: bool = False
    approximate: bool = False

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "{self.requires or self.distribution}"'

    @property
    def version(self) -> str | None:
        """The installed version, None if it is not installed."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None

    def load(self) -> ModuleType:
        """Imports its file, a module with these names.

        - `prepare(Problem) -> Prepared`, and `DTYPES`, the types that the framework offers.
        - `SCRIPT`: a script that uses only the framework and the variables X, y, W and reg. The penalty is in « ».
        - `FORWARD`, if the framework has a forward mode: such a script for the derivatives along `basis`.
        - `count_operations(N, D, K)` and `count_numbers(N, D, K)`, if the framework may take too long or too much
          memory: the operations of a loss and gradient, and how many numbers are in memory at once.

        Raises `ImportError` if the framework is not installed.
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
