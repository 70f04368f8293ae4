"""Parent's side of the workers: start a worker on its cores, send commands, and stop it between them."""

import json
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import Peer

ROOT = Path(__file__).parents[1]


class WorkerError(Exception):
    """Failure of a worker; the message is printed in the table."""


# glibc keeps freed memory, as `tinygrad_edu.shared.speed.allocator` sets it. Otherwise it may return that of large
# arrays after each op, depending on what the process computed before, and the page faults take longer than a
# convolution.
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20)}


def environment(cores: int, **own: str) -> dict[str, str]:
    """Return the environment of a worker: numbers of threads, settings of the allocator, and the variables `own`."""
    n = str(cores)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), n)
    if cores == 1:
        threads["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    quiet = {
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return {**os.environ, **quiet, **threads, **_KEPT_MEMORY, **own}


class Process:
    """A worker process, stopped (SIGSTOP) while no command is running."""

    def __init__(
        self, command: list[str], environment: dict[str, str], errors: int | None = None, home: Path = ROOT
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )

    def ask(self, command: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """Send a command and return the answer.

        Raises
        ------
        WorkerError
            If the worker reports an error, ends, or does not answer within `timeout` seconds.
        """
        if self._process.poll() is not None:
            raise WorkerError("the process has ended.")
        self._signal(signal.SIGCONT)
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            pipe.flush()
            answer: dict[str, Any] = json.loads(self._line(timeout))
        except BrokenPipeError:
            raise WorkerError(f"the process ended with exit code {self._process.wait()}.") from None
        finally:
            self._signal(signal.SIGSTOP)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _line(self, timeout: float) -> bytes:
        pipe, found, end = self._process.stdout, b"", time.monotonic() + timeout
        assert pipe is not None
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not found.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    self.close()
                    raise WorkerError(f"no answer within {timeout:.0f} s.")
                part = os.read(pipe.fileno(), 65536)
                if not part:
                    raise WorkerError(f"the process ended with exit code {self._process.wait()}.")
                found += part
        return found

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def close(self) -> None:
        """Kill the process."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def of_peer(peer: Peer, cores: set[int]) -> Process:
    """Start the worker of a peer on the given cores."""
    command = [peer.python, "-m", "benchmarks.worker", peer.module, *map(str, sorted(cores))]
    own = {name: value.format(cores=len(cores)) for name, value in peer.environment.items()}
    return Process(command, environment(len(cores), **own), subprocess.DEVNULL, peer.home or ROOT)
