"""The device on which a framework computes: the CPU, or a GPU. What each library does for that stands here alone."""

import importlib
import os
import time
from collections.abc import Callable
from typing import Any, Literal

Device = Literal["cpu", "gpu"]

# Of a worker's environment. On GPUs JAX and TensorFlow take most of the memory at once by default, and other workers get none.
ENVIRONMENT: dict[Device, dict[str, str]] = {
    "cpu": {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "DEV": "CPU"},
    "gpu": {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"},
}


class NoGpuError(Exception):
    """The framework sees no GPU."""


def use_gpu(library: str, full_precision: bool) -> str:
    """Has a library compute on the GPU, and returns the GPU's name.

    With `full_precision` its products of float32 matrices have all digits; else the library decides.

    Raises `NoGpuError` if it sees none.
    """
    return _LIBRARIES[library](full_precision)


def read_peak(library: str) -> int | None:
    """The highest number of bytes that a library had on the GPU so far; None if it does not tell."""
    match library:
        case "PyTorch":
            torch: Any = importlib.import_module("torch")
            return int(torch.cuda.max_memory_allocated())
        case "TensorFlow":
            tf: Any = importlib.import_module("tensorflow")
            return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
        case "CuPy":
            return int(importlib.import_module("cupy").get_default_memory_pool().total_bytes())
    jax: Any = importlib.import_module("jax")
    stats = jax.devices()[0].memory_stats()
    return int(stats["peak_bytes_in_use"]) if stats else None


def time_row(library: str, begin: Callable[[], object], count: int) -> float:
    """Seconds of a call on the GPU, of `count` in a row: each is begun while the ones before still compute.

    `begin` begins one and does not wait for it. PyTorch and CuPy have events, which the GPU itself times; for the other
    libraries, which have none to call, it is the clock, until the last one is finished.
    """
    wait = _WAITS.get(library)
    if wait is None:
        return _EVENTS[library](begin, count)
    start = time.perf_counter()
    for _ in range(count):
        result = begin()
    wait(result)
    return (time.perf_counter() - start) / count


def has_events(library: str) -> bool:
    """Whether calls of a library are timed by the events of the GPU, and not by the clock."""
    return library not in _WAITS


def _time_torch(begin: Callable[[], object], count: int) -> float:
    torch: Any = importlib.import_module("torch")
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        begin()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000 / count


def _time_cupy(begin: Callable[[], object], count: int) -> float:
    cupy: Any = importlib.import_module("cupy")
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(count):
        begin()
    end.record()
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(start, end)) / 1000 / count


def _wait_for_jax(result: object) -> None:
    importlib.import_module("jax").block_until_ready(result)


def _wait_for_tensorflow(result: object) -> None:
    tf: Any = importlib.import_module("tensorflow")
    tf.test.experimental.sync_devices()


def _use_jax(full_precision: bool) -> str:
    jax: Any = importlib.import_module("jax")
    if jax.default_backend() != "gpu":
        raise NoGpuError("JAX sees no GPU")
    if full_precision:
        jax.config.update("jax_default_matmul_precision", "highest")
    return str(jax.devices()[0].device_kind)


def _use_torch(full_precision: bool) -> str:
    torch: Any = importlib.import_module("torch")
    if not torch.cuda.is_available():
        raise NoGpuError("PyTorch sees no GPU")
    torch.set_default_device("cuda")
    if full_precision:
        torch.set_float32_matmul_precision("highest")
    return str(torch.cuda.get_device_name())


def _use_tensorflow(full_precision: bool) -> str:
    tf: Any = importlib.import_module("tensorflow")
    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise NoGpuError("TensorFlow sees no GPU")
    if full_precision:
        tf.config.experimental.enable_tensor_float_32_execution(False)
    return str(tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU"))


def _use_cupy(full_precision: bool) -> str:
    if full_precision:  # as by default, unless the environment says otherwise
        os.environ["CUPY_TF32"] = "0"
    cupy: Any = importlib.import_module("cupy")
    try:
        return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise NoGpuError("CuPy sees no GPU") from error


_LIBRARIES: dict[str, Callable[[bool], str]] = {
    "softjax": _use_jax,
    "JAX": _use_jax,
    "Optax": _use_jax,
    "PyTorch": _use_torch,
    "TensorFlow": _use_tensorflow,
    "CuPy": _use_cupy,
}

_EVENTS: dict[str, Callable[[Callable[[], object], int], float]] = {
    "PyTorch": _time_torch,
    "CuPy": _time_cupy,
}
_WAITS: dict[str, Callable[[object], None]] = {
    "softjax": _wait_for_jax,
    "JAX": _wait_for_jax,
    "Optax": _wait_for_jax,
    "TensorFlow": _wait_for_tensorflow,
}
