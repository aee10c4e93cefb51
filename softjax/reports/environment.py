"""The environment of a report: versions, device, memory, date."""

import os
import platform
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import jax


def describe_environment() -> dict[str, Any]:
    """Versions, device, the peak memory of this process, and the date."""
    device = jax.devices()[0]
    packages = ("softjax-suite", "jax", "jaxlib", "numpy", "scikit-learn", "matplotlib")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
            "machine": platform.machine(),
            "cpu_cores": os.cpu_count(),
        },
        "peak_memory_mb": round(peak / 1e6, 1),
    }


def environment_rows(environment: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of a table: device, versions and date of `environment`."""
    device = environment["device"]
    return [
        (
            "device",
            f"{device['count']} × {device['kind']}, {device['cpu_cores']} CPU cores, {device['machine']}",
        ),
        ("versions", ", ".join(f"{name} {number}" for name, number in environment["versions"].items())),
        ("date", environment["date"]),
    ]
