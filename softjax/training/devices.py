"""Many devices, and many processes: JAX's own runtime, a mesh, and what processes tell one another.

The mesh has two axes. Along "config" lie different configurations, which need nothing of one another: no device waits
for another while it trains. Along "data" lie parts of each minibatch, whose gradients are averaged at every step.
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

from softjax.errors import InputError
from softjax.training.config import DeviceConfig

T = TypeVar("T")

CONFIG, DATA = "config", "data"
INITIALIZATION_SECONDS = 300


class NotJoinedError(InputError):
    """The processes of a distributed sweep cannot be joined."""


def join_processes(config: DeviceConfig) -> None:
    """Joins the other processes of a distributed sweep: before JAX is used otherwise, and at most once.

    With `config.coordinator` as it says; else from the environment of Slurm, Cloud TPU, Open MPI or Kubernetes, as
    `jax.distributed.initialize` reads it. A process that dies, or is not heard of for `config.heartbeat` seconds, ends all
    others.

    Raises `NotJoinedError` where the environment says nothing, `InputError` where the coordinator's port is taken.
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
            if host in ("localhost", "127.0.0.1", "::1"):  # nobody else need reach it
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
    # The processes connect now: later, each may be compiling for longer than the others wait.
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
    """All devices of all processes, `data_parallel` of them along "data" and the rest along "config".

    Raises `InputError` where they cannot be so divided.
    """
    devices = jax.devices()
    if len(devices) % data_parallel:
        raise InputError(
            f"data_parallel must divide the number of devices, got {data_parallel} and {len(devices)} devices"
        )
    return Mesh(np.array(devices).reshape(-1, data_parallel), (CONFIG, DATA))


def place(tree: T, mesh: Mesh, *axes: str | None) -> T:
    """The arrays of `tree`, which every process holds alike, on the devices of `mesh`: their leading axes along `axes`."""
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
    """All of an array, wherever its parts are: every process asks for it, and has it."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def share_numbers(*values: int) -> np.ndarray:
    """Whole numbers of every process, (processes, values): the same for all of them, who must all ask."""
    mine = np.array(values, np.int32)
    if jax.process_count() == 1:
        return mine[None]
    return np.asarray(multihost_utils.process_allgather(mine))


def run_on_first(value: Callable[[], T]) -> T:
    """What `value` gives in the first process, in all of them; where it raises `InputError`, the others end."""
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
    if not good:  # the first one says why
        raise SystemExit(2)
    result: T = found
    return result
