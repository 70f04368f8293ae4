"""Peers: modules, required packages and programs, and environments of their processes."""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """A framework, or another implementation, that is measured.

    Attributes
    ----------
    name : str
    module : str
        Module with a function ``threads``, and one for each workload that the peer offers.
    needs : tuple of str
        Required packages.
    programs : tuple of str
        Required programs.
    environment : dict
        Environment variables of its process; ``{cores}`` is replaced by the number of cores.
    is_peer : bool
        False for this package and for implementations that are not frameworks; excluded from "fastest peer".
    python : str
        Interpreter of its process.
    home : Path or None
        Working directory of its process, with our packages; None is this checkout.
    """

    name: str
    module: str
    needs: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    is_peer: bool = True
    python: str = sys.executable
    home: Path | None = None

    def missing(self) -> list[str]:
        """Return the required packages and programs that are not installed."""
        packages = [name for name in self.needs if importlib.util.find_spec(name) is None]
        return packages + [f"the program {name}" for name in self.programs if shutil.which(name) is None]


OURS = "ours"
LOWER_BOUND = "NumPy by hand"
_ONE_BLAS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

PEERS = [
    Peer(OURS, "benchmarks.ours", is_peer=False),
    Peer(LOWER_BOUND, "benchmarks.peers.by_hand", is_peer=False),
    Peer("PyTorch", "benchmarks.peers.pytorch", ("torch",)),
    Peer("torch.compile", "benchmarks.peers.pytorch", ("torch",), environment={"BENCHMARK_COMPILE": "1"}),
    Peer("JAX", "benchmarks.peers.jax", ("jax",)),
    Peer("Keras on JAX", "benchmarks.peers.keras", ("keras", "jax"), environment={"KERAS_BACKEND": "jax"}),
    Peer("Keras on PyTorch", "benchmarks.peers.keras", ("keras", "torch"), environment={"KERAS_BACKEND": "torch"}),
    Peer("MyGrad", "benchmarks.peers.mygrad", ("mygrad",)),
    Peer("autograd", "benchmarks.peers.autograd", ("autograd",)),
    Peer("tinygrad", "benchmarks.peers.tinygrad", ("tinygrad",), ("clang",),
         {"DEV": "CPU", "CC": "clang", "NUM_CPU_THREADS": "{cores}"}),
    Peer("micrograd", "benchmarks.peers.micrograd", ("micrograd",)),
    Peer("original script", "benchmarks.peers.original_script", environment=_ONE_BLAS, is_peer=False),
]  # fmt: skip


def ours_on(python: str) -> Peer:
    """Return this package on another interpreter, such as a free-threaded Python, with NumPy and threadpoolctl.

    Raises
    ------
    ValueError
        If `python` cannot be run, or lacks one of these packages.
    """
    ask = "import numpy, sys, threadpoolctl; print('{}.{}'.format(*sys.version_info) + sys.abiflags)"
    try:
        version = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"{python} is not a Python with numpy and threadpoolctl: {error}.") from error
    return Peer(f"{OURS} on {version}", "benchmarks.ours", is_peer=False, python=python)
