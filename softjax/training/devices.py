"""Several devices and several processes: JAX's distributed runtime, the mesh, and communication between processes.

The mesh has two axes. Devices along "config" train different configurations; they do not communicate during training.
Devices along "data" have different parts of each minibatch; their gradients are averaged at every step.
"""

import pickle
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from softjax.errors import InputError, check_count
from softjax.training.config import DeviceConfig

T = TypeVar("T")

CONFIG, DATA = "config", "data"
INITIALIZATION_SECONDS = 300


class NotJoinedError(InputError):
    """The processes of a distributed sweep cannot be joined."""


def join_processes(config: DeviceConfig) -> None:
    """Joins the other processes of a distributed sweep. Call it before any other use of JAX, and only once.

    Without `config.coordinator`, `jax.distributed.initialize` reads the environment of Slurm, Cloud TPU, Open MPI or
    Kubernetes. If a process dies, or gives no sign of life for `config.heartbeat` seconds, all others end.

    Raises `NotJoinedError` if the environment has no such information, `InputError` if the coordinator's port is taken.
    """
    if not config.distributed:
        return
    options: dict[str, Any] = {}
    if config.coordinator is not None:
        options = {
            "coordinator_address": config.coordinator,
            "num_processes": config.num_processes,
            "process_id": config.process_id,
            "cluster_detection_method": "deactivate",
        }
        host, port = config.coordinator.rsplit(":", 1)
        if config.process_id == 0:
            _check_port(int(port))
            if host in ("localhost", "127.0.0.1", "::1"):  # other hosts do not connect to it
                options["coordinator_bind_address"] = config.coordinator
    try:
        jax.distributed.initialize(
            **options,
            initialization_timeout=INITIALIZATION_SECONDS,
            heartbeat_timeout_seconds=config.heartbeat,
        )
    except (ValueError, RuntimeError) as error:
        raise NotJoinedError(
            f"the processes cannot be joined: {str(error).splitlines()[0].rstrip('.')}"
        ) from error
    # Connect now: later a process may compile for longer than the others wait for it.
    multihost_utils.sync_global_devices("softjax")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(f"the coordinator's port {port} cannot be opened: {error.strerror}") from error


def is_first() -> bool:
    """Whether this process is the one that writes and shows progress."""
    return jax.process_index() == 0


def mesh_of(data_parallel: int = 1) -> Mesh:
    """A mesh of all devices of all processes, for `sweep`. Its axes are "config" and "data".

    **Arguments:**

    - `data_parallel`: number of devices along "data", which share each minibatch. The other devices are along "config".

    Raises `InputError` if `data_parallel` is no whole number that divides the number of devices.

    Examples:
        >>> from softjax import mesh_of
        >>> mesh_of().axis_names
        ('config', 'data')
    """
    check_count("data_parallel", data_parallel)
    devices = jax.devices()
    if len(devices) % data_parallel:
        raise InputError(
            f"data_parallel is the number of devices that share a minibatch, and must divide the number of devices: "
            f"got {data_parallel}, and JAX sees {len(devices)}"
        )
    return Mesh(np.array(devices).reshape(-1, data_parallel), (CONFIG, DATA))


def place(tree: T, mesh: Mesh, *axes: str | None) -> T:
    """The arrays of `tree` on the devices of `mesh`, leading axes along `axes`. Every process has the same whole arrays."""
    sharding = NamedSharding(mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]

    def place_leaf(leaf: Any) -> Any:
        leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
        if mesh.size == 1:
            return jax.device_put(leaf, sharding)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = place_leaf(np.asarray(jax.random.key_data(leaf)))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    on_devices: T = jax.tree.map(place_leaf, tree)
    return on_devices


def fetch(array: Any) -> np.ndarray:
    """The whole array, also if its parts are in other processes. All processes must call this together."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def share_numbers(*values: int) -> np.ndarray:
    """The integers of all processes, (processes, values), in each of them. All processes must call this together."""
    mine = np.array(values, np.int32)
    if jax.process_count() == 1:
        return mine[None]
    return np.asarray(multihost_utils.process_allgather(mine))


def run_on_first(value: Callable[[], T]) -> T:
    """Calls `value` in the first process; all return its result. If it raises `InputError`, the other processes end."""
    if jax.process_count() == 1:
        return value()
    message: Any = None
    refusal: InputError | None = None
    if is_first():
        try:
            message = True, value()
        except InputError as error:
            refusal, message = error, (False, None)
        message = np.frombuffer(pickle.dumps(message), np.uint8)
    size = int(share_numbers(0 if message is None else len(message))[0, 0])
    content = message if message is not None else np.zeros(size, np.uint8)
    good, found = pickle.loads(np.asarray(multihost_utils.broadcast_one_to_all(content)).tobytes())
    if refusal is not None:
        raise refusal
    if not good:  # the first process shows the error
        raise SystemExit(2)
    result: T = found
    return result
