"""Results that several of pytest-xdist's processes need, computed by one of them."""

import fcntl
import os
import pickle


def compute_once(tmp_path_factory, name, compute):
    """The result of `compute()`. The first process to ask computes it, the others wait for it and read it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of this run; each process has one within it
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / f"{name}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(compute()))
        return pickle.loads(path.read_bytes())
