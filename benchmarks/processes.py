"""The parent's end of a worker: starts it on its cores, asks, waits for the answer, and stops it in between."""

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
    """A worker failed at what it was asked; the message is for the table."""


def environment(cores: int, **own: str) -> dict[str, str]:
    """Return what a worker's environment says about threads, before any library is imported, and what it needs more."""
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
    return {**os.environ, **quiet, **threads, **own}


class Process:
    """A worker. While it is not asked anything it is stopped, and takes no time from the others."""

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
            If it reports an error, dies, or does not answer in time.
        """
        if self._process.poll() is not None:
            raise WorkerError("its process is gone")
        self._signal(signal.SIGCONT)
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            pipe.flush()
            answer: dict[str, Any] = json.loads(self._line(timeout))
        except BrokenPipeError:
            raise WorkerError(f"its process ended with {self._process.wait()}") from None
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
                    raise WorkerError(f"no answer within {timeout:.0f} s")
                part = os.read(pipe.fileno(), 65536)
                if not part:
                    raise WorkerError(f"its process ended with {self._process.wait()}")
                found += part
        return found

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def close(self) -> None:
        """End it."""
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
    """Start a peer's worker on some cores."""
    command = [peer.python, "-m", "benchmarks.worker", peer.module, *map(str, sorted(cores))]
    own = {name: value.format(cores=len(cores)) for name, value in peer.environment.items()}
    return Process(command, environment(len(cores), **own), subprocess.DEVNULL, peer.home or ROOT)
