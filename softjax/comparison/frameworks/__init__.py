"""The autodiff frameworks that are compared. Each has one file, and one line in the registry for each way of calling it.

A framework's file is imported only when the framework runs.
"""

import importlib
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from softjax.comparison.devices import Device
from softjax.comparison.frameworks import programs
from softjax.comparison.frameworks.protocol import Prepared, Problem

Way = Literal["eager", "compiled", "by hand", "forward mode", "differences"]


@dataclass(frozen=True)
class Framework:
    """An entry of the registry: a library, and one way of calling it.

    **Fields:**

    - `name`: the name on the command line; `title`: the name in tables and pictures.
    - `library`: the library; its ways of calling count once.
    - `way`: `"eager"`: each operation runs when it is called; `"compiled"`: a program is built first and called then;
      `"by hand"`: the gradient is written out, without autodiff; `"forward mode"`; `"differences"`.
    - `distribution`: the Python package that must be installed; `requires`: what to pass to pip, if it is not that name.
    - `module`: the file in this folder, if its name is not that of the entry, with underscores.
    - `options`: keyword arguments of the file's functions, which tell the ways apart.
    - `program`: for a library of another language: tells its version, None if it is missing, and how it is installed.
    - `compiles`: whether the first call takes tens of seconds. A quick comparison leaves such frameworks out.
    - `gradient_only`: whether the library's loss is another quantity, so that only the gradient is judged.
    - `devices`: those on which it is compared.
    - `approximate`: whether the method is only accurate to u^⅔ (u is the unit roundoff), and is judged by that.
    """

    name: str
    title: str
    library: str
    way: Way
    distribution: str = ""
    module: str = ""
    requires: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    program: programs.Program | None = None
    compiles: bool = False
    gradient_only: bool = False
    approximate: bool = False
    devices: tuple[Device, ...] = ("cpu",)

    @property
    def install(self) -> str:
        """The command that installs it."""
        if self.program is not None:
            return self.program.install
        return f'pip install "{self.requires or self.distribution}"'

    @property
    def package(self) -> str:
        """The name of what is installed."""
        return self.distribution if self.program is None else self.program.package

    @property
    def version(self) -> str | None:
        """The installed version, None if it is not installed."""
        if self.program is not None:
            return self.program.find_version()
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None

    def load(self) -> Any:
        """Imports its file, a module with these names; the functions take `options` as keyword arguments.

        - `prepare(problem: Problem) -> Prepared`, and `DTYPES`, the types that the framework offers.
        - `write_script(problem: Problem) -> str`: a script that uses only the framework and the variables of
          `softjax.comparison.script`.
        - `write_forward(problem: Problem) -> str`, if the framework has a forward mode: such a script for the
          derivatives along `basis`.
        - `count_operations(N, D, K)` and `count_numbers(N, D, K)`, if the framework may take too long or too much
          memory: the operations of a loss and gradient, and how many numbers are in memory at once.

        Raises `ImportError` if the framework is not installed.
        """
        name = self.module or self.name.replace("-", "_")
        return importlib.import_module(f"softjax.comparison.frameworks.{name}")

    def prepare(self, problem: Problem) -> Prepared:
        """The problem in the framework, called in this way."""
        prepared: Prepared = self.load().prepare(problem, **self.options)
        return prepared


def _both(
    name: str,
    title: str,
    library: str,
    distribution: str,
    *,
    compiler: str,
    suffix: str,
    module: str = "",
    requires: str = "",
    compiles: bool = False,
    devices: tuple[Device, ...] = ("cpu",),
) -> tuple[Framework, Framework]:
    """A framework called eagerly and compiled: `prepare` takes `compiled`.

    **Arguments:** as the fields; `compiler` and `suffix` name the compiled way in its title and its name.
    """

    def build(name: str, title: str, way: Way, compiles: bool) -> Framework:
        return Framework(
            name,
            title,
            library,
            way,
            distribution,
            module=file,
            requires=requires,
            options={"compiled": way == "compiled"},
            compiles=compiles,
            devices=devices,
        )

    file = module or name.replace("-", "_")
    return (
        build(name, f"{title}, eager", "eager", False),
        build(f"{name}-{suffix}", f"{title}, {compiler}", "compiled", compiles),
    )


_jit: dict[str, Any] = {"compiler": "jit", "suffix": "jit"}
_both_devices: dict[str, Any] = {"devices": ("cpu", "gpu")}

FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework("numpy-loops", "NumPy, loops", "NumPy", "by hand", "numpy"),
        Framework("numpy-vectorized", "NumPy, vectorized", "NumPy", "by hand", "numpy"),
        Framework("differences", "central differences", "NumPy", "differences", "numpy", approximate=True),
        Framework("cupy", "CuPy, by hand", "CuPy", "by hand", "cupy-cuda13x", devices=("gpu",)),
        Framework("c", "C, by hand", "C", "by hand", program=programs.C),
        *_both("softjax", "softjax, loss_and_grad", "softjax", "softjax-suite", **_jit, **_both_devices),
        *_both("softjax-jvp", "softjax, custom JVP", "softjax", "softjax-suite", **_jit, **_both_devices),
        *_both("jax-grad", "JAX, jax.grad", "JAX", "jax", **_jit, **_both_devices),
        *_both("jax-forward", "JAX, forward mode", "JAX", "jax", **_jit, **_both_devices),
        *_both("optax-integer", "Optax, integer labels", "Optax", "optax", **_jit, **_both_devices),
        *_both("optax-safe", "Optax, safe", "Optax", "optax", **_jit, **_both_devices),
        Framework("enzyme", "Enzyme, through JAX", "Enzyme", "compiled", "enzyme-ad", compiles=True),
        Framework("torch-eager", "PyTorch, eager", "PyTorch", "eager", "torch", **_both_devices),
        Framework("torch-func", "PyTorch, torch.func", "PyTorch", "eager", "torch", **_both_devices),
        Framework(
            "torch-compile",
            "PyTorch, torch.compile",
            "PyTorch",
            "compiled",
            "torch",
            compiles=True,
            **_both_devices,
        ),
        *_both(
            "tensorflow",
            "TensorFlow",
            "TensorFlow",
            "tensorflow-cpu",
            compiler="tf.function",
            suffix="function",
            **_both_devices,
        ),
        *(
            Framework(
                f"keras-{backend}",
                f"Keras, {title}",
                "Keras",
                "eager" if backend == "torch" else "compiled",  # as fit runs it
                "keras",
                module="keras",
                requires=f"keras {package}",
                options={"backend": backend},
            )
            for backend, title, package in (
                ("jax", "JAX backend", "jax"),
                ("torch", "PyTorch backend", "torch"),
                ("tensorflow", "TensorFlow backend", "tensorflow-cpu"),
            )
        ),
        *_both(
            "paddle", "PaddlePaddle", "PaddlePaddle", "paddlepaddle", compiler="to_static", suffix="static"
        ),
        *_both("mindspore", "MindSpore", "MindSpore", "mindspore", **_jit, compiles=True),
        *_both("mlx", "MLX", "MLX", "mlx", requires="mlx[cpu]", compiler="mx.compile", suffix="compile"),
        *_both("tinygrad", "tinygrad", "tinygrad", "tinygrad", compiler="TinyJit", suffix="jit"),
        Framework("autograd", "HIPS autograd", "autograd", "eager", "autograd"),
        Framework("pytensor", "PyTensor", "PyTensor", "compiled", "pytensor", compiles=True),
        Framework("casadi", "CasADi", "CasADi", "compiled", "casadi"),
        Framework("drjit", "Dr.Jit", "Dr.Jit", "compiled", "drjit"),
        Framework("taichi", "Taichi", "Taichi", "compiled", "taichi"),
        Framework("warp", "Warp", "Warp", "compiled", "warp-lang", compiles=True),
        Framework("xad", "XAD", "XAD", "eager", "xad"),
        Framework("algopy", "ALGOPY", "ALGOPY", "eager", "algopy"),
        Framework("gvar", "gvar", "gvar", "forward mode", "gvar"),
        Framework("ad", "ad", "ad", "forward mode", "ad"),
        Framework(
            "scikit-learn", "scikit-learn, HalfMultinomialLoss", "scikit-learn", "by hand", "scikit-learn"
        ),
        Framework("statsmodels", "statsmodels, MNLogit", "statsmodels", "by hand", "statsmodels"),
        Framework("thinc", "thinc, the gradient alone", "thinc", "by hand", "thinc", gradient_only=True),
        Framework("tensorflow-js", "TensorFlow.js", "TensorFlow.js", "eager", program=programs.TENSORFLOW_JS),
        Framework("adol-c", "ADOL-C", "ADOL-C", "eager", program=programs.ADOL_C),
        Framework("sacado", "Sacado", "Sacado", "eager", program=programs.SACADO),
    )
}
