"""Parent's side of a job of mpiexec: start the ranks, send commands, and stop the ranks between them."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.processes import Process, environment
from models.shared.groups import missing_group

TIMEOUT = 120.0
# By default, MPICH's ranks on one machine share memory; with these variables, they use TCP on the loopback address.
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"
OVER_TCP = {
    "MPIR_CVAR_CH4_NETMOD": "ofi", "MPIR_CVAR_NOLOCAL": "1", "FI_PROVIDER": "tcp", "FI_TCP_IFACE": LOOPBACK,
}  # fmt: skip


def mpiexec() -> str:
    """Return the path of mpiexec: of this Python environment, or else of the system.

    Raises
    ------
    SystemExit
        If there is none.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("mpiexec", path=places)
    if found is None:
        raise SystemExit(str(missing_group("mpiexec was not found", "benchmarks")))
    return found


class Job(Process):
    """The ranks of one mpiexec, stopped (SIGSTOP) while no command is running, because MPI waits busily.

    Parameters
    ----------
    side : {"ours", "ddp"}
    ranks : int
    own : str
        Additional environment variables.
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
        """Return the losses of several runs of some work, for each rank."""
        found: list[list[float]] = self.ask("losses", TIMEOUT, work=work, times=times, **given)["answer"]
        return found

    def seconds(self, work: str, seconds: float, **given: Any) -> list[list[float]]:
        """Return the seconds of each run of some work, for each rank."""
        found: list[list[float]] = self.ask("seconds", TIMEOUT, work=work, seconds=seconds, **given)["answer"]
        return found

    def _signal(self, number: int) -> None:
        """Send a signal to each rank; mpiexec starts each in a separate session."""
        if self._process.poll() is None:
            for process in self._numbers:
                with suppress(ProcessLookupError):  # the rank has just failed
                    os.kill(process, number)

    def close(self) -> None:
        """Kill the ranks."""
        self._signal(signal.SIGKILL)
        super().close()
