"""Starts and ends the process of a framework, and sends jobs to it."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

from softjax.comparison.devices import ENVIRONMENT, Device

WORKER = (sys.executable, "-m", "softjax.comparison.worker")
# All frameworks get as many threads as there are cores. XLA, tinygrad and MLX use all cores without a setting.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "NUMBA_NUM_THREADS",
)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "TI_SKIP_VERSION_CHECK": "ON"}
UTF8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}  # a framework's own files, whatever the locale
CACHES = (
    "TMPDIR",
    "XDG_CACHE_HOME",
    "JAX_COMPILATION_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "NUMBA_CACHE_DIR",
    "WARP_CACHE_PATH",
    "DRJIT_CACHE_DIR",
)
SECONDS_TO_LEAVE = 2.0


class Process:
    """A worker process for one framework, and the lines that it answers with."""

    def __init__(
        self, framework: str, fresh: bool = False, device: Device = "cpu", full_precision: bool = False
    ) -> None:
        """Starts the worker. With `fresh` it has empty caches, so it compiles everything again."""
        threads = str(os.cpu_count() or 1)
        settings = dict.fromkeys(THREADS, threads) | QUIET | UTF8 | ENVIRONMENT[device]
        self.scratch = tempfile.TemporaryDirectory(prefix="softjax-process-", ignore_cleanup_errors=True)
        if fresh:
            folder = self.scratch.name
            settings |= dict.fromkeys(CACHES, folder) | {
                "CACHEDB": f"{folder}/tinygrad.db",
                "TI_OFFLINE_CACHE": "0",
                "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor",
            }
        self.process = subprocess.Popen(
            [*WORKER, framework, device, "full" if full_precision else "default"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=os.environ | settings,
            cwd=self.scratch.name,  # MindSpore leaves a folder where it runs
            start_new_session=True,  # its compilers end with it, and Ctrl-C reaches only this process
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.busy = False
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, job: dict[str, Any], limit: float) -> dict[str, Any]:
        """The answer to a job; {"status": "crash"} if the process ended, {"status": "hang"} after `limit` seconds."""
        assert self.process.stdin is not None
        self.busy = True
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            return {"status": "hang", "message": f"no answer in {limit:g} s"}
        except BrokenPipeError:
            line = ""
        self.busy = False
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self.process.wait()
        ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return {"status": "crash", "error": ending, "message": f"the process ended: {ending}"}

    def end(self) -> None:
        """Lets the process end by itself if it waits for a job; else kills it, and the processes that it started."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.0 if self.busy else SECONDS_TO_LEAVE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.scratch.cleanup()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.put(line)
        self.lines.put("")
