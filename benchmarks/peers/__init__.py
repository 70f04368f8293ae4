"""Who takes part: each peer's module, the packages it needs, and what its process must be told before it starts."""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """One side of the comparison.

    Attributes
    ----------
    name : str
    module : str
        Offers a function for each workload that the peer can do, and ``threads``.
    needs : tuple of str
        The packages that must be installed.
    programs : tuple of str
        The programs that must be.
    environment : dict
        For its process. ``{cores}`` stands for how many it may use.
    is_peer : bool
        False for ourselves and for the limits that no framework is: they do not count as the fastest peer.
    python : str
        The interpreter that runs it.
    home : Path or None
        Where its process starts and finds our packages: None is this checkout.
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
        """Return which packages and programs are not installed."""
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
    """Return our side on another interpreter, that of a Python without a lock, say. It needs NumPy and threadpoolctl.

    Raises
    ------
    ValueError
        Where it is none, or lacks one of them.
    """
    ask = "import numpy, sys, threadpoolctl; print('{}.{}'.format(*sys.version_info) + sys.abiflags)"
    try:
        version = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"{python} runs no Python with numpy and threadpoolctl: {error}") from error
    return Peer(f"{OURS} on {version}", "benchmarks.ours", is_peer=False, python=python)
