"""A framework's process, as seen from outside."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import Any

WORKER = (sys.executable, "-m", "softjax.comparison.worker")
# The same number of threads for all; those of XLA, tinygrad and MLX are the machine's cores already.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "NUMBA_NUM_THREADS",
)


class Process:
    """A worker for one framework, and the lines it answers."""

    def __init__(self, framework: str) -> None:
        threads = str(os.cpu_count() or 1)
        settings = dict.fromkeys(THREADS, threads) | {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONWARNINGS": "ignore",
        }
        self.process = subprocess.Popen(
            [*WORKER, framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | settings,
            start_new_session=True,  # compilers that it starts end with it; Ctrl-C is ours to handle
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, job: dict[str, Any], limit: float) -> dict[str, Any]:
        """Its answer to a job, {"status": "crash"} where it ended or {"status": "hang"} after `limit` seconds."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            return {"status": "hang", "message": f"no answer in {limit:g} s"}
        except BrokenPipeError:
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self.process.wait()
        ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return {"status": "crash", "error": ending, "message": f"the process ended: {ending}"}

    def end(self) -> None:
        """Ends it, and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.put(line)
        self.lines.put("")
