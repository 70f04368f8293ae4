"""The parent's end of the ranks that mpiexec starts: asks, waits for the answer, and stops them in between."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.processes import Process, environment

TIMEOUT = 120.0
# MPICH's ranks on one machine share memory; told so, they talk as if they were on two, here by way of the loopback.
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"
OVER_TCP = {
    "MPIR_CVAR_CH4_NETMOD": "ofi", "MPIR_CVAR_NOLOCAL": "1", "FI_PROVIDER": "tcp", "FI_TCP_IFACE": LOOPBACK,
}  # fmt: skip


def mpiexec() -> str:
    """Return what starts ranks: that of this environment, or else the system's.

    Raises
    ------
    SystemExit
        There is none.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("mpiexec", path=places)
    if found is None:
        raise SystemExit("no mpiexec, which starts several processes: pip install 'tinygrad-edu[mpi]'")
    return found


class Job(Process):
    """Some ranks. While they are not asked anything they are stopped: those of MPI wait busily.

    Parameters
    ----------
    side : {"ours", "ddp"}
    ranks : int
    own : str
        What their environment says more.
    """

    def __init__(self, side: str, ranks: int, **own: str) -> None:
        self.side, self.ranks = side, ranks
        self._numbers: list[int] = []
        command = [mpiexec(), "-n", str(ranks), sys.executable, "-m", "benchmarks.scaling.rank"]
        own = {"GLOO_SOCKET_IFNAME": LOOPBACK, **own}
        super().__init__([*command, f"benchmarks.scaling.{side}"], environment(1, **own))
        self._numbers = self.ask("processes", TIMEOUT)["answer"]
        self._signal(signal.SIGSTOP)

    def losses(self, work: str, times: int, **given: Any) -> list[list[float]]:
        """Return what each rank got in several runs of some work."""
        found: list[list[float]] = self.ask("losses", TIMEOUT, work=work, times=times, **given)["answer"]
        return found

    def seconds(self, work: str, seconds: float, **given: Any) -> list[list[float]]:
        """Return how long each of its runs took, of each rank."""
        found: list[list[float]] = self.ask("seconds", TIMEOUT, work=work, seconds=seconds, **given)["answer"]
        return found

    def _signal(self, number: int) -> None:
        """Tell the ranks; mpiexec puts each into a session of its own."""
        if self._process.poll() is None:
            for process in self._numbers:
                with suppress(ProcessLookupError):  # one that has just failed, which mpiexec is about to notice
                    os.kill(process, number)

    def close(self) -> None:
        """End them."""
        self._signal(signal.SIGKILL)
        super().close()
